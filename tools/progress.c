/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Work that is done within a second says nothing.
 */
#include "progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

static time_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec;
}

void progress_init(struct progress *progress)
{
	*progress = (struct progress){.wanted = isatty(STDERR_FILENO) && !isatty(STDOUT_FILENO), .last = now()};
}

void progress_tell(struct progress *progress, const char *what, uint64_t n, uint64_t total)
{
	if (!progress->wanted || now() - progress->last < 1)
		return;
	progress->last = now();
	progress->shown = true;
	if (total)
		fprintf(stderr, "\r%s %" PRIu64 " of %" PRIu64 "\033[K", what, n, total);
	else
		fprintf(stderr, "\r%s %" PRIu64 "\033[K", what, n);
}

void progress_end(struct progress *progress)
{
	if (progress->shown)
		fputs("\r\033[K", stderr);
	progress->shown = false;
}
