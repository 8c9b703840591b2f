/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is said of a live update, with nobody behind it who could do one: its pieces, who waits, and what is answered when. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/scene.h"
#include "support/suite.h"

static struct {
	struct updater updater;
	bool refuses, is_late;
	unsigned started, cancelled;
	char program[64], arguments[64];
	struct update_order order;
} pretended;

static bool examine(void *context, const char *program, char why[LIVE_UPDATE_TEXT])
{
	(void)context;
	snprintf(why, LIVE_UPDATE_TEXT, "%s is bad", program);
	return strcmp(program, "/bad") != 0;
}

static bool start(void *context, const struct update_order *order, char why[LIVE_UPDATE_TEXT])
{
	(void)context;
	pretended.started++;
	pretended.order = *order;
	snprintf(pretended.program, sizeof(pretended.program), "%s", order->program);
	snprintf(pretended.arguments, sizeof(pretended.arguments), "%s", order->arguments ? order->arguments : "-");
	snprintf(why, LIVE_UPDATE_TEXT, "it refuses");
	return !pretended.refuses;
}

static bool cancel(void *context)
{
	(void)context;
	pretended.cancelled += !pretended.is_late;
	return !pretended.is_late;
}

static void open_scene(void)
{
	scene_open();
	memset(&pretended, 0, sizeof(pretended));
	pretended.updater = (struct updater){NULL, examine, start, cancel};
	scene.world.turn.update.updater = &pretended.updater;
}

static void say(struct world_client *client, const char *answer, const char *pieces)
{
	char payload[128], bytes[128];

	snprintf(payload, sizeof(payload), "live-update|%s", pieces);
	snprintf(bytes, sizeof(bytes), "%s|", answer);
	scene_answer(client, bytes, MESSAGE_CONTROL, 0, payload);
}

/* "-s" with what follows; there is no answer yet. */
static void begin(struct world_client *client, const char *options)
{
	char payload[64];
	int len = snprintf(payload, sizeof(payload), "live-update|-s%s", options) + 1;

	for (int i = 0; i < len; i++)
		payload[i] = payload[i] == '|' ? 0 : payload[i];
	ck_assert(world_send(client, MESSAGE_CONTROL, 0, payload, (size_t)len));
	world_run(&scene.world);
	world_commit(&scene.world);
	ck_assert_ptr_null(world_reply(client));
}

static void answered(struct world_client *client, const char *text)
{
	world_run(&scene.world);
	world_commit(&scene.world);
	const struct world_message *reply = world_reply(client);
	ck_assert_ptr_nonnull(reply);
	ck_assert_uint_eq(reply->header.type, MESSAGE_CONTROL);
	ck_assert_str_eq(reply->payload, text);
}

static struct turn *turn(void)
{
	return &scene.world.turn;
}

/* ---- tests ---- */

START_TEST(nobody_who_can_do_it_is_enosys)
{
	turn()->update.updater = NULL;
	scene_error(scene.root, "ENOSYS", MESSAGE_CONTROL, 0, "live-update|-f|/new");
}
END_TEST

START_TEST(what_was_said_reaches_who_does_it)
{
	say(scene.root, "OK", "-f|/new");
	say(scene.root, "OK", "-c|-a b");
	say(scene.root, "OK", "-c|--other"); /* in its place */
	begin(scene.root, "|-t|7|-F");
	ck_assert_str_eq(pretended.program, "/new");
	ck_assert_str_eq(pretended.arguments, "--other");
	ck_assert_uint_eq(pretended.order.seconds, 7);
	ck_assert(pretended.order.force);
	live_update_answer(turn(), "OK");
	answered(scene.root, "OK");
	say(scene.root, "OK", "-f|/new");
	begin(scene.root, "");
	ck_assert_str_eq(pretended.arguments, "-");
	ck_assert_uint_eq(pretended.order.seconds, 60);
	ck_assert(!pretended.order.force);
}
END_TEST

START_TEST(a_program_that_is_refused_begins_no_session)
{
	say(scene.root, "/bad is bad", "-f|/bad");
	say(scene.root, "Not in live-update session.", "-c|-a");
	say(scene.root, "Not in live-update session.", "-s");
	ck_assert_uint_eq(pretended.started, 0);
}
END_TEST

START_TEST(forms_that_are_none_are_einval)
{
	static const char *const forms[] = {"live-update",	"live-update|-x",    "live-update|-f",	  "live-update|-f|a|b",
					    "live-update|-a|b", "live-update|-b|12", "live-update|-d|1|x"};

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
		scene_error(scene.root, "EINVAL", MESSAGE_CONTROL, 0, forms[i]);
	say(scene.root, "OK", "-f|/new");
	scene_error(scene.root, "EINVAL", MESSAGE_CONTROL, 0, "live-update|-s|-t");
	scene_error(scene.root, "EINVAL", MESSAGE_CONTROL, 0, "live-update|-s|-x");
	ck_assert_uint_eq(pretended.started, 0);
	begin(scene.root, "");
}
END_TEST

START_TEST(a_failure_at_once_is_answered_at_once)
{
	pretended.refuses = true;
	say(scene.root, "OK", "-f|/new");
	say(scene.root, "it refuses", "-s");
	say(scene.root, "Not in live-update session.", "-s");
}
END_TEST

START_TEST(the_one_who_waits_is_answered_in_order_and_others_go_on)
{
	struct world_client *other = world_client(&scene.world, 0, true);

	say(scene.root, "OK", "-f|/new");
	begin(scene.root, "");
	ck_assert(world_send(scene.root, MESSAGE_READ, 0, "/", 2));
	scene_write(other, 0, "/a", "1");
	ck_assert_ptr_null(world_reply(scene.root));
	ck_assert_uint_eq(pretended.started, 1);
	live_update_answer(turn(), "it has failed");
	answered(scene.root, "it has failed");
	ck_assert_uint_eq(world_reply(scene.root)->header.type, MESSAGE_READ);
	ck_assert_uint_eq(pretended.started, 1);
}
END_TEST

START_TEST(a_second_session_has_to_wait_for_the_end_of_the_first)
{
	struct world_client *other = world_client(&scene.world, 0, true);

	say(scene.root, "OK", "-f|/new");
	say(other, "live-update session already active.", "-f|/new");
	say(other, "Not in live-update session.", "-c|-a");
	say(other, "Not in live-update session.", "-s");
	begin(scene.root, "");
	say(other, "live-update session already active.", "-f|/new");
	live_update_answer(turn(), "OK");
	say(other, "OK", "-f|/new"); /* its answer is not what others wait for */
}
END_TEST

START_TEST(a_session_ends_with_its_client)
{
	struct world_client *other = world_client(&scene.world, 0, true);

	say(other, "OK", "-f|/new");
	world_client_close(other);
	say(scene.root, "OK", "-f|/new");
	other = world_client(&scene.world, 0, true);
	begin(scene.root, "");
	live_update_answer(turn(), "OK");
	answered(scene.root, "OK");
	say(other, "OK", "-f|/new");
	begin(other, "");
	world_client_close(other); /* nobody waits; it goes on */
	say(scene.root, "live-update session already active.", "-f|/new");
	live_update_answer(turn(), "OK");
	say(scene.root, "OK", "-f|/new");
}
END_TEST

START_TEST(who_cancels_is_told_and_who_waits_too)
{
	struct world_client *other = world_client(&scene.world, 0, true);

	say(other, "No live-update session active.", "-a");
	say(scene.root, "OK", "-f|/new");
	say(other, "OK", "-a");
	say(scene.root, "Not in live-update session.", "-s");
	say(scene.root, "OK", "-f|/new");
	begin(scene.root, "");
	pretended.is_late = true;
	say(other, "The new program has taken over already.", "-a");
	ck_assert_ptr_null(world_reply(scene.root));
	pretended.is_late = false;
	say(other, "OK", "-a");
	answered(scene.root, "Cancellation was requested");
	ck_assert_uint_eq(pretended.cancelled, 1);
}
END_TEST

START_TEST(the_request_that_an_earlier_daemon_has_begun_is_not_begun_again)
{
	live_update_resume(&turn()->update, scene.root->client.id, scene.root->client.ledger.ran);
	begin(scene.root, "");
	ck_assert_uint_eq(pretended.started, 0);
	live_update_answer(turn(), "OK");
	answered(scene.root, "OK");
	say(scene.root, "Not in live-update session.", "-s");
}
END_TEST

START_TEST(the_answer_may_be_known_before_the_request_is_looked_at)
{
	live_update_resume(&turn()->update, scene.root->client.id, scene.root->client.ledger.ran);
	live_update_answer(turn(), "it has died");
	say(scene.root, "it has died", "-s");
}
END_TEST

START_TEST(another_request_than_that_is_no_part_of_the_update)
{
	live_update_resume(&turn()->update, scene.root->client.id, scene.root->client.ledger.ran + 100);
	say(scene.root, "Not in live-update session.", "-s");
	live_update_resume(&turn()->update, scene.root->client.id + 100, scene.root->client.ledger.ran);
	say(scene.root, "Not in live-update session.", "-s");
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
	    nobody_who_can_do_it_is_enosys,
	    what_was_said_reaches_who_does_it,
	    a_program_that_is_refused_begins_no_session,
	    forms_that_are_none_are_einval,
	    a_failure_at_once_is_answered_at_once,
	    the_one_who_waits_is_answered_in_order_and_others_go_on,
	    a_second_session_has_to_wait_for_the_end_of_the_first,
	    a_session_ends_with_its_client,
	    who_cancels_is_told_and_who_waits_too,
	    the_request_that_an_earlier_daemon_has_begun_is_not_begun_again,
	    the_answer_may_be_known_before_the_request_is_looked_at,
	    another_request_than_that_is_no_part_of_the_update,
	};
	Suite *suite = suite_create("live update");
	TCase *cases = tcase_create("live update");

	tcase_add_checked_fixture(cases, open_scene, scene_close);
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		tcase_add_test(cases, tests[i]);
	suite_add_tcase(suite, cases);
	return suite_run(suite);
}
