/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>
#include <stdint.h>

/*
 * Who keeps descriptors of sockets while no daemon lives (doc/recovery.md, "Who holds sockets"). Descriptors are named by the id
 * of their connection; HOLDER_LISTENER is the listening socket.
 */
enum { HOLDER_LISTENER = 0 };

struct holder {
	void *context;

	/*
	 * Keeps a copy of `fd` under this id. When it returns 0 the copy outlives this process, whatever happens next: nothing
	 * may be received from a connection before. -errno: it is not held, and closes with this process.
	 */
	int (*hold)(void *context, uint64_t id, int fd);

	/* Closes the copy. Does nothing if there is none. */
	void (*drop)(void *context, uint64_t id);
};

/* A descriptor that was held, for a daemon that starts. */
struct held {
	uint64_t id;
	int fd; /* close-on-exec; owned by whoever has the list */
};

struct held_list {
	struct held *all;
	size_t n, capacity;
};
