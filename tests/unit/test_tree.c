/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The operations on nodes outside transactions: who may do what, what a missing node is to whom, limits, and what is told of a
 * change. What they are inside is in test_interleavings.c.
 */
#include "store/tree.h"
#include "support/stage.h"
#include "support/suite.h"

#include <check.h>
#include <stdio.h>
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
	ck_assert_msg(!strcmp(stage_say(&stage, words), answer), "\"%.200s\" was answered %s instead of %s", words, stage.answer,
		      answer);
}

static void say(const char *words)
{
	expect(words, "OK");
}

/* A view for calls of the tree itself. */
static struct tree as(char client)
{
	return (struct tree){
	    .store = stage.store,
	    .caller = stage_client(&stage, client)->caller,
	    .limits = &stage.limits,
	    .arena = &stage.arena,
	};
}

/* ---- who may ---- */

START_TEST(each_right_allows_its_operations_and_no_other)
{
	static const struct {
		const char *permissions, *read, *write;
	} rows[] = {
	    {"n0", "EACCES", "EACCES"},
	    {"r0", "value", "EACCES"},
	    {"w0", "EACCES", "OK"},
	    {"b0", "value", "OK"},
	    {"n1", "value", "OK"},
	    {"n0,r1", "value", "EACCES"},
	    {"b0,n1", "EACCES", "EACCES"},
	    {"n0,w2,b1", "value", "OK"},
	    {"n2,b3", "EACCES", "EACCES"},
	    {"n0,r32757", "value", "EACCES"},
	    {"n0,b32757,n1", "EACCES", "EACCES"},
	};
	char words[64];

	say("A mkdir /x");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		say("A write /x value");
		snprintf(words, sizeof(words), "A chmod /x %s", rows[i].permissions);
		say(words);
		expect("1 read /x", rows[i].read);
		expect("1 ls /x", rows[i].read[0] == 'v' ? "(none)" : "EACCES");
		expect("1 perms /x", rows[i].read[0] == 'v' ? rows[i].permissions : "EACCES");
		expect("1 mkdir /x", rows[i].write);
		expect("1 mkdir /x/y", rows[i].write);
		expect("1 rm /x/z", rows[i].write);
		expect("1 write /x value", rows[i].write);
		expect("A read /x", "value");
		expect("A rm /x/y", "OK");
	}
}
END_TEST

START_TEST(only_the_owner_sets_permissions_and_nobody_gives_a_node_away)
{
	say("A mkdir /x");
	say("A chmod /x b1");
	expect("2 chmod /x n2", "EACCES");
	expect("2 chmod /x n1", "EACCES");
	expect("1 chmod /x n2", "EPERM");
	say("1 chmod /x n1,r2");
	expect("2 perms /x", "n1,r2");
	say("A chmod /x n2");
	expect("1 perms /x", "EACCES");
}
END_TEST

START_TEST(the_nearest_node_decides_what_a_missing_one_is)
{
	char words[256] = "A mkdir /1/2/3/4/5/6/7/8/9";

	/* Where on the way it ends must not matter: every depth of the border, below nodes of other rights. */
	say(words);
	for (int there = 9; there >= 1; there--) {
		char border[64] = "", missing[128];
		for (int i = 1; i <= there; i++)
			sprintf(border + strlen(border), "/%d", i);
		for (int readable = 0; readable < 2; readable++) {
			snprintf(words, sizeof(words), "A chmod %s %s", border, readable ? "r0" : "n0");
			say(words);
			snprintf(missing, sizeof(missing), "%s/x", border);
			for (int more = 0; more < 9; more++) {
				snprintf(words, sizeof(words), "1 read %s", missing);
				expect(words, readable ? "ENOENT" : "EACCES");
				snprintf(words, sizeof(words), "1 write %s 1", missing);
				expect(words, "EACCES");
				strcat(missing, "/y");
			}
		}
		snprintf(words, sizeof(words), "A rm %s", border);
		say(words);
	}
}
END_TEST

START_TEST(guests_do_nothing_at_the_root)
{
	expect("1 read /", "EACCES");
	expect("1 ls /", "EACCES");
	expect("1 perms /", "EACCES");
	expect("1 write / 1", "EACCES");
	expect("1 write /x 1", "EACCES");
	expect("1 mkdir /x", "EACCES");
	expect("1 rm /", "EACCES");
	expect("1 rm /x", "EACCES");
	expect("1 chmod / n1", "EACCES");
	expect("A rm /", "EINVAL");
}
END_TEST

START_TEST(removing_what_is_missing_succeeds_where_its_parent_is)
{
	say("A rm /x");
	expect("A rm /x/y", "ENOENT");
	say("A mkdir /x");
	say("A rm /x/y");
	expect("A read /x/y", "ENOENT");
}
END_TEST

START_TEST(a_target_has_the_rights_of_its_domain)
{
	stage_client(&stage, '2')->caller.target = 1;
	say("A mkdir /x");
	say("A chmod /x n1");
	say("2 write /x/y 1");
	expect("2 perms /x/y", "n2");
	say("2 chmod /x r1");
	expect("1 read /x/y", "EACCES");
	expect("3 read /x", "(empty)");
}
END_TEST

/* ---- creation ---- */

START_TEST(parents_are_made_on_the_way_and_inherit)
{
	say("A mkdir /d");
	say("A chmod /d w1,r2");
	say("A write /d/a/b/c value");
	expect("A perms /d/a", "w1,r2");
	expect("A perms /d/a/b/c", "w1,r2");
	expect("A read /d/a/b", "(empty)");
	expect("A read /d/a/b/c", "value");
	say("3 write /d/x/y 1");
	expect("A perms /d/x", "w3,r2");
	expect("A perms /d/x/y", "w3,r2");
}
END_TEST

START_TEST(the_deepest_path_can_be_written_read_and_removed)
{
	char path[PATH_BUFFER], words[PATH_BUFFER + 32];

	for (size_t i = 0; i < PATH_ABSOLUTE_MAX / 2; i++)
		memcpy(path + 2 * i, "/a", 3);
	snprintf(words, sizeof(words), "A write %s value", path);
	say(words);
	snprintf(words, sizeof(words), "A read %s", path);
	expect(words, "value");
	path[PATH_ABSOLUTE_MAX - 1] = 'b';
	snprintf(words, sizeof(words), "A read %s", path);
	expect(words, "ENOENT");
	say("A rm /a");
	expect("A ls /", "tool");
}
END_TEST

/* ---- limits ---- */

START_TEST(exactly_as_many_nodes_as_allowed_can_be_owned)
{
	stage.limits.nodes = 3;
	say("A mkdir /d");
	say("A chmod /d b0");
	expect("1 write /d/a/b/c/d 1", "ENOSPC");
	expect("A ls /d", "(none)");
	say("1 write /d/a/b 1");
	say("1 mkdir /d/c");
	expect("1 mkdir /d/e", "ENOSPC");
	say("1 write /d/c 2");
	say("2 mkdir /d/e");
	say("A mkdir /d/a/f");
	expect("A perms /d/a/f", "b1");
	say("1 rm /d/a");
	say("1 write /d/g/h 1");
	expect("1 mkdir /d/i", "ENOSPC");
}
END_TEST

START_TEST(a_node_may_be_as_large_as_allowed)
{
	stage.limits.node_size = 32;
	stage.limits.node_permissions = 3;
	say("A mkdir /d");
	say("A chmod /d b0");
	say("1 write /d/x 123456789012345678901234");
	expect("1 write /d/x 1234567890123456789012345", "ENOSPC");
	expect("1 write /d/y 1234567890123456789012345", "ENOSPC");
	expect("1 chmod /d/x b1,r2", "ENOSPC");
	say("1 write /d/x 12345678");
	say("1 chmod /d/x b1,r2,r3");
	expect("1 write /d/x 123456789", "ENOSPC");
	say("1 write /d/x 1");
	expect("1 chmod /d/x b1,r2,r3,r4", "ENOSPC");
	say("A chmod /d/x b1,r2,r3,r4");
	say("A write /d/x 1234567890123456789012345678901234567890");
}
END_TEST

START_TEST(a_list_past_the_limit_is_refused_and_without_one_is_whole)
{
	struct tree tree = as('A');
	struct path path = {"/d", 2};
	struct tree_names names;

	say("A mkdir /d/one");
	say("A mkdir /d/two");
	ck_assert_int_eq(tree_list(&tree, &path, 7, &names), STATUS_E2BIG);
	ck_assert_int_eq(tree_list(&tree, &path, 8, &names), 0);
	uint64_t generation = names.generation;
	ck_assert_int_eq(tree_list(&tree, &path, 0, &names), 0);
	ck_assert_uint_eq(names.len, 8);
	ck_assert_mem_eq(names.bytes, "one\0two", 8);
	ck_assert_uint_eq(names.generation, generation);
}
END_TEST

/* ---- what is told ---- */

START_TEST(set_permissions_tells_those_before_and_after)
{
	struct permission permissions[] = {{2, 0, 0}, {3, PERMISSION_READ, 0}};
	struct tree tree = as('A');
	struct path path = {"/x", 2};

	say("A mkdir /x");
	say("A chmod /x r1");
	ck_assert_int_eq(tree_set_permissions(&tree, &path, permissions, 2), 0);
	const struct change *change = tree.changes.first;
	ck_assert_ptr_eq(change, tree.changes.last);
	ck_assert_str_eq(change->path.text, "/x");
	ck_assert_uint_eq(change->before.n, 1);
	ck_assert_uint_eq(change->before.entries[0].domid, 1);
	ck_assert_uint_eq(change->now.n, 2);
	ck_assert_uint_eq(change->now.entries[0].domid, 2);
	ck_assert(!change->removed && !change->exact);
	store_abort(stage.store);
}
END_TEST

START_TEST(what_is_refused_tells_and_changes_nothing)
{
	static const char *const refused[] = {"1 write /x/y 1", "1 mkdir /x/y", "1 rm /x",
					      "1 chmod /x n1",	"A rm /y/z",	"A chmod /y n0"};

	say("A mkdir /x");
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		ck_assert_str_ne(stage_say(&stage, refused[i]), "OK");
		ck_assert_str_eq(stage.events, "");
		ck_assert_uint_eq(store_tag(stage.store), 0);
	}
	expect("A ls /x", "(none)");
	expect("A perms /x", "n0");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("tree");
	TCase *tcase = tcase_create("operations");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, each_right_allows_its_operations_and_no_other);
	tcase_add_test(tcase, only_the_owner_sets_permissions_and_nobody_gives_a_node_away);
	tcase_add_test(tcase, the_nearest_node_decides_what_a_missing_one_is);
	tcase_add_test(tcase, guests_do_nothing_at_the_root);
	tcase_add_test(tcase, removing_what_is_missing_succeeds_where_its_parent_is);
	tcase_add_test(tcase, a_target_has_the_rights_of_its_domain);
	tcase_add_test(tcase, parents_are_made_on_the_way_and_inherit);
	tcase_add_test(tcase, the_deepest_path_can_be_written_read_and_removed);
	tcase_add_test(tcase, exactly_as_many_nodes_as_allowed_can_be_owned);
	tcase_add_test(tcase, a_node_may_be_as_large_as_allowed);
	tcase_add_test(tcase, a_list_past_the_limit_is_refused_and_without_one_is_whole);
	tcase_add_test(tcase, set_permissions_tells_those_before_and_after);
	tcase_add_test(tcase, what_is_refused_tells_and_changes_nothing);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
