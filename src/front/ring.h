/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <uthash.h>

#include "front/connection.h"
#include "front/xen.h"
#include "wire/ring_page.h"

/*
 * One domain's connection: bytes between its page and the ledger. Which page and which port, and when it begins and ends, is
 * ring_front.h's business.
 */
struct ring {
	struct connection connection;
	const struct ring_host *host;
	uint16_t domid;
	struct ring_page *page;
	uint32_t port;	       /* ours, for its event channel; 0: none, then it is only found by looking */
	uint32_t remote_port;  /* the guest's end of it */
	bool masked;	       /* an event came; there is no other until it has been looked at */
	bool notify_due;       /* an index has moved since the guest was told */
	bool stopped;	       /* not served until it is begun anew */
	bool stop_logged;      /* since INTRODUCE */
	bool released;	       /* its domain is gone; freed at the end of the turn */
	enum ring_error error; /* why it is to be stopped at the end of the turn */
	UT_hash_handle hh;     /* by domid */
};

extern const struct connection_kind ring_kind;

static inline struct ring *ring_of(struct connection *connection)
{
	return (struct ring *)(void *)connection;
}

/* An event came, or may have been lost: looks at the page in its turn. */
void ring_wake(struct ring *ring);

/*
 * Begins the connection anew: watches, transactions, input and output are gone, the page's indexes are 0, the guest is told.
 * `go_on`: a guest that has used its page already, with a server that is gone, goes on where its indexes are; the connection is
 * new then. Not while the turn has uncommitted changes.
 */
void ring_begin(struct ring *ring, uint32_t epoch, bool go_on);

/*
 * The connection goes on as the ledger and the page have it, after a death of the daemon at any instant; what was being begun
 * is begun again. It was attached just now, page and port are there. The guest is told with the first turn.
 */
void ring_go_on(struct ring *ring, const struct ledger_found *found);

/* The guest is not followed any more: stopped at the end of the turn, with this in its page. */
void ring_give_up(struct ring *ring, enum ring_error error);
