/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Events that a guest leaves unread, tick by tick. */
#include "request/unread.h"

#include <check.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "support/scene.h"
#include "support/suite.h"

void __wrap_log_write(struct log *log, enum log_level level, const char *format, ...) __attribute__((format(printf, 3, 4)));

static char told[1024];
static unsigned n_told;

void __wrap_log_write(struct log *log, enum log_level level, const char *format, ...)
{
	va_list arguments;

	(void)log;
	(void)level;
	va_start(arguments, format);
	vsnprintf(told, sizeof(told), format, arguments);
	va_end(arguments);
	n_told++;
}

/* The guest watches /open. */
static void open_watched(void)
{
	n_told = 0;
	scene_open();
	scene.world.turn.event_seconds = 20;
	scene_node("/open", "", "n0 r1");
	scene_watch(scene.guest, "/open|w");
}

/* A change that the guest is told of; it takes nothing. */
static void change(const char *path)
{
	ck_assert(world_send(scene.root, MESSAGE_MKDIR, 0, path, strlen(path) + 1));
	world_run(&scene.world);
	turn_commit(&scene.world.turn);
	client_took_output(&scene.guest->client, &scene.world.turn);
}

static void ticks(int n)
{
	while (n--)
		unread_tick(&scene.world.turn);
}

static uint64_t dropped(void)
{
	return scene.world.turn.figures.events_dropped;
}

START_TEST(an_event_is_dropped_when_it_has_seen_its_ticks_and_not_before)
{
	change("/open/a");
	ticks(UNREAD_TICKS);
	ck_assert_uint_eq(dropped(), 0);
	ticks(1);
	ck_assert_uint_eq(dropped(), 1);
	world_take(&scene.world);
	scene_no_event(scene.guest);
}
END_TEST

START_TEST(younger_events_stay_until_their_own_time)
{
	change("/open/a");
	ticks(1);
	change("/open/b");
	ticks(2);
	change("/open/c");
	ticks(2);
	ck_assert_uint_eq(dropped(), 1);
	change("/open/d");
	ticks(1);
	ck_assert_uint_eq(dropped(), 2);
	world_take(&scene.world);
	scene_event(scene.guest, "/open/c|w");
	scene_event(scene.guest, "/open/d|w");
	scene_no_event(scene.guest);
}
END_TEST

START_TEST(each_event_sees_its_ticks_also_behind_those_that_were_dropped)
{
	for (int i = 0; i < 20; i++) {
		char path[16];
		snprintf(path, sizeof(path), "/open/%d", i);
		change(path);
		ticks(1);
	}
	ck_assert_uint_eq(dropped(), 20 - UNREAD_TICKS);
	ticks(UNREAD_TICKS);
	ck_assert_uint_eq(dropped(), 20);
	ck_assert_ptr_nonnull(scene.world.turn.with_output);
}
END_TEST

START_TEST(replies_are_never_dropped)
{
	change("/open/a");
	ck_assert(world_send(scene.guest, MESSAGE_READ, 0, "/open", 6));
	change("/open/b");
	ticks(2 * UNREAD_TICKS);
	ck_assert_uint_eq(dropped(), 2);
	world_take(&scene.world);
	scene_replied(scene.guest, "");
	scene_no_event(scene.guest);
}
END_TEST

START_TEST(an_event_of_which_a_byte_is_taken_is_kept)
{
	struct mmsghdr *call;

	change("/open/a");
	change("/open/b");
	ck_assert(ledger_send_begin(&scene.guest->client.ledger, &call));
	buffer_add(&scene.guest->received, call->msg_hdr.msg_iov[0].iov_base, 1);
	call->msg_len = 1;
	ledger_send_end(&scene.guest->client.ledger, true);
	ticks(2 * UNREAD_TICKS);
	ck_assert_uint_eq(dropped(), 1);
	world_take(&scene.world);
	scene_event(scene.guest, "/open/a|w");
	scene_no_event(scene.guest);
}
END_TEST

START_TEST(a_guest_that_reads_needs_no_ticks)
{
	change("/open/a");
	ck_assert_ptr_eq(scene.world.turn.unread, &scene.guest->client);
	world_take(&scene.world);
	ck_assert_ptr_null(scene.world.turn.unread);
	change("/open/b");
	ticks(UNREAD_TICKS);
	world_take(&scene.world);
	change("/open/c");
	ticks(UNREAD_TICKS);
	world_take(&scene.world);
	scene_event(scene.guest, "/open/a|w");
	scene_event(scene.guest, "/open/b|w");
	scene_event(scene.guest, "/open/c|w");
	ck_assert_uint_eq(dropped(), 0);
}
END_TEST

START_TEST(who_leaves_only_replies_needs_no_ticks)
{
	ck_assert(world_send(scene.guest, MESSAGE_READ, 0, "/open", 6));
	world_run(&scene.world);
	turn_commit(&scene.world.turn);
	client_took_output(&scene.guest->client, &scene.world.turn);
	ck_assert_ptr_null(scene.world.turn.unread);
}
END_TEST

START_TEST(the_privileged_lose_nothing)
{
	scene_watch(scene.root, "/open|w");
	change("/open/a");
	client_took_output(&scene.root->client, &scene.world.turn);
	ck_assert_ptr_ne(scene.world.turn.unread, &scene.root->client);
	ticks(2 * UNREAD_TICKS);
	world_take(&scene.world);
	scene_event(scene.root, "/open/a|w");
}
END_TEST

START_TEST(with_a_timeout_of_0_nothing_is_dropped)
{
	scene.world.turn.event_seconds = 0;
	change("/open/a");
	ck_assert_ptr_null(scene.world.turn.unread);
}
END_TEST

START_TEST(a_domain_is_told_of_once)
{
	for (int i = 0; i < 10; i++) {
		char path[16];
		snprintf(path, sizeof(path), "/open/%d", i);
		change(path);
		ticks(1);
	}
	ck_assert_uint_eq(n_told, 1);
	ck_assert_str_eq(told, "domain 1 has not read an event for 20 seconds: it is dropped, and so will others be");
}
END_TEST

START_TEST(memory_of_dropped_events_is_given_back)
{
	const struct budget *memory = &scene.guest->client.domain->budgets[QUOTA_MEMORY];
	uint64_t before = memory->used;

	change("/open/a");
	ck_assert_uint_gt(memory->used, before);
	ticks(UNREAD_TICKS + 1);
	client_took_output(&scene.guest->client, &scene.world.turn);
	ck_assert_uint_eq(memory->used, before);
	ck_assert_ptr_null(scene.world.turn.unread);
}
END_TEST

START_TEST(a_client_that_goes_or_begins_anew_is_not_looked_at_any_more)
{
	change("/open/a");
	client_reset(&scene.guest->client, &scene.world.turn);
	ck_assert_ptr_null(scene.world.turn.unread);
	scene_watch(scene.guest, "/open|w");
	change("/open/b");
	world_client_close(scene.guest);
	ck_assert_ptr_null(scene.world.turn.unread);
	ticks(1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("unread");
	TCase *tcase = tcase_create("ticks");

	tcase_add_checked_fixture(tcase, open_watched, scene_close);
	tcase_add_test(tcase, an_event_is_dropped_when_it_has_seen_its_ticks_and_not_before);
	tcase_add_test(tcase, younger_events_stay_until_their_own_time);
	tcase_add_test(tcase, each_event_sees_its_ticks_also_behind_those_that_were_dropped);
	tcase_add_test(tcase, replies_are_never_dropped);
	tcase_add_test(tcase, an_event_of_which_a_byte_is_taken_is_kept);
	tcase_add_test(tcase, a_guest_that_reads_needs_no_ticks);
	tcase_add_test(tcase, who_leaves_only_replies_needs_no_ticks);
	tcase_add_test(tcase, the_privileged_lose_nothing);
	tcase_add_test(tcase, with_a_timeout_of_0_nothing_is_dropped);
	tcase_add_test(tcase, a_domain_is_told_of_once);
	tcase_add_test(tcase, memory_of_dropped_events_is_given_back);
	tcase_add_test(tcase, a_client_that_goes_or_begins_anew_is_not_looked_at_any_more);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
