/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/log.h"
#include "options.h"

/* The daemon: owns everything else. */
struct server;
struct supervisor;
struct handed;

/* What is there at its start besides store and ledger. */
struct server_start {
	const struct options *options;
	char **arguments; /* the command line, ending with NULL */
	struct log *log;
	struct supervisor *supervisor; /* NULL: none */
	struct handed *handed;	       /* of a daemon that has left its place to this one; NULL: there was none */
};

/*
 * Opens ledger, store and socket as the options say; the message of what fails is logged. All that
 * `start` names outlives it. *out: freed by server_free. Faults: -EBUSY (another daemon has the store), -EPROTO, -EIO (see
 * store_open), -ENODEV (no Xen), else -errno.
 */
int server_new(const struct server_start *start, struct server **out);

/* Serves until SIGTERM or SIGINT, or until another program is executed in its place (live update). */
void server_run(struct server *server);

/* Each client needs a descriptor, the store its size: takes as much as is allowed. For a keeper too. */
void server_raise_limits(void);

/* Ends all connections and closes everything. Accepts NULL. */
void server_free(struct server *server);
