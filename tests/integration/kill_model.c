/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The rules of XenStore for a privileged client, as plainly as they can be put: no generations, no pages, no transactions. */
#include "integration/kill_model.h"

#include <check.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static void set_value(struct model_node *node, const void *value, size_t len)
{
	char *copy = malloc(len + 1);

	ck_assert_ptr_nonnull(copy);
	if (len)
		memcpy(copy, value, len);
	copy[len] = 0;
	free(node->value);
	node->value = copy;
	node->len = len;
}

struct model_node *model_new(const char *name, char access, const void *value, size_t len)
{
	struct model_node *node = calloc(1, sizeof(*node));

	ck_assert_ptr_nonnull(node);
	ck_assert_uint_lt(strlen(name), sizeof(node->name));
	strcpy(node->name, name);
	node->access = access;
	set_value(node, value, len);
	return node;
}

void model_append(struct model_node *parent, struct model_node *child)
{
	if (parent->n_children == parent->capacity) {
		parent->capacity = parent->capacity ? 2 * parent->capacity : 8;
		parent->children = realloc(parent->children, parent->capacity * sizeof(*parent->children));
		ck_assert_ptr_nonnull(parent->children);
	}
	parent->children[parent->n_children++] = child;
}

struct model_node *model_copy(const struct model_node *node)
{
	struct model_node *copy = model_new(node->name, node->access, node->value, node->len);

	for (size_t i = 0; i < node->n_children; i++)
		model_append(copy, model_copy(node->children[i]));
	return copy;
}

void model_free(struct model_node *node)
{
	if (!node)
		return;
	for (size_t i = 0; i < node->n_children; i++)
		model_free(node->children[i]);
	free(node->children);
	free(node->value);
	free(node);
}

/* The index of the child of this name; n_children: none. */
static size_t child_index(const struct model_node *parent, const char *name, size_t len)
{
	size_t i = 0;

	while (i < parent->n_children && (strncmp(parent->children[i]->name, name, len) != 0 || parent->children[i]->name[len]))
		i++;
	return i;
}

/* The deepest node on the way to `path`; *rest: what of the path is not there. */
static struct model_node *walk(struct model_node *root, const char *path, const char **rest)
{
	while (*path) {
		size_t len = strcspn(path, "/");
		size_t i = child_index(root, path, len);
		if (i == root->n_children)
			break;
		root = root->children[i];
		path += len + (path[len] == '/');
	}
	*rest = path;
	return root;
}

const struct model_node *model_find(const struct model_node *root, const char *path)
{
	const char *rest;
	const struct model_node *node = walk((struct model_node *)(uintptr_t)root, path, &rest);

	return *rest ? NULL : node;
}

/* Makes what is missing; it inherits the access of the nearest node that is there. */
static struct model_node *make(struct model_node *node, const char *rest)
{
	while (*rest) {
		char name[MODEL_NAME_SIZE] = "";
		size_t len = strcspn(rest, "/");
		ck_assert_uint_lt(len, sizeof(name));
		memcpy(name, rest, len);
		model_append(node, model_new(name, node->access, "", 0));
		node = node->children[node->n_children - 1];
		rest += len + (rest[len] == '/');
	}
	return node;
}

static const char *remove_node(struct model_node *root, const char *path)
{
	const char *rest, *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	char parent_path[MODEL_PATH_SIZE] = "";

	memcpy(parent_path, path, slash ? (size_t)(slash - path) : 0);
	struct model_node *parent = walk(root, parent_path, &rest);
	if (*rest)
		return "ENOENT";
	size_t i = child_index(parent, name, strlen(name));
	if (i == parent->n_children)
		return "";
	model_free(parent->children[i]);
	parent->n_children--;
	memmove(parent->children + i, parent->children + i + 1, (parent->n_children - i) * sizeof(*parent->children));
	return "";
}

const char *model_apply(struct model_node *root, const struct model_change *change)
{
	const char *rest;
	struct model_node *node = walk(root, change->path, &rest);

	switch (change->kind) {
	case MODEL_WRITE:
		set_value(make(node, rest), change->value, change->len);
		return "";
	case MODEL_MKDIR:
		make(node, rest);
		return "";
	case MODEL_REMOVE:
		return remove_node(root, change->path);
	default:
		if (*rest)
			return "ENOENT";
		node->access = change->access;
		return "";
	}
}

void model_print(const struct model_node *root, struct buffer *out)
{
	buffer_printf(out, "%s %c %zu children \"", root->name, root->access, root->n_children);
	buffer_add(out, root->value, root->len);
	buffer_add_string(out, "\"\n");
	for (size_t i = 0; i < root->n_children; i++)
		model_print(root->children[i], out);
}
