/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>

#include "front/connection.h"
#include "front/xen.h"
#include "request/rings.h"

/* The ring front end: which domains have a ring, by which page and event channel, and who is woken by an event. */
struct ring_front;

/* A port that was bound by the process that has left its place to this one, for a domain's end of an event channel. */
struct inherited_port {
	uint16_t domid;
	uint32_t port, remote_port;
};

struct inherited_ports {
	uint32_t exception_port; /* 0: not bound */
	struct inherited_port *all;
	size_t n, capacity;
};

struct ring_front_options {
	double scan_seconds; /* after which all rings are looked at, since a guest may forget to send an event; 0: never */

	/* A domain has shut down or died. Also called after scan_seconds, for what could not be done then. */
	void (*domain_exception)(void *context);
	void *context;

	/* NULL: there are none. Those that no ring takes are unbound by ring_front_start. Lives until then. */
	struct inherited_ports *inherited;
};

/* `host` outlives it. *out: freed by ring_front_close. -ENOMEM, or why there are no events of domains. */
int ring_front_open(struct front *front, const struct ring_host *host, const struct ring_front_options *options,
		    struct ring_front **out);

/* Unbinds and unmaps all; pages and ledger stay as they are, for ring_front_recover. Not while the turn has uncommitted changes.
 * Accepts NULL. */
void ring_front_close(struct ring_front *rings);

/* For struct turn. */
const struct rings *ring_front_rings(const struct ring_front *rings);

/*
 * Takes up the rings that the ledger has from a daemon before this one, of domains that are there and the same
 * (release_check_domains has been called): they go on where they stood. The ledger's part of others is dropped, and what cannot
 * be taken up is logged. Before the turn has run anything. -ENOMEM, -EIO.
 */
int ring_front_recover(struct ring_front *rings);

/*
 * Takes up the rings that are there and that the ledger knows nothing of: that of the daemon's own domain; those of domains which
 * are introduced and alive; and those of others whose page was served by somebody before. What cannot be taken up is logged.
 * After ring_front_recover, and once all who may be told of it are there, but before they are served. -ENOMEM, -ENOSPC.
 */
int ring_front_start(struct ring_front *rings);

/* What the next process inherits; `found` is called for each ring that is bound. */
uint32_t ring_front_exception_port(const struct ring_front *rings);
void ring_front_each_port(const struct ring_front *rings, void (*found)(void *context, const struct inherited_port *port),
			  void *context);

size_t ring_front_connections(const struct ring_front *rings);
