/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "kill/run.h"

/* Points as one writes them: "e7" is the entry of call 7, "a7:30" 30 instructions behind its end; a comma between two. */
enum { POINTS_TEXT_SIZE = 128 };
void points_print(const struct kill_point points[KILLS_MAX], char out[POINTS_TEXT_SIZE]);
bool points_parse(const char *text, struct kill_point out[KILLS_MAX]);

/* Prints, as comments of TAP, what was wrong in the run, how it can be played again, and where the daemons died. */
void points_tell(const struct kill_run *run);
