/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

/* One line on standard error that says how far long work has come, if a terminal shows it and nothing else is shown there. */
struct progress {
	bool wanted, shown;
	time_t last; /* told, or begun */
};

void progress_init(struct progress *progress);

/* May be called often; says something once a second. `total` 0: not known. */
void progress_tell(struct progress *progress, const char *what, uint64_t n, uint64_t total);

/* Takes the line away. */
void progress_end(struct progress *progress);
