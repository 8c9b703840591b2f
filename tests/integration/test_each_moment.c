/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Deaths at chance moments of the story that tests/kill/enumerate goes through moment by moment. $KILL_SEED, $KILLS: how many
 * runs with each setting.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kill/loose.h"
#include "kill/points.h"
#include "kill/run.h"
#include "support/daemon.h"
#include "support/suite.h"

enum {
	RUNS = DAEMON_IS_SANITIZED ? 6 : 15,
	LOOSE_RUNS = DAEMON_IS_SANITIZED ? 4 : 8,
	STEPS = 16, /* powers of two */
	TEST_SECONDS = 600
};

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

static void play(struct kill_run *run)
{
	kill_run_play(run, place.directory);
	if (*run->wrong)
		points_tell(run);
}

static const struct setting {
	const char *mode;
	bool held, updated;
} settings[] = {
    {"plain", true, false}, {"plain", false, false}, {"map", true, false}, {"map", false, false}, {"plain", true, true}};

static struct kill_point some_point(uint32_t calls)
{
	struct kill_point point = {.when = KILL_AFTER_CALL, .call = 1 + random_below(&numbers, calls)};

	switch (random_below(&numbers, 4)) {
	case 0:
		point.when = KILL_AT_CALL;
		break;
	case 1: /* at its end */
		break;
	default:
		point.step = random_below(&numbers, 1U << random_below(&numbers, STEPS));
	}
	return point;
}

START_TEST(whenever_it_dies_nothing_is_lost_and_nothing_comes_twice)
{
	const struct setting *setting = &settings[_i];
	struct kill_run run = {.mode = setting->mode, .held = setting->held, .updated = setting->updated, .seed = 1};
	const char *text = getenv("KILLS");
	int runs = text && atoi(text) < RUNS ? atoi(text) : RUNS;
	unsigned deaths = 0;

	random_begin(&numbers, "KILL_SEED");
	numbers.state += (uint64_t)_i;
	play(&run);
	ck_assert_str_eq(run.wrong, "");
	uint32_t calls = run.lives[0].calls;
	kill_run_deinit(&run);
	for (int i = 0; i < runs; i++) {
		run.seed = 1 + random_below(&numbers, 1000);
		memset(run.points, 0, sizeof(run.points));
		run.points[0] = some_point(calls);
		for (int k = 1; k < KILLS_MAX && !random_below(&numbers, 2); k++)
			run.points[k] = some_point(calls);
		play(&run);
		ck_assert_str_eq(run.wrong, "");
		deaths += run.deaths;
		kill_run_deinit(&run);
	}
	printf("# %s, sockets %s, %s: %u deaths in %d runs\n", setting->mode, setting->held ? "held" : "not held",
	       setting->updated ? "updated" : "not updated", deaths, runs);
}
END_TEST

START_TEST(at_whatever_time_it_dies_under_its_keeper_or_without_nothing_is_lost)
{
	const struct setting *setting = &settings[_i];
	const char *text = getenv("KILLS");
	int runs = text && atoi(text) < LOOSE_RUNS ? atoi(text) : LOOSE_RUNS;
	unsigned deaths = 0;

	random_begin(&numbers, "KILL_SEED");
	for (int i = 0; i < runs; i++) {
		struct kill_run run = {
		    .mode = setting->mode, .held = setting->held, .updated = setting->updated, .seed = (uint64_t)i};
		kill_run_play_loosely(&run, place.directory, &numbers);
		ck_assert_str_eq(run.wrong, "");
		deaths += run.deaths;
	}
	printf("# %s, %s, %s: %u deaths in %d runs\n", setting->mode, setting->held ? "under the keeper" : "without a keeper",
	       setting->updated ? "updated" : "not updated", deaths, runs);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("each moment");
	TCase *cases = tcase_create("each moment");

	tcase_set_timeout(cases, TEST_SECONDS);
	tcase_add_unchecked_fixture(cases, start, stop);
	tcase_add_loop_test(cases, whenever_it_dies_nothing_is_lost_and_nothing_comes_twice, 0,
			    (int)(sizeof(settings) / sizeof(settings[0])));
	tcase_add_loop_test(cases, at_whatever_time_it_dies_under_its_keeper_or_without_nothing_is_lost, 0,
			    (int)(sizeof(settings) / sizeof(settings[0])));
	suite_add_tcase(suite, cases);
	return suite_run(suite);
}
