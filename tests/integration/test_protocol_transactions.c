/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Transactions as a client of the socket sees them: the rows of doc/compatibility.md and the table of doc/transactions.md. */
#include "support/expect.h"
#include "support/suite.h"

#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct daemon served;
static struct client *client;
static struct client *other;

static void start(void)
{
	expect_start(&served, NULL);
	client = expect_client(&served);
	other = expect_client(&served);
}

static void stop(void)
{
	expect_sound(client);
	client_close(client);
	client_close(other);
	daemon_stop(&served, SIGTERM, NULL);
}

static void expect_abort(struct client *of, uint32_t transaction)
{
	expect_ok(of, MESSAGE_TRANSACTION_END, transaction, ARGUMENTS("F"));
}

/* ---- start and end ---- */

START_TEST(a_transaction_is_seen_by_others_at_its_end_and_not_before)
{
	uint32_t transaction = expect_transaction(client);

	expect_write(client, transaction, "/a", "new");
	expect_read(client, transaction, "/a", "new");
	expect_read(client, 0, "/a", NULL);
	expect_read(other, 0, "/a", NULL);
	expect_end(client, transaction, "");
	expect_read(other, 0, "/a", "new");
}
END_TEST

START_TEST(an_aborted_transaction_leaves_nothing)
{
	char *before = expect_tree(client);
	uint32_t transaction = expect_transaction(client);

	expect_write(client, transaction, "/a/b", "new");
	expect_ok(client, MESSAGE_RM, transaction, ARGUMENTS("/tool"));
	expect_abort(client, transaction);
	char *after = expect_tree(client);
	ck_assert_str_eq(after, before);
	free(after);
	free(before);
}
END_TEST

START_TEST(a_transaction_whose_client_goes_away_leaves_nothing)
{
	uint32_t transaction = expect_transaction(other);
	struct client_message answer;

	expect_write(other, transaction, "/a", "new");
	client_close(other);
	other = expect_client(&served);
	/* The end of a connection is noticed in the daemon's own time. */
	do {
		answer = expect_any(client, MESSAGE_CONTROL, 0, ARGUMENTS("txn"));
	} while (strcmp(answer.payload, "OK") != 0);
	expect_read(client, 0, "/a", NULL);
}
END_TEST

START_TEST(a_transaction_number_is_the_clients_own)
{
	uint32_t transaction = expect_transaction(client);

	expect_error(other, "ENOENT", MESSAGE_READ, transaction + 1000, ARGUMENTS("/tool"));
	expect_error(other, "ENOENT", MESSAGE_READ, transaction, ARGUMENTS("/tool"));
	expect_read(client, transaction, "/tool", "");
}
END_TEST

/* "TRANSACTION_START inside a transaction EBUSY" */
START_TEST(a_transaction_cannot_be_started_inside_another)
{
	uint32_t transaction = expect_transaction(client);

	expect_error(client, "EBUSY", MESSAGE_TRANSACTION_START, transaction, ARGUMENTS(""));
	expect_read(client, transaction, "/tool", "");
	expect_end(client, transaction, "");
}
END_TEST

/* "unknown transaction id": ENOENT */
START_TEST(an_unknown_transaction_is_enoent_for_every_operation_that_takes_part_in_one)
{
	static const uint32_t numbers[] = {1, 4711, UINT32_MAX};
	static const uint32_t with_path_only[] = {MESSAGE_READ, MESSAGE_DIRECTORY, MESSAGE_GET_PERMS, MESSAGE_MKDIR, MESSAGE_RM};

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		for (size_t k = 0; k < sizeof(with_path_only) / sizeof(with_path_only[0]); k++)
			expect_error(client, "ENOENT", with_path_only[k], numbers[i], ARGUMENTS("/tool"));
		expect_error(client, "ENOENT", MESSAGE_WRITE, numbers[i], ARGUMENTS("/tool", "value"));
		expect_error(client, "ENOENT", MESSAGE_SET_PERMS, numbers[i], ARGUMENTS("/tool", "r0"));
		expect_error(client, "ENOENT", MESSAGE_DIRECTORY_PART, numbers[i], ARGUMENTS("/tool", "0"));
		expect_error(client, "ENOENT", MESSAGE_TRANSACTION_START, numbers[i], ARGUMENTS(""));
		expect_error(client, "ENOENT", MESSAGE_TRANSACTION_END, numbers[i], ARGUMENTS("T"));
		expect_error(client, "ENOENT", MESSAGE_TRANSACTION_END, numbers[i], ARGUMENTS("F"));
	}
	expect_read(client, 0, "/tool", "");
	expect_permissions(client, 0, "/tool", "n0");
}
END_TEST

START_TEST(the_end_of_no_transaction_is_enoent)
{
	expect_error(client, "ENOENT", MESSAGE_TRANSACTION_END, 0, ARGUMENTS("T"));
	expect_error(client, "ENOENT", MESSAGE_TRANSACTION_END, 0, ARGUMENTS("F"));
}
END_TEST

START_TEST(an_ended_transaction_is_unknown)
{
	uint32_t committed = expect_transaction(client), aborted = expect_transaction(client), failed;

	expect_write(client, committed, "/a", "1");
	expect_end(client, committed, "");
	expect_abort(client, aborted);
	failed = expect_transaction(client);
	expect_read(client, failed, "/a", "1");
	expect_write(other, 0, "/a", "2");
	expect_write(client, failed, "/b", "");
	expect_end(client, failed, "EAGAIN");
	expect_error(client, "ENOENT", MESSAGE_READ, committed, ARGUMENTS("/a"));
	expect_error(client, "ENOENT", MESSAGE_READ, aborted, ARGUMENTS("/a"));
	expect_error(client, "ENOENT", MESSAGE_READ, failed, ARGUMENTS("/a"));
	expect_error(client, "ENOENT", MESSAGE_TRANSACTION_END, committed, ARGUMENTS("T"));
}
END_TEST

START_TEST(an_end_without_t_or_f_is_einval_and_ends_nothing)
{
	uint32_t transaction = expect_transaction(client);

	expect_error(client, "EINVAL", MESSAGE_TRANSACTION_END, transaction, ARGUMENTS(""));
	expect_error(client, "EINVAL", MESSAGE_TRANSACTION_END, transaction, ARGUMENTS("t"));
	expect_error(client, "EINVAL", MESSAGE_TRANSACTION_END, transaction, ARGUMENTS("TT"));
	expect_error(client, "EINVAL", MESSAGE_TRANSACTION_END, transaction, ARGUMENTS("T", "F"));
	expect_error(client, "EINVAL", MESSAGE_TRANSACTION_END, transaction, NO_ARGUMENTS);
	expect_write(client, transaction, "/a", "new");
	expect_end(client, transaction, "");
	expect_read(client, 0, "/a", "new");
}
END_TEST

/* "count quotas" are for guests. */
START_TEST(the_privileged_may_have_more_transactions_than_the_quota)
{
	uint32_t transactions[40];

	for (size_t i = 0; i < 40; i++) {
		char path[16];
		transactions[i] = expect_transaction(client);
		for (size_t k = 0; k < i; k++)
			ck_assert_uint_ne(transactions[i], transactions[k]);
		snprintf(path, sizeof(path), "/t%zu", i);
		expect_write(client, transactions[i], path, "");
	}
	for (size_t i = 0; i < 40; i += 2)
		expect_end(client, transactions[i], "");
	for (size_t i = 1; i < 40; i += 2)
		expect_abort(client, transactions[i]);
	expect_read(client, 0, "/t38", "");
	expect_read(client, 0, "/t39", NULL);
}
END_TEST

/* "RESET_WATCHES deletes watches and transactions" (XSA-484: even when sent inside one). */
START_TEST(reset_watches_inside_a_transaction_is_ok_and_the_transaction_is_gone)
{
	uint32_t transaction = expect_transaction(client), second = expect_transaction(client);

	expect_write(client, transaction, "/a", "never");
	expect_ok(client, MESSAGE_RESET_WATCHES, transaction, ARGUMENTS(""));
	expect_error(client, "ENOENT", MESSAGE_READ, transaction, ARGUMENTS("/tool"));
	expect_error(client, "ENOENT", MESSAGE_TRANSACTION_END, second, ARGUMENTS("T"));
	expect_read(client, 0, "/a", NULL);
	transaction = expect_transaction(client);
	expect_write(client, transaction, "/a", "new");
	expect_end(client, transaction, "");
}
END_TEST

/* ---- what is seen inside ---- */

START_TEST(a_transaction_reads_the_state_of_its_start)
{
	expect_write(client, 0, "/a", "old");
	expect_write(client, 0, "/b", "old");
	uint32_t transaction = expect_transaction(client);
	expect_write(other, 0, "/a", "new");
	expect_ok(other, MESSAGE_RM, 0, ARGUMENTS("/b"));
	expect_write(other, 0, "/c", "new");
	expect_ok(other, MESSAGE_SET_PERMS, 0, ARGUMENTS("/a", "b0"));
	expect_read(client, transaction, "/a", "old");
	expect_read(client, transaction, "/b", "old");
	expect_read(client, transaction, "/c", NULL);
	expect_names(client, transaction, "/", "tool a b");
	expect_permissions(client, transaction, "/a", "n0");
	expect_read(client, 0, "/a", "new");
	/* It showed what has changed, but changes nothing itself: serial at its start. */
	expect_end(client, transaction, "");
}
END_TEST

START_TEST(a_transaction_sees_all_that_it_did)
{
	expect_write(client, 0, "/d/one", "1");
	expect_write(client, 0, "/d/two/inner", "2");
	uint32_t transaction = expect_transaction(client);
	expect_write(client, transaction, "/d/three", "3");
	expect_ok(client, MESSAGE_RM, transaction, ARGUMENTS("/d/two"));
	expect_write(client, transaction, "/d/one", "changed");
	expect_ok(client, MESSAGE_MKDIR, transaction, ARGUMENTS("/d/four/five"));
	expect_ok(client, MESSAGE_SET_PERMS, transaction, ARGUMENTS("/d/three", "b0"));
	expect_names(client, transaction, "/d", "one three four");
	expect_read(client, transaction, "/d/two/inner", NULL);
	expect_read(client, transaction, "/d/one", "changed");
	expect_permissions(client, transaction, "/d/three", "b0");
	expect_write(client, transaction, "/d/two", "again");
	expect_names(client, transaction, "/d", "one three four two");
	expect_names(client, transaction, "/d/two", "");
	expect_end(client, transaction, "");
	expect_names(client, 0, "/d", "one three four two");
	expect_names(client, 0, "/d/two", "");
	expect_names(client, 0, "/d/four", "five");
	expect_permissions(client, 0, "/d/three", "b0");
	expect_read(client, 0, "/d/one", "changed");
}
END_TEST

/* ---- conflicts ---- */

START_TEST(siblings_never_conflict)
{
	uint32_t one = expect_transaction(client), two = expect_transaction(other);

	expect_write(client, one, "/d/one", "");
	expect_write(other, two, "/d/two", "");
	expect_end(client, one, "");
	expect_end(other, two, "");
	expect_names(client, 0, "/d", "one two");
}
END_TEST

START_TEST(of_two_blind_writers_both_commit_and_the_later_wins)
{
	expect_write(client, 0, "/a", "");
	uint32_t one = expect_transaction(client), two = expect_transaction(other);
	expect_write(client, one, "/a", "one");
	expect_write(other, two, "/a", "two");
	expect_end(other, two, "");
	expect_end(client, one, "");
	expect_read(client, 0, "/a", "one");
}
END_TEST

START_TEST(a_transaction_that_showed_a_value_fails_if_it_has_changed)
{
	expect_write(client, 0, "/a", "1");
	uint32_t transaction = expect_transaction(client);
	expect_read(client, transaction, "/a", "1");
	expect_write(client, transaction, "/sum", "1");
	expect_write(other, 0, "/a", "2");
	expect_end(client, transaction, "EAGAIN");
	expect_read(client, 0, "/sum", NULL);
}
END_TEST

START_TEST(a_change_of_something_else_is_no_conflict)
{
	expect_write(client, 0, "/a/b", "1");
	uint32_t transaction = expect_transaction(client);
	expect_read(client, transaction, "/a/b", "1");
	expect_write(client, transaction, "/sum", "1");
	expect_write(other, 0, "/a", "2");
	expect_write(other, 0, "/a/c", "2");
	expect_ok(other, MESSAGE_SET_PERMS, 0, ARGUMENTS("/a/b", "b0"));
	expect_end(client, transaction, "");
}
END_TEST

START_TEST(a_transaction_that_showed_that_a_node_is_missing_fails_if_it_appears)
{
	uint32_t transaction = expect_transaction(client);

	expect_read(client, transaction, "/a/b", NULL);
	expect_write(client, transaction, "/c", "");
	expect_write(other, 0, "/a", "");
	expect_end(client, transaction, "EAGAIN");
}
END_TEST

START_TEST(a_transaction_that_showed_a_list_fails_if_it_has_changed)
{
	expect_write(client, 0, "/d/one", "");
	uint32_t transaction = expect_transaction(client);
	expect_names(client, transaction, "/d", "one");
	expect_write(client, transaction, "/c", "");
	expect_write(other, 0, "/d/two", "");
	expect_end(client, transaction, "EAGAIN");
}
END_TEST

START_TEST(a_transaction_that_writes_below_what_was_removed_fails)
{
	expect_write(client, 0, "/d/one", "");
	uint32_t transaction = expect_transaction(client);
	expect_write(client, transaction, "/d/two", "");
	expect_ok(other, MESSAGE_RM, 0, ARGUMENTS("/d"));
	expect_end(client, transaction, "EAGAIN");
	expect_read(client, 0, "/d", NULL);
}
END_TEST

/* Long enough that the snapshot is given up: then what is newer than the start must not be shown as if it were old. */
START_TEST(a_transaction_outlives_many_commits_of_others)
{
	expect_write(client, 0, "/a", "old");
	expect_write(client, 0, "/quiet", "old");
	uint32_t undisturbed = expect_transaction(client), disturbed = expect_transaction(client);
	expect_write(client, undisturbed, "/result/one", "1");
	expect_write(client, disturbed, "/result/two", "2");
	for (int i = 0; i < 2000; i++)
		expect_write(other, 0, "/a", i % 2 ? "new" : "newer");
	expect_read(client, undisturbed, "/quiet", "old");
	struct client_message answer = expect_any(client, MESSAGE_READ, disturbed, ARGUMENTS("/a"));
	ck_assert_uint_eq(answer.header.type, MESSAGE_READ);
	expect_end(client, undisturbed, "");
	expect_end(client, disturbed, "EAGAIN");
	expect_names(client, 0, "/result", "one");
}
END_TEST

START_TEST(special_nodes_take_part_in_transactions)
{
	uint32_t transaction = expect_transaction(client);

	expect_ok(client, MESSAGE_SET_PERMS, transaction, ARGUMENTS("@introduceDomain", "r0"));
	expect_permissions(client, transaction, "@introduceDomain", "r0");
	expect_permissions(client, 0, "@introduceDomain", "n0");
	expect_end(client, transaction, "");
	expect_permissions(client, 0, "@introduceDomain", "r0");
}
END_TEST

START_TEST(a_failed_operation_leaves_the_transaction_usable)
{
	uint32_t transaction = expect_transaction(client);

	expect_write(client, transaction, "/a", "new");
	expect_error(client, "EINVAL", MESSAGE_WRITE, transaction, ARGUMENTS("/a/", "value"));
	expect_error(client, "ENOENT", MESSAGE_RM, transaction, ARGUMENTS("/missing/below"));
	expect_error(client, "EINVAL", MESSAGE_RM, transaction, ARGUMENTS("/"));
	expect_error(client, "ENOENT", MESSAGE_SET_PERMS, transaction, ARGUMENTS("/a", "n9"));
	expect_end(client, transaction, "");
	expect_read(client, 0, "/a", "new");
}
END_TEST

/* As with both stock daemons. */
START_TEST(operations_that_take_no_part_want_the_transaction_to_exist_all_the_same)
{
	uint32_t transaction = expect_transaction(client);

	expect_error(client, "ENOENT", MESSAGE_GET_DOMAIN_PATH, 4711, ARGUMENTS("7"));
	expect_error(client, "ENOENT", MESSAGE_IS_DOMAIN_INTRODUCED, 4711, ARGUMENTS("7"));
	expect_error(client, "ENOENT", MESSAGE_CONTROL, 4711, ARGUMENTS("check"));
	expect_text(client, "/local/domain/7", MESSAGE_GET_DOMAIN_PATH, transaction, ARGUMENTS("7"));
	expect_text(client, "F", MESSAGE_IS_DOMAIN_INTRODUCED, transaction, ARGUMENTS("7"));
	expect_ok(client, MESSAGE_CONTROL, transaction, ARGUMENTS("check"));
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
	    a_transaction_is_seen_by_others_at_its_end_and_not_before,
	    an_aborted_transaction_leaves_nothing,
	    a_transaction_whose_client_goes_away_leaves_nothing,
	    a_transaction_number_is_the_clients_own,
	    a_transaction_cannot_be_started_inside_another,
	    an_unknown_transaction_is_enoent_for_every_operation_that_takes_part_in_one,
	    the_end_of_no_transaction_is_enoent,
	    an_ended_transaction_is_unknown,
	    an_end_without_t_or_f_is_einval_and_ends_nothing,
	    the_privileged_may_have_more_transactions_than_the_quota,
	    reset_watches_inside_a_transaction_is_ok_and_the_transaction_is_gone,
	    a_transaction_reads_the_state_of_its_start,
	    a_transaction_sees_all_that_it_did,
	    siblings_never_conflict,
	    of_two_blind_writers_both_commit_and_the_later_wins,
	    a_transaction_that_showed_a_value_fails_if_it_has_changed,
	    a_change_of_something_else_is_no_conflict,
	    a_transaction_that_showed_that_a_node_is_missing_fails_if_it_appears,
	    a_transaction_that_showed_a_list_fails_if_it_has_changed,
	    a_transaction_that_writes_below_what_was_removed_fails,
	    a_transaction_outlives_many_commits_of_others,
	    special_nodes_take_part_in_transactions,
	    a_failed_operation_leaves_the_transaction_usable,
	    operations_that_take_no_part_want_the_transaction_to_exist_all_the_same,
	};

	return suite_run(expect_suite("protocol: transactions", &served, start, stop, tests, sizeof(tests) / sizeof(tests[0])));
}
