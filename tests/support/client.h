/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "wire/message.h"

/*
 * A client of the Unix socket, or of anything else that carries bytes both ways, that sends exactly the bytes it is told to, good
 * ones and bad ones, and shows exactly what comes back. All functions return 0 or -errno; -EPIPE is a server that hung up, -ETIME
 * one that did not answer in time.
 */
struct client;

/*
 * What carries the bytes if it is no socket. `send` and `receive` wait until some can be moved, for `timeout_ms` at most
 * (negative: for ever), and return how many were: 1 or more; or -errno, as client_send_bytes and client_receive do.
 */
struct client_transport {
	long (*send)(void *context, const void *bytes, size_t len, int timeout_ms);
	long (*receive)(void *context, void *bytes, size_t len, int timeout_ms);
	void (*close)(void *context); /* may be NULL */
};

/* What came from the server. `payload` belongs to the client and holds until the next call that receives. */
struct client_message {
	struct message_header header;
	const char *payload; /* a NUL, not counted in header.len, follows */
};

struct client_event {
	const char *path; /* hold as long as a client_message */
	const char *token;
};

/* Connects to the socket `path`. Nothing is awaited for longer than `timeout_ms` each (negative: for ever). */
int client_open(const char *path, int timeout_ms, struct client **out);
void client_close(struct client *client); /* accepts NULL */

/* A client of something else; on success `context` belongs to the client until client_close. */
int client_open_over(const struct client_transport *transport, void *context, int timeout_ms, struct client **out);

/* Of a client of the socket; for poll and shutdown; stays the client's. */
int client_fd(const struct client *client);

/* Bytes as they are, however wrong. */
int client_send_bytes(struct client *client, const void *bytes, size_t len);

/* One request; the request id is the client's next one and goes to *id where `id` is not NULL. */
int client_send(struct client *client, uint32_t type, uint32_t transaction, const void *payload, size_t len, uint32_t *id);

/* The next message, reply or event, in the order in which they came, kept events included. */
int client_receive(struct client *client, struct client_message *out);

/* The next message that is no event; events before it are kept for client_next_event. */
int client_receive_reply(struct client *client, struct client_message *out);

/* The oldest event that has not been taken; -EPROTO for an event without path and token, or if a reply came instead. */
int client_next_event(struct client *client, struct client_event *out);

/* Request and reply. A reply of another request id is -EPROTO. */
int client_call(struct client *client, uint32_t type, uint32_t transaction, const void *payload, size_t len,
		struct client_message *out);

/*
 * client_call with strings: each of `count` goes with its NUL. `error` names the answer: "" for success, else the name of
 * the error that the server sent, "ENOENT".
 */
int client_call_strings(struct client *client, uint32_t type, uint32_t transaction, size_t count, const char *const strings[],
			struct client_message *out, const char **error);
