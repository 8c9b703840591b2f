/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "kill/run.h"
#include "support/daemon.h"
#include "xensim/xensim.h"

/* What a run has for itself: a directory with store, socket and log, and a machine. */
struct kill_place {
	struct daemon daemon;
	struct sim *sim;
};

void place_init(struct kill_place *place, const char *directory);
void place_deinit(struct kill_place *place); /* ends daemon->pid */

/* Everybody in the story, on this machine. */
void place_cast(struct kill_place *place, const struct kill_run *run, struct cast *cast);

/* The daemon's command line, ending with NULL. */
enum { KILL_WORDS = 16 };
void place_words(const struct kill_place *place, const struct kill_run *run, const char *words[KILL_WORDS]);

/* The daemon has ended without being killed: that is wrong, and its last words say why. */
void place_note_end(const struct kill_place *place, struct cast *cast, int status);

/* Fills the results of the run. */
void place_tell_results(const struct cast *cast, struct kill_run *run);
