/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The guest may write to any byte of its page at any time, so each field is read once, into a variable, and nothing that the
 * daemon has written there is read again: what it knows of its own indexes is in the ledger. An index that is out of range
 * stops the connection, and so does a message that cannot be followed; the domain stays, and may begin anew.
 *
 * The order of stores makes sense to a guest on another processor, and to a daemon that finds page and ledger after this one was
 * killed between any two of them (doc/recovery.md). Input: bytes into the ledger, its position, the ring's index. Output: bytes
 * into the ring, the ring's index, the ledger's position.
 */
#include "front/ring.h"

#include <errno.h>
#include <string.h>

#include "lxenstored/ledger_format.h"
#include "request/departed.h"

/* ---- bytes ---- */

/* Bytes [at, at + len) of the stream, of a ring that may end in between. */
static void copy_from_ring(const unsigned char *ring, uint32_t at, unsigned char *to, uint32_t len)
{
	uint32_t begin = at % RING_SIZE;
	uint32_t first = len < RING_SIZE - begin ? len : RING_SIZE - begin;

	memcpy(to, ring + begin, first);
	memcpy(to + first, ring, len - first);
}

static void copy_to_ring(unsigned char *ring, uint32_t at, const unsigned char *from, uint32_t len)
{
	uint32_t begin = at % RING_SIZE;
	uint32_t first = len < RING_SIZE - begin ? len : RING_SIZE - begin;

	memcpy(ring + begin, from, first);
	memcpy(ring, from + first, len - first);
}

void ring_give_up(struct ring *ring, enum ring_error error)
{
	if (!ring->error)
		ring->error = error;
	connection_end(&ring->connection);
}

/* Before looking at the page: what comes later is another event. */
static void unmask(struct ring *ring)
{
	if (ring->masked && ring->port)
		ring->host->unmask(ring->host->context, ring->port);
	ring->masked = false;
}

static void take_input(struct ring *ring)
{
	struct connection *connection = &ring->connection;
	struct ledger_connection *ledger = &connection->client.ledger;
	uint32_t consumed = (uint32_t)ledger_in_position(ledger);
	uint32_t len = ring_load(&ring->page->req_prod) - consumed;
	unsigned char *at;
	size_t room;

	if (len > RING_SIZE) {
		ring_give_up(ring, RING_ERROR_INDEX);
		return;
	}
	if (!len)
		return;
	int result = ledger_copy_in_begin(ledger, &at, &room);
	connection->client.out_of_room = result == -ENOSPC;
	if (result || len > room)
		connection->is_readable = true;
	if (result) /* or its block is full of requests that are to be run first */
		return;
	if (len > room)
		len = (uint32_t)room;
	copy_from_ring(ring->page->req, consumed, at, len);
	ledger_copy_in_end(ledger, len);
	ring_store(&ring->page->req_cons, consumed + len);
	ring->notify_due = true;
}

/* Copies as much of the output as the ring has room for. */
static void put_output(struct ring *ring)
{
	struct ledger_connection *ledger = &ring->connection.client.ledger;
	uint32_t produced = (uint32_t)ledger_out_position(ledger);
	uint32_t full = produced - ring_load(&ring->page->rsp_cons);
	struct iovec buffers[4];
	uint32_t len = 0;

	if (full > RING_SIZE) {
		ring_give_up(ring, RING_ERROR_INDEX);
		return;
	}
	size_t n = ledger_copy_out_begin(ledger, buffers, sizeof(buffers) / sizeof(buffers[0]));
	for (size_t i = 0; i < n && full + len < RING_SIZE; i++) {
		uint32_t room = RING_SIZE - full - len;
		uint32_t part = buffers[i].iov_len < room ? (uint32_t)buffers[i].iov_len : room;
		copy_to_ring(ring->page->rsp, produced + len, buffers[i].iov_base, part);
		len += part;
	}
	if (!len)
		return;
	ring_store(&ring->page->rsp_prod, produced + len);
	ledger_copy_out_end(ledger, len);
	ring->notify_due = true;
}

static void tell_guest(struct ring *ring)
{
	ring->notify_due = false;
	if (ring->port)
		ring->host->notify(ring->host->context, ring->port);
}

static void ring_send(struct connection *connection)
{
	struct ring *ring = ring_of(connection);

	unmask(ring);
	if (connection->client.ledger.ready) /* of a stopped one there is none */
		put_output(ring);
	if (ring->notify_due)
		tell_guest(ring);
}

/* ---- beginning and end ---- */

void ring_wake(struct ring *ring)
{
	struct client *client = &ring->connection.client;

	ring->connection.is_readable = true;
	connection_make_ready(&ring->connection);
	if (client->ledger.ready) /* the guest may have made room for it */
		turn_note_output(ring->connection.front->turn, client);
}

/* What a guest that does not wait puts meanwhile is told from what was there before: its index is set first (see is_at_0). */
static void begin_at_0(struct ring *ring, uint32_t epoch)
{
	struct ring_page *page = ring->page;

	ledger_reset(&ring->connection.client.ledger, epoch);
	ring_store(&page->req_prod, 0);
	ring_store(&page->rsp_cons, 0);
	ring_store(&page->rsp_prod, 0);
	ring_store(&page->req_cons, 0);
}

/* All of begin_at_0 was done, and perhaps the guest has put something since. */
static bool is_at_0(const struct ring *ring)
{
	const struct ring_page *page = ring->page;

	return !ring_load(&page->req_cons) && !ring_load(&page->rsp_prod) && !ring_load(&page->rsp_cons);
}

/*
 * Takes the indexes as they are. What the guest has put and nobody has taken is found then, and what it has half written or
 * half read goes on. False: they make no sense, or the guest itself wants to begin anew.
 */
static bool begin_where_it_is(struct ring *ring, uint32_t epoch)
{
	struct ring_page *page = ring->page;
	uint32_t consumed = ring_load(&page->req_cons), produced = ring_load(&page->rsp_prod);

	if (ring_load(&page->connection) == RING_RECONNECT || ring_load(&page->req_prod) - consumed > RING_SIZE ||
	    produced - ring_load(&page->rsp_cons) > RING_SIZE)
		return false;
	ledger_start_at(&ring->connection.client.ledger, epoch, consumed, produced);
	return true;
}

/* The page is served. */
static void offer(struct ring *ring)
{
	ring_store(&ring->page->error, RING_ERROR_NONE);
	ring_store(&ring->page->server_features, ring->connection.client.domain->features);
}

void ring_begin(struct ring *ring, uint32_t epoch, bool go_on)
{
	struct client *client = &ring->connection.client;
	struct ring_page *page = ring->page;

	client_reset(client, ring->connection.front->turn);
	if (!go_on || !begin_where_it_is(ring, epoch))
		begin_at_0(ring, epoch);
	offer(ring);
	ledger_resume(&client->ledger);
	ring->stopped = false;
	ring->error = RING_ERROR_NONE;
	ring_store(&page->connection, RING_CONNECTED);
	tell_guest(ring);
	ring_wake(ring);
}

/* As INTRODUCE without a change of page and port. The guest's mark in the page stays until all is done. */
static void reconnect(struct ring *ring)
{
	struct connection *connection = &ring->connection;
	struct client *client = &connection->client;
	struct turn *turn = connection->front->turn;

	turn_commit(turn);
	int fault = departed_remove_of(turn, client->id);
	if (client_is_ended(client)) /* by a request of that turn */
		return;
	if (fault)
		connection->is_readable = client->out_of_room = true; /* tried again later */
	else
		ring_begin(ring, client->domain->epoch, false);
}

/* The field means nothing in a page that does not offer it. */
static bool asks_to_reconnect(const struct ring *ring)
{
	return ring->connection.client.domain->features & RING_FEATURE_RECONNECTION &&
	       ring_load(&ring->page->connection) == RING_RECONNECT;
}

/* ---- after a death ---- */

/* The ring's indexes may be one store behind or ahead of the ledger's positions; what else differs is the guest's doing. */
static void meet_page(struct ring *ring)
{
	struct client *client = &ring->connection.client;
	struct ring_page *page = ring->page;
	uint32_t produced = ring_load(&page->rsp_prod);
	uint32_t sent = produced - (uint32_t)ledger_out_position(&client->ledger);

	if (sent > client->ledger.queued || produced - ring_load(&page->rsp_cons) > RING_SIZE) {
		ring_give_up(ring, RING_ERROR_INDEX);
		return;
	}
	if (sent) {
		ledger_copy_out_end(&client->ledger, sent);
		client_took_output(client, ring->connection.front->turn);
	}
	ring_store(&page->req_cons, (uint32_t)ledger_in_position(&client->ledger));
	offer(ring);
}

void ring_go_on(struct ring *ring, const struct ledger_found *found)
{
	uint32_t epoch = ring->connection.client.domain->epoch;
	bool was_begun = found->epoch == epoch;

	ring->notify_due = true;
	if (was_begun && found->state == LEDGER_STOPPED) {
		ring->stopped = true;
		ring_store(&ring->page->error, found->error);
	} else if (!was_begun || found->state != LEDGER_CONNECTED) {
		/* What has no epoch was new, and may have been somebody else's. */
		ring_begin(ring, epoch, was_begun ? is_at_0(ring) : !found->epoch);
	} else if (!asks_to_reconnect(ring)) { /* else its indexes mean nothing, and are set to 0 in its turn */
		meet_page(ring);
	}
}

/* ---- a turn ---- */

static void ring_receive(struct connection *connection)
{
	struct ring *ring = ring_of(connection);

	connection->is_readable = false;
	unmask(ring);
	if (asks_to_reconnect(ring))
		reconnect(ring);
	if (ring->stopped || client_is_ended(&connection->client))
		return;
	take_input(ring);
	if (ring->notify_due)
		turn_note_output(connection->front->turn, &connection->client);
}

static const char *reason(enum ring_error error)
{
	switch (error) {
	case RING_ERROR_COMMUNICATION:
		return "its event channel does not work";
	case RING_ERROR_INDEX:
		return "an index of its ring is out of range";
	default:
		return "it has sent what cannot be followed";
	}
}

/* The ledger knows first: a start finds it stopped and writes to the page again. */
static void stop(struct ring *ring)
{
	struct client *client = &ring->connection.client;
	enum ring_error error = ring->error ? ring->error : RING_ERROR_PROTOCOL;
	struct turn *turn = ring->connection.front->turn;

	client_reset(client, turn);
	ledger_stop(&client->ledger, error);
	ring->stopped = true;
	ring->error = RING_ERROR_NONE;
	ring_store(&ring->page->error, error);
	tell_guest(ring);
	if (!ring->stop_logged)
		log_warning(turn->log, "domain %u is not served any more: %s", ring->domid, reason(error));
	ring->stop_logged = true;
}

static void ring_close(struct connection *connection)
{
	struct ring *ring = ring_of(connection);

	connection->closing = false;
	if (ring->released)
		free(ring);
	else if (ring->error || connection->client.broken) /* else it was begun anew in the meantime */
		stop(ring);
}

const struct connection_kind ring_kind = {ring_receive, ring_send, NULL, ring_close};
