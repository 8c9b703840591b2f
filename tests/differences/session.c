/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Clients are opened when a step first names them, those of guests when INTRODUCE succeeds. Numbers that only mean something
 * to this daemon go into requests and out of answers here, so that steps and records have none.
 */
#include "differences/session.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "differences/arguments.h"
#include "differences/numbers.h"
#include "support/client.h"
#include "wire/message.h"
#include "xensim/guest.h"

enum { SLICE_MS = 50, SLICES = 400, FEW_SLICES = 40 };

struct connection {
	struct client *client; /* NULL: none */
	struct guest *guest;
	bool can_have_events; /* it has asked for some */
	bool mute;	      /* the daemon does not listen to it any more */
	uint32_t barrier;     /* request id of the harmless question */
};

struct session {
	enum sim_daemon which;
	struct sim *sim;
	struct daemon daemon;
	unsigned patience; /* slices; oxenstored leaves some requests unanswered, and need not be waited for as long */
	struct connection connections[SCRIPT_CLIENTS];
	bool stopped[SCRIPT_CLIENTS]; /* C xenstored may go on not to listen to this one, and is not waited for as long */
	struct client *observer;      /* of the socket; asks harmless questions only */
	struct numbers numbers;
	const struct script_step *step; /* begun */
	uint32_t request;		/* its id; 0: nothing was sent */
	struct record record;		/* of the client that asked */
	bool lost;			/* a connection, in this step */
	bool over;
};

static void need(int ok, const char *what)
{
	if (!ok) {
		fprintf(stderr, "session: %s: %s\n", what, strerror(errno));
		abort();
	}
}

/* ---- records ---- */

static void add_line(struct record *record, struct buffer *line)
{
	buffer_add_nul(line);
	need(!line->failed, "memory");
	record_add(record, line->bytes);
}

static void add_text(struct record *record, unsigned client, const char *text)
{
	char name[SCRIPT_NAME];
	struct buffer line;

	script_client_name(client, name);
	buffer_init(&line);
	buffer_printf(&line, "%s %s", name, text);
	add_line(record, &line);
}

/* ---- messages ---- */

/* The payload of the step's own reply. */
static void show_reply(struct session *session, const struct client_message *message, struct buffer *line)
{
	const struct script_step *step = session->step;
	size_t len = message->header.len, shown = 0;

	if (message->header.type == MESSAGE_TRANSACTION_START)
		shown = numbers_show_start(&session->numbers, step, message->payload, len, line);
	else if (message->header.type == MESSAGE_DIRECTORY_PART)
		shown = numbers_show_generation(&session->numbers, step, message->payload, len, line);
	script_show(message->payload + shown, len - shown, line);
}

/* "s1 READ hello"; numbers of the header that are not what they should be come in front. */
static void add_message(struct session *session, struct record *record, unsigned client, const struct client_message *message)
{
	bool is_event = message->header.type == MESSAGE_WATCH_EVENT;
	const struct script_step *step = session->step;
	uint32_t transaction = is_event ? 0 : numbers_transaction(&session->numbers, step);
	const char *type = message_type_name(message->header.type);
	char name[SCRIPT_NAME];
	struct buffer line;

	script_client_name(client, name);
	buffer_init(&line);
	buffer_printf(&line, "%s ", name);
	if (message->header.request_id != (is_event ? 0 : session->request))
		buffer_printf(&line, "request %u ", message->header.request_id);
	if (message->header.transaction_id != transaction)
		buffer_printf(&line, "transaction %u ", message->header.transaction_id);
	if (type)
		buffer_printf(&line, "%s ", type);
	else
		buffer_printf(&line, "%u ", message->header.type);
	if (is_event)
		script_show(message->payload, message->header.len, &line);
	else
		show_reply(session, message, &line);
	add_line(record, &line);
}

/* ---- connections ---- */

static void close_connection(struct session *session, unsigned client)
{
	struct connection *connection = &session->connections[client];

	client_close(connection->client);
	guest_detach(connection->guest);
	*connection = (struct connection){0};
	numbers_forget_client(&session->numbers, client);
}

/* After something went wrong with it. */
static void add_loss(struct session *session, struct record *record, unsigned client, int error)
{
	session->lost = true;
	if (error == -EPIPE) {
		add_text(record, client, "hung up");
		close_connection(session, client);
	} else {
		add_text(record, client, error == -ETIME ? "no answer" : strerror(-error));
		session->connections[client].mute = true;
	}
}

/* A connection to ask over, or false and why not. */
static bool connect_client(struct session *session, unsigned client)
{
	struct connection *connection = &session->connections[client];

	if (connection->mute) {
		add_text(&session->record, client, "is not listened to");
		return false;
	}
	if (!connection->client && script_client_is_guest(client)) {
		add_text(&session->record, client, "no ring");
		return false;
	}
	if (!connection->client) {
		int error = client_open(session->daemon.socket, SLICE_MS, &connection->client);
		if (error) {
			add_loss(session, &session->record, client, error);
			return false;
		}
	}
	return true;
}

static void connect_guest(struct session *session, uint16_t domid)
{
	struct connection *connection = &session->connections[script_guest(domid)];

	close_connection(session, script_guest(domid));
	if (guest_attach(session->sim, domid, &connection->guest) ||
	    guest_client(connection->guest, SLICE_MS, &connection->client))
		close_connection(session, script_guest(domid));
}

/* ---- a step ---- */

/* Writes the payload with what INTRODUCE says of the domain that is its first argument. */
static void complete_payload(struct session *session, const struct script_step *step, struct buffer *out)
{
	uint16_t domid = (uint16_t)(step->len ? strtoul(step->payload, NULL, 10) : 0);
	size_t at = 0;

	while (at < step->len) {
		if (step->type == MESSAGE_INTRODUCE && step->len - at >= 5 && !memcmp(step->payload + at, "$page", 5)) {
			buffer_printf(out, "%lu", sim_frame(session->sim, domid));
			at += 5;
		} else if (step->type == MESSAGE_INTRODUCE && step->len - at >= 5 && !memcmp(step->payload + at, "$port", 5)) {
			buffer_printf(out, "%u", sim_port(session->sim, domid));
			at += 5;
		} else {
			buffer_add(out, step->payload + at++, 1);
		}
	}
	need(!out->failed, "memory");
}

/* A header that announces more than there may be ends the conversation: the daemon need not take what follows. */
static int send_too_long(struct session *session, const struct script_step *step)
{
	struct connection *connection = &session->connections[step->client];
	struct message_header header = {
	    .type = step->type, .transaction_id = numbers_transaction(&session->numbers, step), .len = (uint32_t)step->len};

	return client_send_bytes(connection->client, &header, sizeof(header));
}

static void ask(struct session *session, const struct script_step *step)
{
	struct connection *connection = &session->connections[step->client];
	struct buffer payload;
	int error;

	if (!connect_client(session, step->client))
		return;
	buffer_init(&payload);
	complete_payload(session, step, &payload);
	if (step->len > MESSAGE_PAYLOAD_MAX)
		error = send_too_long(session, step);
	else
		error = client_send(connection->client, step->type, numbers_transaction(&session->numbers, step), payload.bytes,
				    payload.len, &session->request);
	buffer_deinit(&payload);
	if (error) {
		session->request = 0;
		add_loss(session, &session->record, step->client, error);
	}
	connection->can_have_events |= step->type == MESSAGE_WATCH;
}

void session_begin(struct session *session, const struct script_step *step)
{
	session->step = step;
	session->request = 0;
	session->lost = false;
	switch (step->verb) {
	case SCRIPT_ASK:
		ask(session, step);
		break;
	case SCRIPT_CLOSE:
		close_connection(session, step->client);
		break;
	case SCRIPT_CREATE:
		sim_create(session->sim, step->domid, SIM_PV);
		break;
	case SCRIPT_SHUTDOWN:
		sim_shutdown(session->sim, step->domid, 0);
		break;
	case SCRIPT_RESUME:
		sim_resume(session->sim, step->domid);
		break;
	case SCRIPT_DESTROY:
		close_connection(session, script_guest(step->domid));
		sim_destroy(session->sim, step->domid);
		break;
	}
}

static bool is_dead(const struct session *session)
{
	siginfo_t info = {0};

	return waitid(P_PID, (id_t)session->daemon.pid, &info, WEXITED | WNOHANG | WNOWAIT) || info.si_pid;
}

/* The next message. A ring does not tell that the daemon has died, hence the slices. */
static int receive(const struct session *session, struct client *client, unsigned patience, struct client_message *out)
{
	int error = -ETIME;

	for (unsigned i = 0; i < patience && error == -ETIME; i++) {
		error = client_receive(client, out);
		if (error == -ETIME && is_dead(session))
			error = -EPIPE;
	}
	return error;
}

/* All messages of the client up to the answer to `request`, itself included if `keep`. */
static void receive_until(struct session *session, struct record *record, unsigned client, uint32_t request, bool keep)
{
	struct client_message message;
	unsigned patience = session->stopped[client] ? FEW_SLICES : session->patience;

	for (;;) {
		int error = receive(session, session->connections[client].client, patience, &message);
		if (error) {
			add_loss(session, record, client, error);
			return;
		}
		bool last = message.header.request_id == request && message.header.type != MESSAGE_WATCH_EVENT;
		if (keep || !last)
			add_message(session, record, client, &message);
		if (last)
			return;
	}
}

static int ask_harmless(struct client *client, uint32_t *id)
{
	return client_send(client, MESSAGE_GET_DOMAIN_PATH, 0, "0", 2, id);
}

/* The daemon has gone round its loop since. */
static void observe(struct session *session)
{
	struct client_message message;
	uint32_t id;

	for (unsigned i = 0; i < 2 && !session->over; i++)
		session->over =
		    ask_harmless(session->observer, &id) || receive(session, session->observer, session->patience, &message);
}

static bool succeeded(const struct session *session)
{
	const struct record *record = &session->record;
	const char *line = record->n ? record->lines[record->n - 1] : "";
	size_t len = strlen(line);

	return len > 4 && !strcmp(line + len - 4, "OK\\0");
}

/* What success means for the connections of the domain that is the first argument. */
static void follow_domain(struct session *session, const struct script_step *step)
{
	unsigned long domid = step->len ? strtoul(step->payload, NULL, 10) : SCRIPT_GUESTS;

	if (domid >= SCRIPT_GUESTS || !succeeded(session))
		return;
	if (step->type == MESSAGE_INTRODUCE)
		connect_guest(session, (uint16_t)domid);
	else if (step->type == MESSAGE_RELEASE)
		close_connection(session, script_guest((uint16_t)domid));
}

/* What becomes of a connection to the socket on which too long a message was announced. */
static void receive_end(struct session *session, unsigned client)
{
	struct pollfd pollfd = {.fd = client_fd(session->connections[client].client), .events = POLLIN};

	observe(session);
	if (poll(&pollfd, 1, 0) > 0)
		receive_until(session, &session->record, client, UINT32_MAX, true);
	else
		add_loss(session, &session->record, client, -ETIME);
}

/* The answer to the one who asked. */
static void receive_answer(struct session *session, const struct script_step *step)
{
	struct connection *connection = &session->connections[step->client];

	if (session->request) {
		receive_until(session, &session->record, step->client, session->request, true);
		follow_domain(session, step);
	} else if (step->len > MESSAGE_PAYLOAD_MAX && connection->client && !connection->guest) {
		receive_end(session, step->client);
	} else if (step->len > MESSAGE_PAYLOAD_MAX && connection->guest) {
		char text[32];
		observe(session);
		snprintf(text, sizeof(text), "ring error %u", (unsigned)guest_page(connection->guest)->error);
		add_text(&session->record, step->client, text);
		connection->mute = true;
		session->stopped[step->client] = session->which == SIM_XENSTORED;
	}
}

/* If the daemon has died, nothing else that was seen of this step matters. */
static void look_for_death(struct session *session, struct record *out)
{
	int status = 0;
	struct buffer line;

	if (!session->daemon.pid)
		return;
	if (session->lost && !session->over)
		observe(session);
	if (!session->over)
		return;
	daemon_stop(&session->daemon, SIGTERM, &status);
	record_clear(out);
	buffer_init(&line);
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM)
		buffer_printf(&line, "daemon does not answer");
	else if (WIFSIGNALED(status))
		buffer_printf(&line, "daemon died: signal %d", WTERMSIG(status));
	else
		buffer_printf(&line, "daemon died: exit status %d", WEXITSTATUS(status));
	add_line(out, &line);
}

/* Who may have been told something, and asked a question that tells when all has come. */
static bool is_to_be_asked(const struct session *session, unsigned client)
{
	const struct connection *connection = &session->connections[client];

	return connection->client && !connection->mute &&
	       (connection->can_have_events || (session->step->verb == SCRIPT_ASK && client == session->step->client));
}

void session_finish(struct session *session, struct record *out)
{
	const struct script_step *step = session->step;

	if (step->verb == SCRIPT_ASK)
		receive_answer(session, step);
	else
		observe(session);
	for (unsigned i = 0; i < SCRIPT_CLIENTS; i++) {
		struct connection *connection = &session->connections[i];
		connection->barrier = 0;
		if (is_to_be_asked(session, i) && ask_harmless(connection->client, &connection->barrier))
			add_loss(session, out, i, -EPIPE);
	}
	for (unsigned i = 0; i < SCRIPT_CLIENTS; i++) {
		if (step->verb == SCRIPT_ASK && i == step->client) {
			for (size_t line = 0; line < session->record.n; line++)
				record_insert(out, out->n, session->record.lines[line]);
		}
		if (session->connections[i].barrier)
			receive_until(session, out, i, session->connections[i].barrier, false);
	}
	record_clear(&session->record);
	look_for_death(session, out);
}

/* ---- life ---- */

static int start(struct session *session, enum sim_daemon which, const char *const options[])
{
	int error = daemon_init(&session->daemon);

	if (!error)
		error = sim_new(session->daemon.directory, &session->sim);
	if (!error)
		error = sim_start(session->sim, &session->daemon, which, which == SIM_OXENSTORED ? NULL : options, NULL);
	if (!error)
		error = client_open(session->daemon.socket, SLICE_MS, &session->observer);
	if (!error)
		connect_guest(session, 0);
	return error;
}

int session_open(enum sim_daemon which, char *const options[], struct session **out)
{
	struct session *session = calloc(1, sizeof(*session));

	need(!!session, "memory");
	session->which = which;
	session->patience = which == SIM_OXENSTORED ? FEW_SLICES : SLICES;
	int error = start(session, which, (const char *const *)options);
	if (error)
		session_close(session);
	else
		*out = session;
	return error;
}

void session_close(struct session *session)
{
	if (!session)
		return;
	for (unsigned i = 0; i < SCRIPT_CLIENTS; i++)
		close_connection(session, i);
	client_close(session->observer);
	sim_free(session->sim);
	daemon_deinit(&session->daemon);
	numbers_deinit(&session->numbers);
	record_clear(&session->record);
	free(session);
}

void session_forget_transaction(struct session *session, unsigned client, const char *name)
{
	numbers_forget_transaction(&session->numbers, client, name);
}

bool session_knows_transaction(const struct session *session, unsigned client, const char *name)
{
	return numbers_know_transaction(&session->numbers, client, name);
}

bool session_is_over(const struct session *session)
{
	return session->over;
}

char *session_messages(const struct session *session)
{
	return daemon_messages(&session->daemon);
}
