/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * With XENSIM_FROZEN in the environment no time passes for the daemon but for some each time that it looks: what it does depends
 * on what it is told only, however slowly it is led.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>

#include "xensim/preload.h"

enum { NANOSECONDS_PER_LOOK = 100000 };

static bool is_frozen(void)
{
	static int answer;

	if (!answer)
		answer = getenv("XENSIM_FROZEN") ? 1 : -1;
	return answer > 0;
}

int clock_gettime(clockid_t clock, struct timespec *out)
{
	static int64_t passed = INT64_C(1000000000000000);

	if (!is_frozen())
		return ((int (*)(clockid_t, struct timespec *))preload_real("clock_gettime"))(clock, out);
	passed += NANOSECONDS_PER_LOOK;
	*out = (struct timespec){.tv_sec = passed / 1000000000, .tv_nsec = passed % 1000000000};
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
