/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A ring's page has no byte of its own that says where a daemon stands but its indexes: req_cons is what was received, rsp_prod
 * what was sent. The ledger's positions are these, with the unanswered bytes in front of the one and the untaken ones behind the
 * other. A guest cannot make more of that than what it may do to its own ring at any time.
 */
#include "handover/takeover.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "front/xen.h"
#include "handover/import.h"
#include "ledger/ledger.h"
#include "wire/message.h"

/* Positions of a ring begin high enough to look back from. */
#define FIRST_POSITION (UINT64_C(1) << 32)

static const size_t store_limit = (size_t)1 << 44;

/* What is known of the domain of a ring besides what was told. */
struct ring_facts {
	bool is_there, is_mapped; /* for Xen; its page */
	struct domain_identity identity;
	uint32_t port, features, epoch;
};

struct taking {
	const struct takeover *takeover;
	struct log *log;
	struct state state;
	struct xen *xen; /* NULL: no rings are served */
	struct store *store;
	struct ledger *ledger;
	struct handed *handed;
	struct ring_facts *rings; /* one for each connection */
};

/* ---- the file ---- */

static int map_file(const char *name, const void **bytes, size_t *len)
{
	int fd = open(name, O_RDONLY | O_CLOEXEC);
	struct stat status;

	if (fd < 0)
		return -errno;
	int error = fstat(fd, &status) ? -errno : 0;
	*len = error ? 0 : (size_t)status.st_size;
	*bytes = *len ? mmap(NULL, *len, PROT_READ, MAP_PRIVATE, fd, 0) : "";
	if (*bytes == MAP_FAILED)
		error = -errno;
	close(fd);
	return error;
}

/* ---- rings ---- */

static uint32_t find_remote_port(const struct taking *taking, const struct state_connection *connection,
				 const struct ring_page *page)
{
	const struct ring_host *host = xen_ring_host(taking->xen);
	uint32_t port = connection->remote_port;

	if (!port)
		port = host->remote_port(host->context, connection->port);
	if (!port)
		port = ring_load(&page->evtchn_port);
	return port ? port : host->known_port(host->context, connection->domid);
}

static void note_port(struct taking *taking, uint16_t domid, uint32_t port, uint32_t remote_port)
{
	struct inherited_ports *ports = &taking->handed->ports;

	ports->all[ports->n++] = (struct inherited_port){domid, port, remote_port};
}

static int add_input(struct ledger_connection *part, const char *bytes, size_t len)
{
	unsigned char *at;
	size_t room;

	if (!len)
		return 0;
	int error = ledger_copy_in_begin(part, &at, &room);
	if (error || len > room)
		return error ? error : -EMSGSIZE;
	memcpy(at, bytes, len);
	ledger_copy_in_end(part, len);
	return 0;
}

static int add_piece(struct taking *taking, struct ledger_connection *part, const char *bytes, size_t len, bool is_event)
{
	const struct iovec piece = {(void *)(uintptr_t)bytes, len};
	int error = ledger_reserve(taking->ledger);

	if (error)
		return error;
	return is_event ? ledger_append_event(part, 0, 0, true, &piece, 1) : ledger_append_reply(part, 0, &piece, 1);
}

/* The rest of a message is as good as a reply: it stays whatever happens. */
static int add_output(struct taking *taking, struct ledger_connection *part, const struct state_connection *connection)
{
	size_t at = connection->partial_len;
	int error = at ? add_piece(taking, part, connection->output, at, false) : 0;
	struct message message;

	while (!error && at < connection->output_len &&
	       message_parse(connection->output + at, connection->output_len - at, &message) == MESSAGE_WHOLE) {
		size_t size = MESSAGE_HEADER_SIZE + message.header.len;
		error = add_piece(taking, part, connection->output + at, size, message.header.type == MESSAGE_WATCH_EVENT);
		at += size;
	}
	return error;
}

/* `in` and `out`: positions behind what was received and what was taken. */
static int add_part(struct taking *taking, const struct state_connection *connection, uint32_t epoch, uint64_t in, uint64_t out)
{
	struct ledger_connection part;
	int error = ledger_connect(taking->ledger, import_connection_id(connection), &part);

	if (error)
		return error;
	ledger_start_at(&part, epoch, in - connection->input_len, out);
	/* Output first: a reply says that all input up to it is answered, which is none of that which is still to be. */
	error = add_output(taking, &part, connection);
	if (!error)
		error = add_input(&part, connection->input, connection->input_len);
	if (error)
		ledger_disconnect(&part);
	else
		ledger_detach(&part);
	return error;
}

static void complain_of_ring(const struct taking *taking, uint16_t domid, const char *why)
{
	log_warning(taking->log,
		    "takeover: the ring of domain %u cannot be taken over: %s. It is not served until it is "
		    "introduced again",
		    domid, why);
}

static int take_page(struct taking *taking, const struct state_connection *connection, struct ring_facts *facts,
		     const struct ring_page *page)
{
	facts->is_mapped = true;
	facts->port = find_remote_port(taking, connection, page);
	facts->features = ring_load(&page->server_features) & RING_FEATURES;
	facts->epoch = (uint32_t)(facts - taking->rings) + 1;
	if (!facts->port)
		complain_of_ring(taking, connection->domid, "nobody knows its event channel");
	else
		note_port(taking, connection->domid, connection->port, facts->port);
	int error = add_part(taking, connection, facts->epoch, FIRST_POSITION + ring_load(&page->req_cons),
			     FIRST_POSITION + ring_load(&page->rsp_prod));
	if (error != -EMSGSIZE)
		return error;
	complain_of_ring(taking, connection->domid, "more of its requests wait than the ledger can hold");
	return 0;
}

static int take_ring(struct taking *taking, const struct state_connection *connection, struct ring_facts *facts)
{
	const struct ring_host *host = xen_ring_host(taking->xen);
	const struct hypervisor *hypervisor = xen_hypervisor(taking->xen);
	struct domain_state state;
	struct ring_page *page;

	/* One that has died is found out, and released, by the start. */
	if (hypervisor->domain_state(hypervisor->context, connection->domid, &state))
		return 0;
	facts->is_there = true;
	facts->identity = state.identity;
	if (host->map(host->context, connection->domid, &page)) {
		complain_of_ring(taking, connection->domid, "it cannot be mapped");
		return 0;
	}
	int error = take_page(taking, connection, facts, page);
	host->unmap(host->context, connection->domid, page);
	return error;
}

/* For the record of a domain that has a ring. */
static int complete_domain(void *context, const struct state_connection *connection, struct domain *domain)
{
	const struct taking *taking = context;
	const struct ring_facts *facts = &taking->rings[connection - taking->state.connections];

	/* What the stream says of who it is goes first: the number may have become another domain's. */
	if (facts->is_there && !domain->identity.unique_id)
		domain->identity = facts->identity;
	if (facts->is_mapped) {
		domain->port = facts->port;
		domain->features = facts->features;
		domain->epoch = facts->epoch;
	}
	return 0;
}

/* ---- sockets ---- */

/* It survived exec because it was to; the next program has it by its name only. */
static bool adopt_descriptor(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	return flags >= 0 && !fcntl(fd, F_SETFD, FD_CLOEXEC) && !fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

static void hold(struct taking *taking, uint64_t id, int fd)
{
	struct held_list *sockets = &taking->handed->sockets;

	sockets->all[sockets->n++] = (struct held){id, fd};
}

static int take_socket(struct taking *taking, const struct state_connection *connection)
{
	if (!adopt_descriptor(connection->fd)) {
		log_warning(taking->log, "takeover: connection %u has ended: its descriptor %d is not here", connection->number,
			    connection->fd);
		return 0;
	}
	int error = add_part(taking, connection, 0, connection->input_len, 0);
	if (error == -EMSGSIZE) {
		log_warning(taking->log, "takeover: connection %u ends: more of its requests wait than the ledger can hold",
			    connection->number);
		close(connection->fd);
		return 0;
	}
	if (!error)
		hold(taking, import_connection_id(connection), connection->fd);
	return error;
}

static int take_connections(struct taking *taking)
{
	const struct state *state = &taking->state;
	int error = 0;

	if (state->global.listener >= 0 && adopt_descriptor(state->global.listener))
		hold(taking, HOLDER_LISTENER, state->global.listener);
	for (size_t i = 0; i < state->n_connections && !error; i++) {
		const struct state_connection *connection = &state->connections[i];
		if (connection->is_socket)
			error = take_socket(taking, connection);
		else if (taking->xen)
			error = take_ring(taking, connection, &taking->rings[i]);
	}
	return error;
}

/* ---- the whole ---- */

/* What the store cannot hold of a daemon that had it. */
static void tell_lost(const struct taking *taking)
{
	const struct state *state = &taking->state;

	for (size_t i = 0; i < state->n_transactions; i++) {
		const struct state_connection *connection = state_connection(state, state->transactions[i].connection);
		log_warning(taking->log, "takeover: transaction %u of %s %d is lost", state->transactions[i].id,
			    connection->is_socket ? "the client with descriptor" : "domain",
			    connection->is_socket ? connection->fd : connection->domid);
	}
	if (state->n_without_depth)
		log_warning(taking->log, "takeover: %zu watches have lost their depth, and fire for more than they did",
			    state->n_without_depth);
	if (state->n_unknown)
		log_warning(taking->log, "takeover: %zu records are of kinds that this program does not know", state->n_unknown);
}

/* Room for all that there may be, so that noting one cannot fail. */
static int make_lists(struct taking *taking)
{
	size_t n = taking->state.n_connections + 1;

	taking->handed->sockets.all = calloc(n, sizeof(*taking->handed->sockets.all));
	taking->handed->ports.all = calloc(n, sizeof(*taking->handed->ports.all));
	taking->rings = calloc(n, sizeof(*taking->rings));
	return taking->handed->sockets.all && taking->handed->ports.all && taking->rings ? 0 : -ENOMEM;
}

/* A copy of the descriptor, so that what is done here leaves the ports alone. */
static int open_xen(struct taking *taking)
{
	int events = taking->state.global.events;

	if (!taking->takeover->serves_rings)
		return 0;
	taking->handed->events = events >= 0 && !fcntl(events, F_SETFD, FD_CLOEXEC) ? events : -1;
	if (taking->handed->events >= 0) {
		taking->handed->ports.exception_port = taking->state.global.exception_port;
		events = fcntl(events, F_DUPFD_CLOEXEC, 0);
	}
	return xen_open(taking->log, taking->takeover->own, events, &taking->xen);
}

/* The store is made beside its place, the ledger where it is: without the store of its id it counts for nothing. */
static int make_all(struct taking *taking, const void *bytes, size_t len, char problem[STATE_TEXT_SIZE])
{
	const struct takeover *takeover = taking->takeover;
	char beside[4096], beside_lock[4200], lock[4096];
	const struct import_options options = {
	    .with_sockets = true, .own = takeover->own, .complete = complete_domain, .context = taking};

	if (snprintf(beside, sizeof(beside), "%s.loading", takeover->store) >= (int)sizeof(beside) ||
	    snprintf(lock, sizeof(lock), "%s-lock", takeover->store) >= (int)sizeof(lock))
		return -ENAMETOOLONG;
	snprintf(beside_lock, sizeof(beside_lock), "%s-lock", beside);
	unlink(beside);
	unlink(beside_lock);
	int error = store_open(
	    &(struct store_options){.path = beside, .size_limit = store_limit, .boot_id = takeover->boot_id, .log = taking->log},
	    &taking->store);
	if (!error)
		error = ledger_begin(taking->ledger, taking->store->meta.id);
	if (!error)
		error = take_connections(taking);
	if (!error)
		error = import_state(taking->store, &taking->state, bytes, len, &options, problem);
	store_close(taking->store);
	unlink(lock);
	if (!error && rename(beside, takeover->store))
		error = -errno;
	unlink(beside_lock);
	return error;
}

static int take_over(struct taking *taking, const void *bytes, size_t len, char problem[STATE_TEXT_SIZE])
{
	int error = state_read(bytes, len, &taking->state, problem);

	if (!error)
		error = make_lists(taking);
	if (!error)
		error = open_xen(taking);
	if (!error)
		error = ledger_open(taking->takeover->ledger, 0, &taking->ledger);
	if (!error)
		error = make_all(taking, bytes, len, problem);
	if (!error)
		tell_lost(taking);
	ledger_close(taking->ledger);
	xen_close(taking->xen);
	return error;
}

/* The ledger takes addresses for all that it may grow to. */
static void raise_limits(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_AS, &limit))
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_AS, &limit);
}

int takeover_run(const struct takeover *takeover, struct handed *out)
{
	struct taking taking = {.takeover = takeover, .log = takeover->log, .handed = out};
	char problem[STATE_TEXT_SIZE] = "";
	const void *bytes = NULL;
	size_t len = 0;
	int error = map_file(takeover->state, &bytes, &len);

	raise_limits();
	*out = (struct handed){.keeper = -1, .events = -1};
	if (error) {
		log_error(takeover->log, "takeover: the state of the daemon before, %s: %s", takeover->state, strerror(-error));
		return error;
	}
	error = take_over(&taking, bytes, len, problem);
	if (error)
		log_error(takeover->log, "takeover: the state of the daemon before, %s, cannot be taken over: %s",
			  takeover->state, *problem ? problem : strerror(-error));
	else
		log_notice(takeover->log, "takeover: %llu nodes, %zu rings and %zu sockets of the daemon before",
			   (unsigned long long)taking.state.n_nodes, out->ports.n, out->sockets.n);
	if (!error)
		unlink(takeover->state);
	out->polled = taking.state.form == STATE_TEXT;
	if (len)
		munmap((void *)(uintptr_t)bytes, len);
	state_deinit(&taking.state);
	free(taking.rings);
	return error;
}
