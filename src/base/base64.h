/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>

#include "base/buffer.h"

/* Adds the bytes in base64 (RFC 4648, section 4, with padding). */
void base64_add(struct buffer *buffer, const void *bytes, size_t len);
