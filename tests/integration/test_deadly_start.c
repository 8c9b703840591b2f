/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Daemons that die of what they find at their start (support/deadly.c): after two deaths the next one goes without it, says so,
 * and keeps it beside the store. All under the keeper, with clients whose connections go on.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "support/suite.h"
#include "xensim/expect_guest.h"

enum { SOON_MS = 60000 };

static struct daemon shared; /* only its directory, in which each test's is */
static struct daemon served; /* pid is the keeper's */
static struct sim *sim;
static struct client *client, *other;
static char library[4096];

static const struct timespec a_moment = {.tv_nsec = 5000000};

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

static void place(char path[128], const char *name)
{
	snprintf(path, 128, "%s/%s", served.directory, name);
}

static void begin(void)
{
	const char *build = getenv("TOP_BUILDDIR");

	snprintf(library, sizeof(library), "%s/tests/support/libdeadly.so", build ? build : ".");
	ck_assert_int_eq(daemon_init_in(&served, shared.directory), 0);
}

static void await_file(const char *name)
{
	char path[128];

	place(path, name);
	for (int i = 0; i < SOON_MS / 5 && access(path, F_OK); i++)
		nanosleep(&a_moment, NULL);
	ck_assert_msg(!access(path, F_OK), "there is no %s", path);
}

static void start(void)
{
	const char *words[] = {getenv("LXENSTORED"), "-N", "--no-xen", "--restart-pause", "0", "--store", served.store, NULL};

	begin();
	ck_assert_int_eq(daemon_run(&served, words, preload, NULL, NULL), 0);
	await_file("xenstored.pid");
	client = expect_client(&served);
	other = expect_client(&served);
}

static void start_rings(void)
{
	begin();
	setenv("SIM_PRELOAD", library, 1);
	sim = expect_sim(&served);
	expect_sim_start(sim, &served, SIM_KEPT, (const char *[]){"--restart-pause", "0", NULL});
	await_file("xenstored.pid");
	other = expect_client(&served);
	client = expect_guest(sim, other, 5);
}

static void stop(void)
{
	int status;

	expect_sound(other);
	client_close(client);
	client_close(other);
	ck_assert_int_eq(daemon_stop(&served, SIGTERM, &status), 0);
	ck_assert_int_eq(status, 0);
	sim_free(sim);
	sim = NULL;
	daemon_deinit(&served);
}

/* From now on starts die of what they find; the first one is now. */
static void arm(const char *name, const char *letters)
{
	char path[128];

	place(path, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, letters, strlen(letters)), (ssize_t)strlen(letters));
	close(fd);
	ck_assert_int_eq(kill(daemon_child(served.pid), SIGKILL), 0);
}

static void expect_deaths(const char *word, long n)
{
	char path[128], name[64];
	struct stat file;

	snprintf(name, sizeof(name), "deaths-%s", word);
	place(path, name);
	ck_assert_int_eq(stat(path, &file), 0);
	ck_assert_msg(file.st_size == n, "%s: %ld times, not %ld", word, (long)file.st_size, n);
}

static void expect_in(const char *path, const char *words)
{
	char text[65536];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, text, sizeof(text) - 1);

	ck_assert_msg(n > 0, "%s is empty or not there", path);
	close(fd);
	text[n] = 0;
	ck_assert_msg(strstr(text, words) != NULL, "%s does not say: %s\n%s", path, words, text);
}

static void expect_set_aside(const char *words)
{
	char path[128];

	snprintf(path, sizeof(path), "%s.set-aside", served.store);
	expect_in(path, words);
}

/* ---- tests ---- */

START_TEST(a_watch_of_which_starts_die_is_set_aside_and_its_connection_goes_on)
{
	expect_watch(client, "/good", "mine");
	expect_watch(client, "/dying-s", "token");
	expect_watch(client, "/better", "mine");
	expect_watch(other, "/good", "his");
	arm("armed", "");
	expect_write(other, 0, "/good", "1");
	expect_event(other, "/good", "his");
	expect_event(client, "/good", "mine");
	expect_write(client, 0, "/better", "1");
	expect_event(client, "/better", "mine");
	expect_deaths("s", 2);
	expect_in(served.log, "again and again: watch ");
	expect_set_aside("/dying-stoken\"\n");
}
END_TEST

START_TEST(a_start_that_dies_once_goes_without_nothing)
{
	char path[128];

	expect_watch(client, "/dying-so", "token");
	arm("armed", "");
	expect_write(other, 0, "/dying-so", "1");
	expect_event(client, "/dying-so", "token");
	snprintf(path, sizeof(path), "%s.set-aside", served.store);
	ck_assert_int_ne(access(path, F_OK), 0);
}
END_TEST

START_TEST(several_of_which_starts_die_are_all_set_aside)
{
	char path[32];

	for (char letter = 'a'; letter <= 'e'; letter++) {
		snprintf(path, sizeof(path), "/dying-s%c", letter == 'a' ? 'a' : letter == 'e' ? 'b' : 's');
		snprintf(path + strlen(path), sizeof(path) - strlen(path), "-%c", letter);
		expect_watch(client, path, "token");
	}
	expect_watch(client, "/good", "mine");
	arm("armed", "");
	expect_write(other, 0, "/good", "1");
	expect_event(client, "/good", "mine");
	expect_set_aside("-a");
	expect_set_aside("-e");
}
END_TEST

START_TEST(a_connection_of_which_starts_die_ends_and_others_go_on)
{
	expect_watch(client, "/reading-sso", "token");
	expect_watch(other, "/good", "his");
	arm("armed", "");
	expect_write(other, 0, "/good", "1");
	expect_event(other, "/good", "his");
	expect_hangup(client);
	expect_in(served.log, "which has ended, is set aside");
}
END_TEST

START_TEST(a_ledger_of_which_starts_die_is_begun_anew)
{
	expect_write(client, 0, "/kept", "1");
	arm("armed-ledger", "sso");
	expect_hangup(client);
	expect_hangup(other);
	client_close(other);
	other = expect_client(&served);
	expect_read(other, 0, "/kept", "1");
	expect_in(served.log, "It is begun anew");
}
END_TEST

/* The record is found by who reads what follows its own watches, too: domain 0 may be the one that goes without. */
START_TEST(a_ring_of_which_starts_die_is_begun_anew_by_them)
{
	struct client *neighbour = expect_guest(sim, other, 6);

	expect_watch(client, "reading-sso", "token");
	expect_watch(neighbour, "data", "token");
	arm("armed", "");
	expect_write(neighbour, 0, "data", "1");
	expect_event(neighbour, "data", "token");
	expect_write(client, 0, "data", "1");
	expect_in(served.log, "which has ended, is set aside");
	client_close(neighbour);
}
END_TEST

int main(void)
{
	const TTest *const sockets[] = {
	    a_watch_of_which_starts_die_is_set_aside_and_its_connection_goes_on,
	    a_start_that_dies_once_goes_without_nothing,
	    several_of_which_starts_die_are_all_set_aside,
	    a_connection_of_which_starts_die_ends_and_others_go_on,
	    a_ledger_of_which_starts_die_is_begun_anew,
	};
	const TTest *const rings[] = {a_ring_of_which_starts_die_is_begun_anew_by_them};
	Suite *suite = expect_suite("deadly start", &shared, start, stop, sockets, sizeof(sockets) / sizeof(sockets[0]));

	expect_case(suite, "deadly start with guests", start_rings, stop, rings, sizeof(rings) / sizeof(rings[0]));
	return suite_run(suite);
}
