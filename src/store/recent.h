/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>

#include "wire/path.h"

/*
 * Copies of node records that requests have looked at lately, found by path: what is asked for again and again takes no search
 * through LMDB's pages. A copy is the record as the newest state has it, with the turn's own changes; whoever changes a record
 * or goes back to an older state says so here. Room is bounded: paths share places, the later one takes it, and a record
 * that is too long for a place is never kept.
 */
struct recent;

struct recent *recent_new(void);	 /* NULL when memory runs out */
void recent_free(struct recent *recent); /* accepts NULL */

/* The record, or NULL: none is kept. Borrowed until the next recent_keep or recent_changed. */
const void *recent_find(const struct recent *recent, const struct path *path, size_t *len);

/* Keeps a copy; `record` may not be what recent_find returned. */
void recent_keep(struct recent *recent, const struct path *path, const void *record, size_t len);

/* The record of `path` is now this one: a copy of the older one is replaced or forgotten. `record` as above. */
void recent_changed(struct recent *recent, const struct path *path, const void *record, size_t len);

/* Forgets all: records were removed, or changes undone. Costs the same however many are kept. */
void recent_forget_all(struct recent *recent);
