/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The payload is taken as a row of strings that end with NULs. */
#include "differences/arguments.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire/message.h"

enum { ABSOLUTE_MAX = 3072, RELATIVE_MAX = 2048 };

/* The string at *at, which goes behind it; NULL: none that has an end. */
static const char *next_string(const struct script_step *step, size_t *at)
{
	const char *string = step->payload + *at;
	const char *end = *at < step->len ? memchr(string, 0, step->len - *at) : NULL;

	if (!end)
		return NULL;
	*at = (size_t)(end - step->payload) + 1;
	return string;
}

static bool has_special_paths(uint32_t type)
{
	return type == MESSAGE_GET_PERMS || type == MESSAGE_SET_PERMS || type == MESSAGE_WATCH || type == MESSAGE_UNWATCH;
}

static bool is_bad_path(const struct script_step *step, const char *path)
{
	size_t len = strlen(path);
	bool is_special = *path == '@', is_relative = *path != '/' && !is_special;

	for (const char *at = path; *at; at++) {
		if (!isalnum((unsigned char)*at) && !strchr("-/_@", *at))
			return true;
	}
	return !len || (is_special && !has_special_paths(step->type)) || strstr(path, "//") ||
	       (len > 1 && path[len - 1] == '/') || len > (is_relative ? RELATIVE_MAX : ABSOLUTE_MAX);
}

bool arguments_have_bad_path(const struct script_step *step)
{
	size_t at = 0;
	const char *path = next_string(step, &at);
	bool is_only = step->type == MESSAGE_READ || step->type == MESSAGE_DIRECTORY || step->type == MESSAGE_GET_PERMS ||
		       step->type == MESSAGE_MKDIR || step->type == MESSAGE_RM;

	return !path || is_bad_path(step, path) || (is_only && at != step->len);
}

/* The largest number that may be the argument `i`; 0: it is no number. */
static unsigned long largest_number(uint32_t type, size_t i)
{
	switch (type) {
	case MESSAGE_DIRECTORY_PART:
		return i ? UINT32_MAX : 0;
	case MESSAGE_INTRODUCE:
		return i == 0 ? UINT16_MAX : i == 2 ? UINT32_MAX : 0;
	default:
		return UINT16_MAX;
	}
}

static size_t most_arguments(uint32_t type)
{
	return type == MESSAGE_INTRODUCE ? SIZE_MAX : type == MESSAGE_DIRECTORY_PART || type == MESSAGE_SET_TARGET ? 2 : 1;
}

bool arguments_have_bad_number(const struct script_step *step)
{
	size_t at = 0, n = 0;
	const char *string;

	for (; (string = next_string(step, &at)); n++) {
		unsigned long largest = largest_number(step->type, n);
		bool is_number = *string && !string[strspn(string, "0123456789")] && strlen(string) < 11;
		if (largest && (!is_number || strtoul(string, NULL, 10) > largest))
			return true;
	}
	return at < step->len || n > most_arguments(step->type);
}

bool arguments_name_bad_domain(const struct script_step *step)
{
	size_t at = 0;
	const char *string;

	next_string(step, &at);
	while ((string = next_string(step, &at))) {
		if (*string && (string[1] == '-' || strtoul(string + 1, NULL, 10) > UINT16_MAX))
			return true;
	}
	return false;
}

void arguments_path(const struct script_step *step, char out[ARGUMENTS_PATH])
{
	size_t at = 0;
	const char *path = next_string(step, &at);
	unsigned domid = script_client_is_guest(step->client) ? script_client_domid(step->client) : 0;

	if (!path || *path == '/' || *path == '@')
		snprintf(out, ARGUMENTS_PATH, "%s", path ? path : "");
	else
		snprintf(out, ARGUMENTS_PATH, "/local/domain/%u/%s", domid, path);
}

bool arguments_is_below(const char *path, const char *ancestor)
{
	size_t len = strlen(ancestor);

	return !strcmp(ancestor, "/") || (!strncmp(path, ancestor, len) && (!path[len] || path[len] == '/'));
}
