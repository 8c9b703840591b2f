/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct MDB_env;

/*
 * Room in the file. Blocks are reserved (fallocate) before LMDB may use them, and LMDB's map is never larger than what is
 * reserved: a full file system shows as MDB_MAP_FULL between requests, never as a failed write in a commit or a SIGBUS.
 *
 * LMDB writes each changed page anew, so even a removal needs free pages first. Therefore records may not fill the file: what
 * adds to their pages ends at room_for_records, and the rest is for changes that add nothing.
 */
struct room {
	int fd;		  /* LMDB's, borrowed */
	size_t limit;	  /* the file never grows beyond */
	size_t allocated; /* reserved so far */
	size_t page_size;
};

/* The map size to open the store at `path` with: all that an earlier process reserved for it, or what a new file begins with. */
size_t room_to_open(const char *path, size_t limit);

/*
 * For an environment just opened with that. `was_reserved`: by the same code in an earlier process, which left no holes; then
 * blocks that are there need not be asked for again, page by page. -ENOSPC: not even the first bytes can be had.
 */
int room_init(struct room *room, struct MDB_env *env, size_t limit, bool was_reserved);

/* More room, in a step that keeps the slack below an eighth. -ENOSPC. */
int room_grow(struct room *room, struct MDB_env *env);

/* Pages that records and LMDB's list of free pages may take. */
size_t room_for_records(const struct room *room);

/* Reserves `size` bytes for the file beside the store that LMDB writes through a mapping; makes it if need be. -errno. */
int room_for_locks(const char *path, size_t size);
