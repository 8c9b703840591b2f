/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A transaction is a table of entries by path. An entry holds what answers have shown of the node (with the generations seen)
 * and what the transaction has made of it. A path is seen through the table: what was made here is there; what was removed
 * here, or lies below, is not; all else is as in the state that the transaction reads, with value or permissions replaced if
 * they were set here. What comes from the table is not observed.
 */
#include "store/transaction.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "store/listing.h"
#include "store/overlay.h"
#include "store/snapshot.h"
#include "store/tombstone.h"

enum { FEW_CLEARED = 16 };

static struct MDB_txn *state_read(struct transaction *transaction)
{
	return transaction->snapshot ? transaction->snapshot->txn : store_view(transaction->store);
}

/* A node of that state. While nothing has been committed since the snapshot, it is also the newest. */
static int look_in_state(struct transaction *transaction, const struct path *path, struct node *out)
{
	struct store *store = transaction->store;
	const struct snapshot *snapshot = transaction->snapshot;

	if (!snapshot || (snapshot->commits == store->commits && !store->dirty))
		return node_look(store, path, out);
	return node_get(store, snapshot->txn, path, out);
}

/* ---- entries ---- */

static uint32_t hash_of(const struct transaction *transaction, const struct path *path)
{
	return (uint32_t)hash_short(transaction->store->meta.hash_key, path->text, path->len);
}

struct transaction_entry *transaction_entry(const struct transaction *transaction, const struct path *path)
{
	struct transaction_entry *entry = NULL;

	if (transaction->entries)
		HASH_FIND_BYHASHVALUE(hh, transaction->entries, path->text, path->len, hash_of(transaction, path), entry);
	return entry;
}

int transaction_pay(struct transaction *transaction, size_t more, size_t less)
{
	if (!charge_set(&transaction->memory, transaction->memory.amount + more - less, transaction->memory_limit))
		return 0;
	transaction->limit_reached = TREE_LIMIT_MEMORY;
	return STATUS_ENOMEM;
}

static void give_back(struct transaction *transaction, size_t size)
{
	charge_force(&transaction->memory, transaction->memory.amount - size);
}

int transaction_refuse_entry(struct transaction *transaction)
{
	transaction->limit_reached = TREE_LIMIT_TRANSACTION_NODES;
	return STATUS_ENOSPC;
}

size_t transaction_size(const struct transaction *transaction)
{
	return HASH_COUNT(transaction->entries);
}

static size_t entry_size(const struct path *path)
{
	return sizeof(struct transaction_entry) + path->len + 1;
}

static struct transaction_entry *entry_new(struct transaction *transaction, const struct path *path)
{
	struct transaction_entry *entry = calloc(1, sizeof(*entry));
	char *text = entry ? strndup(path->text, path->len) : NULL;

	if (!text) {
		free(entry);
		return NULL;
	}
	entry->path = (struct path){text, path->len};
	HASH_ADD_KEYPTR_BYHASHVALUE(hh, transaction->entries, text, path->len, hash_of(transaction, path), entry);
	if (!entry->hh.tbl) {
		free(text);
		free(entry);
		return NULL;
	}
	return entry;
}

int transaction_entry_need(struct transaction *transaction, const struct path *path, size_t limit, struct transaction_entry **out)
{
	*out = transaction_entry(transaction, path);
	if (*out)
		return 0;
	if (limit && HASH_COUNT(transaction->entries) >= limit)
		return transaction_refuse_entry(transaction);
	int result = transaction_pay(transaction, entry_size(path), 0);
	if (result)
		return result;
	*out = entry_new(transaction, path);
	if (*out)
		return 0;
	give_back(transaction, entry_size(path));
	return STATUS_ENOMEM;
}

static void entry_free(struct transaction_entry *entry)
{
	free((char *)(uintptr_t)entry->path.text);
	free(entry->value);
	free(entry->permissions);
	free(entry);
}

bool transaction_clears_above(const struct transaction *transaction, const struct path *path)
{
	const struct transaction_entry *entry;
	struct path ancestor = *path;

	if (transaction->n_cleared > FEW_CLEARED) {
		while ((ancestor.len = path_parent_len(&ancestor)) > 1) {
			entry = transaction_entry(transaction, &ancestor);
			if (entry && entry->cleared)
				return true;
		}
		return false;
	}
	DL_FOREACH2 (transaction->cleared, entry, cleared_next) {
		if (entry->path.len < path->len && path_is_below_or_equal(path, &entry->path))
			return true;
	}
	return false;
}

bool transaction_clears(const struct transaction *transaction, const struct path *path)
{
	if (!transaction->n_cleared)
		return false;
	const struct transaction_entry *entry = transaction_entry(transaction, path);
	return (entry && entry->cleared) || transaction_clears_above(transaction, path);
}

/* ---- life ---- */

/* One that reads the newest state. */
static struct transaction *transaction_new(struct store *store, const struct caller *caller)
{
	struct transaction *transaction = calloc(1, sizeof(*transaction));

	if (!transaction)
		return NULL;
	transaction->store = store;
	transaction->caller = *caller;
	transaction->start_generation = store->generation;
	transaction->memory_limit = UINT64_MAX;
	DL_APPEND2(store->transactions, transaction, previous, next);
	return transaction;
}

int transaction_start(struct store *store, const struct caller *caller, struct transaction **out)
{
	struct transaction *transaction = transaction_new(store, caller);

	if (!transaction)
		return -ENOMEM;
	int error = snapshot_take(store, transaction, &transaction->snapshot);
	if (error)
		transaction_free(transaction);
	else
		*out = transaction;
	return error;
}

/* What was said to have changed since the start of one that has been restored; also of what nothing tells any more. */
static void take_up_late(struct transaction *transaction)
{
	struct store *store = transaction->store;

	tombstones_forget(store->tombstones, store->generation);
	transaction->doomed = transaction->doomed || transaction->unobserved;
}

int transaction_restore(struct store *store, const struct caller *caller, const void *bytes, size_t len, bool observations_hold,
			struct transaction **out)
{
	struct transaction *transaction = transaction_new(store, caller);

	if (!transaction)
		return -ENOMEM;
	int result = overlay_read(transaction, bytes, len);
	if (result > 0)
		result = result == STATUS_ENOMEM ? -ENOMEM : result;
	transaction->unobserved = transaction->unobserved || !observations_hold;
	if (!result && store_last_change(store) > transaction->start_generation) {
		take_up_late(transaction);
	} else if (!result) {
		transaction->start_generation = store->generation; /* it has jumped, and nothing but that */
		result = snapshot_take(store, transaction, &transaction->snapshot);
	}
	if (result)
		transaction_free(transaction);
	else
		*out = transaction;
	return result;
}

void transaction_free(struct transaction *transaction)
{
	struct transaction_entry *entry, *next;

	if (!transaction)
		return;
	struct store *store = transaction->store;
	if (transaction->snapshot)
		snapshot_leave(store, transaction->snapshot, transaction);
	DL_DELETE2(store->transactions, transaction, previous, next);
	tombstones_forget(store->tombstones, store->transactions ? store->transactions->start_generation : store->generation);
	HASH_ITER (hh, transaction->entries, entry, next) {
		HASH_DEL(transaction->entries, entry);
		entry_free(entry);
	}
	charge_free(&transaction->number);
	charge_free(&transaction->memory);
	charge_free(&transaction->recorded);
	free(transaction);
}

bool transaction_names(const struct transaction *transaction, bool (*is_meant)(const void *context, uint16_t domid),
		       const void *context)
{
	const struct transaction_entry *entry, *next;

	HASH_ITER (hh, transaction->entries, entry, next) {
		for (size_t i = 0; i < entry->n_permissions && (entry->present || entry->has_permissions); i++) {
			if (is_meant(context, entry->permissions[i].domid))
				return true;
		}
	}
	return false;
}

static bool is_this(const void *context, uint16_t domid)
{
	return *(const uint16_t *)context == domid;
}

void transactions_release(struct store *store, uint16_t domid)
{
	struct transaction *transaction;

	DL_FOREACH2 (store->transactions, transaction, next) {
		if (!transaction->doomed && !transaction->ended && transaction->changed)
			transaction->doomed = transaction_names(transaction, is_this, &domid);
	}
}

void transaction_lose_snapshot(struct transaction *transaction)
{
	transaction->snapshot = NULL;
}

/* ---- reading ---- */

int transaction_look(struct transaction *transaction, const struct path *path, struct node *out, bool *overlaid)
{
	const struct transaction_entry *entry = transaction_entry(transaction, path);

	*overlaid = true;
	if (entry && entry->present) {
		*out = (struct node){
		    .permissions = entry->permissions,
		    .n_permissions = entry->n_permissions,
		    .value = entry->value,
		    .value_len = entry->value_len,
		};
		return 0;
	}
	if (transaction_clears(transaction, path))
		return STATUS_ENOENT;
	*overlaid = false;
	int result = look_in_state(transaction, path, out);
	if (result || !entry)
		return result;
	if (entry->has_value) {
		out->value = entry->value;
		out->value_len = entry->value_len;
	}
	if (entry->has_permissions) {
		out->permissions = entry->permissions;
		out->n_permissions = entry->n_permissions;
	}
	return 0;
}

/* Was there a node at `path`, or above, since the transaction began? Not if the list it would have to be in is older. */
static bool was_removed(const struct transaction *transaction, const struct path *path, const struct node *ancestor,
			uint64_t *since)
{
	uint64_t start = transaction->start_generation;

	if (ancestor && ancestor->children_generation <= start)
		return false;
	*since = tombstones_generation(transaction->store->tombstones, path, start);
	return *since || tombstones_cover(transaction->store->tombstones, path, start);
}

/* In validated mode: is what is seen newer than the transaction? *since: the change that made it so; 0: not known. */
static bool is_newer(const struct transaction *transaction, const struct path *path, const struct node *node, unsigned kinds,
		     uint64_t *since)
{
	uint64_t start = transaction->start_generation;

	if (kinds & OBSERVE_ABSENCE)
		return was_removed(transaction, path, node, since);
	if (kinds & OBSERVE_EXISTENCE && node->created > start)
		*since = node->created;
	else if (kinds & OBSERVE_VALUE && node->value_generation > start)
		*since = node->value_generation;
	else if (kinds & OBSERVE_PERMISSIONS && node->permissions_generation > start)
		*since = node->permissions_generation;
	else if (kinds & OBSERVE_CHILDREN && node->children_generation > start)
		*since = node->children_generation;
	else
		return false;
	return true;
}

static void doom(struct transaction *transaction, uint64_t since)
{
	if (!transaction->doomed)
		transaction->conflict_generation = since;
	transaction->doomed = true;
}

int transaction_observe(struct transaction *transaction, const struct path *path, const struct node *node, unsigned kinds,
			size_t limit)
{
	struct transaction_entry *entry = transaction_entry(transaction, path);
	uint64_t since = 0;

	if ((entry && entry->present) || transaction_clears(transaction, path))
		return 0;
	if (entry && entry->has_value)
		kinds &= ~(unsigned)OBSERVE_VALUE;
	if (entry && entry->has_permissions)
		kinds &= ~(unsigned)OBSERVE_PERMISSIONS;
	if (!transaction->snapshot && is_newer(transaction, path, node, kinds, &since))
		doom(transaction, since);
	if (entry && (entry->observed & kinds) == kinds)
		return 0;
	int result = transaction_entry_need(transaction, path, limit, &entry);
	if (result)
		return result;
	kinds &= ~entry->observed;
	entry->observed |= kinds;
	if (kinds & OBSERVE_EXISTENCE)
		entry->seen_created = node->created;
	if (kinds & OBSERVE_VALUE)
		entry->seen_value = node->value_generation;
	if (kinds & OBSERVE_PERMISSIONS)
		entry->seen_permissions = node->permissions_generation;
	if (kinds & OBSERVE_CHILDREN)
		entry->seen_children = node->children_generation;
	return 0;
}

void transaction_insist_on_absence(struct transaction *transaction, struct transaction_entry *entry)
{
	if (entry->present && entry->ensured && !transaction_clears(transaction, &entry->path))
		entry->observed |= OBSERVE_ABSENCE;
}

void transaction_show(struct transaction *transaction, const struct path *path)
{
	struct path ancestor = *path;

	/* What is present has only present nodes or nodes of the state above it. */
	for (; ancestor.len && transaction->n_created; ancestor.len = path_parent_len(&ancestor)) {
		struct transaction_entry *entry = transaction_entry(transaction, &ancestor);
		if (!entry || !entry->present)
			return;
		transaction_insist_on_absence(transaction, entry);
	}
}

/* The name of a child of `path`, or NULL. */
static const char *child_name(const struct path *path, const struct path *child)
{
	size_t parent_len = path_parent_len(child);

	if (parent_len != path->len || memcmp(path->text, child->text, path->len))
		return NULL;
	return child->text + path_name_offset(child);
}

/* Adds the names of the state that the transaction has not removed. */
static int add_names_of_state(struct transaction *transaction, const struct path *path, const struct listing *listing,
			      struct buffer *names)
{
	struct buffer child_path = {0};
	int result = 0;

	for (const char *name = listing->names; name < listing->names + listing->len; name += strlen(name) + 1) {
		buffer_clear(&child_path);
		buffer_add(&child_path, path->text, path_is_root(path) ? 0 : path->len);
		buffer_add_string(&child_path, "/");
		buffer_add_string(&child_path, name);
		if (child_path.failed) {
			result = STATUS_ENOMEM;
			break;
		}
		struct path child = {child_path.bytes, child_path.len};
		const struct transaction_entry *entry = transaction_entry(transaction, &child);
		if (!entry || (!entry->cleared && !entry->present))
			buffer_add(names, name, strlen(name) + 1);
	}
	buffer_deinit(&child_path);
	return result;
}

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* When the transaction last changed the list of this node; 0: never. */
static uint64_t list_serial(const struct transaction *transaction, const struct path *path)
{
	const struct transaction_entry *entry = transaction_entry(transaction, path);
	uint64_t serial = entry && entry->present ? entry->list_serial : 0;

	DL_FOREACH2 (transaction->created, entry, created_next) {
		if (child_name(path, &entry->path))
			serial = later(serial, entry->list_serial);
	}
	DL_FOREACH2 (transaction->cleared, entry, cleared_next) {
		if (child_name(path, &entry->path))
			serial = later(serial, entry->list_serial);
	}
	return serial;
}

/* Differs from all generations in the store; changes with the overlay and, in validated mode, with the list in the state. */
static uint64_t private_generation(const struct transaction *transaction, uint64_t serial, const struct listing *of_state)
{
	uint64_t since =
	    of_state ? later(of_state->generation, transaction->start_generation) - transaction->start_generation : 0;

	return UINT64_C(1) << 63 | serial << 32 | (uint32_t)since;
}

/* The list in the state that the transaction reads; NULL where that does not count. Without limit: names may yet go. */
static int list_of_state(struct transaction *transaction, const struct path *path, size_t limit, const struct listing **out)
{
	struct MDB_txn *txn = state_read(transaction);
	struct node node;

	*out = NULL;
	if (transaction_clears(transaction, path))
		return 0;
	int result = txn ? node_get(transaction->store, txn, path, &node) : -EIO;
	if (result)
		return result == STATUS_ENOENT ? 0 : result;
	return listing_get(transaction->store, txn, path, &node, limit, out);
}

int transaction_list(struct transaction *transaction, const struct path *path, size_t limit, struct arena *arena,
		     const char **names, size_t *len, uint64_t *generation)
{
	const struct transaction_entry *entry = transaction_entry(transaction, path);
	uint64_t serial = list_serial(transaction, path);
	const struct listing *listing = NULL;
	struct buffer buffer = {0};
	int result = entry && entry->present ? 0 : list_of_state(transaction, path, serial ? 0 : limit, &listing);

	if (result)
		return result;
	if (!serial) {
		*names = listing->names;
		*len = listing->len;
		*generation = listing->generation;
		return 0;
	}
	if (listing)
		result = add_names_of_state(transaction, path, listing, &buffer);
	DL_FOREACH2 (transaction->created, entry, created_next) {
		const char *name = child_name(path, &entry->path);
		if (name)
			buffer_add(&buffer, name, entry->path.len - (size_t)(name - entry->path.text) + 1);
	}
	if (!result && buffer.failed)
		result = STATUS_ENOMEM;
	if (!result && limit && buffer.len > limit)
		result = STATUS_E2BIG;
	if (!result)
		*names = arena_copy(arena, buffer.bytes, buffer.len);
	if (!result && !*names)
		result = STATUS_ENOMEM;
	*len = buffer.len;
	buffer_deinit(&buffer);
	*generation = private_generation(transaction, serial, listing);
	return result;
}

int transaction_check_owned(struct transaction *transaction, size_t n_new, uint64_t nodes)
{
	const struct transaction_entry *entry;
	struct MDB_txn *txn = store_view(transaction->store);
	uint64_t owned, removed = 0, count;
	struct node node;

	if (!txn || node_account(transaction->store, txn, transaction->caller.domid, &owned))
		return -EIO;
	if (owned + n_new <= nodes)
		return 0;
	DL_FOREACH2 (transaction->cleared, entry, cleared_next) {
		if (transaction_clears_above(transaction, &entry->path) || node_get(transaction->store, txn, &entry->path, &node))
			continue;
		int result = node_count_owned(transaction->store, txn, &entry->path, transaction->caller.domid, &count);
		if (result)
			return result;
		removed += count;
	}
	if (n_new <= removed || owned + n_new - removed <= nodes)
		return 0;
	transaction->limit_reached = TREE_LIMIT_NODES;
	return STATUS_ENOSPC;
}
