/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>

#include "front/connection.h"

/*
 * The Unix socket front end: accepts connections, brings their bytes into the ledger and the ledger's output back. All its
 * clients speak for the daemon's own domain.
 */
struct socket_front;

/*
 * Listens at `path` (a socket left there is replaced) with mode 0600. *out: freed by socket_front_close. -ENAMETOOLONG;
 * else -errno of socket, bind or listen.
 */
int socket_front_open(struct front *front, const char *path, struct socket_front **out);

/* Closes all connections and removes the socket; not while the turn has uncommitted changes. Accepts NULL. */
void socket_front_close(struct socket_front *sockets);

size_t socket_front_connections(const struct socket_front *sockets);
