/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "store/tree.h"

/*
 * Limits per unprivileged domain; names, order and first values as C xenstored has them. Exactly the number is allowed. The
 * store knows them by these numbers (include/lxenstored/store_format.h).
 */
enum quota {
	QUOTA_NODES,
	QUOTA_WATCHES,
	QUOTA_OUTSTANDING,
	QUOTA_MEMORY,
	QUOTA_TRANSACTIONS,
	QUOTA_TRANSACTION_NODES,
	QUOTA_NODE_PERMISSIONS,
	QUOTA_PATH_MAX,
	QUOTA_NODE_SIZE,
	QUOTA_COUNT
};

struct quotas {
	uint32_t hard[QUOTA_COUNT]; /* 0: no limit */
	uint32_t soft[QUOTA_COUNT]; /* 0: none; past it a warning is logged */
};

/* Those that somebody has set, for a domain or for all. Zeroed: none. */
struct quota_settings {
	uint32_t hard_set, soft_set; /* bit n: quota n */
	struct quotas values;
};

void quotas_init(struct quotas *quotas);

/* Which quota the name means. STATUS_EINVAL: none, or one that has no soft limit. */
int quota_find(const char *name, bool soft, enum quota *out);
const char *quota_name(enum quota quota);

/* What it counts, for a sentence: "watches". */
const char *quota_things(enum quota quota);
bool quota_has_soft(enum quota quota);

/* Sets the quota of this name, hard or soft, 0 for no limit; STATUS_EINVAL as quota_find. */
int quota_set(struct quotas *quotas, bool soft, const char *name, uint32_t value);

void quota_settings_set(struct quota_settings *settings, enum quota quota, bool soft, uint32_t value);

/* Puts what was set over `quotas`. */
void quota_settings_apply(const struct quota_settings *settings, struct quotas *quotas);

/* One line "name : value description" each, after the line "Quota settings:". */
void quotas_format(const struct quotas *quotas, bool soft, struct buffer *out);

/* What is enforced: UINT32_MAX where there is no limit. */
uint32_t quota_limit(const struct quotas *quotas, enum quota quota);

/* The part that the tree's operations look at. */
void quotas_limits(const struct quotas *quotas, struct tree_limits *out);
