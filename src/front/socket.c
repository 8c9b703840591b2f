/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The event loop finds connections that have something to be read. Before it would wait again (ev_prepare) they are served, some
 * at a time: what they have is received into the ledger, their requests are run, the turn is committed, and what each client is
 * owed is sent, so that the ledger's blocks serve the next ones. Connections that end are only marked during a turn and freed at
 * its end.
 *
 * A client that does not read is not read either: past QUEUED_HIGH bytes of output its requests wait in the ledger and in the
 * socket. A client that sends much runs REQUESTS_PER_TURN of its requests, then the others have theirs.
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

enum {
	QUEUED_HIGH = 64 * 1024,
	REQUESTS_PER_TURN = 64,
	CONNECTIONS_PER_TURN = 64,
	ACCEPTS_PER_TURN = 64,
	LISTEN_BACKLOG = 4096,
};

static const double retry_seconds = 0.05; /* while descriptors or the ledger's room are used up */

struct connection {
	struct client client;
	struct socket_front *front;
	ev_io io;
	bool closing;
	bool at_end;	     /* the client sends nothing more: closed as soon as all is run and sent */
	bool is_ready;	     /* in front->ready */
	bool is_readable;    /* the socket has something that is not yet received */
	bool output_awaited; /* requests wait in the ledger until output has gone */
	struct connection *previous, *next;
	struct connection *ready_previous, *ready_next;
	struct connection *closing_next;
};

struct socket_front {
	struct ev_loop *loop;
	struct turn *turn;
	struct sockaddr_un address;
	ev_io listener;
	ev_prepare before_wait;
	ev_idle more_to_run; /* running while ready connections are left over: keeps the loop from waiting */
	ev_timer retry;
	bool is_refusing; /* connections, and has said so */
	uint64_t last_id;
	size_t n_connections, n_ready;
	struct connection *connections;
	struct connection *ready;   /* may have something to receive or to run; who has waited longest is first */
	struct connection *closing; /* end with the turn */
};

/* ---- one connection ---- */

static struct connection *connection_of(struct client *client)
{
	return (struct connection *)(void *)((char *)client - offsetof(struct connection, client));
}

static void make_ready(struct connection *connection)
{
	if (connection->is_ready)
		return;
	DL_APPEND2(connection->front->ready, connection, ready_previous, ready_next);
	connection->front->n_ready++;
	connection->is_ready = true;
}

static void make_unready(struct connection *connection)
{
	if (!connection->is_ready)
		return;
	DL_DELETE2(connection->front->ready, connection, ready_previous, ready_next);
	connection->front->n_ready--;
	connection->is_ready = false;
}

static void start_closing(struct connection *connection)
{
	if (connection->closing)
		return;
	connection->closing = true;
	LL_PREPEND2(connection->front->closing, connection, closing_next);
}

static bool is_held_back(const struct connection *connection)
{
	return connection->client.ledger.queued > QUEUED_HIGH;
}

static void close_if_finished(struct connection *connection)
{
	if (connection->at_end && !connection->is_ready && !connection->output_awaited && !connection->client.ledger.queued)
		start_closing(connection);
}

/* Waits for what can be gone on with: writing while output is left, reading unless there is no place for what comes. */
static void wait_for(struct connection *connection)
{
	bool reads = !connection->at_end && !connection->client.out_of_room && !is_held_back(connection);
	int events = (reads ? EV_READ : 0) | (connection->client.ledger.ready ? EV_WRITE : 0);

	if ((connection->io.events & (EV_READ | EV_WRITE)) == events && ev_is_active(&connection->io))
		return;
	ev_io_stop(connection->front->loop, &connection->io);
	ev_io_set(&connection->io, connection->io.fd, events);
	ev_io_start(connection->front->loop, &connection->io);
}

static void receive(struct connection *connection)
{
	struct mmsghdr *call;
	int error = ledger_receive_begin(&connection->client.ledger, &call);

	connection->client.out_of_room = error == -ENOSPC;
	if (error) /* or its block is full of requests that are to be run first */
		return;
	connection->is_readable = false;
	int n = recvmmsg(connection->io.fd, call, 1, MSG_DONTWAIT, NULL);
	bool gone = n < 0 && errno != EAGAIN && errno != EINTR;
	if (!ledger_receive_end(&connection->client.ledger, n == 1) && n == 1)
		connection->at_end = true;
	if (gone)
		start_closing(connection);
}

static void send_output(struct connection *connection)
{
	struct mmsghdr *call;

	while (ledger_send_begin(&connection->client.ledger, &call)) {
		int n = sendmmsg(connection->io.fd, call, 1, MSG_DONTWAIT | MSG_NOSIGNAL);
		bool gone = n < 0 && errno != EAGAIN && errno != EINTR;
		ledger_send_end(&connection->client.ledger, n == 1);
		if (gone)
			start_closing(connection);
		if (n != 1)
			break;
	}
	if (connection->output_awaited && !is_held_back(connection)) {
		connection->output_awaited = false;
		make_ready(connection);
	}
}

static void connection_event(struct ev_loop *loop, ev_io *io, int events)
{
	struct connection *connection = io->data;

	(void)loop;
	if (events & EV_WRITE) {
		send_output(connection);
		wait_for(connection);
		close_if_finished(connection);
	}
	if (events & EV_READ && !connection->closing && !connection->at_end) {
		connection->is_readable = true;
		make_ready(connection);
	}
}

static void connection_free(struct connection *connection)
{
	struct socket_front *front = connection->front;

	make_unready(connection);
	ev_io_stop(front->loop, &connection->io);
	client_deinit(&connection->client, front->turn);
	close(connection->io.fd);
	if (!ev_is_active(&front->listener))
		ev_io_start(front->loop, &front->listener); /* there may be room for another */
	DL_DELETE2(front->connections, connection, previous, next);
	front->n_connections--;
	free(connection);
}

static int connection_new(struct socket_front *front, int fd)
{
	struct connection *connection = calloc(1, sizeof(*connection));
	struct domain *own = domain_find(front->turn->domains, front->turn->domains->own);

	if (!connection)
		return -ENOMEM;
	int error = client_init(&connection->client, front->turn, ++front->last_id, own);
	if (error) {
		free(connection);
		return error;
	}
	connection->front = front;
	ev_io_init(&connection->io, connection_event, fd, EV_READ);
	connection->io.data = connection;
	ev_io_start(front->loop, &connection->io);
	DL_APPEND2(front->connections, connection, previous, next);
	front->n_connections++;
	return 0;
}

/* ---- accepting ---- */

/* Clients wait in the listener's queue until there is room again. */
static void pause_accepting(struct socket_front *front, int error)
{
	if (!front->is_refusing)
		log_warning(front->turn->log, "cannot accept connections, %zu are open: %s", front->n_connections,
			    strerror(error));
	front->is_refusing = true;
	ev_io_stop(front->loop, &front->listener);
	ev_timer_again(front->loop, &front->retry);
}

static void accept_event(struct ev_loop *loop, ev_io *io, int events)
{
	struct socket_front *front = io->data;

	(void)loop;
	(void)events;
	for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
		int fd = accept4(io->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0) {
			if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)
				pause_accepting(front, errno);
			else
				front->is_refusing = false; /* nobody is left who waits */
			return;
		}
		int error = connection_new(front, fd);
		if (error) {
			close(fd);
			pause_accepting(front, -error);
			return;
		}
	}
}

/* ---- the turn ---- */

/* Runs some of the connection's requests. False: more are left for the next turn. */
static bool run_requests(struct connection *connection)
{
	struct turn *turn = connection->front->turn;

	for (int i = 0; i < REQUESTS_PER_TURN; i++) {
		if (is_held_back(connection)) {
			connection->output_awaited = true;
			return true;
		}
		if (!turn_run_next(turn, &connection->client))
			return !connection->client.out_of_room;
		if (connection->client.broken) {
			start_closing(connection);
			return true;
		}
	}
	return false;
}

/* Serves who has waited longest; if it has more, it waits again. */
static void serve_first(struct socket_front *front)
{
	struct connection *connection = front->ready;

	make_unready(connection);
	if (is_held_back(connection) || connection->closing)
		connection->is_readable = false; /* the loop will find it again */
	if (connection->is_readable)
		receive(connection);
	if (!run_requests(connection) || connection->is_readable)
		make_ready(connection);
	if (connection->client.out_of_room || connection->at_end || !(connection->io.events & EV_READ))
		wait_for(connection);
	close_if_finished(connection);
}

static void send_all(struct socket_front *front)
{
	struct client *client, *next;

	DL_FOREACH_SAFE2 (front->turn->with_output, client, next, output_next) {
		struct connection *connection = connection_of(client);
		DL_DELETE2(front->turn->with_output, client, output_previous, output_next);
		client->has_output = false;
		if (client->out_of_room)
			make_ready(connection);
		if (connection->closing && !client->broken)
			continue;
		send_output(connection);
		wait_for(connection);
		close_if_finished(connection);
	}
}

static void close_ended(struct socket_front *front)
{
	struct connection *connection, *next;

	LL_FOREACH_SAFE2 (front->closing, connection, next, closing_next) {
		connection_free(connection);
	}
	front->closing = NULL;
}

/* What is left over must be looked at again: at once, or after a while if it waits for room. */
static void plan_rest(struct socket_front *front)
{
	const struct connection *connection;
	bool at_once = false, later = false;

	DL_FOREACH2 (front->ready, connection, ready_next) {
		later = later || connection->client.out_of_room;
		at_once = at_once || !connection->client.out_of_room;
	}
	if (at_once)
		ev_idle_start(front->loop, &front->more_to_run);
	else
		ev_idle_stop(front->loop, &front->more_to_run);
	if (later)
		ev_timer_again(front->loop, &front->retry);
}

static void end_turn(struct ev_loop *loop, ev_prepare *prepare, int events)
{
	struct socket_front *front = prepare->data;

	(void)loop;
	(void)events;
	size_t left = front->n_ready;

	do {
		for (int i = 0; i < CONNECTIONS_PER_TURN && left && front->ready; i++, left--)
			serve_first(front);
		turn_commit(front->turn);
		send_all(front);
		close_ended(front);
	} while (left && front->ready);
	if (front->ready || ev_is_active(&front->more_to_run))
		plan_rest(front);
}

static void idle_event(struct ev_loop *loop, ev_idle *idle, int events)
{
	(void)loop;
	(void)idle;
	(void)events;
}

static void retry_event(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct socket_front *front = timer->data;

	(void)events;
	ev_timer_stop(loop, timer);
	if (!ev_is_active(&front->listener))
		ev_io_start(loop, &front->listener);
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

int socket_front_open(struct ev_loop *loop, struct turn *turn, const char *path, struct socket_front **out)
{
	struct socket_front *front = calloc(1, sizeof(*front));

	if (!front)
		return -ENOMEM;
	front->loop = loop;
	front->turn = turn;
	front->address.sun_family = AF_UNIX;
	if (strlen(path) >= sizeof(front->address.sun_path)) {
		free(front);
		return -ENAMETOOLONG;
	}
	strcpy(front->address.sun_path, path);
	int fd = listen_at(&front->address);
	if (fd < 0) {
		free(front);
		return fd;
	}
	ev_io_init(&front->listener, accept_event, fd, EV_READ);
	front->listener.data = front;
	ev_io_start(loop, &front->listener);
	ev_prepare_init(&front->before_wait, end_turn);
	front->before_wait.data = front;
	ev_prepare_start(loop, &front->before_wait);
	ev_idle_init(&front->more_to_run, idle_event);
	ev_init(&front->retry, retry_event);
	front->retry.repeat = retry_seconds;
	front->retry.data = front;
	*out = front;
	return 0;
}

void socket_front_close(struct socket_front *front)
{
	struct connection *connection, *next;

	if (!front)
		return;
	turn_commit(front->turn);
	send_all(front);
	DL_FOREACH_SAFE2 (front->connections, connection, next, next) {
		connection_free(connection);
	}
	ev_io_stop(front->loop, &front->listener);
	ev_prepare_stop(front->loop, &front->before_wait);
	ev_idle_stop(front->loop, &front->more_to_run);
	ev_timer_stop(front->loop, &front->retry);
	close(front->listener.fd);
	unlink(front->address.sun_path);
	free(front);
}

size_t socket_front_connections(const struct socket_front *front)
{
	return front->n_connections;
}
