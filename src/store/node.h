/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/store.h"
#include "wire/path.h"
#include "wire/permissions.h"

struct MDB_val;

/*
 * A node as its record has it (include/lxenstored/store_format.h). `permissions` and `value` point into the map: valid until
 * the next change through the same transaction or its end.
 */
struct node {
	uint64_t created;
	uint64_t value_generation;
	uint64_t permissions_generation;
	uint64_t children_generation;
	const struct permission *permissions;
	size_t n_permissions;
	const char *value;
	size_t value_len;
	const char *path; /* of nodes with long keys; else NULL */
	size_t path_len;
	uint8_t flags;
};

/* Decodes a record; false if its lengths don't fit. */
bool node_decode(const void *record, size_t len, struct node *out);

/* The node at `path` as `txn` (of this store) sees it: 0, STATUS_ENOENT, or -EIO. */
int node_get(struct store *store, struct MDB_txn *txn, const struct path *path, struct node *out);

/*
 * The same in the state that store_view would return; cheaper for a node that was looked at lately (store/recent.h). What
 * `out` points to is valid until the next node_look or change.
 */
int node_look(struct store *store, const struct path *path, struct node *out);

/*
 * Changes, all in the turn's write transaction; faults are also noted in the store, so a caller may go on and check
 * store->fault once. They do not look at permissions or quotas and make no events.
 */

/* Makes a node whose parent exists and which does not; counts it to its owner and tells the parent. */
int node_create(struct store *store, const struct path *path, const struct permission *permissions, size_t n_permissions,
		const void *value, size_t value_len);

/* The same for a node that comes from elsewhere with its generations; the parent keeps its own. restore.h prepares a store. */
int node_restore(struct store *store, const struct path *path, const struct node *node);

/* `node` is the node as it is now (of node_look, or of node_get in the write transaction or in store_view). */
int node_set_value(struct store *store, const struct path *path, const struct node *node, const void *value, size_t value_len);
int node_set_permissions(struct store *store, const struct path *path, const struct node *node,
			 const struct permission *permissions, size_t n_permissions);

/* The same, for a caller who sees to the records of index.h. */
int node_put_permissions(struct store *store, const struct path *path, const struct node *node,
			 const struct permission *permissions, size_t n_permissions);

/* Removes the node, which exists, with all below; gives the owners' counts back and tells the parent. */
int node_remove(struct store *store, const struct path *path);

/* Nodes below and at `path` that `domid` owns, as `txn` sees it. */
int node_count_owned(struct store *store, struct MDB_txn *txn, const struct path *path, uint16_t domid, uint64_t *out);

/*
 * Calls `child` for each child of `path` in the order of their keys. `name` is not NUL-terminated. A non-zero result ends the
 * walk and is returned. `parent` is the node at path.
 */
typedef int node_child(void *context, const char *name, size_t name_len, const struct node *child);
int node_children(struct store *store, struct MDB_txn *txn, const struct path *path, const struct node *parent, node_child *child,
		  void *context);

/* Nodes that `domid` owns by the account of it. */
int node_account(struct store *store, struct MDB_txn *txn, uint16_t domid, uint64_t *out);
