/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "support/world.h"

/*
 * The Xen and the rings of a world that was made with one (world_options.with_xen): domains come, shut down, die and give their
 * numbers to others as a test says. A ring is a client of the world, made by INTRODUCE and ended by RELEASE as the real front
 * end does it: with the commit, or not at all.
 */
enum { WORLD_XEN_DOMAINS = 64 };

struct world_domain {
	bool is_there;
	struct domain_state state;
	uint32_t page_port;	   /* the event channel that its ring page names; 0: none */
	struct world_client *ring; /* NULL: not introduced */
	bool changing;		   /* in the turn that is not yet committed */
	unsigned resets;	   /* how often it was introduced again */
};

struct world_xen {
	struct hypervisor hypervisor;
	struct rings rings;
	struct world *world;
	struct world_domain domains[WORLD_XEN_DOMAINS];
	uint64_t last_unique_id;
	uint32_t last_epoch;
	int refusal; /* result of each INTRODUCE; 0: none is refused */
	int fault;   /* of asking for domains; 0: none */
};

void world_xen_init(struct world_xen *xen, struct world *world);

/* A new domain of this number, whatever had it before; Xen says nothing of it. */
struct world_domain *world_xen_start(struct world_xen *xen, uint16_t domid);
void world_xen_kill(struct world_xen *xen, uint16_t domid);

/* Xen says that something has happened to domains, and what has to be done is done. Nothing is taken to the clients. */
void world_xen_exception(struct world_xen *xen);
