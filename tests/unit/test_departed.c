/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What clients leave behind who had watches. Whatever is left at the end of a test, records and watches agree (world_check).
 */
#include "request/departed.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "store/watch_record.h"
#include "support/scene.h"
#include "support/suite.h"

enum { MANY = 5000 /* more than go with a turn */ };

static void open_scene(void)
{
	scene_open();
	scene.world.log.foreground = false;
	scene_write(scene.root, 0, "/many", ""); /* what a first commit saves besides is saved */
}

/* A client with so many watches below "/many". */
static struct world_client *client_with(unsigned n)
{
	struct world_client *client = world_client(&scene.world, DOMID_PRIVILEGED, true);

	ck_assert_ptr_nonnull(client);
	for (unsigned i = 0; i < n; i++) {
		char bytes[64];
		int len = snprintf(bytes, sizeof(bytes), "/many/%u", i) + 1;
		ck_assert(world_send(client, MESSAGE_WATCH, 0, bytes, (size_t)(len + sprintf(bytes + len, "token") + 1)));
		if (i % 16 == 15 || i + 1 == n) {
			world_run(&scene.world);
			if (i % 128 == 127 || i + 1 == n)
				world_commit(&scene.world);
		}
		world_forget(client);
	}
	ck_assert_uint_eq(client->client.watches->count, n);
	return client;
}

static uint64_t records(void)
{
	struct store_figures figures;

	ck_assert_int_eq(store_figures(scene.world.turn.store, &figures), 0);
	return figures.records;
}

START_TEST(a_client_that_goes_takes_its_watches_along_with_the_next_turn)
{
	uint64_t before = records();
	struct world_client *client = client_with(10);

	ck_assert_uint_eq(records(), before + 10);
	world_client_close(client);
	ck_assert_uint_eq(watch_count(scene.world.turn.watches), 0);
	ck_assert_ptr_nonnull(watch_departed(scene.world.turn.watches));
	turn_commit(&scene.world.turn);
	ck_assert_ptr_null(watch_departed(scene.world.turn.watches));
	ck_assert_uint_eq(records(), before);
}
END_TEST

START_TEST(a_client_without_watches_costs_no_commit)
{
	uint64_t commits = scene.world.turn.store->commits;

	world_client_close(world_client(&scene.world, DOMID_PRIVILEGED, true));
	turn_commit(&scene.world.turn);
	ck_assert_uint_eq(scene.world.turn.store->commits, commits);
}
END_TEST

START_TEST(a_client_with_many_watches_goes_over_several_turns)
{
	uint64_t before = records();
	unsigned turns = 0;

	world_client_close(client_with(MANY));
	while (watch_departed(scene.world.turn.watches)) {
		turn_commit(&scene.world.turn);
		ck_assert(!world_check(&scene.world));
		turns++;
	}
	ck_assert_uint_ge(turns, 3);
	ck_assert_uint_eq(records(), before);
}
END_TEST

START_TEST(what_a_departed_client_watched_fires_nothing)
{
	struct world_client *client = client_with(3);

	world_client_close(client);
	scene_watch(scene.root, "/many|mine");
	scene_write(scene.root, 0, "/many/1", "v");
	scene_event(scene.root, "/many/1|mine");
	scene_no_event(scene.root);
}
END_TEST

START_TEST(the_removal_is_not_lost_with_a_turn_that_fails)
{
	uint64_t before = records();
	struct world_client *client = client_with(10);

	world_client_close(client);
	world_send(scene.root, MESSAGE_WRITE, 0, "/a\0v", 4);
	world_run(&scene.world);
	store_failed(scene.world.turn.store, EIO);
	world_commit(&scene.world);
	scene_replied(scene.root, "");
	ck_assert_ptr_nonnull(watch_departed(scene.world.turn.watches));
	ck_assert(scene.world.turn.departed_later);
	world_commit(&scene.world);
	ck_assert_ptr_null(watch_departed(scene.world.turn.watches));
	ck_assert_uint_eq(records(), before + 1);
}
END_TEST

START_TEST(a_client_of_the_same_number_keeps_its_own_watches)
{
	struct world_client *old = client_with(7);
	uint64_t id = old->client.id, before = records();

	world_client_close(old);
	scene.world.last_client_id = id - 1;
	struct world_client *fresh = client_with(2);
	ck_assert_uint_eq(fresh->client.id, id);
	while (watch_departed(scene.world.turn.watches))
		turn_commit(&scene.world.turn);
	ck_assert_uint_eq(fresh->client.watches->count, 2);
	ck_assert_uint_eq(records(), before - 5);
}
END_TEST

START_TEST(a_client_that_begins_anew_beside_what_an_earlier_one_left_loses_only_its_own)
{
	struct world_client *old = client_with(MANY);
	uint64_t id = old->client.id;

	world_client_close(old);
	scene.world.last_client_id = id - 1;
	struct world_client *fresh = client_with(2);
	ck_assert_ptr_nonnull(watch_departed(scene.world.turn.watches));
	scene_ok(fresh, MESSAGE_RESET_WATCHES, 0, "");
	ck_assert(!world_check(&scene.world));
	ck_assert_uint_eq(fresh->client.watches->count, 0);
	ck_assert_ptr_nonnull(watch_departed(scene.world.turn.watches));
}
END_TEST

START_TEST(records_of_an_earlier_daemon_are_all_dropped)
{
	uint64_t before = records();

	for (uint64_t i = 0; i < MANY; i++) {
		const struct watch_record record = {
		    .connection = i % 7, .serial = i, .depth = -1, .path = "/a", .path_len = 2, .token = "t", .token_len = 1};
		ck_assert_int_eq(watch_record_put(scene.world.turn.store, &record), 0);
	}
	ck_assert_int_eq(store_commit(scene.world.turn.store), 0);
	ck_assert_uint_eq(records(), before + MANY);
	ck_assert_int_eq(departed_remove_earlier(&scene.world.turn), 0);
	ck_assert_uint_eq(records(), before);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("departed");
	TCase *tcase = tcase_create("watches");

	tcase_add_checked_fixture(tcase, open_scene, scene_close);
	tcase_add_test(tcase, a_client_that_goes_takes_its_watches_along_with_the_next_turn);
	tcase_add_test(tcase, a_client_without_watches_costs_no_commit);
	tcase_add_test(tcase, a_client_with_many_watches_goes_over_several_turns);
	tcase_add_test(tcase, what_a_departed_client_watched_fires_nothing);
	tcase_add_test(tcase, the_removal_is_not_lost_with_a_turn_that_fails);
	tcase_add_test(tcase, a_client_of_the_same_number_keeps_its_own_watches);
	tcase_add_test(tcase, a_client_that_begins_anew_beside_what_an_earlier_one_left_loses_only_its_own);
	tcase_add_test(tcase, records_of_an_earlier_daemon_are_all_dropped);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
