/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Paths are checked and completed in one pass over a table of characters; after that every path in the daemon is absolute and
 * well formed, and the other functions need not look again.
 */
#include "wire/path.h"

#include <stdio.h>
#include <string.h>

#include "base/status.h"

/* Only characters of paths, and no slash behind a slash. Without a branch per character: every request comes through here. */
static bool is_well_formed(const char *text, size_t len)
{
	enum { VALID = 1, SLASH = 2 };
	static const unsigned char classes[256] = {
	    ['-'] = VALID,	   ['_'] = VALID,	  ['@'] = VALID,	 ['/'] = VALID | SLASH,
	    ['0' ... '9'] = VALID, ['A' ... 'Z'] = VALID, ['a' ... 'z'] = VALID,
	};
	unsigned class = 0, all = VALID, doubled = 0;

	for (size_t i = 0; i < len; i++) {
		unsigned last = class;
		class = classes[(unsigned char)text[i]];
		all &= class;
		doubled |= class & last & SLASH;
	}
	return all && !doubled && len && (!(class & SLASH) || len == 1);
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

	if (!len || len > PATH_ABSOLUTE_MAX || (given[0] == '@' && !specials) || !is_well_formed(given, len))
		return STATUS_EINVAL;
	if (path_is_relative(given, len)) {
		prefix_len = path_of_domain(domid, buffer);
		buffer[prefix_len++] = '/';
		if (prefix_len + len > PATH_ABSOLUTE_MAX)
			return STATUS_EINVAL;
	}
	memcpy(buffer + prefix_len, given, len);
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
