/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lxenstored/store_format.h"
#include "store/key.h"
#include "wire/path.h"
#include "wire/permissions.h"

struct MDB_txn;
struct store;

/*
 * What a domain owns, and where it is named, found without a walk over the tree: for each domain but the privileged one and
 * those that cannot be, a record for each node that it owns and whose parent it does not, and one for each node that has an
 * entry for it (behind the first) and whose parent has none. What has no parent has records for all.
 *
 * These functions know what records there must be. node.c calls them for each node whose permissions, or whose parent's, come,
 * change or go.
 */

/* Whose permissions decide about a node's records: those of the node and of its parent. */
struct index_state {
	const struct permission *own; /* NULL: no node */
	size_t n_own;
	const struct permission *parent; /* NULL: it has none */
	size_t n_parent;
};

/* One record to be made, or to be taken away. */
struct index_step {
	unsigned char kind; /* STORE_KEY_OWNER or STORE_KEY_ENTRY */
	bool add;
	uint16_t domid;
};

/* What has to be done where a node's state changes; made ready before the change, since it needs what the change may move. */
struct index_plan {
	struct index_step *steps;
	size_t n;
	struct index_step few[8];
};

/* May this domain have records? */
bool index_has(uint16_t domid);

/* Do the two lists name the same owner and, behind it, the same domains? Then no record differs, the children's neither. */
bool index_same_names(const struct permission *left, size_t n_left, const struct permission *right, size_t n_right);

/* Must a node in this state have a record for the domain, as its owner or by an entry? */
bool index_owner_differs(const struct index_state *state, uint16_t domid);
bool index_entry_differs(const struct index_state *state, uint16_t domid);

/* True: a node in this state has records (STORE_NODE_INDEXED). */
bool index_differs(const struct index_state *state);

/* -ENOMEM: then there is nothing to be freed. Freed by index_plan_deinit. */
int index_plan(const struct index_state *before, const struct index_state *after, struct index_plan *out);
void index_plan_deinit(struct index_plan *plan);

/*
 * Changes the records of the node under `key`, created with this generation, in the turn's write transaction. What is to be
 * taken away need not be there; `key` is NULL if there is nothing else to be done. Faults are noted in the store.
 */
int index_apply(struct store *store, const struct index_plan *plan, const struct key *key, uint64_t created);

/* Takes one record away. */
int index_drop(struct store *store, unsigned char kind, uint16_t domid, uint64_t created);

/* The key of a record, and back; false: it is none. */
enum { INDEX_KEY_SIZE = 11 };
void index_key(unsigned char kind, uint16_t domid, uint64_t created, unsigned char out[INDEX_KEY_SIZE]);
bool index_key_decode(const void *key, size_t len, uint16_t *domid, uint64_t *created);

/*
 * The domain's first record of this kind whose node was created with `from` or later, as `txn` sees it: *path, in `buffer`, and
 * the generation of its creation. 0, STATUS_ENOENT: there is none, or -EIO.
 */
int index_next(struct store *store, struct MDB_txn *txn, unsigned char kind, uint16_t domid, uint64_t from,
	       char buffer[PATH_BUFFER], struct path *path, uint64_t *created);
