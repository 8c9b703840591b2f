/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A thin name over libsodium's encoder and decoder.
 */
#include "base/base64.h"

#include <sodium.h>
#include <stdlib.h>

enum { VARIANT = sodium_base64_VARIANT_ORIGINAL, PIECE = 300 /* bytes, a multiple of 3 */ };

void base64_add(struct buffer *buffer, const void *bytes, size_t len)
{
	const unsigned char *at = bytes;
	char text[sodium_base64_ENCODED_LEN(PIECE, VARIANT)];

	while (len) {
		size_t piece = len < PIECE ? len : PIECE;
		sodium_bin2base64(text, sizeof(text), at, piece, VARIANT);
		buffer_add_string(buffer, text);
		at += piece;
		len -= piece;
	}
}

bool base64_decode(struct buffer *buffer, const char *text, size_t len)
{
	size_t size = len / 4 * 3, decoded;
	unsigned char *bytes = malloc(size + 1);
	bool sound = bytes && !sodium_base642bin(bytes, size, text, len, NULL, &decoded, NULL, VARIANT);

	if (sound)
		buffer_add(buffer, bytes, decoded);
	else if (!bytes)
		buffer->failed = true;
	free(bytes);
	return sound && !buffer->failed;
}
