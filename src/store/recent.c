/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A table of places, each for the paths of one hash, that is asked before a search. The hash is not keyed: who makes paths
 * that meet in one place only makes them take turns there. A place that holds another path is told by its mark, so that what is
 * not kept costs a look at the marks, which stay in the CPU's caches. A copy counts while it bears the table's epoch: one
 * addition forgets them all.
 *
 * Of what is not kept one in a few is: what is asked for again and again soon is, and a walk over the whole store pays little.
 */
#include "store/recent.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { PLACES_BITS = 14, PLACES = 1 << PLACES_BITS, PLACE_SIZE = 256, KEPT_ONE_IN = 4 };

struct place {
	uint64_t epoch;
	uint16_t record_len;
	uint16_t path_len;
	char bytes[PLACE_SIZE - 12]; /* the record, which wants to be aligned, then the path */
};

_Static_assert(sizeof(struct place) == PLACE_SIZE, "places have no holes");

struct recent {
	uint64_t epoch;
	unsigned offered; /* to be kept */
	uint32_t marks[PLACES];
	struct place places[PLACES]; /* memory only for those that were ever used */
};

struct recent *recent_new(void)
{
	struct recent *recent = calloc(1, sizeof(*recent));

	if (recent)
		recent->epoch = 1;
	return recent;
}

void recent_free(struct recent *recent)
{
	free(recent);
}

static uint64_t mix(uint64_t hash, const char *text, size_t len)
{
	uint64_t word = 0;

	memcpy(&word, text, len);
	hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
	return hash ^ hash >> 32;
}

static uint64_t hash_of(const struct path *path)
{
	uint64_t hash = path->len;
	size_t at = 0;

	for (; path->len - at >= sizeof(uint64_t); at += sizeof(uint64_t))
		hash = mix(hash, path->text + at, sizeof(uint64_t));
	if (at && at < path->len)
		hash = mix(hash, path->text + path->len - sizeof(uint64_t), sizeof(uint64_t));
	else if (at < path->len)
		hash = mix(hash, path->text, path->len);
	return hash;
}

static uint32_t mark_of(uint64_t hash)
{
	return (uint32_t)(hash >> 32);
}

/* The place that holds the path, or NULL. */
static struct place *find(const struct recent *recent, const struct path *path, uint64_t hash)
{
	struct place *place = (struct place *)(uintptr_t)&recent->places[hash % PLACES];

	if (recent->marks[hash % PLACES] != mark_of(hash) || place->epoch != recent->epoch || place->path_len != path->len ||
	    memcmp(place->bytes + place->record_len, path->text, path->len) != 0)
		return NULL;
	return place;
}

/* False: they do not fit. */
static bool fill(struct place *place, const struct path *path, const void *record, size_t len)
{
	if (path->len + len > sizeof(place->bytes))
		return false;
	place->record_len = (uint16_t)len;
	place->path_len = (uint16_t)path->len;
	memcpy(place->bytes, record, len);
	memcpy(place->bytes + len, path->text, path->len);
	return true;
}

const void *recent_find(const struct recent *recent, const struct path *path, size_t *len)
{
	const struct place *place = find(recent, path, hash_of(path));

	if (!place)
		return NULL;
	*len = place->record_len;
	return place->bytes;
}

void recent_keep(struct recent *recent, const struct path *path, const void *record, size_t len)
{
	if (recent->offered++ % KEPT_ONE_IN)
		return;
	uint64_t hash = hash_of(path);
	if (!fill(&recent->places[hash % PLACES], path, record, len))
		return;
	recent->places[hash % PLACES].epoch = recent->epoch;
	recent->marks[hash % PLACES] = mark_of(hash);
}

void recent_changed(struct recent *recent, const struct path *path, const void *record, size_t len)
{
	struct place *place = find(recent, path, hash_of(path));

	if (place && !fill(place, path, record, len))
		place->epoch = 0;
}

void recent_forget_all(struct recent *recent)
{
	recent->epoch++;
}
