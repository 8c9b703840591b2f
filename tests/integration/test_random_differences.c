/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Random scripts on stock xenstored and on lxenstored: all they answer is the same, byte by byte, but for what
 * differences/known.c explains. $DIFFERENCES: how many steps; $DIFFERENCES_SEED: the first script, the next one has the
 * next number. A script that fails is shrunk to the smallest that still does, and printed.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "differences/duel.h"
#include "differences/generate.h"
#include "differences/shrink.h"
#include "support/suite.h"

enum { STEPS = DAEMON_IS_SANITIZED ? 10000 : 100000, STEPS_OF_SCRIPT = 300, WORKERS = 3, THIRD_EVERY = 5, TIMEOUT_S = 3600 };

static uint64_t first_seed;

struct trial {
	const struct script *script;
	size_t step; /* which differs */
	unsigned runs;
};

/* It must be the same step, or the search would drift to another difference. */
static bool still_differs(void *context, const bool left_out[])
{
	struct trial *trial = context;
	struct duel_result result;
	bool differs = !duel_play(trial->script, left_out, false, &result) && result.differs && result.step == trial->step;

	trial->runs++;
	duel_result_deinit(&result);
	return differs;
}

static void print_smallest(const struct script *script, size_t step)
{
	struct trial trial = {.script = script, .step = step};
	struct duel_result result;
	bool *left_out = calloc(script->n, sizeof(*left_out));

	ck_assert_ptr_nonnull(left_out);
	shrink(script->n, left_out, still_differs, &trial);
	printf("# the smallest script that differs, found in %u runs:\n", trial.runs);
	for (size_t i = 0; i < script->n; i++) {
		if (!left_out[i])
			printf("# | %s\n", script->steps[i].text);
	}
	if (!duel_play(script, left_out, false, &result) && result.story) {
		for (char *at = result.story, *line; (line = strsep(&at, "\n")) && *line;)
			printf("# %s\n", line);
	}
	duel_result_deinit(&result);
	free(left_out);
	fflush(stdout);
}

/* True: as it should be. */
static bool play_one(uint64_t seed, bool with_third, struct duel_result *sum)
{
	struct random random = {seed};
	struct script script;
	struct duel_result result;
	char *problem, *text = generate_script(&random, STEPS_OF_SCRIPT);
	int error = script_parse(text, &script, &problem);

	if (error) {
		printf("# %s\n", problem);
		exit(1);
	}
	error = duel_play(&script, NULL, with_third, &result);
	bool good = !error && !result.differs;
	if (error)
		fprintf(stderr, "# a daemon cannot be started: %s\n", strerror(-error));
	if (!error && result.differs) {
		printf("# DIFFERENCES_SEED=%" PRIu64 " DIFFERENCES=1: a difference\n# %s", seed, result.story);
		print_smallest(&script, result.step);
	}
	duel_result_add(sum, &result);
	duel_result_deinit(&result);
	script_deinit(&script);
	free(text);
	return good;
}

/* What the workers share. */
struct progress {
	_Atomic uint64_t scripts; /* begun */
	_Atomic uint64_t steps;	  /* compared */
	struct duel_result sums[WORKERS];
};

static void work(struct progress *progress, struct duel_result *sum, uint64_t n_steps)
{
	while (progress->steps < n_steps) {
		uint64_t i = progress->scripts++;
		size_t before = sum->compared;
		if (!play_one(first_seed + i, i % THIRD_EVERY == 0, sum))
			_exit(1);
		progress->steps += sum->compared - before;
	}
	_exit(0);
}

static void print_figures(const struct progress *progress)
{
	struct duel_result sum = {0};

	for (unsigned i = 0; i < WORKERS; i++)
		duel_result_add(&sum, &progress->sums[i]);
	printf("# %zu steps of %" PRIu64 " scripts were answered as by xenstored, or in a known other way:\n", sum.compared,
	       progress->scripts);
	printf("#    times  oxenstored as xenstored\n");
	for (size_t i = 0; i < n_known_differences; i++) {
		if (!sum.uses[i])
			continue;
		printf("#   %6u   %6u   %s\n", sum.uses[i], sum.agreed[i], known_differences[i].name);
	}
	printf("# every %dth script was played on oxenstored too; it answered %zu of %zu steps as xenstored did\n", THIRD_EVERY,
	       sum.third_same, sum.third_compared);
	fflush(stdout);
}

START_TEST(random_scripts_are_answered_as_by_xenstored)
{
	const char *steps = getenv("DIFFERENCES");
	uint64_t n_steps = steps ? strtoull(steps, NULL, 0) : STEPS;
	struct progress *progress = mmap(NULL, sizeof(*progress), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t workers[WORKERS];
	bool good = true;

	ck_assert_ptr_ne(progress, MAP_FAILED);
	for (unsigned i = 0; i < WORKERS; i++) {
		workers[i] = fork();
		ck_assert_int_ge(workers[i], 0);
		if (!workers[i])
			work(progress, &progress->sums[i], n_steps);
	}
	for (unsigned i = 0; i < WORKERS; i++) {
		int status;
		ck_assert_int_eq(waitpid(workers[i], &status, 0), workers[i]);
		good &= !status;
	}
	print_figures(progress);
	ck_assert_msg(good, "a script has a difference that is not known");
}
END_TEST

int main(void)
{
	struct random random;
	const char *why;

	if (!sim_stock_programs(&why)) {
		const char *ci = getenv("CI");
		bool must = ci && !strcmp(ci, "true");
		printf(must ? "1..1\nnot ok 1 - the stock daemons are there\n# %s\n" : "1..0 # SKIP %s\n", why);
		return must ? EXIT_FAILURE : EXIT_SUCCESS;
	}
	random_begin(&random, "DIFFERENCES_SEED");
	first_seed = random.state;
	Suite *suite = suite_create("random_differences");
	TCase *tcase = tcase_create("random");
	tcase_set_timeout(tcase, TIMEOUT_S);
	tcase_add_test(tcase, random_scripts_are_answered_as_by_xenstored);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
