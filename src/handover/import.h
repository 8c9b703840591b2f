/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "domain/domain.h"
#include "handover/state.h"
#include "store/store.h"

/* Makes a store of what a daemon has handed over. */
struct import_options {
	/* Watches of sockets too, for descriptors that are there; else only those of rings. */
	bool with_sockets;
	uint16_t own; /* the domain for which sockets speak */

	/* A domain with a ring, as its record is going to be: what else is known of it is filled in. May be NULL. -errno. */
	int (*complete)(void *context, const struct state_connection *connection, struct domain *domain);

	/* Every now and then (may be NULL). */
	void (*tell)(void *context, uint64_t nodes);
	void *context;
};

/*
 * Replaces all that the open store holds. `bytes` are those that state_read has accepted. -EPROTO: refused, and `problem` says
 * why; other -errno. The store holds a part then.
 */
int import_state(struct store *store, const struct state *state, const void *bytes, size_t len,
		 const struct import_options *options, char problem[STATE_TEXT_SIZE]);

/* The id that the connection has in the store, and in the ledger. */
uint64_t import_connection_id(const struct state_connection *connection);
