/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is told of a subtree that goes: the watched nodes in it, leaf first, with what is needed to ask who may know. */
#include "store/changes.h"
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
	stage_close(&stage);
}

static void say(const char *words)
{
	if (strcmp(stage_say(&stage, words), "OK"))
		ck_abort_msg("%s: %s", words, stage.answer);
}

static struct changes below;

/* The changes that removing `text` will be; its own is returned. */
static struct change *removal_of(const char *text)
{
	struct path path = {text, strlen(text)};
	struct MDB_txn *txn = store_view(stage.store);
	struct change *top;
	struct node node;

	below = (struct changes){NULL, NULL};
	ck_assert_int_eq(node_get(stage.store, txn, &path, &node), 0);
	ck_assert_int_eq(changes_of_removal(stage.store, txn, &stage.arena, stage.n_watched ? &stage.watched : NULL, &path, &node,
					    &below, &top),
			 0);
	return top;
}

static void expect_below(const char *paths)
{
	char told[STAGE_TEXT] = "";

	for (const struct change *change = below.first; change; change = change->next) {
		ck_assert(change->exact && change->removed);
		ck_assert_ptr_nonnull(change->parent.entries);
		ck_assert((change == below.last) == !change->next);
		sprintf(told + strlen(told), "%s%s", *told ? " " : "", change->path.text);
	}
	ck_assert_str_eq(told, paths);
}

START_TEST(without_watches_only_the_top_is_told)
{
	say("A write /a/b/c 1");
	say("A chmod /a r3");
	const struct change *top = removal_of("/a");
	ck_assert_str_eq(top->path.text, "/a");
	ck_assert(top->removed && !top->exact);
	ck_assert_uint_eq(top->now.n, 1);
	ck_assert_uint_eq(top->now.entries[0].domid, 3);
	ck_assert_ptr_null(top->before.entries);
	ck_assert_ptr_null(top->parent.entries);
	expect_below("");
}
END_TEST

START_TEST(watched_nodes_are_told_leaf_first_and_in_the_order_of_creation)
{
	static const char *const watched[] = {"/a", "/a/x", "/a/b/c", "/a/b", "/a/b/a", "/a/missing", "/a/b/c/d", "/ab"};

	say("A write /a/x 1");
	say("A write /a/b/c/d 1");
	say("A write /a/b/a 1");
	say("A write /ab 1");
	for (size_t i = 0; i < sizeof(watched) / sizeof(watched[0]); i++)
		stage_watch(&stage, watched[i]);
	removal_of("/a");
	expect_below("/a/x /a/b/c/d /a/b/c /a/b/a /a/b");
	removal_of("/a/b/c");
	expect_below("/a/b/c/d");
	removal_of("/a/x");
	expect_below("");
	say("A rm /a/x");
	say("A write /a/x 1");
	removal_of("/a");
	expect_below("/a/b/c/d /a/b/c /a/b/a /a/b /a/x");
}
END_TEST

START_TEST(each_comes_with_its_permissions_and_those_of_its_parent)
{
	say("A write /a/b/c 1");
	say("A chmod /a n1");
	say("A chmod /a/b n2,r4");
	say("A chmod /a/b/c n3");
	stage_watch(&stage, "/a/b");
	stage_watch(&stage, "/a/b/c");
	removal_of("/a");
	expect_below("/a/b/c /a/b");
	const struct change *leaf = below.first, *middle = leaf->next;
	ck_assert_uint_eq(leaf->now.entries[0].domid, 3);
	ck_assert_uint_eq(leaf->parent.entries[0].domid, 2);
	ck_assert_uint_eq(leaf->parent.n, 2);
	ck_assert_uint_eq(middle->now.entries[0].domid, 2);
	ck_assert_uint_eq(middle->parent.entries[0].domid, 1);
}
END_TEST

START_TEST(lists_are_joined_in_order)
{
	struct permission none = {0, 0, 0};
	struct path path = {"/a/b", 2};
	struct change *changes[3];
	struct changes list = {NULL, NULL}, tail = {NULL, NULL};

	for (int i = 0; i < 3; i++) {
		changes[i] = change_new(&stage.arena, &path, &none, 1);
		ck_assert_str_eq(changes[i]->path.text, "/a");
		ck_assert_ptr_ne(changes[i]->now.entries, &none);
	}
	changes_append_all(&list, &tail);
	ck_assert_ptr_null(list.first);
	changes_append(&tail, changes[0]);
	changes_append_all(&list, &tail);
	ck_assert_ptr_null(tail.first);
	changes_append(&tail, changes[1]);
	changes_append(&tail, changes[2]);
	changes_append_all(&list, &tail);
	ck_assert_ptr_eq(list.first, changes[0]);
	ck_assert_ptr_eq(changes[0]->next, changes[1]);
	ck_assert_ptr_eq(list.last, changes[2]);
	ck_assert_ptr_null(changes[2]->next);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("changes");
	TCase *tcase = tcase_create("removal");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, without_watches_only_the_top_is_told);
	tcase_add_test(tcase, watched_nodes_are_told_leaf_first_and_in_the_order_of_creation);
	tcase_add_test(tcase, each_comes_with_its_permissions_and_those_of_its_parent);
	tcase_add_test(tcase, lists_are_joined_in_order);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
