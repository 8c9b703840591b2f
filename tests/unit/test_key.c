/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Keys of nodes: one for each path, in an order that keeps children and subtrees together, short ones readable. */
#include "store/key.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/random.h"
#include "support/suite.h"

static const unsigned char hash_key[HASH_KEY_SIZE] = "0123456789abcdef";
static const char alphabet[] = "-/0123456789@ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz";

static struct key key_of(const char *text)
{
	struct path path = {text, strlen(text)};
	struct key key;

	key_of_path(hash_key, &path, &key);
	return key;
}

/* A path of `len` bytes whose name has `name_len`; freed by the caller. */
static char *path_of_length(size_t len, size_t name_len)
{
	char *text = malloc(len + 1);

	if (!text)
		abort();
	memset(text, 'x', len);
	text[0] = '/';
	text[len - name_len - 1] = '/';
	text[len] = 0;
	return text;
}

/* LMDB's order. */
static int compare(const struct key *left, const struct key *right)
{
	int order = memcmp(left->bytes, right->bytes, left->len < right->len ? left->len : right->len);

	return order ? order : (left->len > right->len) - (left->len < right->len);
}

static bool begins_with(const struct key *key, const struct key *front)
{
	return key->len >= front->len && !memcmp(key->bytes, front->bytes, front->len);
}

/* ---- single keys ---- */

START_TEST(a_short_key_is_the_path_with_its_slashes_marked)
{
	static const struct {
		const char *path, *key;
		size_t len;
	} cases[] = {
	    {"/", "n\0", 2},
	    {"/a", "n\0a", 3},
	    {"/a/b", "n\1a\0b", 5},
	    {"/local/domain/7", "n\1local\1domain\0007", 16},
	    {"@releaseDomain", "n@releaseDomain", 15},
	    {"@releaseDomain/7", "n@releaseDomain\0017", 17},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct key key = key_of(cases[i].path);
		ck_assert_uint_eq(key.len, cases[i].len);
		ck_assert_mem_eq(key.bytes, cases[i].key, key.len);
		ck_assert(!key_is_long(&key));
	}
}
END_TEST

START_TEST(keys_are_long_from_511_bytes_of_path_on)
{
	static const size_t lengths[] = {509, 510, 511, 512, 513, 1024, 3071, 3072};

	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		char *text = path_of_length(lengths[i], 5);
		struct key key = key_of(text);
		ck_assert_int_eq(key_is_long(&key), lengths[i] >= 511);
		ck_assert_uint_le(key.len, STORE_KEY_MAX);
		if (lengths[i] < 511)
			ck_assert_uint_eq(key.len, lengths[i] + 1);
		free(text);
	}
}
END_TEST

START_TEST(a_long_key_is_the_hash_of_the_directory_and_the_name)
{
	char *text = path_of_length(600, 3);
	struct key key = key_of(text);
	unsigned char hash[HASH_LONG_SIZE];

	hash_long(hash_key, text, 596, hash);
	ck_assert_uint_eq(key.len, 1 + HASH_LONG_SIZE + 1 + 3);
	ck_assert_int_eq(key.bytes[0], 'l');
	ck_assert_mem_eq(key.bytes + 1, hash, HASH_LONG_SIZE);
	ck_assert_mem_eq(key.bytes + 1 + HASH_LONG_SIZE, "\0xxx", 4);
	free(text);
}
END_TEST

START_TEST(a_name_of_more_than_493_bytes_is_hashed_too)
{
	for (size_t name_len = 492; name_len <= 495; name_len++) {
		char *text = path_of_length(1000, name_len);
		struct key key = key_of(text);
		unsigned char hash[HASH_LONG_SIZE];
		bool is_hashed = name_len > 493;
		ck_assert_int_eq(key.bytes[1 + HASH_LONG_SIZE], is_hashed);
		ck_assert_uint_eq(key.len, 2 + HASH_LONG_SIZE + (is_hashed ? HASH_LONG_SIZE : name_len));
		hash_long(hash_key, text + 1000 - name_len, name_len, hash);
		if (is_hashed)
			ck_assert_mem_eq(key.bytes + 2 + HASH_LONG_SIZE, hash, HASH_LONG_SIZE);
		free(text);
	}
}
END_TEST

START_TEST(a_long_name_below_the_root_has_a_long_key)
{
	char *text = path_of_length(600, 599);
	struct path root = {"/", 1};
	struct key key = key_of(text), front;

	ck_assert(key_is_long(&key));
	key_of_long_children(hash_key, &root, &front);
	ck_assert(begins_with(&key, &front));
	free(text);
}
END_TEST

START_TEST(long_keys_depend_on_the_stores_key_and_short_ones_do_not)
{
	static const unsigned char other[HASH_KEY_SIZE] = "another key 1234";
	char *text = path_of_length(600, 3);
	struct path path = {text, 600}, name = {"/a/b", 4};
	struct key with_one, with_other;

	key_of_path(hash_key, &path, &with_one);
	key_of_path(other, &path, &with_other);
	ck_assert_int_ne(compare(&with_one, &with_other), 0);
	key_of_path(hash_key, &name, &with_one);
	key_of_path(other, &name, &with_other);
	ck_assert_int_eq(compare(&with_one, &with_other), 0);
	free(text);
}
END_TEST

START_TEST(children_have_short_keys_as_long_as_one_of_them_fits)
{
	for (size_t len = 505; len <= 512; len++) {
		char *text = path_of_length(len, 3), child[520];
		struct path path = {text, len};
		struct key front, key;
		snprintf(child, sizeof(child), "%s/c", text);
		key = key_of(child);
		ck_assert_int_eq(key_of_children(&path, &front), !key_is_long(&key));
		if (!key_is_long(&key))
			ck_assert(begins_with(&key, &front));
		free(text);
	}
}
END_TEST

START_TEST(the_key_of_a_special_fits_however_long_its_name)
{
	for (size_t len = 509; len <= 3072; len += len < 513 ? 1 : 853) {
		char *text = path_of_length(len, 3);
		text[0] = '@';
		struct key key = key_of(text);
		ck_assert(!key_is_long(&key));
		ck_assert_uint_le(key.len, STORE_KEY_MAX);
		free(text);
	}
}
END_TEST

/* ---- a tree of random paths ---- */

enum { PATHS = 2000, TEXT_SIZE = 900 };

struct entry {
	char text[TEXT_SIZE];
	size_t len;
	struct key key;
};

static struct entry *entries;
static size_t n_entries;
static struct random random_numbers;

/* A name of 1 to `max` characters. */
static size_t random_name(char *out, uint32_t max)
{
	size_t len = 1 + random_below(&random_numbers, max);

	for (size_t i = 0; i < len; i++) {
		do
			out[i] = alphabet[random_below(&random_numbers, sizeof(alphabet) - 1)];
		while (out[i] == '/');
	}
	return len;
}

static int by_key(const void *left, const void *right)
{
	return compare(&((const struct entry *)left)->key, &((const struct entry *)right)->key);
}

static int by_text(const void *left, const void *right)
{
	return strcmp(((const struct entry *)left)->text, ((const struct entry *)right)->text);
}

/* Into `entry`: a path below `parent`, which may be too long for that; then below the root. */
static void random_child(const struct entry *parent, struct entry *entry)
{
	entry->len = parent->len > 1 && parent->len < TEXT_SIZE - 160 ? parent->len : 0;
	memcpy(entry->text, parent->text, entry->len);
	entry->text[entry->len++] = '/';
	entry->len += random_name(entry->text + entry->len, random_below(&random_numbers, 8) ? 3 : 150);
	entry->text[entry->len] = 0;
}

/* Distinct paths, each below another one, many in directories where keys begin to be long; sorted by key. */
static void make_tree(void)
{
	size_t kept = 0;

	entries = calloc(PATHS, sizeof(*entries));
	if (!entries)
		abort();
	random_begin(&random_numbers, "KEY_SEED");
	strcpy(entries[0].text, "/");
	for (n_entries = 1; n_entries < 10; n_entries++)
		snprintf(entries[n_entries].text, TEXT_SIZE, "/%0*d", (int)(503 + n_entries), 0);
	for (size_t i = 0; i < n_entries; i++)
		entries[i].len = strlen(entries[i].text);
	for (; n_entries < PATHS; n_entries++) {
		size_t oldest = random_below(&random_numbers, 2) ? n_entries : 10;
		random_child(&entries[random_below(&random_numbers, (uint32_t)oldest)], &entries[n_entries]);
	}
	qsort(entries, n_entries, sizeof(*entries), by_text);
	for (size_t i = 0; i < n_entries; i++) {
		if (!i || strcmp(entries[kept - 1].text, entries[i].text) != 0)
			entries[kept++] = entries[i];
	}
	n_entries = kept;
	for (size_t i = 0; i < n_entries; i++)
		entries[i].key = key_of(entries[i].text);
	qsort(entries, n_entries, sizeof(*entries), by_key);
}

static void free_tree(void)
{
	free(entries);
}

static bool is_child(const struct entry *entry, const struct path *directory)
{
	struct path path = {entry->text, entry->len};

	return !path_is_root(&path) && path_parent_len(&path) == directory->len &&
	       !memcmp(path.text, directory->text, directory->len);
}

static bool is_below(const struct entry *entry, const struct path *directory)
{
	struct path path = {entry->text, entry->len};

	return path.len != directory->len && path_is_below_or_equal(&path, directory);
}

START_TEST(distinct_paths_never_share_a_key)
{
	for (size_t i = 1; i < n_entries; i++)
		if (!compare(&entries[i - 1].key, &entries[i].key))
			ck_abort_msg("%s and %s", entries[i - 1].text, entries[i].text);
}
END_TEST

START_TEST(a_short_key_tells_its_path)
{
	char text[STORE_KEY_MAX + 1];

	for (size_t i = 0; i < n_entries; i++) {
		if (key_is_long(&entries[i].key))
			continue;
		size_t len = key_to_path(entries[i].key.bytes, entries[i].key.len, text);
		if (len != entries[i].len || strcmp(text, entries[i].text) != 0)
			ck_abort_msg("%s became %s", entries[i].text, text);
	}
}
END_TEST

START_TEST(specials_are_told_by_their_keys)
{
	static const char *const specials[] = {"@introduceDomain", "@releaseDomain", "@releaseDomain/12", "@"};
	char text[STORE_KEY_MAX + 1];

	for (size_t i = 0; i < sizeof(specials) / sizeof(specials[0]); i++) {
		struct key key = key_of(specials[i]);
		ck_assert_uint_eq(key_to_path(key.bytes, key.len, text), strlen(specials[i]));
		ck_assert_str_eq(text, specials[i]);
	}
}
END_TEST

/* Of those with keys of one kind the wanted ones must lie side by side; returns how many there were. */
static size_t count_together(const struct path *directory, bool is_long,
			     bool (*wanted)(const struct entry *entry, const struct path *directory))
{
	size_t n = 0;
	bool has_ended = false, is_root = path_is_root(directory);

	for (size_t i = 0; i < n_entries; i++) {
		if (key_is_long(&entries[i].key) != is_long)
			continue;
		if (!wanted(&entries[i], directory)) {
			has_ended = n > 0;
			continue;
		}
		if (has_ended && !is_root)
			ck_abort_msg("%s lies apart from what is in %.*s", entries[i].text, (int)directory->len, directory->text);
		n++;
	}
	return n;
}

START_TEST(the_children_of_a_directory_lie_side_by_side)
{
	size_t n_short = 0, n_long = 0;

	for (size_t i = 0; i < n_entries; i++) {
		struct path directory = {entries[i].text, entries[i].len};
		n_short += count_together(&directory, false, is_child);
		n_long += count_together(&directory, true, is_child);
	}
	ck_assert_uint_gt(n_short, 100);
	ck_assert_uint_gt(n_long, 100);
}
END_TEST

START_TEST(a_subtree_lies_side_by_side_as_far_as_its_keys_are_short)
{
	size_t n = 0;

	for (size_t i = 0; i < n_entries; i++) {
		struct path directory = {entries[i].text, entries[i].len};
		n += count_together(&directory, false, is_below);
	}
	ck_assert_uint_gt(n, 100);
}
END_TEST

START_TEST(what_keys_of_children_begin_with_is_the_childrens_alone)
{
	for (size_t i = 0; i < n_entries; i++) {
		struct path directory = {entries[i].text, entries[i].len};
		struct key short_front, long_front;
		bool has_short = key_of_children(&directory, &short_front);
		key_of_long_children(hash_key, &directory, &long_front);
		for (size_t k = 0; k < n_entries; k++) {
			bool begins = (has_short && begins_with(&entries[k].key, &short_front)) ||
				      begins_with(&entries[k].key, &long_front);
			bool is_root_itself = entries[k].len == 1 && directory.len == 1;
			if (!is_root_itself && begins != is_child(&entries[k], &directory))
				ck_abort_msg("%s in %s", entries[k].text, directory.text);
		}
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("key");
	TCase *single = tcase_create("single keys"), *trees = tcase_create("trees");

	tcase_add_test(single, a_short_key_is_the_path_with_its_slashes_marked);
	tcase_add_test(single, keys_are_long_from_511_bytes_of_path_on);
	tcase_add_test(single, a_long_key_is_the_hash_of_the_directory_and_the_name);
	tcase_add_test(single, a_name_of_more_than_493_bytes_is_hashed_too);
	tcase_add_test(single, a_long_name_below_the_root_has_a_long_key);
	tcase_add_test(single, long_keys_depend_on_the_stores_key_and_short_ones_do_not);
	tcase_add_test(single, children_have_short_keys_as_long_as_one_of_them_fits);
	tcase_add_test(single, the_key_of_a_special_fits_however_long_its_name);
	tcase_add_checked_fixture(trees, make_tree, free_tree);
	tcase_set_timeout(trees, 60);
	tcase_add_test(trees, distinct_paths_never_share_a_key);
	tcase_add_test(trees, a_short_key_tells_its_path);
	tcase_add_test(trees, specials_are_told_by_their_keys);
	tcase_add_test(trees, the_children_of_a_directory_lie_side_by_side);
	tcase_add_test(trees, a_subtree_lies_side_by_side_as_far_as_its_keys_are_short);
	tcase_add_test(trees, what_keys_of_children_begin_with_is_the_childrens_alone);
	suite_add_tcase(suite, single);
	suite_add_tcase(suite, trees);
	return suite_run(suite);
}
