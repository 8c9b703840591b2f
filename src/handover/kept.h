/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/log.h"
#include "front/holder.h"

struct ev_loop;

/* The daemon's side of its keeper. */
struct kept_daemon;

/*
 * `channel`: the descriptor that the keeper has passed (KEEPER_CHANNEL_VARIABLE). Waits for all that the keeper holds: *held, to
 * be freed by held_list_free. *out: closed by kept_daemon_close. -EPROTO, -EPIPE: there is no keeper at the other end.
 */
int kept_daemon_open(int channel, struct log *log, struct kept_daemon **out, struct held_list *held);
void kept_daemon_close(struct kept_daemon *daemon); /* accepts NULL */

/* Closes descriptors that nobody took (fd of those taken is -1 by then). */
void held_list_free(struct held_list *held);

/* Lives as long as `daemon`. */
const struct holder *kept_daemon_holder(const struct kept_daemon *daemon);

/* Tells the keeper that the daemon serves, and where its heartbeat is. */
void kept_daemon_serving(struct kept_daemon *daemon, const char *ledger_path);

/* The daemon ends because it was asked to. */
void kept_daemon_ending(struct kept_daemon *daemon);
