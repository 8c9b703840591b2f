/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A daemon under its keeper, killed again and again: what socket clients see of it. Each request is answered once and in order,
 * with its effect once: a WATCH that ran twice would be answered EEXIST, an UNWATCH ENOENT. KILLS says how often it is killed.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "support/client.h"
#include "support/daemon.h"
#include "support/expect.h"
#include "support/random.h"
#include "support/suite.h"
#include "wire/message.h"

enum { KILLS = 60, BURST = 40, SOON_MS = 60000 };

static struct daemon kept; /* pid is the keeper's */
static struct random numbers;

/* The keeper looks after the daemon from the moment that this one says that it serves, which the pid file tells. */
static void await_serving(void)
{
	const struct timespec pause = {.tv_nsec = 5000000};
	char path[128];

	snprintf(path, sizeof(path), "%s/xenstored.pid", kept.directory);
	for (int i = 0; i < SOON_MS / 5; i++) {
		if (!access(path, F_OK))
			return;
		nanosleep(&pause, NULL);
	}
	ck_abort_msg("there is no pid file");
}

static void start(void)
{
	const char *words[] = {getenv("LXENSTORED"), "-N", "--no-xen", "--restart-pause", "0", "--store", NULL, NULL};

	expect_place(&kept);
	words[6] = kept.store;
	ck_assert_int_eq(daemon_run(&kept, words, NULL, NULL, NULL), 0);
	await_serving();
	random_begin(&numbers, "KEEPER_SEED");
}

static void stop(void)
{
	int status;

	if (!kept.pid)
		return;
	ck_assert_int_eq(daemon_stop(&kept, SIGTERM, &status), 0);
	ck_assert_int_eq(status, 0);
	ck_assert_msg(access(kept.socket, F_OK), "the socket is left");
}

/* ---- processes ---- */

/* The process that the keeper has started; 0: none at the moment. */
static pid_t daemon_of_keeper(void)
{
	return daemon_child(kept.pid);
}

static void kill_daemon(int signal)
{
	pid_t pid = daemon_of_keeper();

	if (pid)
		kill(pid, signal);
}

static void await_another(pid_t before)
{
	const struct timespec pause = {.tv_nsec = 5000000};

	for (int i = 0; i < SOON_MS / 5; i++) {
		pid_t now = daemon_of_keeper();
		if (now && now != before)
			return;
		nanosleep(&pause, NULL);
	}
	ck_abort_msg("no other daemon was started");
}

/* One that has been accepted and is held, which a death in between would not let it be. */
static struct client *held_client(void)
{
	struct client *client = expect_client(&kept);

	expect_write(client, 0, "/held", "");
	return client;
}

/* ---- tests ---- */

START_TEST(a_client_keeps_its_connection_and_its_watch_when_the_daemon_is_killed)
{
	struct client *client = held_client();

	expect_write(client, 0, "/a", "1");
	expect_watch(client, "/a", "token");
	for (int i = 0; i < 3; i++) {
		pid_t before = daemon_of_keeper();
		kill(before, SIGKILL);
		expect_write(client, 0, "/a", "2");
		expect_event(client, "/a", "token");
		expect_read(client, 0, "/a", "2");
		await_another(before);
	}
	expect_sound(client);
	client_close(client);
}
END_TEST

/* Sends BURST requests without waiting, WATCH and UNWATCH by turns. Returns the id of the first. */
static uint32_t send_burst(struct client *client, unsigned round)
{
	uint32_t first = 0, id;

	for (unsigned i = 0; i < BURST; i++) {
		char payload[64];
		int len = snprintf(payload, sizeof(payload), "/w%c%u-%u", 0, round, i / 2) + 1;
		ck_assert_int_eq(client_send(client, i % 2 ? MESSAGE_UNWATCH : MESSAGE_WATCH, 0, payload, (size_t)len, &id), 0);
		if (!i)
			first = id;
	}
	return first;
}

START_TEST(each_request_is_answered_once_and_in_order_over_many_kills)
{
	const char *text = getenv("KILLS");
	struct client *client = held_client();
	unsigned kills = text && atoi(text) < KILLS ? (unsigned)atoi(text) : KILLS;
	struct client_message message;

	for (unsigned round = 0; round < kills; round++) {
		pid_t before = daemon_of_keeper();
		const struct timespec moment = {.tv_nsec = random_below(&numbers, 400000)};
		uint32_t first = send_burst(client, round);
		nanosleep(&moment, NULL);
		kill_daemon(SIGKILL);
		for (uint32_t i = 0; i < BURST; i++) {
			ck_assert_int_eq(client_receive_reply(client, &message), 0);
			ck_assert_uint_eq(message.header.request_id, first + i);
			ck_assert_msg(message.header.type != MESSAGE_ERROR, "round %u, request %u: %s", round, i,
				      message.payload);
		}
		await_another(before);
	}
	expect_text(client, "OK", MESSAGE_RESET_WATCHES, 0, ARGUMENTS(""));
	expect_sound(client);
	client_close(client);
}
END_TEST

START_TEST(clients_that_come_while_no_daemon_lives_are_served)
{
	pid_t before = daemon_of_keeper();

	kill(before, SIGKILL);
	struct client *client = expect_client(&kept);
	expect_write(client, 0, "/a", "1");
	client_close(client);
	await_another(before);
}
END_TEST

START_TEST(whatever_signal_a_daemon_dies_of_it_is_replaced)
{
	static const int signals[] = {SIGSEGV, SIGABRT, SIGBUS, SIGILL, SIGFPE};
	struct client *client = held_client();

	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		pid_t before = daemon_of_keeper();
		kill(before, signals[i]);
		await_another(before);
		expect_write(client, 0, "/a", "1");
	}
	client_close(client);
}
END_TEST

START_TEST(a_daemon_that_hangs_is_replaced)
{
	struct client *client = held_client();
	pid_t before = daemon_of_keeper();

	kill(before, SIGSTOP);
	expect_write(client, 0, "/a", "1");
	await_another(before);
	client_close(client);
}
END_TEST

START_TEST(a_daemon_that_ends_because_it_is_told_to_is_not_replaced)
{
	int status;

	kill_daemon(SIGTERM);
	ck_assert_int_eq(daemon_wait(&kept, &status), 0);
	ck_assert_int_eq(status, 0);
}
END_TEST

START_TEST(a_daemon_that_cannot_start_is_not_started_again)
{
	const char *words[] = {getenv("LXENSTORED"), "-N", "--no-xen", "--store", kept.store, NULL};
	struct daemon second = kept;
	int status;

	snprintf(second.socket, sizeof(second.socket), "%s/other", kept.directory);
	second.pid = 0;
	ck_assert_int_eq(daemon_run(&second, words, NULL, NULL, &status), -ECHILD);
	ck_assert_int_ne(status, 0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
	    a_client_keeps_its_connection_and_its_watch_when_the_daemon_is_killed,
	    each_request_is_answered_once_and_in_order_over_many_kills,
	    clients_that_come_while_no_daemon_lives_are_served,
	    whatever_signal_a_daemon_dies_of_it_is_replaced,
	    a_daemon_that_hangs_is_replaced,
	    a_daemon_that_ends_because_it_is_told_to_is_not_replaced,
	    a_daemon_that_cannot_start_is_not_started_again,
	};

	return suite_run(expect_suite("keeper", &kept, start, stop, tests, sizeof(tests) / sizeof(tests[0])));
}
