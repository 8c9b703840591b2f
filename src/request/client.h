/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "domain/domain.h"
#include "ledger/ledger.h"
#include "request/conflict.h"
#include "store/transaction.h"
#include "watch/watch.h"

struct turn;

enum { UNREAD_TICKS = 4 };

/* One connection as requests know it: for whom it speaks, what it has set up. The front embeds it in its own connection. */
struct client {
	uint64_t id;	       /* unique in the daemon's life */
	struct domain *domain; /* for which it speaks */
	struct ledger_connection ledger;
	struct watch_owner *watches;
	struct charge output, unanswered; /* of an unprivileged domain: bytes of its queue, replies in it */

	struct transaction *transactions; /* utlist, owner_previous/owner_next */
	size_t n_transactions;
	uint32_t last_transaction_id;

	bool leaves_events; /* in turn->unread, with marks in its queue (unread.h) */
	uint64_t unread_marks[UNREAD_TICKS];
	size_t n_unread_marks;
	struct client *unread_previous, *unread_next;

	bool is_condemned;   /* has a request that is not to be run: ledger_is_condemned */
	bool broken;	     /* sent what cannot be followed: the front must end it */
	bool out_of_room;    /* its next request waits until the ledger has room */
	bool events_dropped; /* logged already */
	bool waits;	     /* its next request has been run and is not answered, see turn_resume */
	bool resumes;	     /* and may be run again */
	bool has_output;     /* in turn->with_output */
	struct client *output_previous, *output_next;
};

/* -ENOSPC: the ledger has no room; -ENOMEM. */
int client_init(struct client *client, struct turn *turn, uint64_t id, struct domain *domain);

/*
 * The same for a connection that the ledger has from before this process: it goes on, if it is LEDGER_CONNECTED with the watches
 * that the store has of it, and with its open transactions. -ENOMEM, -EIO.
 */
int client_attach(struct client *client, struct turn *turn, const struct ledger_found *found, struct domain *domain);

/*
 * Gives back watches, transactions and the ledger's part. Not while the turn has uncommitted changes. What the store knows of the
 * watches is removed by the turns that follow. It is `broken` then, so that whoever is running its requests finds no more, and
 * its memory has to stay until the end of the turn.
 */
void client_deinit(struct client *client, struct turn *turn);

/*
 * Gives back its memory only: ledger and store keep what they have of it, for the next daemon, and the ledger learns what its
 * transactions have observed. Otherwise as client_deinit.
 */
void client_leave(struct client *client, struct turn *turn);

static inline bool client_is_ended(const struct client *client)
{
	return !client->ledger.slot;
}

/*
 * It begins anew, as a guest may ask for: watches and transactions are gone, and what it was owed. The ledger's part is reset by
 * the front. Not while the turn has uncommitted changes.
 */
void client_reset(struct client *client, struct turn *turn);

/* What it is owed has become more: its domain pays for it. */
void client_count_output(struct client *client, struct turn *turn);

/* It has taken what it would of its output. */
void client_took_output(struct client *client, struct turn *turn);

/*
 * Its domain has used up what it may have the daemon keep, and it has output to take: nothing more is received from it or run
 * until it has taken some. (Without output of its own it goes on: only requests can give back what else there is, and what would
 * take more is refused.)
 */
bool client_must_take(const struct client *client);

/* It did not take enough of what could be sent: the log says what limit stops it. */
void client_tell_stop(struct client *client, struct turn *turn);

/*
 * May more be received from it and run? Else its owner has used up what it is allowed; it is asked again when the client has
 * taken output, and every now and then.
 */
static inline bool client_may_be_read(const struct client *client)
{
	return !client->domain->waits_until || !conflict_makes_wait(client->domain);
}
