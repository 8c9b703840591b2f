/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/*
 * Finds the parts of a JSON document without parsing them, so that a long list takes no memory for all of its elements: each part
 * is parsed by itself, when it is wanted. What is found is only as sound as its parser says then.
 */
struct json_part {
	const char *text;
	size_t len;
};

/* A cursor in an object or an array; begins in front of its bracket. */
struct json_scan {
	const char *at, *end;
	bool begun, failed; /* it is not closed where it should be, or a part of it is not */
};

void json_scan_begin(struct json_scan *scan, const struct json_part *part);

/* The next element of an array; false: there is none, or `failed`. */
bool json_scan_element(struct json_scan *scan, struct json_part *out);

/* The next member of an object: its name, without quotes and as it is written, and its value. */
bool json_scan_member(struct json_scan *scan, struct json_part *name, struct json_part *value);
