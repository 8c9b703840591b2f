/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/log.h"
#include "domain/domain.h"
#include "ledger/ledger.h"
#include "request/client.h"
#include "request/conflict.h"
#include "request/live_update.h"
#include "request/rings.h"
#include "store/changes.h"
#include "store/store.h"
#include "watch/watch.h"

/*
 * A change of memory that a request has made and that mirrors the store: `commit` completes it once the turn is committed,
 * `undo` takes it back when the turn has failed (the latest step first). Neither can fail; either may be NULL.
 */
struct turn_step {
	void (*commit)(void *context);
	void (*undo)(void *context);
	void *context;
	bool last; /* completed behind the others: it may end a client, whose things they complete */
};

/* Counters for CONTROL. */
struct turn_figures {
	uint64_t requests;
	uint64_t commits;
	uint64_t conflicts;	  /* TRANSACTION_END answered EAGAIN */
	uint64_t blamed;	  /* of these, on a domain that has to pay for it */
	uint64_t turns_run_again; /* after a failed commit */
	uint64_t events;
	uint64_t events_dropped; /* too long, or the client does not read */
};

/*
 * What requests work on, and the turn they are part of. All requests that one turn of the event loop brought share one commit
 * of the store; it makes their effects, replies and events valid at once. If it fails, nothing of the turn remains, the requests
 * are run again with a commit each, and the one that fails alone is answered with the error.
 */
struct turn {
	struct store *store;
	struct ledger *ledger;
	struct watch_index *watches;
	struct domains *domains;
	const struct rings *rings; /* NULL with --no-xen */
	struct log *log;
	struct conflict_settings conflict;
	uint32_t event_seconds; /* after which a guest loses an event that it does not read; 0: never */

	struct arena arena;	      /* of the request that is run */
	struct watched_paths watched; /* of `watches`, as the store asks for them */
	struct transaction_recorder recorder;
	struct client **runs; /* whose requests were run since the last commit, in order */
	size_t n_runs, runs_capacity;
	struct turn_step *steps;
	size_t n_steps, steps_capacity;
	struct live_update update; /* `updater` may be set after turn_init */
	struct writers writers;
	struct client *unread;	    /* who leaves events unread, see unread.h */
	struct client *with_output; /* whose output is to be sent at the end of the turn, or whose request has been put off */
	unsigned careful;	    /* so many requests are still to be run in turns of their own, see turn_be_careful */
	bool departed_later;	    /* to remove records of departed clients has failed: not with a client's requests again */
	struct turn_figures figures;
};

/* The ledger was begun, or recovered, for the store: both agree what the last change of a node was (ledger_generation). */
void turn_agree_on_last_change(struct store *store, struct ledger *ledger);

void turn_init(struct turn *turn); /* the members above `arena` are set by the caller */
void turn_deinit(struct turn *turn);

/*
 * Runs the client's next request, if the ledger holds a whole one. True: one was run (or the client broke, see
 * client->broken); false: there is none, or no room for its reply.
 */
bool turn_run_next(struct turn *turn, struct client *client);

/*
 * A process has died running a request: each of the next ones has a turn of its own, as many as may have been in the turn of that
 * death. So it is certain which one another death is to be put down to.
 */
enum { TURN_REQUESTS_MAX = 64 * 64 };
void turn_be_careful(struct turn *turn);

/*
 * Ends the turn: all that was run is valid after it. Also removes some of what clients have left who are gone; while
 * watch_departed(turn->watches), the turn should be ended again soon even if nothing happens.
 */
void turn_commit(struct turn *turn);

/*
 * Notes a step of the request that is run; only for one that will succeed. -ENOMEM: undone already. A step of a request that
 * changes nothing in the store is committed right behind it.
 */
int turn_add_step(struct turn *turn, const struct turn_step *step);

/* Steps: a watch has been set, a watch is taken out of force. -ENOMEM, and it is as before. */
int turn_set_watch(struct turn *turn, struct watch *watch);
int turn_remove_watch(struct turn *turn, struct watch *watch);

/*
 * Runs work of the daemon's own in a turn of its own: commits what there is, calls `work`, sees to events of `changes`, and
 * commits. Tried again while there is room to be made. 0, a status of `work` (then nothing has been done), or a fault (the same).
 */
typedef int turn_work(void *context, struct turn *turn, struct changes *changes);
int turn_run_work(struct turn *turn, turn_work *work, void *context);

/* The client's next request, which has been run and could not be answered, is run again. */
void turn_resume(struct turn *turn, struct client *client);

/* Remembers that the client has output to be sent. */
void turn_note_output(struct turn *turn, struct client *client);

/*
 * events.c: appends the events that `changes` cause, under the turn's tag, before the reply of their request. A fault: some may
 * be missing, the turn has to be put back.
 */
int events_append(struct turn *turn, const struct changes *changes);

/*
 * Adds to `changes` the events of a special node: that of all domains, "@x", for watches without depth, and that of one,
 * "@x/<domid>", for watches on just that and for those of "@x" with depth. A fault.
 */
enum { EVENT_OF_ALL = 1, EVENT_OF_DOMAIN = 2 };
int events_add_special(struct turn *turn, struct changes *changes, const char *name, const uint16_t *domid, unsigned which);

/* Appends the first event of a watch that was just set. */
void events_append_first(struct turn *turn, const struct watch *watch);
