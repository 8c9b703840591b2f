/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A chain of blocks, each at least as large as what asked for it. Only the first outlives a reset, so a request that needed
 * a lot does not hold it for ever.
 */
#include "base/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK_SIZE = 16384 };

struct arena_block {
	struct arena_block *next;
	size_t used, size;
	alignas(max_align_t) unsigned char bytes[];
};

void arena_init(struct arena *arena)
{
	*arena = (struct arena){NULL, NULL};
}

static void free_after(struct arena_block *block)
{
	while (block) {
		struct arena_block *next = block->next;
		free(block);
		block = next;
	}
}

void arena_deinit(struct arena *arena)
{
	free_after(arena->first);
	arena_init(arena);
}

void arena_reset(struct arena *arena)
{
	if (!arena->first)
		return;
	free_after(arena->first->next);
	arena->first->next = NULL;
	arena->first->used = 0;
	arena->current = arena->first;
}

static struct arena_block *add_block(struct arena *arena, size_t size)
{
	if (size < BLOCK_SIZE)
		size = BLOCK_SIZE;
	struct arena_block *block = malloc(sizeof(*block) + size);
	if (!block)
		return NULL;
	*block = (struct arena_block){.size = size};
	if (arena->current)
		arena->current->next = block;
	else
		arena->first = block;
	arena->current = block;
	return block;
}

void *arena_alloc(struct arena *arena, size_t size)
{
	const size_t alignment = alignof(max_align_t);
	struct arena_block *block = arena->current;

	if (size > SIZE_MAX / 2)
		return NULL;
	size = (size + alignment - 1) & ~(alignment - 1);
	if (!block || block->size - block->used < size) {
		block = add_block(arena, size);
		if (!block)
			return NULL;
	}
	void *taken = block->bytes + block->used;
	block->used += size;
	return taken;
}

char *arena_copy(struct arena *arena, const void *bytes, size_t len)
{
	char *copy = len == SIZE_MAX ? NULL : arena_alloc(arena, len + 1);

	if (!copy)
		return NULL;
	if (len)
		memcpy(copy, bytes, len);
	copy[len] = 0;
	return copy;
}
