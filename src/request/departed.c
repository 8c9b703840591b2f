/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The index keeps the owners that have departed, with their watches. A turn removes the records of the first of these watches,
 * and the watches themselves once that is committed; so index and store agree at each step, and nothing is lost by a turn that
 * fails.
 */
#include "request/departed.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

#include "lxenstored/ledger_format.h"
#include "store/watch_record.h"

enum { PER_TURN = 1024 /* watches: a millisecond or so */ };

static void forget_some(void *context)
{
	struct watch_index *index = context;

	watch_departed_forget(index, PER_TURN);
}

void departed_remove_some(struct turn *turn)
{
	const struct watch_owner *owner = watch_departed(turn->watches);
	const struct turn_step step = {.commit = forget_some, .context = turn->watches};

	if (!owner || turn->store->fault)
		return;
	size_t n = owner->count < PER_TURN ? owner->count : PER_TURN;
	uint64_t first = owner->watches->serial, last = owner->watches->previous->serial; /* of the list's end */
	if (!watch_record_remove_some(turn->store, owner->order, first, last, n) && turn_add_step(turn, &step))
		store_failed(turn->store, ENOMEM);
}

static int remove_some(void *context, struct turn *turn, struct changes *changes)
{
	const uint64_t *connection = context;

	(void)changes;
	return watch_record_remove_some(turn->store, *connection, 0, UINT64_MAX, PER_TURN);
}

static int compare(const void *left, const void *right)
{
	const uint64_t *a = left, *b = right;

	return (*a > *b) - (*a < *b);
}

/* The ids of all connections that may have watches, in order; freed by the caller. */
static uint64_t *connections_of(const struct ledger *ledger, size_t *n)
{
	struct ledger_figures figures;
	struct ledger_found found;
	uint32_t index = 0;

	ledger_figures(ledger, &figures);
	uint64_t *ids = calloc(figures.connections + 1, sizeof(*ids));
	for (*n = 0; ids && ledger_find(ledger, &index, &found);)
		if (found.state != LEDGER_STOPPED)
			ids[(*n)++] = found.connection_id;
	if (ids)
		qsort(ids, *n, sizeof(*ids), compare);
	return ids;
}

int departed_remove_of(struct turn *turn, uint64_t connection)
{
	uint64_t next;
	int result = watch_record_next(turn->store, connection, &next);

	while (!result && next == connection) {
		result = turn_run_work(turn, remove_some, &connection);
		if (!result)
			result = watch_record_next(turn->store, connection, &next);
	}
	return result == STATUS_ENOENT ? 0 : result;
}

int departed_remove_earlier(struct turn *turn)
{
	uint64_t connection;
	size_t n;
	uint64_t *there = connections_of(turn->ledger, &n);
	int result = there ? watch_record_next(turn->store, 0, &connection) : -ENOMEM;

	while (!result) {
		bool goes_on = bsearch(&connection, there, n, sizeof(connection), compare);
		result = goes_on ? 0 : turn_run_work(turn, remove_some, &connection);
		if (!result)
			result = watch_record_next(turn->store, connection + goes_on, &connection);
	}
	free(there);
	return result == STATUS_ENOENT ? 0 : result;
}
