/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The file: what is in it after it was closed or left, which files are taken and which are not, and what a turn is. */
#include "store/store.h"
#include "store/check.h"
#include "store/node.h"
#include "support/suite.h"

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char directory[64], path[96], said_path[96];
static struct log log_of_test;
static struct store *store;

static void setup(void)
{
	snprintf(directory, sizeof(directory), "/dev/shm/lxenstored-store.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/store.mdb", directory);
	snprintf(said_path, sizeof(said_path), "%s/said", directory);
	log_init(&log_of_test, true);
	log_of_test.level = LOG_LEVEL_NOTICE;
	store = NULL;
}

static void teardown(void)
{
	char file[PATH_BUFFER];

	store_close(store);
	DIR *entries = opendir(directory);
	for (struct dirent *entry; (entry = readdir(entries));) {
		snprintf(file, sizeof(file), "%s/%s", directory, entry->d_name);
		if (entry->d_name[0] != '.')
			unlink(file);
	}
	closedir(entries);
	rmdir(directory);
}

/* ---- opening ---- */

static char said[4096]; /* by the last opening */

static int try_to_open(const char *boot_id)
{
	struct store_options options = {
	    .path = path, .size_limit = (size_t)16 << 20, .map = true, .boot_id = boot_id, .log = &log_of_test};
	int screen = dup(STDERR_FILENO), file = open(said_path, O_RDWR | O_CREAT | O_TRUNC, 0600);

	dup2(file, STDERR_FILENO);
	int error = store_open(&options, &store);
	dup2(screen, STDERR_FILENO);
	ssize_t len = pread(file, said, sizeof(said) - 1, 0);
	said[len > 0 ? len : 0] = 0;
	close(screen);
	close(file);
	return error;
}

static void reopen(const char *boot_id)
{
	store_close(store);
	store = NULL;
	ck_assert_int_eq(try_to_open(boot_id), 0);
}

/* Leaves it as a process that dies does: nothing is closed. */
static void in_another_process(void (*work)(void))
{
	int status;
	pid_t child = fork();

	if (!child) {
		store = NULL;
		if (try_to_open("boot"))
			_exit(1);
		work();
		_exit(0);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
}

/* ---- what is in it ---- */

static void create(const char *text)
{
	struct permission permission = {0, 0, 0};
	struct path node_path = {text, strlen(text)};

	ck_assert_int_eq(node_create(store, &node_path, &permission, 1, text, node_path.len), 0);
}

static void set_value(const char *text, const char *value)
{
	struct path node_path = {text, strlen(text)};
	struct node node;

	ck_assert_int_eq(node_get(store, store_view(store), &node_path, &node), 0);
	ck_assert_int_eq(node_set_value(store, &node_path, &node, value, strlen(value)), 0);
}

static bool get(const char *text, struct node *node)
{
	struct path node_path = {text, strlen(text)};
	int result = node_get(store, store_view(store), &node_path, node);

	ck_assert_int_ge(result, 0);
	return !result;
}

static void expect_sound(void)
{
	struct check_verdict verdict;

	ck_assert_int_eq(check_records(store_view(store), store->dbi, NULL, NULL, &verdict), 0);
	ck_assert_str_eq(verdict.text, "");
}

START_TEST(a_new_store_has_its_first_nodes)
{
	static const char *const first[] = {"/", "/tool", "/tool/xenstored", "@introduceDomain", "@releaseDomain"};
	struct node node;

	ck_assert_int_eq(try_to_open("boot"), 0);
	ck_assert_str_eq(said, "");
	for (size_t i = 0; i < sizeof(first) / sizeof(first[0]); i++)
		ck_assert_msg(get(first[i], &node), "%s is missing", first[i]);
	struct stat file;
	ck_assert_int_eq(stat(path, &file), 0);
	ck_assert_uint_eq(file.st_mode & 0777, 0600);
	expect_sound();
}
END_TEST

START_TEST(a_store_opened_again_is_the_same)
{
	struct node before[3], after[3];
	static const char *const names[] = {"/z", "/z/y", "/a"};
	unsigned char id[STORE_ID_SIZE];

	ck_assert_int_eq(try_to_open("boot"), 0);
	for (int i = 0; i < 3; i++)
		create(names[i]);
	set_value("/z", "new");
	ck_assert_int_eq(store_commit(store), 0);
	memcpy(id, store->meta.id, sizeof(id));
	for (int i = 0; i < 3; i++)
		ck_assert(get(names[i], &before[i]));
	uint64_t last = store->generation;
	reopen("boot");
	ck_assert_mem_eq(store->meta.id, id, sizeof(id));
	for (int i = 0; i < 3; i++) {
		ck_assert(get(names[i], &after[i]));
		ck_assert_uint_eq(after[i].created, before[i].created);
		ck_assert_uint_eq(after[i].value_generation, before[i].value_generation);
		ck_assert_uint_eq(after[i].permissions_generation, before[i].permissions_generation);
		ck_assert_uint_eq(after[i].children_generation, before[i].children_generation);
	}
	ck_assert_uint_lt(after[0].created, after[2].created); /* the order of creation */
	ck_assert_uint_ge(store->generation, last);
	create("/b");
	ck_assert(get("/b", &after[0]));
	ck_assert_uint_gt(after[0].created, last);
	expect_sound();
}
END_TEST

static void commit_one_and_leave_another(void)
{
	create("/committed");
	if (store_commit(store))
		_exit(1);
	create("/left");
}

START_TEST(a_store_that_was_left_has_what_was_committed)
{
	struct node node;

	in_another_process(commit_one_and_leave_another);
	ck_assert_int_eq(try_to_open("boot"), 0);
	ck_assert(get("/committed", &node));
	uint64_t created = node.created;
	ck_assert(!get("/left", &node));
	create("/left");
	ck_assert(get("/left", &node));
	ck_assert_uint_gt(node.created, created + 1); /* a number that was given out is not given out again */
	expect_sound();
}
END_TEST

START_TEST(generations_go_on_past_what_was_reserved_for_them)
{
	struct node node;

	ck_assert_int_eq(try_to_open("boot"), 0);
	for (int i = 0; i < 4; i++) {
		store->generation = store->generation_reserved - 1;
		char name[8];
		snprintf(name, sizeof(name), "/%d", i);
		create(name);
		set_value(name, "1");
		set_value(name, "2");
		ck_assert_int_eq(store_commit(store), 0);
		ck_assert_uint_le(store->generation, store->generation_reserved);
		expect_sound();
		reopen("boot");
		ck_assert(get(name, &node));
		ck_assert_uint_ge(store->generation, node.value_generation);
	}
}
END_TEST

START_TEST(a_store_of_another_boot_is_set_aside)
{
	struct node node;
	char aside[128];

	ck_assert_int_eq(try_to_open("first"), 0);
	create("/old");
	ck_assert_int_eq(store_commit(store), 0);
	reopen("second");
	ck_assert_ptr_nonnull(strstr(said, "kept as"));
	ck_assert(!get("/old", &node));
	snprintf(aside, sizeof(aside), "%s.first", path);
	ck_assert_int_eq(access(aside, F_OK), 0);

	/* Another of the same name does not overwrite it. */
	reopen("first");
	reopen("second");
	store_close(store);
	store = NULL;
	snprintf(path, sizeof(path), "%s/store.mdb.first", directory);
	ck_assert_int_eq(try_to_open("first"), 0);
	ck_assert(get("/old", &node));
}
END_TEST

/* ---- what is not taken ---- */

static void write_file(const char *bytes, size_t len)
{
	FILE *file = fopen(path, "w");

	ck_assert_uint_eq(fwrite(bytes, 1, len, file), len);
	fclose(file);
}

/* Opening fails with this, says so, and leaves the file alone. */
static void expect_refusal(int error, const char *words)
{
	struct stat before, after;

	ck_assert_int_eq(stat(path, &before), 0);
	ck_assert_int_eq(try_to_open("boot"), error);
	ck_assert_msg(strstr(said, words) != NULL, "\"%s\" is not in: %s", words, said);
	ck_assert_ptr_nonnull(strstr(said, "move"));
	ck_assert_int_eq(stat(path, &after), 0);
	ck_assert_int_eq(before.st_size, after.st_size);
	ck_assert_uint_eq(before.st_ino, after.st_ino);
	ck_assert_int_eq(before.st_mtim.tv_sec, after.st_mtim.tv_sec);
	ck_assert_int_eq(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
}

START_TEST(what_is_no_store_is_refused)
{
	char bytes[3 * 4096];

	memset(bytes, 'x', sizeof(bytes));
	write_file(bytes, sizeof(bytes));
	expect_refusal(-EPROTO, "is not a store");
	write_file("x", 1);
	expect_refusal(-EPROTO, "is not a store");
}
END_TEST

START_TEST(an_empty_file_becomes_a_store)
{
	struct node node;

	write_file("", 0);
	ck_assert_int_eq(try_to_open("boot"), 0);
	ck_assert(get("/tool", &node));
}
END_TEST

static void put(const void *key_bytes, size_t key_len, void *bytes, size_t len)
{
	MDB_val key = {key_len, (void *)(uintptr_t)key_bytes}, record = {len, bytes};

	ck_assert_int_eq(mdb_put(store_writable(store), store->dbi, &key, &record, 0), 0);
	ck_assert_int_eq(store_commit(store), 0);
	store_close(store);
	store = NULL;
}

START_TEST(a_newer_format_is_refused)
{
	ck_assert_int_eq(try_to_open("boot"), 0);
	struct store_meta meta = store->meta;
	meta.version = STORE_VERSION + 1;
	put("m", 1, &meta, sizeof(meta));
	expect_refusal(-EPROTO, "has format 3");
}
END_TEST

START_TEST(a_newer_format_of_another_boot_is_refused_too)
{
	ck_assert_int_eq(try_to_open("another"), 0);
	struct store_meta meta = store->meta;
	meta.version = STORE_VERSION + 1;
	put("m", 1, &meta, sizeof(meta));
	expect_refusal(-EPROTO, "has format 3");
}
END_TEST

START_TEST(a_damaged_store_is_refused)
{
	char record[] = "short";

	ck_assert_int_eq(try_to_open("boot"), 0);
	put("n\0a", 3, record, sizeof(record));
	expect_refusal(-EIO, "is damaged");
}
END_TEST

/* ---- turns ---- */

START_TEST(a_turn_is_committed_or_undone_as_a_whole)
{
	struct node node;

	ck_assert_int_eq(try_to_open("boot"), 0);
	ck_assert_uint_eq(store_tag(store), 0);
	create("/a");
	uint64_t tag = store_tag(store);
	ck_assert_uint_gt(tag, 0);
	create("/b");
	ck_assert_uint_eq(store_tag(store), tag);
	ck_assert(get("/b", &node));
	store_abort(store);
	ck_assert_uint_eq(store_tag(store), 0);
	ck_assert(!get("/a", &node));
	create("/c");
	ck_assert_uint_eq(store_tag(store), tag); /* it was not used */
	ck_assert_int_eq(store_commit(store), 0);
	ck_assert(get("/c", &node));
	create("/d");
	ck_assert_uint_eq(store_tag(store), tag + 1);
}
END_TEST

START_TEST(a_commit_of_nothing_does_nothing)
{
	ck_assert_int_eq(try_to_open("boot"), 0);
	uint64_t commits = store->commits;
	ck_assert_int_eq(store_commit(store), 0);
	ck_assert_uint_eq(store->commits, commits);
}
END_TEST

START_TEST(after_a_fault_nothing_of_the_turn_can_be_committed)
{
	struct node node;

	ck_assert_int_eq(try_to_open("boot"), 0);
	create("/a");
	ck_assert_int_eq(store_failed(store, MDB_MAP_FULL), -ENOSPC);
	ck_assert_int_eq(store_failed(store, MDB_TXN_FULL), -ENOSPC);
	ck_assert_int_eq(store->fault, -ENOSPC);
	ck_assert_ptr_null(store_writable(store));
	ck_assert_int_eq(store_commit(store), -ENOSPC);
	ck_assert_int_eq(store->fault, 0);
	ck_assert(!get("/a", &node));
	create("/a");
	ck_assert_int_eq(store_commit(store), 0);
}
END_TEST

START_TEST(its_descriptors_are_closed_across_exec)
{
	char link[64], target[PATH_BUFFER];
	size_t found = 0;

	ck_assert_int_eq(try_to_open("boot"), 0);
	for (int fd = 0; fd < 256; fd++) {
		snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
		ssize_t len = readlink(link, target, sizeof(target) - 1);
		if (len <= 0 || (size_t)len < strlen(directory) || memcmp(target, directory, strlen(directory)))
			continue;
		found++;
		ck_assert_int_eq(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	}
	ck_assert_uint_ge(found, 2);
}
END_TEST

START_TEST(figures_say_what_there_is)
{
	struct store_figures before, after;

	ck_assert_int_eq(try_to_open("boot"), 0);
	ck_assert_int_eq(store_figures(store, &before), 0);
	create("/a");
	ck_assert_int_eq(store_commit(store), 0);
	ck_assert_int_eq(store_figures(store, &after), 0);
	ck_assert_uint_eq(after.records, before.records + 1);
	ck_assert_uint_ge(after.file_size, after.pages_used * after.page_size);
	ck_assert_uint_le(after.file_size, (size_t)16 << 20);
	ck_assert_uint_eq(after.snapshots, 0);
	ck_assert_uint_eq(after.readers, 1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("store");
	TCase *tcase = tcase_create("file");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, a_new_store_has_its_first_nodes);
	tcase_add_test(tcase, a_store_opened_again_is_the_same);
	tcase_add_test(tcase, a_store_that_was_left_has_what_was_committed);
	tcase_add_test(tcase, generations_go_on_past_what_was_reserved_for_them);
	tcase_add_test(tcase, a_store_of_another_boot_is_set_aside);
	tcase_add_test(tcase, what_is_no_store_is_refused);
	tcase_add_test(tcase, an_empty_file_becomes_a_store);
	tcase_add_test(tcase, a_newer_format_is_refused);
	tcase_add_test(tcase, a_newer_format_of_another_boot_is_refused_too);
	tcase_add_test(tcase, a_damaged_store_is_refused);
	tcase_add_test(tcase, a_turn_is_committed_or_undone_as_a_whole);
	tcase_add_test(tcase, a_commit_of_nothing_does_nothing);
	tcase_add_test(tcase, after_a_fault_nothing_of_the_turn_can_be_committed);
	tcase_add_test(tcase, its_descriptors_are_closed_across_exec);
	tcase_add_test(tcase, figures_say_what_there_is);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
