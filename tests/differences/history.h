/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

#include "differences/record.h"
#include "differences/script.h"

/* What has happened in a script so far, as far as the table of known differences asks for it. Zeroed by history_init. */
struct history {
	unsigned long changes; /* of anything that others can see */
	unsigned long domains; /* ... of who exists */
	unsigned long writes;  /* ... of the tree, by requests */
	struct {
		bool was_absent;      /* there was a time, since something has been written, when there was no such domain */
		bool has_ended;	      /* and nobody has named the number since */
		unsigned long writes; /* when it ended */
		bool is_at_once;      /* the number was named again, by SET_PERMS or INTRODUCE, before anything was written */
	} domain[SCRIPT_GUESTS];
};

void history_init(struct history *history);

/* The step has had this answer. What is asked in an open transaction does not count before its end. */
void history_add(struct history *history, const struct script_step *step, const struct record *record);
