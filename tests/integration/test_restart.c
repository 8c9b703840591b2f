/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The store over the ends and starts of its daemon: what is kept, and what happens to a file that is not what it should be. Files
 * are edited with LMDB itself or byte by byte while no daemon has them.
 */
#include "support/expect.h"
#include "support/suite.h"

#include <errno.h>
#include <lmdb.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lxenstored/store_format.h"

static struct daemon served;
static struct client *client;

static void start(void)
{
	expect_start(&served, NULL);
	client = expect_client(&served);
}

static void end_daemon(int signal)
{
	client_close(client);
	client = NULL;
	ck_assert_int_eq(daemon_stop(&served, signal, NULL), 0);
}

static void begin_daemon(const char *const arguments[])
{
	expect_restart(&served, arguments);
	client = expect_client(&served);
}

static void stop(void)
{
	if (!served.pid)
		return;
	expect_sound(client);
	end_daemon(SIGTERM);
}

/* ---- what is kept ---- */

static void fill(void)
{
	char path[1024];

	for (int i = 0; i < 300; i++) {
		snprintf(path, sizeof(path), "/d/%d/%d", i * 7919 % 300, i);
		expect_write(client, 0, path, path);
	}
	for (int i = 0; i < 300; i += 5) {
		snprintf(path, sizeof(path), "/d/%d", i);
		expect_ok(client, MESSAGE_RM, 0, ARGUMENTS(path));
		snprintf(path, sizeof(path), "/d/%d/%0600d", i, i);
		if (i % 3 == 0)
			expect_write(client, 0, path, "again");
	}
	expect_write(client, 0, "/value", "\x01\x7f\x80\xff\n\\");
	expect_ok(client, MESSAGE_SET_PERMS, 0, ARGUMENTS("/d/1", "b0", "r0", "n32757"));
	expect_ok(client, MESSAGE_SET_PERMS, 0, ARGUMENTS("@introduceDomain", "r0"));
	uint32_t transaction = expect_transaction(client);
	expect_write(client, transaction, "/committed", "yes");
	expect_end(client, transaction, "");
	transaction = expect_transaction(client);
	expect_write(client, transaction, "/never", "no");
	expect_watch(client, "/d", "token");
}

/* Generation counts of three lists, in one text. */
static char *generations(void)
{
	static const char *const paths[] = {"/", "/d", "/d/3"};
	char *text = calloc(1, 128);

	ck_assert_ptr_nonnull(text);
	for (size_t i = 0; i < 3; i++) {
		struct client_message part = expect_any(client, MESSAGE_DIRECTORY_PART, 0, ARGUMENTS(paths[i], "4294967295"));
		ck_assert_uint_eq(part.header.type, MESSAGE_DIRECTORY_PART);
		snprintf(text + strlen(text), 128 - strlen(text), "%.30s ", part.payload);
	}
	return text;
}

static void expect_kept_over(int signal, const char *const arguments[])
{
	char *tree = expect_tree(client), *generation = generations();

	end_daemon(signal);
	begin_daemon(arguments);
	char *tree_after = expect_tree(client), *generation_after = generations();
	ck_assert_str_eq(tree_after, tree);
	ck_assert_str_eq(generation_after, generation);
	expect_permissions(client, 0, "@introduceDomain", "r0");
	/* Watches and transactions were their client's. */
	expect_error(client, "ENOENT", MESSAGE_UNWATCH, 0, ARGUMENTS("/d", "token"));
	expect_error(client, "ENOENT", MESSAGE_TRANSACTION_END, 1, ARGUMENTS("T"));
	/* What is new is newer than all before. */
	expect_write(client, 0, "/d/3/new", "");
	expect_ok(client, MESSAGE_RM, 0, ARGUMENTS("/d/3/new"));
	char *newer = generations();
	ck_assert_str_ne(newer, generation);
	free(newer);
	free(tree);
	free(tree_after);
	free(generation);
	free(generation_after);
}

START_TEST(tree_permissions_generations_and_order_are_kept_over_sigterm)
{
	fill();
	expect_kept_over(SIGTERM, NULL);
	expect_kept_over(SIGTERM, NULL);
}
END_TEST

START_TEST(tree_permissions_generations_and_order_are_kept_over_kill)
{
	fill();
	expect_kept_over(SIGKILL, NULL);
	expect_kept_over(SIGKILL, NULL);
}
END_TEST

START_TEST(a_generation_is_never_given_out_again)
{
	uint64_t last = 0;

	expect_write(client, 0, "/d/first", "");
	for (int i = 0; i < 6; i++) {
		expect_write(client, 0, "/d/x", "");
		expect_ok(client, MESSAGE_RM, 0, ARGUMENTS("/d/x"));
		struct client_message part = expect_any(client, MESSAGE_DIRECTORY_PART, 0, ARGUMENTS("/d", "0"));
		uint64_t now = strtoull(part.payload, NULL, 10);
		ck_assert_uint_gt(now, last);
		last = now;
		end_daemon(i % 2 ? SIGTERM : SIGKILL);
		begin_daemon(NULL);
	}
}
END_TEST

START_TEST(clients_are_hung_up_on_when_the_daemon_ends)
{
	ck_assert_int_eq(daemon_stop(&served, SIGTERM, NULL), 0);
	expect_hangup(client);
	client_close(client);
	ck_assert_int_eq(access(served.socket, F_OK), -1);
}
END_TEST

START_TEST(sigterm_and_sigint_end_it_with_success)
{
	static const int signals[] = {SIGTERM, SIGINT};

	for (int i = 0; i < 2; i++) {
		int status;
		ck_assert_int_eq(daemon_stop(&served, signals[i], &status), 0);
		ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
		client_close(client);
		begin_daemon(NULL);
	}
}
END_TEST

/* ---- options of the store ---- */

START_TEST(both_modes_can_take_turns_on_one_file)
{
	static const char *const map[] = {"--store-mode", "map", NULL};
	static const char *const plain[] = {"--store-mode=plain", NULL};

	fill();
	expect_kept_over(SIGKILL, map);
	expect_write(client, 0, "/by/map", "1");
	expect_kept_over(SIGKILL, plain);
	expect_write(client, 0, "/by/plain", "2");
	expect_kept_over(SIGTERM, map);
	expect_kept_over(SIGTERM, NULL);
	expect_read(client, 0, "/by/map", "1");
	expect_read(client, 0, "/by/plain", "2");
}
END_TEST

START_TEST(the_store_may_lie_in_another_place)
{
	char directory[100], file[120];

	end_daemon(SIGTERM);
	snprintf(directory, sizeof(directory), "%s/elsewhere-%ld", served.directory, (long)getpid());
	ck_assert_int_eq(mkdir(directory, 0700), 0);
	snprintf(file, sizeof(file), "%s/a.store", directory);
	const char *const arguments[] = {"--store", file, "--store-sync", NULL}; /* the last --store counts */
	begin_daemon(arguments);
	expect_write(client, 0, "/elsewhere", "yes");
	ck_assert_int_eq(access(file, F_OK), 0);
	end_daemon(SIGTERM);
	begin_daemon(NULL);
	expect_read(client, 0, "/elsewhere", NULL);
	end_daemon(SIGTERM);
	begin_daemon(arguments);
	expect_read(client, 0, "/elsewhere", "yes");
}
END_TEST

/* Writes 4000 bytes each until there is no room; returns how many were. */
static int write_until_full(void)
{
	char path[32], value[4001];
	int n = 0;

	memset(value, 'v', sizeof(value) - 1);
	value[sizeof(value) - 1] = 0;
	for (;; n++) {
		snprintf(path, sizeof(path), "/fill/%d", n);
		struct client_message answer = expect_any(client, MESSAGE_WRITE, 0, ARGUMENTS(path, value));
		if (answer.header.type == MESSAGE_ERROR) {
			ck_assert_str_eq(answer.payload, "ENOSPC");
			return n;
		}
		ck_assert_int_lt(n, 100000);
	}
}

START_TEST(the_store_grows_to_the_size_it_was_given_and_deletions_go_on)
{
	static const char *const arguments[] = {"--store-size", "2M", NULL}, *const larger[] = {"--store-size=4M", NULL};
	struct stat file;

	end_daemon(SIGTERM);
	ck_assert_int_eq(unlink(served.store), 0);
	begin_daemon(arguments);
	int n = write_until_full();
	ck_assert_int_gt(n, 100);
	ck_assert_int_eq(stat(served.store, &file), 0);
	ck_assert_int_le(file.st_size, 2 << 20);
	expect_read(client, 0, "/tool", "");
	end_daemon(SIGKILL);
	begin_daemon(arguments);
	ck_assert_int_le(write_until_full(), n);
	end_daemon(SIGTERM);
	begin_daemon(larger);
	expect_write(client, 0, "/more", "room");
	end_daemon(SIGTERM);
	begin_daemon(arguments);
	expect_ok(client, MESSAGE_RM, 0, ARGUMENTS("/fill"));
	expect_write(client, 0, "/again", "room");
}
END_TEST

/* ---- files that are not what they should be ---- */

static char *file_bytes(const char *path, size_t *len)
{
	struct stat file;
	FILE *from = fopen(path, "re");

	ck_assert_msg(from && !fstat(fileno(from), &file), "%s: %s", path, strerror(errno));
	char *bytes = malloc((size_t)file.st_size + 1);
	ck_assert_ptr_nonnull(bytes);
	*len = fread(bytes, 1, (size_t)file.st_size, from);
	ck_assert_uint_eq(*len, (size_t)file.st_size);
	fclose(from);
	return bytes;
}

static void write_file(const char *path, const char *bytes, size_t len)
{
	FILE *to = fopen(path, "we");

	ck_assert_ptr_nonnull(to);
	ck_assert_uint_eq(fwrite(bytes, 1, len, to), len);
	ck_assert_int_eq(fclose(to), 0);
}

/* Starting fails, the messages have these words, and the file is as before. */
static void expect_refused(const char *const words[], size_t n)
{
	const char *const arguments[] = {"--store", served.store, NULL};
	size_t len, len_after;
	int status = 0;
	char *before = file_bytes(served.store, &len);

	unlink(served.log);
	int error = daemon_start(&served, arguments, &status);
	char *messages = daemon_messages(&served);
	ck_assert_ptr_nonnull(messages);
	ck_assert_msg(error == -ECHILD, "the daemon starts: %s", messages);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) != 0, "status %x: %s", (unsigned)status, messages);
	for (size_t i = 0; i < n; i++)
		ck_assert_msg(strstr(messages, words[i]) != NULL, "\"%s\" is missing in: %s", words[i], messages);
	char *after = file_bytes(served.store, &len_after);
	ck_assert_uint_eq(len_after, len);
	ck_assert_msg(!memcmp(before, after, len), "the file was changed");
	free(before);
	free(after);
	free(messages);
}

#define expect_refused_saying(...)                                                                                               \
	expect_refused((const char *const[]){__VA_ARGS__}, sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *))

/* Changes the record about the store. */
static void edit_meta(uint32_t version, const char *boot_id)
{
	char name = STORE_KEY_META;
	MDB_val key = {1, &name}, record;
	struct store_meta meta;
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;

	ck_assert_int_eq(mdb_env_create(&env), 0);
	ck_assert_int_eq(mdb_env_open(env, served.store, MDB_NOSUBDIR, 0600), 0);
	ck_assert_int_eq(mdb_txn_begin(env, NULL, 0, &txn), 0);
	ck_assert_int_eq(mdb_dbi_open(txn, NULL, 0, &dbi), 0);
	ck_assert_int_eq(mdb_get(txn, dbi, &key, &record), 0);
	ck_assert_uint_eq(record.mv_size, sizeof(meta));
	memcpy(&meta, record.mv_data, sizeof(meta));
	meta.version = version;
	if (boot_id)
		snprintf(meta.boot_id, sizeof(meta.boot_id), "%s", boot_id);
	record = (MDB_val){sizeof(meta), &meta};
	ck_assert_int_eq(mdb_put(txn, dbi, &key, &record, 0), 0);
	ck_assert_int_eq(mdb_txn_commit(txn), 0);
	mdb_env_close(env);
}

START_TEST(a_store_of_another_boot_is_set_aside_and_a_fresh_one_begun)
{
	static const char boot_id[] = "11111111-2222-3333-4444-555555555555";
	char aside[160];
	size_t len, len_aside;

	expect_write(client, 0, "/old", "boot");
	end_daemon(SIGTERM);
	edit_meta(STORE_VERSION, boot_id);
	char *before = file_bytes(served.store, &len);
	begin_daemon(NULL);
	expect_names(client, 0, "/", "tool");
	snprintf(aside, sizeof(aside), "%s.%s", served.store, boot_id);
	char *kept = file_bytes(aside, &len_aside);
	ck_assert_uint_eq(len_aside, len);
	ck_assert_mem_eq(kept, before, len);
	char *messages = daemon_messages(&served);
	ck_assert_msg(strstr(messages, aside) != NULL, "the message does not name %s: %s", aside, messages);
	free(messages);
	free(before);

	/* A second one of that boot does not take its place. */
	end_daemon(SIGTERM);
	edit_meta(STORE_VERSION, boot_id);
	begin_daemon(NULL);
	char *still = file_bytes(aside, &len_aside);
	ck_assert_uint_eq(len_aside, len);
	ck_assert_mem_eq(still, kept, len);
	free(still);
	free(kept);
}
END_TEST

START_TEST(a_store_of_a_newer_format_is_refused)
{
	char format[32];

	end_daemon(SIGTERM);
	edit_meta(STORE_VERSION + 1, NULL);
	snprintf(format, sizeof(format), "has format %d", STORE_VERSION + 1);
	expect_refused_saying(served.store, format, "move the file away", "not changed");
	edit_meta(STORE_VERSION, NULL);
	begin_daemon(NULL);
}
END_TEST

START_TEST(a_file_of_something_else_is_refused)
{
	char text[] = "this is no database, but a letter.\n", *large = calloc(1, 1 << 20);

	end_daemon(SIGTERM);
	write_file(served.store, text, sizeof(text) - 1);
	expect_refused_saying(served.store, "not a store", "--store", "not changed");
	ck_assert_ptr_nonnull(large);
	write_file(served.store, large, 1 << 20);
	expect_refused_saying(served.store, "not changed");
	free(large);
}
END_TEST

START_TEST(a_database_of_something_else_is_refused)
{
	MDB_val key = {3, (void *)(uintptr_t) "key"}, record = {5, (void *)(uintptr_t) "value"};
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;

	end_daemon(SIGTERM);
	ck_assert_int_eq(unlink(served.store), 0);
	ck_assert_int_eq(mdb_env_create(&env), 0);
	ck_assert_int_eq(mdb_env_open(env, served.store, MDB_NOSUBDIR, 0600), 0);
	ck_assert_int_eq(mdb_txn_begin(env, NULL, 0, &txn), 0);
	ck_assert_int_eq(mdb_dbi_open(txn, NULL, 0, &dbi), 0);
	ck_assert_int_eq(mdb_put(txn, dbi, &key, &record, 0), 0);
	ck_assert_int_eq(mdb_txn_commit(txn), 0);
	mdb_env_close(env);
	expect_refused_saying(served.store, "not a store", "not changed");
}
END_TEST

START_TEST(an_empty_file_becomes_a_store)
{
	end_daemon(SIGTERM);
	write_file(served.store, "", 0);
	begin_daemon(NULL);
	expect_names(client, 0, "/", "tool");
}
END_TEST

START_TEST(a_file_that_is_cut_short_is_refused)
{
	size_t len;

	fill();
	end_daemon(SIGTERM);
	char *bytes = file_bytes(served.store, &len);
	write_file(served.store, bytes, 4 * 4096);
	expect_refused_saying(served.store, "damaged", "lxenstore-dump", "move the file away", "not changed");
	write_file(served.store, bytes, len);
	begin_daemon(NULL);
	free(bytes);
}
END_TEST

/*
 * Each page in turn is spoilt. A page that was in use makes the start fail; one that was free does not matter, and then all that
 * was there is served.
 */
START_TEST(a_store_with_a_spoilt_page_is_refused_or_served_whole)
{
	enum { PAGE = 4096 };
	size_t len, refused = 0;

	fill();
	char *tree = expect_tree(client);
	end_daemon(SIGTERM);
	char *bytes = file_bytes(served.store, &len), *spoilt = malloc(len);
	ck_assert_ptr_nonnull(spoilt);
	for (size_t page = 2; page * PAGE < len && page < 40; page++) {
		const char *const arguments[] = {"--store", served.store, NULL};
		size_t len_after;
		int status = 0;
		memcpy(spoilt, bytes, len);
		memset(spoilt + page * PAGE, 0xff, PAGE);
		write_file(served.store, spoilt, len);
		unlink(served.log);
		int error = daemon_start(&served, arguments, &status);
		if (!error) {
			client = expect_client(&served);
			char *tree_after = expect_tree(client);
			ck_assert_msg(!strcmp(tree, tree_after), "page %zu: another tree is served", page);
			free(tree_after);
			end_daemon(SIGTERM);
			continue;
		}
		refused++;
		char *messages = daemon_messages(&served), *after = file_bytes(served.store, &len_after);
		ck_assert_int_eq(error, -ECHILD);
		ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status), "page %zu: status %x", page, (unsigned)status);
		ck_assert_msg(strstr(messages, "is damaged") && strstr(messages, "lxenstore-dump"), "page %zu: %s", page,
			      messages);
		ck_assert_msg(len_after == len && !memcmp(after, spoilt, len), "page %zu: the file was changed", page);
		free(after);
		free(messages);
	}
	ck_assert_uint_gt(refused, 5);
	free(spoilt);
	free(bytes);
	free(tree);
}
END_TEST

/* ---- one daemon for one store ---- */

START_TEST(a_second_daemon_on_the_same_store_is_refused_and_the_first_goes_on)
{
	struct daemon second = served;
	const char *const arguments[] = {"--store", served.store, NULL};
	int status = 0;

	snprintf(second.socket, sizeof(second.socket), "%.60s/second", served.directory);
	snprintf(second.log, sizeof(second.log), "%.60s/second.log", served.directory);
	expect_write(client, 0, "/first", "1");
	ck_assert_int_eq(daemon_start(&second, arguments, &status), -ECHILD);
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) != 0);
	char *messages = daemon_messages(&second);
	ck_assert_msg(strstr(messages, "another lxenstored is running on it") && strstr(messages, served.store), "%s", messages);
	free(messages);
	expect_read(client, 0, "/first", "1");
	expect_write(client, 0, "/first", "2");
	ck_assert_int_eq(access(second.socket, F_OK), -1);
	/* New clients still come to the first. */
	struct client *late = expect_client(&served);
	expect_read(late, 0, "/first", "2");
	client_close(late);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
	    tree_permissions_generations_and_order_are_kept_over_sigterm,
	    tree_permissions_generations_and_order_are_kept_over_kill,
	    a_generation_is_never_given_out_again,
	    clients_are_hung_up_on_when_the_daemon_ends,
	    sigterm_and_sigint_end_it_with_success,
	    both_modes_can_take_turns_on_one_file,
	    the_store_may_lie_in_another_place,
	    the_store_grows_to_the_size_it_was_given_and_deletions_go_on,
	    a_store_of_another_boot_is_set_aside_and_a_fresh_one_begun,
	    a_store_of_a_newer_format_is_refused,
	    a_file_of_something_else_is_refused,
	    a_database_of_something_else_is_refused,
	    an_empty_file_becomes_a_store,
	    a_file_that_is_cut_short_is_refused,
	    a_store_with_a_spoilt_page_is_refused_or_served_whole,
	    a_second_daemon_on_the_same_store_is_refused_and_the_first_goes_on,
	};

	return suite_run(expect_suite("restart", &served, start, stop, tests, sizeof(tests) / sizeof(tests[0])));
}
