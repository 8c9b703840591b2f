/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The limit of the machine: a server that speaks XenStore's framing and does nothing. It waits with epoll, reads what is
 * there, gives every whole request the same answer under the request's own type and ids, and writes the answers of one
 * read with one write. What a XenStore daemon takes longer than this is its own work.
 *
 * The answer is a number as TRANSACTION_START has to give one, so that clients can go on with it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "wire/message.h"

enum { EVENTS = 64, INPUT_SIZE = 65536, REQUESTS_MAX = INPUT_SIZE / MESSAGE_HEADER_SIZE };

static const char answer[] = "1";

struct peer {
	int fd;
	size_t len; /* of a request that is not whole yet */
	char begun[MESSAGE_SIZE_MAX];
};

struct echo {
	int listener;
	int epoll;
	char in[INPUT_SIZE];
	char out[REQUESTS_MAX * (MESSAGE_HEADER_SIZE + sizeof(answer))];
};

static int listen_at(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || strlen(path) >= sizeof(address.sun_path))
		return -1;
	strcpy(address.sun_path, path);
	unlink(path);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 || listen(fd, SOMAXCONN) != 0)
		return -1;
	return fd;
}

static void accept_peer(struct echo *echo)
{
	struct epoll_event event = {.events = EPOLLIN};
	struct peer *peer;
	int fd = accept4(echo->listener, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		return;
	peer = calloc(1, sizeof(*peer));
	event.data.ptr = peer;
	if (!peer || epoll_ctl(echo->epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
		free(peer);
		close(fd);
		return;
	}
	peer->fd = fd;
}

static void drop_peer(struct peer *peer)
{
	close(peer->fd);
	free(peer);
}

static int write_all(int fd, const char *at, size_t len)
{
	while (len > 0) {
		ssize_t n = send(fd, at, len, MSG_NOSIGNAL);

		if (n < 0 && errno != EINTR)
			return -1;
		if (n > 0) {
			at += n;
			len -= (size_t)n;
		}
	}
	return 0;
}

static void serve_peer(struct echo *echo, struct peer *peer)
{
	struct message_header header;
	size_t len = peer->len, at = 0, out = 0;
	ssize_t n;

	if (len > 0)
		memcpy(echo->in, peer->begun, len);
	n = recv(peer->fd, echo->in + len, sizeof(echo->in) - len, 0);
	if (n <= 0) {
		drop_peer(peer);
		return;
	}
	len += (size_t)n;
	while (len - at >= sizeof(header)) {
		memcpy(&header, echo->in + at, sizeof(header));
		if (header.len > MESSAGE_PAYLOAD_MAX) {
			drop_peer(peer);
			return;
		}
		if (len - at < sizeof(header) + header.len)
			break;
		at += sizeof(header) + header.len;
		header.len = sizeof(answer);
		memcpy(echo->out + out, &header, sizeof(header));
		memcpy(echo->out + out + sizeof(header), answer, sizeof(answer));
		out += sizeof(header) + sizeof(answer);
	}
	peer->len = len - at;
	if (peer->len > 0)
		memcpy(peer->begun, echo->in + at, peer->len);
	if (write_all(peer->fd, echo->out, out) != 0)
		drop_peer(peer);
}

static int serve(struct echo *echo)
{
	struct epoll_event events[EVENTS];

	for (;;) {
		int n = epoll_wait(echo->epoll, events, EVENTS, -1);

		if (n < 0 && errno != EINTR)
			return -1;
		for (int i = 0; i < n; i++) {
			if (events[i].data.ptr)
				serve_peer(echo, events[i].data.ptr);
			else
				accept_peer(echo);
		}
	}
}

int main(int argc, char **argv)
{
	struct epoll_event event = {.events = EPOLLIN};
	struct echo *echo = calloc(1, sizeof(*echo));

	if (argc != 2 || !echo) {
		fprintf(stderr, "usage: echo SOCKET\n");
		return 2;
	}
	echo->listener = listen_at(argv[1]);
	echo->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (echo->listener < 0 || epoll_ctl(echo->epoll, EPOLL_CTL_ADD, echo->listener, &event) != 0 || serve(echo) != 0) {
		perror("echo");
		free(echo);
		return 1;
	}
	return 0;
}
