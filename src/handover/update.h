/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

#include "front/connection.h"
#include "handover/handed.h"
#include "handover/stock.h"
#include "handover/supervisor.h"
#include "request/live_update.h"

/*
 * Live update: another program takes this process over, with store, ledger and descriptors as they are (doc/live-update.md).
 * Before that it proves in a child that it can read them; meanwhile everybody is served.
 */
struct update;

struct update_options {
	struct front *front;
	struct supervisor *supervisor; /* NULL: none */
	char **arguments;	       /* of this process, ending with NULL */
	const char *store, *ledger;    /* their files */
	bool serves_rings;
	double trial_seconds;		   /* that a program has to serve before it has proved itself */
	void (*leave_loop)(void *context); /* called when the new program is to take over, between two turns */
	void *context;
};

/* Strings and `arguments` outlive it. NULL: no memory or descriptor. The turn's updater is it from now on. */
struct update *update_new(const struct update_options *options);
void update_free(struct update *update); /* accepts NULL */

/*
 * This process begins to serve. If it still does after trial_seconds it has proved itself: then the keeper, if there is one, has
 * it for good, formats become this program's, and an update that was asked for is answered.
 */
void update_begin(struct update *update, enum update_origin origin, const char *why);

/* leave_loop was called. */
bool update_is_due(const struct update *update);

/* The new program is a stock daemon. Then, instead of update_execute: first update_note, while the ledger is still open; */
const struct stock *update_stock(const struct update *update); /* NULL: it is none, or there is no update */
void update_note(const struct update *update);

/*
 * and when ledger and store are closed this, which does not return: this process, or its keeper, becomes the stock daemon
 * (leave.h). `state`: the file to be written for it.
 */
_Noreturn void update_leave(struct update *update, const char *state, const struct handed *handed);

/*
 * Executes the new program; does not return. Everything of the turn has been committed and sent, the store is closed, and
 * `writer` has all that is to be passed. If that fails, this program is executed once more; if that fails too, the process ends.
 */
_Noreturn void update_execute(struct update *update, struct handed_writer *writer);
