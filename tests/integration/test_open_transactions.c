/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Open transactions of socket clients and guests while the daemon dies, ends in order, or is updated. Tellers count: each reads a
 * number that all share in a transaction, writes the next one, and a number of its own, and looks whether it sees what it has
 * written. They know at which number they are, and whether anything was changed while their transaction was open.
 *
 * $KILLS: how often the daemon is killed at random. $TRANSACTIONS_SEED: of all that is random but the moments of the kills.
 */
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "support/random.h"
#include "support/suite.h"
#include "xensim/expect_guest.h"

enum {
	KILLS = DAEMON_IS_SANITIZED ? 10 : 40,
	TELLERS = 6,
	GUESTS = 2, /* the first ones */
	FIRST_DOMID = 5,
	OWN_NODES = 3,
	MOMENT_MAX = 3000 /* microseconds from an answer to a kill */
};

static struct daemon shared; /* only its directory, in which each test's is */
static struct daemon served;
static struct sim *sim;
static struct client *root, *guest;
static struct random numbers;

/* ---- the daemon ---- */

static void start_sim(enum sim_daemon which)
{
	ck_assert_int_eq(daemon_init_in(&served, shared.directory), 0);
	sim = expect_sim(&served);
	expect_sim_start(sim, &served, which,
			 (const char *[]){"--store", served.store, "--restart-pause", "0", "--update-trial", "10", NULL});
	root = expect_client(&served);
	guest = expect_guest(sim, root, FIRST_DOMID);
	random_begin(&numbers, "TRANSACTIONS_SEED");
}

/* A daemon that dies before its keeper has heard that it serves is not replaced. */
static void start_kept(void)
{
	const struct timespec pause = {.tv_nsec = 5000000};
	char path[128];

	start_sim(SIM_KEPT);
	snprintf(path, sizeof(path), "%s/xenstored.pid", served.directory);
	for (int i = 0; i < 10000 && access(path, F_OK); i++)
		nanosleep(&pause, NULL);
}

static void start_alone(void)
{
	start_sim(SIM_LXENSTORED);
}

static void stop(void)
{
	expect_sound(root);
	client_close(guest);
	client_close(root);
	ck_assert_int_eq(daemon_stop(&served, SIGTERM, NULL), 0);
	sim_free(sim);
	sim = NULL;
	daemon_deinit(&served);
}

static void kill_daemon(void)
{
	pid_t pid = daemon_child(served.pid);

	ck_assert_int_gt(pid, 0);
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	while (daemon_child(served.pid) == pid)
		;
}

/* ---- one death ---- */

static const char home[] = "/local/domain/5/x";

/* What the client has written in the transaction. */
static void expect_seen(struct client *client, uint32_t transaction)
{
	expect_read(client, transaction, "/local/domain/5/x/a/b", "1");
	expect_names(client, transaction, home, "a c");
	expect_read(client, transaction, "/local/domain/5/old", "new");
	expect_read(client, transaction, "/local/domain/5/gone/below", NULL);
}

static uint32_t begin(struct client *client)
{
	uint32_t transaction = expect_transaction(client);

	expect_write(client, transaction, "/local/domain/5/x/a/b", "1");
	expect_ok(client, MESSAGE_MKDIR, transaction, ARGUMENTS("/local/domain/5/x/c"));
	expect_write(client, transaction, "/local/domain/5/old", "new");
	expect_ok(client, MESSAGE_RM, transaction, ARGUMENTS("/local/domain/5/gone"));
	expect_seen(client, transaction);
	return transaction;
}

static void prepare(void)
{
	expect_write(guest, 0, "/local/domain/5/old", "old");
	expect_write(guest, 0, "/local/domain/5/gone/below", "");
}

static void expect_carried_over(void)
{
	expect_read(root, 0, "/local/domain/5/x/a/b", "1");
	expect_read(root, 0, "/local/domain/5/old", "new");
	expect_read(root, 0, "/local/domain/5/gone", NULL);
}

static struct client *either(int i)
{
	return i % 2 ? guest : root;
}

START_TEST(a_transaction_that_nobody_has_disturbed_ends_in_success_after_deaths)
{
	struct client *client = either(_i);

	prepare();
	uint32_t transaction = begin(client);
	expect_watch(either(_i + 1), "/local", "no node is changed");
	kill_daemon();
	expect_seen(client, transaction);
	expect_read(client, 0, "/local/domain/5/old", "old");
	expect_write(client, transaction, "/local/domain/5/x/a/b", "1");
	kill_daemon();
	kill_daemon();
	expect_seen(client, transaction);
	expect_end(client, transaction, "");
	expect_carried_over();
}
END_TEST

START_TEST(a_change_before_the_death_or_after_it_fails_the_end)
{
	struct client *client = either(_i);
	bool is_before = _i & 2;

	prepare();
	uint32_t transaction = begin(client);
	if (is_before)
		expect_write(root, 0, "/elsewhere", "");
	kill_daemon();
	expect_seen(client, transaction);
	if (!is_before)
		expect_write(root, 0, "/elsewhere", "");
	expect_seen(client, transaction);
	expect_end(client, transaction, "EAGAIN");
	expect_read(root, 0, home, NULL);
	transaction = begin(client);
	expect_end(client, transaction, "");
	expect_carried_over();
}
END_TEST

START_TEST(a_transaction_is_forgotten_whatever_has_happened)
{
	struct client *client = either(_i);
	uint32_t transaction = begin(client), other;

	expect_write(root, 0, "/elsewhere", "");
	kill_daemon();
	expect_ok(client, MESSAGE_TRANSACTION_END, transaction, ARGUMENTS("F"));
	expect_error(client, "ENOENT", MESSAGE_TRANSACTION_END, transaction, ARGUMENTS("F"));
	kill_daemon();
	other = expect_transaction(client);
	ck_assert_uint_gt(other, transaction);
	expect_error(client, "ENOENT", MESSAGE_TRANSACTION_END, transaction, ARGUMENTS("T"));
	expect_end(client, other, "");
	expect_read(root, 0, home, NULL);
}
END_TEST

START_TEST(a_guest_that_dies_while_there_is_no_daemon_leaves_no_transaction)
{
	uint32_t transaction = expect_transaction(root);

	prepare();
	begin(guest);
	expect_write(root, transaction, "/for-5", "");
	expect_ok(root, MESSAGE_SET_PERMS, transaction, ARGUMENTS("/for-5", "n0", "r5"));
	ck_assert_int_eq(kill(served.pid, SIGSTOP), 0);
	ck_assert_int_eq(kill(daemon_child(served.pid), SIGKILL), 0);
	ck_assert_int_eq(sim_destroy(sim, FIRST_DOMID), 0);
	client_close(guest);
	ck_assert_int_eq(sim_create(sim, FIRST_DOMID, SIM_PV), 0);
	ck_assert_int_eq(kill(served.pid, SIGCONT), 0);
	/* What was meant for the one that died does not come to the one that has its number. */
	expect_end(root, transaction, "EAGAIN");
	expect_ok(root, MESSAGE_CONTROL, 0, ARGUMENTS("txn")); /* none is open */
	guest_detach(guest_find(sim, FIRST_DOMID));
	struct guest *next = expect_introduce(sim, root, FIRST_DOMID);
	ck_assert_int_eq(guest_client(next, 60000, &guest), 0);
	expect_error(guest, "EACCES", MESSAGE_READ, 0, ARGUMENTS("/for-5"));
}
END_TEST

/* ---- in good order ---- */

START_TEST(a_live_update_forgets_nothing_that_was_observed)
{
	struct client *client = either(_i);

	prepare();
	uint32_t free = begin(client), conflicting = expect_transaction(client);
	expect_read(client, conflicting, "/local/domain/5/old", "old");
	expect_write(client, conflicting, "/local/domain/5/other", "");
	expect_write(root, 0, "/elsewhere", "1");
	expect_text(root, "OK", MESSAGE_CONTROL, 0, ARGUMENTS("live-update", "-f", getenv("LXENSTORED")));
	expect_text(root, "OK", MESSAGE_CONTROL, 0, ARGUMENTS("live-update", "-s"));
	expect_seen(client, free);
	expect_write(root, 0, "/elsewhere", "2");
	expect_end(client, free, "");
	expect_carried_over();
	expect_end(client, conflicting, "EAGAIN");
	expect_read(root, 0, "/local/domain/5/other", NULL);
}
END_TEST

START_TEST(the_transaction_of_a_guest_goes_on_after_an_end_in_good_order)
{
	const char *words[] = {"--store", served.store, NULL};

	prepare();
	uint32_t free = begin(guest), conflicting = expect_transaction(guest), over_kill = expect_transaction(guest);
	expect_read(guest, conflicting, "/local/domain/5/old", "old");
	expect_write(guest, conflicting, "/local/domain/5/other", "");
	expect_write(root, 0, "/elsewhere", "1");
	client_close(root);
	ck_assert_int_eq(daemon_stop(&served, SIGTERM, NULL), 0);
	expect_sim_start(sim, &served, SIM_LXENSTORED, words);
	root = expect_client(&served);
	expect_seen(guest, free);
	expect_write(root, 0, "/elsewhere", "2");
	expect_end(guest, free, "");
	expect_end(guest, conflicting, "EAGAIN");
	expect_write(guest, over_kill, "/local/domain/5/over", "");
	client_close(root);
	ck_assert_int_eq(daemon_stop(&served, SIGKILL, NULL), 0);
	expect_sim_start(sim, &served, SIM_LXENSTORED, words);
	root = expect_client(&served);
	expect_read(guest, over_kill, "/local/domain/5/over", "");
	expect_end(guest, over_kill, "EAGAIN");
}
END_TEST

/* ---- tellers ---- */

/* Shared with the process that kills. */
struct progress {
	atomic_ulong answers, kills;
};
static struct progress *progress;

enum phase { PHASE_START, PHASE_READ, PHASE_COUNT, PHASE_OWN, PHASE_LOOK, PHASE_END, PHASES };

struct teller {
	struct client *client;
	char own[40];
	enum phase phase;
	bool asked;
	uint32_t transaction, last_id;
	unsigned long shared, counted; /* as it has read it; what its own number should be */
	unsigned step;		       /* of those in this phase */
	unsigned long changes_before;  /* requests that change something, of others, sent before its start was */
	bool others_change;	       /* one of them was under way then */
	unsigned long conflicts, undisturbed;
};

static struct teller tellers[TELLERS];
static unsigned long changes_sent;
static unsigned changes_under_way;

static const char counter[] = "/counter";

static void ask(struct teller *teller, uint32_t type, uint32_t transaction, const char *payload, size_t len)
{
	ck_assert_int_eq(client_send(teller->client, type, transaction, payload, len, NULL), 0);
	teller->asked = true;
}

static void ask_text(struct teller *teller, uint32_t type, const char *text)
{
	ask(teller, type, teller->transaction, text, strlen(text) + 1);
}

static void ask_to_write(struct teller *teller, const char *path, unsigned long number)
{
	char payload[128];
	int len = snprintf(payload, sizeof(payload), "%s%c%lu", path, 0, number);

	ask(teller, MESSAGE_WRITE, teller->transaction, payload, (size_t)len);
}

static void own_path(const struct teller *teller, unsigned step, char out[64])
{
	snprintf(out, 64, "%s/%u/n", teller->own, step);
}

static void ask_next(struct teller *teller)
{
	char path[64];

	own_path(teller, teller->step, path);
	switch (teller->phase) {
	case PHASE_START:
		teller->changes_before = changes_sent;
		teller->others_change = changes_under_way;
		ask_text(teller, MESSAGE_TRANSACTION_START, "");
		break;
	case PHASE_READ:
		ask_text(teller, MESSAGE_READ, counter);
		break;
	case PHASE_COUNT:
		ask_to_write(teller, counter, teller->shared + 1);
		break;
	case PHASE_OWN:
		ask_to_write(teller, path, teller->counted + 1);
		break;
	case PHASE_LOOK:
		ask_text(teller, MESSAGE_READ, teller->step < OWN_NODES ? path : counter);
		break;
	default:
		changes_sent++;
		changes_under_way++;
		ask_text(teller, MESSAGE_TRANSACTION_END, "T");
	}
}

static void take_end(struct teller *teller, const struct client_message *answer)
{
	/* Its own END is one. */
	bool is_undisturbed = !teller->others_change && changes_sent == teller->changes_before + 1;

	changes_under_way--;
	teller->transaction = 0;
	teller->undisturbed += is_undisturbed;
	if (answer->header.type != MESSAGE_ERROR) {
		teller->counted++;
		return;
	}
	ck_assert_str_eq(answer->payload, "EAGAIN");
	ck_assert_msg(!is_undisturbed, "EAGAIN, and nothing has changed");
	teller->conflicts++;
}

static void take(struct teller *teller)
{
	struct client_message answer;
	unsigned steps = teller->phase == PHASE_OWN ? OWN_NODES : teller->phase == PHASE_LOOK ? OWN_NODES + 1 : 1;

	ck_assert_int_eq(client_receive_reply(teller->client, &answer), 0);
	atomic_fetch_add(&progress->answers, 1);
	teller->asked = false;
	ck_assert_msg(teller->phase == PHASE_END || answer.header.type != MESSAGE_ERROR, "phase %d: %s", (int)teller->phase,
		      answer.payload);
	if (teller->phase == PHASE_START) {
		teller->transaction = (uint32_t)strtoul(answer.payload, NULL, 10);
		ck_assert_uint_gt(teller->transaction, teller->last_id);
		teller->last_id = teller->transaction;
	} else if (teller->phase == PHASE_READ) {
		teller->shared = strtoul(answer.payload, NULL, 10);
	} else if (teller->phase == PHASE_LOOK) {
		ck_assert_uint_eq(strtoul(answer.payload, NULL, 10),
				  teller->step < OWN_NODES ? teller->counted + 1 : teller->shared + 1);
	} else if (teller->phase == PHASE_END) {
		take_end(teller, &answer);
	}
	if (++teller->step < steps)
		return;
	teller->step = 0;
	teller->phase = (enum phase)((teller->phase + 1) % PHASES);
}

static void new_tellers(void)
{
	char readers[GUESTS + 1][8] = {"b0"};
	const char *arguments[GUESTS + 2] = {counter, readers[0]};

	expect_write(root, 0, counter, "0");
	for (int i = 0; i < TELLERS; i++) {
		struct teller *teller = &tellers[i];
		uint16_t domid = (uint16_t)(FIRST_DOMID + i);
		*teller = (struct teller){0};
		teller->client = i >= GUESTS ? expect_client(&served) : i ? expect_guest(sim, root, domid) : guest;
		snprintf(teller->own, sizeof(teller->own), i < GUESTS ? "/local/domain/%d" : "/own/%d", FIRST_DOMID + i);
		if (i >= GUESTS)
			continue;
		snprintf(readers[i + 1], sizeof(readers[i + 1]), "b%d", FIRST_DOMID + i);
		arguments[i + 2] = readers[i + 1];
	}
	expect_ok(root, MESSAGE_SET_PERMS, 0, GUESTS + 2, arguments);
}

/* Kills soon after each answer, until it has done so `kills` times. */
static void kill_again_and_again(unsigned long kills)
{
	pid_t keeper = served.pid, last = 0;
	struct random moments = {0};

	random_begin(&moments, "KILL_SEED");
	while (atomic_load(&progress->kills) < kills) {
		unsigned long answers = atomic_load(&progress->answers);
		while (atomic_load(&progress->answers) == answers)
			usleep(50);
		usleep(random_below(&moments, MOMENT_MAX));
		pid_t pid = daemon_child(keeper);
		if (pid <= 0 || pid == last || kill(pid, SIGKILL))
			continue;
		last = pid;
		atomic_fetch_add(&progress->kills, 1);
	}
	_exit(0);
}

static void play(unsigned long kills)
{
	while (atomic_load(&progress->kills) < kills) {
		struct teller *teller = &tellers[random_below(&numbers, TELLERS)];
		/* Now and then one is alone, so that it must succeed. */
		int alone = (int)(atomic_load(&progress->kills) / 2 % (2 * TELLERS));
		if (alone < TELLERS && !teller->asked && teller->phase == PHASE_START && teller != &tellers[alone])
			continue;
		if (teller->asked)
			take(teller);
		else
			ask_next(teller);
	}
}

static unsigned long number_at(const char *path)
{
	struct client_message answer = expect_any(root, MESSAGE_READ, 0, ARGUMENTS(path));

	return strtoul(answer.payload, NULL, 10);
}

static void settle(void)
{
	unsigned long sum = 0, conflicts = 0, undisturbed = 0;
	char path[64];

	for (int i = 0; i < TELLERS; i++) {
		struct teller *teller = &tellers[i];
		while (teller->asked || teller->phase != PHASE_START) {
			if (teller->asked)
				take(teller);
			else
				ask_next(teller);
		}
	}
	for (int i = 0; i < TELLERS; i++) {
		struct teller *teller = &tellers[i];
		for (unsigned step = 0; step < OWN_NODES && teller->counted; step++) {
			own_path(teller, step, path);
			ck_assert_uint_eq(number_at(path), teller->counted);
		}
		sum += teller->counted;
		conflicts += teller->conflicts;
		undisturbed += teller->undisturbed;
		if (i)
			client_close(teller->client);
	}
	ck_assert_uint_eq(number_at(counter), sum);
	expect_ok(root, MESSAGE_CONTROL, 0, ARGUMENTS("txn")); /* none is open */
	printf("# %lu answers, counted to %lu, %lu in conflict, %lu undisturbed\n", atomic_load(&progress->answers), sum,
	       conflicts, undisturbed);
	ck_assert_uint_gt(sum, 0);
}

START_TEST(tellers_lose_nothing_and_count_nothing_twice_while_the_daemon_is_killed)
{
	const char *text = getenv("KILLS");
	unsigned long kills = text ? strtoul(text, NULL, 10) : KILLS;
	int status;

	progress = mmap(NULL, sizeof(*progress), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(progress, MAP_FAILED);
	new_tellers();
	pid_t killer = fork();
	ck_assert_int_ge(killer, 0);
	if (!killer)
		kill_again_and_again(kills);
	play(kills);
	settle();
	ck_assert_int_eq(waitpid(killer, &status, 0), killer);
	ck_assert_int_eq(status, 0);
}
END_TEST

/* The directory goes also when a test fails, which runs in a process of its own. */
static void make_directory(void)
{
	ck_assert_int_eq(daemon_init(&shared), 0);
}

static void remove_directory(void)
{
	daemon_deinit(&shared);
}

int main(void)
{
	Suite *suite = suite_create("open_transactions");
	TCase *kept = tcase_create("kept"), *alone = tcase_create("alone");

	tcase_set_timeout(kept, 600);
	tcase_add_unchecked_fixture(kept, make_directory, remove_directory);
	tcase_add_checked_fixture(kept, start_kept, stop);
	tcase_add_loop_test(kept, a_transaction_that_nobody_has_disturbed_ends_in_success_after_deaths, 0, 2);
	tcase_add_loop_test(kept, a_change_before_the_death_or_after_it_fails_the_end, 0, 4);
	tcase_add_loop_test(kept, a_transaction_is_forgotten_whatever_has_happened, 0, 2);
	tcase_add_test(kept, a_guest_that_dies_while_there_is_no_daemon_leaves_no_transaction);
	tcase_add_loop_test(kept, a_live_update_forgets_nothing_that_was_observed, 0, 2);
	tcase_add_test(kept, tellers_lose_nothing_and_count_nothing_twice_while_the_daemon_is_killed);
	suite_add_tcase(suite, kept);
	tcase_set_timeout(alone, 600);
	tcase_add_unchecked_fixture(alone, make_directory, remove_directory);
	tcase_add_checked_fixture(alone, start_alone, stop);
	tcase_add_test(alone, the_transaction_of_a_guest_goes_on_after_an_end_in_good_order);
	suite_add_tcase(suite, alone);
	return suite_run(suite);
}
