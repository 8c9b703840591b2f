/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A play has one world. All requests of the scenario lie in their clients' input before the first is run, as after a wait of
 * the event loop. The story is text, so that two of them compare, and differ, legibly. It leaves out what may differ: numbers of
 * generations, sizes, times.
 */
#include "support/play.h"

#include <check.h>
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "store/node.h"
#include "store/snapshot.h"
#include "support/world.h"
#include "support/world_xen.h"

enum { STEPS_MAX = 64, KEPT = 512 };

/* As ck_assert_msg, but it says nothing to the parent process, and allocates nothing, as long as all is well. */
#define MUST(condition, ...)                                                                                                     \
	do {                                                                                                                     \
		if (!(condition)) {                                                                                              \
			fault_disarm();                                                                                          \
			ck_abort_msg(__VA_ARGS__);                                                                               \
		}                                                                                                                \
	} while (0)

struct play {
	struct world world;
	struct world_client *clients[PLAY_CLIENTS];
	const struct play_scenario *scenario;
	uint64_t skip;
	uint64_t skipped;
	unsigned faults;	  /* FAULT_* that are tried; 0: none */
	uint32_t last_request_id; /* ids of `steps` are 1 and up, in their order */
	char *story;
	size_t story_size;
	FILE *out; /* writes it */
};

/* ---- requests ---- */

static bool is_request(const struct play_step *step)
{
	return step->type < PLAY_END;
}

static void send_step(struct play *play, const struct play_step *step, const char *payload_text)
{
	unsigned char bytes[MESSAGE_SIZE_MAX];
	size_t len = strlen(payload_text) + (step->type != MESSAGE_WRITE);
	struct message_header header = {step->type, ++play->last_request_id, step->transaction, (uint32_t)len};
	char *payload = (char *)bytes + MESSAGE_HEADER_SIZE;

	MUST(len <= MESSAGE_PAYLOAD_MAX, "a payload is too long");
	message_write_header(bytes, &header);
	memcpy(payload, payload_text, len);
	for (size_t i = 0; i < len; i++)
		payload[i] = payload[i] == '|' ? 0 : payload[i];
	len += MESSAGE_HEADER_SIZE;
	MUST(world_send_bytes(play->clients[step->client], bytes, len) == len, "a request does not fit the input");
}

static bool is_skipped(const struct play *play, size_t i)
{
	return play->skip >> i & 1;
}

/* False: the daemon has put the request off for lack of something. */
static bool run_step(struct play *play, const struct play_step *step)
{
	struct client *client = &play->clients[step->client]->client;
	bool ran = turn_run_next(&play->world.turn, client);

	MUST((ran || client->out_of_room) && !client->broken, "a request was not run");
	return ran;
}

/* Each with a commit of its own. */
static void run_plainly(struct play *play, const struct play_step *steps)
{
	for (; steps->type != PLAY_END; steps++) {
		if (is_request(steps)) {
			send_step(play, steps, steps->payload);
			MUST(run_step(play, steps), "a request was put off");
			turn_commit(&play->world.turn);
		}
	}
}

static void send_scenario(struct play *play)
{
	const struct play_step *steps = play->scenario->steps;

	for (size_t i = 0; steps[i].type != PLAY_END; i++) {
		MUST(i < STEPS_MAX, "a scenario is too long");
		if (!is_request(&steps[i]))
			continue;
		play->last_request_id = (uint32_t)i;
		if (!is_skipped(play, i))
			send_step(play, &steps[i], steps[i].payload);
		else if (steps[i].type == MESSAGE_TRANSACTION_END)
			send_step(play, &steps[i], "F");
	}
}

static void die(struct play *play, uint16_t domid)
{
	turn_commit(&play->world.turn); /* else requests of the turn might be run again after the death */
	world_xen_kill(play->world.xen, domid);
	world_xen_exception(play->world.xen);
}

/* From steps[i] on. Returns the first that was put off twice, or the number of steps. */
static size_t run_from(struct play *play, size_t i)
{
	const struct play_step *steps = play->scenario->steps;

	for (; steps[i].type != PLAY_END; i++) {
		if (steps[i].type == PLAY_COMMIT)
			turn_commit(&play->world.turn);
		else if (steps[i].type == PLAY_DROP_SNAPSHOTS)
			snapshots_drop_all(play->world.turn.store);
		else if (steps[i].type == PLAY_DIES)
			die(play, (uint16_t)steps[i].transaction);
		else if (is_skipped(play, i) && steps[i].type != MESSAGE_TRANSACTION_END)
			continue;
		else if (!run_step(play, &steps[i]) && !run_step(play, &steps[i]))
			return i;
	}
	return i;
}

/* ---- the story ---- */

static void tell_bytes(FILE *out, const char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (isgraph((unsigned char)bytes[i]) && bytes[i] != '\\')
			putc(bytes[i], out);
		else
			fprintf(out, "\\%02x", (unsigned char)bytes[i]);
	}
	putc('\n', out);
}

static bool is_of_a_fault(const struct play *play, const struct play_step *step, const struct world_message *reply)
{
	if (play->faults & FAULT_MEMORY && play->scenario->may_conflict && step->type == MESSAGE_TRANSACTION_END &&
	    !strcmp(reply->error, "EAGAIN"))
		return true;
	return !strcmp(reply->error, "ENOSPC") || !strcmp(reply->error, "EIO") || !strcmp(reply->error, "ENOMEM");
}

/* What the client got, and that each of its requests has been answered, in order. */
static void tell_messages(struct play *play, int number, const struct play_step *steps)
{
	struct world_client *client = play->clients[number];
	const struct world_message *message;
	size_t next = 0;

	DL_FOREACH (client->messages, message) {
		if (message->header.type == MESSAGE_WATCH_EVENT) {
			fprintf(play->out, "client %d event ", number);
			tell_bytes(play->out, message->payload, message->header.len);
			continue;
		}
		while (steps[next].type != PLAY_END && (!is_request(&steps[next]) || steps[next].client != number ||
							(is_skipped(play, next) && steps[next].type != MESSAGE_TRANSACTION_END)))
			next++;
		MUST(steps[next].type != PLAY_END, "client %d got one reply too many", number);
		if (steps == play->scenario->steps)
			MUST(message->header.request_id == next + 1, "client %d: request %zu is not the next answered", number,
			     next);
		MUST(message->header.transaction_id == steps[next].transaction, "a reply has another transaction");
		if (play->faults && is_of_a_fault(play, &steps[next], message)) {
			play->skipped |= UINT64_C(1) << next;
		} else if (!is_skipped(play, next)) {
			fprintf(play->out, "client %d reply %zu type %u ", number, next, message->header.type);
			tell_bytes(play->out, message->payload, message->header.len);
		}
		next++;
	}
	for (; steps[next].type != PLAY_END; next++)
		MUST(!is_request(&steps[next]) || steps[next].client != number ||
			 (is_skipped(play, next) && steps[next].type != MESSAGE_TRANSACTION_END),
		     "client %d got no reply to request %zu", number, next);
	world_forget(client);
}

static void tell_all_messages(struct play *play, const struct play_step *steps)
{
	world_take(&play->world);
	for (int i = 0; i < PLAY_CLIENTS; i++)
		tell_messages(play, i, steps);
}

static void tell_memory(struct play *play)
{
	const struct transaction *transaction;
	const struct watch *watch;

	for (int i = 0; i < PLAY_CLIENTS; i++) {
		const struct client *client = &play->clients[i]->client;
		fprintf(play->out, "client %d: %zu watches, %zu transactions:", i, client->watches->count,
			client->n_transactions);
		DL_FOREACH (client->watches->watches, watch) {
			fprintf(play->out, " %s %s,", watch->path, watch->token);
		}
		DL_FOREACH2 (client->transactions, transaction, owner_next) {
			fprintf(play->out, " %u", transaction->id);
		}
		putc('\n', play->out);
	}
	for (uint16_t domid = 0; domid <= WORLD_GUEST; domid++) {
		const struct domain *domain = domain_find(&play->world.domains, domid);
		fprintf(play->out, "domain %u uses", domid);
		for (enum quota quota = 0; quota < QUOTA_COUNT; quota++)
			fprintf(play->out, " %" PRIu64, domain->budgets[quota].used);
		putc('\n', play->out);
	}
}

/* What is known of the domains that come and go. */
static void tell_domains(struct play *play)
{
	for (uint16_t domid = PLAY_DOMAIN; play->world.xen && domid <= PLAY_OTHER_DOMAIN; domid++) {
		const struct domain *domain = domain_find(&play->world.domains, domid);
		const struct world_domain *of_xen = &play->world.xen->domains[domid];
		MUST(!of_xen->changing, "a change of a ring was forgotten");
		fprintf(play->out, "domain %u: %s ring, ", domid, of_xen->ring ? "a" : "no");
		if (!domain || !domain->is_known)
			fprintf(play->out, "not known\n");
		else
			fprintf(play->out,
				"%sintroduced, port %u, features %u, target %u, %u nodes, %u watches, id %" PRIu64 "\n",
				domain->introduced ? "" : "not ", domain->port, domain->features, domain->caller.target,
				domain->quotas.hard[QUOTA_NODES], domain->quotas.hard[QUOTA_WATCHES], domain->identity.unique_id);
	}
}

static void tell_node(FILE *out, struct world_client *teller, const char *path)
{
	static const uint32_t types[] = {MESSAGE_READ, MESSAGE_GET_PERMS, MESSAGE_DIRECTORY};
	char names[MESSAGE_PAYLOAD_MAX], child[2 * MESSAGE_PAYLOAD_MAX];
	size_t len = 0;

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		const struct world_message *reply = world_call(teller, types[i], 0, path);
		MUST(reply, "%s cannot be read", path);
		fprintf(out, "node %.40s type %u ", path, reply->header.type);
		tell_bytes(out, reply->payload, reply->header.len);
		len = reply->header.len;
		memcpy(names, reply->payload, len);
	}
	for (const char *name = names; name < names + len; name += strlen(name) + 1) {
		snprintf(child, sizeof(child), "%s/%s", strcmp(path, "/") ? path : "", name);
		tell_node(out, teller, child);
	}
}

static void tell_tree(struct play *play, FILE *out)
{
	struct world *world = &play->world;
	struct world_client *teller = world_client(world, DOMID_PRIVILEGED, true);
	uint64_t owned;

	MUST(teller, "no room for a client");
	tell_node(out, teller, "/");
	for (uint16_t domid = 0; domid <= WORLD_GUEST; domid++) {
		MUST(!node_account(world->turn.store, store_view(world->turn.store), domid, &owned), "no account of %u", domid);
		fprintf(out, "domain %u owns %" PRIu64 "\n", domid, owned);
	}
	world_client_close(teller);
}

/* ---- a whole play ---- */

static void begin(struct play *play, const struct play_scenario *scenario, const struct world_options *options, uint64_t skip)
{
	*play = (struct play){.scenario = scenario, .skip = skip};
	MUST(!world_init(&play->world, options), "no world");
	if (play->world.xen) {
		world_xen_start(play->world.xen, PLAY_DOMAIN);
		world_xen_start(play->world.xen, PLAY_OTHER_DOMAIN);
	}
	play->out = open_memstream(&play->story, &play->story_size);
	for (int i = 0; i < PLAY_CLIENTS; i++)
		play->clients[i] = i == PLAY_GUEST ? world_client(&play->world, WORLD_GUEST, false)
						   : world_client(&play->world, DOMID_PRIVILEGED, true);
	run_plainly(play, scenario->before);
	world_take(&play->world);
	for (int i = 0; i < PLAY_CLIENTS; i++)
		world_forget(play->clients[i]);
	play->last_request_id = 0;
	/* As after a start: the next change has to promise generations first. */
	play->world.turn.store->generation = play->world.turn.store->generation_promised;
}

/* No trace of the steps may be left in the parts that a turn uses. */
static void check_parts(struct play *play)
{
	const struct turn *turn = &play->world.turn;
	const struct snapshot *snapshot;
	const struct transaction *transaction;
	struct ledger_figures ledger;
	size_t n = 0;

	MUST(!turn->store->write && !turn->store->fault, "the store is still in a turn");
	MUST(!turn->n_runs && !turn->n_steps, "the turn has not ended");
	DL_FOREACH (turn->store->snapshots, snapshot) {
		MUST(snapshot->transactions, "a snapshot that nobody reads is kept");
		n++;
	}
	MUST(turn->store->n_snapshots == n, "%zu snapshots are counted, there are %zu", turn->store->n_snapshots, n);
	ledger_figures(turn->ledger, &ledger);
	for (int domid = 0; turn->rings && domid < WORLD_XEN_DOMAINS; domid++)
		ledger.connections -= play->world.xen->domains[domid].ring != NULL;
	DL_FOREACH (turn->store->transactions, transaction) {
		ledger.blocks_used -= transaction->recorded.amount / ledger.block_size;
	}
	MUST(ledger.blocks_used == 0 && ledger.connections == PLAY_CLIENTS, "%zu blocks of the ledger are in use for nothing",
	     ledger.blocks_used);
}

static void finish(struct play *play)
{
	const struct play_step *after = play->scenario->after;

	tell_memory(play);
	tell_domains(play);
	play->skip = 0;
	fprintf(play->out, "then\n");
	play->faults = 0;
	run_plainly(play, after);
	tell_all_messages(play, after);
	tell_memory(play);
	tell_tree(play, play->out);
	check_parts(play);
	fclose(play->out);
}

/* A fresh start on the same file, which walks and checks it, must find the tree that the clients saw. */
static void check_reopened(struct play *play, const struct world_options *options)
{
	char *before, *again;
	size_t size;
	FILE *out = open_memstream(&before, &size);

	tell_tree(play, out);
	fclose(out);
	world_deinit(&play->world);
	MUST(!world_init(&play->world, options), "the store cannot be opened again");
	out = open_memstream(&again, &size);
	tell_tree(play, out);
	fclose(out);
	MUST(!strcmp(before, again), "the store holds\n%s\nbut clients saw\n%s", again, before);
	free(before);
	free(again);
}

void play_with_faults(const struct play_scenario *scenario, const struct fault_plan *plan, struct play_result *result)
{
	char directory[] = "/dev/shm/lxenstored-play.XXXXXX";
	/* Both ways of writing the store have their turn. */
	struct world_options options = {
	    .directory = directory, .store_size = (size_t)8 << 20, .map = plan->first % 2, .with_xen = scenario->with_xen};
	struct play play;

	MUST(mkdtemp(directory), "no directory");
	begin(&play, scenario, &options, 0);
	send_scenario(&play);
	play.faults = plan->functions;
	fault_arm(plan);
	size_t left = run_from(&play, 0);
	turn_commit(&play.world.turn);
	result->calls = fault_calls();
	result->failed = fault_disarm();
	run_from(&play, left);
	turn_commit(&play.world.turn);
	if (play.world.xen)
		world_xen_exception(play.world.xen); /* what a death has left undone */
	tell_all_messages(&play, scenario->steps);
	finish(&play);
	check_reopened(&play, &options);
	play.world.directory_is_ours = true;
	world_deinit(&play.world);
	result->story = play.story;
	result->skipped = play.skipped;
}

/* ---- plays without faults ---- */

static struct {
	const struct play_scenario *scenario;
	uint64_t skipped;
	char *story;
} kept[KEPT];

const char *play_without(const struct play_scenario *scenario, uint64_t skipped)
{
	const struct world_options options = {.with_xen = scenario->with_xen};
	struct play play;
	size_t i = 0;

	for (; i < KEPT && kept[i].story; i++)
		if (kept[i].scenario == scenario && kept[i].skipped == skipped)
			return kept[i].story;
	if (i == KEPT) {
		play_forget();
		i = 0;
	}
	begin(&play, scenario, &options, skipped);
	send_scenario(&play);
	run_from(&play, 0);
	turn_commit(&play.world.turn);
	tell_all_messages(&play, scenario->steps);
	finish(&play);
	world_deinit(&play.world);
	kept[i].scenario = scenario;
	kept[i].skipped = skipped;
	kept[i].story = play.story;
	return play.story;
}

void play_forget(void)
{
	for (size_t i = 0; i < KEPT; i++) {
		free(kept[i].story);
		kept[i].story = NULL;
	}
}
