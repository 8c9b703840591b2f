/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/store.h"

/*
 * Watches as the store keeps them (doc/format.md, "w"). The index of watches in memory is what they are matched by; the records
 * are for who looks at the store from outside, and for the next start.
 */
struct watch_record {
	uint64_t connection; /* id of the one that has set it */
	uint64_t serial;     /* grows with each watch */
	uint16_t domid;	     /* for whom the connection speaks */
	uint16_t hidden;     /* as in struct store_watch */
	int32_t depth;	     /* -1: all levels */
	const char *path, *token;
	size_t path_len, token_len;
};

/* Changes in the turn's write transaction. 0, or the fault, noted in the store too. */
int watch_record_put(struct store *store, const struct watch_record *record);
int watch_record_remove(struct store *store, uint64_t connection, uint64_t serial); /* it is there */

/* Calls `found` with each of a connection, in the order of serials. A non-zero result ends the walk and is returned. -EIO. */
int watch_record_each(struct store *store, uint64_t connection, int (*found)(void *context, const struct watch_record *record),
		      void *context);

/* The first connection from the id `from` on that has any: 0, STATUS_ENOENT, -EIO. */
int watch_record_next(struct store *store, uint64_t from, uint64_t *connection);

/* Removes those of a connection whose serials are from `first` to `last`, `limit` of them or all. If there are none, the turn
 * stays as it was: without a change of the store, if it had none. */
int watch_record_remove_some(struct store *store, uint64_t connection, uint64_t first, uint64_t last, size_t limit);

/* Decodes a record, into which path and token then point, without NULs; false if it is not whole. */
bool watch_record_decode(const void *key, size_t key_len, const void *bytes, size_t len, struct watch_record *out);
