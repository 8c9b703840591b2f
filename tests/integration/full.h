/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "support/expect.h"

/*
 * A store that is filled up, and what must be in it: node i, "/full/i", has the value of its version. Whatever is not as it must
 * be fails the running test.
 */
enum { FULL_NODES = 60000, FULL_VALUE_LEN = 1200, FULL_PAYLOAD_SIZE = 2 * FULL_VALUE_LEN };

struct full {
	struct daemon daemon;
	const char *mode; /* of the store */
	const char *size; /* NULL: the default */
	struct client *client;
	unsigned version[FULL_NODES]; /* 0: the node is not there */
	unsigned last_version;
};

/* Starts with a store of its own, or goes on with it in this mode. */
void full_serve(struct full *full, const char *size);
void full_serve_again(struct full *full, const char *mode);

/* Ends the daemon, SIGKILL or SIGTERM, and checks its file. */
void full_end(struct full *full, int signal);

/* Payloads. */
size_t full_put_path(unsigned node, char *payload);
size_t full_put_value(unsigned node, unsigned version, char *payload);
size_t full_put_write(unsigned node, unsigned version, char *payload);

/* Writes it with a new version; false: ENOSPC. */
bool full_write(struct full *full, unsigned node);
void full_remove(struct full *full, unsigned node);

/* Writes new nodes, from `first` on, until there is no room. Returns the first that is not there. */
unsigned full_fill(struct full *full, unsigned first);

/* Compares one node, or `n` of them and CONTROL check. */
void full_check_node(struct full *full, unsigned node);
void full_check(struct full *full, unsigned n);
