/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The file grows by steps up to its limit, never beyond, and a full one still takes removals. Each in both ways of writing. */
#include "store/room.h"
#include "store/node.h"
#include "store/snapshot.h"
#include "store/store.h"
#include "store/transaction.h"
#include "support/suite.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MIB = 1 << 20, VALUE_LEN = 1000 };

static char directory[64], path[96], lock_path[104], value[VALUE_LEN];
static struct log log_of_test;
static struct store *store;

static void setup(void)
{
	snprintf(directory, sizeof(directory), "/dev/shm/lxenstored-room.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/store.mdb", directory);
	snprintf(lock_path, sizeof(lock_path), "%s-lock", path);
	log_init(&log_of_test, true);
	log_of_test.level = LOG_LEVEL_ERROR;
	memset(value, 'v', sizeof(value));
}

static void teardown(void)
{
	store_close(store);
	store = NULL;
	unlink(path);
	unlink(lock_path);
	rmdir(directory);
}

static void open_store(bool map, size_t limit)
{
	struct store_options options = {.path = path, .size_limit = limit, .map = map, .boot_id = "boot", .log = &log_of_test};

	ck_assert_int_eq(store_open(&options, &store), 0);
}

static size_t blocks_of(const char *file)
{
	struct stat status;

	ck_assert_int_eq(stat(file, &status), 0);
	return (size_t)status.st_blocks * 512;
}

static size_t pages_used(void)
{
	struct store_figures figures;

	ck_assert_int_eq(store_figures(store, &figures), 0);
	ck_assert_uint_ge(figures.file_size, figures.pages_used * figures.page_size);
	return figures.pages_used;
}

/* ---- one change, with a commit of its own ---- */

static struct path number_path(int number)
{
	static char text[32];

	return (struct path){text, (size_t)snprintf(text, sizeof(text), "/%d", number)};
}

static int create(int number)
{
	struct permission permission = {0, 0, 0};
	struct path node_path = number_path(number);
	int fault = node_create(store, &node_path, &permission, 1, value, sizeof(value));

	return fault ? fault : store_commit(store);
}

static int overwrite(int number)
{
	struct path node_path = number_path(number);
	struct node node;
	int fault = node_get(store, store_view(store), &node_path, &node);

	if (!fault)
		fault = node_set_value(store, &node_path, &node, value, sizeof(value));
	return fault ? fault : store_commit(store);
}

static int delete (int number)
{
	struct path node_path = number_path(number);
	int fault = node_remove(store, &node_path);

	return fault ? fault : store_commit(store);
}

/* Again with more room, as long as that can be had. */
static int with_room(int (*change)(int number), int number)
{
	int fault;

	while ((fault = change(number)) == -ENOSPC) {
		store_abort(store);
		if (store_make_room(store))
			break;
	}
	return fault;
}

/* Creates until nothing goes any more. Returns how many there are. */
static int fill(void)
{
	int n = 0, fault;

	while (!(fault = with_room(create, n)))
		n++;
	ck_assert_int_eq(fault, -ENOSPC);
	ck_assert_int_gt(n, 100);
	return n;
}

/* ---- tests; _i: is the map written? ---- */

START_TEST(a_file_begins_small_and_grows_with_what_is_in_it)
{
	open_store(_i, 64 * MIB);
	ck_assert_uint_le(store->room.allocated, 2 * MIB);
	for (int n = 0; n < 20000; n++) {
		size_t before = store->room.allocated;
		ck_assert_int_eq(with_room(create, n), 0);
		size_t after = store->room.allocated;
		if (after - before > 2 * MIB && after - before > before / 8)
			ck_abort_msg("from %zu it grew to %zu", before, after);
	}
	ck_assert_uint_ge(blocks_of(path), store->room.allocated);
	ck_assert_uint_le(store->room.allocated, pages_used() * store->room.page_size * 9 / 8 + 3 * MIB);
}
END_TEST

START_TEST(a_full_file_is_as_large_as_allowed_and_takes_what_adds_nothing)
{
	open_store(_i, 4 * MIB);
	int n = fill();
	ck_assert_uint_le(store->room.allocated, 4 * MIB);
	ck_assert_uint_le(blocks_of(path), 4 * MIB + store->room.page_size);
	ck_assert_uint_gt(pages_used() * store->room.page_size, 3 * MIB);
	for (int i = 0; i < n; i += 7)
		ck_assert_msg(!overwrite(i), "%d cannot be overwritten", i);
	for (int i = 0; i < n; i++)
		ck_assert_msg(!delete (i), "%d cannot be removed", i);
	for (int i = 0; i < n / 2; i++)
		ck_assert_msg(!with_room(create, i), "%d cannot be made again", i);
}
END_TEST

START_TEST(a_full_file_is_the_same_when_it_is_opened_again)
{
	open_store(_i, 4 * MIB);
	int n = fill();
	for (int times = 0; times < 3; times++) {
		store_close(store);
		open_store(_i, 4 * MIB);
		ck_assert_uint_le(store->room.allocated, 4 * MIB);
		ck_assert_int_eq(with_room(create, n), -ENOSPC);
		ck_assert_int_eq(overwrite(times), 0);
		ck_assert_int_eq(delete (times + 10), 0);
	}
}
END_TEST

START_TEST(a_file_can_be_opened_with_a_smaller_limit_than_it_has)
{
	open_store(_i, 8 * MIB);
	int n = fill();
	store_close(store);
	open_store(_i, 4 * MIB);
	ck_assert_int_eq(with_room(create, n), -ENOSPC);
	for (int i = 0; i < n; i++)
		ck_assert_msg(!delete (i), "%d cannot be removed", i);
	ck_assert_int_eq(with_room(create, 0), 0);
}
END_TEST

START_TEST(snapshots_are_given_up_before_anybody_is_refused)
{
	struct caller caller = {0, DOMID_NONE, true};
	struct transaction *transaction;

	open_store(_i, 4 * MIB);
	int n = fill();
	for (int i = 0; i < 20; i++)
		ck_assert_int_eq(delete (i), 0);
	ck_assert_int_eq(transaction_start(store, &caller, &transaction), 0);
	for (int i = 0; i < n; i++)
		ck_assert_msg(!with_room(overwrite, 20 + i % (n - 20)), "refused at %d", i);
	ck_assert_ptr_null(transaction->snapshot);
	transaction_free(transaction);
}
END_TEST

START_TEST(memory_read_before_the_file_grew_is_read_again_after)
{
	struct node node;
	struct path node_path = number_path(5);
	char text[32];

	open_store(_i, 64 * MIB);
	for (int n = 0; n < 10000; n++) {
		ck_assert_int_eq(with_room(create, n), 0);
		if (n % 1000 != 999)
			continue;
		node_path = number_path(n / 2);
		ck_assert_int_eq(node_get(store, store_view(store), &node_path, &node), 0);
		ck_assert_uint_eq(node.value_len, VALUE_LEN);
		ck_assert_mem_eq(node.value, value, VALUE_LEN);
		snprintf(text, sizeof(text), "/%d", n + 1);
		node_path = (struct path){text, strlen(text)};
		ck_assert_int_eq(node_get(store, store_view(store), &node_path, &node), STATUS_ENOENT);
	}
}
END_TEST

START_TEST(a_part_is_not_for_records)
{
	static const struct {
		size_t pages, free;
	} rows[] = {{10, 10}, {18, 18}, {100, 18}, {400, 52}, {2048, 258}, {16384, 258}, {1 << 20, 258}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct room room = {.allocated = rows[i].pages * 4096, .page_size = 4096};
		ck_assert_uint_eq(room_for_records(&room), rows[i].pages - rows[i].free);
	}
}
END_TEST

START_TEST(the_map_to_open_with_is_what_the_file_had)
{
	ck_assert_uint_eq(room_to_open(path, 64 * MIB), 2 * MIB);
	ck_assert_uint_eq(room_to_open(path, MIB), MIB);
	open_store(_i, 64 * MIB);
	for (int n = 0; n < 5000; n++)
		ck_assert_int_eq(with_room(create, n), 0);
	size_t allocated = store->room.allocated;
	store_close(store);
	store = NULL;
	ck_assert_uint_ge(room_to_open(path, 64 * MIB), allocated);
	ck_assert_uint_eq(room_to_open(path, 3 * MIB), 3 * MIB);
}
END_TEST

START_TEST(the_lock_file_has_its_blocks)
{
	ck_assert_int_eq(room_for_locks(path, 40000), 0);
	ck_assert_uint_ge(blocks_of(lock_path), 40000);
	ck_assert_int_eq(room_for_locks(path, 10000), 0);
	ck_assert_uint_ge(blocks_of(lock_path), 40000);
	ck_assert_int_eq(room_for_locks("/dev/null/store", 10000), -ENOTDIR);
}
END_TEST

START_TEST(what_a_daemon_before_has_reserved_is_there_and_is_not_asked_for_again)
{
	struct store_options options = {
	    .path = path, .size_limit = (size_t)64 << 20, .boot_id = "boot", .was_sound = true, .log = &log_of_test};

	open_store(false, (size_t)64 << 20);
	for (int i = 0; i < 3000; i++)
		ck_assert_int_eq(with_room(create, i), 0);
	size_t reserved = store->room.allocated;
	store_close(store);
	size_t blocks = blocks_of(path);
	ck_assert_uint_ge(blocks, reserved);
	ck_assert_int_eq(store_open(&options, &store), 0);
	ck_assert_uint_ge(store->room.allocated, reserved);
	ck_assert_uint_ge(blocks_of(path), store->room.allocated);
	for (int i = 3000; i < 6000; i++)
		ck_assert_int_eq(with_room(create, i), 0);
	ck_assert_uint_ge(blocks_of(path), store->room.allocated);
}
END_TEST

START_TEST(what_is_missing_of_what_was_reserved_is_asked_for)
{
	struct store_options options = {
	    .path = path, .size_limit = (size_t)64 << 20, .boot_id = "boot", .was_sound = true, .log = &log_of_test};

	open_store(false, (size_t)64 << 20);
	for (int i = 0; i < 3000; i++)
		ck_assert_int_eq(with_room(create, i), 0);
	store_close(store);
	ck_assert_int_eq(truncate(path, (off_t)blocks_of(path)), 0);
	int fd = open(path, O_RDWR | O_CLOEXEC);
	struct stat status;
	ck_assert_int_eq(fstat(fd, &status), 0);
	ck_assert_int_eq(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, status.st_size - (64 << 10), 64 << 10), 0);
	close(fd);
	ck_assert_int_eq(store_open(&options, &store), 0);
	ck_assert_uint_ge(blocks_of(path), store->room.allocated);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("room");
	TCase *tcase = tcase_create("room");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 60);
	tcase_add_loop_test(tcase, a_file_begins_small_and_grows_with_what_is_in_it, 0, 2);
	tcase_add_loop_test(tcase, a_full_file_is_as_large_as_allowed_and_takes_what_adds_nothing, 0, 2);
	tcase_add_loop_test(tcase, a_full_file_is_the_same_when_it_is_opened_again, 0, 2);
	tcase_add_loop_test(tcase, a_file_can_be_opened_with_a_smaller_limit_than_it_has, 0, 2);
	tcase_add_loop_test(tcase, snapshots_are_given_up_before_anybody_is_refused, 0, 2);
	tcase_add_loop_test(tcase, memory_read_before_the_file_grew_is_read_again_after, 0, 2);
	tcase_add_test(tcase, a_part_is_not_for_records);
	tcase_add_loop_test(tcase, the_map_to_open_with_is_what_the_file_had, 0, 2);
	tcase_add_test(tcase, the_lock_file_has_its_blocks);
	tcase_add_test(tcase, what_a_daemon_before_has_reserved_is_there_and_is_not_asked_for_again);
	tcase_add_test(tcase, what_is_missing_of_what_was_reserved_is_asked_for);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
