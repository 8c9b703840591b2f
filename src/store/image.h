/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "store/node.h"
#include "store/reader.h"
#include "wire/path.h"

/*
 * A copy of a subtree in memory, so that whoever shows it, however slowly, keeps nothing of the store from going on. The nodes
 * are in the order in which a walk by DIRECTORY meets them: siblings as they were created, each with all below it. At the end
 * of a copy of "/" stand the special nodes, and then the orphans, with all below them: nodes whose parent was not found.
 */
struct image_record;

struct image {
	size_t n_nodes;
	size_t n_orphans; /* of these */
	size_t n_damaged; /* records that cannot be a node's and are left out */

	struct arena memory;
	struct image_record **records; /* in the order of their keys */
	uint32_t *order;	       /* indexes of `records` */
};

struct image_node {
	struct path path;
	struct node node;
	bool orphan;
	char buffer[STORE_KEY_MAX + 1];
};

/*
 * Copies the node at `path` and all below it; `records` is begun, with a reader, and stays so. 0; STATUS_ENOENT: there is no such
 * node; -EIO: the file is damaged, records->problem says how, and what could be read is in *out; another -errno. In any case
 * image_deinit.
 */
int image_read(struct reader_walk *records, const struct path *path, struct image *out);
void image_deinit(struct image *image); /* accepts a zeroed one */

/* The node at place `index`, below n_nodes. What *out points to is the image's, or in *out itself. */
void image_node(const struct image *image, size_t index, struct image_node *out);

/* The node at this path, which is one with a short key (up to some 500 bytes). False: it is not in the image. */
bool image_find(const struct image *image, const struct path *path, struct image_node *out);
