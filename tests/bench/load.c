/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Requests are strings of bytes that were laid out before the clock started. Answers are only counted: the header says
 * where the next one begins; an error among them ends the measurement.
 */
#include "bench/load.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "wire/message.h"

enum { ANSWER_WITHIN_SECONDS = 120 };

int link_open(const char *socket_path, struct link **out)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct timeval timeout = {.tv_sec = ANSWER_WITHIN_SECONDS};
	struct link *link;
	int error;

	if (strlen(socket_path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	strcpy(address.sun_path, socket_path);
	link = calloc(1, sizeof(*link));
	if (!link)
		return -ENOMEM;
	link->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (link->fd < 0 || setsockopt(link->fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) != 0 ||
	    connect(link->fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
		error = -errno;
		link_close(link);
		return error;
	}
	*out = link;
	return 0;
}

void link_close(struct link *link)
{
	if (!link)
		return;
	if (link->fd >= 0)
		close(link->fd);
	free(link);
}

int link_write(struct link *link, const void *bytes, size_t len)
{
	const char *at = bytes;

	while (len > 0) {
		ssize_t n = send(link->fd, at, len, MSG_NOSIGNAL);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			at += n;
			len -= (size_t)n;
		}
	}
	return 0;
}

static int read_more(struct link *link)
{
	ssize_t n;

	if (link->used > 0) {
		link->len -= link->used;
		memmove(link->in, link->in + link->used, link->len);
		link->used = 0;
	}
	n = read(link->fd, link->in + link->len, sizeof(link->in) - link->len);
	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	if (n == 0)
		return -EPIPE;
	link->len += (size_t)n;
	return 0;
}

int link_await(struct link *link, size_t replies, size_t events)
{
	struct message_header header;
	int error;

	while (replies > 0 || events > 0) {
		const char *at = link->in + link->used;
		size_t left = link->len - link->used;

		if (left >= sizeof(header))
			memcpy(&header, at, sizeof(header));
		if (left < sizeof(header) || left < sizeof(header) + header.len) {
			error = read_more(link);
			if (error)
				return error;
			continue;
		}
		link->used += sizeof(header) + header.len;
		if (header.type == MESSAGE_WATCH_EVENT) {
			events -= events > 0;
			continue;
		}
		link->reply = at + sizeof(header);
		link->reply_len = header.len;
		replies -= replies > 0;
		if (header.type == MESSAGE_ERROR) {
			snprintf(link->error, sizeof(link->error), "%.*s", (int)header.len, link->reply);
			return -EPROTO;
		}
	}
	return 0;
}

int link_exchange(struct link *link, const struct buffer *requests, size_t count, bool events)
{
	int error;

	if (requests->failed)
		return -ENOMEM;
	error = link_write(link, requests->bytes, requests->len);
	return error ? error : link_await(link, count, events ? count : 0);
}

int link_call(struct link *link, uint32_t type, uint32_t transaction, const void *payload, size_t len)
{
	struct buffer request;
	int error;

	buffer_init(&request);
	load_add(&request, type, transaction, payload, len);
	error = link_exchange(link, &request, 1, false);
	buffer_deinit(&request);
	return error;
}

int link_sync(struct link *link)
{
	return link_call(link, MESSAGE_GET_DOMAIN_PATH, 0, "0", sizeof("0"));
}

void load_add(struct buffer *requests, uint32_t type, uint32_t transaction, const void *payload, size_t len)
{
	struct message_header header = {.type = type, .transaction_id = transaction, .len = (uint32_t)len};

	buffer_add(requests, &header, sizeof(header));
	buffer_add(requests, payload, len);
}

void load_add_path(struct buffer *requests, uint32_t type, const char *path)
{
	load_add(requests, type, 0, path, strlen(path) + 1);
}

void load_add_write(struct buffer *requests, const char *path, const char *value)
{
	size_t path_size = strlen(path) + 1, value_len = strlen(value);
	struct message_header header = {.type = MESSAGE_WRITE, .len = (uint32_t)(path_size + value_len)};

	buffer_add(requests, &header, sizeof(header));
	buffer_add(requests, path, path_size);
	buffer_add(requests, value, value_len);
}

void load_add_watch(struct buffer *requests, uint32_t type, const char *path, const char *token)
{
	size_t path_size = strlen(path) + 1, token_size = strlen(token) + 1;
	struct message_header header = {.type = type, .len = (uint32_t)(path_size + token_size)};

	buffer_add(requests, &header, sizeof(header));
	buffer_add(requests, path, path_size);
	buffer_add(requests, token, token_size);
}

void load_init(struct load *load)
{
	memset(load, 0, sizeof(*load));
	buffer_init(&load->bytes);
}

void load_deinit(struct load *load)
{
	buffer_deinit(&load->bytes);
	free(load->offset);
	memset(load, 0, sizeof(*load));
}

void load_mark(struct load *load)
{
	if (load->count + 2 > load->capacity) {
		size_t capacity = 2 * load->capacity + 64;
		size_t *offset = realloc(load->offset, capacity * sizeof(*offset));

		if (!offset) {
			load->failed = true;
			return;
		}
		load->offset = offset;
		load->capacity = capacity;
	}
	load->offset[0] = 0;
	load->offset[++load->count] = load->bytes.len;
	load->failed = load->failed || load->bytes.failed;
}

static size_t take(struct load *load, size_t count)
{
	size_t first = load->next;

	load->next = first + count >= load->count ? 0 : first + count;
	return first;
}

const char *load_take(struct load *load, size_t count, size_t *len)
{
	size_t first = take(load, count);

	*len = load->offset[first + count] - load->offset[first];
	return load->bytes.bytes + load->offset[first];
}

const char *load_take_changed(struct load *load, size_t count, size_t *len)
{
	size_t first = take(load, count);

	for (size_t i = first; i < first + count; i++) {
		char *last = load->bytes.bytes + load->offset[i + 1] - 1;

		*last = *last >= 'a' && *last < 'z' ? (char)(*last + 1) : 'a';
	}
	*len = load->offset[first + count] - load->offset[first];
	return load->bytes.bytes + load->offset[first];
}

void load_in_transaction(struct load *load, const char *request, uint32_t transaction)
{
	size_t at = (size_t)(request - load->bytes.bytes) + offsetof(struct message_header, transaction_id);

	memcpy(load->bytes.bytes + at, &transaction, sizeof(transaction));
}
