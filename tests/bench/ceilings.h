/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bench/count.h"

/*
 * What an operation may cost, recorded in a file: lines of "server operation instructions system-calls", and comments that
 * begin with '#'. A figure passes up to CEILING_TOLERANCE above what is recorded; compilers and libraries differ a little.
 */
#define CEILING_TOLERANCE 1.1

/*
 * Compares the figures of the largest store with those recorded for `server` and prints both. 0: all pass; 1: some do not;
 * -errno: the file cannot be used, -ENOENT also if it says nothing of this server. Told on standard error.
 */
int ceilings_check(const char *path, const char *server, const struct count *count);
