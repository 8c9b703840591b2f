/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A packet and its descriptor are in the socket's queue or they are not: once sendmsg has returned, what was sent arrives even if
 * the sender dies at once.
 */
#include "handover/channel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "handover/descriptor.h"

enum { HEAD_SIZE = offsetof(struct channel_message, text) };

union control {
	struct cmsghdr header;
	char bytes[CMSG_SPACE(sizeof(int))];
};

int channel_send(int channel, const struct channel_message *message, int fd)
{
	struct iovec bytes = {(void *)(uintptr_t)message, HEAD_SIZE + message->text_len};
	struct msghdr packet = {.msg_iov = &bytes, .msg_iovlen = 1};
	int error = descriptor_send(channel, &packet, fd);

	return error == -ECONNRESET ? -EPIPE : error;
}

int channel_send_short(int channel, enum channel_kind kind, uint64_t id, int fd)
{
	struct channel_message message;

	message.kind = kind;
	message.text_len = 0;
	message.id = id;
	return channel_send(channel, &message, fd);
}

static int descriptor_of(struct msghdr *packet)
{
	const struct cmsghdr *header = CMSG_FIRSTHDR(packet);
	int fd;

	if (!header || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS ||
	    header->cmsg_len != CMSG_LEN(sizeof(int)))
		return -1;
	memcpy(&fd, CMSG_DATA(header), sizeof(fd));
	return fd;
}

int channel_receive(int channel, struct channel_message *out, int *fd)
{
	union control control;
	struct iovec bytes = {out, HEAD_SIZE + CHANNEL_TEXT_MAX};
	struct msghdr packet = {
	    .msg_iov = &bytes, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof(control.bytes)};
	ssize_t len;

	*fd = -1;
	do
		len = recvmsg(channel, &packet, MSG_CMSG_CLOEXEC);
	while (len < 0 && errno == EINTR);
	if (len < 0)
		return errno == ECONNRESET ? -EPIPE : -errno;
	if (!len)
		return -EPIPE;
	*fd = descriptor_of(&packet);
	if (packet.msg_flags & (MSG_TRUNC | MSG_CTRUNC) || (size_t)len < HEAD_SIZE || (size_t)len != HEAD_SIZE + out->text_len) {
		if (*fd >= 0)
			close(*fd);
		*fd = -1;
		return -EPROTO;
	}
	out->text[out->text_len] = 0;
	return 0;
}

char **channel_words(const struct channel_message *message)
{
	size_t n = 0;

	for (uint32_t i = 0; i < message->text_len; i++)
		n += !message->text[i];
	char **words = malloc((n + 1) * sizeof(*words) + message->text_len + 1);
	if (!words)
		return NULL;
	char *at = memcpy(words + n + 1, message->text, message->text_len + 1);
	for (size_t i = 0; i < n; i++) {
		words[i] = at;
		at += strlen(at) + 1;
	}
	words[n] = NULL;
	return words;
}
