/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>
#include <stdint.h>

/*
 * Keyed hashes (SipHash, from libsodium): whoever does not know the key cannot choose colliding strings, so a guest cannot
 * make lookups slow.
 */
enum { HASH_KEY_SIZE = 16, HASH_LONG_SIZE = 16 };

void hash_key_random(unsigned char key[HASH_KEY_SIZE]);
uint64_t hash_short(const unsigned char key[HASH_KEY_SIZE], const void *bytes, size_t len);
void hash_long(const unsigned char key[HASH_KEY_SIZE], const void *bytes, size_t len, unsigned char out[HASH_LONG_SIZE]);
