/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who exists. The daemon's own domain and the privileged one (usually the same, domain 0) are always there; others are known
 * once somebody tells of them, and whether an unknown number is a domain is asked of Xen.
 */
#include "domain/domain.h"

#include <errno.h>
#include <stdlib.h>

#include "base/status.h"
#include "wire/ring_page.h"

int domains_init(struct domains *domains, uint16_t own, uint16_t privileged, const struct hypervisor *hypervisor)
{
	struct domain *domain;

	*domains = (struct domains){.own = own, .privileged = privileged, .hypervisor = hypervisor};
	int error = domain_get(domains, own, &domain);
	if (!error)
		error = domain_get(domains, privileged, &domain);
	if (error)
		domains_deinit(domains);
	return error;
}

void domains_deinit(struct domains *domains)
{
	struct domain *domain, *next;

	HASH_ITER (hh, domains->all, domain, next) {
		HASH_DEL(domains->all, domain);
		free(domain);
	}
}

struct domain *domain_find(const struct domains *domains, uint16_t domid)
{
	struct domain *domain;

	HASH_FIND(hh, domains->all, &domid, sizeof(domid), domain);
	return domain;
}

int domain_get(struct domains *domains, uint16_t domid, struct domain **out)
{
	struct domain *domain = domain_find(domains, domid);

	if (!domain) {
		domain = calloc(1, sizeof(*domain));
		if (!domain)
			return -ENOMEM;
		domain->caller = (struct caller){domid, DOMID_NONE, domain_is_privileged(domains, domid)};
		domain->features = RING_FEATURES;
		HASH_ADD(hh, domains->all, caller.domid, sizeof(domid), domain);
		if (!domain->hh.tbl) {
			free(domain);
			return -ENOMEM;
		}
	}
	*out = domain;
	return 0;
}

void domain_forget(struct domains *domains, struct domain *domain)
{
	HASH_DEL(domains->all, domain);
	free(domain);
}

bool domain_is_privileged(const struct domains *domains, uint16_t domid)
{
	return domid == domains->own || domid == domains->privileged;
}

int domain_exists(const struct domains *domains, uint16_t domid)
{
	const struct domain *domain = domain_find(domains, domid);
	struct domain_state state;

	if (domain_is_privileged(domains, domid) || (domain && domain->introduced))
		return 1;
	if (!domains->hypervisor || domid >= DOMID_FIRST_RESERVED_NUMBER)
		return 0;
	int result = domains->hypervisor->domain_state(domains->hypervisor->context, domid, &state);
	if (result)
		return result < 0 ? result : 0;
	return !state.dying;
}
