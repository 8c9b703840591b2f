/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Running requests. A turn that has changed the store stays open until turn_commit, so that many requests share a commit; all
 * its replies and events carry its tag. Memory that mirrors the store is changed by steps, which can be undone. What changes
 * other memory (transactions begun and what is done in them, settings) never shares a turn with changes of the store: such a
 * request commits first and then is valid at once.
 *
 * When a turn fails, store and ledger are put back and the steps undone; its requests, which are input again, are run in the
 * same order with a commit each. One that fails alone for lack of room is tried again as long as more can be had, then answered
 * with the error.
 */
#include "request/turn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "base/escape.h"
#include "domain/domain_record.h"
#include "request/client_transactions.h"
#include "request/departed.h"
#include "request/limits.h"
#include "request/release.h"
#include "request/request.h"

enum { LOGGED_BYTES = 256 /* of a request that is not run */ };
enum { TRIES_ALONE = 32 /* each with more room */, STEPS_KEPT = 4096 /* memory for so many stays */ };

static int watched_below(void *context, const struct path *path, int (*found)(void *found_context, const struct path *path),
			 void *found_context)
{
	return watch_below(context, path, found, found_context);
}

void turn_agree_on_last_change(struct store *store, struct ledger *ledger)
{
	uint64_t last_commit = store_last_commit(store), generation;

	if (ledger_generation(ledger, last_commit, &generation))
		store->generation_changed = generation;
	else
		ledger_note_generation(ledger, last_commit, store->generation_changed);
}

void turn_init(struct turn *turn)
{
	turn->watched = (struct watched_paths){watched_below, turn->watches};
	arena_init(&turn->arena);
	client_recorder_init(&turn->recorder);
	turn->runs = NULL;
	turn->n_runs = turn->runs_capacity = 0;
	turn->steps = NULL;
	turn->n_steps = turn->steps_capacity = 0;
	turn->with_output = NULL;
	turn->unread = NULL;
	turn->writers.next = turn->writers.n = 0;
	turn->departed_later = false;
	turn->update = (struct live_update){0};
	turn->careful = 0;
	turn->figures = (struct turn_figures){0};
}

void turn_deinit(struct turn *turn)
{
	arena_deinit(&turn->arena);
	live_update_deinit(&turn->update);
	buffer_deinit(&turn->recorder.change);
	free(turn->runs);
	free(turn->steps);
}

/* ---- what a turn remembers ---- */

static int grow(void **array, size_t *capacity, size_t item_size)
{
	size_t wanted = *capacity ? 2 * *capacity : 64;
	void *grown = realloc(*array, wanted * item_size);

	if (!grown)
		return -ENOMEM;
	*array = grown;
	*capacity = wanted;
	return 0;
}

int turn_add_step(struct turn *turn, const struct turn_step *step)
{
	if (turn->n_steps == turn->steps_capacity) {
		void *steps = turn->steps;
		int error = grow(&steps, &turn->steps_capacity, sizeof(*turn->steps));
		if (error) {
			if (step->undo)
				step->undo(step->context);
			return error;
		}
		turn->steps = steps;
	}
	turn->steps[turn->n_steps++] = *step;
	return 0;
}

static void commit_steps(struct turn *turn)
{
	if (!turn->n_steps)
		return;
	for (int last = 0; last < 2; last++) {
		for (size_t i = 0; i < turn->n_steps; i++) {
			const struct turn_step *step = &turn->steps[i];
			if (step->commit && step->last == last)
				step->commit(step->context);
		}
	}
	turn->n_steps = 0;
	if (turn->steps_capacity > STEPS_KEPT) {
		free(turn->steps);
		turn->steps = NULL;
		turn->steps_capacity = 0;
	}
}

static void undo_steps(struct turn *turn)
{
	while (turn->n_steps) {
		const struct turn_step *step = &turn->steps[--turn->n_steps];
		if (step->undo)
			step->undo(step->context);
	}
}

static int remember_run(struct turn *turn, struct client *client)
{
	if (turn->n_runs == turn->runs_capacity) {
		void *runs = turn->runs;
		int error = grow(&runs, &turn->runs_capacity, sizeof(*turn->runs));
		if (error)
			return error;
		turn->runs = runs;
	}
	turn->runs[turn->n_runs++] = client;
	return 0;
}

/* ---- one request ---- */

static void trace(struct turn *turn, const struct client *client, const char *direction, uint32_t type, const char *bytes,
		  size_t len)
{
	char text[128];
	size_t n = 0;

	if (turn->log->trace_fd < 0 || !(turn->log->trace & LOG_TRACE_IO))
		return;
	for (; n < len && n < sizeof(text) - 1; n++)
		text[n] = bytes[n] >= ' ' && bytes[n] < 127 ? bytes[n] : ' ';
	text[n] = 0;
	const char *name = message_type_name(type);
	log_trace_line(turn->log, "%s d%u c%llu %s (%s)", direction, client->domain->caller.domid, (unsigned long long)client->id,
		       name ? name : "?", text);
}

static void append_reply(struct turn *turn, struct client *client, const struct message_header *header, int result,
			 const struct reply *reply)
{
	const char *bytes = "OK";
	size_t len = 3;

	if (!result && reply->is_set) {
		bytes = reply->bytes;
		len = reply->len;
		if (len > MESSAGE_PAYLOAD_MAX)
			result = STATUS_E2BIG;
	}
	if (result) {
		bytes = reply_error_name(result);
		len = strlen(bytes) + 1;
	}
	struct message_header answer = *header;
	unsigned char head[MESSAGE_HEADER_SIZE];
	struct iovec parts[] = {{head, sizeof(head)}, {(char *)(uintptr_t)bytes, len}};

	answer.len = (uint32_t)len;
	if (result)
		answer.type = MESSAGE_ERROR;
	message_write_header(head, &answer);
	trace(turn, client, "OUT", answer.type, bytes, len);
	if (ledger_append_reply(&client->ledger, store_tag(turn->store), parts, 2)) {
		/* ledger_reserve has promised room: without its reply the client cannot go on. */
		client->broken = true;
		log_error(turn->log, "no room for a reply to connection %llu: it is closed", (unsigned long long)client->id);
	}
	turn_note_output(turn, client);
}

static int run_operation(struct turn *turn, struct client *client, const struct operation *operation,
			 const struct message *message, struct request *request, struct reply *reply)
{
	*reply = (struct reply){0};
	request->turn = turn;
	request->client = client;
	request->header = &message->header;
	request->end = client->ledger.ran + MESSAGE_HEADER_SIZE + message->header.len;
	reader_init(&request->arguments, message->payload, message->header.len);
	request->tree = (struct tree){
	    .store = turn->store,
	    .caller = client->domain->caller,
	    .limits = &client->domain->limits,
	    .most = client->domain->caller.privileged ? NULL : client->domain->most_of_tree,
	    .watched = watch_count(turn->watches) ? &turn->watched : NULL,
	    .arena = &turn->arena,
	};
	if (!operation->run)
		return STATUS_ENOSYS;
	if (operation->flags & OPERATION_PRIVILEGED && !client->domain->caller.privileged)
		return STATUS_EACCES;
	if (message->header.transaction_id && !(operation->flags & OPERATION_ANY_NUMBER)) {
		struct transaction *transaction;
		int result = client_transaction(client, message->header.transaction_id, &transaction);
		if (result)
			return result;
		client_prepare_transaction(transaction, turn);
		if (operation->flags & OPERATION_IN_TRANSACTION)
			request->tree.transaction = transaction;
	}
	return operation->run(request, reply);
}

static bool needs_clean_turn(const struct operation *operation, const struct message_header *header)
{
	return operation->flags & OPERATION_CHANGES_MEMORY ||
	       (operation->flags & OPERATION_IN_TRANSACTION && header->transaction_id && header->type != MESSAGE_TRANSACTION_END);
}

/* The client's next message. False: there is no whole one. True with client->broken: nor will there be. */
static bool next_message(struct client *client, struct message *message)
{
	size_t len;

	if (client->broken)
		return false;
	const char *bytes = ledger_input(&client->ledger, &len);
	if (!len)
		return false;
	switch (message_parse(bytes, len, message)) {
	case MESSAGE_TOO_LONG:
		client->broken = true;
		return true;
	case MESSAGE_WHOLE:
		return true;
	default:
		return false;
	}
}

/* The first of the client's input is run now; its reply follows. */
static void note_run(struct turn *turn, struct client *client, const struct message *message)
{
	ledger_ran(&client->ledger, MESSAGE_HEADER_SIZE + message->header.len);
	turn->figures.requests++;
}

/* The tree has refused a request; was it for a limit? */
static void tell_limit(struct turn *turn, struct client *client, const struct tree *tree)
{
	limit_of_tree_reached(turn, client->domain, tree->limit_reached);
	if (tree->transaction)
		limit_of_tree_reached(turn, client->domain, tree->transaction->limit_reached);
}

/* Runs `message`, the first of the client's input. After a fault the turn has to be put back, then it still is. */
static int run_message(struct turn *turn, struct client *client, const struct message *message)
{
	const struct operation *operation = operation_of(message->header.type);
	struct request request;
	struct reply reply;

	ledger_running(&client->ledger);
	arena_reset(&turn->arena);
	trace(turn, client, "IN", message->header.type, message->payload, message->header.len);
	uint64_t generation = turn->store->generation;
	int result = run_operation(turn, client, operation, message, &request, &reply);
	int fault = result < 0 ? result : turn->store->fault;
	if (fault)
		return fault;
	client->waits = !result && reply.waits;
	if (client->waits)
		return 0;
	if (request.tree.transaction && (result || turn->recorder.change.len))
		client_record_change(request.tree.transaction, request.end);
	note_run(turn, client, message);
	if (turn->store->generation != generation && turn->store->transactions)
		writers_add(&turn->writers, generation + 1, turn->store->generation, client->domain->caller.domid);
	if (result == STATUS_ENOSPC || result == STATUS_ENOMEM)
		tell_limit(turn, client, &request.tree);
	if (!result)
		fault = events_append(turn, &request.tree.changes);
	if (fault)
		return fault;
	append_reply(turn, client, &message->header, result, &reply);
	if (!result && reply.watch)
		events_append_first(turn, reply.watch);
	return 0;
}

/* Answers `message` with the fault. A transaction that cannot be carried over is ended nevertheless. */
static void refuse_message(struct turn *turn, struct client *client, const struct message *message, int fault)
{
	const struct message_header *header = &message->header;
	struct transaction *transaction = NULL;

	if (header->type == MESSAGE_TRANSACTION_END)
		(void)client_transaction(client, header->transaction_id, &transaction);
	note_run(turn, client, message);
	if (transaction)
		client_record_end(transaction, client->ledger.ran);
	append_reply(turn, client, header, fault, NULL);
	if (transaction)
		client_free_transaction(transaction);
}

/* ---- after a fault ---- */

static void put_back(struct turn *turn)
{
	struct client *client;

	store_abort(turn->store);
	ledger_cut(turn->ledger);
	undo_steps(turn);
	DL_FOREACH2 (turn->with_output, client, output_next) {
		client_count_output(client, turn); /* it may be owed less */
	}
}

static int commit_changes(struct turn *turn)
{
	struct store *store = turn->store;

	ledger_note_generation(turn->ledger, store_tag(store), store_last_change(store));
	return store_commit(store);
}

static int commit_store(struct turn *turn)
{
	int fault = turn->store->fault;

	if (fault)
		return fault;
	if (!store_tag(turn->store)) {
		commit_steps(turn);
		return 0;
	}
	fault = domains_save_unsaved(turn->store, turn->domains);
	if (!fault)
		fault = commit_changes(turn);
	if (fault)
		return fault;
	turn->figures.commits++;
	ledger_commit(turn->ledger);
	domains_committed(turn->domains);
	commit_steps(turn);
	return 0;
}

/* After a fault, everything being put back: is there a reason to try again? */
static bool may_try_again(struct turn *turn, int fault)
{
	if (fault == -ENOSPC)
		return !store_make_room(turn->store);
	/* A domain's number means another one by now. */
	return fault == -ESTALE && !release_all(turn);
}

/* Runs the client's next request with a commit of its own, and answers it whatever comes. */
static void run_alone(struct turn *turn, struct client *client)
{
	struct message message;
	int fault = 0;

	if (client_is_ended(client) || !next_message(client, &message) || client->broken)
		return;
	if (ledger_reserve(turn->ledger)) { /* error replies are longer than "OK" */
		client->out_of_room = true;
		turn_note_output(turn, client);
		return;
	}
	for (int i = 0; i < TRIES_ALONE; i++) {
		fault = run_message(turn, client, &message);
		if (!fault)
			fault = commit_store(turn);
		if (!fault)
			break;
		put_back(turn);
		if (!may_try_again(turn, fault))
			break;
		if (client_is_ended(client)) /* its domain was among those that were gone */
			return;
	}
	if (fault)
		refuse_message(turn, client, &message, fault);
}

/* All requests of the failed turn, each alone. */
static void run_again(struct turn *turn)
{
	struct client **runs = turn->runs;
	size_t n = turn->n_runs;

	turn->runs = NULL;
	turn->n_runs = turn->runs_capacity = 0;
	turn->figures.turns_run_again++;
	put_back(turn);
	for (size_t i = 0; i < n; i++) {
		/* Its requests came before the bytes that cannot be followed. */
		bool was_broken = runs[i]->broken;
		runs[i]->broken = false;
		run_alone(turn, runs[i]);
		runs[i]->broken = runs[i]->broken || was_broken || client_is_ended(runs[i]);
	}
	free(runs);
}

/* Clearing up may share the turn's commit, but must not make requests be run again and again. */
void turn_commit(struct turn *turn)
{
	if (!turn->departed_later || !store_tag(turn->store)) {
		turn->departed_later = false;
		departed_remove_some(turn);
	}
	if (commit_store(turn)) {
		turn->departed_later = watch_departed(turn->watches);
		run_again(turn);
	}
	ledger_running_none(turn->ledger);
	turn->n_runs = 0;
}

void turn_resume(struct turn *turn, struct client *client)
{
	client->waits = false;
	client->resumes = true;
	turn_note_output(turn, client);
}

void turn_be_careful(struct turn *turn)
{
	turn->careful = TURN_REQUESTS_MAX;
}

/* ---- a request of which processes have died ---- */

static void log_condemned(struct turn *turn, const struct client *client, const struct message *message)
{
	const char *name = message_type_name(message->header.type);
	char text[ESCAPE_SIZE(LOGGED_BYTES)];
	size_t len = message->header.len, shown = len < LOGGED_BYTES ? len : LOGGED_BYTES;

	escape(message->payload, shown, text);
	log_error(turn->log,
		  "domain %u, connection %llu: the daemon has died of a request again and again. It is answered EIO and not "
		  "run, and the connection is ended. Type %u (%s), transaction %u, %zu bytes: \"%s\"%s",
		  client->domain->caller.domid, (unsigned long long)client->id, message->header.type, name ? name : "unknown",
		  message->header.transaction_id, len, text, shown < len ? "..." : "");
}

/*
 * The condemned request comes next, or is answered: nothing that follows it is run. False: it is not whole yet, or there is no
 * room for the answer.
 */
static bool refuse_condemned(struct turn *turn, struct client *client)
{
	struct message message;

	turn_commit(turn);
	if (!client_is_ended(client) && !ledger_before_condemned(&client->ledger)) {
		if (!next_message(client, &message))
			return client->broken;
		client->out_of_room = ledger_reserve(turn->ledger);
		if (client->out_of_room)
			return false;
		if (!client->broken) {
			log_condemned(turn, client, &message);
			refuse_message(turn, client, &message, -EIO);
		}
	}
	client->is_condemned = false;
	client->broken = true;
	return true;
}

/* ---- the next request ---- */

bool turn_run_next(struct turn *turn, struct client *client)
{
	struct message message;

	if (client->is_condemned && ledger_before_condemned(&client->ledger) <= 0)
		return refuse_condemned(turn, client);
	if (client->waits || !next_message(client, &message))
		return false;
	if (client->broken)
		return true;
	if (store_tag(turn->store) && needs_clean_turn(operation_of(message.header.type), &message.header)) {
		turn_commit(turn);
		/* The client's earlier requests may have been run again; this one is still the next. */
		if (!next_message(client, &message) || client->broken)
			return client->broken;
	}
	client->out_of_room = ledger_reserve(turn->ledger) || remember_run(turn, client);
	if (client->out_of_room)
		return false;
	if (run_message(turn, client, &message))
		run_again(turn);
	else if (!store_tag(turn->store)) {
		commit_steps(turn);
		turn->n_runs = 0;
	}
	if (turn->careful) {
		turn->careful--;
		turn_commit(turn);
	}
	return !client->waits;
}

static int try_work(struct turn *turn, turn_work *work, void *context)
{
	struct changes changes = {0};

	arena_reset(&turn->arena);
	int result = work(context, turn, &changes);
	int fault = result < 0 ? result : turn->store->fault;
	if (!fault && !result)
		fault = events_append(turn, &changes);
	if (!fault)
		fault = commit_store(turn);
	return fault ? fault : result;
}

int turn_run_work(struct turn *turn, turn_work *work, void *context)
{
	int result = 0;

	turn_commit(turn);
	for (int i = 0; i < TRIES_ALONE; i++) {
		result = try_work(turn, work, context);
		if (result >= 0)
			break;
		put_back(turn);
		if (!may_try_again(turn, result))
			break;
	}
	return result;
}
