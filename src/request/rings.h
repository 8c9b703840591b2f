/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>

struct domain;

/*
 * What operations on domains need of the ring front end, which lies beyond them. All are called while a request is run; what
 * they do becomes final with the commit of its turn and is undone if that fails (turn.h, steps). recovery.md, "INTRODUCE,
 * RELEASE, reconnect", has the order.
 */
struct rings {
	void *context;

	/*
	 * INTRODUCE: maps the domain's page (grant 1) and binds the event channel: the one that the page names, else `port`,
	 * which becomes domain->port. A connection that it has is reset: its input and output are gone, the ring's indexes are
	 * set back. 0; a status, and nothing has happened: STATUS_EINVAL and what Xen's refusal means; or a fault.
	 */
	int (*introduce)(void *context, struct domain *domain, uint32_t port);

	/* RELEASE, or its death: the connection ends. Does nothing if it has none. 0 or a fault. */
	int (*release)(void *context, struct domain *domain);
};
