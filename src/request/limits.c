/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who searches for the reason of a failure in a guest finds it in the log; who floods the daemon with what it may not do does not
 * flood the log.
 */
#include "request/limits.h"

#include "base/clock.h"

enum { TOLD_EVERY = 60 * 1000 /* milliseconds */ };

/* Is it time to tell of it, for the first time or again? */
static bool is_due(uint64_t *told_at)
{
	uint64_t now = clock_milliseconds();

	if (*told_at && now - *told_at < TOLD_EVERY)
		return false;
	*told_at = now ? now : 1;
	return true;
}

void limit_reached(struct turn *turn, struct domain *domain, enum quota quota)
{
	if (is_due(&domain->told_at[quota]))
		log_warning(turn->log, "domain %u has reached its limit of %u %s (quota %s)", domain->caller.domid,
			    domain->quotas.hard[quota], quota_things(quota), quota_name(quota));
}

void limit_passed_softly(struct turn *turn, struct domain *domain, enum quota quota)
{
	if (is_due(&domain->told_softly_at[quota]))
		log_warning(turn->log, "domain %u has passed its soft limit of %u %s (quota %s)", domain->caller.domid,
			    domain->quotas.soft[quota], quota_things(quota), quota_name(quota));
}

void limit_of_tree_reached(struct turn *turn, struct domain *domain, enum tree_limit limit)
{
	static const enum quota quotas[] = {
	    [TREE_LIMIT_NODES] = QUOTA_NODES,
	    [TREE_LIMIT_NODE_SIZE] = QUOTA_NODE_SIZE,
	    [TREE_LIMIT_NODE_PERMISSIONS] = QUOTA_NODE_PERMISSIONS,
	    [TREE_LIMIT_TRANSACTION_NODES] = QUOTA_TRANSACTION_NODES,
	    [TREE_LIMIT_MEMORY] = QUOTA_MEMORY,
	};

	if (limit != TREE_LIMIT_NONE)
		limit_reached(turn, domain, quotas[limit]);
}
