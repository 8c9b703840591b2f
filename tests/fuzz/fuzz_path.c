/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Five bytes of circumstances (domid, limit, specials), then a path: in its absolute form and as a key. */
#include <string.h>

#include "fuzz/fuzz.h"
#include "store/key.h"
#include "wire/path.h"

static const unsigned char hash_key[HASH_KEY_SIZE] = "0123456789abcdef";

static void check_parts(const struct path *path)
{
	struct path parent = {path->text, path_parent_len(path)};
	size_t name = path_name_offset(path);

	must(name <= path->len);
	if (path_is_special(path))
		must(!name && !parent.len);
	else
		must(path->text[name - 1] == '/' && !memchr(path->text + name, '/', path->len - name));
	must(path_is_below_or_equal(path, path));
	if (parent.len) {
		must(parent.len < path->len && path_is_below_or_equal(path, &parent) && !path_is_below_or_equal(&parent, path));
		must(name == parent.len + !path_is_root(&parent));
	}
}

static void check_key(const struct path *path)
{
	char text[STORE_KEY_MAX + 1];
	struct key key;

	key_of_path(hash_key, path, &key);
	must(key.len > 1 && key.len <= STORE_KEY_MAX);
	must(key_is_long(&key) == (path->len >= STORE_KEY_MAX && !path_is_special(path)));
	if (path->len >= STORE_KEY_MAX)
		return;
	must(key_to_path(key.bytes, key.len, text) == path->len);
	must(!memcmp(text, path->text, path->len + 1));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char buffer[PATH_BUFFER], again[PATH_BUFFER];
	struct path path, same;

	if (size < 5)
		return 0;
	uint16_t domid = (uint16_t)(data[0] | data[1] << 8);
	size_t limit = (size_t)(data[2] | data[3] << 8);
	const char *given = (const char *)data + 5;
	size_t len = size - 5;

	if (path_canonicalize(given, len, domid, data[4] & 1, limit, buffer, &path))
		return 0;
	must(path.text == buffer && path.len && path.len <= PATH_ABSOLUTE_MAX && strlen(buffer) == path.len);
	must(path.len >= len && !memcmp(buffer + path.len - len, given, len));
	must(path.text[0] == '/' || (path_is_special(&path) && data[4] & 1));
	must((path.len > len) == path_is_relative(given, len));
	must(!path_canonicalize(path.text, path.len, (uint16_t)(domid + 1), data[4] & 1, limit, again, &same));
	must(same.len == path.len && !memcmp(again, buffer, path.len + 1));
	check_parts(&path);
	check_key(&path);
	return 0;
}
