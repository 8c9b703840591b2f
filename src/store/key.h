/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/hash.h"
#include "lxenstored/store_format.h"
#include "wire/path.h"

/* Keys of nodes: doc/format.md, "Keys". */
struct key {
	size_t len;
	unsigned char bytes[STORE_KEY_MAX + 1];
};

/* The key of the node at `path` (absolute or special). `hash_key` is the store's. */
void key_of_path(const unsigned char hash_key[HASH_KEY_SIZE], const struct path *path, struct key *out);
bool key_is_long(const struct key *key);

/* What all children of `path` with short (long) keys begin with. False: no child can have a short key, it would not fit. */
bool key_of_children(const struct path *path, struct key *out);
void key_of_long_children(const unsigned char hash_key[HASH_KEY_SIZE], const struct path *path, struct key *out);

/* The path of a short node key, NUL-terminated. Returns its length. */
size_t key_to_path(const unsigned char *key, size_t len, char buffer[STORE_KEY_MAX + 1]);
