/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Out of memory is an outcome here, not the end of the process. */
#define HASH_NONFATAL_OOM 1

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uthash.h>

#include "store/transaction.h"

/* What a transaction knows and has changed of one path. Shared by transaction.c, overlay*.c and commit.c only. */
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

/* The entry for `path`, made if there is none. STATUS_ENOSPC, STATUS_ENOMEM as transaction_observe. */
int transaction_entry_need(struct transaction *transaction, const struct path *path, size_t limit,
			   struct transaction_entry **out);
int transaction_refuse_entry(struct transaction *transaction); /* STATUS_ENOSPC: there are too many */

/* Charges `more` bytes, with `less` given back. STATUS_ENOMEM: they are too many. */
int transaction_pay(struct transaction *transaction, size_t more, size_t less);

/* From now on it matters that nobody else made this implied parent. */
void transaction_insist_on_absence(struct transaction *transaction, struct transaction_entry *entry);

/* Puts a copy in the place of the entry's value, or permissions. STATUS_ENOMEM, and it is as before. */
int overlay_set_value(struct transaction *transaction, struct transaction_entry *entry, const void *value, size_t len);
int overlay_set_permissions(struct transaction *transaction, struct transaction_entry *entry,
			    const struct permission *permissions, size_t n);

/* Puts the entry in the list of those that were created, changed, cleared, if it is in none yet. */
void overlay_mark_created(struct transaction *transaction, struct transaction_entry *entry);
void overlay_mark_changed(struct transaction *transaction, struct transaction_entry *entry);
void overlay_mark_cleared(struct transaction *transaction, struct transaction_entry *entry);

/* One operation on an overlay, as it is recorded. doc/format.md, "Record of a transaction" */
enum overlay_kind { OVERLAY_WRITE = 1, OVERLAY_SET_PERMISSIONS, OVERLAY_REMOVE, OVERLAY_CREATE, OVERLAY_ENTRY };

struct overlay_change {
	enum overlay_kind kind; /* not OVERLAY_ENTRY */
	struct path path;
	uint64_t list_serial; /* of the transaction, before it */
	const void *value;    /* WRITE, CREATE */
	size_t value_len;
	struct permission_list permissions; /* SET_PERMISSIONS, CREATE */
	size_t top_len;			    /* CREATE: of the topmost node that is made */
};

/* Does it, unrecorded. STATUS_ENOSPC, STATUS_ENOMEM: nothing has changed. */
int overlay_do(struct transaction *transaction, const struct overlay_change *change, size_t limit);

void overlay_add_change(struct buffer *out, const struct overlay_change *change);

/* Makes the overlay of a transaction that has none what the bytes of transaction_save, and changes, say. STATUS_EINVAL, _ENOMEM.
 */
int overlay_read(struct transaction *transaction, const void *bytes, size_t len);
