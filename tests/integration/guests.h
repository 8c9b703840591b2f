/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "support/expect.h"
#include "xensim/expect_guest.h"
#include "xensim/guest.h"
#include "xensim/xensim.h"

/*
 * A host with a daemon, its guests on their rings and a client of domain 0, for tests of what guests can do to a daemon. All of
 * it fails the running test where something is not as it should be. expect.h asks guests as well as domain 0.
 */
struct guests {
	enum sim_daemon which;
	struct sim *sim;
	struct daemon daemon;
	struct client *root; /* of domain 0, over the socket */
};
extern struct guests guests;

/* Fixtures; the daemon must end by itself when it is told to, and its store must be sound. */
void guests_start(void);
void guests_stop(void);

/* The same with arguments for the daemon. */
void guests_start_with(const char *const arguments[]);

/* The same with C xenstored of Xen 4.17, for what it answers. Fails if it cannot be had: see sim_stock_programs. */
void guests_start_xenstored(void);

/* The daemon ends; it starts again with the same store. The client of domain 0 is opened anew. */
void guests_stop_daemon(int signal);
void guests_start_again(void);

/* A suite whose tests run between `start`, which calls guests_start, and guests_stop. */
Suite *guests_suite(const char *name, void (*start)(void), const TTest *const tests[], size_t n);

/*
 * A domain with a home that it owns, introduced; its client, which belongs to the fixture. guests_add is all three at once.
 * A domain may be introduced again: then its connection begins anew.
 */
void guests_create(uint16_t domid);
void guests_home(uint16_t domid);
struct client *guests_introduce(uint16_t domid);
struct client *guests_add(uint16_t domid);

/* Another client for the guest's ring as it is, in place of the one that it has. */
struct client *guests_client(uint16_t domid);

/* Its ring. */
struct guest *guests_ring(uint16_t domid);
struct guest_page *guests_page(uint16_t domid);

/* The domain is gone, and the daemon has seen it. */
void guests_destroy(uint16_t domid);

/* The two halves, for domains that go otherwise: its client and its ring end; waits until it is not introduced any more. */
void guests_forget(uint16_t domid);
void guests_await_release(uint16_t domid);

/* "/local/domain/<domid>", or below it. Valid until the eighth call after. */
const char *guests_path(uint16_t domid, const char *below);

/* SET_PERMS by domain 0; entries are words. */
void guests_permit(const char *path, const char *entries);

/* Asks something of which any answer, but an answer, is right. */
void guests_served(struct client *client);

/* What `xenstore-control quota <domid>` says of this quota. */
unsigned guests_account(uint16_t domid, const char *quota);

/* The number that follows this text in what CONTROL memreport writes. */
unsigned long guests_report(const char *text);

/* Sets a quota for all domains. */
void guests_quota(const char *name, unsigned value);

/* Waits until it is true; fails with `what` if that takes too long. */
void guests_await(bool (*is_true)(void *context), void *context, const char *what);

/* Waits until the daemon has nothing to do and sleeps. */
void guests_await_idle(void);

/* Waits until the daemon has written this to the error field of the guest's page: the guest is stopped. */
void guests_await_error(uint16_t domid, uint32_t error);

/*
 * The same request over and over, for a guest that sends without waiting for answers.
 */
struct guests_flood {
	uint16_t domid;
	char request[64];
	size_t len;
	size_t sent, total; /* bytes */
	size_t received;
};

/* `n`: how often. Replies bear the number 77. */
void guests_flood_init(struct guests_flood *flood, uint16_t domid, uint32_t type, const void *payload, size_t len, size_t n);

/* Puts what there is room for into the ring, in pieces of messages if need be. */
void guests_flood_put(struct guests_flood *flood);

/* Takes what has come, and forgets it. */
void guests_flood_take(struct guests_flood *flood);
