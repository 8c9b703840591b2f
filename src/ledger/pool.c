/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The file is as long as its limit from the start and full of holes. Memory is asked for in steps: posix_fallocate either
 * gives pages to the whole step or says that there are none. The slots have their own region, so that a connection that is
 * idle costs its slot and nothing else.
 */
#include "ledger/pool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BLOCK_STEP = 128, SLOT_STEP = 512 };

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
		return -EINVAL;
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
	/* Keeps the ledger out of swap where we are allowed to; without it everything works, only perhaps later. */
	(void)mlock2(map, pool->limit, MLOCK_ONFAULT);
	return 0;
fail:
	pool_close(pool);
	return result;
}

void pool_close(struct pool *pool)
{
	if (pool->map)
		munmap(pool->map, pool->limit);
	if (pool->fd >= 0)
		close(pool->fd);
	memset(pool, 0, sizeof(*pool));
	pool->fd = -1;
}

/* The message headers never change but for lengths: the kernel is always shown the same buffers' descriptions. */
static void begin_header(struct ledger_header *header, const unsigned char store_id[16])
{
	header->version = LEDGER_VERSION;
	header->block_size = LEDGER_BLOCK_SIZE;
	memcpy(header->store_id, store_id, sizeof(header->store_id));
	header->receive.msg_hdr.msg_iov = &header->receive_buffer;
	header->receive.msg_hdr.msg_iovlen = 1;
	header->send.msg_hdr.msg_iov = header->send_buffers;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	memcpy(header->magic, LEDGER_MAGIC, sizeof(header->magic));
}

int pool_begin(struct pool *pool, const unsigned char store_id[16])
{
	int result;

	pool->free_block = pool->blocks_touched = pool->blocks_total = pool->blocks_used = 0;
	pool->free_slot = pool->slots_touched = pool->slots_total = pool->slots_used = 0;
	if (ftruncate(pool->fd, 0) || ftruncate(pool->fd, (off_t)pool->limit))
		return -errno;
	result = allocate(pool->fd, 0, LEDGER_HEADER_SIZE);
	if (result)
		return result;
	begin_header(pool->header, store_id);
	return 0;
}

int pool_grow(struct pool *pool)
{
	size_t from = (size_t)LEDGER_FIRST_BLOCK + pool->blocks_total;
	size_t left = pool->limit / LEDGER_BLOCK_SIZE - from;
	size_t step = left < BLOCK_STEP ? left : BLOCK_STEP;
	int result;

	if (step == 0)
		return -ENOSPC;
	result = allocate(pool->fd, from * LEDGER_BLOCK_SIZE, step * LEDGER_BLOCK_SIZE);
	if (result)
		return result;
	pool->blocks_total += (uint32_t)step;
	return 0;
}

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

size_t pool_memory(const struct pool *pool)
{
	return LEDGER_HEADER_SIZE + (size_t)pool->slots_total * LEDGER_SLOT_SIZE + (size_t)pool->blocks_total * LEDGER_BLOCK_SIZE;
}
