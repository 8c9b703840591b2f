/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>

/* Numbers that are the same for the same seed, so that what a random test found can be had again. */
struct random {
	uint64_t state;
};

/* Begins with the seed in the environment variable `variable`, else with one of the moment; prints "# variable=seed". */
void random_begin(struct random *random, const char *variable);

/* 0 <= number < below. */
uint32_t random_below(struct random *random, uint32_t below);
