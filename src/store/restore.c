/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An empty store is one record that says which store it is, and one for the generations. */
#include "store/restore.h"

#include <errno.h>
#include <lmdb.h>
#include <stdbool.h>
#include <string.h>

#include "store/recent.h"
#include "store/record.h"

enum { RECORDS_PER_COMMIT = 4096 };

int restore_begin(struct store *store, const struct restore_origin *origin)
{
	static const char meta_key = STORE_KEY_META, generation_key = STORE_KEY_GENERATION;
	struct MDB_txn *txn = store_writable(store);
	uint64_t generation = origin ? origin->generation : 0;
	struct store_meta meta = store->meta;

	if (!txn)
		return store->fault;
	if (origin) {
		memcpy(meta.id, origin->id, sizeof(meta.id));
		memcpy(meta.boot_id, origin->boot_id, sizeof(meta.boot_id));
	}
	int code = mdb_drop(txn, store->dbi, 0);
	if (code)
		store_failed(store, code);
	recent_forget_all(store->recent);
	memset(store->most_owned, 0, (UINT16_MAX + 1) * sizeof(*store->most_owned));
	record_put(store, &meta_key, 1, &meta, sizeof(meta));
	record_put(store, &generation_key, 1, &generation, sizeof(generation));
	store->meta = meta;
	store->generation = store->generation_promised = generation;
	return store_commit(store);
}

/* One commit's worth. An error that the store knows nothing of takes what was put back. */
static int fill_some(struct store *store, const struct restore_feed *feed, uint64_t *n, bool *at_end)
{
	int result = 1;

	for (*n = 0; result == 1 && *n < RECORDS_PER_COMMIT; *n += result == 1)
		result = feed->next(feed->context);
	*at_end = !result;
	if (result >= 0 || store->fault)
		return store_commit(store);
	store_abort(store);
	return result;
}

int restore_fill(struct store *store, const struct restore_feed *feed)
{
	bool at_end = false;
	uint64_t n, all = 0;
	int error = 0;

	while (!error && !at_end) {
		feed->mark(feed->context);
		error = fill_some(store, feed, &n, &at_end);
		while (error == -ENOSPC && !store_make_room(store)) {
			feed->back(feed->context);
			error = fill_some(store, feed, &n, &at_end);
		}
		all += n;
		if (!error && feed->told)
			feed->told(feed->context, all);
	}
	return error;
}
