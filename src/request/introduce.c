/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How a domain gets its connection. What it is told is told in the same commit that makes it known, so nobody is told of a
 * domain that is not served after a crash.
 */
#include "request/introduce.h"

#include <stddef.h>

#include "request/domain_change.h"
#include "store/watch_record.h"

int introduce_domain(struct turn *turn, uint16_t domid, uint32_t port, struct changes *changes)
{
	struct domain *domain;

	if (!turn->rings)
		return STATUS_ENOENT;
	int result = domain_of_xen(turn->domains, domid, &domain);
	if (result == STATUS_ENOENT)
		return STATUS_EINVAL;
	if (!result)
		result = domain_change_begin(turn, domain);
	if (!result)
		result = turn->rings->introduce(turn->rings->context, domain, port);
	/* A connection of this number had watches: not even after a crash may the new one find them. */
	if (!result)
		result = watch_record_remove_some(turn->store, domid, 0, UINT64_MAX, SIZE_MAX);
	if (result)
		return result;
	bool is_new = !domain->introduced;
	domain->introduced = true;
	if (is_new)
		domain->shut_down = false;
	result = domain_change_done(turn, domain);
	if (!result && is_new && !domain->caller.privileged)
		result = events_add_special(turn, changes, "@introduceDomain", &domid, EVENT_OF_ALL | EVENT_OF_DOMAIN);
	return result;
}
