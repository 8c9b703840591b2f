/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A value ends where its brackets are closed; in strings brackets mean nothing, nor quotes behind a backslash. */
#include "json_scan.h"

#include <string.h>

void json_scan_begin(struct json_scan *scan, const struct json_part *part)
{
	*scan = (struct json_scan){.at = part->text, .end = part->text + part->len};
}

static void skip_space(struct json_scan *scan)
{
	while (scan->at < scan->end && memchr(" \t\r\n", *scan->at, 4))
		scan->at++;
}

/* Takes this character, behind white space. */
static bool take(struct json_scan *scan, char wanted)
{
	skip_space(scan);
	if (scan->at == scan->end || *scan->at != wanted)
		return false;
	scan->at++;
	return true;
}

/* Behind a string's closing quote; the cursor is on the opening one. */
static void skip_string(struct json_scan *scan)
{
	for (scan->at++; scan->at < scan->end && *scan->at != '"'; scan->at++) {
		if (*scan->at == '\\' && scan->at + 1 < scan->end)
			scan->at++;
	}
	if (scan->at == scan->end)
		scan->failed = true;
	else
		scan->at++;
}

static bool take_value(struct json_scan *scan, struct json_part *out)
{
	size_t depth = 0;

	skip_space(scan);
	const char *begin = scan->at;
	while (scan->at < scan->end && !scan->failed) {
		char letter = *scan->at;
		if (letter == '"') {
			skip_string(scan);
			continue;
		}
		if (!depth && memchr(",]}", letter, 3))
			break;
		depth += letter == '[' || letter == '{';
		depth -= letter == ']' || letter == '}';
		scan->at++;
	}
	*out = (struct json_part){begin, (size_t)(scan->at - begin)};
	scan->failed |= depth || !out->len;
	return !scan->failed;
}

/* Before the next part: the opening bracket, or a comma. False: there is none. */
static bool advance(struct json_scan *scan, char open, char close)
{
	bool first = !scan->begun;

	if (scan->failed)
		return false;
	scan->begun = true;
	if (first && !take(scan, open)) {
		scan->failed = true;
		return false;
	}
	if (take(scan, close)) {
		skip_space(scan);
		scan->failed = scan->at != scan->end;
		return false;
	}
	if (!first && !take(scan, ','))
		scan->failed = true;
	return !scan->failed;
}

bool json_scan_element(struct json_scan *scan, struct json_part *out)
{
	return advance(scan, '[', ']') && take_value(scan, out);
}

bool json_scan_member(struct json_scan *scan, struct json_part *name, struct json_part *value)
{
	if (!advance(scan, '{', '}'))
		return false;
	skip_space(scan);
	const char *begin = scan->at;
	if (begin == scan->end || *begin != '"') {
		scan->failed = true;
		return false;
	}
	skip_string(scan);
	if (scan->failed || !take(scan, ':')) {
		scan->failed = true;
		return false;
	}
	*name = (struct json_part){begin + 1,
				   (size_t)((const char *)memchr(begin + 1, '"', (size_t)(scan->at - begin - 1)) - begin - 1)};
	return take_value(scan, value);
}
