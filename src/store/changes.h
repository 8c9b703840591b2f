/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "store/node.h"
#include "wire/path.h"
#include "wire/permissions.h"

/* A copy of a node's permissions. */
struct permission_list {
	const struct permission *entries; /* NULL: none */
	size_t n;
};

/* One node that a request changed, as watches need to know it. Lives in the request's arena. */
struct change {
	struct path path;
	bool exact; /* fires only watches on this very path: nodes removed with one above them */
	bool removed;
	bool of_all_domains;	       /* "@x" itself, not changed: fires only watches without depth */
	struct permission_list now;    /* permissions; of a removed node the last it had */
	struct permission_list before; /* before SET_PERMS; else none */
	struct permission_list parent; /* of the parent, where that was removed too; else none: look it up */
	struct change *next;
};

/* What one request changed, in the order in which events tell it. Zeroed: none. */
struct changes {
	struct change *first, *last;
};

/* A copy in the arena; entries NULL if memory runs out. */
struct permission_list permission_list_copy(struct arena *arena, const struct permission *entries, size_t n);

/* A change of `path` (copied) whose node has these permissions; NULL: no memory. Not yet in a list. */
struct change *change_new(struct arena *arena, const struct path *path, const struct permission *now, size_t n_now);
void changes_append(struct changes *changes, struct change *change);
void changes_append_all(struct changes *changes, struct changes *tail); /* empties `tail` */

/* Which watched paths lie below a path: asked before a subtree is removed. */
struct watched_paths {
	int (*below)(void *context, const struct path *path, int (*found)(void *found_context, const struct path *path),
		     void *found_context);
	void *context;
};

/*
 * The changes that removing the node at `path` (which exists, as `node`) in the state `txn` will be: appends watched nodes
 * below it to `below`, leaf first and else in the order of creation; *top is its own, not yet in a list. -ENOMEM, -EIO.
 */
int changes_of_removal(struct store *store, struct MDB_txn *txn, struct arena *arena, const struct watched_paths *watched,
		       const struct path *path, const struct node *node, struct changes *below, struct change **top);
