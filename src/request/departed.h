/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "request/turn.h"

/*
 * Watches whose clients are gone. They fire no more (watch_owner_depart), but their records in the store have to be removed, by
 * turns that others pay for: so some at a time, and what has failed stays to be done.
 */

/* Removes some records in the turn that is to be committed; a fault is noted in the store. */
void departed_remove_some(struct turn *turn);

/* Removes all records of this connection, before it begins anew: not even after a crash may it find them. 0 or a fault. */
int departed_remove_of(struct turn *turn, uint64_t connection);

/* Removes the records of clients of an earlier daemon that are not there any more; those that are have them. 0 or a fault. */
int departed_remove_earlier(struct turn *turn);
