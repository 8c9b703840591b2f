/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lxenstored/ledger_format.h"

/*
 * The file of the ledger as a pool of slots and blocks. It is mapped once, over its whole limit; a page is touched only after
 * the file system has given memory for it, so a full one is -ENOSPC and never SIGBUS. What is free is known to this process
 * only: free slots and blocks are chained through themselves and the last one given back is the first one taken, because its
 * bytes are still in the cache. Memory comes in steps of POOL_STEP blocks, and when much is free it goes back in such steps.
 */
struct pool {
	int fd;
	size_t limit;
	unsigned char *map;
	struct ledger_header *header; /* = map */
	struct ledger_slot *slots;
	uint32_t free_block;	 /* first of the chain; 0: none */
	uint32_t blocks_touched; /* blocks from LEDGER_FIRST_BLOCK on that have ever been taken */
	uint32_t blocks_end;	 /* blocks from LEDGER_FIRST_BLOCK on that have ever had memory */
	uint32_t blocks_total;	 /* with memory behind them */
	uint32_t blocks_used;
	uint32_t trim_above; /* free blocks; POOL_TRIM_ABOVE where none is in use, for then all can go */
	uint32_t *holes;     /* steps before blocks_end without memory, counted from LEDGER_FIRST_BLOCK */
	uint32_t n_holes, holes_capacity;
	uint32_t free_slot; /* first of the chain, counted from 1; 0: none */
	uint32_t slots_touched;
	uint32_t slots_total; /* with memory behind them */
	uint32_t slots_used;
};

enum {
	POOL_KEPT = 1, /* the last blocks are for replies only; no reply needs more than one */
	POOL_STEP = 128,
	POOL_TRIM_ABOVE = 8 * POOL_STEP /* free blocks */
};

/*
 * Opens or makes the file, locks and maps it; its contents stay. pool_close afterwards. -EBUSY: another process has it; -EPROTO:
 * it holds something else; -EINVAL: it is no file that could hold a ledger, or the limit is too small for one; other -errno.
 */
int pool_open(const char *path, size_t limit, struct pool *pool);

/* The file that was opened has the header of a ledger of this format, or pool_begin has made it. */
bool pool_has_header(const struct pool *pool);
void pool_close(struct pool *pool);

/* Empties the file and begins a header for this store; no slot and no block is in use. -errno. */
int pool_begin(struct pool *pool, const unsigned char store_id[16]);

/*
 * Goes on with what the file holds: the slots are as in this copy of the first `n_slots`, the others are free; and `in_use` says
 * of each block, by its number, whether one of them reaches it. -ENOMEM, -ENOSPC or another -errno.
 */
int pool_resume(struct pool *pool, const struct ledger_slot *slots, uint32_t n_slots, const unsigned char *in_use);

/* Memory for some more blocks. -ENOSPC or another -errno, and nothing has changed. */
int pool_grow(struct pool *pool);

/* Gives memory of free blocks back to the file system, and sets from how many on that is worth another try. */
void pool_trim(struct pool *pool);

/* A slot, zeroed; NULL when there is no room. */
struct ledger_slot *pool_take_slot(struct pool *pool);
void pool_give_slot(struct pool *pool, struct ledger_slot *slot);

/* The bytes that have memory behind them. */
size_t pool_memory(const struct pool *pool);

static inline struct ledger_block *pool_block(const struct pool *pool, uint32_t number)
{
	return (struct ledger_block *)(void *)(pool->map + (size_t)number * LEDGER_BLOCK_SIZE);
}

/* Takes a block if more than `kept` are left; its contents are undefined. 0: no room. */
static inline uint32_t pool_take(struct pool *pool, uint32_t kept)
{
	uint32_t number;

	while (pool->blocks_total - pool->blocks_used <= kept)
		if (pool_grow(pool))
			return 0;
	number = pool->free_block;
	if (number)
		pool->free_block = (uint32_t)pool_block(pool, number)->link;
	else
		number = LEDGER_FIRST_BLOCK + pool->blocks_touched++;
	pool->blocks_used++;
	return number;
}

/* The block must be out of reach of every slot; its contents are gone. */
static inline void pool_give(struct pool *pool, uint32_t number)
{
	pool_block(pool, number)->link = pool->free_block;
	pool->free_block = number;
	pool->blocks_used--;
	if (pool->blocks_total - pool->blocks_used > (pool->blocks_used ? pool->trim_above : POOL_TRIM_ABOVE))
		pool_trim(pool);
}

/*
 * Stores that make something visible: what was stored before is there when this is, and what follows is not there earlier.
 * The reader comes after this process was killed, or looks on; on the side of the writer the program's order is all it takes.
 */
static inline void publish_u64(uint64_t *at, uint64_t value)
{
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	__atomic_store_n(at, value, __ATOMIC_RELEASE);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

static inline void publish_u32(uint32_t *at, uint32_t value)
{
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	__atomic_store_n(at, value, __ATOMIC_RELEASE);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
}
