/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Connections by the Unix socket. Their bytes come and go by recvmmsg and sendmmsg with a message header in the ledger. What to
 * wait for is libev's business: a socket that has something, or takes something, is found again as long as it is so. Who cannot
 * be accepted waits in the listener's queue.
 */
#include "front/socket.h"

#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <utlist.h>

#include "ledger/loading.h"

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
	const struct holder *holder; /* NULL: none */
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
	uint64_t id = connection->client.id;
	connection_deinit(connection);
	if (sockets->holder) {
		shutdown(socket->io.fd, SHUT_RDWR); /* the holder still has it for a moment */
		sockets->holder->drop(sockets->holder->context, id);
	}
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

static struct domain *own_domain(const struct socket_front *sockets)
{
	const struct domains *domains = sockets->front->turn->domains;

	return domain_find(domains, domains->own);
}

static void socket_serve(struct socket_front *sockets, struct socket *socket, int fd)
{
	socket->sockets = sockets;
	ev_io_init(&socket->io, socket_event, fd, EV_READ);
	socket->io.data = &socket->connection;
	ev_io_start(sockets->front->loop, &socket->io);
	DL_APPEND2(sockets->connections, socket, previous, next);
	sockets->n_connections++;
}

static int socket_new(struct socket_front *sockets, uint64_t id, int fd)
{
	struct socket *socket = calloc(1, sizeof(*socket));

	if (!socket)
		return -ENOMEM;
	int error = connection_init(&socket->connection, sockets->front, &socket_kind, id, own_domain(sockets));
	if (error) {
		free(socket);
		return error;
	}
	socket_serve(sockets, socket, fd);
	return 0;
}

/* It is held before anything is received from it, or ends with this process. */
static int socket_accepted(struct socket_front *sockets, int fd)
{
	uint64_t id = sockets->next_id;
	int error = socket_new(sockets, id, fd);

	if (error)
		return error;
	sockets->next_id++;
	if (sockets->holder)
		(void)sockets->holder->hold(sockets->holder->context, id, fd);
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
		int error = socket_accepted(sockets, fd);
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

/* ---- those that were there before ---- */

static int by_id(const void *left, const void *right)
{
	const struct held *a = left, *b = right;

	return (a->id > b->id) - (a->id < b->id);
}

static struct held *find_held(const struct held_list *held, uint64_t id)
{
	const struct held wanted = {.id = id};

	return held && held->n ? bsearch(&wanted, held->all, held->n, sizeof(wanted), by_id) : NULL;
}

/* The client is to see that its connection has ended. */
static void end_held(const struct socket_front *sockets, struct held *held)
{
	shutdown(held->fd, SHUT_RDWR);
	if (sockets->holder)
		sockets->holder->drop(sockets->holder->context, held->id);
	close(held->fd);
	held->fd = -1;
}

static bool is_stream(int fd, int option, int value)
{
	int type, domain, is;
	socklen_t type_len = sizeof(type), domain_len = sizeof(domain), len = sizeof(is);

	return !getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_len) && type == SOCK_STREAM &&
	       !getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &domain_len) && domain == AF_UNIX &&
	       !getsockopt(fd, SOL_SOCKET, option, &is, &len) && is == value;
}

/* Those that cannot be a client's, and all but the first of one id, are not taken up; find_held does not find them then. */
static void sort_held(const struct socket_front *sockets, struct held_list *held)
{
	size_t n = 0;

	if (held->n)
		qsort(held->all, held->n, sizeof(*held->all), by_id);
	for (size_t i = 0; i < held->n; i++) {
		struct held *one = &held->all[i];
		bool is_used = n && held->all[n - 1].id == one->id;
		if (one->fd >= 0 && !is_used && is_stream(one->fd, SO_ACCEPTCONN, one->id == HOLDER_LISTENER)) {
			held->all[n++] = *one;
			continue;
		}
		log_error(sockets->front->turn->log, "what was held as connection %llu is none", (unsigned long long)one->id);
		if (one->fd >= 0)
			close(one->fd);
	}
	held->n = n;
}

/* One file may have several names: /var/run is /run. */
static bool is_same_file(const char *left, const char *right)
{
	struct stat one, other;

	return !stat(left, &one) && !stat(right, &other) && one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

/* The listening socket that is held, if it is still the one at that path; else -1. */
static int take_listener(const struct socket_front *sockets, const struct held_list *held)
{
	struct held *found = find_held(held, HOLDER_LISTENER);
	struct sockaddr_un address = {0};
	char name[sizeof(address.sun_path) + 1];
	socklen_t len = sizeof(address);

	if (!found || getsockname(found->fd, (struct sockaddr *)&address, &len))
		return -1;
	snprintf(name, sizeof(name), "%.*s", (int)sizeof(address.sun_path), address.sun_path);
	if (!is_same_file(name, sockets->address.sun_path) || fcntl(found->fd, F_SETFL, O_NONBLOCK))
		return -1;
	int fd = found->fd;
	found->fd = -1;
	return fd;
}

static int take_up(struct socket_front *sockets, const struct ledger_found *found, struct held *held)
{
	struct socket *socket = calloc(1, sizeof(*socket));

	if (!socket)
		return -ENOMEM;
	int error = connection_attach(&socket->connection, sockets->front, &socket_kind, found, own_domain(sockets));
	if (error) {
		free(socket);
		return error;
	}
	socket_serve(sockets, socket, held->fd);
	held->fd = -1;
	return 0;
}

/* Connections in the ledger go on with the descriptor that is held; without one they have ended. */
static int take_up_known(struct socket_front *sockets, struct held_list *held)
{
	struct ledger *ledger = sockets->front->turn->ledger;
	struct ledger_found found;
	uint32_t index = 0;
	int error = 0;

	while (!error && ledger_find(ledger, &index, &found)) {
		if (found.connection_id < first_id)
			continue;
		if (found.connection_id >= sockets->next_id)
			sockets->next_id = found.connection_id + 1;
		struct held *descriptor = find_held(held, found.connection_id);
		if (descriptor && !loading_is_next(ledger_loading(ledger), LEDGER_LOAD_CONNECTION, found.connection_id, 0)) {
			end_held(sockets, descriptor);
			descriptor = NULL;
		}
		if (descriptor)
			error = take_up(sockets, &found, descriptor);
		else
			ledger_drop(ledger, &found);
	}
	return error;
}

/*
 * Descriptors that the ledger knows nothing of were accepted, and nothing was received from them. If it has nothing of anybody,
 * nobody knows what has been received.
 */
static int take_up_new(struct socket_front *sockets, struct held_list *held)
{
	int error = 0;

	for (size_t i = 0; held && i < held->n && !error; i++) {
		struct held *one = &held->all[i];
		if (one->fd < 0 || one->id < first_id)
			continue;
		if (one->id >= sockets->next_id)
			sockets->next_id = one->id + 1;
		if (ledger_is_new(sockets->front->turn->ledger)) {
			end_held(sockets, one);
			continue;
		}
		error = socket_new(sockets, one->id, one->fd);
		if (!error)
			one->fd = -1;
	}
	return error;
}

static int open_listener(struct socket_front *sockets, const struct held_list *held)
{
	int fd = take_listener(sockets, held);

	if (fd >= 0)
		return fd;
	fd = listen_at(&sockets->address);
	if (fd >= 0 && sockets->holder)
		(void)sockets->holder->hold(sockets->holder->context, HOLDER_LISTENER, fd);
	return fd;
}

int socket_front_open(struct front *front, const struct socket_front_options *options, struct socket_front **out)
{
	struct socket_front *sockets = calloc(1, sizeof(*sockets));

	if (!sockets)
		return -ENOMEM;
	sockets->front = front;
	sockets->holder = options->holder;
	sockets->next_id = first_id;
	sockets->address.sun_family = AF_UNIX;
	if (strlen(options->path) >= sizeof(sockets->address.sun_path)) {
		free(sockets);
		return -ENAMETOOLONG;
	}
	strcpy(sockets->address.sun_path, options->path);
	if (options->held)
		sort_held(sockets, options->held);
	int fd = open_listener(sockets, options->held);
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
	int error = take_up_known(sockets, options->held);
	if (!error)
		error = take_up_new(sockets, options->held);
	return error;
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

void socket_front_each(const struct socket_front *sockets, void (*found)(void *context, uint64_t id, int fd), void *context)
{
	const struct socket *socket;

	found(context, HOLDER_LISTENER, sockets->listener.fd);
	DL_FOREACH2 (sockets->connections, socket, next) {
		found(context, socket->connection.client.id, socket->io.fd);
	}
}

size_t socket_front_connections(const struct socket_front *sockets)
{
	return sockets->n_connections;
}
