/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the file of a dead daemon says of each party: its part of the tree is what it is once one of its requests is done and the
 * next is not, and that request is neither before the last one whose answer has come nor behind the last one that was sent. Nodes
 * that were changed last before the death before have the generations that they had then: nothing was done again.
 */
#include "kill/cast.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static const struct nodes *state_after(const struct party *party, unsigned number)
{
	return number ? &party->asked[number - 1].after : &party->before;
}

static unsigned last_sent(const struct party *party)
{
	unsigned number = party->answered;

	while (number + 1 < party->next && party->asked[number].end && party->asked[number].end <= party->put)
		number++;
	return number;
}

static void note_difference(struct cast *cast, const struct party *party, unsigned last, const struct nodes *now)
{
	const char *path = nodes_difference(state_after(party, party->answered), now);
	const struct plain_node *must = nodes_find(state_after(party, party->answered), path);
	const struct plain_node *is = nodes_find(now, path);

	cast_note_wrong(
	    cast,
	    "the tree of %s is not what it is behind any of the requests from %u, the last that is answered, to %u: %s is %.40s "
	    "(%s), behind the first of these %.40s (%s)",
	    party->name, party->answered, last, path, is ? is->value : "not there", is ? is->permissions : "",
	    must ? must->value : "not there", must ? must->permissions : "");
}

static void compare_generations(struct cast *cast, const struct party *party, unsigned done, const struct nodes *now)
{
	const struct nodes *state = state_after(party, done);

	for (size_t i = 0; i < state->n; i++) {
		const char *path = state->all[i].path;
		const struct plain_node *old = nodes_find(&cast->file, path), *new = nodes_find(now, path);
		if (state->all[i].by > party->done || !new)
			continue;
		if (!old || memcmp(old->generations, new->generations, sizeof(old->generations)) != 0)
			cast_note_wrong(cast, "request %u of %s, which has changed %s, was done again", state->all[i].by,
					party->name, path);
	}
}

/* `must_be`: so many requests must be done; 0: as many as were. */
static void compare_party(struct cast *cast, struct party *party, const struct nodes *file, unsigned must_be)
{
	unsigned number = must_be ? must_be : party->answered > party->done ? party->answered : party->done;
	unsigned last = must_be ? must_be : last_sent(party);
	struct nodes now;

	if (last < number) /* it is to be asked again from further in front */
		last = number;
	nodes_copy(file, party->places, party->n_places, &now);
	while (number <= last && nodes_difference(state_after(party, number), &now))
		number++;
	if (number > last) {
		note_difference(cast, party, last, &now);
	} else {
		if (cast->has_file)
			compare_generations(cast, party, number, &now);
		party->done = number;
	}
	nodes_free(&now);
}

static void look_at_file(struct cast *cast, const char *store, bool is_over)
{
	char why[NODES_WHY_SIZE];
	struct nodes file;

	if (!nodes_read(store, &file, why)) {
		cast_note_wrong(cast, "%s", why);
		return;
	}
	for (size_t i = 0; i < cast->n; i++)
		if (cast->parties[i].n_places)
			compare_party(cast, &cast->parties[i], &file, is_over ? cast->parties[i].n_asked : 0);
	nodes_free(&cast->file);
	cast->file = file;
	cast->has_file = true;
}

/* ---- sockets that nobody has held ---- */

/* What was sent before is still there. */
static void drain(struct cast *cast, struct party *party)
{
	struct random random = {0};

	party->out_end = party->out_begin; /* nothing is sent any more */
	while (!party->is_lost && !*cast->wrong)
		cast_move_in(cast, party, &random);
}

static void forget_told(struct told_queue *queue, unsigned up_to)
{
	for (size_t i = queue->begin; i < queue->n; i++)
		if (queue->all[i].number <= up_to)
			queue->all[i].is_covered = true;
}

/* What was not done is asked again, over another connection. */
static void lose(struct cast *cast, struct party *party)
{
	size_t self = (size_t)(party - cast->parties);
	unsigned done = party->done > party->answered ? party->done : party->answered;

	if (done < party->n_asked && party->asked[done].first_of && party->asked[done].first_of <= done)
		done = party->asked[done].first_of - 1;
	for (size_t i = 0; i < cast->n; i++)
		forget_told(&cast->told[self][i], i == self ? done : UINT32_MAX);
	for (unsigned i = done; i < party->n_asked; i++)
		party->asked[i].end = 0;
	party->next = done + 1;
	party->answered = done;
	party->put = 0;
	party->out_begin = party->out_end = party->in_len = 0;
	close(party->fd);
	party->fd = -1;
}

void cast_is_dead(struct cast *cast, const char *store)
{
	cast->deaths++;
	for (size_t i = 0; i < cast->n && !cast->held; i++)
		if (!cast->parties[i].is_ring)
			drain(cast, &cast->parties[i]);
	look_at_file(cast, store, false);
	for (size_t i = 0; i < cast->n && !cast->held && !*cast->wrong; i++)
		if (!cast->parties[i].is_ring && cast->parties[i].fd >= 0)
			lose(cast, &cast->parties[i]);
}

static void set_watches_again(struct cast *cast, struct party *party)
{
	unsigned done = party->answered;

	party->prelude = party->prelude_events = 0;
	for (size_t i = 0; i < cast->n_watches; i++) {
		const struct cast_watch *watch = &cast->watches[i];
		if (watch->party != party || watch->set_by > done || (watch->removed_by && watch->removed_by <= done))
			continue;
		char payload[128];
		int len = snprintf(payload, sizeof(payload), "%s%c%s", watch->path, 0, watch->token) + 1;
		struct message_header header = {MESSAGE_WATCH, ++party->last_id, 0, (uint32_t)len};
		message_write_header(party->out + party->out_end, &header);
		memcpy(party->out + party->out_end + MESSAGE_HEADER_SIZE, payload, (size_t)len);
		party->out_end += MESSAGE_HEADER_SIZE + (size_t)len;
		party->prelude++;
		party->prelude_events++;
	}
}

static void connect_again(struct cast *cast, struct party *party)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", cast->socket);
	party->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (party->fd < 0 || connect(party->fd, (const struct sockaddr *)&address, sizeof(address)))
		cast_note_wrong(cast, "%s: no connection: %s", party->name, strerror(errno));
	party->is_lost = false;
	party->is_there = true;
	set_watches_again(cast, party);
}

void cast_is_served(struct cast *cast)
{
	for (size_t i = 0; i < cast->n; i++)
		if (cast->parties[i].is_lost)
			connect_again(cast, &cast->parties[i]);
}

void cast_is_over(struct cast *cast, const char *store)
{
	look_at_file(cast, store, true);
}
