/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A transaction as an object: its life, what it keeps, its limits, and that its end can be repeated when the turn fails. What its
 * answers are is in test_interleavings.c and test_histories.c.
 */
#include "store/transaction.h"
#include "store/overlay.h"
#include "store/snapshot.h"
#include "store/tombstone.h"
#include "support/stage.h"
#include "support/suite.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

static struct stage stage;

static void setup(void)
{
	stage_open(&stage, 0);
}

static void teardown(void)
{
	ck_assert_str_eq(stage_problem(&stage), "");
	stage_close(&stage);
}

static void expect(const char *words, const char *answer)
{
	ck_assert_msg(!strcmp(stage_say(&stage, words), answer), "\"%.200s\" was answered %s instead of %s", words, stage.answer,
		      answer);
}

static void say(const char *words)
{
	expect(words, "OK");
}

static struct transaction *transaction_of(char client)
{
	return stage_client(&stage, client)->transaction;
}

static const struct transaction_entry *entry(const char *text)
{
	struct path path = {text, strlen(text)};

	return transaction_entry(transaction_of('A'), &path);
}

static unsigned observed(const char *text)
{
	return entry(text) ? entry(text)->observed : OBSERVE_NOTHING;
}

START_TEST(the_open_ones_are_known_oldest_first)
{
	say("A start");
	say("B start");
	ck_assert_ptr_eq(stage.store->transactions, transaction_of('A'));
	ck_assert_ptr_eq(stage.store->transactions->next, transaction_of('B'));
	say("A forget");
	ck_assert_ptr_eq(stage.store->transactions, transaction_of('B'));
	say("B end");
	ck_assert_ptr_null(stage.store->transactions);
	transaction_free(NULL);
}
END_TEST

START_TEST(what_is_observed_is_noted_by_path)
{
	say("A write /d/x 1");
	say("A start");
	expect("A read /d/x", "1");
	expect("A ls /d", "x");
	expect("A perms /d/x", "n0");
	expect("A read /m/n/o", "ENOENT");
	say("A write /d/y/z 1");
	ck_assert_uint_eq(observed("/d/x"), OBSERVE_EXISTENCE | OBSERVE_VALUE | OBSERVE_PERMISSIONS);
	ck_assert_uint_eq(observed("/d"), OBSERVE_EXISTENCE | OBSERVE_CHILDREN | OBSERVE_PERMISSIONS);
	ck_assert_uint_eq(observed("/m"), OBSERVE_ABSENCE);
	ck_assert_uint_eq(observed("/"), OBSERVE_EXISTENCE);
	ck_assert_uint_eq(observed("/m/n"), OBSERVE_NOTHING);
	ck_assert_uint_eq(observed("/d/y"), OBSERVE_NOTHING);
	ck_assert(entry("/d/y")->ensured);
	ck_assert_uint_eq(observed("/d/y/z"), OBSERVE_ABSENCE);
	ck_assert(!entry("/d/y/z")->ensured);
}
END_TEST

START_TEST(a_write_that_is_repeated_is_kept_once)
{
	char words[64];

	say("A start");
	for (int i = 0; i < 1000; i++) {
		snprintf(words, sizeof(words), "A write /x %d", i);
		say(words);
	}
	ck_assert_uint_eq(HASH_COUNT(transaction_of('A')->entries), 2);
	ck_assert_uint_eq(transaction_of('A')->n_created, 1);
	say("A end");
	ck_assert_str_eq(stage.events, "/x");
	expect("A read /x", "999");
}
END_TEST

START_TEST(many_removals_hide_what_is_below_each)
{
	char words[64];

	for (int i = 0; i < 40; i++) {
		snprintf(words, sizeof(words), "A write /d/%d/x/y 1", i);
		say(words);
	}
	say("A start");
	for (int i = 0; i < 40; i++) {
		snprintf(words, sizeof(words), "A rm /d/%d%s", i, i % 2 ? "" : "/x");
		say(words);
		snprintf(words, sizeof(words), "A read /d/%d/x/y", i);
		expect(words, "ENOENT");
		snprintf(words, sizeof(words), "A ls /d/%d", i);
		expect(words, i % 2 ? "ENOENT" : "(none)");
		snprintf(words, sizeof(words), "A read /d/%d/x/y", i + 1);
		expect(words, i < 39 ? "1" : "ENOENT");
	}
	say("A mkdir /d/7/x");
	expect("A ls /d/7", "x");
	say("A end");
	expect("A ls /d/7/x", "(none)");
	expect("A ls /d/8", "(none)");
	expect("A read /d/9", "ENOENT");
}
END_TEST

START_TEST(entries_are_limited_for_the_unprivileged_only)
{
	char words[64];

	stage.limits.transaction_nodes = 10;
	say("A mkdir /d");
	say("A chmod /d b0");
	say("1 start");
	for (int i = 0; i < 9; i++) {
		snprintf(words, sizeof(words), "1 write /d/%d 1", i);
		say(words);
	}
	expect("1 write /d/9 1", "ENOSPC");
	expect("1 read /d/10", "ENOSPC");
	expect("1 write /d/0/x/y 1", "ENOSPC");
	expect("1 ls /d", "0 1 2 3 4 5 6 7 8");
	say("1 write /d/8 2");
	say("1 rm /d/7");
	say("1 end");
	expect("A ls /d", "0 1 2 3 4 5 6 8");
	say("A start");
	for (int i = 0; i < 20; i++) {
		snprintf(words, sizeof(words), "A write /e/%d 1", i);
		say(words);
	}
	say("A end");
}
END_TEST

START_TEST(an_end_can_be_repeated_until_its_turn_is_committed)
{
	stage.together = true;
	stage_watch(&stage, "/d/x");
	say("A write /d/x 1");
	say("A write /d/y 1");
	say("A start");
	say("A rm /d");
	say("A write /d/x 2");
	say("A write /d/n/o 2");
	say("A chmod /d/x r3");
	for (int i = 0; i < 3; i++) {
		say("A end");
		ck_assert_str_eq(stage.events, "/d/x /d /d/n/o");
		say("abort");
		expect("B ls /d", "x y");
	}
	say("B mkdir /e");
	say("A end");
	say("commit");
	expect("B ls /d", "x n");
	expect("B perms /d/x", "r3");
	expect("B read /d/n/o", "2");
}
END_TEST

START_TEST(a_repeated_end_looks_at_the_store_anew)
{
	stage.together = true;
	say("A mkdir /d");
	say("A start");
	say("A write /d/n/x 1");
	say("A end");
	say("abort");
	say("B mkdir /d/n");
	say("B chmod /d/n n3");
	say("A end");
	say("abort");
	say("B mkdir /d/n");
	say("B chmod /d/n n4");
	say("commit");
	say("A end");
	say("commit");
	expect("B perms /d/n/x", "n4");
}
END_TEST

START_TEST(after_its_snapshot_is_gone_it_is_doomed_by_what_is_newer_than_its_start)
{
	say("A write /x 1");
	say("A start");
	say("B write /x 2");
	say("B write /y 1");
	say("B rm /y");
	snapshots_drop_all(stage.store);
	expect("A perms /x", "n0");
	say("A write /x 3");
	expect("A read /x", "3");
	expect("A read /z", "ENOENT");
	ck_assert(!transaction_of('A')->doomed);
	say("A end");
	say("A start");
	say("B write /y 1");
	say("B rm /y");
	snapshots_drop_all(stage.store);
	expect("A read /y/z", "ENOENT");
	ck_assert(transaction_of('A')->doomed);
	expect("A end", "EAGAIN");
}
END_TEST

START_TEST(forgotten_tombstones_doom_only_where_the_list_has_changed)
{
	char words[64];

	say("A mkdir /quiet");
	say("A mkdir /busy");
	say("A start");
	say("C start");
	snapshots_drop_all(stage.store);
	stage.together = true;
	for (int i = 0; i < TOMBSTONES_MAX + 10; i++) {
		snprintf(words, sizeof(words), "B mkdir /busy/%d", i);
		say(words);
		snprintf(words, sizeof(words), "B rm /busy/%d", i);
		say(words);
		say("commit");
	}
	expect("A read /quiet/x", "ENOENT");
	say("A mkdir /quiet/y");
	ck_assert(!transaction_of('A')->doomed);
	say("A end");
	say("commit");
	expect("C read /busy/never", "ENOENT");
	ck_assert(transaction_of('C')->doomed);
}
END_TEST

START_TEST(tombstones_are_kept_only_while_one_is_open)
{
	struct path path = {"/x", 2};

	say("A write /x 1");
	say("A rm /x");
	ck_assert(!tombstones_cover(stage.store->tombstones, &path, stage.store->generation - 1));
	say("A write /x 1");
	say("A start");
	say("B rm /x");
	ck_assert(tombstones_cover(stage.store->tombstones, &path, transaction_of('A')->start_generation));
	say("A end");
	ck_assert(!tombstones_cover(stage.store->tombstones, &path, stage.store->generation));
}
END_TEST

/* The value of a node as the transaction of client A sees it. */
static char looks(const char *text)
{
	struct path path = {text, strlen(text)};
	struct node node;
	bool overlaid;

	ck_assert_int_eq(transaction_look(transaction_of('A'), &path, &node, &overlaid), 0);
	ck_assert_uint_eq(node.value_len, 1);
	return node.value[0];
}

START_TEST(it_sees_the_state_of_its_start_whether_changes_of_others_are_committed_or_not)
{
	say("A write /x 1");
	say("A start");
	ck_assert_int_eq(looks("/x"), '1');
	stage.together = true;
	say("B write /x 2");
	ck_assert_int_eq(looks("/x"), '1');
	stage.together = false;
	say("commit");
	ck_assert_int_eq(looks("/x"), '1');
	say("A forget");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("transaction");
	TCase *tcase = tcase_create("life");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, the_open_ones_are_known_oldest_first);
	tcase_add_test(tcase, what_is_observed_is_noted_by_path);
	tcase_add_test(tcase, a_write_that_is_repeated_is_kept_once);
	tcase_add_test(tcase, many_removals_hide_what_is_below_each);
	tcase_add_test(tcase, entries_are_limited_for_the_unprivileged_only);
	tcase_add_test(tcase, an_end_can_be_repeated_until_its_turn_is_committed);
	tcase_add_test(tcase, a_repeated_end_looks_at_the_store_anew);
	tcase_add_test(tcase, after_its_snapshot_is_gone_it_is_doomed_by_what_is_newer_than_its_start);
	tcase_add_test(tcase, forgotten_tombstones_doom_only_where_the_list_has_changed);
	tcase_add_test(tcase, tombstones_are_kept_only_while_one_is_open);
	tcase_add_test(tcase, it_sees_the_state_of_its_start_whether_changes_of_others_are_committed_or_not);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
