/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The messages of a block are one run of bytes, so one buffer of a system call takes them all; what is one message and when it
 * is valid stands in the entries at the other end. An entry is there when the block's `link` counts it, a block when the `link`
 * before it (or the slot) names it: a message is appended by writing everything and then that one word, also where it lies in
 * two blocks. Every block in the chain has at least one entry and the first one bytes that are not taken, unless all wait.
 *
 * Events are compared with those queued. A short queue is looked through; once there is more, a table is made from the whole
 * queue and kept until it is empty, so each entry is entered once. A client that reads promptly never gets there.
 */
#include "ledger/queue.h"

#include <errno.h>
#include <string.h>

#include "base/hash.h"
#include "base/status.h"
#include "ledger/duplicates.h"
#include "ledger/ledger.h"
#include "wire/message.h"

enum {
	BYTES_AND_ENTRIES = sizeof(((struct ledger_block *)NULL)->bytes),
	PART_MIN = 64,	    /* a smaller rest of a block is left empty */
	LOOKED_THROUGH = 16 /* entries */
};

/* A message with its watch before it: what fingerprints are made of. */
struct flat_event {
	uint64_t serial;
	unsigned char bytes[MESSAGE_SIZE_MAX];
};

/* Where the bytes of this entry begin; the one of index `count` would begin where the last one ends. */
static uint32_t entry_begin(struct ledger_block *block, uint32_t index)
{
	return index ? ledger_block_entry(block, index - 1)->end : 0;
}

static uint32_t block_end(struct ledger_block *block)
{
	return entry_begin(block, ledger_block_count(block));
}

static uint32_t block_number(const struct pool *pool, const struct ledger_block *block)
{
	return (uint32_t)(((const unsigned char *)block - pool->map) / LEDGER_BLOCK_SIZE);
}

static uint64_t make_link(uint32_t next, uint32_t count)
{
	return (uint64_t)next << 32 | count;
}

/* Copies bytes [from, from + len) of the message. */
static void copy_part(const struct queue_message *message, size_t from, size_t len, unsigned char *to)
{
	for (const struct iovec *part = message->parts; len; part++) {
		size_t n;

		if (from >= part->iov_len) {
			from -= part->iov_len;
			continue;
		}
		n = part->iov_len - from < len ? part->iov_len - from : len;
		memcpy(to, (const unsigned char *)part->iov_base + from, n);
		to += n;
		len -= n;
		from = 0;
	}
}

static void copy_whole(const struct queue_message *message, unsigned char *to)
{
	for (size_t i = 0; i < message->n_parts; i++) {
		size_t len = message->parts[i].iov_len;

		if (len)
			memcpy(to, message->parts[i].iov_base, len);
		to += len;
	}
}

static void fill_entry(struct ledger_block *block, uint32_t index, const struct queue_message *message, uint32_t end,
		       uint32_t more_flags)
{
	struct ledger_entry *entry = ledger_block_entry(block, index);

	entry->tag = message->tag;
	entry->about = message->about;
	entry->end = end;
	entry->flags = message->flags | more_flags;
}

/* Appends to an empty queue. */
static int append_first(struct pool *pool, struct ledger_connection *connection, const struct queue_message *message,
			uint32_t kept)
{
	uint32_t number = pool_take(pool, kept);
	struct ledger_block *block;

	if (!number)
		return -ENOSPC;
	block = pool_block(pool, number);
	block->base = connection->slot->out_pos;
	block->link = make_link(0, 1);
	copy_whole(message, block->bytes);
	fill_entry(block, 0, message, (uint32_t)message->len, 0);
	publish_u32(&connection->slot->out_head, number);
	connection->out_tail = block;
	connection->blocks = 1;
	connection->queued = message->len;
	return 0;
}

/* Appends where the last block has only `room` bytes left for the message. */
static int append_in_parts(struct pool *pool, struct ledger_connection *connection, const struct queue_message *message,
			   uint32_t kept, size_t room)
{
	struct ledger_block *tail = connection->out_tail, *block;
	uint32_t number = pool_take(pool, kept), count = ledger_block_count(tail), end = block_end(tail);
	size_t first = room >= PART_MIN ? room : 0;

	if (!number)
		return -ENOSPC;
	block = pool_block(pool, number);
	block->base = connection->slot->out_pos + connection->queued + first;
	copy_part(message, first, message->len - first, block->bytes);
	fill_entry(block, 0, message, (uint32_t)(message->len - first), first ? LEDGER_ENTRY_CONTINUATION : 0);
	block->link = make_link(0, 1);
	if (first) {
		copy_part(message, 0, first, tail->bytes + end);
		fill_entry(tail, count++, message, end + (uint32_t)first, LEDGER_ENTRY_CONTINUES);
	}
	publish_u64(&tail->link, make_link(number, count));
	connection->out_tail = block;
	connection->blocks++;
	connection->queued += message->len;
	return 0;
}

int queue_append(struct pool *pool, struct ledger_connection *connection, const struct queue_message *message, uint32_t kept)
{
	struct ledger_block *tail = connection->out_tail;
	uint32_t count, end;
	size_t taken;

	if (!tail)
		return append_first(pool, connection, message, kept);
	count = ledger_block_count(tail);
	end = block_end(tail);
	taken = end + (count + 1) * sizeof(struct ledger_entry);
	if (taken + message->len > BYTES_AND_ENTRIES)
		return append_in_parts(pool, connection, message, kept,
				       taken < BYTES_AND_ENTRIES ? BYTES_AND_ENTRIES - taken : 0);
	copy_whole(message, tail->bytes + end);
	fill_entry(tail, count, message, end + (uint32_t)message->len, 0);
	publish_u64(&tail->link, make_link(0, count + 1));
	connection->queued += message->len;
	return 0;
}

/* ---- events that are queued already ---- */

static bool is_comparable(const struct ledger_entry *entry)
{
	return (entry->flags & (LEDGER_ENTRY_EVENT | LEDGER_ENTRY_CONTINUATION | LEDGER_ENTRY_REPEATED)) == LEDGER_ENTRY_EVENT;
}

static uint32_t fingerprint(const unsigned char *hash_key, const struct flat_event *flat, size_t len)
{
	return (uint32_t)hash_short(hash_key, flat, offsetof(struct flat_event, bytes) + len);
}

/* The message that begins with this entry; returns its length. */
static size_t flatten(const struct pool *pool, struct ledger_block *block, uint32_t index, struct flat_event *out)
{
	const struct ledger_entry *entry = ledger_block_entry(block, index);
	uint32_t begin = entry_begin(block, index);
	size_t len = entry->end - begin, rest;

	out->serial = entry->about;
	memcpy(out->bytes, block->bytes + begin, len);
	if (entry->flags & LEDGER_ENTRY_CONTINUES) {
		block = pool_block(pool, ledger_block_next(block));
		rest = ledger_block_entry(block, 0)->end;
		memcpy(out->bytes + len, block->bytes, rest);
		len += rest;
	}
	return len;
}

/* The index of the entry whose bytes begin at this offset of the stream; it is known to be in this block. */
static uint32_t find_entry(struct ledger_block *block, uint64_t at)
{
	uint32_t low = 0, high = ledger_block_count(block) - 1, offset = (uint32_t)(at - block->base);

	while (low < high) {
		uint32_t middle = (low + high) / 2;

		if (ledger_block_entry(block, middle)->end <= offset)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool same_bytes(const unsigned char *bytes, const struct queue_message *message)
{
	for (size_t i = 0; i < message->n_parts; i++) {
		size_t len = message->parts[i].iov_len;

		if (len && memcmp(bytes, message->parts[i].iov_base, len) != 0)
			return false;
		bytes += len;
	}
	return true;
}

enum looked { LOOKED_FOUND, LOOKED_ABSENT, LOOKED_TOO_LONG };

/* Looks through the queue from its end, if it is short. */
static enum looked look_through(const struct pool *pool, const struct ledger_connection *connection,
				const struct queue_message *message)
{
	struct ledger_block *tail = connection->out_tail;
	uint32_t count = ledger_block_count(tail);

	for (uint32_t i = count; i-- > 0;) {
		const struct ledger_entry *entry = ledger_block_entry(tail, i);
		uint32_t begin = entry_begin(tail, i);

		if (tail->base + begin < connection->slot->out_pos)
			return LOOKED_ABSENT;
		if (count - i > LOOKED_THROUGH)
			return LOOKED_TOO_LONG;
		if (is_comparable(entry) && entry->about == message->about && entry->end - begin == message->len &&
		    same_bytes(tail->bytes + begin, message))
			return LOOKED_FOUND;
	}
	return connection->slot->out_head == block_number(pool, tail) ? LOOKED_ABSENT : LOOKED_TOO_LONG;
}

/* Without memory for the table, events are queued twice rather than refused. */
static void forget_duplicates(struct ledger_connection *connection)
{
	duplicates_free(connection->duplicates);
	connection->duplicates = NULL;
}

static void collect_duplicates(const struct pool *pool, struct ledger_connection *connection, const unsigned char *hash_key)
{
	uint64_t from = connection->slot->out_pos;
	struct flat_event flat;

	connection->duplicates = duplicates_new();
	for (uint32_t number = connection->slot->out_head; number && connection->duplicates;) {
		struct ledger_block *block = pool_block(pool, number);

		for (uint32_t i = 0; i < ledger_block_count(block); i++) {
			struct duplicate added = {.at = block->base + entry_begin(block, i), .block = number};

			if (added.at < from || !is_comparable(ledger_block_entry(block, i)))
				continue;
			added.fingerprint = fingerprint(hash_key, &flat, flatten(pool, block, i, &flat));
			if (duplicates_add(&connection->duplicates, &added, from)) {
				forget_duplicates(connection);
				return;
			}
		}
		number = ledger_block_next(block);
	}
}

static bool in_table(const struct pool *pool, const struct ledger_connection *connection, uint32_t print,
		     const struct queue_message *message)
{
	size_t cursor = 0;
	struct duplicate found;
	struct flat_event flat;

	while (duplicates_next(connection->duplicates, print, connection->slot->out_pos, &cursor, &found)) {
		struct ledger_block *block = pool_block(pool, found.block);

		if (flatten(pool, block, find_entry(block, found.at), &flat) == message->len && flat.serial == message->about &&
		    same_bytes(flat.bytes, message))
			return true;
	}
	return false;
}

/* An event for a connection with a table: compared by it and entered in it. */
static int append_with_table(struct pool *pool, struct ledger_connection *connection, const unsigned char *hash_key,
			     const struct queue_message *message)
{
	uint64_t at = connection->slot->out_pos + connection->queued;
	struct ledger_block *tail = connection->out_tail;
	struct duplicate added = {.at = at};
	struct flat_event flat;
	int result;

	flat.serial = message->about;
	copy_whole(message, flat.bytes);
	added.fingerprint = fingerprint(hash_key, &flat, message->len);
	if (in_table(pool, connection, added.fingerprint, message))
		return STATUS_EEXIST;
	result = queue_append(pool, connection, message, POOL_KEPT);
	if (result)
		return result;
	if (at >= connection->out_tail->base)
		tail = connection->out_tail;
	added.block = block_number(pool, tail);
	if (duplicates_add(&connection->duplicates, &added, connection->slot->out_pos))
		forget_duplicates(connection);
	return 0;
}

int queue_append_event(struct pool *pool, struct ledger_connection *connection, const unsigned char *hash_key,
		       const struct queue_message *message)
{
	if (connection->out_tail && !(message->flags & LEDGER_ENTRY_REPEATED)) {
		if (!connection->duplicates) {
			switch (look_through(pool, connection, message)) {
			case LOOKED_FOUND:
				return STATUS_EEXIST;
			case LOOKED_ABSENT:
				break;
			case LOOKED_TOO_LONG:
				collect_duplicates(pool, connection, hash_key);
				break;
			}
		}
		if (connection->duplicates)
			return append_with_table(pool, connection, hash_key, message);
	}
	return queue_append(pool, connection, message, POOL_KEPT);
}

/* ---- cutting and sending ---- */

static void give_chain(struct pool *pool, struct ledger_connection *connection, uint32_t number)
{
	while (number) {
		uint32_t next = ledger_block_next(pool_block(pool, number));

		pool_give(pool, number);
		connection->blocks--;
		number = next;
	}
}

void queue_drop(struct pool *pool, struct ledger_connection *connection)
{
	uint32_t head = connection->slot->out_head;

	publish_u32(&connection->slot->out_head, 0);
	give_chain(pool, connection, head);
	connection->out_tail = NULL;
	connection->replies = connection->events = connection->entries_taken = 0;
	if (connection->duplicates)
		forget_duplicates(connection);
}

/* Counts a message at its last entry; `sign` is 1 or -1. */
static void count_message(struct ledger_connection *connection, const struct ledger_entry *entry, int sign)
{
	if (entry->flags & LEDGER_ENTRY_CONTINUES)
		return;
	*(entry->flags & LEDGER_ENTRY_REPLY ? &connection->replies : &connection->events) += (uint32_t)sign;
}

/* Passes the entries of the first block that end at or before slot->out_pos. */
static void pass_taken(struct ledger_connection *connection, struct ledger_block *block)
{
	for (; connection->entries_taken < ledger_block_count(block); connection->entries_taken++) {
		const struct ledger_entry *entry = ledger_block_entry(block, connection->entries_taken);

		if (block->base + entry->end > connection->slot->out_pos)
			return;
		count_message(connection, entry, -1);
	}
}

void queue_attach(struct pool *pool, struct ledger_connection *connection)
{
	struct ledger_slot *slot = connection->slot;

	for (uint32_t number = slot->out_head; number; number = ledger_block_next(connection->out_tail)) {
		connection->out_tail = pool_block(pool, number);
		connection->blocks++;
		for (uint32_t i = 0; i < ledger_block_count(connection->out_tail); i++)
			count_message(connection, ledger_block_entry(connection->out_tail, i), 1);
	}
	if (slot->out_head)
		pass_taken(connection, pool_block(pool, slot->out_head));
	if (connection->out_tail)
		connection->queued = connection->out_tail->base + block_end(connection->out_tail) - slot->out_pos;
	connection->ready = connection->queued;
}

uint64_t queue_last_watch(const struct pool *pool, const struct ledger_connection *connection)
{
	uint64_t last = 0;

	for (uint32_t number = connection->slot->out_head; number; number = ledger_block_next(pool_block(pool, number))) {
		struct ledger_block *block = pool_block(pool, number);
		for (uint32_t i = 0; i < ledger_block_count(block); i++) {
			const struct ledger_entry *entry = ledger_block_entry(block, i);
			if (entry->flags & LEDGER_ENTRY_EVENT && entry->about > last)
				last = entry->about;
		}
	}
	return last;
}

void queue_mark(struct pool *pool, struct ledger_connection *connection)
{
	struct ledger_block *tail = connection->out_tail;

	connection->mark_block = tail ? block_number(pool, tail) : 0;
	connection->mark_count = tail ? ledger_block_count(tail) : 0;
}

static void remove_cut_duplicates(const struct pool *pool, struct ledger_connection *connection, const unsigned char *hash_key)
{
	uint32_t number = connection->mark_block ? connection->mark_block : connection->slot->out_head;
	uint32_t i = connection->mark_block ? connection->mark_count : 0;
	struct flat_event flat;

	while (number) {
		struct ledger_block *block = pool_block(pool, number);

		for (; i < ledger_block_count(block); i++)
			if (is_comparable(ledger_block_entry(block, i)))
				duplicates_remove(connection->duplicates,
						  fingerprint(hash_key, &flat, flatten(pool, block, i, &flat)),
						  block->base + entry_begin(block, i));
		i = 0;
		number = ledger_block_next(block);
	}
}

void queue_cut(struct pool *pool, struct ledger_connection *connection, const unsigned char *hash_key)
{
	struct ledger_block *mark;
	uint32_t rest;

	if (connection->duplicates)
		remove_cut_duplicates(pool, connection, hash_key);
	connection->queued = connection->ready;
	if (connection->queued == 0) {
		queue_drop(pool, connection);
		return;
	}
	connection->replies -= connection->pending_replies;
	connection->events -= connection->pending_entries - connection->pending_replies;
	mark = pool_block(pool, connection->mark_block);
	rest = ledger_block_next(mark);
	publish_u64(&mark->link, make_link(0, connection->mark_count));
	give_chain(pool, connection, rest);
	connection->out_tail = mark;
}

size_t queue_rest(const struct pool *pool, const struct ledger_connection *connection)
{
	const struct ledger_slot *slot = connection->slot;
	uint32_t index = connection->entries_taken;
	size_t rest = 0;

	if (!slot->out_head)
		return 0;
	struct ledger_block *block = pool_block(pool, slot->out_head);
	if (index >= ledger_block_count(block))
		return 0;
	const struct ledger_entry *entry = ledger_block_entry(block, index);
	uint64_t offset = slot->out_pos - block->base, begin = index ? ledger_block_entry(block, index - 1)->end : 0;
	if (offset <= begin && !(entry->flags & LEDGER_ENTRY_CONTINUATION))
		return 0;
	for (;;) {
		rest += entry->end - offset;
		if (!(entry->flags & LEDGER_ENTRY_CONTINUES) || !ledger_block_next(block))
			return rest;
		block = pool_block(pool, ledger_block_next(block));
		entry = ledger_block_entry(block, 0);
		offset = 0;
	}
}

size_t queue_ready(const struct pool *pool, const struct ledger_connection *connection, struct iovec *buffers, size_t n_buffers)
{
	uint64_t pos = connection->slot->out_pos, left = connection->ready;
	uint32_t number = connection->slot->out_head;
	size_t n = 0;

	while (left && n < n_buffers) {
		struct ledger_block *block = pool_block(pool, number);
		uint64_t offset = pos - block->base;
		uint64_t len = block_end(block) - offset;

		if (len > left)
			len = left;
		buffers[n].iov_base = block->bytes + offset;
		buffers[n++].iov_len = len;
		pos += len;
		left -= len;
		number = ledger_block_next(block);
	}
	return n;
}

void queue_taken(struct pool *pool, struct ledger_connection *connection)
{
	struct ledger_slot *slot = connection->slot;
	uint32_t number = slot->out_head;

	if (connection->queued == 0) {
		queue_drop(pool, connection);
		return;
	}
	for (;;) {
		struct ledger_block *block = pool_block(pool, number);
		uint32_t next = ledger_block_next(block);

		pass_taken(connection, block);
		if (slot->out_pos < block->base + block_end(block))
			return;
		connection->entries_taken = 0;
		if (number == connection->mark_block)
			connection->mark_block = 0;
		publish_u32(&slot->out_head, next);
		pool_give(pool, number);
		connection->blocks--;
		number = next;
	}
}

/* ---- dropping events ---- */

/* A message of the queue; in two parts if it goes on in the next block. */
struct queued_message {
	struct ledger_block *block; /* of its first entry, which is this: */
	uint32_t index;
	uint64_t at; /* offset in the stream */
	struct queue_message message;
	struct iovec parts[2];
};

/* Looks at the message that begins with the entry `index` of the block, and moves both to its last entry. */
static void message_at(const struct pool *pool, struct queued_message *out)
{
	const struct ledger_entry *entry = ledger_block_entry(out->block, out->index);
	uint32_t begin = entry_begin(out->block, out->index);

	out->at = out->block->base + begin;
	out->parts[0] = (struct iovec){out->block->bytes + begin, entry->end - begin};
	out->message = (struct queue_message){
	    entry->tag, entry->about, entry->flags & ~(uint32_t)LEDGER_ENTRY_CONTINUES, out->parts, 1, entry->end - begin};
	if (!(entry->flags & LEDGER_ENTRY_CONTINUES))
		return;
	out->block = pool_block(pool, ledger_block_next(out->block));
	out->index = 0;
	out->parts[1] = (struct iovec){out->block->bytes, ledger_block_entry(out->block, 0)->end};
	out->message.n_parts = 2;
	out->message.len += out->parts[1].iov_len;
}

/* Moves behind the message that was looked at last. False: it was the last one. */
static bool next_message(const struct pool *pool, struct queued_message *message)
{
	if (++message->index < ledger_block_count(message->block))
		return true;
	uint32_t next = ledger_block_next(message->block);
	if (!next)
		return false;
	message->block = pool_block(pool, next);
	message->index = 0;
	return true;
}

/* An event that was queued in front of `before`, of which no byte is taken. */
static bool is_to_drop(const struct ledger_connection *connection, const struct queued_message *message, uint64_t before)
{
	return message->message.flags & LEDGER_ENTRY_EVENT && !(message->message.flags & LEDGER_ENTRY_CONTINUATION) &&
	       message->at >= connection->slot->out_pos && message->at + message->message.len <= before;
}

/* The copy takes the queue's place with one store. */
static void replace_queue(struct pool *pool, struct ledger_connection *connection, const struct ledger_connection *copy)
{
	uint32_t old = connection->slot->out_head;

	publish_u32(&connection->slot->out_head, copy->slot->out_head);
	give_chain(pool, connection, old);
	connection->out_tail = copy->out_tail;
	connection->blocks = copy->blocks;
	connection->queued = connection->ready = copy->slot->out_pos + copy->queued - connection->slot->out_pos;
	connection->entries_taken = connection->mark_block = 0;
	if (connection->duplicates)
		forget_duplicates(connection);
}

int queue_drop_events(struct pool *pool, struct ledger_connection *connection, uint64_t before, size_t *n)
{
	struct queued_message message = {.block = pool_block(pool, connection->slot->out_head),
					 .index = connection->entries_taken};
	struct ledger_slot slot = {0};
	struct ledger_connection copy = {.slot = &slot};
	bool goes_on = connection->slot->out_head;
	int result = 0;

	*n = 0;
	for (; goes_on && !result; goes_on = next_message(pool, &message)) {
		message_at(pool, &message);
		if (is_to_drop(connection, &message, before)) {
			++*n;
			continue;
		}
		if (!copy.out_tail) /* of the first one some bytes may have been taken */
			slot.out_pos = message.at < connection->slot->out_pos ? message.at : connection->slot->out_pos;
		result = queue_append(pool, &copy, &message.message, POOL_KEPT);
	}
	if (result || !*n) {
		give_chain(pool, &copy, slot.out_head);
	} else if (copy.out_tail) {
		connection->events -= (uint32_t)*n;
		replace_queue(pool, connection, &copy);
	} else {
		queue_drop(pool, connection);
		connection->queued = connection->ready = 0;
	}
	return result;
}
