/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What must outlive the process is in the mapping, in an order of stores that makes sense wherever it stops: bytes before the
 * word that counts them, a position before the block it makes superfluous is given away. What can be told from that, or from
 * the store's last transaction id, is only in this process: what has been run, what is ready to be sent, who has entries
 * that wait. So a commit is one store for each connection whose requests it answers, and a cut takes back the tail of each queue.
 *
 * Input lies in one block per connection from its first byte to the answer of the last request in it. A request that is cut
 * by the block's end is carried over to a fresh block, so that every request is in one piece when it is whole.
 */
#include "ledger/ledger.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "base/hash.h"
#include "ledger/duplicates.h"
#include "ledger/loading.h"
#include "ledger/pool.h"
#include "ledger/queue.h"
#include "ledger/recovery.h"
#include "ledger/transactions.h"
#include "wire/message.h"

enum { CRASHES_MAX = 2, DEATHS_MAX = 5 /* of one request, before it is given up */ };

struct ledger {
	struct pool pool;
	struct ledger_suspect suspect;
	bool acquits; /* requests, with recovery */
	struct loading loading;
	bool is_new;
	struct ledger_connection *touched; /* those with requests or entries that wait for commit or cut */
	unsigned char hash_key[HASH_KEY_SIZE];
};

int ledger_open(const char *path, size_t limit, struct ledger **out)
{
	struct ledger *ledger = calloc(1, sizeof(*ledger));
	int result;

	*out = NULL;
	if (!ledger)
		return -ENOMEM;
	result = pool_open(path, limit, &ledger->pool);
	if (result) {
		free(ledger);
		return result;
	}
	hash_key_random(ledger->hash_key);
	if (ledger_has_header(ledger))
		loading_begin(&ledger->loading, &ledger->pool.header->start);
	*out = ledger;
	return 0;
}

void ledger_close(struct ledger *ledger)
{
	if (!ledger)
		return;
	pool_close(&ledger->pool);
	free(ledger);
}

int ledger_begin(struct ledger *ledger, const unsigned char store_id[16])
{
	ledger->touched = NULL;
	ledger->loading.start = NULL;
	int error = pool_begin(&ledger->pool, store_id);
	if (error)
		return error;
	loading_begin(&ledger->loading, &ledger->pool.header->start);
	ledger->is_new = true;
	return 0;
}

static void acquit_requests(struct ledger *ledger)
{
	for (uint32_t i = 0; i < ledger->pool.slots_touched; i++)
		if (ledger->pool.slots[i].state != LEDGER_FREE)
			ledger->pool.slots[i].crashes = ledger->pool.slots[i].kills = 0;
	ledger->suspect.is_there = false;
}

void ledger_acquit_all(struct ledger *ledger, bool once)
{
	struct ledger_header *header = ledger->pool.header;

	if (!ledger_has_header(ledger) || (once && header->acquitted))
		return;
	loading_acquit(&ledger->loading);
	ledger->acquits = true;
	publish_u32(&header->acquitted, 1);
}

int ledger_recover(struct ledger *ledger, const unsigned char store_id[16], uint64_t last_tag,
		   void (*damaged)(void *context, uint64_t connection_id, const char *what), void *context)
{
	ledger->touched = NULL;
	int result = recovery_run(&ledger->pool, store_id, last_tag, damaged, context, &ledger->suspect);
	if (!result && ledger->acquits)
		acquit_requests(ledger);
	return result;
}

const struct ledger_suspect *ledger_suspect(const struct ledger *ledger)
{
	return &ledger->suspect;
}

bool ledger_is_new(const struct ledger *ledger)
{
	return ledger->is_new;
}

bool ledger_has_header(const struct ledger *ledger)
{
	return pool_has_header(&ledger->pool);
}

struct loading *ledger_loading(struct ledger *ledger)
{
	return &ledger->loading;
}

uint32_t *ledger_death(struct ledger *ledger)
{
	return &ledger->pool.header->death;
}

uint32_t *ledger_start_death(struct ledger *ledger)
{
	return &ledger->pool.header->start.death;
}

struct pool *ledger_pool(const struct ledger_connection *connection)
{
	return &connection->ledger->pool;
}

void ledger_note_generation(struct ledger *ledger, uint64_t tag, uint64_t generation)
{
	struct ledger_generation *noted = &ledger->pool.header->generations[tag % 2];

	publish_u64(&noted->tag, 0);
	noted->generation = generation;
	publish_u64(&noted->tag, tag);
}

bool ledger_generation(const struct ledger *ledger, uint64_t tag, uint64_t *generation)
{
	const struct ledger_generation *noted = &ledger->pool.header->generations[tag % 2];

	*generation = noted->generation;
	return tag && noted->tag == tag;
}

void ledger_replace_store(struct ledger *ledger)
{
	struct ledger_connection connection = {.ledger = ledger};
	struct ledger_found_transaction found;

	for (uint32_t i = 0; i < ledger->pool.slots_touched; i++) {
		uint32_t record = 0;
		connection.slot = &ledger->pool.slots[i];
		while (connection.slot->state == LEDGER_CONNECTED && ledger_transaction_next(&connection, &record, &found))
			ledger_transaction_mark(&connection, record, LEDGER_DOOMED);
	}
	for (int i = 0; i < 2; i++)
		publish_u64(&ledger->pool.header->generations[i].tag, 0);
}

void ledger_beat(struct ledger *ledger)
{
	publish_u64(&ledger->pool.header->heartbeat, ledger->pool.header->heartbeat + 1);
}

void ledger_note_update(struct ledger *ledger, uint64_t connection_id, uint64_t at)
{
	struct ledger_update *update = &ledger->pool.header->update;

	publish_u64(&update->connection, 0);
	publish_u64(&update->at, at);
	publish_u32(&ledger->pool.header->acquitted, 0);
	publish_u64(&update->connection, connection_id + 1); /* domain 0's ring is connection 0 */
}

bool ledger_owes_update(struct ledger *ledger, uint64_t *connection_id, uint64_t *at)
{
	const struct pool *pool = &ledger->pool;
	const struct ledger_update *update = &pool->header->update;

	*connection_id = update->connection - 1;
	*at = update->at;
	for (uint32_t i = 0; i < pool->slots_touched && update->connection; i++) {
		const struct ledger_slot *slot = &pool->slots[i];
		if (slot->state == LEDGER_CONNECTED && slot->connection_id == *connection_id && slot->done == update->at &&
		    slot->in_pos > update->at)
			return true;
	}
	publish_u64(&ledger->pool.header->update.connection, 0);
	return false;
}

uint32_t ledger_version(const struct ledger *ledger)
{
	return ledger->pool.header->version;
}

void ledger_set_version(struct ledger *ledger, uint32_t version)
{
	publish_u32(&ledger->pool.header->version, version);
}

bool ledger_find(const struct ledger *ledger, uint32_t *index, struct ledger_found *out)
{
	const struct pool *pool = &ledger->pool;

	for (; *index < pool->slots_touched; ++*index) {
		const struct ledger_slot *slot = &pool->slots[*index];
		if (slot->state == LEDGER_FREE)
			continue;
		*out = (struct ledger_found){slot->connection_id, slot->state, slot->epoch, slot->error, (*index)++};
		return true;
	}
	return false;
}

void ledger_attach(struct ledger *ledger, const struct ledger_found *found, struct ledger_connection *connection)
{
	*connection = (struct ledger_connection){.ledger = ledger, .slot = &ledger->pool.slots[found->index]};
	connection->ran = connection->slot->done;
	queue_attach(&ledger->pool, connection);
}

void ledger_drop(struct ledger *ledger, const struct ledger_found *found)
{
	struct ledger_connection connection;

	ledger_attach(ledger, found, &connection);
	ledger_disconnect(&connection);
}

static void touch(struct ledger_connection *connection)
{
	if (!connection->touched_previous)
		DL_APPEND2(connection->ledger->touched, connection, touched_previous, touched_next);
}

static void untouch(struct ledger_connection *connection)
{
	if (!connection->touched_previous)
		return;
	DL_DELETE2(connection->ledger->touched, connection, touched_previous, touched_next);
	connection->touched_previous = connection->touched_next = NULL;
}

int ledger_connect(struct ledger *ledger, uint64_t connection_id, struct ledger_connection *connection)
{
	memset(connection, 0, sizeof(*connection));
	connection->slot = pool_take_slot(&ledger->pool);
	if (!connection->slot)
		return -ENOSPC;
	connection->ledger = ledger;
	connection->slot->connection_id = connection_id;
	publish_u32(&connection->slot->state, LEDGER_CONNECTED);
	return 0;
}

void ledger_disconnect(struct ledger_connection *connection)
{
	struct pool *pool;
	uint32_t in_block;

	if (!connection->slot)
		return;
	pool = &connection->ledger->pool;
	untouch(connection);
	publish_u32(&connection->slot->state, LEDGER_FREE);
	in_block = connection->slot->in_block;
	if (in_block)
		pool_give(pool, in_block);
	queue_drop(pool, connection);
	transactions_drop(pool, connection);
	pool_give_slot(pool, connection->slot);
	memset(connection, 0, sizeof(*connection));
}

void ledger_look(const struct ledger *ledger, const struct ledger_found *found, bool *has_input, bool *has_output)
{
	const struct ledger_slot *slot = &ledger->pool.slots[found->index];

	*has_input = slot->in_pos > slot->done;
	*has_output = slot->out_head;
}

void ledger_detach(struct ledger_connection *connection)
{
	if (!connection->slot)
		return;
	untouch(connection);
	duplicates_free(connection->duplicates);
	memset(connection, 0, sizeof(*connection));
}

int ledger_reserve(struct ledger *ledger)
{
	struct pool *pool = &ledger->pool;

	if (pool->blocks_total - pool->blocks_used >= POOL_KEPT)
		return 0;
	return pool_grow(pool);
}

/* ---- input ---- */

/* Arms the call: from now on its msg_len says how far the position has moved since `base`. */
static void arm(const struct ledger_connection *connection, enum ledger_direction direction, uint64_t base)
{
	struct pool *pool = &connection->ledger->pool;

	pool->header->armed.base = base;
	publish_u64(&pool->header->armed.call, (uint64_t)(connection->slot - pool->slots) << 32 | direction);
}

static void disarm(const struct ledger_connection *connection)
{
	publish_u64(&connection->ledger->pool.header->armed.call, LEDGER_IDLE);
}

static size_t input_room(const struct ledger_slot *slot, const struct ledger_block *block)
{
	return sizeof(block->bytes) - (slot->in_pos - block->base);
}

/* A block for a connection that has no input. */
static struct ledger_block *first_input(struct pool *pool, struct ledger_slot *slot)
{
	uint32_t number = pool_take(pool, POOL_KEPT);
	struct ledger_block *block;

	if (!number)
		return NULL;
	block = pool_block(pool, number);
	block->base = slot->in_pos;
	publish_u32(&slot->in_block, number);
	return block;
}

/* A fresh block in the place of the input block, with a copy of what is not done at its front. */
static struct ledger_block *carry_over(struct pool *pool, struct ledger_slot *slot)
{
	uint32_t number = pool_take(pool, POOL_KEPT), old = slot->in_block;
	const struct ledger_block *from = pool_block(pool, old);
	struct ledger_block *block;

	if (!number)
		return NULL;
	block = pool_block(pool, number);
	block->base = slot->done;
	memcpy(block->bytes, from->bytes + (slot->done - from->base), slot->in_pos - slot->done);
	publish_u32(&slot->in_block, number);
	pool_give(pool, old);
	return block;
}

/* The input block, with room in it for the rest of a message that has begun. */
static int prepare_input(struct pool *pool, struct ledger_slot *slot, struct ledger_block **out)
{
	uint64_t kept = slot->in_pos - slot->done;
	struct ledger_block *block, *fresh;
	size_t room;

	if (!slot->in_block) {
		*out = first_input(pool, slot);
		return *out ? 0 : -ENOSPC;
	}
	*out = block = pool_block(pool, slot->in_block);
	room = input_room(slot, block);
	if (kept + room >= MESSAGE_SIZE_MAX)
		return room ? 0 : -EAGAIN;
	/* What is not done is less than a message. If it cannot be moved now, some of its rest may fit nevertheless. */
	fresh = carry_over(pool, slot);
	if (fresh)
		*out = fresh;
	return fresh || room ? 0 : -ENOSPC;
}

int ledger_receive_begin(struct ledger_connection *connection, struct mmsghdr **call)
{
	struct pool *pool = &connection->ledger->pool;
	struct ledger_slot *slot = connection->slot;
	struct ledger_header *header = pool->header;
	struct ledger_block *block;
	int result = prepare_input(pool, slot, &block);

	if (result)
		return result;
	header->receive_buffer.iov_base = block->bytes + (slot->in_pos - block->base);
	header->receive_buffer.iov_len = input_room(slot, block);
	header->receive.msg_len = 0;
	arm(connection, LEDGER_RECEIVE, slot->in_pos);
	*call = &header->receive;
	return 0;
}

/* An idle connection holds no block. */
static void give_idle_input(struct ledger_connection *connection)
{
	struct ledger_slot *slot = connection->slot;
	uint32_t number = slot->in_block;

	if (!number || slot->done != slot->in_pos)
		return;
	publish_u32(&slot->in_block, 0);
	pool_give(&connection->ledger->pool, number);
}

size_t ledger_receive_end(struct ledger_connection *connection, bool arrived)
{
	struct ledger_slot *slot = connection->slot;
	size_t len = arrived ? connection->ledger->pool.header->receive.msg_len : 0;

	if (len)
		publish_u64(&slot->in_pos, slot->in_pos + len);
	disarm(connection);
	if (!len)
		give_idle_input(connection);
	return len;
}

const char *ledger_input(const struct ledger_connection *connection, size_t *len)
{
	const struct ledger_slot *slot = connection->slot;
	const struct ledger_block *block;

	*len = slot ? slot->in_pos - connection->ran : 0;
	if (!*len)
		return "";
	block = pool_block(&connection->ledger->pool, slot->in_block);
	return (const char *)block->bytes + (connection->ran - block->base);
}

void ledger_ran(struct ledger_connection *connection, size_t len)
{
	connection->ran += len;
	touch(connection);
}

/* Slot and offset change together, as far as the next process can tell. */
void ledger_running(const struct ledger_connection *connection)
{
	struct pool *pool = &connection->ledger->pool;

	publish_u64(&pool->header->running_slot, 0);
	pool->header->running_at = connection->ran;
	publish_u64(&pool->header->running_slot, (uint64_t)(connection->slot - pool->slots) + 1);
}

void ledger_running_none(struct ledger *ledger)
{
	publish_u64(&ledger->pool.header->running_slot, 0);
}

bool ledger_is_condemned(const struct ledger_connection *connection)
{
	const struct ledger_slot *slot = connection->slot;

	return slot->crashes >= CRASHES_MAX || (uint64_t)slot->crashes + slot->kills >= DEATHS_MAX;
}

int64_t ledger_before_condemned(const struct ledger_connection *connection)
{
	return (int64_t)(connection->slot->suspect_at - connection->ran);
}

/* What was run is answered. */
static void set_done(struct ledger_connection *connection)
{
	publish_u64(&connection->slot->done, connection->ran);
	give_idle_input(connection);
}

/* ---- output ---- */

static size_t total(const struct iovec *parts, size_t n_parts)
{
	size_t len = 0;

	for (size_t i = 0; i < n_parts; i++)
		len += parts[i].iov_len;
	return len;
}

/* Around an append; `waits`: what was appended is not valid yet. */
static void begin_append(struct ledger_connection *connection)
{
	if (!connection->pending_entries)
		queue_mark(&connection->ledger->pool, connection);
}

static void end_append(struct ledger_connection *connection, bool waits)
{
	if (waits) {
		connection->pending_entries++;
		touch(connection);
	} else {
		connection->ready = connection->queued;
	}
}

/* The tag of the last entry, for one without a tag that comes behind entries that wait: it must not be valid before them. */
static uint64_t waiting_tag(const struct ledger_connection *connection)
{
	struct ledger_block *tail = connection->out_tail;

	return ledger_block_entry(tail, ledger_block_count(tail) - 1)->tag;
}

int ledger_append_reply(struct ledger_connection *connection, uint64_t tag, const struct iovec *parts, size_t n_parts)
{
	struct queue_message message = {tag, connection->ran, LEDGER_ENTRY_REPLY, parts, n_parts, total(parts, n_parts)};
	int result;

	if (message.len == 0 || message.len > MESSAGE_SIZE_MAX)
		return -EMSGSIZE;
	if (!tag && connection->pending_entries)
		message.tag = waiting_tag(connection);
	if (message.tag)
		begin_append(connection);
	result = queue_append(&connection->ledger->pool, connection, &message, 0);
	if (result)
		return result;
	connection->replies++;
	end_append(connection, message.tag != 0);
	if (message.tag)
		connection->pending_replies++;
	if (!message.tag) {
		set_done(connection);
		untouch(connection);
	}
	return 0;
}

int ledger_append_event(struct ledger_connection *connection, uint64_t tag, uint64_t watch_serial, bool repeat,
			const struct iovec *parts, size_t n_parts)
{
	struct ledger *ledger = connection->ledger;
	struct queue_message message = {tag,   watch_serial, LEDGER_ENTRY_EVENT | (repeat ? LEDGER_ENTRY_REPEATED : 0),
					parts, n_parts,	     total(parts, n_parts)};
	int result;

	if (message.len == 0 || message.len > MESSAGE_SIZE_MAX)
		return -EMSGSIZE;
	if (!tag && connection->pending_entries)
		message.tag = waiting_tag(connection);
	if (message.tag)
		begin_append(connection);
	result = queue_append_event(&ledger->pool, connection, ledger->hash_key, &message);
	if (result)
		return result;
	connection->events++;
	end_append(connection, message.tag != 0);
	return 0;
}

void ledger_commit(struct ledger *ledger)
{
	struct ledger_connection *connection = ledger->touched, *next;

	for (; connection; connection = next) {
		next = connection->touched_next;
		connection->touched_previous = connection->touched_next = NULL;
		connection->ready = connection->queued;
		connection->pending_entries = connection->pending_replies = 0;
		if (connection->slot->done != connection->ran)
			set_done(connection);
	}
	ledger->touched = NULL;
}

void ledger_cut(struct ledger *ledger)
{
	struct ledger_connection *connection = ledger->touched, *next;

	for (; connection; connection = next) {
		next = connection->touched_next;
		connection->touched_previous = connection->touched_next = NULL;
		if (connection->pending_entries)
			queue_cut(&ledger->pool, connection, ledger->hash_key);
		connection->pending_entries = connection->pending_replies = 0;
		connection->ran = connection->slot->done;
	}
	ledger->touched = NULL;
}

/* The client has `len` bytes more: the blocks that hold only such are free. */
static void take(struct ledger_connection *connection, size_t len)
{
	connection->queued -= len;
	connection->ready -= len;
	queue_taken(&connection->ledger->pool, connection);
}

bool ledger_send_begin(struct ledger_connection *connection, struct mmsghdr **call)
{
	struct pool *pool = &connection->ledger->pool;
	struct ledger_header *header = pool->header;

	if (!connection->ready)
		return false;
	header->send.msg_hdr.msg_iovlen = queue_ready(pool, connection, header->send_buffers, LEDGER_SEND_BUFFERS);
	header->send.msg_len = 0;
	arm(connection, LEDGER_SEND, connection->slot->out_pos);
	*call = &header->send;
	return true;
}

size_t ledger_send_end(struct ledger_connection *connection, bool sent)
{
	struct pool *pool = &connection->ledger->pool;
	size_t len = sent ? pool->header->send.msg_len : 0;

	if (len)
		publish_u64(&connection->slot->out_pos, connection->slot->out_pos + len);
	disarm(connection);
	if (len)
		take(connection, len);
	return len;
}

uint64_t ledger_last_watch(const struct ledger_connection *connection)
{
	return queue_last_watch(&connection->ledger->pool, connection);
}

uint64_t ledger_out_end(const struct ledger_connection *connection)
{
	return connection->slot->out_pos + connection->queued;
}

int ledger_drop_events(struct ledger_connection *connection, uint64_t before, size_t *n)
{
	return queue_drop_events(&connection->ledger->pool, connection, before, n);
}

/* ---- rings ---- */

int ledger_copy_in_begin(struct ledger_connection *connection, unsigned char **at, size_t *room)
{
	struct ledger_slot *slot = connection->slot;
	struct ledger_block *block;
	int result = prepare_input(&connection->ledger->pool, slot, &block);

	if (result)
		return result;
	*at = block->bytes + (slot->in_pos - block->base);
	*room = input_room(slot, block);
	return 0;
}

void ledger_copy_in_end(struct ledger_connection *connection, size_t len)
{
	publish_u64(&connection->slot->in_pos, connection->slot->in_pos + len);
}

size_t ledger_copy_out_begin(const struct ledger_connection *connection, struct iovec *buffers, size_t n_buffers)
{
	return queue_ready(&connection->ledger->pool, connection, buffers, n_buffers);
}

size_t ledger_output_rest(const struct ledger_connection *connection)
{
	return queue_rest(&connection->ledger->pool, connection);
}

void ledger_copy_out_end(struct ledger_connection *connection, size_t len)
{
	publish_u64(&connection->slot->out_pos, connection->slot->out_pos + len);
	take(connection, len);
}

uint64_t ledger_in_position(const struct ledger_connection *connection)
{
	return connection->slot->in_pos;
}

uint64_t ledger_out_position(const struct ledger_connection *connection)
{
	return connection->slot->out_pos;
}

/* The state says already that neither is looked at. */
static void drop_all(struct ledger_connection *connection)
{
	struct ledger_slot *slot = connection->slot;
	uint32_t in_block = slot->in_block;

	untouch(connection);
	publish_u32(&slot->in_block, 0);
	if (in_block)
		pool_give(&connection->ledger->pool, in_block);
	queue_drop(&connection->ledger->pool, connection);
	transactions_drop(&connection->ledger->pool, connection);
	connection->queued = connection->ready = 0;
	connection->pending_entries = connection->pending_replies = connection->mark_block = connection->mark_count = 0;
}

void ledger_reset(struct ledger_connection *connection, uint32_t epoch)
{
	struct ledger_slot *slot = connection->slot;

	publish_u32(&slot->state, LEDGER_RESETTING);
	publish_u32(&slot->epoch, epoch);
	drop_all(connection);
	slot->error = slot->crashes = slot->kills = 0;
	slot->in_pos = slot->done = slot->out_pos = 0;
	connection->ran = 0;
}

void ledger_start_at(struct ledger_connection *connection, uint32_t epoch, uint64_t in_position, uint64_t out_position)
{
	struct ledger_slot *slot = connection->slot;

	slot->in_pos = slot->done = connection->ran = in_position;
	slot->out_pos = out_position;
	publish_u32(&slot->epoch, epoch);
}

void ledger_resume(struct ledger_connection *connection)
{
	publish_u32(&connection->slot->state, LEDGER_CONNECTED);
}

void ledger_stop(struct ledger_connection *connection, uint32_t error)
{
	struct ledger_slot *slot = connection->slot;

	slot->error = error;
	publish_u32(&slot->state, LEDGER_STOPPED);
	drop_all(connection);
	slot->done = slot->in_pos;
	connection->ran = slot->in_pos;
}

/* ---- figures ---- */

size_t ledger_output_memory(const struct ledger_connection *connection)
{
	return (size_t)connection->blocks * LEDGER_BLOCK_SIZE + duplicates_memory(connection->duplicates);
}

void ledger_figures(const struct ledger *ledger, struct ledger_figures *out)
{
	const struct pool *pool = &ledger->pool;

	out->connections = pool->slots_used;
	out->blocks_used = pool->blocks_used;
	out->blocks_free = pool->blocks_total - pool->blocks_used;
	out->block_size = LEDGER_BLOCK_SIZE;
	out->file_size = pool_memory(pool);
}
