/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * When a subtree goes, only nodes below its top that somebody watches matter to anyone, so the watched paths are looked up
 * in the store, not the removed nodes in the index: the cost is that of the watched paths. Their order is that of a walk that
 * visits children in the order of creation, each after its own children. Each found node therefore remembers the
 * generations of creation along its path; two nodes compare where these first differ.
 */
#include "store/changes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct permission_list permission_list_copy(struct arena *arena, const struct permission *entries, size_t n)
{
	struct permission_list list = {NULL, 0};
	struct permission *copy = arena_alloc(arena, n * sizeof(*copy));

	if (copy) {
		memcpy(copy, entries, n * sizeof(*copy));
		list = (struct permission_list){copy, n};
	}
	return list;
}

struct change *change_new(struct arena *arena, const struct path *path, const struct permission *now, size_t n_now)
{
	struct change *change = arena_alloc(arena, sizeof(*change));

	if (!change)
		return NULL;
	*change = (struct change){.path = {arena_copy(arena, path->text, path->len), path->len}};
	change->now = permission_list_copy(arena, now, n_now);
	return change->path.text && change->now.entries ? change : NULL;
}

void changes_append(struct changes *changes, struct change *change)
{
	change->next = NULL;
	if (changes->last)
		changes->last->next = change;
	else
		changes->first = change;
	changes->last = change;
}

void changes_append_all(struct changes *changes, struct changes *tail)
{
	if (!tail->first)
		return;
	if (changes->last)
		changes->last->next = tail->first;
	else
		changes->first = tail->first;
	changes->last = tail->last;
	*tail = (struct changes){NULL, NULL};
}

/* A watched node below the top, with the generations of creation from below the top down to it. */
struct doomed_node {
	struct change *change;
	size_t depth;
	const uint64_t *created;
};

struct removal {
	struct store *store;
	struct MDB_txn *txn;
	struct arena *arena;
	const struct path *top;
	struct doomed_node *nodes;
	size_t n, capacity;
};

static int add_node(struct removal *removal, const struct doomed_node *node)
{
	if (removal->n == removal->capacity) {
		size_t capacity = removal->capacity ? 2 * removal->capacity : 16;
		struct doomed_node *nodes = arena_alloc(removal->arena, capacity * sizeof(*nodes));
		if (!nodes)
			return -ENOMEM;
		if (removal->n)
			memcpy(nodes, removal->nodes, removal->n * sizeof(*nodes));
		removal->nodes = nodes;
		removal->capacity = capacity;
	}
	removal->nodes[removal->n++] = *node;
	return 0;
}

static size_t count_slashes(const char *text, size_t len)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++)
		n += text[i] == '/';
	return n;
}

/* Fills the generations of all on the way from below the top to `path`, and the parent's permissions. */
static int trace_ancestors(struct removal *removal, const struct path *path, struct change *change, uint64_t *created,
			   size_t depth)
{
	struct path ancestor = *path;
	struct node node;

	for (size_t level = depth; level-- > 0; ancestor.len = path_parent_len(&ancestor)) {
		int result = node_get(removal->store, removal->txn, &ancestor, &node);
		if (result)
			return result < 0 ? result : -EIO;
		created[level] = node.created;
		if (level + 2 == depth)
			change->parent = permission_list_copy(removal->arena, node.permissions, node.n_permissions);
	}
	return 0;
}

static int watched_path_found(void *context, const struct path *path)
{
	struct removal *removal = context;
	struct doomed_node doomed;
	struct node node;
	int result = node_get(removal->store, removal->txn, path, &node);

	if (result)
		return result == STATUS_ENOENT ? 0 : result;
	doomed.depth = count_slashes(path->text + removal->top->len, path->len - removal->top->len);
	uint64_t *created = arena_alloc(removal->arena, doomed.depth * sizeof(*created));
	doomed.created = created;
	doomed.change = change_new(removal->arena, path, node.permissions, node.n_permissions);
	if (!doomed.change || !created)
		return -ENOMEM;
	doomed.change->exact = true;
	doomed.change->removed = true;
	result = trace_ancestors(removal, path, doomed.change, created, doomed.depth);
	return result ? result : add_node(removal, &doomed);
}

static int leaf_first(const void *left, const void *right)
{
	const struct doomed_node *a = left, *b = right;
	size_t shared = a->depth < b->depth ? a->depth : b->depth;

	for (size_t i = 0; i < shared; i++) {
		if (a->created[i] != b->created[i])
			return a->created[i] < b->created[i] ? -1 : 1;
	}
	return a->depth > b->depth ? -1 : a->depth < b->depth;
}

int changes_of_removal(struct store *store, struct MDB_txn *txn, struct arena *arena, const struct watched_paths *watched,
		       const struct path *path, const struct node *node, struct changes *below, struct change **top)
{
	struct removal removal = {.store = store, .txn = txn, .arena = arena, .top = path};

	*top = change_new(arena, path, node->permissions, node->n_permissions);
	int result = *top ? 0 : -ENOMEM;
	if (!result && watched)
		result = watched->below(watched->context, path, watched_path_found, &removal);
	if (result)
		return result;
	if (removal.n)
		qsort(removal.nodes, removal.n, sizeof(*removal.nodes), leaf_first);
	for (size_t i = 0; i < removal.n; i++) {
		if (!removal.nodes[i].change->parent.entries)
			removal.nodes[i].change->parent = (*top)->now;
		changes_append(below, removal.nodes[i].change);
	}
	(*top)->removed = true;
	return 0;
}
