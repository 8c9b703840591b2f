/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>

#include "base/arena.h"
#include "store/changes.h"
#include "store/store.h"

/*
 * A domain is no more: takes what the tree has of it away, in the turn's write transaction, so that the next one with its number
 * is a stranger. Costs what the domain owned, and where it was named, whatever else there is.
 *
 * - Nodes that it owns go, each with all below it, whoever owns that. Changes as of an RM of each topmost one, in the order of a
 *   walk by DIRECTORY.
 * - The root and the special nodes stay: the privileged domain has them then.
 * - Entries that name it go, behind the first. Where a node and nodes below it without a gap have one, the topmost is a change as
 *   of SET_PERMS, and of those below it only the ones with a watch set on them, for watches on this very path: as with RM.
 * - Open transactions that name it are doomed.
 *
 * Not for the privileged domain. `changes` are appended to. 0; else a fault, noted in the store: the turn has to be put back.
 */
int store_release(struct store *store, uint16_t domid, struct arena *arena, const struct watched_paths *watched,
		  struct changes *changes);
