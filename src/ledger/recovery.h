/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>

#include "ledger/ledger.h"
#include "ledger/pool.h"

/*
 * Takes over what the file holds of a process that has died at any instant (doc/recovery.md, "Start"): system calls under way are
 * counted, entries whose tag is above `last_tag` (the store's last committed transaction) are removed, the others become valid
 * for ever, and what no slot reaches is free. Afterwards each slot that is not LEDGER_FREE is sound. Every step can be repeated:
 * a death in here is as good as one before. The pool has just been opened.
 *
 * `damaged` is called for each slot that does not make sense, with what is wrong; it becomes free.
 *
 * *suspect: the request that was being run at the death and has no answer yet; it has one death more on its account.
 *
 * STATUS_ENOENT: the file holds nothing of this store; begin anew. -EPROTO: its format is a newer one. -ENOMEM, -ENOSPC, other
 * -errno: the file is as it was.
 */
typedef void recovery_damaged(void *context, uint64_t connection_id, const char *what);
int recovery_run(struct pool *pool, const unsigned char store_id[16], uint64_t last_tag, recovery_damaged *damaged, void *context,
		 struct ledger_suspect *suspect);
