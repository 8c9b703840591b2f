/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>

#include "store/store.h"

/* Making a store of what another one, or another daemon, has told of its contents: node_restore or node_create fill it then. */
struct restore_origin {
	unsigned char id[STORE_ID_SIZE];
	char boot_id[40];    /* NUL padded */
	uint64_t generation; /* up to here generations may have been given out */
};

/*
 * Takes all records away from an open store, its first nodes too. `origin`: whose copy it is to be; NULL: it stays itself, and
 * generations begin anew. Committed. Faults are -errno; nothing is to be done then but to give the file up.
 */
int restore_begin(struct store *store, const struct restore_origin *origin);

/*
 * Where records come from. `next` puts one into the store: 1; 0: there are no more; or -errno, a fault of the store or another.
 * `mark` notes where it stands, `back` returns there, because what was put since is to be put again. `told`: so many are in the
 * store for good (may be NULL).
 */
struct restore_feed {
	int (*next)(void *context);
	void (*mark)(void *context);
	void (*back)(void *context);
	void (*told)(void *context, uint64_t n);
	void *context;
};

/* Puts all of them, in commits of some thousand; one that finds no room is made again with more. The first error, or 0. */
int restore_fill(struct store *store, const struct restore_feed *feed);
