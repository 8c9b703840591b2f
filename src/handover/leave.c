/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The state is put together of the files, as anybody could do it who has them: nodes, domains and watches from the store, what
 * was received and what is owed from the ledger. Only descriptors and ports are told by who had them.
 */
#include "handover/leave.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/file.h"
#include "handover/export.h"
#include "handover/keeper.h"
#include "handover/stream.h"
#include "handover/text_dump.h"
#include "ledger/ledger.h"
#include "lxenstored/handover_format.h"
#include "lxenstored/ledger_format.h"
#include "store/reader.h"
#include "wire/message.h"

enum { NAME_SIZE = 4200, MESSAGE_ROOM = MESSAGE_HEADER_SIZE + 3 };

/* What the ledger has of one connection. */
struct part {
	uint64_t id;
	struct ledger_connection ledger;
	struct buffer output;
};

struct departure {
	const struct leaving *leaving;
	struct log *log;
	struct image image;
	struct inventory inventory;
	unsigned char store_id[STORE_ID_SIZE];
	uint64_t last_commit;
	struct ledger *ledger;
	struct part *parts; /* by id */
	size_t n_parts;
	uint64_t asked_by, asked_at; /* whose request for the update is not answered, and where it is in the input */
	bool is_asked;
	struct stream_form form;
	struct buffer state;
	size_t n_too_large;
};

/* ---- the store ---- */

static int read_records(struct departure *departure, struct reader_env *reader)
{
	struct reader_walk records = {.reader = reader, .milliseconds = UINT32_MAX};
	const struct path root = {"/", 1};
	int error = reader_walk_begin(&records);

	if (!error)
		error = image_read(&records, &root, &departure->image);
	if (!error)
		error = inventory_read(&records, &departure->inventory);
	departure->last_commit = records.snapshot;
	reader_walk_end(&records);
	return error > 0 ? -EIO : error;
}

static int read_store(struct departure *departure)
{
	char text[READER_TEXT_SIZE];
	struct reader_env reader;

	if (reader_open(departure->leaving->store, true, &reader, text) != READER_SOUND) {
		log_error(departure->log, "update: store %s: %s", departure->leaving->store, text);
		return -EIO;
	}
	memcpy(departure->store_id, reader.meta.id, sizeof(departure->store_id));
	int error = read_records(departure, &reader);
	reader_close(&reader);
	return error;
}

/* ---- the ledger ---- */

static void note_damaged(void *context, uint64_t connection_id, const char *what)
{
	log_error(context, "ledger: connection %llu has ended: %s", (unsigned long long)connection_id, what);
}

static int by_id(const void *left, const void *right)
{
	const struct part *a = left, *b = right;

	return (a->id > b->id) - (a->id < b->id);
}

static struct part *find_part(const struct departure *departure, uint64_t id)
{
	const struct part wanted = {.id = id};

	return departure->n_parts ? bsearch(&wanted, departure->parts, departure->n_parts, sizeof(wanted), by_id) : NULL;
}

/* A copy: what is in the ledger stays there. */
static void copy_output(struct part *part)
{
	size_t most = part->ledger.blocks;
	struct iovec *pieces = calloc(most + 1, sizeof(*pieces));
	size_t n = pieces ? ledger_copy_out_begin(&part->ledger, pieces, most) : 0;

	if (!pieces)
		part->output.failed = true;
	for (size_t i = 0; i < n; i++)
		buffer_add(&part->output, pieces[i].iov_base, pieces[i].iov_len);
	free(pieces);
}

static int attach_all(struct departure *departure)
{
	struct ledger_found found;
	struct ledger_figures figures;
	uint32_t index = 0;

	ledger_figures(departure->ledger, &figures);
	departure->parts = calloc(figures.connections + 1, sizeof(*departure->parts));
	if (!departure->parts)
		return -ENOMEM;
	while (ledger_find(departure->ledger, &index, &found)) {
		if (found.state != LEDGER_CONNECTED || departure->n_parts > figures.connections)
			continue;
		struct part *part = &departure->parts[departure->n_parts++];
		part->id = found.connection_id;
		ledger_attach(departure->ledger, &found, &part->ledger);
	}
	qsort(departure->parts, departure->n_parts, sizeof(*departure->parts), by_id);
	return 0;
}

static int read_ledger(struct departure *departure)
{
	int error = ledger_open(departure->leaving->ledger, 0, &departure->ledger);

	if (!error)
		error =
		    ledger_recover(departure->ledger, departure->store_id, departure->last_commit, note_damaged, departure->log);
	if (error)
		return error > 0 ? -EIO : error;
	departure->is_asked = ledger_owes_update(departure->ledger, &departure->asked_by, &departure->asked_at);
	return attach_all(departure);
}

/* ---- the state ---- */

static int find_socket(const struct departure *departure, uint64_t id)
{
	const struct held_list *sockets = &departure->leaving->handed->sockets;

	for (size_t i = 0; i < sockets->n; i++) {
		if (sockets->all[i].id == id)
			return sockets->all[i].fd;
	}
	return -1;
}

static void find_ports(const struct departure *departure, struct state_connection *connection)
{
	const struct inherited_ports *ports = &departure->leaving->handed->ports;

	connection->port = 0;
	for (size_t i = 0; i < ports->n; i++) {
		if (ports->all[i].domid != connection->domid)
			continue;
		connection->port = ports->all[i].port;
		connection->remote_port = ports->all[i].remote_port;
	}
}

/* The answer to the request for the update, in place of that request. */
static size_t answer_request(struct part *part, const char *input, size_t len)
{
	struct message message;
	unsigned char header[MESSAGE_HEADER_SIZE];

	if (message_parse(input, len, &message) != MESSAGE_WHOLE)
		return 0;
	size_t size = MESSAGE_HEADER_SIZE + message.header.len;
	message.header.len = sizeof("OK");
	message_write_header(header, &message.header);
	buffer_add(&part->output, header, sizeof(header));
	buffer_add(&part->output, "OK", sizeof("OK"));
	return size;
}

static bool complete(void *context, uint64_t id, struct state_connection *connection)
{
	const struct departure *departure = context;
	struct part *part = find_part(departure, id);

	if (connection->is_socket) {
		connection->fd = find_socket(departure, id);
		if (connection->fd < 0)
			return false;
	} else {
		find_ports(departure, connection);
	}
	if (!part)
		return true;
	connection->input = ledger_input(&part->ledger, &connection->input_len);
	connection->partial_len = ledger_output_rest(&part->ledger);
	copy_output(part);
	if (departure->is_asked && departure->asked_by == id) {
		size_t skipped = answer_request(part, connection->input, connection->input_len);
		connection->input += skipped;
		connection->input_len -= skipped;
	}
	connection->output = part->output.bytes;
	connection->output_len = part->output.len;
	return true;
}

static bool next_socket(void *context, uint64_t *id)
{
	const struct departure *departure = context;
	const struct held_list *sockets = &departure->leaving->handed->sockets;
	uint64_t next = UINT64_MAX;

	for (size_t i = 0; i < sockets->n; i++) {
		if (sockets->all[i].id > *id && sockets->all[i].id < next)
			next = sockets->all[i].id;
	}
	*id = next;
	return next != UINT64_MAX;
}

/* oxenstored's text has no place for bytes: what can be sent is sent now. */
static void send_output(const struct departure *departure, const struct state_connection *connection)
{
	ssize_t sent = 0;

	if (connection->is_socket && connection->output_len)
		sent = send(connection->fd, connection->output, connection->output_len, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (sent < 0 || (size_t)sent < connection->output_len || connection->input_len)
		log_warning(departure->log, "update: %s %d loses %zu bytes of requests and %zu of replies and events",
			    connection->is_socket ? "the client with descriptor" : "domain",
			    connection->is_socket ? connection->fd : connection->domid, connection->input_len,
			    connection->output_len - (size_t)(sent > 0 ? sent : 0));
}

static void put(void *context, const struct state_record *record, uint64_t frame)
{
	struct departure *departure = context;

	if (departure->leaving->stock.kind == STOCK_OXENSTORED) {
		if (record->kind == STATE_CONNECTION)
			send_output(departure, &record->connection);
		text_put(&departure->state, record, frame);
	} else if (stream_fits(record)) {
		stream_put(&departure->state, &departure->form, record);
	} else {
		departure->n_too_large++;
	}
}

static int put_together(struct departure *departure)
{
	const struct handed *handed = departure->leaving->handed;
	bool is_text = departure->leaving->stock.kind == STOCK_OXENSTORED;
	const struct export_source source = {
	    .image = &departure->image,
	    .inventory = &departure->inventory,
	    .global = {find_socket(departure, HOLDER_LISTENER), -1, handed->events, handed->ports.exception_port},
	    .complete = complete,
	    .next_socket = next_socket,
	    .context = departure,
	};

	departure->form.version = departure->leaving->stock.version;
	if (is_text)
		text_put_header(&departure->state);
	else
		stream_put_header(&departure->state, &departure->form);
	departure->n_too_large += export_records(&source, &(struct export_sink){put, NULL, departure});
	if (!is_text)
		stream_put_end(&departure->state, &departure->form);
	if (departure->n_too_large)
		log_warning(departure->log, "update: %zu records cannot be handed over", departure->n_too_large);
	return departure->state.failed ? -ENOMEM : 0;
}

static int write_state(const struct departure *departure)
{
	const char *name = departure->leaving->state;
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0)
		return -errno;
	int error = file_write(fd, departure->state.bytes, departure->state.len);
	close(fd);
	return error;
}

/* ---- going ---- */

/* From here on both are of the past: a daemon that is started by itself must not find them. */
static void set_aside(const char *name, bool back)
{
	char left[NAME_SIZE];

	if (snprintf(left, sizeof(left), "%s.left", name) < (int)sizeof(left))
		(void)rename(back ? left : name, back ? name : left);
}

static void keep_open(int fd)
{
	if (fd >= 0)
		fcntl(fd, F_SETFD, 0);
}

static int execute(const struct leaving *leaving)
{
	const struct handed *handed = leaving->handed;
	sigset_t none;

	set_aside(leaving->store, false);
	set_aside(leaving->ledger, false);
	close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
	keep_open(handed->events);
	for (size_t i = 0; i < handed->sockets.n; i++)
		keep_open(handed->sockets.all[i].fd);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	unsetenv(KEEPER_CHANNEL_VARIABLE);
	unsetenv(HANDOVER_VARIABLE);
	if (leaving->directory < 0 || !fchdir(leaving->directory))
		fexecve(leaving->program, leaving->words, environ);
	int error = -errno;
	close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
	set_aside(leaving->store, true);
	set_aside(leaving->ledger, true);
	return error;
}

static void deinit(struct departure *departure)
{
	for (size_t i = 0; i < departure->n_parts; i++) {
		buffer_deinit(&departure->parts[i].output);
		ledger_detach(&departure->parts[i].ledger);
	}
	free(departure->parts);
	buffer_deinit(&departure->state);
	ledger_close(departure->ledger);
	image_deinit(&departure->image);
	inventory_deinit(&departure->inventory);
}

int leave(const struct leaving *leaving)
{
	struct departure departure = {.leaving = leaving, .log = leaving->log};
	int error = read_store(&departure);

	if (!error)
		error = read_ledger(&departure);
	if (!error)
		error = put_together(&departure);
	if (!error)
		error = write_state(&departure);
	deinit(&departure);
	if (!error) {
		log_notice(leaving->log, "update: %s takes over", leaving->words[0]);
		error = execute(leaving);
	}
	log_error(leaving->log, "update: %s cannot take over: %s", leaving->words[0], strerror(-error));
	unlink(leaving->state);
	return error;
}
