/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A store and a ledger that cannot grow because the file system is full, or because files may not be larger: no signal, no
 * damage, ENOSPC for what needs room.
 */
#include "integration/crowd.h"
#include "integration/full.h"
#include "support/suite.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	CYCLES = 4,
	SMALL_FILE_SYSTEM = 6 << 20,
	SLOTS_STEP = 512, /* connections for which the ledger takes room at once */
	NOT_READING = 20
};

static struct full full;

static void start_plain(void)
{
	full.mode = "plain";
}

static void start_map(void)
{
	full.mode = "map";
}

static void stop(void)
{
	if (full.daemon.pid)
		full_end(&full, SIGTERM);
}

/* ---- a full file system ---- */

/* The directory is a file system of this size that only this process and its children see. False: not allowed here. */
static bool make_small_file_system(size_t bytes)
{
	char options[32];

	snprintf(options, sizeof(options), "size=%zu", bytes);
	if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("none", full.daemon.directory, "tmpfs", 0, options)) {
		ck_assert_int_ne(geteuid(), 0);
		printf("# only root can make a small file system: not tested\n");
		return false;
	}
	return true;
}

static void filler_path(char path[128])
{
	snprintf(path, 128, "%s/filler", full.daemon.directory);
}

/* Takes all that the file system has left. */
static void take_the_rest(void)
{
	static const char bytes[4096];
	char path[128];

	filler_path(path);
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	ck_assert_int_ge(fd, 0);
	while (write(fd, bytes, sizeof(bytes)) > 0)
		;
	ck_assert_int_eq(errno, ENOSPC);
	close(fd);
}

static void give_the_rest(void)
{
	char path[128];

	filler_path(path);
	ck_assert_int_eq(unlink(path), 0);
}

START_TEST(a_full_file_system_is_like_a_full_store)
{
	unsigned n;

	if (!make_small_file_system(SMALL_FILE_SYSTEM))
		return;
	full_serve(&full, NULL);
	n = full_fill(&full, 0);
	ck_assert_uint_gt(n, SMALL_FILE_SYSTEM / 4 / FULL_VALUE_LEN);
	full_check(&full, n + 1);
	for (unsigned node = 0; node < n; node++)
		full_remove(&full, node);
	ck_assert_uint_ge(full_fill(&full, 0), n - n / 10);
}
END_TEST

START_TEST(a_file_system_that_is_no_longer_full_can_be_used_at_once)
{
	unsigned n = 0;

	if (!make_small_file_system(3 * SMALL_FILE_SYSTEM))
		return;
	full_serve(&full, NULL);
	for (int i = 0; i < CYCLES; i++) {
		take_the_rest();
		n = full_fill(&full, n);
		full_check(&full, n + 1);
		/* It cannot take what the store has. */
		full_remove(&full, 0);
		ck_assert(full_write(&full, 0));
		give_the_rest();
		ck_assert(full_write(&full, n));
		full_check(&full, ++n);
	}
}
END_TEST

START_TEST(a_store_on_a_full_file_system_is_served_again)
{
	const char *other = !strcmp(full.mode, "map") ? "plain" : "map";
	unsigned n;

	if (!make_small_file_system(SMALL_FILE_SYSTEM))
		return;
	full_serve(&full, NULL);
	n = full_fill(&full, 0);
	take_the_rest();
	for (int i = 0; i < CYCLES; i++) {
		full_end(&full, i % 2 ? SIGKILL : SIGTERM);
		full_serve_again(&full, i / 2 % 2 ? other : full.mode);
		full_check(&full, n);
		for (unsigned node = (unsigned)i % 2; node < n; node += 2)
			full_remove(&full, node);
		n = full_fill(&full, n);
		full_check(&full, n);
	}
}
END_TEST

static int start_and_fail(void)
{
	const char *arguments[] = {"--store", full.daemon.store, "--store-mode", full.mode, NULL};
	int status;

	ck_assert_int_eq(daemon_start(&full.daemon, arguments, &status), -ECHILD);
	ck_assert_msg(WIFEXITED(status), "the daemon ended with status %x", (unsigned)status);
	return WEXITSTATUS(status);
}

START_TEST(a_daemon_without_room_for_its_files_ends_with_an_error)
{
	char lock[128];

	if (!make_small_file_system(SMALL_FILE_SYSTEM))
		return;
	take_the_rest();
	ck_assert_int_eq(start_and_fail(), 1);
	give_the_rest();
	full_serve(&full, NULL);
	ck_assert(full_write(&full, 0));
	full_end(&full, SIGKILL);

	/* LMDB's lock file, which it writes through a mapping, is gone. */
	snprintf(lock, sizeof(lock), "%s-lock", full.daemon.store);
	ck_assert_int_eq(unlink(lock), 0);
	take_the_rest();
	ck_assert_int_eq(start_and_fail(), 1);
	give_the_rest();
	full_serve_again(&full, full.mode);
	full_check_node(&full, 0);
}
END_TEST

/* ---- the ledger's file system ---- */

/* Asks until nothing goes on. */
static void ask_without_reading(const int fds[NOT_READING])
{
	static struct crowd_rest rests[NOT_READING];
	bool any = true;

	while (any) {
		any = false;
		for (int i = 0; i < NOT_READING; i++) {
			while (crowd_try_send(fds[i], &rests[i], MESSAGE_READ, 0, "/full/1", sizeof("/full/1")))
				any = true;
		}
		crowd_await_idle(&full.daemon);
	}
}

START_TEST(without_room_in_the_ledger_clients_wait_until_there_is_some)
{
	int not_reading[NOT_READING], waiting;
	struct crowd_message answer;

	if (!make_small_file_system(SMALL_FILE_SYSTEM))
		return;
	full_serve(&full, NULL);
	ck_assert(full_write(&full, 1));
	waiting = crowd_connect(&full.daemon);
	crowd_send(waiting, MESSAGE_READ, 0, "/full", sizeof("/full"));
	crowd_receive(waiting, &answer);
	take_the_rest();
	for (int i = 0; i < NOT_READING; i++)
		not_reading[i] = crowd_connect(&full.daemon);
	ask_without_reading(not_reading);
	/* The daemon does not try all the time: else it would never be idle. */
	crowd_send(waiting, MESSAGE_READ, 7, "/full", sizeof("/full"));
	crowd_await_idle(&full.daemon);
	ck_assert_int_eq(poll(&(struct pollfd){waiting, POLLIN, 0}, 1, 0), 0);
	for (int i = 0; i < NOT_READING; i++)
		close(not_reading[i]);
	crowd_receive(waiting, &answer);
	ck_assert_uint_eq(answer.id, 7);
	full_check_node(&full, 1);
	close(waiting);
}
END_TEST

START_TEST(without_room_for_connections_those_that_are_there_are_served)
{
	static int crowd[SLOTS_STEP];
	char byte;
	int extra;

	if (!make_small_file_system(SMALL_FILE_SYSTEM))
		return;
	full_serve(&full, NULL);
	take_the_rest();
	/* `full.client` is one of them. */
	for (int i = 0; i < SLOTS_STEP - 1; i++) {
		crowd[i] = crowd_connect(&full.daemon);
		crowd_expect_read(crowd[i], "/full", "");
	}
	extra = crowd_connect(&full.daemon);
	ck_assert_int_eq(recv(extra, &byte, 1, 0), 0);
	close(extra);
	for (int i = 0; i < SLOTS_STEP - 1; i++)
		crowd_expect_read(crowd[i], "/full", "");
	close(crowd[0]);
	crowd_await_idle(&full.daemon);
	crowd[0] = crowd_connect(&full.daemon);
	crowd_expect_read(crowd[0], "/full", "");
	for (int i = 0; i < SLOTS_STEP - 1; i++)
		close(crowd[i]);
}
END_TEST

/* ---- files that may not be larger ---- */

static void limit_files(rlim_t bytes)
{
	struct rlimit limit;

	ck_assert_int_eq(prlimit(full.daemon.pid, RLIMIT_FSIZE, NULL, &limit), 0);
	limit.rlim_cur = bytes;
	ck_assert_int_eq(prlimit(full.daemon.pid, RLIMIT_FSIZE, &limit, NULL), 0);
}

START_TEST(files_that_may_not_grow_are_like_a_full_store)
{
	unsigned n;

	full_serve(&full, NULL);
	limit_files(6 << 20);
	n = full_fill(&full, 0);
	ck_assert_uint_gt(n, (6 << 20) / 2 / FULL_VALUE_LEN);
	full_check(&full, n + 1);
	for (unsigned node = 0; node < n; node += 2)
		full_remove(&full, node);
	limit_files(RLIM_INFINITY);
	for (unsigned i = 0; i < n; i++)
		ck_assert(full_write(&full, n + i));
	full_check(&full, 2 * n);
	/* Less than what is written already: nothing can be written any more. */
	limit_files(1 << 20);
	for (unsigned i = 0; i < n; i++)
		full_write(&full, i);
	full_check(&full, 2 * n);
}
END_TEST

START_TEST(a_daemon_starts_with_a_limit_for_files)
{
	const struct rlimit limit = {12 << 20, 12 << 20};
	unsigned n;

	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	full_serve(&full, NULL);
	n = full_fill(&full, 0);
	ck_assert_uint_gt(n, (12 << 20) / 2 / FULL_VALUE_LEN);
	full_check(&full, n + 1);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
	    a_full_file_system_is_like_a_full_store,
	    a_file_system_that_is_no_longer_full_can_be_used_at_once,
	    a_store_on_a_full_file_system_is_served_again,
	    a_daemon_without_room_for_its_files_ends_with_an_error,
	    without_room_in_the_ledger_clients_wait_until_there_is_some,
	    without_room_for_connections_those_that_are_there_are_served,
	    files_that_may_not_grow_are_like_a_full_store,
	    a_daemon_starts_with_a_limit_for_files,
	};
	Suite *suite =
	    expect_suite("full file system, plain", &full.daemon, start_plain, stop, tests, sizeof(tests) / sizeof(tests[0]));

	expect_case(suite, "full file system, map", start_map, stop, tests, sizeof(tests) / sizeof(tests[0]));
	return suite_run(suite);
}
