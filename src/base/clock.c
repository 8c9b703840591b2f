/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The only place that asks what time it is, but for the stamps of the trace. */
#include "base/clock.h"

#include <time.h>

uint64_t clock_milliseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}
