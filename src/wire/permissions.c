/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Permissions as text ("w1", "r2", "b3", "n0") and as a decision.
 */
#include "wire/permissions.h"

#include <stdio.h>
#include <string.h>

#include "base/status.h"

static bool is_caller(uint16_t domid, const struct caller *caller)
{
	return domid == caller->domid || (domid == caller->target && caller->target != DOMID_NONE);
}

unsigned permissions_for(const struct permission *permissions, size_t n, const struct caller *caller)
{
	const unsigned all = PERMISSION_READ | PERMISSION_WRITE | PERMISSION_OWNER;
	unsigned others = permissions[0].access;

	if (caller->privileged || is_caller(permissions[0].domid, caller))
		return all;
	for (size_t i = 1; i < n; i++) {
		if (is_caller(permissions[i].domid, caller))
			return permissions[i].access;
	}
	for (size_t i = 1; i < n; i++) {
		if (permissions[i].domid == DOMID_ANY_NUMBER)
			return permissions[i].access;
	}
	return others;
}

static int parse_one(const char *text, size_t len, struct permission *out)
{
	uint32_t number = 0;

	*out = (struct permission){0};
	switch (len > 1 ? text[0] : 0) {
	case 'w':
		out->access = PERMISSION_WRITE;
		break;
	case 'r':
		out->access = PERMISSION_READ;
		break;
	case 'b':
		out->access = PERMISSION_READ | PERMISSION_WRITE;
		break;
	case 'n':
		break;
	default:
		return STATUS_EINVAL;
	}
	for (size_t i = 1; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return STATUS_EINVAL;
		number = number * 10 + (uint32_t)(text[i] - '0');
		if (number > UINT16_MAX)
			return STATUS_EINVAL;
	}
	out->domid = (uint16_t)number;
	return 0;
}

int permissions_parse(const char *bytes, size_t len, struct permission *out, size_t max, size_t *n)
{
	struct reader reader;

	reader_init(&reader, bytes, len);
	for (*n = 0; reader_left(&reader); (*n)++) {
		size_t text_len;
		const char *text = reader_string(&reader, &text_len);
		if (!text)
			return STATUS_EINVAL;
		if (*n == max)
			return STATUS_ENOSPC;
		int result = parse_one(text, text_len, &out[*n]);
		if (result)
			return result;
	}
	return *n ? 0 : STATUS_EINVAL;
}

size_t permission_format(const struct permission *permission, char out[PERMISSION_TEXT_MAX])
{
	return (size_t)snprintf(out, PERMISSION_TEXT_MAX, "%c%u", "nrwb"[permission->access & 3], permission -> domid);
}

void permissions_format(const struct permission *permissions, size_t n, struct buffer *out)
{
	for (size_t i = 0; i < n; i++) {
		char text[PERMISSION_TEXT_MAX];
		buffer_add(out, text, permission_format(&permissions[i], text));
		buffer_add_nul(out);
	}
}
