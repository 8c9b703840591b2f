/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Snapshots are kept oldest first, so that the one to expire is always at the front and the only one that a new
 * transaction can share at the back. A reader that is no longer needed is reset and kept for the next snapshot: renewing it
 * costs a tenth of beginning one.
 */
#include "store/snapshot.h"

#include <errno.h>
#include <lmdb.h>
#include <stdlib.h>
#include <utlist.h>

#include "store/transaction.h"

static void retire(struct store *store, struct snapshot *snapshot)
{
	mdb_txn_reset(snapshot->txn);
	DL_DELETE2(store->snapshots, snapshot, previous, next);
	store->n_snapshots--;
	LL_PREPEND(store->spare_snapshots, snapshot);
}

static void drop(struct store *store, struct snapshot *snapshot)
{
	struct transaction *transaction, *next;

	DL_FOREACH_SAFE2 (snapshot->transactions, transaction, next, snapshot_next) {
		transaction_lose_snapshot(transaction);
		DL_DELETE2(snapshot->transactions, transaction, snapshot_previous, snapshot_next);
	}
	retire(store, snapshot);
}

static int new_reader(struct store *store, struct snapshot **out)
{
	struct snapshot *snapshot = store->spare_snapshots;
	int code;

	if (snapshot) {
		code = mdb_txn_renew(snapshot->txn);
		if (code)
			return store_failed(store, code);
		LL_DELETE(store->spare_snapshots, snapshot);
		*out = snapshot;
		return 0;
	}
	snapshot = calloc(1, sizeof(*snapshot));
	if (!snapshot)
		return -ENOMEM;
	code = mdb_txn_begin(store->env, NULL, MDB_RDONLY, &snapshot->txn);
	if (code) {
		free(snapshot);
		*out = NULL;
		/* Tools hold all slots of the reader table: the transaction does without a snapshot. */
		return code == MDB_READERS_FULL ? 0 : store_failed(store, code);
	}
	*out = snapshot;
	return 0;
}

int snapshot_take(struct store *store, struct transaction *transaction, struct snapshot **out)
{
	struct snapshot *snapshot = store->snapshots ? store->snapshots->previous : NULL;

	if (!snapshot || snapshot->commits != store->commits) {
		if (store->n_snapshots == SNAPSHOTS_MAX)
			drop(store, store->snapshots);
		int error = new_reader(store, &snapshot);
		if (error || !snapshot) {
			*out = NULL;
			return error;
		}
		snapshot->commits = store->commits;
		snapshot->transactions = NULL;
		DL_APPEND2(store->snapshots, snapshot, previous, next);
		store->n_snapshots++;
	}
	DL_APPEND2(snapshot->transactions, transaction, snapshot_previous, snapshot_next);
	*out = snapshot;
	return 0;
}

void snapshot_leave(struct store *store, struct snapshot *snapshot, struct transaction *transaction)
{
	DL_DELETE2(snapshot->transactions, transaction, snapshot_previous, snapshot_next);
	if (!snapshot->transactions)
		retire(store, snapshot);
}

void snapshots_expire(struct store *store)
{
	while (store->snapshots && store->commits - store->snapshots->commits >= SNAPSHOT_COMMITS_MAX)
		drop(store, store->snapshots);
}

void snapshots_drop_all(struct store *store)
{
	while (store->snapshots)
		drop(store, store->snapshots);
}

void snapshots_free(struct store *store)
{
	struct snapshot *snapshot, *next;

	snapshots_drop_all(store);
	LL_FOREACH_SAFE (store->spare_snapshots, snapshot, next) {
		mdb_txn_abort(snapshot->txn);
		free(snapshot);
	}
	store->spare_snapshots = NULL;
}
