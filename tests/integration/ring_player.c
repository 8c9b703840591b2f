/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A queue of what was asked, by request id: the next answer is that of its head. What is asked for later depends on no answer,
 * but for transactions, of which one at a time is open: a daemon that was begun anew need not know it any more (ENOENT), and
 * then nothing of it may be there.
 */
#include "integration/ring_player.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	ASKED_MAX = 24,	 /* requests without an answer */
	NODES = 400,	 /* below "e"; no two events of one node are under way */
	BIG = 1900,	 /* bytes of a value: more than a ring */
	MOVED_MAX = 700, /* bytes at a time */
	OUT_SIZE = 64 * 1024
};

enum kind {
	KIND_WATCH_OWN,
	KIND_WATCH_OTHER,
	KIND_CHANGE,
	KIND_SET,
	KIND_REMOVE,
	KIND_WRITE,
	KIND_READ,
	KIND_START,
	KIND_IN,
	KIND_END,
	KIND_LOOK
};

struct asked {
	enum kind kind;
	uint32_t type, id, transaction;
	uint32_t number;
};

struct player {
	struct guest *guest;
	struct player *watched, *watcher;
	const char *wrong;
	char wrong_text[256];
	bool sleeps; /* until it is notified */

	unsigned char out[OUT_SIZE]; /* to be put */
	size_t out_begin, out_end;
	unsigned char in[MESSAGE_SIZE_MAX];
	size_t in_len;

	struct asked asked[ASKED_MAX + 4];
	size_t n_asked;
	uint32_t last_id;

	uint32_t changes, own_events, other_events; /* asked for; come */
	bool own_first, other_first;		    /* the first event of these watches has come */
	uint32_t sets, set_events;
	bool is_set;
	uint32_t written, big; /* the last one asked for */
	bool in_transaction;
	uint32_t in_number; /* what "t" is: certain outside of a transaction */
	uint32_t next_number;
	struct player_figures figures;
};

struct player *player_new(struct guest *guest)
{
	struct player *player = calloc(1, sizeof(*player));

	if (player)
		player->guest = guest;
	return player;
}

void player_watch(struct player *player, struct player *watched)
{
	player->watched = watched;
	watched->watcher = player;
}

void player_free(struct player *player)
{
	free(player);
}

const char *player_wrong(const struct player *player)
{
	return player->wrong;
}

struct player_figures player_figures(const struct player *player)
{
	return player->figures;
}

static void note_wrong(struct player *player, const char *what, const char *payload)
{
	if (player->wrong)
		return;
	snprintf(player->wrong_text, sizeof(player->wrong_text), "domain %u, request %u: %s: %.120s", guest_domid(player->guest),
		 player->n_asked ? player->asked[0].id : 0, what, payload);
	player->wrong = player->wrong_text;
}

/* ---- asking ---- */

/* `payload`: with '|' for each NUL. */
static void ask(struct player *player, enum kind kind, uint32_t type, uint32_t transaction, uint32_t number, char *payload,
		size_t len)
{
	struct message_header header = {type, ++player->last_id, transaction, (uint32_t)len};

	for (size_t i = 0; i < len; i++)
		payload[i] = payload[i] == '|' ? 0 : payload[i];
	message_write_header(player->out + player->out_end, &header);
	memcpy(player->out + player->out_end + MESSAGE_HEADER_SIZE, payload, len);
	player->out_end += MESSAGE_HEADER_SIZE + len;
	player->asked[player->n_asked++] = (struct asked){kind, type, header.request_id, transaction, number};
	player->figures.requests++;
	player->sleeps = false;
}

static void ask_text(struct player *player, enum kind kind, uint32_t type, uint32_t transaction, uint32_t number,
		     const char *text)
{
	char payload[128];

	snprintf(payload, sizeof(payload), "%s", text);
	ask(player, kind, type, transaction, number, payload, strlen(payload));
}

/* The value of this number: one that was put together of two shows. */
static void fill_big(char *value, uint32_t number)
{
	for (size_t i = 0; i < BIG; i++)
		value[i] = (char)('a' + (number + i / 16) % 26);
}

static void ask_to_write_big(struct player *player)
{
	static const char path[] = "big|";
	char payload[sizeof(path) + BIG];

	memcpy(payload, path, sizeof(path) - 1);
	fill_big(payload + sizeof(path) - 1, ++player->big);
	ask(player, KIND_WRITE, MESSAGE_WRITE, 0, player->big, payload, sizeof(path) - 1 + BIG);
}

static void ask_to_change(struct player *player)
{
	char payload[64];
	int len = snprintf(payload, sizeof(payload), "e/%u|%u", player->changes % NODES, player->changes);

	ask(player, KIND_CHANGE, MESSAGE_WRITE, 0, player->changes++, payload, (size_t)len);
}

static void ask_to_set(struct player *player)
{
	if (player->is_set)
		ask_text(player, KIND_REMOVE, MESSAGE_UNWATCH, 0, player->sets, "w|set|");
	else
		ask_text(player, KIND_SET, MESSAGE_WATCH, 0, ++player->sets, "w|set|");
	player->is_set = !player->is_set;
}

static bool may_change(const struct player *player)
{
	return player->changes - player->own_events < NODES / 2 &&
	       (!player->watcher ||
		(player->watcher->other_first && player->changes - player->watcher->other_events < NODES / 2));
}

static void ask_something(struct player *player, struct random *random)
{
	switch (random_below(random, 8)) {
	case 0:
		ask_to_write_big(player);
		break;
	case 1:
		if (player->big)
			ask_text(player, KIND_READ, MESSAGE_READ, 0, player->big, "big|");
		break;
	case 2:
	case 3:
		ask_to_set(player);
		break;
	case 4:
		if (!player->in_transaction)
			ask_text(player, KIND_START, MESSAGE_TRANSACTION_START, 0, 0, "|");
		player->in_transaction = true;
		break;
	case 5:
		if (!player->in_transaction)
			ask_text(player, KIND_LOOK, MESSAGE_READ, 0, player->in_number, "t|");
		break;
	default:
		if (may_change(player))
			ask_to_change(player);
	}
}

static void ask_first(struct player *player)
{
	char path[64];

	ask_text(player, KIND_WATCH_OWN, MESSAGE_WATCH, 0, 0, "e|own|");
	if (!player->watched)
		return;
	snprintf(path, sizeof(path), "/local/domain/%u/e|other|", guest_domid(player->watched->guest));
	ask_text(player, KIND_WATCH_OTHER, MESSAGE_WATCH, 0, 0, path);
}

void player_put_watch_and_part(struct player *player)
{
	size_t len;

	ask_to_set(player);
	ask_to_write_big(player);
	len = player->out_end - player->out_begin - BIG;
	player->out_begin += guest_put(player->guest, player->out + player->out_begin, len);
	guest_notify(player->guest);
}

/* ---- answers ---- */

static void take_transaction(struct player *player, const struct asked *asked, const char *payload, bool failed)
{
	bool is_lost = failed && !strcmp(payload, "ENOENT");

	if (asked->kind == KIND_START) {
		uint32_t transaction = (uint32_t)strtoul(payload, NULL, 10);
		char number[16];
		if (failed || !transaction) {
			note_wrong(player, "no transaction", payload);
			return;
		}
		snprintf(number, sizeof(number), "t|%u", ++player->next_number);
		ask_text(player, KIND_IN, MESSAGE_WRITE, transaction, player->next_number, number);
		ask_text(player, KIND_END, MESSAGE_TRANSACTION_END, transaction, player->next_number, "T|");
		return;
	}
	if (failed && !is_lost && strcmp(payload, "EAGAIN") != 0)
		note_wrong(player, "a transaction", payload);
	if (asked->kind == KIND_IN)
		return;
	player->figures.transactions++;
	player->figures.transactions_lost += is_lost;
	player->in_transaction = false;
	if (!failed)
		player->in_number = asked->number;
}

static void take_read(struct player *player, const struct asked *asked, const struct message_header *header, const char *payload)
{
	char value[BIG];

	fill_big(value, asked->number);
	if (header->len != BIG || memcmp(payload, value, BIG) != 0)
		note_wrong(player, "another value", payload);
}

static void take_look(struct player *player, const struct asked *asked, bool failed, const char *payload)
{
	if (asked->number ? failed || strtoul(payload, NULL, 10) != asked->number : !failed)
		note_wrong(player, "not what the last transaction wrote", payload);
}

static void take_answer(struct player *player, const struct message_header *header, const char *payload)
{
	struct asked asked = player->asked[0];
	bool failed = header->type == MESSAGE_ERROR;

	if (!player->n_asked || header->request_id != asked.id || header->transaction_id != asked.transaction ||
	    (!failed && header->type != asked.type)) {
		note_wrong(player, "an answer to something else", payload);
		return;
	}
	if (failed && asked.kind < KIND_START)
		note_wrong(player, "an error", payload);
	if (asked.kind == KIND_CHANGE && player->own_events != asked.number + 1)
		note_wrong(player, "its event has not come before the answer", payload);
	if (asked.kind == KIND_REMOVE && player->set_events != asked.number)
		note_wrong(player, "the watch has not had its first event", payload);
	if (asked.kind == KIND_READ)
		take_read(player, &asked, header, payload);
	memmove(player->asked, player->asked + 1, --player->n_asked * sizeof(asked));
	if (asked.kind == KIND_LOOK)
		take_look(player, &asked, failed, payload);
	else if (asked.kind >= KIND_START)
		take_transaction(player, &asked, payload, failed);
}

/* An event of a watch on an "e": the first, or of the node that is next. */
static void take_change(struct player *player, const char *path, const char *e, bool *first, uint32_t *events)
{
	char wanted[64];

	snprintf(wanted, sizeof(wanted), *first ? "%s/%u" : "%s", e, *events % NODES);
	if (strcmp(path, wanted) != 0)
		note_wrong(player, wanted, path);
	*events += *first;
	*first = true;
}

static void take_event(struct player *player, const char *payload, size_t len)
{
	size_t path_len = strnlen(payload, len);
	const char *token = path_len < len ? payload + path_len + 1 : "";
	char other[64] = "";

	player->figures.events++;
	if (player->watched)
		snprintf(other, sizeof(other), "/local/domain/%u/e", guest_domid(player->watched->guest));
	if (!strcmp(token, "own"))
		take_change(player, payload, "e", &player->own_first, &player->own_events);
	else if (!strcmp(token, "other"))
		take_change(player, payload, other, &player->other_first, &player->other_events);
	else if (!strcmp(token, "set") && !strcmp(payload, "w"))
		player->set_events++;
	else
		note_wrong(player, "an event", payload);
	if (player->own_events > player->changes || player->set_events > player->sets)
		note_wrong(player, "more events than there can be", payload);
}

static void take_message(struct player *player, const struct message_header *header)
{
	char payload[MESSAGE_PAYLOAD_MAX + 1];

	memcpy(payload, player->in + MESSAGE_HEADER_SIZE, header->len);
	payload[header->len] = 0;
	if (header->type == MESSAGE_WATCH_EVENT)
		take_event(player, payload, header->len);
	else
		take_answer(player, header, payload);
	player->in_len = 0;
}

/* ---- bytes ---- */

/* The next bytes of the message that is coming, `most` at most. False: there are none. */
static bool take(struct player *player, size_t most)
{
	struct message_header header;
	size_t wanted = MESSAGE_HEADER_SIZE;

	if (player->in_len >= MESSAGE_HEADER_SIZE) {
		memcpy(&header, player->in, sizeof(header));
		if (header.len > MESSAGE_PAYLOAD_MAX) {
			note_wrong(player, "bytes that are no message", "");
			return false;
		}
		wanted += header.len;
	}
	wanted -= player->in_len;
	size_t n = guest_take(player->guest, player->in + player->in_len, wanted < most ? wanted : most);
	player->in_len += n;
	if (player->in_len < MESSAGE_HEADER_SIZE)
		return n;
	memcpy(&header, player->in, sizeof(header));
	if (header.len <= MESSAGE_PAYLOAD_MAX && player->in_len == MESSAGE_HEADER_SIZE + header.len)
		take_message(player, &header);
	return n;
}

bool player_go_on(struct player *player, struct random *random, bool is_ending)
{
	struct guest_page *page = guest_page(player->guest);
	size_t put, len, taken = 0;

	if (!player->last_id)
		ask_first(player);
	if (!is_ending && player->n_asked < ASKED_MAX && player->out_end < OUT_SIZE / 2)
		ask_something(player, random);
	if (!guest_wait(player->guest, 0))
		player->sleeps = false;
	if (player->sleeps || player->wrong)
		return false;
	len = player->out_end - player->out_begin;
	if (len > MOVED_MAX)
		len = 1 + random_below(random, MOVED_MAX);
	put = guest_put(player->guest, player->out + player->out_begin, len);
	player->out_begin += put;
	if (player->out_begin == player->out_end)
		player->out_begin = player->out_end = 0;
	for (uint32_t rounds = 1 + random_below(random, 30); rounds && take(player, 1 + random_below(random, MOVED_MAX));
	     rounds--)
		taken++;
	if (put || taken)
		guest_notify(player->guest);
	if (atomic_load(&page->error))
		note_wrong(player, "the page has an error", "");
	player->sleeps = !put && !taken;
	return put || taken;
}

bool player_is_done(const struct player *player)
{
	return !player->n_asked && player->own_events == player->changes && player->set_events == player->sets &&
	       (!player->watched || player->other_events == player->watched->changes);
}

void player_tell(const struct player *player)
{
	const struct guest_page *page = guest_page(player->guest);

	printf("# domain %u: %zu requests without answer from %u on, %zu bytes to be put, events %u of %u, of the other's %u, of "
	       "sets "
	       "%u of %u; in the ring %u and %u; %zu bytes of a message; %s\n",
	       guest_domid(player->guest), player->n_asked, player->n_asked ? player->asked[0].id : 0,
	       player->out_end - player->out_begin, player->own_events, player->changes, player->other_events, player->set_events,
	       player->sets, page->req_prod - page->req_cons, page->rsp_prod - page->rsp_cons, player->in_len,
	       player->sleeps ? "sleeps" : "is awake");
}
