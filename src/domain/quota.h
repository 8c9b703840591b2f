/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "store/tree.h"

/* Limits per unprivileged domain; names and first values as C xenstored has them. Exactly the number is allowed. */
enum quota {
	QUOTA_NODES,
	QUOTA_WATCHES,
	QUOTA_TRANSACTIONS,
	QUOTA_OUTSTANDING,
	QUOTA_TRANSACTION_NODES,
	QUOTA_MEMORY,
	QUOTA_NODE_PERMISSIONS,
	QUOTA_PATH_MAX,
	QUOTA_NODE_SIZE,
	QUOTA_COUNT
};

struct quotas {
	uint32_t hard[QUOTA_COUNT]; /* 0: no limit */
	uint32_t soft[QUOTA_COUNT]; /* 0: none; past it a warning is logged */
};

void quotas_init(struct quotas *quotas);

/* Sets the quota of this name, hard or soft, 0 for no limit; STATUS_EINVAL: no such name, or one that has no soft limit. */
int quota_set(struct quotas *quotas, bool soft, const char *name, uint32_t value);

/* One line "name : value description" each, after the line "Quota settings:". */
void quotas_format(const struct quotas *quotas, bool soft, struct buffer *out);

/* What is enforced: UINT32_MAX where there is no limit. */
uint32_t quota_limit(const struct quotas *quotas, enum quota quota);

const char *quota_name(enum quota quota);

/* The part that the tree's operations look at. */
void quotas_limits(const struct quotas *quotas, struct tree_limits *out);
