/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A record is appended to with each change, so it grows although the overlay need not: once it is much longer than what it
 * describes, it is written anew as what the transaction is. Its blocks are charged to the client's domain like the overlay.
 *
 * A death loses what was observed, and nothing else. An end in good order records that too.
 */
#include "request/client_transactions.h"

#include <errno.h>
#include <string.h>
#include <utlist.h>

#include "ledger/transactions.h"
#include "request/limits.h"
#include "request/turn.h"

/* A record is written anew when it is so many times as long as the transaction's memory, and some blocks besides. */
enum { RECORD_FACTOR = 2, RECORD_SLACK = 16384 };

static struct ledger_connection *ledger_of(const struct transaction *transaction)
{
	return &((struct client *)transaction->owner)->ledger;
}

/* ---- recording ---- */

static int write_anew(struct transaction *transaction, bool observations)
{
	struct buffer bytes = {0};

	transaction_save(transaction, observations, &bytes);
	int error = bytes.failed
			? -ENOMEM
			: ledger_transaction_replace(ledger_of(transaction), &transaction->record, bytes.bytes, bytes.len);
	buffer_deinit(&bytes);
	return error;
}

static void charge_record(struct transaction *transaction)
{
	size_t len = ledger_transaction_len(ledger_of(transaction), transaction->record);

	charge_force(&transaction->recorded, ledger_transaction_memory(len));
}

static int reserve(struct transaction *transaction, size_t more)
{
	struct ledger_connection *ledger = ledger_of(transaction);
	size_t len = ledger_transaction_len(ledger, transaction->record);

	/* Without room for that it goes on growing. */
	if (len + more > RECORD_FACTOR * transaction->memory.amount + RECORD_SLACK && !write_anew(transaction, false))
		len = ledger_transaction_len(ledger, transaction->record);
	if (charge_set(&transaction->recorded, ledger_transaction_memory(len + more), transaction->memory_limit)) {
		transaction->limit_reached = TREE_LIMIT_MEMORY;
		return STATUS_ENOMEM;
	}
	return ledger_transaction_reserve(ledger, transaction->record, more) ? STATUS_ENOSPC : 0;
}

void client_recorder_init(struct transaction_recorder *recorder)
{
	*recorder = (struct transaction_recorder){.reserve = reserve};
}

void client_prepare_transaction(struct transaction *transaction, struct turn *turn)
{
	const struct client *client = transaction->owner;

	transaction->memory_limit = domain_limit(client->domain, QUOTA_MEMORY);
	transaction->limit_reached = TREE_LIMIT_NONE;
	transaction->recorder = &turn->recorder;
	buffer_clear(&turn->recorder.change);
}

void client_record_change(struct transaction *transaction, uint64_t about)
{
	const struct buffer *change = &transaction->recorder->change;
	struct ledger_connection *ledger = ledger_of(transaction);

	/* Room for it has been reserved; without it the next process must not take the rest for the whole. */
	if (change->len && ledger_transaction_append(ledger, transaction->record, about, change->bytes, change->len))
		ledger_transaction_mark(ledger, transaction->record, LEDGER_DOOMED);
	charge_record(transaction);
}

void client_record_end(struct transaction *transaction, uint64_t about)
{
	ledger_transaction_end(ledger_of(transaction), transaction->record, about);
}

void client_record_doomed(const struct store *store)
{
	struct transaction *transaction;

	DL_FOREACH2 (store->transactions, transaction, next) {
		if (transaction->doomed && transaction->owner)
			ledger_transaction_mark(ledger_of(transaction), transaction->record, LEDGER_DOOMED);
	}
}

/* ---- life ---- */

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

static uint32_t next_id(struct client *client)
{
	struct transaction *transaction;

	do {
		if (!++client->last_transaction_id)
			client->last_transaction_id = 1;
	} while (!client_transaction(client, client->last_transaction_id, &transaction));
	return client->last_transaction_id;
}

/* Records that it has begun, at its domain's cost. */
static int record_start(struct client *client, struct turn *turn, struct transaction *transaction, uint32_t id, uint64_t about)
{
	struct domain *domain = client->domain;
	struct buffer *bytes = &turn->recorder.change;

	buffer_clear(bytes);
	transaction_save(transaction, false, bytes);
	if (bytes->failed)
		return STATUS_ENOMEM;
	if (charge_set(&transaction->recorded, ledger_transaction_memory(bytes->len), domain_limit(domain, QUOTA_MEMORY))) {
		limit_reached(turn, domain, QUOTA_MEMORY);
		return STATUS_ENOMEM;
	}
	if (ledger_transaction_begin(&client->ledger, id, about, bytes->bytes, bytes->len, &transaction->record))
		return STATUS_ENOSPC;
	return 0;
}

static void own(struct client *client, struct transaction *transaction, uint32_t id)
{
	transaction->id = id;
	transaction->owner = client;
	DL_APPEND2(client->transactions, transaction, owner_previous, owner_next);
	client->n_transactions++;
}

int client_start_transaction(struct client *client, struct turn *turn, uint64_t about, struct transaction **out)
{
	struct domain *domain = client->domain;
	struct charge number = {&domain->budgets[QUOTA_TRANSACTIONS], 0};

	if (charge_set(&number, 1, domain_limit(domain, QUOTA_TRANSACTIONS))) {
		limit_reached(turn, domain, QUOTA_TRANSACTIONS);
		return STATUS_ENOSPC;
	}
	int result = transaction_start(turn->store, &domain->caller, out);
	if (result) {
		charge_free(&number);
		return result;
	}
	(*out)->number = number;
	(*out)->memory.budget = (*out)->recorded.budget = &domain->budgets[QUOTA_MEMORY];
	uint32_t id = next_id(client);
	result = record_start(client, turn, *out, id, about);
	if (result)
		transaction_free(*out);
	else
		own(client, *out, id);
	return result;
}

static void leave(struct transaction *transaction)
{
	struct client *client = transaction->owner;

	DL_DELETE2(client->transactions, transaction, owner_previous, owner_next);
	client->n_transactions--;
	transaction_free(transaction);
}

void client_free_transaction(struct transaction *transaction)
{
	ledger_transaction_drop(ledger_of(transaction), transaction->record);
	leave(transaction);
}

void client_free_transactions(struct client *client)
{
	while (client->transactions)
		client_free_transaction(client->transactions);
}

static void reopen(void *context)
{
	struct transaction *transaction = context;

	transaction->ended = false;
	client_record_end(transaction, 0);
}

static void free_ended(void *context)
{
	client_free_transaction(context);
}

int client_end_transaction(struct turn *turn, struct transaction *transaction, uint64_t about)
{
	const struct turn_step step = {.commit = free_ended, .undo = reopen, .context = transaction};

	transaction->ended = true;
	client_record_end(transaction, about);
	return turn_add_step(turn, &step);
}

/* ---- from one process to the next ---- */

void client_record_observations(struct store *store)
{
	struct transaction *transaction;

	DL_FOREACH2 (store->transactions, transaction, next) {
		if (transaction->owner)
			(void)write_anew(transaction, true);
	}
}

void client_leave_transactions(struct client *client)
{
	while (client->transactions) {
		(void)write_anew(client->transactions, true);
		leave(client->transactions);
	}
}

/* Nothing tells whether it is still the domain that was meant. */
static bool is_unknown(const void *context, uint16_t domid)
{
	const struct domains *domains = context;

	return domid != DOMID_ANY_NUMBER && !domain_find(domains, domid);
}

static int restore(struct client *client, struct turn *turn, const struct ledger_found_transaction *found)
{
	struct domain *domain = client->domain;
	struct transaction *transaction;
	struct buffer bytes = {0};

	ledger_transaction_read(&client->ledger, found->record, &bytes);
	int result = bytes.failed ? -ENOMEM
				  : transaction_restore(turn->store, &domain->caller, bytes.bytes, bytes.len,
							!(found->marks & LEDGER_RESUMED), &transaction);
	buffer_deinit(&bytes);
	if (result)
		return result;
	own(client, transaction, found->id);
	transaction->record = found->record;
	transaction->number.budget = &domain->budgets[QUOTA_TRANSACTIONS];
	charge_force(&transaction->number, 1);
	struct charge memory = {&domain->budgets[QUOTA_MEMORY], 0};
	charge_force(&memory, transaction->memory.amount);
	transaction->memory = memory;
	transaction->recorded.budget = &domain->budgets[QUOTA_MEMORY];
	charge_record(transaction);
	if (found->marks & LEDGER_DOOMED ||
	    (turn->domains->hypervisor && transaction_names(transaction, is_unknown, turn->domains)))
		transaction->doomed = true;
	ledger_transaction_mark(&client->ledger, found->record, LEDGER_RESUMED);
	return 0;
}

int client_restore_transactions(struct client *client, struct turn *turn)
{
	struct ledger_found_transaction found;
	uint32_t record = 0;
	int result = 0;

	client->last_transaction_id = ledger_last_transaction(&client->ledger);
	while (result >= 0 && ledger_transaction_next(&client->ledger, &record, &found)) {
		result = restore(client, turn, &found);
		if (result > 0) {
			log_error(turn->log, "ledger: transaction %u of connection %llu has ended: its record makes no sense",
				  found.id, (unsigned long long)client->id);
			ledger_transaction_end(&client->ledger, record, 1);
		}
	}
	if (result >= 0)
		return 0;
	while (client->transactions)
		leave(client->transactions);
	return result;
}
