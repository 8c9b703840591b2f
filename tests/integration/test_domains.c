/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Domains over the ends of the daemon: who is there when it starts, who has gone meanwhile, whose number is another's now; and
 * that a death in the middle of an introduction or a release leaves all of it or nothing.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/suite.h"
#include "xensim/expect_guest.h"

enum { SOON_MS = 60000 };

static struct daemon served;
static struct sim *sim;
static struct client *root; /* of domain 0, on the socket */

static void start(void)
{
	sim = expect_sim(&served);
	expect_sim_start(sim, &served, SIM_LXENSTORED, NULL);
	root = expect_client(&served);
}

static void stop(void)
{
	expect_sound(root);
	client_close(root);
	ck_assert_int_eq(daemon_stop(&served, SIGTERM, NULL), 0);
	remove(served.store);
	sim_free(sim);
}

static void begin_again(const char *const arguments[])
{
	expect_sim_start(sim, &served, SIM_LXENSTORED, arguments);
	root = expect_client(&served);
}

static void kill_daemon(void)
{
	client_close(root);
	ck_assert_int_eq(daemon_stop(&served, SIGKILL, NULL), 0);
}

static void expect_introduced(const char *domid, const char *answer)
{
	expect_text(root, answer, MESSAGE_IS_DOMAIN_INTRODUCED, 0, ARGUMENTS(domid));
}

/* Until the daemon has heard of the end of the domain that owns the node. */
static void await_removal(const char *path)
{
	while (strcmp(expect_any(root, MESSAGE_READ, 0, ARGUMENTS(path)).payload, "ENOENT"))
		continue;
}

/* A guest that owns its home, with a gift elsewhere, and entries for it in what others have. */
static void make_guest(uint16_t domid)
{
	char number[16], owner[16], reader[16], path[64];
	struct client *guest = expect_guest(sim, root, domid);

	expect_write(guest, 0, "data", "its own");
	client_close(guest);
	snprintf(number, sizeof(number), "%u", domid);
	snprintf(owner, sizeof(owner), "n%u", domid);
	snprintf(reader, sizeof(reader), "r%u", domid);
	snprintf(path, sizeof(path), "/gift/%u", domid);
	expect_ok(root, MESSAGE_MKDIR, 0, ARGUMENTS(path));
	expect_ok(root, MESSAGE_SET_PERMS, 0, ARGUMENTS(path, owner));
	snprintf(path, sizeof(path), "/shared/%u", domid);
	expect_ok(root, MESSAGE_MKDIR, 0, ARGUMENTS(path));
	expect_ok(root, MESSAGE_SET_PERMS, 0, ARGUMENTS(path, "n0", reader));
}

static void expect_all(const char *domid)
{
	char path[64], entries[32];

	expect_introduced(domid, "T");
	snprintf(path, sizeof(path), "/local/domain/%s/data", domid);
	expect_read(root, 0, path, "its own");
	snprintf(path, sizeof(path), "/gift/%s", domid);
	expect_read(root, 0, path, "");
	snprintf(path, sizeof(path), "/shared/%s", domid);
	snprintf(entries, sizeof(entries), "n0 r%s", domid);
	expect_permissions(root, 0, path, entries);
}

static void expect_nothing(const char *domid)
{
	char path[64];

	expect_introduced(domid, "F");
	snprintf(path, sizeof(path), "/local/domain/%s", domid);
	expect_read(root, 0, path, NULL);
	snprintf(path, sizeof(path), "/gift/%s", domid);
	expect_read(root, 0, path, NULL);
	snprintf(path, sizeof(path), "/shared/%s", domid);
	expect_permissions(root, 0, path, "n0");
}

/* ---- restarts ---- */

START_TEST(living_domains_keep_all_over_a_restart)
{
	struct client *client;

	make_guest(5);
	expect_ok(root, MESSAGE_SET_QUOTA, 0, ARGUMENTS("5", "nodes", "77"));
	kill_daemon();
	begin_again(NULL);
	expect_all("5");
	expect_text(root, "77", MESSAGE_GET_QUOTA, 0, ARGUMENTS("5", "nodes"));
	ck_assert_int_eq(guest_client(guest_find(sim, 5), SOON_MS, &client), 0);
	expect_read(client, 0, "data", "its own");
	client_close(client);
}
END_TEST

START_TEST(who_died_while_no_daemon_ran_is_released_at_the_start)
{
	make_guest(5);
	make_guest(6);
	make_guest(7);
	kill_daemon();
	ck_assert_int_eq(sim_destroy(sim, 5), 0);
	ck_assert_int_eq(sim_kill(sim, 6), 0);
	begin_again(NULL);
	expect_nothing("5");
	expect_nothing("6");
	expect_all("7");
}
END_TEST

START_TEST(who_has_the_number_of_another_at_the_start_is_a_stranger)
{
	struct client *client;

	make_guest(5);
	kill_daemon();
	ck_assert_int_eq(sim_destroy(sim, 5), 0);
	ck_assert_int_eq(sim_create(sim, 5, SIM_PV), 0);
	begin_again(NULL);
	expect_nothing("5");
	ck_assert_int_eq(guest_client(expect_introduce(sim, root, 5), SOON_MS, &client), 0);
	expect_error(client, "EACCES", MESSAGE_READ, 0, ARGUMENTS("/shared/5"));
	client_close(client);
}
END_TEST

/* As on Xen 4.17, where no domain has a unique id: frame and handle together tell. */
START_TEST(a_stranger_with_the_handle_of_the_old_domain_is_told_by_its_frame)
{
	unsigned char handle[16] = "same handle";

	make_guest(5);
	ck_assert_int_eq(sim_identify(sim, 5, handle, 1234), 0);
	kill_daemon();
	begin_again(NULL); /* another one by now */
	expect_nothing("5");
	ck_assert_ptr_nonnull(expect_introduce(sim, root, 5));
}
END_TEST

/* The frame that Xen tells of such a guest is not there before its kernel runs, and then where that wants it. */
START_TEST(a_guest_that_moves_its_shared_info_is_still_the_same)
{
	ck_assert_int_eq(sim_create(sim, 5, SIM_HVM), 0);
	ck_assert_ptr_nonnull(expect_introduce(sim, root, 5));
	expect_ok(root, MESSAGE_MKDIR, 0, ARGUMENTS("/gift"));
	expect_ok(root, MESSAGE_SET_PERMS, 0, ARGUMENTS("/gift", "n5"));
	ck_assert_int_eq(sim_identify(sim, 5, NULL, 1234), 0);
	sim_interrupt(sim);
	kill_daemon();
	begin_again(NULL);
	expect_introduced("5", "T");
	expect_permissions(root, 0, "/gift", "n5");
	ck_assert_int_eq(sim_identify(sim, 5, (unsigned char[16]){"other handle"}, 1234), 0);
	kill_daemon();
	begin_again(NULL);
	expect_read(root, 0, "/gift", NULL);
}
END_TEST

/* Domain 5 says how, 6 was served by somebody who took that with him, 7 was served by nobody. */
START_TEST(who_was_there_before_any_daemon_is_served_if_its_page_says_how)
{
	struct guest *guest;
	struct client *client;

	kill_daemon();
	remove(served.store);
	for (uint16_t domid = 5; domid <= 7; domid++)
		ck_assert_int_eq(sim_create(sim, domid, SIM_PV), 0);
	ck_assert_int_eq(guest_attach(sim, 6, &guest), 0);
	atomic_store(&guest_page(guest)->features, 1);
	ck_assert_int_eq(guest_attach(sim, 5, &guest), 0);
	atomic_store(&guest_page(guest)->port, sim_port(sim, 5));
	begin_again(NULL);
	expect_introduced("5", "T");
	expect_introduced("6", "F");
	expect_introduced("7", "F");
	ck_assert_int_eq(guest_client(guest, SOON_MS, &client), 0);
	expect_text(client, "/local/domain/5", MESSAGE_GET_DOMAIN_PATH, 0, ARGUMENTS("5"));
	client_close(client);
	char *messages = daemon_messages(&served);
	ck_assert_ptr_nonnull(strstr(messages, "domain 6: nobody knows the event channel of its ring"));
	ck_assert_ptr_null(strstr(messages, "domain 7"));
	free(messages);
}
END_TEST

START_TEST(who_is_not_introduced_yet_is_waited_for_over_a_restart)
{
	expect_ok(root, MESSAGE_MKDIR, 0, ARGUMENTS("/home"));
	ck_assert_int_eq(sim_create(sim, 5, SIM_PV), 0);
	expect_ok(root, MESSAGE_SET_PERMS, 0, ARGUMENTS("/home", "n5"));
	expect_ok(root, MESSAGE_SET_FEATURE, 0, ARGUMENTS("5", "3"));
	kill_daemon();
	begin_again(NULL);
	expect_introduced("5", "F");
	expect_permissions(root, 0, "/home", "n5");
	expect_text(root, "3", MESSAGE_GET_FEATURE, 0, ARGUMENTS("5"));
	ck_assert_int_eq(sim_destroy(sim, 5), 0);
	await_removal("/home");
}
END_TEST

START_TEST(a_shutdown_is_not_told_again_after_a_restart)
{
	make_guest(5);
	expect_watch(root, "@releaseDomain", "gone");
	ck_assert_int_eq(sim_shutdown(sim, 5, 0), 0);
	expect_event(root, "@releaseDomain", "gone");
	kill_daemon();
	begin_again(NULL);
	expect_watch(root, "@releaseDomain", "gone");
	sim_interrupt(sim);
	expect_all("5");
	expect_no_event(root);
	ck_assert_int_eq(sim_destroy(sim, 5), 0);
	expect_event(root, "@releaseDomain", "gone");
	expect_nothing("5");
}
END_TEST

START_TEST(quotas_set_at_run_time_outlive_the_daemon_and_go_before_its_command_line)
{
	static const char *const arguments[] = {"-E", "50", "-W", "60", NULL};

	expect_text(root, "OK", MESSAGE_CONTROL, 0, ARGUMENTS("quota", "set", "nodes", "7"));
	kill_daemon();
	begin_again(arguments);
	expect_text(root, "7", MESSAGE_GET_QUOTA, 0, ARGUMENTS("nodes"));
	expect_text(root, "60", MESSAGE_GET_QUOTA, 0, ARGUMENTS("watches"));
	expect_text(root, "10", MESSAGE_GET_QUOTA, 0, ARGUMENTS("transactions"));
}
END_TEST

START_TEST(without_xen_domains_keep_what_they_have)
{
	make_guest(5);
	kill_daemon();
	ck_assert_int_eq(daemon_start(&served, NULL, NULL), 0);
	root = expect_client(&served);
	expect_all("5");
	kill_daemon();
	begin_again(NULL);
	expect_all("5");
}
END_TEST

/* ---- deaths of the daemon in between ---- */

static void die_and_begin_again(void)
{
	int status;

	client_close(root);
	ck_assert_int_eq(daemon_wait(&served, &status), 0);
	ck_assert_int_eq(WTERMSIG(status), SIGKILL);
	sim_clear_rules(sim);
	begin_again(NULL);
}

START_TEST(a_release_that_the_daemon_did_not_survive_is_whole)
{
	static const enum host_call calls[] = {HOST_CALL_DOMAINS, HOST_CALL_UNBIND, HOST_CALL_UNMAP};

	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		make_guest(5);
		make_guest(6);
		ck_assert_int_ge(sim_rule(sim, calls[i], HOST_ANY, 0, 1, HOST_DIE, 0), 0);
		ck_assert_int_eq(sim_destroy(sim, 5), 0);
		die_and_begin_again();
		expect_nothing("5");
		expect_all("6");
		expect_sound(root);
		ck_assert_int_eq(sim_destroy(sim, 6), 0);
		await_removal("/gift/6");
		expect_nothing("6");
	}
}
END_TEST

START_TEST(an_introduction_that_the_daemon_did_not_survive_is_whole)
{
	static const enum host_call calls[] = {HOST_CALL_DOMAIN, HOST_CALL_MAP, HOST_CALL_BIND, HOST_CALL_NOTIFY};
	char frame[32], port[16];

	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		uint16_t domid = (uint16_t)(10 + i);
		char number[16];
		snprintf(number, sizeof(number), "%u", domid);
		ck_assert_int_eq(sim_create(sim, domid, SIM_PV), 0);
		snprintf(frame, sizeof(frame), "%lu", sim_frame(sim, domid));
		snprintf(port, sizeof(port), "%u", sim_port(sim, domid));
		ck_assert_int_ge(sim_rule(sim, calls[i], domid, 0, 1, HOST_DIE, 0), 0);
		char payload[64];
		int len = snprintf(payload, sizeof(payload), "%s%c%s%c%s", number, 0, frame, 0, port) + 1;
		client_send(root, MESSAGE_INTRODUCE, 0, payload, (size_t)len, NULL);
		die_and_begin_again();
		/* Confirmed or not, it is introduced now or as before. */
		struct client_message is = expect_any(root, MESSAGE_IS_DOMAIN_INTRODUCED, 0, ARGUMENTS(number));
		struct guest *guest;
		struct client *client;
		if (!strcmp(is.payload, "T"))
			ck_assert_int_eq(guest_attach(sim, domid, &guest), 0);
		else
			guest = expect_introduce(sim, root, domid);
		ck_assert_int_eq(guest_client(guest, SOON_MS, &client), 0);
		expect_text(client, "/local/domain/1", MESSAGE_GET_DOMAIN_PATH, 0, ARGUMENTS("1"));
		client_close(client);
	}
}
END_TEST

START_TEST(a_domain_that_dies_while_it_is_introduced_is_released)
{
	ck_assert_int_eq(sim_create(sim, 5, SIM_PV), 0);
	char frame[32], port[16];
	snprintf(frame, sizeof(frame), "%lu", sim_frame(sim, 5));
	snprintf(port, sizeof(port), "%u", sim_port(sim, 5));
	ck_assert_int_ge(sim_rule(sim, HOST_CALL_NOTIFY, 5, 0, 1, HOST_KILL, 5), 0);
	expect_any(root, MESSAGE_INTRODUCE, 0, ARGUMENTS("5", frame, port));
	sim_clear_rules(sim);
	while (strcmp(expect_any(root, MESSAGE_IS_DOMAIN_INTRODUCED, 0, ARGUMENTS("5")).payload, "F"))
		continue;
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
	    living_domains_keep_all_over_a_restart,
	    who_died_while_no_daemon_ran_is_released_at_the_start,
	    who_has_the_number_of_another_at_the_start_is_a_stranger,
	    a_stranger_with_the_handle_of_the_old_domain_is_told_by_its_frame,
	    a_guest_that_moves_its_shared_info_is_still_the_same,
	    who_was_there_before_any_daemon_is_served_if_its_page_says_how,
	    who_is_not_introduced_yet_is_waited_for_over_a_restart,
	    a_shutdown_is_not_told_again_after_a_restart,
	    quotas_set_at_run_time_outlive_the_daemon_and_go_before_its_command_line,
	    without_xen_domains_keep_what_they_have,
	    a_release_that_the_daemon_did_not_survive_is_whole,
	    an_introduction_that_the_daemon_did_not_survive_is_whole,
	    a_domain_that_dies_while_it_is_introduced_is_released,
	};

	return suite_run(expect_suite("domains", &served, start, stop, tests, sizeof(tests) / sizeof(tests[0])));
}
