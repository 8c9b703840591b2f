/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>

struct bus;

/* Each gives an answer of this length, ended by a NUL; what went wrong is an answer too. */

/* The first line of the disk, which is then written over by `line` if that is not NULL. */
void disk_read(const char *line, char *answer, size_t len);

/* "pong TO": the interface was given the address `from` (of a net of 24 bits) and got a reply from `to`. */
void network_ping(const char *interface, const char *from, const char *to, char *answer, size_t len);

/* "up": the interface has the address. */
void network_up(const char *interface, const char *address, char *answer, size_t len);

/*
 * Plays the hotplug script of a guest that holds back ends: `path` is one of a back end's nodes, as a watch on "backend" tells
 * it. A new back end is told which device it serves: for a disk /dev/ram0.
 */
void backend_connect(struct bus *bus, const char *path);
