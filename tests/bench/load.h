/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"

/*
 * The client side of a measurement. What it costs is in every server's figures alike, so requests are built beforehand,
 * sent with one system call and answered into one large buffer. Functions return 0 or -errno; an answer that is an error
 * is -EPROTO, and `link->error` names it.
 */
struct link {
	int fd;
	size_t used;	   /* of `in`: looked at */
	size_t len;	   /* of `in`: came */
	const char *reply; /* payload of the last reply; holds until the next wait */
	size_t reply_len;
	char error[64];
	char in[1 << 16];
};

int link_open(const char *socket_path, struct link **out);
void link_close(struct link *link); /* accepts NULL */
int link_write(struct link *link, const void *bytes, size_t len);

/* Reads until `replies` replies and `events` watch events have come. */
int link_await(struct link *link, size_t replies, size_t events);

/* Sends a buffer of `count` requests and awaits the replies, and as many events where `events` says so. */
int link_exchange(struct link *link, const struct buffer *requests, size_t count, bool events);

/* One request after the other, each with its answer, outside of measurements. */
int link_call(struct link *link, uint32_t type, uint32_t transaction, const void *payload, size_t len);
int link_sync(struct link *link); /* a request that every server answers, to see that it is done with all before */

void load_add(struct buffer *requests, uint32_t type, uint32_t transaction, const void *payload, size_t len);
void load_add_path(struct buffer *requests, uint32_t type, const char *path); /* the path with its NUL */
void load_add_write(struct buffer *requests, const char *path, const char *value);
void load_add_watch(struct buffer *requests, uint32_t type, const char *path, const char *token);

/* Requests that were built beforehand: number i lies from offset[i] to offset[i + 1]. */
struct load {
	struct buffer bytes;
	size_t *offset;
	size_t count;
	size_t capacity;
	size_t next; /* the one that load_take gives next */
	bool failed; /* no memory while building */
};

void load_init(struct load *load);
void load_deinit(struct load *load); /* accepts a zeroed one */
void load_mark(struct load *load);   /* what was added to `bytes` since the last mark is a request */

/* `count` requests in a row, from the beginning again after the last; `count` divides load->count. */
const char *load_take(struct load *load, size_t count, size_t *len);

/* As load_take, and the last byte of each, that of its value, becomes another: no WRITE repeats what is there. */
const char *load_take_changed(struct load *load, size_t count, size_t *len);

/* Sets the transaction id of requests that load_take gave. */
void load_in_transaction(struct load *load, const char *request, uint32_t transaction);
