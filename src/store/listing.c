/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * LMDB has the children in the order of their names. They are read with their generations of creation, sorted by these,
 * and written out as one string. A list is found again by path and generation of the list, which changes with it.
 */
#include "store/listing.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"

struct child {
	uint64_t created;
	size_t offset; /* of the name, with its NUL, in `names` */
	size_t size;
};

struct collection {
	struct buffer names;
	struct buffer children; /* of struct child */
	size_t limit;
};

static int collect(void *context, const char *name, size_t name_len, const struct node *node)
{
	struct collection *collection = context;
	struct child child = {node->created, collection->names.len, name_len + 1};

	if (collection->limit && collection->names.len + child.size > collection->limit)
		return STATUS_E2BIG;
	buffer_add(&collection->names, name, name_len);
	buffer_add_nul(&collection->names);
	buffer_add(&collection->children, &child, sizeof(child));
	return collection->names.failed || collection->children.failed ? -ENOMEM : 0;
}

static int by_creation(const void *left, const void *right)
{
	const struct child *a = left, *b = right;

	return a->created < b->created ? -1 : a->created > b->created;
}

static struct listing *sort(const struct path *path, uint64_t generation, struct collection *collection)
{
	struct listing *listing = malloc(sizeof(*listing) + collection->names.len + path->len);
	struct child *children = (void *)collection->children.bytes;
	size_t n = collection->children.len / sizeof(*children);
	char *to;

	if (!listing)
		return NULL;
	if (n)
		qsort(children, n, sizeof(*children), by_creation);
	*listing = (struct listing){.generation = generation, .path_len = path->len, .len = collection->names.len};
	to = listing->names;
	for (size_t i = 0; i < n; i++) {
		memcpy(to, collection->names.bytes + children[i].offset, children[i].size);
		to += children[i].size;
	}
	listing->path = to;
	memcpy(listing->path, path->text, path->len);
	return listing;
}

static int read_listing(struct store *store, struct MDB_txn *txn, const struct path *path, const struct node *node, size_t limit,
			struct listing **out)
{
	struct collection collection = {.limit = limit};
	int result = node_children(store, txn, path, node, collect, &collection);

	if (!result) {
		*out = sort(path, node->children_generation, &collection);
		if (!*out)
			result = -ENOMEM;
	}
	buffer_deinit(&collection.names);
	buffer_deinit(&collection.children);
	return result;
}

/* Puts `listing` first; the ones before `place` move back by one. */
static void move_to_front(struct store *store, size_t place, struct listing *listing)
{
	memmove(store->listings + 1, store->listings, place * sizeof(store->listings[0]));
	store->listings[0] = listing;
}

int listing_get(struct store *store, struct MDB_txn *txn, const struct path *path, const struct node *node, size_t limit,
		const struct listing **out)
{
	struct listing *listing;

	for (size_t i = 0; i < STORE_LISTINGS && store->listings[i]; i++) {
		listing = store->listings[i];
		if (listing->generation != node->children_generation || listing->path_len != path->len ||
		    memcmp(listing->path, path->text, path->len))
			continue;
		move_to_front(store, i, listing);
		*out = listing;
		return limit && listing->len > limit ? STATUS_E2BIG : 0;
	}
	int result = read_listing(store, txn, path, node, limit, &listing);
	if (result)
		return result;
	free(store->listings[STORE_LISTINGS - 1]);
	move_to_front(store, STORE_LISTINGS - 1, listing);
	*out = listing;
	return 0;
}

void listings_forget(struct store *store)
{
	for (size_t i = 0; i < STORE_LISTINGS; i++) {
		free(store->listings[i]);
		store->listings[i] = NULL;
	}
}
