/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "front/xen.h"
#include "wire/message.h"

/*
 * Guests within the test's own process: a page and an event channel each, a struct ring_host that serves them, and a hypervisor
 * that knows them. What goes wrong is chosen per guest; what the daemon has done is counted.
 */
enum { FAKE_GUESTS = 64 };

struct fake_guest {
	struct fake_xen *xen;
	uint16_t domid;
	struct ring_page *page;
	uint32_t port; /* of the guest; 0: none */
	uint32_t known_port;
	int map_result, bind_result; /* what these calls return instead; 0: they do as told */
	uint64_t unique_id;	     /* another one: another domain has the number now */

	unsigned mapped;   /* times that the page is mapped at the moment */
	uint32_t bound;	   /* the daemon's port; 0: not bound */
	unsigned bindings; /* so far */
	bool is_pending, is_masked, came_while_masked;
	unsigned notified; /* events that the guest got */
	unsigned unmasked;
	uint32_t last_request_id;
};

struct fake_xen {
	struct ring_host host;
	struct hypervisor hypervisor;
	struct fake_guest guests[FAKE_GUESTS];
	size_t n_guests;
	uint32_t next_port;
	uint32_t exception_port;
	bool exception_pending;
	int event_result; /* what `next_event` returns instead */
};

void fake_xen_init(struct fake_xen *xen);
void fake_xen_deinit(struct fake_xen *xen);

/* A guest whose page is there and zeroed. */
struct fake_guest *fake_guest_new(struct fake_xen *xen, uint16_t domid, uint32_t port);

/* Sends the daemon an event. */
void fake_guest_event(struct fake_guest *guest);
void fake_xen_exception(struct fake_xen *xen);

/* As an honest guest: puts what fits into the ring, takes what is there; both return how many bytes. No event is sent. */
size_t fake_guest_put(struct fake_guest *guest, const void *bytes, size_t len);
size_t fake_guest_take(struct fake_guest *guest, void *bytes, size_t len);

/* A request as one run of bytes with the guest's next request id; returns its length. */
size_t fake_guest_request(struct fake_guest *guest, uint32_t type, uint32_t transaction, const char *payload, size_t len,
			  unsigned char out[MESSAGE_SIZE_MAX]);
