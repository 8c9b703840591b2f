/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/path.h"

/*
 * What was removed since when: a transaction in validated mode that finds a path missing has to know whether it was there
 * at its start. Kept while transactions are open. Their number is bounded: past it the older half is forgotten, and for
 * transactions that began before these every missing path counts as removed.
 */
struct tombstones;

enum { TOMBSTONES_MAX = 4096 };

int tombstones_new(struct tombstones **out);	     /* -ENOMEM */
void tombstones_free(struct tombstones *tombstones); /* accepts NULL */

/* The node at `path` and all below it went with this generation. */
void tombstones_add(struct tombstones *tombstones, const struct path *path, uint64_t generation);

/* Was the node at `path`, or one above it, removed after `generation`, or can that not be told any more? */
bool tombstones_cover(const struct tombstones *tombstones, const struct path *path, uint64_t generation);

/* The generation of that removal; 0: it cannot be told. */
uint64_t tombstones_generation(const struct tombstones *tombstones, const struct path *path, uint64_t generation);

/* Those up to `generation` are needed no more. */
void tombstones_forget(struct tombstones *tombstones, uint64_t generation);

/* The removals after `generation` were undone. */
void tombstones_undo(struct tombstones *tombstones, uint64_t generation);
