/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "ledger/pool.h"

struct ledger_connection;

/* The output of one connection: a chain of blocks from slot->out_head to connection->out_tail; both empty or neither. */

struct queue_message {
	uint64_t tag;
	uint64_t about;
	uint32_t flags; /* LEDGER_ENTRY_* */
	const struct iovec *parts;
	size_t n_parts;
	size_t len; /* of all parts, at most MESSAGE_SIZE_MAX */
};

/* Appends; `kept`: blocks of the pool that must be left. `queued` is counted; `ready` is not. -ENOSPC, and nothing has changed.
 */
int queue_append(struct pool *pool, struct ledger_connection *connection, const struct queue_message *message, uint32_t kept);

/* The same for an event: STATUS_EEXIST if it is there already and unsent. */
int queue_append_event(struct pool *pool, struct ledger_connection *connection, const unsigned char *hash_key,
		       const struct queue_message *message);

/* Takes over the queue that the slot holds, all of it valid: the connection's members that mirror it. */
void queue_attach(struct pool *pool, struct ledger_connection *connection);

/* The highest serial of a watch of which an event is queued; 0: there is none. */
uint64_t queue_last_watch(const struct pool *pool, const struct ledger_connection *connection);

/* Notes where to cut: all that is appended from now on waits. */
void queue_mark(struct pool *pool, struct ledger_connection *connection);

/* Removes what was appended since queue_mark. */
void queue_cut(struct pool *pool, struct ledger_connection *connection, const unsigned char *hash_key);

/* Describes the ready output in `buffers`, as many as there are at most; returns how many were filled. */
size_t queue_ready(const struct pool *pool, const struct ledger_connection *connection, struct iovec *buffers, size_t n_buffers);

/* See ledger_output_rest. */
size_t queue_rest(const struct pool *pool, const struct ledger_connection *connection);

/* Gives back the blocks in front of slot->out_pos. */
void queue_taken(struct pool *pool, struct ledger_connection *connection);

/* See ledger_drop_events; *n: how many. */
int queue_drop_events(struct pool *pool, struct ledger_connection *connection, uint64_t before, size_t *n);

/* Gives back everything. */
void queue_drop(struct pool *pool, struct ledger_connection *connection);
