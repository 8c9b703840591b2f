/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/log.h"
#include "handover/handed.h"

/*
 * A stock daemon has executed this program in its place, as its live update does, and has left its state in a file and its
 * descriptors open (doc/live-update.md, "Stock daemons"). All of it becomes a store, a ledger and what a daemon is handed, so
 * that the start which follows is that of a live update from another lxenstored.
 */
struct takeover {
	const char *state; /* the file; it is gone when all went well */
	const char *store, *ledger;
	const char *boot_id;
	uint16_t own; /* the domain of the daemon */
	bool serves_rings;
	struct log *log;
};

/*
 * What a store or a ledger of an earlier daemon held is gone. What cannot be taken over is logged. *out: as of handed_read.
 * -EPROTO: the state cannot be read, -ENOENT: there is none, other -errno; each logged, with the file and the descriptors as they
 * were.
 */
int takeover_run(const struct takeover *takeover, struct handed *out);
