/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Leaves out ever smaller pieces: halves first, single steps last, and single steps until none can be spared. From the end to
 * the beginning, for what comes late depends on what comes early.
 */
#include "differences/shrink.h"

#include <stdlib.h>
#include <string.h>

/* The steps that are left, by index. */
static size_t list_left(size_t n, const bool left_out[], size_t left[])
{
	size_t n_left = 0;

	for (size_t i = 0; i < n; i++) {
		if (!left_out[i])
			left[n_left++] = i;
	}
	return n_left;
}

/* Tries to do without each piece of this size; true: without one it could. */
static bool try_pieces(size_t n, bool left_out[], size_t size, size_t left[], bool trial[],
		       bool (*fails)(void *context, const bool left_out[]), void *context)
{
	size_t n_left = list_left(n, left_out, left);
	bool smaller = false;

	for (size_t end = n_left; end > 0; end = end > size ? end - size : 0) {
		size_t begin = end > size ? end - size : 0;

		memcpy(trial, left_out, n * sizeof(*trial));
		for (size_t i = begin; i < end; i++)
			trial[left[i]] = true;
		if (fails(context, trial)) {
			memcpy(left_out, trial, n * sizeof(*trial));
			smaller = true;
		}
	}
	return smaller;
}

void shrink(size_t n, bool left_out[], bool (*fails)(void *context, const bool left_out[]), void *context)
{
	size_t *left = calloc(n + 1, sizeof(*left));
	bool *trial = calloc(n + 1, sizeof(*trial));

	if (!left || !trial)
		abort();
	for (size_t size = list_left(n, left_out, left) / 2; size > 1; size /= 2)
		try_pieces(n, left_out, size, left, trial, fails, context);
	while (try_pieces(n, left_out, 1, left, trial, fails, context))
		;
	free(left);
	free(trial);
}
