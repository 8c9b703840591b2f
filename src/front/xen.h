/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/log.h"
#include "domain/hypervisor.h"
#include "wire/ring_page.h"

/*
 * What rings need of Xen: the guests' pages, and event channels. A "port" is an end of an event channel that belongs to the
 * daemon
 * ("remote": to the guest); 0 is none. Results: 0, a status as a client of INTRODUCE may be told it, or a fault.
 */
struct ring_host {
	void *context;
	int event_fd; /* readable while some port has an event that was not asked for yet */

	/* The page of the domain's ring, by grant 1; of the daemon's own domain, as its kernel gives it. */
	int (*map)(void *context, uint16_t domid, struct ring_page **out);
	void (*unmap)(void *context, uint16_t domid, struct ring_page *page);

	/* The remote port of the ring as somebody else than its page knows it (the kernel, Xen's parameters of an HVM guest). */
	uint32_t (*known_port)(void *context, uint16_t domid);

	int (*bind)(void *context, uint16_t domid, uint32_t remote_port, uint32_t *out);

	/* The remote port that a port of this daemon is bound to; 0: it is not, or nobody knows. */
	uint32_t (*remote_port)(void *context, uint32_t port);

	/* A port that gets an event when a domain shuts down or dies. */
	int (*bind_domain_exception)(void *context, uint32_t *out);
	void (*unbind)(void *context, uint32_t port);

	/* Is event_fd readable? */
	bool (*has_event)(void *context);

	/*
	 * 1: *port had an event, and has no other until it is unmasked. 0: none after all. A fault. Only while event_fd is
	 * readable: it may wait else.
	 */
	int (*next_event)(void *context, uint32_t *port);
	void (*unmask)(void *context, uint32_t port);

	/* The guest may be gone: that is no fault. */
	void (*notify)(void *context, uint32_t port);
};

/* The hypervisor, through Xen's libraries; no other file includes their headers. */
struct xen;

/*
 * `own`: the domain of the daemon. `events`: -1, or the descriptor of event channels of a process that has left its place to this
 * one, with its ports bound; it is xen's from now on. -ENODEV, with a message that says what to do, where there is no Xen or it
 * cannot be reached. *out: closed by xen_close.
 */
int xen_open(struct log *log, uint16_t own, int events, struct xen **out);
void xen_close(struct xen *xen); /* accepts NULL */

/* Both live as long as `xen`. */
const struct ring_host *xen_ring_host(const struct xen *xen);
const struct hypervisor *xen_hypervisor(const struct xen *xen);
