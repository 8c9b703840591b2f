/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "support/client.h"

/*
 * A client that counts transactions: each adds one to a total that all such clients share and to two nodes of the client's own,
 * so several of them conflict all the time, and a transaction of which only a part is there shows in the sums.
 */
struct counter;

struct counter *counter_new(unsigned number);
void counter_free(struct counter *counter);

/* Makes the nodes, once. */
void counter_prepare(struct counter *counter, struct client *client);

/* Begins with a new connection, which it owns. */
void counter_connect(struct counter *counter, struct client *client);
struct client *counter_client(const struct counter *counter);

/* Takes the answers that are there and asks what is next. False: the daemon has hung up. */
bool counter_go_on(struct counter *counter, uint64_t *answers);

/* Ends the connection. */
void counter_disconnect(struct counter *counter);

/* Reads its nodes after a kill and fails the test unless they are as they may be. Returns its count. */
uint64_t counter_settle(struct counter *counter, struct client *client);

/* The total after a kill, and the highest total that the counter was ever shown. */
uint64_t counter_total(struct client *client);
uint64_t counter_highest(const struct counter *counter);

/* Its transactions that failed by a conflict. */
uint64_t counter_conflicts(const struct counter *counter);
