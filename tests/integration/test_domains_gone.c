/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Domains that end, and numbers that are used again, while no daemon lives: the keeper is stopped meanwhile, on the simulated
 * Xen. Clients of the socket keep their connections over it and are told.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "support/suite.h"
#include "xensim/expect_guest.h"

enum { SOON_MS = 60000 };

static struct daemon shared; /* only its directory, in which each test's is */
static struct daemon served; /* pid is the keeper's */
static struct sim *sim;
static struct client *root, *first, *second, *third; /* of domains 0 (on the socket), 5, 6, 7 */

static const struct timespec a_moment = {.tv_nsec = 2000000};

static void start(void)
{
	char path[128];

	ck_assert_int_eq(daemon_init_in(&served, shared.directory), 0);
	sim = expect_sim(&served);
	expect_sim_start(sim, &served, SIM_KEPT, (const char *[]){"--restart-pause", "0", NULL});
	/* From then on the keeper starts another one. */
	snprintf(path, sizeof(path), "%s/xenstored.pid", served.directory);
	for (int i = 0; i < SOON_MS / 2 && access(path, F_OK); i++)
		nanosleep(&a_moment, NULL);
	root = expect_client(&served);
	first = expect_guest(sim, root, 5);
	second = expect_guest(sim, root, 6);
	third = expect_guest(sim, root, 7);
}

static void stop(void)
{
	expect_sound(root);
	client_close(root);
	client_close(first);
	client_close(second);
	client_close(third);
	ck_assert_int_eq(daemon_stop(&served, SIGTERM, NULL), 0);
	sim_free(sim);
	daemon_deinit(&served);
}

/* ---- no daemon lives ---- */

static void end_daemon(void)
{
	ck_assert_int_eq(kill(served.pid, SIGSTOP), 0);
	pid_t pid = daemon_child(served.pid);
	ck_assert_int_ne(pid, 0);
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	for (int i = 0; i < SOON_MS / 2 && sim_is_bound(sim, 7); i++)
		nanosleep(&a_moment, NULL);
	ck_assert(!sim_is_bound(sim, 7));
}

static void go_on(void)
{
	ck_assert_int_eq(kill(served.pid, SIGCONT), 0);
}

static void expect_introduced(const char *domid, const char *answer)
{
	expect_text(root, answer, MESSAGE_IS_DOMAIN_INTRODUCED, 0, ARGUMENTS(domid));
}

/* ---- tests ---- */

START_TEST(domains_that_end_meanwhile_are_released_and_who_watches_is_told)
{
	expect_write(first, 0, "data/a", "1");
	expect_write(root, 0, "/shared", "x");
	expect_ok(root, MESSAGE_SET_PERMS, 0, ARGUMENTS("/shared", "n0", "r5", "r7"));
	expect_watch(root, "@releaseDomain", "root");
	expect_watch(third, "@releaseDomain", "third");
	end_daemon();
	ck_assert_int_eq(sim_destroy(sim, 5), 0);
	ck_assert_int_eq(sim_kill(sim, 6), 0);
	go_on();
	/* One tells of both. */
	expect_event(root, "@releaseDomain", "root");
	expect_event(third, "@releaseDomain", "third");
	expect_no_event(root);
	expect_introduced("5", "F");
	expect_introduced("6", "F");
	expect_introduced("7", "T");
	expect_read(root, 0, "/local/domain/5", NULL);
	expect_read(root, 0, "/local/domain/6", NULL);
	expect_permissions(root, 0, "/shared", "n0 r7");
	expect_read(third, 0, "/shared", "x");
}
END_TEST

START_TEST(another_domain_of_the_number_is_a_stranger)
{
	struct client_message message;
	struct client *stranger;
	uint32_t id;

	expect_watch(first, "data", "mine");
	expect_watch(root, "/local/domain/5", "root");
	expect_write(root, 0, "/shared", "x");
	expect_ok(root, MESSAGE_SET_PERMS, 0, ARGUMENTS("/shared", "n0", "r5"));
	/* An event that it does not take, and a request that nobody has seen. */
	expect_write(root, 0, "/local/domain/5/data", "1");
	expect_event(root, "/local/domain/5/data", "root");
	end_daemon();
	ck_assert_int_eq(client_send(first, MESSAGE_WRITE, 0, "/local/domain/5/late", sizeof("/local/domain/5/late"), NULL), 0);
	client_close(first);
	first = NULL;
	ck_assert_int_eq(sim_destroy(sim, 5), 0);
	ck_assert_int_eq(sim_create(sim, 5, SIM_PV), 0);
	go_on();

	/* All that the old one had goes, and nothing that it had asked for comes about. */
	expect_event(root, "/local/domain/5", "root");
	expect_introduced("5", "F");
	expect_read(root, 0, "/local/domain/5", NULL);
	expect_permissions(root, 0, "/shared", "n0");

	struct guest *guest = expect_introduce(sim, root, 5);
	ck_assert_int_eq(guest_client(guest, SOON_MS, &stranger), 0);
	ck_assert_int_eq(client_send(stranger, MESSAGE_READ, 0, "/shared", sizeof("/shared"), &id), 0);
	ck_assert_int_eq(client_receive(stranger, &message), 0);
	ck_assert_uint_eq(message.header.request_id, id);
	ck_assert_str_eq(message.payload, "EACCES");
	/* The first one's watch is not its. */
	expect_write(root, 0, "/local/domain/5/data", "2");
	expect_ok(root, MESSAGE_SET_PERMS, 0, ARGUMENTS("/local/domain/5/data", "n5"));
	expect_read(stranger, 0, "data", "2");
	expect_no_event(stranger);
	client_close(stranger);
}
END_TEST

START_TEST(who_lives_on_keeps_all_while_others_end)
{
	expect_watch(third, "data", "mine");
	expect_ok(root, MESSAGE_SET_TARGET, 0, ARGUMENTS("7", "5"));
	end_daemon();
	ck_assert_int_eq(sim_destroy(sim, 5), 0);
	/* Put while nobody is there to take it. */
	ck_assert_int_eq(client_send(third, MESSAGE_WRITE, 0, "data", sizeof("data"), NULL), 0);
	go_on();
	struct client_message message;
	ck_assert_int_eq(client_receive_reply(third, &message), 0);
	ck_assert_str_eq(message.payload, "OK");
	expect_event(third, "data", "mine");
	expect_introduced("7", "T");
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
	    domains_that_end_meanwhile_are_released_and_who_watches_is_told,
	    another_domain_of_the_number_is_a_stranger,
	    who_lives_on_keeps_all_while_others_end,
	};

	return suite_run(expect_suite("domains gone", &shared, start, stop, tests, sizeof(tests) / sizeof(tests[0])));
}
