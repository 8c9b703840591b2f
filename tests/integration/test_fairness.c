/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Guests that take more than their share, of the real daemon on the simulated Xen: only they have to wait. Where one has to wait,
 * it is for minutes, so that nothing here depends on how fast the machine is.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/suite.h"
#include "wire/ring_page.h"
#include "xensim/expect_guest.h"

static struct daemon shared; /* only its directory, in which each test's is */
static struct daemon served;
static struct sim *sim;
static struct client *root;

static void start_with(const char *const arguments[])
{
	ck_assert_int_eq(daemon_init_in(&served, shared.directory), 0);
	sim = expect_sim(&served);
	expect_sim_start(sim, &served, SIM_LXENSTORED, arguments);
	root = expect_client(&served);
}

static void start(void)
{
	start_with(NULL);
}

/* Who is held back stays so. */
static void start_patient(void)
{
	start_with(
	    (const char *[]){"--conflict-burst", "3", "--conflict-interval", "600000", "--timeout", "watch-event=0", NULL});
}

static void stop(void)
{
	client_close(root);
	ck_assert_int_eq(daemon_stop(&served, SIGKILL, NULL), 0);
	sim_free(sim);
	daemon_deinit(&served);
}

/* Fills the guest's ring with as many requests as fit, without waiting; returns how many. */
static unsigned put_requests(struct guest *guest, uint32_t type, const char *payload, size_t len)
{
	unsigned char bytes[MESSAGE_SIZE_MAX];
	const struct message_header header = {type, 0, 0, (uint32_t)len};
	const struct guest_page *page = guest_page(guest);
	unsigned n = 0;

	message_write_header(bytes, &header);
	memcpy(bytes + MESSAGE_HEADER_SIZE, payload, len);
	len += MESSAGE_HEADER_SIZE;
	while (GUEST_RING - (page->req_prod - page->req_cons) >= len) {
		ck_assert_uint_eq(guest_put(guest, bytes, len), len);
		n++;
	}
	ck_assert_int_eq(guest_notify(guest), 0);
	return n;
}

static void take_what_is_there(struct guest *guest)
{
	unsigned char ignored[GUEST_RING];

	if (guest_take(guest, ignored, sizeof(ignored)))
		ck_assert_int_eq(guest_notify(guest), 0);
}

/* A guest whose bytes are this test's affair. */
static struct guest *raw_guest(uint16_t domid)
{
	client_close(expect_guest(sim, root, domid));
	return guest_find(sim, domid);
}

/* The error of a transaction of the client's that has read the node, while the guest wrote to it. */
static const char *try_transaction(struct client *client, const char *path, struct guest *writer)
{
	struct client_message answer;
	const char *error;
	uint32_t id = expect_transaction(client);

	expect_any(client, MESSAGE_READ, id, ARGUMENTS(path));
	expect_write(client, id, "/tool/result", "seen");
	put_requests(writer, MESSAGE_WRITE, "data\0value", 10);
	/* Its writes are done by now, or wait because it has to. */
	expect_any(client, MESSAGE_GET_DOMAIN_PATH, 0, ARGUMENTS("1"));
	ck_assert_int_eq(client_call_strings(client, MESSAGE_TRANSACTION_END, id, ARGUMENTS("T"), &answer, &error), 0);
	take_what_is_there(writer);
	return error;
}

START_TEST(xsa_206_a_guest_that_writes_at_full_speed_does_not_starve_a_transaction_of_domain_0)
{
	struct guest *writer = raw_guest(5);
	struct client *third = expect_guest(sim, root, 6);
	int tries = 1, failed = 0;

	expect_write(root, 0, "/local/domain/5/data", "first");
	for (int round = 0; round < 5; round++) {
		for (tries = 1; strcmp(try_transaction(root, "/local/domain/5/data", writer), ""); tries++) {
			ck_assert_int_lt(tries, 100);
			failed++;
		}
		expect_write(third, 0, "data", "served");
	}
	ck_assert_int_gt(failed, 0); /* else nobody has written */
	client_close(third);
}
END_TEST

START_TEST(only_the_guest_at_fault_waits)
{
	struct guest *writer = raw_guest(5);
	struct client *third = expect_guest(sim, root, 6);
	int tries = 1;

	expect_write(root, 0, "/local/domain/5/data", "first");
	while (strcmp(try_transaction(root, "/local/domain/5/data", writer), ""))
		ck_assert_int_lt(tries++, 10);
	/* From now on it waits for ten minutes, with a full ring. */
	put_requests(writer, MESSAGE_WRITE, "data\0value", 10);
	for (int i = 0; i < 100; i++) {
		uint32_t id = expect_transaction(root);
		expect_any(root, MESSAGE_READ, id, ARGUMENTS("/local/domain/5/data"));
		expect_write(root, id, "/tool/result", "seen");
		expect_write(third, 0, "data", "served");
		expect_end(root, id, "");
	}
	ck_assert_uint_ne(guest_page(writer)->req_prod, guest_page(writer)->req_cons);
	client_close(third);
}
END_TEST

START_TEST(who_makes_its_own_transactions_fail_does_not_wait)
{
	struct client *guest = expect_guest(sim, root, 5);

	for (int i = 0; i < 20; i++) {
		expect_write(guest, 0, "data", "first");
		uint32_t id = expect_transaction(guest);
		expect_read(guest, id, "data", "first");
		expect_write(guest, id, "other", "value");
		expect_write(guest, 0, "data", "second");
		expect_end(guest, id, "EAGAIN");
	}
	client_close(guest);
}
END_TEST

START_TEST(domain_0_does_not_wait_for_transactions_of_guests_that_it_makes_fail)
{
	struct client *guest = expect_guest(sim, root, 5);

	for (int i = 0; i < 20; i++) {
		expect_write(root, 0, "/local/domain/5/data", "first");
		uint32_t id = expect_transaction(guest);
		expect_any(guest, MESSAGE_READ, id, ARGUMENTS("data"));
		expect_write(guest, id, "other", "value");
		expect_write(root, 0, "/local/domain/5/data", "second");
		expect_end(guest, id, "EAGAIN");
	}
	client_close(guest);
}
END_TEST

/* What it takes: it reads nothing of what it is sent. */
START_TEST(xsa_326_a_guest_that_takes_no_replies_waits_and_nobody_else)
{
	struct guest *deaf = raw_guest(5);
	struct client *third = expect_guest(sim, root, 6);

	for (int i = 0; i < 200; i++) {
		put_requests(deaf, MESSAGE_DIRECTORY, "/local", 7);
		expect_write(third, 0, "data", "served");
		expect_write(root, 0, "/tool/data", "served");
	}
	ck_assert_uint_eq(guest_page(deaf)->rsp_prod - guest_page(deaf)->rsp_cons, GUEST_RING);
	ck_assert_uint_ge(guest_page(deaf)->req_prod - guest_page(deaf)->req_cons, GUEST_RING - 23);
	client_close(third);
}
END_TEST

START_TEST(xsa_326_events_that_a_guest_does_not_take_do_not_take_more_memory_than_its_quota)
{
	struct guest *deaf = raw_guest(5);
	struct client *third = expect_guest(sim, root, 6);
	struct client_message answer;
	char name[32];

	expect_ok(root, MESSAGE_CONTROL, 0, ARGUMENTS("quota", "set", "memory", "100000"));
	put_requests(deaf, MESSAGE_WATCH, "/local/domain/6\0token", 22);
	for (int i = 0; i < 5000; i++) {
		snprintf(name, sizeof(name), "node%d", i % 500);
		expect_write(third, 0, name, i % 2 ? "odd" : "even");
		if (i % 500 == 499)
			for (int j = 0; j < 500; j++) {
				snprintf(name, sizeof(name), "node%d", j);
				expect_ok(third, MESSAGE_RM, 0, ARGUMENTS(name));
			}
	}
	answer = expect_any(root, MESSAGE_CONTROL, 0, ARGUMENTS("quota", "5"));
	ck_assert_ptr_nonnull(answer.payload);
	expect_sound(root);
	client_close(third);
}
END_TEST

START_TEST(a_guest_at_its_limits_of_watches_and_transactions_keeps_nobody)
{
	struct client *greedy = expect_guest(sim, root, 5), *third = expect_guest(sim, root, 6);
	char token[32];
	int n;

	for (n = 0; n < 128; n++) {
		snprintf(token, sizeof(token), "%d", n);
		expect_ok(greedy, MESSAGE_WATCH, 0, ARGUMENTS("data", token));
	}
	snprintf(token, sizeof(token), "%d", n);
	expect_error(greedy, "ENOSPC", MESSAGE_WATCH, 0, ARGUMENTS("data", token));
	for (n = 0; n < 10; n++)
		expect_transaction(greedy);
	expect_error(greedy, "ENOSPC", MESSAGE_TRANSACTION_START, 0, ARGUMENTS(""));
	for (n = 0; n < 100; n++) {
		expect_write(third, 0, "data", "served");
		expect_write(greedy, 0, "data", "served");
	}
	client_close(greedy);
	client_close(third);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
	    xsa_206_a_guest_that_writes_at_full_speed_does_not_starve_a_transaction_of_domain_0,
	    who_makes_its_own_transactions_fail_does_not_wait,
	    xsa_326_a_guest_that_takes_no_replies_waits_and_nobody_else,
	    xsa_326_events_that_a_guest_does_not_take_do_not_take_more_memory_than_its_quota,
	    a_guest_at_its_limits_of_watches_and_transactions_keeps_nobody,
	};
	const TTest *const patient[] = {
	    only_the_guest_at_fault_waits,
	    who_makes_its_own_transactions_fail_does_not_wait,
	    domain_0_does_not_wait_for_transactions_of_guests_that_it_makes_fail,
	    xsa_326_a_guest_that_takes_no_replies_waits_and_nobody_else,
	};
	Suite *suite = expect_suite("fairness", &shared, start, stop, tests, sizeof(tests) / sizeof(tests[0]));

	expect_case(suite, "patient", start_patient, stop, patient, sizeof(patient) / sizeof(patient[0]));
	return suite_run(suite);
}
