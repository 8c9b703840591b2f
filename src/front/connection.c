/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The event loop finds connections that have something to be read. Before it waits again they are served, some at a
 * time: what they have is received into the ledger, their requests are run, the turn is committed, and what each client is
 * owed is sent, so that the ledger's blocks serve the next ones. Connections that end are only marked during a turn and closed
 * at its end.
 *
 * A client that does not read is not read either: past CONNECTION_QUEUED_HIGH bytes of output its requests wait in the ledger and
 * outside. A client that sends much runs REQUESTS_PER_TURN of its requests, or as many as change CHANGES_PER_TURN nodes, then the
 * others have theirs.
 */
#include "front/connection.h"

#include <stddef.h>
#include <utlist.h>

#include "request/release.h"
#include "request/unread.h"

enum { REQUESTS_PER_TURN = 64, CHANGES_PER_TURN = 256, CONNECTIONS_PER_TURN = TURN_REQUESTS_MAX / REQUESTS_PER_TURN };

static const double retry_seconds = 0.05; /* while the ledger's room is used up, or somebody's limits are */

/*
 * libev never waits without end, and for the end of each wait the kernel has to set a timer. A shortest wait of so many
 * seconds makes more milliseconds than epoll_wait can be told: it is told a negative number, which is without end, or, on
 * processors that take the nearest number instead, 24 days.
 */
static const double without_end = 3000000;

/* ---- one connection ---- */

static struct connection *connection_of(struct client *client)
{
	return (struct connection *)(void *)((char *)client - offsetof(struct connection, client));
}

void connection_make_ready(struct connection *connection)
{
	if (connection->is_ready || connection->is_paused)
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

void connection_pause(struct connection *connection)
{
	make_unready(connection);
	connection->is_paused = true;
}

void connection_resume(struct connection *connection)
{
	connection->is_paused = false;
	connection->is_readable = true;
	connection_make_ready(connection);
}

static void limit(struct connection *connection)
{
	if (!connection->is_limited)
		DL_APPEND2(connection->front->limited, connection, limited_previous, limited_next);
	connection->is_limited = true;
}

static void unlimit(struct connection *connection)
{
	if (connection->is_limited)
		DL_DELETE2(connection->front->limited, connection, limited_previous, limited_next);
	connection->is_limited = false;
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
	bool waits = connection->is_ready || connection->output_awaited || connection->is_limited || connection->client.waits;

	if (connection->at_end && !waits && !connection->client.ledger.queued)
		connection_end(connection);
}

static void wait_for_more(struct connection *connection)
{
	if (connection->kind->wait)
		connection->kind->wait(connection);
}

void connection_sent(struct connection *connection)
{
	struct client *client = &connection->client;

	client_took_output(client, connection->front->turn);
	if (connection->output_awaited && !connection_is_held_back(connection)) {
		connection->output_awaited = false;
		connection_make_ready(connection);
	}
	if (connection->output_awaited)
		client_tell_stop(client, connection->front->turn);
	if (connection->is_limited)
		connection_make_ready(connection);
	wait_for_more(connection);
	end_if_finished(connection);
}

int connection_init(struct connection *connection, struct front *front, const struct connection_kind *kind, uint64_t id,
		    struct domain *domain)
{
	*connection = (struct connection){.kind = kind, .front = front};
	return client_init(&connection->client, front->turn, id, domain);
}

int connection_attach(struct connection *connection, struct front *front, const struct connection_kind *kind,
		      const struct ledger_found *found, struct domain *domain)
{
	*connection = (struct connection){.kind = kind, .front = front};
	int error = client_attach(&connection->client, front->turn, found, domain);
	if (error)
		return error;
	connection->is_readable = true;
	connection_make_ready(connection);
	turn_note_output(front->turn, &connection->client);
	return 0;
}

void connection_deinit(struct connection *connection)
{
	connection_pause(connection);
	unlimit(connection);
	client_deinit(&connection->client, connection->front->turn);
}

void connection_leave(struct connection *connection)
{
	connection_pause(connection);
	unlimit(connection);
	client_leave(&connection->client, connection->front->turn);
}

/* ---- the turn ---- */

/* False: its client has to read first, or its owner to wait; it is found again when that is over. */
static bool may_go_on(struct connection *connection)
{
	if (connection_is_held_back(connection))
		connection->output_awaited = true;
	else if (!client_may_be_read(&connection->client))
		limit(connection);
	else
		return true;
	return false;
}

/* Runs some of the connection's requests. False: more are left for the next turn. */
static bool run_requests(struct connection *connection)
{
	struct turn *turn = connection->front->turn;
	uint64_t changes = turn->store->generation + CHANGES_PER_TURN;

	for (int i = 0; i < REQUESTS_PER_TURN && turn->store->generation < changes; i++) {
		if (!turn_run_next(turn, &connection->client))
			return !connection->client.out_of_room;
		if (connection->client.broken) {
			connection_end(connection);
			return true;
		}
		if (!may_go_on(connection))
			return true;
	}
	return false;
}

/* Receives and runs. False: there is more to be done in the next turn. */
static bool serve(struct connection *connection)
{
	if (!may_go_on(connection))
		return true;
	unlimit(connection);
	if (connection->is_readable && !connection->closing)
		connection->kind->receive(connection);
	return run_requests(connection) && !connection->is_readable;
}

/* Serves who has waited longest; if it has more, it waits again. */
static void serve_first(struct front *front)
{
	struct connection *connection = front->ready;

	make_unready(connection);
	if (!serve(connection))
		connection_make_ready(connection);
	if (connection->client.out_of_room || connection->client.waits || connection->at_end || connection->is_unread)
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
		if (client->out_of_room || client->resumes)
			connection_make_ready(connection);
		client->resumes = false;
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

/* What is left over must be looked at again: at once, or after a while if it waits for room or is limited. */
static void plan_rest(struct front *front)
{
	const struct connection *connection;
	bool clears_up = watch_departed(front->turn->watches) != NULL;
	bool at_once = front->turn->domains->to_release || (clears_up && !front->turn->departed_later);
	bool later = front->limited || (clears_up && front->turn->departed_later);

	DL_FOREACH2 (front->ready, connection, ready_next) {
		later = later || connection->client.out_of_room;
		at_once = at_once || !connection->client.out_of_room;
	}
	if (at_once)
		ev_idle_start(front->loop, &front->more_to_run);
	else
		ev_idle_stop(front->loop, &front->more_to_run);
	if (later && !ev_is_active(&front->retry))
		front_start_timer(front, &front->retry);
}

/* Guests that leave events unread are looked at from time to time. */
static void plan_ticks(struct front *front)
{
	if (!front->turn->unread) {
		front_stop_timer(front, &front->unread_ticks);
	} else if (!ev_is_active(&front->unread_ticks)) {
		front->unread_ticks.repeat = (double)front->turn->event_seconds / UNREAD_TICKS;
		front_start_timer(front, &front->unread_ticks);
	}
}

static void end_turn(struct front *front)
{
	size_t left = front->n_ready;

	do {
		for (int i = 0; i < CONNECTIONS_PER_TURN && left && front->ready; i++, left--)
			serve_first(front);
		turn_commit(front->turn);
		release_more(front->turn);
		send_all(front);
		close_ended(front);
	} while (left && front->ready);
	if (front->ready || front->limited || front->turn->domains->to_release || watch_departed(front->turn->watches) ||
	    ev_is_active(&front->more_to_run))
		plan_rest(front);
	if (front->turn->unread || ev_is_active(&front->unread_ticks))
		plan_ticks(front);
}

/* What libev calls after each wait, and before the first one, in place of ev_invoke_pending. */
static void run_turn(struct ev_loop *loop)
{
	ev_invoke_pending(loop);
	end_turn(ev_userdata(loop));
}

static void unread_event(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct front *front = timer->data;

	(void)loop;
	(void)events;
	unread_tick(front->turn);
}

static void idle_event(struct ev_loop *loop, ev_idle *idle, int events)
{
	(void)loop;
	(void)idle;
	(void)events;
}

static void retry_event(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct front *front = timer->data;
	struct connection *connection;

	(void)loop;
	(void)events;
	front_stop_timer(front, timer);
	DL_FOREACH2 (front->limited, connection, limited_next) {
		connection_make_ready(connection);
	}
}

/* ---- timers ---- */

void front_start_timer(struct front *front, ev_timer *timer)
{
	front->n_timers += !ev_is_active(timer);
	ev_set_timeout_collect_interval(front->loop, 0);
	ev_timer_again(front->loop, timer);
}

void front_stop_timer(struct front *front, ev_timer *timer)
{
	if (!ev_is_active(timer))
		return;
	ev_timer_stop(front->loop, timer);
	if (!--front->n_timers)
		ev_set_timeout_collect_interval(front->loop, without_end);
}

/* ---- the whole ---- */

void front_init(struct front *front, struct ev_loop *loop, struct turn *turn)
{
	*front = (struct front){.loop = loop, .turn = turn};
	ev_set_timeout_collect_interval(loop, without_end);
	ev_set_userdata(loop, front);
	ev_set_invoke_pending_cb(loop, run_turn);
	ev_idle_init(&front->more_to_run, idle_event);
	ev_init(&front->retry, retry_event);
	front->retry.repeat = retry_seconds;
	front->retry.data = front;
	ev_init(&front->unread_ticks, unread_event);
	front->unread_ticks.data = front;
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
	ev_set_invoke_pending_cb(front->loop, ev_invoke_pending);
	ev_idle_stop(front->loop, &front->more_to_run);
	front_stop_timer(front, &front->retry);
	front_stop_timer(front, &front->unread_ticks);
}
