/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A copy of what a store has besides nodes. */
#include "store/inventory.h"
#include "base/status.h"
#include "support/store_file.h"
#include "support/suite.h"
#include "wire/permissions.h"

#include <check.h>
#include <string.h>

static struct store_file file;
static struct reader_env reader;
static struct inventory inventory;

static void setup(void)
{
	store_file_init(&file);
}

static void teardown(void)
{
	inventory_deinit(&inventory);
	store_file_deinit(&file);
}

static int read_all(void)
{
	char problem[READER_TEXT_SIZE];

	inventory_deinit(&inventory);
	ck_assert_int_eq(reader_open(file.path, false, &reader, problem), READER_SOUND);
	struct reader_walk records = {.reader = &reader, .milliseconds = 60000};
	ck_assert_int_eq(reader_walk_begin(&records), 0);
	int result = inventory_read(&records, &inventory);
	reader_walk_end(&records);
	/* What is shown afterwards needs no file. */
	reader_close(&reader);
	return result;
}

static void put_domain(uint16_t domid, uint32_t port)
{
	const unsigned char key[3] = {STORE_KEY_DOMAIN, (unsigned char)(domid >> 8), (unsigned char)domid};
	struct store_domain domain = {.port = port, .target = DOMID_NONE};

	store_file_put(&file, key, sizeof(key), &domain, sizeof(domain));
}

static void put_watch(uint64_t connection, uint64_t serial, uint16_t domid, const char *path, const char *token)
{
	unsigned char key[STORE_WATCH_KEY_SIZE] = {STORE_KEY_WATCH}, record[256];
	struct store_watch watch = {
	    .domid = domid, .depth = -1, .path_len = (uint16_t)strlen(path), .token_len = (uint16_t)strlen(token)};

	for (int i = 0; i < 8; i++) {
		key[1 + i] = (unsigned char)(connection >> (56 - 8 * i));
		key[9 + i] = (unsigned char)(serial >> (56 - 8 * i));
	}
	memcpy(record, &watch, sizeof(watch));
	memcpy(record + sizeof(watch), path, watch.path_len);
	memcpy(record + sizeof(watch) + watch.path_len, token, watch.token_len);
	store_file_put(&file, key, sizeof(key), record, sizeof(watch) + watch.path_len + watch.token_len);
}

START_TEST(a_fresh_store_has_the_account_of_the_privileged_domain)
{
	ck_assert_int_eq(read_all(), 0);
	ck_assert_uint_eq(inventory.n_domains, 1);
	ck_assert_uint_eq(inventory.domains[0].domid, 0);
	ck_assert_uint_eq(inventory.domains[0].nodes, 5);
	ck_assert(!inventory.domains[0].known);
	ck_assert_uint_eq(inventory.n_watches, 0);
	ck_assert(!inventory.has_quotas);
	ck_assert_uint_ge(inventory.generation, 5);
	ck_assert_uint_eq(inventory.n_damaged, 0);
}
END_TEST

START_TEST(a_domain_is_put_together_of_all_that_tells_of_it)
{
	store_file_create(&file, "/a", "n300", "", 0);
	store_file_create(&file, "/a/b", "n300", "", 0);
	put_domain(300, 11);
	put_domain(44, 22);
	put_watch(300, 1, 300, "/a", "1");
	put_watch(70000, 2, 300, "/a", "2");
	put_watch(5, 3, 5, "/b", "3");
	ck_assert_int_eq(read_all(), 0);
	ck_assert_uint_eq(inventory.n_domains, 4);
	const struct inventory_domain *domains = inventory.domains;
	ck_assert_uint_eq(domains[1].domid, 5);
	ck_assert(!domains[1].known && domains[1].watches == 1 && !domains[1].nodes);
	ck_assert_uint_eq(domains[2].domid, 44);
	ck_assert(domains[2].known && domains[2].record.port == 22 && !domains[2].watches);
	ck_assert_uint_eq(domains[3].domid, 300);
	ck_assert(domains[3].known && domains[3].record.port == 11);
	ck_assert_uint_eq(domains[3].nodes, 2);
	ck_assert_uint_eq(domains[3].watches, 2);
}
END_TEST

START_TEST(watches_are_in_the_order_of_connections_and_of_registration)
{
	put_watch(UINT64_C(0x100000000), 1, 0, "/d", "");
	put_watch(3, 300, 3, "/c", "a b");
	put_watch(3, 2, 3, "@releaseDomain", "\xff\x01");
	put_watch(2, 5, 2, "/a", "x");
	ck_assert_int_eq(read_all(), 0);
	ck_assert_uint_eq(inventory.n_watches, 4);
	const struct watch_record *watches = inventory.watches;
	ck_assert_str_eq(watches[0].path, "/a");
	ck_assert_str_eq(watches[1].path, "@releaseDomain");
	ck_assert_str_eq(watches[1].token, "\xff\x01");
	ck_assert_uint_eq(watches[1].serial, 2);
	ck_assert_str_eq(watches[2].token, "a b");
	ck_assert_uint_eq(watches[2].serial, 300);
	ck_assert_uint_eq(watches[3].connection, UINT64_C(0x100000000));
	ck_assert_str_eq(watches[3].token, "");
}
END_TEST

START_TEST(many_of_each_are_read)
{
	enum { MANY = 1000 };

	for (uint16_t i = 0; i < MANY; i++) {
		put_domain((uint16_t)(1 + i), i);
		put_watch(70000 + i, i, (uint16_t)(MANY - i), "/a", "");
	}
	ck_assert_int_eq(read_all(), 0);
	ck_assert_uint_eq(inventory.n_domains, MANY + 1);
	ck_assert_uint_eq(inventory.n_watches, MANY);
	for (size_t i = 1; i <= MANY; i++) {
		ck_assert_uint_eq(inventory.domains[i].domid, i);
		ck_assert_uint_eq(inventory.domains[i].record.port, i - 1);
		ck_assert_uint_eq(inventory.domains[i].watches, 1);
	}
}
END_TEST

START_TEST(quotas_of_all_are_read)
{
	struct store_quotas quotas = {.hard_set = 2, .hard = {0, 77}};

	store_file_put(&file, "q", 1, &quotas, sizeof(quotas));
	ck_assert_int_eq(read_all(), 0);
	ck_assert(inventory.has_quotas);
	ck_assert_uint_eq(inventory.quotas.hard[1], 77);
}
END_TEST

START_TEST(records_that_are_not_whole_are_left_out_and_counted)
{
	put_domain(3, 1);
	store_file_put(&file, "a\0", 2, "12345678", 8);
	store_file_put(&file, "a\0\7", 3, "1234567", 7);
	store_file_put(&file, "d\0\7", 3, "", 0);
	store_file_put(&file, "d\0\7x", 4, "", 0);
	store_file_put(&file, "q", 1, "", 0);
	store_file_put(&file, "w", 1, "", 0);
	store_file_put(&file, "w12345678abcdefgh", 17, "\0\0\0\0\0\0\0\0\2\0\0\0/", 13);
	ck_assert_int_eq(read_all(), 0);
	ck_assert_uint_eq(inventory.n_damaged, 7);
	ck_assert_uint_eq(inventory.n_domains, 2);
	ck_assert_uint_eq(inventory.n_watches, 0);
	ck_assert(!inventory.has_quotas);
}
END_TEST

START_TEST(without_a_record_of_generations_the_rest_is_there)
{
	put_domain(3, 1);
	store_file_put(&file, "g", 1, NULL, 0);
	ck_assert_int_eq(read_all(), 0);
	ck_assert_uint_eq(inventory.n_domains, 2);
	ck_assert_uint_eq(inventory.generation, 0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
	    a_fresh_store_has_the_account_of_the_privileged_domain,
	    a_domain_is_put_together_of_all_that_tells_of_it,
	    watches_are_in_the_order_of_connections_and_of_registration,
	    many_of_each_are_read,
	    quotas_of_all_are_read,
	    records_that_are_not_whole_are_left_out_and_counted,
	    without_a_record_of_generations_the_rest_is_there,
	};
	Suite *suite = suite_create("inventory");
	TCase *tcase = tcase_create("inventory");

	tcase_add_checked_fixture(tcase, setup, teardown);
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		tcase_add_test(tcase, tests[i]);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
