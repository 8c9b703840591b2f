/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "support/client.h"
#include "xensim/xensim.h"

/*
 * A guest's XenStore ring, as its kernel sees it; of domain 0 the ring of its kernel. Thousands in one process: no descriptor
 * and no thread each. What is put into the page is not checked: guests may be hostile.
 *
 * The page is docs/misc/xenstore-ring.txt's, written down here once more so that a wrong offset in the daemon is seen.
 */
enum { GUEST_RING = 1024 };

struct guest_page {
	unsigned char req[GUEST_RING];
	unsigned char rsp[GUEST_RING];
	_Atomic uint32_t req_cons;
	_Atomic uint32_t req_prod;
	_Atomic uint32_t rsp_cons;
	_Atomic uint32_t rsp_prod;
	_Atomic uint32_t features;
	_Atomic uint32_t connection;
	_Atomic uint32_t error;
	_Atomic uint32_t port;
	unsigned char rest[HOST_PAGE - 2 * GUEST_RING - 8 * sizeof(uint32_t)];
};

/* The domain as it is now; when its number is used again, that is another guest. */
int guest_attach(struct sim *sim, uint16_t domid, struct guest **out);
void guest_detach(struct guest *guest); /* accepts NULL; its clients are closed before */

/* The one that was attached last for this number; NULL: none. */
struct guest *guest_find(const struct sim *sim, uint16_t domid);

uint16_t guest_domid(const struct guest *guest);
struct guest_page *guest_page(struct guest *guest); /* mapped as long as the guest is attached */

/* ---- raw; no notification is sent ---- */

/* Copies to the request ring what fits and moves req_prod; 0 also if the indexes are nonsense. */
size_t guest_put(struct guest *guest, const void *bytes, size_t len);

/* Copies from the response ring what is there, up to `len`, and moves rsp_cons. */
size_t guest_take(struct guest *guest, void *bytes, size_t len);

/* The daemon's port becomes pending. -ENOTCONN: the guest has no port; unheard if no daemon has bound it. */
int guest_notify(struct guest *guest);

/* ---- waiting ---- */

/* Until the guest is notified, or was since the last time it was asked. -ETIME. Negative time-out: for ever. */
int guest_wait(struct guest *guest, int timeout_ms);

/* The next guest that was notified, of all; NULL: none in time. */
struct guest *sim_next(struct sim *sim, int timeout_ms);

/* To poll for that. Ask sim_next(sim, 0) first: it may have read already what the descriptor told. */
int sim_fd(const struct sim *sim);

/* ---- requests ---- */

/*
 * A client on the ring: all of client.h and expect.h works with it. It sends a notification whenever it has put or taken bytes.
 * Closing it leaves the guest as it is; one at a time. It has no
 * descriptor of its own (client_fd): sim_fd is for all.
 */
int guest_client(struct guest *guest, int timeout_ms, struct client **out);
