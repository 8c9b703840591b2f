/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A ring in the order of generations: the newest are looked at first, the oldest are forgotten first. One tombstone stands
 * for the whole subtree.
 */
#include "store/tombstone.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct tombstone {
	uint64_t generation;
	struct path path; /* text owned */
};

struct tombstones {
	size_t first, n;
	uint64_t forgotten; /* nothing is known of removals up to this generation */
	struct tombstone ring[TOMBSTONES_MAX];
};

int tombstones_new(struct tombstones **out)
{
	*out = calloc(1, sizeof(**out));
	return *out ? 0 : -ENOMEM;
}

void tombstones_free(struct tombstones *tombstones)
{
	if (!tombstones)
		return;
	tombstones_forget(tombstones, UINT64_MAX);
	free(tombstones);
}

static struct tombstone *at(const struct tombstones *tombstones, size_t i)
{
	return (struct tombstone *)(uintptr_t)&tombstones->ring[(tombstones->first + i) % TOMBSTONES_MAX];
}

void tombstones_add(struct tombstones *tombstones, const struct path *path, uint64_t generation)
{
	char *text = strndup(path->text, path->len);

	if (!text) {
		tombstones_forget(tombstones, generation);
		return;
	}
	if (tombstones->n == TOMBSTONES_MAX)
		tombstones_forget(tombstones, at(tombstones, TOMBSTONES_MAX / 2)->generation);
	*at(tombstones, tombstones->n++) = (struct tombstone){generation, {text, path->len}};
}

uint64_t tombstones_generation(const struct tombstones *tombstones, const struct path *path, uint64_t generation)
{
	for (size_t i = tombstones->n; i-- > 0;) {
		const struct tombstone *tombstone = at(tombstones, i);
		if (tombstone->generation <= generation)
			return 0;
		if (path_is_below_or_equal(path, &tombstone->path))
			return tombstone->generation;
	}
	return 0;
}

bool tombstones_cover(const struct tombstones *tombstones, const struct path *path, uint64_t generation)
{
	return generation < tombstones->forgotten || tombstones_generation(tombstones, path, generation);
}

void tombstones_undo(struct tombstones *tombstones, uint64_t generation)
{
	while (tombstones->n && at(tombstones, tombstones->n - 1)->generation > generation)
		free((char *)(uintptr_t)at(tombstones, --tombstones->n)->path.text);
}

void tombstones_forget(struct tombstones *tombstones, uint64_t generation)
{
	while (tombstones->n && at(tombstones, 0)->generation <= generation) {
		free((char *)(uintptr_t)at(tombstones, 0)->path.text);
		tombstones->first = (tombstones->first + 1) % TOMBSTONES_MAX;
		tombstones->n--;
	}
	if (generation > tombstones->forgotten)
		tombstones->forgotten = generation;
}
