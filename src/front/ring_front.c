/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A ring is found by the number of its domain when an operation names it, and by the port when an event comes: no request looks
 * at the rings of others. Only the scan does, for guests that forget to send an event.
 *
 * INTRODUCE and RELEASE take effect at once as far as Xen is concerned (pages, event channels), with a step of the turn that
 * takes it back or makes it final. Until then the ring is paused: nothing is received, run or sent that belongs to a
 * connection of which it is not certain whether it goes on.
 */
#include "front/ring_front.h"

#include <errno.h>
#include <ev.h>
#include <stdlib.h>
#include <string.h>

#include "front/ring.h"
#include "ledger/loading.h"
#include "request/introduce.h"
#include "request/domain_change.h"

enum { EVENTS_PER_TURN = 256 };

static const double event_retry_seconds = 1;

struct ring_front {
	struct front *front;
	const struct ring_host *host;
	struct ring_front_options options;
	struct rings rings;
	ev_io events;
	ev_timer scan;
	ev_timer retry; /* while events cannot be read */
	struct ring *all;
	struct ring **by_port; /* those whose event channel it is */
	size_t n_ports;
	uint32_t exception_port;
	uint32_t last_epoch;
	bool is_starting; /* guests have used their pages with a daemon before this one, and go on */
};

/* A page and an event channel, as one ring has it. */
struct attachment {
	struct ring_page *page;
	uint32_t port, remote_port;
};

/* INTRODUCE of a domain, until the turn is committed or put back. */
struct introduction {
	struct ring_front *rings;
	struct ring *ring;
	struct attachment before; /* no page: the ring is new */
	uint32_t domain_port, domain_epoch;
};

struct release {
	struct ring_front *rings;
	struct ring *ring;
};

/* ---- tables ---- */

static struct ring *find(const struct ring_front *rings, uint16_t domid)
{
	struct ring *ring;

	HASH_FIND(hh, rings->all, &domid, sizeof(domid), ring);
	return ring;
}

static void start_scan(struct ring_front *rings)
{
	if (rings->options.scan_seconds > 0 && !ev_is_active(&rings->scan))
		front_start_timer(rings->front, &rings->scan);
}

static void forget(struct ring_front *rings, struct ring *ring)
{
	HASH_DEL(rings->all, ring);
	if (!rings->all)
		front_stop_timer(rings->front, &rings->scan);
}

static int set_port(struct ring_front *rings, uint32_t port, struct ring *ring)
{
	if (port >= rings->n_ports) {
		size_t n = rings->n_ports ? rings->n_ports : 64;
		while (n <= port)
			n *= 2;
		struct ring **grown = realloc(rings->by_port, n * sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		memset(grown + rings->n_ports, 0, (n - rings->n_ports) * sizeof(*grown));
		rings->by_port = grown;
		rings->n_ports = n;
	}
	rings->by_port[port] = ring;
	return 0;
}

/* ---- pages and event channels ---- */

static void unbind(struct ring_front *rings, uint32_t port)
{
	if (!port)
		return;
	rings->by_port[port] = NULL;
	rings->host->unbind(rings->host->context, port);
}

static int bind_port(struct ring_front *rings, struct ring *ring, uint32_t remote_port, uint32_t *out)
{
	int result = rings->host->bind(rings->host->context, ring->domid, remote_port, out);

	if (result)
		return result;
	result = set_port(rings, *out, ring);
	if (result)
		rings->host->unbind(rings->host->context, *out);
	return result;
}

static int by_domid(const void *left, const void *right)
{
	const struct inherited_port *a = left, *b = right;

	return (int)a->domid - (int)b->domid;
}

/* The ring's port is inherited, or is bound now. */
static int take_port(struct ring_front *rings, struct ring *ring, struct attachment *attachment, bool *is_inherited)
{
	const struct inherited_ports *inherited = rings->options.inherited;
	const struct inherited_port wanted = {.domid = ring->domid};
	struct inherited_port *found =
	    inherited && inherited->n ? bsearch(&wanted, inherited->all, inherited->n, sizeof(wanted), by_domid) : NULL;

	*is_inherited = found && found->port && found->remote_port == attachment->remote_port;
	if (!*is_inherited)
		return bind_port(rings, ring, attachment->remote_port, &attachment->port);
	int error = set_port(rings, found->port, ring);
	if (error)
		return error;
	attachment->port = found->port;
	found->port = 0;
	return 0;
}

static void unbind_inherited(struct ring_front *rings)
{
	struct inherited_ports *inherited = rings->options.inherited;

	for (size_t i = 0; inherited && i < inherited->n; i++)
		if (inherited->all[i].port)
			rings->host->unbind(rings->host->context, inherited->all[i].port);
	rings->options.inherited = NULL;
}

static void detach(struct ring_front *rings, uint16_t domid, const struct attachment *attachment)
{
	unbind(rings, attachment->port);
	if (attachment->page)
		rings->host->unmap(rings->host->context, domid, attachment->page);
}

static struct attachment attachment_of(const struct ring *ring)
{
	return (struct attachment){ring->page, ring->port, ring->remote_port};
}

static void attach(struct ring *ring, const struct attachment *attachment)
{
	ring->page = attachment->page;
	ring->port = attachment->port;
	ring->remote_port = attachment->remote_port;
	ring->masked = false;
}

/*
 * Binds the event channel that the page names, else `port`. One that the ring has bound already is bound again, because the guest
 * may have closed its end and opened another of the same number.
 */
static int bind_event_channel(struct ring_front *rings, struct ring *ring, uint32_t port, struct attachment *out)
{
	uint32_t named = ring_load(&out->page->evtchn_port);

	out->remote_port = named ? named : port;
	if (!out->remote_port)
		return STATUS_EINVAL;
	if (ring->port && ring->remote_port == out->remote_port) {
		unbind(rings, ring->port);
		ring->port = 0;
	}
	return bind_port(rings, ring, out->remote_port, &out->port);
}

/* Maps the page and binds the port anew, beside those that the ring has. 0, a status, a fault. */
static int open_attachment(struct ring_front *rings, struct ring *ring, uint32_t port, struct attachment *out)
{
	bool was_bound = ring->port;
	int result = rings->host->map(rings->host->context, ring->domid, &out->page);

	if (result)
		return result;
	result = bind_event_channel(rings, ring, port, out);
	if (!result)
		return 0;
	rings->host->unmap(rings->host->context, ring->domid, out->page);
	if (was_bound && !ring->port)
		ring_give_up(ring, RING_ERROR_COMMUNICATION);
	return result;
}

/* ---- INTRODUCE ---- */

static void free_ring(struct ring *ring)
{
	connection_deinit(&ring->connection);
	free(ring);
}

static void introduction_commit(void *context)
{
	struct introduction *introduction = context;
	struct ring *ring = introduction->ring;

	detach(introduction->rings, ring->domid, &introduction->before);
	connection_resume(&ring->connection);
	ring->stop_logged = false;
	ring_begin(ring, ring->connection.client.domain->epoch, introduction->rings->is_starting);
	free(introduction);
}

static void introduction_undo(void *context)
{
	struct introduction *introduction = context;
	struct ring_front *rings = introduction->rings;
	struct ring *ring = introduction->ring;
	struct domain *domain = ring->connection.client.domain;
	struct attachment now = attachment_of(ring);

	domain->port = introduction->domain_port;
	domain->epoch = introduction->domain_epoch;
	if (!introduction->before.page) {
		detach(rings, ring->domid, &now);
		forget(rings, ring);
		free_ring(ring);
	} else {
		if (introduction->before.port) {
			unbind(rings, now.port);
		} else { /* it was unbound to be bound again, and is */
			introduction->before.port = now.port;
			introduction->before.remote_port = now.remote_port;
		}
		rings->host->unmap(rings->host->context, ring->domid, now.page);
		attach(ring, &introduction->before);
		ring->masked = true; /* it may be */
		connection_resume(&ring->connection);
	}
	free(introduction);
}

/* `found`: the ledger's part, if there is one. */
static int new_ring(struct ring_front *rings, struct domain *domain, const struct ledger_found *found, struct ring **out)
{
	uint16_t domid = domain->caller.domid;
	struct ring *ring = calloc(1, sizeof(*ring));

	if (!ring)
		return -ENOMEM;
	int result = found ? connection_attach(&ring->connection, rings->front, &ring_kind, found, domain)
			   : connection_init(&ring->connection, rings->front, &ring_kind, domid, domain);
	if (result) {
		free(ring);
		return result;
	}
	ring->host = rings->host;
	ring->domid = domid;
	HASH_ADD(hh, rings->all, domid, sizeof(ring->domid), ring);
	if (!ring->hh.tbl) {
		free_ring(ring);
		return -ENOMEM;
	}
	start_scan(rings);
	*out = ring;
	return 0;
}

static int introduce(void *context, struct domain *domain, uint32_t port)
{
	struct ring_front *rings = context;
	struct introduction *introduction = calloc(1, sizeof(*introduction));
	struct ring *ring = find(rings, domain->caller.domid);
	struct attachment now = {0};
	bool is_new = !ring;
	int result = 0;

	if (!introduction)
		return -ENOMEM;
	if (is_new)
		result = new_ring(rings, domain, NULL, &ring);
	else if (ring->connection.is_paused)
		result = -EBUSY; /* by an earlier request of this turn, which has to be committed first */
	if (!result) {
		result = open_attachment(rings, ring, port, &now);
		if (result && is_new) {
			forget(rings, ring);
			free_ring(ring);
		}
	}
	if (result) {
		free(introduction);
		return result;
	}
	*introduction = (struct introduction){rings, ring, attachment_of(ring), domain->port, domain->epoch};
	attach(ring, &now);
	connection_pause(&ring->connection);
	domain->port = now.remote_port;
	domain->epoch = ++rings->last_epoch;
	return turn_add_step(rings->front->turn, &(struct turn_step){introduction_commit, introduction_undo, introduction, true});
}

/* ---- RELEASE ---- */

/* Its memory stays until the end of the turn: whoever walks connections may stand on it. */
static void release_commit(void *context)
{
	struct release *release = context;
	struct ring *ring = release->ring;
	const struct attachment now = attachment_of(ring);

	detach(release->rings, ring->domid, &now);
	attach(ring, &(struct attachment){0});
	forget(release->rings, ring);
	connection_deinit(&ring->connection);
	ring->released = true;
	connection_end(&ring->connection);
	free(release);
}

static void release_undo(void *context)
{
	struct release *release = context;

	connection_resume(&release->ring->connection);
	free(release);
}

static int release(void *context, struct domain *domain)
{
	struct ring_front *rings = context;
	struct ring *ring = find(rings, domain->caller.domid);

	if (!ring)
		return 0;
	if (ring->connection.is_paused)
		return -EBUSY;
	struct release *release = malloc(sizeof(*release));
	if (!release)
		return -ENOMEM;
	*release = (struct release){rings, ring};
	connection_pause(&ring->connection);
	return turn_add_step(rings->front->turn, &(struct turn_step){release_commit, release_undo, release, true});
}

/* ---- those that the ledger has ---- */

/* It goes on, in the same page and by the same channel. -ENOMEM, -EIO; other failures are logged. */
static int recover(struct ring_front *rings, struct domain *domain, const struct ledger_found *found)
{
	const struct ring_host *host = rings->host;
	struct log *log = rings->front->turn->log;
	uint16_t domid = domain->caller.domid;
	struct attachment now = {.remote_port = domain->port};
	struct ring *ring;
	int result = host->map(host->context, domid, &now.page);

	if (result) {
		log_warning(log, "the ring of domain %u cannot be mapped again. It is not served until it is introduced again",
			    domid);
		ledger_drop(rings->front->turn->ledger, found);
		return result == -ENOMEM ? result : 0;
	}
	result = new_ring(rings, domain, found, &ring);
	if (result) {
		host->unmap(host->context, domid, now.page);
		return result;
	}
	bool is_inherited, is_bound = !take_port(rings, ring, &now, &is_inherited);
	attach(ring, &now);
	ring->masked = is_inherited; /* it may be, with an event that nobody has seen */
	ring_go_on(ring, found);
	if (!is_bound)
		ring_give_up(ring, RING_ERROR_COMMUNICATION);
	return 0;
}

int ring_front_recover(struct ring_front *rings)
{
	struct ledger *ledger = rings->front->turn->ledger;
	struct ledger_found found;
	uint32_t index = 0;
	int error = 0;

	while (!error && ledger_find(ledger, &index, &found)) {
		if (found.connection_id > UINT16_MAX)
			continue;
		struct domain *domain = domain_find(rings->front->turn->domains, (uint16_t)found.connection_id);
		bool is_there = domain && domain->introduced && domain->is_there;
		if (is_there && !find(rings, domain->caller.domid) &&
		    loading_is_next(ledger_loading(ledger), LEDGER_LOAD_CONNECTION, found.connection_id, 0))
			error = recover(rings, domain, &found);
		else
			ledger_drop(ledger, &found);
	}
	return error;
}

/* ---- those that were there before, without a part of the ledger ---- */

struct taking_up {
	uint16_t domid;
	uint32_t port;
};

static int take_up(void *context, struct turn *turn, struct changes *changes)
{
	const struct taking_up *taking_up = context;

	return introduce_domain(turn, taking_up->domid, taking_up->port, changes);
}

static bool is_introduced(const struct ring_front *rings, uint16_t domid)
{
	const struct domain *domain = domain_find(rings->front->turn->domains, domid);

	return domain && domain->introduced;
}

/*
 * The port by which the ring of this domain can be taken up; 0: by none. *was_served: has its page been served before, or is it
 * waiting for that? The page of a domain that is just being built is left to its toolstack.
 */
static uint32_t find_port(const struct ring_front *rings, uint16_t domid, bool *was_served)
{
	const struct domain *domain = domain_find(rings->front->turn->domains, domid);
	struct ring_page *page;
	uint32_t port = 0;

	*was_served = is_introduced(rings, domid);
	if (!rings->host->map(rings->host->context, domid, &page)) {
		port = ring_load(&page->evtchn_port);
		*was_served |= port || ring_load(&page->server_features) || ring_load(&page->req_cons) ||
			       ring_load(&page->connection) == RING_RECONNECT;
		rings->host->unmap(rings->host->context, domid, page);
	}
	if (!port && domain)
		port = domain->port;
	return port ? port : rings->host->known_port(rings->host->context, domid);
}

/* -ENOMEM, -ENOSPC; other failures are logged. */
static int take_up_domain(struct ring_front *rings, uint16_t domid)
{
	struct log *log = rings->front->turn->log;
	bool was_served, is_own = domid == rings->front->turn->domains->own;

	if (find(rings, domid))
		return 0;
	if (!loading_is_next(ledger_loading(rings->front->turn->ledger), LEDGER_LOAD_RING, domid, 0))
		return 0;
	struct taking_up taking_up = {domid, find_port(rings, domid, &was_served)};

	if (!was_served && !is_own)
		return 0;
	int result = taking_up.port ? turn_run_work(rings->front->turn, take_up, &taking_up) : STATUS_ENOENT;
	if (result == -ENOMEM || result == -ENOSPC)
		return result;
	if (result && is_own)
		log_notice(log, "no ring for the kernel of domain %u, in which the daemon runs: its programs use the socket",
			   domid);
	else if (!taking_up.port)
		log_warning(
		    log, "domain %u: nobody knows the event channel of its ring. It is not served until it is introduced again",
		    domid);
	else if (result)
		log_warning(log, "the ring of domain %u cannot be taken up. It is not served until it is introduced again",
			    domid);
	return 0;
}

struct numbers {
	uint16_t *domids;
	size_t n, capacity;
};

static int note_number(void *context, uint16_t domid, const struct domain_state *state)
{
	struct numbers *numbers = context;

	if (state->dying)
		return 0;
	if (numbers->n == numbers->capacity) {
		size_t wanted = numbers->capacity ? 2 * numbers->capacity : 64;
		uint16_t *grown = realloc(numbers->domids, wanted * sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		numbers->domids = grown;
		numbers->capacity = wanted;
	}
	numbers->domids[numbers->n++] = domid;
	return 0;
}

int ring_front_start(struct ring_front *rings)
{
	const struct domains *domains = rings->front->turn->domains;
	struct numbers numbers = {0};
	int error = 0;

	unbind_inherited(rings);
	if (domains->hypervisor)
		error = domains->hypervisor->each_domain(domains->hypervisor->context, note_number, &numbers);
	if (error && error != -ENOMEM) {
		log_error(rings->front->turn->log, "domains cannot be asked for: %s", strerror(-error));
		error = 0;
	}
	rings->is_starting = true;
	if (!error)
		error = take_up_domain(rings, domains->own);
	for (size_t i = 0; i < numbers.n && !error; i++) {
		if (numbers.domids[i] != domains->own)
			error = take_up_domain(rings, numbers.domids[i]);
	}
	rings->is_starting = false;
	free(numbers.domids);
	return error;
}

/* ---- events ---- */

static void tell_exception(struct ring_front *rings)
{
	if (rings->options.domain_exception)
		rings->options.domain_exception(rings->options.context);
}

/* False: none can be had. */
static bool take_event(struct ring_front *rings)
{
	uint32_t port;
	int result = rings->host->next_event(rings->host->context, &port);

	if (result < 0) {
		log_error(rings->front->turn->log, "events of domains cannot be read: %s", strerror(-result));
		ev_io_stop(rings->front->loop, &rings->events);
		front_start_timer(rings->front, &rings->retry);
	}
	if (result <= 0)
		return false;
	if (port == rings->exception_port) {
		rings->host->unmask(rings->host->context, port);
		tell_exception(rings);
	} else if (port < rings->n_ports && rings->by_port[port]) {
		rings->by_port[port]->masked = true;
		ring_wake(rings->by_port[port]);
	}
	return true;
}

static void event(struct ev_loop *loop, ev_io *io, int events)
{
	struct ring_front *rings = io->data;
	int n = 0;

	(void)loop;
	(void)events;
	do
		n++;
	while (take_event(rings) && n < EVENTS_PER_TURN && rings->host->has_event(rings->host->context));
}

static void retry_event(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct ring_front *rings = timer->data;

	(void)events;
	front_stop_timer(rings->front, timer);
	ev_io_start(loop, &rings->events);
}

static void scan_event(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct ring_front *rings = timer->data;

	(void)loop;
	(void)events;
	for (struct ring *ring = rings->all; ring; ring = ring->hh.next)
		ring_wake(ring);
	tell_exception(rings);
}

/* ---- the whole ---- */

static void start_watchers(struct ring_front *rings)
{
	ev_io_init(&rings->events, event, rings->host->event_fd, EV_READ);
	rings->events.data = rings;
	ev_io_start(rings->front->loop, &rings->events);
	ev_init(&rings->scan, scan_event);
	rings->scan.repeat = rings->options.scan_seconds;
	rings->scan.data = rings;
	ev_init(&rings->retry, retry_event);
	rings->retry.repeat = event_retry_seconds;
	rings->retry.data = rings;
}

int ring_front_open(struct front *front, const struct ring_host *host, const struct ring_front_options *options,
		    struct ring_front **out)
{
	struct ring_front *rings = calloc(1, sizeof(*rings));

	if (!rings)
		return -ENOMEM;
	rings->front = front;
	rings->host = host;
	rings->options = *options;
	rings->rings = (struct rings){rings, introduce, release};
	struct inherited_ports *inherited = options->inherited;
	int result = 0;
	if (inherited && inherited->n)
		qsort(inherited->all, inherited->n, sizeof(*inherited->all), by_domid);
	if (inherited && inherited->exception_port) {
		rings->exception_port = inherited->exception_port;
		host->unmask(host->context, rings->exception_port);
	} else {
		result = host->bind_domain_exception(host->context, &rings->exception_port);
	}
	if (result) {
		log_error(front->turn->log, "events of domains that end cannot be had: %s", strerror(-result));
		free(rings);
		return result;
	}
	for (const struct domain *domain = front->turn->domains->all; domain; domain = domain->next) {
		if (domain->epoch > rings->last_epoch)
			rings->last_epoch = domain->epoch;
	}
	start_watchers(rings);
	*out = rings;
	return 0;
}

void ring_front_close(struct ring_front *rings)
{
	struct ring *ring, *next;

	if (!rings)
		return;
	HASH_ITER (hh, rings->all, ring, next) {
		const struct attachment now = attachment_of(ring);
		detach(rings, ring->domid, &now);
		forget(rings, ring);
		connection_leave(&ring->connection);
		free(ring);
	}
	rings->host->unbind(rings->host->context, rings->exception_port);
	ev_io_stop(rings->front->loop, &rings->events);
	front_stop_timer(rings->front, &rings->scan);
	front_stop_timer(rings->front, &rings->retry);
	free(rings->by_port);
	free(rings);
}

const struct rings *ring_front_rings(const struct ring_front *rings)
{
	return &rings->rings;
}

uint32_t ring_front_exception_port(const struct ring_front *rings)
{
	return rings->exception_port;
}

void ring_front_each_port(const struct ring_front *rings, void (*found)(void *context, const struct inherited_port *port),
			  void *context)
{
	for (const struct ring *ring = rings->all; ring; ring = ring->hh.next) {
		const struct inherited_port port = {ring->domid, ring->port, ring->remote_port};
		if (ring->port)
			found(context, &port);
	}
}

size_t ring_front_connections(const struct ring_front *rings)
{
	return HASH_COUNT(rings->all);
}
