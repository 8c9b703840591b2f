/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>

/*
 * The tree that a benchmark's store holds: domains with DEVICES_PER_DOMAIN devices of KEYS_PER_DEVICE keys each,
 * /local/domain/<d>/device/vif/<n>/<key>. Only the keys (the leaves) are written; the directories come with them.
 */
enum { TREE_KEYS_PER_DEVICE = 8, TREE_DEVICES_PER_DOMAIN = 10, TREE_PATH_MAX = 96, TREE_VALUE_MAX = 33 };

/* How many leaves make a tree of at most `nodes` nodes, directories included; at least one. */
size_t tree_leaves(size_t nodes);

/* How many nodes the tree has, from /local down. */
size_t tree_nodes(size_t leaves);

/* The path of a leaf, and of the directory it is in; NUL-terminated, returns its length. */
size_t tree_leaf_path(size_t leaf, char path[TREE_PATH_MAX]);
size_t tree_device_path(size_t leaf, char path[TREE_PATH_MAX]);

/* A leaf's value: 8 to 30 bytes, always the same for the same leaf; NUL-terminated, returns its length. */
size_t tree_value(size_t leaf, char value[TREE_VALUE_MAX]);

/* The `index`th of `count` leaves spread over the whole tree, in no order. */
size_t tree_spread(size_t leaves, size_t index, size_t count);
