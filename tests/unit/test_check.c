/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The check of a store: what it finds, and that a damaged file ends in an answer, whatever the damage. */
#include "store/check.h"

#include <check.h>
#include <errno.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/key.h"
#include "store/node.h"
#include "support/random.h"
#include "support/store_file.h"
#include "support/suite.h"

enum { PAGE_SIZE = 4096, LONG_NAME = 600 };

static struct store_file file;
static struct check_verdict verdict;
static char long_path[LONG_NAME + 8], below_long_path[LONG_NAME + 16];

static void setup(void)
{
	store_file_init(&file);
	snprintf(long_path, sizeof(long_path), "/a/%0*d", LONG_NAME, 7);
	snprintf(below_long_path, sizeof(below_long_path), "%s/below", long_path);
	store_file_create(&file, "/a", NULL, "", 0);
	store_file_create(&file, "/a/b", "n1 r0", "value", 5);
	store_file_create(&file, "/a/b/c", "b3", "", 0);
	store_file_create(&file, long_path, "n1", "long", 4);
	store_file_create(&file, below_long_path, NULL, "x", 1);
}

static void teardown(void)
{
	store_file_deinit(&file);
}

/* Of the file as it is now. */
static enum check_result check(const char *boot_id)
{
	store_file_close(&file);
	memset(&verdict, 0xff, sizeof(verdict));
	ck_assert_int_eq(check_file(file.path, boot_id, &verdict), 0);
	return verdict.result;
}

/* Damage is found, and the first thing told has these words. */
static void expect_damage(const char *words)
{
	ck_assert_int_eq(check(NULL), CHECK_DAMAGED);
	ck_assert_msg(strstr(verdict.text, words), "\"%s\" does not say \"%s\"", verdict.text, words);
}

static void expect_one_problem(const char *words)
{
	expect_damage(words);
	ck_assert_uint_eq(verdict.problems, 1);
}

static struct key key_of(const char *text)
{
	struct path path = {text, strlen(text)};
	struct key key;

	key_of_path(file.store->meta.hash_key, &path, &key);
	return key;
}

/* The record of a node, for the test to change and put back, under this key or another one's. */
static unsigned char *record_of(const char *path, size_t *len)
{
	struct key key = key_of(path);

	return store_file_get(&file, key.bytes, key.len, len);
}

static void put_record(const char *path, unsigned char *record, size_t len)
{
	struct key key = key_of(path);

	store_file_put(&file, key.bytes, key.len, record, len);
	free(record);
}

/* ---- sound ones ---- */

START_TEST(a_store_as_the_daemon_makes_it_is_sound)
{
	ck_assert_int_eq(check(STORE_FILE_BOOT_ID), CHECK_SOUND);
	ck_assert_str_eq(verdict.text, "");
	ck_assert_uint_eq(verdict.problems, 0);
	ck_assert_uint_eq(verdict.nodes, 10);
	ck_assert(verdict.one_moment);
}
END_TEST

START_TEST(a_store_after_removals_is_sound)
{
	store_file_remove(&file, "/a");
	ck_assert_int_eq(check(STORE_FILE_BOOT_ID), CHECK_SOUND);
	ck_assert_uint_eq(verdict.nodes, 5);
}
END_TEST

START_TEST(a_store_of_another_boot_is_told_by_its_boot_id)
{
	ck_assert_int_eq(check("another"), CHECK_OTHER_BOOT);
	ck_assert_str_eq(verdict.text, STORE_FILE_BOOT_ID);
	ck_assert_int_eq(check(NULL), CHECK_SOUND);
}
END_TEST

START_TEST(a_newer_format_is_told_by_its_number)
{
	struct store_meta meta = file.store->meta;

	meta.version = STORE_VERSION + 1;
	store_file_put(&file, "m", 1, &meta, sizeof(meta));
	ck_assert_int_eq(check(STORE_FILE_BOOT_ID), CHECK_NEWER);
	ck_assert_str_eq(verdict.text, "3");
}
END_TEST

START_TEST(what_is_no_store_is_foreign)
{
	store_file_close(&file);
	store_file_write(file.path, "a letter to a friend", 20);
	ck_assert_int_eq(check(NULL), CHECK_FOREIGN);
}
END_TEST

START_TEST(a_file_that_cannot_be_read_is_a_fault_and_no_verdict)
{
	ck_assert_int_eq(check_file("/dev/shm/there/is/none", NULL, &verdict), -ENOENT);
}
END_TEST

START_TEST(a_file_of_no_bytes_is_sound)
{
	store_file_close(&file);
	store_file_write(file.path, "", 0);
	ck_assert_int_eq(check(NULL), CHECK_SOUND);
	ck_assert_uint_eq(verdict.nodes, 0);
}
END_TEST

/* ---- single records ---- */

START_TEST(a_node_without_a_parent_is_found)
{
	struct key key = key_of("/a/b");

	store_file_put(&file, key.bytes, key.len, NULL, 0);
	expect_damage("/a/b/c has no parent");
	/* And of domain 1's nodes one is missing, of which its index knows. */
	ck_assert_uint_eq(verdict.problems, 3);
}
END_TEST

START_TEST(a_node_with_a_long_key_without_a_parent_is_found)
{
	struct key key = key_of(long_path);

	store_file_put(&file, key.bytes, key.len, NULL, 0);
	expect_damage("0007/below has no parent");
}
END_TEST

START_TEST(a_wrong_account_is_found)
{
	struct store_account account = {3};

	store_file_put(&file, "a\0\1", 3, &account, sizeof(account));
	expect_one_problem("domain 1 owns 2 nodes, its account says 3");
}
END_TEST

START_TEST(an_account_of_a_domain_that_owns_nothing_is_found)
{
	struct store_account account = {1};

	store_file_put(&file, "a\xff\xff", 3, &account, sizeof(account));
	expect_one_problem("domain 65535 owns 0 nodes");
}
END_TEST

START_TEST(a_missing_account_is_found)
{
	store_file_put(&file, "a\0\3", 3, NULL, 0);
	expect_one_problem("domain 3 owns 1 nodes, its account says 0");
}
END_TEST

START_TEST(an_account_of_the_wrong_size_is_found)
{
	store_file_put(&file, "a\0\3", 3, "12", 2);
	expect_damage("an account has a key of 3 bytes and a record of 2");
}
END_TEST

START_TEST(a_key_of_no_kind_is_found)
{
	store_file_put(&file, "zebra", 5, "", 0);
	expect_one_problem("no known kind: first byte 122, 5 bytes");
}
END_TEST

START_TEST(a_key_that_stands_for_no_path_is_found_and_shown_in_print)
{
	size_t len;
	unsigned char *record = record_of("/tool", &len);

	store_file_put(&file, "n\0with\033blank", 12, record, len);
	free(record);
	expect_damage("a key stands for no path: \"/with?blank\"");
}
END_TEST

START_TEST(a_key_with_its_marks_in_the_wrong_places_is_found)
{
	size_t len;
	unsigned char *record = record_of("/a/b", &len);

	store_file_put(&file, "n\1a\1x", 5, record, len);
	free(record);
	expect_damage("/a/x lies under the key of another path");
}
END_TEST

START_TEST(a_long_key_with_the_record_of_another_path_is_found)
{
	size_t len;
	unsigned char *record = record_of(long_path, &len);

	put_record(below_long_path, record, len);
	expect_damage("lies under the key of another path");
}
END_TEST

START_TEST(a_long_key_without_a_path_is_found)
{
	size_t len;
	unsigned char *record = record_of("/a/b", &len);

	store_file_remove(&file, long_path);
	put_record(long_path, record, len);
	expect_damage("a long key's record has a path of 0 bytes");
}
END_TEST

START_TEST(a_short_key_with_a_path_is_found)
{
	struct store_node head;
	size_t len;
	unsigned char *record = record_of("/a/b", &len);

	memcpy(&head, record, sizeof(head));
	head.path_len = 2;
	memcpy(record, &head, sizeof(head));
	put_record("/a/b", record, len);
	expect_one_problem("/a/b has a short key, but its record a path");
}
END_TEST

START_TEST(a_parent_that_does_not_know_of_its_long_children_is_found)
{
	struct store_node head;
	size_t len;
	unsigned char *record = record_of("/a", &len);

	memcpy(&head, record, sizeof(head));
	head.flags = 0;
	memcpy(record, &head, sizeof(head));
	put_record("/a", record, len);
	expect_one_problem("has a long key and a parent that does not know of any such child");
}
END_TEST

START_TEST(a_record_that_is_too_short_is_found)
{
	size_t len;
	unsigned char *record = record_of("/a/b/c", &len);

	put_record("/a/b/c", record, sizeof(struct store_node) + 3);
	expect_damage("a node's record of 43 bytes is too short");
}
END_TEST

START_TEST(a_record_of_no_bytes_is_found)
{
	struct key key = key_of("/a/b/c");

	store_file_put(&file, key.bytes, key.len, "", 0);
	expect_damage("a node's record of 0 bytes is too short");
}
END_TEST

START_TEST(a_node_without_an_owner_is_found)
{
	struct store_node head;
	size_t len;
	unsigned char *record = record_of("/a/b/c", &len);

	memcpy(&head, record, sizeof(head));
	head.n_permissions = 0;
	memcpy(record, &head, sizeof(head));
	put_record("/a/b/c", record, len);
	expect_damage("too short for what it says of itself");
}
END_TEST

START_TEST(a_permission_that_is_none_is_found)
{
	size_t len;
	unsigned char *record = record_of("/a/b", &len);

	record[sizeof(struct store_node) + offsetof(struct permission, access)] = 8;
	put_record("/a/b", record, len);
	expect_one_problem("/a/b has a permission that is none");
}
END_TEST

/* Of the value, the permissions and the children, in turn. */
START_TEST(a_generation_that_was_never_given_out_is_found)
{
	static const size_t places[] = {offsetof(struct store_node, value_generation),
					offsetof(struct store_node, permissions_generation),
					offsetof(struct store_node, children_generation)};
	const uint64_t late = UINT64_C(1) << 40;
	size_t len;
	unsigned char *record = record_of("/a/b/c", &len);

	memcpy(record + places[_i], &late, sizeof(late));
	put_record("/a/b/c", record, len);
	expect_one_problem("/a/b/c has generation 1099511627776");
}
END_TEST

START_TEST(a_node_that_changed_before_it_was_created_is_found)
{
	struct store_node head;
	size_t len;
	unsigned char *record = record_of("/a/b/c", &len);

	memcpy(&head, record, sizeof(head));
	head.value_generation = 1;
	memcpy(record, &head, sizeof(head));
	put_record("/a/b/c", record, len);
	expect_one_problem("/a/b/c has generation 1, created ");
}
END_TEST

START_TEST(a_node_that_is_newer_than_its_parents_list_is_found)
{
	struct store_node head;
	size_t len;
	unsigned char *record = record_of("/a/b", &len);

	memcpy(&head, record, sizeof(head));
	head.children_generation = head.created;
	memcpy(record, &head, sizeof(head));
	put_record("/a/b", record, len);
	expect_one_problem("/a/b/c is newer than the list of children that it is in");
}
END_TEST

START_TEST(a_missing_record_of_generations_is_found)
{
	store_file_put(&file, "g", 1, NULL, 0);
	expect_damage("the record of generations is missing");
}
END_TEST

START_TEST(a_missing_root_is_found)
{
	store_file_put(&file, "n\0", 2, NULL, 0);
	ck_assert_int_eq(check(NULL), CHECK_DAMAGED);
	/* Its two children, domain 0's account, and the root itself. */
	ck_assert_uint_eq(verdict.problems, 4);
}
END_TEST

static void count_problem(void *context, const char *problem)
{
	size_t *n = context;

	ck_assert_uint_gt(strlen(problem), 0);
	(*n)++;
}

START_TEST(each_problem_is_reported)
{
	struct store_account account = {9};
	size_t n = 0;

	store_file_put(&file, "a\0\5", 3, &account, sizeof(account));
	store_file_put(&file, "a\0\6", 3, &account, sizeof(account));
	store_file_put(&file, "zebra", 5, "", 0);
	struct MDB_txn *txn = store_view(file.store);
	ck_assert_int_eq(check_records(txn, file.store->dbi, count_problem, &n, &verdict), 0);
	ck_assert_uint_eq(n, 3);
	ck_assert_uint_eq(verdict.problems, 3);
	ck_assert_int_eq(verdict.result, CHECK_DAMAGED);
}
END_TEST

START_TEST(a_state_with_uncommitted_changes_can_be_checked)
{
	struct permission permission = {0, 0, 0};
	struct path path = {"/a/new", 6};

	ck_assert_int_eq(node_create(file.store, &path, &permission, 1, "", 0), 0);
	ck_assert_ptr_nonnull(file.store->write);
	ck_assert_int_eq(check_records(store_view(file.store), file.store->dbi, NULL, NULL, &verdict), 0);
	ck_assert_int_eq(verdict.result, CHECK_SOUND);
	ck_assert_uint_eq(verdict.nodes, 11);
}
END_TEST

/* ---- beside a daemon ---- */

/* What a daemon does meanwhile: nodes come and go before and behind the place where the walk stands. */
static void change_store(void *context, uint64_t n_records)
{
	size_t *n = context;
	char name[32];

	(void)n_records;
	snprintf(name, sizeof(name), "/a/a%zu", *n);
	store_file_create(&file, name, "n8", "", 0);
	snprintf(name, sizeof(name), "/tool/z%zu", ++*n);
	store_file_create(&file, name, "n9", "", 0);
	snprintf(name, sizeof(name), "/tool/m%03zu", *n);
	store_file_remove(&file, name);
}

START_TEST(a_store_that_changes_meanwhile_is_sound_and_its_sums_are_not_compared)
{
	struct reader_env reader;
	char text[READER_TEXT_SIZE], name[32];
	size_t n = 0;

	for (int i = 0; i < 500; i++) {
		snprintf(name, sizeof(name), "/tool/m%03d", i);
		store_file_create(&file, name, NULL, "", 0);
	}
	ck_assert_int_eq(reader_open(file.path, false, &reader, text), READER_SOUND);
	struct reader_walk records = {.reader = &reader, .milliseconds = 0, .pause = change_store, .context = &n};
	ck_assert_int_eq(check_store(&records, NULL, NULL, &verdict), 0);
	ck_assert_uint_ge(n, 5);
	ck_assert_msg(verdict.result == CHECK_SOUND, "%s", verdict.text);
	ck_assert(!verdict.one_moment);
	reader_close(&reader);
	ck_assert_int_eq(check(NULL), CHECK_SOUND);
}
END_TEST

/* ---- damaged files ---- */

/* Enough for a tree of two levels, long records on pages of their own, and a list of free pages. */
static unsigned char *make_file(size_t *len)
{
	static char value[5000];
	char path[80];

	for (int i = 0; i < 300; i++) {
		snprintf(path, sizeof(path), "/a/b/node-%03d", i);
		store_file_create(&file, path, i % 3 ? "n0" : "n1 r2", "something", 9);
	}
	for (int i = 0; i < 5; i++) {
		snprintf(path, sizeof(path), "/tool/big-%d", i);
		store_file_create(&file, path, NULL, value, sizeof(value));
	}
	for (int i = 0; i < 300; i += 7) {
		snprintf(path, sizeof(path), "/a/b/node-%03d", i);
		store_file_remove(&file, path);
	}
	store_file_close(&file);
	return store_file_bytes(file.path, len);
}

/* `foreign`: the damage may have made it anybody's file. */
static void expect_answer(const unsigned char *bytes, size_t len, bool foreign, const char *what, size_t where)
{
	store_file_write(file.path, bytes, len);
	memset(&verdict, 0xff, sizeof(verdict));
	ck_assert_msg(!check_file(file.path, NULL, &verdict), "%s at %zu: no answer", what, where);
	/* The number of the format may be what was changed. */
	ck_assert_msg(verdict.result == CHECK_SOUND || verdict.result == CHECK_DAMAGED || verdict.result == CHECK_NEWER ||
			  (foreign && verdict.result == CHECK_FOREIGN),
		      "%s at %zu: result %d, %s", what, where, verdict.result, verdict.text);
	ck_assert_msg((verdict.result == CHECK_SOUND) == !*verdict.text, "%s at %zu: %s", what, where, verdict.text);
}

START_TEST(a_page_of_zeroes_is_answered)
{
	size_t len, n_damaged = 0;
	unsigned char *bytes = make_file(&len), kept[PAGE_SIZE];

	for (size_t at = 0; at < len; at += PAGE_SIZE) {
		memcpy(kept, bytes + at, PAGE_SIZE);
		memset(bytes + at, 0, PAGE_SIZE);
		expect_answer(bytes, len, false, "zeroes", at);
		n_damaged += verdict.result == CHECK_DAMAGED;
		memcpy(bytes + at, kept, PAGE_SIZE);
	}
	/* Pages that are free may hold anything. */
	ck_assert_uint_gt(n_damaged, 10);
	free(bytes);
}
END_TEST

START_TEST(a_file_that_was_cut_short_is_answered)
{
	size_t len, n_damaged = 0;
	unsigned char *bytes = make_file(&len);

	for (size_t cut = PAGE_SIZE / 2; cut < len; cut += PAGE_SIZE / 2) {
		store_file_write(file.path, bytes, cut);
		memset(&verdict, 0xff, sizeof(verdict));
		ck_assert_int_eq(check_file(file.path, NULL, &verdict), 0);
		n_damaged += verdict.result == CHECK_DAMAGED;
		/* Less than LMDB's first two pages may be anybody's. */
		if (cut >= 2 * PAGE_SIZE)
			ck_assert_int_ne(verdict.result, CHECK_FOREIGN);
		if (cut < len / 2)
			ck_assert_int_ne(verdict.result, CHECK_SOUND);
	}
	ck_assert_uint_gt(n_damaged, 10);
	free(bytes);
}
END_TEST

/* All bits of a byte, at an offset that goes through heads of pages, lists of offsets, keys and records. */
START_TEST(a_flipped_byte_is_answered)
{
	size_t len, n_damaged = 0;
	unsigned char *bytes = make_file(&len);

	for (size_t at = 0; at < 3 * PAGE_SIZE; at += at < 256 || at % PAGE_SIZE < 64 ? 1 : 53) {
		bytes[at] ^= 0xff;
		expect_answer(bytes, len, false, "flip", at);
		n_damaged += verdict.result == CHECK_DAMAGED;
		bytes[at] ^= 0xff;
	}
	ck_assert_uint_gt(n_damaged, 10);
	free(bytes);
}
END_TEST

/* $DAMAGES times. */
START_TEST(random_damage_is_answered)
{
	const char *number = getenv("DAMAGES");
	struct random random;
	size_t len, n_damaged = 0;
	unsigned char *bytes = make_file(&len), *damaged = malloc(len);

	ck_assert_ptr_nonnull(damaged);
	random_begin(&random, "LXENSTORED_CHECK_SEED");
	for (long i = number ? atol(number) : 1000; i > 0; i--) {
		size_t at = 0;
		memcpy(damaged, bytes, len);
		for (uint32_t n = 1 + random_below(&random, 4); n; n--) {
			at = random_below(&random, (uint32_t)len);
			/* Heads of pages lie where they hurt most. */
			if (random_below(&random, 2))
				at -= at % PAGE_SIZE - random_below(&random, 48);
			damaged[at] = (unsigned char)random_below(&random, 256);
		}
		expect_answer(damaged, len, true, "random damage, the last", at);
		n_damaged += verdict.result == CHECK_DAMAGED;
	}
	ck_assert_uint_gt(n_damaged, 10);
	free(damaged);
	free(bytes);
}
END_TEST

START_TEST(the_file_is_not_changed)
{
	size_t len, after_len;
	unsigned char *bytes = make_file(&len), *after;

	check(NULL);
	after = store_file_bytes(file.path, &after_len);
	ck_assert_uint_eq(after_len, len);
	ck_assert_mem_eq(after, bytes, len);
	free(after);
	free(bytes);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
	    a_store_as_the_daemon_makes_it_is_sound,
	    a_store_after_removals_is_sound,
	    a_store_of_another_boot_is_told_by_its_boot_id,
	    a_newer_format_is_told_by_its_number,
	    what_is_no_store_is_foreign,
	    a_file_that_cannot_be_read_is_a_fault_and_no_verdict,
	    a_file_of_no_bytes_is_sound,
	    a_node_without_a_parent_is_found,
	    a_node_with_a_long_key_without_a_parent_is_found,
	    a_wrong_account_is_found,
	    an_account_of_a_domain_that_owns_nothing_is_found,
	    a_missing_account_is_found,
	    an_account_of_the_wrong_size_is_found,
	    a_key_of_no_kind_is_found,
	    a_key_that_stands_for_no_path_is_found_and_shown_in_print,
	    a_key_with_its_marks_in_the_wrong_places_is_found,
	    a_long_key_with_the_record_of_another_path_is_found,
	    a_long_key_without_a_path_is_found,
	    a_short_key_with_a_path_is_found,
	    a_parent_that_does_not_know_of_its_long_children_is_found,
	    a_record_that_is_too_short_is_found,
	    a_record_of_no_bytes_is_found,
	    a_node_without_an_owner_is_found,
	    a_permission_that_is_none_is_found,
	    a_node_that_changed_before_it_was_created_is_found,
	    a_node_that_is_newer_than_its_parents_list_is_found,
	    a_missing_record_of_generations_is_found,
	    a_missing_root_is_found,
	    each_problem_is_reported,
	    a_state_with_uncommitted_changes_can_be_checked,
	    a_store_that_changes_meanwhile_is_sound_and_its_sums_are_not_compared,
	    the_file_is_not_changed,
	};
	const TTest *const long_tests[] = {
	    a_page_of_zeroes_is_answered,
	    a_file_that_was_cut_short_is_answered,
	    a_flipped_byte_is_answered,
	    random_damage_is_answered,
	};
	Suite *suite = suite_create("check");
	TCase *cases = tcase_create("records"), *damage = tcase_create("damage");

	tcase_add_checked_fixture(cases, setup, teardown);
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		tcase_add_test(cases, tests[i]);
	tcase_add_loop_test(cases, a_generation_that_was_never_given_out_is_found, 0, 3);
	suite_add_tcase(suite, cases);
	tcase_add_checked_fixture(damage, setup, teardown);
	tcase_set_timeout(damage, 600);
	for (size_t i = 0; i < sizeof(long_tests) / sizeof(long_tests[0]); i++)
		tcase_add_test(damage, long_tests[i]);
	suite_add_tcase(suite, damage);
	return suite_run(suite);
}
