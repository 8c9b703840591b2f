/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The simulated Xen: C xenstored and oxenstored, as Debian ships them, and lxenstored serve guests on it. What is expected here
 * holds for all three; where they differ, each is expected to do what it does.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support/random.h"
#include "support/suite.h"
#include "xensim/expect_guest.h"
#include "xensim/scribbler.h"

enum { MANY = 100, SOON_MS = 60000, VALUE = 1900 };

static struct daemon shared; /* only its directory, in which each test's is */
static struct daemon served;
static enum sim_daemon which;
static struct sim *sim;
static struct client *root; /* of domain 0, on the socket */

static void start(enum sim_daemon daemon)
{
	which = daemon;
	ck_assert_int_eq(daemon_init_in(&served, shared.directory), 0);
	sim = expect_sim(&served);
	expect_sim_start(sim, &served, which, NULL);
	root = expect_client(&served);
}

static void start_lxenstored(void)
{
	start(SIM_LXENSTORED);
}

static void start_xenstored(void)
{
	start(SIM_XENSTORED);
}

static void start_oxenstored(void)
{
	start(SIM_OXENSTORED);
}

static void stop(void)
{
	client_close(root);
	ck_assert_int_eq(daemon_stop(&served, SIGKILL, NULL), 0);
	sim_free(sim);
	daemon_deinit(&served);
}

static bool is_introduced(uint16_t domid)
{
	char number[16];

	snprintf(number, sizeof(number), "%u", domid);
	return !strcmp(expect_any(root, MESSAGE_IS_DOMAIN_INTRODUCED, 0, ARGUMENTS(number)).payload, "T");
}

/* ---- a guest's life ---- */

START_TEST(socket_and_ring_of_domain_0_show_the_same_tree)
{
	struct guest *kernel;
	struct client *client;

	ck_assert_int_eq(guest_attach(sim, 0, &kernel), 0);
	ck_assert_int_eq(guest_client(kernel, SOON_MS, &client), 0);
	expect_write(root, 0, "/a", "by socket");
	expect_read(client, 0, "/a", "by socket");
	expect_write(client, 0, "/b", "by ring");
	expect_read(root, 0, "/b", "by ring");
	client_close(client);
}
END_TEST

START_TEST(guest_writes_and_reads_its_nodes)
{
	char value[VALUE + 1];
	struct client *client = expect_guest(sim, root, 5);

	memset(value, 'x', VALUE);
	value[VALUE] = 0;
	/* More than the ring holds, both ways. */
	for (int i = 0; i < 5; i++) {
		value[i] = (char)('a' + i);
		expect_write(client, 0, "data", value);
		expect_read(client, 0, "/local/domain/5/data", value);
	}
	expect_read(root, 0, "/local/domain/5/data", value);
	expect_error(client, "EACCES", MESSAGE_WRITE, 0, ARGUMENTS("/tool/forbidden", ""));
	client_close(client);
}
END_TEST

START_TEST(guest_is_told_what_it_watches)
{
	struct client *client = expect_guest(sim, root, 5);

	expect_watch(client, "device", "token");
	expect_write(root, 0, "/local/domain/5/device/vbd", "1");
	/* The first change makes the parent too. */
	expect_event(client, "device/vbd", "token");
	expect_write(client, 0, "device/vif", "1");
	expect_event(client, "device/vif", "token");
	client_close(client);
}
END_TEST

/* Its port is also among its parameters in Xen. */
START_TEST(hvm_guest_is_served_too)
{
	struct client *client;

	ck_assert_int_eq(sim_create(sim, 7, SIM_HVM), 0);
	ck_assert_int_eq(guest_client(expect_introduce(sim, root, 7), SOON_MS, &client), 0);
	expect_text(client, "/local/domain/7", MESSAGE_GET_DOMAIN_PATH, 0, ARGUMENTS("7"));
	client_close(client);
}
END_TEST

START_TEST(transactions_work_over_the_ring)
{
	struct client *client = expect_guest(sim, root, 5);
	uint32_t transaction = expect_transaction(client);

	expect_write(client, transaction, "data", "inside");
	expect_read(root, 0, "/local/domain/5/data", NULL);
	expect_end(client, transaction, "");
	expect_read(root, 0, "/local/domain/5/data", "inside");
	client_close(client);
}
END_TEST

START_TEST(introduction_is_told)
{
	expect_watch(root, "@introduceDomain", "new");
	struct client *client = expect_guest(sim, root, 5);
	expect_event(root, "@introduceDomain", "new");
	ck_assert(is_introduced(5));
	ck_assert(!is_introduced(6));
	ck_assert(sim_is_bound(sim, 5));
	client_close(client);
}
END_TEST

START_TEST(death_is_told)
{
	struct client *client = expect_guest(sim, root, 5);

	expect_watch(root, "@releaseDomain", "gone");
	ck_assert_int_eq(sim_destroy(sim, 5), 0);
	expect_event(root, "@releaseDomain", "gone");
	ck_assert(!is_introduced(5));
	client_close(client);
}
END_TEST

START_TEST(dying_domain_is_released_before_it_is_gone)
{
	struct client *client = expect_guest(sim, root, 5);

	expect_watch(root, "@releaseDomain", "gone");
	ck_assert_int_eq(sim_kill(sim, 5), 0);
	expect_event(root, "@releaseDomain", "gone");
	ck_assert(!is_introduced(5));
	client_close(client);
}
END_TEST

START_TEST(shutdown_is_told_and_the_ring_stays)
{
	struct client *client = expect_guest(sim, root, 5);

	expect_watch(root, "@releaseDomain", "gone");
	ck_assert_int_eq(sim_shutdown(sim, 5, 0), 0);
	expect_event(root, "@releaseDomain", "gone");
	ck_assert(is_introduced(5));
	expect_write(client, 0, "data", "still there");
	client_close(client);
}
END_TEST

START_TEST(released_guest_is_not_heard)
{
	struct client *client = expect_guest(sim, root, 5);
	struct guest *guest = guest_find(sim, 5);

	expect_ok(root, MESSAGE_RELEASE, 0, ARGUMENTS("5"));
	ck_assert(!is_introduced(5));
	/* oxenstored forgets to close its port. */
	ck_assert(sim_is_bound(sim, 5) == (which == SIM_OXENSTORED));
	guest_put(guest, "0123456789abcdef", 16);
	ck_assert_int_eq(guest_notify(guest), 0);
	expect_read(root, 0, "/tool", "");
	ck_assert_uint_eq(atomic_load(&guest_page(guest)->req_prod) - atomic_load(&guest_page(guest)->req_cons), 16);
	client_close(client);
}
END_TEST

START_TEST(number_is_used_again)
{
	for (int i = 0; i < 3; i++) {
		char value[16];

		snprintf(value, sizeof(value), "%d", i);
		struct client *client = expect_guest(sim, root, 5);
		expect_watch(root, "@releaseDomain", value);
		expect_write(client, 0, "data", value);
		expect_read(root, 0, "/local/domain/5/data", value);
		ck_assert_int_eq(sim_destroy(sim, 5), 0);
		expect_event(root, "@releaseDomain", value);
		expect_ok(root, MESSAGE_UNWATCH, 0, ARGUMENTS("@releaseDomain", value));
		client_close(client);
	}
}
END_TEST

START_TEST(hundred_guests_speak_at_once)
{
	struct client *clients[MANY];
	struct client_message answer;
	char text[32];

	for (uint16_t i = 0; i < MANY; i++)
		clients[i] = expect_guest(sim, root, i + 1);
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < MANY; i++) {
			int len = snprintf(text, sizeof(text), "data%c%d", 0, 1000 * round + i);
			ck_assert_int_eq(client_send(clients[i], MESSAGE_WRITE, 0, text, (size_t)len, NULL), 0);
		}
		for (int i = MANY; i-- > 0;) {
			ck_assert_int_eq(client_receive(clients[i], &answer), 0);
			ck_assert_str_eq(answer.payload, "OK");
			snprintf(text, sizeof(text), "%d", 1000 * round + i);
			expect_read(clients[i], 0, "data", text);
		}
	}
	for (uint16_t i = 0; i < MANY; i++) {
		ck_assert_int_eq(sim_destroy(sim, i + 1), 0);
		client_close(clients[i]);
	}
	/* Who is asked now has seen the interrupts before. */
	expect_watch(root, "@releaseDomain", "gone");
	while (is_introduced(MANY))
		expect_event(root, "@releaseDomain", "gone");
}
END_TEST

/* ---- what the hypervisor refuses ---- */

static void expect_no_introduction(uint16_t domid, const char *frame, const char *port)
{
	char number[16];

	snprintf(number, sizeof(number), "%u", domid);
	ck_assert_uint_eq(expect_any(root, MESSAGE_INTRODUCE, 0, ARGUMENTS(number, frame, port)).header.type, MESSAGE_ERROR);
	ck_assert(!is_introduced(domid));
}

START_TEST(domain_that_is_not_there_cannot_be_introduced)
{
	expect_no_introduction(5, "1048577", "1");
}
END_TEST

static void expect_refused(enum host_call call, unsigned error)
{
	char frame[32];

	ck_assert_int_eq(sim_create(sim, 5, SIM_PV), 0);
	snprintf(frame, sizeof(frame), "%lu", sim_frame(sim, 5));
	ck_assert_int_ge(sim_rule(sim, call, 5, 0, 1, HOST_FAIL, error), 0);
	expect_no_introduction(5, frame, "1");
	ck_assert(!sim_is_bound(sim, 5));
}

START_TEST(grant_that_cannot_be_mapped)
{
	expect_refused(HOST_CALL_MAP, EINVAL);
}
END_TEST

START_TEST(port_that_cannot_be_bound)
{
	expect_refused(HOST_CALL_BIND, EINVAL);
}
END_TEST

/* ---- events and faults ---- */

START_TEST(lost_notification_leaves_the_request_there)
{
	struct client *client = expect_guest(sim, root, 5);
	struct guest *guest = guest_find(sim, 5);
	struct client_message answer;

	while (!guest_wait(guest, 0))
		;
	/* All that the daemon tells this guest is lost, until the rules go. */
	ck_assert_int_ge(sim_rule(sim, HOST_CALL_NOTIFY, 5, 0, 0, HOST_LOSE, 0), 0);
	ck_assert_int_eq(client_send(client, MESSAGE_READ, 0, "data", 5, NULL), 0);
	while (atomic_load(&guest_page(guest)->rsp_prod) == atomic_load(&guest_page(guest)->rsp_cons))
		expect_read(root, 0, "/tool", "");
	ck_assert_int_eq(guest_wait(guest, 0), -ETIME);
	sim_clear_rules(sim);
	ck_assert_int_eq(client_receive(client, &answer), 0);
	ck_assert_str_eq(answer.payload, "ENOENT");
	client_close(client);
}
END_TEST

START_TEST(port_is_masked_until_the_daemon_has_dealt_with_it)
{
	struct client *client = expect_guest(sim, root, 5);
	struct guest *guest = guest_find(sim, 5);

	expect_read(client, 0, "data", NULL);
	int gate = sim_rule(sim, HOST_CALL_UNMASK, 5, 0, 1, HOST_GATE, 0);
	ck_assert_int_ge(gate, 0);
	ck_assert_int_eq(guest_notify(guest), 0);
	ck_assert_int_eq(sim_gate_wait(sim, gate, SOON_MS), 0);
	uint64_t before = sim_calls(sim, HOST_CALL_PENDING);
	for (int i = 0; i < 10; i++)
		ck_assert_int_eq(guest_notify(guest), 0);
	sim_gate_open(sim, gate);
	expect_read(client, 0, "data", NULL);
	expect_read(client, 0, "data", NULL);
	/* Ten became one; each request and each answer taken may have brought another. */
	ck_assert_uint_le(sim_calls(sim, HOST_CALL_PENDING), before + 5);
	client_close(client);
}
END_TEST

START_TEST(domain_dies_while_it_is_introduced)
{
	char frame[32];

	ck_assert_int_eq(sim_create(sim, 5, SIM_PV), 0);
	snprintf(frame, sizeof(frame), "%lu", sim_frame(sim, 5));
	/* Between the map and the bind, or the other way round. */
	ck_assert_int_ge(sim_rule(sim, which == SIM_LXENSTORED ? HOST_CALL_BIND : HOST_CALL_MAP, 5, 0, 1, HOST_KILL, 5), 0);
	expect_no_introduction(5, frame, "1");
}
END_TEST

START_TEST(indexes_out_of_range_end_the_guest_only)
{
	struct client *client = expect_guest(sim, root, 5), *other = expect_guest(sim, root, 6);
	struct guest *guest = guest_find(sim, 5);

	atomic_store(&guest_page(guest)->req_prod, 0x80000000);
	ck_assert_int_eq(guest_notify(guest), 0);
	expect_write(other, 0, "data", "untouched");
	expect_read(root, 0, "/local/domain/6/data", "untouched");
	client_close(client);
	client_close(other);
}
END_TEST

START_TEST(page_that_changes_while_it_is_read_harms_nobody_else)
{
	struct client *client = expect_guest(sim, root, 5), *other = expect_guest(sim, root, 6);
	struct random random;
	struct scribbler *scribbler;
	struct guest *guest = guest_find(sim, 5);

	random_begin(&random, "SCRIBBLER_SEED");
	/* Both rings and all that follows them. */
	ck_assert_int_eq(scribbler_start(guest, 0, offsetof(struct guest_page, rest), random.state, &scribbler), 0);
	for (int i = 0; i < 300; i++) {
		ck_assert_int_eq(guest_notify(guest), 0);
		expect_write(other, 0, "data", "untouched");
	}
	scribbler_stop(scribbler);
	expect_read(root, 0, "/local/domain/6/data", "untouched");
	client_close(client);
	client_close(other);
}
END_TEST

/* ---- ends of the daemon ---- */

START_TEST(killed_daemon_leaves_ports_that_the_next_can_bind)
{
	struct client *client = expect_guest(sim, root, 5);

	client_close(client);
	client_close(root);
	ck_assert(sim_is_bound(sim, 5));
	ck_assert_int_eq(daemon_stop(&served, SIGKILL, NULL), 0);
	ck_assert(!sim_is_bound(sim, 5));
	ck_assert(!sim_is_bound(sim, 0));
	expect_sim_start(sim, &served, which, NULL);
	root = expect_client(&served);
	/* Only a daemon that remembers its guests needs not be told. */
	struct guest *guest = is_introduced(5) ? guest_find(sim, 5) : expect_introduce(sim, root, 5);
	ck_assert(sim_is_bound(sim, 0));
	ck_assert(sim_is_bound(sim, 5));
	ck_assert_int_eq(guest_client(guest, SOON_MS, &client), 0);
	expect_any(client, MESSAGE_READ, 0, ARGUMENTS("data"));
	client_close(client);
}
END_TEST

/* Binding makes the port pending, though what was sent before was lost. */
START_TEST(request_of_a_time_without_daemon_is_found_by_the_next)
{
	struct guest *kernel;
	struct client *client;
	struct client_message answer;

	ck_assert_int_eq(guest_attach(sim, 0, &kernel), 0);
	ck_assert_int_eq(guest_client(kernel, SOON_MS, &client), 0);
	expect_read(client, 0, "/tool", "");
	client_close(root);
	ck_assert_int_eq(daemon_stop(&served, SIGKILL, NULL), 0);
	ck_assert_int_eq(client_send(client, MESSAGE_READ, 0, "/tool", 6, NULL), 0);
	expect_sim_start(sim, &served, which, NULL);
	root = expect_client(&served);
	ck_assert_int_eq(client_receive(client, &answer), 0);
	ck_assert_uint_eq(answer.header.type, MESSAGE_READ);
	client_close(client);
}
END_TEST

START_TEST(live_update_keeps_the_ports)
{
	char program[4200];
	const char *programs = sim_stock_programs(NULL);
	struct client *client = expect_guest(sim, root, 5);
	uint64_t binds = sim_calls(sim, HOST_CALL_BIND), opens = sim_calls(sim, HOST_CALL_OPEN);

	snprintf(program, sizeof(program), "%s/%s", programs, which == SIM_XENSTORED ? "xenstored" : "oxenstored");
	expect_text(root, "OK", MESSAGE_CONTROL, 0, ARGUMENTS("live-update", "-f", program));
	const char *answer = "BUSY";
	while (!strcmp(answer, "BUSY"))
		answer = expect_any(root, MESSAGE_CONTROL, 0, ARGUMENTS("live-update", "-s", "-t", "60")).payload;
	ck_assert_str_eq(answer, "OK");
	expect_write(client, 0, "data", "served by the new one");
	expect_read(root, 0, "/local/domain/5/data", "served by the new one");
	ck_assert_uint_eq(sim_calls(sim, HOST_CALL_OPEN), opens + 1);
	ck_assert_uint_eq(sim_calls(sim, HOST_CALL_BIND), binds);
	expect_watch(root, "@releaseDomain", "gone");
	ck_assert_int_eq(sim_destroy(sim, 5), 0);
	expect_event(root, "@releaseDomain", "gone");
	client_close(client);
}
END_TEST

START_TEST(daemon_dies_at_the_call_that_is_said)
{
	int status;
	struct client *client = expect_guest(sim, root, 5);

	ck_assert_int_ge(sim_rule(sim, HOST_CALL_PENDING, 5, 0, 1, HOST_DIE, 0), 0);
	ck_assert_int_eq(client_send(client, MESSAGE_READ, 0, "data", 5, NULL), 0);
	ck_assert_int_eq(daemon_wait(&served, &status), 0);
	ck_assert_int_eq(WTERMSIG(status), SIGKILL);
	client_close(client);
	sim_clear_rules(sim);
	expect_sim_start(sim, &served, which, NULL);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
	    socket_and_ring_of_domain_0_show_the_same_tree,
	    guest_writes_and_reads_its_nodes,
	    guest_is_told_what_it_watches,
	    hvm_guest_is_served_too,
	    transactions_work_over_the_ring,
	    introduction_is_told,
	    death_is_told,
	    dying_domain_is_released_before_it_is_gone,
	    shutdown_is_told_and_the_ring_stays,
	    released_guest_is_not_heard,
	    number_is_used_again,
	    hundred_guests_speak_at_once,
	    domain_that_is_not_there_cannot_be_introduced,
	    grant_that_cannot_be_mapped,
	    port_that_cannot_be_bound,
	    lost_notification_leaves_the_request_there,
	    port_is_masked_until_the_daemon_has_dealt_with_it,
	    domain_dies_while_it_is_introduced,
	    indexes_out_of_range_end_the_guest_only,
	    page_that_changes_while_it_is_read_harms_nobody_else,
	    killed_daemon_leaves_ports_that_the_next_can_bind,
	    request_of_a_time_without_daemon_is_found_by_the_next,
	    daemon_dies_at_the_call_that_is_said,
	};
	const TTest *const stock_tests[] = {live_update_keeps_the_ports};
	enum { N = sizeof(tests) / sizeof(*tests), N_STOCK = sizeof(stock_tests) / sizeof(*stock_tests) };
	const char *why, *ci = getenv("CI");
	Suite *suite = expect_suite("lxenstored", &shared, start_lxenstored, stop, tests, N);

	if (sim_stock_programs(&why)) {
		expect_case(suite, "xenstored", start_xenstored, stop, tests, N);
		expect_case(suite, "oxenstored", start_oxenstored, stop, tests, N);
		expect_case(suite, "xenstored, live update", start_xenstored, stop, stock_tests, N_STOCK);
		expect_case(suite, "oxenstored, live update", start_oxenstored, stop, stock_tests, N_STOCK);
	} else {
		/* On a machine of one's own that is no failure. */
		if (ci && !strcmp(ci, "true")) {
			printf("1..1\nnot ok 1 - the stock daemons can be had\n# %s\n", why);
			return EXIT_FAILURE;
		}
		printf("# The stock daemons are not tested: %s\n", why);
	}
	return suite_run(suite);
}
