/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kill/nodes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/check.h"
#include "store/image.h"
#include "store/node.h"
#include "wire/permissions.h"

enum { PERMISSIONS_MAX = 256 };

static void *must(void *memory)
{
	if (!memory)
		abort();
	return memory;
}

static void free_node(struct plain_node *node)
{
	free(node->path);
	free(node->permissions);
	free(node->value);
}

void nodes_free(struct nodes *nodes)
{
	for (size_t i = 0; i < nodes->n; i++)
		free_node(&nodes->all[i]);
	free(nodes->all);
	*nodes = (struct nodes){0};
}

/* The place of the path, or where it would be. */
static size_t place_of(const struct nodes *nodes, const char *path)
{
	size_t low = 0, high = nodes->n;

	while (low < high) {
		size_t middle = (low + high) / 2;
		if (strcmp(nodes->all[middle].path, path) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct plain_node *nodes_find(const struct nodes *nodes, const char *path)
{
	size_t at = place_of(nodes, path);

	return at < nodes->n && !strcmp(nodes->all[at].path, path) ? &nodes->all[at] : NULL;
}

static struct plain_node *insert(struct nodes *nodes, const char *path)
{
	size_t at = place_of(nodes, path);

	if (nodes->n == nodes->capacity) {
		nodes->capacity = nodes->capacity ? 2 * nodes->capacity : 32;
		nodes->all = must(realloc(nodes->all, nodes->capacity * sizeof(*nodes->all)));
	}
	memmove(nodes->all + at + 1, nodes->all + at, (nodes->n++ - at) * sizeof(*nodes->all));
	nodes->all[at] = (struct plain_node){.path = must(strdup(path)), .value = must(calloc(1, 1))};
	return &nodes->all[at];
}

struct plain_node *nodes_make(struct nodes *nodes, const char *path, unsigned by)
{
	char above[128], permissions[PERMISSIONS_MAX] = "n0";
	struct plain_node *found = nodes_find(nodes, path);
	const char *slash = strrchr(path, '/');

	if (found)
		return found;
	snprintf(above, sizeof(above), "%.*s", (int)(slash == path ? 1 : slash - path), path);
	if (strcmp(path, "/") != 0)
		snprintf(permissions, sizeof(permissions), "%s", nodes_make(nodes, above, by)->permissions);
	struct plain_node *node = insert(nodes, path);
	node_is_permitted(node, permissions, by);
	return node;
}

void node_is_written(struct plain_node *node, const void *value, size_t len, unsigned by)
{
	free(node->value);
	node->value = must(malloc(len + 1));
	memcpy(node->value, value, len);
	node->value[len] = 0;
	node->len = len;
	node->by = by;
}

void node_is_permitted(struct plain_node *node, const char *permissions, unsigned by)
{
	char *copy = must(strdup(permissions));

	free(node->permissions);
	node->permissions = copy;
	node->by = by;
}

bool is_in(const char *path, const char *top)
{
	size_t len = strlen(top);

	return !strcmp(top, "/") || (!strncmp(path, top, len) && (!path[len] || path[len] == '/'));
}

void nodes_remove(struct nodes *nodes, const char *path)
{
	size_t left = 0;

	for (size_t i = 0; i < nodes->n; i++) {
		if (is_in(nodes->all[i].path, path))
			free_node(&nodes->all[i]);
		else
			nodes->all[left++] = nodes->all[i];
	}
	nodes->n = left;
}

void nodes_copy(const struct nodes *nodes, const char *const places[], size_t n, struct nodes *out)
{
	*out = (struct nodes){0};
	for (size_t i = 0; i < nodes->n; i++) {
		const struct plain_node *from = &nodes->all[i];
		bool is_wanted = false;
		for (size_t k = 0; k < n; k++)
			is_wanted = is_wanted || is_in(from->path, places[k]);
		if (!is_wanted)
			continue;
		struct plain_node *to = insert(out, from->path);
		node_is_written(to, from->value, from->len, from->by);
		node_is_permitted(to, from->permissions, from->by);
		memcpy(to->generations, from->generations, sizeof(to->generations));
	}
}

const char *nodes_difference(const struct nodes *a, const struct nodes *b)
{
	for (size_t i = 0; i < a->n || i < b->n; i++) {
		if (i >= a->n || i >= b->n)
			return i < a->n ? a->all[i].path : b->all[i].path;
		const struct plain_node *one = &a->all[i], *other = &b->all[i];
		if (strcmp(one->path, other->path) != 0)
			return strcmp(one->path, other->path) < 0 ? one->path : other->path;
		if (strcmp(one->permissions, other->permissions) != 0 || one->len != other->len ||
		    memcmp(one->value, other->value, one->len) != 0)
			return one->path;
	}
	return NULL;
}

/* ---- from the file ---- */

static void add_node(struct nodes *nodes, const struct image *image, size_t index)
{
	char path[128], text[PERMISSION_TEXT_MAX], permissions[PERMISSIONS_MAX];
	struct image_node from;
	size_t len = 0;

	image_node(image, index, &from);
	snprintf(path, sizeof(path), "%.*s", (int)from.path.len, from.path.text);
	for (size_t i = 0; i < from.node.n_permissions; i++)
		len += (size_t)snprintf(permissions + len, sizeof(permissions) - len, "%s%.*s", i ? " " : "",
					(int)permission_format(&from.node.permissions[i], text), text);
	struct plain_node *node = insert(nodes, path);
	node_is_written(node, from.node.value, from.node.value_len, 0);
	node_is_permitted(node, permissions, 0);
	node->generations[0] = from.node.created;
	node->generations[1] = from.node.value_generation;
	node->generations[2] = from.node.permissions_generation;
}

static int read_image(struct reader_env *reader, struct image *image)
{
	struct reader_walk records = {.reader = reader, .milliseconds = READER_MILLISECONDS};
	const struct path root = {"/", 1};
	int result = reader_walk_begin(&records);

	if (!result)
		result = image_read(&records, &root, image);
	reader_walk_end(&records);
	return result;
}

bool nodes_read(const char *store, struct nodes *out, char why[NODES_WHY_SIZE])
{
	struct check_verdict verdict;
	struct reader_env reader;
	struct image image = {0};
	char problem[READER_TEXT_SIZE];

	*out = (struct nodes){0};
	if (check_file(store, NULL, &verdict) || verdict.result != CHECK_SOUND) {
		snprintf(why, NODES_WHY_SIZE, "the store is not sound: %s", verdict.text);
		return false;
	}
	if (reader_open(store, false, &reader, problem) != READER_SOUND) {
		snprintf(why, NODES_WHY_SIZE, "the store cannot be read: %s", problem);
		return false;
	}
	int result = read_image(&reader, &image);
	reader_close(&reader);
	for (size_t i = 0; !result && i < image.n_nodes; i++)
		add_node(out, &image, i);
	image_deinit(&image);
	if (result)
		snprintf(why, NODES_WHY_SIZE, "the store cannot be read: %s", strerror(result < 0 ? -result : result));
	return !result;
}
