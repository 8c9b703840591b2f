/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>

#include "integration/kill_model.h"
#include "support/client.h"

/* The tree below `path` as the daemon shows it; freed by model_free. Only permissions of domain 0 alone are understood. */
struct model_node *kill_tree_read(struct client *client, const char *path);

/* The generations of all nodes of a store that no daemon has open. Zeroed: none. */
struct generation;
struct generations {
	struct generation *nodes; /* in the order of their keys */
	size_t n, capacity;
	uint64_t given_out; /* up to here */
};

void generations_read(const char *store, struct generations *out);
void generations_free(struct generations *generations);

/*
 * Fails the test unless `now`, which a daemon made that began with `before`, has only greater generations where anything has
 * changed: no number is given out twice.
 */
void generations_compare(const struct generations *before, const struct generations *now);
