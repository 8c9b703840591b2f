/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The end of a transaction (doc/transactions.md, "END T"). First everything that may refuse it, against the state of the turn:
 * each observation and each ensured parent, then quotas, for which it is planned what will be created: where another has made
 * an ensured parent meanwhile, that one is kept, and what lies below inherits from it. Then the overlay is carried over:
 * removals, creations in their order, values and permissions of nodes that were there. Events come last, in the order in which
 * the paths were first changed.
 */
#include <errno.h>
#include <utlist.h>

#include "store/overlay.h"
#include "store/tombstone.h"
#include "store/tree.h"

struct ending {
	struct transaction *transaction;
	struct store *store;
	const struct tree_limits *limits;
	struct arena *arena;
	const struct watched_paths *watched;
	struct changes *changes;
};

/* ---- may it be? ---- */

static bool may_write(const struct ending *ending, const struct node *node)
{
	return permissions_for(node->permissions, node->n_permissions, &ending->transaction->caller) & PERMISSION_WRITE;
}

/* Something observed is not so any more, since this change. */
static int conflict(struct ending *ending, uint64_t generation)
{
	ending->transaction->conflict_generation = generation;
	return STATUS_EAGAIN;
}

static int check_entry(struct ending *ending, const struct transaction_entry *entry)
{
	unsigned observed = entry->observed;
	struct node node;

	if (!observed && !entry->ensured)
		return 0;
	int result = node_look(ending->store, &entry->path, &node);
	if (result < 0)
		return result;
	/* Had another's node been here, would the caller have got as far? */
	if (entry->ensured && !result && !may_write(ending, &node))
		return conflict(ending, node.permissions_generation);
	if (!observed || (observed == OBSERVE_ABSENCE && result == STATUS_ENOENT))
		return 0;
	if (result) {
		uint64_t start = ending->transaction->start_generation;
		return conflict(ending, tombstones_generation(ending->store->tombstones, &entry->path, start));
	}
	if (observed & OBSERVE_ABSENCE || (observed & OBSERVE_EXISTENCE && node.created != entry->seen_created))
		return conflict(ending, node.created);
	if (observed & OBSERVE_VALUE && node.value_generation != entry->seen_value)
		return conflict(ending, node.value_generation);
	if (observed & OBSERVE_PERMISSIONS && node.permissions_generation != entry->seen_permissions)
		return conflict(ending, node.permissions_generation);
	if (observed & OBSERVE_CHILDREN && node.children_generation != entry->seen_children)
		return conflict(ending, node.children_generation);
	return 0;
}

static int adopt(struct ending *ending, struct transaction_entry *entry, const struct permission *from, size_t n, bool as_child)
{
	const struct caller *caller = &ending->transaction->caller;

	entry->adopted = permission_list_copy(ending->arena, from, n);
	if (!entry->adopted.entries)
		return store_failed(ending->store, ENOMEM);
	if (as_child && !caller->privileged)
		((struct permission *)(uintptr_t)entry->adopted.entries)->domid = caller->domid;
	return 0;
}

/* Is the node to be created there already, and what will it inherit? Those above it come first. */
static int plan_creation(struct ending *ending, struct transaction_entry *entry)
{
	struct path parent_path = {entry->path.text, path_parent_len(&entry->path)};
	const struct transaction_entry *parent = transaction_entry(ending->transaction, &parent_path);
	struct node node;

	entry->kept = false;
	entry->adopted = (struct permission_list){NULL, 0};
	if (entry->ensured && !transaction_clears(ending->transaction, &entry->path)) {
		int result = node_look(ending->store, &entry->path, &node);
		if (result < 0)
			return result;
		entry->kept = !result;
	}
	if (entry->kept)
		return adopt(ending, entry, node.permissions, node.n_permissions, false);
	if (parent && parent->present && parent->adopted.entries)
		return adopt(ending, entry, parent->adopted.entries, parent->adopted.n, true);
	return 0;
}

/* The permissions that the node will have. */
static struct permission_list permissions_of(const struct transaction_entry *entry)
{
	return entry->adopted.entries ? entry->adopted : (struct permission_list){entry->permissions, entry->n_permissions};
}

static int check_quotas(struct ending *ending)
{
	const struct caller *caller = &ending->transaction->caller;
	const struct transaction_entry *entry;
	size_t n_new = 0;

	DL_FOREACH2 (ending->transaction->created, entry, created_next) {
		n_new += !entry->kept;
		if ((!entry->kept || entry->has_value) &&
		    tree_is_too_large(ending->limits, caller, entry->value_len, permissions_of(entry).n)) {
			ending->transaction->limit_reached = TREE_LIMIT_NODE_SIZE;
			return STATUS_ENOSPC;
		}
	}
	return caller->privileged || !n_new ? 0 : transaction_check_owned(ending->transaction, n_new, ending->limits->nodes);
}

static int check(struct ending *ending)
{
	struct transaction_entry *entry, *next;
	const struct transaction *transaction = ending->transaction;
	bool may_conflict = transaction->unobserved && store_last_change(ending->store) > transaction->start_generation;
	int result = transaction->doomed || may_conflict ? STATUS_EAGAIN : 0;

	HASH_ITER (hh, ending->transaction->entries, entry, next) {
		if (!result)
			result = check_entry(ending, entry);
	}
	DL_FOREACH2 (ending->transaction->created, entry, created_next) {
		if (!result)
			result = plan_creation(ending, entry);
	}
	return result ? result : check_quotas(ending);
}

/* ---- carrying over ---- */

/* The event of what is at the entry's path now; of a node that was removed before, instead of that event. */
static int note_change(struct ending *ending, struct transaction_entry *entry, const struct permission *now, size_t n_now,
		       struct permission_list before)
{
	if (!entry->changed)
		return 0;
	struct change *change = change_new(ending->arena, &entry->path, now, n_now);
	if (!change)
		return store_failed(ending->store, ENOMEM);
	change->before = before;
	if (entry->change) {
		change->before = entry->change->now;
		change->next = entry->change->next;
		*entry->change = *change;
	} else {
		entry->change = change;
	}
	return 0;
}

/* Plans the events of a removal while the nodes are still there. Those of nodes that will be made again are theirs. */
static int plan_removal(struct ending *ending, struct transaction_entry *entry)
{
	struct transaction_entry *again;
	struct change *change;
	struct node node;

	if (transaction_clears_above(ending->transaction, &entry->path))
		return 0;
	int result = node_look(ending->store, &entry->path, &node);
	if (result)
		return result == STATUS_ENOENT ? 0 : result;
	result = changes_of_removal(ending->store, store_view(ending->store), ending->arena, ending->watched, &entry->path, &node,
				    &entry->removal, &entry->change);
	if (result)
		return result == -ENOMEM ? store_failed(ending->store, ENOMEM) : result;
	LL_FOREACH (entry->removal.first, change) {
		again = transaction_entry(ending->transaction, &change->path);
		if (again && again->present && again->changed) {
			again->change = change;
			again->placed = true;
		}
	}
	return 0;
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
		int result = node_look(ending->store, &entry->path, &node);
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
	int result = node_look(ending->store, &entry->path, &node);

	if (result)
		return result == STATUS_ENOENT ? store_failed(ending->store, ENOENT) : result;
	struct permission_list before = permission_list_copy(ending->arena, node.permissions, node.n_permissions);
	if (!before.entries)
		return store_failed(ending->store, ENOMEM);
	if (entry->has_value) {
		result = node_set_value(ending->store, &entry->path, &node, entry->value, entry->value_len);
		if (!result)
			result = node_look(ending->store, &entry->path, &node);
	}
	if (!result && entry->has_permissions)
		result = node_set_permissions(ending->store, &entry->path, &node, entry->permissions, entry->n_permissions);
	if (result)
		return result;
	if (entry->has_permissions)
		return note_change(ending, entry, entry->permissions, entry->n_permissions, before);
	return note_change(ending, entry, before.entries, before.n, (struct permission_list){NULL, 0});
}

static int apply_creation(struct ending *ending, struct transaction_entry *entry)
{
	struct permission_list permissions = permissions_of(entry);

	if (entry->kept)
		return entry->has_value ? apply_settings(ending, entry) : 0;
	int result = node_create(ending->store, &entry->path, permissions.entries, permissions.n, entry->value, entry->value_len);
	return result ? result
		      : note_change(ending, entry, permissions.entries, permissions.n, (struct permission_list){NULL, 0});
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
		if (!result && entry->change && !entry->placed)
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
		entry->placed = false;
	}
	int result = check(&ending);
	return result ? result : carry_over(&ending);
}
