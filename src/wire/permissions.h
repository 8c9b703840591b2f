/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"

/* Domain numbers with a meaning of their own; values of xen/include/public/xen.h. */
enum {
	DOMID_PRIVILEGED = 0,
	DOMID_FIRST_RESERVED_NUMBER = 0x7FF0,
	DOMID_SELF_NUMBER = 0x7FF0,
	DOMID_ANY_NUMBER = 0x7FF5,
	DOMID_NONE = 0x7FF4 /* DOMID_INVALID: "no target" */
};

enum { PERMISSION_NONE = 0, PERMISSION_READ = 1, PERMISSION_WRITE = 2, PERMISSION_OWNER = 4 };

/*
 * One entry of a node's permissions. Entry 0 names the owner and the rights of all who are not named. Packed, because
 * records of the store hold them at any address (doc/format.md).
 */
struct permission {
	uint16_t domid;
	uint8_t access; /* PERMISSION_READ | PERMISSION_WRITE */
	uint8_t reserved;
} __attribute__((packed));

/* On whose behalf something is done. */
struct caller {
	uint16_t domid;
	uint16_t target; /* the domain it may act for (SET_TARGET), or DOMID_NONE */
	bool privileged;
};

/*
 * What the caller may do: PERMISSION_* bits. The privileged, the owner and who has the owner as target: all. Else the first
 * entry that names the caller or its target; else an entry for DOMID_ANY_NUMBER; else entry 0's rights for others.
 */
unsigned permissions_for(const struct permission *permissions, size_t n, const struct caller *caller);

/*
 * Decodes "<letter><domid>" strings, each with its NUL, that fill `len` bytes exactly (SET_PERMS). At most `max` entries.
 * *n: entries written. STATUS_EINVAL: none at all, no NUL at the end, a letter other than w r b n, a domid that is no
 * decimal number up to 65535; STATUS_ENOSPC: more than max.
 */
int permissions_parse(const char *bytes, size_t len, struct permission *out, size_t max, size_t *n);

/* One entry as "r7" without NUL; 8 bytes are enough. Returns its length. */
enum { PERMISSION_TEXT_MAX = 8 };
size_t permission_format(const struct permission *permission, char out[PERMISSION_TEXT_MAX]);

/* All entries, each with its NUL, as GET_PERMS answers. */
void permissions_format(const struct permission *permissions, size_t n, struct buffer *out);
