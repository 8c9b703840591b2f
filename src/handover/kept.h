/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/log.h"
#include "front/holder.h"

struct ev_loop;
struct ledger;

/* How a daemon stands to a live update that one before it has begun. */
enum update_origin {
	UPDATE_UNKNOWN, /* it replaces a daemon that has died */
	UPDATE_HANDED,	/* it is the new program */
	UPDATE_FAILED	/* it is the old one: the new one has failed */
};

/* The daemon's side of its keeper. */
struct kept_daemon;

/*
 * `channel`: the descriptor that the keeper has passed (KEEPER_CHANNEL_VARIABLE). Waits for all that the keeper holds. *out:
 * closed by kept_daemon_close. -EPROTO, -EPIPE: there is no keeper at the other end.
 */
int kept_daemon_open(int channel, struct log *log, struct kept_daemon **out);

/* The same for a program that has taken over a daemon, with its channel and all its descriptors. */
int kept_daemon_adopt(int channel, struct log *log, struct kept_daemon **out);
void kept_daemon_close(struct kept_daemon *daemon); /* accepts NULL; closes what was held and nobody has taken */

/* Both live as long as `daemon`. Whoever takes a descriptor from the list sets it to -1 there. */
const struct holder *kept_daemon_holder(const struct kept_daemon *daemon);
struct held_list *kept_daemon_held(struct kept_daemon *daemon);

/*
 * Tells the keeper that the daemon serves, and from now on changes the heartbeat in the ledger when it asks. Loop and ledger
 * outlive it.
 */
void kept_daemon_serving(struct kept_daemon *daemon, struct ev_loop *loop, struct ledger *ledger, const char *ledger_path);

/* For who passes it to another program. */
int kept_daemon_channel(const struct kept_daemon *daemon);

/*
 * What the keeper said of a live update when it started this daemon: that it is the new program; or that this has failed, and
 * *why. Neither: UPDATE_UNKNOWN.
 */
enum update_origin kept_daemon_origin(const struct kept_daemon *daemon, const char **why);

/* Another program takes over: that is the one to be started if it dies, at most twice before it has proved itself. */
void kept_daemon_updating(struct kept_daemon *daemon, int program, char *const words[]);

/* This daemon has served for a while. */
void kept_daemon_proved(struct kept_daemon *daemon);

/* The daemon ends because it was asked to. */
void kept_daemon_ending(struct kept_daemon *daemon);
