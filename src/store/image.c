/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * First the records are copied in the order of their keys: long ones, of which those below the path are kept, then the node
 * itself, then all below it with short keys. Then each finds its parent: children of one directory lie side by side, so it is
 * sought once for all of them, by its key. Last, the nodes are handed to their parents in the order of their creation, and a
 * walk over these lists gives the order of the image.
 */
#include "store/image.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "store/key.h"

enum { FIRST_CAPACITY = 1024, NONE = UINT32_MAX };

/* `key_len` bytes of key, then `record_len` of record, as in the store. */
struct image_record {
	uint64_t created;
	uint32_t record_len;
	uint16_t key_len;
	bool orphan;
	unsigned char bytes[];
};

struct copy {
	struct image *image;
	struct reader_walk *from;
	const struct path *path;
	size_t capacity;
};

/* How the nodes hang together: for each its parent, its first child, and the next child of its parent. */
struct family {
	uint32_t parent, child, sibling;
};

struct birth {
	uint64_t created;
	uint32_t index;
};

/* The nodes without a parent, in the order in which they are shown. */
enum { TOP, SPECIALS, ORPHANS, N_BEGINNINGS };

static bool is_long(const struct image_record *record)
{
	return record->bytes[0] == STORE_KEY_LONG_NODE;
}

static bool decode(const struct image_record *record, struct node *out)
{
	return node_decode(record->bytes + record->key_len, record->record_len, out);
}

/* ---- copying ---- */

static int add(struct copy *copy, const struct node *node)
{
	struct image *image = copy->image;
	const struct reader_walk *from = copy->from;

	if (image->n_nodes == copy->capacity) {
		size_t capacity = copy->capacity ? 2 * copy->capacity : FIRST_CAPACITY;
		struct image_record **records = capacity < NONE ? realloc(image->records, capacity * sizeof(*records)) : NULL;
		if (!records)
			return -ENOMEM;
		image->records = records;
		copy->capacity = capacity;
	}
	struct image_record *record = arena_alloc(&image->memory, sizeof(*record) + from->key_len + from->record_len);
	if (!record)
		return -ENOMEM;
	record->created = node->created;
	record->record_len = (uint32_t)from->record_len;
	record->key_len = (uint16_t)from->key_len;
	record->orphan = false;
	memcpy(record->bytes, from->key, from->key_len);
	memcpy(record->bytes + from->key_len, from->record, from->record_len);
	image->records[image->n_nodes++] = record;
	return 0;
}

/* Copies the record under the walk's cursor if it is a node's that is wanted. */
static int take(struct copy *copy)
{
	const struct reader_walk *from = copy->from;
	struct node node;

	if (from->record_len > STORE_RECORD_MAX || !node_decode(from->record, from->record_len, &node)) {
		copy->image->n_damaged++;
		return 0;
	}
	struct path path = {node.path, node.path_len};
	if (*from->key == STORE_KEY_LONG_NODE && (!path.len || !path_is_below_or_equal(&path, copy->path)))
		return 0;
	return add(copy, &node);
}

/* Copies what is wanted of the records whose keys begin with `prefix`, followed, if `inner` is not 0, by a byte up to it. */
static int copy_range(struct copy *copy, const unsigned char *prefix, size_t len, unsigned char inner)
{
	struct reader_walk *from = copy->from;
	int result = reader_walk_seek(from, prefix, len);

	if (!result)
		result = reader_walk_next(from);
	while (!result) {
		if (from->key_len < len || memcmp(from->key, prefix, len))
			return 0;
		if (inner && (from->key_len == len || from->key[len] > inner))
			return 0;
		result = take(copy);
		if (!result)
			result = reader_walk_next(from);
	}
	return result == STATUS_ENOENT ? 0 : result;
}

/* Of the node itself there is one record, whose key is the front of no other's but, perhaps, of its later siblings'. */
static int copy_node(struct copy *copy, const struct key *key)
{
	struct reader_walk *from = copy->from;
	int result = reader_walk_seek(from, key->bytes, key->len);

	if (!result)
		result = reader_walk_next(from);
	if (!result && (from->key_len != key->len || memcmp(from->key, key->bytes, key->len)))
		result = STATUS_ENOENT;
	return result ? result : take(copy);
}

static int copy_all(struct copy *copy)
{
	static const unsigned char long_nodes = STORE_KEY_LONG_NODE, short_nodes = STORE_KEY_NODE;
	struct key key, children;
	int result = copy_range(copy, &long_nodes, 1, 0);

	if (result)
		return result;
	if (path_is_root(copy->path))
		return copy_range(copy, &short_nodes, 1, 0);
	key_of_path(copy->from->reader->meta.hash_key, copy->path, &key);
	/* A node with a long key is among the long ones. */
	if (!key_is_long(&key))
		result = copy_node(copy, &key);
	if (!result && !path_is_special(copy->path) && key_of_children(copy->path, &children))
		result = copy_range(copy, children.bytes, children.len - 1, STORE_KEY_SLASH);
	return result;
}

/* ---- order ---- */

static bool is_same_path(const struct path *left, const struct path *right)
{
	return left->len == right->len && !memcmp(left->text, right->text, left->len);
}

static int compare_with_key(const struct image_record *record, const struct key *key)
{
	size_t len = record->key_len < key->len ? record->key_len : key->len;
	int difference = memcmp(record->bytes, key->bytes, len);

	return difference ? difference : (record->key_len > key->len) - (record->key_len < key->len);
}

static uint32_t find(const struct image *image, const struct key *key)
{
	size_t low = 0, high = image->n_nodes;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int difference = compare_with_key(image->records[middle], key);
		if (!difference)
			return (uint32_t)middle;
		if (difference < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NONE;
}

static struct path path_of_record(const struct image_record *record, char buffer[STORE_KEY_MAX + 1])
{
	struct node node;

	if (!is_long(record))
		return (struct path){buffer, key_to_path(record->bytes, record->key_len, buffer)};
	/* It was decoded before it was copied. */
	decode(record, &node);
	return (struct path){node.path, node.path_len};
}

/* Whether the record's path is one, and that of its key. */
static bool is_sound(const struct image_record *record, const unsigned char hash_key[HASH_KEY_SIZE])
{
	char short_path[STORE_KEY_MAX + 1], buffer[PATH_BUFFER];
	struct path path = path_of_record(record, short_path), same;
	struct key key;

	if (path_canonicalize(path.text, path.len, DOMID_PRIVILEGED, true, 0, buffer, &same) || same.len != path.len)
		return false;
	key_of_path(hash_key, &same, &key);
	return !compare_with_key(record, &key);
}

static void leave_out_damaged(struct image *image, const unsigned char hash_key[HASH_KEY_SIZE])
{
	size_t n = 0;

	for (size_t i = 0; i < image->n_nodes; i++) {
		if (is_sound(image->records[i], hash_key))
			image->records[n++] = image->records[i];
	}
	image->n_damaged += image->n_nodes - n;
	image->n_nodes = n;
}

/* Bytes of the key that all children of the same directory share. */
static size_t shared_len(const struct image_record *record)
{
	if (is_long(record))
		return 1 + HASH_LONG_SIZE;
	const unsigned char *mark = memchr(record->bytes, STORE_KEY_LAST_SLASH, record->key_len);
	return mark ? (size_t)(mark - record->bytes) + 1 : 0;
}

static bool are_siblings(const struct image_record *left, const struct image_record *right)
{
	size_t len = shared_len(left);

	return len && right->key_len > len && !memcmp(left->bytes, right->bytes, len);
}

/* The parent of `record`, by its key. */
static uint32_t find_parent(const struct image *image, const unsigned char hash_key[HASH_KEY_SIZE], const struct path *path)
{
	struct path directory = {path->text, path_parent_len(path)};
	struct key key;

	if (!directory.len)
		return NONE;
	key_of_path(hash_key, &directory, &key);
	return find(image, &key);
}

/* Also marks the orphans: who should have a parent and has none. */
static void find_parents(struct image *image, const unsigned char hash_key[HASH_KEY_SIZE], const struct path *top,
			 struct family *families)
{
	char buffer[STORE_KEY_MAX + 1];

	for (size_t i = 0; i < image->n_nodes; i++) {
		struct image_record *record = image->records[i];
		struct family *family = &families[i];
		*family = (struct family){NONE, NONE, NONE};
		if (i && family[-1].parent != NONE && are_siblings(image->records[i - 1], record)) {
			family->parent = family[-1].parent;
			continue;
		}
		struct path path = path_of_record(record, buffer);
		if (is_same_path(&path, top) || path_is_special(&path))
			continue;
		family->parent = find_parent(image, hash_key, &path);
		record->orphan = family->parent == NONE;
		image->n_orphans += record->orphan;
	}
}

static int latest_first(const void *left, const void *right)
{
	const struct birth *a = left, *b = right;

	if (a->created != b->created)
		return a->created > b->created ? -1 : 1;
	return a->index > b->index ? -1 : a->index < b->index;
}

/* Puts each node before its elder siblings' list, the latest first, so that the list is in the order of creation. */
static void make_lists(const struct image *image, struct birth *births, struct family *families,
		       uint32_t beginnings[N_BEGINNINGS])
{
	for (size_t i = 0; i < image->n_nodes; i++)
		births[i] = (struct birth){image->records[i]->created, (uint32_t)i};
	qsort(births, image->n_nodes, sizeof(*births), latest_first);
	for (size_t i = 0; i < N_BEGINNINGS; i++)
		beginnings[i] = NONE;
	for (size_t i = 0; i < image->n_nodes; i++) {
		uint32_t index = births[i].index;
		const struct image_record *record = image->records[index];
		uint32_t *list;
		if (families[index].parent != NONE)
			list = &families[families[index].parent].child;
		else if (record->orphan)
			list = &beginnings[ORPHANS];
		else
			list = &beginnings[record->key_len > 1 && record->bytes[1] == '@' ? SPECIALS : TOP];
		families[index].sibling = *list;
		*list = index;
	}
}

static uint32_t next_in_walk(const struct family *families, uint32_t index)
{
	if (families[index].child != NONE)
		return families[index].child;
	while (index != NONE && families[index].sibling == NONE)
		index = families[index].parent;
	return index == NONE ? NONE : families[index].sibling;
}

static int put_in_order(struct image *image, const unsigned char hash_key[HASH_KEY_SIZE], const struct path *top)
{
	uint32_t beginnings[N_BEGINNINGS];
	size_t n = 0, capacity = image->n_nodes + 1;
	struct family *families = calloc(capacity, sizeof(*families));
	struct birth *births = calloc(capacity, sizeof(*births));

	image->order = calloc(capacity, sizeof(*image->order));
	if (families && births && image->order) {
		find_parents(image, hash_key, top, families);
		make_lists(image, births, families, beginnings);
		for (size_t i = 0; i < N_BEGINNINGS; i++) {
			for (uint32_t index = beginnings[i]; index != NONE; index = next_in_walk(families, index))
				image->order[n++] = index;
		}
	}
	int fault = families && births && image->order ? 0 : -ENOMEM;
	free(families);
	free(births);
	return fault;
}

/* ---- the image ---- */

/* The first one in order, unless it is missing; without its root a store is damaged, but may have much to show. */
static bool has_node(const struct image *image, const struct path *path)
{
	struct image_node first;

	if (!image->n_nodes)
		return false;
	image_node(image, 0, &first);
	return path_is_root(path) || is_same_path(&first.path, path);
}

int image_read(struct reader_walk *records, const struct path *path, struct image *out)
{
	const unsigned char *hash_key = records->reader->meta.hash_key;
	struct copy copy = {.image = out, .from = records, .path = path};

	*out = (struct image){0};
	arena_init(&out->memory);
	int result = copy_all(&copy);
	if (result && result != -EIO)
		return result;
	leave_out_damaged(out, hash_key);
	int fault = put_in_order(out, hash_key, path);
	if (fault)
		return fault;
	return !result && !has_node(out, path) ? STATUS_ENOENT : result;
}

void image_deinit(struct image *image)
{
	arena_deinit(&image->memory);
	free(image->records);
	free(image->order);
	*image = (struct image){0};
}

void image_node(const struct image *image, size_t index, struct image_node *out)
{
	const struct image_record *record = image->records[image->order[index]];

	decode(record, &out->node);
	out->path = path_of_record(record, out->buffer);
	out->orphan = record->orphan;
}

bool image_find(const struct image *image, const struct path *path, struct image_node *out)
{
	static const unsigned char unused[HASH_KEY_SIZE];
	struct key key;

	key_of_path(unused, path, &key);
	uint32_t index = key_is_long(&key) ? NONE : find(image, &key);
	if (index == NONE)
		return false;
	const struct image_record *record = image->records[index];
	decode(record, &out->node);
	out->path = path_of_record(record, out->buffer);
	out->orphan = record->orphan;
	return true;
}
