/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/*
 * A target of libFuzzer: takes any bytes, returns 0, and ends the process where something is wrong. Built without
 * --enable-fuzzing it is called by replay.c. What it keeps between calls must make no difference to the next one.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define must(condition)                                                                                                          \
	do {                                                                                                                     \
		if (!(condition)) {                                                                                              \
			fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #condition);                            \
			abort();                                                                                                 \
		}                                                                                                                \
	} while (0)
