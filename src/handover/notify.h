/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <sys/socket.h>
#include <sys/un.h>

/*
 * What a service says to the service manager that has started it: the protocol of sd_notify(3), lines of NAME=VALUE in one
 * datagram to the socket that NOTIFY_SOCKET names, with at most one descriptor.
 */
struct notify {
	int fd;
	struct sockaddr_un address;
	socklen_t len;
};

/* -ENOENT: nobody wants to be told. *out: closed by notify_close. */
int notify_open(struct notify *out);
void notify_close(struct notify *notify);

/* `fd`: -1, or sent along. Once it returns 0 the message is where the manager will find it, whatever happens to this process. */
int notify_send(const struct notify *notify, int fd, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* One message, for a process that has nothing else to say: nothing happens if nobody wants to be told. */
void notify_once(const char *text);
