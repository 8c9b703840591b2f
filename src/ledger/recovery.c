/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * First everything is looked at, by reading the file: a hole, or a number that leads nowhere, must do no harm, and through the
 * mapping a hole would take memory. What is found sound is put in order then, through the mapping, slot by slot; and last, what
 * is free is told from what is in use.
 *
 * A queue is cut where its first entry without a commit is; nothing valid can follow (doc/format.md, "Entry").
 */
#include "ledger/recovery.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/status.h"
#include "ledger/transactions.h"

enum { BYTES_MAX = sizeof(((struct ledger_block *)NULL)->bytes) };

/* A transaction as it will be. */
struct open_transaction {
	uint32_t record, tail;
	uint64_t len;
};

struct recovery {
	struct pool *pool;
	uint64_t last_tag;
	struct ledger_header header;
	struct ledger_slot *slots; /* the first ones of the file, a copy; behind them all are free */
	uint32_t n_slots;
	unsigned char *in_use; /* by block number: a slot reaches it */
	uint32_t n_blocks;
	uint32_t *claimed; /* blocks of the slot that is looked at */
	size_t n_claimed, claimed_capacity;
	struct open_transaction *open; /* of the slot that is looked at */
	size_t n_open, open_capacity;
	recovery_damaged *damaged;
	void *context;
};

/* A slot's output as it will be. */
struct output {
	uint32_t head;	     /* the first block with bytes that are not taken; 0: none */
	uint32_t tail;	     /* where it is cut */
	uint32_t tail_count; /* entries that stay there */
	uint64_t end;	     /* offset behind the last byte that stays */
	uint64_t done;	     /* input offset behind the last request that is answered */
};

static int read_block(const struct recovery *recovery, uint32_t number, struct ledger_block *out)
{
	return file_read_at(recovery->pool->fd, out, sizeof(*out), (size_t)number * LEDGER_BLOCK_SIZE);
}

/* ---- one slot ---- */

static bool grow(void **array, size_t *capacity, size_t item_size)
{
	size_t wanted = *capacity ? 2 * *capacity : 64;
	void *grown = realloc(*array, wanted * item_size);

	if (!grown)
		return false;
	*array = grown;
	*capacity = wanted;
	return true;
}

static bool grow_claimed(struct recovery *recovery)
{
	void *claimed = recovery->claimed;
	bool is_grown = grow(&claimed, &recovery->claimed_capacity, sizeof(*recovery->claimed));

	recovery->claimed = claimed;
	return is_grown;
}

static bool grow_open(struct recovery *recovery)
{
	void *open = recovery->open;
	bool is_grown = grow(&open, &recovery->open_capacity, sizeof(*recovery->open));

	recovery->open = open;
	return is_grown;
}

/* Is the number one of a block that no other slot has? It is in use from now on. */
static bool claim(struct recovery *recovery, uint32_t number)
{
	if (number < LEDGER_FIRST_BLOCK || number >= recovery->n_blocks || recovery->in_use[number])
		return false;
	if (recovery->n_claimed == recovery->claimed_capacity && !grow_claimed(recovery))
		return false;
	recovery->claimed[recovery->n_claimed++] = number;
	recovery->in_use[number] = 1;
	return true;
}

/* Something is wrong with the slot that has claimed them. */
static void unclaim_all(struct recovery *recovery)
{
	while (recovery->n_claimed)
		recovery->in_use[recovery->claimed[--recovery->n_claimed]] = 0;
}

/* What a block's entries say; NULL, or what is wrong with them. *stays: how many have their commit. */
static const char *look_at_entries(const struct recovery *recovery, struct ledger_block *block, uint32_t *stays,
				   struct output *output)
{
	uint32_t count = ledger_block_count(block), begin = 0;

	*stays = 0;
	if (!count || count > BYTES_MAX / sizeof(struct ledger_entry))
		return "a block of its output has no entries, or too many";
	for (uint32_t i = 0; i < count; i++) {
		const struct ledger_entry *entry = ledger_block_entry(block, i);
		if (entry->end <= begin || entry->end > BYTES_MAX - count * sizeof(*entry))
			return "an entry of its output ends where it cannot";
		begin = entry->end;
		if (entry->tag > recovery->last_tag || *stays < i)
			continue;
		++*stays;
		output->end = block->base + entry->end;
		if (entry->flags & LEDGER_ENTRY_REPLY && entry->about > output->done)
			output->done = entry->about;
	}
	return NULL;
}

/* Follows the chain of output. NULL, or what is wrong with it. */
static const char *look_at_output(struct recovery *recovery, const struct ledger_slot *slot, struct output *output)
{
	struct ledger_block block;
	uint64_t base = 0;
	bool cut = false;

	*output = (struct output){.end = slot->out_pos, .done = slot->done};
	for (uint32_t number = slot->out_head; number; number = ledger_block_next(&block)) {
		uint32_t stays;
		if (!claim(recovery, number))
			return "its output leads out of the ledger, or to what another connection has";
		if (read_block(recovery, number, &block))
			return "its output cannot be read";
		if (number != slot->out_head && block.base != base)
			return "blocks of its output do not follow each other";
		struct output before = *output;
		const char *wrong = look_at_entries(recovery, &block, &stays, output);
		if (wrong)
			return wrong;
		base = block.base + ledger_block_entry(&block, ledger_block_count(&block) - 1)->end;
		if (number == slot->out_head && block.base > slot->out_pos)
			return "its output begins behind what was taken";
		if (cut || !stays) {
			*output = before;
			recovery->in_use[number] = 0;
			cut = true;
			continue;
		}
		cut = stays < ledger_block_count(&block);
		if (output->end <= slot->out_pos) {
			recovery->in_use[number] = 0;
			continue;
		}
		if (!output->head)
			output->head = number;
		output->tail = number;
		output->tail_count = stays;
	}
	return output->end < slot->out_pos ? "more of its output was taken than there is" : NULL;
}

static const char *look_at_input(struct recovery *recovery, const struct ledger_slot *slot, uint64_t done)
{
	struct ledger_block block;

	if (done > slot->in_pos)
		return "more was answered than was received";
	if (done == slot->in_pos)
		return NULL;
	if (!claim(recovery, slot->in_block))
		return "its input leads out of the ledger, or to what another connection has";
	if (read_block(recovery, slot->in_block, &block))
		return "its input cannot be read";
	if (block.base > done || slot->in_pos - block.base > BYTES_MAX)
		return "its input is not in its block";
	return NULL;
}

/* The blocks of a transaction that is open, behind the first. NULL, or what is wrong with them. */
static const char *look_at_record(struct recovery *recovery, struct open_transaction *open, uint32_t next)
{
	struct ledger_block block;

	open->tail = open->record;
	if (open->len / BYTES_MAX > recovery->n_blocks)
		return "a transaction of it is longer than the ledger";
	for (uint32_t n = transaction_blocks(open->len); n > 1; n--, next = ledger_block_next(&block)) {
		if (!claim(recovery, next))
			return "a transaction of it leads out of the ledger, or to what something else has";
		if (read_block(recovery, next, &block))
			return "a transaction of it cannot be read";
		open->tail = next;
	}
	return NULL;
}

/* Follows its transactions. NULL, or what is wrong with them. */
static const char *look_at_transactions(struct recovery *recovery, const struct ledger_slot *slot, uint64_t done)
{
	struct ledger_block block;
	struct ledger_transaction head;
	uint32_t n = 0;

	for (uint32_t record = slot->transactions; record; record = head.next) {
		if (n++ > recovery->n_blocks || !claim(recovery, record))
			return "its transactions lead out of the ledger, or to what something else has";
		if (read_block(recovery, record, &block))
			return "a transaction of it cannot be read";
		memcpy(&head, block.bytes, sizeof(head));
		if (head.started > done || (head.ended && head.ended <= done)) {
			recovery->in_use[record] = 0;
			continue;
		}
		if (recovery->n_open == recovery->open_capacity && !grow_open(recovery))
			return "there is no memory for its transactions";
		struct open_transaction *open = &recovery->open[recovery->n_open++];
		*open = (struct open_transaction){record, 0, head.last_about > done ? head.last_begin : head.len};
		const char *wrong = look_at_record(recovery, open, ledger_block_next(&block));
		if (wrong)
			return wrong;
	}
	return NULL;
}

/* The system call under way has moved a position. */
static void count_call(const struct ledger_header *header, uint32_t index, struct ledger_slot *slot)
{
	if (header->armed.call >> 32 != index)
		return;
	if ((uint32_t)header->armed.call == LEDGER_RECEIVE)
		slot->in_pos = header->armed.base + header->receive.msg_len;
	if ((uint32_t)header->armed.call == LEDGER_SEND)
		slot->out_pos = header->armed.base + header->send.msg_len;
}

/* The chain up to the tail as it stays: valid for ever. */
static void validate(struct pool *pool, uint32_t head, uint32_t tail)
{
	for (uint32_t number = head; number; number = ledger_block_next(pool_block(pool, number))) {
		struct ledger_block *block = pool_block(pool, number);
		for (uint32_t i = 0; i < ledger_block_count(block); i++)
			ledger_block_entry(block, i)->tag = 0;
		if (number == tail)
			break;
	}
}

/* Links those that are open; what was never begun, or has ended, is passed over. */
static void put_transactions_in_order(const struct recovery *recovery, struct ledger_slot *slot)
{
	uint32_t next = 0;

	for (size_t i = recovery->n_open; i-- > 0;) {
		const struct open_transaction *open = &recovery->open[i];
		struct ledger_transaction *head = transaction_head(pool_block(recovery->pool, open->record));
		publish_u32(&head->next, next);
		publish_u64(&head->len, open->len);
		publish_u64(&head->ended, 0);
		publish_u32(&head->tail, open->tail);
		publish_u64(&pool_block(recovery->pool, open->tail)->link, 0);
		next = open->record;
	}
	publish_u32(&slot->transactions, next);
}

/* Cutting comes first: an entry that loses its tag must not be followed by one that has none to lose. */
static void put_in_order(const struct recovery *recovery, struct ledger_slot *slot, const struct ledger_slot *found,
			 const struct output *output)
{
	struct pool *pool = recovery->pool;

	put_transactions_in_order(recovery, slot);
	if (output->tail)
		publish_u64(&pool_block(pool, output->tail)->link, output->tail_count);
	publish_u32(&slot->out_head, output->head);
	validate(pool, output->head, output->tail);
	publish_u64(&slot->out_pos, found->out_pos);
	publish_u64(&slot->in_pos, found->in_pos);
	publish_u64(&slot->done, output->done);
	if (output->done == found->in_pos)
		publish_u32(&slot->in_block, 0);
}

static void recover_slot(struct recovery *recovery, uint32_t index)
{
	struct ledger_slot *found = &recovery->slots[index], *slot = &recovery->pool->slots[index];
	struct output output = {0};
	const char *wrong = NULL;

	if (found->state == LEDGER_FREE)
		return;
	recovery->n_claimed = recovery->n_open = 0;
	count_call(&recovery->header, index, found);
	if (found->state > LEDGER_STOPPED)
		wrong = "its state is none";
	else if (found->state == LEDGER_CONNECTED)
		wrong = look_at_output(recovery, found, &output);
	if (!wrong && found->state == LEDGER_CONNECTED)
		wrong = look_at_input(recovery, found, output.done);
	if (!wrong && found->state == LEDGER_CONNECTED)
		wrong = look_at_transactions(recovery, found, output.done);
	if (wrong) {
		unclaim_all(recovery);
		publish_u32(&slot->state, LEDGER_FREE);
		found->state = LEDGER_FREE;
		recovery->damaged(recovery->context, found->connection_id, wrong);
		return;
	}
	if (found->state != LEDGER_CONNECTED) /* what it has does not count, and is free now */
		output.done = found->in_pos;
	put_in_order(recovery, slot, found, &output);
}

/* ---- the request that was being run ---- */

/* What is forgotten first is counted too little if this process dies in between, never too much. */
static void count_death(const struct recovery *recovery, struct ledger_suspect *out)
{
	const struct ledger_header *found = &recovery->header;
	uint64_t index = found->running_slot - 1, at = found->running_at;

	*out = (struct ledger_suspect){0};
	publish_u64(&recovery->pool->header->running_slot, 0);
	publish_u32(&recovery->pool->header->death, 0);
	if (index >= recovery->n_slots || recovery->slots[index].state != LEDGER_CONNECTED)
		return;
	struct ledger_slot *slot = &recovery->pool->slots[index];
	if (at < slot->done || at >= slot->in_pos)
		return;
	if (slot->suspect_at != at)
		slot->crashes = slot->kills = 0;
	slot->suspect_at = at;
	if (found->death)
		slot->crashes++;
	else
		slot->kills++;
	*out = (struct ledger_suspect){true, slot->connection_id, found->death, slot->crashes, slot->kills};
}

/* ---- the whole ---- */

static int read_header(struct recovery *recovery, const unsigned char store_id[16])
{
	struct ledger_header *header = &recovery->header;
	int error = file_read_at(recovery->pool->fd, header, sizeof(*header), 0);

	if (error)
		return error;
	if (memcmp(header->magic, LEDGER_MAGIC, sizeof(header->magic)) != 0 || header->version < LEDGER_VERSION_OLDEST ||
	    header->block_size != LEDGER_BLOCK_SIZE || memcmp(header->store_id, store_id, sizeof(header->store_id)) != 0)
		return STATUS_ENOENT;
	return header->version > LEDGER_VERSION ? -EPROTO : 0;
}

/* Behind the last byte that is no hole, slots are free. */
static uint32_t count_slots(const struct pool *pool)
{
	const off_t begin = LEDGER_HEADER_SIZE, end = begin + LEDGER_SLOTS * LEDGER_SLOT_SIZE;
	off_t data = begin, last = begin;

	while (last >= begin && last < end && (data = lseek(pool->fd, last, SEEK_DATA)) >= 0 && data < end)
		last = lseek(pool->fd, data, SEEK_HOLE);
	bool told = last >= begin && (data >= 0 || errno == ENXIO);
	if (!told || last > end)
		last = end;
	return (uint32_t)((last - begin + LEDGER_SLOT_SIZE - 1) / LEDGER_SLOT_SIZE);
}

static int read_slots(struct recovery *recovery)
{
	recovery->n_slots = count_slots(recovery->pool);
	recovery->slots = malloc((size_t)recovery->n_slots * LEDGER_SLOT_SIZE + 1);
	if (!recovery->slots)
		return -ENOMEM;
	return file_read_at(recovery->pool->fd, recovery->slots, (size_t)recovery->n_slots * LEDGER_SLOT_SIZE,
			    LEDGER_HEADER_SIZE);
}

int recovery_run(struct pool *pool, const unsigned char store_id[16], uint64_t last_tag, recovery_damaged *damaged, void *context,
		 struct ledger_suspect *suspect)
{
	struct recovery recovery = {
	    .pool = pool,
	    .last_tag = last_tag,
	    .n_blocks = (uint32_t)(pool->limit / LEDGER_BLOCK_SIZE),
	    .damaged = damaged,
	    .context = context,
	};
	int result = read_header(&recovery, store_id);

	recovery.in_use = calloc(recovery.n_blocks, 1);
	if (!result && !recovery.in_use)
		result = -ENOMEM;
	if (!result)
		result = read_slots(&recovery);
	if (!result) {
		for (uint32_t i = 0; i < recovery.n_slots; i++)
			recover_slot(&recovery, i);
		publish_u64(&pool->header->armed.call, LEDGER_IDLE);
		count_death(&recovery, suspect);
		result = pool_resume(pool, recovery.slots, recovery.n_slots, recovery.in_use);
	}
	free(recovery.slots);
	free(recovery.in_use);
	free(recovery.claimed);
	free(recovery.open);
	return result;
}
