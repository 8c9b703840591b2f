/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What `xenstore-control live-update` says, and what it is told, in the words of C xenstored. A session begins with "-f" and
 * belongs to the client that has said so. After "-s" the client waits: its request is not answered, so it is the ledger's, and
 * whichever daemon serves in the end finds it there, runs it again, and knows by its place that it is the one.
 */
#include "request/live_update.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "request/client.h"
#include "request/turn.h"

static const uint32_t default_seconds = 60;

static void end(struct live_update *update)
{
	free(update->order.program);
	free(update->order.arguments);
	update->order = (struct update_order){0};
	update->phase = LIVE_UPDATE_NONE;
	update->waiting = NULL;
}

void live_update_deinit(struct live_update *update)
{
	end(update);
}

static int set_string(char **out, const char *text)
{
	char *copy = strdup(text);

	if (!copy)
		return -ENOMEM;
	free(*out);
	*out = copy;
	return 0;
}

static bool is_of(const struct live_update *update, const struct client *client)
{
	return update->client_id == client->id;
}

/* "-f program" */
static int name_program(struct live_update *update, const struct client *client, const char *program, struct buffer *answer)
{
	char why[LIVE_UPDATE_TEXT];

	if (update->phase == LIVE_UPDATE_ASKED || update->phase == LIVE_UPDATE_UNDER_WAY) {
		buffer_add_string(answer, "live-update session already active.");
		return 0;
	}
	if (!update->updater->examine(update->updater->context, program, why)) {
		buffer_add_string(answer, why);
		return 0;
	}
	end(update);
	int error = set_string(&update->order.program, program);
	if (error)
		return error;
	update->phase = LIVE_UPDATE_ASKED;
	update->client_id = client->id;
	return 0;
}

/* "-c arguments" */
static int set_arguments(struct live_update *update, const struct client *client, const char *arguments, struct buffer *answer)
{
	if (update->phase == LIVE_UPDATE_ASKED && is_of(update, client))
		return set_string(&update->order.arguments, arguments);
	buffer_add_string(answer, "Not in live-update session.");
	return 0;
}

/* "-a" */
static void cancel(struct turn *turn, struct buffer *answer)
{
	struct live_update *update = &turn->update;

	if (update->phase == LIVE_UPDATE_ASKED)
		end(update);
	else if (update->phase != LIVE_UPDATE_UNDER_WAY)
		buffer_add_string(answer, "No live-update session active.");
	else if (update->updater->cancel(update->updater->context))
		live_update_answer(turn, "Cancellation was requested");
	else
		buffer_add_string(answer, "The new program has taken over already.");
}

static bool parse_options(struct live_update *update, const char *const arguments[], size_t n)
{
	update->order.seconds = 0;
	update->order.force = false;
	for (size_t i = 1; i < n; i++) {
		if (!strcmp(arguments[i], "-F"))
			update->order.force = true;
		else if (!strcmp(arguments[i], "-t") && i + 1 < n)
			update->order.seconds = (uint32_t)strtoul(arguments[++i], NULL, 10);
		else
			return false;
	}
	if (!update->order.seconds)
		update->order.seconds = default_seconds;
	return true;
}

/* "-s", for the first time or again */
static int start(struct live_update *update, struct client *client, const char *const arguments[], size_t n,
		 struct buffer *answer, bool *waits)
{
	bool is_known = update->phase >= LIVE_UPDATE_UNDER_WAY && is_of(update, client) && update->at == client->ledger.ran;

	if (is_known && update->phase == LIVE_UPDATE_OVER) {
		buffer_add_string(answer, update->answer);
		end(update);
		return 0;
	}
	if (!is_known && update->is_polled && update->phase != LIVE_UPDATE_ASKED) {
		update->is_polled = false;
		return 0;
	}
	if (!is_known) {
		if (update->phase != LIVE_UPDATE_ASKED || !is_of(update, client)) {
			buffer_add_string(answer, "Not in live-update session.");
			return 0;
		}
		if (!parse_options(update, arguments, n))
			return STATUS_EINVAL;
		update->at = client->ledger.ran;
		if (!update->updater->start(update->updater->context, &update->order, update->answer)) {
			buffer_add_string(answer, update->answer);
			end(update);
			return 0;
		}
		update->phase = LIVE_UPDATE_UNDER_WAY;
	}
	update->waiting = client;
	*waits = true;
	return 0;
}

int live_update_command(struct turn *turn, struct client *client, const char *const arguments[], size_t n, struct buffer *answer,
			bool *waits)
{
	struct live_update *update = &turn->update;

	if (!n)
		return STATUS_EINVAL;
	if (!update->updater)
		return STATUS_ENOSYS;
	if (!strcmp(arguments[0], "-s"))
		return start(update, client, arguments, n, answer, waits);
	if (!strcmp(arguments[0], "-f") && n == 2)
		return name_program(update, client, arguments[1], answer);
	if (!strcmp(arguments[0], "-c") && n == 2)
		return set_arguments(update, client, arguments[1], answer);
	if (strcmp(arguments[0], "-a") != 0 || n != 1)
		return STATUS_EINVAL;
	cancel(turn, answer);
	return 0;
}

void live_update_resume(struct live_update *update, uint64_t client_id, uint64_t at)
{
	update->phase = LIVE_UPDATE_UNDER_WAY;
	update->client_id = client_id;
	update->at = at;
}

void live_update_expect_poll(struct live_update *update)
{
	update->is_polled = true;
}

void live_update_answer(struct turn *turn, const char *text)
{
	struct live_update *update = &turn->update;

	if (update->phase != LIVE_UPDATE_UNDER_WAY)
		return;
	update->phase = LIVE_UPDATE_OVER;
	snprintf(update->answer, sizeof(update->answer), "%s", text);
	if (update->waiting)
		turn_resume(turn, update->waiting);
	update->waiting = NULL;
}

void live_update_forget(struct live_update *update, const struct client *client)
{
	if (update->waiting == client)
		update->waiting = NULL;
	if (update->phase == LIVE_UPDATE_ASKED && is_of(update, client))
		end(update);
}
