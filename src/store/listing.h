/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "store/node.h"
#include "store/store.h"

/*
 * The names of a node's children in the order of their creation, each with its NUL, one after the other: what DIRECTORY
 * answers. The last few are kept, so that the pages of a long list cost one sort together.
 */
struct listing {
	uint64_t generation; /* the node's children_generation: no two lists of one path share it */
	size_t path_len;
	size_t len; /* bytes of names */
	char *path;
	char names[];
};

/*
 * The list of the node at `path`, which is `node` as `txn` sees it. *out belongs to the store, valid until the next call.
 * `limit`: STATUS_E2BIG if the names take more bytes (0: no limit), found out without sorting them. Faults: -ENOMEM, -EIO.
 */
int listing_get(struct store *store, struct MDB_txn *txn, const struct path *path, const struct node *node, size_t limit,
		const struct listing **out);

/* Frees what is kept. */
void listings_forget(struct store *store);
