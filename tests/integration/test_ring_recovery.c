/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Rings over the death of the daemon, on the simulated Xen. Guests that know what they are to be told (ring_player.h) play on
 * while the daemon is killed: at any time, at a call of Xen's, after any machine instruction, also while it starts; or ended.
 * $KILLS: how often; $RING_RECOVERY_SEED: of all that is random but for the moment at which the kernel's timer strikes.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "integration/ring_player.h"
#include "lxenstored/ledger_format.h"
#include "support/suite.h"
#include "wire/ring_page.h"
#include "xensim/expect_guest.h"

enum {
	PLAYERS = 12,
	FIRST_DOMID = 5,
	KILLS = DAEMON_IS_SANITIZED ? 20 : 120,
	SLOTS = 64,
	SOON_MS = 60000,
	IDLE_ROUNDS = 20000, /* of a millisecond or more */
	LATER_MICROSECONDS = 20000,
	STEPS = 40000
};

static struct daemon served;
static struct sim *sim;
static struct client *root; /* of domain 0, on the socket */
static struct player *players[PLAYERS];
static struct random numbers;
static unsigned deaths_between;	  /* of two stores */
static struct ledger_slot *slots; /* the first ones of the ledger */
static struct ledger_slot *player_slots[PLAYERS];

static const struct timespec a_moment = {.tv_nsec = 1000000};

/* ---- the ledger ---- */

static void map_slots(void)
{
	char path[128];

	snprintf(path, sizeof(path), "%s-ledger", served.store);
	int fd = open(path, O_RDWR | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	slots = mmap(NULL, SLOTS * sizeof(*slots), PROT_READ | PROT_WRITE, MAP_SHARED, fd, LEDGER_HEADER_SIZE);
	close(fd);
	ck_assert_ptr_ne(slots, MAP_FAILED);
}

static struct ledger_slot *slot_of(int player)
{
	for (int i = 0; i < SLOTS; i++)
		if (slots[i].connection_id == (uint64_t)(FIRST_DOMID + player) && slots[i].state != LEDGER_FREE)
			return &slots[i];
	ck_abort_msg("domain %d is not in the ledger", FIRST_DOMID + player);
}

/* ---- the daemon ---- */

static void start_daemon(void)
{
	expect_sim_start(sim, &served, SIM_LXENSTORED, (const char *[]){"--store", served.store, NULL});
	root = expect_client(&served);
}

static void stop_daemon(int signal)
{
	client_close(root);
	root = NULL;
	ck_assert_int_eq(daemon_stop(&served, signal, NULL), 0);
}

static void start(void)
{
	expect_place(&served);
	sim = expect_sim(&served);
	start_daemon();
	map_slots();
}

static void stop(void)
{
	for (int i = 0; i < PLAYERS; i++) {
		player_free(players[i]);
		players[i] = NULL;
	}
	munmap(slots, SLOTS * sizeof(*slots));
	client_close(root);
	if (served.pid)
		ck_assert_int_eq(daemon_stop(&served, SIGKILL, NULL), 0);
	sim_free(sim);
}

static void kill_and_start(void)
{
	stop_daemon(SIGKILL);
	start_daemon();
}

/* ---- guests ---- */

static struct guest *new_guest(uint16_t domid)
{
	client_close(expect_guest(sim, root, domid));
	return guest_find(sim, domid);
}

/* Each watches the next one, the last one the first. */
static void make_readable(int number)
{
	char e[40], owner[16], reader[16];

	snprintf(e, sizeof(e), "/local/domain/%d/e", FIRST_DOMID + number);
	snprintf(owner, sizeof(owner), "n%d", FIRST_DOMID + number);
	snprintf(reader, sizeof(reader), "r%d", FIRST_DOMID + (number + PLAYERS - 1) % PLAYERS);
	expect_ok(root, MESSAGE_MKDIR, 0, ARGUMENTS(e));
	expect_ok(root, MESSAGE_SET_PERMS, 0, ARGUMENTS(e, owner, reader));
}

static void new_players(void)
{
	for (int i = 0; i < PLAYERS; i++) {
		players[i] = player_new(new_guest((uint16_t)(FIRST_DOMID + i)));
		ck_assert_ptr_nonnull(players[i]);
	}
	for (int i = 0; i < PLAYERS; i++) {
		make_readable(i);
		player_watch(players[i], players[(i + 1) % PLAYERS]);
	}
}

static bool go_on(bool is_ending)
{
	bool moved = false;

	for (int i = 0; i < PLAYERS; i++)
		moved = player_go_on(players[i], &numbers, is_ending) || moved;
	return moved;
}

static void expect_right(void)
{
	for (int i = 0; i < PLAYERS; i++)
		ck_assert_msg(!player_wrong(players[i]), "%s", player_wrong(players[i]));
}

static bool are_done(void)
{
	for (int i = 0; i < PLAYERS; i++)
		if (!player_is_done(players[i]))
			return false;
	return true;
}

/* Somebody waits for something, who was right so far: fails after a while without any. */
static void expect_news(int idle)
{
	if (idle < IDLE_ROUNDS)
		return;
	for (int i = 0; i < PLAYERS; i++)
		player_tell(players[i]);
	fflush(stdout);
	ck_abort_msg("answers or events are missing");
}

/* Until all is answered. */
static void finish(void)
{
	for (int idle = 0; !are_done(); idle++) {
		if (go_on(true))
			idle = 0;
		else
			nanosleep(&a_moment, NULL);
		expect_right();
		expect_news(idle);
	}
}

/* Has one of two stores been done, and the other not? */
static bool is_between_stores(void)
{
	for (int i = 0; i < PLAYERS; i++) {
		const struct guest_page *page = guest_page(guest_find(sim, (uint16_t)(FIRST_DOMID + i)));
		const struct ledger_slot *slot = player_slots[i];
		if ((uint32_t)slot->in_pos != page->req_cons || (uint32_t)slot->out_pos != page->rsp_prod)
			return true;
	}
	return false;
}

/* ---- deaths ---- */

static volatile sig_atomic_t last_signal = SIGKILL;

static void strike(int signal)
{
	(void)signal;
	if (served.pid)
		kill(served.pid, last_signal);
}

static void strike_later(int with, uint32_t microseconds)
{
	struct itimerval when = {.it_value = {.tv_usec = microseconds}};

	last_signal = with;
	signal(SIGALRM, strike);
	ck_assert_int_eq(setitimer(ITIMER_REAL, &when, NULL), 0);
}

static bool is_dead(void)
{
	int status;

	if (waitpid(served.pid, &status, WNOHANG) != served.pid)
		return false;
	ck_assert_msg(WIFEXITED(status) ? !WEXITSTATUS(status) : WTERMSIG(status) == SIGKILL, "the daemon ended with status %x",
		      (unsigned)status);
	served.pid = 0;
	return true;
}

static void play_until_dead(void)
{
	for (int idle = 0; !is_dead(); idle++) {
		if (go_on(false))
			idle = 0;
		else
			nanosleep(&a_moment, NULL);
		expect_right();
		expect_news(idle);
	}
}

static void die_at_some_time(int with)
{
	strike_later(with, 1 + random_below(&numbers, LATER_MICROSECONDS));
	play_until_dead();
	strike_later(0, 0);
}

static void die_at_some_call(uint32_t after)
{
	static const enum host_call calls[] = {HOST_CALL_NOTIFY, HOST_CALL_NOTIFY, HOST_CALL_PENDING, HOST_CALL_UNMASK,
					       HOST_CALL_BIND,	 HOST_CALL_MAP,	   HOST_CALL_VIRQ};
	enum host_call call = calls[random_below(&numbers, served.pid ? 4 : 7)];

	ck_assert_int_ge(sim_rule(sim, call, HOST_ANY, random_below(&numbers, after), 1, HOST_DIE, 0), 0);
}

/*
 * One machine instruction after the other, some of them, or until one of two stores is done and the other is not. Where it sleeps
 * it is struck by the timer.
 */
static void die_after_some_instruction(bool between_stores)
{
	uint32_t left = between_stores ? STEPS : random_below(&numbers, STEPS);
	int status;

	for (int i = 0; i < 20; i++)
		go_on(false);
	if (ptrace(PTRACE_SEIZE, served.pid, NULL, NULL)) { /* it has been dying since its start */
		play_until_dead();
		return;
	}
	ck_assert_int_eq(ptrace(PTRACE_INTERRUPT, served.pid, NULL, NULL), 0);
	ck_assert_int_eq(waitpid(served.pid, &status, 0), served.pid);
	strike_later(SIGKILL, 500000);
	for (int i = 0; i < PLAYERS; i++)
		player_slots[i] = slot_of(i);
	for (; left && WIFSTOPPED(status) && !(between_stores && is_between_stores()); left--) {
		if (left % 1000 == 0)
			go_on(false);
		if (ptrace(PTRACE_SINGLESTEP, served.pid, NULL, NULL))
			break;
		ck_assert_int_eq(waitpid(served.pid, &status, 0), served.pid);
	}
	strike_later(0, 0);
	deaths_between += WIFSTOPPED(status) && between_stores && is_between_stores();
	if (WIFSTOPPED(status)) {
		kill(served.pid, SIGKILL);
		ck_assert_int_eq(waitpid(served.pid, &status, 0), served.pid);
	}
	served.pid = 0;
	expect_right();
}

static void die(void)
{
	client_close(root);
	root = NULL;
	switch (random_below(&numbers, 8)) {
	case 0:
		die_at_some_time(SIGTERM);
		break;
	case 1:
	case 2:
		die_after_some_instruction(true);
		break;
	case 3:
		die_after_some_instruction(false);
		break;
	case 4:
	case 5:
		die_at_some_call(100);
		play_until_dead();
		break;
	default:
		die_at_some_time(SIGKILL);
	}
	sim_clear_rules(sim);
}

/* Now and then it dies before it serves. */
static void come_back(void)
{
	int status = 0, error;

	do {
		if (!random_below(&numbers, 3))
			die_at_some_call(PLAYERS + 2);
		error = sim_start(sim, &served, SIM_LXENSTORED, (const char *[]){"--store", served.store, NULL}, &status);
		ck_assert_msg(!error || (error == -ECHILD && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL),
			      "the daemon does not start: %s, status %x", strerror(-error), (unsigned)status);
		sim_clear_rules(sim);
		if (!error && is_dead())
			error = -ECHILD;
	} while (error);
}

START_TEST(each_request_is_run_once_and_nothing_is_lost_or_told_twice)
{
	const char *kills = getenv("KILLS");
	struct player_figures all = {0};

	random_begin(&numbers, "RING_RECOVERY_SEED");
	new_players();
	for (int i = kills ? atoi(kills) : KILLS; i; i--) {
		die();
		for (uint32_t rounds = random_below(&numbers, 40); rounds; rounds--)
			go_on(false);
		come_back();
	}
	/* The last one may be dying yet of what was to strike it in its start. */
	kill(served.pid, SIGKILL);
	play_until_dead();
	start_daemon();
	finish();
	expect_sound(root);
	for (int i = 0; i < PLAYERS; i++) {
		struct player_figures figures = player_figures(players[i]);
		all.requests += figures.requests;
		all.events += figures.events;
		all.transactions += figures.transactions;
		all.transactions_lost += figures.transactions_lost;
	}
	printf("# %u deaths between two stores; %lu requests, %lu events, %lu transactions of which %lu were lost\n",
	       deaths_between, (unsigned long)all.requests, (unsigned long)all.events, (unsigned long)all.transactions,
	       (unsigned long)all.transactions_lost);
}
END_TEST

/* ---- what a wrong order of stores would leave ---- */

/* One player has set a watch and has sent a part of another request; then the daemon has died. */
static void die_in_the_middle(void)
{
	random_begin(&numbers, "RING_RECOVERY_SEED");
	new_players();
	finish();
	for (int i = 0; i < 100 || go_on(true); i++)
		continue;
	player_put_watch_and_part(players[0]);
	struct guest_page *page = guest_page(guest_find(sim, FIRST_DOMID));
	while (atomic_load(&page->rsp_prod) == atomic_load(&page->rsp_cons))
		ck_assert_int_eq(guest_wait(guest_find(sim, FIRST_DOMID), SOON_MS), 0);
	expect_read(root, 0, "/tool", ""); /* its first event has come too */
	stop_daemon(SIGKILL);
}

START_TEST(a_daemon_that_dies_in_the_middle_of_a_request_goes_on_there)
{
	die_in_the_middle();
	start_daemon();
	finish();
}
END_TEST

/* Had the answer been stored before the request's consumption: run again, the watch is there already. */
START_TEST(a_request_that_is_run_twice_is_noticed)
{
	static const char request[] = "w\0set";

	die_in_the_middle();
	slot_of(0)->done -= MESSAGE_HEADER_SIZE + sizeof(request);
	start_daemon();
	while (!player_wrong(players[0]))
		go_on(true);
	ck_assert_ptr_nonnull(strstr(player_wrong(players[0]), "EEXIST"));
}
END_TEST

/* Had the position been stored before the ring's index. */
START_TEST(output_that_is_behind_the_position_stops_the_ring)
{
	struct guest_page *page;

	die_in_the_middle();
	page = guest_page(guest_find(sim, FIRST_DOMID));
	page->rsp_prod -= 5;
	start_daemon();
	while (!atomic_load(&page->error))
		ck_assert_int_eq(guest_wait(guest_find(sim, FIRST_DOMID), SOON_MS), 0);
	ck_assert_uint_eq(page->error, RING_ERROR_INDEX);
}
END_TEST

START_TEST(output_that_nobody_had_stops_the_ring)
{
	struct guest_page *page;

	die_in_the_middle();
	page = guest_page(guest_find(sim, FIRST_DOMID));
	page->rsp_prod += 5;
	start_daemon();
	while (!atomic_load(&page->error))
		ck_assert_int_eq(guest_wait(guest_find(sim, FIRST_DOMID), SOON_MS), 0);
	ck_assert_uint_eq(page->error, RING_ERROR_INDEX);
}
END_TEST

/* ---- connections that end, or begin anew ---- */

static struct client *client_of(struct guest *guest)
{
	struct client *client;

	ck_assert_int_eq(guest_client(guest, SOON_MS, &client), 0);
	return client;
}

/* The first event of its watches has been taken, and what it watched does not fire. */
static void expect_no_watch(struct guest *guest)
{
	struct client *client = client_of(guest);

	expect_write(root, 0, "/local/domain/5/data", "changed");
	expect_read(client, 0, "data", "changed");
	expect_no_event(client);
	expect_watch(client, "data", "token");
	client_close(client);
}

static struct guest *new_watching_guest(void)
{
	struct guest *guest = new_guest(FIRST_DOMID);
	struct client *client = client_of(guest);

	expect_watch(client, "data", "token");
	client_close(client);
	return guest;
}

static void ask_to_reconnect(struct guest *guest)
{
	atomic_store(&guest_page(guest)->connection, RING_RECONNECT);
	guest_notify(guest);
}

static void await_connected(struct guest *guest)
{
	while (atomic_load(&guest_page(guest)->connection) != RING_CONNECTED)
		ck_assert_int_eq(guest_wait(guest, SOON_MS), 0);
}

static void await_death(void)
{
	client_close(root);
	root = NULL;
	for (int i = 0; !is_dead(); i++) {
		nanosleep(&a_moment, NULL);
		ck_assert_msg(i < IDLE_ROUNDS, "the daemon does not die");
	}
	sim_clear_rules(sim);
}

START_TEST(watches_are_there_after_a_death)
{
	struct guest *guest = new_watching_guest();
	struct client *client = client_of(guest);

	for (int i = 0; i < 3; i++) {
		kill_and_start();
		expect_write(root, 0, "/local/domain/5/data", "changed");
		expect_event(client, "data", "token");
		expect_no_event(client);
	}
	client_close(client);
}
END_TEST

START_TEST(watches_are_there_after_an_ordered_end)
{
	struct guest *guest = new_watching_guest();
	struct client *client = client_of(guest);

	stop_daemon(SIGTERM);
	start_daemon();
	expect_write(root, 0, "/local/domain/5/data", "changed");
	expect_event(client, "data", "token");
	client_close(client);
}
END_TEST

START_TEST(watches_of_before_a_reconnection_do_not_come_back)
{
	struct guest *guest = new_watching_guest();

	/* It dies when it tells the guest, and has not cleared up. */
	ck_assert_int_ge(sim_rule(sim, HOST_CALL_NOTIFY, FIRST_DOMID, 0, 1, HOST_DIE, 0), 0);
	ask_to_reconnect(guest);
	await_death();
	start_daemon();
	await_connected(guest);
	expect_no_watch(guest);
}
END_TEST

START_TEST(a_reconnection_that_was_asked_for_while_there_was_no_daemon_is_had)
{
	struct guest *guest = new_watching_guest();

	stop_daemon(SIGKILL);
	guest_put(guest, "some", 4);
	ask_to_reconnect(guest);
	start_daemon();
	await_connected(guest);
	ck_assert_uint_eq(guest_page(guest)->req_prod | guest_page(guest)->rsp_cons, 0);
	expect_no_watch(guest);
}
END_TEST

static void introduce_and_die(enum host_call call)
{
	struct guest *guest = new_watching_guest();
	char arguments[32];
	int len = snprintf(arguments, sizeof(arguments), "%d%c1%c%u", FIRST_DOMID, 0, 0, sim_port(sim, FIRST_DOMID));

	ck_assert_int_ge(sim_rule(sim, call, HOST_ANY, 0, 1, HOST_DIE, 0), 0);
	ck_assert_int_eq(client_send(root, MESSAGE_INTRODUCE, 0, arguments, (size_t)len + 1, NULL), 0);
	await_death();
	start_daemon();
	ck_assert_uint_eq(guest_page(guest)->req_prod | guest_page(guest)->rsp_prod, 0);
	expect_no_watch(guest);
}

/* What was mapped before is taken away behind the commit, before anything is begun. */
START_TEST(an_introduction_that_is_committed_is_ended_by_the_next_daemon)
{
	introduce_and_die(HOST_CALL_UNMAP);
}
END_TEST

START_TEST(watches_of_before_an_introduction_do_not_come_back)
{
	introduce_and_die(HOST_CALL_NOTIFY);
}
END_TEST

START_TEST(a_stopped_guest_stays_stopped_until_it_reconnects)
{
	struct guest *guest = new_watching_guest();
	struct guest_page *page = guest_page(guest);

	atomic_fetch_add(&page->req_prod, 5000);
	guest_notify(guest);
	while (atomic_load(&page->error) != RING_ERROR_INDEX)
		ck_assert_int_eq(guest_wait(guest, SOON_MS), 0);
	stop_daemon(SIGKILL);
	atomic_store(&page->error, 0);
	start_daemon();
	while (atomic_load(&page->error) != RING_ERROR_INDEX)
		ck_assert_int_eq(guest_wait(guest, SOON_MS), 0);
	expect_text(root, "T", MESSAGE_IS_DOMAIN_INTRODUCED, 0, ARGUMENTS("5"));
	ask_to_reconnect(guest);
	await_connected(guest);
	expect_no_watch(guest);
}
END_TEST

START_TEST(who_watches_is_told_of_a_domain_that_died_while_there_was_no_daemon)
{
	struct client *client = client_of(new_guest(FIRST_DOMID));

	expect_ok(root, MESSAGE_SET_PERMS, 0, ARGUMENTS("@releaseDomain", "n0", "r5"));
	new_guest(FIRST_DOMID + 1);
	expect_watch(client, "@releaseDomain", "gone");
	stop_daemon(SIGKILL);
	ck_assert_int_eq(sim_destroy(sim, FIRST_DOMID + 1), 0);
	start_daemon();
	expect_event(client, "@releaseDomain", "gone");
	expect_no_event(client);
	client_close(client);
}
END_TEST

START_TEST(another_domain_of_the_number_gets_nothing_of_the_first)
{
	struct guest *guest = new_watching_guest();
	struct client *client;

	guest_put(guest, "part", 4);
	guest_notify(guest);
	stop_daemon(SIGKILL);
	guest_detach(guest);
	ck_assert_int_eq(sim_destroy(sim, FIRST_DOMID), 0);
	start_daemon();
	expect_text(root, "F", MESSAGE_IS_DOMAIN_INTRODUCED, 0, ARGUMENTS("5"));
	client = expect_guest(sim, root, FIRST_DOMID);
	expect_write(root, 0, "/local/domain/5/data", "changed");
	expect_read(client, 0, "data", "changed");
	expect_no_event(client);
	client_close(client);
}
END_TEST

/* Of domain 0, whose kernel is a guest of its own daemon. */
START_TEST(the_ring_of_the_own_domain_goes_on_too)
{
	struct guest *kernel;
	struct client *client;

	ck_assert_int_eq(guest_attach(sim, 0, &kernel), 0);
	client = client_of(kernel);
	expect_watch(client, "/data", "token");
	kill_and_start();
	expect_write(root, 0, "/data", "changed");
	expect_event(client, "/data", "token");
	client_close(client);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
	    each_request_is_run_once_and_nothing_is_lost_or_told_twice,
	    a_daemon_that_dies_in_the_middle_of_a_request_goes_on_there,
	    a_request_that_is_run_twice_is_noticed,
	    output_that_is_behind_the_position_stops_the_ring,
	    output_that_nobody_had_stops_the_ring,
	    watches_are_there_after_a_death,
	    watches_are_there_after_an_ordered_end,
	    watches_of_before_a_reconnection_do_not_come_back,
	    a_reconnection_that_was_asked_for_while_there_was_no_daemon_is_had,
	    an_introduction_that_is_committed_is_ended_by_the_next_daemon,
	    watches_of_before_an_introduction_do_not_come_back,
	    a_stopped_guest_stays_stopped_until_it_reconnects,
	    who_watches_is_told_of_a_domain_that_died_while_there_was_no_daemon,
	    another_domain_of_the_number_gets_nothing_of_the_first,
	    the_ring_of_the_own_domain_goes_on_too,
	};

	return suite_run(expect_suite("ring recovery", &served, start, stop, tests, sizeof(tests) / sizeof(*tests)));
}
