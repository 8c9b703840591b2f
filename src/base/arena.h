/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>

/*
 * Memory that lives as long as one request: taken piece by piece, given back all at once. An arena keeps its first block
 * over a reset, so that a request normally allocates nothing. (glibc's obstack is the same idea, but ends the process
 * when memory runs out.)
 */
struct arena_block;

struct arena {
	struct arena_block *first;
	struct arena_block *current;
};

/* An empty arena; takes no memory yet. arena_deinit accepts a zeroed or already deinitialised one. */
void arena_init(struct arena *arena);
void arena_deinit(struct arena *arena);

/* Ends the life of everything taken; keeps the first block, frees the rest. */
void arena_reset(struct arena *arena);

/* `size` bytes aligned for any type, not zeroed; NULL when memory runs out. Valid until arena_reset. */
void *arena_alloc(struct arena *arena, size_t size);

/* A copy of `len` bytes with a NUL behind it; NULL when memory runs out. */
char *arena_copy(struct arena *arena, const void *bytes, size_t len);
