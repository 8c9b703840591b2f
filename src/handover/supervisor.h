/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

#include "front/holder.h"

enum { SUPERVISOR_TEXT = 1024 };

/* How a daemon stands to a live update that one before it has begun. */
enum update_origin {
	UPDATE_UNKNOWN, /* it replaces a daemon that has died */
	UPDATE_HANDED,	/* it is the new program */
	UPDATE_FAILED	/* it is the old one: the new one has failed */
};

struct ev_loop;
struct leaving;
struct ledger;

/* What a supervisor needs of a daemon that serves. All of it outlives the supervisor's close. */
struct supervised {
	struct ev_loop *loop;
	struct ledger *ledger;
	const char *ledger_path;
	void (*hold_all)(void *context); /* gives the holder all descriptors anew */
	void *context;
};

/*
 * Who has started the daemon, holds its sockets and starts it again when it dies: its keeper (kept.h), or systemd (service.h).
 * Whoever takes a descriptor from `held` sets it to -1 there.
 */
struct supervisor {
	struct holder holder;
	struct held_list held;
	bool again;    /* another daemon has served here before, and this one goes on in its place */
	bool suspects; /* daemons have died of faults of their own, one soon after the other: the store may be why */

	enum update_origin origin; /* what the supervisor knows of a live update */
	char why[SUPERVISOR_TEXT]; /* of one that has failed */
	int channel;		   /* goes to a program that takes over; -1: none is needed */

	/* The daemon, before it serves, is alive, and may be busy for so many seconds more than the usual. */
	void (*busy)(struct supervisor *supervisor, unsigned seconds);

	/* The daemon serves; from now on it shows that it is alive. */
	void (*serving)(struct supervisor *supervisor, const struct supervised *daemon);

	/* Another program takes over: that is the one to be started if it dies, at most twice before it has proved itself. */
	void (*updating)(struct supervisor *supervisor, int program, char *const words[]);

	/* This daemon has served for a while. */
	void (*proved)(struct supervisor *supervisor);

	/*
	 * It ends, and a stock daemon is to be executed in the supervisor's place (leave.h; `sockets` of what is handed count for
	 * nothing, since the supervisor has them). -errno: not told. NULL: the daemon itself is the one to be replaced.
	 */
	int (*leaving)(struct supervisor *supervisor, const struct leaving *leaving);

	/* It ends because it was asked to. */
	void (*ending)(struct supervisor *supervisor);

	void (*close)(struct supervisor *supervisor); /* and what was held and nobody has taken */
};

/* Appends to the list. The descriptor is the list's, also when it fails. -ENOMEM. */
int held_add(struct held_list *held, uint64_t id, int fd);
void held_close(struct held_list *held);
