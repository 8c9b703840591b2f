/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A daemon whose sockets are in systemd's descriptor store, with a systemd that is a fake; and what a daemon with a keeper tells
 * systemd. What the clients see is the same as with a keeper.
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
#include "support/fake_systemd.h"
#include "support/suite.h"
#include "wire/message.h"

enum { SOON_MS = 60000, STEP_MS = 5, CROWD = 100, OTHER_HELD = 2 /* the listening socket, the history of starts */ };

static struct daemon served;
static struct fake_systemd systemd;

/* ---- waiting ---- */

static void pause_step(void)
{
	nanosleep(&(struct timespec){.tv_nsec = STEP_MS * 1000000}, NULL);
}

static void await_count(const unsigned *count, unsigned least, const char *what)
{
	for (int i = 0; i < SOON_MS / STEP_MS; i++) {
		if (__atomic_load_n(count, __ATOMIC_RELAXED) >= least)
			return;
		pause_step();
	}
	ck_abort_msg("only %u %s", *count, what);
}

static void await_held(unsigned n)
{
	for (int i = 0; i < SOON_MS / STEP_MS; i++) {
		if (__atomic_load_n(&systemd.state->held, __ATOMIC_RELAXED) == n)
			return;
		pause_step();
	}
	ck_abort_msg("%u descriptors are held, not %u", systemd.state->held, n);
}

static void await_message(const char *text)
{
	for (int i = 0; i < SOON_MS / STEP_MS; i++) {
		char *messages = daemon_messages(&served);
		const char *found = messages ? strstr(messages, text) : NULL;
		free(messages);
		if (found)
			return;
		pause_step();
	}
	ck_abort_msg("it is not said that \"%s\"", text);
}

/* ---- fixtures ---- */

static void start_words(const char *holder)
{
	static const char *words[8];
	size_t n = 0;

	expect_place(&served);
	words[n++] = getenv("LXENSTORED");
	words[n++] = "-N";
	words[n++] = "--no-xen";
	words[n++] = "--store";
	words[n++] = served.store;
	if (holder)
		words[n++] = holder;
	words[n] = NULL;
	ck_assert_int_eq(fake_systemd_start(&systemd, &served, words), 0);
	await_count(&systemd.state->readies, 1, "messages that it serves");
}

static void start(void)
{
	start_words("--systemd-descriptors");
}

static void start_kept(void)
{
	start_words(NULL);
}

static void stop(void)
{
	if (!systemd.pid)
		return;
	ck_assert_uint_eq(systemd.state->lost, 0);
	ck_assert_int_eq(fake_systemd_stop(&systemd), 0);
	ck_assert_msg(access(served.socket, F_OK), "the socket is left");
}

static void kill_daemon(int signal)
{
	unsigned starts = systemd.state->starts;

	kill(systemd.state->daemon, signal);
	await_count(&systemd.state->starts, starts + 1, "starts");
}

/* ---- tests ---- */

START_TEST(it_says_that_it_serves_and_who_it_is)
{
	ck_assert_int_eq(systemd.state->main_pid, systemd.state->daemon);
	ck_assert_uint_eq(systemd.state->starts, 1);
}
END_TEST

START_TEST(clients_keep_connection_and_watch_when_the_daemon_is_killed)
{
	struct client *client = expect_client(&served);

	expect_watch(client, "/a", "token");
	for (int i = 0; i < 3; i++) {
		kill_daemon(SIGKILL);
		expect_write(client, 0, "/a", "1");
		expect_event(client, "/a", "token");
	}
	await_count(&systemd.state->readies, 4, "messages that it serves");
	expect_sound(client);
	client_close(client);
}
END_TEST

START_TEST(what_is_closed_is_taken_out_of_the_store)
{
	struct client *clients[CROWD];

	for (size_t i = 0; i < CROWD; i++) {
		clients[i] = expect_client(&served);
		expect_write(clients[i], 0, "/a", "1");
	}
	await_held(CROWD + OTHER_HELD);
	kill_daemon(SIGKILL);
	for (size_t i = 0; i < CROWD; i++) {
		expect_read(clients[i], 0, "/a", "1");
		client_close(clients[i]);
	}
	await_held(OTHER_HELD);
}
END_TEST

START_TEST(what_a_client_sent_before_it_hung_up_is_done_by_the_next_daemon)
{
	struct client *client = expect_client(&served), *another = expect_client(&served);

	expect_write(client, 0, "/a", "1");
	expect_watch(another, "/a", "token");
	kill(systemd.state->daemon, SIGSTOP);
	ck_assert_int_eq(client_send(client, MESSAGE_WRITE, 0, "/a\0002", 4, NULL), 0);
	client_close(client);
	kill_daemon(SIGKILL);
	expect_event(another, "/a", "token");
	expect_read(another, 0, "/a", "2");
	client_close(another);
}
END_TEST

START_TEST(it_gives_signs_of_life)
{
	await_count(&systemd.state->watchdogs, 3, "signs of life");
	kill_daemon(SIGKILL);
	await_count(&systemd.state->watchdogs, systemd.state->watchdogs + 3, "signs of life");
}
END_TEST

START_TEST(it_says_that_it_ends)
{
	kill(systemd.state->daemon, SIGTERM);
	await_count(&systemd.state->stoppings, 1, "messages that it ends");
}
END_TEST

START_TEST(daemons_that_die_again_and_again_are_started_after_pauses)
{
	struct client *client = expect_client(&served);

	expect_write(client, 0, "/a", "0"); /* it has been accepted, and is held */
	for (unsigned i = 0; i < 4; i++) {
		kill_daemon(SIGSEGV);
		await_count(&systemd.state->readies, i + 2, "messages that it serves");
	}
	expect_write(client, 0, "/a", "1");
	await_message("the last 4 daemons have died soon");
	client_close(client);
}
END_TEST

START_TEST(what_an_update_hands_over_stays_held)
{
	struct client *client = expect_client(&served);
	pid_t daemon = systemd.state->daemon;

	expect_watch(client, "/a", "token");
	expect_text(client, "OK", MESSAGE_CONTROL, 0, ARGUMENTS("live-update", "-f", getenv("LXENSTORED")));
	expect_text(client, "OK", MESSAGE_CONTROL, 0, ARGUMENTS("live-update", "-s"));
	ck_assert_int_eq(systemd.state->daemon, daemon);
	await_count(&systemd.state->readies, 2, "messages that it serves");
	kill_daemon(SIGKILL);
	expect_write(client, 0, "/a", "1");
	expect_event(client, "/a", "token");
	client_close(client);
	await_held(OTHER_HELD);
}
END_TEST

START_TEST(without_systemd_the_option_is_refused)
{
	const char *words[] = {getenv("LXENSTORED"), "-N", "--no-xen", "--systemd-descriptors", "--store", served.store, NULL};
	struct daemon second = served;
	int status;

	unsetenv("NOTIFY_SOCKET");
	snprintf(second.socket, sizeof(second.socket), "%.50s/other", served.directory);
	second.pid = 0;
	ck_assert_int_eq(daemon_run(&second, words, NULL, NULL, &status), -ECHILD);
	ck_assert_int_ne(status, 0);
}
END_TEST

START_TEST(with_a_keeper_that_is_the_process_to_be_looked_after)
{
	struct client *client = expect_client(&served);
	pid_t keeper = systemd.state->daemon;

	ck_assert_int_eq(systemd.state->main_pid, keeper);
	kill(daemon_child(keeper), SIGKILL);
	expect_write(client, 0, "/a", "1");
	ck_assert_uint_eq(systemd.state->readies, 1);
	ck_assert_uint_eq(systemd.state->starts, 1);
	ck_assert_uint_eq(systemd.state->held, 0);
	client_close(client);
}
END_TEST

#define N(tests) sizeof(tests) / sizeof((tests)[0])

int main(void)
{
	const TTest *const tests[] = {
	    it_says_that_it_serves_and_who_it_is,
	    clients_keep_connection_and_watch_when_the_daemon_is_killed,
	    what_is_closed_is_taken_out_of_the_store,
	    what_a_client_sent_before_it_hung_up_is_done_by_the_next_daemon,
	    it_gives_signs_of_life,
	    it_says_that_it_ends,
	    daemons_that_die_again_and_again_are_started_after_pauses,
	    what_an_update_hands_over_stays_held,
	    without_systemd_the_option_is_refused,
	};
	const TTest *const with_keeper[] = {with_a_keeper_that_is_the_process_to_be_looked_after};
	Suite *suite = expect_suite("systemd", &served, start, stop, tests, N(tests));

	expect_case(suite, "keeper", start_kept, stop, with_keeper, N(with_keeper));
	return suite_run(suite);
}
