/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Small operations on a few nodes, the hot set, that lie all over the store, by clients that wait for each answer or keep a fixed
 * number of requests in flight. Link 0 is the one client; hot_run_sockets alone uses all links.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "bench/tree.h"
#include "bench/workload.h"
#include "wire/message.h"

/* So many nodes that neither their pages nor the way to them are in the CPU's caches. */
enum { ANYWHERE_NODES = 10000 };

static int build(struct site *site)
{
	char path[TREE_PATH_MAX], value[TREE_VALUE_MAX];

	load_init(&site->reads);
	load_init(&site->writes);
	for (size_t i = 0; i < site->hot; i++) {
		size_t leaf = tree_spread(site->leaves, i, site->hot);

		tree_leaf_path(leaf, path);
		tree_value(leaf, value);
		load_add_path(&site->reads.bytes, MESSAGE_READ, path);
		load_mark(&site->reads);
		load_add_write(&site->writes.bytes, path, value);
		load_mark(&site->writes);
	}
	return site->reads.failed || site->writes.failed ? -ENOMEM : 0;
}

/* A count of requests in flight must divide the number of requests that were built. */
static size_t whole_batches(const struct load *load, size_t batch)
{
	return load->count / batch * batch;
}

int hot_open(struct site *site)
{
	int error = build(site);

	if (site->parameter > 1 && site->parameter < site->hot) {
		site->reads.count = whole_batches(&site->reads, site->parameter);
		site->writes.count = whole_batches(&site->writes, site->parameter);
	}
	return error ? error : link_open(site->server->socket, &site->link[0]);
}

int hot_open_anywhere(struct site *site)
{
	site->hot = ANYWHERE_NODES;
	return hot_open(site);
}

int hot_open_sockets(struct site *site)
{
	int error = hot_open(site);

	for (size_t i = 1; i < SITE_LINKS && !error; i++)
		error = link_open(site->server->socket, &site->link[i]);
	return error;
}

/* In a process of its own, since a process may not have enough descriptors for the crowds of all servers. */
__attribute__((noreturn)) static void be_crowd(const struct site *site, int ready)
{
	struct link *link;
	char byte = 0;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (unsigned i = 0; i < site->parameter; i++) {
		if (link_open(site->server->socket, &link) != 0 || link_sync(link) != 0)
			_exit(1);
		/* Only the descriptor is wanted; it lives as long as the process. */
		free(link);
	}
	if (write(ready, &byte, 1) != 1)
		_exit(1);
	for (;;)
		pause();
}

static int gather_crowd(struct site *site)
{
	int ready[2];
	char byte;
	ssize_t n;

	if (pipe(ready) != 0)
		return -errno;
	site->crowd = fork();
	if (site->crowd < 0)
		return -errno;
	if (site->crowd == 0)
		be_crowd(site, ready[1]);
	close(ready[1]);
	n = read(ready[0], &byte, 1);
	close(ready[0]);
	return n == 1 ? 0 : -ECONNREFUSED;
}

int hot_open_beside(struct site *site)
{
	int error = gather_crowd(site);

	if (!error)
		error = build(site);
	return error ? error : link_open(site->server->socket, &site->link[0]);
}

static int ask(struct link *link, const char *request, size_t len)
{
	int error = link_write(link, request, len);

	return error ? error : link_await(link, 1, 0);
}

int hot_run_read(struct site *site, size_t operations)
{
	const char *request;
	size_t len;
	int error = 0;

	for (size_t i = 0; i < operations && !error; i++) {
		request = load_take(&site->reads, 1, &len);
		error = ask(site->link[0], request, len);
	}
	return error;
}

int hot_run_write(struct site *site, size_t operations)
{
	const char *request;
	size_t len;
	int error = 0;

	for (size_t i = 0; i < operations && !error; i++) {
		request = load_take_changed(&site->writes, 1, &len);
		error = ask(site->link[0], request, len);
	}
	return error;
}

int hot_run_reads_in_flight(struct site *site, size_t operations)
{
	const char *requests;
	size_t len;
	int error = 0;

	for (size_t i = 0; i < operations && !error; i += site->parameter) {
		requests = load_take(&site->reads, site->parameter, &len);
		error = link_write(site->link[0], requests, len);
		if (!error)
			error = link_await(site->link[0], site->parameter, 0);
	}
	return error;
}

int hot_run_writes_in_flight(struct site *site, size_t operations)
{
	const char *requests;
	size_t len;
	int error = 0;

	for (size_t i = 0; i < operations && !error; i += site->parameter) {
		requests = load_take_changed(&site->writes, site->parameter, &len);
		error = link_write(site->link[0], requests, len);
		if (!error)
			error = link_await(site->link[0], site->parameter, 0);
	}
	return error;
}

int hot_run_sockets(struct site *site, size_t operations)
{
	const char *request;
	size_t len, sent = 0;
	int error = 0;

	while (sent < operations && !error) {
		for (size_t i = 0; i < SITE_LINKS && !error; i++, sent++) {
			if (sent % 5 == 4)
				request = load_take_changed(&site->writes, 1, &len);
			else
				request = load_take(&site->reads, 1, &len);
			error = link_write(site->link[i], request, len);
		}
		for (size_t i = 0; i < SITE_LINKS && !error; i++)
			error = link_await(site->link[i], 1, 0);
	}
	return error;
}

static int send_fixed(struct link *link, uint32_t type, uint32_t transaction, const char *payload, size_t len)
{
	struct {
		struct message_header header;
		char payload[4];
	} request = {.header = {.type = type, .transaction_id = transaction, .len = (uint32_t)len}};

	memcpy(request.payload, payload, len);
	return ask(link, (const char *)&request, sizeof(request.header) + len);
}

static int start(struct link *link, uint32_t *transaction)
{
	int error = send_fixed(link, MESSAGE_TRANSACTION_START, 0, "", 1);

	if (!error)
		*transaction = (uint32_t)strtoul(link->reply, NULL, 10);
	return error;
}

int hot_run_empty_transaction(struct site *site, size_t operations)
{
	uint32_t transaction = 0;
	int error = 0;

	for (size_t i = 0; i < operations && !error; i++) {
		error = start(site->link[0], &transaction);
		if (!error)
			error = send_fixed(site->link[0], MESSAGE_TRANSACTION_END, transaction, "T", 2);
	}
	return error;
}

static int ask_in(struct site *site, struct load *load, const char *request, size_t len, uint32_t transaction)
{
	int error;

	load_in_transaction(load, request, transaction);
	error = ask(site->link[0], request, len);
	load_in_transaction(load, request, 0);
	return error;
}

int hot_run_transaction(struct site *site, size_t operations)
{
	uint32_t transaction = 0;
	const char *request;
	size_t len;
	int error = 0;

	/* The same node is read and written: both loads are in step. */
	site->reads.next = site->writes.next;
	for (size_t i = 0; i < operations && !error; i++) {
		error = start(site->link[0], &transaction);
		if (!error) {
			request = load_take(&site->reads, 1, &len);
			error = ask_in(site, &site->reads, request, len, transaction);
		}
		if (!error) {
			request = load_take_changed(&site->writes, 1, &len);
			error = ask_in(site, &site->writes, request, len, transaction);
		}
		if (!error)
			error = send_fixed(site->link[0], MESSAGE_TRANSACTION_END, transaction, "T", 2);
	}
	return error;
}

int hot_open_directories(struct site *site)
{
	char path[TREE_PATH_MAX];

	load_init(&site->extra);
	for (size_t i = 0; i < site->hot; i++) {
		tree_device_path(tree_spread(site->leaves, i, site->hot), path);
		load_add_path(&site->extra.bytes, MESSAGE_DIRECTORY, path);
		load_mark(&site->extra);
	}
	return site->extra.failed ? -ENOMEM : link_open(site->server->socket, &site->link[0]);
}

int hot_run_request(struct site *site, size_t operations)
{
	const char *request;
	size_t len;
	int error = 0;

	for (size_t i = 0; i < operations && !error; i++) {
		request = load_take(&site->extra, 1, &len);
		error = ask(site->link[0], request, len);
	}
	return error;
}
