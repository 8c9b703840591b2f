/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>

/* Room for `len` bytes made printable, and a NUL. */
#define ESCAPE_SIZE(len) (4 * (len) + 1)

/*
 * Bytes of anybody's as text that a log or a terminal can show: a NUL as \0, other bytes that cannot be printed as \x and two
 * digits, quotes and backslashes with a backslash. `out` has ESCAPE_SIZE(len) bytes.
 */
void escape(const void *bytes, size_t len, char *out);
