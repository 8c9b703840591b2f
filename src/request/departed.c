/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The index keeps the owners that have departed, with their watches. A turn removes the records of the first of these watches,
 * and the watches themselves once that is committed; so index and store agree at each step, and nothing is lost by a turn that
 * fails.
 */
#include "request/departed.h"

#include <errno.h>
#include <stddef.h>

#include "store/watch_record.h"

enum { PER_TURN = 2048 /* watches: a millisecond or so */ };

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
	if (!watch_record_remove_some(turn->store, owner->order, owner->watches->serial, n) && turn_add_step(turn, &step))
		store_failed(turn->store, ENOMEM);
}

static int remove_any(void *context, struct turn *turn, struct changes *changes)
{
	(void)changes;
	return watch_record_remove_any(turn->store, PER_TURN, context);
}

int departed_remove_earlier(struct turn *turn)
{
	size_t n = PER_TURN;
	int fault = 0;

	while (!fault && n == PER_TURN)
		fault = turn_run_work(turn, remove_any, &n);
	return fault;
}
