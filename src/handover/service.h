/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>

#include "base/log.h"
#include "handover/supervisor.h"

/*
 * systemd as supervisor, in the keeper's place: its descriptor store holds the sockets, its watchdog looks for signs of life,
 * and the unit says when another daemon is started (units/lxenstored.service.in).
 *
 * Takes what LISTEN_FDS says is held, and those variables out of the environment. `pause_most_ms`: to wait at most, if
 * daemons have died again and again. `log` is borrowed. *out: closed by its own
 * function. -ENOENT: systemd has not started this process, or does not want to be told.
 */
int service_open(uint64_t pause_most_ms, struct log *log, struct supervisor **out);

/* The same for a program that has taken over a daemon, with all its descriptors. */
int service_adopt(struct log *log, struct supervisor **out);
