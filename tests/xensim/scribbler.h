/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "xensim/guest.h"

/* A processor of a hostile guest: a thread that changes a part of the guest's page while the daemon looks at it. */
struct scribbler;

/*
 * Writes random words over the `len` bytes at `offset` of the page (multiples of 4), over and over. The guest stays attached
 * until scribbler_stop.
 */
int scribbler_start(struct guest *guest, size_t offset, size_t len, uint64_t seed, struct scribbler **out);

/* The page stays as it is then. */
void scribbler_stop(struct scribbler *scribbler);
