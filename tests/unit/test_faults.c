/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Every call of LMDB and every allocation that a turn makes fails once, alone or with some or all that follow, with each kind
 * of code. See support/play.h for what must hold.
 */
#include <check.h>
#include <errno.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/play.h"
#include "support/suite.h"
#include "support/world.h"
#include "wire/message.h"

#define TEN(text) text text text text text text text text text text
#define LONG_NAME TEN(TEN("long"))

enum { A = PLAY_PRIVILEGED, B = PLAY_OTHER, G = PLAY_GUEST };

#define END_OF_STEPS                                                                                                             \
	{                                                                                                                        \
		.type = PLAY_END                                                                                                 \
	}
#define COMMIT                                                                                                                   \
	{                                                                                                                        \
		.type = PLAY_COMMIT                                                                                              \
	}

/* ---- scenarios ---- */

static const struct play_step tree_before[] = {
    {A, MESSAGE_WRITE, 0, "/shared|s"},
    {A, MESSAGE_SET_PERMS, 0, "/shared|b0"},
    {A, MESSAGE_WRITE, 0, "/guest|g"},
    {A, MESSAGE_SET_PERMS, 0, "/guest|n1"},
    {A, MESSAGE_WRITE, 0, "/old/a/x|1"},
    {A, MESSAGE_WRITE, 0, "/old/a/y|2"},
    {A, MESSAGE_WRITE, 0, "/old/" LONG_NAME "/" LONG_NAME "/z|3"},
    {A, MESSAGE_SET_PERMS, 0, "/old/a/y|n1|r0"},
    {A, MESSAGE_WATCH, 0, "/|all"},
    {B, MESSAGE_WATCH, 0, "/old/a/x|below"},
    {G, MESSAGE_WATCH, 0, "/|mine"},
    END_OF_STEPS,
};

static const struct play_step tree_steps[] = {
    {A, MESSAGE_READ, 0, "/shared"},
    {A, MESSAGE_WRITE, 0, "/shared/one|1"},
    {B, MESSAGE_WRITE, 0, "/shared|changed"},
    {G, MESSAGE_WRITE, 0, "/guest/deep/er/node|value"},
    {G, MESSAGE_WRITE, 0, "/old/a/x|not mine"},
    {A, MESSAGE_RM, 0, "/old"},
    {B, MESSAGE_READ, 0, "/old/a/x"},
    {G, MESSAGE_READ, 0, "/guest/deep/er/node"},
    {A, MESSAGE_SET_PERMS, 0, "/shared/one|n0|r1"},
    {A, MESSAGE_SET_PERMS, 0, "/shared|n1|w0"},
    {G, MESSAGE_SET_PERMS, 0, "/guest/deep|n0"},
    {B, MESSAGE_MKDIR, 0, "/new/directory/" LONG_NAME "/" LONG_NAME},
    {B, MESSAGE_DIRECTORY, 0, "/"},
    {G, MESSAGE_RM, 0, "/guest/deep/er"},
    {G, MESSAGE_MKDIR, 0, "/guest/deep/again"},
    {A, MESSAGE_GET_PERMS, 0, "/shared"},
    {A, MESSAGE_RM, 0, "/nothing/here"},
    END_OF_STEPS,
};

static const struct play_step tree_after[] = {
    {A, MESSAGE_WRITE, 0, "/after|1"},	   {G, MESSAGE_WRITE, 0, "/guest/after|1"},
    {B, MESSAGE_RM, 0, "/shared/one"},	   {G, MESSAGE_READ, 0, "/guest/deep/er/node"},
    {A, MESSAGE_WRITE, 0, "/old/a/x|new"}, {B, MESSAGE_DIRECTORY, 0, "/"},
    {A, MESSAGE_CONTROL, 0, "watches"},	   END_OF_STEPS,
};

static const struct play_scenario tree = {"tree", tree_before, tree_steps, tree_after, false, false};

static const struct play_step transactions_before[] = {
    {A, MESSAGE_WRITE, 0, "/shared/a|1"},    {A, MESSAGE_WRITE, 0, "/shared/gone/x|1"},
    {A, MESSAGE_SET_PERMS, 0, "/shared|b0"}, {A, MESSAGE_WRITE, 0, "/guest|g"},
    {A, MESSAGE_SET_PERMS, 0, "/guest|n1"},  {B, MESSAGE_WATCH, 0, "/shared|s"},
    {G, MESSAGE_WATCH, 0, "/guest|g"},	     {B, MESSAGE_TRANSACTION_START, 0, ""},
    {B, MESSAGE_WRITE, 1, "/other/by/b|1"},  {B, MESSAGE_READ, 1, "/shared/a"},
    {B, MESSAGE_TRANSACTION_START, 0, ""},   {B, MESSAGE_READ, 2, "/shared/a"},
    {B, MESSAGE_WRITE, 2, "/never|1"},	     END_OF_STEPS,
};

static const struct play_step transactions_steps[] = {
    {A, MESSAGE_TRANSACTION_START, 0, ""},
    {G, MESSAGE_TRANSACTION_START, 0, ""},
    {G, MESSAGE_WRITE, 1, "/guest/implied/parents/node|1"},
    {G, MESSAGE_DIRECTORY, 1, "/guest"},
    {A, MESSAGE_WRITE, 0, "/plain|1"},
    {A, MESSAGE_WRITE, 1, "/shared/new/node|1"},
    {A, MESSAGE_RM, 1, "/shared/gone"},
    {A, MESSAGE_READ, 1, "/shared/new/node"},
    {A, MESSAGE_MKDIR, 1, "/shared/gone/again"},
    {A, MESSAGE_SET_PERMS, 1, "/shared/new|n0|b1"},
    {A, MESSAGE_GET_PERMS, 1, "/shared"},
    {G, MESSAGE_WRITE, 1, "/shared|1"},
    {G, MESSAGE_RM, 1, "/guest/implied/parents"},
    {A, MESSAGE_DIRECTORY, 1, "/shared"},
    {A, MESSAGE_WRITE, 0, "/plain|2"},
    {B, MESSAGE_TRANSACTION_END, 1, "T"},
    {A, MESSAGE_TRANSACTION_END, 1, "T"},
    {G, MESSAGE_TRANSACTION_END, 1, "T"},
    {A, MESSAGE_WRITE, 0, "/shared/a|2"},
    {A, MESSAGE_READ, 1, "/shared/a"},
    {B, MESSAGE_TRANSACTION_END, 2, "T"},
    {B, MESSAGE_TRANSACTION_END, 7, "T"},
    {A, MESSAGE_TRANSACTION_START, 0, ""},
    END_OF_STEPS,
};

static const struct play_step transactions_after[] = {
    {A, MESSAGE_DIRECTORY, 0, "/shared"}, {B, MESSAGE_TRANSACTION_END, 1, "F"},
    {B, MESSAGE_TRANSACTION_END, 2, "T"}, {A, MESSAGE_TRANSACTION_END, 1, "T"},
    {G, MESSAGE_TRANSACTION_END, 1, "T"}, {G, MESSAGE_WRITE, 0, "/guest/implied/x|1"},
    {G, MESSAGE_RESET_WATCHES, 0, ""},	  END_OF_STEPS,
};

static const struct play_scenario transactions = {
    "transactions", transactions_before, transactions_steps, transactions_after, false, false};

/* The guest's transaction and one of B's have lost their snapshots; the latter has seen what is removed in the turn. */
static const struct play_step validated_steps[] = {
    {PLAY_PRIVILEGED, PLAY_DROP_SNAPSHOTS, 0, ""},
    {G, MESSAGE_TRANSACTION_START, 0, ""},
    {PLAY_PRIVILEGED, PLAY_DROP_SNAPSHOTS, 0, ""},
    {G, MESSAGE_WRITE, 1, "/guest/v/w|1"},
    {A, MESSAGE_WRITE, 0, "/plain|1"},
    {A, MESSAGE_RM, 0, "/shared/gone"},
    {G, MESSAGE_READ, 1, "/guest/v/w"},
    {B, MESSAGE_READ, 2, "/shared/gone/x"},
    {G, MESSAGE_TRANSACTION_END, 1, "T"},
    {B, MESSAGE_TRANSACTION_END, 1, "T"},
    {B, MESSAGE_TRANSACTION_END, 2, "T"},
    END_OF_STEPS,
};

static const struct play_scenario validated = {"validated", transactions_before, validated_steps, transactions_after, false,
					       true};

#define FOUR_WATCHES(client, path, token)                                                                                        \
	{client, MESSAGE_WATCH, 0, path "|" token "1"}, {client, MESSAGE_WATCH, 0, path "|" token "2"},                          \
	    {client, MESSAGE_WATCH, 0, path "|" token "3"},                                                                      \
	{                                                                                                                        \
		client, MESSAGE_WATCH, 0, path "|" token "4"                                                                     \
	}

/* More watches than a match finds room for without allocating. */
static const struct play_step watches_before[] = {
    {A, MESSAGE_WRITE, 0, "/hot/a|1"},
    FOUR_WATCHES(A, "/hot", "a"),
    FOUR_WATCHES(A, "/hot", "b"),
    FOUR_WATCHES(A, "/hot", "c"),
    FOUR_WATCHES(B, "/hot", "a"),
    FOUR_WATCHES(B, "/hot", "b"),
    FOUR_WATCHES(B, "/hot", "c"),
    FOUR_WATCHES(B, "/", "d"),
    FOUR_WATCHES(B, "/", "e"),
    FOUR_WATCHES(B, "/", "f"),
    END_OF_STEPS,
};

static const struct play_step watches_steps[] = {
    {A, MESSAGE_WRITE, 0, "/hot/a|2"},
    {B, MESSAGE_WATCH, 0, "/hot/deep/er/x|new|1"},
    {A, MESSAGE_WRITE, 0, "/hot/deep/er|1"},
    {B, MESSAGE_UNWATCH, 0, "/hot|c4"},
    {B, MESSAGE_UNWATCH, 0, "/hot|c4"},
    {G, MESSAGE_WATCH, 0, "/hot/deep|g"},
    {G, MESSAGE_WATCH, 0, "local/relative|g"},
    {A, MESSAGE_WATCH, 0, "/hot|a1"},
    {A, MESSAGE_MKDIR, 0, "/hot/b"},
    {A, MESSAGE_RESET_WATCHES, 0, ""},
    {A, MESSAGE_RM, 0, "/hot/deep"},
    {A, MESSAGE_WATCH, 0, "@releaseDomain|gone"},
    {A, MESSAGE_SET_PERMS, 0, "@releaseDomain|n0|r1"},
    {A, MESSAGE_CONTROL, 0, "help"},
    {A, MESSAGE_CONTROL, 0, "watches"},
    {A, MESSAGE_CONTROL, 0, "quota"},
    {A, MESSAGE_CONTROL, 0, "txn"},
    END_OF_STEPS,
};

static const struct play_step watches_after[] = {
    {B, MESSAGE_WRITE, 0, "/hot/a|3"},
    {G, MESSAGE_UNWATCH, 0, "/hot/deep|g"},
    {B, MESSAGE_RESET_WATCHES, 0, ""},
    {B, MESSAGE_WRITE, 0, "/hot/deep/er|3"},
    END_OF_STEPS,
};

static const struct play_scenario watches = {"watches", watches_before, watches_steps, watches_after, false, false};

/* Watches and transactions that come and go in one turn, more than once: what is put back goes through all of it backwards. */
static const struct play_step steps_before[] = {
    {A, MESSAGE_WRITE, 0, "/hot/a|1"},	   {A, MESSAGE_WATCH, 0, "/hot|one"},	 {A, MESSAGE_WATCH, 0, "/hot|two"},
    {A, MESSAGE_WATCH, 0, "/hot|three"},   {B, MESSAGE_WATCH, 0, "/hot|b"},	 {A, MESSAGE_TRANSACTION_START, 0, ""},
    {A, MESSAGE_TRANSACTION_START, 0, ""}, {A, MESSAGE_WRITE, 1, "/in/one|1"},	 {A, MESSAGE_WRITE, 2, "/in/two|1"},
    {B, MESSAGE_TRANSACTION_START, 0, ""}, {B, MESSAGE_WRITE, 1, "/in/three|1"}, END_OF_STEPS,
};

static const struct play_step steps_steps[] = {
    {A, MESSAGE_WRITE, 0, "/hot/a|2"},
    {A, MESSAGE_UNWATCH, 0, "/hot|two"},
    {A, MESSAGE_WATCH, 0, "/hot|two"},
    {A, MESSAGE_WRITE, 0, "/hot/a|3"},
    {A, MESSAGE_TRANSACTION_END, 1, "T"},
    {B, MESSAGE_UNWATCH, 0, "/hot|b"},
    {A, MESSAGE_UNWATCH, 0, "/hot|two"},
    {A, MESSAGE_WRITE, 0, "/hot/a|4"},
    {A, MESSAGE_RESET_WATCHES, 0, ""},
    {A, MESSAGE_TRANSACTION_END, 2, "T"},
    {A, MESSAGE_WATCH, 0, "/hot|one"},
    {B, MESSAGE_WATCH, 0, "/in|b"},
    {B, MESSAGE_TRANSACTION_END, 1, "T"},
    {A, MESSAGE_WRITE, 0, "/hot/a|5"},
    {B, MESSAGE_RESET_WATCHES, 0, ""},
    {A, MESSAGE_RM, 0, "/hot/a"},
    END_OF_STEPS,
};

static const struct play_step steps_after[] = {
    {A, MESSAGE_WRITE, 0, "/hot/a|6"},
    {A, MESSAGE_WRITE, 0, "/in/one|6"},
    {A, MESSAGE_TRANSACTION_START, 0, ""},
    {B, MESSAGE_WATCH, 0, "/hot|b"},
    END_OF_STEPS,
};

static const struct play_scenario steps = {"steps", steps_before, steps_steps, steps_after, false, false};

/* Several turns one after the other, so that there are several commits. */
static const struct play_step turns_steps[] = {
    {A, MESSAGE_WRITE, 0, "/shared/one|1"},
    {B, MESSAGE_WRITE, 0, "/shared/two|1"},
    {B, MESSAGE_READ, 0, "/shared/one"},
    COMMIT,
    {A, MESSAGE_READ, 0, "/shared/two"},
    {A, MESSAGE_RM, 0, "/old/a"},
    {B, MESSAGE_READ, 0, "/old/a/y"},
    COMMIT,
    {A, MESSAGE_DIRECTORY, 0, "/old"},
    {B, MESSAGE_GET_PERMS, 0, "/old"},
    COMMIT,
    {G, MESSAGE_MKDIR, 0, "/guest/a"},
    {G, MESSAGE_MKDIR, 0, "/guest/b"},
    {G, MESSAGE_DIRECTORY, 0, "/guest"},
    COMMIT,
    {A, MESSAGE_READ, 0, "/guest"},
    {A, MESSAGE_RM, 0, "/guest/a"},
    END_OF_STEPS,
};

static const struct play_scenario turns = {"turns", tree_before, turns_steps, tree_after, false, false};

/* Domain 5 is there, 6 comes; 5 goes by RELEASE, 6 by its death. */
static const struct play_step domains_before[] = {
    {A, MESSAGE_INTRODUCE, 0, "5|1|3"},
    {A, MESSAGE_WRITE, 0, "/home/5/data|1"},
    {A, MESSAGE_SET_PERMS, 0, "/home/5|n5|r1"},
    {A, MESSAGE_SET_PERMS, 0, "/home/5/data|n5"},
    {A, MESSAGE_WRITE, 0, "/shared/a|1"},
    {A, MESSAGE_SET_PERMS, 0, "/shared|n0|r5|r1"},
    {A, MESSAGE_SET_PERMS, 0, "@introduceDomain|n0|r5"},
    {A, MESSAGE_SET_TARGET, 0, "1|5"},
    {A, MESSAGE_WATCH, 0, "@introduceDomain|there"},
    {A, MESSAGE_WATCH, 0, "@releaseDomain|gone|1"},
    {B, MESSAGE_WATCH, 0, "@releaseDomain|gone"},
    {B, MESSAGE_WATCH, 0, "/home|nodes"},
    {G, MESSAGE_WATCH, 0, "/shared/a|entry"},
    END_OF_STEPS,
};

static const struct play_step domains_steps[] = {
    {B, MESSAGE_WRITE, 0, "/plain|1"},
    {A, MESSAGE_SET_FEATURE, 0, "6|3"},
    {A, MESSAGE_SET_QUOTA, 0, "6|nodes|7"},
    {A, MESSAGE_SET_QUOTA, 0, "watches|9"},
    {A, MESSAGE_CONTROL, 0, "quota|set|transactions|8"},
    {A, MESSAGE_INTRODUCE, 0, "6|1|4"},
    {B, MESSAGE_WRITE, 0, "/home/6|1"},
    {B, MESSAGE_SET_PERMS, 0, "/home/6|n6|r5"},
    {A, MESSAGE_SET_TARGET, 0, "6|5"},
    {A, MESSAGE_INTRODUCE, 0, "5|1|8"},
    {B, MESSAGE_WRITE, 0, "/home/5/new|1"},
    {A, MESSAGE_RELEASE, 0, "5"},
    {A, MESSAGE_IS_DOMAIN_INTRODUCED, 0, "5"},
    {B, MESSAGE_READ, 0, "/home/5"},
    {B, MESSAGE_GET_PERMS, 0, "/shared"},
    {G, MESSAGE_READ, 0, "/shared/a"},
    {A, MESSAGE_RESUME, 0, "6"},
    {A, MESSAGE_GET_QUOTA, 0, "6|nodes"},
    {A, MESSAGE_GET_FEATURE, 0, "6"},
    {PLAY_PRIVILEGED, PLAY_DIES, 6, ""},
    END_OF_STEPS,
};

static const struct play_step domains_after[] = {
    {A, MESSAGE_IS_DOMAIN_INTRODUCED, 0, "5"},
    {A, MESSAGE_IS_DOMAIN_INTRODUCED, 0, "6"},
    {A, MESSAGE_GET_QUOTA, 0, "6|nodes"},
    {A, MESSAGE_GET_QUOTA, 0, "1|watches"},
    {A, MESSAGE_GET_QUOTA, 0, "transactions"},
    {A, MESSAGE_GET_PERMS, 0, "@introduceDomain"},
    {A, MESSAGE_INTRODUCE, 0, "5|1|9"},
    {A, MESSAGE_WRITE, 0, "/home/5/again|1"},
    END_OF_STEPS,
};

static const struct play_scenario domains = {"domains", domains_before, domains_steps, domains_after, true, false};

static const struct play_scenario *const scenarios[] = {&tree, &transactions, &validated, &watches, &steps, &turns, &domains};
enum { SCENARIOS = sizeof(scenarios) / sizeof(scenarios[0]) };

/* ---- playing ---- */

/* Where two texts part, as the lines that begin there. */
static void print_difference(const char *expected, const char *story)
{
	size_t line = 0;

	for (size_t i = 0; expected[i] && expected[i] == story[i]; i++)
		if (expected[i] == '\n')
			line = i + 1;
	fprintf(stderr, "expected: %.200s\ngot:      %.200s\n", expected + line, story + line);
}

static struct play_result play(const struct play_scenario *scenario, const struct fault_plan *plan)
{
	struct play_result result;

	play_with_faults(scenario, plan, &result);
	const char *expected = play_without(scenario, result.skipped);
	if (strcmp(expected, result.story)) {
		fprintf(stderr, "scenario %s, functions %#x, code %d, first %zu, every %zu, failed %zu, skipped %#llx\n",
			scenario->name, plan->functions, plan->code, plan->first, plan->every, result.failed,
			(unsigned long long)result.skipped);
		print_difference(expected, result.story);
		ck_abort_msg("the story differs");
	}
	free(result.story);
	return result;
}

static const int codes[] = {MDB_MAP_FULL, MDB_CORRUPTED, ENOMEM};
enum { CODES = sizeof(codes) / sizeof(codes[0]) };

/* Each call that the plan's functions make in the scenario is the first that fails. */
static void play_each(const struct play_scenario *scenario, struct fault_plan plan, size_t step)
{
	struct play_result result;

	plan.first = 1;
	do {
		result = play(scenario, &plan);
		plan.first += step;
	} while (result.failed);
}

START_TEST(without_faults_no_request_fails)
{
	struct fault_plan plan = {.functions = FAULT_LMDB};

	for (size_t i = 0; i < SCENARIOS; i++)
		ck_assert_uint_eq(play(scenarios[i], &plan).skipped, 0);
}
END_TEST

START_TEST(one_call_of_lmdb_that_fails_is_not_noticed)
{
	struct fault_plan plan = {.functions = FAULT_LMDB, .code = codes[_i % CODES]};
	struct play_result result;

	for (plan.first = 1;; plan.first++) {
		result = play(scenarios[_i / CODES], &plan);
		ck_assert_uint_eq(result.skipped, 0);
		if (!result.failed)
			break;
	}
}
END_TEST

START_TEST(calls_of_lmdb_that_fail_from_some_on)
{
	play_each(scenarios[_i / CODES],
		  (struct fault_plan){.functions = FAULT_LMDB | FAULT_BLOCKS, .code = codes[_i % CODES], .every = 1}, 1);
}
END_TEST

/* More than one failure, and sound calls between them: the requests that are run again fail again, or only some. */
static void play_rhythms(const struct play_scenario *scenario, unsigned functions, int code)
{
	static const size_t rhythms[] = {2, 3, 7, 19};

	for (size_t i = 0; i < sizeof(rhythms) / sizeof(rhythms[0]); i++) {
		struct fault_plan plan = {.functions = functions, .code = code, .every = rhythms[i]};
		for (plan.first = 1; plan.first <= rhythms[i]; plan.first++)
			play(scenario, &plan);
	}
}

START_TEST(calls_of_lmdb_that_fail_now_and_then)
{
	play_rhythms(scenarios[_i / CODES], FAULT_LMDB | FAULT_BLOCKS, codes[_i % CODES]);
}
END_TEST

START_TEST(while_no_commit_succeeds_reads_go_on)
{
	const struct play_scenario *scenario = scenarios[_i / CODES];
	struct fault_plan plan = {.functions = FAULT_TXN_COMMIT, .code = codes[_i % CODES], .first = 1, .every = 1};
	struct play_result result;

	do {
		result = play(scenario, &plan);
		for (size_t i = 0; scenario->steps[i].type != PLAY_END; i++) {
			uint32_t type = scenario->steps[i].type;
			bool reads = type == MESSAGE_READ || type == MESSAGE_DIRECTORY || type == MESSAGE_GET_PERMS;
			ck_assert(!reads || !(result.skipped >> i & 1));
		}
		ck_assert(plan.first > 1 || result.skipped);
		plan.first++;
	} while (result.failed);
}
END_TEST

START_TEST(one_allocation_that_fails)
{
	play_each(scenarios[_i], (struct fault_plan){.functions = FAULT_MEMORY}, 1);
}
END_TEST

START_TEST(no_memory_from_some_allocation_on)
{
	play_each(scenarios[_i], (struct fault_plan){.functions = FAULT_MEMORY, .every = 1}, 1);
}
END_TEST

START_TEST(allocations_that_fail_now_and_then)
{
	play_rhythms(scenarios[_i], FAULT_MEMORY, 0);
}
END_TEST

int main(void)
{
	enum { PAIRS = SCENARIOS * CODES };
	Suite *suite = suite_create("faults");
	TCase *lmdb = tcase_create("lmdb"), *memory = tcase_create("memory");

	tcase_set_timeout(lmdb, 300);
	tcase_add_test(lmdb, without_faults_no_request_fails);
	tcase_add_loop_test(lmdb, one_call_of_lmdb_that_fails_is_not_noticed, 0, PAIRS);
	tcase_add_loop_test(lmdb, calls_of_lmdb_that_fail_from_some_on, 0, PAIRS);
	tcase_add_loop_test(lmdb, calls_of_lmdb_that_fail_now_and_then, 0, PAIRS);
	tcase_add_loop_test(lmdb, while_no_commit_succeeds_reads_go_on, 0, PAIRS);
	suite_add_tcase(suite, lmdb);
	tcase_set_timeout(memory, 300);
	tcase_add_loop_test(memory, one_allocation_that_fails, 0, SCENARIOS);
	tcase_add_loop_test(memory, no_memory_from_some_allocation_on, 0, SCENARIOS);
	tcase_add_loop_test(memory, allocations_that_fail_now_and_then, 0, SCENARIOS);
	suite_add_tcase(suite, memory);
	tcase_add_unchecked_fixture(lmdb, NULL, play_forget);
	tcase_add_unchecked_fixture(memory, NULL, play_forget);
	return suite_run(suite);
}
