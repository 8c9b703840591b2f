/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The event loop finds connections that have something to be read. Before it would wait again (ev_prepare) they are served, some
 * at a time: what they have is received into the ledger, their requests are run, the turn is committed, and what each client is
 * owed is sent, so that the ledger's blocks serve the next ones. Connections that end are only marked during a turn and closed
 * at its end.
 *
 * A client that does not read is not read either: past CONNECTION_QUEUED_HIGH bytes of output its requests wait in the ledger and
 * outside. A client that sends much runs REQUESTS_PER_TURN of its requests, then the others have theirs.
 */
#include "front/connection.h"

#include <stddef.h>
#include <utlist.h>

enum { REQUESTS_PER_TURN = 64, CONNECTIONS_PER_TURN = 64 };

static const double retry_seconds = 0.05; /* while the ledger's room is used up */

/* ---- one connection ---- */

static struct connection *connection_of(struct client *client)
{
	return (struct connection *)(void *)((char *)client - offsetof(struct connection, client));
}

void connection_make_ready(struct connection *connection)
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

void connection_end(struct connection *connection)
{
	if (connection->closing)
		return;
	connection->closing = true;
	LL_PREPEND2(connection->front->closing, connection, closing_next);
}

static void end_if_finished(struct connection *connection)
{
	if (connection->at_end && !connection->is_ready && !connection->output_awaited && !connection->client.ledger.queued)
		connection_end(connection);
}

static void wait_for_more(struct connection *connection)
{
	if (connection->kind->wait)
		connection->kind->wait(connection);
}

void connection_sent(struct connection *connection)
{
	if (connection->output_awaited && !connection_is_held_back(connection)) {
		connection->output_awaited = false;
		connection_make_ready(connection);
	}
	wait_for_more(connection);
	end_if_finished(connection);
}

int connection_init(struct connection *connection, struct front *front, const struct connection_kind *kind, uint64_t id,
		    struct domain *domain)
{
	*connection = (struct connection){.kind = kind, .front = front};
	return client_init(&connection->client, front->turn, id, domain);
}

void connection_deinit(struct connection *connection)
{
	make_unready(connection);
	client_deinit(&connection->client, connection->front->turn);
}

/* ---- the turn ---- */

/* Runs some of the connection's requests. False: more are left for the next turn. */
static bool run_requests(struct connection *connection)
{
	struct turn *turn = connection->front->turn;

	for (int i = 0; i < REQUESTS_PER_TURN; i++) {
		if (connection_is_held_back(connection)) {
			connection->output_awaited = true;
			return true;
		}
		if (!turn_run_next(turn, &connection->client))
			return !connection->client.out_of_room;
		if (connection->client.broken) {
			connection_end(connection);
			return true;
		}
	}
	return false;
}

/* Serves who has waited longest; if it has more, it waits again. */
static void serve_first(struct front *front)
{
	struct connection *connection = front->ready;

	make_unready(connection);
	if (connection_is_held_back(connection) || connection->closing)
		connection->is_readable = false; /* the loop will find it again */
	if (connection->is_readable)
		connection->kind->receive(connection);
	if (!run_requests(connection) || connection->is_readable)
		connection_make_ready(connection);
	if (connection->client.out_of_room || connection->at_end || connection->is_unread)
		wait_for_more(connection);
	end_if_finished(connection);
}

static void send_all(struct front *front)
{
	struct client *client, *next;

	DL_FOREACH_SAFE2 (front->turn->with_output, client, next, output_next) {
		struct connection *connection = connection_of(client);
		DL_DELETE2(front->turn->with_output, client, output_previous, output_next);
		client->has_output = false;
		if (client->out_of_room)
			connection_make_ready(connection);
		if (connection->closing && !client->broken)
			continue;
		connection->kind->send(connection);
		connection_sent(connection);
	}
}

static void close_ended(struct front *front)
{
	struct connection *connection, *next, *ended = front->closing;

	front->closing = NULL;
	LL_FOREACH_SAFE2 (ended, connection, next, closing_next) {
		connection->kind->close(connection);
	}
}

/* What is left over must be looked at again: at once, or after a while if it waits for room. */
static void plan_rest(struct front *front)
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
	struct front *front = prepare->data;

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
	(void)events;
	ev_timer_stop(loop, timer);
}

/* ---- the whole ---- */

void front_init(struct front *front, struct ev_loop *loop, struct turn *turn)
{
	*front = (struct front){.loop = loop, .turn = turn};
	ev_prepare_init(&front->before_wait, end_turn);
	front->before_wait.data = front;
	ev_prepare_start(loop, &front->before_wait);
	ev_idle_init(&front->more_to_run, idle_event);
	ev_init(&front->retry, retry_event);
	front->retry.repeat = retry_seconds;
}

void front_finish(struct front *front)
{
	turn_commit(front->turn);
	send_all(front);
	close_ended(front);
}

void front_deinit(struct front *front)
{
	if (!front->loop)
		return;
	ev_prepare_stop(front->loop, &front->before_wait);
	ev_idle_stop(front->loop, &front->more_to_run);
	ev_timer_stop(front->loop, &front->retry);
}
