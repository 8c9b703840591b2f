/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A trie over path components. Its nodes are found through one hash table whose keys are the parent's address and the component,
 * so matching a path takes one lookup per component that somebody watches below, and ends at the first that nobody does. Each
 * node lists the watches set on it; nodes without watches and children are freed at once. A second table finds a watch by owner,
 * path and token. Both hashes are keyed with random bytes of the index.
 *
 * A watch that is taken out stays in all lists, so that it can come back to its place; who looks passes over it. So does it pass
 * over those of owners that have departed.
 */
#include "watch/watch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "base/status.h"
#include "base/table.h"

enum { HITS_ON_STACK = 32 };

struct watch_node {
	struct watch_node *parent;
	struct watch_node *children; /* utlist, sibling_previous/sibling_next */
	struct watch_node *sibling_previous, *sibling_next;
	struct watch *watches; /* utlist, node_previous/node_next */
	struct table_link link;
	size_t component_len;
	char component[];
};

/* A watch with what the index needs of it besides. */
struct watch_entry {
	struct watch watch;
	struct table_link link;
	size_t key_len;
	struct watch_owner *key_owner; /* the key: this, the path with its NUL and the token with its NUL, which follow */
	char texts[];
};

struct watch_index {
	unsigned char hash_key[HASH_KEY_SIZE];
	struct table nodes;
	struct table entries;
	struct watch_node *root;     /* of absolute paths: "/" */
	struct watch_node *specials; /* parent of "@..." */
	struct watch_owner *departed;
	uint64_t last_serial;
	uint64_t matches; /* counts them */
	size_t n_watches;
};

static bool is_in_force(const struct watch *watch)
{
	return !watch->taken_out && !watch->owner->departed;
}

/* ---- nodes ---- */

static struct watch_node *node_of_link(struct table_link *link)
{
	return link ? (struct watch_node *)(void *)((char *)link - offsetof(struct watch_node, link)) : NULL;
}

/* A key put together for a lookup. */
struct node_key {
	uint32_t hash;
	size_t component_len;
	struct {
		struct watch_node *parent;
		char component[PATH_ABSOLUTE_MAX];
	} bytes;
};

static void make_key(const struct watch_index *index, struct node_key *key, struct watch_node *parent, const char *component,
		     size_t len)
{
	key->bytes.parent = parent;
	memcpy(key->bytes.component, component, len);
	key->component_len = len;
	key->hash = (uint32_t)hash_short(index->hash_key, &key->bytes, sizeof(parent) + len);
}

static struct watch_node *find_child(const struct watch_index *index, const struct node_key *key)
{
	for (struct table_link *link = table_first(&index->nodes, key->hash); link; link = table_next(link)) {
		struct watch_node *node = node_of_link(link);
		if (node->parent == key->bytes.parent && node->component_len == key->component_len &&
		    !memcmp(node->component, key->bytes.component, key->component_len))
			return node;
	}
	return NULL;
}

static struct watch_node *node_new(struct watch_node *parent, const char *component, size_t len)
{
	struct watch_node *node = malloc(sizeof(*node) + len);

	if (!node)
		return NULL;
	memset(node, 0, sizeof(*node));
	node->parent = parent;
	node->component_len = len;
	memcpy(node->component, component, len);
	return node;
}

static struct watch_node *add_child(struct watch_index *index, const struct node_key *key)
{
	struct watch_node *parent = key->bytes.parent;
	struct watch_node *node = node_new(parent, key->bytes.component, key->component_len);

	if (!node)
		return NULL;
	table_add(&index->nodes, &node->link, key->hash);
	DL_APPEND2(parent->children, node, sibling_previous, sibling_next);
	return node;
}

static void prune(struct watch_index *index, struct watch_node *node)
{
	while (node->parent && !node->watches && !node->children) {
		struct watch_node *parent = node->parent;
		table_remove(&index->nodes, &node->link);
		DL_DELETE2(parent->children, node, sibling_previous, sibling_next);
		free(node);
		node = parent;
	}
}

/* Steps through a path: from the node above to the key of the next component. */
struct steps {
	const struct watch_index *index;
	struct watch_node *node;
	const char *at, *end;
};

static struct steps steps_begin(const struct watch_index *index, const struct path *path)
{
	struct steps steps = {index, path_is_special(path) ? index->specials : index->root, path->text, path->text + path->len};

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
	make_key(steps->index, key, steps->node, steps->at, (size_t)(component_end - steps->at));
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

static struct watch_entry *entry_of(struct watch *watch)
{
	return (struct watch_entry *)(void *)((char *)watch - offsetof(struct watch_entry, watch));
}

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

/* Bytes of memory, with a node for each component of the path, as if it shared none. */
static size_t entry_size(const struct watch_entry *entry)
{
	size_t n_nodes = 1;

	for (size_t i = 1; i < entry->watch.path_len; i++)
		n_nodes += entry->texts[i] == '/';
	return offsetof(struct watch_entry, key_owner) + entry->key_len + n_nodes * sizeof(struct watch_node) +
	       entry->watch.path_len;
}

static uint32_t entry_hash(const struct watch_index *index, const struct watch_entry *entry)
{
	return (uint32_t)hash_short(index->hash_key, &entry->key_owner, entry->key_len);
}

/* The one with the same key that is in force. */
static struct watch_entry *entry_like(const struct watch_index *index, const struct watch_entry *entry, uint32_t hash)
{
	for (struct table_link *link = table_first(&index->entries, hash); link; link = table_next(link)) {
		struct watch_entry *found = (struct watch_entry *)(void *)((char *)link - offsetof(struct watch_entry, link));
		if (is_in_force(&found->watch) && found->key_len == entry->key_len &&
		    !memcmp(&found->key_owner, &entry->key_owner, entry->key_len))
			return found;
	}
	return NULL;
}

/* Counts what is in force; `sign` is 1 or -1. */
static void count(struct watch *watch, int sign)
{
	struct watch_owner *owner = watch->owner;
	uint64_t size = entry_size(entry_of(watch));

	owner->index->n_watches += (size_t)sign;
	owner->count += (size_t)sign;
	charge_force(&owner->number, owner->count);
	charge_force(&owner->memory, owner->memory.amount + (uint64_t)sign * size);
}

static int check_limits(struct watch_owner *owner, const struct watch_entry *entry, const struct watch_limits *limits)
{
	struct charge number = {owner->number.budget, 0}, memory = {owner->memory.budget, 0};

	if (!limits)
		return 0;
	int result = charge_set(&number, 1, limits->number);
	if (!result && charge_set(&memory, entry_size(entry), limits->memory))
		result = STATUS_ENOMEM;
	charge_free(&number);
	charge_free(&memory);
	return result;
}

void watch_serial_used(struct watch_index *index, uint64_t serial)
{
	if (serial > index->last_serial)
		index->last_serial = serial;
}

static int entry_insert(struct watch_entry *entry, const struct watch_description *description, const struct watch_limits *limits)
{
	struct watch *watch = &entry->watch;
	struct watch_index *index = watch->owner->index;
	uint32_t hash = entry_hash(index, entry);

	if (entry_like(index, entry, hash))
		return STATUS_EEXIST;
	int result = check_limits(watch->owner, entry, limits);
	if (result)
		return result;
	watch->node = need_node(index, &description->path);
	if (!watch->node)
		return -ENOMEM;
	watch->hidden = (uint32_t)description->hidden;
	watch->depth = description->depth;
	watch->serial = description->serial ? description->serial : index->last_serial + 1;
	watch_serial_used(index, watch->serial);
	table_add(&index->entries, &entry->link, hash);
	DL_APPEND2(watch->node->watches, watch, node_previous, node_next);
	DL_APPEND2(watch->owner->watches, watch, previous, next);
	count(watch, 1);
	return 0;
}

int watch_add(struct watch_owner *owner, const struct watch_description *description, const struct watch_limits *limits,
	      struct watch **out)
{
	struct watch_entry *entry = entry_new(owner, &description->path, description->token, description->token_len);
	int result = entry ? entry_insert(entry, description, limits) : -ENOMEM;

	if (result)
		free(entry);
	else
		*out = &entry->watch;
	return result;
}

int watch_find(struct watch_owner *owner, const struct path *path, const char *token, size_t token_len, struct watch **out)
{
	struct watch_entry *wanted = entry_new(owner, path, token, token_len);
	struct watch_entry *found = wanted ? entry_like(owner->index, wanted, entry_hash(owner->index, wanted)) : NULL;

	free(wanted);
	if (!wanted)
		return -ENOMEM;
	if (!found)
		return STATUS_ENOENT;
	*out = &found->watch;
	return 0;
}

void watch_take_out(struct watch *watch)
{
	watch->taken_out = true;
	count(watch, -1);
}

void watch_put_back(struct watch *watch)
{
	watch->taken_out = false;
	count(watch, 1);
}

void watch_free(struct watch *watch)
{
	struct watch_index *index = watch->owner->index;
	struct watch_entry *entry = entry_of(watch);
	struct watch_node *node = watch->node;

	if (is_in_force(watch))
		count(watch, -1);
	table_remove(&index->entries, &entry->link);
	DL_DELETE2(node->watches, watch, node_previous, node_next);
	DL_DELETE2(watch->owner->watches, watch, previous, next);
	free(entry);
	prune(index, node);
}

/* ---- owners ---- */

int watch_owner_new(struct watch_index *index, uint64_t order, void *context, struct budget *number, struct budget *memory,
		    struct watch_owner **out)
{
	struct watch_owner *owner = malloc(sizeof(*owner));

	if (!owner)
		return -ENOMEM;
	*owner = (struct watch_owner){
	    .index = index, .order = order, .context = context, .number = {number, 0}, .memory = {memory, 0}};
	*out = owner;
	return 0;
}

void watch_owner_free(struct watch_owner *owner)
{
	while (owner->watches)
		watch_free(owner->watches);
	free(owner);
}

bool watch_owner_depart(struct watch_owner *owner)
{
	if (!owner->watches) {
		free(owner);
		return false;
	}
	owner->departed = true;
	owner->index->n_watches -= owner->count;
	charge_free(&owner->number);
	charge_free(&owner->memory);
	DL_APPEND2(owner->index->departed, owner, departed_previous, departed_next);
	return true;
}

struct watch_owner *watch_departed(const struct watch_index *index)
{
	return index->departed;
}

bool watch_departed_forget(struct watch_index *index, size_t limit)
{
	struct watch_owner *owner = index->departed;

	for (; owner->watches && limit; limit--, owner->count--)
		watch_free(owner->watches);
	if (owner->watches)
		return false;
	DL_DELETE2(index->departed, owner, departed_previous, departed_next);
	free(owner);
	return true;
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
	if (!index->root || !index->specials || table_init(&index->nodes) || table_init(&index->entries)) {
		watch_index_free(index);
		return NULL;
	}
	return index;
}

void watch_index_free(struct watch_index *index)
{
	if (!index)
		return;
	while (index->departed)
		watch_departed_forget(index, SIZE_MAX);
	table_deinit(&index->nodes);
	table_deinit(&index->entries);
	free(index->root);
	free(index->specials);
	free(index);
}

size_t watch_count(const struct watch_index *index)
{
	return index->n_watches;
}

/* ---- matching ---- */

struct hits {
	watch_may *may;
	void *context;
	uint64_t match;
	struct watch **watches;
	size_t n, capacity;
	struct watch *on_stack[HITS_ON_STACK];
};

static int hits_grow(struct hits *hits)
{
	bool was_on_stack = hits->watches == hits->on_stack;
	struct watch **grown = realloc(was_on_stack ? NULL : hits->watches, 2 * hits->capacity * sizeof(struct watch *));

	if (!grown)
		return -ENOMEM;
	if (was_on_stack)
		memcpy(grown, hits->on_stack, sizeof(hits->on_stack));
	hits->watches = grown;
	hits->capacity *= 2;
	return 0;
}

/* Positive if the owner's watches may fire. However many it has, it is asked once. */
static int owner_may(const struct hits *hits, struct watch_owner *owner)
{
	if (owner->asked_in != hits->match) {
		int may = hits->may(hits->context, owner);
		if (may < 0)
			return may;
		owner->asked_in = hits->match;
		owner->may_fire = may;
	}
	return owner->may_fire;
}

/* The watches of a node that fire for a change `levels` below it; `asked`: only if they ask for a depth. */
static int hits_add(struct hits *hits, const struct watch_node *node, int levels, bool asked)
{
	struct watch *watch;

	DL_FOREACH2 (node->watches, watch, node_next) {
		if (!is_in_force(watch) || (watch->depth < 0 ? asked : levels > watch->depth))
			continue;
		int result = owner_may(hits, watch->owner);
		if (!result)
			continue;
		if (result > 0)
			result = hits->n == hits->capacity ? hits_grow(hits) : 0;
		if (result)
			return result;
		hits->watches[hits->n++] = watch;
	}
	return 0;
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

/* All watches on the way from the root to the path. "@x/<domid>" fires what is set on "@x" only if that asks for depth. */
static int collect(const struct watch_index *index, const struct path *path, struct hits *hits)
{
	struct steps steps = steps_begin(index, path);
	bool is_special = path_is_special(path);
	int levels = count_levels(path);
	struct node_key key;
	int result = is_special ? 0 : hits_add(hits, steps.node, levels--, false);

	for (; !result && steps_next(&steps, &key); levels--) {
		steps.node = find_child(index, &key);
		if (!steps.node)
			return 0;
		result = hits_add(hits, steps.node, levels, is_special && levels);
	}
	return result;
}

static int collect_exactly(const struct watch_index *index, const struct path *path, struct hits *hits)
{
	const struct watch_node *node = find_node(index, path);

	return node ? hits_add(hits, node, 0, false) : 0;
}

int watch_match(struct watch_index *index, const struct path *path, bool exact, watch_may *may, watch_hit *hit, void *context)
{
	struct hits hits = {
	    .may = may,
	    .context = context,
	    .match = ++index->matches,
	    .watches = hits.on_stack,
	    .capacity = HITS_ON_STACK,
	};

	if (!index->n_watches)
		return 0;
	int result = (exact ? collect_exactly : collect)(index, path, &hits);
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

/* One of the node's watches that is in force; NULL: none. */
static const struct watch *watch_on(const struct watch_node *node)
{
	const struct watch *watch = node->watches;

	while (watch && !is_in_force(watch))
		watch = watch->node_next;
	return watch;
}

int watch_below(struct watch_index *index, const struct path *path, watch_below_found *found, void *context)
{
	const struct watch_node *top = index->n_watches ? find_node(index, path) : NULL;
	int result = 0;

	if (!top)
		return 0;
	for (const struct watch_node *node = walk_next(top, top); node && !result; node = walk_next(top, node)) {
		const struct watch *watch = watch_on(node);
		if (!watch)
			continue;
		struct path watched = {watch->path, watch->path_len};
		result = found(context, &watched);
	}
	return result;
}

static int visit_all(const struct watch_node *top, watch_visit *visit, void *context)
{
	const struct watch *watch;
	int result = 0;

	for (const struct watch_node *node = top; node && !result; node = walk_next(top, node)) {
		DL_FOREACH2 (node->watches, watch, node_next) {
			if (!result && is_in_force(watch))
				result = visit(context, watch);
		}
	}
	return result;
}

int watch_each(const struct watch_index *index, watch_visit *visit, void *context)
{
	int result = visit_all(index->root, visit, context);

	return result ? result : visit_all(index->specials, visit, context);
}
