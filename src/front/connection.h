/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>

#include "request/client.h"
#include "request/turn.h"

/*
 * What sockets and rings share: who has something to do, how much of it a turn does, and the turn's end. How bytes come and
 * go is the business of each kind of connection.
 */
struct front;
struct connection;

enum { CONNECTION_QUEUED_HIGH = 64 * 1024 /* bytes of output */ };

struct connection_kind {
	/*
	 * Brings what has arrived into the ledger, as far as there is room: without any, client.out_of_room is set. is_readable
	 * stays set only if there is more to be had at once.
	 */
	void (*receive)(struct connection *connection);

	/* Hands over what is valid in the ledger, as far as the other side takes it. */
	void (*send)(struct connection *connection);

	/* Chooses what to wait for, by what is left to be received and sent. NULL: nothing is to be chosen. */
	void (*wait)(struct connection *connection);

	/* What connection_end has asked for; the turn is committed. Usually frees it, after connection_deinit. */
	void (*close)(struct connection *connection);
};

/* Embedded in what a kind knows of its connections. */
struct connection {
	struct client client;
	const struct connection_kind *kind;
	struct front *front;
	bool closing;
	bool at_end;	     /* the client sends nothing more: closed as soon as all is run and sent */
	bool is_ready;	     /* in front->ready */
	bool is_readable;    /* there may be something that is not yet received */
	bool is_unread;	     /* set by kind->wait: what comes is not waited for at the moment */
	bool is_paused;	     /* not served: what it is connected to is being changed */
	bool output_awaited; /* requests wait in the ledger until output has gone */
	bool is_limited;     /* in front->limited */
	struct connection *ready_previous, *ready_next;
	struct connection *limited_previous, *limited_next;
	struct connection *closing_next;
};

/* Ends the turn before `loop` waits, with the help of the kinds. Set up by front_init. */
struct front {
	struct ev_loop *loop;
	struct turn *turn;
	ev_idle more_to_run;   /* running while ready connections are left over: keeps the loop from waiting */
	ev_timer retry;	       /* while the ledger's room is used up, or somebody's limits are */
	ev_timer unread_ticks; /* while guests leave events unread */
	size_t n_timers;       /* that run */
	size_t n_ready;
	struct connection *ready;   /* may have something to receive or to run; who has waited longest is first */
	struct connection *limited; /* their owner has used up what it is allowed: asked again now and then */
	struct connection *closing; /* end with the turn */
};

void front_init(struct front *front, struct ev_loop *loop, struct turn *turn);

/* Commits what was run and sends what it is answered, for the last time. */
void front_finish(struct front *front);

/* All its connections must have been closed. Accepts a zeroed one. */
void front_deinit(struct front *front);

/*
 * Timers of the loop, with `repeat` set, are started (or started anew) and stopped by these only: while none runs, the loop
 * waits without end, and one that it is not told of would not end the wait.
 */
void front_start_timer(struct front *front, ev_timer *timer);
void front_stop_timer(struct front *front, ev_timer *timer);

/* A connection of client `id` that speaks for `domain`. -ENOSPC: the ledger has no room for it. */
int connection_init(struct connection *connection, struct front *front, const struct connection_kind *kind, uint64_t id,
		    struct domain *domain);

/* The same for one that the ledger has from before this process. What it has is looked at in the first turn.
 * -ENOMEM, -EIO. */
int connection_attach(struct connection *connection, struct front *front, const struct connection_kind *kind,
		      const struct ledger_found *found, struct domain *domain);

/* Gives back what it and its client have; not while the turn has uncommitted changes. */
void connection_deinit(struct connection *connection);

/* The same, but in ledger and store it stays as it is, for the next daemon. */
void connection_leave(struct connection *connection);

/* It may have something to receive or to run: it is served in its turn. */
void connection_make_ready(struct connection *connection);

/*
 * Not served from now on, nothing is received nor run, until it is resumed; then it is looked at. In between the turn is
 * committed or put back.
 */
void connection_pause(struct connection *connection);
void connection_resume(struct connection *connection);

/* Calls kind->close once the turn is committed; it is not served until then. */
void connection_end(struct connection *connection);

/* It has sent what can be sent now, by itself: waits for what comes next, ends it if that was all. */
void connection_sent(struct connection *connection);

/* Its next request waits for something, or so much waits to be taken by the client, that it is not read. */
static inline bool connection_is_held_back(const struct connection *connection)
{
	return connection->client.waits || connection->client.ledger.queued > CONNECTION_QUEUED_HIGH ||
	       client_must_take(&connection->client);
}
