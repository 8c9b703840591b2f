/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Two strings of bytes: `in` is what came and was not looked at, `kept` holds whole events that came before a reply that
 * somebody waited for. A message is handed out as a copy in `message`, so neither string moves under the caller.
 */
#include "support/client.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct bytes {
	char *at;
	size_t len;
	size_t capacity;
};

struct client {
	const struct client_transport *transport;
	void *context; /* of the transport; of a socket the client itself */
	int fd;	       /* of a socket */
	int timeout_ms;
	uint32_t next_id;
	struct bytes in;
	struct bytes kept;
	char message[MESSAGE_PAYLOAD_MAX + 1];
};

/* `from` may be NULL if `len` is 0. */
static int bytes_add(struct bytes *bytes, const void *from, size_t len)
{
	if (!len)
		return 0;
	if (bytes->len + len > bytes->capacity) {
		size_t capacity = 2 * bytes->capacity + len + 4096;
		char *at = realloc(bytes->at, capacity);

		if (!at)
			return -ENOMEM;
		bytes->at = at;
		bytes->capacity = capacity;
	}
	memcpy(bytes->at + bytes->len, from, len);
	bytes->len += len;
	return 0;
}

static void bytes_drop(struct bytes *bytes, size_t len)
{
	bytes->len -= len;
	memmove(bytes->at, bytes->at + len, bytes->len);
}

/* ---- the socket ---- */

static int wait_for(const struct client *client, short events, int timeout_ms)
{
	struct pollfd pollfd = {.fd = client->fd, .events = events};
	int n;

	do {
		n = poll(&pollfd, 1, timeout_ms);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return n == 0 ? -ETIME : 0;
}

static long socket_send(void *context, const void *bytes, size_t len, int timeout_ms)
{
	const struct client *client = context;

	for (;;) {
		int error = wait_for(client, POLLOUT, timeout_ms);
		if (error)
			return error;
		ssize_t n = send(client->fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n >= 0)
			return n;
		if (errno != EINTR && errno != EAGAIN)
			return errno == ECONNRESET ? -EPIPE : -errno;
	}
}

static long socket_receive(void *context, void *bytes, size_t len, int timeout_ms)
{
	const struct client *client = context;

	for (;;) {
		int error = wait_for(client, POLLIN, timeout_ms);
		if (error)
			return error;
		ssize_t n = recv(client->fd, bytes, len, MSG_DONTWAIT);
		if (n > 0)
			return n;
		if (n == 0)
			return -EPIPE;
		if (errno != EINTR && errno != EAGAIN)
			return errno == ECONNRESET ? -EPIPE : -errno;
	}
}

static void socket_close(void *context)
{
	const struct client *client = context;

	if (client->fd >= 0)
		close(client->fd);
}

static const struct client_transport socket_transport = {socket_send, socket_receive, socket_close};

/* ---- beginning and end ---- */

int client_open_over(const struct client_transport *transport, void *context, int timeout_ms, struct client **out)
{
	struct client *client = calloc(1, sizeof(*client));

	if (!client)
		return -ENOMEM;
	client->transport = transport;
	client->context = context;
	client->fd = -1;
	client->timeout_ms = timeout_ms;
	client->next_id = 1;
	*out = client;
	return 0;
}

int client_open(const char *path, int timeout_ms, struct client **out)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct client *client;
	int error;

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	strcpy(address.sun_path, path);
	error = client_open_over(&socket_transport, NULL, timeout_ms, &client);
	if (error)
		return error;
	client->context = client;
	client->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (client->fd < 0 || connect(client->fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
		error = -errno;
		client_close(client);
		return error;
	}
	*out = client;
	return 0;
}

void client_close(struct client *client)
{
	if (!client)
		return;
	if (client->transport->close)
		client->transport->close(client->context);
	free(client->in.at);
	free(client->kept.at);
	free(client);
}

int client_fd(const struct client *client)
{
	return client->fd;
}

/* ---- messages ---- */

int client_send_bytes(struct client *client, const void *bytes, size_t len)
{
	const char *at = bytes;

	while (len > 0) {
		long n = client->transport->send(client->context, at, len, client->timeout_ms);

		if (n < 0)
			return (int)n;
		at += n;
		len -= (size_t)n;
	}
	return 0;
}

int client_send(struct client *client, uint32_t type, uint32_t transaction, const void *payload, size_t len, uint32_t *id)
{
	struct message_header header = {
	    .type = type, .request_id = client->next_id++, .transaction_id = transaction, .len = (uint32_t)len};
	struct bytes whole = {0};
	int error;

	if (id)
		*id = header.request_id;
	error = bytes_add(&whole, &header, sizeof(header));
	if (!error)
		error = bytes_add(&whole, payload, len);
	if (!error)
		error = client_send_bytes(client, whole.at, whole.len);
	free(whole.at);
	return error;
}

static int receive_more(struct client *client)
{
	char chunk[4096];
	long n = client->transport->receive(client->context, chunk, sizeof(chunk), client->timeout_ms);

	return n < 0 ? (int)n : bytes_add(&client->in, chunk, (size_t)n);
}

/* Whether `from` begins with a whole message; its header goes to *header. */
static int whole_message(const struct bytes *from, struct message_header *header, bool *whole)
{
	*whole = false;
	if (from->len < sizeof(*header))
		return 0;
	memcpy(header, from->at, sizeof(*header));
	if (header->len > MESSAGE_PAYLOAD_MAX)
		return -EPROTO;
	*whole = from->len >= sizeof(*header) + header->len;
	return 0;
}

static void take(struct client *client, struct bytes *from, const struct message_header *header, struct client_message *out)
{
	memcpy(client->message, from->at + sizeof(*header), header->len);
	client->message[header->len] = '\0';
	bytes_drop(from, sizeof(*header) + header->len);
	out->header = *header;
	out->payload = client->message;
}

/* Waits until `in` begins with a whole message. */
static int receive_whole(struct client *client, struct message_header *header)
{
	bool whole;
	int error;

	for (;;) {
		error = whole_message(&client->in, header, &whole);
		if (error || whole)
			return error;
		error = receive_more(client);
		if (error)
			return error;
	}
}

int client_receive(struct client *client, struct client_message *out)
{
	struct message_header header;
	bool whole;
	int error = whole_message(&client->kept, &header, &whole);

	if (error)
		return error;
	if (whole) {
		take(client, &client->kept, &header, out);
		return 0;
	}
	error = receive_whole(client, &header);
	if (!error)
		take(client, &client->in, &header, out);
	return error;
}

int client_receive_reply(struct client *client, struct client_message *out)
{
	struct message_header header;
	int error;

	for (;;) {
		error = receive_whole(client, &header);
		if (error)
			return error;
		if (header.type != MESSAGE_WATCH_EVENT)
			break;
		error = bytes_add(&client->kept, client->in.at, sizeof(header) + header.len);
		if (error)
			return error;
		bytes_drop(&client->in, sizeof(header) + header.len);
	}
	take(client, &client->in, &header, out);
	return 0;
}

int client_next_event(struct client *client, struct client_event *out)
{
	struct client_message message;
	size_t path_len;
	int error = client_receive(client, &message);

	if (error)
		return error;
	path_len = strlen(message.payload);
	if (message.header.type != MESSAGE_WATCH_EVENT || path_len + 1 >= message.header.len)
		return -EPROTO;
	out->path = message.payload;
	out->token = message.payload + path_len + 1;
	return 0;
}

int client_call(struct client *client, uint32_t type, uint32_t transaction, const void *payload, size_t len,
		struct client_message *out)
{
	uint32_t id;
	int error = client_send(client, type, transaction, payload, len, &id);

	if (!error)
		error = client_receive_reply(client, out);
	if (!error && out->header.request_id != id)
		error = -EPROTO;
	return error;
}

int client_call_strings(struct client *client, uint32_t type, uint32_t transaction, size_t count, const char *const strings[],
			struct client_message *out, const char **error)
{
	struct bytes payload = {0};
	int failed = 0;

	for (size_t i = 0; i < count && !failed; i++)
		failed = bytes_add(&payload, strings[i], strlen(strings[i]) + 1);
	if (!failed)
		failed = client_call(client, type, transaction, payload.at, payload.len, out);
	free(payload.at);
	if (!failed)
		*error = out->header.type == MESSAGE_ERROR ? out->payload : "";
	return failed;
}
