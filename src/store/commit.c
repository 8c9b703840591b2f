/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The end of a transaction (doc/transactions.md, "END T"). First everything that may refuse it, against the state of the turn:
 * each observation, then the implied parents that somebody else has made meanwhile, then quotas. Then the overlay is carried
 * over: removals, creations in their order (each inheriting from the parent it now has), values and permissions of nodes that
 * were there. Events come last, in the order in which the paths were first changed.
 */
#include <errno.h>
#include <utlist.h>

#include "store/overlay.h"
#include "store/tree.h"

struct ending {
	struct transaction *transaction;
	struct store *store;
	const struct tree_limits *limits;
	struct arena *arena;
	const struct watched_paths *watched;
	struct changes *changes;
};

static int node_now(struct ending *ending, const struct path *path, struct node *out)
{
	struct MDB_txn *txn = store_view(ending->store);

	return txn ? node_get(ending->store, txn, path, out) : -EIO;
}

/* ---- may it be? ---- */

static int check_observation(struct ending *ending, const struct transaction_entry *entry)
{
	unsigned observed = entry->observed;
	struct node node;

	if (!observed)
		return 0;
	int result = node_now(ending, &entry->path, &node);
	if (result < 0)
		return result;
	if (observed & OBSERVE_ABSENCE)
		return result == STATUS_ENOENT && observed == OBSERVE_ABSENCE ? 0 : STATUS_EAGAIN;
	if (result)
		return STATUS_EAGAIN;
	if ((observed & OBSERVE_EXISTENCE && node.created != entry->seen_created) ||
	    (observed & OBSERVE_VALUE && node.value_generation != entry->seen_value) ||
	    (observed & OBSERVE_PERMISSIONS && node.permissions_generation != entry->seen_permissions) ||
	    (observed & OBSERVE_CHILDREN && node.children_generation != entry->seen_children))
		return STATUS_EAGAIN;
	return 0;
}

/* An implied parent that exists by now is kept, if the caller could have made its changes below that one as well. */
static int check_implied(struct ending *ending, const struct transaction_entry *entry)
{
	struct node node;

	if (!entry->implied || transaction_clears(ending->transaction, &entry->path))
		return 0;
	int result = node_now(ending, &entry->path, &node);
	if (result)
		return result == STATUS_ENOENT ? 0 : result;
	unsigned rights = permissions_for(node.permissions, node.n_permissions, &ending->transaction->caller);
	return rights & PERMISSION_WRITE ? 0 : STATUS_EAGAIN;
}

static int check_quota(struct ending *ending)
{
	struct transaction *transaction = ending->transaction;
	struct MDB_txn *txn = store_view(ending->store);
	int64_t difference;
	uint64_t owned;

	if (transaction->caller.privileged || !transaction->n_created)
		return 0;
	if (!txn || node_account(ending->store, txn, transaction->caller.domid, &owned))
		return -EIO;
	int result = transaction_owned_difference(transaction, ending->limits->nodes, owned, &difference);
	if (result)
		return result;
	return difference > 0 && (int64_t)owned + difference > (int64_t)ending->limits->nodes ? STATUS_ENOSPC : 0;
}

static int check(struct ending *ending)
{
	const struct transaction_entry *entry, *next;
	int result = ending->transaction->doomed ? STATUS_EAGAIN : 0;

	HASH_ITER (hh, ending->transaction->entries, entry, next) {
		if (!result)
			result = check_observation(ending, entry);
	}
	DL_FOREACH2 (ending->transaction->created, entry, created_next) {
		if (!result)
			result = check_implied(ending, entry);
	}
	return result ? result : check_quota(ending);
}

/* ---- carrying over ---- */

static int new_change(struct ending *ending, struct transaction_entry *entry, const struct permission *now, size_t n_now)
{
	struct permission_list before = {NULL, 0};

	if (!entry->changed)
		return 0;
	if (entry->change)
		before = entry->change->now;
	entry->change = change_new(ending->arena, &entry->path, now, n_now);
	if (!entry->change)
		return store_failed(ending->store, ENOMEM);
	entry->change->before = before;
	return 0;
}

/* Plans the events of a removal while the nodes are still there. */
static int plan_removal(struct ending *ending, struct transaction_entry *entry)
{
	struct node node;

	if (transaction_clears_above(ending->transaction, &entry->path))
		return 0;
	int result = node_now(ending, &entry->path, &node);
	if (result)
		return result == STATUS_ENOENT ? 0 : result;
	result = changes_of_removal(ending->store, store_view(ending->store), ending->arena, ending->watched, &entry->path, &node,
				    &entry->removal, &entry->change);
	return result == -ENOMEM ? store_failed(ending->store, ENOMEM) : result;
}

static int remove_cleared(struct ending *ending)
{
	struct transaction_entry *entry;
	struct node node;

	DL_FOREACH2 (ending->transaction->cleared, entry, cleared_next) {
		int result = plan_removal(ending, entry);
		if (result)
			return result;
	}
	DL_FOREACH2 (ending->transaction->cleared, entry, cleared_next) {
		int result = node_now(ending, &entry->path, &node);
		if (!result)
			result = node_remove(ending->store, &entry->path);
		if (result && result != STATUS_ENOENT)
			return result;
	}
	return 0;
}

static int apply_settings(struct ending *ending, struct transaction_entry *entry)
{
	struct node node;
	int result = node_now(ending, &entry->path, &node);

	if (result)
		return result == STATUS_ENOENT ? store_failed(ending->store, ENOENT) : result;
	struct permission_list before = permission_list_copy(ending->arena, node.permissions, node.n_permissions);
	if (!before.entries)
		return store_failed(ending->store, ENOMEM);
	if (entry->has_value) {
		result = node_set_value(ending->store, &entry->path, &node, entry->value, entry->value_len);
		if (!result)
			result = node_now(ending, &entry->path, &node);
	}
	if (!result && entry->has_permissions)
		result = node_set_permissions(ending->store, &entry->path, &node, entry->permissions, entry->n_permissions);
	if (result)
		return result;
	if (!entry->has_permissions)
		return new_change(ending, entry, before.entries, before.n);
	result = new_change(ending, entry, entry->permissions, entry->n_permissions);
	if (!result && entry->change)
		entry->change->before = before;
	return result;
}

static int apply_creation(struct ending *ending, struct transaction_entry *entry)
{
	struct path parent_path = {entry->path.text, path_parent_len(&entry->path)};
	struct permission_list permissions = {entry->permissions, entry->n_permissions};
	const struct caller *caller = &ending->transaction->caller;
	struct node node;
	int result = node_now(ending, &entry->path, &node);

	if (!result) /* an implied parent that is kept */
		return entry->has_value || entry->has_permissions ? apply_settings(ending, entry) : 0;
	if (result != STATUS_ENOENT)
		return result;
	if (!entry->has_permissions) {
		result = node_now(ending, &parent_path, &node);
		if (result)
			return result == STATUS_ENOENT ? store_failed(ending->store, ENOENT) : result;
		permissions = permission_list_copy(ending->arena, node.permissions, node.n_permissions);
		if (!permissions.entries)
			return store_failed(ending->store, ENOMEM);
		if (!caller->privileged)
			((struct permission *)(uintptr_t)permissions.entries)->domid = caller->domid;
	}
	result = node_create(ending->store, &entry->path, permissions.entries, permissions.n, entry->value, entry->value_len);
	return result ? result : new_change(ending, entry, permissions.entries, permissions.n);
}

static int carry_over(struct ending *ending)
{
	struct transaction_entry *entry;
	int result = remove_cleared(ending);

	DL_FOREACH2 (ending->transaction->created, entry, created_next) {
		if (!result)
			result = apply_creation(ending, entry);
	}
	DL_FOREACH2 (ending->transaction->changed, entry, changed_next) {
		if (!result && !entry->present && (entry->has_value || entry->has_permissions))
			result = apply_settings(ending, entry);
	}
	DL_FOREACH2 (ending->transaction->changed, entry, changed_next) {
		changes_append_all(ending->changes, &entry->removal);
		if (!result && entry->change)
			changes_append(ending->changes, entry->change);
	}
	return result;
}

int transaction_commit(struct transaction *transaction, const struct tree_limits *limits, struct arena *arena,
		       const struct watched_paths *watched, struct changes *changes)
{
	struct ending ending = {
	    .transaction = transaction,
	    .store = transaction->store,
	    .limits = limits,
	    .arena = arena,
	    .watched = watched,
	    .changes = changes,
	};
	struct transaction_entry *entry;

	if (!transaction->changed)
		return transaction->doomed ? STATUS_EAGAIN : 0;
	/* A turn that failed may have brought it here before. */
	DL_FOREACH2 (transaction->changed, entry, changed_next) {
		entry->removal = (struct changes){NULL, NULL};
		entry->change = NULL;
	}
	int result = check(&ending);
	return result ? result : carry_over(&ending);
}
