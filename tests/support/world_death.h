/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "support/world.h"

/* The client of this world that goes on with the connection of one of the world that died (world_options.dead); NULL: none. */
struct world_client *world_same_client(const struct world *world, const struct world_client *before);

/* Parts of world_init. */
int world_copy_files(const struct world *dead, const char *directory);
int world_recover(struct world *world);
void world_inherit_xen(struct world *world, const struct world *dead);
int world_attach_all(struct world *world, const struct world *dead);
