/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * lxenstore-dump and the store's file: it keeps nothing from going on, changes nothing, needs no more than the file, and says
 * so when the file is not what it should be.
 */
#include "dump_run.h"
#include "support/random.h"
#include "support/store_file.h"
#include "support/suite.h"

#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <jansson.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/buffer.h"

enum { NOBODY = 65534 };

/* ---- beside a daemon that works ---- */

/* In a process of its own until it is killed: each transaction gives all of /load the same new value. */
static pid_t start_load(void)
{
	pid_t child = fork();
	char path[32], value[32];

	ck_assert_int_ge(child, 0);
	if (child)
		return child;
	client = expect_client(&served);
	for (unsigned i = 0;; i++) {
		uint32_t transaction = expect_transaction(client);
		snprintf(value, sizeof(value), "%u", i);
		for (int node = 0; node < 10; node++) {
			snprintf(path, sizeof(path), "/load/%d", node);
			expect_write(client, transaction, path, value);
		}
		expect_end(client, transaction, "");
	}
}

START_TEST(beside_a_working_daemon_each_dump_is_of_one_moment)
{
	char first[32] = "", path[32];
	size_t n_different = 0;

	for (int node = 0; node < 10; node++) {
		snprintf(path, sizeof(path), "/load/%d", node);
		expect_write(client, 0, path, "0");
	}
	pid_t load = start_load();
	/* Until dumps have seen a change five times. */
	while (n_different < 5) {
		expect_quiet(DUMP("--format", "json", "/load"));
		json_t *document = parse();
		const char *value = text_of(find_node(document, "/load/0"), "value");
		for (int node = 1; node < 10; node++) {
			snprintf(path, sizeof(path), "/load/%d", node);
			ck_assert_str_eq(text_of(find_node(document, path), "value"), value);
		}
		n_different += strcmp(first, value) != 0;
		snprintf(first, sizeof(first), "%s", value);
		json_decref(document);
		expect_quiet(DUMP("--check"));
	}
	kill(load, SIGKILL);
	ck_assert_int_eq(waitpid(load, NULL, 0), load);
}
END_TEST

static size_t blocks_of_store(void)
{
	struct stat status;

	ck_assert_int_eq(stat(served.store, &status), 0);
	return (size_t)status.st_blocks * 512;
}

/* Until the pipe holds all that goes into it; it is `writer` who fills it. */
static void wait_until_full(int pipe, int capacity, pid_t writer)
{
	const struct timespec pause = {.tv_nsec = 1000000};
	int held = 0;

	while (held < capacity) {
		ck_assert_int_eq(waitpid(writer, NULL, WNOHANG), 0);
		nanosleep(&pause, NULL);
		ck_assert_int_eq(ioctl(pipe, FIONREAD, &held), 0);
	}
}

/* Reads to the end. Returns the number of lines, and whether one of them begins like this. */
static size_t count_lines(int pipe, const char *front, bool *found)
{
	FILE *stream = fdopen(pipe, "r");
	char *line = NULL;
	size_t size = 0, n = 0;

	*found = false;
	ck_assert_ptr_nonnull(stream);
	for (; getline(&line, &size, stream) >= 0; n++)
		*found |= !strncmp(line, front, strlen(front));
	free(line);
	fclose(stream);
	return n;
}

/* A reader that pins pages costs some 20 KB of file for each commit of others. */
START_TEST(a_dump_that_nobody_reads_pins_nothing)
{
	enum { NODES = 3000, COMMITS = 20000, ALLOWED = 4 << 20 };
	const char *const arguments[] = {"/many", NULL}, *words[DUMP_WORDS_MAX];
	char path[32], value[32];
	int ends[2], status;
	bool found;

	for (int i = 0; i < NODES; i++) {
		snprintf(path, sizeof(path), "/many/%d", i);
		expect_write(client, 0, path, "before");
	}
	dump_words(arguments, words);
	ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
	int capacity = fcntl(ends[1], F_SETPIPE_SZ, 4096);
	ck_assert_int_ge(capacity, 4096);
	pid_t child = command_start(words, NULL, ends[1], -1);
	close(ends[1]);
	wait_until_full(ends[0], capacity, child);

	size_t before = blocks_of_store();
	for (int i = 0; i < COMMITS; i++) {
		snprintf(path, sizeof(path), "/many/%d", i % NODES);
		snprintf(value, sizeof(value), "%d", i);
		expect_write(client, 0, path, value);
	}
	ck_assert_uint_le(blocks_of_store(), before + ALLOWED);
	ck_assert_int_eq(waitpid(child, &status, WNOHANG), 0);
	ck_assert_uint_eq(count_lines(ends[0], "/many/2999 = \"before\"", &found), NODES);
	ck_assert(found);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
}
END_TEST

/* ---- without a daemon ---- */

static char *all_formats(const char *store)
{
	struct buffer all = {0};

	expect_quiet(DUMP("--store", store, "--perms", "--generations"));
	buffer_add(&all, dump.output, dump.len);
	expect_quiet(DUMP("--store", store, "--format", "json"));
	buffer_add(&all, dump.output, dump.len);
	expect_quiet(DUMP("--store", store, "--check"));
	buffer_add(&all, dump.output, dump.len);
	buffer_add_nul(&all);
	ck_assert(!all.failed);
	return all.bytes;
}

static void copy_store(const char *to)
{
	size_t len;
	unsigned char *bytes = store_file_bytes(served.store, &len);

	store_file_write(to, bytes, len);
	free(bytes);
}

static void expect_only_entry(const char *directory, const char *name)
{
	DIR *entries = opendir(directory);
	const struct dirent *entry;

	ck_assert_ptr_nonnull(entries);
	while ((entry = readdir(entries)))
		ck_assert_msg(entry->d_name[0] == '.' || !strcmp(entry->d_name, name), "%s is there", entry->d_name);
	closedir(entries);
}

START_TEST(a_dead_daemons_store_and_a_copy_show_what_the_living_one_showed)
{
	char directory[96], copy[128];

	fill();
	char *alive = all_formats(served.store);
	kill_daemon();
	char *dead = all_formats(served.store);
	ck_assert_str_eq(dead, alive);
	snprintf(directory, sizeof(directory), "%s/elsewhere", served.directory);
	snprintf(copy, sizeof(copy), "%s/copy", directory);
	ck_assert_int_eq(mkdir(directory, 0700), 0);
	copy_store(copy);
	char *copied = all_formats(copy);
	ck_assert_str_eq(copied, alive);
	expect_only_entry(directory, "copy");
	expect_quiet(DUMP("--store", copy, "--format", "stat"));
	ck_assert_ptr_nonnull(strstr(dump.output, "readers: not known"));
	unlink(copy);
	rmdir(directory);
	free(alive);
	free(dead);
	free(copied);
}
END_TEST

static void expect_same_bytes(const unsigned char *bytes, size_t len)
{
	size_t now_len;
	unsigned char *now = store_file_bytes(served.store, &now_len);

	ck_assert_uint_eq(now_len, len);
	ck_assert_mem_eq(now, bytes, len);
	free(now);
}

START_TEST(the_store_is_never_changed)
{
	size_t len;

	fill();
	unsigned char *bytes = store_file_bytes(served.store, &len);
	free(all_formats(served.store));
	expect_quiet(DUMP("--format", "stat"));
	expect_same_bytes(bytes, len);
	kill_daemon();
	free(all_formats(served.store));
	expect_quiet(DUMP("--format", "stat"));
	expect_same_bytes(bytes, len);
	free(bytes);
}
END_TEST

START_TEST(a_link_to_the_store_is_read_with_the_lock_of_the_store)
{
	char link[96];

	snprintf(link, sizeof(link), "%s/link", served.directory);
	unlink(link);
	ck_assert_int_eq(symlink(served.store, link), 0);
	expect_quiet(DUMP("--store", link, "--format", "stat"));
	figure("readers");
	unlink(link);
}
END_TEST

/* From now on nobody in particular. */
static void become_nobody(void)
{
	if (setgroups(0, NULL) || setgid(NOBODY) || setuid(NOBODY))
		_exit(126);
}

START_TEST(a_file_that_may_only_be_read_is_enough)
{
	char lock[96];

	expect_write(client, 0, "/a", "1");
	kill_daemon();
	snprintf(lock, sizeof(lock), "%s-lock", served.store);
	ck_assert_int_eq(chmod(served.store, 0444), 0);
	ck_assert_int_eq(chmod(served.directory, 0555), 0);
	void (*prepare)(void) = geteuid() == 0 ? become_nobody : NULL;
	ck_assert_int_eq(chmod(lock, 0400), 0);
	int status = run_dump(prepare, (const char *const[]){"/", NULL});
	ck_assert_msg(!status && strstr(dump.output, "/a = \"1\"\n"), "status %d, %s", status, dump.messages);
	expect_message("Permission denied; if a daemon is changing the store just now, what is shown may be wrong");
	chmod(served.directory, 0755);
	ck_assert_int_eq(unlink(lock), 0);
	chmod(served.directory, 0555);
	expect_quiet(run_dump(prepare, (const char *const[]){"--check", NULL}));
	chmod(served.directory, 0755);
}
END_TEST

/* The same directory, read-only, for this process. */
static void make_read_only(void)
{
	if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount(served.directory, served.directory, NULL, MS_BIND, NULL) ||
	    mount("none", served.directory, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL))
		_exit(125);
}

START_TEST(a_read_only_file_system_is_enough)
{
	expect_write(client, 0, "/a", "1");
	kill_daemon();
	int status = run_dump(make_read_only, (const char *const[]){"/", NULL});
	if (status == 125) {
		fprintf(stderr, "no file system can be mounted here: not tested\n");
		return;
	}
	expect_quiet(status);
	ck_assert_ptr_nonnull(strstr(dump.output, "/a = \"1\"\n"));
}
END_TEST

/* ---- what cannot be shown ---- */

START_TEST(a_damaged_store_is_told_and_nothing_is_invented)
{
	struct random random;
	size_t len, n_damaged = 0;

	fill();
	expect_quiet(DUMP_ALL());
	kill_daemon();
	unsigned char *bytes = store_file_bytes(served.store, &len), *damaged = malloc(len);
	ck_assert_ptr_nonnull(damaged);
	random_begin(&random, "LXENSTORED_DUMP_SEED");
	for (size_t page = 0; page < len / 4096; page++) {
		memcpy(damaged, bytes, len);
		for (size_t i = 0; i < 4096; i++)
			damaged[page * 4096 + i] = (unsigned char)random_below(&random, 256);
		store_file_write(served.store, damaged, len);
		int status = DUMP("--format", "json");
		ck_assert_msg(status == 0 || status == 1 || status == 3, "status %d", status);
		ck_assert_msg((status == 0) == !*dump.messages, "status %d, %s", status, dump.messages);
		n_damaged += status == 1;
		if (!dump.len)
			continue;
		json_t *document = parse();
		ck_assert_int_eq(json_is_true(json_object_get(json_object_get(document, "header"), "complete")), status == 0);
		json_decref(document);
	}
	ck_assert_uint_gt(n_damaged, 5);
	free(damaged);
	free(bytes);
}
END_TEST

START_TEST(a_store_that_was_cut_short_is_told)
{
	struct stat status;

	fill();
	kill_daemon();
	ck_assert_int_eq(stat(served.store, &status), 0);
	for (off_t size = 8192; size < status.st_size / 2; size += 20480) {
		ck_assert_int_eq(truncate(served.store, status.st_size / 2 - size), 0);
		int result = DUMP_ALL();
		ck_assert_msg(result == 1 || result == 3, "status %d", result);
		ck_assert_str_eq(dump.output, "");
		expect_message(served.store);
	}
}
END_TEST

START_TEST(check_lists_each_problem)
{
	static const struct store_account account = {5};
	struct store_file file;

	store_file_init(&file);
	store_file_create(&file, "/a", NULL, "", 0);
	store_file_create(&file, "/a/b", NULL, "", 0);
	store_file_put(&file, "a\0\7", 3, &account, sizeof(account));
	store_file_put(&file, "n\0a", 3, NULL, 0);
	store_file_put(&file, "a\0\0", 3, "12345678", 8);
	store_file_close(&file);
	ck_assert_int_eq(DUMP("--store", file.path, "--check"), 1);
	ck_assert_ptr_nonnull(strstr(dump.output, "/a/b has no parent\n"));
	ck_assert_ptr_nonnull(strstr(dump.output, "domain 7 owns 0 nodes, its account says 5\n"));
	ck_assert_ptr_nonnull(strstr(dump.output, "domain 0 owns 6 nodes, its account says "));
	ck_assert_ptr_nonnull(strstr(dump.output, "6 nodes, 3 problems\n"));

	/* What is still there is shown all the same. */
	ck_assert_int_eq(DUMP("--store", file.path, "--format", "json"), 1);
	expect_message("1 nodes have no parent");
	json_t *document = parse();
	ck_assert(json_is_true(json_object_get(find_node(document, "/a/b"), "orphan")));
	ck_assert(json_is_false(json_object_get(json_object_get(document, "header"), "complete")));
	json_decref(document);
	store_file_deinit(&file);
}
END_TEST

START_TEST(a_newer_format_is_told_by_its_number)
{
	struct store_file file;

	store_file_init(&file);
	struct store_meta meta = file.store->meta;
	meta.version = STORE_VERSION + 1;
	store_file_put(&file, "m", 1, &meta, sizeof(meta));
	store_file_close(&file);
	ck_assert_int_eq(DUMP("--store", file.path), 3);
	expect_message("has format 3, this program reads formats up to 2");
	ck_assert_int_eq(DUMP("--store", file.path, "--check"), 3);
	store_file_deinit(&file);
}
END_TEST

START_TEST(what_is_no_store_is_told)
{
	char path[96];

	snprintf(path, sizeof(path), "%s/other", served.directory);
	ck_assert_int_eq(DUMP("--store", path), 3);
	expect_message("No such file or directory");
	store_file_write(path, "a letter to a friend", 20);
	ck_assert_int_eq(DUMP("--store", path), 3);
	expect_message("is not a store of lxenstored");
	store_file_write(path, "", 0);
	ck_assert_int_eq(DUMP("--store", path), 3);
	expect_message("is empty");
	ck_assert_int_eq(DUMP("--store", served.directory), 3);
	expect_message("is not a store of lxenstored: not a regular file");
	unlink(path);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
	    beside_a_working_daemon_each_dump_is_of_one_moment,
	    a_dump_that_nobody_reads_pins_nothing,
	    a_dead_daemons_store_and_a_copy_show_what_the_living_one_showed,
	    the_store_is_never_changed,
	    a_link_to_the_store_is_read_with_the_lock_of_the_store,
	    a_file_that_may_only_be_read_is_enough,
	    a_read_only_file_system_is_enough,
	    a_damaged_store_is_told_and_nothing_is_invented,
	    a_store_that_was_cut_short_is_told,
	    check_lists_each_problem,
	    a_newer_format_is_told_by_its_number,
	    what_is_no_store_is_told,
	};

	return suite_run(expect_suite("dump_store", &served, start, stop, tests, sizeof(tests) / sizeof(tests[0])));
}
