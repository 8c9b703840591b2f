/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * WATCH, UNWATCH and RESET_WATCHES: docs/misc/xenstore.txt, "Watches".
 */
#include <stdint.h>
#include <utlist.h>

#include "request/client_transactions.h"
#include "request/limits.h"
#include "request/request.h"
#include "store/watch_record.h"
#include "wire/ring_page.h"

/* The path of WATCH and UNWATCH; *hidden: what a relative path was completed with. */
static int watch_path(struct request *request, struct path *path, size_t *hidden)
{
	size_t len;
	const char *given = reader_string(&request->arguments, &len);

	if (!given)
		return STATUS_EINVAL;
	int result = request_path_of(request, given, len, true, path);
	if (!result)
		*hidden = path_is_relative(given, len) ? path->len - len : 0;
	return result;
}

static int record_watch(struct request *request, const struct watch *watch)
{
	const struct client *client = request->client;
	const struct watch_record record = {
	    .connection = client->id,
	    .serial = watch->serial,
	    .domid = client->domain->caller.domid,
	    .hidden = (uint16_t)watch->hidden,
	    .depth = watch->depth,
	    .path = watch->path,
	    .path_len = watch->path_len,
	    .token = watch->token,
	    .token_len = watch->token_len,
	};

	return watch_record_put(request->turn->store, &record);
}

/* path, token, and a depth if there is to be one. */
static int watch_arguments(struct request *request, struct watch_description *out)
{
	uint64_t depth;
	int result = watch_path(request, &out->path, &out->hidden);

	if (result)
		return result;
	out->token = reader_string(&request->arguments, &out->token_len);
	out->depth = -1;
	out->serial = 0;
	if (!out->token)
		return STATUS_EINVAL;
	if (!reader_left(&request->arguments))
		return 0;
	if (!(request->client->domain->features & RING_FEATURE_WATCH_DEPTH) || request_number(request, INT32_MAX, &depth) ||
	    request_end(request))
		return STATUS_EINVAL;
	out->depth = (int)depth;
	return 0;
}

int operation_watch(struct request *request, struct reply *reply)
{
	const struct client *client = request->client;
	struct domain *domain = client->domain;
	const struct watch_limits limits = {domain_limit(domain, QUOTA_WATCHES), domain_limit(domain, QUOTA_MEMORY)};
	struct watch_description description;
	struct watch *watch;
	int result = watch_arguments(request, &description);

	if (!result)
		result = watch_add(client->watches, &description, &limits, &watch);
	if (result == STATUS_ENOSPC || result == STATUS_ENOMEM)
		limit_reached(request->turn, domain, result == STATUS_ENOSPC ? QUOTA_WATCHES : QUOTA_MEMORY);
	if (!result)
		result = turn_set_watch(request->turn, watch);
	if (!result)
		result = record_watch(request, watch);
	if (!result)
		reply->watch = watch;
	return result;
}

int operation_unwatch(struct request *request, struct reply *reply)
{
	struct turn *turn = request->turn;
	size_t hidden, token_len;
	struct path path;
	struct watch *watch;
	int result = watch_path(request, &path, &hidden);

	(void)reply;
	if (result)
		return result;
	const char *token = reader_string(&request->arguments, &token_len);
	if (!token || request_end(request))
		return STATUS_EINVAL;
	result = watch_find(request->client->watches, &path, token, token_len, &watch);
	if (!result)
		result = turn_remove_watch(turn, watch);
	return result ? result : watch_record_remove(turn->store, request->client->id, watch->serial);
}

static int remove_watches(struct turn *turn, struct client *client)
{
	struct watch *watch;
	size_t n = client->watches->count;
	uint64_t first = 0;
	int fault = 0;

	DL_FOREACH (client->watches->watches, watch) {
		if (fault || watch->taken_out)
			continue;
		if (!first)
			first = watch->serial;
		fault = turn_remove_watch(turn, watch);
	}
	return fault || !n ? fault : watch_record_remove_some(turn->store, client->id, first, UINT64_MAX, n);
}

int operation_reset_watches(struct request *request, struct reply *reply)
{
	struct client *client = request->client;
	struct transaction *transaction;
	int fault = remove_watches(request->turn, client);

	(void)reply;
	DL_FOREACH2 (client->transactions, transaction, owner_next) {
		if (!fault && !transaction->ended)
			fault = client_end_transaction(request->turn, transaction, request->end);
	}
	return fault;
}
