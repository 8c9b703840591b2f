/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The hashes are SipHash-2-4, by the vectors that its authors published, and every key gives another one. */
#include "base/hash.h"

#include <check.h>
#include <string.h>

#include "support/suite.h"

static const unsigned char ordered_key[HASH_KEY_SIZE] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
static const unsigned char ordered[15] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14};

START_TEST(the_short_hash_is_siphash_of_64_bits)
{
	ck_assert_uint_eq(hash_short(ordered_key, ordered, 15), UINT64_C(0xa129ca6149be45e5));
	ck_assert_uint_eq(hash_short(ordered_key, ordered, 0), UINT64_C(0x726fdb47dd0e0e31));
}
END_TEST

START_TEST(the_long_hash_is_siphash_of_128_bits)
{
	static const unsigned char of_none[] = {0xa3, 0x81, 0x7f, 0x04, 0xba, 0x25, 0xa8, 0xe6,
						0x6d, 0xf6, 0x72, 0x14, 0xc7, 0x55, 0x02, 0x93};
	static const unsigned char of_one[] = {0xda, 0x87, 0xc1, 0xd8, 0x6b, 0x99, 0xaf, 0x44,
					       0x34, 0x76, 0x59, 0x11, 0x9b, 0x22, 0xfc, 0x45};
	unsigned char hash[HASH_LONG_SIZE];

	hash_long(ordered_key, ordered, 0, hash);
	ck_assert_mem_eq(hash, of_none, sizeof(hash));
	hash_long(ordered_key, ordered, 1, hash);
	ck_assert_mem_eq(hash, of_one, sizeof(hash));
}
END_TEST

START_TEST(nothing_can_be_hashed_without_a_pointer)
{
	unsigned char hash[HASH_LONG_SIZE], other[HASH_LONG_SIZE];

	ck_assert_uint_eq(hash_short(ordered_key, NULL, 0), hash_short(ordered_key, "", 0));
	hash_long(ordered_key, NULL, 0, hash);
	hash_long(ordered_key, "", 0, other);
	ck_assert_mem_eq(hash, other, sizeof(hash));
}
END_TEST

START_TEST(every_bit_of_the_key_counts)
{
	unsigned char hash[HASH_LONG_SIZE], other[HASH_LONG_SIZE];

	hash_long(ordered_key, "a", 1, hash);
	for (unsigned bit = 0; bit < 8 * HASH_KEY_SIZE; bit++) {
		unsigned char key[HASH_KEY_SIZE];
		memcpy(key, ordered_key, sizeof(key));
		key[bit / 8] = (unsigned char)(key[bit / 8] ^ 1 << bit % 8);
		hash_long(key, "a", 1, other);
		if (hash_short(key, "a", 1) == hash_short(ordered_key, "a", 1) || !memcmp(hash, other, sizeof(hash)))
			ck_abort_msg("bit %u of the key does not count", bit);
	}
}
END_TEST

START_TEST(random_keys_differ)
{
	unsigned char keys[64][HASH_KEY_SIZE];

	for (int i = 0; i < 64; i++) {
		hash_key_random(keys[i]);
		for (int k = 0; k < i; k++)
			if (!memcmp(keys[i], keys[k], HASH_KEY_SIZE))
				ck_abort_msg("keys %d and %d are the same", k, i);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("hash");
	TCase *cases = tcase_create("hash");

	tcase_add_test(cases, the_short_hash_is_siphash_of_64_bits);
	tcase_add_test(cases, the_long_hash_is_siphash_of_128_bits);
	tcase_add_test(cases, nothing_can_be_hashed_without_a_pointer);
	tcase_add_test(cases, every_bit_of_the_key_counts);
	tcase_add_test(cases, random_keys_differ);
	suite_add_tcase(suite, cases);
	return suite_run(suite);
}
