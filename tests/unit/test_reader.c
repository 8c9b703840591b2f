/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a file is, found out without changing it, and walks over its records that pin nothing for long. */
#include "store/reader.h"

#include <check.h>
#include <errno.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/status.h"
#include "store/node.h"
#include "store/pages.h"
#include "support/store_file.h"
#include "support/suite.h"

static struct store_file file;
static struct reader_env reader;
static char text[READER_TEXT_SIZE];

static void setup(void)
{
	store_file_init(&file);
}

static void teardown(void)
{
	reader_close(&reader);
	store_file_deinit(&file);
}

static enum reader_result result_of(const char *path)
{
	enum reader_result result = reader_open(path, false, &reader, text);

	reader_close(&reader);
	return result;
}

/* The record about the store, changed. */
static void put_meta(const void *record, size_t len)
{
	store_file_put(&file, "m", 1, record, len);
	store_file_close(&file);
}

/* ---- what a file is ---- */

START_TEST(a_store_says_who_it_is)
{
	struct store_meta meta = file.store->meta;

	store_file_close(&file);
	ck_assert_int_eq(reader_open(file.path, false, &reader, text), READER_SOUND);
	ck_assert_mem_eq(&reader.meta, &meta, sizeof(meta));
	ck_assert_str_eq(text, "");
}
END_TEST

START_TEST(a_file_of_no_bytes_is_empty)
{
	store_file_close(&file);
	store_file_write(file.path, "", 0);
	ck_assert_int_eq(result_of(file.path), READER_EMPTY);
}
END_TEST

START_TEST(a_file_without_a_commit_is_empty)
{
	MDB_env *env;

	store_file_close(&file);
	unlink(file.path);
	ck_assert_int_eq(mdb_env_create(&env), 0);
	ck_assert_int_eq(mdb_env_open(env, file.path, MDB_NOSUBDIR | MDB_NOLOCK, 0600), 0);
	mdb_env_close(env);
	ck_assert_int_eq(result_of(file.path), READER_EMPTY);
}
END_TEST

START_TEST(a_missing_file_cannot_be_read)
{
	ck_assert_int_eq(result_of("/dev/shm/there/is/none"), READER_FAILED);
	ck_assert_str_eq(text, "No such file or directory");
}
END_TEST

START_TEST(what_is_no_regular_file_is_foreign_and_not_waited_for)
{
	char pipe[96];

	snprintf(pipe, sizeof(pipe), "%s/pipe", file.directory);
	ck_assert_int_eq(mkfifo(pipe, 0600), 0);
	ck_assert_int_eq(result_of(pipe), READER_FOREIGN);
	ck_assert_int_eq(result_of(file.directory), READER_FOREIGN);
	ck_assert_int_eq(result_of("/dev/null"), READER_FOREIGN);
}
END_TEST

START_TEST(a_file_of_something_else_is_foreign)
{
	char other[10000];

	store_file_close(&file);
	memset(other, 'x', sizeof(other));
	store_file_write(file.path, other, sizeof(other));
	ck_assert_int_eq(result_of(file.path), READER_FOREIGN);
	store_file_write(file.path, other, 10);
	ck_assert_int_eq(result_of(file.path), READER_FOREIGN);
}
END_TEST

START_TEST(an_lmdb_file_of_something_else_is_foreign)
{
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;
	MDB_val key = {1, (char[]){'k'}}, record = {1, (char[]){'v'}};

	store_file_close(&file);
	unlink(file.path);
	ck_assert_int_eq(mdb_env_create(&env), 0);
	ck_assert_int_eq(mdb_env_open(env, file.path, MDB_NOSUBDIR | MDB_NOLOCK, 0600), 0);
	ck_assert_int_eq(mdb_txn_begin(env, NULL, 0, &txn), 0);
	ck_assert_int_eq(mdb_dbi_open(txn, NULL, 0, &dbi), 0);
	ck_assert_int_eq(mdb_put(txn, dbi, &key, &record, 0), 0);
	ck_assert_int_eq(mdb_txn_commit(txn), 0);
	mdb_env_close(env);
	ck_assert_int_eq(result_of(file.path), READER_FOREIGN);
}
END_TEST

START_TEST(a_newer_format_is_named_whatever_its_record_holds)
{
	unsigned char longer[200] = {0};
	struct store_meta meta = file.store->meta;

	meta.version = 77;
	memcpy(longer, &meta, sizeof(meta));
	put_meta(longer, sizeof(longer));
	ck_assert_int_eq(result_of(file.path), READER_NEWER);
	ck_assert_str_eq(text, "77");
}
END_TEST

START_TEST(a_record_about_the_store_of_the_wrong_size_is_damage)
{
	put_meta(&file.store->meta, sizeof(file.store->meta) - 1);
	ck_assert_int_eq(result_of(file.path), READER_DAMAGED);
}
END_TEST

START_TEST(a_store_without_its_record_is_damaged_not_foreign)
{
	put_meta(NULL, 0);
	ck_assert_int_eq(result_of(file.path), READER_DAMAGED);
}
END_TEST

START_TEST(a_boot_id_that_cannot_be_part_of_a_file_name_is_damage)
{
	struct store_meta meta = file.store->meta;

	memcpy(meta.boot_id, "a/../b", 7);
	put_meta(&meta, sizeof(meta));
	ck_assert_int_eq(result_of(file.path), READER_DAMAGED);
}
END_TEST

START_TEST(damage_in_the_first_pages_is_damage)
{
	size_t len;

	store_file_close(&file);
	unsigned char *bytes = store_file_bytes(file.path, &len);
	for (size_t page = 0; page < 2; page++) {
		memset(bytes + page * 4096, 0, 4096);
		store_file_write(file.path, bytes, len);
		ck_assert_int_eq(result_of(file.path), page ? READER_FOREIGN : READER_DAMAGED);
	}
	free(bytes);
}
END_TEST

/* LMDB does not write pages that were freed in the transaction that took them, not even the last ones of the file. */
START_TEST(a_file_that_is_shorter_than_its_last_page_but_has_all_its_records_is_sound)
{
	struct permission permission = {0, 0, 0};
	struct path top = {"/tool/all", 9};
	struct stat status;
	MDB_envinfo info;
	char name[32], value[1000] = "";

	store_file_create(&file, "/tool/all", NULL, "", 0);
	store_file_create(&file, "/tool/more", NULL, "", 0);
	for (int i = 0; i < 500; i++) {
		struct path path = {name, (size_t)snprintf(name, sizeof(name), "/tool/all/%d", i)};
		ck_assert_int_eq(node_create(file.store, &path, &permission, 1, value, sizeof(value)), 0);
	}
	ck_assert_int_eq(node_remove(file.store, &top), 0);
	ck_assert_int_eq(store_commit(file.store), 0);
	mdb_env_info(file.store->env, &info);
	store_file_close(&file);
	ck_assert_int_eq(stat(file.path, &status), 0);
	ck_assert_uint_lt((size_t)status.st_size, (info.me_last_pgno + 1) * 4096);
	ck_assert_int_eq(result_of(file.path), READER_SOUND);
}
END_TEST

/* ---- beside others ---- */

START_TEST(without_a_lock_nothing_is_created)
{
	char lock[96];

	store_file_close(&file);
	snprintf(lock, sizeof(lock), "%s-lock", file.path);
	ck_assert_int_eq(unlink(lock), 0);
	ck_assert_int_eq(result_of(file.path), READER_SOUND);
	ck_assert_int_ne(access(lock, F_OK), 0);
}
END_TEST

/* In a process of its own, since one may have a file open only once. */
static void in_child(void (*function)(void))
{
	int status;
	pid_t child = fork();

	ck_assert_int_ge(child, 0);
	if (!child) {
		function();
		_exit(0);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
}

static void read_and_die(void)
{
	struct reader_env own;
	struct MDB_txn *txn;

	if (reader_open(file.path, true, &own, text) != READER_SOUND || reader_begin(&own, &txn))
		_exit(1);
	_exit(0);
}

START_TEST(the_slot_of_a_reader_that_was_killed_is_given_back)
{
	struct MDB_txn *txn;
	uint64_t oldest;

	store_file_close(&file);
	ck_assert_int_eq(reader_open(file.path, true, &reader, text), READER_SOUND);
	in_child(read_and_die);
	ck_assert_int_eq(reader_begin(&reader, &txn), 0);
	ck_assert_uint_eq(pages_readers(txn, &oldest), 1);
	reader_end(txn);
	in_child(read_and_die);
	in_child(read_and_die);
	ck_assert_int_eq(reader_begin(&reader, &txn), 0);
	ck_assert_uint_eq(pages_readers(txn, &oldest), 1);
	reader_end(txn);
}
END_TEST

static void grow_file(void)
{
	static char value[STORE_RECORD_MAX - 200];
	char name[32];

	store_file_open(&file);
	for (int i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "/tool/%d", i);
		store_file_create(&file, name, NULL, value, sizeof(value));
	}
}

START_TEST(a_file_that_has_grown_since_it_was_opened_can_be_read)
{
	struct MDB_txn *txn;
	MDB_stat pages;

	store_file_close(&file);
	ck_assert_int_eq(reader_open(file.path, true, &reader, text), READER_SOUND);
	in_child(grow_file);
	ck_assert_int_eq(reader_begin(&reader, &txn), 0);
	ck_assert_int_eq(mdb_stat(txn, reader.dbi, &pages), 0);
	ck_assert_uint_gt(pages.ms_entries, 1000);
	reader_end(txn);
}
END_TEST

/* ---- walks ---- */

/* What a pause does: counts itself, and adds a node before and behind the place where the walk stands. */
struct pauses {
	size_t n;
	size_t to_create;
	const struct reader_walk *walk; /* whose transaction must be closed, if not NULL */
};

static void on_pause(void *context, uint64_t n_records)
{
	struct pauses *pauses = context;
	char name[32];

	(void)n_records;
	pauses->n++;
	if (pauses->walk)
		ck_assert_ptr_null(pauses->walk->txn);
	if (!pauses->to_create)
		return;
	pauses->to_create--;
	snprintf(name, sizeof(name), "/tool/a%zu", pauses->n);
	store_file_create(&file, name, NULL, "", 0);
	snprintf(name, sizeof(name), "/tool/z%zu", pauses->n);
	store_file_create(&file, name, NULL, "", 0);
}

static void create_nodes(size_t n)
{
	char name[32];

	for (size_t i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "/tool/k%05zu", i);
		store_file_create(&file, name, NULL, "", 0);
	}
}

/* Walks to the end; keys must grow. Returns the records. */
static size_t walk_all(struct reader_walk *walk)
{
	unsigned char last[STORE_KEY_MAX] = "";
	size_t last_len = 0, n = 0;
	int result;

	ck_assert_int_eq(reader_walk_begin(walk), 0);
	while (!(result = reader_walk_next(walk))) {
		size_t shared = last_len < walk->key_len ? last_len : walk->key_len;
		int order = memcmp(last, walk->key, shared);
		ck_assert(order < 0 || (!order && last_len < walk->key_len));
		memcpy(last, walk->key, walk->key_len);
		last_len = walk->key_len;
		n++;
	}
	ck_assert_int_eq(result, STATUS_ENOENT);
	ck_assert_uint_eq(walk->n, n);
	return n;
}

START_TEST(a_walk_reads_each_record_once_however_often_it_pauses)
{
	struct pauses pauses = {0};

	create_nodes(1000);
	ck_assert_int_eq(reader_open(file.path, false, &reader, text), READER_SOUND);
	struct reader_walk quick = {.reader = &reader, .milliseconds = 60000, .pause = on_pause, .context = &pauses};
	size_t n = walk_all(&quick);
	ck_assert(quick.one_moment);
	ck_assert_uint_eq(pauses.n, 0);
	reader_walk_end(&quick);
	ck_assert_uint_gt(n, 1000);

	struct reader_walk slow = {.reader = &reader, .milliseconds = 0, .pause = on_pause, .context = &pauses};
	ck_assert_uint_eq(walk_all(&slow), n);
	ck_assert(slow.one_moment);
	ck_assert_uint_ge(pauses.n, n / 100);
	reader_walk_end(&slow);
}
END_TEST

START_TEST(a_walk_during_which_the_store_changes_knows_it_and_goes_on_behind_its_last_key)
{
	struct pauses pauses = {.to_create = 3};

	create_nodes(1000);
	ck_assert_int_eq(reader_open(file.path, false, &reader, text), READER_SOUND);
	struct reader_walk unchanged = {.reader = &reader, .milliseconds = 60000};
	size_t n = walk_all(&unchanged);
	reader_walk_end(&unchanged);

	struct reader_walk walk = {.reader = &reader, .milliseconds = 0, .pause = on_pause, .context = &pauses};
	/* Of each pair, the one behind. */
	ck_assert_uint_eq(walk_all(&walk), n + 3);
	ck_assert(!walk.one_moment);
	reader_walk_end(&walk);
}
END_TEST

START_TEST(no_transaction_is_open_during_a_pause)
{
	struct pauses pauses = {0};
	struct reader_walk walk = {.milliseconds = 0, .pause = on_pause, .context = &pauses};

	create_nodes(200);
	store_file_close(&file);
	ck_assert_int_eq(reader_open(file.path, true, &reader, text), READER_SOUND);
	walk.reader = &reader;
	pauses.walk = &walk;
	ck_assert_int_eq(reader_walk_begin(&walk), 0);
	for (size_t n = 0; n < 100; n++)
		ck_assert_int_eq(reader_walk_next(&walk), 0);
	ck_assert_uint_gt(pauses.n, 0);
	reader_walk_end(&walk);
	ck_assert_ptr_null(walk.txn);
}
END_TEST

START_TEST(a_seek_finds_the_first_record_not_before_the_key)
{
	struct reader_walk walk = {.milliseconds = 60000};

	create_nodes(10);
	ck_assert_int_eq(reader_open(file.path, false, &reader, text), READER_SOUND);
	walk.reader = &reader;
	ck_assert_int_eq(reader_walk_begin(&walk), 0);
	ck_assert_int_eq(reader_walk_seek(&walk, "n\1tool\0k00003x", 14), 0);
	ck_assert_int_eq(reader_walk_next(&walk), 0);
	ck_assert_uint_eq(walk.key_len, 13);
	ck_assert_mem_eq(walk.key, "n\1tool\0k00004", 13);
	ck_assert_int_eq(reader_walk_seek(&walk, "m", 1), 0);
	ck_assert_int_eq(reader_walk_next(&walk), 0);
	ck_assert_mem_eq(walk.key, "m", 1);
	ck_assert_uint_eq(walk.record_len, sizeof(struct store_meta));
	ck_assert_int_eq(reader_walk_seek(&walk, "o", 1), STATUS_ENOENT);
	reader_walk_end(&walk);
}
END_TEST

/* Reads until the walk ends. */
static int result_of_walk(const char **problem)
{
	struct reader_walk walk = {.reader = &reader, .milliseconds = 60000};
	int result;

	ck_assert_int_eq(reader_open(file.path, false, &reader, text), READER_SOUND);
	ck_assert_int_eq(reader_walk_begin(&walk), 0);
	while (!(result = reader_walk_next(&walk)))
		;
	*problem = walk.problem;
	reader_walk_end(&walk);
	return result;
}

START_TEST(keys_out_of_order_are_damage)
{
	const char *problem;
	size_t len;

	create_nodes(10);
	store_file_close(&file);
	unsigned char *bytes = store_file_bytes(file.path, &len);
	ck_assert_uint_gt(store_file_replace(bytes, len, "k00007", "k00001", 6), 0);
	store_file_write(file.path, bytes, len);
	free(bytes);
	ck_assert_int_eq(result_of_walk(&problem), -EIO);
	ck_assert_str_eq(problem, "keys are out of order");
}
END_TEST

START_TEST(a_key_longer_than_any_can_be_is_damage)
{
	static const unsigned char length[] = {13, 0, 'n', 1, 't'}, longer[] = {13, 3, 'n', 1, 't'};
	const char *problem;
	size_t len;

	create_nodes(10);
	store_file_close(&file);
	unsigned char *bytes = store_file_bytes(file.path, &len);
	ck_assert_uint_gt(store_file_replace(bytes, len, length, longer, sizeof(length)), 0);
	store_file_write(file.path, bytes, len);
	free(bytes);
	ck_assert_int_eq(result_of_walk(&problem), -EIO);
	ck_assert_str_eq(problem, "a key has a length that none can have");
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
	    a_store_says_who_it_is,
	    a_file_of_no_bytes_is_empty,
	    a_file_without_a_commit_is_empty,
	    a_missing_file_cannot_be_read,
	    what_is_no_regular_file_is_foreign_and_not_waited_for,
	    a_file_of_something_else_is_foreign,
	    an_lmdb_file_of_something_else_is_foreign,
	    a_newer_format_is_named_whatever_its_record_holds,
	    a_record_about_the_store_of_the_wrong_size_is_damage,
	    a_store_without_its_record_is_damaged_not_foreign,
	    a_boot_id_that_cannot_be_part_of_a_file_name_is_damage,
	    damage_in_the_first_pages_is_damage,
	    a_file_that_is_shorter_than_its_last_page_but_has_all_its_records_is_sound,
	    without_a_lock_nothing_is_created,
	    the_slot_of_a_reader_that_was_killed_is_given_back,
	    a_file_that_has_grown_since_it_was_opened_can_be_read,
	    a_walk_reads_each_record_once_however_often_it_pauses,
	    a_walk_during_which_the_store_changes_knows_it_and_goes_on_behind_its_last_key,
	    no_transaction_is_open_during_a_pause,
	    a_seek_finds_the_first_record_not_before_the_key,
	    keys_out_of_order_are_damage,
	    a_key_longer_than_any_can_be_is_damage,
	};
	Suite *suite = suite_create("reader");
	TCase *cases = tcase_create("reader");

	tcase_add_checked_fixture(cases, setup, teardown);
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		tcase_add_test(cases, tests[i]);
	suite_add_tcase(suite, cases);
	return suite_run(suite);
}
