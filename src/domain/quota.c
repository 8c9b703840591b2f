/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The quotas that can be set, with the names that xenstore-control and the command line know.
 */
#include "domain/quota.h"

#include <string.h>

#include "base/status.h"

struct quota_description {
	const char *name;
	const char *meaning;
	const char *things;
	uint32_t hard;
	uint32_t soft; /* 0: has none */
};

static const struct quota_description *describe(enum quota quota)
{
	static const struct quota_description descriptions[QUOTA_COUNT] = {
	    [QUOTA_NODES] = {"nodes", "nodes owned by a domain", "nodes", 1000, 0},
	    [QUOTA_WATCHES] = {"watches", "watches of a domain", "watches", 128, 0},
	    [QUOTA_OUTSTANDING] = {"outstanding", "unanswered requests of a domain", "unanswered requests", 20, 0},
	    [QUOTA_MEMORY] = {"memory", "bytes held for a domain", "bytes held for it", 2560 * 1024, 2048 * 1024},
	    [QUOTA_TRANSACTIONS] = {"transactions", "open transactions of a domain", "open transactions", 10, 0},
	    [QUOTA_TRANSACTION_NODES] = {"transaction-nodes", "nodes touched by one transaction",
					 "nodes touched by one transaction", 1024, 0},
	    [QUOTA_NODE_PERMISSIONS] = {"node-permissions", "permission entries of a node", "permission entries of a node", 5, 0},
	    [QUOTA_PATH_MAX] = {"path-max", "bytes of a path", "bytes of a path", PATH_RELATIVE_MAX, 0},
	    [QUOTA_NODE_SIZE] = {"node-size", "bytes of a node", "bytes of a node", 2048, 0},
	};

	return &descriptions[quota];
}

void quotas_init(struct quotas *quotas)
{
	for (enum quota quota = 0; quota < QUOTA_COUNT; quota++) {
		quotas->hard[quota] = describe(quota)->hard;
		quotas->soft[quota] = describe(quota)->soft;
	}
}

int quota_find(const char *name, bool soft, enum quota *out)
{
	for (enum quota quota = 0; quota < QUOTA_COUNT; quota++) {
		if (strcmp(name, quota_name(quota)) || (soft && !quota_has_soft(quota)))
			continue;
		*out = quota;
		return 0;
	}
	return STATUS_EINVAL;
}

const char *quota_name(enum quota quota)
{
	return describe(quota)->name;
}

const char *quota_things(enum quota quota)
{
	return describe(quota)->things;
}

bool quota_has_soft(enum quota quota)
{
	return describe(quota)->soft;
}

int quota_set(struct quotas *quotas, bool soft, const char *name, uint32_t value)
{
	enum quota quota;
	int result = quota_find(name, soft, &quota);

	if (!result)
		(soft ? quotas->soft : quotas->hard)[quota] = value;
	return result;
}

void quota_settings_set(struct quota_settings *settings, enum quota quota, bool soft, uint32_t value)
{
	*(soft ? &settings->soft_set : &settings->hard_set) |= 1U << quota;
	(soft ? settings->values.soft : settings->values.hard)[quota] = value;
}

void quota_settings_apply(const struct quota_settings *settings, struct quotas *quotas)
{
	for (enum quota quota = 0; quota < QUOTA_COUNT; quota++) {
		if (settings->hard_set >> quota & 1)
			quotas->hard[quota] = settings->values.hard[quota];
		if (settings->soft_set >> quota & 1)
			quotas->soft[quota] = settings->values.soft[quota];
	}
}

void quotas_format(const struct quotas *quotas, bool soft, struct buffer *out)
{
	buffer_add_string(out, "Quota settings:\n");
	for (enum quota quota = 0; quota < QUOTA_COUNT; quota++) {
		if (!soft || quota_has_soft(quota))
			buffer_printf(out, "%-17s: %8u %s\n", describe(quota)->name, (soft ? quotas->soft : quotas->hard)[quota],
				      describe(quota)->meaning);
	}
}

uint32_t quota_limit(const struct quotas *quotas, enum quota quota)
{
	return quotas->hard[quota] ? quotas->hard[quota] : UINT32_MAX;
}

void quotas_limits(const struct quotas *quotas, struct tree_limits *out)
{
	*out = (struct tree_limits){
	    .nodes = quota_limit(quotas, QUOTA_NODES),
	    .node_size = quota_limit(quotas, QUOTA_NODE_SIZE),
	    .node_permissions = quota_limit(quotas, QUOTA_NODE_PERMISSIONS),
	    .transaction_nodes = quota_limit(quotas, QUOTA_TRANSACTION_NODES),
	};
}
