/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/*
 * The memory that outlives a daemon: ledger, pages of guests, and the store if the daemon writes it through a mapping. Only the
 * front of each, which is all that a small run uses.
 */
enum { SURVIVORS_PARTS = 4 };

struct survivors {
	size_t n;
	struct {
		unsigned char *now;
		unsigned char *before;
		size_t compared, mapped;
	} parts[SURVIVORS_PARTS];
};

void survivors_init(struct survivors *survivors);
void survivors_deinit(struct survivors *survivors);

/* The files are there, and are not made anew. Before, others may have been mapped. */
void survivors_map(struct survivors *survivors, const char *store, const char *machine, bool with_store);
bool survivors_are_there(const struct survivors *survivors);

/* What has changed since the last time it was asked; 0: nothing. */
enum { SURVIVOR_POSITIONS = 1, SURVIVOR_MESSAGES = 2, SURVIVOR_RINGS = 4, SURVIVOR_STORE = 8 };
unsigned survivors_changed(struct survivors *survivors);

/* Something is used that is not looked at. */
bool survivors_are_too_many(const struct survivors *survivors);
