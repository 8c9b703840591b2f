/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The image comes in the order of a walk, so the nodes above one are those, of growing length, that begin as it does and have not
 * been left yet: a stack. A node with its parent's owner counts for the tree of that.
 */
#include "owners.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { LEVELS = PATH_ABSOLUTE_MAX / 2 + 2, FIRST_CAPACITY = 64 };

struct level {
	size_t path_len;
	uint16_t domid;
	size_t tree;
};

struct collection {
	struct owners *owners;
	size_t capacity;
	char last[PATH_BUFFER]; /* path of the node last seen; those on the stack are at its front */
	size_t depth;
	struct level levels[LEVELS];
};

static int add_tree(struct collection *collection, uint16_t domid, size_t index)
{
	struct owners *owners = collection->owners;

	if (owners->n == collection->capacity) {
		size_t capacity = collection->capacity ? 2 * collection->capacity : FIRST_CAPACITY;
		struct owned_tree *trees = realloc(owners->trees, capacity * sizeof(*trees));
		if (!trees)
			return -ENOMEM;
		owners->trees = trees;
		collection->capacity = capacity;
	}
	owners->trees[owners->n++] = (struct owned_tree){domid, (uint32_t)index, 0};
	return 0;
}

/* The parent, if it is on the stack; what is not above `path` has been left. */
static const struct level *enter(struct collection *collection, const struct path *path)
{
	while (collection->depth) {
		const struct level *level = &collection->levels[collection->depth - 1];
		struct path above = {collection->last, level->path_len};
		if (above.len < path->len && path_is_below_or_equal(path, &above))
			return above.len == path_parent_len(path) ? level : NULL;
		collection->depth--;
	}
	return NULL;
}

static int add_node(struct collection *collection, const struct image_node *shown, size_t index)
{
	const struct level *parent = enter(collection, &shown->path);
	uint16_t domid = shown->node.permissions[0].domid;
	struct level level = {shown->path.len, domid, collection->owners->n};

	if (parent && parent->domid == domid)
		level.tree = parent->tree;
	else if (add_tree(collection, domid, index))
		return -ENOMEM;
	collection->owners->trees[level.tree].nodes++;
	memcpy(collection->last, shown->path.text, shown->path.len);
	collection->levels[collection->depth++] = level;
	return 0;
}

static int by_domain(const void *left, const void *right)
{
	const struct owned_tree *a = left, *b = right;

	if (a->domid != b->domid)
		return a->domid < b->domid ? -1 : 1;
	return (a->index > b->index) - (a->index < b->index);
}

int owners_of_image(const struct image *image, struct owners *out)
{
	struct collection *collection = calloc(1, sizeof(*collection));
	struct image_node shown;
	int error = collection ? 0 : -ENOMEM;

	*out = (struct owners){0};
	if (collection)
		collection->owners = out;
	for (size_t i = 0; i < image->n_nodes && !error; i++) {
		image_node(image, i, &shown);
		error = add_node(collection, &shown, i);
	}
	free(collection);
	if (out->n)
		qsort(out->trees, out->n, sizeof(*out->trees), by_domain);
	return error;
}

void owners_deinit(struct owners *owners)
{
	free(owners->trees);
	*owners = (struct owners){0};
}

uint64_t owners_nodes(const struct owners *owners, size_t first, size_t *next)
{
	uint64_t nodes = 0;
	size_t i = first;

	for (; i < owners->n && owners->trees[i].domid == owners->trees[first].domid; i++)
		nodes += owners->trees[i].nodes;
	*next = i;
	return nodes;
}
