/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Paths are completed and checked, sixteen characters at a time since every request comes through here; after that every path
 * in the daemon is absolute and well formed, and the other functions need not look again.
 */
#include "wire/path.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/status.h"

/* Vectors of gcc and clang: each operator works on all characters; a comparison makes all bits or none. */
typedef unsigned char chunk __attribute__((vector_size(PATH_CHUNK)));
typedef signed char chunk_mask __attribute__((vector_size(PATH_CHUNK)));

static chunk_mask is_between(chunk c, unsigned char first, unsigned char last)
{
	return c - first <= (unsigned char)(last - first);
}

/* Are the PATH_CHUNK characters at `text` characters of paths, and none a slash before a slash? */
static bool is_chunk_right(const char *text)
{
	chunk c, next;
	uint64_t wrong[2];

	memcpy(&c, text, sizeof(c));
	memcpy(&next, text + 1, sizeof(next));
	chunk_mask right = is_between(c | 0x20, 'a', 'z') | is_between(c, '/', '9') | (c == '-') | (c == '_') | (c == '@');
	chunk_mask doubled = (c == '/') & (next == '/');
	chunk_mask all = ~right | doubled;
	_Static_assert(sizeof(all) == sizeof(wrong), "a chunk is two words");
	memcpy(wrong, &all, sizeof(wrong));
	return !(wrong[0] | wrong[1]);
}

/* Only characters of paths, no slash behind a slash or at the end (but the root's). Writes behind the text. */
static bool is_well_formed(char *text, size_t len)
{
	if (text[len - 1] == '/' && len > 1)
		return false;
	memset(text + len, 'x', PATH_CHUNK);
	for (size_t at = 0; at < len; at += PATH_CHUNK) {
		if (!is_chunk_right(text + at))
			return false;
	}
	return true;
}

/* The length of "/local/domain/<number>/" where the path begins so, else 0. */
static size_t domain_prefix_len(const char *text, size_t len)
{
	static const char prefix[] = "/local/domain/";
	size_t at = sizeof(prefix) - 1;

	if (len <= at || memcmp(text, prefix, at))
		return 0;
	size_t first_digit = at;
	while (at < len && at - first_digit < 5 && text[at] >= '0' && text[at] <= '9')
		at++;
	return at > first_digit && at < len && text[at] == '/' ? at + 1 : 0;
}

int path_canonicalize(const char *given, size_t len, uint16_t domid, bool specials, size_t limit, char buffer[PATH_BUFFER],
		      struct path *out)
{
	size_t prefix_len = 0;

	if (!len || len > PATH_ABSOLUTE_MAX || (given[0] == '@' && !specials))
		return STATUS_EINVAL;
	if (path_is_relative(given, len)) {
		prefix_len = path_of_domain(domid, buffer);
		buffer[prefix_len++] = '/';
		if (prefix_len + len > PATH_ABSOLUTE_MAX)
			return STATUS_EINVAL;
	}
	memcpy(buffer + prefix_len, given, len);
	if (!is_well_formed(buffer + prefix_len, len))
		return STATUS_EINVAL;
	*out = (struct path){buffer, prefix_len + len};
	buffer[out->len] = 0;
	if (limit && out->len - domain_prefix_len(out->text, out->len) > limit)
		return STATUS_EINVAL;
	return 0;
}

bool path_is_relative(const char *given, size_t len)
{
	return len && given[0] != '/' && given[0] != '@';
}

bool path_is_special(const struct path *path)
{
	return path->text[0] == '@';
}

bool path_is_root(const struct path *path)
{
	return path->len == 1 && path->text[0] == '/';
}

size_t path_parent_len(const struct path *path)
{
	if (path_is_special(path) || path_is_root(path))
		return 0;
	size_t offset = path_name_offset(path);
	return offset > 1 ? offset - 1 : 1;
}

size_t path_name_offset(const struct path *path)
{
	if (path_is_special(path))
		return 0;
	const char *slash = memrchr(path->text, '/', path->len);
	return slash ? (size_t)(slash - path->text) + 1 : 0;
}

bool path_is_below_or_equal(const struct path *path, const struct path *ancestor)
{
	if (path_is_root(ancestor))
		return !path_is_special(path);
	if (path->len < ancestor->len || memcmp(path->text, ancestor->text, ancestor->len))
		return false;
	return path->len == ancestor->len || (path->text[ancestor->len] == '/' && !path_is_special(path));
}

size_t path_of_domain(uint16_t domid, char buffer[PATH_DOMAIN_BUFFER])
{
	return (size_t)snprintf(buffer, PATH_DOMAIN_BUFFER, "/local/domain/%u", domid);
}
