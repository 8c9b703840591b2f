/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "support/random.h"
#include "xensim/guest.h"

/*
 * A guest that knows exactly what it is to be told, whatever becomes of the daemon meanwhile: each request has one answer, in
 * order, which shows a request that was run twice (watches are set and removed, never twice) or not at all (what was written is
 * read), and each change below its "e" makes one event for itself and one for the guest that watches it, in order. Requests and
 * answers may be longer than the ring, bytes move some at a time. It looks into its ring only if it has something to put, has
 * left something there, or was notified.
 *
 * Its home is there, with "e" in it, which its watcher may read.
 */
struct player;

struct player *player_new(struct guest *guest); /* NULL: no memory. The guest stays the caller's. */
void player_free(struct player *player);	/* accepts NULL */

/* Before the first step of either. */
void player_watch(struct player *player, struct player *watched);

/* Moves some bytes, if there are any; true: it did. `is_ending`: thinks of no new requests. */
bool player_go_on(struct player *player, struct random *random, bool is_ending);

/* Puts a request that is to be answered by that of a watch that is not there yet, and a part of another one behind it. */
void player_put_watch_and_part(struct player *player);

/* All is answered, and all events have come. */
bool player_is_done(const struct player *player);

/* What it was told that it should not have been, or its page says; NULL: nothing. */
const char *player_wrong(const struct player *player);

/* Prints where it stands. */
void player_tell(const struct player *player);

struct player_figures {
	uint64_t requests, events, transactions, transactions_lost;
};
struct player_figures player_figures(const struct player *player);
