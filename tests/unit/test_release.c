/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The death of a domain: what goes, what stays, what is told, what open transactions make of it, what it costs. And random
 * trees of several owners beside the plain model, with the check after each step. (tests/unit/test_histories.c has deaths amid
 * transactions.)
 *
 * RELEASES: steps of the random test, 2,000 if it is not set. RELEASES_SEED: where to begin.
 */
#include "store/release.h"
#include "store/node.h"
#include "support/fault.h"
#include "support/model.h"
#include "support/random.h"
#include "support/stage.h"
#include "support/suite.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct stage stage;

static void setup(void)
{
	stage_open(&stage, 0);
}

static void teardown(void)
{
	ck_assert_str_eq(stage_problem(&stage), "");
	stage_close(&stage);
}

static void expect(const char *words, const char *answer)
{
	const char *given = stage_say(&stage, words);

	if (strcmp(given, answer))
		ck_abort_msg("%.200s: %s, not %s", words, given, answer);
}

static void say(const char *words)
{
	expect(words, "OK");
}

static void expect_owned(uint16_t domid, uint64_t number)
{
	uint64_t owned;

	ck_assert_int_eq(node_account(stage.store, store_view(stage.store), domid, &owned), 0);
	ck_assert_uint_eq(owned, number);
}

/* ---- what it owned ---- */

START_TEST(what_it_owned_goes_with_all_below)
{
	say("A write /a/b 1");
	say("A chmod /a n1");
	say("A chmod /a/b n1,b2");
	say("2 write /a/b/c 1");
	say("A write /d 1");
	say("A chmod /d n2");
	say("1 release");
	ck_assert_str_eq(stage.events, "/a");
	expect("A ls /", "tool d");
	expect_owned(1, 0);
	expect_owned(2, 1);
}
END_TEST

START_TEST(what_others_own_above_and_beside_stays)
{
	say("A write /a/b/c/d 1");
	say("A write /a/x 1");
	say("A chmod /a n2");
	say("A chmod /a/b n1");
	say("A chmod /a/b/c n2");
	say("A chmod /a/b/c/d n1");
	say("A chmod /a/x n3");
	say("1 release");
	ck_assert_str_eq(stage.events, "/a/b");
	expect("A ls /a", "x");
	expect_owned(1, 0);
	expect_owned(2, 1);
	expect_owned(3, 1);
}
END_TEST

START_TEST(its_nodes_go_wherever_they_are_in_the_order_of_a_walk)
{
	say("A write /b/2 1");
	say("A write /a/2 1");
	say("A write /a/1/deep 1");
	say("A write /b/1 1");
	say("A write /c 1");
	for (const char *const *path = (const char *const[]){"/c", "/b/1", "/a/1/deep", "/a/2", "/b/2", NULL}; *path; path++) {
		char words[64];
		snprintf(words, sizeof(words), "A chmod %s n1", *path);
		say(words);
	}
	say("1 release");
	ck_assert_str_eq(stage.events, "/b/2 /b/1 /a/2 /a/1/deep /c");
	expect("A ls /a", "1");
	expect("A ls /b", "(none)");
}
END_TEST

START_TEST(what_is_watched_below_is_told_leaf_first)
{
	say("A write /a/b/c 1");
	say("A write /a/d 1");
	say("A chmod /a n1");
	stage_watch(&stage, "/a/b");
	stage_watch(&stage, "/a/b/c");
	stage_watch(&stage, "/a/missing");
	stage_watch(&stage, "/a");
	say("1 release");
	ck_assert_str_eq(stage.events, "=/a/b/c =/a/b /a");
}
END_TEST

START_TEST(nodes_with_long_keys_go_too)
{
	char path[STAGE_TEXT / 2], words[STAGE_TEXT];

	snprintf(path, sizeof(path), "/%0300d/%0300d/%0300d", 1, 2, 3);
	snprintf(words, sizeof(words), "A write %s/x 1", path);
	say(words);
	snprintf(words, sizeof(words), "A chmod %s n1,r2", path);
	say(words);
	snprintf(words, sizeof(words), "A chmod %.301s b0,r2", path);
	say(words);
	say("1 release");
	ck_assert_str_eq(stage.events, path);
	expect_owned(1, 0);
	snprintf(words, sizeof(words), "A ls %.602s", path);
	expect(words, "(none)");
	say("2 release");
	snprintf(words, sizeof(words), "A perms %.301s", path);
	expect(words, "b0");
}
END_TEST

START_TEST(the_next_domain_with_its_number_is_a_stranger)
{
	say("A write /a 1");
	say("A chmod /a b0,b1");
	say("A write /b 1");
	say("A chmod /b n1");
	say("1 release");
	expect("1 write /a 2", "OK"); /* as anybody may */
	say("A chmod /a n0,b2");
	expect("1 read /a", "EACCES");
	expect("1 read /b", "EACCES");
	expect_owned(1, 0);
}
END_TEST

START_TEST(the_root_and_the_specials_are_given_to_the_privileged_domain)
{
	say("A write /a/b 1");
	say("A write /c 1");
	say("A chmod /a n1");
	say("A chmod / b1,r1,r2");
	say("A chmod @releaseDomain n1,r1,r32757");
	say("A chmod @introduceDomain n2,r1");
	say("1 release");
	ck_assert_str_eq(stage.events, "/ @releaseDomain /a @introduceDomain");
	expect("A ls /", "tool c");
	expect("A perms /", "b0,r2");
	expect("A perms @releaseDomain", "n0,r32757");
	expect("A perms @introduceDomain", "n2");
	expect_owned(1, 0);
}
END_TEST

/* ---- entries ---- */

START_TEST(entries_for_it_go_and_others_stay_as_they_were)
{
	say("A write /a 1");
	say("A chmod /a n0,r1,w2,b1,r3");
	say("1 release");
	expect("A perms /a", "n0,w2,r3");
	ck_assert_str_eq(stage_problem(&stage), "");
	say("2 release");
	say("3 release");
	expect("A perms /a", "n0");
}
END_TEST

START_TEST(entries_go_all_down_the_tree_and_behind_gaps)
{
	say("A write /a/b/c/d/e 1");
	say("A write /a/b/x 1");
	for (const char *const *path = (const char *const[]){"/a", "/a/b", "/a/b/x", "/a/b/c/d", "/a/b/c/d/e", NULL}; *path;
	     path++) {
		char words[64];
		snprintf(words, sizeof(words), "A chmod %s n0,r1,r2", *path);
		say(words);
	}
	say("1 release");
	ck_assert_str_eq(stage.events, "/a /a/b/c/d");
	for (const char *const *path = (const char *const[]){"/a", "/a/b", "/a/b/x", "/a/b/c/d", "/a/b/c/d/e", NULL}; *path;
	     path++) {
		char words[64];
		snprintf(words, sizeof(words), "A perms %s", *path);
		expect(words, "n0,r2");
	}
	expect("A perms /a/b/c", "n0");
}
END_TEST

START_TEST(of_nodes_with_entries_below_others_those_that_are_watched_are_told)
{
	say("A write /a/b/c 1");
	say("A write /a/d/e 1");
	say("A write /a/f 1");
	for (const char *const *path = (const char *const[]){"/a", "/a/b", "/a/b/c", "/a/d/e", NULL}; *path; path++) {
		char words[64];
		snprintf(words, sizeof(words), "A chmod %s n0,r1,r2", *path);
		say(words);
	}
	stage_watch(&stage, "/a");
	stage_watch(&stage, "/a/b/c");
	stage_watch(&stage, "/a/d/e"); /* begins anew: its parent has no entry */
	stage_watch(&stage, "/a/f");
	stage_watch(&stage, "/a/missing");
	say("1 release");
	ck_assert_str_eq(stage.events, "/a =/a/b/c /a/d/e");
}
END_TEST

START_TEST(a_change_tells_permissions_before_and_after)
{
	struct changes changes = {0};

	say("A write /a/b 1");
	say("A chmod /a n0,r1,r2");
	say("A chmod /a/b n3,w1");
	stage_watch(&stage, "/a/b");
	arena_reset(&stage.arena);
	ck_assert_int_eq(store_release(stage.store, 1, &stage.arena, &stage.watched, &changes), 0);
	const struct change *top = changes.first, *below = top->next;
	ck_assert_ptr_eq(below, changes.last);
	ck_assert(!top->removed && !top->exact && !below->removed && below->exact);
	ck_assert_uint_eq(top->before.n, 3);
	ck_assert_uint_eq(top->now.n, 2);
	ck_assert_uint_eq(top->now.entries[1].domid, 2);
	ck_assert_uint_eq(below->before.n, 2);
	ck_assert_uint_eq(below->before.entries[1].domid, 1);
	ck_assert_uint_eq(below->now.n, 1);
	ck_assert_uint_eq(below->now.entries[0].domid, 3);
	ck_assert_int_eq(store_commit(stage.store), 0);
}
END_TEST

START_TEST(a_domain_that_had_nothing_changes_nothing)
{
	struct changes changes = {0};

	say("A write /a 1");
	say("A chmod /a n1");
	ck_assert_int_eq(store_release(stage.store, 2, &stage.arena, NULL, &changes), 0);
	ck_assert_ptr_null(changes.first);
	ck_assert_uint_eq(store_tag(stage.store), 0);
}
END_TEST

/* ---- transactions ---- */

/* What a transaction has asked, and whether it can end once domain 1 is dead. `mode` 1: without a snapshot. */
static void expect_end(int mode, const char *question, const char *answer)
{
	stage_clear(&stage);
	say("A write /a/b 1");
	say("A write /c/d 1");
	say("A write /e 1");
	say("A chmod /a/b n1");
	say("A chmod /c n0,b1");
	say("A start");
	if (mode)
		say("drop");
	stage_say(&stage, question);
	say("A write /own 1");
	say("1 release");
	if (strcmp(stage_say(&stage, "A end"), answer))
		ck_abort_msg("%s, then the end: %s", question, stage.answer);
}

START_TEST(open_transactions_conflict_with_what_they_saw)
{
	expect_end(_i, "A read /a/b", "EAGAIN");
	expect_end(_i, "A ls /a", "EAGAIN");
	expect_end(_i, "A perms /c", "EAGAIN");
	expect_end(_i, "A read /c", "OK");
	expect_end(_i, "A read /c/d", "OK");
	expect_end(_i, "A read /a", "OK");
	expect_end(_i, "A read /e", "OK");
	expect_end(_i, "A ls /", "OK");
	expect_end(_i, "A write /a/b/new 1", "EAGAIN");
	expect_end(_i, "A write /a/new 1", "OK");
}
END_TEST

START_TEST(without_a_snapshot_what_is_gone_is_known_to_be_gone_since)
{
	say("A write /a/b 1");
	say("A chmod /a/b n1");
	say("A start");
	say("drop");
	say("1 release");
	expect("A read /a/b", "ENOENT");
	say("A write /own 1");
	expect("A end", "EAGAIN");
}
END_TEST

START_TEST(a_turn_that_is_undone_has_released_nothing)
{
	say("A write /a/b 1");
	say("A chmod /a n1");
	say("A chmod / b0,r1");
	stage.together = true;
	say("1 release");
	expect("A ls /", "tool");
	say("abort");
	expect("A ls /", "tool a");
	expect("A perms /", "b0,r1");
	expect_owned(1, 1);
	say("1 release");
	say("commit");
	expect_owned(1, 0);
	expect("A perms /", "b0");
}
END_TEST

/* ---- what fails, and what it costs ---- */

static void fill(uint16_t owner, int n)
{
	char words[64];

	stage.together = true;
	snprintf(words, sizeof(words), "A write /%u 1", owner);
	say(words);
	snprintf(words, sizeof(words), "A chmod /%u n%u", owner, owner);
	say(words);
	for (int i = 0; i < n; i++) {
		snprintf(words, sizeof(words), "A write /%u/%d 1", owner, i);
		say(words);
		if (i % 100)
			continue;
		while (strcmp(stage_say(&stage, "commit"), "OK"))
			ck_assert_int_eq(store_make_room(stage.store), 0);
	}
	say("commit");
	stage.together = false;
}

/* Calls of LMDB, and of the allocator, for the release of domain 1. */
static size_t cost_beside(int others)
{
	struct fault_plan plan = {.functions = FAULT_LMDB | FAULT_MEMORY};
	struct changes changes = {0};

	stage_open(&stage, (size_t)256 << 20);
	fill(1, 50);
	fill(2, others);
	arena_reset(&stage.arena);
	fault_arm(&plan);
	ck_assert_int_eq(store_release(stage.store, 1, &stage.arena, NULL, &changes), 0);
	fault_disarm();
	ck_assert_int_eq(store_commit(stage.store), 0);
	stage_close(&stage);
	return fault_calls();
}

START_TEST(it_costs_the_same_however_much_others_own)
{
	size_t few = cost_beside(10), many = cost_beside(20000);

	ck_assert_uint_eq(few, many);
	ck_assert_uint_gt(few, 50);
	ck_assert_uint_lt(few, 400);
}
END_TEST

START_TEST(any_call_that_fails_undoes_the_turn)
{
	for (size_t first = 1;; first++) {
		struct fault_plan plan = {FAULT_LMDB | FAULT_MEMORY, first, 0, EIO};
		struct changes changes = {0};

		stage_open(&stage, 0);
		say("A write /a/b/c 1");
		say("A chmod /a n0,r1");
		say("A chmod /a/b n1");
		say("A write /d 1");
		say("A chmod /d n1");
		arena_deinit(&stage.arena);
		fault_arm(&plan);
		int result = store_release(stage.store, 1, &stage.arena, NULL, &changes);
		size_t failed = fault_disarm();
		if (!failed) {
			ck_assert_int_eq(result, 0);
			ck_assert_uint_gt(first, 40);
			stage_close(&stage);
			return;
		}
		ck_assert_int_lt(result, 0);
		store_abort(stage.store);
		ck_assert_str_eq(stage_problem(&stage), "");
		expect_owned(1, 2);
		say("1 release");
		expect_owned(1, 0);
		ck_assert_str_eq(stage_problem(&stage), "");
		stage_close(&stage);
	}
}
END_TEST

/* ---- random trees ---- */

static struct model model;

static int random_node(struct random *random)
{
	int node = 0;

	for (uint32_t depth = random_below(random, MODEL_DEPTH + 1); depth; depth--)
		node = MODEL_NAMES * node + 1 + (int)random_below(random, MODEL_NAMES);
	return node;
}

static void random_step(struct random *random, struct stage_step *step, int *node)
{
	static const char *const permissions[] = {"b0",	      "b1",	  "b2",	      "b3",    "b1,r2",	   "b2,b3",
						  "b3,r1,r2", "b0,r1,w2", "n1,r1,b3", "b2,r3", "b0,b1,b1", "b0,r3"};
	static const enum stage_verb verbs[] = {STAGE_WRITE, STAGE_WRITE,	    STAGE_WRITE,
						STAGE_MKDIR, STAGE_SET_PERMISSIONS, STAGE_SET_PERMISSIONS};

	*node = random_node(random);
	*step = (struct stage_step){
	    .client = "A123"[random_below(random, 4)],
	    .verb = verbs[random_below(random, sizeof(verbs) / sizeof(verbs[0]))],
	    .path = model.paths[*node],
	};
	if (!random_below(random, 12))
		step->verb = STAGE_REMOVE;
	if (step->verb == STAGE_WRITE)
		step->argument = "1";
	if (step->verb == STAGE_SET_PERMISSIONS)
		step->argument = permissions[random_below(random, sizeof(permissions) / sizeof(permissions[0]))];
	if (!random_below(random, 25))
		*step = (struct stage_step){.client = "123"[random_below(random, 3)], .verb = STAGE_RELEASE};
}

static void run_both(const struct stage_step *step, int node)
{
	char words[STAGE_TEXT];

	stage_run(&stage, step);
	model_run(&model, step, node);
	stage_words(step, words);
	if (strcmp(stage.answer, model.answer) || strcmp(stage.events, model.events))
		ck_abort_msg("%.400s: %s, %.400s, not %s, %.400s", words, stage.answer, stage.events, model.answer, model.events);
	if (*stage_problem(&stage))
		ck_abort_msg("%.400s: %s", words, stage_problem(&stage));
}

static void compare_nodes(void)
{
	for (int node = 0; node < MODEL_NODES; node++) {
		struct stage_step ask = {.client = 'A', .verb = STAGE_PERMISSIONS, .path = model.paths[node]};
		run_both(&ask, node);
	}
	for (uint16_t domid = 1; domid < 4; domid++)
		expect_owned(domid, model_owned(&model.now, domid));
}

START_TEST(random_trees_of_several_owners_are_those_of_the_model)
{
	static char names[MODEL_NAMES][301];
	const char *const short_names[MODEL_NAMES] = {"a", "b", "c"}, *const long_names[MODEL_NAMES] = {names[0], names[1], "c"};
	const char *number_wanted = getenv("RELEASES");
	unsigned long number = number_wanted ? strtoul(number_wanted, NULL, 0) : 2000;
	struct random random;

	memset(names[0], 'a', 300);
	memset(names[1], 'b', 250);
	model_init(&model, _i ? long_names : short_names);
	model.limit = UINT32_MAX / 4;
	stage_client(&stage, '3')->caller.target = 1;
	random_begin(&random, "RELEASES_SEED");
	stage_say(&stage, "A chmod / b0");
	model_run(&model, &(struct stage_step){'A', STAGE_SET_PERMISSIONS, "/", "b0"}, 0);
	for (unsigned long i = 0; i < number; i++) {
		struct stage_step step;
		int node;
		random_step(&random, &step, &node);
		run_both(&step, node);
		if (step.verb == STAGE_RELEASE)
			compare_nodes();
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("release");
	TCase *tcase = tcase_create("release"), *alone = tcase_create("faults and cost");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 0);
	tcase_add_test(tcase, what_it_owned_goes_with_all_below);
	tcase_add_test(tcase, what_others_own_above_and_beside_stays);
	tcase_add_test(tcase, its_nodes_go_wherever_they_are_in_the_order_of_a_walk);
	tcase_add_test(tcase, what_is_watched_below_is_told_leaf_first);
	tcase_add_test(tcase, nodes_with_long_keys_go_too);
	tcase_add_test(tcase, the_next_domain_with_its_number_is_a_stranger);
	tcase_add_test(tcase, the_root_and_the_specials_are_given_to_the_privileged_domain);
	tcase_add_test(tcase, entries_for_it_go_and_others_stay_as_they_were);
	tcase_add_test(tcase, entries_go_all_down_the_tree_and_behind_gaps);
	tcase_add_test(tcase, of_nodes_with_entries_below_others_those_that_are_watched_are_told);
	tcase_add_test(tcase, a_change_tells_permissions_before_and_after);
	tcase_add_test(tcase, a_domain_that_had_nothing_changes_nothing);
	tcase_add_loop_test(tcase, open_transactions_conflict_with_what_they_saw, 0, 2);
	tcase_add_test(tcase, without_a_snapshot_what_is_gone_is_known_to_be_gone_since);
	tcase_add_test(tcase, a_turn_that_is_undone_has_released_nothing);
	tcase_add_loop_test(tcase, random_trees_of_several_owners_are_those_of_the_model, 0, 2);
	suite_add_tcase(suite, tcase);
	tcase_set_timeout(alone, 0);
	tcase_add_test(alone, it_costs_the_same_however_much_others_own);
	tcase_add_test(alone, any_call_that_fails_undoes_the_turn);
	suite_add_tcase(suite, alone);
	return suite_run(suite);
}
