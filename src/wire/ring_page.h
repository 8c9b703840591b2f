/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>

/*
 * The page that a guest shares with XenStore: docs/misc/xenstore-ring.txt and the newest xen/include/public/io/xs_wire.h (that
 * of Xen 4.17 ends with `error`). Two rings of bytes; an index counts all bytes ever moved, modulo 2^32, and the byte of offset
 * x lies at x modulo RING_SIZE. The guest can change all of it at any time: a field is read once, by ring_load, and what was
 * read is checked before it is used. The rest of the page means nothing.
 */
enum { RING_SIZE = 1024, RING_PAGE_SIZE = 4096 };

struct ring_page {
	unsigned char req[RING_SIZE]; /* from the guest */
	unsigned char rsp[RING_SIZE]; /* to the guest: replies and events */
	uint32_t req_cons, req_prod;  /* the server writes req_cons, the guest req_prod */
	uint32_t rsp_cons, rsp_prod;  /* the guest writes rsp_cons, the server rsp_prod */
	uint32_t server_features;     /* RING_FEATURE_*; a bit once set stays */
	uint32_t connection;	      /* RING_RECONNECT: set by the guest, taken back by the server */
	uint32_t error;		      /* enum ring_error: why the server has stopped */
	uint32_t evtchn_port;	      /* the guest's end of the event channel, set by whoever built it; 0: not known here */
};

enum {
	RING_FEATURE_RECONNECTION = 1,
	RING_FEATURE_ERROR = 2,
	RING_FEATURE_WATCH_DEPTH = 4,
	RING_FEATURE_DOMID_ANY = 8,
	RING_FEATURES = 15 /* those served */
};

enum { RING_CONNECTED = 0, RING_RECONNECT = 1 };

enum ring_error {
	RING_ERROR_NONE = 0,
	RING_ERROR_COMMUNICATION = 1, /* the event channel does not work */
	RING_ERROR_INDEX = 2,	      /* producer or consumer out of range */
	RING_ERROR_PROTOCOL = 3	      /* a message that is too long */
};

_Static_assert(sizeof(struct ring_page) == 2080, "the page has the guest's layout");

/* What is read after it is not older than it. */
static inline uint32_t ring_load(const uint32_t *field)
{
	return __atomic_load_n(field, __ATOMIC_ACQUIRE);
}

/*
 * What was read and written before is done when the guest sees it, on another processor, and when this process dies between
 * two of its stores.
 */
static inline void ring_store(uint32_t *field, uint32_t value)
{
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	__atomic_store_n(field, value, __ATOMIC_RELEASE);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
}
