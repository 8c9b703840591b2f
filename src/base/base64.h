/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"

/* Adds the bytes in base64 (RFC 4648, section 4, with padding). */
void base64_add(struct buffer *buffer, const void *bytes, size_t len);

/* Adds what the text says. False: it is no base64 of that kind, or memory has run out (the buffer's error); nothing is added. */
bool base64_decode(struct buffer *buffer, const char *text, size_t len);
