/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uthash.h>

#include "store/transaction.h"

/* What a transaction knows and has changed of one path. Shared by transaction.c and commit.c only. */
struct transaction_entry {
	struct path path;  /* text owned */
	unsigned observed; /* OBSERVE_*; the generations seen: */
	uint64_t seen_created, seen_value, seen_permissions, seen_children;

	bool present;	      /* made by the transaction */
	bool implied;	      /* ... as a parent that something deeper needed */
	bool cleared;	      /* what the state read has here and below is removed */
	bool changed;	      /* in the list of changed ones */
	bool has_value;	      /* written here */
	bool has_permissions; /* set here */
	void *value;
	size_t value_len;
	struct permission *permissions; /* of present ones always, of others if has_permissions */
	size_t n_permissions;
	struct changes removal; /* while being committed: the events of removing what was here */
	struct change *change;	/* ... and of what is here now */

	struct transaction_entry *created_previous, *created_next;
	struct transaction_entry *changed_previous, *changed_next;
	struct transaction_entry *cleared_previous, *cleared_next;
	UT_hash_handle hh;
};

/* Is the node at `path` in the state that the transaction reads hidden, because it or one above it was removed? */
bool transaction_clears(const struct transaction *transaction, const struct path *path);

/* The same for nodes strictly above. */
bool transaction_clears_above(const struct transaction *transaction, const struct path *path);
