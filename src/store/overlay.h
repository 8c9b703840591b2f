/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Out of memory is an outcome here, not the end of the process. */
#define HASH_NONFATAL_OOM 1

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
	bool ensured;	      /* was made as a parent that something deeper needed: at END another's will do */
	bool cleared;	      /* what the state read has here and below is removed */
	bool changed;	      /* in the list of changed ones */
	bool has_value;	      /* written here */
	bool has_permissions; /* set here */
	uint64_t list_serial; /* transaction->list_serial when it last came or went */
	void *value;
	size_t value_len;
	struct permission *permissions; /* of present ones always, of others if has_permissions */
	size_t n_permissions;

	/* While being committed; all in the request's arena. */
	bool kept;			/* another's node is here and is kept */
	struct permission_list adopted; /* its permissions, or what is inherited from such a node, instead of `permissions` */
	struct changes removal;		/* the events of removing what was below */
	struct change *change;		/* ... and of what was or is here */
	bool placed;			/* ... which is in the removal list of one above */

	struct transaction_entry *created_previous, *created_next;
	struct transaction_entry *changed_previous, *changed_next;
	struct transaction_entry *cleared_previous, *cleared_next;
	UT_hash_handle hh;
};

/* NULL: nothing is known of this path. */
struct transaction_entry *transaction_entry(const struct transaction *transaction, const struct path *path);

/* Is the node at `path` in the state that the transaction reads hidden, because it or one above it was removed? */
bool transaction_clears(const struct transaction *transaction, const struct path *path);

/* The same for nodes strictly above. */
bool transaction_clears_above(const struct transaction *transaction, const struct path *path);
