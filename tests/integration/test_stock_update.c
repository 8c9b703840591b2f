/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Live updates between stock daemons, unmodified, and lxenstored, on the simulated Xen: guests and clients of the socket are
 * connected and watch the whole way, one of them with half a request on its way.
 */
#include "support/command.h"
#include "support/suite.h"
#include "xensim/expect_guest.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { GUEST = 5, OTHER = 7, TRIES = 1000 };

static struct daemon served;
static struct sim *sim;
static struct client *root, *watcher, *halved, *guest, *other;
static char lxenstored[4096];
static struct command said;

static void stock_program(const char *name, char out[4200])
{
	snprintf(out, 4200, "%s/%s", sim_stock_programs(NULL), name);
}

static void begin(enum sim_daemon which)
{
	ck_assert_ptr_nonnull(getenv("LXENSTORED"));
	ck_assert_ptr_nonnull(realpath(getenv("LXENSTORED"), lxenstored));
	if (DAEMON_IS_SANITIZED) /* it reserves terabytes of addresses, and is executed by them */
		setenv("SIM_UNBOUNDED", "1", true);
	/* oxenstored's socket has a place of its own, so each test has a directory. */
	ck_assert_int_eq(daemon_init(&served), 0);
	sim = expect_sim(&served);
	expect_sim_start(sim, &served, which, NULL);
	root = expect_client(&served);
}

static void finish(void)
{
	client_close(root);
	client_close(watcher);
	client_close(halved);
	if (sim)
		sim_free(sim);
	if (served.pid)
		daemon_stop(&served, SIGTERM, NULL);
	daemon_deinit(&served);
	command_deinit(&said);
}

/* The program that runs as the daemon, or as its keeper; oxenstored is executed after the answer only. */
static void expect_program(const char *name)
{
	char link[64], program[4200] = "";
	bool is_it = false;

	snprintf(link, sizeof(link), "/proc/%ld/exe", (long)served.pid);
	for (int i = 0; i < TRIES && !is_it; i++) {
		memset(program, 0, sizeof(program));
		ck_assert_int_gt((int)readlink(link, program, sizeof(program) - 1), 0);
		is_it = !strcmp(strrchr(program, '/') + 1, name);
		if (!is_it)
			usleep(10000);
	}
	ck_assert_msg(is_it, "%s", program);
}

/* What an operator says; the stock command. */
static int run_control(const char *program, const char *force)
{
	char control[4200];
	const char *const words[] = {control, "live-update", "-t", "2", force ? force : program, force ? program : NULL, NULL};

	stock_program("xenstore-control", control);
	setenv("XENSTORED_PATH", served.socket, 1);
	command_deinit(&said);
	command_run(words, NULL, &said);
	return said.status;
}

static void expect_update(const char *program, const char *force)
{
	int status = run_control(program, force);
	char *messages = daemon_messages(&served);

	ck_assert_msg(!status, "%d \"%s%s\" of %s; %s", status, said.output, said.messages, program, messages);
	free(messages);
}

/* The keeper's daemon is killed, and there is another one. */
static void kill_daemon(void)
{
	char name[80];
	long child = 0;

	snprintf(name, sizeof(name), "/proc/%ld/task/%ld/children", (long)served.pid, (long)served.pid);
	FILE *file = fopen(name, "re");
	ck_assert(file && fscanf(file, "%ld", &child) == 1);
	fclose(file);
	ck_assert_int_eq(kill((pid_t)child, SIGKILL), 0);
}

/* A request in two pieces: the first before the update, the second behind it. */
static const char first_half[] = "\2\0\0\0\7\0\0\0\0\0\0\0\5\0\0\0na";
static const char second_half[] = "me\0";

static void send_first_half(struct client *client)
{
	ck_assert_int_eq(client_send_bytes(client, first_half, sizeof(first_half) - 1), 0);
}

static void send_second_half(struct client *client, const char *value)
{
	struct client_message answer;

	ck_assert_int_eq(client_send_bytes(client, second_half, 3), 0);
	ck_assert_int_eq(client_receive_reply(client, &answer), 0);
	ck_assert_uint_eq(answer.header.type, MESSAGE_READ);
	ck_assert_uint_eq(answer.header.request_id, 7);
	ck_assert_str_eq(answer.payload, value);
}

/* What libxl writes. */
static void write_frame(uint16_t domid)
{
	char path[64], frame[32];

	snprintf(path, sizeof(path), "/local/domain/%u/store/ring-ref", domid);
	snprintf(frame, sizeof(frame), "%lu", sim_frame(sim, domid));
	expect_write(root, 0, path, frame);
}

static void connect_all(void)
{
	guest = expect_guest(sim, root, GUEST);
	other = expect_guest(sim, root, OTHER);
	write_frame(GUEST);
	write_frame(OTHER);
	watcher = expect_client(&served);
	halved = expect_client(&served);
	expect_write(root, 0, "/local/domain/0/name", "zero");
	expect_write(root, 0, "/local/domain/5/data", "all");
	expect_ok(root, MESSAGE_SET_PERMS, 0, ARGUMENTS("/local/domain/5/data", "n5", "r7"));
	expect_write(guest, 0, "name", "five");
	expect_write(other, 0, "device/vif/0/mac", "\x01\xff,\\");
	expect_watch(guest, "device", "relative");
	expect_watch(guest, "/local/domain/5/data", "absolute,\x80");
	expect_watch(other, "/local/domain/7", "own");
	expect_watch(watcher, "/local/domain", "tree");
	expect_watch(watcher, "@releaseDomain", "end");
}

/* Everybody is served, what each watches fires once, and one who dies is noticed. `serial` makes the values new. */
static void expect_all_served(const char *serial)
{
	expect_write(root, 0, "/local/domain/5/device/0", serial);
	expect_event(guest, "device/0", "relative");
	expect_event(watcher, "/local/domain/5/device/0", "tree");
	expect_write(guest, 0, "data", serial);
	expect_event(guest, "/local/domain/5/data", "absolute,\x80");
	expect_event(watcher, "/local/domain/5/data", "tree");
	expect_write(other, 0, "answer", serial);
	expect_event(other, "/local/domain/7/answer", "own");
	expect_event(watcher, "/local/domain/7/answer", "tree");
	expect_read(other, 0, "/local/domain/5/data", serial);
	uint32_t transaction = expect_transaction(guest);
	expect_write(guest, transaction, "in", serial);
	expect_end(guest, transaction, "");
	expect_event(watcher, "/local/domain/5/in", "tree");
	expect_no_event(guest);
	expect_no_event(other);
	expect_no_event(watcher);
	struct client *fresh = expect_client(&served);
	expect_read(fresh, 0, "/local/domain/5/in", serial);
	client_close(fresh);
}

static void expect_death_noticed(uint16_t domid)
{
	ck_assert_int_eq(sim_destroy(sim, domid), 0);
	struct client_event event;
	/* After the nodes that go with it. */
	do
		ck_assert_int_eq(client_next_event(watcher, &event), 0);
	while (!strcmp(event.token, "tree"));
	ck_assert_str_eq(event.path, "@releaseDomain");
}

START_TEST(xenstored_becomes_lxenstored)
{
	begin(SIM_XENSTORED);
	connect_all();
	expect_ok(root, MESSAGE_SET_TARGET, 0, ARGUMENTS("7", "5"));
	char *tree = expect_tree(root);
	send_first_half(guest);
	send_first_half(halved);
	expect_update(lxenstored, NULL);
	expect_program("lxenstored");
	char *again = expect_tree(root);
	ck_assert_str_eq(tree, again);
	free(tree);
	free(again);
	send_second_half(guest, "five");
	send_second_half(halved, "zero");
	expect_all_served("1");
	expect_sound(root);
	/* It may act for 5. */
	expect_write(other, 0, "/local/domain/5/for", "other");
	expect_event(watcher, "/local/domain/5/for", "tree");
	kill_daemon();
	expect_all_served("2");
	expect_update(lxenstored, NULL);
	expect_all_served("3");
	expect_sound(root);
	expect_death_noticed(GUEST);
	expect_introduce(sim, root, (sim_create(sim, 9, SIM_PV), 9));
}
END_TEST

START_TEST(xenstored_becomes_lxenstored_and_comes_back)
{
	char xenstored[4200];

	begin(SIM_XENSTORED);
	stock_program("xenstored", xenstored);
	connect_all();
	expect_ok(root, MESSAGE_SET_TARGET, 0, ARGUMENTS("7", "5"));
	for (int i = 0; i < 3; i++) {
		char serial[4][16];
		for (int j = 0; j < 4; j++)
			snprintf(serial[j], sizeof(serial[j]), "%d.%d", i, j);
		send_first_half(guest);
		send_first_half(halved);
		expect_update(lxenstored, NULL);
		expect_program("lxenstored");
		send_second_half(guest, "five");
		send_second_half(halved, "zero");
		expect_all_served(serial[0]);
		expect_sound(root);
		char *tree = expect_tree(root);
		send_first_half(guest);
		send_first_half(halved);
		expect_update(xenstored, NULL);
		expect_program("xenstored");
		char *again = expect_tree(root);
		ck_assert_str_eq(tree, again);
		free(tree);
		free(again);
		send_second_half(guest, "five");
		send_second_half(halved, "zero");
		expect_all_served(serial[1]);
	}
	/* xenstored 4.17 itself does not tell the death of a domain for which another acts once it has been updated. */
	expect_death_noticed(OTHER);
	expect_introduce(sim, root, (sim_create(sim, 9, SIM_PV), 9));
}
END_TEST

START_TEST(oxenstored_becomes_lxenstored)
{
	begin(SIM_OXENSTORED);
	connect_all();
	expect_update(lxenstored, NULL);
	expect_program("lxenstored");
	/* Its specials are no longer children of the root, which alone makes a difference. */
	expect_permissions(root, 0, "/local/domain/5/data", "n5 r7");
	expect_read(root, 0, "/local/domain/7/device/vif/0/mac", "\x01\xff,\\");
	expect_all_served("1");
	expect_sound(root);
	expect_death_noticed(GUEST);
	expect_introduce(sim, root, (sim_create(sim, 9, SIM_PV), 9));
	/* What its operator asks then is about another update. */
	expect_text(root, "Not in live-update session.", MESSAGE_CONTROL, 0, ARGUMENTS("live-update", "-s"));
}
END_TEST

START_TEST(oxenstored_becomes_lxenstored_and_comes_back)
{
	char oxenstored[4200];

	begin(SIM_OXENSTORED);
	stock_program("oxenstored", oxenstored);
	connect_all();
	for (int i = 0; i < 2; i++) {
		char serial[2][16];
		for (int j = 0; j < 2; j++)
			snprintf(serial[j], sizeof(serial[j]), "%d.%d", i, j);
		expect_update(lxenstored, NULL);
		expect_program("lxenstored");
		expect_all_served(serial[0]);
		expect_sound(root);
		expect_update(oxenstored, NULL);
		expect_program("oxenstored");
		expect_all_served(serial[1]);
	}
	expect_death_noticed(OTHER);
}
END_TEST

/* The update is refused with these words, and all goes on. */
static void expect_no_update(const char *program, const char *words)
{
	int status = run_control(program, NULL);

	ck_assert_msg(status && (strstr(said.output, words) || strstr(said.messages, words)), "%d \"%s%s\"", status, said.output,
		      said.messages);
}

START_TEST(what_xenstored_cannot_hold_is_named_and_needs_force)
{
	char xenstored[4200];

	begin(SIM_LXENSTORED);
	stock_program("xenstored", xenstored);
	connect_all();
	expect_no_update(xenstored, "Domain 5: its ring was shown the features 0xf");
	expect_all_served("1");
	uint32_t transaction = expect_transaction(guest);
	expect_write(guest, transaction, "in", "x");
	expect_no_update(xenstored, "Domain 5: transaction");
	expect_end(guest, transaction, "");
	expect_event(watcher, "/local/domain/5/in", "tree");
	expect_ok(guest, MESSAGE_WATCH, 0, ARGUMENTS("data/below", "deep", "1"));
	expect_event(guest, "data/below", "deep");
	expect_no_update(xenstored, "Watch on /local/domain/5/data/below: it has a depth");
	/* Without a keeper it is this process that becomes the other. */
	expect_update(xenstored, "-F");
	expect_program("xenstored");
	expect_all_served("2");
	expect_death_noticed(OTHER);
}
END_TEST

/* When all that can be looked at before is well, and the last step fails. */
START_TEST(a_keeper_that_cannot_write_the_state_goes_on)
{
	char xenstored[4200], state[128];

	begin(SIM_XENSTORED);
	stock_program("xenstored", xenstored);
	connect_all();
	expect_update(lxenstored, NULL);
	expect_program("lxenstored");
	snprintf(state, sizeof(state), "%s/state_dump", served.directory);
	ck_assert_int_eq(mkdir(state, 0700), 0);
	send_first_half(guest);
	send_first_half(halved);
	expect_no_update(xenstored, "could not be executed: Is a directory");
	expect_program("lxenstored");
	send_second_half(guest, "five");
	send_second_half(halved, "zero");
	expect_all_served("1");
	expect_sound(root);
	ck_assert_int_eq(rmdir(state), 0);
	expect_update(xenstored, NULL);
	expect_program("xenstored");
	expect_all_served("2");
}
END_TEST

START_TEST(a_program_that_is_no_daemon_is_refused)
{
	begin(SIM_LXENSTORED);
	connect_all();
	expect_no_update("/bin/true", "is not lxenstored");
	expect_no_update("/nowhere", "not accessible");
	expect_all_served("1");
}
END_TEST

/* What a stock daemon would start, without one. Returns the status. */
static int run_without(const char *option)
{
	setenv("XENSTORED_RUNDIR", served.directory, 1);
	setenv("XENSTORED_PATH", served.socket, 1);
	command_deinit(&said);
	command_run((const char *const[]){getenv("LXENSTORED"), "-N", "--no-xen", option, NULL}, NULL, &said);
	return said.status;
}

static void write_state(const char *name, const char *bytes, size_t len)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", served.directory, name);
	FILE *file = fopen(path, "we");
	ck_assert(file && fwrite(bytes, 1, len, file) == len && !fclose(file));
}

START_TEST(without_a_state_nothing_is_taken_over)
{
	ck_assert_int_eq(daemon_init(&served), 0);
	ck_assert_int_eq(run_without("-U"), 1);
	ck_assert_msg(strstr(said.messages, "state_dump: No such file"), "%s", said.messages);
	ck_assert_int_eq(run_without("--live"), 1);
	ck_assert_msg(strstr(said.messages, "db: No such file"), "%s", said.messages);
}
END_TEST

/* And stays for who wants to see what is wrong with it. */
START_TEST(a_damaged_state_is_refused)
{
	char path[128];

	ck_assert_int_eq(daemon_init(&served), 0);
	write_state("state_dump", "xenstore\0\0\0\1\0\0\0\0\5\0\0\0", 20);
	write_state("db", "$xenstored-dump-format\nstore,2f,6e30", 35);
	ck_assert_int_eq(run_without("-U"), 1);
	ck_assert_msg(strstr(said.messages, "at byte 16: the stream has no end"), "%s", said.messages);
	ck_assert_int_eq(run_without("--live"), 1);
	ck_assert_msg(strstr(said.messages, "line 2: it has no end"), "%s", said.messages);
	snprintf(path, sizeof(path), "%s/state_dump", served.directory);
	ck_assert(!access(path, F_OK));
}
END_TEST

int main(void)
{
	static const char *const words[] = {"stock update"};
	Suite *suite = suite_create(words[0]);
	TCase *cases = tcase_create(words[0]);

	tcase_add_checked_fixture(cases, NULL, finish);
	tcase_set_timeout(cases, 20);
	tcase_add_test(cases, xenstored_becomes_lxenstored);
	tcase_add_test(cases, xenstored_becomes_lxenstored_and_comes_back);
	tcase_add_test(cases, oxenstored_becomes_lxenstored);
	tcase_add_test(cases, oxenstored_becomes_lxenstored_and_comes_back);
	tcase_add_test(cases, what_xenstored_cannot_hold_is_named_and_needs_force);
	tcase_add_test(cases, a_keeper_that_cannot_write_the_state_goes_on);
	tcase_add_test(cases, a_program_that_is_no_daemon_is_refused);
	tcase_add_test(cases, without_a_state_nothing_is_taken_over);
	tcase_add_test(cases, a_damaged_state_is_refused);
	suite_add_tcase(suite, cases);
	return suite_run(suite);
}
