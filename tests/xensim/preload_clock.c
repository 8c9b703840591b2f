/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * With XENSIM_FROZEN in the environment no time passes for the daemon but for a nanosecond each time that it looks: what it does
 * depends on what it is told only, however slowly it is led.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>

#include "xensim/preload.h"

static bool is_frozen(void)
{
	static int answer;

	if (!answer)
		answer = getenv("XENSIM_FROZEN") ? 1 : -1;
	return answer > 0;
}

int clock_gettime(clockid_t clock, struct timespec *out)
{
	static long looks;

	if (!is_frozen())
		return ((int (*)(clockid_t, struct timespec *))preload_real("clock_gettime"))(clock, out);
	*out = (struct timespec){.tv_sec = 1000000, .tv_nsec = looks++ % 1000000000};
	return 0;
}

int gettimeofday(struct timeval *restrict out, void *restrict zone)
{
	struct timespec now;

	(void)zone;
	clock_gettime(CLOCK_REALTIME, &now);
	*out = (struct timeval){now.tv_sec, now.tv_nsec / 1000};
	return 0;
}
