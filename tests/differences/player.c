/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The tale of an open transaction is kept from its START on. It ends with END, or when the session has forgotten the
 * transaction's number because the connection is gone, or with RESET_WATCHES.
 */
#include "differences/player.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "wire/message.h"

enum { AGAIN_MAX = 3 };

struct player {
	struct session *session;
	struct tale *open;
	const struct script_step *step; /* begun */
};

int player_open(enum sim_daemon which, char *const options[], struct player **out)
{
	struct player *player = calloc(1, sizeof(*player));

	if (!player)
		abort();
	int error = session_open(which, options, &player->session);
	if (error)
		player_close(player);
	else
		*out = player;
	return error;
}

void player_close(struct player *player)
{
	if (!player)
		return;
	tales_free(player->open);
	session_close(player->session);
	free(player);
}

struct session *player_session(struct player *player)
{
	return player->session;
}

/* ---- tales ---- */

void tales_free(struct tale *tales)
{
	struct tale *tale, *next;

	LL_FOREACH_SAFE (tales, tale, next) {
		for (size_t i = 0; i < tale->n; i++)
			record_clear(&tale->steps[i].record);
		free(tale->steps);
		free(tale);
	}
}

static struct tale *find_tale(const struct player *player, unsigned client, const char *name)
{
	struct tale *tale;

	LL_FOREACH (player->open, tale) {
		if (tale->client == client && !strcmp(tale->name, name))
			return tale;
	}
	return NULL;
}

static void begin_tale(struct player *player, const struct script_step *start)
{
	struct tale *tale = calloc(1, sizeof(*tale));

	if (!tale)
		abort();
	tale->client = start->client;
	strcpy(tale->name, start->starts);
	tale->start = start;
	LL_APPEND(player->open, tale);
}

static void end_tale(struct player *player, struct tale *tale, struct tale **ended)
{
	LL_DELETE(player->open, tale);
	tale->next = NULL;
	LL_APPEND(*ended, tale);
}

static struct tale_step *add_tale_step(struct tale *tale, const struct script_step *step)
{
	tale->steps = realloc(tale->steps, (tale->n + 1) * sizeof(*tale->steps));
	if (!tale->steps)
		abort();
	tale->steps[tale->n] = (struct tale_step){.step = step};
	return &tale->steps[tale->n++];
}

struct tale *player_end(struct player *player)
{
	struct tale *ended = player->open;

	player->open = NULL;
	return ended;
}

/* ---- steps ---- */

/* Other requests do the same with a transaction's number as without. */
static bool works_in_transactions(uint32_t type)
{
	return type == MESSAGE_DIRECTORY || type == MESSAGE_DIRECTORY_PART || type == MESSAGE_READ || type == MESSAGE_GET_PERMS ||
	       type == MESSAGE_WRITE || type == MESSAGE_MKDIR || type == MESSAGE_RM || type == MESSAGE_SET_PERMS;
}

bool player_is_inside(const struct player *player, const struct script_step *step)
{
	return step->verb == SCRIPT_ASK && *step->transaction && works_in_transactions(step->type) &&
	       find_tale(player, step->client, step->transaction);
}

/* The answer to the client that asked: "ERROR EAGAIN\0" */
static bool is_answered(const struct record *record, const struct script_step *step, const char *answer)
{
	char name[SCRIPT_NAME], line[64];

	script_client_name(step->client, name);
	snprintf(line, sizeof(line), "%s %s", name, answer);
	return record_find(record, 0, line) < record->n;
}

static void play(struct player *player, const struct script_step *step, struct record *out)
{
	session_begin(player->session, step);
	session_finish(player->session, out);
}

/* True: it got EAGAIN again. */
static bool run_again(struct player *player, struct tale *tale, const struct script_step *end, struct record *out)
{
	struct record answer = {0};

	play(player, tale->start, &answer);
	record_clear(&answer);
	for (size_t i = 0; i < tale->n && !session_is_over(player->session); i++) {
		record_clear(&tale->steps[i].record);
		play(player, tale->steps[i].step, &tale->steps[i].record);
	}
	play(player, end, &answer);
	for (size_t i = 0; i < answer.n; i++)
		record_insert(out, out->n, answer.lines[i]);
	bool again = is_answered(&answer, end, "ERROR EAGAIN\\0");
	record_clear(&answer);
	tale->again++;
	return again;
}

/* A bad END leaves the transaction open, and so does one that names another. */
static bool has_ended(const struct record *record, const struct script_step *step)
{
	return !is_answered(record, step, "ERROR EINVAL\\0") && !is_answered(record, step, "ERROR ENOENT\\0");
}

static void finish_end(struct player *player, const struct script_step *step, struct record *out, struct tale **ended)
{
	struct tale *tale = find_tale(player, step->client, step->transaction);

	if (!tale || !has_ended(out, step))
		return;
	for (bool again = is_answered(out, step, "ERROR EAGAIN\\0"); again && tale->again < AGAIN_MAX;)
		again = run_again(player, tale, step, out) && !session_is_over(player->session);
	tale->committed = *step->payload == 'T' && is_answered(out, step, "TRANSACTION_END OK\\0");
	for (size_t i = 0; i < out->n; i++)
		tale->told |= strstr(out->lines[i], " WATCH_EVENT ") != NULL;
	session_forget_transaction(player->session, tale->client, tale->name);
	end_tale(player, tale, ended);
}

/* Of clients whose connection is gone. */
static void end_forgotten(struct player *player, struct tale **ended)
{
	struct tale *tale, *next;

	LL_FOREACH_SAFE (player->open, tale, next) {
		if (!session_knows_transaction(player->session, tale->client, tale->name))
			end_tale(player, tale, ended);
	}
}

static void forget_all_of(struct player *player, unsigned client)
{
	struct tale *tale;

	LL_FOREACH (player->open, tale) {
		if (tale->client == client)
			session_forget_transaction(player->session, client, tale->name);
	}
}

void player_begin(struct player *player, const struct script_step *step)
{
	player->step = step;
	session_begin(player->session, step);
}

void player_finish(struct player *player, struct record *out, struct tale **ended)
{
	const struct script_step *step = player->step;
	bool asks = step->verb == SCRIPT_ASK;

	*ended = NULL;
	struct tale *tale = player_is_inside(player, step) ? find_tale(player, step->client, step->transaction) : NULL;
	if (tale) {
		session_finish(player->session, &add_tale_step(tale, step)->record);
		end_forgotten(player, ended);
		return;
	}
	session_finish(player->session, out);
	if (asks && step->type == MESSAGE_TRANSACTION_END)
		finish_end(player, step, out, ended);
	if (asks && step->type == MESSAGE_RESET_WATCHES && is_answered(out, step, "RESET_WATCHES OK\\0"))
		forget_all_of(player, step->client);
	end_forgotten(player, ended);
	if (asks && *step->starts && session_knows_transaction(player->session, step->client, step->starts) &&
	    !find_tale(player, step->client, step->starts))
		begin_tale(player, step);
}
