/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Each transaction is a chain of blocks. The first begins with its head, which says how many bytes there are: a piece is written
 * behind them, in as many blocks as it takes, and then that one number counts it. Whose request brought the last piece is noted
 * before, so that a start can leave out what belongs to a request that is not answered.
 *
 * The heads of a connection's transactions are linked, the latest first, beginning in its slot.
 */
#include "ledger/transactions.h"

#include <errno.h>
#include <string.h>

static struct ledger_transaction *head_of(const struct pool *pool, uint32_t record)
{
	return transaction_head(pool_block(pool, record));
}

/* ---- chains ---- */

/* Gives a chain of blocks back. */
static void give_chain(struct pool *pool, uint32_t number)
{
	while (number) {
		uint32_t next = ledger_block_next(pool_block(pool, number));
		pool_give(pool, number);
		number = next;
	}
}

/* Takes a chain of `n` empty blocks. 0: there is no room for it, or n is 0. *last: its end. */
static uint32_t take_chain(struct pool *pool, uint32_t n, uint32_t *last)
{
	uint32_t first = 0;

	*last = 0;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t number = pool_take(pool, POOL_KEPT);
		if (!number) {
			give_chain(pool, first);
			return 0;
		}
		struct ledger_block *block = pool_block(pool, number);
		block->base = 0;
		block->link = (uint64_t)first << 32;
		first = number;
		*last = *last ? *last : number;
	}
	return first;
}

/* Copies bytes to where byte `at` of the transaction is and behind, through the chain from its last block, `number`. */
static void put(struct pool *pool, uint32_t number, bool is_first, uint64_t at, const unsigned char *bytes, size_t len)
{
	size_t first = transaction_room(true), other = transaction_room(false);
	size_t offset = is_first ? at : (at - first) % other;

	if (!is_first && !offset)
		offset = other; /* it is not empty, so it is full */
	for (; len; is_first = false, offset = 0, number = ledger_block_next(pool_block(pool, number))) {
		struct ledger_block *block = pool_block(pool, number);
		size_t room = transaction_room(is_first) - offset, part = len < room ? len : room;
		memcpy(block->bytes + sizeof(block->bytes) - room, bytes, part);
		bytes += part;
		len -= part;
	}
}

/* ---- one transaction ---- */

/* A chain with these bytes that nothing leads to. 0: no room. */
static uint32_t make(struct pool *pool, uint32_t id, uint64_t about, const void *bytes, size_t len)
{
	uint32_t last, record = take_chain(pool, transaction_blocks(len), &last);

	if (!record)
		return 0;
	*head_of(pool, record) = (struct ledger_transaction){.id = id, .tail = last, .started = about, .len = len};
	put(pool, record, true, 0, bytes, len);
	return record;
}

int ledger_transaction_begin(struct ledger_connection *connection, uint32_t id, uint64_t about, const void *bytes, size_t len,
			     uint32_t *record)
{
	struct pool *pool = ledger_pool(connection);
	struct ledger_slot *slot = connection->slot;

	*record = make(pool, id, about, bytes, len);
	if (!*record)
		return -ENOSPC;
	head_of(pool, *record)->next = slot->transactions;
	publish_u32(&slot->last_transaction, id);
	publish_u32(&slot->transactions, *record);
	return 0;
}

int ledger_transaction_reserve(struct ledger_connection *connection, uint32_t record, size_t len)
{
	struct pool *pool = ledger_pool(connection);
	const struct ledger_transaction *head = head_of(pool, record);
	uint32_t more = transaction_blocks(head->len + len) - transaction_blocks(head->len);

	while (pool->blocks_total - pool->blocks_used < POOL_KEPT + more)
		if (pool_grow(pool))
			return -ENOSPC;
	return 0;
}

int ledger_transaction_append(struct ledger_connection *connection, uint32_t record, uint64_t about, const void *bytes,
			      size_t len)
{
	struct pool *pool = ledger_pool(connection);
	struct ledger_transaction *head = head_of(pool, record);
	uint32_t more = transaction_blocks(head->len + len) - transaction_blocks(head->len), last, tail = head->tail;
	uint32_t added = take_chain(pool, more, &last);

	if (more && !added)
		return -ENOSPC;
	if (added)
		publish_u64(&pool_block(pool, tail)->link, (uint64_t)added << 32);
	put(pool, tail, tail == record, head->len, bytes, len);
	publish_u64(&head->last_begin, head->len);
	publish_u64(&head->last_about, about);
	publish_u64(&head->len, head->len + len);
	if (added)
		head->tail = last;
	return 0;
}

/* The word that names `record`: in the slot, or in the one that comes before it. */
static uint32_t *link_to(struct pool *pool, struct ledger_slot *slot, uint32_t record)
{
	uint32_t *link = &slot->transactions;

	while (*link != record)
		link = &head_of(pool, *link)->next;
	return link;
}

int ledger_transaction_replace(struct ledger_connection *connection, uint32_t *record, const void *bytes, size_t len)
{
	struct pool *pool = ledger_pool(connection);
	struct ledger_transaction *old = head_of(pool, *record);
	uint32_t fresh = make(pool, old->id, old->started, bytes, len), before = *record;

	if (!fresh)
		return -ENOSPC;
	head_of(pool, fresh)->marks = old->marks & ~(uint32_t)LEDGER_RESUMED;
	head_of(pool, fresh)->next = old->next;
	publish_u32(link_to(pool, connection->slot, before), fresh);
	give_chain(pool, before);
	*record = fresh;
	return 0;
}

void ledger_transaction_mark(struct ledger_connection *connection, uint32_t record, uint32_t mark)
{
	struct ledger_transaction *head = head_of(ledger_pool(connection), record);

	publish_u32(&head->marks, head->marks | mark);
}

void ledger_transaction_end(struct ledger_connection *connection, uint32_t record, uint64_t about)
{
	publish_u64(&head_of(ledger_pool(connection), record)->ended, about);
}

void ledger_transaction_drop(struct ledger_connection *connection, uint32_t record)
{
	struct pool *pool = ledger_pool(connection);

	publish_u32(link_to(pool, connection->slot, record), head_of(pool, record)->next);
	give_chain(pool, record);
}

void transactions_drop(struct pool *pool, struct ledger_connection *connection)
{
	uint32_t record = connection->slot->transactions;

	publish_u32(&connection->slot->transactions, 0);
	while (record) {
		uint32_t next = head_of(pool, record)->next;
		give_chain(pool, record);
		record = next;
	}
}

/* ---- what there is ---- */

size_t ledger_transaction_len(const struct ledger_connection *connection, uint32_t record)
{
	return head_of(ledger_pool(connection), record)->len;
}

size_t ledger_transaction_memory(size_t len)
{
	return (size_t)transaction_blocks(len) * LEDGER_BLOCK_SIZE;
}

uint32_t ledger_last_transaction(const struct ledger_connection *connection)
{
	return connection->slot->last_transaction;
}

bool ledger_transaction_next(const struct ledger_connection *connection, uint32_t *record, struct ledger_found_transaction *out)
{
	const struct pool *pool = ledger_pool(connection);

	*record = *record ? head_of(pool, *record)->next : connection->slot->transactions;
	if (!*record)
		return false;
	const struct ledger_transaction *head = head_of(pool, *record);
	*out = (struct ledger_found_transaction){*record, head->id, head->marks};
	return true;
}

void ledger_transaction_read(const struct ledger_connection *connection, uint32_t record, struct buffer *out)
{
	const struct pool *pool = ledger_pool(connection);
	uint64_t left = head_of(pool, record)->len;
	bool is_first = true;

	for (uint32_t number = record; left; number = ledger_block_next(pool_block(pool, number)), is_first = false) {
		const struct ledger_block *block = pool_block(pool, number);
		size_t room = transaction_room(is_first), part = left < room ? left : room;
		buffer_add(out, block->bytes + sizeof(block->bytes) - room, part);
		left -= part;
	}
}
