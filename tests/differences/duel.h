/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "differences/known.h"
#include "differences/script.h"

/*
 * The same script, played at the same time on the stock daemon that sets the rule, on ours, and on a third that is only
 * listened to.
 */
struct duel_result {
	bool differs;			   /* in a way that is not known */
	size_t step;			   /* where; index into the script */
	char *story;			   /* what happened, for a person; NULL: nothing */
	size_t compared;		   /* steps */
	bool cut;			   /* a known difference has made the rest incomparable */
	unsigned uses[KNOWN_MAX];	   /* how often each known difference was met */
	unsigned agreed[KNOWN_MAX];	   /* ... while the third daemon did as the first */
	size_t third_same, third_compared; /* how often the third answered as the first */
};

/*
 * `left_out` (may be NULL): for each step, whether it is skipped. 0 or -errno: daemons cannot be started.
 */
int duel_play(const struct script *script, const bool *left_out, bool with_third, struct duel_result *out);
void duel_result_deinit(struct duel_result *result);

/* Adds the figures, not the story. */
void duel_result_add(struct duel_result *sum, const struct duel_result *more);
