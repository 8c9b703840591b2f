/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who exists. The daemon's own domain and the privileged one (usually the same, domain 0) are always there; others are known
 * once somebody tells of them. Whether an unknown number is a domain is asked of Xen, and so is whether a known one is still
 * the same, since numbers are used again.
 */
#include "domain/domain.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "base/status.h"
#include "wire/ring_page.h"

int domains_init(struct domains *domains, uint16_t own, uint16_t privileged, const struct quotas *quotas,
		 const struct hypervisor *hypervisor)
{
	struct domain *domain;

	*domains = (struct domains){.own = own, .privileged = privileged, .hypervisor = hypervisor};
	if (quotas)
		domains->quotas = *quotas;
	else
		quotas_init(&domains->quotas);
	domains->by_number = calloc(DOMID_FIRST_RESERVED_NUMBER, sizeof(*domains->by_number));
	int error = domains->by_number ? table_init(&domains->acting) : -ENOMEM;
	if (!error)
		error = domain_get(domains, own, &domain);
	if (!error)
		error = domain_get(domains, privileged, &domain);
	if (error)
		domains_deinit(domains);
	return error;
}

void domains_deinit(struct domains *domains)
{
	struct domain *domain, *next;

	DL_FOREACH_SAFE (domains->all, domain, next) {
		free(domain);
	}
	table_deinit(&domains->acting);
	free(domains->by_number);
	domains->by_number = NULL;
	domains->all = domains->unsaved = NULL;
}

struct domain *domain_find(const struct domains *domains, uint16_t domid)
{
	return domid < DOMID_FIRST_RESERVED_NUMBER ? domains->by_number[domid] : NULL;
}

/* As one of which nothing is known. */
static void make_new(const struct domains *domains, struct domain *domain, uint16_t domid)
{
	domain->caller = (struct caller){domid, DOMID_NONE, domain_is_privileged(domains, domid)};
	domain->introduced = domain->shut_down = false;
	domain->port = domain->epoch = 0;
	domain->features = RING_FEATURES;
	domain->identity = (struct domain_identity){0};
	domain->own_quotas = (struct quota_settings){0};
	domain->is_known = domain->is_gone = false;
	domain->is_saved = true;
	memset(domain->told_at, 0, sizeof(domain->told_at));
	memset(domain->told_softly_at, 0, sizeof(domain->told_softly_at));
	domain_quotas_changed(domains, domain);
}

static int add(struct domains *domains, uint16_t domid, struct domain **out)
{
	struct domain *domain = calloc(1, sizeof(*domain));

	if (!domain)
		return -ENOMEM;
	make_new(domains, domain, domid);
	domains->by_number[domid] = domain;
	DL_APPEND2(domains->all, domain, previous, next);
	*out = domain;
	return 0;
}

int domain_get(struct domains *domains, uint16_t domid, struct domain **out)
{
	struct domain *domain = domain_find(domains, domid);
	int error = domain ? 0 : domid < DOMID_FIRST_RESERVED_NUMBER ? add(domains, domid, &domain) : -ERANGE;

	if (error)
		return error;
	if (!domain->is_known) {
		domain->is_known = true;
		if (!domain->caller.privileged)
			domain_changed(domains, domain);
	}
	*out = domain;
	return 0;
}

void domain_changed(struct domains *domains, struct domain *domain)
{
	if (domain->is_saved)
		DL_APPEND2(domains->unsaved, domain, unsaved_previous, unsaved_next);
	domain->is_saved = false;
}

void domains_committed(struct domains *domains)
{
	struct domain *domain, *next;

	DL_FOREACH_SAFE2 (domains->unsaved, domain, next, unsaved_next) {
		domain->is_saved = true;
	}
	domains->unsaved = NULL;
}

void domain_set_target(struct domains *domains, struct domain *domain, uint16_t target)
{
	if (domain->caller.target != DOMID_NONE)
		table_remove(&domains->acting, &domain->acting);
	domain->caller.target = target;
	if (target != DOMID_NONE)
		table_add(&domains->acting, &domain->acting, target);
}

struct domain *domain_acting_for(const struct domains *domains, uint16_t target)
{
	struct table_link *link = table_first(&domains->acting, target);

	return link ? (struct domain *)(void *)((char *)link - offsetof(struct domain, acting)) : NULL;
}

void domain_reset(struct domains *domains, struct domain *domain)
{
	if (!domain->is_saved)
		DL_DELETE2(domains->unsaved, domain, unsaved_previous, unsaved_next);
	domain_set_target(domains, domain, DOMID_NONE);
	make_new(domains, domain, domain->caller.domid);
}

void domain_hold(struct domain *domain)
{
	domain->n_holders++;
}

void domain_drop(struct domains *domains, struct domain *domain)
{
	if (--domain->n_holders || domain->is_known)
		return;
	domains->by_number[domain->caller.domid] = NULL;
	DL_DELETE2(domains->all, domain, previous, next);
	free(domain);
}

/* The domain that has the number in this state, or -ESTALE. */
static int take_state(struct domains *domains, uint16_t domid, const struct domain_state *state, struct domain **out)
{
	int error = domain_get(domains, domid, out);
	struct domain *domain = *out;

	if (error)
		return error;
	if (!identity_is_known(&domain->identity)) {
		domain->identity = state->identity;
		domain_changed(domains, domain);
	}
	if (!domain->is_gone && identity_is_same(&domain->identity, &state->identity))
		return 0;
	domain->is_gone = domains->to_release = true;
	return -ESTALE;
}

int domain_of_xen(struct domains *domains, uint16_t domid, struct domain **out)
{
	const struct hypervisor *hypervisor = domains->hypervisor;
	struct domain_state state;

	*out = domain_find(domains, domid);
	if (*out && ((*out)->caller.privileged || (!hypervisor && (*out)->introduced)))
		return 0;
	if (!hypervisor || domid >= DOMID_FIRST_RESERVED_NUMBER)
		return STATUS_ENOENT;
	int result = hypervisor->domain_state(hypervisor->context, domid, &state);
	if (result)
		return result;
	return state.dying ? STATUS_ENOENT : take_state(domains, domid, &state, out);
}

bool domain_is_privileged(const struct domains *domains, uint16_t domid)
{
	return domid == domains->own || domid == domains->privileged;
}

bool domain_is_served(const struct domain *domain)
{
	return domain && (domain->introduced || domain->caller.privileged);
}

bool identity_is_known(const struct domain_identity *identity)
{
	static const struct domain_identity none = {0};

	return identity->unique_id || identity->shared_info_frame || memcmp(identity->handle, none.handle, sizeof(none.handle));
}

bool identity_is_same(const struct domain_identity *left, const struct domain_identity *right)
{
	if (left->unique_id || right->unique_id)
		return left->unique_id == right->unique_id;
	return left->shared_info_frame == right->shared_info_frame && !memcmp(left->handle, right->handle, sizeof(left->handle));
}

void domain_quotas_changed(const struct domains *domains, struct domain *domain)
{
	domain->quotas = domains->quotas;
	quota_settings_apply(&domain->own_quotas, &domain->quotas);
	quotas_limits(&domain->quotas, &domain->limits);
}

void domains_quotas_changed(struct domains *domains)
{
	struct domain *domain;

	DL_FOREACH (domains->all, domain) {
		domain_quotas_changed(domains, domain);
	}
}

uint64_t domain_limit(const struct domain *domain, enum quota quota)
{
	return domain->caller.privileged || !domain->quotas.hard[quota] ? UINT64_MAX : domain->quotas.hard[quota];
}
