/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Linear hashing. With n buckets, between `level` and twice that, those below n - level and their partners (level further on)
 * are found by one bit of the hash more than the others. So the bucket to be split is always known, and a step touches two
 * buckets only. Without memory for a new bucket the chains grow longer. The table shrinks when it is empty: to join buckets for
 * each link that goes would take longer than all else about it.
 */
#include "base/table.h"

#include <errno.h>
#include <stdlib.h>

enum { BUCKETS_MIN = 16 };

int table_init(struct table *table)
{
	*table = (struct table){.n_buckets = BUCKETS_MIN, .level = BUCKETS_MIN, .capacity = BUCKETS_MIN};
	table->buckets = calloc(BUCKETS_MIN, sizeof(struct table_link *));
	return table->buckets ? 0 : -ENOMEM;
}

void table_deinit(struct table *table)
{
	free(table->buckets);
	*table = (struct table){0};
}

static size_t bucket_of(const struct table *table, uint32_t hash)
{
	size_t bucket = hash & (2 * table->level - 1);

	return bucket < table->n_buckets ? bucket : bucket - table->level;
}

static void set_capacity(struct table *table, size_t capacity)
{
	struct table_link **buckets = realloc(table->buckets, capacity * sizeof(struct table_link *));

	if (!buckets)
		return;
	table->buckets = buckets;
	table->capacity = capacity;
}

/* One more bucket, with its share of the partner's links. */
static void split(struct table *table)
{
	size_t added = table->n_buckets, mask = 2 * table->level - 1;

	if (added == table->capacity)
		set_capacity(table, 2 * table->capacity);
	if (added == table->capacity)
		return;
	struct table_link **stay = &table->buckets[added - table->level], **go = &table->buckets[added];
	for (struct table_link *link = *stay; link; link = link->next) {
		struct table_link ***end = (link->hash & mask) == added ? &go : &stay;
		**end = link;
		*end = &link->next;
	}
	*stay = *go = NULL;
	table->n_buckets++;
	if (table->n_buckets == 2 * table->level)
		table->level *= 2;
}

void table_add(struct table *table, struct table_link *link, uint32_t hash)
{
	if (++table->n > table->n_buckets)
		split(table);
	struct table_link **bucket = &table->buckets[bucket_of(table, hash)];

	link->hash = hash;
	link->next = *bucket;
	*bucket = link;
}

void table_remove(struct table *table, struct table_link *link)
{
	struct table_link **at = &table->buckets[bucket_of(table, link->hash)];

	while (*at != link)
		at = &(*at)->next;
	*at = link->next;
	if (!--table->n && table->n_buckets > BUCKETS_MIN) {
		set_capacity(table, BUCKETS_MIN);
		table->n_buckets = table->level = BUCKETS_MIN;
	}
}

static struct table_link *of_hash(struct table_link *link, uint32_t hash)
{
	while (link && link->hash != hash)
		link = link->next;
	return link;
}

struct table_link *table_first(const struct table *table, uint32_t hash)
{
	return of_hash(table->buckets[bucket_of(table, hash)], hash);
}

struct table_link *table_next(const struct table_link *link)
{
	return of_hash(link->next, link->hash);
}
