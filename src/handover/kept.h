/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/log.h"
#include "handover/supervisor.h"

/*
 * The daemon's side of its keeper. If that dies, the daemon starts another, which holds what it held.
 *
 * `words`: what the keeper has put into KEEPER_CHANNEL_VARIABLE. `arguments`: of the command line, for another keeper; borrowed,
 * as `log` is. Waits for all that is held. *out: closed by its own function. -EPROTO, -EPIPE: there is no keeper at the other
 * end.
 */
int kept_open(const char *words, char **arguments, struct log *log, struct supervisor **out);

/* The same for a program that has taken over a daemon, with its channel and all its descriptors. */
int kept_adopt(int channel, char **arguments, struct log *log, struct supervisor **out);
