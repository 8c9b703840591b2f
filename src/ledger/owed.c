/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A daemon may be changing what is read. So a slot is read before and after what belongs to it, and read again while it is
 * another one then; after some tries it is shown as it was. Nothing that is read is trusted: blocks are counted, offsets
 * compared.
 */
#include "ledger/owed.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/status.h"
#include "lxenstored/ledger_format.h"

enum { TRIES = 16, BYTES_MAX = sizeof(((struct ledger_block *)NULL)->bytes) };

struct reading {
	int fd;
	struct ledger_header header;
	uint64_t last_commit;
	uint32_t n_blocks;
	struct arena *memory;
};

static bool read_block(const struct reading *reading, uint32_t number, struct ledger_block *out)
{
	return number >= LEDGER_FIRST_BLOCK && number < reading->n_blocks &&
	       !file_read_at(reading->fd, out, sizeof(*out), (size_t)number * LEDGER_BLOCK_SIZE);
}

/* ---- output ---- */

/* What one block adds; *done: the input offset behind the last request that is answered. */
static const char *count_entries(const struct reading *reading, const struct ledger_slot *slot, struct ledger_block *block,
				 struct owed_connection *out, uint64_t *done)
{
	uint32_t count = ledger_block_count(block), begin = 0;

	if (!count || count > BYTES_MAX / sizeof(struct ledger_entry))
		return "a block of its output has no entries, or too many";
	for (uint32_t i = 0; i < count; i++) {
		const struct ledger_entry *entry = ledger_block_entry(block, i);
		if (entry->end <= begin || entry->end > BYTES_MAX)
			return "an entry of its output ends where it cannot";
		uint64_t first = block->base + begin, end = block->base + entry->end;
		begin = entry->end;
		if (entry->tag > reading->last_commit) {
			out->waiting += !(entry->flags & LEDGER_ENTRY_CONTINUATION);
			continue;
		}
		if (entry->flags & LEDGER_ENTRY_REPLY && entry->about > *done)
			*done = entry->about;
		if (end <= slot->out_pos)
			continue;
		out->output_bytes += end - (first > slot->out_pos ? first : slot->out_pos);
		if (entry->flags & LEDGER_ENTRY_CONTINUATION && first > slot->out_pos)
			continue; /* its beginning is counted */
		out->replies += (entry->flags & LEDGER_ENTRY_REPLY) != 0;
		out->events += (entry->flags & LEDGER_ENTRY_EVENT) != 0;
	}
	return NULL;
}

static const char *read_output(const struct reading *reading, const struct ledger_slot *slot, struct owed_connection *out,
			       uint64_t *done)
{
	struct ledger_block block;
	uint32_t left = reading->n_blocks; /* so that a chain that goes round ends */

	for (uint32_t number = slot->out_head; number; number = ledger_block_next(&block)) {
		if (!left-- || !read_block(reading, number, &block))
			return "its output leads out of the ledger";
		const char *problem = count_entries(reading, slot, &block, out, done);
		if (problem)
			return problem;
	}
	return NULL;
}

/* ---- input ---- */

static int add_request(const struct reading *reading, const struct message *message, struct owed_connection *out, size_t capacity)
{
	size_t len = message->header.len ? strnlen(message->payload, message->header.len) : 0;
	char *argument = arena_copy(reading->memory, message->payload, len);

	if (!argument || out->n_requests == capacity)
		return -ENOMEM;
	out->requests[out->n_requests++] = (struct owed_request){message->header, argument, len};
	return 0;
}

/* The whole messages in these bytes. */
static int parse_input(const struct reading *reading, const unsigned char *bytes, size_t len, struct owed_connection *out)
{
	size_t capacity = len / MESSAGE_HEADER_SIZE;
	struct message message;
	int error = 0;

	out->requests = arena_alloc(reading->memory, (capacity + 1) * sizeof(*out->requests));
	if (!out->requests)
		return -ENOMEM;
	while (!error && message_parse(bytes, len, &message) == MESSAGE_WHOLE) {
		size_t size = MESSAGE_HEADER_SIZE + message.header.len;
		error = add_request(reading, &message, out, capacity);
		bytes += size;
		len -= size;
	}
	return error;
}

static int read_input(const struct reading *reading, const struct ledger_slot *slot, uint64_t done, struct owed_connection *out)
{
	struct ledger_block block;

	if (done == slot->in_pos)
		return 0;
	if (done > slot->in_pos) {
		out->problem = "more was answered than was received";
		return 0;
	}
	out->input_bytes = slot->in_pos - done;
	if (!read_block(reading, slot->in_block, &block) || block.base > done || slot->in_pos - block.base > BYTES_MAX) {
		out->problem = "its input is not in its block";
		return 0;
	}
	return parse_input(reading, block.bytes + (done - block.base), (size_t)out->input_bytes, out);
}

/* ---- a slot ---- */

static size_t slot_at(uint32_t index)
{
	return LEDGER_HEADER_SIZE + (size_t)index * LEDGER_SLOT_SIZE;
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

static int read_connected(const struct reading *reading, uint32_t index, struct ledger_slot *slot, struct owed_connection *out)
{
	uint64_t done = slot->done, at = reading->header.running_at;

	count_call(&reading->header, index, slot);
	out->problem = read_output(reading, slot, out, &done);
	if (out->problem)
		return 0;
	out->is_running = reading->header.running_slot == (uint64_t)index + 1 && at >= done && at < slot->in_pos;
	out->running_after = out->is_running ? at - done : 0;
	out->crashes = slot->crashes;
	out->kills = slot->kills;
	return read_input(reading, slot, done, out);
}

/* 0, STATUS_ENOENT: it is free, -errno. */
static int read_slot(struct reading *reading, uint32_t index, struct owed_connection *out)
{
	struct ledger_slot slot, after;

	for (int i = 0; i < TRIES; i++) {
		int error = file_read_at(reading->fd, &slot, sizeof(slot), slot_at(index));
		if (!error)
			error = file_read_at(reading->fd, &reading->header, sizeof(reading->header), 0);
		if (error)
			return error;
		if (slot.state == LEDGER_FREE)
			return STATUS_ENOENT;
		after = slot;
		*out = (struct owed_connection){
		    .id = slot.connection_id, .state = slot.state, .epoch = slot.epoch, .error = slot.error};
		if (slot.state == LEDGER_CONNECTED)
			error = read_connected(reading, index, &slot, out);
		else if (slot.state > LEDGER_STOPPED)
			out->problem = "its state is none";
		if (error)
			return error;
		slot = after;
		error = file_read_at(reading->fd, &after, sizeof(after), slot_at(index));
		if (error || !memcmp(&slot, &after, sizeof(slot)))
			return error;
	}
	return 0;
}

/* ---- the whole ---- */

static int by_id(const void *left, const void *right)
{
	const struct owed_connection *a = left, *b = right;

	return (a->id > b->id) - (a->id < b->id);
}

static int read_slots(struct reading *reading, struct owed *out)
{
	struct ledger_slot *slots = malloc((size_t)LEDGER_SLOTS * LEDGER_SLOT_SIZE);
	int result =
	    slots ? file_read_at(reading->fd, slots, (size_t)LEDGER_SLOTS * LEDGER_SLOT_SIZE, LEDGER_HEADER_SIZE) : -ENOMEM;
	size_t n = 0;

	for (uint32_t i = 0; i < LEDGER_SLOTS && !result; i++)
		n += slots[i].state != LEDGER_FREE;
	if (!result)
		out->connections = arena_alloc(&out->memory, (n + 1) * sizeof(*out->connections));
	if (!result && !out->connections)
		result = -ENOMEM;
	for (uint32_t i = 0; i < LEDGER_SLOTS && out->n < n && result >= 0; i++) {
		if (slots[i].state == LEDGER_FREE)
			continue;
		result = read_slot(reading, i, &out->connections[out->n]);
		if (result)
			continue;
		out->n_damaged += out->connections[out->n].problem != NULL;
		out->n++;
	}
	free(slots);
	if (result >= 0)
		qsort(out->connections, out->n, sizeof(*out->connections), by_id);
	return result < 0 ? result : 0;
}

static int read_header(struct reading *reading, const unsigned char store_id[16])
{
	const struct ledger_header *header = &reading->header;
	struct stat file;
	int error = file_read_at(reading->fd, &reading->header, sizeof(reading->header), 0);

	if (!error && fstat(reading->fd, &file))
		error = -errno;
	if (error)
		return error == -EIO ? STATUS_EINVAL : error;
	if (memcmp(header->magic, LEDGER_MAGIC, sizeof(header->magic)) != 0 || header->version < LEDGER_VERSION_OLDEST ||
	    header->version > LEDGER_VERSION || header->block_size != LEDGER_BLOCK_SIZE ||
	    file.st_size / LEDGER_BLOCK_SIZE > UINT32_MAX)
		return STATUS_EINVAL;
	if (memcmp(header->store_id, store_id, sizeof(header->store_id)) != 0)
		return STATUS_ENOENT;
	reading->n_blocks = (uint32_t)(file.st_size / LEDGER_BLOCK_SIZE);
	return 0;
}

int owed_read(const char *path, const unsigned char store_id[16], uint64_t last_commit, struct owed *out)
{
	struct reading reading = {.fd = open(path, O_RDONLY | O_CLOEXEC), .last_commit = last_commit, .memory = &out->memory};

	*out = (struct owed){0};
	if (reading.fd < 0)
		return -errno;
	arena_init(&out->memory);
	int result = read_header(&reading, store_id);
	if (!result) {
		out->death = reading.header.death;
		result = read_slots(&reading, out);
	}
	close(reading.fd);
	return result;
}

void owed_deinit(struct owed *owed)
{
	arena_deinit(&owed->memory);
	*owed = (struct owed){0};
}
