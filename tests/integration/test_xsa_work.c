/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Xen's security advisories: how a guest can keep the daemon from the work of others. Each test is named after the advisory that
 * it shows not to concern this daemon. Guests 1 and 2 are there.
 */
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "guests.h"
#include "support/suite.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct client *first, *second;

static void start_with(const char *const arguments[])
{
	guests_start_with(arguments);
	first = guests_add(1);
	second = guests_add(2);
}

static void start(void)
{
	start_with(NULL);
}

/* Who is held back stays so. */
static void start_with_long_interval(void)
{
	start_with((const char *const[]){"--conflict-burst", "3", "--conflict-interval", "600000", NULL});
}

/* ---- 206 ---- */

/* A transaction of domain 0 that reads what the flood writes and takes its time. */
static bool commits_beside(struct guests_flood *flood)
{
	struct client_message answer;
	uint32_t transaction = expect_transaction(guests.root);

	expect_any(guests.root, MESSAGE_READ, transaction, ARGUMENTS("/contended"));
	for (int i = 0; i < 20; i++) {
		guests_flood_take(flood);
		guests_flood_put(flood);
		expect_any(guests.root, MESSAGE_GET_PERMS, transaction, ARGUMENTS("/"));
	}
	expect_write(guests.root, transaction, "/result", "value");
	answer = expect_any(guests.root, MESSAGE_TRANSACTION_END, transaction, ARGUMENTS("T"));
	return answer.header.type != MESSAGE_ERROR;
}

START_TEST(xsa_206_a_guest_that_makes_transactions_of_domain_0_fail_is_held_back_until_they_commit)
{
	static const char request[] = "/contended\0x";
	enum { ATTEMPTS = 20 };
	struct guests_flood flood;
	int attempts = 0;

	expect_write(guests.root, 0, "/contended", "");
	guests_permit("/contended", "b0");
	guests_flood_init(&flood, 1, MESSAGE_WRITE, request, sizeof(request) - 1, 1000000);
	while (!commits_beside(&flood)) {
		ck_assert_msg(++attempts < ATTEMPTS, "no commit in %d attempts", attempts);
		guests_served(second);
	}
	/* It is slowed down, not stopped. */
	size_t received = flood.received;
	flood.total = flood.sent - flood.sent % flood.len + flood.len;
	while (flood.sent < flood.total ||
	       flood.received < flood.sent / flood.len * (sizeof(struct message_header) + sizeof("OK"))) {
		guests_flood_put(&flood);
		guest_wait(guests_ring(1), 1000);
		guests_flood_take(&flood);
	}
	ck_assert_uint_gt(flood.received, received);
	guests_served(first);
}
END_TEST

/* A transaction of `client`, which `writer` comes in between. */
static void expect_conflict(struct client *client, struct client *writer, const char *end)
{
	uint32_t transaction = expect_transaction(client);

	expect_any(client, MESSAGE_READ, transaction, ARGUMENTS("/contended"));
	expect_write(client, transaction, "/result", "");
	if (writer)
		expect_write(writer, 0, "/contended", "");
	expect_end(client, transaction, end);
}

START_TEST(xsa_206_nobody_else_is_held_back)
{
	expect_write(guests.root, 0, "/contended", "");
	guests_permit("/contended", "b0");
	expect_write(guests.root, 0, "/result", "");
	guests_permit("/result", "b0");
	for (int i = 0; i < 3; i++)
		expect_conflict(guests.root, first, "EAGAIN");
	/* From now on domain 1 has to wait, domain 0 and whoever did no harm have not. */
	ck_assert_int_eq(client_send(first, MESSAGE_WRITE, 0, "/contended", sizeof("/contended"), NULL), 0);
	for (int i = 0; i < 20; i++) {
		expect_conflict(guests.root, NULL, "");
		expect_write(second, 0, "its-own", "value");
		expect_conflict(second, guests.root, "EAGAIN");
	}
	ck_assert_uint_eq(atomic_load(&guests_page(1)->rsp_prod), atomic_load(&guests_page(1)->rsp_cons));
}
END_TEST

/* ---- 418 ---- */

/* The daemon that is started has a stack that a function calling itself for each level of a path would overrun. */
static void on_small_stack(void (*start_daemon)(void))
{
	const rlim_t size = DAEMON_IS_SANITIZED ? 1 << 20 : 160 << 10;
	struct rlimit before;

	ck_assert_int_eq(getrlimit(RLIMIT_STACK, &before), 0);
	ck_assert_int_eq(setrlimit(RLIMIT_STACK, &(struct rlimit){size, before.rlim_max}), 0);
	start_daemon();
	ck_assert_int_eq(setrlimit(RLIMIT_STACK, &before), 0);
}

static void start_with_small_stack(void)
{
	on_small_stack(start);
}

/* "a/a/a/...", of so many bytes at most. */
static void make_deep(char *path, size_t len)
{
	for (size_t i = 0; i + 1 < len; i++)
		path[i] = i % 2 ? '/' : 'a';
	path[len / 2 * 2 - 1] = 0;
}

START_TEST(xsa_418_cve_2022_42321_the_deepest_path_needs_no_deep_stack)
{
	char relative[2049], absolute[MESSAGE_PAYLOAD_MAX] = "/", child[2100];
	uint32_t transaction;

	guests_quota("nodes", 0);
	guests_quota("transaction-nodes", 0);
	make_deep(relative, sizeof(relative) - 1);
	make_deep(absolute + 1, 3070);
	expect_write(first, 0, relative, "value");
	expect_write(guests.root, 0, absolute, "value");
	expect_read(first, 0, relative, "value");
	expect_watch(first, relative, "token");
	expect_permissions(guests.root, 0, absolute, "n0");
	transaction = expect_transaction(first);
	snprintf(child, sizeof(child), "b%s", relative + 1);
	expect_write(first, transaction, child, "value");
	expect_ok(first, MESSAGE_RM, transaction, ARGUMENTS("b"));
	expect_write(first, transaction, child, "value");
	expect_end(first, transaction, "");
	expect_sound(guests.root);
	expect_ok(first, MESSAGE_RM, 0, ARGUMENTS("a"));
	expect_event(first, relative, "token");
	expect_ok(guests.root, MESSAGE_RM, 0, ARGUMENTS("/a"));
	expect_names(guests.root, 0, guests_path(1, ""), "b");
	expect_sound(guests.root);
	guests_destroy(1);
	expect_error(guests.root, "ENOENT", MESSAGE_READ, 0, ARGUMENTS(guests_path(1, "")));
}
END_TEST

START_TEST(xsa_418_cve_2022_42321_nor_does_a_start_with_it)
{
	char relative[2049];

	guests_quota("nodes", 0);
	make_deep(relative, sizeof(relative) - 1);
	expect_write(second, 0, relative, "value");
	guests_stop_daemon(SIGKILL);
	on_small_stack(guests_start_again);
	expect_sound(guests.root);
	expect_ok(guests.root, MESSAGE_RM, 0, ARGUMENTS(guests_path(2, "a")));
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
	    xsa_206_a_guest_that_makes_transactions_of_domain_0_fail_is_held_back_until_they_commit,
	};
	const TTest *const with_long_interval[] = {
	    xsa_206_nobody_else_is_held_back,
	};
	const TTest *const with_small_stack[] = {
	    xsa_418_cve_2022_42321_the_deepest_path_needs_no_deep_stack,
	    xsa_418_cve_2022_42321_nor_does_a_start_with_it,
	};
	Suite *suite = guests_suite("advisories: work", start, tests, COUNT(tests));

	expect_case(suite, "long interval", start_with_long_interval, guests_stop, with_long_interval, COUNT(with_long_interval));
	expect_case(suite, "small stack", start_with_small_stack, guests_stop, with_small_stack, COUNT(with_small_stack));
	return suite_run(suite);
}
