/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The step of splitmix64: every seed is a good one, 0 too. */
#include "support/random.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

void random_begin(struct random *random, const char *variable)
{
	const char *seed = getenv(variable);
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	random->state = seed ? strtoull(seed, NULL, 0) : (uint64_t)now.tv_sec << 30 ^ (uint64_t)now.tv_nsec;
	printf("# %s=%" PRIu64 "\n", variable, random->state);
	fflush(stdout);
}

uint32_t random_below(struct random *random, uint32_t below)
{
	uint64_t mixed = random->state += UINT64_C(0x9e3779b97f4a7c15);

	mixed = (mixed ^ mixed >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	mixed = (mixed ^ mixed >> 27) * UINT64_C(0x94d049bb133111eb);
	mixed ^= mixed >> 31;
	return (uint32_t)((mixed >> 32) * below >> 32);
}
