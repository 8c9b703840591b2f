/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kill/cast.h"

/*
 * One run: the story is played from its beginning to its end, with a store, a machine and a daemon of its own, which is killed at
 * the places that were asked for. Daemon and guests take turns, so it is the same run each time up to the first death.
 */
enum kill_when {
	KILL_NEVER,
	KILL_AT_CALL,	/* when it enters its n-th system call */
	KILL_AFTER_CALL /* so many machine instructions behind its end; 0: when it would go on */
};

struct kill_point {
	enum kill_when when;
	uint32_t call; /* counted from the story's begin; of a daemon that was started again, from its own; the first is 1 */
	uint32_t step;

	/* A short way there, where a walk has found one: `address` is come to `times` times, then `more` steps. 0: none. */
	uint64_t address;
	uint32_t times, more;
	unsigned changed; /* by the instruction before: SURVIVOR_* */
};

enum { KILLS_MAX = 4 };

struct kill_run {
	const char *program; /* NULL: lxenstored */
	const char *mode;    /* of the store */
	bool held;
	bool updated;			     /* with a live update in the story */
	uint64_t seed;			     /* of who moves how many bytes */
	struct kill_point points[KILLS_MAX]; /* of the first daemon, of the second ... */

	/*
	 * The life of this daemon (0: none, 1: the first) is gone through one instruction after the other, and noted is each one
	 * behind which ledger, rings or the mapped store are not what they were, so that every moment of that life is like one of
	 * the points: those, and entry and end of each call.
	 */
	unsigned walked;
	uint32_t walked_from, walked_to; /* only behind these calls; 0: all */

	/* Results. */
	char wrong[CAST_WRONG_SIZE]; /* "": all was as it must be */
	unsigned deaths;
	struct {
		uint32_t calls;
		long *numbers; /* of the calls */
	} lives[KILLS_MAX + 1];
	struct kill_point *walk;
	size_t n_walk, walk_capacity;
	uint64_t instructions;
	unsigned missed; /* the short way did not lead there: it died at the next call */
	uint64_t requests, events, merged, transactions, transactions_lost;
};

/* Fills the results. `directory`: where files may be made; all are removed. */
void kill_run_play(struct kill_run *run, const char *directory);
void kill_run_deinit(struct kill_run *run);
