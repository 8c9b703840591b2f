/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * WATCH, UNWATCH and RESET_WATCHES in turns that also change the store: what fires, and what is left when the turn fails. That
 * records and watches agree is checked at the end of each test (world_check).
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "request/client_transactions.h"
#include "support/scene.h"
#include "support/suite.h"

static void open_scene(void)
{
	scene_open();
	scene.world.log.foreground = false;
}

static void send_text(struct world_client *client, uint32_t type, const char *text)
{
	char bytes[MESSAGE_PAYLOAD_MAX];
	size_t len = strlen(text) + (type != MESSAGE_WRITE);

	for (size_t i = 0; i <= strlen(text); i++)
		bytes[i] = text[i] == '|' ? 0 : text[i];
	ck_assert(world_send(client, type, 0, bytes, len));
}

/* All that was sent shares a turn, which commits once. */
static void run_in_one_turn(void)
{
	uint64_t commits = scene.world.turn.figures.commits;

	world_run(&scene.world);
	ck_assert_uint_eq(scene.world.turn.figures.commits, commits);
	world_commit(&scene.world);
	ck_assert_uint_eq(scene.world.turn.figures.commits, commits + 1);
}

/* The turn of what was sent fails, and its requests are run again. */
static void run_in_a_turn_that_fails(void)
{
	world_run(&scene.world);
	store_failed(scene.world.turn.store, EIO);
	world_commit(&scene.world);
	ck_assert_uint_eq(scene.world.turn.figures.turns_run_again, 1);
}

/* The turn of what was sent fails and its requests are lost: what was before is there again. */
static void run_for_nothing(void)
{
	world_run(&scene.world);
	store_abort(scene.world.turn.store);
	ledger_cut(scene.world.turn.ledger);
	while (scene.world.turn.n_steps) {
		const struct turn_step *step = &scene.world.turn.steps[--scene.world.turn.n_steps];
		if (step->undo)
			step->undo(step->context);
	}
	client_count_output(&scene.root->client, &scene.world.turn);
	client_count_output(&scene.guest->client, &scene.world.turn);
	scene.world.turn.n_runs = 0;
	client_count_output(&scene.root->client, &scene.world.turn);
	client_count_output(&scene.guest->client, &scene.world.turn);
}

static size_t watches_of(const struct world_client *client)
{
	return client->client.watches->count;
}

/* ---- what fires ---- */

START_TEST(a_watch_fires_for_later_requests_of_its_turn_after_its_first_event)
{
	send_text(scene.root, MESSAGE_WRITE, "/a|1");
	send_text(scene.root, MESSAGE_WATCH, "/|token");
	send_text(scene.root, MESSAGE_WRITE, "/b|1");
	run_in_one_turn();
	scene_event(scene.root, "/|token");
	scene_event(scene.root, "/b|token");
	scene_no_event(scene.root);
}
END_TEST

START_TEST(the_first_event_follows_the_reply_also_in_a_turn_with_changes)
{
	send_text(scene.root, MESSAGE_WRITE, "/a|1");
	send_text(scene.root, MESSAGE_WATCH, "/|token");
	run_in_one_turn();
	const struct world_message *message = scene.root->messages;
	ck_assert_uint_eq(message->header.type, MESSAGE_WRITE);
	ck_assert_uint_eq(message->next->header.type, MESSAGE_WATCH);
	ck_assert_uint_eq(message->next->next->header.type, MESSAGE_WATCH_EVENT);
}
END_TEST

START_TEST(a_watch_that_is_removed_fires_for_earlier_requests_of_its_turn_only)
{
	scene_watch(scene.root, "/|token");
	send_text(scene.root, MESSAGE_WRITE, "/before|1");
	send_text(scene.root, MESSAGE_UNWATCH, "/|token");
	send_text(scene.root, MESSAGE_WRITE, "/after|1");
	run_in_one_turn();
	scene_event(scene.root, "/before|token");
	scene_no_event(scene.root);
	ck_assert_uint_eq(watches_of(scene.root), 0);
}
END_TEST

START_TEST(a_reset_removes_watches_for_later_requests_of_its_turn_only)
{
	scene_watch(scene.root, "/|token");
	scene_watch(scene.guest, "/tool|others");
	send_text(scene.root, MESSAGE_WRITE, "/before|1");
	send_text(scene.root, MESSAGE_WATCH, "/|second");
	send_text(scene.root, MESSAGE_RESET_WATCHES, "");
	send_text(scene.root, MESSAGE_WRITE, "/after|1");
	send_text(scene.root, MESSAGE_WATCH, "/|third");
	run_in_one_turn();
	scene_event(scene.root, "/before|token");
	scene_event(scene.root, "/|second");
	scene_event(scene.root, "/|third");
	scene_no_event(scene.root);
	ck_assert_uint_eq(watches_of(scene.root), 1);
	ck_assert_uint_eq(watches_of(scene.guest), 1);
}
END_TEST

START_TEST(a_watch_set_again_in_the_turn_that_removed_it_is_the_last_one)
{
	scene_watch(scene.root, "/|first");
	scene_watch(scene.root, "/|second");
	send_text(scene.root, MESSAGE_UNWATCH, "/|first");
	send_text(scene.root, MESSAGE_WATCH, "/|first");
	send_text(scene.root, MESSAGE_WRITE, "/a|1");
	run_in_one_turn();
	scene_event(scene.root, "/|first");
	scene_event(scene.root, "/a|second");
	scene_event(scene.root, "/a|first");
	scene_no_event(scene.root);
}
END_TEST

START_TEST(a_watch_that_was_removed_in_its_turn_is_not_found)
{
	scene_watch(scene.root, "/|token");
	send_text(scene.root, MESSAGE_UNWATCH, "/|token");
	send_text(scene.root, MESSAGE_UNWATCH, "/|token");
	send_text(scene.root, MESSAGE_WATCH, "/|token");
	send_text(scene.root, MESSAGE_WATCH, "/|token");
	run_in_one_turn();
	scene_replied(scene.root, "");
	scene_replied(scene.root, "ENOENT");
	scene_replied(scene.root, "");
	scene_replied(scene.root, "EEXIST");
}
END_TEST

START_TEST(a_removed_watch_makes_room_for_another_in_the_same_turn)
{
	scene_quota("watches", 1);
	scene_watch(scene.guest, "/|a");
	send_text(scene.guest, MESSAGE_WATCH, "/|b");
	send_text(scene.guest, MESSAGE_UNWATCH, "/|a");
	send_text(scene.guest, MESSAGE_WATCH, "/|b");
	send_text(scene.guest, MESSAGE_WATCH, "/|c");
	run_in_one_turn();
	scene_replied(scene.guest, "ENOSPC");
	scene_replied(scene.guest, "");
	scene_replied(scene.guest, "");
	scene_replied(scene.guest, "ENOSPC");
}
END_TEST

START_TEST(a_watch_that_is_there_is_eexist_also_at_the_limit)
{
	scene_quota("watches", 1);
	scene_watch(scene.guest, "/|a");
	scene_error(scene.guest, "EEXIST", MESSAGE_WATCH, 0, "/|a");
	scene_error(scene.guest, "ENOSPC", MESSAGE_WATCH, 0, "/|b");
}
END_TEST

/* ---- failure ---- */

START_TEST(watches_of_a_turn_that_failed_are_set_and_fire_once)
{
	send_text(scene.root, MESSAGE_WRITE, "/a|1");
	send_text(scene.root, MESSAGE_WATCH, "/|token");
	send_text(scene.root, MESSAGE_WRITE, "/b|1");
	run_in_a_turn_that_fails();
	scene_event(scene.root, "/|token");
	scene_event(scene.root, "/b|token");
	scene_no_event(scene.root);
	ck_assert_uint_eq(watches_of(scene.root), 1);
}
END_TEST

START_TEST(watches_removed_by_a_turn_that_failed_come_back_in_their_order)
{
	for (int i = 0; i < 5; i++) {
		char watch[16];
		snprintf(watch, sizeof(watch), "/|%d", i);
		scene_watch(scene.root, watch);
	}
	send_text(scene.root, MESSAGE_WATCH, "/new|x");
	send_text(scene.root, MESSAGE_UNWATCH, "/|3");
	send_text(scene.root, MESSAGE_UNWATCH, "/|1");
	send_text(scene.root, MESSAGE_WATCH, "/|1");
	send_text(scene.root, MESSAGE_RESET_WATCHES, "");
	send_text(scene.root, MESSAGE_WATCH, "/|0");
	run_for_nothing();
	ck_assert_uint_eq(watches_of(scene.root), 5);
	ck_assert_uint_eq(watch_count(scene.world.turn.watches), 5);
	send_text(scene.guest, MESSAGE_READ, "/tool");
	send_text(scene.root, MESSAGE_RESET_WATCHES, "");
	run_for_nothing();
	world_forget(scene.root);
	/* What the failed turn ran is input again. */
	world_run(&scene.world);
	world_commit(&scene.world);
	ck_assert_uint_eq(watches_of(scene.root), 0);
}
END_TEST

START_TEST(a_watch_that_came_back_fires_in_its_old_place)
{
	scene_watch(scene.guest, "/tool|first");
	scene_watch(scene.guest, "/tool|second");
	scene_watch(scene.guest, "/tool|third");
	scene_node("/tool", "", "n0 r1");
	send_text(scene.guest, MESSAGE_UNWATCH, "/tool|first");
	send_text(scene.guest, MESSAGE_RESET_WATCHES, "");
	run_for_nothing();
	scene_write(scene.root, 0, "/tool/a", "1");
	scene_event(scene.guest, "/tool/a|first");
	scene_event(scene.guest, "/tool/a|second");
	scene_event(scene.guest, "/tool/a|third");
}
END_TEST

START_TEST(transactions_ended_by_a_reset_whose_turn_failed_go_on)
{
	uint32_t id = world_transaction(scene.root);

	scene_write(scene.root, id, "/in", "1");
	send_text(scene.root, MESSAGE_WRITE, "/a|1");
	send_text(scene.root, MESSAGE_RESET_WATCHES, "");
	run_for_nothing();
	ck_assert_uint_eq(scene.root->client.n_transactions, 1);
	struct transaction *found;
	ck_assert_int_eq(client_transaction(&scene.root->client, id, &found), 0);
	world_run(&scene.world);
	world_commit(&scene.world);
	ck_assert_uint_eq(scene.root->client.n_transactions, 0);
}
END_TEST

START_TEST(watches_of_a_turn_that_failed_cost_nothing)
{
	const struct budget *budgets = scene.guest->client.domain->budgets;

	scene_watch(scene.guest, "/|a");
	uint64_t memory = budgets[QUOTA_MEMORY].used;
	send_text(scene.guest, MESSAGE_WATCH, "/|b");
	send_text(scene.guest, MESSAGE_UNWATCH, "/|a");
	send_text(scene.guest, MESSAGE_RESET_WATCHES, "");
	run_for_nothing();
	ck_assert_uint_eq(budgets[QUOTA_WATCHES].used, 1);
	ck_assert_uint_eq(budgets[QUOTA_MEMORY].used, memory);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("watch_operations");
	TCase *tcase = tcase_create("events");

	tcase_add_checked_fixture(tcase, open_scene, scene_close);
	tcase_add_test(tcase, a_watch_fires_for_later_requests_of_its_turn_after_its_first_event);
	tcase_add_test(tcase, the_first_event_follows_the_reply_also_in_a_turn_with_changes);
	tcase_add_test(tcase, a_watch_that_is_removed_fires_for_earlier_requests_of_its_turn_only);
	tcase_add_test(tcase, a_reset_removes_watches_for_later_requests_of_its_turn_only);
	tcase_add_test(tcase, a_watch_set_again_in_the_turn_that_removed_it_is_the_last_one);
	tcase_add_test(tcase, a_watch_that_was_removed_in_its_turn_is_not_found);
	tcase_add_test(tcase, a_removed_watch_makes_room_for_another_in_the_same_turn);
	tcase_add_test(tcase, a_watch_that_is_there_is_eexist_also_at_the_limit);
	suite_add_tcase(suite, tcase);

	tcase = tcase_create("failure");
	tcase_add_checked_fixture(tcase, open_scene, scene_close);
	tcase_add_test(tcase, watches_of_a_turn_that_failed_are_set_and_fire_once);
	tcase_add_test(tcase, watches_removed_by_a_turn_that_failed_come_back_in_their_order);
	tcase_add_test(tcase, a_watch_that_came_back_fires_in_its_old_place);
	tcase_add_test(tcase, transactions_ended_by_a_reset_whose_turn_failed_go_on);
	tcase_add_test(tcase, watches_of_a_turn_that_failed_cost_nothing);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
