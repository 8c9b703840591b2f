/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * All guests of a process share one event descriptor. Whoever waits for one guest reads what has come for all; those that were
 * notified stand in a list until somebody asks for them.
 */
#include "xensim/guest.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include <utlist.h>

#include "xensim/sim.h"

_Static_assert(sizeof(struct guest_page) == HOST_PAGE, "a ring is a page");

struct guest {
	struct sim *sim;
	struct guest_page *page;
	uint16_t domid;
	uint16_t port;
	bool notified;
	struct guest *prev, *next;		     /* of sim->all */
	struct guest *notified_prev, *notified_next; /* of sim->notified, if it is */
};

int guest_attach(struct sim *sim, uint16_t domid, struct guest **out)
{
	const struct host_domain *domain = host_domain(&sim->host, domid);
	struct guest *guest = domain ? calloc(1, sizeof(*guest)) : NULL;

	if (!guest)
		return domain ? -ENOMEM : -ESRCH;
	*guest = (struct guest){.sim = sim, .domid = domid, .port = domain->store_port};
	guest->page = host_map(&sim->host, domain->page, PROT_READ | PROT_WRITE);
	if (!guest->page) {
		free(guest);
		return -errno;
	}
	sim->guests[domid] = guest;
	DL_APPEND(sim->all, guest);
	*out = guest;
	return 0;
}

static void forget_notification(struct guest *guest)
{
	if (guest->notified)
		DL_DELETE2(guest->sim->notified, guest, notified_prev, notified_next);
	guest->notified = false;
}

void guest_detach(struct guest *guest)
{
	if (!guest)
		return;
	forget_notification(guest);
	if (guest->sim->guests[guest->domid] == guest)
		guest->sim->guests[guest->domid] = NULL;
	DL_DELETE(guest->sim->all, guest);
	munmap(guest->page, HOST_PAGE);
	free(guest);
}

struct guest *guest_find(const struct sim *sim, uint16_t domid)
{
	return domid < HOST_DOMAINS ? sim->guests[domid] : NULL;
}

uint16_t guest_domid(const struct guest *guest)
{
	return guest->domid;
}

struct guest_page *guest_page(struct guest *guest)
{
	return guest->page;
}

/* ---- raw ---- */

size_t guest_put(struct guest *guest, const void *bytes, size_t len)
{
	struct guest_page *page = guest->page;
	uint32_t produced = atomic_load(&page->req_prod), used = produced - atomic_load(&page->req_cons);

	if (used > GUEST_RING)
		return 0;
	size_t n = len < GUEST_RING - used ? len : GUEST_RING - used;
	for (size_t i = 0; i < n; i++)
		page->req[(produced + i) % GUEST_RING] = ((const unsigned char *)bytes)[i];
	atomic_store(&page->req_prod, produced + (uint32_t)n);
	return n;
}

size_t guest_take(struct guest *guest, void *bytes, size_t len)
{
	struct guest_page *page = guest->page;
	uint32_t consumed = atomic_load(&page->rsp_cons), used = atomic_load(&page->rsp_prod) - consumed;

	if (used > GUEST_RING)
		return 0;
	size_t n = len < used ? len : used;
	for (size_t i = 0; i < n; i++)
		((unsigned char *)bytes)[i] = page->rsp[(consumed + i) % GUEST_RING];
	atomic_store(&page->rsp_cons, consumed + (uint32_t)n);
	return n;
}

int guest_notify(struct guest *guest)
{
	return host_notify(&guest->sim->host, 0, guest->domid, guest->port);
}

/* ---- waiting ---- */

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Of a wait that began at `start`. */
static int left_ms(int64_t start, int timeout_ms)
{
	if (timeout_ms < 0)
		return -1;
	int64_t left = start + timeout_ms - now_ms();
	return left > 0 ? (int)left : 0;
}

static void mark(struct sim *sim, uint32_t entry)
{
	uint16_t domid = (uint16_t)(entry >> 16), number = (uint16_t)entry;
	struct guest *guest = sim->guests[domid];

	atomic_store(&host_port(&sim->host, domid, number)->signal, 0);
	if (!guest || guest->port != number || guest->notified)
		return;
	guest->notified = true;
	DL_APPEND2(sim->notified, guest, notified_prev, notified_next);
}

/* Reads all that has come, after a wait for at most `timeout_ms` if nothing has. -ETIME. */
static int listen_once(struct sim *sim, int timeout_ms)
{
	struct pollfd pollfd = {.fd = sim->events, .events = POLLIN};
	uint32_t entries[256];
	ssize_t n;

	int ready = poll(&pollfd, 1, timeout_ms);
	if (!ready)
		return -ETIME;
	if (ready < 0)
		return errno == EINTR ? 0 : -errno;
	while ((n = read(sim->events, entries, sizeof(entries))) > 0) {
		for (size_t i = 0; i < (size_t)n / sizeof(*entries); i++)
			mark(sim, entries[i]);
	}
	return 0;
}

int guest_wait(struct guest *guest, int timeout_ms)
{
	int64_t start = now_ms();
	int error = 0;

	while (!guest->notified && !error)
		error = listen_once(guest->sim, left_ms(start, timeout_ms));
	if (!guest->notified)
		return error;
	forget_notification(guest);
	return 0;
}

struct guest *sim_next(struct sim *sim, int timeout_ms)
{
	int64_t start = now_ms();
	int error = 0;

	while (!sim->notified && !error)
		error = listen_once(sim, left_ms(start, timeout_ms));
	struct guest *guest = sim->notified;
	if (guest)
		forget_notification(guest);
	return guest;
}

int sim_fd(const struct sim *sim)
{
	return sim->events;
}

/* ---- requests ---- */

/* Until there are bytes to take, or room for some. */
static int ring_wait(struct guest *guest, bool to_take, int timeout_ms)
{
	int64_t start = now_ms();

	for (;;) {
		struct guest_page *page = guest->page;
		uint32_t requests = atomic_load(&page->req_prod) - atomic_load(&page->req_cons);
		uint32_t responses = atomic_load(&page->rsp_prod) - atomic_load(&page->rsp_cons);

		if (requests > GUEST_RING || responses > GUEST_RING)
			return -EPROTO;
		if (to_take ? responses > 0 : requests < GUEST_RING)
			return 0;
		int error = guest_wait(guest, left_ms(start, timeout_ms));
		if (error)
			return error;
	}
}

static long ring_send(void *context, const void *bytes, size_t len, int timeout_ms)
{
	int error = ring_wait(context, false, timeout_ms);

	if (error)
		return error;
	size_t n = guest_put(context, bytes, len);
	guest_notify(context);
	return (long)n;
}

static long ring_receive(void *context, void *bytes, size_t len, int timeout_ms)
{
	int error = ring_wait(context, true, timeout_ms);

	if (error)
		return error;
	size_t n = guest_take(context, bytes, len);
	guest_notify(context);
	return (long)n;
}

int guest_client(struct guest *guest, int timeout_ms, struct client **out)
{
	static const struct client_transport transport = {.send = ring_send, .receive = ring_receive};

	return client_open_over(&transport, guest, timeout_ms, out);
}
