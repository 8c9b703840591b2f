/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Arrays grow in the heap; strings lie in one arena. What must be known of all records, that each name is there once, is looked
 * at when all have been read, in sorted order.
 */
#include "handover/state.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lxenstored/store_format.h"
#include "store/store.h"
#include "wire/message.h"
#include "wire/path.h"

enum { FIRST_CAPACITY = 16, TOKEN_MAX = 4096 };

/* ---- sources ---- */

int state_source_open(struct state_source *source, const void *bytes, size_t len)
{
	if (text_dump_is_one(bytes, len)) {
		source->form = STATE_TEXT;
		return text_open(&source->text, bytes, len);
	}
	source->form = STATE_STREAM;
	return stream_open(&source->stream, bytes, len);
}

void state_source_close(struct state_source *source)
{
	if (source->form == STATE_TEXT)
		text_close(&source->text);
	source->form = STATE_NOTHING;
}

int state_source_next(struct state_source *source, struct state_record *out)
{
	return source->form == STATE_TEXT ? text_next(&source->text, out) : stream_next(&source->stream, out);
}

const char *state_source_problem(const struct state_source *source)
{
	return source->form == STATE_TEXT ? source->text.problem : source->stream.problem;
}

struct state_place state_source_place(const struct state_source *source)
{
	if (source->form == STATE_TEXT)
		return (struct state_place){source->text.at, source->text.line};
	return (struct state_place){source->stream.bytes.at, 0};
}

void state_source_return(struct state_source *source, struct state_place place)
{
	if (source->form == STATE_TEXT) {
		source->text.at = place.at;
		source->text.line = place.line;
	} else {
		source->stream.bytes.at = place.at;
	}
}

/* ---- collecting ---- */

struct collecting {
	struct state *state;
	struct state_source source;
	size_t connections, watches, transactions, domains; /* capacities */
	char *problem;
};

#define refuse(collecting, ...) (snprintf((collecting)->problem, STATE_TEXT_SIZE, __VA_ARGS__), -EPROTO)

/* Room for one more element. */
static int grow(void *array, size_t n, size_t *capacity, size_t size)
{
	size_t wanted = *capacity ? 2 * *capacity : FIRST_CAPACITY;
	void **elements = array;

	if (n < *capacity)
		return 0;
	void *grown = reallocarray(*elements, wanted, size);
	if (!grown)
		return -ENOMEM;
	*elements = grown;
	*capacity = wanted;
	return 0;
}

static int keep(struct state *state, const char **text, size_t len)
{
	*text = arena_copy(&state->memory, *text, len);
	return *text ? 0 : -ENOMEM;
}

static void take_global(struct state *state, const struct state_global *global)
{
	if (global->listener >= 0)
		state->global.listener = global->listener;
	if (global->read_only_listener >= 0)
		state->global.read_only_listener = global->read_only_listener;
	if (global->events >= 0)
		state->global.events = global->events;
	if (global->exception_port)
		state->global.exception_port = global->exception_port;
}

/* Behind the rest of one, whole messages. */
static bool is_output(const struct state_connection *connection)
{
	size_t at = connection->partial_len;
	struct message message;

	while (at < connection->output_len) {
		if (message_parse(connection->output + at, connection->output_len - at, &message) != MESSAGE_WHOLE)
			return false;
		at += MESSAGE_HEADER_SIZE + message.header.len;
	}
	return connection->partial_len <= MESSAGE_SIZE_MAX;
}

static int take_connection(struct collecting *collecting, const struct state_connection *connection)
{
	struct state *state = collecting->state;
	int error;

	if (!is_output(connection))
		return refuse(collecting, "what connection %u is owed is no message", connection->number);
	error = grow(&state->connections, state->n_connections, &collecting->connections, sizeof(*connection));
	struct state_connection kept = *connection;

	if (!error)
		error = keep(state, &kept.input, kept.input_len);
	if (!error)
		error = keep(state, &kept.output, kept.output_len);
	if (!error)
		state->connections[state->n_connections++] = kept;
	return error;
}

static int take_watch(struct collecting *collecting, const struct state_watch *watch)
{
	struct state *state = collecting->state;
	struct state_watch kept = *watch;
	char buffer[PATH_BUFFER];
	struct path path;

	if (path_canonicalize(watch->path, watch->path_len, 0, true, 0, buffer, &path) || watch->token_len > TOKEN_MAX)
		return refuse(collecting, "a watch is set on \"%.80s\", which is no path, or has too long a token", watch->path);
	int error = grow(&state->watches, state->n_watches, &collecting->watches, sizeof(kept));
	if (!error)
		error = keep(state, &kept.path, kept.path_len);
	if (!error)
		error = keep(state, &kept.token, kept.token_len);
	if (!error)
		state->watches[state->n_watches++] = kept;
	return error;
}

static int take_transaction(struct collecting *collecting, const struct state_transaction *transaction)
{
	struct state *state = collecting->state;
	int error = grow(&state->transactions, state->n_transactions, &collecting->transactions, sizeof(*transaction));

	if (!error)
		state->transactions[state->n_transactions++] = *transaction;
	return error;
}

static int take_domain(struct collecting *collecting, const struct state_domain *domain)
{
	struct state *state = collecting->state;
	int error = grow(&state->domains, state->n_domains, &collecting->domains, sizeof(*domain));

	if (!error)
		state->domains[state->n_domains++] = *domain;
	return error;
}

static int check_node(struct collecting *collecting, const struct state_node *node)
{
	char buffer[PATH_BUFFER];
	struct path path;
	size_t size = sizeof(struct store_node) + node->n_permissions * sizeof(struct permission) + node->path_len;

	if (path_canonicalize(node->path, node->path_len, 0, true, 0, buffer, &path) || path.len != node->path_len ||
	    memcmp(path.text, node->path, path.len) != 0)
		return refuse(collecting, "a node is called \"%.80s\", which is no absolute path", node->path);
	if (size + node->value_len > STORE_RECORD_MAX)
		return refuse(collecting, "the node %.80s has %zu bytes, more than a store can hold", node->path,
			      size + node->value_len);
	collecting->state->n_nodes++;
	return 0;
}

static int take(struct collecting *collecting, const struct state_record *record)
{
	switch (record->kind) {
	case STATE_GLOBAL:
		take_global(collecting->state, &record->global);
		return 0;
	case STATE_CONNECTION:
		return take_connection(collecting, &record->connection);
	case STATE_WATCH:
		return take_watch(collecting, &record->watch);
	case STATE_TRANSACTION:
		return take_transaction(collecting, &record->transaction);
	case STATE_NODE:
		return record->node.connection ? 0 : check_node(collecting, &record->node);
	case STATE_QUOTAS:
		collecting->state->quotas = record->quotas;
		return 0;
	case STATE_DOMAIN:
		return take_domain(collecting, &record->domain);
	}
	return 0;
}

/* ---- the whole ---- */

static int by_number(const void *left, const void *right)
{
	const struct state_connection *const *a = left, *const *b = right;

	return ((*a)->number > (*b)->number) - ((*a)->number < (*b)->number);
}

/* Rings by domain, then sockets. */
static int by_domain(const void *left, const void *right)
{
	const struct state_connection *const *a = left, *const *b = right;

	if ((*a)->is_socket != (*b)->is_socket)
		return (*a)->is_socket ? 1 : -1;
	return ((*a)->domid > (*b)->domid) - ((*a)->domid < (*b)->domid);
}

static int check_connections(struct collecting *collecting)
{
	const struct state *state = collecting->state;
	const struct state_connection **sorted = state->by_number;
	size_t n = state->n_connections;

	qsort(sorted, n, sizeof(*sorted), by_domain);
	for (size_t i = 1; i < n && !sorted[i]->is_socket; i++) {
		if (sorted[i]->domid == sorted[i - 1]->domid)
			return refuse(collecting, "domain %u has two rings", sorted[i]->domid);
	}
	qsort(sorted, n, sizeof(*sorted), by_number);
	for (size_t i = 1; i < n; i++) {
		if (sorted[i]->number == sorted[i - 1]->number)
			return refuse(collecting, "two connections have the number %u", sorted[i]->number);
	}
	for (size_t i = 0; i < state->n_watches; i++) {
		if (!state_connection(state, state->watches[i].connection))
			return refuse(collecting, "a watch is of connection %u, which is not there",
				      state->watches[i].connection);
	}
	for (size_t i = 0; i < state->n_transactions; i++) {
		if (!state_connection(state, state->transactions[i].connection))
			return refuse(collecting, "a transaction is of connection %u, which is not there",
				      state->transactions[i].connection);
	}
	return 0;
}

static int check_all(struct collecting *collecting)
{
	struct state *state = collecting->state;

	state->by_number = calloc(state->n_connections + 1, sizeof(*state->by_number));
	if (!state->by_number)
		return -ENOMEM;
	for (size_t i = 0; i < state->n_connections; i++)
		state->by_number[i] = &state->connections[i];
	int error = check_connections(collecting);
	if (!error && !state->n_nodes)
		error = refuse(collecting, "there are no nodes");
	return error;
}

static int collect(struct collecting *collecting, const void *bytes, size_t len)
{
	struct state_record record;
	int result = state_source_open(&collecting->source, bytes, len);

	while (!result) {
		result = state_source_next(&collecting->source, &record);
		if (result != 1)
			return result;
		result = take(collecting, &record);
	}
	return result;
}

int state_read(const void *bytes, size_t len, struct state *out, char problem[STATE_TEXT_SIZE])
{
	struct collecting *collecting = calloc(1, sizeof(*collecting));

	*out = (struct state){.global = {-1, -1, -1, 0}};
	arena_init(&out->memory);
	if (!collecting)
		return -ENOMEM;
	collecting->state = out;
	collecting->problem = problem;
	*problem = 0;
	int error = collect(collecting, bytes, len);
	if (error == -EPROTO && !*problem)
		snprintf(problem, STATE_TEXT_SIZE, "%s", state_source_problem(&collecting->source));
	if (!error)
		error = check_all(collecting);
	out->form = collecting->source.form;
	if (out->form == STATE_STREAM) {
		out->version = collecting->source.stream.version;
		out->n_unknown = collecting->source.stream.n_unknown;
		out->n_without_depth = collecting->source.stream.n_without_depth;
	} else {
		out->n_unknown = collecting->source.text.n_unknown;
	}
	state_source_close(&collecting->source);
	free(collecting);
	return error;
}

void state_deinit(struct state *state)
{
	free(state->connections);
	free(state->by_number);
	free(state->watches);
	free(state->transactions);
	free(state->domains);
	arena_deinit(&state->memory);
	*state = (struct state){0};
}

const struct state_connection *state_connection(const struct state *state, uint32_t number)
{
	const struct state_connection wanted = {.number = number};
	const struct state_connection *key = &wanted, **found;

	if (!state->n_connections)
		return NULL;
	found = bsearch(&key, state->by_number, state->n_connections, sizeof(*found), by_number);
	return found ? *found : NULL;
}
