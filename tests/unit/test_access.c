/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The tables of support/access.h without a daemon: who may do what, and who is told what.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/access.h"
#include "support/suite.h"
#include "support/world.h"

static struct world world;
static struct world_client *clients[ACCESS_CALLERS];

static void open_world(void)
{
	ck_assert_int_eq(world_init(&world, NULL), 0);
	for (int caller = 0; caller < ACCESS_CALLERS; caller++) {
		uint16_t domid = access_domid((enum access_caller)caller);
		clients[caller] = world_client(&world, domid, caller == ACCESS_ROOT);
		ck_assert_ptr_nonnull(clients[caller]);
		clients[caller]->client.domain->introduced = true;
	}
	domain_set_target(&world.domains, clients[ACCESS_MODEL]->client.domain, ACCESS_GUEST_DOMID);
}

static void close_world(void)
{
	const char *problem = world_check(&world);

	ck_assert_msg(!problem, "the store is not sound: %s", problem);
	world_deinit(&world);
}

static struct access_answer ask(enum access_caller caller, uint32_t type, uint32_t transaction, const void *payload, size_t len)
{
	const struct world_message *reply = world_request(clients[caller], type, transaction, payload, len);

	ck_assert_ptr_nonnull(reply);
	return (struct access_answer){reply->error, reply->payload, reply->header.len};
}

static const char *next_event(enum access_caller caller)
{
	static char text[256];
	const struct world_message *event = world_event(clients[caller]);

	if (event)
		snprintf(text, sizeof(text), "%s|%s", world_event_path(event), world_event_token(event));
	return event ? text : NULL;
}

static const struct access_driver driver = {ask, next_event, false};

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

int main(void)
{
	Suite *suite = suite_create("access");
	TCase *tcase = tcase_create("all");

	tcase_add_checked_fixture(tcase, open_world, close_world);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, each_operation_answers_each_caller_as_the_table_says);
	tcase_add_test(tcase, in_a_transaction_the_answers_are_the_same);
	tcase_add_test(tcase, what_is_privileged_is_refused_whatever_its_arguments);
	tcase_add_test(tcase, nobody_is_told_of_what_it_must_not_see);
	tcase_add_test(tcase, nor_of_what_a_transaction_changes);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
