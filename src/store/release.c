/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The indexes (index.h) name the nodes where what a domain owns begins, and where entries for it begin; nobody has to look for
 * them. Owned ones are removed, in one sweep with all below. For entries each such node is the top of a region, which goes down
 * as far as nodes have one; they are rewritten from the top to the leaves, and since in the end none of them has an entry left,
 * the one record of the top is all that changes in the index.
 */
#include "store/release.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "store/index.h"
#include "store/node.h"
#include "store/transaction.h"
#include "wire/path.h"

struct release {
	struct store *store;
	uint16_t domid;
	struct arena *arena;
	const struct watched_paths *watched;
	struct changes *changes;
};

static int no_memory(struct release *release)
{
	return store_failed(release->store, ENOMEM);
}

static int look(struct release *release, const struct path *path, struct node *out)
{
	struct MDB_txn *txn = store_view(release->store);

	return txn ? node_get(release->store, txn, path, out) : store_failed(release->store, EIO);
}

/* ---- what it owns ---- */

/* A node of the domain below one of another, with the generations of creation from below the root down to it. */
struct owned {
	struct path path;
	uint64_t *created;
	size_t depth;
};

struct owned_list {
	struct owned *nodes;
	size_t n, capacity;
};

static int add_owned(struct release *release, struct owned_list *list, const struct path *path, uint64_t created)
{
	struct owned owned = {.path = {arena_copy(release->arena, path->text, path->len), path->len}};

	if (list->n == list->capacity) {
		size_t capacity = list->capacity ? 2 * list->capacity : 16;
		struct owned *nodes = arena_alloc(release->arena, capacity * sizeof(*nodes));
		if (!nodes)
			return no_memory(release);
		if (list->n)
			memcpy(nodes, list->nodes, list->n * sizeof(*nodes));
		list->nodes = nodes;
		list->capacity = capacity;
	}
	for (size_t i = 0; i < path->len; i++)
		owned.depth += path->text[i] == '/';
	owned.created = arena_alloc(release->arena, owned.depth * sizeof(*owned.created));
	if (!owned.path.text || !owned.created)
		return no_memory(release);
	owned.created[owned.depth - 1] = created;
	list->nodes[list->n++] = owned;
	return 0;
}

static int collect_owned(struct release *release, struct owned_list *list)
{
	struct MDB_txn *txn = store_view(release->store);
	uint64_t from = 0, created;
	char buffer[PATH_BUFFER];
	struct path path;
	int result = txn ? 0 : store_failed(release->store, EIO);

	while (!result) {
		result = index_next(release->store, txn, STORE_KEY_OWNER, release->domid, from, buffer, &path, &created);
		if (!result && path_parent_len(&path))
			result = add_owned(release, list, &path, created);
		from = created + 1;
	}
	return result == STATUS_ENOENT ? 0 : result;
}

/* The generations of the nodes above; of the same parent they are known already. */
static int trace(struct release *release, struct owned *owned, const struct owned *previous)
{
	struct path ancestor = {owned->path.text, path_parent_len(&owned->path)};
	struct node node;

	if (previous && previous->depth == owned->depth && path_parent_len(&previous->path) == ancestor.len &&
	    !memcmp(previous->path.text, ancestor.text, ancestor.len)) {
		memcpy(owned->created, previous->created, (owned->depth - 1) * sizeof(*owned->created));
		return 0;
	}
	for (size_t level = owned->depth - 1; level-- > 0; ancestor.len = path_parent_len(&ancestor)) {
		int result = look(release, &ancestor, &node);
		if (result)
			return result < 0 ? result : store_failed(release->store, EIO);
		owned->created[level] = node.created;
	}
	return 0;
}

static int by_walk(const void *left, const void *right)
{
	const struct owned *a = left, *b = right;

	for (size_t i = 0; i < a->depth && i < b->depth; i++) {
		if (a->created[i] != b->created[i])
			return a->created[i] < b->created[i] ? -1 : 1;
	}
	return a->depth < b->depth ? -1 : a->depth > b->depth;
}

static int remove_one(struct release *release, const struct path *path)
{
	struct store *store = release->store;
	struct change *change;
	struct node node;
	int result = look(release, path, &node);

	if (result == STATUS_ENOENT)
		return 0; /* it went with another one */
	if (!result)
		result = changes_of_removal(store, store_view(store), release->arena, release->watched, path, &node,
					    release->changes, &change);
	if (result)
		return store_failed(store, -result);
	changes_append(release->changes, change);
	return node_remove(store, path);
}

static int remove_owned(struct release *release)
{
	struct owned_list list = {NULL, 0, 0};
	int result = collect_owned(release, &list);

	for (size_t i = 0; i < list.n && list.n > 1 && !result; i++)
		result = trace(release, &list.nodes[i], i ? &list.nodes[i - 1] : NULL);
	if (!result && list.n > 1)
		qsort(list.nodes, list.n, sizeof(*list.nodes), by_walk);
	for (size_t i = 0; i < list.n && !result; i++)
		result = remove_one(release, &list.nodes[i].path);
	return result;
}

/* ---- entries that name it ---- */

static bool is_named(const struct release *release, const struct node *node)
{
	for (size_t i = 1; i < node->n_permissions; i++) {
		if (node->permissions[i].domid == release->domid)
			return true;
	}
	return false;
}

/* The node's permissions without it; entries NULL if memory runs out. */
static struct permission_list without(struct release *release, const struct node *node)
{
	struct permission_list list = permission_list_copy(release->arena, node->permissions, node->n_permissions);
	struct permission *entries = (struct permission *)(uintptr_t)list.entries;

	if (!entries)
		return list;
	list.n = 1;
	for (size_t i = 1; i < node->n_permissions; i++) {
		if (entries[i].domid != release->domid)
			entries[list.n++] = entries[i];
	}
	if (entries[0].domid == release->domid)
		entries[0].domid = DOMID_PRIVILEGED;
	return list;
}

/* The change that the node at `path`, still as `node`, will have. */
static int note_change(struct release *release, const struct path *path, const struct node *node,
		       const struct permission_list *now, bool exact)
{
	struct change *change = change_new(release->arena, path, now->entries, now->n);

	if (!change)
		return no_memory(release);
	change->exact = exact;
	change->before = permission_list_copy(release->arena, node->permissions, node->n_permissions);
	if (!change->before.entries)
		return no_memory(release);
	changes_append(release->changes, change);
	return 0;
}

struct region {
	struct release *release;
	const struct path *top;
	struct region_node *last;  /* those found so far, in a list; behind the one that is looked at they are still to be done */
	const struct path *parent; /* it */
};

struct region_node {
	struct path path;
	struct region_node *next;
};

/* A watched path below the top: in the region, if all from it up to the top are named. */
static int watched_path_found(void *context, const struct path *path)
{
	const struct region *region = context;
	struct release *release = region->release;
	struct node node;

	for (struct path at = *path; at.len > region->top->len; at.len = path_parent_len(&at)) {
		int result = look(release, &at, &node);
		if (result == STATUS_ENOENT || (!result && !is_named(release, &node)))
			return 0;
		if (result)
			return store_failed(release->store, -result);
	}
	int result = look(release, path, &node);
	if (result)
		return result;
	struct permission_list now = without(release, &node);
	return now.entries ? note_change(release, path, &node, &now, true) : no_memory(release);
}

static int child_found(void *context, const char *name, size_t name_len, const struct node *child)
{
	struct region *region = context;
	size_t directory_len = path_is_root(region->parent) ? 0 : region->parent->len;

	if (!is_named(region->release, child))
		return 0;
	struct region_node *node = arena_alloc(region->release->arena, sizeof(*node));
	char *text = arena_alloc(region->release->arena, directory_len + 1 + name_len + 1);
	if (!node || !text)
		return no_memory(region->release);
	memcpy(text, region->parent->text, directory_len);
	text[directory_len] = '/';
	memcpy(text + directory_len + 1, name, name_len);
	text[directory_len + 1 + name_len] = 0;
	*node = (struct region_node){.path = {text, directory_len + 1 + name_len}};
	region->last->next = node;
	region->last = node;
	return 0;
}

/* Rewrites the node, having found those of its children that are named too. */
static int strip(struct region *region, const struct path *path)
{
	struct release *release = region->release;
	struct store *store = release->store;
	struct node node;
	int result = look(release, path, &node);

	region->parent = path;
	if (!result && node.children_generation != node.created)
		result = node_children(store, store_view(store), path, &node, child_found, region);
	if (result)
		return store_failed(store, result < 0 ? -result : EIO);
	struct permission_list now = without(release, &node);
	return now.entries ? node_put_permissions(store, path, &node, now.entries, now.n) : no_memory(release);
}

static int strip_region(struct release *release, const struct path *top)
{
	struct region_node first = {.path = *top};
	struct region region = {.release = release, .top = top, .last = &first};
	struct node node;
	int result = look(release, top, &node);

	if (result)
		return store_failed(release->store, result < 0 ? -result : EIO);
	struct permission_list now = without(release, &node);
	if (!now.entries)
		return no_memory(release);
	result = note_change(release, top, &node, &now, false);
	if (!result && release->watched && !path_is_special(top))
		result = release->watched->below(release->watched->context, top, watched_path_found, &region);
	for (const struct region_node *at = &first; at && !result; at = at->next)
		result = strip(&region, &at->path);
	return result;
}

static int strip_entries(struct release *release)
{
	struct store *store = release->store;
	char buffer[PATH_BUFFER];
	struct path path;
	uint64_t created;
	int result = 0;

	while (!result) {
		struct MDB_txn *txn = store_view(store);
		result = txn ? index_next(store, txn, STORE_KEY_ENTRY, release->domid, 0, buffer, &path, &created)
			     : store_failed(store, EIO);
		if (!result)
			result = strip_region(release, &path);
		if (!result)
			result = index_drop(store, STORE_KEY_ENTRY, release->domid, created);
	}
	return result == STATUS_ENOENT ? 0 : result;
}

/* ---- what cannot go ---- */

static int give_away(struct release *release, const char *text)
{
	struct path path = {text, strlen(text)};
	struct node node;
	int result = look(release, &path, &node);

	if (result || node.permissions[0].domid != release->domid)
		return result == STATUS_ENOENT ? store_failed(release->store, EIO) : result;
	struct permission_list now = without(release, &node);
	if (!now.entries)
		return no_memory(release);
	result = note_change(release, &path, &node, &now, false);
	return result ? result : node_set_permissions(release->store, &path, &node, now.entries, now.n);
}

int store_release(struct store *store, uint16_t domid, struct arena *arena, const struct watched_paths *watched,
		  struct changes *changes)
{
	static const char *const staying[] = {"/", "@introduceDomain", "@releaseDomain"};
	struct release release = {store, domid, arena, watched, changes};
	int result = 0;

	/* First, since the children of the root get records by it. */
	for (size_t i = 0; i < sizeof(staying) / sizeof(staying[0]) && !result; i++)
		result = give_away(&release, staying[i]);
	if (!result)
		result = remove_owned(&release);
	if (!result)
		result = strip_entries(&release);
	if (!result)
		transactions_release(store, domid);
	return result;
}
