/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Connections by the Unix socket. Their bytes come and go by recvmmsg and sendmmsg with a message header in the ledger. What to
 * wait for is libev's business: a socket that has something, or takes something, is found again as long as it is so. Who cannot
 * be accepted waits in the listener's queue.
 */
#include "front/socket.h"

#include <errno.h>
#include <ev.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <utlist.h>

enum { ACCEPTS_PER_TURN = 64, LISTEN_BACKLOG = 4096 };

static const double retry_seconds = 0.05; /* while descriptors or the ledger's room are used up */

/* Ids below are those of rings, which are numbers of domains. */
static const uint64_t first_id = (uint64_t)UINT16_MAX + 1;

struct socket {
	struct connection connection;
	struct socket_front *sockets;
	ev_io io;
	struct socket *previous, *next;
};

struct socket_front {
	struct front *front;
	struct sockaddr_un address;
	ev_io listener;
	ev_timer retry;
	bool is_refusing; /* connections, and has said so */
	uint64_t next_id;
	size_t n_connections;
	struct socket *connections;
};

/* ---- one connection ---- */

static struct socket *socket_of(struct connection *connection)
{
	return (struct socket *)(void *)connection;
}

/* Waits for what can be gone on with: writing while output is left, reading unless there is no place for what comes. */
static void socket_wait(struct connection *connection)
{
	struct socket *socket = socket_of(connection);
	bool reads = !connection->at_end && !connection->client.out_of_room && !connection_is_held_back(connection);
	connection->is_unread = !reads;
	int events = (reads ? EV_READ : 0) | (connection->client.ledger.ready ? EV_WRITE : 0);

	if ((socket->io.events & (EV_READ | EV_WRITE)) == events && ev_is_active(&socket->io))
		return;
	ev_io_stop(connection->front->loop, &socket->io);
	ev_io_set(&socket->io, socket->io.fd, events);
	ev_io_start(connection->front->loop, &socket->io);
}

static void socket_receive(struct connection *connection)
{
	struct mmsghdr *call;
	int error = ledger_receive_begin(&connection->client.ledger, &call);

	connection->client.out_of_room = error == -ENOSPC;
	if (error) /* or its block is full of requests that are to be run first */
		return;
	connection->is_readable = false;
	int n = recvmmsg(socket_of(connection)->io.fd, call, 1, MSG_DONTWAIT, NULL);
	bool gone = n < 0 && errno != EAGAIN && errno != EINTR;
	if (!ledger_receive_end(&connection->client.ledger, n == 1) && n == 1)
		connection->at_end = true;
	if (gone)
		connection_end(connection);
}

static void socket_send(struct connection *connection)
{
	struct mmsghdr *call;

	while (ledger_send_begin(&connection->client.ledger, &call)) {
		int n = sendmmsg(socket_of(connection)->io.fd, call, 1, MSG_DONTWAIT | MSG_NOSIGNAL);
		bool gone = n < 0 && errno != EAGAIN && errno != EINTR;
		ledger_send_end(&connection->client.ledger, n == 1);
		if (gone)
			connection_end(connection);
		if (n != 1)
			break;
	}
}

static void socket_close(struct connection *connection)
{
	struct socket *socket = socket_of(connection);
	struct socket_front *sockets = socket->sockets;

	ev_io_stop(connection->front->loop, &socket->io);
	connection_deinit(connection);
	close(socket->io.fd);
	if (!ev_is_active(&sockets->listener))
		ev_io_start(connection->front->loop, &sockets->listener); /* there may be room for another */
	DL_DELETE2(sockets->connections, socket, previous, next);
	sockets->n_connections--;
	free(socket);
}

static const struct connection_kind socket_kind = {socket_receive, socket_send, socket_wait, socket_close};

static void socket_event(struct ev_loop *loop, ev_io *io, int events)
{
	struct connection *connection = io->data;

	(void)loop;
	if (events & EV_WRITE) {
		socket_send(connection);
		connection_sent(connection);
	}
	if (events & EV_READ && !connection->closing && !connection->at_end) {
		connection->is_readable = true;
		connection_make_ready(connection);
	}
}

static int socket_new(struct socket_front *sockets, int fd)
{
	struct front *front = sockets->front;
	struct domain *own = domain_find(front->turn->domains, front->turn->domains->own);
	struct socket *socket = calloc(1, sizeof(*socket));

	if (!socket)
		return -ENOMEM;
	int error = connection_init(&socket->connection, front, &socket_kind, sockets->next_id, own);
	if (error) {
		free(socket);
		return error;
	}
	sockets->next_id++;
	socket->sockets = sockets;
	ev_io_init(&socket->io, socket_event, fd, EV_READ);
	socket->io.data = &socket->connection;
	ev_io_start(front->loop, &socket->io);
	DL_APPEND2(sockets->connections, socket, previous, next);
	sockets->n_connections++;
	return 0;
}

/* ---- accepting ---- */

/* Clients wait in the listener's queue until there is room again. */
static void pause_accepting(struct socket_front *sockets, int error)
{
	if (!sockets->is_refusing)
		log_warning(sockets->front->turn->log, "cannot accept connections, %zu are open: %s", sockets->n_connections,
			    strerror(error));
	sockets->is_refusing = true;
	ev_io_stop(sockets->front->loop, &sockets->listener);
	front_start_timer(sockets->front, &sockets->retry);
}

static void accept_event(struct ev_loop *loop, ev_io *io, int events)
{
	struct socket_front *sockets = io->data;

	(void)loop;
	(void)events;
	for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
		int fd = accept4(io->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0) {
			if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)
				pause_accepting(sockets, errno);
			else
				sockets->is_refusing = false; /* nobody is left who waits */
			return;
		}
		int error = socket_new(sockets, fd);
		if (error) {
			close(fd);
			pause_accepting(sockets, -error);
			return;
		}
	}
}

static void retry_event(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct socket_front *sockets = timer->data;

	(void)events;
	front_stop_timer(sockets->front, timer);
	ev_io_start(loop, &sockets->listener);
}

/* ---- opening ---- */

static int listen_at(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	unlink(address->sun_path);
	mode_t mask = umask(0177);
	int failed = bind(fd, (const struct sockaddr *)address, sizeof(*address));
	int error = failed ? -errno : 0;
	umask(mask);
	if (!error && listen(fd, LISTEN_BACKLOG))
		error = -errno;
	if (error)
		close(fd);
	return error ? error : fd;
}

int socket_front_open(struct front *front, const char *path, struct socket_front **out)
{
	struct socket_front *sockets = calloc(1, sizeof(*sockets));

	if (!sockets)
		return -ENOMEM;
	sockets->front = front;
	sockets->next_id = first_id;
	sockets->address.sun_family = AF_UNIX;
	if (strlen(path) >= sizeof(sockets->address.sun_path)) {
		free(sockets);
		return -ENAMETOOLONG;
	}
	strcpy(sockets->address.sun_path, path);
	int fd = listen_at(&sockets->address);
	if (fd < 0) {
		free(sockets);
		return fd;
	}
	ev_io_init(&sockets->listener, accept_event, fd, EV_READ);
	sockets->listener.data = sockets;
	ev_io_start(front->loop, &sockets->listener);
	ev_init(&sockets->retry, retry_event);
	sockets->retry.repeat = retry_seconds;
	sockets->retry.data = sockets;
	*out = sockets;
	return 0;
}

void socket_front_close(struct socket_front *sockets)
{
	struct socket *socket, *next;

	if (!sockets)
		return;
	DL_FOREACH_SAFE2 (sockets->connections, socket, next, next) {
		socket_close(&socket->connection);
	}
	ev_io_stop(sockets->front->loop, &sockets->listener);
	front_stop_timer(sockets->front, &sockets->retry);
	close(sockets->listener.fd);
	unlink(sockets->address.sun_path);
	free(sockets);
}

size_t socket_front_connections(const struct socket_front *sockets)
{
	return sockets->n_connections;
}
