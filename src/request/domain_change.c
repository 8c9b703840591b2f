/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A domain is changed at once, so that later requests of the turn see it as it is then; a step of the turn holds what it was,
 * in the form of its record, and gives it back if the turn fails.
 */
#include "request/domain_change.h"

#include <errno.h>
#include <stdlib.h>

#include "domain/domain_record.h"

struct domain_change {
	struct domains *domains;
	struct domain *domain;
	struct store_domain before;
	bool was_known, was_saved, was_gone;
};

static void end(void *context)
{
	struct domain_change *change = context;

	domain_drop(change->domains, change->domain);
	free(change);
}

static void undo(void *context)
{
	struct domain_change *change = context;
	struct domain *domain = change->domain;

	domain_reset(change->domains, domain);
	domain->is_known = change->was_known;
	domain->is_gone = change->was_gone;
	domain_from_record(change->domains, domain, &change->before);
	if (!change->was_saved)
		domain_changed(change->domains, domain);
	end(change);
}

int domain_change_begin(struct turn *turn, struct domain *domain)
{
	struct domain_change *change = malloc(sizeof(*change));

	if (!change)
		return -ENOMEM;
	*change = (struct domain_change){
	    .domains = turn->domains,
	    .domain = domain,
	    .was_known = domain->is_known,
	    .was_saved = domain->is_saved,
	    .was_gone = domain->is_gone,
	};
	domain_to_record(domain, &change->before);
	domain_hold(domain);
	return turn_add_step(turn, &(struct turn_step){end, undo, change, false});
}

int domain_change_done(struct turn *turn, struct domain *domain)
{
	domain_changed(turn->domains, domain);
	return domain_save(turn->store, domain);
}

int domain_change_to_nothing(struct turn *turn, struct domain *domain)
{
	int fault = domain_change_begin(turn, domain);

	if (fault)
		return fault;
	domain_reset(turn->domains, domain);
	return domain_erase(turn->store, domain->caller.domid);
}

/* ---- quotas of all ---- */

struct quotas_change {
	struct domains *domains;
	struct quotas quotas;
	struct quota_settings quotas_set;
};

static void undo_quotas(void *context)
{
	struct quotas_change *change = context;

	change->domains->quotas = change->quotas;
	change->domains->quotas_set = change->quotas_set;
	domains_quotas_changed(change->domains);
	free(change);
}

int domain_change_quota_of_all(struct turn *turn, enum quota quota, bool soft, uint32_t value)
{
	struct domains *domains = turn->domains;
	struct quotas_change *change = malloc(sizeof(*change));

	if (!change)
		return -ENOMEM;
	*change = (struct quotas_change){domains, domains->quotas, domains->quotas_set};
	int fault = turn_add_step(turn, &(struct turn_step){free, undo_quotas, change, false});
	if (fault)
		return fault;
	quota_settings_set(&domains->quotas_set, quota, soft, value);
	quota_settings_apply(&domains->quotas_set, &domains->quotas);
	domains_quotas_changed(domains);
	return domains_save_quotas(turn->store, domains);
}
