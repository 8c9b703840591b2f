/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Each tick marks the end of the queue of every client that leaves events. What lies before the mark of so many ticks ago is too
 * old. When events are dropped, what is behind them moves up, and the later marks with it.
 */
#include "request/unread.h"

#include <utlist.h>

void unread_note(struct turn *turn, struct client *client)
{
	bool leaves = client->ledger.events && !client->domain->caller.privileged && turn->event_seconds;

	if (leaves == client->leaves_events)
		return;
	if (!leaves) {
		unread_forget(turn, client);
		return;
	}
	client->leaves_events = true;
	client->n_unread_marks = 0;
	DL_APPEND2(turn->unread, client, unread_previous, unread_next);
}

void unread_forget(struct turn *turn, struct client *client)
{
	if (client->leaves_events)
		DL_DELETE2(turn->unread, client, unread_previous, unread_next);
	client->leaves_events = false;
}

static void tell(struct turn *turn, struct client *client, size_t n)
{
	struct domain *domain = client->domain;

	turn->figures.events_dropped += n;
	if (domain->told_of_drop)
		return;
	domain->told_of_drop = true;
	log_warning(turn->log, "domain %u has not read an event for %u seconds: it is dropped, and so will others be",
		    domain->caller.domid, turn->event_seconds);
}

/* Drops what is older than the oldest mark, which goes. */
static void drop_old(struct turn *turn, struct client *client)
{
	uint64_t end = ledger_out_end(&client->ledger);
	size_t n;

	if (ledger_drop_events(&client->ledger, client->unread_marks[0], &n)) /* tried again with the next tick */
		n = 0;
	client->n_unread_marks--;
	for (size_t i = 0; i < client->n_unread_marks; i++)
		client->unread_marks[i] = client->unread_marks[i + 1] - (end - ledger_out_end(&client->ledger));
	if (!n)
		return;
	tell(turn, client, n);
	turn_note_output(turn, client); /* it may be read again */
}

void unread_tick(struct turn *turn)
{
	struct client *client, *next;

	DL_FOREACH_SAFE2 (turn->unread, client, next, unread_next) {
		if (client->ledger.pending_entries)
			continue;
		if (client->n_unread_marks == UNREAD_TICKS)
			drop_old(turn, client);
		client->unread_marks[client->n_unread_marks++] = ledger_out_end(&client->ledger);
	}
}
