/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Records of watches, byte by byte as doc/format.md has them. */
#include "store/watch_record.h"

#include <check.h>
#include <stdio.h>
#include <lmdb.h>
#include <string.h>

#include "base/status.h"
#include "support/scene.h"
#include "support/suite.h"

static int put(uint64_t connection, uint64_t serial)
{
	const struct watch_record record = {
	    .connection = connection,
	    .serial = serial,
	    .domid = 0x1234,
	    .hidden = 16,
	    .depth = 5,
	    .path = "/a/b and more",
	    .path_len = 4,
	    .token = "token and more",
	    .token_len = 5,
	};

	return watch_record_put(scene.world.turn.store, &record);
}

static bool is_there(uint64_t connection, uint64_t serial)
{
	struct store *store = scene.world.turn.store;
	unsigned char name[STORE_WATCH_KEY_SIZE] = {'w', [8] = (unsigned char)connection, [16] = (unsigned char)serial};
	MDB_val key = {sizeof(name), name}, record;

	return !mdb_get(store_view(store), store->dbi, &key, &record);
}

/* Nothing of a test stays: there are no watches in memory for it. */
static void close_scene(void)
{
	store_abort(scene.world.turn.store);
	scene_close();
}

START_TEST(a_record_is_as_the_format_says)
{
	static const unsigned char name[] = {'w', 0, 0, 0, 0, 0, 1, 2, 3, 0xff, 0, 0, 0, 0, 0, 0, 4};
	static const unsigned char expected[] = {0x34, 0x12, 16,  0,   5,   0,	 0,   0,   4,	0,  5,
						 0,    '/',  'a', '/', 'b', 't', 'o', 'k', 'e', 'n'};
	struct store *store = scene.world.turn.store;
	MDB_val key = {sizeof(name), (void *)(uintptr_t)name}, record;

	ck_assert_int_eq(put(0x010203, UINT64_C(0xff00000000000004)), 0);
	ck_assert_int_eq(mdb_get(store_view(store), store->dbi, &key, &record), 0);
	ck_assert_uint_eq(record.mv_size, sizeof(expected));
	ck_assert_mem_eq(record.mv_data, expected, sizeof(expected));
}
END_TEST

START_TEST(one_record_is_removed_and_its_neighbours_stay)
{
	for (uint64_t serial = 1; serial <= 3; serial++)
		ck_assert_int_eq(put(2, serial), 0);
	ck_assert_int_eq(watch_record_remove(scene.world.turn.store, 2, 2), 0);
	ck_assert(is_there(2, 1));
	ck_assert(!is_there(2, 2));
	ck_assert(is_there(2, 3));
}
END_TEST

START_TEST(a_record_that_is_not_there_cannot_be_removed)
{
	scene.world.log.foreground = false;
	ck_assert_int_lt(watch_record_remove(scene.world.turn.store, 2, 2), 0);
	ck_assert_int_ne(scene.world.turn.store->fault, 0);
}
END_TEST

START_TEST(some_of_a_connection_go_from_a_serial_on_and_no_others)
{
	for (uint64_t connection = 1; connection <= 3; connection++) {
		for (uint64_t serial = 1; serial <= 5; serial++)
			ck_assert_int_eq(put(connection, serial), 0);
	}
	ck_assert_int_eq(watch_record_remove_some(scene.world.turn.store, 2, 2, UINT64_MAX, 2), 0);
	for (uint64_t serial = 1; serial <= 5; serial++) {
		ck_assert(is_there(1, serial));
		ck_assert(is_there(2, serial) == (serial != 2 && serial != 3));
		ck_assert(is_there(3, serial));
	}
	ck_assert_int_eq(watch_record_remove_some(scene.world.turn.store, 2, 5, UINT64_MAX, 100), 0);
	ck_assert(is_there(2, 4));
	ck_assert(!is_there(2, 5));
	ck_assert(is_there(3, 1));
	ck_assert_int_eq(watch_record_remove_some(scene.world.turn.store, 3, 2, 3, 100), 0);
	for (uint64_t serial = 1; serial <= 5; serial++)
		ck_assert(is_there(3, serial) == (serial != 2 && serial != 3));
}
END_TEST

/* Such a transaction would have a number that is given out again. */
START_TEST(where_there_are_none_to_remove_the_turn_changes_nothing)
{
	ck_assert_int_eq(put(2, 7), 0);
	ck_assert_int_eq(store_commit(scene.world.turn.store), 0);
	ck_assert_int_eq(watch_record_remove_some(scene.world.turn.store, 1, 0, UINT64_MAX, 100), 0);
	ck_assert_int_eq(watch_record_remove_some(scene.world.turn.store, 2, 1, 6, 100), 0);
	ck_assert_int_eq(watch_record_remove_some(scene.world.turn.store, 2, 8, UINT64_MAX, 100), 0);
	ck_assert_uint_eq(store_tag(scene.world.turn.store), 0);
	ck_assert_int_eq(watch_record_remove(scene.world.turn.store, 2, 7), 0); /* it is there */
	ck_assert_int_eq(store_commit(scene.world.turn.store), 0);
}
END_TEST

static void put_all(void)
{
	for (uint64_t connection = 1; connection <= 5; connection += 2) {
		for (uint64_t serial = 3; serial >= 1; serial--)
			ck_assert_int_eq(put(connection, serial), 0);
	}
}

static int note_serial(void *context, const struct watch_record *record)
{
	char *text = context;

	snprintf(text + strlen(text), 64, "%u:%u ", (unsigned)record->connection, (unsigned)record->serial);
	return record->serial == 3 && record->connection == 5 ? STATUS_EEXIST : 0;
}

START_TEST(records_of_a_connection_are_found_in_the_order_of_serials)
{
	char text[256] = "";

	put_all();
	ck_assert_int_eq(watch_record_each(scene.world.turn.store, 3, note_serial, text), 0);
	ck_assert_int_eq(watch_record_each(scene.world.turn.store, 2, note_serial, text), 0);
	ck_assert_str_eq(text, "3:1 3:2 3:3 ");
	ck_assert_int_eq(watch_record_each(scene.world.turn.store, 5, note_serial, text), STATUS_EEXIST);
}
END_TEST

START_TEST(the_next_connection_with_records_is_found)
{
	uint64_t connection;

	ck_assert_int_eq(watch_record_next(scene.world.turn.store, 0, &connection), STATUS_ENOENT);
	put_all();
	ck_assert_int_eq(watch_record_next(scene.world.turn.store, 0, &connection), 0);
	ck_assert_uint_eq(connection, 1);
	ck_assert_int_eq(watch_record_next(scene.world.turn.store, 2, &connection), 0);
	ck_assert_uint_eq(connection, 3);
	ck_assert_int_eq(watch_record_next(scene.world.turn.store, 5, &connection), 0);
	ck_assert_uint_eq(connection, 5);
	ck_assert_int_eq(watch_record_next(scene.world.turn.store, 6, &connection), STATUS_ENOENT);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("watch_record");
	TCase *tcase = tcase_create("records");

	tcase_add_checked_fixture(tcase, scene_open, close_scene);
	tcase_add_test(tcase, a_record_is_as_the_format_says);
	tcase_add_test(tcase, one_record_is_removed_and_its_neighbours_stay);
	tcase_add_test(tcase, a_record_that_is_not_there_cannot_be_removed);
	tcase_add_test(tcase, some_of_a_connection_go_from_a_serial_on_and_no_others);
	tcase_add_test(tcase, where_there_are_none_to_remove_the_turn_changes_nothing);
	tcase_add_test(tcase, records_of_a_connection_are_found_in_the_order_of_serials);
	tcase_add_test(tcase, the_next_connection_with_records_is_found);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
