/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/log.h"

struct handed;

/*
 * The keeper: a small process that holds the clients' sockets, starts the daemon, and starts it again when it dies
 * (doc/recovery.md, "The keeper"). It never looks at a byte of what clients say.
 */
struct keeper_options {
	char **arguments; /* of the daemon's command line, ending with NULL; the program is this process's own */
	struct log *log;
	const char *pid_file; /* written once a daemon serves, removed at the end */

	double pause_most;	 /* seconds before a daemon that dies again and again is started */
	double watchdog_seconds; /* without a sign of life after which a daemon is ended; 0: never */

	/* Called once, when the first daemon serves, or one is taken over (may be NULL). */
	void (*serving)(void *context);
	void *context;

	/*
	 * What a stock daemon has left to this process (takeover.h), for the first daemon; NULL: nothing. Its descriptors are the
	 * keeper's from then on.
	 */
	struct handed *handed;

	/* To take over a daemon whose keeper has died: its process, a descriptor of it, and the channel to it. Else 0. */
	pid_t daemon;
	int process, channel;
};

/*
 * The environment variable that tells a daemon the number of its channel's descriptor. Behind it KEEPER_AGAIN if another one has
 * served before, so that nobody waits at a terminal; and KEEPER_SUSPECTS if several have died of faults of their own since.
 */
#define KEEPER_CHANNEL_VARIABLE "LXENSTORED_CHANNEL"
#define KEEPER_AGAIN ",again"
#define KEEPER_SUSPECTS ",suspects"

/* And the one that makes a process the keeper of a daemon that has lost its own: channel, descriptor of the process, its number.
 */
#define KEEPER_DAEMON_VARIABLE "LXENSTORED_DAEMON"

/* Reads that variable into the last three options. False: it is not understood. */
bool keeper_parse_daemon(const char *words, struct keeper_options *options);

/*
 * Keeps daemons until SIGTERM, SIGINT, or until one ends because it was asked to. Returns the exit status: not 0 where the first
 * daemon never served (it has said why), or if nothing could be started.
 */
int keeper_run(const struct keeper_options *options);
