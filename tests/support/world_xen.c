/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "support/world_xen.h"

#include <errno.h>
#include <stdlib.h>

#include "request/release.h"

/* ---- the hypervisor ---- */

static int domain_state(void *context, uint16_t domid, struct domain_state *out)
{
	const struct world_xen *xen = context;

	if (xen->fault)
		return xen->fault;
	if (domid >= WORLD_XEN_DOMAINS || !xen->domains[domid].is_there)
		return STATUS_ENOENT;
	*out = xen->domains[domid].state;
	return 0;
}

static int each_domain(void *context, int (*found)(void *found_context, uint16_t domid, const struct domain_state *state),
		       void *found_context)
{
	const struct world_xen *xen = context;
	int result = xen->fault;

	for (uint16_t domid = 0; domid < WORLD_XEN_DOMAINS && !result; domid++) {
		if (xen->domains[domid].is_there)
			result = found(found_context, domid, &xen->domains[domid].state);
	}
	return result;
}

/* ---- rings ---- */

/* What happens to a ring in a turn. */
struct ring_change {
	struct world_domain *domain;
	bool is_new;
};

static void introduction_commit(void *context)
{
	struct ring_change *change = context;
	struct client *client = &change->domain->ring->client;

	change->domain->changing = false;
	if (!change->is_new) {
		client_reset(client, &change->domain->ring->world->turn);
		ledger_reset(&client->ledger, client->domain->epoch);
		ledger_resume(&client->ledger);
		change->domain->resets++;
	}
	free(change);
}

static void introduction_undo(void *context)
{
	struct ring_change *change = context;

	change->domain->changing = false;
	if (change->is_new) {
		world_client_end(change->domain->ring);
		change->domain->ring = NULL;
	}
	free(change);
}

static int begin(struct world_xen *xen, uint16_t domid, struct ring_change **out)
{
	struct world_domain *domain = &xen->domains[domid];

	if (domain->changing)
		return -EBUSY;
	*out = malloc(sizeof(**out));
	if (!*out)
		return -ENOMEM;
	**out = (struct ring_change){domain, false};
	domain->changing = true;
	return 0;
}

static int introduce(void *context, struct domain *domain, uint32_t port)
{
	struct world_xen *xen = context;
	uint16_t domid = domain->caller.domid;
	struct ring_change *change;
	int result = xen->refusal ? xen->refusal : begin(xen, domid, &change);

	if (result)
		return result;
	if (!change->domain->ring) {
		change->is_new = true;
		change->domain->ring = world_client(xen->world, domid, domain->caller.privileged);
		if (!change->domain->ring) {
			change->domain->changing = false;
			free(change);
			return -ENOSPC;
		}
	}
	domain->port = change->domain->page_port ? change->domain->page_port : port;
	domain->epoch = ++xen->last_epoch;
	return turn_add_step(&xen->world->turn, &(struct turn_step){introduction_commit, introduction_undo, change, true});
}

static void release_commit(void *context)
{
	struct ring_change *change = context;

	change->domain->changing = false;
	world_client_end(change->domain->ring);
	change->domain->ring = NULL;
	free(change);
}

static void release_undo(void *context)
{
	struct ring_change *change = context;

	change->domain->changing = false;
	free(change);
}

static int release(void *context, struct domain *domain)
{
	struct world_xen *xen = context;
	uint16_t domid = domain->caller.domid;
	struct ring_change *change;

	if (!xen->domains[domid].ring)
		return 0;
	int result = begin(xen, domid, &change);
	return result ? result
		      : turn_add_step(&xen->world->turn, &(struct turn_step){release_commit, release_undo, change, true});
}

/* ---- what tests say ---- */

void world_xen_init(struct world_xen *xen, struct world *world)
{
	*xen = (struct world_xen){
	    .hypervisor = {xen, domain_state, each_domain},
	    .rings = {xen, introduce, release},
	    .world = world,
	};
	world_xen_start(xen, DOMID_PRIVILEGED);
}

struct world_domain *world_xen_start(struct world_xen *xen, uint16_t domid)
{
	struct world_domain *domain = &xen->domains[domid];

	domain->is_there = true;
	domain->state = (struct domain_state){.identity.unique_id = ++xen->last_unique_id};
	domain->page_port = 0;
	return domain;
}

void world_xen_kill(struct world_xen *xen, uint16_t domid)
{
	xen->domains[domid].is_there = false;
}

void world_xen_exception(struct world_xen *xen)
{
	struct turn *turn = &xen->world->turn;

	turn_commit(turn);
	if (release_check_domains(turn))
		return;
	while (release_more(turn))
		continue;
}
