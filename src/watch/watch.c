/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A trie over path components. Its nodes are found through one hash table whose keys are the parent's address followed by
 * the component, so matching a path takes one lookup per component that somebody watches below, and ends at the first that
 * nobody does. Each node lists the watches set on it; nodes without watches and children are freed at once. A second
 * table finds a watch by owner, path and token. Both hashes are keyed with random bytes of the index.
 */
#define HASH_NONFATAL_OOM 1
#include "watch/watch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>
#include <utlist.h>

#include "base/status.h"

enum { HITS_ON_STACK = 32 };

struct watch_node {
	struct watch_node *parent;
	struct watch_node *children; /* utlist, sibling_previous/sibling_next */
	struct watch_node *sibling_previous, *sibling_next;
	struct watch *watches; /* utlist, node_previous/node_next */
	UT_hash_handle hh;
	size_t key_len;
	struct watch_node *key_parent; /* the key: this and the component that follows */
	char component[];
};

/* A watch with what the index needs of it besides. */
struct watch_entry {
	struct watch watch;
	UT_hash_handle hh;
	size_t key_len;
	struct watch_owner *key_owner; /* the key: this, the path with its NUL and the token with its NUL, which follow */
	char texts[];
};

struct watch_index {
	unsigned char hash_key[HASH_KEY_SIZE];
	struct watch_node *nodes;    /* hash */
	struct watch_entry *entries; /* hash */
	struct watch_node *root;     /* of absolute paths: "/" */
	struct watch_node *specials; /* parent of "@..." */
	uint64_t last_serial;
	size_t n_watches;
};

/* ---- nodes ---- */

/* A key put together for a lookup. */
struct node_key {
	size_t len;
	struct {
		struct watch_node *parent;
		char component[PATH_ABSOLUTE_MAX];
	} bytes;
};

static void make_key(struct node_key *key, struct watch_node *parent, const char *component, size_t len)
{
	key->bytes.parent = parent;
	memcpy(key->bytes.component, component, len);
	key->len = sizeof(parent) + len;
}

static struct watch_node *find_child(const struct watch_index *index, const struct node_key *key)
{
	uint32_t hash = (uint32_t)hash_short(index->hash_key, &key->bytes, key->len);
	struct watch_node *node;

	HASH_FIND_BYHASHVALUE(hh, index->nodes, &key->bytes, key->len, hash, node);
	return node;
}

static struct watch_node *node_new(struct watch_node *parent, const char *component, size_t len)
{
	struct watch_node *node = malloc(sizeof(*node) + len);

	if (!node)
		return NULL;
	memset(node, 0, sizeof(*node));
	node->parent = node->key_parent = parent;
	node->key_len = sizeof(parent) + len;
	memcpy(node->component, component, len);
	return node;
}

static struct watch_node *add_child(struct watch_index *index, const struct node_key *key)
{
	uint32_t hash = (uint32_t)hash_short(index->hash_key, &key->bytes, key->len);
	struct watch_node *parent = key->bytes.parent;
	struct watch_node *node = node_new(parent, key->bytes.component, key->len - sizeof(parent));

	if (!node)
		return NULL;
	HASH_ADD_KEYPTR_BYHASHVALUE(hh, index->nodes, &node->key_parent, node->key_len, hash, node);
	if (!node->hh.tbl) {
		free(node);
		return NULL;
	}
	DL_APPEND2(parent->children, node, sibling_previous, sibling_next);
	return node;
}

static void prune(struct watch_index *index, struct watch_node *node)
{
	while (node->parent && !node->watches && !node->children) {
		struct watch_node *parent = node->parent;
		HASH_DEL(index->nodes, node);
		DL_DELETE2(parent->children, node, sibling_previous, sibling_next);
		free(node);
		node = parent;
	}
}

/* Steps through a path: from the node above to the key of the next component. */
struct steps {
	struct watch_node *node;
	const char *at, *end;
};

static struct steps steps_begin(const struct watch_index *index, const struct path *path)
{
	struct steps steps = {path_is_special(path) ? index->specials : index->root, path->text, path->text + path->len};

	if (!path_is_special(path))
		steps.at++; /* behind the slash */
	return steps;
}

/* False: the path is at its end. */
static bool steps_next(struct steps *steps, struct node_key *key)
{
	if (steps->at >= steps->end)
		return false;
	const char *slash = memchr(steps->at, '/', (size_t)(steps->end - steps->at));
	const char *component_end = slash ? slash : steps->end;
	make_key(key, steps->node, steps->at, (size_t)(component_end - steps->at));
	steps->at = slash ? slash + 1 : steps->end;
	return true;
}

static struct watch_node *find_node(const struct watch_index *index, const struct path *path)
{
	struct steps steps = steps_begin(index, path);
	struct node_key key;

	while (steps.node && steps_next(&steps, &key))
		steps.node = find_child(index, &key);
	return steps.node;
}

static struct watch_node *need_node(struct watch_index *index, const struct path *path)
{
	struct steps steps = steps_begin(index, path);
	struct node_key key;

	while (steps_next(&steps, &key)) {
		struct watch_node *child = find_child(index, &key);
		if (!child)
			child = add_child(index, &key);
		if (!child) {
			prune(index, steps.node);
			return NULL;
		}
		steps.node = child;
	}
	return steps.node;
}

/* ---- watches ---- */

static struct watch_entry *entry_new(struct watch_owner *owner, const struct path *path, const char *token, size_t token_len)
{
	size_t texts_len = path->len + 1 + token_len + 1;
	struct watch_entry *entry = malloc(sizeof(*entry) + texts_len);

	if (!entry)
		return NULL;
	memset(entry, 0, sizeof(*entry));
	entry->key_owner = owner;
	entry->key_len = sizeof(owner) + texts_len;
	memcpy(entry->texts, path->text, path->len);
	entry->texts[path->len] = 0;
	memcpy(entry->texts + path->len + 1, token, token_len);
	entry->texts[texts_len - 1] = 0;
	entry->watch.owner = owner;
	entry->watch.path = entry->texts;
	entry->watch.path_len = (uint32_t)path->len;
	entry->watch.token = entry->texts + path->len + 1;
	entry->watch.token_len = (uint32_t)token_len;
	return entry;
}

static uint32_t entry_hash(const struct watch_index *index, const struct watch_entry *entry)
{
	return (uint32_t)hash_short(index->hash_key, &entry->key_owner, entry->key_len);
}

static struct watch_entry *entry_like(const struct watch_index *index, const struct watch_entry *entry)
{
	struct watch_entry *found;

	HASH_FIND_BYHASHVALUE(hh, index->entries, &entry->key_owner, entry->key_len, entry_hash(index, entry), found);
	return found;
}

/* Into table, trie and owner's list; false: no memory. */
static bool entry_insert(struct watch_index *index, struct watch_entry *entry, const struct path *path)
{
	struct watch *watch = &entry->watch;
	uint32_t hash = entry_hash(index, entry);

	watch->node = need_node(index, path);
	if (!watch->node)
		return false;
	HASH_ADD_KEYPTR_BYHASHVALUE(hh, index->entries, &entry->key_owner, entry->key_len, hash, entry);
	if (!entry->hh.tbl) {
		prune(index, watch->node);
		return false;
	}
	DL_APPEND2(watch->node->watches, watch, node_previous, node_next);
	DL_APPEND2(watch->owner->watches, watch, previous, next);
	watch->owner->count++;
	index->n_watches++;
	return true;
}

int watch_add(struct watch_index *index, struct watch_owner *owner, const struct path *path, size_t hidden, const char *token,
	      size_t token_len, int depth, struct watch **out)
{
	struct watch_entry *entry = entry_new(owner, path, token, token_len);

	if (!entry)
		return -ENOMEM;
	if (entry_like(index, entry)) {
		free(entry);
		return STATUS_EEXIST;
	}
	entry->watch.hidden = (uint32_t)hidden;
	entry->watch.depth = depth;
	entry->watch.serial = ++index->last_serial;
	if (!entry_insert(index, entry, path)) {
		free(entry);
		return -ENOMEM;
	}
	*out = &entry->watch;
	return 0;
}

int watch_find(struct watch_index *index, struct watch_owner *owner, const struct path *path, const char *token, size_t token_len,
	       struct watch **out)
{
	struct watch_entry *wanted = entry_new(owner, path, token, token_len);
	struct watch_entry *found = wanted ? entry_like(index, wanted) : NULL;

	free(wanted);
	if (!wanted)
		return -ENOMEM;
	if (!found)
		return STATUS_ENOENT;
	*out = &found->watch;
	return 0;
}

void watch_remove(struct watch_index *index, struct watch *watch)
{
	struct watch_entry *entry = (struct watch_entry *)(void *)((char *)watch - offsetof(struct watch_entry, watch));
	struct watch_node *node = watch->node;

	HASH_DEL(index->entries, entry);
	DL_DELETE2(node->watches, watch, node_previous, node_next);
	DL_DELETE2(watch->owner->watches, watch, previous, next);
	watch->owner->count--;
	index->n_watches--;
	free(entry);
	prune(index, node);
}

void watch_owner_clear(struct watch_index *index, struct watch_owner *owner)
{
	while (owner->watches)
		watch_remove(index, owner->watches);
}

size_t watch_count(const struct watch_index *index)
{
	return index->n_watches;
}

int watch_each(const struct watch_index *index, watch_visit *visit, void *context)
{
	int result = 0;

	for (const struct watch_entry *entry = index->entries; entry && !result; entry = entry->hh.next)
		result = visit(context, &entry->watch);
	return result;
}

/* ---- the index ---- */

struct watch_index *watch_index_new(void)
{
	struct watch_index *index = calloc(1, sizeof(*index));

	if (!index)
		return NULL;
	hash_key_random(index->hash_key);
	index->root = node_new(NULL, "", 0);
	index->specials = node_new(NULL, "", 0);
	if (!index->root || !index->specials) {
		watch_index_free(index);
		return NULL;
	}
	return index;
}

void watch_index_free(struct watch_index *index)
{
	if (!index)
		return;
	free(index->root);
	free(index->specials);
	free(index);
}

/* ---- matching ---- */

struct hits {
	struct watch **watches;
	size_t n, capacity;
	struct watch *on_stack[HITS_ON_STACK];
};

static bool hits_grow(struct hits *hits)
{
	bool was_on_stack = hits->watches == hits->on_stack;
	struct watch **grown = realloc(was_on_stack ? NULL : hits->watches, 2 * hits->capacity * sizeof(struct watch *));

	if (!grown)
		return false;
	if (was_on_stack)
		memcpy(grown, hits->on_stack, sizeof(hits->on_stack));
	hits->watches = grown;
	hits->capacity *= 2;
	return true;
}

/* The watches of a node that fire for a change `levels` below it. */
static bool hits_add(struct hits *hits, const struct watch_node *node, int levels)
{
	struct watch *watch;

	DL_FOREACH2 (node->watches, watch, node_next) {
		if (watch->depth >= 0 && levels > watch->depth)
			continue;
		if (hits->n == hits->capacity && !hits_grow(hits))
			return false;
		hits->watches[hits->n++] = watch;
	}
	return true;
}

static int by_registration(const void *left, const void *right)
{
	const struct watch *a = *(struct watch *const *)left, *b = *(struct watch *const *)right;

	if (a->owner->order != b->owner->order)
		return a->owner->order < b->owner->order ? -1 : 1;
	return a->serial < b->serial ? -1 : a->serial > b->serial;
}

static int count_levels(const struct path *path)
{
	int levels = 0;

	if (path_is_root(path))
		return 0;
	for (size_t i = 0; i < path->len; i++)
		levels += path->text[i] == '/';
	return levels;
}

/* All watches on the way from the root to the path. */
static bool collect(const struct watch_index *index, const struct path *path, struct hits *hits)
{
	struct steps steps = steps_begin(index, path);
	int levels = count_levels(path);
	struct node_key key;

	if (!path_is_special(path) && !hits_add(hits, steps.node, levels))
		return false;
	for (levels -= !path_is_special(path); steps_next(&steps, &key); levels--) {
		steps.node = find_child(index, &key);
		if (!steps.node)
			return true;
		/* "@x/<domid>" fires what is set on "@x" only if that asks for depth. */
		if (path_is_special(path) && levels && steps.node->watches && steps.at < steps.end) {
			struct watch *watch;
			DL_FOREACH2 (steps.node->watches, watch, node_next) {
				if (watch->depth < 1)
					continue;
				if (hits->n == hits->capacity && !hits_grow(hits))
					return false;
				hits->watches[hits->n++] = watch;
			}
		} else if (!hits_add(hits, steps.node, levels)) {
			return false;
		}
	}
	return true;
}

int watch_match(struct watch_index *index, const struct path *path, bool exact, watch_hit *hit, void *context)
{
	struct hits hits = {.watches = hits.on_stack, .capacity = HITS_ON_STACK};
	int result = 0;

	if (!index->n_watches)
		return 0;
	if (exact) {
		const struct watch_node *node = find_node(index, path);
		if (node && !hits_add(&hits, node, 0))
			result = -ENOMEM;
	} else if (!collect(index, path, &hits)) {
		result = -ENOMEM;
	}
	if (hits.n > 1)
		qsort(hits.watches, hits.n, sizeof(struct watch *), by_registration);
	for (size_t i = 0; i < hits.n && !result; i++)
		result = hit(context, hits.watches[i]);
	if (hits.watches != hits.on_stack)
		free(hits.watches);
	return result;
}

/* The node after `node` in a walk below `top`, children first; NULL at its end. */
static const struct watch_node *walk_next(const struct watch_node *top, const struct watch_node *node)
{
	if (node->children)
		return node->children;
	while (node != top && !node->sibling_next)
		node = node->parent;
	return node == top ? NULL : node->sibling_next;
}

int watch_below(struct watch_index *index, const struct path *path, watch_below_found *found, void *context)
{
	const struct watch_node *top = index->n_watches ? find_node(index, path) : NULL;
	int result = 0;

	if (!top)
		return 0;
	for (const struct watch_node *node = walk_next(top, top); node && !result; node = walk_next(top, node)) {
		if (!node->watches)
			continue;
		struct path watched = {node->watches->path, node->watches->path_len};
		result = found(context, &watched);
	}
	return result;
}
