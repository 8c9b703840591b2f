/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "kill/cast.h"

/*
 * What happens in a run, line by line: who, and what it asks for.
 *
 *	write PATH VALUE	"*1500" is a value of so many bytes
 *	mkdir PATH
 *	rm PATH			of a node that is there, outside of a transaction
 *	permit PATH PERMISSION...
 *	read PATH
 *	list PATH		children that were made in the order of their names
 *	watch PATH TOKEN
 *	unwatch PATH TOKEN
 *	begin, end		a transaction
 *	introduce DOMID, release DOMID
 *	program, update		a live update, in two requests; left out of runs without one
 *	deaf, hear		it takes nothing that comes, until it hears again
 *
 * A line without anybody waits until all is quiet: what stands between two of these is asked at once.
 */
struct story_line {
	const char *who;
	const char *what;
};

/* Asks, or sets who is deaf. False: now all is to become quiet; the next phase begins then. */
bool cast_play_line(struct cast *cast, const struct story_line *line);

/* Who is there, and what has to be so before anybody is killed; ends with a line of zeros. */
void story_cast(struct cast *cast);
extern const struct story_line story_before[];
extern const struct story_line story[];
