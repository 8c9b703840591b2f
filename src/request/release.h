/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

#include "request/turn.h"

/*
 * The end of domains: connection, watches and transactions, nodes, entries in permissions, and what was set for them go in one
 * commit, with the events that tell of it.
 */

/* RELEASE: within the request that is run, `domain` being introduced. A fault: the turn has to be put back. */
int release_domain(struct turn *turn, struct domain *domain, struct changes *changes);

/*
 * Compares what is known with what Xen has now: at the start, once domains are loaded, and whenever Xen tells that some domain
 * has shut down or died. Who died is marked, and released by the functions below, in turns of their own; who has shut down is
 * told of there, once. 0, or the fault of asking Xen.
 */
int release_check_domains(struct turn *turn);

/*
 * Releases some of those that are marked. True: there are more, for another turn, so that others do not wait. A fault is logged,
 * and the rest waits for the next release_check_domains.
 */
bool release_more(struct turn *turn);

/* Releases all that are marked; a fault is logged too. */
int release_all(struct turn *turn);
