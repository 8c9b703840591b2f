/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The tree as it must be, and as a dead daemon's file has it. Nodes are known by their absolute path and kept in its order. A
 * node also tells who has changed it last: in the model the number of the request, in a file its generations. Functions end the
 * process where memory runs out.
 */
struct plain_node {
	char *path;
	char *permissions; /* "n5 r6" */
	char *value;
	size_t len;
	unsigned by;		 /* of a model */
	uint64_t generations[3]; /* of a file: of creation, value, permissions */
};

struct nodes {
	struct plain_node *all;
	size_t n, capacity;
};

void nodes_free(struct nodes *nodes); /* accepts a zeroed one */

struct plain_node *nodes_find(const struct nodes *nodes, const char *path); /* NULL: none */

/* The node and what is missing above it is there afterwards; those that are new have the permissions of the one above. */
struct plain_node *nodes_make(struct nodes *nodes, const char *path, unsigned by);
void node_is_written(struct plain_node *node, const void *value, size_t len, unsigned by);
void node_is_permitted(struct plain_node *node, const char *permissions, unsigned by);

/* With all below it. */
void nodes_remove(struct nodes *nodes, const char *path);

/* `path` or below it. */
bool is_in(const char *path, const char *top);

/* A copy of what is in one of the `n` places. */
void nodes_copy(const struct nodes *nodes, const char *const places[], size_t n, struct nodes *out);

/* NULL: they have the same nodes; else the path of one that is not the same. */
const char *nodes_difference(const struct nodes *a, const struct nodes *b);

/* Of a file that no daemon has open. False, and `why`: it is not sound. */
enum { NODES_WHY_SIZE = 640 };
bool nodes_read(const char *store, struct nodes *out, char why[NODES_WHY_SIZE]);
