/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "store/reader.h"
#include "store/watch_record.h"

/*
 * What a store has besides its nodes, copied into memory: domains, quotas, watches. As image.h does for the tree, so that
 * whoever shows it keeps nothing of the store from going on.
 */
struct inventory_domain {
	uint16_t domid;
	bool known;		    /* it has a record of its own; else it only owns nodes, or has watches */
	struct store_domain record; /* if known */
	uint64_t nodes;		    /* that it owns, by its account */
	uint64_t watches;	    /* of connections that speak for it */
};

struct inventory {
	struct inventory_domain *domains; /* by number */
	size_t n_domains;
	struct watch_record *watches; /* by connection, and in the order in which they were set; texts NUL-terminated */
	size_t n_watches;
	uint64_t generation; /* generations up to here may have been given out */
	bool has_quotas;
	struct store_quotas quotas; /* set for all domains */
	size_t n_damaged;	    /* records that cannot be what their keys say and are left out */
	struct arena memory;
};

/*
 * Reads it all; `records` is begun, and stays so. 0; -EIO: the file is damaged, records->problem says how, and what could be read
 * is in *out; -ENOMEM. In any case inventory_deinit.
 */
int inventory_read(struct reader_walk *records, struct inventory *out);
void inventory_deinit(struct inventory *inventory); /* accepts a zeroed one */
