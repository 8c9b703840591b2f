/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names in the order of creation, and that a list that has not changed is not put together again. */
#include "store/listing.h"
#include "store/snapshot.h"
#include "support/stage.h"
#include "support/suite.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

static struct stage stage;

static void setup(void)
{
	stage_open(&stage, (size_t)256 << 20);
}

static void teardown(void)
{
	ck_assert_str_eq(stage_problem(&stage), "");
	stage_close(&stage);
}

static void say(const char *words)
{
	if (strcmp(stage_say(&stage, words), "OK"))
		ck_abort_msg("%.200s: %s", words, stage.answer);
}

static int list_in(struct MDB_txn *txn, const char *text, size_t limit, const struct listing **out)
{
	struct path path = {text, strlen(text)};
	struct node node;

	ck_assert_int_eq(node_get(stage.store, txn, &path, &node), 0);
	return listing_get(stage.store, txn, &path, &node, limit, out);
}

static const struct listing *list(const char *text)
{
	const struct listing *listing;

	ck_assert_int_eq(list_in(store_view(stage.store), text, 0, &listing), 0);
	return listing;
}

static void expect(const struct listing *listing, const char *names, size_t size)
{
	ck_assert_uint_eq(listing->len, size - 1);
	ck_assert_mem_eq(listing->names, names, size - 1);
}
#define expect_names(listing, names) expect((listing), names, sizeof(names))

START_TEST(names_come_in_the_order_of_creation)
{
	say("A mkdir /d/b");
	say("A mkdir /d/c");
	say("A mkdir /d/a");
	expect_names(list("/d"), "b\0c\0a\0");
	say("A write /d/b 1");
	say("A chmod /d/c r0");
	expect_names(list("/d"), "b\0c\0a\0");
	say("A rm /d/b");
	say("A mkdir /d/b");
	expect_names(list("/d"), "c\0a\0b\0");
	say("A mkdir /d/a/x");
	expect_names(list("/d/a"), "x\0");
	ck_assert_uint_eq(list("/d/b")->len, 0);
}
END_TEST

START_TEST(long_names_stand_among_the_others)
{
	char words[PATH_BUFFER + 16], name[1001];

	memset(name, 'n', 1000);
	name[1000] = 0;
	say("A mkdir /d/z");
	snprintf(words, sizeof(words), "A mkdir /d/%s", name);
	say(words);
	say("A mkdir /d/a");
	const struct listing *listing = list("/d");
	ck_assert_uint_eq(listing->len, 2 + 1001 + 2);
	ck_assert_str_eq(listing->names, "z");
	ck_assert_str_eq(listing->names + 2, name);
	ck_assert_str_eq(listing->names + 2 + 1001, "a");
}
END_TEST

START_TEST(a_list_is_kept_until_it_changes)
{
	say("A mkdir /d/x");
	const struct listing *first = list("/d");
	say("A write /d/x 1");
	say("A mkdir /e/x");
	list("/e");
	ck_assert_ptr_eq(list("/d"), first);
	uint64_t generation = first->generation;
	say("A mkdir /d/y");
	ck_assert_uint_ne(list("/d")->generation, generation);
	expect_names(list("/d"), "x\0y\0");
}
END_TEST

START_TEST(the_last_few_lists_are_kept)
{
	const struct listing *lists[STORE_LISTINGS];
	char words[64], path[16];

	for (int i = 0; i <= STORE_LISTINGS; i++) {
		snprintf(words, sizeof(words), "A mkdir /%d/x", i);
		say(words);
	}
	for (int i = 0; i < STORE_LISTINGS; i++) {
		snprintf(path, sizeof(path), "/%d", i);
		lists[i] = list(path);
	}
	ck_assert_ptr_eq(list("/0"), lists[0]);
	list("/8"); /* in the place of the one that was not used for longest: /1 */
	ck_assert_ptr_eq(list("/0"), lists[0]);
	for (int i = 2; i < STORE_LISTINGS; i++) {
		snprintf(path, sizeof(path), "/%d", i);
		ck_assert_ptr_eq(list(path), lists[i]);
	}
	listings_forget(stage.store);
	ck_assert_ptr_null(stage.store->listings[0]);
	expect_names(list("/1"), "x\0");
}
END_TEST

START_TEST(old_and_new_lists_of_one_node_are_kept_apart)
{
	const struct listing *old;

	say("A mkdir /d/x");
	say("A start");
	say("B mkdir /d/y");
	struct MDB_txn *snapshot = stage_client(&stage, 'A')->transaction->snapshot->txn;
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(list_in(snapshot, "/d", 0, &old), 0);
		expect_names(old, "x\0");
		expect_names(list("/d"), "x\0y\0");
	}
}
END_TEST

START_TEST(a_list_of_an_aborted_turn_is_not_shown_again)
{
	say("A mkdir /d/x");
	stage.together = true;
	say("A mkdir /d/y");
	expect_names(list("/d"), "x\0y\0");
	say("abort");
	expect_names(list("/d"), "x\0");
	say("A mkdir /d/z");
	expect_names(list("/d"), "x\0z\0");
	say("commit");
	expect_names(list("/d"), "x\0z\0");
}
END_TEST

START_TEST(a_list_past_the_limit_is_told_without_making_it)
{
	const struct listing *listing = NULL;

	say("A mkdir /d/abc");
	say("A mkdir /d/def");
	ck_assert_int_eq(list_in(store_view(stage.store), "/d", 7, &listing), STATUS_E2BIG);
	ck_assert_ptr_null(stage.store->listings[0]);
	ck_assert_int_eq(list_in(store_view(stage.store), "/d", 8, &listing), 0);
	expect_names(listing, "abc\0def\0");
	ck_assert_int_eq(list_in(store_view(stage.store), "/d", 7, &listing), STATUS_E2BIG);
}
END_TEST

START_TEST(a_hundred_thousand_children_are_listed_in_their_order)
{
	enum { CHILDREN = 100000 };
	char words[64], name[16];

	for (unsigned i = 0; i < CHILDREN; i++) {
		snprintf(words, sizeof(words), "A mkdir /d/%u", i * 7919 % CHILDREN);
		say(words);
	}
	const struct listing *listing = list("/d");
	const char *at = listing->names;
	for (unsigned i = 0; i < CHILDREN; i++) {
		snprintf(name, sizeof(name), "%u", i * 7919 % CHILDREN);
		if (strcmp(at, name))
			ck_abort_msg("name %u is %s, not %s", i, at, name);
		at += strlen(at) + 1;
	}
	ck_assert_ptr_eq(at, listing->names + listing->len);
	ck_assert_ptr_eq(list("/d"), listing);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("listing");
	TCase *tcase = tcase_create("lists");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, names_come_in_the_order_of_creation);
	tcase_add_test(tcase, long_names_stand_among_the_others);
	tcase_add_test(tcase, a_list_is_kept_until_it_changes);
	tcase_add_test(tcase, the_last_few_lists_are_kept);
	tcase_add_test(tcase, old_and_new_lists_of_one_node_are_kept_apart);
	tcase_add_test(tcase, a_list_of_an_aborted_turn_is_not_shown_again);
	tcase_add_test(tcase, a_list_past_the_limit_is_told_without_making_it);
	tcase_add_test(tcase, a_hundred_thousand_children_are_listed_in_their_order);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
