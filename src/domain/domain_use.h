/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "domain/domain.h"
#include "store/store.h"

/*
 * What a domain uses of what a quota limits, and the most that it has used. Of what is limited for each transaction, node or path
 * there is only the latter; it is not kept for the privileged.
 */
struct quota_use {
	uint64_t used, most;
};
int domain_use(const struct domain *domain, struct store *store, enum quota quota, struct quota_use *out); /* -EIO */

/* The most that any one unprivileged domain has used, those that are gone too. -EIO. */
int domains_most(const struct domains *domains, struct store *store, enum quota quota, uint64_t *out);

/* The domain goes: what it has used at most is remembered among those of all. */
void domain_use_ends(struct domains *domains, struct domain *domain, struct store *store);

/* From now on only what is used now, or will be, is the most. */
void domains_forget_most(struct domains *domains, struct store *store);
