/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>
#include <stdint.h>

/*
 * A hash table of things that bear a link in themselves. What uthash does not give: to add cannot fail, so that what was taken
 * out can always be put back; the table grows by a bucket at a time, so that no step pays for the others; a
 * link is 16 bytes. Hashes come from the caller, who keys them and compares what he finds.
 */
struct table_link {
	struct table_link *next; /* in the same bucket */
	uint32_t hash;
};

struct table {
	struct table_link **buckets;
	size_t n_buckets;
	size_t level;	 /* the greatest power of two that is not above n_buckets */
	size_t capacity; /* of `buckets` */
	size_t n;
};

int table_init(struct table *table); /* -ENOMEM */
void table_deinit(struct table *table);

void table_add(struct table *table, struct table_link *link, uint32_t hash);
void table_remove(struct table *table, struct table_link *link); /* it is there */

/* Those of this hash one after the other, in no particular order; NULL: no more. */
struct table_link *table_first(const struct table *table, uint32_t hash);
struct table_link *table_next(const struct table_link *link);
