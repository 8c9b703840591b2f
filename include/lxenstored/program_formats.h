/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>

/*
 * What a program of lxenstored says of itself in a section of its own file, so that a daemon that is to hand over to it knows
 * before anything of it is run (doc/live-update.md). The layout stays; members may be added at the end.
 */
#define PROGRAM_SECTION "lxenstored_formats"
#define PROGRAM_MAGIC "lxenstored"

struct program_formats {
	char magic[16];	   /* PROGRAM_MAGIC, NUL padded */
	uint32_t handover; /* the newest form of a handover that it understands */
	/* The store's and the ledger's formats with which it can go on, leaving them as they are. */
	uint32_t store_oldest, store_newest;
	uint32_t ledger_oldest, ledger_newest;
};
