/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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
 * Who has watches: a client. Embedded in it; zeroed is valid. `order` decides who is served first when a change hits
 * watches of several owners: set by the client once, unique.
 */
struct watch_owner {
	uint64_t order;
	struct watch *watches; /* registration order (utlist DL list) */
	size_t count;
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
	struct watch *previous, *next;		 /* of the owner */
	struct watch *node_previous, *node_next; /* of the same path, registration order */
						 /* further members for the hash table */
};

struct watch_index *watch_index_new(void);	  /* NULL: no memory */
void watch_index_free(struct watch_index *index); /* accepts NULL; all owners must be cleared first */

/*
 * Registers a watch. `hidden` and `depth` as in struct watch. STATUS_EEXIST: the owner has one with this path and token;
 * -ENOMEM. *out belongs to the index. Path: absolute or special.
 */
int watch_add(struct watch_index *index, struct watch_owner *owner, const struct path *path, size_t hidden, const char *token,
	      size_t token_len, int depth, struct watch **out);

/* STATUS_ENOENT if there is none. */
int watch_find(struct watch_index *index, struct watch_owner *owner, const struct path *path, const char *token, size_t token_len,
	       struct watch **out);
void watch_remove(struct watch_index *index, struct watch *watch);
void watch_owner_clear(struct watch_index *index, struct watch_owner *owner);

size_t watch_count(const struct watch_index *index);

/* Calls `visit` with each watch, in no particular order; a non-zero result ends the walk and is returned. */
typedef int watch_visit(void *context, const struct watch *watch);
int watch_each(const struct watch_index *index, watch_visit *visit, void *context);

/*
 * Calls `hit` for each watch that a change of `path` fires: watches on it and, unless `exact`, on its ancestors within
 * their depth; ordered by owner's order, then registration. Specials match themselves only (and "@x/<domid>" fires watches
 * on "@x" whose depth is 1 or more, besides those on "@x/<domid>"). `hit` must not change the index; a non-zero result ends
 * the walk and is returned. -ENOMEM.
 */
typedef int watch_hit(void *context, struct watch *watch);
int watch_match(struct watch_index *index, const struct path *path, bool exact, watch_hit *hit, void *context);

/*
 * Calls `found` with each distinct path strictly below `path` that is watched, in no particular order. Costs as much as
 * there are watched paths below.
 */
typedef int watch_below_found(void *context, const struct path *path);
int watch_below(struct watch_index *index, const struct path *path, watch_below_found *found, void *context);
