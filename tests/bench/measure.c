/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A sample is a number of operations and the CPU time that client and server used for them between the two. They share one
 * CPU, and one of them always has something to do; so with nobody else there this is the time that has passed, and where
 * others run it is still what the operations cost. But others also leave cold caches behind: if the two had less than
 * `own_share` of the time, the sample is thrown away and taken again. What drifts slowly (clock rate, neighbours) hits all
 * servers of a round alike, so the ratio within a round is the figure that holds.
 */
#include "bench/measure.h"

#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { HOT_NODES = 100, ATTEMPTS = 10, QUIET_STEP_NS = 2000000, QUIET_NS = 20000, QUIET_STEPS = 2500 };

static uint64_t now(clockid_t clock)
{
	struct timespec time;

	clock_gettime(clock, &time);
	return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

/* Until the server has done what earlier steps left to it. */
static void settle(const struct server *server)
{
	uint64_t before = server_cpu_time(server), after;

	for (int i = 0; i < QUIET_STEPS; i++) {
		nanosleep(&(struct timespec){.tv_nsec = QUIET_STEP_NS}, NULL);
		after = server_cpu_time(server);
		if (after - before < QUIET_NS)
			return;
		before = after;
	}
}

struct sample {
	double seconds;
	double own_share; /* of the time that has passed */
};

static int timed_run(const struct workload *workload, struct site *site, size_t operations, struct sample *out)
{
	uint64_t wall, own;
	int error;

	wall = now(CLOCK_MONOTONIC);
	own = now(CLOCK_PROCESS_CPUTIME_ID) + server_cpu_time(site->server);
	error = workload->run(site, operations);
	own = now(CLOCK_PROCESS_CPUTIME_ID) + server_cpu_time(site->server) - own;
	wall = now(CLOCK_MONOTONIC) - wall;
	out->seconds = (double)own / 1e9;
	out->own_share = wall > 0 ? (double)own / (double)wall : 0;
	return error;
}

static size_t round_up(size_t operations, size_t step)
{
	step = step > 0 ? step : 1;
	return (operations + step - 1) / step * step;
}

/* Finds how many operations fill the time of a sample. */
static int calibrate(const struct measure_options *options, const struct workload *workload, struct site *site,
		     size_t *operations)
{
	struct sample sample;
	size_t n = 16;
	int error;

	for (;;) {
		n = round_up(n, workload->step);
		error = timed_run(workload, site, n, &sample);
		if (error)
			return error;
		if (sample.seconds > options->seconds / 4)
			break;
		n *= 2;
	}
	*operations = round_up((size_t)((double)n * options->seconds / sample.seconds), workload->step);
	return 0;
}

static int take_sample(const struct measure_options *options, const struct workload *workload, struct site *site,
		       struct figure *figure, struct sample *out)
{
	int error = workload->before ? workload->before(site, figure->operations) : 0;

	if (error)
		return error;
	if (workload->operations == 0 && figure->operations == 0) {
		error = calibrate(options, workload, site, &figure->operations);
		if (error)
			return error;
	}
	settle(site->server);
	if (workload->operations == 0)
		error = workload->run(site, round_up(figure->operations / 16, workload->step));
	if (!error)
		error = timed_run(workload, site, figure->operations, out);
	if (!error && workload->after)
		error = workload->after(site, figure->operations);
	return error;
}

/* A sample that was not disturbed; after too many attempts the best there was. */
static int good_sample(const struct measure_options *options, const struct workload *workload, struct site *site,
		       struct figure *figure, double *seconds)
{
	struct sample sample, best = {0};
	int error;

	for (int i = 0; i < ATTEMPTS; i++) {
		error = take_sample(options, workload, site, figure, &sample);
		if (error)
			return error;
		if (sample.own_share > best.own_share)
			best = sample;
		if (best.own_share >= options->own_share)
			break;
		figure->disturbed++;
	}
	figure->doubtful += best.own_share < options->own_share;
	*seconds = best.seconds;
	return 0;
}

static void fail(struct figure *figure, const struct site *site, int error)
{
	snprintf(figure->error, sizeof(figure->error), "%s", workload_error(site, error));
	figure->rate.count = 0;
	figure->ratio.count = 0;
}

static const struct figure *reference(const struct row *row, size_t index, const struct row *previous,
				      const struct server *servers, size_t n_servers)
{
	if (row->workload->goal_kind == GOAL_OF_REFERENCE)
		return previous ? &previous->figure[index] : NULL;
	for (size_t i = 0; i < n_servers; i++) {
		if (server_is_echo(&servers[i]) && !row->workload->no_echo)
			return &row->figure[i];
	}
	return NULL;
}

static void finish(struct row *rows, size_t count, const struct server *servers, size_t n_servers)
{
	for (size_t w = 0; w < count; w++) {
		for (size_t s = 0; s < n_servers; s++) {
			struct figure *figure = &rows[w].figure[s];
			const struct figure *to = reference(&rows[w], s, w > 0 ? &rows[w - 1] : NULL, servers, n_servers);

			figure->ratio.count = to && to->rate.count == figure->rate.count ? figure->rate.count : 0;
			for (size_t i = 0; i < figure->ratio.count; i++)
				figure->ratio.value[i] = figure->rate.value[i] / to->rate.value[i];
		}
	}
	for (size_t w = 0; w < count; w++) {
		for (size_t s = 0; s < n_servers; s++) {
			series_finish(&rows[w].figure[s].rate);
			series_finish(&rows[w].figure[s].ratio);
		}
	}
}

static void open_sites(const struct measure_options *options, const struct server *servers, size_t n_servers, struct row *row,
		       struct site *sites)
{
	for (size_t s = 0; s < n_servers; s++) {
		struct site *site = &sites[s];
		struct figure *figure = &row->figure[s];
		int error;

		site->server = &servers[s];
		site->leaves = options->leaves;
		site->hot = HOT_NODES;
		site->parameter = row->workload->parameter;
		figure->operations = row->workload->operations;
		if (server_is_echo(&servers[s]) && row->workload->no_echo) {
			snprintf(figure->error, sizeof(figure->error), "-");
			continue;
		}
		error = row->workload->open(site);
		if (error)
			fail(figure, site, error);
	}
}

static void measure_one(const struct measure_options *options, struct row *row, struct site *site, size_t server)
{
	struct figure *figure = &row->figure[server];
	double seconds;
	int error;

	if (figure->error[0])
		return;
	error = good_sample(options, row->workload, site, figure, &seconds);
	if (error)
		fail(figure, site, error);
	else
		figure->rate.value[figure->rate.count++] = (double)figure->operations / seconds;
}

void measure_rows(const struct measure_options *options, const struct server *servers, size_t n_servers,
		  const struct workload *first, size_t count, struct row *rows)
{
	struct site(*sites)[MEASURE_SERVERS] = calloc(count, sizeof(*sites));

	memset(rows, 0, count * sizeof(*rows));
	if (!sites)
		return;
	for (size_t w = 0; w < count; w++) {
		rows[w].workload = first + w;
		open_sites(options, servers, n_servers, &rows[w], sites[w]);
	}
	for (unsigned round = 0; round < options->rounds; round++) {
		for (size_t s = 0; s < n_servers; s++) {
			size_t server = (s + round) % n_servers;

			for (size_t w = 0; w < count; w++)
				measure_one(options, &rows[w], &sites[w][server], server);
		}
	}
	for (size_t w = 0; w < count; w++) {
		for (size_t s = 0; s < n_servers; s++)
			workload_close(first + w, &sites[w][s]);
	}
	free(sites);
	finish(rows, count, servers, n_servers);
}

int measure_goal_column(const struct server *server)
{
	if (strcmp(server->name, "plain") == 0)
		return GOAL_PLAIN;
	return strcmp(server->name, "map") == 0 ? GOAL_MAP : -1;
}

enum verdict measure_verdict(const struct workload *workload, const struct figure *figure, int column)
{
	bool met;

	if (column < 0 || workload->goal_kind == GOAL_NONE)
		return VERDICT_NONE;
	if (workload->goal_kind == GOAL_MICROSECONDS) {
		if (figure->rate.count == 0)
			return VERDICT_NOT_MET;
		met = 1e6 / figure->rate.median <= workload->goal[column];
	} else {
		met = figure->ratio.count > 0 && figure->ratio.median >= workload->goal[column];
	}
	return met ? VERDICT_MET : VERDICT_NOT_MET;
}

static int compare(const void *left, const void *right)
{
	double a = *(const double *)left, b = *(const double *)right;

	return (a > b) - (a < b);
}

static double quantile(const double *sorted, size_t count, double part)
{
	double at = part * (double)(count - 1);
	size_t below = (size_t)at, above = below + 1 < count ? below + 1 : below;

	return sorted[below] + (at - (double)below) * (sorted[above] - sorted[below]);
}

void series_finish(struct series *series)
{
	double sorted[MEASURE_ROUNDS];

	if (series->count == 0)
		return;
	memcpy(sorted, series->value, series->count * sizeof(*sorted));
	qsort(sorted, series->count, sizeof(*sorted), compare);
	series->median = quantile(sorted, series->count, 0.5);
	series->spread = (quantile(sorted, series->count, 0.75) - quantile(sorted, series->count, 0.25)) / 2 / series->median;
}
