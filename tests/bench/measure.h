/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "bench/workload.h"

enum { MEASURE_SERVERS = 8, MEASURE_ROUNDS = 64 };

struct measure_options {
	unsigned rounds;
	double seconds; /* of a sample whose number of operations is free */
	size_t leaves;
	double own_share; /* of the time that client and server must have had between them */
};

/* A value of each round and what they come to. */
struct series {
	double value[MEASURE_ROUNDS];
	size_t count;
	double median;
	double spread; /* half the distance between the quartiles, as a part of the median */
};

/* One workload at one server. */
struct figure {
	struct series rate;  /* operations per second */
	struct series ratio; /* to echo of the same round, or to the reference; empty where there is none */
	size_t operations;   /* per sample */
	unsigned disturbed;  /* samples thrown away */
	unsigned doubtful;   /* samples kept though disturbed, since no better one came */
	char error[64];	     /* why there are no figures; "" if there are */
};

/* All servers at one workload. */
struct row {
	const struct workload *workload;
	struct figure figure[MEASURE_SERVERS];
};

/*
 * Measures `count` workloads that belong together at `n_servers` running servers, interleaved: every round takes one sample
 * of each at each. The first server named echo is the limit. Failures stand in the figures.
 */
void measure_rows(const struct measure_options *options, const struct server *servers, size_t n_servers,
		  const struct workload *first, size_t count, struct row *rows);

/* Whether the goal is reached; `column` < 0: the server has no goals. */
enum verdict { VERDICT_NONE, VERDICT_MET, VERDICT_NOT_MET };
enum verdict measure_verdict(const struct workload *workload, const struct figure *figure, int column);

/* GOAL_PLAIN, GOAL_MAP, or -1. */
int measure_goal_column(const struct server *server);

void series_finish(struct series *series);
