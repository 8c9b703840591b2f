/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A client owns its watches, its open transactions and its part of the ledger, and gives all of them back at its end. During a
 * turn what goes is only taken out of sight, by a step of the turn.
 */
#include "request/client.h"

#include <errno.h>
#include <utlist.h>

#include "ledger/loading.h"
#include "lxenstored/ledger_format.h"
#include "request/client_transactions.h"
#include "request/limits.h"
#include "request/turn.h"
#include "request/unread.h"
#include "store/watch_record.h"

static int client_make(struct client *client, struct turn *turn, uint64_t id, struct domain *domain)
{
	*client = (struct client){
	    .id = id,
	    .domain = domain,
	    .output = {&domain->budgets[QUOTA_MEMORY], 0},
	    .unanswered = {&domain->budgets[QUOTA_OUTSTANDING], 0},
	};
	return watch_owner_new(turn->watches, id, client, &domain->budgets[QUOTA_WATCHES], &domain->budgets[QUOTA_MEMORY],
			       &client->watches);
}

int client_init(struct client *client, struct turn *turn, uint64_t id, struct domain *domain)
{
	int error = client_make(client, turn, id, domain);

	if (error)
		return error;
	error = ledger_connect(turn->ledger, id, &client->ledger);
	if (error)
		watch_owner_free(client->watches);
	else
		domain_hold(domain);
	return error;
}

struct attaching {
	struct client *client;
	struct loading *loading;
};

static int add_recorded(void *context, const struct watch_record *record)
{
	const struct attaching *attaching = context;
	struct client *client = attaching->client;
	const struct watch_description description = {
	    .path = {record->path, record->path_len},
	    .hidden = record->hidden,
	    .token = record->token,
	    .token_len = record->token_len,
	    .depth = record->depth,
	    .serial = record->serial,
	};
	struct watch *watch;

	if (!loading_is_next(attaching->loading, LEDGER_LOAD_WATCH, record->connection, record->serial))
		return 0;
	int error = watch_add(client->watches, &description, NULL, &watch);
	/* Which record is read next is not known before. */
	loading_is_next(attaching->loading, LEDGER_LOAD_CONNECTION, record->connection, 0);
	return error;
}

int client_attach(struct client *client, struct turn *turn, const struct ledger_found *found, struct domain *domain)
{
	struct attaching attaching = {client, ledger_loading(turn->ledger)};
	int error = client_make(client, turn, found->connection_id, domain);

	if (error)
		return error;
	if (found->state == LEDGER_CONNECTED) /* others had theirs before; the records are still to be removed */
		error = watch_record_each(turn->store, client->id, add_recorded, &attaching);
	if (error) {
		watch_owner_free(client->watches);
		return error < 0 ? error : -EIO;
	}
	ledger_attach(turn->ledger, found, &client->ledger);
	client->is_condemned = found->state == LEDGER_CONNECTED && ledger_is_condemned(&client->ledger);
	/* Events are compared by it: one of a watch that is gone must not be taken for that of a new one. */
	watch_serial_used(turn->watches, ledger_last_watch(&client->ledger));
	error = client_restore_transactions(client, turn);
	if (error) {
		watch_owner_free(client->watches);
		ledger_detach(&client->ledger);
		return error;
	}
	domain_hold(domain);
	client_took_output(client, turn);
	return 0;
}

/* Gives back all but the watches and the ledger's part. */
static void forget(struct client *client, struct turn *turn)
{
	live_update_forget(&turn->update, client);
	if (client->has_output)
		DL_DELETE2(turn->with_output, client, output_previous, output_next);
	client->has_output = false;
	client->broken = client->out_of_room = client->events_dropped = false;
	client->waits = client->resumes = client->is_condemned = false;
	charge_force(&client->output, 0);
	charge_force(&client->unanswered, 0);
	unread_forget(turn, client);
}

void client_reset(struct client *client, struct turn *turn)
{
	struct watch_owner *fresh, *old = client->watches;

	forget(client, turn);
	client_free_transactions(client);
	/* Without memory the records stay until the next start. */
	if (watch_owner_new(old->index, client->id, client, old->number.budget, old->memory.budget, &fresh)) {
		while (old->watches)
			watch_free(old->watches);
		return;
	}
	client->watches = fresh;
	watch_owner_depart(old);
}

void client_deinit(struct client *client, struct turn *turn)
{
	forget(client, turn);
	client_free_transactions(client);
	watch_owner_depart(client->watches);
	ledger_disconnect(&client->ledger);
	client->broken = true;
	domain_drop(turn->domains, client->domain);
}

void client_leave(struct client *client, struct turn *turn)
{
	forget(client, turn);
	client_leave_transactions(client);
	watch_owner_free(client->watches);
	ledger_detach(&client->ledger);
	client->broken = true;
	domain_drop(turn->domains, client->domain);
}

/* ---- what it is owed ---- */

void client_count_output(struct client *client, struct turn *turn)
{
	struct domain *domain = client->domain;
	uint32_t soft = domain->quotas.soft[QUOTA_MEMORY];

	if (domain->caller.privileged)
		return;
	charge_force(&client->output, ledger_output_memory(&client->ledger));
	charge_force(&client->unanswered, client->ledger.replies);
	if (soft && domain->budgets[QUOTA_MEMORY].used > soft)
		limit_passed_softly(turn, domain, QUOTA_MEMORY);
}

void client_took_output(struct client *client, struct turn *turn)
{
	client_count_output(client, turn);
	unread_note(turn, client);
}

static bool exceeds(const struct client *client, enum quota quota, uint64_t more)
{
	return client->domain->budgets[quota].used + more > domain_limit(client->domain, quota);
}

bool client_must_take(const struct client *client)
{
	if (client->domain->caller.privileged || !client->ledger.queued)
		return false;
	return (client->unanswered.amount && exceeds(client, QUOTA_OUTSTANDING, 1)) || exceeds(client, QUOTA_MEMORY, 0);
}

void client_tell_stop(struct client *client, struct turn *turn)
{
	if (client_must_take(client))
		limit_reached(turn, client->domain, exceeds(client, QUOTA_MEMORY, 0) ? QUOTA_MEMORY : QUOTA_OUTSTANDING);
}

/* ---- steps ---- */

static void free_watch(void *context)
{
	watch_free(context);
}

int turn_set_watch(struct turn *turn, struct watch *watch)
{
	const struct turn_step step = {.undo = free_watch, .context = watch};

	return turn_add_step(turn, &step);
}

static void put_watch_back(void *context)
{
	watch_put_back(context);
}

int turn_remove_watch(struct turn *turn, struct watch *watch)
{
	const struct turn_step step = {.commit = free_watch, .undo = put_watch_back, .context = watch};

	watch_take_out(watch);
	return turn_add_step(turn, &step);
}
