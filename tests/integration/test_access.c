/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The tables of support/access.h asked of a daemon: domain 0 over the socket, all others over their rings.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guests.h"
#include "support/access.h"
#include "support/suite.h"

static struct client *clients[ACCESS_CALLERS];

static void add_guests(void)
{
	clients[ACCESS_ROOT] = guests.root;
	for (int caller = ACCESS_ROOT + 1; caller < ACCESS_CALLERS; caller++)
		clients[caller] = guests_add(access_domid((enum access_caller)caller));
	expect_ok(guests.root, MESSAGE_SET_TARGET, 0, ARGUMENTS("3", "1"));
}

static void start(void)
{
	guests_start();
	add_guests();
}

static void start_xenstored(void)
{
	guests_start_xenstored();
	add_guests();
}

static struct access_answer ask(enum access_caller caller, uint32_t type, uint32_t transaction, const void *payload, size_t len)
{
	struct client_message reply;
	int error = client_call(clients[caller], type, transaction, payload, len, &reply);

	ck_assert_msg(!error, "no answer: %s", strerror(-error));
	return (struct access_answer){reply.header.type == MESSAGE_ERROR ? reply.payload : "", reply.payload, reply.header.len};
}

/* Events come before the answer to a question that is asked after them; it is asked once for all that are taken in a row. */
static const char *next_event(enum access_caller caller)
{
	static bool asked[ACCESS_CALLERS];
	static char text[256];
	struct client_message message;

	if (!asked[caller])
		ck_assert_int_eq(client_send(clients[caller], MESSAGE_GET_DOMAIN_PATH, 0, "0", 2, NULL), 0);
	ck_assert_int_eq(client_receive(clients[caller], &message), 0);
	asked[caller] = message.header.type == MESSAGE_WATCH_EVENT;
	if (!asked[caller])
		return NULL;
	snprintf(text, sizeof(text), "%s|%s", message.payload, message.payload + strlen(message.payload) + 1);
	return text;
}

static const struct access_driver driver = {ask, next_event, false}, old_c = {ask, next_event, true};

START_TEST(each_operation_answers_each_caller_as_the_table_says)
{
	access_check_nodes(&driver, false);
}
END_TEST

START_TEST(in_a_transaction_the_answers_are_the_same)
{
	access_check_nodes(&driver, true);
}
END_TEST

START_TEST(what_is_privileged_is_refused_whatever_its_arguments)
{
	access_check_others(&driver);
}
END_TEST

START_TEST(nobody_is_told_of_what_it_must_not_see)
{
	access_check_events(&driver, false);
}
END_TEST

START_TEST(nor_of_what_a_transaction_changes)
{
	access_check_events(&driver, true);
}
END_TEST

START_TEST(xenstored_4_17_gives_the_same_answers)
{
	access_check_nodes(&old_c, false);
	access_check_others(&old_c);
}
END_TEST

START_TEST(xenstored_4_17_gives_the_same_answers_in_a_transaction)
{
	access_check_nodes(&old_c, true);
}
END_TEST

START_TEST(xenstored_4_17_sends_the_same_events)
{
	access_check_events(&old_c, false);
}
END_TEST

START_TEST(xenstored_4_17_sends_the_same_events_of_a_transaction)
{
	access_check_events(&old_c, true);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
	    each_operation_answers_each_caller_as_the_table_says,
	    in_a_transaction_the_answers_are_the_same,
	    what_is_privileged_is_refused_whatever_its_arguments,
	    nobody_is_told_of_what_it_must_not_see,
	    nor_of_what_a_transaction_changes,
	};
	const TTest *const of_xenstored[] = {
	    xenstored_4_17_gives_the_same_answers,
	    xenstored_4_17_gives_the_same_answers_in_a_transaction,
	    xenstored_4_17_sends_the_same_events,
	    xenstored_4_17_sends_the_same_events_of_a_transaction,
	};
	Suite *suite = guests_suite("access", start, tests, sizeof(tests) / sizeof(tests[0]));

	/* Where Debian's package cannot be had, the tables are taken at their word. */
	if (sim_stock_programs(NULL))
		expect_case(suite, "xenstored", start_xenstored, guests_stop, of_xenstored,
			    sizeof(of_xenstored) / sizeof(of_xenstored[0]));
	return suite_run(suite);
}
