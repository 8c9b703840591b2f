/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>

/* Milliseconds since some moment in the past, never less than before. Tests put their own time in its place. */
uint64_t clock_milliseconds(void);
