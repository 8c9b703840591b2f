/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "ledger/ledger.h"
#include "ledger/pool.h"

/*
 * A client's open transactions, so that they outlive the process. What a transaction is made of is for others to know: here it
 * is a string of bytes that only gets longer, and is named by the number of its first block, `record`. A transaction, each piece
 * that is appended to it, and its end are valid once the request that caused it is answered, whose end in the input is `about`:
 * so the store that makes the reply valid makes these valid too. Of one request at most one piece is appended.
 */

/* Marks, any number of them. */
enum {
	LEDGER_DOOMED = 1, /* whatever its bytes say */
	LEDGER_RESUMED = 2 /* a process has gone on with it that may have looked at more than its bytes say */
};

/* *record: the new transaction, the connection's `id`. -ENOSPC. */
int ledger_transaction_begin(struct ledger_connection *connection, uint32_t id, uint64_t about, const void *bytes, size_t len,
			     uint32_t *record);

/* Makes sure that as much as that can be appended. -ENOSPC. */
int ledger_transaction_reserve(struct ledger_connection *connection, uint32_t record, size_t len);

/* -ENOSPC, not after ledger_transaction_reserve: then nothing has changed. */
int ledger_transaction_append(struct ledger_connection *connection, uint32_t record, uint64_t about, const void *bytes,
			      size_t len);

/* Puts these bytes in the place of all, valid at once; *record is another then, and no longer LEDGER_RESUMED. -ENOSPC: as before.
 */
int ledger_transaction_replace(struct ledger_connection *connection, uint32_t *record, const void *bytes, size_t len);

void ledger_transaction_mark(struct ledger_connection *connection, uint32_t record, uint32_t mark);
void ledger_transaction_end(struct ledger_connection *connection, uint32_t record, uint64_t about);

/* Gives its blocks back: it has ended. */
void ledger_transaction_drop(struct ledger_connection *connection, uint32_t record);

/* Its bytes, and the bytes of memory that it takes with so many. */
size_t ledger_transaction_len(const struct ledger_connection *connection, uint32_t record);
size_t ledger_transaction_memory(size_t len);

/* The highest id that was given to one of the connection's. */
uint32_t ledger_last_transaction(const struct ledger_connection *connection);

struct ledger_found_transaction {
	uint32_t record, id, marks;
};

/* Those of a connection that was attached, the latest first: *record is 0 first, then of the one before. False: no more. */
bool ledger_transaction_next(const struct ledger_connection *connection, uint32_t *record, struct ledger_found_transaction *out);

/* Adds its bytes to `out`. */
void ledger_transaction_read(const struct ledger_connection *connection, uint32_t record, struct buffer *out);

/* Within src/ledger: gives all of them back. */
void transactions_drop(struct pool *pool, struct ledger_connection *connection);
struct pool *ledger_pool(const struct ledger_connection *connection);

/* Where byte `at` of a transaction lies: blocks behind the first, and the offset there. How many bytes a block has for it. */
static inline size_t transaction_room(bool is_first)
{
	return sizeof(((struct ledger_block *)NULL)->bytes) - (is_first ? sizeof(struct ledger_transaction) : 0);
}

/* Blocks that so many bytes take. */
static inline uint32_t transaction_blocks(uint64_t len)
{
	size_t first = transaction_room(true), other = transaction_room(false);

	return len <= first ? 1 : 1 + (uint32_t)((len - first + other - 1) / other);
}

static inline struct ledger_transaction *transaction_head(struct ledger_block *block)
{
	return (struct ledger_transaction *)(void *)block->bytes;
}
