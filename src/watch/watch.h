/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/budget.h"
#include "base/hash.h"
#include "wire/path.h"

/*
 * Watches and their index: docs/misc/xenstore.txt, "Watches".
 *
 * The index is a trie of path components that holds only paths somebody watches (and their ancestors). What a change costs
 * depends on the components of its path that are in the trie and on the watches it hits, never on how many others there
 * are. Children are found through one hash table over (parent, component), keyed, so nobody can make it slow.
 */
struct watch_index;
struct watch_node;

/*
 * Who has watches: a client. `order` decides who is served first when a change hits watches of several owners: unique. All that
 * it has is counted in two charges.
 */
struct watch_owner {
	struct watch_index *index;
	uint64_t order;
	void *context;	       /* of who made it */
	struct watch *watches; /* registration order (utlist DL list); also those taken out */
	size_t count;	       /* without those taken out */
	struct charge number, memory;
	bool departed;
	uint64_t asked_in;				       /* the match that has asked last whether its watches may fire; */
	bool may_fire;					       /* and the answer */
	struct watch_owner *departed_previous, *departed_next; /* of the index */
};

struct watch {
	struct watch_owner *owner;
	struct watch_node *node;
	uint64_t serial;  /* registration order within the index; never used twice */
	const char *path; /* absolute, NUL-terminated */
	uint32_t path_len;
	uint32_t hidden;   /* bytes at the front of an event's path that are left out: watches set by a relative path */
	const char *token; /* NUL-terminated */
	uint32_t token_len;
	int32_t depth;				 /* levels below the path that still fire; -1: all */
	bool taken_out;				 /* neither found nor fired */
	struct watch *previous, *next;		 /* of the owner */
	struct watch *node_previous, *node_next; /* of the same path, registration order */
						 /* further members for the hash table */
};

struct watch_index *watch_index_new(void);	  /* NULL: no memory */
void watch_index_free(struct watch_index *index); /* accepts NULL; all owners must have been freed */

/* `number` and `memory` pay for its watches and their bytes; NULL: nobody does. *out: freed by watch_owner_free or _depart. */
int watch_owner_new(struct watch_index *index, uint64_t order, void *context, struct budget *number, struct budget *memory,
		    struct watch_owner **out);	  /* -ENOMEM */
void watch_owner_free(struct watch_owner *owner); /* with its watches */

/*
 * Who had them is gone: the watches fire no more and nobody pays for them, but they take memory until watch_departed_forget has
 * freed them by and by. True; false: there were none, the owner is freed. None may be taken out.
 */
bool watch_owner_depart(struct watch_owner *owner);

/* The owner that departed first; NULL: none. */
struct watch_owner *watch_departed(const struct watch_index *index);

/* Frees up to `limit` of the watches of that owner; true: that was all, it is freed too. */
bool watch_departed_forget(struct watch_index *index, size_t limit);

/* New watches have serials above this one: of an earlier process, whose watch is gone. */
void watch_serial_used(struct watch_index *index, uint64_t serial);

/* What to watch; `hidden` and `depth` as in struct watch. Path: absolute or special. */
struct watch_description {
	struct path path;
	size_t hidden;
	const char *token;
	size_t token_len;
	int depth;
	uint64_t serial; /* that it has had before, in the order in which they were given; 0: a new one */
};

/* How much the owners that share its budgets may have in all. */
struct watch_limits {
	uint64_t number;
	uint64_t memory; /* bytes, of all that the budget pays for */
};

/*
 * Registers a watch. STATUS_EEXIST: the owner has one with this path and token; STATUS_ENOSPC: too many, STATUS_ENOMEM: too much
 * memory, by `limits` (NULL: none); -ENOMEM. *out belongs to the index.
 */
int watch_add(struct watch_owner *owner, const struct watch_description *description, const struct watch_limits *limits,
	      struct watch **out);

/* STATUS_ENOENT if there is none; -ENOMEM. */
int watch_find(struct watch_owner *owner, const struct path *path, const char *token, size_t token_len, struct watch **out);

/* From now on it is neither found nor fired nor paid for, but can be put back, in its old place; that cannot fail. */
void watch_take_out(struct watch *watch);
void watch_put_back(struct watch *watch);

/* Whether taken out or not. */
void watch_free(struct watch *watch);

/* Those that can fire. */
size_t watch_count(const struct watch_index *index);

/* Calls `visit` with each watch, in no particular order; a non-zero result ends the walk and is returned. */
typedef int watch_visit(void *context, const struct watch *watch);
int watch_each(const struct watch_index *index, watch_visit *visit, void *context);

/*
 * Calls `hit` for each watch that a change of `path` fires: watches on it and, unless `exact`, on its ancestors within
 * their depth; ordered by owner's order, then registration. Specials match themselves only (and "@x/<domid>" fires watches
 * on "@x" whose depth is 1 or more, besides those on "@x/<domid>"). `may` is asked once for each owner whose watches would fire:
 * positive if they may, 0 if not. Neither must change the index; a negative result of `may` or a non-zero one of `hit` ends
 * the walk and is returned. -ENOMEM.
 */
typedef int watch_may(void *context, const struct watch_owner *owner);
typedef int watch_hit(void *context, struct watch *watch);
int watch_match(struct watch_index *index, const struct path *path, bool exact, watch_may *may, watch_hit *hit, void *context);

/*
 * Calls `found` with each distinct path strictly below `path` that is watched, in no particular order. Costs as much as
 * there are watched paths below.
 */
typedef int watch_below_found(void *context, const struct path *path);
int watch_below(struct watch_index *index, const struct path *path, watch_below_found *found, void *context);
