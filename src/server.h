/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/log.h"
#include "options.h"

/* The daemon: owns everything else. */
struct server;
struct kept_daemon;

/*
 * Opens ledger, store and socket as the options say; the message of what fails is logged. `keeper`: NULL if there is none;
 * outlives it. *out: freed by server_free. Faults: -EBUSY (another daemon has the store), -EPROTO, -EIO (see store_open), -ENODEV
 * (no Xen), else -errno.
 */
int server_new(const struct options *options, struct kept_daemon *keeper, struct log *log, struct server **out);

/* Tells the keeper that the daemon serves, and answers it from now on. */
void server_join_keeper(struct server *server, struct kept_daemon *keeper);

/* Serves until SIGTERM or SIGINT. */
void server_run(struct server *server);

/* Ends all connections and closes everything. Accepts NULL. */
void server_free(struct server *server);
