/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/boot_id.h"
#include "options.h"

/* Where the daemon's files are, by its options and environment. */
enum { PLACE_SIZE = 4096 };

struct places {
	char run_directory[PLACE_SIZE];
	char store[PLACE_SIZE];
	char ledger[PLACE_SIZE];
	char socket[PLACE_SIZE];
	char boot_id[BOOT_ID_SIZE]; /* of the host, as the kernel prints it */
};

/* -ENAMETOOLONG. */
int places_find(const struct options *options, struct places *out);
