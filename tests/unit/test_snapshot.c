/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The states that transactions read: shared, bounded in number and in age, and what a transaction is after it has lost its own.
 */
#include "store/snapshot.h"
#include "support/stage.h"
#include "support/suite.h"

#include <check.h>
#include <lmdb.h>
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
	ck_assert_msg(!strcmp(stage_say(&stage, words), answer), "\"%s\" was answered %s instead of %s", words, stage.answer,
		      answer);
}

static const struct snapshot *snapshot_of(char client)
{
	return stage_client(&stage, client)->transaction->snapshot;
}

static struct store_figures figures(void)
{
	struct store_figures figures;

	ck_assert_int_eq(store_figures(stage.store, &figures), 0);
	return figures;
}

static void commit_often(size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char words[64];
		snprintf(words, sizeof(words), "D write /busy/%zu %zu", i % 100, i);
		expect(words, "OK");
	}
}

START_TEST(transactions_that_begin_in_the_same_state_share_a_reader)
{
	expect("A start", "OK");
	expect("B start", "OK");
	ck_assert_ptr_eq(snapshot_of('A'), snapshot_of('B'));
	ck_assert_uint_eq(figures().snapshots, 1);
	expect("D write /a 1", "OK");
	expect("C start", "OK");
	ck_assert_ptr_ne(snapshot_of('A'), snapshot_of('C'));
	ck_assert_uint_eq(figures().snapshots, 2);
	expect("A end", "OK");
	ck_assert_uint_eq(figures().snapshots, 2);
	expect("B read /a", "ENOENT");
	expect("B forget", "OK");
	ck_assert_uint_eq(figures().snapshots, 1);
	expect("C read /a", "1");
}
END_TEST

START_TEST(readers_are_used_again)
{
	for (int i = 0; i < 2000; i++) {
		expect("A start", "OK");
		expect("D write /a 1", "OK");
		expect("A read /a", i ? "1" : "ENOENT");
		expect("A forget", "OK");
	}
	ck_assert_uint_le(figures().readers, 3);
}
END_TEST

START_TEST(a_snapshot_lives_for_a_bounded_number_of_commits)
{
	expect("A write /a 1", "OK");
	expect("A start", "OK");
	expect("B write /a 2", "OK");
	commit_often(SNAPSHOT_COMMITS_MAX - 2);
	ck_assert_ptr_nonnull(snapshot_of('A'));
	expect("A read /a", "1");
	commit_often(1);
	ck_assert_ptr_null(snapshot_of('A'));
	expect("A read /a", "2");
	expect("A end", "EAGAIN");
}
END_TEST

START_TEST(a_younger_snapshot_outlives_an_older_one)
{
	expect("A start", "OK");
	commit_often(SNAPSHOT_COMMITS_MAX / 2);
	expect("B start", "OK");
	commit_often(SNAPSHOT_COMMITS_MAX / 2);
	ck_assert_ptr_null(snapshot_of('A'));
	ck_assert_ptr_nonnull(snapshot_of('B'));
}
END_TEST

START_TEST(past_the_greatest_number_the_oldest_is_given_up)
{
	struct transaction *transactions[SNAPSHOTS_MAX + 1];
	struct caller caller = {0, DOMID_NONE, true};

	/* More snapshots than commits they may live: each is made to look new. */
	for (size_t i = 0; i <= SNAPSHOTS_MAX; i++) {
		commit_often(1);
		for (struct snapshot *snapshot = stage.store->snapshots; snapshot; snapshot = snapshot->next)
			snapshot->commits = stage.store->commits - 1;
		ck_assert_int_eq(transaction_start(stage.store, &caller, &transactions[i]), 0);
	}
	ck_assert_ptr_null(transactions[0]->snapshot);
	ck_assert_ptr_nonnull(transactions[1]->snapshot);
	ck_assert_ptr_nonnull(transactions[SNAPSHOTS_MAX]->snapshot);
	ck_assert_uint_eq(stage.store->n_snapshots, SNAPSHOTS_MAX);
	for (size_t i = 0; i <= SNAPSHOTS_MAX; i++)
		transaction_free(transactions[i]);
	ck_assert_uint_eq(stage.store->n_snapshots, 0);
}
END_TEST

START_TEST(where_no_reader_is_left_a_transaction_begins_without)
{
	MDB_txn *readers[1024];
	size_t n = 0;

	while (n < 1024 && !mdb_txn_begin(stage.store->env, NULL, MDB_RDONLY, &readers[n]))
		n++;
	ck_assert_uint_lt(n, 1024);
	expect("A write /a 1", "OK");
	expect("A start", "OK");
	ck_assert_ptr_null(snapshot_of('A'));
	expect("A read /a", "1");
	expect("A write /b 1", "OK");
	expect("A end", "OK");
	expect("A start", "OK");
	expect("B write /a 2", "OK");
	expect("A read /a", "2");
	expect("A end", "EAGAIN");
	while (n)
		mdb_txn_abort(readers[--n]);
	expect("A start", "OK");
	ck_assert_ptr_nonnull(snapshot_of('A'));
}
END_TEST

START_TEST(all_can_be_dropped_at_once)
{
	expect("A start", "OK");
	commit_often(1);
	expect("B start", "OK");
	snapshots_drop_all(stage.store);
	ck_assert_ptr_null(snapshot_of('A'));
	ck_assert_ptr_null(snapshot_of('B'));
	ck_assert_uint_eq(figures().snapshots, 0);
	expect("C start", "OK");
	ck_assert_ptr_nonnull(snapshot_of('C'));
}
END_TEST

START_TEST(a_transaction_stays_open_for_a_million_commits_of_others)
{
	enum { MILLION = 1000000, PAGES_PER_COMMIT = 12 };

	expect("A write /seen 1", "OK");
	expect("A write /quiet 1", "OK");
	commit_often(1000);
	expect("A start", "OK");
	expect("B start", "OK");
	expect("C start", "OK");
	expect("A read /quiet", "1");
	expect("B read /seen", "1");
	struct store_figures before = figures();
	commit_often(MILLION / 2);
	expect("D write /seen 2", "OK");
	commit_often(MILLION / 2);
	struct store_figures after = figures();
	ck_assert_uint_le(after.pages_used, before.pages_used + SNAPSHOT_COMMITS_MAX * PAGES_PER_COMMIT);
	ck_assert_uint_le(after.file_size, before.file_size + ((size_t)4 << 20));

	/* One has seen nothing that changed, one has, and one does now. */
	expect("A read /quiet", "1");
	expect("A write /a 1", "OK");
	expect("A end", "OK");
	expect("B write /b 1", "OK");
	expect("B end", "EAGAIN");
	expect("C read /seen", "2");
	expect("C end", "EAGAIN");
	expect("A ls /", "tool seen quiet busy a");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("snapshot");
	TCase *tcase = tcase_create("readers");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 300);
	tcase_add_test(tcase, transactions_that_begin_in_the_same_state_share_a_reader);
	tcase_add_test(tcase, readers_are_used_again);
	tcase_add_test(tcase, a_snapshot_lives_for_a_bounded_number_of_commits);
	tcase_add_test(tcase, a_younger_snapshot_outlives_an_older_one);
	tcase_add_test(tcase, past_the_greatest_number_the_oldest_is_given_up);
	tcase_add_test(tcase, where_no_reader_is_left_a_transaction_begins_without);
	tcase_add_test(tcase, all_can_be_dropped_at_once);
	tcase_add_test(tcase, a_transaction_stays_open_for_a_million_commits_of_others);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
