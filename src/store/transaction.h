/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/budget.h"
#include "base/buffer.h"
#include "store/changes.h"
#include "store/node.h"
#include "store/store.h"
#include "wire/path.h"
#include "wire/permissions.h"

/*
 * A client's transaction: a state it reads, what it has observed of it, and an overlay of its own changes
 * (doc/transactions.md). It reads a snapshot; once that is given up (snapshot.h) it is in validated mode: it reads the newest
 * state, and what it would observe there and is newer than its start dooms it.
 */
struct transaction;
struct transaction_entry;
struct tree_limits;

/*
 * Who keeps a record of what transactions change, where it outlives the process. Each operation that changes an overlay first
 * puts its record in `change`, asks whether that can be kept, and then cannot fail for want of room there; if it fails
 * nevertheless, `change` is empty again. `change` is emptied by the caller, before each operation.
 */
struct transaction_recorder {
	struct buffer change;
	/* `len` bytes more are to be kept. STATUS_ENOSPC, STATUS_ENOMEM: they cannot, and the operation is refused so. */
	int (*reserve)(struct transaction *transaction, size_t len);
};

/* The limits that an operation on nodes may reach. */
enum tree_limit {
	TREE_LIMIT_NONE,
	TREE_LIMIT_NODES,
	TREE_LIMIT_NODE_SIZE,
	TREE_LIMIT_NODE_PERMISSIONS,
	TREE_LIMIT_TRANSACTION_NODES,
	TREE_LIMIT_MEMORY, /* of transactions */
	TREE_LIMITS
};

struct transaction {
	struct store *store;
	uint32_t id; /* of the client; for the caller of transaction_start to use */
	struct caller caller;
	struct snapshot *snapshot; /* NULL: validated mode */
	uint64_t start_generation;
	bool doomed;	 /* will end in EAGAIN */
	bool unobserved; /* what it observed before a death is not known: it ends in EAGAIN if anything has changed */
	uint64_t conflict_generation; /* of the change that dooms it or that its end has failed for; 0: not known */
	enum tree_limit
	    limit_reached; /* why the last of its requests was refused with STATUS_ENOSPC or STATUS_ENOMEM, if it was */
	struct charge number,
	    memory,   /* for the caller of transaction_start to set; memory: bytes of what it observes and changes; */
	    recorded; /* of its record */
	struct transaction_recorder *recorder; /* NULL: nobody keeps one; for the caller, who owns it, as is the next: */
	uint32_t record;		       /* where it is */
	uint64_t memory_limit;		       /* of the budget of `memory` */
	bool ended;			       /* by a commit that is not yet valid; see transaction_commit */

	struct transaction_entry *entries; /* hash by path: what is observed or overlaid */
	struct transaction_entry *created; /* present in the overlay only, in the order of creation */
	struct transaction_entry *changed; /* with an event to come, in the order of the first change */
	struct transaction_entry *cleared; /* whose nodes in the state read are removed with all below */
	size_t n_created, n_cleared;
	uint64_t list_serial; /* counts changes of lists of children in the overlay */

	struct transaction *previous, *next;		       /* of the store, oldest first */
	struct transaction *snapshot_previous, *snapshot_next; /* of the snapshot */
	struct transaction *owner_previous, *owner_next; /* of the client, as `owner`: for the caller of transaction_start */
	void *owner;
};

/* Begins one, without a limit of memory; the turn must have changed nothing (commit first). -ENOMEM, -EIO. *out: freed by
 * transaction_free. */
int transaction_start(struct store *store, const struct caller *caller, struct transaction **out);
void transaction_free(struct transaction *transaction); /* accepts NULL; what it changed is forgotten */

/*
 * Adds to `out` all that makes up the transaction: what it has changed and, if asked for, observed. Whatever the recorder gets
 * later may be appended to that. Fails as the buffer does.
 */
void transaction_save(const struct transaction *transaction, bool observations, struct buffer *out);

/*
 * Begins one from such bytes, in another process on the same store whose turn has changed nothing. Its overlay is what it was;
 * nobody is charged. `observations_hold`: it has observed nothing since it was saved. If that is not so, or they were not saved,
 * it is doomed unless nothing has changed since its start, and will be unless nothing does. If nothing has changed it reads a
 * snapshot, else the newest state. STATUS_EINVAL: these are no such bytes; -ENOMEM, -EIO.
 */
int transaction_restore(struct store *store, const struct caller *caller, const void *bytes, size_t len, bool observations_hold,
			struct transaction **out);

/* Do its changes name a domain, as owner or in an entry, that the function says yes to? */
bool transaction_names(const struct transaction *transaction, bool (*is_meant)(const void *context, uint16_t domid),
		       const void *context);

/*
 * A domain is no more. What open transactions would give to it, or let it do, must not come to the next one of its number: those
 * whose changes name it are doomed (and stay so if the turn is put back).
 */
void transactions_release(struct store *store, uint16_t domid);

/* The snapshot is gone; called by snapshot.c only. */
void transaction_lose_snapshot(struct transaction *transaction);

/* Kinds of what is observed of a node. */
enum {
	OBSERVE_NOTHING = 0,
	OBSERVE_EXISTENCE = 1,
	OBSERVE_VALUE = 2,
	OBSERVE_PERMISSIONS = 4,
	OBSERVE_CHILDREN = 8,
	OBSERVE_ABSENCE = 16 /* that there is no node */
};

/*
 * The node at `path` as the transaction sees it; STATUS_ENOENT: none. Nothing is observed. *overlaid: the answer comes from the
 * overlay alone (so there is nothing to observe). What `out` points to is valid until the next look or change.
 */
int transaction_look(struct transaction *transaction, const struct path *path, struct node *out, bool *overlaid);

/*
 * Notes what an answer about the node at `path`, which transaction_look has just found as `node`, showed. Does nothing for what
 * the overlay hides. OBSERVE_ABSENCE comes alone: it has found none, and `node` is the nearest above that there is, NULL if the
 * transaction made that. STATUS_ENOSPC: more entries than `limit` (0: no limit); STATUS_ENOMEM: there is no memory, or more would
 * be used than memory_limit.
 */
int transaction_observe(struct transaction *transaction, const struct path *path, const struct node *node, unsigned kinds,
			size_t limit);

/*
 * An answer showed something on or below the node at `path`: if the transaction made that, the parents that it had to make for it
 * must be its own at END. So must the node itself if it was made as such a parent.
 */
void transaction_show(struct transaction *transaction, const struct path *path);

/* Names as tree_list gives them, of a node that is there; valid as long as the arena, and until the next list of the store. */
int transaction_list(struct transaction *transaction, const struct path *path, size_t limit, struct arena *arena,
		     const char **names, size_t *len, uint64_t *generation);

/* How many nodes it has looked at or changed. */
size_t transaction_size(const struct transaction *transaction);

/*
 * STATUS_ENOSPC: with `n_new` nodes of its own more, and without those that its removals take, the caller would own more than
 * `nodes`, and more than now. All by what is there now.
 */
int transaction_check_owned(struct transaction *transaction, size_t n_new, uint64_t nodes);

/* Changes of the overlay; the node is there (write, set_permissions, remove) or is not but its parent is (create). */
int transaction_write(struct transaction *transaction, const struct path *path, const void *value, size_t len, size_t limit);
int transaction_set_permissions(struct transaction *transaction, const struct path *path, const struct permission *permissions,
				size_t n, size_t limit);
int transaction_remove(struct transaction *transaction, const struct path *path, size_t limit);

/*
 * Makes the node, and the parents that it needs, from the one of `top_len` bytes on: these get no event, and need not be missing
 * at END. Fails before the first change, or takes back what it has done.
 */
int transaction_create(struct transaction *transaction, const struct path *path, size_t top_len,
		       const struct permission_list *permissions, const void *value, size_t len, size_t limit);

/*
 * TRANSACTION_END T: checks the observations against the state of the turn and carries the changes over into it.
 * STATUS_EAGAIN: something observed has changed; STATUS_ENOSPC: a quota; then nothing is carried over. The transaction can
 * be freed once the turn is committed (or at once where nothing was carried over): until then a failed turn needs it again.
 */
int transaction_commit(struct transaction *transaction, const struct tree_limits *limits, struct arena *arena,
		       const struct watched_paths *watched, struct changes *changes);
