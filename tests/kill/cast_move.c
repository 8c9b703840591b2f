/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Requests become bytes as soon as they may be sent; bytes move some at a time, in chance sizes. */
#include "kill/cast.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* The answers that it depends on are there: the start of its transaction, or the end of the one before. */
static bool may_be_sent(const struct party *party, unsigned number)
{
	const struct asked *asked = &party->asked[number - 1];
	const struct asked *before = number > 1 ? asked - 1 : NULL;

	if (asked->first_of && asked->first_of != number && party->answered < asked->first_of)
		return false;
	return !(before && before->is_end && party->answered < number - 1);
}

static void write_request(struct cast *cast, struct party *party)
{
	struct asked *asked = &party->asked[party->next - 1];
	bool is_in_transaction = asked->first_of && asked->first_of != party->next;
	struct message_header header = {asked->type, ++party->last_id, is_in_transaction ? party->transaction : 0,
					(uint32_t)asked->len};

	const struct asked *before = party->next > 1 ? asked - 1 : NULL;
	if (asked->is_control && !(before && before->is_control))
		party->deaths_before = cast->deaths;
	if (asked->first_of == party->next)
		party->deaths_before = cast->deaths;
	asked->id = header.request_id;
	message_write_header(party->out + party->out_end, &header);
	memcpy(party->out + party->out_end + MESSAGE_HEADER_SIZE, asked->payload, asked->len);
	party->out_end += MESSAGE_HEADER_SIZE + asked->len;
	asked->end = party->put + (party->out_end - party->out_begin);
	party->next++;
}

/* Those that may be sent now. False: none. */
static bool write_requests(struct cast *cast, struct party *party)
{
	unsigned next = party->next;

	while (party->next <= party->n_asked && party->out_end + MESSAGE_SIZE_MAX <= CAST_OUT && !party->prelude &&
	       may_be_sent(party, party->next))
		write_request(cast, party);
	return party->next != next;
}

/* ---- rings and sockets ---- */

static size_t put(struct cast *cast, struct party *party, size_t len)
{
	const unsigned char *from = party->out + party->out_begin;

	if (party->is_ring)
		return guest_put(party->guest, from, len);
	ssize_t n = send(party->fd, from, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0 && errno != EAGAIN) {
		if (cast->held)
			cast_note_wrong(cast, "%s: the socket is closed (%s)", party->name, strerror(errno));
		return 0;
	}
	return n < 0 ? 0 : (size_t)n;
}

static size_t take(struct cast *cast, struct party *party, void *to, size_t len)
{
	if (party->is_ring)
		return guest_take(party->guest, to, len);
	ssize_t n = recv(party->fd, to, len, MSG_DONTWAIT);
	if (n > 0)
		return (size_t)n;
	if (n == 0 || errno != EAGAIN) {
		if (cast->held)
			cast_note_wrong(cast, "%s: the daemon has hung up", party->name);
		party->is_lost = true;
	}
	return 0;
}

/* Some of the next message, `most` at most. */
static size_t take_some(struct cast *cast, struct party *party, size_t most)
{
	struct message_header header = {0};
	char payload[MESSAGE_PAYLOAD_MAX + 1];
	size_t wanted = MESSAGE_HEADER_SIZE;

	memcpy(&header, party->in, sizeof(header));
	if (party->in_len >= MESSAGE_HEADER_SIZE)
		wanted += header.len;
	wanted -= party->in_len;
	size_t n = take(cast, party, party->in + party->in_len, wanted < most ? wanted : most);
	party->in_len += n;
	if (party->in_len < MESSAGE_HEADER_SIZE)
		return n;
	memcpy(&header, party->in, sizeof(header));
	if (header.len > MESSAGE_PAYLOAD_MAX) {
		cast_note_wrong(cast, "%s: what came is no message", party->name);
		return 0;
	}
	if (party->in_len < MESSAGE_HEADER_SIZE + header.len)
		return n;
	memcpy(payload, party->in + MESSAGE_HEADER_SIZE, header.len);
	payload[header.len] = 0;
	party->in_len = 0;
	cast_receive(cast, party, &header, payload);
	return n;
}

bool cast_move_in(struct cast *cast, struct party *party, struct random *random)
{
	bool has_moved = false;

	for (uint32_t rounds = 1 + random_below(random, 12); rounds && !*cast->wrong && !party->is_lost; rounds--) {
		if (!take_some(cast, party, 1 + random_below(random, CAST_MOVED_MAX)))
			break;
		has_moved = true;
	}
	return has_moved;
}

static bool move_out(struct cast *cast, struct party *party, struct random *random)
{
	size_t len = party->out_end - party->out_begin;

	if (!len || party->is_lost)
		return false;
	if (len > CAST_MOVED_MAX)
		len = 1 + random_below(random, CAST_MOVED_MAX);
	size_t n = put(cast, party, len);
	party->out_begin += n;
	party->put += n;
	if (party->out_begin == party->out_end)
		party->out_begin = party->out_end = 0;
	return n;
}

static void look_at_page(struct cast *cast, const struct party *party)
{
	struct guest_page *page = guest_page(party->guest);

	if (atomic_load(&page->error))
		cast_note_wrong(cast, "%s: its ring is stopped with error %u", party->name, atomic_load(&page->error));
	if (atomic_load(&page->req_prod) - atomic_load(&page->req_cons) > GUEST_RING ||
	    atomic_load(&page->rsp_prod) - atomic_load(&page->rsp_cons) > GUEST_RING)
		cast_note_wrong(cast, "%s: the indexes of its ring make no sense", party->name);
}

/* Who has found nothing to do sleeps until it is told of something, as a kernel does; a socket tells by itself. */
static bool is_awake(struct party *party, bool has_written)
{
	if (party->is_ring && !guest_wait(party->guest, 0))
		party->sleeps = false;
	if (has_written)
		party->sleeps = false;
	return !party->sleeps;
}

static bool move(struct cast *cast, struct party *party, struct random *random)
{
	bool has_moved;

	if (!party->is_there || party->is_lost || !is_awake(party, write_requests(cast, party)))
		return false;
	has_moved = move_out(cast, party, random);
	if (!party->is_deaf)
		has_moved = cast_move_in(cast, party, random) || has_moved;
	if (!party->is_ring)
		return has_moved;
	if (has_moved)
		guest_notify(party->guest);
	look_at_page(cast, party);
	party->sleeps = !has_moved;
	return has_moved;
}

bool cast_move(struct cast *cast, struct random *random)
{
	bool has_moved = false;

	for (size_t i = 0; i < cast->n; i++)
		has_moved = move(cast, &cast->parties[i], random) || has_moved;
	return has_moved;
}
