/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/log.h"
#include "handover/handed.h"
#include "handover/stock.h"

/*
 * The way back: a stock daemon is executed in this process, with all that its own live update would have left to it. Store and
 * ledger are closed, and no daemon has them.
 */
struct leaving {
	struct stock stock;
	const char *state; /* the file to be written for it */
	const char *store, *ledger;
	const struct handed *handed; /* its descriptors are this process's */
	int program, directory;
	char **words;
	struct log *log;
};

/*
 * Returns only if it could not be executed: -errno, logged. Store and ledger are as they were then. Once it has been executed
 * they are called "<name>.left": they are of the past.
 */
int leave(const struct leaving *leaving);
