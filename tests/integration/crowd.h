/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "support/daemon.h"

/*
 * Many clients at once, as bare sockets, and what a daemon holds because of them. Everything that must work fails the running
 * test if it does not; nothing is awaited for longer than a minute.
 */

/* How many: $CLIENTS, else 10,000. Raises this process's limit of descriptors for it. */
size_t crowd_size(void);

int crowd_connect(const struct daemon *daemon);

/* One request, whole. */
void crowd_send(int fd, uint32_t type, uint32_t id, const void *payload, size_t len);

/* The same unless it would have to wait: false, and nothing or only a part was sent; *left: what is to be sent first next time.
 */
struct crowd_rest {
	unsigned char bytes[4112];
	size_t len, sent;
};
bool crowd_try_send(int fd, struct crowd_rest *rest, uint32_t type, uint32_t id, const void *payload, size_t len);

/* The next message. `payload`: its bytes and a NUL that is not counted. */
struct crowd_message {
	uint32_t type, id, transaction, len;
	char payload[4097];
};
void crowd_receive(int fd, struct crowd_message *out);

/* A READ of this node and its value. */
void crowd_expect_read(int fd, const char *path, const char *value);

/* Nothing of the daemon runs between these two, so that all that was sent meanwhile is there for it at once. */
void crowd_stop_daemon(const struct daemon *daemon);
void crowd_continue_daemon(const struct daemon *daemon);

/* Waits until the daemon sleeps, with nothing left to do. */
void crowd_await_idle(const struct daemon *daemon);

/* Bytes in the daemon's memory and in the blocks of its ledger and its store. Waits until it is idle. */
struct crowd_memory {
	size_t anonymous, ledger, store;
};
struct crowd_memory crowd_measure(const struct daemon *daemon);

/* The most that the daemon ever had in memory, its files with it, in bytes. */
size_t crowd_peak(const struct daemon *daemon);

/* What a process has used so far: switches to and from it, and ticks. */
struct crowd_work {
	unsigned long long switches, ticks;
};
struct crowd_work crowd_work(const struct daemon *daemon);

/* Descriptors that the daemon has open, once it is idle. */
size_t crowd_descriptors(const struct daemon *daemon);
