/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who is known and who is there are compared in one walk over Xen's domains. What has to be done is only marked then, and done in
 * batches, a commit each: a batch tells once that domains are gone, and is small enough that others can wait for it. A crash
 * between two batches loses nothing, since the next start compares again.
 */
#include "request/release.h"

#include <errno.h>
#include <string.h>
#include <utlist.h>

#include "domain/domain_use.h"
#include "request/client_transactions.h"
#include "request/domain_change.h"
#include "store/node.h"
#include "store/release.h"

/* Nodes removed or changed that make a batch. */
enum { NODES_PER_BATCH = 2000 };

static const char release_event[] = "@releaseDomain";

/* ---- one domain ---- */

/* Nobody acts for it any more. */
static int drop_target(struct turn *turn, uint16_t target)
{
	struct domain *domain;
	int fault = 0;

	while (!fault && (domain = domain_acting_for(turn->domains, target))) {
		fault = domain_change_begin(turn, domain);
		if (fault)
			break;
		domain_set_target(turn->domains, domain, DOMID_NONE);
		fault = domain_change_done(turn, domain);
	}
	return fault;
}

static int take_away(struct turn *turn, struct domain *domain, struct changes *changes)
{
	const struct watched_paths *watched = watch_count(turn->watches) ? &turn->watched : NULL;
	uint16_t domid = domain->caller.domid;
	int fault = turn->rings && domain->introduced ? turn->rings->release(turn->rings->context, domain) : 0;

	if (!fault)
		fault = store_release(turn->store, domid, &turn->arena, watched, changes);
	client_record_doomed(turn->store);
	if (!fault)
		fault = drop_target(turn, domid);
	if (!fault)
		domain_use_ends(turn->domains, domain, turn->store);
	return fault ? fault : domain_change_to_nothing(turn, domain);
}

int release_domain(struct turn *turn, struct domain *domain, struct changes *changes)
{
	uint16_t domid = domain->caller.domid;
	int fault = take_away(turn, domain, changes);

	return fault ? fault : events_add_special(turn, changes, release_event, &domid, EVENT_OF_ALL | EVENT_OF_DOMAIN);
}

/* ---- batches ---- */

struct batch {
	bool is_told; /* somebody who had a ring is gone, or has shut down */
	uint64_t nodes;
};

static int tell(struct turn *turn, struct batch *batch, uint16_t domid, struct changes *changes)
{
	batch->is_told = true;
	return events_add_special(turn, changes, release_event, &domid, EVENT_OF_DOMAIN);
}

static int tell_shutdown(struct turn *turn, struct batch *batch, struct domain *domain, struct changes *changes)
{
	int fault = domain_change_begin(turn, domain);

	if (fault)
		return fault;
	domain->shut_down = true;
	fault = domain_change_done(turn, domain);
	return fault ? fault : tell(turn, batch, domain->caller.domid, changes);
}

static int release_gone_one(struct turn *turn, struct batch *batch, struct domain *domain, struct changes *changes)
{
	bool was_introduced = domain->introduced;
	uint16_t domid = domain->caller.domid;
	struct MDB_txn *txn = store_view(turn->store);
	uint64_t owned = 0, generation = turn->store->generation;
	int fault = txn ? node_account(turn->store, txn, domid, &owned) : -EIO;

	if (!fault)
		fault = take_away(turn, domain, changes);
	/* Each node that loses an entry has taken a generation; those that it owned have taken one together. */
	batch->nodes += owned + turn->store->generation - generation + 1;
	return fault || !was_introduced ? fault : tell(turn, batch, domid, changes);
}

static bool has_shut_down(const struct domain *domain)
{
	return domain->is_down && domain->introduced && !domain->shut_down && !domain->is_gone && !domain->caller.privileged;
}

static int run_batch(void *context, struct turn *turn, struct changes *changes)
{
	struct batch *batch = context;
	struct domain *domain;
	int fault = 0;

	*batch = (struct batch){0};
	DL_FOREACH (turn->domains->all, domain) {
		if (fault || batch->nodes >= NODES_PER_BATCH)
			break;
		if (domain->is_gone)
			fault = release_gone_one(turn, batch, domain, changes);
		else if (has_shut_down(domain))
			fault = tell_shutdown(turn, batch, domain, changes);
	}
	if (!fault && batch->is_told)
		fault = events_add_special(turn, changes, release_event, NULL, EVENT_OF_ALL);
	return fault;
}

static bool is_work_left(const struct domains *domains)
{
	const struct domain *domain;

	DL_FOREACH (domains->all, domain) {
		if (domain->is_gone || has_shut_down(domain))
			return true;
	}
	return false;
}

/* One batch, if there is something to do. */
static int release_some(struct turn *turn)
{
	struct domains *domains = turn->domains;
	struct batch batch;

	if (!domains->to_release)
		return 0;
	int fault = turn_run_work(turn, run_batch, &batch);
	domains->to_release = !fault && is_work_left(domains);
	if (fault)
		log_error(turn->log, "domains that are gone cannot be released now: %s", strerror(-fault));
	return fault;
}

bool release_more(struct turn *turn)
{
	release_some(turn);
	return turn->domains->to_release;
}

int release_all(struct turn *turn)
{
	int fault;

	do
		fault = release_some(turn);
	while (turn->domains->to_release);
	return fault;
}

/* ---- who is there ---- */

static int found(void *context, uint16_t domid, const struct domain_state *state)
{
	struct domains *domains = context;
	struct domain *domain = domain_find(domains, domid);

	if (!domain || !domain->is_known)
		return 0;
	if (!identity_is_known(&domain->identity)) {
		domain->identity = state->identity;
		domain_changed(domains, domain);
	}
	domain->is_there = !state->dying && identity_is_same(&domain->identity, &state->identity);
	domain->is_down = state->shut_down;
	return 0;
}

int release_check_domains(struct turn *turn)
{
	struct domains *domains = turn->domains;
	const struct hypervisor *hypervisor = domains->hypervisor;
	struct domain *domain;

	if (!hypervisor)
		return 0;
	DL_FOREACH (domains->all, domain) {
		domain->is_there = domain->is_down = false;
	}
	int fault = hypervisor->each_domain(hypervisor->context, found, domains);
	if (fault)
		return fault;
	DL_FOREACH (domains->all, domain) {
		if (domain->is_known && !domain->is_there && !domain->caller.privileged)
			domain->is_gone = true;
	}
	domains->to_release = is_work_left(domains);
	return 0;
}
