/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An open table with linear probing. Records are never taken out: they grow stale when their message is sent, and a stale one
 * is used again by the next record that passes it, or left behind when the table is made anew because it fills up. So sending
 * costs nothing here, and a step costs the same however long the queue is. (A uthash entry would take 56 bytes beside the
 * event's own 40 or so, and an allocation each; a record takes 16.)
 */
#include "ledger/duplicates.h"

#include <errno.h>
#include <stdlib.h>

enum { CAPACITY_MIN = 64 };

#define REMOVED UINT64_MAX

struct duplicates {
	size_t capacity; /* a power of two */
	size_t used;	 /* records that are not empty, stale ones too */
	struct duplicate records[];
};

/* An empty record has block 0. */
static bool is_live(const struct duplicate *record, uint64_t from)
{
	return record->block != 0 && record->at >= from && record->at != REMOVED;
}

static struct duplicates *make(size_t capacity)
{
	struct duplicates *made = calloc(1, sizeof(*made) + capacity * sizeof(made->records[0]));

	if (made)
		made->capacity = capacity;
	return made;
}

struct duplicates *duplicates_new(void)
{
	return make(CAPACITY_MIN);
}

void duplicates_free(struct duplicates *duplicates)
{
	free(duplicates);
}

static void put(struct duplicates *table, const struct duplicate *added, uint64_t from)
{
	size_t mask = table->capacity - 1;
	size_t i = added->fingerprint & mask;

	while (is_live(&table->records[i], from))
		i = (i + 1) & mask;
	if (table->records[i].block == 0)
		table->used++;
	table->records[i] = *added;
}

/* At most three quarters are ever used, so that every search ends soon. */
static int make_room(struct duplicates **duplicates, uint64_t from)
{
	struct duplicates *old = *duplicates, *made;
	size_t live = 0, capacity = CAPACITY_MIN;

	if (old->used + 1 <= old->capacity / 4 * 3)
		return 0;
	for (size_t i = 0; i < old->capacity; i++)
		live += is_live(&old->records[i], from);
	while (capacity < live * 2)
		capacity *= 2;
	made = make(capacity);
	if (!made)
		return -ENOMEM;
	for (size_t i = 0; i < old->capacity; i++)
		if (is_live(&old->records[i], from))
			put(made, &old->records[i], from);
	free(old);
	*duplicates = made;
	return 0;
}

int duplicates_add(struct duplicates **duplicates, const struct duplicate *added, uint64_t from)
{
	int result = make_room(duplicates, from);

	if (result)
		return result;
	put(*duplicates, added, from);
	return 0;
}

bool duplicates_next(const struct duplicates *duplicates, uint32_t fingerprint, uint64_t from, size_t *cursor,
		     struct duplicate *out)
{
	size_t mask = duplicates->capacity - 1;

	for (;;) {
		const struct duplicate *record = &duplicates->records[(fingerprint + (*cursor)++) & mask];

		if (record->block == 0)
			return false;
		if (record->fingerprint == fingerprint && is_live(record, from)) {
			*out = *record;
			return true;
		}
	}
}

void duplicates_remove(struct duplicates *duplicates, uint32_t fingerprint, uint64_t at)
{
	size_t mask = duplicates->capacity - 1;
	size_t i = fingerprint & mask;

	while (duplicates->records[i].block != 0) {
		if (duplicates->records[i].fingerprint == fingerprint && duplicates->records[i].at == at) {
			duplicates->records[i].at = REMOVED;
			return;
		}
		i = (i + 1) & mask;
	}
}

size_t duplicates_memory(const struct duplicates *duplicates)
{
	return duplicates ? sizeof(*duplicates) + duplicates->capacity * sizeof(duplicates->records[0]) : 0;
}
