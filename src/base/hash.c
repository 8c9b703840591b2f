/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Thin names over libsodium's SipHash: 64 bits for tables in memory, 128 bits where two strings must never meet.
 */
#include "base/hash.h"

#include <sodium.h>

_Static_assert(HASH_KEY_SIZE == crypto_shorthash_siphash24_KEYBYTES, "key of SipHash");
_Static_assert(HASH_LONG_SIZE == crypto_shorthash_siphashx24_BYTES, "128-bit SipHash");

void hash_key_random(unsigned char key[HASH_KEY_SIZE])
{
	randombytes_buf(key, HASH_KEY_SIZE);
}

uint64_t hash_short(const unsigned char key[HASH_KEY_SIZE], const void *bytes, size_t len)
{
	union {
		unsigned char bytes[crypto_shorthash_siphash24_BYTES];
		uint64_t number;
	} hash;

	crypto_shorthash_siphash24(hash.bytes, bytes, len, key);
	return hash.number;
}

void hash_long(const unsigned char key[HASH_KEY_SIZE], const void *bytes, size_t len, unsigned char out[HASH_LONG_SIZE])
{
	crypto_shorthash_siphashx24(out, bytes, len, key);
}
