/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>

struct domain;

/*
 * What operations on domains need of the ring front end, which lies beyond them. All are called while a request is run or in
 * work of a turn; what they do becomes final with the commit of that turn and is undone if it fails (turn.h, steps). Two changes
 * of one domain cannot share a turn: the second one is a fault, so that they are run again with a commit each. recovery.md,
 * "INTRODUCE, RELEASE, reconnect", has the order.
 */
struct rings {
	void *context;

	/*
	 * INTRODUCE: maps the domain's page (grant 1) and binds the event channel: the one that the page names, else `port`.
	 * It becomes domain->port, and domain->epoch is a new one; both belong into the domain's record in the store, in
	 * the same turn. A connection that it has is reset: watches, transactions, input and output are gone with the
	 * commit, the ring's indexes are set back. 0; a status, and nothing has happened: STATUS_EINVAL and what Xen's
	 * refusal means; or a fault. Of the daemon's own domain only at the start.
	 */
	int (*introduce)(void *context, struct domain *domain, uint32_t port);

	/*
	 * RELEASE, or its death: the connection ends; with the commit nothing refers to `domain` any more. Does nothing if it has
	 * none. 0 or a fault.
	 */
	int (*release)(void *context, struct domain *domain);
};
