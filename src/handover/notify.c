/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Written by hand because it is one sendmsg (doc/dependencies.md). */
#include "handover/notify.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "handover/descriptor.h"

enum { TEXT_MAX = 512, UNREAD_SECONDS = 2 };

int notify_open(struct notify *out)
{
	const struct timeval limit = {.tv_sec = UNREAD_SECONDS};
	const char *path = getenv("NOTIFY_SOCKET");
	size_t len = path ? strlen(path) : 0;

	if (!len)
		return -ENOENT;
	*out = (struct notify){.address = {.sun_family = AF_UNIX}};
	if ((*path != '/' && *path != '@') || len >= sizeof(out->address.sun_path))
		return -EINVAL;
	memcpy(out->address.sun_path, path, len);
	if (*path == '@')
		out->address.sun_path[0] = 0; /* a name that is no file's */
	out->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
	out->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (out->fd < 0)
		return -errno;
	/* A manager that is stopped must not stop the daemon. */
	setsockopt(out->fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	return 0;
}

void notify_close(struct notify *notify)
{
	close(notify->fd);
}

int notify_send(const struct notify *notify, int fd, const char *format, ...)
{
	struct sockaddr_un address = notify->address;
	char text[TEXT_MAX];
	va_list arguments;

	va_start(arguments, format);
	int len = vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	if (len < 0 || len >= (int)sizeof(text))
		return -EMSGSIZE;
	struct iovec bytes = {text, (size_t)len};
	struct msghdr packet = {.msg_name = &address, .msg_namelen = notify->len, .msg_iov = &bytes, .msg_iovlen = 1};
	return descriptor_send(notify->fd, &packet, fd);
}

void notify_once(const char *text)
{
	struct notify notify;

	if (notify_open(&notify))
		return;
	(void)notify_send(&notify, -1, "%s", text);
	notify_close(&notify);
}
