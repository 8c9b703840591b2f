/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The file is as long as its limit from the start and full of holes. Memory is asked for in steps: posix_fallocate either
 * gives pages to the whole step or says that there are none. The slots have their own region, so that a connection that is
 * idle costs its slot and nothing else. Memory goes back by steps too, which become holes; to find steps without a block in use
 * the whole chain of free blocks is walked, but not before as many blocks have been given back as are walked.
 */
#include "ledger/pool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SLOT_STEP = 512, FREE_KEPT = 2 * POOL_STEP };

#define LIMIT_DEFAULT ((size_t)4 << 30)
#define LIMIT_MAX ((size_t)1 << 44)

static int allocate(int fd, size_t from, size_t len)
{
	int error;

	do
		error = posix_fallocate(fd, (off_t)from, (off_t)len);
	while (error == EINTR);
	return -error;
}

/* A file that holds something else was not meant for us; one that died while it was begun has no magic yet. */
static int check_contents(int fd, const struct stat *status)
{
	char magic[sizeof(LEDGER_MAGIC) - 1] = "";
	static const char none[sizeof(magic)];

	if (!S_ISREG(status->st_mode))
		return -EINVAL;
	if (pread(fd, magic, sizeof(magic), 0) < 0)
		return -errno;
	if (memcmp(magic, LEDGER_MAGIC, sizeof(magic)) != 0 && memcmp(magic, none, sizeof(magic)) != 0)
		return -EPROTO;
	return 0;
}

static int open_file(struct pool *pool, const char *path)
{
	struct stat status;
	int result;

	pool->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (pool->fd < 0)
		return -errno;
	if (flock(pool->fd, LOCK_EX | LOCK_NB))
		return errno == EWOULDBLOCK ? -EBUSY : -errno;
	if (fstat(pool->fd, &status))
		return -errno;
	result = check_contents(pool->fd, &status);
	if (result)
		return result;
	if ((size_t)status.st_size < pool->limit && ftruncate(pool->fd, (off_t)pool->limit))
		return -errno;
	return 0;
}

int pool_open(const char *path, size_t limit, struct pool *pool)
{
	void *map;
	int result;

	memset(pool, 0, sizeof(*pool));
	pool->fd = -1;
	pool->limit = (limit ? limit : LIMIT_DEFAULT) / LEDGER_BLOCK_SIZE * LEDGER_BLOCK_SIZE;
	if (pool->limit < (size_t)(LEDGER_FIRST_BLOCK + POOL_KEPT + 1) * LEDGER_BLOCK_SIZE || pool->limit > LIMIT_MAX)
		return -EINVAL;
	result = open_file(pool, path);
	if (result)
		goto fail;
	map = mmap(NULL, pool->limit, PROT_READ | PROT_WRITE, MAP_SHARED, pool->fd, 0);
	if (map == MAP_FAILED) {
		result = -errno;
		goto fail;
	}
	pool->map = map;
	pool->header = map;
	pool->slots = (struct ledger_slot *)(void *)(pool->map + LEDGER_HEADER_SIZE);
	/* A child, such as the one that examines the store, would keep the file's lock through the mapping. */
	(void)madvise(map, pool->limit, MADV_DONTFORK);
	/* Keeps the ledger out of swap where we are allowed to; without it everything works, only perhaps later. */
	(void)mlock2(map, pool->limit, MLOCK_ONFAULT);
	return 0;
fail:
	pool_close(pool);
	return result;
}

bool pool_has_header(const struct pool *pool)
{
	struct ledger_header header;

	/* Through the mapping a hole would take memory, which there may not be. */
	return pread(pool->fd, &header, sizeof(header), 0) == sizeof(header) &&
	       !memcmp(header.magic, LEDGER_MAGIC, sizeof(header.magic)) && header.version >= LEDGER_VERSION_OLDEST &&
	       header.version <= LEDGER_VERSION;
}

void pool_close(struct pool *pool)
{
	if (pool->map)
		munmap(pool->map, pool->limit);
	if (pool->fd >= 0)
		close(pool->fd);
	free(pool->holes);
	memset(pool, 0, sizeof(*pool));
	pool->fd = -1;
}

/* These never change but for lengths: the kernel is always shown the same buffers' descriptions. */
static void begin_message_headers(struct ledger_header *header)
{
	header->receive = (struct mmsghdr){0};
	header->send = (struct mmsghdr){0};
	header->receive.msg_hdr.msg_iov = &header->receive_buffer;
	header->receive.msg_hdr.msg_iovlen = 1;
	header->send.msg_hdr.msg_iov = header->send_buffers;
}

static void begin_header(struct ledger_header *header, const unsigned char store_id[16])
{
	header->version = LEDGER_VERSION;
	header->block_size = LEDGER_BLOCK_SIZE;
	memcpy(header->store_id, store_id, sizeof(header->store_id));
	begin_message_headers(header);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	memcpy(header->magic, LEDGER_MAGIC, sizeof(header->magic));
}

static void forget_all(struct pool *pool)
{
	pool->free_block = pool->blocks_touched = pool->blocks_end = pool->blocks_total = pool->blocks_used = 0;
	pool->n_holes = 0;
	pool->trim_above = POOL_TRIM_ABOVE;
	pool->free_slot = pool->slots_touched = pool->slots_total = pool->slots_used = 0;
}

int pool_begin(struct pool *pool, const unsigned char store_id[16])
{
	int result;

	forget_all(pool);
	if (ftruncate(pool->fd, 0) || ftruncate(pool->fd, (off_t)pool->limit))
		return -errno;
	result = allocate(pool->fd, 0, LEDGER_HEADER_SIZE);
	if (result)
		return result;
	begin_header(pool->header, store_id);
	return 0;
}

static size_t step_offset(uint32_t step)
{
	return ((size_t)LEDGER_FIRST_BLOCK + (size_t)step * POOL_STEP) * LEDGER_BLOCK_SIZE;
}

/* All of the step's blocks are free and have memory. */
static void chain_step(struct pool *pool, uint32_t step)
{
	uint32_t first = LEDGER_FIRST_BLOCK + step * POOL_STEP;

	for (uint32_t number = first + POOL_STEP; number-- > first;) {
		pool_block(pool, number)->link = pool->free_block;
		pool->free_block = number;
	}
}

static int fill_hole(struct pool *pool)
{
	uint32_t step = pool->holes[pool->n_holes - 1];
	int result = allocate(pool->fd, step_offset(step), POOL_STEP * LEDGER_BLOCK_SIZE);

	if (result)
		return result;
	pool->n_holes--;
	pool->blocks_total += POOL_STEP;
	chain_step(pool, step);
	return 0;
}

int pool_grow(struct pool *pool)
{
	size_t from = (size_t)LEDGER_FIRST_BLOCK + pool->blocks_end;
	size_t left = pool->limit / LEDGER_BLOCK_SIZE - from;
	size_t step = left < POOL_STEP ? left : POOL_STEP;
	int result;

	if (pool->n_holes)
		return fill_hole(pool);
	if (step == 0)
		return -ENOSPC;
	result = allocate(pool->fd, from * LEDGER_BLOCK_SIZE, step * LEDGER_BLOCK_SIZE);
	if (result)
		return result;
	pool->blocks_end += (uint32_t)step;
	pool->blocks_total += (uint32_t)step;
	return 0;
}

/* ---- giving back ---- */

static uint32_t step_of(uint32_t number)
{
	return (number - LEDGER_FIRST_BLOCK) / POOL_STEP;
}

/* How many blocks of each step are free. NULL: no memory. */
static uint32_t *count_free(const struct pool *pool, uint32_t n_steps)
{
	uint32_t *n_free = calloc(n_steps, sizeof(*n_free));

	for (uint32_t number = pool->free_block; number && n_free; number = (uint32_t)pool_block(pool, number)->link)
		n_free[step_of(number)]++;
	return n_free;
}

/* Takes the blocks of steps that are marked out of the chain. */
static void unchain_steps(struct pool *pool, const uint32_t *marked)
{
	struct ledger_block *last = NULL;
	uint32_t number = pool->free_block;

	pool->free_block = 0;
	for (; number; number = (uint32_t)pool_block(pool, number)->link) {
		if (marked[step_of(number)] == UINT32_MAX)
			continue;
		if (last)
			last->link = number;
		else
			pool->free_block = number;
		last = pool_block(pool, number);
	}
	if (last)
		last->link = 0;
}

static bool reserve_holes(struct pool *pool, uint32_t n_steps)
{
	uint32_t *holes;

	if (n_steps <= pool->holes_capacity)
		return true;
	holes = realloc(pool->holes, n_steps * sizeof(*holes));
	if (!holes)
		return false;
	pool->holes = holes;
	pool->holes_capacity = n_steps;
	return true;
}

/* Marks steps with UINT32_MAX and makes holes of them, the last ones first. */
static void make_holes(struct pool *pool, uint32_t *n_free, uint32_t n_steps)
{
	for (uint32_t step = n_steps; step-- > 0;) {
		if (n_free[step] < POOL_STEP || pool->blocks_total - pool->blocks_used < FREE_KEPT + POOL_STEP)
			continue;
		n_free[step] = UINT32_MAX;
		pool->holes[pool->n_holes++] = step;
		pool->blocks_total -= POOL_STEP;
	}
}

void pool_trim(struct pool *pool)
{
	uint32_t n_steps = pool->blocks_end / POOL_STEP, n_holes = pool->n_holes, n_left;
	uint32_t *n_free = reserve_holes(pool, n_steps) ? count_free(pool, n_steps + 1) : NULL;

	if (n_free) {
		make_holes(pool, n_free, n_steps);
		unchain_steps(pool, n_free);
	}
	free(n_free);
	/* If it cannot be had, nothing is lost: the step is filled again before it is used. */
	for (; n_holes < pool->n_holes; n_holes++)
		(void)fallocate(pool->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)step_offset(pool->holes[n_holes]),
				POOL_STEP * LEDGER_BLOCK_SIZE);
	n_left = pool->blocks_total - pool->blocks_used;
	pool->trim_above = n_left + n_left / 2 > POOL_TRIM_ABOVE ? n_left + n_left / 2 : POOL_TRIM_ABOVE;
}

/* ---- slots ---- */

struct ledger_slot *pool_take_slot(struct pool *pool)
{
	struct ledger_slot *slot;

	if (pool->free_slot) {
		slot = &pool->slots[pool->free_slot - 1];
		pool->free_slot = (uint32_t)slot->connection_id;
	} else {
		if (pool->slots_touched == LEDGER_SLOTS)
			return NULL;
		if (pool->slots_touched == pool->slots_total) {
			if (allocate(pool->fd, LEDGER_HEADER_SIZE + (size_t)pool->slots_total * LEDGER_SLOT_SIZE,
				     SLOT_STEP * LEDGER_SLOT_SIZE))
				return NULL;
			pool->slots_total += SLOT_STEP;
		}
		slot = &pool->slots[pool->slots_touched++];
	}
	pool->slots_used++;
	memset(slot, 0, sizeof(*slot));
	return slot;
}

void pool_give_slot(struct pool *pool, struct ledger_slot *slot)
{
	publish_u32(&slot->state, LEDGER_FREE);
	slot->connection_id = pool->free_slot;
	pool->free_slot = (uint32_t)(slot - pool->slots) + 1;
	pool->slots_used--;
}

/* ---- going on with a file ---- */

/* The last slot that is used decides how many are known. */
static int resume_slots(struct pool *pool, const struct ledger_slot *slots, uint32_t n_slots)
{
	size_t from = LEDGER_HEADER_SIZE, end = from + LEDGER_SLOTS * LEDGER_SLOT_SIZE;

	for (uint32_t i = 0; i < n_slots; i++) {
		if (slots[i].state != LEDGER_FREE) {
			pool->slots_touched = i + 1;
			pool->slots_used++;
		}
	}
	pool->slots_total = (pool->slots_touched + SLOT_STEP - 1) / SLOT_STEP * SLOT_STEP;
	from += (size_t)pool->slots_total * LEDGER_SLOT_SIZE;
	int error = pool->slots_total ? allocate(pool->fd, LEDGER_HEADER_SIZE, from - LEDGER_HEADER_SIZE) : 0;
	if (error)
		return error;
	if (from < end)
		(void)fallocate(pool->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)from, (off_t)(end - from));
	for (uint32_t i = pool->slots_touched; i-- > 0;) {
		if (slots[i].state != LEDGER_FREE)
			continue;
		pool->slots[i].connection_id = pool->free_slot;
		pool->free_slot = i + 1;
	}
	return 0;
}

/* A step with a block in use has memory for all of it; the others are holes. */
static int resume_steps(struct pool *pool, const unsigned char *in_use, uint32_t n_steps)
{
	for (uint32_t step = 0; step < n_steps; step++) {
		uint32_t first = LEDGER_FIRST_BLOCK + step * POOL_STEP, end = LEDGER_FIRST_BLOCK + pool->blocks_end, used = 0;

		end = end < first + POOL_STEP ? end : first + POOL_STEP;
		for (uint32_t number = first; number < end; number++)
			used += in_use[number];
		size_t len = (size_t)(end - first) * LEDGER_BLOCK_SIZE;
		if (!used) {
			pool->holes[pool->n_holes++] = step;
			(void)fallocate(pool->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)step_offset(step),
					(off_t)len);
			continue;
		}
		int error = allocate(pool->fd, step_offset(step), len);
		if (error)
			return error;
		pool->blocks_total += end - first;
		pool->blocks_used += used;
		for (uint32_t number = end; number-- > first;) {
			if (in_use[number])
				continue;
			pool_block(pool, number)->link = pool->free_block;
			pool->free_block = number;
		}
	}
	return 0;
}

int pool_resume(struct pool *pool, const struct ledger_slot *slots, uint32_t n_slots, const unsigned char *in_use)
{
	uint32_t n_blocks = (uint32_t)(pool->limit / LEDGER_BLOCK_SIZE) - LEDGER_FIRST_BLOCK, used_end = n_blocks;

	forget_all(pool);
	while (used_end && !in_use[LEDGER_FIRST_BLOCK + used_end - 1])
		used_end--;
	uint32_t n_steps = (used_end + POOL_STEP - 1) / POOL_STEP;
	pool->blocks_end = n_steps * POOL_STEP < n_blocks ? n_steps * POOL_STEP : n_blocks;
	pool->blocks_touched = pool->blocks_end;
	if (!reserve_holes(pool, n_steps))
		return -ENOMEM;
	int error = resume_slots(pool, slots, n_slots);
	if (!error)
		error = resume_steps(pool, in_use, n_steps);
	if (error)
		return error;
	size_t end = (size_t)(LEDGER_FIRST_BLOCK + pool->blocks_end) * LEDGER_BLOCK_SIZE;
	if (end < pool->limit)
		(void)fallocate(pool->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)end, (off_t)(pool->limit - end));
	begin_message_headers(pool->header);
	return 0;
}

size_t pool_memory(const struct pool *pool)
{
	return LEDGER_HEADER_SIZE + (size_t)pool->slots_total * LEDGER_SLOT_SIZE + (size_t)pool->blocks_total * LEDGER_BLOCK_SIZE;
}
