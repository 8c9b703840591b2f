/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "store/changes.h"
#include "store/node.h"
#include "store/store.h"
#include "store/transaction.h"
#include "wire/path.h"
#include "wire/permissions.h"

/* Limits for the unprivileged; the privileged have none. */
struct tree_limits {
	uint64_t nodes;		    /* that one domain owns */
	uint32_t node_size;	    /* bytes of value, and 8 for each permission entry */
	uint32_t node_permissions;  /* entries */
	uint32_t transaction_nodes; /* that one transaction looks at or changes */
};

/*
 * The tree as one request sees it: in a client transaction or without, with the caller's rights. The operations of
 * xenstore.txt "Database read, write and permissions operations" are written once for both; transaction.h says what is
 * observed. What a request changes outside a transaction goes into the turn's write transaction and into `changes`.
 */
struct tree {
	struct store *store;
	struct transaction *transaction; /* NULL: none */
	struct caller caller;
	const struct tree_limits *limits;
	uint64_t *most;			     /* by enum tree_limit: what was used at most of those checked here; NULL: not kept */
	const struct watched_paths *watched; /* NULL: nobody watches */
	struct arena *arena;		     /* of the request */
	enum tree_limit limit_reached; /* why the request was refused with STATUS_ENOSPC; see transaction->limit_reached too */
	struct changes changes;
};

/*
 * All return 0, a status, or a fault. STATUS_EACCES: the caller lacks the right; a missing node is STATUS_ENOENT if the
 * nearest existing ancestor grants the right, else STATUS_EACCES. STATUS_ENOSPC: a limit, or no room in the file.
 * STATUS_ENOMEM. Paths of nodes only (path_is_special false) but for the two that say so.
 */

/* *out: valid until the next change. */
int tree_read(struct tree *tree, const struct path *path, struct node *out);

/* Names, each with its NUL, in the order of creation; valid until the next request. `limit` as for listing_get. */
struct tree_names {
	const char *bytes;
	size_t len;
	uint64_t generation; /* changes whenever the list may have changed */
};
int tree_list(struct tree *tree, const struct path *path, size_t limit, struct tree_names *out);

/* Specials too. */
int tree_permissions(struct tree *tree, const struct path *path, struct node *out);

int tree_write(struct tree *tree, const struct path *path, const void *value, size_t value_len);
int tree_mkdir(struct tree *tree, const struct path *path);

/* STATUS_EINVAL: the root. 0 if only the node itself is missing. */
int tree_remove(struct tree *tree, const struct path *path);

/* Specials too. STATUS_EPERM: the unprivileged cannot change the owner. */
int tree_set_permissions(struct tree *tree, const struct path *path, const struct permission *permissions, size_t n);

/* Does a node of this size exceed what the caller may make? */
bool tree_is_too_large(const struct tree_limits *limits, const struct caller *caller, size_t value_len, size_t n_permissions);
