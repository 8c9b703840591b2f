/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Kills the daemon at every moment of the story (README.md): a death for each, in a run of its own. Long runs are split by -p,
 * and what is found wrong is played again with "one".
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kill/loose.h"
#include "kill/points.h"
#include "kill/run.h"

enum { WRONG_TOLD = 20, PROGRESS_SECONDS = 20 };

struct enumeration {
	struct kill_run run; /* what all runs have in common */
	const char *directory;
	unsigned part, parts;
	unsigned long runs, wrong, wanted;
	unsigned long deaths[KILLS_MAX + 1]; /* runs with so many */
	unsigned long missed, requests, events, transactions, transactions_lost;
	time_t begun, told;
	struct kill_point *points;
	size_t n_points;
	uint32_t calls;
	const char *what;
};

static void help(void)
{
	fputs("Usage: enumerate [-m plain|map] [-n] [-u] [-p K/N] [-s SEED] [-x PROGRAM] [-d DIRECTORY] WHAT\n"
	      "  calls           dies when it enters each system call\n"
	      "  moments         and at the end of each, and behind each instruction that changes what outlives it\n"
	      "  twice COUNT     dies at so many of these, spread over the story, and again at each call of the start after it\n"
	      "  moments-twice COUNT   the same, and again at each moment of the start\n"
	      "  chance COUNT    not led, under its own keeper (-n: without): dies so often, at any time, also in its start\n"
	      "  one WHEN[,WHEN] one run; WHEN is e7 (entry of call 7) or a7:30 (30 instructions behind its end)\n"
	      "  -n: nobody holds the sockets; -u: with a live update; -p: only each N-th run, from the K-th on\n",
	      stderr);
	exit(2);
}

static void tell_progress(struct enumeration *all, bool is_last)
{
	time_t now = time(NULL);

	if (!is_last && now - all->told < PROGRESS_SECONDS)
		return;
	all->told = now;
	printf("# %s, %s, %s: %lu of %lu runs, %lu wrong, %ld s\n", all->what, all->run.mode,
	       all->run.held ? (all->run.updated ? "held, updated" : "held") : "not held", all->runs,
	       (all->wanted + all->parts - 1) / all->parts, all->wrong, (long)(now - all->begun));
	fflush(stdout);
}

static void tell_end(struct enumeration *all)
{
	tell_progress(all, true);
	for (int i = 0; i <= KILLS_MAX; i++)
		if (all->deaths[i])
			printf("# %lu runs with %d deaths\n", all->deaths[i], i);
	printf("# %lu deaths at another moment than was meant, because that did not come\n", all->missed);
	printf("# %lu requests, %lu events, %lu transactions of which %lu were lost by a death\n", all->requests, all->events,
	       all->transactions, all->transactions_lost);
	printf("%lu passed, %lu failed, 0 skipped\n", all->runs - all->wrong, all->wrong);
}

/* It is over: what is to be said of it, and the sums. */
static void count(struct enumeration *all, const struct kill_run *run)
{
	all->runs++;
	all->deaths[run->deaths <= KILLS_MAX ? run->deaths : KILLS_MAX]++;
	all->missed += run->missed;
	all->requests += run->requests;
	all->events += run->events;
	all->transactions += run->transactions;
	all->transactions_lost += run->transactions_lost;
	if (*run->wrong) {
		all->wrong++;
		points_tell(run);
	}
	if (all->wrong >= WRONG_TOLD) {
		printf("# that is enough\n");
		tell_end(all);
		exit(1);
	}
	tell_progress(all, false);
}

static void play(struct enumeration *all, const struct kill_point points[KILLS_MAX])
{
	struct kill_run run = all->run;

	memcpy(run.points, points, sizeof(run.points));
	kill_run_play(&run, all->directory);
	count(all, &run);
	kill_run_deinit(&run);
}

static void play_by_chance(struct enumeration *all, unsigned long deaths)
{
	struct random chance;
	unsigned long so_far = 0;

	deaths = (deaths + all->parts - 1) / all->parts;
	random_begin(&chance, "KILL_SEED");
	chance.state += all->part;
	while (so_far < deaths) {
		struct kill_run run = all->run;
		run.seed = random_below(&chance, UINT32_MAX);
		kill_run_play_loosely(&run, all->directory, &chance);
		so_far += run.deaths;
		all->wanted = (all->runs + 1) * deaths / (so_far ? so_far : 1) * all->parts;
		count(all, &run);
	}
	all->wanted = all->runs * all->parts;
	printf("# %lu deaths\n", so_far);
}

static void play_all(struct enumeration *all, const struct kill_point *firsts, size_t n)
{
	all->wanted += n;
	for (size_t i = 0; i < n; i++) {
		struct kill_point points[KILLS_MAX] = {firsts[i]};
		if (i % all->parts == all->part)
			play(all, points);
	}
}

/* Not to be killed: how many calls there are, and with `walked` which moments. */
static void look(struct enumeration *all, const struct kill_point *first, unsigned walked, struct kill_run *run)
{
	*run = all->run;
	run->walked = walked;
	if (first)
		run->points[0] = *first;
	kill_run_play(run, all->directory);
	if (*run->wrong) {
		printf("# %s\nBail out! the story itself does not go well\n", run->wrong);
		exit(1);
	}
}

static void add(struct enumeration *all, struct kill_point point)
{
	all->points = realloc(all->points, (all->n_points + 1) * sizeof(*all->points));
	if (!all->points)
		abort();
	all->points[all->n_points++] = point;
}

static void add_calls(struct enumeration *all, const struct kill_run *run, unsigned life)
{
	for (uint32_t i = 1; i <= run->lives[life].calls; i++)
		add(all, (struct kill_point){.when = KILL_AT_CALL, .call = i});
}

static void add_moments(struct enumeration *all, const struct kill_run *run, unsigned life)
{
	add_calls(all, run, life);
	for (uint32_t i = 1; i < run->lives[life].calls; i++) /* behind the last it waits until it is ended */
		add(all, (struct kill_point){.when = KILL_AFTER_CALL, .call = i});
	for (size_t i = 0; i < run->n_walk; i++)
		add(all, run->walk[i]);
}

static void enumerate_story(struct enumeration *all, bool moments)
{
	struct kill_run run;

	look(all, NULL, moments ? 1 : 0, &run);
	printf("# the story: %u calls, %lu instructions looked at, %zu of them change what outlives the daemon\n",
	       run.lives[0].calls, (unsigned long)run.instructions, run.n_walk);
	if (moments)
		add_moments(all, &run, 0);
	else
		add_calls(all, &run, 0);
	kill_run_deinit(&run);
	play_all(all, all->points, all->n_points);
}

/* The start after this death, at each call, or each moment, of it. */
static void enumerate_start(struct enumeration *all, const struct kill_point *first, bool moments)
{
	struct kill_run run;

	look(all, first, moments ? 2 : 0, &run);
	all->n_points = 0;
	if (moments)
		add_moments(all, &run, 1);
	else
		add_calls(all, &run, 1);
	kill_run_deinit(&run);
	all->wanted += all->n_points;
	for (size_t i = 0; i < all->n_points; i++) {
		struct kill_point points[KILLS_MAX] = {*first, all->points[i]};
		play(all, points);
	}
}

static void enumerate_twice(struct enumeration *all, unsigned count, bool moments)
{
	struct kill_run run;

	look(all, NULL, 0, &run);
	uint32_t calls = run.lives[0].calls;
	kill_run_deinit(&run);
	for (unsigned i = 0; i < count; i++) {
		struct kill_point first = {.when = i % 2 ? KILL_AFTER_CALL : KILL_AT_CALL,
					   .call = 1 + (uint32_t)((uint64_t)i * calls / count)};
		if (i % all->parts == all->part)
			enumerate_start(all, &first, moments);
	}
	all->wanted *= all->parts; /* counted in this part only */
}

static void play_one(struct enumeration *all, const char *text)
{
	struct kill_point points[KILLS_MAX];

	if (!points_parse(text, points))
		help();
	setenv("KILL_TELL", "1", 1);
	all->wanted = 1;
	play(all, points);
}

int main(int argc, char **argv)
{
	struct enumeration all = {.run = {.mode = "plain", .held = true, .seed = 1}, .directory = "/dev/shm", .parts = 1};
	int option;

	while ((option = getopt(argc, argv, "m:nup:s:x:d:")) != -1) {
		switch (option) {
		case 'm':
			all.run.mode = optarg;
			break;
		case 'n':
			all.run.held = false;
			break;
		case 'u':
			all.run.updated = true;
			break;
		case 'p':
			if (sscanf(optarg, "%u/%u", &all.part, &all.parts) != 2 || !all.part || all.part > all.parts)
				help();
			all.part--;
			break;
		case 's':
			all.run.seed = strtoull(optarg, NULL, 0);
			break;
		case 'x':
			all.run.program = optarg;
			break;
		case 'd':
			all.directory = optarg;
			break;
		default:
			help();
		}
	}
	argv += optind;
	if (!argv[0])
		help();
	all.what = argv[0];
	all.begun = all.told = time(NULL);
	if (!strcmp(argv[0], "calls") || !strcmp(argv[0], "moments"))
		enumerate_story(&all, *argv[0] == 'm');
	else if (argv[1] && (!strcmp(argv[0], "twice") || !strcmp(argv[0], "moments-twice")))
		enumerate_twice(&all, (unsigned)strtoul(argv[1], NULL, 10), *argv[0] == 'm');
	else if (argv[1] && !strcmp(argv[0], "chance"))
		play_by_chance(&all, strtoul(argv[1], NULL, 10));
	else if (argv[1] && !strcmp(argv[0], "one"))
		play_one(&all, argv[1]);
	else
		help();
	tell_end(&all);
	free(all.points);
	return all.wrong > 0;
}
