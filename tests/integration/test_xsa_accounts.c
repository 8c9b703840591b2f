/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Xen's security advisories: what is counted, and what is left when something fails or somebody goes. Each test is named after
 * the advisory that it shows not to concern this daemon. Guests 1 and 2 are there.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guests.h"
#include "support/suite.h"
#include "wire/ring_page.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* First values of quotas. */
enum { NODES = 1000, WATCHES = 128, TRANSACTIONS = 10 };

static struct client *first, *second;

static void start(void)
{
	guests_start();
	first = guests_add(1);
	second = guests_add(2);
}

static void make_nodes(struct client *client, uint32_t transaction, const char *name, unsigned n)
{
	char path[64];

	for (unsigned i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%s%u", name, i);
		expect_ok(client, MESSAGE_MKDIR, transaction, ARGUMENTS(path));
	}
}

static void expect_write_error(struct client *client, const char *error, uint32_t transaction, const char *path)
{
	expect_error(client, error, MESSAGE_WRITE, transaction, ARGUMENTS(path, "value"));
}

/* The guest has no more nodes, watches and transactions than it is entitled to, and exactly these. */
static void use_up_quotas(struct client *client, uint16_t domid)
{
	char token[16];

	make_nodes(client, 0, "fill", NODES - guests_account(domid, "nodes"));
	expect_write_error(client, "ENOSPC", 0, "more");
	ck_assert_uint_eq(guests_account(domid, "nodes"), NODES);
	for (int i = 0; i < WATCHES; i++) {
		snprintf(token, sizeof(token), "%d", i);
		expect_ok(client, MESSAGE_WATCH, 0, ARGUMENTS("watched", token));
	}
	expect_error(client, "ENOSPC", MESSAGE_WATCH, 0, ARGUMENTS("watched", "more"));
	for (int i = 0; i < TRANSACTIONS; i++)
		expect_transaction(client);
	expect_error(client, "ENOSPC", MESSAGE_TRANSACTION_START, 0, ARGUMENTS(""));
}

/* ---- 272 ---- */

START_TEST(xsa_272_cve_2018_15470_each_node_is_counted_implied_parents_too)
{
	unsigned before = guests_account(1, "nodes");

	expect_write(first, 0, "a/b/c/d", "value");
	ck_assert_uint_eq(guests_account(1, "nodes"), before + 4);
	expect_write(first, 0, "a/b/c/d", "changed");
	ck_assert_uint_eq(guests_account(1, "nodes"), before + 4);
	expect_write(first, 0, "a/b/x/y", "value");
	ck_assert_uint_eq(guests_account(1, "nodes"), before + 6);
	uint32_t transaction = expect_transaction(first);
	expect_write(first, transaction, "t/u", "value");
	expect_ok(first, MESSAGE_RM, transaction, ARGUMENTS("a/b/x"));
	expect_end(first, transaction, "");
	ck_assert_uint_eq(guests_account(1, "nodes"), before + 6);
	expect_ok(first, MESSAGE_RM, 0, ARGUMENTS("a"));
	ck_assert_uint_eq(guests_account(1, "nodes"), before + 2);
}
END_TEST

START_TEST(xsa_272_cve_2018_15470_at_the_quota_the_next_creation_fails_and_changes_nothing)
{
	unsigned before = guests_account(1, "nodes");

	make_nodes(first, 0, "node", NODES - before);
	for (int i = 0; i < 3; i++) {
		expect_write_error(first, "ENOSPC", 0, "more");
		expect_error(first, "ENOSPC", MESSAGE_MKDIR, 0, ARGUMENTS("more"));
		expect_write_error(first, "ENOSPC", 0, "node0/below");
		ck_assert_uint_eq(guests_account(1, "nodes"), NODES);
	}
	expect_write(first, 0, "node0", "there is room for a change");
	expect_ok(first, MESSAGE_RM, 0, ARGUMENTS("node1"));
	expect_write(first, 0, "more", "value");
	expect_write_error(first, "ENOSPC", 0, "node1");
	expect_write(second, 0, "others", "are not concerned");
	ck_assert_uint_eq(guests_account(1, "nodes"), NODES);
}
END_TEST

/* ---- 330 ---- */

START_TEST(xsa_330_cve_2020_29485_reset_watches_gives_all_back)
{
	unsigned memory = 0;
	char token[16];

	for (int round = 0; round < 20; round++) {
		for (int i = 0; i < WATCHES; i++) {
			snprintf(token, sizeof(token), "%d", i);
			expect_ok(first, MESSAGE_WATCH, 0, ARGUMENTS("watched", token));
			expect_event(first, "watched", token);
		}
		expect_error(first, "ENOSPC", MESSAGE_WATCH, 0, ARGUMENTS("watched", "more"));
		ck_assert_uint_eq(guests_account(1, "watches"), WATCHES);
		expect_ok(first, MESSAGE_RESET_WATCHES, 0, ARGUMENTS(""));
		ck_assert_uint_eq(guests_account(1, "watches"), 0);
		if (round > 1)
			ck_assert_uint_eq(guests_account(1, "memory"), memory);
		memory = guests_account(1, "memory");
		expect_write(first, 0, "watched", "value");
		expect_no_event(first);
	}
}
END_TEST

/* ---- 414, 415 ---- */

START_TEST(xsa_414_cve_2022_42309_a_creation_that_fails_half_way_leaves_all_as_it_was)
{
	char *before = expect_tree(guests.root), *after;
	unsigned nodes = guests_account(1, "nodes");

	expect_watch(guests.root, "/", "all");
	for (unsigned room = 0; room < 4; room++) {
		guests_quota("nodes", nodes + room);
		for (int i = 0; i < 10; i++)
			expect_write_error(first, "ENOSPC", 0, "a/b/c/d");
		expect_error(first, "ENOSPC", MESSAGE_MKDIR, 0, ARGUMENTS("a/b/c/d"));
		ck_assert_uint_eq(guests_account(1, "nodes"), nodes);
	}
	expect_no_event(guests.root);
	after = expect_tree(guests.root);
	ck_assert_str_eq(before, after);
	free(before);
	free(after);
	guests_quota("nodes", nodes + 4);
	expect_write(first, 0, "a/b/c/d", "value");
	ck_assert_uint_eq(guests_account(1, "nodes"), nodes + 4);
}
END_TEST

START_TEST(xsa_415_cve_2022_42310_a_creation_that_fails_in_a_transaction_leaves_nothing_and_the_rest_commits)
{
	unsigned nodes = guests_account(1, "nodes");
	uint32_t transaction = expect_transaction(first);

	guests_quota("nodes", nodes + 3);
	expect_write(first, transaction, "first", "1");
	expect_write_error(first, "ENOSPC", transaction, "a/b/c");
	expect_read(first, transaction, "a", NULL);
	expect_names(first, transaction, guests_path(1, ""), "first");
	expect_write(first, transaction, "last", "1");
	expect_end(first, transaction, "");
	expect_names(first, 0, guests_path(1, ""), "first last");
	ck_assert_uint_eq(guests_account(1, "nodes"), nodes + 2);
	expect_sound(guests.root);
}
END_TEST

START_TEST(xsa_415_cve_2022_42310_nor_does_an_end_that_fails_leave_anything)
{
	unsigned nodes = guests_account(1, "nodes");
	uint32_t transaction = expect_transaction(first);

	guests_quota("nodes", nodes + 3);
	make_nodes(first, transaction, "new", 3);
	make_nodes(first, 0, "meanwhile", 2);
	expect_end(first, transaction, "ENOSPC");
	expect_names(first, 0, guests_path(1, ""), "meanwhile0 meanwhile1");
	ck_assert_uint_eq(guests_account(1, "nodes"), nodes + 2);
	expect_error(first, "ENOENT", MESSAGE_TRANSACTION_END, transaction, ARGUMENTS("T"));
	expect_sound(guests.root);
}
END_TEST

/* ---- 419 ---- */

START_TEST(xsa_419_cve_2022_42322_42323_what_a_domain_owned_goes_with_it)
{
	char *before = expect_tree(guests.root), *after;
	unsigned long records = 0;

	expect_write(guests.root, 0, "/shared", "");
	guests_permit("/shared", "b0");
	for (int round = 0; round < 30; round++) {
		struct client *guest = guests_add(5);
		expect_write(guest, 0, "/shared/its-own/deep/below", "value");
		expect_write(second, 0, "/shared/of-another", "value");
		expect_ok(second, MESSAGE_SET_PERMS, 0, ARGUMENTS("/shared/of-another", "n2", "b5"));
		expect_write(guest, 0, "/shared/of-another/its-own", "value");
		expect_ok(guest, MESSAGE_SET_PERMS, 0, ARGUMENTS("/shared/its-own", "n5", "b2"));
		expect_write(second, 0, "/shared/its-own/by-another", "goes with it");
		guests_destroy(5);
		expect_names(guests.root, 0, "/shared", "of-another");
		expect_names(guests.root, 0, "/shared/of-another", "");
		expect_permissions(guests.root, 0, "/shared/of-another", "n2");
		expect_read(guests.root, 0, guests_path(5, ""), NULL);
		expect_ok(second, MESSAGE_RM, 0, ARGUMENTS("/shared/of-another"));
		if (round)
			ck_assert_uint_eq(guests_report("store: "), records);
		records = guests_report("store: ");
	}
	expect_ok(guests.root, MESSAGE_RM, 0, ARGUMENTS("/shared"));
	after = expect_tree(guests.root);
	ck_assert_str_eq(before, after);
	free(before);
	free(after);
}
END_TEST

/* ---- 421 ---- */

START_TEST(xsa_421_cve_2022_42325_42326_a_node_made_and_removed_in_a_transaction_does_not_stop_its_end)
{
	unsigned nodes = guests_account(1, "nodes");
	uint32_t transaction = expect_transaction(first);

	expect_write(first, transaction, "x/deep", "1");
	expect_ok(first, MESSAGE_RM, transaction, ARGUMENTS("x"));
	expect_write(first, transaction, "y", "1");
	expect_end(first, transaction, "");
	expect_names(first, 0, guests_path(1, ""), "y");
	expect_read(first, 0, "x", NULL);
	ck_assert_uint_eq(guests_account(1, "nodes"), nodes + 1);
	transaction = expect_transaction(first);
	expect_ok(first, MESSAGE_RM, transaction, ARGUMENTS("y"));
	expect_write(first, transaction, "y", "2");
	expect_ok(first, MESSAGE_RM, transaction, ARGUMENTS("y"));
	expect_end(first, transaction, "");
	ck_assert_uint_eq(guests_account(1, "nodes"), nodes);
}
END_TEST

START_TEST(xsa_421_cve_2022_42325_42326_an_end_that_fails_does_nothing_by_half)
{
	unsigned nodes;
	uint32_t transaction;

	expect_write(first, 0, "seen", "1");
	nodes = guests_account(1, "nodes");
	transaction = expect_transaction(first);
	make_nodes(first, transaction, "new", 20);
	expect_read(first, transaction, "seen", "1");
	make_nodes(first, transaction, "newer", 20);
	expect_write(guests.root, 0, guests_path(1, "seen"), "2");
	expect_watch(guests.root, "/", "all");
	expect_end(first, transaction, "EAGAIN");
	expect_no_event(guests.root);
	expect_names(first, 0, guests_path(1, ""), "seen");
	ck_assert_uint_eq(guests_account(1, "nodes"), nodes);
}
END_TEST

/* ---- 440 ---- */

START_TEST(xsa_440_cve_2023_34323_two_transactions_that_remove_the_same_nodes_do_not_count_below_zero)
{
	enum { REMOVED = 50 };
	unsigned nodes = guests_account(1, "nodes");
	uint32_t transactions[2];
	char path[16];

	make_nodes(first, 0, "n", REMOVED);
	for (int i = 0; i < 2; i++)
		transactions[i] = expect_transaction(first);
	for (int i = 0; i < 2 * REMOVED; i++) {
		snprintf(path, sizeof(path), "n%d", i / 2);
		expect_ok(first, MESSAGE_RM, transactions[i % 2], ARGUMENTS(path));
	}
	expect_end(first, transactions[0], "");
	expect_end(first, transactions[1], "EAGAIN");
	ck_assert_uint_eq(guests_account(1, "nodes"), nodes);
	make_nodes(first, 0, "n", NODES - nodes);
	expect_write_error(first, "ENOSPC", 0, "more");
}
END_TEST

/* ---- 483 ---- */

START_TEST(xsa_483_cve_2026_23556_a_number_that_is_used_again_has_the_full_quota)
{
	for (int round = 0; round < 3; round++) {
		struct client *guest = guests_add(6);
		use_up_quotas(guest, 6);
		if (round == 1) { /* and what it has elsewhere */
			expect_ok(guests.root, MESSAGE_RM, 0, ARGUMENTS(guests_path(6, "fill0")));
			expect_write(guests.root, 0, "/elsewhere", "");
			guests_permit("/elsewhere", "n6");
		}
		guests_destroy(6);
	}
	struct client *last = guests_add(6);
	ck_assert_uint_eq(guests_account(6, "nodes"), 1);
	ck_assert_uint_eq(guests_account(6, "watches"), 0);
	ck_assert_uint_eq(guests_account(6, "transactions"), 0);
	use_up_quotas(last, 6);
}
END_TEST

START_TEST(xsa_483_cve_2026_23556_a_guest_that_is_introduced_anew_has_its_quota_of_what_is_gone)
{
	use_up_quotas(first, 1);
	first = guests_introduce(1);
	ck_assert_uint_eq(guests_account(1, "watches"), 0);
	ck_assert_uint_eq(guests_account(1, "transactions"), 0);
	ck_assert_uint_eq(guests_account(1, "nodes"), NODES);
	expect_ok(guests.root, MESSAGE_RM, 0, ARGUMENTS(guests_path(1, "")));
	guests_home(1);
	use_up_quotas(first, 1);
}
END_TEST

/* ---- 484 ---- */

START_TEST(xsa_484_cve_2026_23557_reset_watches_inside_a_transaction_ends_all_transactions)
{
	uint32_t transaction = expect_transaction(first), other = expect_transaction(first);

	expect_watch(first, "watched", "token");
	expect_write(first, transaction, "never", "value");
	expect_ok(first, MESSAGE_RESET_WATCHES, transaction, ARGUMENTS(""));
	expect_error(first, "ENOENT", MESSAGE_READ, transaction, ARGUMENTS("never"));
	expect_error(first, "ENOENT", MESSAGE_TRANSACTION_END, transaction, ARGUMENTS("T"));
	expect_error(first, "ENOENT", MESSAGE_TRANSACTION_END, other, ARGUMENTS("F"));
	expect_read(first, 0, "never", NULL);
	expect_write(first, 0, "watched", "value");
	expect_no_event(first);
	for (int i = 0; i < TRANSACTIONS; i++)
		expect_transaction(first);
	expect_error(first, "ENOSPC", MESSAGE_TRANSACTION_START, 0, ARGUMENTS(""));
}
END_TEST

START_TEST(xsa_484_cve_2026_23557_so_does_a_violation_of_the_protocol)
{
	for (int round = 0; round < 2; round++) {
		uint32_t transaction = expect_transaction(first);
		const struct message_header header = {MESSAGE_WRITE, 1, transaction, MESSAGE_PAYLOAD_MAX + 1};
		expect_write(first, transaction, "never", "value");
		if (round)
			atomic_store(&guests_page(1)->req_prod, atomic_load(&guests_page(1)->req_cons) + 1025);
		else
			guest_put(guests_ring(1), &header, sizeof(header));
		guest_notify(guests_ring(1));
		guests_await_error(1, round ? RING_ERROR_INDEX : RING_ERROR_PROTOCOL);
		expect_bytes(guests.root, "OK", sizeof("OK"), MESSAGE_CONTROL, 0, ARGUMENTS("txn", "1"));
		expect_read(guests.root, 0, guests_path(1, "never"), NULL);
		guests_served(second);
		first = guests_introduce(1);
		expect_error(first, "ENOENT", MESSAGE_TRANSACTION_END, transaction, ARGUMENTS("T"));
		use_up_quotas(first, 1);
		expect_ok(first, MESSAGE_RESET_WATCHES, 0, ARGUMENTS(""));
		expect_ok(guests.root, MESSAGE_RM, 0, ARGUMENTS(guests_path(1, "")));
		guests_home(1);
	}
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
	    xsa_272_cve_2018_15470_each_node_is_counted_implied_parents_too,
	    xsa_272_cve_2018_15470_at_the_quota_the_next_creation_fails_and_changes_nothing,
	    xsa_330_cve_2020_29485_reset_watches_gives_all_back,
	    xsa_414_cve_2022_42309_a_creation_that_fails_half_way_leaves_all_as_it_was,
	    xsa_415_cve_2022_42310_a_creation_that_fails_in_a_transaction_leaves_nothing_and_the_rest_commits,
	    xsa_415_cve_2022_42310_nor_does_an_end_that_fails_leave_anything,
	    xsa_419_cve_2022_42322_42323_what_a_domain_owned_goes_with_it,
	    xsa_421_cve_2022_42325_42326_a_node_made_and_removed_in_a_transaction_does_not_stop_its_end,
	    xsa_421_cve_2022_42325_42326_an_end_that_fails_does_nothing_by_half,
	    xsa_440_cve_2023_34323_two_transactions_that_remove_the_same_nodes_do_not_count_below_zero,
	    xsa_483_cve_2026_23556_a_number_that_is_used_again_has_the_full_quota,
	    xsa_483_cve_2026_23556_a_guest_that_is_introduced_anew_has_its_quota_of_what_is_gone,
	    xsa_484_cve_2026_23557_reset_watches_inside_a_transaction_ends_all_transactions,
	    xsa_484_cve_2026_23557_so_does_a_violation_of_the_protocol,
	};

	return suite_run(guests_suite("advisories: accounts", start, tests, COUNT(tests)));
}
