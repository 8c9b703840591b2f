/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

#include "differences/record.h"
#include "differences/script.h"
#include "xensim/xensim.h"

/*
 * One daemon, freshly started on a simulated Xen of its own, and all clients of a script. Steps are taken strictly one after
 * the other: after each, every client that could have been told something by it is asked a harmless question, and what comes
 * before the answer to that belongs to the step.
 *
 * Some numbers mean nothing from one daemon to the other and are shown by what they mean: the number of a transaction in the
 * answer to START as "<t1>"; the generation count of DIRECTORY_PART as "<first>", "<same>" or "<changed>", compared with the
 * count that was last seen for this path. Everything else is shown byte by byte.
 */
struct session;

/*
 * With these options on its command line (ends with NULL; not for oxenstored, which has none). 0 or -errno; -ENOENT: a stock
 * daemon cannot be had.
 */
int session_open(enum sim_daemon which, char *const options[], struct session **out);
void session_close(struct session *session); /* accepts NULL */

/* Does the step as far as it needs no answer; session_finish must follow. What is between them runs beside the daemon's work. */
void session_begin(struct session *session, const struct script_step *step);

/*
 * Waits for all that the step causes, and adds it to `out`. Beside messages there are the lines "s1 hung up" (the daemon closed
 * its connection; the next request opens another one), "g5 no ring" (asked without a connection), "g5 ring error 3", "s1 no
 * answer", "daemon died: signal 6" and "daemon does not answer".
 */
void session_finish(struct session *session, struct record *out);

/* The daemon has died or does not answer: there is nothing more to be learnt. */
bool session_is_over(const struct session *session);

/* What a client knows as the number of the transaction of this name is forgotten. */
void session_forget_transaction(struct session *session, unsigned client, const char *name);

/* Was the last one started under this name answered, and not forgotten since? */
bool session_knows_transaction(const struct session *session, unsigned client, const char *name);

/* Where the daemon writes what it says. */
char *session_messages(const struct session *session); /* for the caller to free */
