/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "differences/history.h"
#include "differences/player.h"

/*
 * The differences from C xenstored 4.17 that are meant, in one table. Each entry is explained by a row of doc/compatibility.md.
 * It looks at one step's two records and takes out of them, on either side, exactly what it explains, so that what then still
 * differs is nobody's intention.
 */
struct known_context {
	const struct script *script;
	const struct script_step *step;
	const struct tale *stock_tale, *our_tale; /* of the transaction that the step is part of; NULL: outside any */
	bool changed;				  /* others have changed something since the transaction's start */
	bool domains_changed;			  /* and so has who exists */
	const struct history *history;
	struct record stock, ours;
};

struct known_difference {
	const char *name;
	const char *topic; /* first cell of the row */
	bool ends;	   /* what follows in the script is not comparable, since the daemons are in different states */
	bool (*explain)(struct known_context *context); /* true: it has taken out something */
};

enum { KNOWN_MAX = 64 };
extern const struct known_difference known_differences[];
extern const size_t n_known_differences;

/* The first cells of doc/compatibility.md's rows include this one. */
bool known_topic_exists(const char *document, const char *topic);
