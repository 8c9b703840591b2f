/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Transactions as bytes (doc/format.md, "Record of a transaction"): a head, then entries as they are, in the order in which they
 * were first changed, then operations in the order in which they were done. A transaction that has just begun is a head alone,
 * and each operation is appended; once these have become many, the whole is written anew as entries.
 *
 * Where the lists of an overlay have an order, an entry's place in it is told by its list_serial (those created) or by the order
 * of the entries here (those changed); the order of those cleared makes no difference.
 */
#include <string.h>
#include <utlist.h>

#include "store/overlay.h"

enum { FORMAT = 1, HEAD_OBSERVED = 1, HEAD_DOOMED = 2 };

enum {
	ENTRY_PRESENT = 1,
	ENTRY_ENSURED = 2,
	ENTRY_CLEARED = 4,
	ENTRY_CHANGED = 8,
	ENTRY_HAS_VALUE = 16,
	ENTRY_HAS_PERMISSIONS = 32
};

/* ---- writing ---- */

static void add_number(struct buffer *out, uint64_t number, size_t size)
{
	unsigned char bytes[8];

	for (size_t i = 0; i < size; i++)
		bytes[i] = (unsigned char)(number >> 8 * i);
	buffer_add(out, bytes, size);
}

static void add_path(struct buffer *out, const struct path *path)
{
	add_number(out, path->len, 2);
	buffer_add(out, path->text, path->len);
}

static void add_value(struct buffer *out, const void *value, size_t len)
{
	add_number(out, len, 4);
	buffer_add(out, value, len);
}

static void add_permissions(struct buffer *out, const struct permission *permissions, size_t n)
{
	add_number(out, n, 2);
	buffer_add(out, permissions, n * sizeof(*permissions));
}

void overlay_add_change(struct buffer *out, const struct overlay_change *change)
{
	add_number(out, change->kind, 1);
	add_path(out, &change->path);
	add_number(out, change->list_serial, 8);
	if (change->kind == OVERLAY_CREATE)
		add_number(out, change->top_len, 2);
	if (change->kind == OVERLAY_CREATE || change->kind == OVERLAY_WRITE)
		add_value(out, change->value, change->value_len);
	if (change->kind == OVERLAY_CREATE || change->kind == OVERLAY_SET_PERMISSIONS)
		add_permissions(out, change->permissions.entries, change->permissions.n);
}

static unsigned flags_of(const struct transaction_entry *entry)
{
	return (entry->present ? ENTRY_PRESENT : 0) | (entry->ensured ? ENTRY_ENSURED : 0) |
	       (entry->cleared ? ENTRY_CLEARED : 0) | (entry->changed ? ENTRY_CHANGED : 0) |
	       (entry->has_value ? ENTRY_HAS_VALUE : 0) | (entry->has_permissions ? ENTRY_HAS_PERMISSIONS : 0);
}

static void add_entry(struct buffer *out, const struct transaction_entry *entry, bool observations)
{
	unsigned observed = observations ? entry->observed : entry->observed & OBSERVE_ABSENCE;
	unsigned flags = flags_of(entry);

	if (!flags && !observed)
		return;
	add_number(out, OVERLAY_ENTRY, 1);
	add_path(out, &entry->path);
	add_number(out, flags, 1);
	add_number(out, entry->list_serial, 8);
	add_number(out, observed, 1);
	add_number(out, entry->seen_created, 8);
	add_number(out, entry->seen_value, 8);
	add_number(out, entry->seen_permissions, 8);
	add_number(out, entry->seen_children, 8);
	if (flags & (ENTRY_PRESENT | ENTRY_HAS_VALUE))
		add_value(out, entry->value, entry->value_len);
	if (flags & (ENTRY_PRESENT | ENTRY_HAS_PERMISSIONS))
		add_permissions(out, entry->permissions, entry->n_permissions);
}

void transaction_save(const struct transaction *transaction, bool observations, struct buffer *out)
{
	const struct transaction_entry *entry, *next;
	bool all_observed = observations && !transaction->unobserved;

	add_number(out, FORMAT, 1);
	add_number(out, (all_observed ? HEAD_OBSERVED : 0) | (transaction->doomed ? HEAD_DOOMED : 0), 1);
	add_number(out, transaction->start_generation, 8);
	add_number(out, transaction->conflict_generation, 8);
	add_number(out, transaction->list_serial, 8);
	DL_FOREACH2 (transaction->changed, entry, changed_next) {
		add_entry(out, entry, observations);
	}
	HASH_ITER (hh, transaction->entries, entry, next) {
		if (!entry->changed)
			add_entry(out, entry, observations);
	}
}

/* ---- reading ---- */

static int read_path(struct reader *reader, struct path *out)
{
	out->len = reader_u16(reader);
	out->text = reader_bytes(reader, out->len);
	return out->text && out->len ? 0 : STATUS_EINVAL;
}

static struct permission_list read_permissions(struct reader *reader)
{
	size_t n = reader_u16(reader);
	const struct permission *entries = reader_bytes(reader, n * sizeof(*entries));

	return (struct permission_list){entries, n};
}

static int read_change(struct transaction *transaction, struct reader *reader, enum overlay_kind kind)
{
	struct overlay_change change = {.kind = kind};

	if (read_path(reader, &change.path))
		return STATUS_EINVAL;
	change.list_serial = reader_u64(reader);
	if (kind == OVERLAY_CREATE)
		change.top_len = reader_u16(reader);
	if (kind == OVERLAY_CREATE || kind == OVERLAY_WRITE) {
		change.value_len = reader_u32(reader);
		change.value = reader_bytes(reader, change.value_len);
	}
	if (kind == OVERLAY_CREATE || kind == OVERLAY_SET_PERMISSIONS)
		change.permissions = read_permissions(reader);
	if (reader->failed)
		return STATUS_EINVAL;
	transaction->list_serial = change.list_serial;
	return overlay_do(transaction, &change, 0);
}

static int read_contents(struct transaction *transaction, struct reader *reader, struct transaction_entry *entry, unsigned flags)
{
	int result = 0;

	if (flags & (ENTRY_PRESENT | ENTRY_HAS_VALUE)) {
		size_t len = reader_u32(reader);
		const void *value = reader_bytes(reader, len);
		result = value ? overlay_set_value(transaction, entry, value, len) : STATUS_EINVAL;
	}
	if (!result && flags & (ENTRY_PRESENT | ENTRY_HAS_PERMISSIONS)) {
		struct permission_list permissions = read_permissions(reader);
		result = permissions.entries && permissions.n
			     ? overlay_set_permissions(transaction, entry, permissions.entries, permissions.n)
			     : STATUS_EINVAL;
	}
	return result;
}

static int read_entry(struct transaction *transaction, struct reader *reader)
{
	struct transaction_entry *entry;
	struct path path;
	int result = read_path(reader, &path);

	if (!result)
		result = transaction_entry_need(transaction, &path, 0, &entry);
	if (result)
		return result;
	unsigned flags = reader_u8(reader);
	entry->list_serial = reader_u64(reader);
	entry->observed = reader_u8(reader);
	entry->seen_created = reader_u64(reader);
	entry->seen_value = reader_u64(reader);
	entry->seen_permissions = reader_u64(reader);
	entry->seen_children = reader_u64(reader);
	result = read_contents(transaction, reader, entry, flags);
	if (result || reader->failed)
		return result ? result : STATUS_EINVAL;
	entry->ensured = flags & ENTRY_ENSURED;
	entry->has_value = flags & ENTRY_HAS_VALUE;
	entry->has_permissions = flags & ENTRY_HAS_PERMISSIONS;
	if (flags & ENTRY_PRESENT)
		overlay_mark_created(transaction, entry);
	if (flags & ENTRY_CLEARED)
		overlay_mark_cleared(transaction, entry);
	if (flags & ENTRY_CHANGED)
		overlay_mark_changed(transaction, entry);
	return 0;
}

static int by_list_serial(const struct transaction_entry *left, const struct transaction_entry *right)
{
	return (left->list_serial > right->list_serial) - (left->list_serial < right->list_serial);
}

static int read_head(struct transaction *transaction, struct reader *reader)
{
	unsigned format = reader_u8(reader), flags = reader_u8(reader);

	transaction->unobserved = !(flags & HEAD_OBSERVED);
	transaction->doomed = flags & HEAD_DOOMED;
	transaction->start_generation = reader_u64(reader);
	transaction->conflict_generation = reader_u64(reader);
	transaction->list_serial = reader_u64(reader);
	return reader->failed || format != FORMAT ? STATUS_EINVAL : 0;
}

int overlay_read(struct transaction *transaction, const void *bytes, size_t len)
{
	bool are_entries = true;
	struct reader reader;

	reader_init(&reader, bytes, len);
	int result = read_head(transaction, &reader);
	while (!result && reader_left(&reader)) {
		enum overlay_kind kind = (enum overlay_kind)reader_u8(&reader);
		if (are_entries && kind != OVERLAY_ENTRY) /* what operations create comes behind */
			DL_SORT2(transaction->created, by_list_serial, created_previous, created_next);
		are_entries = are_entries && kind == OVERLAY_ENTRY;
		result = kind != OVERLAY_ENTRY ? read_change(transaction, &reader, kind)
			 : are_entries	       ? read_entry(transaction, &reader)
					       : STATUS_EINVAL;
	}
	if (are_entries)
		DL_SORT2(transaction->created, by_list_serial, created_previous, created_next);
	return result;
}
