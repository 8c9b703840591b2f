/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A node's key is its path with the last '/' as 0x00 and the others as 0x01. So one lookup finds a node whatever its depth,
 * the children of a directory lie side by side, and so does a whole subtree: all below "/a/b" is between "/a/b" 0x00 and
 * "/a/b" 0x02 (with the '/' before as 0x01), since no character of a path is as low. The root is the child with the empty name.
 *
 * A path that does not fit LMDB's 511 bytes gets 'l', a keyed 128-bit hash of its dirname, then 0x00 and the name, or, if
 * that does not fit either, 0x01 and the hash of the name. Its children then lie side by side too, its subtree does not.
 */
#include "store/key.h"

#include <string.h>

enum { COPY_CHUNK = 16 };

/* Where a path is cut into dirname and name: the offset of the last '/'; the specials have none. */
static size_t last_slash(const struct path *path)
{
	return path_name_offset(path) - 1;
}

static void long_key(const unsigned char hash_key[HASH_KEY_SIZE], const struct path *path, struct key *out)
{
	size_t slash = last_slash(path);
	const char *name = path->text + slash + 1;
	size_t name_len = path->len - slash - 1;
	unsigned char *at = out->bytes;

	*at++ = STORE_KEY_LONG_NODE;
	hash_long(hash_key, path->text, slash, at);
	at += HASH_LONG_SIZE;
	if (2 + HASH_LONG_SIZE + name_len <= STORE_KEY_MAX) {
		*at++ = 0;
		memcpy(at, name, name_len);
		at += name_len;
	} else {
		*at++ = 1;
		hash_long(hash_key, name, name_len, at);
		at += HASH_LONG_SIZE;
	}
	out->len = (size_t)(at - out->bytes);
}

static unsigned char marked(char c)
{
	return c == '/' ? STORE_KEY_SLASH : (unsigned char)c;
}

/* Copies, with every slash as STORE_KEY_SLASH; returns the place behind. Compilers make one vector of a chunk. */
static unsigned char *copy_marked(unsigned char *restrict to, const char *restrict from, size_t len)
{
	size_t i = 0;

	for (; len - i >= COPY_CHUNK; i += COPY_CHUNK) {
		for (size_t j = 0; j < COPY_CHUNK; j++)
			to[i + j] = marked(from[i + j]);
	}
	for (; i < len; i++)
		to[i] = marked(from[i]);
	return to + len;
}

void key_of_path(const unsigned char hash_key[HASH_KEY_SIZE], const struct path *path, struct key *out)
{
	if (1 + path->len > STORE_KEY_MAX && !path_is_special(path)) {
		long_key(hash_key, path, out);
		return;
	}
	out->bytes[0] = STORE_KEY_NODE;
	out->len = 1 + (path->len < STORE_KEY_MAX ? path->len : STORE_KEY_MAX - 1);
	copy_marked(out->bytes + 1, path->text, out->len - 1);
	if (!path_is_special(path))
		out->bytes[1 + last_slash(path)] = STORE_KEY_LAST_SLASH;
}

bool key_is_long(const struct key *key)
{
	return key->bytes[0] == STORE_KEY_LONG_NODE;
}

bool key_of_children(const struct path *path, struct key *out)
{
	size_t dirname_len = path_is_root(path) ? 0 : path->len;

	if (2 + dirname_len >= STORE_KEY_MAX)
		return false;
	out->bytes[0] = STORE_KEY_NODE;
	*copy_marked(out->bytes + 1, path->text, dirname_len) = STORE_KEY_LAST_SLASH;
	out->len = 2 + dirname_len;
	return true;
}

void key_of_long_children(const unsigned char hash_key[HASH_KEY_SIZE], const struct path *path, struct key *out)
{
	out->bytes[0] = STORE_KEY_LONG_NODE;
	hash_long(hash_key, path->text, path_is_root(path) ? 0 : path->len, out->bytes + 1);
	out->len = 1 + HASH_LONG_SIZE;
}

size_t key_to_path(const unsigned char *key, size_t len, char buffer[STORE_KEY_MAX + 1])
{
	size_t n = len - 1;

	for (size_t i = 0; i < n; i++)
		buffer[i] = key[1 + i] <= STORE_KEY_SLASH ? '/' : (char)key[1 + i];
	buffer[n] = 0;
	return n;
}
