/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Keepers that die or hang, alone and together with their daemons, and daemons that their keeper has to end or to suspect. The
 * test is whom processes go to whose parent has ended, so that it can wait for keepers that a daemon has started.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "support/client.h"
#include "support/daemon.h"
#include "support/expect.h"
#include "support/suite.h"
#include "wire/message.h"

enum { SOON_MS = 60000, STEP_MS = 5, CROWD = 300, FEW_DESCRIPTORS = 64 };

static struct daemon kept; /* pid: the first keeper's */
static char pid_file[128];

/* ---- waiting ---- */

static void pause_step(void)
{
	nanosleep(&(struct timespec){.tv_nsec = STEP_MS * 1000000}, NULL);
}

/* What the pid file says; 0: there is none. */
static pid_t keeper_now(void)
{
	FILE *file = fopen(pid_file, "re");
	long pid = 0;

	if (file && fscanf(file, "%ld", &pid) != 1)
		pid = 0;
	if (file)
		fclose(file);
	return (pid_t)pid;
}

static pid_t await_keeper(pid_t before)
{
	for (int i = 0; i < SOON_MS / STEP_MS; i++) {
		pid_t now = keeper_now();
		if (now && now != before)
			return now;
		pause_step();
	}
	ck_abort_msg("the pid file names no other keeper");
	return 0;
}

static pid_t await_daemon(pid_t keeper, pid_t before)
{
	for (int i = 0; i < SOON_MS / STEP_MS; i++) {
		pid_t now = daemon_child(keeper);
		if (now && now != before)
			return now;
		pause_step();
	}
	ck_abort_msg("the keeper has started no other daemon");
	return 0;
}

/* It is this process's child, or becomes it when its parent ends. */
static void await_end(pid_t pid)
{
	for (int i = 0; i < SOON_MS / STEP_MS; i++) {
		if ((waitpid(pid, NULL, WNOHANG) == pid || errno == ECHILD) && kill(pid, 0))
			return;
		pause_step();
	}
	ck_abort_msg("process %ld does not end", (long)pid);
}

static void await_message(const char *text)
{
	for (int i = 0; i < SOON_MS / STEP_MS; i++) {
		char *messages = daemon_messages(&kept);
		bool is_there = messages && strstr(messages, text);
		free(messages);
		if (is_there)
			return;
		pause_step();
	}
	ck_abort_msg("it is not said that \"%s\"", text);
}

static void kill_and_wait(pid_t pid, int signal)
{
	kill(pid, signal);
	await_end(pid);
	if (pid == kept.pid)
		kept.pid = 0;
}

/* ---- fixtures ---- */

static void start_with(const char *watchdog, void (*prepare)(const void *))
{
	const char *words[] = {getenv("LXENSTORED"), "-N",     "--no-xen", "--restart-pause", "0",
			       "--watchdog",	     watchdog, "--store",  kept.store,	      NULL};

	expect_place(&kept);
	ck_assert_int_eq(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	snprintf(pid_file, sizeof(pid_file), "%s/xenstored.pid", kept.directory);
	ck_assert_int_eq(daemon_run(&kept, words, prepare, NULL, NULL), 0);
	await_keeper(0);
}

static void start(void)
{
	start_with("10", NULL);
}

/* Whatever has become of it, the pid file names the process to be told. */
static void stop(void)
{
	pid_t keeper = keeper_now();

	if (!keeper)
		return;
	pid_t daemon = daemon_child(keeper);
	kill_and_wait(keeper, SIGTERM);
	if (daemon)
		await_end(daemon);
	ck_assert_msg(access(kept.socket, F_OK), "the socket is left");
	ck_assert_msg(access(pid_file, F_OK), "the pid file is left");
}

static void start_with_short_watchdog(void)
{
	start_with("1", NULL);
}

static void allow_few_descriptors(const void *context)
{
	struct rlimit limit;

	(void)context;
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = FEW_DESCRIPTORS;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static void start_with_few_descriptors(void)
{
	start_with("10", allow_few_descriptors);
}

/* ---- the keeper ---- */

START_TEST(a_keeper_that_dies_is_replaced_and_clients_notice_nothing)
{
	struct client *client = expect_client(&kept);
	pid_t keeper = keeper_now(), daemon = daemon_child(keeper);

	expect_watch(client, "/a", "token");
	for (int i = 0; i < 3; i++) {
		kill_and_wait(keeper, SIGKILL);
		keeper = await_keeper(keeper);
		expect_write(client, 0, "/a", "1");
		expect_event(client, "/a", "token");
	}
	ck_assert_int_eq(kill(daemon, 0), 0);
	client_close(client);
}
END_TEST

START_TEST(the_new_keeper_holds_what_the_old_one_held)
{
	struct client *client = expect_client(&kept), *later;
	pid_t keeper = keeper_now(), daemon = daemon_child(keeper);

	expect_watch(client, "/a", "token");
	kill_and_wait(keeper, SIGKILL);
	keeper = await_keeper(keeper);
	later = expect_client(&kept);
	expect_watch(later, "/a", "later");
	for (int i = 0; i < 2; i++) {
		kill_and_wait(daemon, SIGKILL);
		daemon = await_daemon(keeper, daemon);
		expect_write(client, 0, "/a", "1");
		expect_event(client, "/a", "token");
		expect_event(later, "/a", "later");
	}
	struct client *another = expect_client(&kept);
	expect_read(another, 0, "/a", "1");
	client_close(another);
	client_close(later);
	client_close(client);
}
END_TEST

START_TEST(keepers_and_daemons_may_die_by_turns)
{
	struct client *client = expect_client(&kept);
	pid_t keeper = keeper_now();

	expect_watch(client, "/a", "token");
	for (int i = 0; i < 5; i++) {
		pid_t daemon = await_daemon(keeper, 0);
		kill_and_wait(daemon, SIGKILL);
		daemon = await_daemon(keeper, daemon);
		expect_write(client, 0, "/a", "1");
		expect_event(client, "/a", "token");
		kill_and_wait(keeper, SIGKILL);
		keeper = await_keeper(keeper);
		expect_write(client, 0, "/a", "2");
		expect_event(client, "/a", "token");
		kill_and_wait(daemon, SIGKILL);
		await_daemon(keeper, daemon);
	}
	client_close(client);
}
END_TEST

START_TEST(a_daemon_that_dies_right_after_its_keeper_loses_nothing_but_connections)
{
	struct client *client = expect_client(&kept);
	pid_t keeper = keeper_now(), daemon = daemon_child(keeper);
	const char *words[] = {getenv("LXENSTORED"), "-N", "--no-xen", "--store", kept.store, NULL};
	struct client_message message;

	expect_write(client, 0, "/a", "1");
	kill(daemon, SIGSTOP);
	kill_and_wait(keeper, SIGKILL);
	kill_and_wait(daemon, SIGKILL);
	ck_assert_int_eq(client_receive(client, &message), -EPIPE);
	client_close(client);
	unlink(pid_file);
	ck_assert_int_eq(daemon_run(&kept, words, NULL, NULL, NULL), 0);
	await_keeper(0);
	client = expect_client(&kept);
	expect_read(client, 0, "/a", "1");
	client_close(client);
}
END_TEST

START_TEST(a_keeper_that_hangs_stops_nobody_and_is_replaced)
{
	struct client *clients[CROWD];
	pid_t keeper = keeper_now(), daemon = daemon_child(keeper);

	kill(keeper, SIGSTOP);
	for (size_t i = 0; i < CROWD; i++) /* more than the channel to the keeper takes */
		clients[i] = expect_client(&kept);
	expect_write(clients[CROWD - 1], 0, "/a", "1");
	pid_t another = await_keeper(keeper);
	await_end(keeper);
	kill_and_wait(daemon, SIGKILL);
	await_daemon(another, daemon);
	for (size_t i = 0; i < CROWD; i++) {
		expect_read(clients[i], 0, "/a", "1");
		client_close(clients[i]);
	}
}
END_TEST

START_TEST(more_connections_are_held_than_a_process_may_have_descriptors_by_default)
{
	struct client *clients[CROWD];
	pid_t keeper = keeper_now(), daemon = daemon_child(keeper);

	for (size_t i = 0; i < CROWD; i++) {
		clients[i] = expect_client(&kept);
		expect_watch(clients[i], "/a", "token");
	}
	kill_and_wait(daemon, SIGKILL);
	await_daemon(keeper, daemon);
	expect_write(clients[0], 0, "/a", "1");
	for (size_t i = 0; i < CROWD; i++) {
		expect_event(clients[i], "/a", "token");
		client_close(clients[i]);
	}
}
END_TEST

/* ---- the daemon ---- */

/* As a program that stopped while it opened the store: nobody can open it. The keeper waits meanwhile. */
static int lock_store(pid_t keeper, pid_t daemon)
{
	char path[128];
	struct flock lock = {.l_type = F_WRLCK, .l_len = 1};

	snprintf(path, sizeof(path), "%s-lock", kept.store);
	int fd = open(path, O_RDWR | O_CLOEXEC);
	kill(keeper, SIGSTOP);
	kill(daemon, SIGKILL);
	ck_assert_int_eq(fcntl(fd, F_SETLKW, &lock), 0);
	kill(keeper, SIGCONT);
	return fd;
}

START_TEST(a_daemon_that_hangs_in_its_start_is_replaced)
{
	struct client *client = expect_client(&kept);
	pid_t keeper = keeper_now(), daemon = daemon_child(keeper);

	expect_write(client, 0, "/a", "1");
	int lock = lock_store(keeper, daemon);
	await_message("does not get on with its start");
	close(lock);
	expect_read(client, 0, "/a", "1");
	client_close(client);
}
END_TEST

START_TEST(a_daemon_that_hangs_in_its_start_can_be_told_to_end)
{
	pid_t keeper = keeper_now(), daemon = daemon_child(keeper);
	int lock = lock_store(keeper, daemon);

	await_daemon(keeper, daemon);
	kill_and_wait(keeper, SIGTERM);
	close(lock);
}
END_TEST

/* The key of /parent/child, and another of a node whose parent is not there. */
static const char child_key[] = "parent\0child", lost_key[] = "parenx\0child";

/* Puts one in the place of the other in the store's file, whoever has it open. */
static void change_file(const char from[sizeof(child_key)], const char to[sizeof(child_key)])
{
	struct stat status;
	size_t len = sizeof(child_key) - 1, n = 0;
	int fd = open(kept.store, O_RDWR | O_CLOEXEC);

	ck_assert(fd >= 0 && !fstat(fd, &status));
	char *bytes = mmap(NULL, (size_t)status.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ck_assert(bytes != MAP_FAILED);
	close(fd);
	for (char *end = bytes + status.st_size, *at = bytes; (at = memmem(at, (size_t)(end - at), from, len)); at += len, n++)
		memcpy(at, to, len);
	munmap(bytes, (size_t)status.st_size);
	ck_assert_uint_gt(n, 0);
}

START_TEST(after_two_deaths_by_faults_of_its_own_the_whole_store_is_looked_at)
{
	struct client *client = expect_client(&kept);
	pid_t keeper = keeper_now(), daemon = daemon_child(keeper);

	expect_write(client, 0, "/parent/child", "1");
	expect_write(client, 0, "/a", "1");
	change_file(child_key, lost_key);
	kill_and_wait(daemon, SIGKILL);
	for (int i = 0; i < 2; i++) {
		daemon = await_daemon(keeper, daemon);
		expect_read(client, 0, "/a", "1"); /* nobody has looked at the damage */
		kill_and_wait(daemon, SIGSEGV);
	}
	await_message("was damaged");
	expect_read(client, 0, "/a", "1");
	expect_read(client, 0, "/parent/child", NULL);
	client_close(client);
}
END_TEST

START_TEST(deaths_by_sigkill_are_not_the_stores_fault)
{
	struct client *client = expect_client(&kept);
	pid_t keeper = keeper_now(), daemon = daemon_child(keeper);

	expect_write(client, 0, "/parent/child", "1");
	expect_write(client, 0, "/a", "1");
	change_file(child_key, lost_key);
	for (int i = 0; i < 4; i++) {
		kill_and_wait(daemon, SIGKILL);
		daemon = await_daemon(keeper, daemon);
		expect_read(client, 0, "/a", "1");
	}
	change_file(lost_key, child_key);
	client_close(client);
}
END_TEST

#define N(tests) sizeof(tests) / sizeof((tests)[0])

int main(void)
{
	const TTest *const tests[] = {
	    a_keeper_that_dies_is_replaced_and_clients_notice_nothing,
	    the_new_keeper_holds_what_the_old_one_held,
	    keepers_and_daemons_may_die_by_turns,
	    a_daemon_that_dies_right_after_its_keeper_loses_nothing_but_connections,
	    a_keeper_that_hangs_stops_nobody_and_is_replaced,
	    after_two_deaths_by_faults_of_its_own_the_whole_store_is_looked_at,
	    deaths_by_sigkill_are_not_the_stores_fault,
	};
	const TTest *const few[] = {more_connections_are_held_than_a_process_may_have_descriptors_by_default};
	const TTest *const hanging[] = {
	    a_daemon_that_hangs_in_its_start_is_replaced,
	    a_daemon_that_hangs_in_its_start_can_be_told_to_end,
	};
	Suite *suite = expect_suite("keeper dies", &kept, start, stop, tests, N(tests));

	expect_case(suite, "few descriptors", start_with_few_descriptors, stop, few, N(few));
	expect_case(suite, "watchdog", start_with_short_watchdog, stop, hanging, N(hanging));
	return suite_run(suite);
}
