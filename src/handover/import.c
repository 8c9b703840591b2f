/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Nodes go into the store in commits of some thousand, so that one that finds no room can be made again with more. What hangs
 * together with connections follows in one commit.
 */
#include "handover/import.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "domain/domain_record.h"
#include "store/node.h"
#include "store/restore.h"
#include "store/watch_record.h"

enum { FIRST_SOCKET_ID = 0x10000 };

struct importing {
	struct store *store;
	const struct state *state;
	const struct import_options *options;
	struct state_source source;
	struct state_place place;
	char *problem;
};

#define refuse(importing, ...) (snprintf((importing)->problem, STATE_TEXT_SIZE, __VA_ARGS__), -EPROTO)

uint64_t import_connection_id(const struct state_connection *connection)
{
	return connection->is_socket ? FIRST_SOCKET_ID + (uint64_t)connection->number : connection->domid;
}

/* Commits, unless there is an error that the store knows nothing of. */
static int finish(struct importing *importing, int error)
{
	if (!error || importing->store->fault)
		return store_commit(importing->store);
	store_abort(importing->store);
	return error;
}

/* ---- nodes ---- */

static int add_node(struct importing *importing, const struct state_node *told)
{
	struct path path = {told->path, told->path_len}, parent = {told->path, path_parent_len(&path)};
	struct node node;

	if (!node_look(importing->store, &path, &node))
		return refuse(importing, "the node %.80s is there twice", told->path);
	if (parent.len && node_look(importing->store, &parent, &node))
		return refuse(importing, "the node %.80s comes before its parent", told->path);
	return node_create(importing->store, &path, told->permissions, told->n_permissions, told->value, told->value_len);
}

static int next_node(void *context)
{
	struct importing *importing = context;
	struct state_record record;
	int result;

	do
		result = state_source_next(&importing->source, &record);
	while (result == 1 && (record.kind != STATE_NODE || record.node.connection));
	if (result == 1) {
		int error = add_node(importing, &record.node);
		return error ? error : 1;
	}
	return result;
}

static void mark(void *context)
{
	struct importing *importing = context;

	importing->place = state_source_place(&importing->source);
}

static void back(void *context)
{
	struct importing *importing = context;

	state_source_return(&importing->source, importing->place);
}

static void told(void *context, uint64_t nodes)
{
	const struct importing *importing = context;

	if (importing->options->tell)
		importing->options->tell(importing->options->context, nodes);
}

/* ---- domains and watches ---- */

static int add_ring(struct domains *domains, const struct state_connection *connection)
{
	struct domain *domain;
	int error = domain_get(domains, connection->domid, &domain);

	if (error)
		return error;
	domain->introduced = true;
	domain->port = connection->remote_port ? connection->remote_port : connection->port;
	domain->identity.unique_id = connection->unique_id;
	domain_set_target(domains, domain, connection->target);
	return 0;
}

static int add_settings(struct domains *domains, const struct state_domain *told)
{
	struct domain *domain;
	int error = domain_get(domains, told->domid, &domain);

	if (error)
		return error;
	if (told->has_features)
		domain->features = told->features;
	domain->own_quotas = told->quotas;
	return 0;
}

static int save_ring(struct importing *importing, struct domains *domains, const struct state_connection *connection)
{
	struct domain *domain;
	int error = domain_get(domains, connection->domid, &domain);

	if (!error && importing->options->complete)
		error = importing->options->complete(importing->options->context, connection, domain);
	return error ? error : domain_save(importing->store, domain);
}

/* Those without a ring of which something was set; the owners of nodes are known without. */
static int save_others(struct importing *importing, struct domains *domains)
{
	for (size_t i = 0; i < importing->state->n_domains; i++) {
		const struct domain *domain = domain_find(domains, importing->state->domains[i].domid);
		int error = !domain || domain->introduced ? 0 : domain_save(importing->store, domain);
		if (error)
			return error;
	}
	return 0;
}

static int add_domains(struct importing *importing, struct domains *domains)
{
	const struct state *state = importing->state;
	int error = 0;

	for (size_t i = 0; i < state->n_connections && !error; i++) {
		if (!state->connections[i].is_socket)
			error = add_ring(domains, &state->connections[i]);
	}
	for (size_t i = 0; i < state->n_domains && !error; i++)
		error = add_settings(domains, &state->domains[i]);
	for (size_t i = 0; i < state->n_connections && !error; i++) {
		if (!state->connections[i].is_socket)
			error = save_ring(importing, domains, &state->connections[i]);
	}
	if (!error)
		error = save_others(importing, domains);
	domains->quotas_set = state->quotas;
	if (!error && (state->quotas.hard_set || state->quotas.soft_set))
		error = domains_save_quotas(importing->store, domains);
	return error;
}

static int add_watch(struct importing *importing, const struct state_watch *told, uint64_t serial)
{
	const struct state_connection *connection = state_connection(importing->state, told->connection);
	uint16_t domid = connection->is_socket ? importing->options->own : connection->domid;
	char buffer[PATH_BUFFER];
	struct path path;

	if (connection->is_socket && !importing->options->with_sockets)
		return 0;
	/* A relative path is longer in a domain with a long number: it has been looked at as one of domain 0 only. */
	if (path_canonicalize(told->path, told->path_len, domid, true, 0, buffer, &path))
		return refuse(importing, "the watch of domain %u on %.80s has too long a path", domid, told->path);
	const struct watch_record record = {
	    .connection = import_connection_id(connection),
	    .serial = serial,
	    .domid = domid,
	    .hidden = (uint16_t)(path_is_relative(told->path, told->path_len) ? path.len - told->path_len : 0),
	    .depth = told->depth,
	    .path = path.text,
	    .path_len = path.len,
	    .token = told->token,
	    .token_len = told->token_len,
	};
	return watch_record_put(importing->store, &record);
}

static int add_others(struct importing *importing)
{
	struct domains domains;
	int error = domains_init(&domains, importing->options->own, DOMID_PRIVILEGED, NULL, NULL);

	if (!error)
		error = add_domains(importing, &domains);
	for (size_t i = 0; i < importing->state->n_watches && !error; i++)
		error = add_watch(importing, &importing->state->watches[i], i + 1);
	domains_deinit(&domains);
	return finish(importing, error);
}

int import_state(struct store *store, const struct state *state, const void *bytes, size_t len,
		 const struct import_options *options, char problem[STATE_TEXT_SIZE])
{
	struct importing importing = {.store = store, .state = state, .options = options, .problem = problem};
	int error = restore_begin(store, NULL);

	*problem = 0;
	if (!error)
		error = state_source_open(&importing.source, bytes, len);
	if (!error)
		error = restore_fill(store, &(struct restore_feed){next_node, mark, back, told, &importing});
	if (!error) {
		error = add_others(&importing);
		while (error == -ENOSPC && !store_make_room(store))
			error = add_others(&importing);
	}
	if (error == -EPROTO && !*problem)
		snprintf(problem, STATE_TEXT_SIZE, "%s", state_source_problem(&importing.source));
	state_source_close(&importing.source);
	return error;
}
