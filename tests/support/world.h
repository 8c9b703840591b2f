/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/log.h"
#include "domain/domain.h"
#include "domain/quota.h"
#include "request/client.h"
#include "request/turn.h"
#include "wire/message.h"

/*
 * The daemon without its socket: store, ledger, watches and turn in a directory of their own, and clients whose bytes go into
 * the ledger and come out of it as a socket's would, but by memcpy. One process may have several worlds, one after the other.
 *
 * Not to be included beside support/client.h: both have a struct client.
 */

/* Besides domain 0 there is one more domain, so that unprivileged owners and permission entries can be named. */
enum { WORLD_GUEST = 1 };

struct world_options {
	size_t store_size;     /* bytes the store may grow to; 0: 64 MiB */
	size_t ledger_limit;   /* as ledger_open's; 0: 64 MiB */
	bool map;	       /* MDB_WRITEMAP */
	bool with_xen;	       /* see support/world_xen.h; it has domain WORLD_GUEST. Else there is none, as with --no-xen */
	const char *directory; /* a directory that is there and stays, with what it holds; NULL: a new one, removed at the end */
	/*
	 * It goes on as a daemon does that finds what this one has left at this moment: whether that is in order or not, and
	 * though it does not know. Then the options are the same as that one's, and world_check is for later.
	 */
	struct world *dead;
};

struct world_client;
struct world_xen;

struct world {
	char directory[64];
	bool directory_is_ours;
	struct log log; /* to standard error, errors only */
	struct domains domains;
	struct turn turn; /* with the store, the ledger and the watches */
	bool is_ready;
	struct world_client *clients; /* utlist, in the order of their making */
	struct world_client *ended;   /* freed with the next world_take */
	struct world_xen *xen;	      /* NULL: none */
	uint64_t last_client_id;
	char problem[512]; /* see world_check */
};

/* A message that a client got. */
struct world_message {
	struct message_header header;
	char *payload;	   /* header.len bytes, and a NUL that is not counted */
	const char *error; /* of replies: "" for success, else the name of the error, "ENOENT" */
	struct world_message *previous, *next;
};

struct world_client {
	struct client client; /* client.broken: it sent what cannot be followed */
	struct world *world;
	uint32_t last_request_id;
	struct buffer received;		/* bytes that came, not yet a whole message */
	struct world_message *messages; /* utlist: got and not yet asked for, oldest first */
	struct world_message *last;	/* given to the caller by the last world_reply, world_event or world_request */
	struct world_client *previous, *next;
};

/* `options` may be NULL. 0 or -errno, then there is nothing to deinit. world_deinit accepts a zeroed world. */
int world_init(struct world *world, const struct world_options *options);
void world_deinit(struct world *world);

/* A new client; the world frees it at its end if world_client_close does not before. NULL: no room. */
struct world_client *world_client(struct world *world, uint16_t domid, bool privileged);

/* Nothing of the turn may be uncommitted. */
void world_client_close(struct world_client *client);

/* The same, but its memory stays until the next world_take. */
void world_client_end(struct world_client *client);

/* ---- step by step: send, run, commit, take ---- */

/* Bytes into the client's input. Returns how many: less than `len` if what is there must be run first or there is no room. */
size_t world_send_bytes(struct world_client *client, const void *bytes, size_t len);

/* A request, with the client's next request id. False: it did not fit, and the client's stream is broken by a part of it. */
bool world_send(struct world_client *client, uint32_t type, uint32_t transaction, const void *payload, size_t len);

/* Runs what all clients have sent, one request of each in turn, and commits nothing by itself. Returns the requests run. */
size_t world_run(struct world *world);

/* Takes the output that is valid from the ledger to the clients' messages. */
void world_take(struct world *world);

/* turn_commit, then world_take. */
void world_commit(struct world *world);

/* ---- the short way ---- */

/*
 * Sends, runs, commits and takes; the reply, which holds until the client is asked for another message. Events that came with it
 * are kept for world_event. NULL: none came (the client is broken).
 */
const struct world_message *world_request(struct world_client *client, uint32_t type, uint32_t transaction, const void *payload,
					  size_t len);

/* The same with strings: `payload` is one string; each '|' in it stands for a NUL, and a last NUL is added. "/a|value" without
 * the last NUL is what WRITE takes: use world_write. */
const struct world_message *world_call(struct world_client *client, uint32_t type, uint32_t transaction, const char *payload);

/* The error of that reply: "" for success, "none" if none came. */
const char *world_try(struct world_client *client, uint32_t type, uint32_t transaction, const char *payload);
const char *world_write(struct world_client *client, uint32_t transaction, const char *path, const char *value);

/* TRANSACTION_START; 0 if it failed. */
uint32_t world_transaction(struct world_client *client);

/* The oldest reply or event that was taken and not yet asked for, as with world_request; NULL: none. */
const struct world_message *world_reply(struct world_client *client);
const struct world_message *world_event(struct world_client *client);

/* Of an event. */
const char *world_event_path(const struct world_message *event);
const char *world_event_token(const struct world_message *event);

/* Forgets all messages got so far. */
void world_forget(struct world_client *client);

/* ---- the store, past all clients ---- */

/*
 * Makes or changes a node, with what is missing above it, and commits. No watch fires. `permissions`: words like "n1 r0", or
 * NULL to leave them. 0, a status, or -errno.
 */
int world_set_node(struct world *world, const char *path, const char *value, const char *permissions);

/* check_records of what the turn sees, and watches in memory and in the store are the same: NULL if so, else the first problem.
 */
const char *world_check(struct world *world);
