/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* LMDB's pages: each is used or free, and a list of free pages that says otherwise is found. */
#include "store/pages.h"

#include <check.h>
#include <errno.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store/check.h"
#include "store/node.h"
#include "store/reader.h"
#include "support/random.h"
#include "support/store_file.h"
#include "support/suite.h"

static struct store_file file;
static struct reader_env reader;
static struct MDB_txn *txn;
static struct pages pages;
static char problem[PAGES_TEXT_SIZE];

static void setup(void)
{
	store_file_init(&file);
}

static void teardown(void)
{
	reader_end(txn);
	reader_close(&reader);
	store_file_deinit(&file);
}

static void begin_reading(bool locked)
{
	char text[READER_TEXT_SIZE];

	store_file_close(&file);
	ck_assert_int_eq(reader_open(file.path, locked, &reader, text), READER_SOUND);
	ck_assert_int_eq(reader_begin(&reader, &txn), 0);
}

/* Pages come and go, single ones and runs of them. */
static void work(struct random *random)
{
	static char value[12000];
	char path[32];

	for (int i = 0; i < 300; i++) {
		snprintf(path, sizeof(path), "/tool/%d", i);
		store_file_create(&file, path, NULL, value, random_below(random, 3) ? 100 : random_below(random, sizeof(value)));
		if (random_below(random, 3) == 0)
			store_file_remove(&file, path);
	}
}

START_TEST(every_page_is_used_or_free)
{
	struct random random;
	MDB_stat stat;

	random_begin(&random, "LXENSTORED_PAGES_SEED");
	work(&random);
	begin_reading(false);
	ck_assert_int_eq(pages_count(txn, reader.dbi, &pages, problem), 0);
	ck_assert_str_eq(problem, "");
	ck_assert_uint_eq(pages.used + pages.free, pages.total);
	ck_assert_uint_gt(pages.free, 0);
	ck_assert_uint_eq(pages.page_size, 4096);
	ck_assert_int_eq(mdb_stat(txn, reader.dbi, &stat), 0);
	ck_assert_uint_eq(pages.records, stat.ms_entries);
}
END_TEST

/* The last record of the list of free pages, as it lies in the file, with its first page replaced. */
static void replace_free_page(size_t new_page)
{
	MDB_cursor *cursor;
	MDB_val key, record;
	size_t len;

	begin_reading(false);
	ck_assert_int_eq(mdb_cursor_open(txn, 0, &cursor), 0);
	ck_assert_int_eq(mdb_cursor_get(cursor, &key, &record, MDB_LAST), 0);
	ck_assert_uint_ge(record.mv_size, 3 * sizeof(size_t));
	size_t *changed = malloc(record.mv_size);
	ck_assert_ptr_nonnull(changed);
	memcpy(changed, record.mv_data, record.mv_size);
	changed[1] = new_page ? new_page : changed[2];
	unsigned char *bytes = store_file_bytes(file.path, &len);
	ck_assert_uint_ge(store_file_replace(bytes, len, record.mv_data, changed, record.mv_size), 1);
	mdb_cursor_close(cursor);
	reader_end(txn);
	reader_close(&reader);
	store_file_write(file.path, bytes, len);
	free(bytes);
	free(changed);
	begin_reading(false);
}

static void expect_problem(const char *words)
{
	struct check_verdict verdict;

	ck_assert_int_eq(pages_count(txn, reader.dbi, &pages, problem), -EIO);
	ck_assert_msg(strstr(problem, words), "%s", problem);
	/* So does who is asked about the file. */
	ck_assert_int_eq(check_file(file.path, NULL, &verdict), 0);
	ck_assert_int_eq(verdict.result, CHECK_DAMAGED);
	ck_assert_str_eq(verdict.text, problem);
}

START_TEST(a_page_that_is_free_twice_is_found)
{
	struct random random = {1};

	work(&random);
	replace_free_page(0);
	expect_problem("is listed as free twice");
}
END_TEST

START_TEST(a_free_page_behind_the_last_one_is_found)
{
	struct random random = {1};

	work(&random);
	replace_free_page(1000000);
	expect_problem("page 1000000 is listed as free, there are ");
}
END_TEST

START_TEST(one_of_lmdbs_first_pages_cannot_be_free)
{
	struct random random = {1};

	work(&random);
	replace_free_page(1);
	expect_problem("page 1 is listed as free");
}
END_TEST

/* In a process of its own: reads until its standard input is closed. */
static pid_t read_in_child(int *stop)
{
	char text[READER_TEXT_SIZE], byte = 0;
	int to_child[2], from_child[2];
	struct reader_env own;

	ck_assert_int_eq(pipe(to_child), 0);
	ck_assert_int_eq(pipe(from_child), 0);
	pid_t child = fork();
	ck_assert_int_ge(child, 0);
	if (!child) {
		close(to_child[1]);
		if (reader_open(file.path, true, &own, text) != READER_SOUND || reader_begin(&own, &txn) ||
		    write(from_child[1], &byte, 1) != 1)
			_exit(1);
		_exit(read(to_child[0], &byte, 1) == 0 ? 0 : 1);
	}
	close(to_child[0]);
	close(from_child[1]);
	ck_assert_int_eq(read(from_child[0], &byte, 1), 1);
	close(from_child[0]);
	*stop = to_child[1];
	return child;
}

START_TEST(other_processes_that_read_are_counted)
{
	uint64_t oldest;
	int stop, status;

	begin_reading(true);
	ck_assert_uint_eq(pages_readers(txn, &oldest), 0);
	pid_t child = read_in_child(&stop);
	ck_assert_uint_eq(pages_readers(txn, &oldest), 1);
	ck_assert_uint_eq(oldest, mdb_txn_id(txn));
	close(stop);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
}
END_TEST

START_TEST(without_a_lock_no_reader_is_known)
{
	uint64_t oldest;

	begin_reading(false);
	ck_assert_uint_eq(pages_readers(txn, &oldest), 0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
	    every_page_is_used_or_free,
	    a_page_that_is_free_twice_is_found,
	    a_free_page_behind_the_last_one_is_found,
	    one_of_lmdbs_first_pages_cannot_be_free,
	    other_processes_that_read_are_counted,
	    without_a_lock_no_reader_is_known,
	};
	Suite *suite = suite_create("pages");
	TCase *cases = tcase_create("pages");

	tcase_add_checked_fixture(cases, setup, teardown);
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		tcase_add_test(cases, tests[i]);
	suite_add_tcase(suite, cases);
	return suite_run(suite);
}
