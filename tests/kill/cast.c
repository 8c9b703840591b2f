/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a party is to be told because of one party comes in one order, known beforehand; because of two parties, in any order. So
 * there is a queue for each pair, and what comes must be the head of one of them.
 */
#include "kill/cast.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void cast_note_wrong(struct cast *cast, const char *format, ...)
{
	va_list arguments;

	if (*cast->wrong)
		return;
	va_start(arguments, format);
	vsnprintf(cast->wrong, sizeof(cast->wrong), format, arguments);
	va_end(arguments);
}

struct party *cast_find(struct cast *cast, const char *name)
{
	for (size_t i = 0; i < cast->n; i++)
		if (!strcmp(cast->parties[i].name, name))
			return &cast->parties[i];
	abort();
}

static void free_asked(struct party *party)
{
	for (unsigned i = 0; i < party->n_asked; i++) {
		free(party->asked[i].payload);
		free(party->asked[i].answer);
		nodes_free(&party->asked[i].after);
	}
	party->n_asked = 0;
}

static void free_told(struct told_queue *queue)
{
	for (size_t i = 0; i < queue->n; i++)
		free(queue->all[i].payload);
	queue->begin = queue->n = 0;
}

void cast_deinit(struct cast *cast)
{
	for (size_t i = 0; i < cast->n; i++) {
		struct party *party = &cast->parties[i];
		free_asked(party);
		free(party->asked);
		nodes_free(&party->before);
		if (party->fd >= 0)
			close(party->fd);
		for (size_t k = 0; k < cast->n; k++) {
			free_told(&cast->told[i][k]);
			free(cast->told[i][k].all);
		}
	}
	nodes_free(&cast->tree);
	nodes_free(&cast->file);
	*cast = (struct cast){0};
}

static struct party *add(struct cast *cast, const char *name, const char *const places[])
{
	if (cast->n == CAST_MAX)
		abort();
	struct party *party = &cast->parties[cast->n++];
	*party = (struct party){.name = name, .fd = -1, .next = 1};
	while (places[party->n_places]) {
		party->places[party->n_places] = places[party->n_places];
		party->n_places++;
	}
	return party;
}

struct party *cast_add_guest(struct cast *cast, const char *name, uint16_t domid, bool is_there, const char *const places[])
{
	struct party *party = add(cast, name, places);

	party->domid = domid;
	party->is_ring = true;
	party->is_there = is_there;
	if (guest_attach(cast->sim, domid, &party->guest))
		abort();
	return party;
}

struct party *cast_add_socket(struct cast *cast, const char *name, const char *const places[])
{
	struct party *party = add(cast, name, places);

	party->is_lost = true;
	return party;
}

void cast_set_deaf(struct party *party, bool is_deaf)
{
	party->is_deaf = is_deaf;
	party->sleeps = false;
}

void cast_begin_anew(struct cast *cast)
{
	for (size_t i = 0; i < cast->n; i++) {
		struct party *party = &cast->parties[i];
		free_asked(party);
		party->next = 1;
		party->answered = party->done = 0;
		nodes_free(&party->before);
		nodes_copy(&cast->tree, party->places, party->n_places, &party->before);
		for (size_t k = 0; k < cast->n; k++)
			free_told(&cast->told[i][k]);
	}
	for (size_t i = 0; i < cast->tree.n; i++)
		cast->tree.all[i].by = 0;
	for (size_t i = 0; i < cast->n_watches; i++)
		cast->watches[i].set_by = 0;
}

/* ---- what comes ---- */

static bool was_sent(const struct party *party, unsigned number)
{
	const struct asked *asked = &party->asked[number - 1];

	return asked->end && asked->end <= party->put;
}

/* One of several equal events may stand for those that were not taken when the later changes were made. */
static void cover_equal(struct cast *cast, struct told_queue *queue, const struct party *source)
{
	const struct told *taken = &queue->all[queue->begin];

	for (size_t i = queue->begin + 1; i < queue->n; i++) {
		struct told *later = &queue->all[i];
		if (later->is_answer || later->is_covered || later->len != taken->len ||
		    memcmp(later->payload, taken->payload, taken->len) != 0 || !was_sent(source, later->number))
			continue;
		later->is_covered = true;
		cast->merged++;
	}
}

static struct told *head_of(struct told_queue *queue)
{
	return queue->begin < queue->n ? &queue->all[queue->begin] : NULL;
}

static void take_head(struct told_queue *queue)
{
	queue->all[queue->begin++].is_taken = true;
}

static void receive_event(struct cast *cast, struct party *party, const char *payload, size_t len)
{
	size_t receiver = (size_t)(party - cast->parties);

	cast->events++;
	for (size_t source = 0; source < cast->n; source++) {
		struct told_queue *queue = &cast->told[receiver][source];
		size_t begin = queue->begin;
		struct told *head;
		while ((head = head_of(queue))) {
			if (!head->is_answer && head->len == len && !memcmp(head->payload, payload, len)) {
				cover_equal(cast, queue, &cast->parties[source]);
				take_head(queue);
				return;
			}
			if (!head->is_covered)
				break;
			queue->begin++;
		}
		queue->begin = begin;
	}
	if (party->prelude_events && len) { /* of a watch that was set again */
		party->prelude_events--;
		return;
	}
	cast_note_wrong(cast, "%s was told of %s (%s), which was not to come now", party->name, payload,
			payload + strlen(payload) + 1);
}

/* ---- answers ---- */

static bool is_answer(const struct asked *asked, const struct message_header *header, const char *payload)
{
	return header->type == asked->type && header->len == asked->answer_len &&
	       !memcmp(payload, asked->answer, asked->answer_len);
}

static void note_wrong_answer(struct cast *cast, const struct party *party, const struct asked *asked,
			      const struct message_header *header, const char *payload)
{
	cast_note_wrong(cast, "%s: request %u, %s %s: answered %s %.60s instead of %.60s", party->name, party->answered + 1,
			message_type_name(asked->type), asked->payload,
			header->type == MESSAGE_ERROR ? "ERROR" : message_type_name(header->type), payload, asked->answer);
}

/* Everything of it is asked again. */
static void repeat_transaction(struct cast *cast, struct party *party, unsigned end)
{
	size_t source = (size_t)(party - cast->parties);

	for (size_t i = 0; i < cast->n; i++) {
		const struct told_queue *queue = &cast->told[i][source];
		for (size_t k = 0; k < queue->n; k++)
			if (queue->all[k].number == end && queue->all[k].is_taken)
				cast_note_wrong(cast, "%s was told of a transaction of %s that has failed", cast->parties[i].name,
						party->name);
	}
	party->next = party->asked[end - 1].first_of;
	party->answered = party->next - 1;
	cast->transactions_lost++;
}

/*
 * True: the answer was one of a transaction that needs no further looking at. An open one outlives the daemon, but what it has
 * observed does not, so its end may find that something else has changed meanwhile; then all of it is asked again.
 */
static bool receive_in_transaction(struct cast *cast, struct party *party, const struct asked *asked,
				   const struct message_header *header, const char *payload)
{
	bool is_lost =
	    asked->is_end && header->type == MESSAGE_ERROR && cast->deaths != party->deaths_before && !strcmp(payload, "EAGAIN");

	if (asked->type == MESSAGE_TRANSACTION_START) {
		party->transaction = header->type == asked->type ? (uint32_t)strtoul(payload, NULL, 10) : 0;
		if (!party->transaction)
			note_wrong_answer(cast, party, asked, header, payload);
	} else if (!asked->is_end && !is_answer(asked, header, payload)) {
		note_wrong_answer(cast, party, asked, header, payload);
	}
	if (!asked->is_end) {
		party->answered++;
		return true;
	}
	cast->transactions++;
	if (is_lost)
		repeat_transaction(cast, party, party->answered + 1);
	return is_lost;
}

static void receive_answer(struct cast *cast, struct party *party, const struct message_header *header, const char *payload)
{
	size_t self = (size_t)(party - cast->parties);
	struct told_queue *queue = &cast->told[self][self];
	struct asked *asked = &party->asked[party->answered];
	struct told *head;

	if (party->answered + 1 >= party->next || header->request_id != asked->id) {
		cast_note_wrong(cast, "%s: an answer to request id %u came, %u are answered: %.60s", party->name,
				header->request_id, party->answered, payload);
		return;
	}
	cast->requests++;
	bool may_differ = asked->is_control && cast->deaths != party->deaths_before && header->type == asked->type;
	if (asked->first_of && receive_in_transaction(cast, party, asked, header, payload))
		return;
	if (!is_answer(asked, header, payload) && !may_differ) {
		note_wrong_answer(cast, party, asked, header, payload);
		return;
	}
	while ((head = head_of(queue)) && head->is_covered)
		queue->begin++;
	if (!head || !head->is_answer || head->number != party->answered + 1) {
		cast_note_wrong(cast, "%s: request %u, %s %s: answered before it was told of %s", party->name,
				party->answered + 1, message_type_name(asked->type), asked->payload, head ? head->payload : "?");
		return;
	}
	take_head(queue);
	party->answered++;
}

void cast_receive(struct cast *cast, struct party *party, const struct message_header *header, const char *payload)
{
	if (header->type == MESSAGE_WATCH_EVENT) {
		receive_event(cast, party, payload, header->len);
	} else if (party->prelude) {
		party->prelude--;
		if (header->type != MESSAGE_WATCH)
			cast_note_wrong(cast, "%s: a watch cannot be set again: %s", party->name, payload);
	} else {
		receive_answer(cast, party, header, payload);
	}
}

/* ---- where all stands ---- */

bool cast_is_quiet(struct cast *cast)
{
	for (size_t i = 0; i < cast->n; i++) {
		const struct party *party = &cast->parties[i];
		if (party->is_deaf)
			continue;
		if (party->answered < party->n_asked || party->is_lost || party->prelude || party->prelude_events)
			return false;
		for (size_t k = 0; k < cast->n; k++) {
			const struct told_queue *queue = &cast->told[i][k];
			for (size_t at = queue->begin; at < queue->n; at++)
				if (!queue->all[at].is_covered)
					return false;
		}
	}
	return true;
}

void cast_tell(const struct cast *cast)
{
	for (size_t i = 0; i < cast->n; i++) {
		const struct party *party = &cast->parties[i];
		printf("# %s: %u requests, %u sent, %u answered, %zu bytes to be sent, %zu of a message have come\n", party->name,
		       party->n_asked, party->next - 1, party->answered, party->out_end - party->out_begin, party->in_len);
		for (size_t k = 0; k < cast->n; k++) {
			const struct told_queue *queue = &cast->told[i][k];
			for (size_t at = queue->begin; at < queue->n; at++)
				if (!queue->all[at].is_covered)
					printf("#   waits for %s of %s %u: %s\n",
					       queue->all[at].is_answer ? "the answer" : "an event", cast->parties[k].name,
					       queue->all[at].number, queue->all[at].payload);
		}
	}
}
