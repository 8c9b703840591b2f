/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lxenstored/ledger_format.h"

/*
 * A start notes in the ledger what it loads. If starts die of a signal that they note (death_note.h) while they load the same
 * thing, the third one goes without it: whoever loads it leaves it out, and whoever starts takes it away (doc/recovery.md, "What
 * ends the start").
 */
struct loading {
	struct ledger_start *start; /* in the ledger; NULL: nothing is noted */
	bool left_out[LEDGER_SUSPECTS];
};

/* The start begins: what the one before was loading when it died is suspect. */
void loading_begin(struct loading *loading, struct ledger_start *start);

/* This is loaded next. False: it is to be left out. Accepts NULL: nothing is noted. */
bool loading_is_next(struct loading *loading, enum ledger_load load, uint64_t first, uint64_t second);

/* What was left out, one after the other from *index = 0 on; NULL: there is no more. */
const struct ledger_loading *loading_left_out(const struct loading *loading, size_t *index);

/* Nothing is suspected any more: what has died was another program. */
void loading_acquit(struct loading *loading);

/* All is loaded: no death is put down to the start any more, and what it was careful about is forgotten. */
void loading_end(struct loading *loading);
