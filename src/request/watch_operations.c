/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * WATCH, UNWATCH and RESET_WATCHES: docs/misc/xenstore.txt, "Watches".
 */
#include <stdint.h>

#include "request/request.h"
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

int operation_watch(struct request *request, struct reply *reply)
{
	struct client *client = request->client;
	uint64_t depth;
	size_t hidden, token_len;
	struct path path;
	struct watch *watch;
	int result = watch_path(request, &path, &hidden);

	if (result)
		return result;
	const char *token = reader_string(&request->arguments, &token_len);
	if (!token)
		return STATUS_EINVAL;
	bool has_depth = reader_left(&request->arguments);
	if (has_depth && (!(client->domain->features & RING_FEATURE_WATCH_DEPTH) || request_number(request, INT32_MAX, &depth) ||
			  request_end(request)))
		return STATUS_EINVAL;
	if (!client->domain->caller.privileged && client->watches.count >= quota_limit(&client->domain->quotas, QUOTA_WATCHES))
		return STATUS_ENOSPC;
	result = watch_add(request->turn->watches, &client->watches, &path, hidden, token, token_len, has_depth ? (int)depth : -1,
			   &watch);
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
	result = watch_find(turn->watches, &request->client->watches, &path, token, token_len, &watch);
	if (!result)
		watch_remove(turn->watches, watch);
	return result;
}

int operation_reset_watches(struct request *request, struct reply *reply)
{
	(void)reply;
	watch_owner_clear(request->turn->watches, &request->client->watches);
	client_forget_transactions(request->client);
	return 0;
}
