/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Plays the keeper for daemons that are traced, whose parent must be the tracer: holds what they ask to have held, and gives it
 * to the next one, as src/handover/keeper.c does. Of a live update it knows no program but the one: that which takes over is the
 * same.
 */
enum { HOLDER_MAX = 32 };
#define HOLDER_FAILED "The new program has died twice."

struct kill_holder {
	int channel;   /* to the daemon that lives; -1 */
	bool is_trial; /* the program of a live update has not proved itself */
	unsigned trial_deaths;
	size_t n;
	struct {
		uint64_t id;
		int fd;
	} held[HOLDER_MAX];
};

void holder_init(struct kill_holder *holder);
void holder_deinit(struct kill_holder *holder);

/* Makes the next daemon's end of a channel, on which all that is held waits for it; -errno. The caller closes it. */
int holder_open(struct kill_holder *holder);

/* In the new process: names the channel to the program that is executed next. */
void holder_pass(int channel);

/* Takes what the daemon has sent so far; what a dead one has sent is taken at last by holder_open. */
void holder_listen(struct kill_holder *holder);
