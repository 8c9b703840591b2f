/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The check of records that are no nodes: what can be, and each thing that cannot. */
#include "store/check.h"
#include "support/store_file.h"
#include "support/suite.h"
#include "wire/path.h"
#include "wire/permissions.h"

#include <check.h>
#include <limits.h>
#include <string.h>

static struct store_file file;
static struct store_domain domain;
static struct store_quotas quotas;
static struct store_watch watch;
static const char *watch_path, *watch_token;

static void setup(void)
{
	store_file_init(&file);
	domain = (struct store_domain){
	    .unique_id = UINT64_MAX,
	    .shared_info_frame = UINT64_MAX,
	    .port = UINT32_MAX,
	    .epoch = UINT32_MAX,
	    .features = UINT32_MAX,
	    .target = 7,
	    .flags = STORE_DOMAIN_INTRODUCED | STORE_DOMAIN_SHUT_DOWN,
	    .quotas = {.hard_set = UINT16_MAX, .soft_set = UINT16_MAX, .hard = {UINT32_MAX}},
	};
	quotas = domain.quotas;
	watch = (struct store_watch){.domid = 3, .depth = -1};
	watch_path = "/local/domain/3/a";
	watch_token = "token";
}

static void teardown(void)
{
	store_file_deinit(&file);
}

static void put_domain(uint16_t domid)
{
	const unsigned char key[3] = {STORE_KEY_DOMAIN, (unsigned char)(domid >> 8), (unsigned char)domid};

	store_file_put(&file, key, sizeof(key), &domain, sizeof(domain));
}

/* Key and record of `watch`, with its path and token, less `missing` bytes. */
static void put_watch(uint64_t connection, size_t token_len, size_t missing)
{
	unsigned char key[STORE_WATCH_KEY_SIZE] = {STORE_KEY_WATCH}, record[sizeof(watch) + PATH_MAX + 100];

	for (int i = 0; i < 8; i++)
		key[1 + i] = (unsigned char)(connection >> (56 - 8 * i));
	watch.path_len = (uint16_t)strlen(watch_path);
	watch.token_len = (uint16_t)token_len;
	memcpy(record, &watch, sizeof(watch));
	memcpy(record + sizeof(watch), watch_path, watch.path_len);
	memcpy(record + sizeof(watch) + watch.path_len, watch_token, token_len);
	store_file_put(&file, key, sizeof(key), record, sizeof(watch) + watch.path_len + token_len - missing);
}

static void expect(const char *problem)
{
	struct check_verdict verdict;

	ck_assert_int_eq(check_records(store_view(file.store), file.store->dbi, NULL, NULL, &verdict), 0);
	ck_assert_str_eq(verdict.text, problem);
	ck_assert_uint_eq(verdict.problems, *problem != 0);
}

static void expect_of_watch(const char *problem)
{
	put_watch(70000, strlen(watch_token), 0);
	expect(problem);
}

/* ---- domains and quotas ---- */

START_TEST(domains_and_quotas_may_be_anything_that_has_a_meaning)
{
	put_domain(0);
	domain = (struct store_domain){.target = DOMID_NONE};
	put_domain(3);
	put_domain(DOMID_FIRST_RESERVED_NUMBER - 1);
	store_file_put(&file, "q", 1, &quotas, sizeof(quotas));
	expect("");
}
END_TEST

START_TEST(a_domain_of_the_wrong_size_is_found)
{
	store_file_put(&file, "d\0\3", 3, &domain, sizeof(domain) - 1);
	expect("a domain has a key of 3 bytes and a record of 183");
	store_file_put(&file, "d\0\3", 3, NULL, 0);
	store_file_put(&file, "d\3", 2, &domain, sizeof(domain));
	expect("a domain has a key of 2 bytes and a record of 184");
}
END_TEST

START_TEST(a_number_that_no_domain_has_is_found)
{
	put_domain(DOMID_FIRST_RESERVED_NUMBER);
	expect("domain 32752 has a number that none can have");
}
END_TEST

START_TEST(a_target_that_no_domain_is_is_found)
{
	domain.target = DOMID_ANY_NUMBER;
	put_domain(3);
	expect("domain 3 has domain 32757 as target, which none can be");
}
END_TEST

START_TEST(flags_and_quotas_of_no_meaning_are_found)
{
	domain.flags = 4;
	put_domain(3);
	expect("domain 3 has flags of no meaning");
	domain.flags = 0;
	domain.reserved = 1;
	put_domain(3);
	expect("domain 3 has flags of no meaning");
	domain.reserved = 0;
	domain.quotas.soft_set = 1 << STORE_QUOTAS;
	put_domain(3);
	expect("domain 3 has quotas of no meaning");
	domain.quotas.soft_set = 0;
	domain.quotas.hard_set = 1 << STORE_QUOTAS;
	put_domain(3);
	expect("domain 3 has quotas of no meaning");
}
END_TEST

START_TEST(quotas_of_the_wrong_size_are_found)
{
	store_file_put(&file, "q\0", 2, &quotas, sizeof(quotas));
	expect("the record of quotas has a key of 2 bytes and a record of 136");
	store_file_put(&file, "q\0", 2, NULL, 0);
	store_file_put(&file, "q", 1, &quotas, sizeof(quotas) - 1);
	expect("the record of quotas has a key of 1 bytes and a record of 135");
	quotas.hard_set = UINT32_MAX;
	store_file_put(&file, "q", 1, &quotas, sizeof(quotas));
	expect("the record of quotas has some of no meaning");
}
END_TEST

/* ---- watches ---- */

START_TEST(watches_of_paths_and_of_special_nodes_are_sound)
{
	put_watch(70000, 0, 0);
	put_watch(3, 5, 0);
	watch.depth = INT32_MAX;
	watch_path = "/";
	put_watch(70001, 5, 0);
	watch_path = "@releaseDomain";
	put_watch(70002, 5, 0);
	watch_path = "@releaseDomain/5";
	put_watch(70003, 5, 0);
	watch_path = "/local/domain/3/a";
	watch.hidden = 16;
	put_watch(70004, 5, 0);
	expect("");
}
END_TEST

START_TEST(a_watch_of_the_wrong_size_is_found)
{
	put_watch(70000, 5, 1);
	expect("a watch has a key of 17 bytes and a record of 33");
	put_watch(70000, 5, 5 + 17 + 1);
	expect("a watch has a key of 17 bytes and a record of 11");
	put_watch(70000, 5, 0);
	store_file_put(&file, "w", 1, &watch, sizeof(watch));
	expect("a watch has a key of 1 bytes and a record of 12");
}
END_TEST

START_TEST(a_path_that_is_none_is_found)
{
	static char too_long[PATH_ABSOLUTE_MAX + 2];
	static const char *const paths[] = {"", "a", "/a/", "//", "/a b", "/a\001"};

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		watch_path = paths[i];
		expect_of_watch("a watch of domain 3 has a path that is none");
	}
	memset(too_long, 'a', sizeof(too_long) - 1);
	too_long[0] = '/';
	watch_path = too_long;
	expect_of_watch("a watch of domain 3 has a path that is none");
}
END_TEST

START_TEST(a_part_left_out_that_is_not_the_domains_directory_is_found)
{
	static const struct {
		const char *path;
		uint16_t hidden;
	} wrong[] = {{"/local/domain/3/a", 15},
		     {"/local/domain/3/a", 17},
		     {"/local/domain/4/a", 16},
		     {"/local/domain/33", 16},
		     {"/local/domain/3", 16},
		     {"/a", 2},
		     {"/a", 1},
		     {"/a", 100}};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		watch_path = wrong[i].path;
		watch.hidden = wrong[i].hidden;
		expect_of_watch("a watch of domain 3 leaves out a part of its path that is no directory of the domain");
	}
}
END_TEST

START_TEST(a_depth_below_all_is_found)
{
	watch.depth = -2;
	expect_of_watch("a watch of domain 3 has a depth of -2");
}
END_TEST

START_TEST(a_token_with_a_nul_is_found)
{
	watch_token = "a\0b";
	put_watch(70000, 3, 0);
	expect("a watch of domain 3 has a token with a NUL");
}
END_TEST

START_TEST(a_ring_with_the_watch_of_another_domain_is_found)
{
	put_watch(4, 5, 0);
	expect("the ring of domain 4 has a watch of domain 3");
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
	    domains_and_quotas_may_be_anything_that_has_a_meaning,
	    a_domain_of_the_wrong_size_is_found,
	    a_number_that_no_domain_has_is_found,
	    a_target_that_no_domain_is_is_found,
	    flags_and_quotas_of_no_meaning_are_found,
	    quotas_of_the_wrong_size_are_found,
	    watches_of_paths_and_of_special_nodes_are_sound,
	    a_watch_of_the_wrong_size_is_found,
	    a_path_that_is_none_is_found,
	    a_part_left_out_that_is_not_the_domains_directory_is_found,
	    a_depth_below_all_is_found,
	    a_token_with_a_nul_is_found,
	    a_ring_with_the_watch_of_another_domain_is_found,
	};
	Suite *suite = suite_create("check_other");
	TCase *tcase = tcase_create("records");

	tcase_add_checked_fixture(tcase, setup, teardown);
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		tcase_add_test(tcase, tests[i]);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
