/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * That the checker of tests/kill finds daemons with one mistake each (tests/kill/mutants): most are an order of two stores, which
 * nobody sees who does not die between them. $KILL_SEED: in which order the moments are tried.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "kill/points.h"
#include "kill/run.h"
#include "kill/survivors.h"
#include "support/daemon.h"
#include "support/suite.h"

enum { WALKED_CALLS = 30, TEST_SECONDS = 600 };

static struct daemon place; /* only its directory */
static struct random numbers;

static void start(void)
{
	ck_assert_int_eq(daemon_init(&place), 0);
}

static void stop(void)
{
	daemon_deinit(&place);
}

static const struct mutant {
	const char *name;
	long call;     /* it shows behind these; 0: anywhere */
	bool by_calls; /* it shows where calls begin or end */
} mutants[] = {
    {"ring-output-position-first", 0, false},
    {"ring-input-index-first", 0, false},
    {"ring-start-without-event", 0, true},
    {"turn-answer-without-tag", 0, true},
    {"turn-done-before-commit", 0, true},
    {"ledger-receive-not-armed", SYS_recvmmsg, true},
    {"ledger-send-not-armed", SYS_sendmmsg, true},
    {"ledger-disarmed-first", SYS_recvmmsg, false},
    {"ledger-event-without-tag", 0, true},
    {"queue-head-first", 0, false},
    {"recovery-nothing-cut", 0, true},
};

/* Every place once, in a chance order. */
static uint32_t *shuffled(uint32_t n)
{
	uint32_t *order = malloc((n + 1) * sizeof(*order));

	ck_assert_ptr_nonnull(order);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t at = random_below(&numbers, i + 1);
		order[i] = order[at];
		order[at] = i;
	}
	return order;
}

/* True: the checker has found something wrong. */
static bool is_caught(struct kill_run *run, const struct kill_point *point)
{
	memset(run->points, 0, sizeof(run->points));
	run->points[0] = *point;
	kill_run_play(run, place.directory);
	bool caught = *run->wrong;
	if (caught)
		printf("#   %s\n", run->wrong);
	kill_run_deinit(run);
	return caught;
}

/* Is it worth while to die there? */
static bool fits(const struct mutant *mutant, const struct kill_run *undisturbed, const struct kill_point *point)
{
	if (mutant->call && undisturbed->lives[0].numbers[point->call - 1] != mutant->call)
		return false;
	/* What is wrong in the order of two stores is seen from where one of them says that bytes are there or are gone. */
	return mutant->by_calls || point->changed & (SURVIVOR_POSITIONS | SURVIVOR_RINGS);
}

static bool is_caught_somewhere(const struct mutant *mutant, struct kill_run *run, const struct kill_run *undisturbed,
				uint32_t *runs)
{
	uint32_t n = mutant->by_calls ? 2 * undisturbed->lives[0].calls : (uint32_t)undisturbed->n_walk;
	uint32_t *order = shuffled(n);
	bool caught = false;

	*runs = 0;
	for (uint32_t i = 0; i < n && !caught; i++) {
		uint32_t at = order[i];
		struct kill_point point = {at % 2 ? KILL_AT_CALL : KILL_AFTER_CALL, .call = 1 + at / 2};
		if (!mutant->by_calls)
			point = undisturbed->walk[at];
		if (!fits(mutant, undisturbed, &point))
			continue;
		caught = is_caught(run, &point);
		++*runs;
	}
	free(order);
	return caught;
}

START_TEST(a_daemon_with_a_mistake_is_caught)
{
	const struct mutant *mutant = &mutants[_i];
	const char *build = getenv("TOP_BUILDDIR");
	char program[4096];
	struct kill_run run = {.program = program, .mode = "plain", .held = true, .seed = 1}, first = run;
	uint32_t runs = 0;

	random_begin(&numbers, "KILL_SEED");
	snprintf(program, sizeof(program), "%s/tests/kill/mutants/%s", build ? build : ".", mutant->name);
	first.walked = mutant->by_calls ? 0 : 1;
	first.walked_to = WALKED_CALLS;
	kill_run_play(&first, place.directory); /* nobody sees it as long as nobody dies */
	ck_assert_str_eq(first.wrong, "");
	bool caught = is_caught_somewhere(mutant, &run, &first, &runs);
	printf("# %s: %s in %u runs\n", mutant->name, caught ? "caught" : "not caught", runs);
	kill_run_deinit(&first);
	ck_assert(caught);
}
END_TEST

int main(void)
{
	/* The daemons are larger and slower with sanitizers, the checker is the same. */
	int n = DAEMON_IS_SANITIZED ? 2 : (int)(sizeof(mutants) / sizeof(mutants[0]));
	Suite *suite = suite_create("mistakes");
	TCase *cases = tcase_create("mistakes");

	tcase_set_timeout(cases, TEST_SECONDS);
	tcase_add_unchecked_fixture(cases, start, stop);
	tcase_add_loop_test(cases, a_daemon_with_a_mistake_is_caught, 0, n);
	suite_add_tcase(suite, cases);
	return suite_run(suite);
}
