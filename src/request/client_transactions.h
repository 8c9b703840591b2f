/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>

#include "request/client.h"
#include "store/transaction.h"

struct turn;

/*
 * A client's open transactions, in memory and in the ledger, where each is recorded so that it goes on after a death of the
 * process: its start, each change, and its end, valid with the reply to the request that caused them (ledger/transactions.h).
 * `about` is that request's end in the input.
 */
void client_recorder_init(struct transaction_recorder *recorder);

/* STATUS_ENOENT: none of this number. */
int client_transaction(const struct client *client, uint32_t id, struct transaction **out);

/*
 * Begins one, with the next number that none of the client's open ones has. STATUS_ENOSPC: there are too many, or the ledger has
 * no room; STATUS_ENOMEM, -ENOMEM, -EIO.
 */
int client_start_transaction(struct client *client, struct turn *turn, uint64_t about, struct transaction **out);

/* A request is going to be run that names it. */
void client_prepare_transaction(struct transaction *transaction, struct turn *turn);

/* That request has been run: what it has changed is recorded. */
void client_record_change(struct transaction *transaction, uint64_t about);

/* A step of the turn: it has ended. -ENOMEM, and it has not. */
int client_end_transaction(struct turn *turn, struct transaction *transaction, uint64_t about);

/* It ends with the reply that follows; it is freed after that. */
void client_record_end(struct transaction *transaction, uint64_t about);

/* Some may have become doomed by what is not committed yet: they stay so after a death. */
void client_record_doomed(const struct store *store);

/* Takes it out of its client's and frees it, in the ledger too. */
void client_free_transaction(struct transaction *transaction);
void client_free_transactions(struct client *client);

/*
 * Records what all have observed, as far as there is room, so that the next process on the ledger need not assume the worst.
 * To be called when no more requests are run.
 */
void client_record_observations(struct store *store);

/* The same for those of a client, which then are freed, in memory only. */
void client_leave_transactions(struct client *client);

/* Those that the ledger has of a client that was just attached. -ENOMEM, -EIO: none is there. */
int client_restore_transactions(struct client *client, struct turn *turn);
