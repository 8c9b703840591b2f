/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Where events lie in the output of one connection, found by a fingerprint of watch and bytes. A record whose message has been
 * sent (`at` below `from`, the first offset not sent) counts as absent; nobody needs to remove it.
 */
struct duplicates;

struct duplicate {
	uint64_t at; /* offset in the output of the message's first byte */
	uint32_t fingerprint;
	uint32_t block;
};

struct duplicates *duplicates_new(void); /* NULL when memory runs out */
void duplicates_free(struct duplicates *duplicates);

/* May move the table, hence the pointer to the pointer. -ENOMEM, and the table is as before. */
int duplicates_add(struct duplicates **duplicates, const struct duplicate *added, uint64_t from);

/*
 * The next record of this fingerprint, true if there is one; *cursor begins as 0. Whether it is the same event is for the
 * caller to compare.
 */
bool duplicates_next(const struct duplicates *duplicates, uint32_t fingerprint, uint64_t from, size_t *cursor,
		     struct duplicate *out);

/* Forgets the record of this message, if it is there. */
void duplicates_remove(struct duplicates *duplicates, uint32_t fingerprint, uint64_t at);

size_t duplicates_memory(const struct duplicates *duplicates); /* bytes; 0 for NULL */
