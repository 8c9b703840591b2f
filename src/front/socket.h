/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>

#include "front/connection.h"
#include "front/holder.h"

/*
 * The Unix socket front end: accepts connections, brings their bytes into the ledger and the ledger's output back. All its
 * clients speak for the daemon's own domain.
 */
struct socket_front;

struct socket_front_options {
	const char *path;
	const struct holder *holder; /* outlives the front; NULL: connections end with this process */
	struct held_list *held;	     /* what was held for an earlier one; NULL: nothing. What is taken is -1 afterwards */
};

/*
 * Listens at the path with mode 0600: by the socket that is held, else a new one (a socket left there is replaced). Connections
 * that are both held and in the ledger go on; what is only in the ledger is dropped there. *out: freed by socket_front_close.
 * -ENAMETOOLONG; else -errno of socket, bind or listen.
 */
int socket_front_open(struct front *front, const struct socket_front_options *options, struct socket_front **out);

/* Closes all connections and removes the socket; not while the turn has uncommitted changes. Accepts NULL. */
void socket_front_close(struct socket_front *sockets);

/* Calls `found` for the listening socket (HOLDER_LISTENER) and that of each connection. */
void socket_front_each(const struct socket_front *sockets, void (*found)(void *context, uint64_t id, int fd), void *context);

size_t socket_front_connections(const struct socket_front *sockets);
