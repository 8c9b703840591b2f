/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The ledger's file as a pool: what may be opened, how it grows and where it ends. */
#include "ledger/pool.h"
#include "support/suite.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MANY = 64 * POOL_STEP, SPARSE = 8 * POOL_STEP };

#define BLOCKS_AT ((size_t)LEDGER_FIRST_BLOCK * LEDGER_BLOCK_SIZE)

static const unsigned char store_id[16] = "0123456789abcdef";

static char path[64];
static struct pool pool;

static void setup(void)
{
	int fd;

	strcpy(path, "/tmp/test_pool.XXXXXX");
	fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	close(fd);
}

static void teardown(void)
{
	unlink(path);
}

static void open_with_limit(size_t limit)
{
	ck_assert_int_eq(pool_open(path, limit, &pool), 0);
	ck_assert_int_eq(pool_begin(&pool, store_id), 0);
}

START_TEST(a_new_file_gets_a_header)
{
	struct stat status;

	open_with_limit(0);
	ck_assert_mem_eq(pool.header->magic, LEDGER_MAGIC, sizeof(pool.header->magic));
	ck_assert_mem_eq(pool.header->store_id, store_id, sizeof(store_id));
	ck_assert_uint_eq(pool.header->version, LEDGER_VERSION);
	ck_assert_uint_eq(pool_memory(&pool), LEDGER_HEADER_SIZE);
	ck_assert_int_eq(stat(path, &status), 0);
	ck_assert_uint_le((size_t)status.st_blocks * 512, 4 * LEDGER_HEADER_SIZE);
	pool_close(&pool);
}
END_TEST

START_TEST(a_ledger_keeps_its_contents_until_it_is_begun)
{
	uint32_t number;

	open_with_limit(0);
	number = pool_take(&pool, 0);
	strcpy((char *)pool_block(&pool, number)->bytes, "contents");
	pool_close(&pool);
	ck_assert_int_eq(pool_open(path, 0, &pool), 0);
	ck_assert_str_eq((char *)pool_block(&pool, number)->bytes, "contents");
	ck_assert_int_eq(pool_begin(&pool, store_id), 0);
	ck_assert_uint_eq(pool_take(&pool, 0), number);
	ck_assert_str_eq((char *)pool_block(&pool, number)->bytes, "");
	pool_close(&pool);
}
END_TEST

START_TEST(a_file_that_is_no_ledger_is_left_alone)
{
	struct stat status;
	int fd = open(path, O_WRONLY);

	ck_assert_int_eq(write(fd, "somebody's thesis", 17), 17);
	ck_assert_int_eq(pool_open(path, 0, &pool), -EPROTO);
	ck_assert_int_eq(fstat(fd, &status), 0);
	ck_assert_int_eq(status.st_size, 17);
	close(fd);
	ck_assert_int_eq(pool_open("/dev/null", 0, &pool), -EINVAL);
	ck_assert_int_eq(pool_open("/nonexistent/ledger", 0, &pool), -ENOENT);
}
END_TEST

START_TEST(a_link_is_not_followed)
{
	char link[80];

	strcpy(link, path);
	strcat(link, ".link");
	ck_assert_int_eq(symlink(path, link), 0);
	ck_assert_int_eq(pool_open(link, 0, &pool), -ELOOP);
	unlink(link);
}
END_TEST

START_TEST(a_limit_without_room_for_blocks_is_refused)
{
	ck_assert_int_eq(pool_open(path, BLOCKS_AT, &pool), -EINVAL);
	ck_assert_int_eq(pool_open(path, SIZE_MAX, &pool), -EINVAL);
}
END_TEST

START_TEST(a_second_open_is_refused_until_the_first_is_closed)
{
	struct pool second;

	open_with_limit(0);
	ck_assert_int_eq(pool_open(path, 0, &second), -EBUSY);
	pool_close(&pool);
	ck_assert_int_eq(pool_open(path, 0, &second), 0);
	pool_close(&second);
}
END_TEST

START_TEST(blocks_are_different_writable_and_as_many_as_the_limit_says)
{
	uint32_t number, n = 0;

	open_with_limit(BLOCKS_AT + 300 * LEDGER_BLOCK_SIZE + 1);
	while ((number = pool_take(&pool, 0))) {
		ck_assert_uint_eq(number, LEDGER_FIRST_BLOCK + n++);
		memset(pool_block(&pool, number), 0xff, LEDGER_BLOCK_SIZE);
	}
	ck_assert_uint_eq(n, 300);
	pool_give(&pool, 1100);
	pool_give(&pool, 1050);
	ck_assert_uint_eq(pool_take(&pool, 2), 0);
	ck_assert_uint_eq(pool_take(&pool, 1), 1050);
	ck_assert_uint_eq(pool_take(&pool, 1), 0);
	ck_assert_uint_eq(pool_take(&pool, 0), 1100);
	pool_close(&pool);
}
END_TEST

/* ---- memory goes back ---- */

static size_t blocks_of_file(void)
{
	struct stat status;

	ck_assert_int_eq(stat(path, &status), 0);
	return (size_t)status.st_blocks * 512;
}

/* Takes `n` blocks and marks each with its number. */
static void take_marked(uint32_t n, uint32_t numbers[])
{
	for (uint32_t i = 0; i < n; i++) {
		numbers[i] = pool_take(&pool, 0);
		ck_assert_uint_ne(numbers[i], 0);
		memset(pool_block(&pool, numbers[i]), 0xff, LEDGER_BLOCK_SIZE);
		pool_block(&pool, numbers[i])->base = numbers[i];
	}
}

START_TEST(memory_goes_back_when_no_block_is_in_use)
{
	static uint32_t numbers[MANY];

	open_with_limit(0);
	take_marked(MANY, numbers);
	ck_assert_uint_ge(blocks_of_file(), MANY * (size_t)LEDGER_BLOCK_SIZE);
	for (uint32_t i = 0; i < MANY; i++)
		pool_give(&pool, numbers[i]);
	ck_assert_uint_eq(pool.blocks_used, 0);
	ck_assert_uint_le(pool.blocks_total, POOL_TRIM_ABOVE);
	ck_assert_uint_le(blocks_of_file(), 4 * LEDGER_HEADER_SIZE + POOL_TRIM_ABOVE * (size_t)LEDGER_BLOCK_SIZE);
	pool_close(&pool);
}
END_TEST

START_TEST(blocks_in_use_keep_their_memory_while_that_around_them_goes_back_and_comes_again)
{
	static uint32_t numbers[MANY], again[MANY];

	open_with_limit(0);
	take_marked(MANY, numbers);
	for (uint32_t i = 0; i < MANY; i++) {
		if (i % SPARSE)
			pool_give(&pool, numbers[i]);
	}
	ck_assert_uint_lt(pool.blocks_total, MANY / 2);
	take_marked(MANY - MANY / SPARSE, again);
	ck_assert_uint_eq(pool.blocks_used, MANY);
	for (uint32_t i = 0; i < MANY; i += SPARSE)
		ck_assert_uint_eq(pool_block(&pool, numbers[i])->base, numbers[i]);
	/* None was given twice. */
	for (uint32_t i = 0; i < MANY - MANY / SPARSE; i++)
		ck_assert_uint_eq(pool_block(&pool, again[i])->base, again[i]);
	ck_assert_uint_eq(pool.blocks_end, MANY);
	pool_close(&pool);
}
END_TEST

/* A tmpfs of this size in the place of `directory`, seen by this process only; false where that is not allowed. */
static bool mount_small(const char *directory, const char *options)
{
	if (unshare(geteuid() == 0 ? CLONE_NEWNS : CLONE_NEWUSER | CLONE_NEWNS))
		return false;
	if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return false;
	return mount("none", directory, "tmpfs", 0, options) == 0;
}

START_TEST(a_full_file_system_is_an_error_and_not_a_signal)
{
	char directory[] = "/tmp/test_pool.XXXXXX", file[64];
	uint32_t number, n = 0;

	ck_assert_ptr_nonnull(mkdtemp(directory));
	snprintf(file, sizeof(file), "%s/ledger", directory);
	if (mount_small(directory, "size=3m")) {
		ck_assert_int_eq(pool_open(file, 0, &pool), 0);
		ck_assert_int_eq(pool_begin(&pool, store_id), 0);
		while ((number = pool_take(&pool, 0))) {
			memset(pool_block(&pool, number), 0xff, LEDGER_BLOCK_SIZE);
			n++;
		}
		ck_assert_uint_eq(n, 256);
		ck_assert_int_eq(pool_grow(&pool), -ENOSPC);
		while (pool_take_slot(&pool))
			n++;
		ck_assert_uint_gt(n, 256);
		ck_assert_int_eq(pool_begin(&pool, store_id), 0);
		ck_assert_uint_ne(pool_take(&pool, 0), 0);
		pool_close(&pool);
		umount(directory);
	} else {
		fprintf(stderr, "no file system can be mounted here: not tested\n");
	}
	rmdir(directory);
}
END_TEST

START_TEST(a_slot_that_was_given_back_is_the_next_one_taken_and_is_clean)
{
	struct ledger_slot *first, *second;

	open_with_limit(0);
	first = pool_take_slot(&pool);
	second = pool_take_slot(&pool);
	ck_assert_ptr_eq(second, first + 1);
	memset(first, 0xff, sizeof(*first));
	pool_give_slot(&pool, first);
	ck_assert_uint_eq(first->state, LEDGER_FREE);
	ck_assert_ptr_eq(pool_take_slot(&pool), first);
	ck_assert_uint_eq(first->in_block | first->out_head | first->epoch, 0);
	ck_assert_uint_eq(pool.slots_used, 2);
	pool_close(&pool);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("pool");
	TCase *cases = tcase_create("pool");

	tcase_add_checked_fixture(cases, setup, teardown);
	tcase_add_test(cases, a_new_file_gets_a_header);
	tcase_add_test(cases, a_ledger_keeps_its_contents_until_it_is_begun);
	tcase_add_test(cases, a_file_that_is_no_ledger_is_left_alone);
	tcase_add_test(cases, a_link_is_not_followed);
	tcase_add_test(cases, a_limit_without_room_for_blocks_is_refused);
	tcase_add_test(cases, a_second_open_is_refused_until_the_first_is_closed);
	tcase_add_test(cases, blocks_are_different_writable_and_as_many_as_the_limit_says);
	tcase_add_test(cases, memory_goes_back_when_no_block_is_in_use);
	tcase_add_test(cases, blocks_in_use_keep_their_memory_while_that_around_them_goes_back_and_comes_again);
	tcase_add_test(cases, a_full_file_system_is_an_error_and_not_a_signal);
	tcase_add_test(cases, a_slot_that_was_given_back_is_the_next_one_taken_and_is_clean);
	suite_add_tcase(suite, cases);
	return suite_run(suite);
}
