/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A client owns its watches, its open transactions and its part of the ledger, and gives all of them back at its end.
 */
#include "request/client.h"

#include <utlist.h>

#include "request/turn.h"

int client_init(struct client *client, struct turn *turn, uint64_t id, struct domain *domain)
{
	*client = (struct client){.id = id, .domain = domain, .watches = {.order = id}};
	int error = ledger_connect(turn->ledger, id, &client->ledger);
	if (!error)
		domain_hold(domain);
	return error;
}

void client_free_transaction(struct client *client, struct transaction *transaction)
{
	DL_DELETE2(client->transactions, transaction, owner_previous, owner_next);
	client->n_transactions--;
	transaction_free(transaction);
}

void client_forget_transactions(struct client *client)
{
	while (client->transactions)
		client_free_transaction(client, client->transactions);
}

void client_reset(struct client *client, struct turn *turn)
{
	if (client->has_output)
		DL_DELETE2(turn->with_output, client, output_previous, output_next);
	client->has_output = false;
	client->broken = client->out_of_room = client->events_dropped = false;
	watch_owner_clear(turn->watches, &client->watches);
	client_forget_transactions(client);
}

void client_deinit(struct client *client, struct turn *turn)
{
	client_reset(client, turn);
	ledger_disconnect(&client->ledger);
	domain_drop(turn->domains, client->domain);
}

int client_transaction(const struct client *client, uint32_t id, struct transaction **out)
{
	struct transaction *transaction;

	DL_FOREACH2 (client->transactions, transaction, owner_next) {
		if (transaction->id == id && !transaction->ended) {
			*out = transaction;
			return 0;
		}
	}
	return STATUS_ENOENT;
}
