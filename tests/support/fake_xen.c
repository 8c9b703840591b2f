/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Ports behave as Linux's /dev/xen/evtchn has them: one that was read is masked, an event that comes then is kept until it is
 * unmasked. A guest's end that the daemon has unbound can be bound again; one that is bound cannot.
 */
#include "support/fake_xen.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/status.h"

static struct fake_guest *guest_of(struct fake_xen *xen, uint16_t domid)
{
	for (size_t i = 0; i < xen->n_guests; i++) {
		if (xen->guests[i].domid == domid)
			return &xen->guests[i];
	}
	return NULL;
}

static struct fake_guest *guest_of_port(struct fake_xen *xen, uint32_t port)
{
	for (size_t i = 0; i < xen->n_guests; i++) {
		if (xen->guests[i].bound == port)
			return &xen->guests[i];
	}
	return NULL;
}

static int map(void *context, uint16_t domid, struct ring_page **out)
{
	struct fake_guest *guest = guest_of(context, domid);

	if (!guest || guest->map_result)
		return guest ? guest->map_result : STATUS_EINVAL;
	guest->mapped++;
	*out = guest->page;
	return 0;
}

static void unmap(void *context, uint16_t domid, struct ring_page *page)
{
	struct fake_guest *guest = guest_of(context, domid);

	if (!guest || !guest->mapped || page != guest->page)
		abort();
	guest->mapped--;
}

static uint32_t known_port(void *context, uint16_t domid)
{
	const struct fake_guest *guest = guest_of(context, domid);

	return guest ? guest->known_port : 0;
}

static void raise_event(struct fake_xen *xen)
{
	uint64_t one = 1;

	if (write(xen->host.event_fd, &one, sizeof(one)) != sizeof(one))
		abort();
}

static void arrive(struct fake_guest *guest)
{
	if (!guest->bound || guest->is_pending)
		return;
	if (guest->is_masked) {
		guest->came_while_masked = true;
		return;
	}
	guest->is_pending = guest->is_masked = true;
	raise_event(guest->xen);
}

static int bind_remote(void *context, uint16_t domid, uint32_t remote_port, uint32_t *out)
{
	struct fake_xen *xen = context;
	struct fake_guest *guest = guest_of(xen, domid);

	if (!guest || guest->bind_result)
		return guest ? guest->bind_result : STATUS_EINVAL;
	if (guest->bound || remote_port != guest->port)
		return STATUS_EINVAL;
	guest->bound = *out = ++xen->next_port;
	guest->bindings++;
	guest->is_pending = guest->is_masked = guest->came_while_masked = false;
	arrive(guest); /* as Xen does */
	return 0;
}

static int bind_domain_exception(void *context, uint32_t *out)
{
	struct fake_xen *xen = context;

	xen->exception_port = *out = ++xen->next_port;
	return 0;
}

static void unbind(void *context, uint32_t port)
{
	struct fake_xen *xen = context;
	struct fake_guest *guest = guest_of_port(xen, port);

	if (guest)
		guest->bound = 0;
	else if (port == xen->exception_port)
		xen->exception_port = 0;
	else if (port > xen->next_port) /* else the guest has closed its end before */
		abort();
}

static bool has_event(void *context)
{
	(void)context;
	return true; /* next_event does not wait */
}

static int next_event(void *context, uint32_t *port)
{
	struct fake_xen *xen = context;
	uint64_t n;

	if (xen->event_result)
		return xen->event_result;
	if (xen->exception_pending) {
		xen->exception_pending = false;
		*port = xen->exception_port;
		return 1;
	}
	for (size_t i = 0; i < xen->n_guests; i++) {
		struct fake_guest *guest = &xen->guests[i];
		if (!guest->bound || !guest->is_pending)
			continue;
		guest->is_pending = false;
		*port = guest->bound;
		return 1;
	}
	if (read(xen->host.event_fd, &n, sizeof(n)) < 0 && errno != EAGAIN)
		abort();
	return 0;
}

static void unmask(void *context, uint32_t port)
{
	struct fake_guest *guest = guest_of_port(context, port);

	if (!guest)
		return;
	guest->unmasked++;
	guest->is_masked = false;
	if (guest->came_while_masked) {
		guest->came_while_masked = false;
		arrive(guest);
	}
}

static void notify(void *context, uint32_t port)
{
	struct fake_guest *guest = guest_of_port(context, port);

	if (guest)
		guest->notified++;
}

static int domain_state(void *context, uint16_t domid, struct domain_state *out)
{
	const struct fake_guest *guest = guest_of(context, domid);

	if (!guest)
		return STATUS_ENOENT;
	*out = (struct domain_state){.identity.unique_id = guest->unique_id};
	return 0;
}

static int each_domain(void *context, int (*found)(void *found_context, uint16_t domid, const struct domain_state *state),
		       void *found_context)
{
	const struct fake_xen *xen = context;
	int result = 0;

	for (size_t i = 0; i < xen->n_guests && !result; i++) {
		const struct domain_state state = {.identity.unique_id = xen->guests[i].unique_id};
		result = found(found_context, xen->guests[i].domid, &state);
	}
	return result;
}

void fake_xen_init(struct fake_xen *xen)
{
	*xen = (struct fake_xen){.next_port = 16};
	xen->host = (struct ring_host){
	    .context = xen,
	    .event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC),
	    .map = map,
	    .unmap = unmap,
	    .known_port = known_port,
	    .bind = bind_remote,
	    .bind_domain_exception = bind_domain_exception,
	    .unbind = unbind,
	    .has_event = has_event,
	    .next_event = next_event,
	    .unmask = unmask,
	    .notify = notify,
	};
	xen->hypervisor = (struct hypervisor){xen, domain_state, each_domain};
	if (xen->host.event_fd < 0)
		abort();
}

void fake_xen_deinit(struct fake_xen *xen)
{
	for (size_t i = 0; i < xen->n_guests; i++)
		free(xen->guests[i].page);
	close(xen->host.event_fd);
}

struct fake_guest *fake_guest_new(struct fake_xen *xen, uint16_t domid, uint32_t port)
{
	struct fake_guest *guest = &xen->guests[xen->n_guests++];

	if (xen->n_guests > FAKE_GUESTS)
		abort();
	*guest = (struct fake_guest){.xen = xen, .domid = domid, .port = port, .unique_id = xen->n_guests};
	guest->page = calloc(1, sizeof(*guest->page));
	if (!guest->page)
		abort();
	return guest;
}

void fake_guest_event(struct fake_guest *guest)
{
	arrive(guest);
}

void fake_xen_exception(struct fake_xen *xen)
{
	xen->exception_pending = true;
	raise_event(xen);
}

size_t fake_guest_put(struct fake_guest *guest, const void *bytes, size_t len)
{
	struct ring_page *page = guest->page;
	uint32_t at = ring_load(&page->req_prod), room = RING_SIZE - (at - ring_load(&page->req_cons));
	const unsigned char *from = bytes;

	if (len > room)
		len = room;
	for (size_t i = 0; i < len; i++)
		page->req[(at + i) % RING_SIZE] = from[i];
	ring_store(&page->req_prod, at + (uint32_t)len);
	return len;
}

size_t fake_guest_take(struct fake_guest *guest, void *bytes, size_t len)
{
	struct ring_page *page = guest->page;
	uint32_t at = ring_load(&page->rsp_cons), there = ring_load(&page->rsp_prod) - at;
	unsigned char *to = bytes;

	if (there > RING_SIZE)
		abort();
	if (len > there)
		len = there;
	for (size_t i = 0; i < len; i++)
		to[i] = page->rsp[(at + i) % RING_SIZE];
	ring_store(&page->rsp_cons, at + (uint32_t)len);
	return len;
}

size_t fake_guest_request(struct fake_guest *guest, uint32_t type, uint32_t transaction, const char *payload, size_t len,
			  unsigned char out[MESSAGE_SIZE_MAX])
{
	const struct message_header header = {type, ++guest->last_request_id, transaction, (uint32_t)len};

	message_write_header(out, &header);
	memcpy(out + MESSAGE_HEADER_SIZE, payload, len);
	return MESSAGE_HEADER_SIZE + len;
}
