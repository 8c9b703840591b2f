/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "support/daemon.h"

/*
 * As much of systemd as a daemon sees of it, in a process of its own: a socket for notifications, a store of descriptors, and the
 * next daemon, with what is in the store, as soon as one has died. Messages that came before a death are looked at first.
 */
struct fake_systemd {
	pid_t pid; /* of the fake */
	int stop;  /* closed to end it */
	char notify_socket[80];
	struct fake_systemd_state *state; /* shared with the fake, which writes it */
};

struct fake_systemd_state {
	pid_t daemon;	/* that was started last; 0: it has died */
	pid_t main_pid; /* that a message named last */
	unsigned starts;
	unsigned readies, watchdogs, stoppings; /* messages */
	unsigned held;				/* descriptors in the store */
	unsigned lost;				/* messages that were not understood */
};

/*
 * Starts the fake, which runs `words` in the daemon's directory; and again
 * when it dies, unless it ends with status 0. WATCHDOG_USEC is set to
 * a quarter of a second. 0 or -errno.
 */
int fake_systemd_start(struct fake_systemd *systemd, const struct daemon *daemon, const char *const words[]);

/*
 * Sends SIGTERM to the daemon, waits for it and ends the fake. Returns the exit status of the last daemon, or 128 and the signal
 * that it died of; -errno.
 */
int fake_systemd_stop(struct fake_systemd *systemd);
