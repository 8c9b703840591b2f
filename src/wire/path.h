/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Paths: docs/misc/xenstore.txt, introduction. */
enum {
	PATH_ABSOLUTE_MAX = 3072, /* XENSTORE_ABS_PATH_MAX; bytes without the NUL */
	PATH_RELATIVE_MAX = 2048, /* XENSTORE_REL_PATH_MAX: of what follows /local/domain/<domid>/ */
	PATH_CHUNK = 16,	  /* characters that are checked at once */
	PATH_BUFFER = PATH_ABSOLUTE_MAX + PATH_CHUNK + 1
};

/*
 * A path in its absolute form: the first `len` bytes of `text`, which belongs to somebody else. What path_canonicalize makes
 * has a NUL behind it; the path of an ancestor, being the front of another path, has not.
 */
struct path {
	const char *text;
	size_t len;
};

/*
 * Checks `given` (len bytes, no NUL among them) and writes its absolute form, NUL-terminated, to `buffer`.
 * A path that begins with neither '/' nor '@' is taken below /local/domain/<domid>/. `specials` allows @names.
 * `limit` is the path-max quota for the part behind "/local/domain/<number>/" (or the whole, if it is not there);
 * 0: only PATH_ABSOLUTE_MAX counts, as for the privileged.
 * Returns 0 or STATUS_EINVAL: empty, characters other than A-Za-z0-9-/_@, doubled or trailing slash, too long.
 */
int path_canonicalize(const char *given, size_t len, uint16_t domid, bool specials, size_t limit, char buffer[PATH_BUFFER],
		      struct path *out);

bool path_is_relative(const char *given, size_t len); /* neither '/' nor '@' first */
bool path_is_special(const struct path *path);	      /* '@' first */
bool path_is_root(const struct path *path);

/* The path's parent: its length; "/" for children of the root. Not for the root and for specials: returns 0. */
size_t path_parent_len(const struct path *path);

/* The last component: offset of its first byte. 0 for specials, 1 for the root (the empty name behind the slash). */
size_t path_name_offset(const struct path *path);

/* xenstore.txt's "<child>": identical, or below. A special is only below itself. */
bool path_is_below_or_equal(const struct path *path, const struct path *ancestor);

/* "/local/domain/<domid>" */
enum { PATH_DOMAIN_BUFFER = 32 };
size_t path_of_domain(uint16_t domid, char buffer[PATH_DOMAIN_BUFFER]);
