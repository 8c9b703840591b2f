/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Requests that end the daemon, with a library that makes it die of them (support/deadly.c). A request that has ended two, or was
 * being run when five were killed, is answered EIO and its connection ends; everybody else notices a pause.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/suite.h"
#include "wire/ring_page.h"
#include "xensim/expect_guest.h"

enum { OTHERS = 8, SOON_MS = 60000 };

static struct daemon shared; /* only its directory, in which each test's is */
static struct daemon served; /* pid is the keeper's */
static struct sim *sim;
static struct client *killer, *other;
static char library[4096];

/* ---- the daemon ---- */

static void preload(const void *context)
{
	const char *options = getenv("ASAN_OPTIONS");
	char more[4096];

	(void)context;
	snprintf(more, sizeof(more), "%s%sverify_asan_link_order=0", options ? options : "", options ? ":" : "");
	setenv("ASAN_OPTIONS", more, 1);
	setenv("LD_PRELOAD", library, 1);
}

static void find_library(void)
{
	const char *build = getenv("TOP_BUILDDIR");

	snprintf(library, sizeof(library), "%s/tests/support/libdeadly.so", build ? build : ".");
	ck_assert_int_eq(access(library, R_OK), 0);
}

/* A daemon that dies before its keeper has heard that it serves is not replaced. */
static void await_keeper(void)
{
	const struct timespec pause = {.tv_nsec = 5000000};
	char path[128];

	snprintf(path, sizeof(path), "%s/xenstored.pid", served.directory);
	for (int i = 0; i < SOON_MS / 5 && access(path, F_OK); i++)
		nanosleep(&pause, NULL);
}

static void start(void)
{
	const char *words[] = {getenv("LXENSTORED"), "-N", "--no-xen", "--restart-pause", "0", "--store", served.store, NULL};

	find_library();
	ck_assert_int_eq(daemon_init_in(&served, shared.directory), 0);
	ck_assert_int_eq(daemon_run(&served, words, preload, NULL, NULL), 0);
	await_keeper();
	killer = expect_client(&served);
	other = expect_client(&served);
}

static void start_rings(void)
{
	find_library();
	setenv("SIM_PRELOAD", library, 1);
	ck_assert_int_eq(daemon_init_in(&served, shared.directory), 0);
	sim = expect_sim(&served);
	expect_sim_start(sim, &served, SIM_KEPT, (const char *[]){"--restart-pause", "0", NULL});
	await_keeper();
	other = expect_client(&served);
	killer = expect_guest(sim, other, 5);
}

static void stop(void)
{
	int status;

	expect_sound(other);
	client_close(killer);
	client_close(other);
	ck_assert_int_eq(daemon_stop(&served, SIGTERM, &status), 0);
	ck_assert_int_eq(status, 0);
	sim_free(sim);
	sim = NULL;
	daemon_deinit(&served);
}

/* ---- what has happened ---- */

static void expect_deaths(const char *word, long n)
{
	char path[128];
	struct stat file;

	snprintf(path, sizeof(path), "%s/deaths-%s", served.directory, word);
	ck_assert_int_eq(stat(path, &file), 0);
	ck_assert_msg(file.st_size == n, "%s: %ld times, not %ld", word, (long)file.st_size, n);
}

static void expect_logged(const char *words)
{
	char *messages = daemon_messages(&served);

	ck_assert_msg(messages && strstr(messages, words), "the log does not say: %s\n%s", words, messages);
	free(messages);
}

/* The path of the node, below `parent`, that ends who writes it. */
static const char *deadly(const char *parent, const char *word)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/deadly-%s", parent, word);
	return path;
}

static void send_write(struct client *client, const char *path)
{
	ck_assert_int_eq(client_send(client, MESSAGE_WRITE, 0, path, strlen(path) + 1, NULL), 0);
}

static void expect_reply(struct client *client, uint32_t type, const char *text)
{
	struct client_message message;

	ck_assert_int_eq(client_receive_reply(client, &message), 0);
	ck_assert_uint_eq(message.header.type, type);
	ck_assert_str_eq(message.payload, text);
}

/* ---- sockets ---- */

START_TEST(a_request_that_ends_two_daemons_is_answered_EIO_and_its_connection_ends)
{
	expect_watch(other, "/mine", "token");
	expect_error(killer, "EIO", MESSAGE_WRITE, 0, ARGUMENTS(deadly("", "s"), "value"));
	expect_hangup(killer);
	expect_deaths("s", 2);
	expect_logged("(WRITE), transaction 0, 16 bytes: \"/deadly-s\\0value\\0\"");
	expect_read(other, 0, "/deadly-s", NULL);
	expect_write(other, 0, "/mine", "1");
	expect_event(other, "/mine", "token");
}
END_TEST

START_TEST(each_signal_that_tells_of_a_fault_counts)
{
	static const char *const words[] = {"b", "a", "f", "i", "r", "c"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		struct client *client = expect_client(&served);
		expect_error(client, "EIO", MESSAGE_WRITE, 0, ARGUMENTS(deadly("", words[i]), ""));
		expect_hangup(client);
		client_close(client);
		expect_deaths(words[i], 2);
	}
}
END_TEST

START_TEST(a_request_that_ended_one_daemon_may_succeed_with_the_next)
{
	expect_write(killer, 0, deadly("", "so"), "value");
	expect_read(killer, 0, "/deadly-so", "value");
	expect_write(killer, 0, "/a", "1");
}
END_TEST

START_TEST(a_request_is_run_again_until_five_daemons_were_killed)
{
	expect_write(other, 0, deadly("", "kkkko"), "value");
	expect_deaths("kkkko", 5);
	expect_error(killer, "EIO", MESSAGE_WRITE, 0, ARGUMENTS(deadly("", "k"), "value"));
	expect_hangup(killer);
	expect_deaths("k", 5);
}
END_TEST

START_TEST(a_daemon_that_hangs_in_a_request_has_died_of_it)
{
	expect_error(killer, "EIO", MESSAGE_WRITE, 0, ARGUMENTS(deadly("", "sh"), ""));
	expect_hangup(killer);
	expect_deaths("sh", 2);
}
END_TEST

START_TEST(what_was_asked_before_is_answered_and_what_was_asked_behind_is_not_run)
{
	send_write(killer, "/a");
	send_write(killer, "/b");
	send_write(killer, deadly("", "c"));
	send_write(killer, "/d");
	expect_reply(killer, MESSAGE_WRITE, "OK");
	expect_reply(killer, MESSAGE_WRITE, "OK");
	expect_reply(killer, MESSAGE_ERROR, "EIO");
	expect_hangup(killer);
	expect_read(other, 0, "/a", "");
	expect_read(other, 0, "/b", "");
	expect_read(other, 0, "/deadly-c", NULL);
	expect_read(other, 0, "/d", NULL);
}
END_TEST

/* Their requests are in the turns of which it dies. */
START_TEST(others_are_answered_once_whatever_turn_they_were_in)
{
	struct client *clients[OTHERS];
	char path[32];

	for (int i = 0; i < OTHERS; i++) {
		clients[i] = expect_client(&served);
		expect_watch(clients[i], "/w", "token");
		ck_assert_int_eq(client_send(clients[i], MESSAGE_UNWATCH, 0, "/w\0token", sizeof("/w\0token"), NULL), 0);
		snprintf(path, sizeof(path), "/node-%d", i);
		send_write(clients[i], path);
	}
	send_write(killer, deadly("", "c"));
	for (int i = 0; i < OTHERS; i++) {
		expect_reply(clients[i], MESSAGE_UNWATCH, "OK");
		expect_reply(clients[i], MESSAGE_WRITE, "OK");
		client_close(clients[i]);
	}
	expect_reply(killer, MESSAGE_ERROR, "EIO");
	expect_hangup(killer);
}
END_TEST

START_TEST(several_that_kill_at_once_all_end)
{
	static const char *const words[] = {"s", "ss", "sss", "cc", "a", "aa", "k", "ks"};
	struct client *clients[OTHERS];

	for (int i = 0; i < OTHERS; i++)
		clients[i] = expect_client(&served);
	for (int i = 0; i < OTHERS; i++)
		send_write(clients[i], deadly("", words[i]));
	expect_write(other, 0, "/a", "1");
	for (int i = 0; i < OTHERS; i++) {
		expect_reply(clients[i], MESSAGE_ERROR, "EIO");
		expect_hangup(clients[i]);
		client_close(clients[i]);
	}
	expect_write(other, 0, "/a", "2");
}
END_TEST

START_TEST(it_may_kill_at_the_end_of_a_transaction)
{
	uint32_t transaction = expect_transaction(killer);

	expect_write(killer, transaction, deadly("", "s"), "");
	ck_assert_int_eq(client_send(killer, MESSAGE_TRANSACTION_END, transaction, "T", sizeof("T"), NULL), 0);
	/* One that does not outlive the daemon is not there any more when the request is run again. */
	struct client_message message;
	ck_assert_int_eq(client_receive_reply(killer, &message), 0);
	ck_assert_uint_eq(message.header.type, MESSAGE_ERROR);
	expect_read(other, 0, "/deadly-s", NULL);
}
END_TEST

/* ---- rings ---- */

static void await(struct guest *guest, const _Atomic uint32_t *field, uint32_t value)
{
	while (atomic_load(field) != value)
		ck_assert_int_eq(guest_wait(guest, SOON_MS), 0);
}

START_TEST(a_guest_whose_request_kills_is_answered_EIO_and_not_served_until_it_begins_anew)
{
	struct guest *guest = guest_find(sim, 5);
	struct guest_page *page = guest_page(guest);
	struct client *neighbour = expect_guest(sim, other, 6);

	expect_watch(neighbour, "data", "token");
	expect_watch(other, "/local/domain/5", "token");
	expect_error(killer, "EIO", MESSAGE_WRITE, 0, ARGUMENTS(deadly("data", "s"), "value"));
	expect_deaths("s", 2);
	await(guest, &page->error, RING_ERROR_PROTOCOL);
	expect_write(neighbour, 0, "data", "1");
	expect_event(neighbour, "data", "token");

	client_close(killer);
	atomic_store(&page->connection, RING_RECONNECT);
	ck_assert_int_eq(guest_notify(guest), 0);
	await(guest, &page->connection, RING_CONNECTED);
	ck_assert_uint_eq(page->error, RING_ERROR_NONE);
	ck_assert_int_eq(guest_client(guest, SOON_MS, &killer), 0);
	expect_write(killer, 0, "data", "2");
	expect_event(other, "/local/domain/5/data", "token");
	client_close(neighbour);
}
END_TEST

START_TEST(a_guest_and_a_socket_may_kill_at_once)
{
	struct client *client = expect_client(&served), *neighbour = expect_guest(sim, other, 6);

	send_write(client, deadly("", "ss"));
	send_write(killer, deadly("data", "s"));
	for (int i = 0; i < 20; i++)
		expect_write(neighbour, 0, "data", "1");
	expect_reply(killer, MESSAGE_ERROR, "EIO");
	expect_reply(client, MESSAGE_ERROR, "EIO");
	expect_hangup(client);
	client_close(client);
	client_close(neighbour);
}
END_TEST

int main(void)
{
	const TTest *const sockets[] = {
	    a_request_that_ends_two_daemons_is_answered_EIO_and_its_connection_ends,
	    each_signal_that_tells_of_a_fault_counts,
	    a_request_that_ended_one_daemon_may_succeed_with_the_next,
	    a_request_is_run_again_until_five_daemons_were_killed,
	    a_daemon_that_hangs_in_a_request_has_died_of_it,
	    what_was_asked_before_is_answered_and_what_was_asked_behind_is_not_run,
	    others_are_answered_once_whatever_turn_they_were_in,
	    several_that_kill_at_once_all_end,
	    it_may_kill_at_the_end_of_a_transaction,
	};
	const TTest *const rings[] = {
	    a_guest_whose_request_kills_is_answered_EIO_and_not_served_until_it_begins_anew,
	    a_guest_and_a_socket_may_kill_at_once,
	};
	Suite *suite = expect_suite("deadly requests", &shared, start, stop, sockets, sizeof(sockets) / sizeof(sockets[0]));

	expect_case(suite, "deadly requests of guests", start_rings, stop, rings, sizeof(rings) / sizeof(rings[0]));
	return suite_run(suite);
}
