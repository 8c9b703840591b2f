/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who exists. The daemon's own domain and the privileged one (usually the same, domain 0) are always there.
 */
#include "domain/domain.h"

void domains_init(struct domains *domains, uint16_t own, uint16_t privileged)
{
	*domains = (struct domains){.own = own, .privileged = privileged};
}

bool domain_is_privileged(const struct domains *domains, uint16_t domid)
{
	return domid == domains->own || domid == domains->privileged;
}

bool domain_exists(const struct domains *domains, uint16_t domid)
{
	return domain_is_privileged(domains, domid);
}

struct caller domain_caller(const struct domains *domains, uint16_t domid)
{
	return (struct caller){.domid = domid, .target = DOMID_NONE, .privileged = domain_is_privileged(domains, domid)};
}
