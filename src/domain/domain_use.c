/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Figures for the operator, who sets quotas by them. They are kept where what they tell of is counted: nodes in the store,
 * what clients have in the domain's budgets, and what is checked for each node where that is done.
 */
#include "domain/domain_use.h"

#include <errno.h>
#include <string.h>
#include <utlist.h>

#include "store/node.h"

static uint64_t most_of(const struct domain *domain, const struct store *store, enum quota quota)
{
	switch (quota) {
	case QUOTA_NODES:
		return store->most_owned[domain->caller.domid];
	case QUOTA_TRANSACTION_NODES:
		return domain->most_of_tree[TREE_LIMIT_TRANSACTION_NODES];
	case QUOTA_NODE_PERMISSIONS:
		return domain->most_of_tree[TREE_LIMIT_NODE_PERMISSIONS];
	case QUOTA_NODE_SIZE:
		return domain->most_of_tree[TREE_LIMIT_NODE_SIZE];
	case QUOTA_PATH_MAX:
		return domain->longest_path;
	default:
		return domain->budgets[quota].most;
	}
}

int domain_use(const struct domain *domain, struct store *store, enum quota quota, struct quota_use *out)
{
	*out = (struct quota_use){domain->budgets[quota].used, most_of(domain, store, quota)};
	if (quota == QUOTA_NODES) {
		struct MDB_txn *txn = store_view(store);
		if (!txn || node_account(store, txn, domain->caller.domid, &out->used))
			return -EIO;
	}
	/* It may have been so before this process began to count. */
	if (out->used > out->most)
		out->most = out->used;
	return 0;
}

int domains_most(const struct domains *domains, struct store *store, enum quota quota, uint64_t *out)
{
	const struct domain *domain;

	*out = domains->most_of_gone[quota];
	DL_FOREACH (domains->all, domain) {
		struct quota_use use;
		if (domain->caller.privileged)
			continue;
		if (domain_use(domain, store, quota, &use))
			return -EIO;
		if (use.most > *out)
			*out = use.most;
	}
	return 0;
}

static void forget_most(struct domain *domain, struct store *store)
{
	store->most_owned[domain->caller.domid] = 0;
	for (enum quota quota = 0; quota < QUOTA_COUNT; quota++)
		domain->budgets[quota].most = domain->budgets[quota].used;
	memset(domain->most_of_tree, 0, sizeof(domain->most_of_tree));
	domain->longest_path = 0;
}

void domain_use_ends(struct domains *domains, struct domain *domain, struct store *store)
{
	for (enum quota quota = 0; quota < QUOTA_COUNT; quota++) {
		uint64_t most = most_of(domain, store, quota);
		if (most > domains->most_of_gone[quota])
			domains->most_of_gone[quota] = most;
	}
	forget_most(domain, store);
}

void domains_forget_most(struct domains *domains, struct store *store)
{
	struct domain *domain;

	memset(domains->most_of_gone, 0, sizeof(domains->most_of_gone));
	DL_FOREACH (domains->all, domain) {
		forget_most(domain, store);
	}
}
