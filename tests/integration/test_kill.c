/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * SIGKILL in the middle of load, on one store for the whole test: whatever a kill damages stays there to be found. After each,
 * the file is checked, the daemon started again and its tree compared with what the clients know.
 *
 * $KILLS: kills in each mode (default: 1000, of a sanitized daemon 50). $SEED: of all that is random, but for the moment at which
 * the kernel's timer strikes.
 */
#include "integration/kill_counter.h"
#include "integration/kill_tree.h"
#include "integration/kill_writer.h"
#include "store/check.h"
#include "support/daemon.h"
#include "support/random.h"
#include "support/suite.h"
#include "wire/message.h"

#include <check.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>

enum {
	WRITERS = 6,
	COUNTERS = 3,
	KILLS_DEFAULT = DAEMON_IS_SANITIZED ? 50 : 1000,
	TEST_SECONDS = 3000,
	TIMEOUT_MS = 60000,
	ANSWERS_MAX = 1500,
	LOAD_MICROSECONDS_MAX = 12000,
	SENT_MAX = 60,
	START_MICROSECONDS_MAX = 8000
};

/* When the daemon is killed. */
enum moment { MOMENT_TIME, MOMENT_ANSWERS, MOMENT_SENT, MOMENTS };

static struct daemon xenstored;
static struct random random_state;
static struct writer *writers[WRITERS];
static struct counter *counters[COUNTERS];
static struct client *watcher;
static struct generations generations;
static struct writer_figures figures;
static volatile sig_atomic_t struck; /* by kill_now */
static uint64_t answers, events, killed_at_start;

static unsigned below(unsigned limit)
{
	return random_below(&random_state, limit);
}

/* ---- kills ---- */

static void kill_now(int signal)
{
	pid_t pid = xenstored.pid;

	(void)signal;
	if (pid > 0)
		struck = !kill(pid, SIGKILL);
}

/* Kills after this time; 0: not at all. */
static void kill_later(unsigned microseconds)
{
	struct itimerval when = {.it_value = {.tv_usec = microseconds}};

	ck_assert_int_eq(setitimer(ITIMER_REAL, &when, NULL), 0);
}

static struct client *connect_client(int timeout_ms)
{
	struct client *client;
	int error = client_open(xenstored.socket, timeout_ms, &client);

	ck_assert_msg(!error, "no connection: %s", strerror(-error));
	return client;
}

static void check_dead_store(void)
{
	struct check_verdict verdict;
	struct generations now;

	ck_assert_int_eq(check_file(xenstored.store, NULL, &verdict), 0);
	ck_assert_msg(verdict.result == CHECK_SOUND, "the store is not sound: %s", verdict.text);
	generations_read(xenstored.store, &now);
	generations_compare(&generations, &now);
	generations_free(&generations);
	generations = now;
}

/* Starts it; now and then it is killed before it serves, even several times. */
static void start(const char *mode)
{
	const char *arguments[] = {"--store", xenstored.store, "--store-mode", mode, NULL};
	int status = 0, error;

	do {
		struck = 0;
		kill_later(below(6) ? 0 : 1 + below(START_MICROSECONDS_MAX));
		error = daemon_start(&xenstored, arguments, &status);
		kill_later(0);
		char *messages = daemon_messages(&xenstored);
		ck_assert_msg(!error || (struck && error == -ECHILD && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL),
			      "the daemon does not start (%s, status %x): %s", strerror(-error), (unsigned)status, messages);
		free(messages);
		killed_at_start += struck != 0;
		if (!error && struck)
			daemon_wait(&xenstored, NULL);
	} while (struck);
}

/* ---- load ---- */

static void take_events(void)
{
	struct client_event event;
	uint64_t number;
	unsigned writer;
	int error;

	while (!(error = client_next_event(watcher, &event))) {
		const char *unique = strstr(event.path, "/u/");
		if (unique && sscanf(event.path, "/k%u", &writer) == 1 && sscanf(unique, "/u/%" SCNu64, &number) == 1) {
			writer_saw(writers[writer], number);
			events++;
		}
	}
	ck_assert_msg(error == -ETIME || error == -EPIPE, "the watcher cannot receive: %s", strerror(-error));
}

/* Its changes are told from here on. */
static void begin_watching(void)
{
	struct pollfd wait;
	struct client_message answer;

	watcher = connect_client(0);
	wait = (struct pollfd){client_fd(watcher), POLLIN, 0};
	ck_assert_int_eq(client_send(watcher, MESSAGE_WATCH, 0, "/\0w", 4, NULL), 0);
	while (client_receive_reply(watcher, &answer) == -ETIME)
		ck_assert_int_eq(poll(&wait, 1, TIMEOUT_MS), 1);
	ck_assert_str_eq(answer.payload, "OK");
}

static void begin_load(void)
{
	for (size_t i = 0; i < WRITERS; i++)
		writer_connect(writers[i], connect_client(0));
	for (size_t i = 0; i < COUNTERS; i++)
		counter_connect(counters[i], connect_client(0));
	begin_watching();
}

static void wait_for_answers(void)
{
	struct pollfd waits[WRITERS + COUNTERS];

	for (size_t i = 0; i < WRITERS; i++)
		waits[i] = (struct pollfd){client_fd(writer_client(writers[i])), POLLIN, 0};
	for (size_t i = 0; i < COUNTERS; i++)
		waits[WRITERS + i] = (struct pollfd){client_fd(counter_client(counters[i])), POLLIN, 0};
	int n = poll(waits, WRITERS + COUNTERS, TIMEOUT_MS);
	ck_assert_msg(n > 0 || (n < 0 && errno == EINTR), "no client gets an answer");
}

/* All that has come so far. False: the daemon has hung up. */
static bool receive_all(void)
{
	bool alive = true;

	for (size_t i = 0; i < WRITERS; i++)
		alive = writer_receive(writers[i], &answers) && alive;
	for (size_t i = 0; i < COUNTERS; i++)
		alive = counter_go_on(counters[i], &answers) && alive;
	take_events();
	return alive;
}

static void load_until_killed(void)
{
	enum moment moment = (enum moment)below(MOMENTS);
	uint64_t last_answer = answers + below(ANSWERS_MAX);
	unsigned last_sent = below(SENT_MAX), sent = 0;
	bool alive = true;

	if (moment == MOMENT_TIME)
		kill_later(1 + below(LOAD_MICROSECONDS_MAX));
	while (alive) {
		for (size_t i = 0; i < WRITERS; i++) {
			alive = writer_send(writers[i]) && alive;
			if (moment == MOMENT_SENT && ++sent > last_sent)
				kill_now(SIGALRM);
		}
		wait_for_answers();
		alive = receive_all() && alive;
		if (moment == MOMENT_ANSWERS && answers > last_answer)
			kill_now(SIGALRM);
	}
	kill_later(0);
}

static void wait_for_death(void)
{
	int status;

	ck_assert_int_eq(daemon_wait(&xenstored, &status), 0);
	ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "the daemon died by itself: status %x",
		      (unsigned)status);
}

static void load(void)
{
	begin_load();
	load_until_killed();
	wait_for_death();
	/* What was sent before it died is still there to be read. */
	while (receive_all())
		;
	for (size_t i = 0; i < WRITERS; i++)
		writer_disconnect(writers[i]);
	for (size_t i = 0; i < COUNTERS; i++)
		counter_disconnect(counters[i]);
	client_close(watcher);
}

/* ---- afterwards ---- */

static void compare_tree(void)
{
	struct client *client = connect_client(TIMEOUT_MS);
	uint64_t sum = 0, total = counter_total(client);

	for (size_t i = 0; i < WRITERS; i++) {
		struct model_node *found = kill_tree_read(client, writer_root(writers[i]));
		writer_settle(writers[i], found, &figures);
		model_free(found);
	}
	for (size_t i = 0; i < COUNTERS; i++) {
		sum += counter_settle(counters[i], client);
		ck_assert_uint_le(counter_highest(counters[i]), total);
	}
	ck_assert_uint_eq(sum, total);
	client_close(client);
}

static void make_first_nodes(const char *mode)
{
	start(mode);
	struct client *client = connect_client(TIMEOUT_MS);
	struct client_message answer;

	for (size_t i = 0; i < WRITERS; i++) {
		const char *root = writer_root(writers[i]);
		ck_assert_int_eq(client_call(client, MESSAGE_MKDIR, 0, root, strlen(root) + 1, &answer), 0);
		ck_assert_uint_eq(answer.header.type, MESSAGE_MKDIR);
	}
	for (size_t i = 0; i < COUNTERS; i++)
		counter_prepare(counters[i], client);
	client_close(client);
	daemon_stop(&xenstored, SIGKILL, NULL);
}

/* The directory goes also when the test fails, which runs in a process of its own. */
static void make_directory(void)
{
	ck_assert_int_eq(daemon_init(&xenstored), 0);
}

static void remove_directory(void)
{
	daemon_deinit(&xenstored);
}

static const char *const modes[] = {"plain", "map"};

START_TEST(every_acknowledged_change_survives_a_kill_and_no_other_is_there_by_half)
{
	const char *mode = modes[_i];
	const char *number = getenv("KILLS");
	long kills = number ? strtol(number, NULL, 10) : KILLS_DEFAULT;
	uint64_t conflicts = 0;

	random_begin(&random_state, "KILL_SEED");
	snprintf(xenstored.store, sizeof(xenstored.store), "%s/%s.mdb", xenstored.directory, mode);
	ck_assert_ptr_ne(signal(SIGALRM, kill_now), SIG_ERR);
	for (unsigned i = 0; i < WRITERS; i++)
		writers[i] = writer_new(i, below(UINT32_MAX));
	for (unsigned i = 0; i < COUNTERS; i++)
		counters[i] = counter_new(i);
	make_first_nodes(mode);
	for (long i = 0; i < kills; i++) {
		check_dead_store();
		start(mode);
		compare_tree();
		load();
	}
	check_dead_store();
	start(mode);
	compare_tree();
	daemon_stop(&xenstored, SIGTERM, NULL);

	for (size_t i = 0; i < COUNTERS; i++) {
		conflicts += counter_conflicts(counters[i]);
		counter_free(counters[i]);
	}
	for (size_t i = 0; i < WRITERS; i++)
		writer_free(writers[i]);
	generations_free(&generations);
	printf("# %s, %ld kills: %" PRIu64 " answers, %" PRIu64 " events, %" PRIu64
	       " transactions in conflict; unanswered and found done %" PRIu64 ", undone %" PRIu64
	       "; kills that struck between requests of one client %" PRIu64 ", during a start %" PRIu64 "\n",
	       mode, kills, answers, events, conflicts, figures.found_done, figures.found_undone, figures.found_between,
	       killed_at_start);
	/* Else the kills have not struck where it matters. */
	ck_assert(kills < KILLS_DEFAULT ||
		  (figures.found_done && figures.found_undone && figures.found_between && conflicts && events));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("kill");
	TCase *cases = tcase_create("kill");

	tcase_set_timeout(cases, TEST_SECONDS);
	tcase_add_unchecked_fixture(cases, make_directory, remove_directory);
	tcase_add_loop_test(cases, every_acknowledged_change_survives_a_kill_and_no_other_is_there_by_half, 0,
			    sizeof(modes) / sizeof(modes[0]));
	suite_add_tcase(suite, cases);
	return suite_run(suite);
}
