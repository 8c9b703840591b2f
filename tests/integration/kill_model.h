/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>

#include "base/buffer.h"

/*
 * What a part of the tree must look like: nodes with value, access of everybody and children in the order of their creation.
 * The functions end the running test where memory runs out.
 */
enum { MODEL_NAME_SIZE = 24, MODEL_PATH_SIZE = 96 };

struct model_node {
	char name[MODEL_NAME_SIZE];
	char access; /* n, r, w or b: of the domains that are not the owner */
	char *value;
	size_t len;
	struct model_node **children;
	size_t n_children, capacity;
};

enum model_kind { MODEL_WRITE, MODEL_MKDIR, MODEL_REMOVE, MODEL_SET_ACCESS, MODEL_KINDS };

/* One request that changes the tree. `path`: from the root of the part, "a/b". */
struct model_change {
	enum model_kind kind;
	char path[MODEL_PATH_SIZE];
	char *value; /* of MODEL_WRITE, owned */
	size_t len;
	char access; /* of MODEL_SET_ACCESS */
};

struct model_node *model_new(const char *name, char access, const void *value, size_t len);
struct model_node *model_copy(const struct model_node *node);
void model_free(struct model_node *node); /* accepts NULL */

/* Becomes the newest child; owned by `parent` then. */
void model_append(struct model_node *parent, struct model_node *child);

/* NULL: none. */
const struct model_node *model_find(const struct model_node *root, const char *path);

/* Does to the tree what XenStore must do and returns the error that it must answer, "" for success. */
const char *model_apply(struct model_node *root, const struct model_change *change);

/* A line for each node with all there is to know of it, children in their order: equal trees have equal lines. */
void model_print(const struct model_node *root, struct buffer *out);
