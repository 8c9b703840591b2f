/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "bench/server.h"

/*
 * What repeats exactly: instructions of the server's process (valgrind's callgrind) and its system calls (ptrace) per
 * operation, on one hot set of nodes in stores of growing size; and what the largest store takes.
 */
enum { COUNT_SIZES = 3, COUNT_OPERATIONS = 4 };

/* Each operation runs `base` times, and `more` times more where it is counted. */
struct count_options {
	size_t operations; /* the first so many are counted */
	size_t base, more;
};

struct count_cell {
	double instructions;
	double calls;
};

struct count {
	size_t operations;	   /* that were counted */
	size_t nodes[COUNT_SIZES]; /* of the stores; 0: not measured */
	struct count_cell cell[COUNT_OPERATIONS][COUNT_SIZES];
	double bytes_per_node; /* of the largest store's file */
	double private_memory; /* of the daemon that has it open, bytes */
};

extern const char *const count_operation_names[COUNT_OPERATIONS];

/* Instructions and calls of an operation in the largest store, in parts of those in the smallest. */
struct count_cell count_growth(const struct count *count, size_t operation);

/* Whether the growth stays within COUNT_GROWTH_MAX, and all growth of a server does. */
#define COUNT_GROWTH_MAX 1.3
bool count_growth_passes(struct count_cell growth);
bool count_passes(const struct count *count);

#define COUNT_BYTES_PER_NODE_GOAL 230
#define COUNT_PRIVATE_MEMORY_GOAL 20e6

/* Starts, fills, counts and stops `server`, for each of count->nodes. 0 or -errno, told on standard error. */
int count_server(struct server *server, const struct count_options *options, struct count *count);
