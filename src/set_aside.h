/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/log.h"
#include "request/turn.h"

/*
 * What a start goes without, so that there is a start at all. All of it is told in the log, and kept in files beside the store:
 * `<store>.set-aside`, a line for each record; `<ledger>.damaged`, the whole of a ledger.
 */

/* A ledger that is none, or of which starts have died: renamed, so that one can be begun anew. -errno, logged. */
int set_aside_ledger(struct log *log, const char *ledger, const char *why);

/* What loading.h has left out goes from store and ledger. -errno of the store, logged. */
int set_aside_left_out(struct turn *turn, const char *store);
