/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who is told of what. A guest that watches "/" hears of what it can read, could read before, or sees come and go in a parent
 * that it can read, and of nothing else (XSA-115); what is over-long or finds nobody who reads is dropped and counted.
 */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "lxenstored/ledger_format.h"
#include "support/scene.h"
#include "support/suite.h"
#include "watch/watch.h"

/* The guest watches everything; /open can be read by it, /closed not. */
static void open_watched(void)
{
	scene_open();
	scene_node("/open", "", "n0 r1");
	scene_node("/closed", "", "n0");
	scene_watch(scene.guest, "/|w");
}

static void root_writes(const char *path)
{
	scene_write(scene.root, 0, path, "value");
}

static void root_sets(const char *payload)
{
	scene_ok(scene.root, MESSAGE_SET_PERMS, 0, payload);
}

static void root_removes(const char *path)
{
	scene_ok(scene.root, MESSAGE_RM, 0, path);
}

/* ---- XSA-115: single nodes ---- */

START_TEST(xsa_115_a_guest_hears_of_a_node_that_it_can_read)
{
	root_writes("/open");
	scene_event(scene.guest, "/open|w");
	scene_no_event(scene.guest);
}
END_TEST

START_TEST(xsa_115_a_guest_does_not_hear_of_a_node_that_it_cannot_read)
{
	root_writes("/closed");
	root_writes("/closed/child");
	root_writes("/closed/child");
	root_removes("/closed/child");
	root_sets("/closed|w0");
	root_removes("/closed");
	scene_no_event(scene.guest);
}
END_TEST

START_TEST(xsa_115_a_guest_that_owns_a_node_hears_of_it)
{
	scene_node("/closed/own", "", "n1");
	root_writes("/closed/own");
	scene_event(scene.guest, "/closed/own|w");
	root_removes("/closed/own");
	scene_event(scene.guest, "/closed/own|w");
	scene_no_event(scene.guest);
}
END_TEST

START_TEST(xsa_115_the_right_to_write_is_not_the_right_to_hear)
{
	scene_node("/closed/write", "", "n0 w1");
	root_writes("/closed/write");
	scene_no_event(scene.guest);
}
END_TEST

START_TEST(xsa_115_a_guest_hears_that_it_gains_the_right_to_read)
{
	root_sets("/closed|n0|r1");
	scene_event(scene.guest, "/closed|w");
}
END_TEST

START_TEST(xsa_115_a_guest_hears_that_it_loses_the_right_to_read_and_then_no_more)
{
	root_sets("/open|n0");
	scene_event(scene.guest, "/open|w");
	root_sets("/open|n0|w1");
	root_writes("/open");
	scene_no_event(scene.guest);
}
END_TEST

START_TEST(xsa_115_a_guest_hears_that_a_node_is_no_longer_its_own)
{
	scene_node("/closed/own", "", "n1");
	root_sets("/closed/own|n0");
	scene_event(scene.guest, "/closed/own|w");
	root_sets("/closed/own|n0");
	scene_no_event(scene.guest);
}
END_TEST

START_TEST(xsa_115_a_guest_hears_of_the_children_of_what_it_can_read)
{
	scene_node("/open/secret", "", "n0");
	root_writes("/open/secret");
	scene_event(scene.guest, "/open/secret|w");
	root_sets("/open/secret|w0");
	scene_event(scene.guest, "/open/secret|w");
	root_removes("/open/secret");
	scene_event(scene.guest, "/open/secret|w");
	scene_no_event(scene.guest);
}
END_TEST

START_TEST(xsa_115_a_guest_does_not_hear_of_grandchildren_whose_parent_it_cannot_read)
{
	scene_node("/open/secret", "", "n0");
	root_writes("/open/secret/child");
	root_removes("/open/secret/child");
	scene_no_event(scene.guest);
}
END_TEST

START_TEST(xsa_115_a_guest_hears_of_children_of_the_root_only_if_it_can_read_the_root)
{
	root_writes("/closed/a");
	root_writes("/new");
	scene_no_event(scene.guest);
	root_sets("/|n0|r1");
	scene_event(scene.guest, "/|w");
	scene_ok(scene.root, MESSAGE_SET_PERMS, 0, "/new|n0");
	scene_event(scene.guest, "/new|w");
}
END_TEST

START_TEST(xsa_115_rights_are_those_of_the_moment_of_the_request)
{
	static const char write[] = "/closed/child\0value", set[] = "/closed\0n0\0r1";

	scene_node("/closed/child", "", "n0");
	/* In one turn: when the child is written nobody but root can read it or its parent. */
	world_send(scene.root, MESSAGE_WRITE, 0, write, sizeof(write) - 1);
	world_send(scene.root, MESSAGE_SET_PERMS, 0, set, sizeof(set));
	world_run(&scene.world);
	world_commit(&scene.world);
	scene_event(scene.guest, "/closed|w");
	scene_no_event(scene.guest);
}
END_TEST

/* ---- XSA-115: removal of subtrees ---- */

START_TEST(xsa_115_a_watch_below_what_is_removed_fires_if_its_node_could_be_read)
{
	scene_node("/closed/dir/node", "", "n0 r1");
	scene_watch(scene.guest, "/closed/dir/node|exact");
	root_removes("/closed/dir");
	scene_event(scene.guest, "/closed/dir/node|exact");
	scene_no_event(scene.guest);
}
END_TEST

START_TEST(xsa_115_a_watch_below_what_is_removed_fires_if_the_parent_could_be_read)
{
	scene_node("/closed/dir", "", "n0 r1");
	scene_node("/closed/dir/node", "", "n0");
	scene_watch(scene.guest, "/closed/dir/node|exact");
	root_removes("/closed/dir");
	scene_event(scene.guest, "/closed/dir/node|exact");
	scene_event(scene.guest, "/closed/dir|w");
	scene_no_event(scene.guest);
}
END_TEST

START_TEST(xsa_115_a_watch_below_what_is_removed_does_not_fire_without_rights)
{
	scene_node("/closed/dir/node", "", "n0");
	scene_watch(scene.guest, "/closed/dir/node|exact");
	scene_watch(scene.guest, "/closed/dir/missing|exact");
	root_removes("/closed/dir");
	scene_no_event(scene.guest);
}
END_TEST

START_TEST(xsa_115_a_removal_fires_each_watch_at_most_once)
{
	scene_node("/open/a/b/c", "", "n0 r1");
	scene_node("/open/a/b", "", "n0 r1");
	scene_node("/open/a", "", "n0 r1");
	scene_watch(scene.guest, "/open/a|a");
	scene_watch(scene.guest, "/open/a/b|b");
	scene_watch(scene.guest, "/open/a/b/c|c");
	root_removes("/open/a");
	scene_event(scene.guest, "/open/a/b/c|c");
	scene_event(scene.guest, "/open/a/b|b");
	scene_event(scene.guest, "/open/a|w");
	scene_event(scene.guest, "/open/a|a");
	scene_no_event(scene.guest);
}
END_TEST

/* ---- XSA-115: transactions ---- */

START_TEST(xsa_115_a_guest_hears_that_it_loses_the_right_to_read_by_a_transaction)
{
	uint32_t id = world_transaction(scene.root);

	scene_ok(scene.root, MESSAGE_SET_PERMS, id, "/open|n0");
	scene_write(scene.root, id, "/closed", "value");
	scene_ok(scene.root, MESSAGE_TRANSACTION_END, id, "T");
	scene_event(scene.guest, "/open|w");
	scene_no_event(scene.guest);
}
END_TEST

START_TEST(xsa_115_a_guest_hears_of_a_node_removed_and_made_again_out_of_its_sight)
{
	uint32_t id;

	scene_node("/closed/seen", "", "n0 r1");
	id = world_transaction(scene.root);
	scene_ok(scene.root, MESSAGE_RM, id, "/closed/seen");
	scene_ok(scene.root, MESSAGE_MKDIR, id, "/closed/seen");
	scene_ok(scene.root, MESSAGE_TRANSACTION_END, id, "T");
	scene_event(scene.guest, "/closed/seen|w");
	scene_no_event(scene.guest);
	scene_error(scene.guest, "EACCES", MESSAGE_READ, 0, "/closed/seen");
}
END_TEST

START_TEST(xsa_115_a_node_made_by_a_transaction_is_told_by_the_rights_it_has_at_the_end)
{
	uint32_t id = world_transaction(scene.root);

	scene_ok(scene.root, MESSAGE_MKDIR, id, "/closed/given");
	scene_ok(scene.root, MESSAGE_SET_PERMS, id, "/closed/given|n0|r1");
	scene_ok(scene.root, MESSAGE_MKDIR, id, "/closed/kept");
	scene_ok(scene.root, MESSAGE_TRANSACTION_END, id, "T");
	scene_event(scene.guest, "/closed/given|w");
	scene_no_event(scene.guest);
}
END_TEST

START_TEST(xsa_115_what_a_transaction_removes_is_told_to_who_could_read_it)
{
	uint32_t id;

	scene_node("/closed/seen", "", "n0 r1");
	scene_node("/closed/hidden", "", "n0");
	id = world_transaction(scene.root);
	scene_ok(scene.root, MESSAGE_RM, id, "/closed/hidden");
	scene_ok(scene.root, MESSAGE_RM, id, "/closed/seen");
	scene_ok(scene.root, MESSAGE_TRANSACTION_END, id, "T");
	scene_event(scene.guest, "/closed/seen|w");
	scene_no_event(scene.guest);
}
END_TEST

/* ---- XSA-115: special nodes ---- */

START_TEST(xsa_115_release_is_told_to_all_and_introduce_to_the_privileged)
{
	scene_watch(scene.guest, "@releaseDomain|r");
	scene_watch(scene.guest, "@introduceDomain|i");
	scene_watch(scene.root, "@introduceDomain|i");
	root_sets("@releaseDomain|n0|r32757");
	root_sets("@introduceDomain|n0");
	scene_event(scene.guest, "@releaseDomain|r");
	scene_no_event(scene.guest);
	scene_event(scene.root, "@introduceDomain|i");
}
END_TEST

START_TEST(xsa_115_introduce_is_told_to_whom_root_lets_read_it)
{
	scene_watch(scene.guest, "@introduceDomain|i");
	root_sets("@introduceDomain|n0|r1");
	scene_event(scene.guest, "@introduceDomain|i");
	root_sets("@introduceDomain|n0|r1");
	scene_event(scene.guest, "@introduceDomain|i");
	root_sets("@introduceDomain|n0");
	scene_event(scene.guest, "@introduceDomain|i");
	root_sets("@introduceDomain|n0");
	scene_no_event(scene.guest);
}
END_TEST

START_TEST(xsa_115_a_guest_cannot_set_permissions_of_specials)
{
	scene_error(scene.guest, "EACCES", MESSAGE_SET_PERMS, 0, "@introduceDomain|n0|r1");
	scene_error(scene.guest, "EACCES", MESSAGE_SET_PERMS, 0, "@releaseDomain|n1");
	scene_answer(scene.root, "n0|", MESSAGE_GET_PERMS, 0, "@introduceDomain");
	scene_answer(scene.guest, "n0|r32757|", MESSAGE_GET_PERMS, 0, "@releaseDomain");
	scene_error(scene.guest, "EACCES", MESSAGE_GET_PERMS, 0, "@introduceDomain");
}
END_TEST

/* ---- what is told ---- */

START_TEST(the_first_event_comes_whatever_can_be_read)
{
	scene_ok(scene.guest, MESSAGE_WATCH, 0, "/closed/unknown|token");
	scene_event(scene.guest, "/closed/unknown|token");
	scene_no_event(scene.guest);
}
END_TEST

START_TEST(the_privileged_hear_of_everything)
{
	scene_watch(scene.root, "/|all");
	scene_node("/guests", "", "n1");
	scene_write(scene.guest, 0, "/guests/a/b", "1");
	scene_event(scene.root, "/guests/a/b|all");
	scene_no_event(scene.root);
}
END_TEST

START_TEST(failed_requests_tell_nothing)
{
	scene_write_error(scene.guest, "EACCES", 0, "/open", "1");
	scene_error(scene.guest, "EACCES", MESSAGE_RM, 0, "/open");
	scene_error(scene.root, "ENOENT", MESSAGE_SET_PERMS, 0, "/open/missing|n0");
	scene_error(scene.root, "ENOENT", MESSAGE_SET_PERMS, 0, "/open|n77");
	scene_error(scene.root, "EINVAL", MESSAGE_RM, 0, "/");
	scene_no_event(scene.guest);
}
END_TEST

START_TEST(clients_are_told_in_the_order_of_their_making_and_each_in_the_order_of_its_watches)
{
	scene_watch(scene.guest, "/open|second");
	scene_watch(scene.root, "/open|first");
	root_writes("/open");
	scene_event(scene.root, "/open|first");
	scene_event(scene.guest, "/open|w");
	scene_event(scene.guest, "/open|second");
}
END_TEST

START_TEST(a_watch_of_a_relative_path_is_told_relative_paths)
{
	scene_node("/local/domain/1", "", "n1");
	scene_watch(scene.guest, "device|rel");
	scene_write(scene.guest, 0, "device/vif/0", "1");
	scene_event(scene.guest, "/local/domain/1/device/vif/0|w");
	scene_event(scene.guest, "device/vif/0|rel");
}
END_TEST

START_TEST(identical_events_that_are_not_yet_out_are_told_once)
{
	static const char write[] = "/open\0value";

	for (int i = 0; i < 3; i++)
		world_send(scene.root, MESSAGE_WRITE, 0, write, sizeof(write) - 1);
	world_run(&scene.world);
	world_commit(&scene.world);
	scene_event(scene.guest, "/open|w");
	scene_no_event(scene.guest);
	root_writes("/open");
	scene_event(scene.guest, "/open|w");
}
END_TEST

START_TEST(identical_events_of_specials_are_all_told)
{
	static const char set[] = "@releaseDomain\0n0\0r32757";

	scene_watch(scene.guest, "@releaseDomain|r");
	for (int i = 0; i < 3; i++)
		world_send(scene.root, MESSAGE_SET_PERMS, 0, set, sizeof(set));
	world_run(&scene.world);
	world_commit(&scene.world);
	for (int i = 0; i < 3; i++)
		scene_event(scene.guest, "@releaseDomain|r");
	scene_no_event(scene.guest);
}
END_TEST

/* ---- what is dropped ---- */

static uint64_t dropped(void)
{
	return scene.world.turn.figures.events_dropped;
}

START_TEST(xsa_324_an_event_that_exceeds_a_message_is_dropped_and_counted)
{
	enum { LONGEST = MESSAGE_PAYLOAD_MAX - 7 };
	char watch[MESSAGE_PAYLOAD_MAX];

	/* "/open" and this token fill a message exactly; with "/open/a" it would be two bytes more. */
	memset(watch, 't', sizeof(watch));
	memcpy(watch, "/open|", 6);
	watch[6 + LONGEST - 1] = 0;
	scene_watch(scene.guest, watch);
	root_writes("/open/a");
	ck_assert_uint_eq(dropped(), 1);
	scene_event(scene.guest, "/open/a|w");
	scene_no_event(scene.guest);
	root_writes("/open");
	scene_event(scene.guest, "/open|w");
	ck_assert_ptr_nonnull(world_event(scene.guest));
	ck_assert_uint_eq(dropped(), 1);
}
END_TEST

/* Writes nodes with long names until an event for the guest is dropped; returns how many. */
static size_t write_until_dropped(void)
{
	char path[1900];
	size_t n = 0;

	memset(path, 'x', sizeof(path));
	for (; !dropped() && n < 4000; n++) {
		/* "/open/000001xxx..." */
		int len = snprintf(path, sizeof(path), "/open/%06zu", n);
		path[len] = 'x';
		path[sizeof(path) - 1] = 0;
		world_send(scene.root, MESSAGE_MKDIR, 0, path, sizeof(path));
		turn_run_next(&scene.world.turn, &scene.root->client);
		turn_commit(&scene.world.turn);
	}
	return n;
}

/* node_look of all files comes by here. */
int __real_node_look(struct store *store, const struct path *path, struct node *out);
int __wrap_node_look(struct store *store, const struct path *path, struct node *out);
static unsigned n_looks;
int __wrap_node_look(struct store *store, const struct path *path, struct node *out)
{
	n_looks++;
	return __real_node_look(store, path, out);
}

START_TEST(what_a_guest_must_not_know_costs_the_same_with_many_watches)
{
	unsigned looks[2];

	for (int round = 0; round < 2; round++) {
		n_looks = 0;
		root_writes("/closed");
		looks[round] = n_looks;
		for (int i = 0; !round && i < 100; i++) {
			char watch[16];
			snprintf(watch, sizeof(watch), "/|%d", i);
			scene_watch(scene.guest, watch);
		}
	}
	ck_assert_uint_eq(looks[0], looks[1]);
	scene_no_event(scene.guest);
}
END_TEST

START_TEST(events_for_a_client_that_does_not_read_are_dropped_beyond_a_limit)
{
	size_t events = 0;

	const size_t limit = 2560 * 1024; /* quota memory */

	scene.world.log.level = LOG_LEVEL_ERROR;
	size_t written = write_until_dropped();
	ck_assert_uint_gt(scene.guest->client.domain->budgets[QUOTA_MEMORY].used, limit);
	ck_assert_uint_le(scene.guest->client.domain->budgets[QUOTA_MEMORY].used, limit + 2 * LEDGER_BLOCK_SIZE);
	ck_assert(scene.guest->client.events_dropped);
	world_take(&scene.world);
	while (world_event(scene.guest))
		events++;
	ck_assert_uint_eq(events, written - 1);
	world_forget(scene.root);
	root_writes("/open");
	scene_event(scene.guest, "/open|w");
}
END_TEST

static void open_with_a_small_ledger(void)
{
	static const struct world_options options = {.ledger_limit = (size_t)(LEDGER_FIRST_BLOCK + 32) * LEDGER_BLOCK_SIZE};

	scene_open_with(&options);
	scene_node("/open", "", "n0 r1");
	scene_watch(scene.guest, "/|w");
}

START_TEST(without_room_in_the_ledger_the_event_is_dropped_and_the_reply_is_not)
{
	size_t written = write_until_dropped(), replies = 0, events = 0;

	world_take(&scene.world);
	while (world_reply(scene.root))
		replies++;
	while (world_event(scene.guest))
		events++;
	ck_assert_uint_eq(replies, written);
	ck_assert_uint_eq(events, written - 1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("events");
	TCase *tcase = tcase_create("rights");

	tcase_add_checked_fixture(tcase, open_watched, scene_close);
	tcase_add_test(tcase, xsa_115_a_guest_hears_of_a_node_that_it_can_read);
	tcase_add_test(tcase, xsa_115_a_guest_does_not_hear_of_a_node_that_it_cannot_read);
	tcase_add_test(tcase, xsa_115_a_guest_that_owns_a_node_hears_of_it);
	tcase_add_test(tcase, xsa_115_the_right_to_write_is_not_the_right_to_hear);
	tcase_add_test(tcase, xsa_115_a_guest_hears_that_it_gains_the_right_to_read);
	tcase_add_test(tcase, xsa_115_a_guest_hears_that_it_loses_the_right_to_read_and_then_no_more);
	tcase_add_test(tcase, xsa_115_a_guest_hears_that_a_node_is_no_longer_its_own);
	tcase_add_test(tcase, xsa_115_a_guest_hears_of_the_children_of_what_it_can_read);
	tcase_add_test(tcase, xsa_115_a_guest_does_not_hear_of_grandchildren_whose_parent_it_cannot_read);
	tcase_add_test(tcase, xsa_115_a_guest_hears_of_children_of_the_root_only_if_it_can_read_the_root);
	tcase_add_test(tcase, xsa_115_rights_are_those_of_the_moment_of_the_request);
	tcase_add_test(tcase, xsa_115_a_watch_below_what_is_removed_fires_if_its_node_could_be_read);
	tcase_add_test(tcase, xsa_115_a_watch_below_what_is_removed_fires_if_the_parent_could_be_read);
	tcase_add_test(tcase, xsa_115_a_watch_below_what_is_removed_does_not_fire_without_rights);
	tcase_add_test(tcase, xsa_115_a_removal_fires_each_watch_at_most_once);
	tcase_add_test(tcase, xsa_115_a_guest_hears_that_it_loses_the_right_to_read_by_a_transaction);
	tcase_add_test(tcase, xsa_115_a_guest_hears_of_a_node_removed_and_made_again_out_of_its_sight);
	tcase_add_test(tcase, xsa_115_a_node_made_by_a_transaction_is_told_by_the_rights_it_has_at_the_end);
	tcase_add_test(tcase, xsa_115_what_a_transaction_removes_is_told_to_who_could_read_it);
	tcase_add_test(tcase, xsa_115_release_is_told_to_all_and_introduce_to_the_privileged);
	tcase_add_test(tcase, xsa_115_introduce_is_told_to_whom_root_lets_read_it);
	tcase_add_test(tcase, xsa_115_a_guest_cannot_set_permissions_of_specials);
	suite_add_tcase(suite, tcase);

	tcase = tcase_create("delivery");
	tcase_add_checked_fixture(tcase, open_watched, scene_close);
	tcase_add_test(tcase, the_first_event_comes_whatever_can_be_read);
	tcase_add_test(tcase, the_privileged_hear_of_everything);
	tcase_add_test(tcase, failed_requests_tell_nothing);
	tcase_add_test(tcase, clients_are_told_in_the_order_of_their_making_and_each_in_the_order_of_its_watches);
	tcase_add_test(tcase, a_watch_of_a_relative_path_is_told_relative_paths);
	tcase_add_test(tcase, identical_events_that_are_not_yet_out_are_told_once);
	tcase_add_test(tcase, identical_events_of_specials_are_all_told);
	tcase_add_test(tcase, xsa_324_an_event_that_exceeds_a_message_is_dropped_and_counted);
	tcase_add_test(tcase, what_a_guest_must_not_know_costs_the_same_with_many_watches);
	tcase_add_test(tcase, events_for_a_client_that_does_not_read_are_dropped_beyond_a_limit);
	suite_add_tcase(suite, tcase);

	tcase = tcase_create("full ledger");
	tcase_add_checked_fixture(tcase, open_with_a_small_ledger, scene_close);
	tcase_add_test(tcase, without_room_in_the_ledger_the_event_is_dropped_and_the_reply_is_not);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
