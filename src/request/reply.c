/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Replies as values, and the names that errors have on the wire (xs_wire.h, xsd_errors).
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "request/request.h"

void reply_set(struct reply *reply, const char *bytes, size_t len)
{
	reply->bytes = bytes;
	reply->len = len;
	reply->is_set = true;
}

void reply_set_string(struct reply *reply, const char *text)
{
	reply_set(reply, text, strlen(text) + 1);
}

int reply_set_number(struct reply *reply, struct arena *arena, uint32_t number)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%" PRIu32, number);
	char *copy = arena_copy(arena, text, (size_t)len);

	if (!copy)
		return STATUS_ENOMEM;
	reply_set(reply, copy, (size_t)len + 1);
	return 0;
}

const char *reply_error_name(int result)
{
	static const char *const names[STATUS_COUNT] = {
	    [STATUS_EINVAL] = "EINVAL", [STATUS_EACCES] = "EACCES",   [STATUS_EEXIST] = "EEXIST",
	    [STATUS_EISDIR] = "EISDIR", [STATUS_ENOENT] = "ENOENT",   [STATUS_ENOMEM] = "ENOMEM",
	    [STATUS_ENOSPC] = "ENOSPC", [STATUS_EIO] = "EIO",	      [STATUS_ENOTEMPTY] = "ENOTEMPTY",
	    [STATUS_ENOSYS] = "ENOSYS", [STATUS_EROFS] = "EROFS",     [STATUS_EBUSY] = "EBUSY",
	    [STATUS_EAGAIN] = "EAGAIN", [STATUS_EISCONN] = "EISCONN", [STATUS_E2BIG] = "E2BIG",
	    [STATUS_EPERM] = "EPERM",
	};

	if (result > 0 && result < STATUS_COUNT)
		return names[result];
	switch (result) {
	case -ENOSPC:
		return names[STATUS_ENOSPC];
	case -ENOMEM:
		return names[STATUS_ENOMEM];
	default:
		return names[STATUS_EIO];
	}
}
