/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"

struct client;
struct turn;

enum { LIVE_UPDATE_TEXT = 1024 };

/* What an operator has asked for: `xenstore-control live-update`. */
struct update_order {
	char *program;	  /* path */
	char *arguments;  /* words separated by blanks; NULL: those with which this daemon was started */
	uint32_t seconds; /* that it may take until the new program is ready */
	bool force;
};

/* Who can do it; it lies beyond the requests. */
struct updater {
	void *context;

	/* Whether the program is one that could serve. False, and `why` says why not. */
	bool (*examine)(void *context, const char *program, char why[LIVE_UPDATE_TEXT]);

	/*
	 * Begins; live_update_answer is called when it has failed. Else this process ends, and the next one answers. False: it
	 * has failed already, `why` says why.
	 */
	bool (*start)(void *context, const struct update_order *order, char why[LIVE_UPDATE_TEXT]);

	/* False: it is too late. Else all is as before. */
	bool (*cancel)(void *context);
};

/*
 * The command comes in pieces, from one client: "-f program", "-c arguments", "-s". The last one is answered when all is done: it
 * stays in the ledger as input that is not answered, its client waits, and it is run again once the answer is known.
 */
enum live_update_phase {
	LIVE_UPDATE_NONE,
	LIVE_UPDATE_ASKED,     /* "-f" was said */
	LIVE_UPDATE_UNDER_WAY, /* "-s" was said */
	LIVE_UPDATE_OVER       /* the answer is known */
};

struct live_update {
	const struct updater *updater; /* NULL: nobody can */
	enum live_update_phase phase;
	uint64_t client_id; /* who has asked */
	uint64_t at;	    /* offset of the "-s" in its input */
	struct client *waiting;
	struct update_order order;
	bool is_polled; /* the next "-s" asks whether this daemon is there */
	char answer[LIVE_UPDATE_TEXT];
};

/* Zeroed before; `updater` is kept. */
void live_update_deinit(struct live_update *update);

/* The command with its arguments. *waits: no answer yet. STATUS_EINVAL, -ENOMEM. */
int live_update_command(struct turn *turn, struct client *client, const char *const arguments[], size_t n, struct buffer *answer,
			bool *waits);

/* An update that a daemon before this one has begun: the request at this offset of the client's input is to be answered. */
void live_update_resume(struct live_update *update, uint64_t client_id, uint64_t at);

/*
 * This daemon has taken over from one that answers "-s" at once with BUSY, so that its operator asks again (oxenstored): the next
 * "-s" without a session is answered "OK".
 */
void live_update_expect_poll(struct live_update *update);

/* The answer: "OK", or why there was no update. */
void live_update_answer(struct turn *turn, const char *text);

/* The client is gone. */
void live_update_forget(struct live_update *update, const struct client *client);
