/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "integration/kill_model.h"
#include "support/client.h"

/*
 * A client that changes its own part of the tree at random, many requests under way at once, and knows what the daemon may have
 * made of them: since its requests are run in order, what is there after a kill is what the first so many of them make, and
 * these include all that were answered.
 */
struct writer;

struct writer_figures {
	uint64_t answered;	/* requests */
	uint64_t found_done;	/* not answered before a kill, and there afterwards */
	uint64_t found_undone;	/* ... and not there */
	uint64_t found_between; /* kills after which some of a client's unanswered requests were there and some not */
};

/* `seed`: of all it does. */
struct writer *writer_new(unsigned number, uint32_t seed);
void writer_free(struct writer *writer);

/* The root of its part. */
const char *writer_root(const struct writer *writer);

/* Begins with a new connection, which it owns. */
void writer_connect(struct writer *writer, struct client *client);
struct client *writer_client(const struct writer *writer);

/* Sends some more, if not too much is under way. False: the daemon has hung up. */
bool writer_send(struct writer *writer);

/* Takes the answers that are there and compares them with what they must be. False: the daemon has hung up. */
bool writer_receive(struct writer *writer, uint64_t *answers);

/* An event told of the node that only the request of this number makes: it must be there after a kill. */
void writer_saw(struct writer *writer, uint64_t number);

/* Ends the connection. */
void writer_disconnect(struct writer *writer);

/* `found`: its part of the tree after the kill. Fails the test unless it is as it may be; goes on from it. */
void writer_settle(struct writer *writer, const struct model_node *found, struct writer_figures *figures);
