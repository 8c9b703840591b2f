/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>

/*
 * Calls that fail on demand. The program that uses this is linked with --wrap for each function below (see FAULT_WRAPS in
 * tests/local.mk), so every call of the daemon's code passes here first. What fails does nothing, but for a commit: LMDB has
 * freed the transaction when its commit fails, so it is aborted. Nothing is logged meanwhile.
 */
enum fault_function {
	FAULT_TXN_BEGIN = 1 << 0,
	FAULT_TXN_RENEW = 1 << 1,
	FAULT_TXN_COMMIT = 1 << 2,
	FAULT_GET = 1 << 3,
	FAULT_PUT = 1 << 4,
	FAULT_DEL = 1 << 5,
	FAULT_CURSOR_OPEN = 1 << 6,
	FAULT_CURSOR_GET = 1 << 7,
	FAULT_CURSOR_DEL = 1 << 8,
	FAULT_SET_MAPSIZE = 1 << 9,
	FAULT_STAT = 1 << 10,
	FAULT_LMDB = (1 << 11) - 1, /* all of these */

	FAULT_MEMORY = 1 << 11, /* malloc, calloc, realloc, strdup, strndup: NULL */
	FAULT_BLOCKS = 1 << 12	/* fallocate, posix_fallocate: ENOSPC */
};

struct fault_plan {
	unsigned functions; /* FAULT_* whose calls count */
	size_t first;	    /* the first of them that fails, counted from 1; 0: none */
	size_t every;	    /* after it every so many-th fails too, 1: all; 0: it alone */
	int code;	    /* what LMDB's functions return */
};

/* From now on calls are counted and fail as planned. */
void fault_arm(const struct fault_plan *plan);

/* Until now. Returns how many calls failed. */
size_t fault_disarm(void);

/* Calls counted since the last fault_arm, failed ones too. */
size_t fault_calls(void);
