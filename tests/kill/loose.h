/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "kill/run.h"

/*
 * The same story with a daemon that nobody leads, under its own keeper (run->held) or without: it is killed after a chance time,
 * and perhaps the next one too, also before it serves. Of `run` the points and what is walked mean nothing.
 */
void kill_run_play_loosely(struct kill_run *run, const char *directory, struct random *chance);
