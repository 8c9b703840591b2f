/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Records beside the tree: in the turn's write transaction, and found by their kind. */
#include "store/record.h"

#include <check.h>
#include <errno.h>
#include <string.h>

#include "support/scene.h"
#include "support/suite.h"

static struct store *store;

static void open_store(void)
{
	scene_open();
	store = scene.world.turn.store;
}

/* What is there under the key, or NULL. */
static const char *get(const char *key)
{
	const void *record;
	size_t len;
	int result = record_get(store, store_view(store), key, strlen(key), &record, &len);

	ck_assert(result == 0 || result == STATUS_ENOENT);
	return result ? NULL : record;
}

static void put(const char *key, const char *text)
{
	ck_assert_int_eq(record_put(store, key, strlen(key), text, strlen(text) + 1), 0);
}

START_TEST(a_record_is_there_until_it_is_removed)
{
	ck_assert_ptr_null(get("xa"));
	put("xa", "1");
	ck_assert_str_eq(get("xa"), "1");
	ck_assert_int_eq(store_commit(store), 0);
	ck_assert_str_eq(get("xa"), "1");
	put("xa", "2");
	ck_assert_str_eq(get("xa"), "2");
	ck_assert_int_eq(record_remove(store, "xa", 2), 0);
	ck_assert_ptr_null(get("xa"));
	ck_assert_int_eq(store_commit(store), 0);
	ck_assert_ptr_null(get("xa"));
}
END_TEST

START_TEST(a_record_of_a_turn_that_is_aborted_was_never_there)
{
	put("xa", "1");
	ck_assert_uint_ne(store_tag(store), 0);
	store_abort(store);
	ck_assert_ptr_null(get("xa"));
}
END_TEST

START_TEST(what_is_not_there_can_be_removed)
{
	ck_assert_int_eq(record_remove(store, "xa", 2), 0);
	ck_assert_int_eq(store_commit(store), 0);
}
END_TEST

START_TEST(after_a_fault_nothing_is_put)
{
	store_failed(store, EIO);
	ck_assert_int_eq(record_put(store, "xa", 2, "", 1), -EIO);
	ck_assert_int_eq(record_remove(store, "xa", 2), -EIO);
	store_abort(store);
}
END_TEST

struct visits {
	char text[64];
	int stop_at;
};

static int visit(void *context, const unsigned char *key, size_t key_len, const void *record, size_t record_len)
{
	struct visits *visits = context;

	ck_assert_uint_eq(strlen(record) + 1, record_len);
	strncat(visits->text, (const char *)key, key_len);
	strcat(visits->text, record);
	return --visits->stop_at ? 0 : 77;
}

START_TEST(all_of_a_kind_are_visited_in_the_order_of_their_keys)
{
	struct visits visits = {"", -1};

	ck_assert_int_eq(records_each(store, store_view(store), 'x', visit, &visits), 0);
	ck_assert_str_eq(visits.text, "");
	put("xb", "2");
	put("xa", "1");
	put("ya", "4");
	put("vz", "5");
	put("x", "0");
	ck_assert_int_eq(records_each(store, store_view(store), 'x', visit, &visits), 0);
	ck_assert_str_eq(visits.text, "x0xa1xb2");
	store_abort(store);
}
END_TEST

START_TEST(a_result_ends_the_visits)
{
	struct visits visits = {"", 2};

	put("xa", "1");
	put("xb", "2");
	put("xc", "3");
	ck_assert_int_eq(records_each(store, store_view(store), 'x', visit, &visits), 77);
	ck_assert_str_eq(visits.text, "xa1xb2");
	store_abort(store);
}
END_TEST

START_TEST(keys_of_domains_are_in_the_order_of_their_numbers)
{
	unsigned char low[RECORD_DOMAIN_KEY_SIZE], high[RECORD_DOMAIN_KEY_SIZE];

	record_domain_key('d', 0x00ff, low);
	record_domain_key('d', 0x0100, high);
	ck_assert_int_lt(memcmp(low, high, sizeof(low)), 0);
	ck_assert_mem_eq(high, "d\1\0", 3);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("record");
	TCase *cases = tcase_create("record");

	tcase_add_checked_fixture(cases, open_store, scene_close);
	tcase_add_test(cases, a_record_is_there_until_it_is_removed);
	tcase_add_test(cases, a_record_of_a_turn_that_is_aborted_was_never_there);
	tcase_add_test(cases, what_is_not_there_can_be_removed);
	tcase_add_test(cases, after_a_fault_nothing_is_put);
	tcase_add_test(cases, all_of_a_kind_are_visited_in_the_order_of_their_keys);
	tcase_add_test(cases, a_result_ends_the_visits);
	tcase_add_test(cases, keys_of_domains_are_in_the_order_of_their_numbers);
	suite_add_tcase(suite, cases);
	return suite_run(suite);
}
