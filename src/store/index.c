/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Records by owner and by entry. A guest's nodes lie below one that it was given, and name whom their parents name, so nearly
 * all nodes differ from their parents in nothing and have no record: what a domain is and has is a few records, under which
 * a walk down the tree finds the rest.
 *
 * A record's key ends in the generation of the node's creation, not in its path: short, the same for any length of path, and
 * in an order in which no node comes before one above it.
 */
#include "store/index.h"

#include <errno.h>
#include <lmdb.h>
#include <stdlib.h>
#include <string.h>

#include "store/node.h"
#include "store/store.h"

bool index_has(uint16_t domid)
{
	return domid != DOMID_PRIVILEGED && domid < DOMID_FIRST_RESERVED_NUMBER;
}

/* By an entry behind the first. */
static bool names(const struct permission *permissions, size_t n, uint16_t domid)
{
	for (size_t i = 1; i < n; i++) {
		if (permissions[i].domid == domid)
			return true;
	}
	return false;
}

static bool names_all_of(const struct permission *permissions, size_t n, const struct permission *others, size_t n_others)
{
	for (size_t i = 1; i < n_others; i++) {
		if (!names(permissions, n, others[i].domid))
			return false;
	}
	return true;
}

bool index_same_names(const struct permission *left, size_t n_left, const struct permission *right, size_t n_right)
{
	if (n_left == n_right && !memcmp(left, right, n_left * sizeof(*left)))
		return true;
	return left[0].domid == right[0].domid && names_all_of(left, n_left, right, n_right) &&
	       names_all_of(right, n_right, left, n_left);
}

bool index_owner_differs(const struct index_state *state, uint16_t domid)
{
	return index_has(domid) && state->own && state->own[0].domid == domid &&
	       (!state->parent || state->parent[0].domid != domid);
}

bool index_entry_differs(const struct index_state *state, uint16_t domid)
{
	return index_has(domid) && state->own && names(state->own, state->n_own, domid) &&
	       !(state->parent && names(state->parent, state->n_parent, domid));
}

bool index_differs(const struct index_state *state)
{
	if (index_owner_differs(state, state->own[0].domid))
		return true;
	for (size_t i = 1; i < state->n_own; i++) {
		if (index_entry_differs(state, state->own[i].domid))
			return true;
	}
	return false;
}

static void add_step(struct index_plan *plan, unsigned char kind, bool add, uint16_t domid)
{
	plan->steps[plan->n++] = (struct index_step){kind, add, domid};
}

/* The records of the domains that `from` names and that `to` has not: to be made or taken away. */
static void plan_difference(struct index_plan *plan, const struct index_state *from, const struct index_state *to, bool add)
{
	if (!from->own)
		return;
	uint16_t owner = from->own[0].domid;
	if (index_owner_differs(from, owner) && !index_owner_differs(to, owner))
		add_step(plan, STORE_KEY_OWNER, add, owner);
	for (size_t i = 1; i < from->n_own; i++) {
		uint16_t domid = from->own[i].domid;
		if (index_entry_differs(from, domid) && !index_entry_differs(to, domid))
			add_step(plan, STORE_KEY_ENTRY, add, domid);
	}
}

int index_plan(const struct index_state *before, const struct index_state *after, struct index_plan *out)
{
	size_t n_max = before->n_own + after->n_own;

	out->n = 0;
	out->steps = out->few;
	if (n_max > sizeof(out->few) / sizeof(out->few[0]))
		out->steps = malloc(n_max * sizeof(*out->steps));
	if (!out->steps)
		return -ENOMEM;
	plan_difference(out, before, after, false);
	plan_difference(out, after, before, true);
	return 0;
}

void index_plan_deinit(struct index_plan *plan)
{
	if (plan->steps != plan->few)
		free(plan->steps);
}

void index_key(unsigned char kind, uint16_t domid, uint64_t created, unsigned char out[INDEX_KEY_SIZE])
{
	out[0] = kind;
	out[1] = (unsigned char)(domid >> 8);
	out[2] = (unsigned char)domid;
	for (int i = 0; i < 8; i++)
		out[3 + i] = (unsigned char)(created >> (56 - 8 * i));
}

bool index_key_decode(const void *key, size_t len, uint16_t *domid, uint64_t *created)
{
	const unsigned char *bytes = key;

	if (len != INDEX_KEY_SIZE)
		return false;
	*domid = (uint16_t)(bytes[1] << 8 | bytes[2]);
	*created = 0;
	for (int i = 0; i < 8; i++)
		*created = *created << 8 | bytes[3 + i];
	return true;
}

int index_apply(struct store *store, const struct index_plan *plan, const struct key *key, uint64_t created)
{
	unsigned char bytes[INDEX_KEY_SIZE];
	MDB_val name = {sizeof(bytes), bytes}, record = {key ? key->len : 0, key ? (void *)(uintptr_t)key->bytes : NULL};
	struct MDB_txn *txn = store_writable(store);

	if (!txn)
		return store->fault;
	for (size_t i = 0; i < plan->n; i++) {
		const struct index_step *step = &plan->steps[i];
		index_key(step->kind, step->domid, created, bytes);
		int code = step->add ? mdb_put(txn, store->dbi, &name, &record, 0) : mdb_del(txn, store->dbi, &name, NULL);
		if (code && code != MDB_NOTFOUND)
			return store_failed(store, code);
	}
	return 0;
}

int index_drop(struct store *store, unsigned char kind, uint16_t domid, uint64_t created)
{
	struct index_plan plan = {.n = 1, .few = {{kind, false, domid}}};

	plan.steps = plan.few;
	return index_apply(store, &plan, NULL, created);
}

/* The path of the node under a key that a record holds. */
static int path_of_key(struct store *store, struct MDB_txn *txn, const MDB_val *key, char buffer[PATH_BUFFER], struct path *path)
{
	MDB_val name = *key, record;
	struct node node;

	if (!key->mv_size || key->mv_size > STORE_KEY_MAX)
		return store_failed(store, EIO);
	if (*(const unsigned char *)key->mv_data != STORE_KEY_LONG_NODE) {
		*path = (struct path){buffer, key_to_path(key->mv_data, key->mv_size, buffer)};
		return 0;
	}
	int code = mdb_get(txn, store->dbi, &name, &record);
	if (code)
		return store_failed(store, code);
	if (!node_decode(record.mv_data, record.mv_size, &node) || node.path_len >= PATH_BUFFER)
		return store_failed(store, EIO);
	memcpy(buffer, node.path, node.path_len);
	buffer[node.path_len] = 0;
	*path = (struct path){buffer, node.path_len};
	return 0;
}

int index_next(struct store *store, struct MDB_txn *txn, unsigned char kind, uint16_t domid, uint64_t from,
	       char buffer[PATH_BUFFER], struct path *path, uint64_t *created)
{
	unsigned char bytes[INDEX_KEY_SIZE];
	MDB_val name = {sizeof(bytes), bytes}, record;
	MDB_cursor *cursor;
	uint16_t found;

	index_key(kind, domid, from, bytes);
	int code = mdb_cursor_open(txn, store->dbi, &cursor);
	if (code)
		return store_failed(store, code);
	code = mdb_cursor_get(cursor, &name, &record, MDB_SET_RANGE);
	mdb_cursor_close(cursor);
	if (code)
		return code == MDB_NOTFOUND ? STATUS_ENOENT : store_failed(store, code);
	const unsigned char *key = name.mv_data;
	if (*key != kind || !index_key_decode(key, name.mv_size, &found, created) || found != domid)
		return STATUS_ENOENT;
	return path_of_key(store, txn, &record, buffer, path);
}
