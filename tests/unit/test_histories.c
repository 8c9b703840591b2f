/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Random histories of five clients, two of them privileged, on the store and on a plain model of it (support/model.h): plain
 * requests and transactions, several of them in one turn of the daemon, turns that fail, snapshots that are dropped, domains that
 * die. Of every history it is required:
 *
 *  - Each answer in a transaction is the one that the tree gives which is put together of one state and the transaction's own
 *    changes. That state is the snapshot; once that was dropped, the newest committed one. A transaction that is not doomed
 *    gets the answers that it would have got alone on its snapshot in any case.
 *  - END commits if and only if nothing that was observed has changed, as the model works it out from the table of
 *    doc/transactions.md, and the quota allows it. So there is no EAGAIN without a reason.
 *  - Serialisable: for each commit the transaction's operations are done again on the model, plainly and alone, at the place of
 *    the commit; every answer must be the one that was given. (Where nothing was changed, the place is that of the start, where
 *    the answers came from.) Only operations refused for a quota are left out, since quotas are not observed.
 *  - The events of a commit are one for each changed node.
 *  - The generation of a list that a client is shown is the one it was shown last if and only if the list cannot have changed.
 *  - In the end the store has the same nodes as the model, with the same values, permissions, owners and order of creation, and
 *    the accounts are right; and check_records finds the store sound.
 *
 * HISTORIES: how many for each mode, 100,000 if it is not set. HISTORIES_SEED: where to begin. A history that fails is
 * made as short as it can be and printed in the words of support/stage.h.
 */
#include <check.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/node.h"
#include "support/model.h"
#include "support/random.h"
#include "support/stage.h"
#include "support/suite.h"

enum { STEPS_MAX = 72, CHECK_EVERY = 50, NO_LIMIT = 1000000 };

enum mode { WITH_SNAPSHOTS, WITHOUT_SNAPSHOTS, DROPPED_AT_TIMES };

struct history {
	bool long_names;
	uint32_t limit;
	int n_steps;
	struct stage_step steps[STEPS_MAX];
	int nodes[STEPS_MAX]; /* of the steps' paths */
};

/* The last list that a client was shown. */
struct shown_list {
	int node;
	uint64_t key, generation;
};

static struct stage stage;
static struct model model, model_of_long_names;
static const char *long_names[MODEL_NAMES];

static void setup(void)
{
	static const char *const short_names[MODEL_NAMES] = {"a", "b", "c"};
	static char names[MODEL_NAMES][301];

	for (int i = 0; i < MODEL_NAMES; i++) {
		memset(names[i], 'a' + i, i == 1 ? 300 : 200);
		long_names[i] = names[i];
	}
	stage_open(&stage, 0);
	stage.together = true;
	stage_client(&stage, '3')->caller.target = 1;
	model_init(&model, short_names);
	model_init(&model_of_long_names, long_names);
}

static void teardown(void)
{
	stage_close(&stage);
}

/* ---- making them up ---- */

static int random_node(struct random *random)
{
	static const int names[] = {0, 0, 0, 1, 1, 2};
	static const int depths[] = {1, 1, 2, 2, 2, 3, 3, 4};
	int node = 0;

	if (!random_below(random, 40))
		return 0;
	for (int depth = depths[random_below(random, 8)]; depth; depth--)
		node = MODEL_NAMES * node + 1 + names[random_below(random, 6)];
	return node;
}

/* What a client may do in a transaction and without. */
static enum stage_verb random_verb(struct random *random)
{
	static const enum stage_verb verbs[] = {
	    STAGE_READ,
	    STAGE_READ,
	    STAGE_READ,
	    STAGE_LIST,
	    STAGE_LIST,
	    STAGE_PERMISSIONS,
	    STAGE_WRITE,
	    STAGE_WRITE,
	    STAGE_WRITE,
	    STAGE_WRITE,
	    STAGE_MKDIR,
	    STAGE_REMOVE,
	    STAGE_REMOVE,
	    STAGE_SET_PERMISSIONS,
	    STAGE_SET_PERMISSIONS,
	};

	return verbs[random_below(random, sizeof(verbs) / sizeof(verbs[0]))];
}

/* Transactions are begun often, and ended after some steps. `open`: has the client one? */
static enum stage_verb next_verb(struct random *random, enum mode mode, bool *open)
{
	uint32_t number = random_below(random, 100);

	if (number < 8)
		return STAGE_COMMIT;
	if (number < 10)
		return STAGE_ABORT;
	if (number < 12)
		return STAGE_RELEASE;
	if (number < 16 && mode == DROPPED_AT_TIMES)
		return STAGE_DROP;
	if (number < 50 && !*open) {
		*open = true;
		return STAGE_START;
	}
	if (number < 32 && *open) {
		*open = false;
		return number < 30 ? STAGE_END : STAGE_FORGET;
	}
	return random_verb(random);
}

static struct stage_step random_step(struct random *random, char client, enum stage_verb verb)
{
	static const char *const values[] = {"", "1", "2", "3"};
	static const char *const permissions[] = {"n0",	   "r0",    "w0", "b0", "b0",	 "b0",	  "n1",	      "r1", "b1",   "b1",
						  "w1,b2", "n1,b2", "n2", "b2", "r2,w1", "n0,b1", "n0,w1,b2", "b3", "n3,r1"};
	struct stage_step step = {client, verb, NULL, NULL};

	if (verb == STAGE_WRITE)
		step.argument = values[random_below(random, 4)];
	if (verb == STAGE_SET_PERMISSIONS)
		step.argument = permissions[random_below(random, sizeof(permissions) / sizeof(permissions[0]))];
	return step;
}

static bool has_client(enum stage_verb verb)
{
	return verb != STAGE_COMMIT && verb != STAGE_ABORT && verb != STAGE_DROP;
}

static bool has_path(enum stage_verb verb)
{
	return verb >= STAGE_READ && verb <= STAGE_SET_PERMISSIONS;
}

static void add_step(struct history *history, const struct stage_step *step, int node)
{
	const struct model *of = history->long_names ? &model_of_long_names : &model;

	if (history->n_steps == STEPS_MAX)
		return;
	struct stage_step *added = &history->steps[history->n_steps];
	*added = *step;
	added->path = has_path(step->verb) ? of->paths[node] : NULL;
	history->nodes[history->n_steps++] = node;
}

/* A tree to begin with, made by a privileged client, and then anything by anybody. */
static void make_up(struct random *random, enum mode mode, struct history *history)
{
	static const char clients[] = "AB123";
	const struct stage_step commit = {0, STAGE_COMMIT, NULL, NULL}, drop = {0, STAGE_DROP, NULL, NULL};
	int n_nodes = 2 + (int)random_below(random, 8), n_steps = n_nodes + 8 + (int)random_below(random, STEPS_MAX - 24);
	int n_clients = 2 + (int)random_below(random, 4), first = (int)random_below(random, 5);
	bool open[MODEL_CLIENTS] = {false};

	*history = (struct history){.long_names = !random_below(random, 16)};
	history->limit = random_below(random, 3) ? NO_LIMIT : 1 + random_below(random, 5);
	if (random_below(random, 4))
		add_step(history, &(struct stage_step){'A', STAGE_SET_PERMISSIONS, NULL, "b0"}, 0);
	for (int i = 0; i < n_nodes; i++) {
		struct stage_step step = random_step(random, 'A', i % 3 < 2 ? STAGE_WRITE : STAGE_SET_PERMISSIONS);
		add_step(history, &step, random_node(random));
	}
	add_step(history, &commit, 0);
	while (history->n_steps < n_steps) {
		int client = (first + (int)random_below(random, (uint32_t)n_clients)) % MODEL_CLIENTS;
		enum stage_verb verb = next_verb(random, mode, &open[client]);
		char name = verb == STAGE_RELEASE ? "123"[random_below(random, 3)] : clients[client];
		struct stage_step step = random_step(random, has_client(verb) ? name : (char)0, verb);
		add_step(history, &step, random_node(random));
		if (verb == STAGE_START && mode == WITHOUT_SNAPSHOTS)
			add_step(history, &drop, 0);
	}
	for (int client = 0; client < MODEL_CLIENTS; client++) {
		struct stage_step end = {clients[client], STAGE_END, NULL, NULL};
		if (open[client])
			add_step(history, &end, 0);
	}
}

/* ---- running them ---- */

static char failure[2 * STAGE_TEXT];

static bool fails(const char *what, const char *is, const char *expected)
{
	snprintf(failure, sizeof(failure), "%s: %.2000s instead of %.2000s", what, is, expected);
	return true;
}

static bool step_fails(struct model *of, const struct stage_step *step, int node, struct shown_list lists[MODEL_CLIENTS])
{
	const char *answer = stage_run(&stage, step);

	model_run(of, step, node);
	if (of->complaint[0])
		return fails("the model", of->complaint, "agreement");
	if (strcmp(of->answer, "?") && strcmp(answer, of->answer))
		return fails("answer", answer, of->answer);
	if (strcmp(stage.events, of->events) && strcmp(of->answer, "?"))
		return fails("events", stage.events, of->events);
	if (!step->client)
		return false;

	struct shown_list *list = &lists[model_client(step->client)];
	if (step->verb == STAGE_START || step->verb == STAGE_END || step->verb == STAGE_FORGET)
		list->node = -1;
	if (step->verb != STAGE_LIST || answer[0] == 'E' || !strcmp(of->answer, "?"))
		return false;
	uint64_t generation = stage_client(&stage, step->client)->list_generation;
	if (list->node == node && (list->key == of->list_key) != (list->generation == generation))
		return fails("the generation", list->generation == generation ? "the same" : "another", "it should be");
	*list = (struct shown_list){node, of->list_key, generation};
	return false;
}

static bool node_fails(struct model *of, struct MDB_txn *txn, int number)
{
	struct path path = {of->paths[number], strlen(of->paths[number])};
	const struct model_node *expected = &of->now.nodes[number];
	char list[STAGE_TEXT];
	struct node node;
	int result = node_get(stage.store, txn, &path, &node);

	if ((result != 0) == expected->exists)
		return fails(of->paths[number], result ? "missing" : "there", result ? "there" : "missing");
	if (result)
		return false;
	if (node.value_len != strlen(expected->value.text) || memcmp(node.value, expected->value.text, node.value_len))
		return fails(of->paths[number], "another value", expected->value.text);
	if (node.n_permissions != expected->permissions.n ||
	    memcmp(node.permissions, expected->permissions.entries, node.n_permissions * sizeof(*node.permissions)))
		return fails(of->paths[number], "other permissions", "those of the model");
	model_list(of, &of->now, number, list);
	const char *names = stage_run(&stage, &(struct stage_step){'A', STAGE_LIST, of->paths[number], NULL});
	return strcmp(names, list) ? fails(of->paths[number], names, list) : false;
}

static bool tree_fails(struct model *of)
{
	struct MDB_txn *txn;

	for (int i = 0; i < MODEL_CLIENTS; i++)
		stage_run(&stage, &(struct stage_step){"AB123"[i], STAGE_FORGET, NULL, NULL});
	txn = store_view(stage.store);
	for (int number = 0; number < MODEL_NODES; number++) {
		if (node_fails(of, txn, number))
			return true;
	}
	for (uint16_t domid = 0; domid < 4; domid++) {
		uint32_t own = domid ? 0 : 4; /* of the store: /tool, /tool/xenstored, two specials */
		uint64_t owned;
		if (node_account(stage.store, txn, domid, &owned) || owned != model_owned(&of->now, domid) + own)
			return fails("the account of a domain", "another sum", "that of the model");
	}
	return false;
}

static bool history_fails(const struct history *history)
{
	struct model *of = history->long_names ? &model_of_long_names : &model;
	struct shown_list lists[MODEL_CLIENTS];

	for (int i = 0; i < MODEL_CLIENTS; i++)
		lists[i].node = -1;
	stage.limits.nodes = of->limit = history->limit;
	stage_clear(&stage);
	model_clear(of);
	for (int i = 0; i < history->n_steps; i++) {
		if (step_fails(of, &history->steps[i], history->nodes[i], lists))
			return true;
	}
	return tree_fails(of);
}

/* ---- telling ---- */

static struct history without(const struct history *history, int from, int n)
{
	struct history rest = *history;

	memmove(rest.steps + from, rest.steps + from + n, (size_t)(rest.n_steps - from - n) * sizeof(rest.steps[0]));
	memmove(rest.nodes + from, rest.nodes + from + n, (size_t)(rest.n_steps - from - n) * sizeof(rest.nodes[0]));
	rest.n_steps -= n;
	return rest;
}

/* Leaves out steps, many together and then single ones, as long as it still fails. */
static void shrink(struct history *history)
{
	for (int n = history->n_steps / 2; n; n = n > 1 ? n / 2 : 0) {
		for (int from = 0; from + n <= history->n_steps;) {
			struct history shorter = without(history, from, n);
			if (history_fails(&shorter))
				*history = shorter;
			else
				from++;
		}
	}
	history_fails(history);
}

static void tell(struct history *history, uint64_t seed)
{
	char words[STAGE_TEXT];

	shrink(history);
	printf("# HISTORIES_SEED=%" PRIu64 " HISTORIES=1 gives the whole of this; %u nodes allowed, %s names:\n", seed,
	       history->limit, history->long_names ? "long" : "short");
	for (int i = 0; i < history->n_steps; i++) {
		struct stage_step step = history->steps[i];
		if (step.path)
			step.path = model.paths[history->nodes[i]];
		stage_words(&step, words);
		printf("#   %s\n", words);
	}
	printf("# %s\n", failure);
	fflush(stdout);
	ck_abort_msg("%s", failure);
}

static void tell_figures(uint64_t number)
{
	const struct model_figures *a = &model.figures, *b = &model_of_long_names.figures;

	printf("# %" PRIu64 " histories: %" PRIu64 " transactions committed, %" PRIu64 " without changes, %" PRIu64
	       " in conflict, %" PRIu64 " doomed, %" PRIu64 " over quota, %" PRIu64 " kept a parent of another, %" PRIu64
	       " turns failed\n",
	       number, a->committed + b->committed, a->empty + b->empty, a->conflicts + b->conflicts, a->doomed + b->doomed,
	       a->over_quota + b->over_quota, a->kept_parents + b->kept_parents, a->aborted_turns + b->aborted_turns);
}

static void run_histories(enum mode mode)
{
	const char *number_wanted = getenv("HISTORIES");
	uint64_t number = number_wanted ? strtoull(number_wanted, NULL, 0) : 100000;
	static struct history history;
	struct random random;

	random_begin(&random, "HISTORIES_SEED");
	for (uint64_t i = 0; i < number; i++) {
		uint64_t seed = random.state;
		make_up(&random, mode, &history);
		if (history_fails(&history))
			tell(&history, seed);
		if (i % CHECK_EVERY == 0 || i == number - 1)
			ck_assert_str_eq(stage_problem(&stage), "");
	}
	tell_figures(number);
}

START_TEST(histories_with_snapshots_are_those_of_one_transaction_after_the_other)
{
	run_histories(WITH_SNAPSHOTS);
}
END_TEST

START_TEST(histories_in_validated_mode_are_those_of_one_transaction_after_the_other)
{
	run_histories(WITHOUT_SNAPSHOTS);
}
END_TEST

START_TEST(histories_in_which_snapshots_are_dropped_are_those_of_one_transaction_after_the_other)
{
	run_histories(DROPPED_AT_TIMES);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("histories");
	TCase *tcase = tcase_create("random");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 0);
	tcase_add_test(tcase, histories_with_snapshots_are_those_of_one_transaction_after_the_other);
	tcase_add_test(tcase, histories_in_validated_mode_are_those_of_one_transaction_after_the_other);
	tcase_add_test(tcase, histories_in_which_snapshots_are_dropped_are_those_of_one_transaction_after_the_other);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
