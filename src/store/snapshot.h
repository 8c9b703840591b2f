/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>

#include "store/store.h"

/*
 * The states that open client transactions read: one LMDB reader per distinct state, shared and counted. A reader pins
 * pages (some 24 KB per commit of others), so it lives for a bounded number of commits, and there is a bounded number of them;
 * the transactions of a dropped one go on in validated mode (transaction.h).
 *
 * LMDB lists the pages that a commit frees in one record. As long as these records fit one page, which some sixty do, a long
 * list costs nothing; past that every later commit, for ever, rewrites more pages and takes twice as long.
 */
enum { SNAPSHOTS_MAX = 128, SNAPSHOT_COMMITS_MAX = 32 };

struct snapshot {
	struct MDB_txn *txn;
	uint64_t commits;		  /* store->commits when it was taken */
	struct transaction *transactions; /* that read it */
	struct snapshot *previous, *next;
};

/*
 * Lets `transaction` read the newest committed state; the turn must have changed nothing. NULL in *out, and 0, if it has to
 * do without (no reader left). Fault: -EIO.
 */
int snapshot_take(struct store *store, struct transaction *transaction, struct snapshot **out);

/* The transaction reads it no more. */
void snapshot_leave(struct store *store, struct snapshot *snapshot, struct transaction *transaction);

void snapshots_expire(struct store *store);   /* after a commit: drops those that have lived long enough */
void snapshots_drop_all(struct store *store); /* to get their pages back */
void snapshots_free(struct store *store);
