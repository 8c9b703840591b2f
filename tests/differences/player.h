/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

#include "differences/session.h"

/*
 * Plays scripts on a daemon as a client would that wants to get its work done: a transaction whose end is answered EAGAIN is
 * run again, START, the same requests, END, with nothing in between. So daemons with different rules of conflict come to the
 * same state, and what the transaction was told in the end can be compared.
 */
struct player;

/* What became of a transaction and what it was told, the last time it was run. */
struct tale {
	unsigned client;
	char name[SCRIPT_NAME];
	const struct script_step *start;
	bool committed; /* in the end */
	bool told;	/* its end has caused events */
	unsigned again; /* how often its end was answered EAGAIN */
	struct tale_step *steps;
	size_t n;
	struct tale *next;
};

struct tale_step {
	const struct script_step *step;
	struct record record;
};

int player_open(enum sim_daemon which, char *const options[], struct player **out); /* as session_open */
void player_close(struct player *player);					    /* accepts NULL */
struct session *player_session(struct player *player);

/*
 * Takes a step; the second function waits for the end. What a transaction is told goes to its tale, and *out is empty then.
 * *ended: the tales that this step has ended, however that was; for the caller to free, with tales_free.
 */
void player_begin(struct player *player, const struct script_step *step);
void player_finish(struct player *player, struct record *out, struct tale **ended);

/* All transactions that are still open, as if they had been given up. */
struct tale *player_end(struct player *player);

void tales_free(struct tale *tales);

/* Does this step ask something inside an open transaction? */
bool player_is_inside(const struct player *player, const struct script_step *step);
