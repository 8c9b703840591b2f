/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The operations that change the overlay of a transaction. What they make of it depends on nothing but the overlay and their
 * arguments: so a transaction whose process has died is what the same operations, done again, make of an empty one
 * (overlay_record.c). Each is recorded before it changes anything, since afterwards it could not be refused.
 */
#include "store/overlay.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

/* ---- recording ---- */

/* STATUS_ENOMEM, or what the recorder says. */
static int record(struct transaction *transaction, struct overlay_change *change)
{
	struct transaction_recorder *recorder = transaction->recorder;

	if (!recorder)
		return 0;
	change->list_serial = transaction->list_serial;
	overlay_add_change(&recorder->change, change);
	int result = recorder->change.failed ? STATUS_ENOMEM : recorder->reserve(transaction, recorder->change.len);
	if (result)
		buffer_clear(&recorder->change);
	return result;
}

/* The operation has failed with `result`, or has not. */
static int recorded(struct transaction *transaction, int result)
{
	if (result && transaction->recorder)
		buffer_clear(&transaction->recorder->change);
	return result;
}

/* ---- one entry ---- */

/* Puts a copy of `bytes` in the place of *what, which had *what_len. */
static int replace(struct transaction *transaction, void **what, size_t *what_len, const void *bytes, size_t len)
{
	int result = transaction_pay(transaction, len, *what_len);
	void *copy = result ? NULL : malloc(len ? len : 1);

	if (result)
		return result;
	if (!copy) {
		charge_force(&transaction->memory, transaction->memory.amount - len + *what_len);
		return STATUS_ENOMEM;
	}
	if (len)
		memcpy(copy, bytes, len);
	free(*what);
	*what = copy;
	*what_len = len;
	return 0;
}

int overlay_set_value(struct transaction *transaction, struct transaction_entry *entry, const void *value, size_t len)
{
	return replace(transaction, &entry->value, &entry->value_len, value, len);
}

int overlay_set_permissions(struct transaction *transaction, struct transaction_entry *entry,
			    const struct permission *permissions, size_t n)
{
	void *what = entry->permissions;
	size_t what_len = entry->n_permissions * sizeof(*permissions);
	int result = replace(transaction, &what, &what_len, permissions, n * sizeof(*permissions));

	entry->permissions = what;
	entry->n_permissions = what_len / sizeof(*permissions);
	return result;
}

void overlay_mark_changed(struct transaction *transaction, struct transaction_entry *entry)
{
	if (!entry->changed)
		DL_APPEND2(transaction->changed, entry, changed_previous, changed_next);
	entry->changed = true;
}

void overlay_mark_created(struct transaction *transaction, struct transaction_entry *entry)
{
	if (entry->present)
		return;
	entry->present = true;
	DL_APPEND2(transaction->created, entry, created_previous, created_next);
	transaction->n_created++;
}

void overlay_mark_cleared(struct transaction *transaction, struct transaction_entry *entry)
{
	if (entry->cleared)
		return;
	entry->cleared = true;
	DL_APPEND2(transaction->cleared, entry, cleared_previous, cleared_next);
	transaction->n_cleared++;
}

/* What the transaction had made at or below a removed path is gone. */
static void forget_changes(struct transaction *transaction, struct transaction_entry *entry)
{
	if (entry->present) {
		DL_DELETE2(transaction->created, entry, created_previous, created_next);
		transaction->n_created--;
	}
	entry->present = entry->has_value = entry->has_permissions = false;
}

/* ---- operations ---- */

static int write_value(struct transaction *transaction, const struct overlay_change *change, size_t limit)
{
	struct transaction_entry *entry;
	int result = transaction_entry_need(transaction, &change->path, limit, &entry);

	if (!result)
		result = overlay_set_value(transaction, entry, change->value, change->value_len);
	if (result)
		return result;
	entry->has_value = true;
	overlay_mark_changed(transaction, entry);
	return 0;
}

static int set_permissions(struct transaction *transaction, const struct overlay_change *change, size_t limit)
{
	struct transaction_entry *entry;
	int result = transaction_entry_need(transaction, &change->path, limit, &entry);

	if (!result)
		result = overlay_set_permissions(transaction, entry, change->permissions.entries, change->permissions.n);
	if (result)
		return result;
	entry->has_permissions = true;
	overlay_mark_changed(transaction, entry);
	return 0;
}

static int remove_node(struct transaction *transaction, const struct overlay_change *change, size_t limit)
{
	struct transaction_entry *entry, *next, *top;
	int result = transaction_entry_need(transaction, &change->path, limit, &top);

	if (result)
		return result;
	transaction_insist_on_absence(transaction, top);
	HASH_ITER (hh, transaction->entries, entry, next) {
		if (path_is_below_or_equal(&entry->path, &change->path))
			forget_changes(transaction, entry);
	}
	overlay_mark_cleared(transaction, top);
	top->list_serial = ++transaction->list_serial;
	overlay_mark_changed(transaction, top);
	return 0;
}

static int create_one(struct transaction *transaction, const struct path *path, const struct permission_list *permissions,
		      const void *value, size_t len, bool implied, size_t limit)
{
	struct transaction_entry *entry = transaction_entry(transaction, path);

	/* In validated mode a parent may have gone from the state, and what was made below it is still here. */
	if (entry && entry->present)
		return 0;
	int result = transaction_entry_need(transaction, path, limit, &entry);
	if (!result)
		result = overlay_set_value(transaction, entry, value, len);
	if (!result)
		result = overlay_set_permissions(transaction, entry, permissions->entries, permissions->n);
	if (result)
		return result;
	if (implied && !transaction_clears(transaction, path))
		entry->ensured = true;
	overlay_mark_created(transaction, entry);
	entry->list_serial = ++transaction->list_serial;
	if (!implied)
		overlay_mark_changed(transaction, entry);
	return 0;
}

/* Takes the newest creations back, until `n_created` are left. */
static void take_back(struct transaction *transaction, size_t n_created)
{
	while (transaction->n_created > n_created) {
		struct transaction_entry *newest = transaction->created->created_previous;
		forget_changes(transaction, newest);
		if (!transaction_clears(transaction, &newest->path))
			newest->ensured = false;
	}
}

static int create(struct transaction *transaction, const struct overlay_change *change, size_t limit)
{
	const struct path *path = &change->path;
	size_t n_created = transaction->n_created;
	int result = 0;

	for (size_t end = change->top_len; end < path->len && !result; end++) {
		struct path parent = {path->text, end};
		if (path->text[end] == '/')
			result = create_one(transaction, &parent, &change->permissions, "", 0, true, limit);
	}
	if (!result)
		result = create_one(transaction, path, &change->permissions, change->value, change->value_len, false, limit);
	if (result)
		take_back(transaction, n_created);
	return result;
}

int overlay_do(struct transaction *transaction, const struct overlay_change *change, size_t limit)
{
	switch (change->kind) {
	case OVERLAY_WRITE:
		return write_value(transaction, change, limit);
	case OVERLAY_SET_PERMISSIONS:
		return set_permissions(transaction, change, limit);
	case OVERLAY_REMOVE:
		return remove_node(transaction, change, limit);
	case OVERLAY_CREATE:
		return create(transaction, change, limit);
	case OVERLAY_ENTRY:
		break;
	}
	return STATUS_EINVAL;
}

static int record_and_do(struct transaction *transaction, struct overlay_change *change, size_t limit)
{
	int result = record(transaction, change);

	return result ? result : recorded(transaction, overlay_do(transaction, change, limit));
}

int transaction_write(struct transaction *transaction, const struct path *path, const void *value, size_t len, size_t limit)
{
	struct overlay_change change = {.kind = OVERLAY_WRITE, .path = *path, .value = value, .value_len = len};

	return record_and_do(transaction, &change, limit);
}

int transaction_set_permissions(struct transaction *transaction, const struct path *path, const struct permission *permissions,
				size_t n, size_t limit)
{
	struct overlay_change change = {.kind = OVERLAY_SET_PERMISSIONS, .path = *path, .permissions = {permissions, n}};

	return record_and_do(transaction, &change, limit);
}

int transaction_remove(struct transaction *transaction, const struct path *path, size_t limit)
{
	struct overlay_change change = {.kind = OVERLAY_REMOVE, .path = *path};

	return record_and_do(transaction, &change, limit);
}

/* Is there room for entries for the path and those above it down to the topmost? */
static bool has_room(const struct transaction *transaction, const struct path *path, size_t top_len, size_t limit)
{
	struct path ancestor = *path;
	size_t n = HASH_COUNT(transaction->entries);

	for (; limit && ancestor.len >= top_len; ancestor.len = path_parent_len(&ancestor))
		n += !transaction_entry(transaction, &ancestor);
	return !limit || n <= limit;
}

int transaction_create(struct transaction *transaction, const struct path *path, size_t top_len,
		       const struct permission_list *permissions, const void *value, size_t len, size_t limit)
{
	struct overlay_change change = {
	    .kind = OVERLAY_CREATE,
	    .path = *path,
	    .value = value,
	    .value_len = len,
	    .permissions = *permissions,
	    .top_len = top_len,
	};

	if (!has_room(transaction, path, top_len, limit))
		return transaction_refuse_entry(transaction);
	return record_and_do(transaction, &change, limit);
}
