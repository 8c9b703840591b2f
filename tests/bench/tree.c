/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A host's store is many small devices of the same form. Which leaf has which path and value follows from its number, so
 * that every server gets the same tree and nothing has to be remembered.
 */
#include "bench/tree.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum {
	KEYS_PER_DOMAIN = TREE_KEYS_PER_DEVICE * TREE_DEVICES_PER_DOMAIN,
	DIRECTORIES_PER_DOMAIN = 3, /* <d>, device, vif */
	DIRECTORIES_ABOVE = 2,	    /* /local, /local/domain */
	VALUE_MIN = 8,
	VALUE_SPAN = 23
};

static const char *const key_names[TREE_KEYS_PER_DEVICE] = {"backend", "backend-id",	"state",       "handle",
							    "mac",     "event-channel", "tx-ring-ref", "rx-ring-ref"};

static size_t divide_up(size_t number, size_t by)
{
	return (number + by - 1) / by;
}

size_t tree_nodes(size_t leaves)
{
	return leaves + divide_up(leaves, TREE_KEYS_PER_DEVICE) + DIRECTORIES_PER_DOMAIN * divide_up(leaves, KEYS_PER_DOMAIN) +
	       DIRECTORIES_ABOVE;
}

size_t tree_leaves(size_t nodes)
{
	size_t leaves = nodes / tree_nodes(KEYS_PER_DOMAIN) * KEYS_PER_DOMAIN + 1;

	while (tree_nodes(leaves + 1) <= nodes)
		leaves++;
	return leaves;
}

size_t tree_device_path(size_t leaf, char path[TREE_PATH_MAX])
{
	return (size_t)snprintf(path, TREE_PATH_MAX, "/local/domain/%zu/device/vif/%zu", leaf / KEYS_PER_DOMAIN + 1,
				leaf / TREE_KEYS_PER_DEVICE % TREE_DEVICES_PER_DOMAIN);
}

size_t tree_leaf_path(size_t leaf, char path[TREE_PATH_MAX])
{
	size_t len = tree_device_path(leaf, path);

	return len + (size_t)snprintf(path + len, TREE_PATH_MAX - len, "/%s", key_names[leaf % TREE_KEYS_PER_DEVICE]);
}

size_t tree_value(size_t leaf, char value[TREE_VALUE_MAX])
{
	uint64_t mixed = (leaf + 1) * UINT64_C(0x9e3779b97f4a7c15);
	size_t len = VALUE_MIN + (size_t)((mixed >> 40) % VALUE_SPAN);

	snprintf(value, TREE_VALUE_MAX, "%016llx%016llx", (unsigned long long)mixed, (unsigned long long)(mixed * 31));
	value[len] = '\0';
	return len;
}

size_t tree_spread(size_t leaves, size_t index, size_t count)
{
	/* A prime, so that with `count` no multiple of it every index comes once. */
	size_t shuffled = index * 617 % count;

	return count >= leaves ? index % leaves : shuffled * (leaves / count);
}
