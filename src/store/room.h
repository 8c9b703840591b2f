/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct MDB_env;

/*
 * Room in the file. Blocks are reserved (fallocate) before LMDB may use them, and LMDB's map size is never above what is
 * reserved: a full file system shows as MDB_MAP_FULL between requests, never as a failed write in a commit or a SIGBUS. The
 * last part of the room is kept for deletions, which need pages too.
 */
struct room {
	int fd;		  /* LMDB's, borrowed */
	size_t limit;	  /* the file never grows beyond */
	size_t allocated; /* reserved so far */
	size_t kept;	  /* at the end, for deletions */
	bool lent;	  /* a deletion is using it */
};

/* Bytes that a new file begins with. */
size_t room_initial(size_t limit);

/* For an environment just opened with a map size of room_initial or more. -ENOSPC: not even the first bytes can be had. */
int room_init(struct room *room, struct MDB_env *env, size_t limit);

/* More room, in a step that keeps the slack below an eighth; with `for_deletion` the kept part when there is no more. -ENOSPC. */
int room_grow(struct room *room, struct MDB_env *env, bool for_deletion);
void room_return(struct room *room, struct MDB_env *env);
