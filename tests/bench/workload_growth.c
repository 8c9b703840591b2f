/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Operations whose cost could grow with what others have: children of a directory, nodes of a subtree, watches. All nodes
 * are made below /bench, beside the tree, and are gone when the workload ends.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "bench/workload.h"
#include "wire/message.h"

enum {
	WIDE_CHILDREN = 100000,
	BATCH = 64,
	TREE_DIRECTORIES = 9, /* with as many keys each, and the top: 1,000 nodes */
	TREE_KEYS = 110,
	CREATED_MAX = 2000,
	WATCHED_MAX = 1000,
	NAME_MAX_SIZE = 64
};

/* Requests that are collected and sent so many at a time, each awaited with its event where `events` says so. */
struct stream {
	struct link *link;
	struct buffer requests;
	size_t count;
	bool events;
	int error;
};

static void stream_init(struct stream *stream, struct link *link, bool events)
{
	memset(stream, 0, sizeof(*stream));
	stream->link = link;
	stream->events = events;
	buffer_init(&stream->requests);
}

static void stream_flush(struct stream *stream)
{
	if (!stream->error && stream->count > 0)
		stream->error = link_exchange(stream->link, &stream->requests, stream->count, stream->events);
	buffer_clear(&stream->requests);
	stream->count = 0;
}

static void stream_step(struct stream *stream)
{
	if (++stream->count == BATCH)
		stream_flush(stream);
}

static int stream_end(struct stream *stream)
{
	stream_flush(stream);
	buffer_deinit(&stream->requests);
	return stream->error;
}

static int make_wide(struct link *link)
{
	char path[NAME_MAX_SIZE];
	struct stream stream;

	stream_init(&stream, link, false);
	for (unsigned i = 0; i < WIDE_CHILDREN && !stream.error; i++) {
		snprintf(path, sizeof(path), "/bench/wide/child-%06u", i);
		load_add_write(&stream.requests, path, "value of a child");
		stream_step(&stream);
	}
	return stream_end(&stream);
}

int growth_open_wide(struct site *site)
{
	char path[NAME_MAX_SIZE];
	int error = link_open(site->server->socket, &site->link[0]);

	load_init(&site->writes);
	load_init(&site->extra);
	for (unsigned i = 0; i < CREATED_MAX; i++) {
		snprintf(path, sizeof(path), "/bench/wide/new-%06u", i);
		load_add_write(&site->writes.bytes, path, "value of a child");
		load_mark(&site->writes);
		load_add_path(&site->extra.bytes, MESSAGE_RM, path);
		load_mark(&site->extra);
	}
	if (site->writes.failed || site->extra.failed)
		return -ENOMEM;
	return error ? error : make_wide(site->link[0]);
}

void growth_clear(struct site *site)
{
	if (site->link[0])
		link_call(site->link[0], MESSAGE_RM, 0, "/bench", sizeof("/bench"));
}

int growth_run_create(struct site *site, size_t operations)
{
	const char *request;
	size_t len;
	int error = 0;

	for (size_t i = 0; i < operations && !error; i++) {
		request = load_take(&site->writes, 1, &len);
		error = link_write(site->link[0], request, len);
		if (!error)
			error = link_await(site->link[0], 1, 0);
	}
	return error;
}

int growth_remove_created(struct site *site, size_t operations)
{
	int error = 0;

	site->writes.next = 0;
	site->extra.next = 0;
	for (size_t done = 0; done < operations && !error;) {
		size_t len, count = operations - done < BATCH ? operations - done : BATCH;
		const char *requests = load_take(&site->extra, count, &len);

		error = link_write(site->link[0], requests, len);
		if (!error)
			error = link_await(site->link[0], count, 0);
		done += count;
	}
	return error;
}

/*
 * One listing: pages from offset to offset up to the empty name. All names are of one length, so that the length of the
 * whole tells whether each of them came.
 */
static int list_wide(struct link *link)
{
	const size_t whole = WIDE_CHILDREN * sizeof("child-000000") + 1;
	char payload[NAME_MAX_SIZE];
	size_t offset = 0;

	while (offset < whole) {
		size_t head, len = (size_t)snprintf(payload, sizeof(payload), "/bench/wide%c%zu", 0, offset) + 1;
		int error = link_call(link, MESSAGE_DIRECTORY_PART, 0, payload, len);

		if (error)
			return error;
		head = strnlen(link->reply, link->reply_len) + 1;
		if (head >= link->reply_len)
			return -EBADMSG;
		offset += link->reply_len - head;
		if (link->reply_len - head == 1 || link->reply[link->reply_len - 2] == '\0')
			break;
	}
	return offset == whole ? 0 : -EBADMSG;
}

int growth_run_directory_part(struct site *site, size_t operations)
{
	int error = 0;

	for (size_t i = 0; i < operations && !error; i++)
		error = list_wide(site->link[0]);
	return error;
}

int growth_open_trees(struct site *site)
{
	load_init(&site->extra);
	return link_open(site->server->socket, &site->link[0]);
}

static void request_removal(struct site *site, const char *path)
{
	load_add_path(&site->extra.bytes, MESSAGE_RM, path);
	load_mark(&site->extra);
}

int growth_make_trees(struct site *site, size_t operations)
{
	char path[NAME_MAX_SIZE];
	struct stream stream;

	load_deinit(&site->extra);
	load_init(&site->extra);
	stream_init(&stream, site->link[0], false);
	for (size_t tree = 0; tree < operations; tree++) {
		for (unsigned i = 0; i < TREE_DIRECTORIES * TREE_KEYS && !stream.error; i++) {
			snprintf(path, sizeof(path), "/bench/tree/%zu/%u/key-%u", tree, i / TREE_KEYS, i % TREE_KEYS);
			load_add_write(&stream.requests, path, "value of a key");
			stream_step(&stream);
		}
		snprintf(path, sizeof(path), "/bench/tree/%zu", tree);
		request_removal(site, path);
	}
	return stream_end(&stream);
}

int growth_make_wide(struct site *site, size_t operations)
{
	load_deinit(&site->extra);
	load_init(&site->extra);
	for (size_t i = 0; i < operations; i++)
		request_removal(site, "/bench/wide");
	return make_wide(site->link[0]);
}

int growth_run_remove(struct site *site, size_t operations)
{
	const char *request;
	size_t len;
	int error = 0;

	for (size_t i = 0; i < operations && !error; i++) {
		request = load_take(&site->extra, 1, &len);
		error = link_write(site->link[0], request, len);
		if (!error)
			error = link_await(site->link[0], 1, 0);
	}
	return error;
}

/* WATCH on `count` paths that no write of the bench touches. */
static int watch_many(struct link *link, unsigned first, unsigned count)
{
	char path[NAME_MAX_SIZE], token[NAME_MAX_SIZE];
	struct stream stream;

	stream_init(&stream, link, true);
	for (unsigned i = first; i < first + count && !stream.error; i++) {
		snprintf(path, sizeof(path), "/bench/watched/%u/state", i);
		snprintf(token, sizeof(token), "token-%u", i);
		load_add_watch(&stream.requests, MESSAGE_WATCH, path, token);
		stream_step(&stream);
	}
	return stream_end(&stream);
}

int growth_open_watches(struct site *site)
{
	char path[NAME_MAX_SIZE], token[NAME_MAX_SIZE];

	load_init(&site->extra);
	for (unsigned i = 0; i < WATCHED_MAX; i++) {
		snprintf(path, sizeof(path), "/bench/watched/%u/state", SITE_OTHERS * WATCHED_MAX + i);
		snprintf(token, sizeof(token), "token-%u", i);
		load_add_watch(&site->extra.bytes, MESSAGE_WATCH, path, token);
		load_mark(&site->extra);
	}
	return site->extra.failed ? -ENOMEM : 0;
}

int growth_have_watches(struct site *site, size_t operations)
{
	int error = link_open(site->server->socket, &site->link[0]);

	(void)operations;
	site->extra.next = 0;
	return error ? error : watch_many(site->link[0], 0, site->parameter);
}

int growth_run_watch(struct site *site, size_t operations)
{
	const char *request;
	size_t len;
	int error = 0;

	for (size_t i = 0; i < operations && !error; i++) {
		request = load_take(&site->extra, 1, &len);
		error = link_write(site->link[0], request, len);
		if (!error)
			error = link_await(site->link[0], 1, 1);
	}
	return error;
}

int growth_drop_watches(struct site *site, size_t operations)
{
	(void)operations;
	link_close(site->link[0]);
	site->link[0] = NULL;
	return 0;
}

int growth_others_watch(struct site *site, size_t operations)
{
	unsigned each = site->parameter / SITE_OTHERS;
	int error = 0;

	(void)operations;
	for (unsigned i = 0; i < SITE_OTHERS && !error; i++) {
		error = link_open(site->server->socket, &site->others[i]);
		if (!error)
			error = watch_many(site->others[i], i * each, each);
	}
	return error;
}

int growth_others_leave(struct site *site, size_t operations)
{
	(void)operations;
	for (unsigned i = 0; i < SITE_OTHERS; i++) {
		link_close(site->others[i]);
		site->others[i] = NULL;
	}
	return 0;
}
