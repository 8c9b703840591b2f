/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Nodes as records: what each change does to generations, accounts and lists, at any length of path; and subtrees that go. */
#include "store/node.h"
#include "store/key.h"
#include "support/stage.h"
#include "support/suite.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DOMAINS = 50, LOOKS = 20 };

static struct stage stage;
static struct store *store;

static void setup(void)
{
	stage_open(&stage, 0);
	store = stage.store;
}

static void teardown(void)
{
	ck_assert_int_eq(store_commit(store), 0);
	ck_assert_str_eq(stage_problem(&stage), "");
	stage_close(&stage);
}

static struct path as_path(const char *text)
{
	return (struct path){text, strlen(text)};
}

/* Each with its own commit: where there is no room it has to be done again. */
static void create(const char *text, uint16_t owner)
{
	struct permission permission = {owner, 0, 0};
	struct path path = as_path(text);

	while (node_create(store, &path, &permission, 1, "", 0) || store_commit(store)) {
		store_abort(store);
		if (store_make_room(store))
			ck_abort_msg("%.99s cannot be made", text);
	}
}

/* Makes what is missing of it. */
static void create_all(const char *text, uint16_t owner)
{
	struct node node;

	for (size_t end = 1; end <= strlen(text); end++) {
		struct path path = {text, end};
		if ((text[end] == '/' || !text[end]) && node_get(store, store_view(store), &path, &node)) {
			char *front = strndup(text, end);
			create(front, owner);
			free(front);
		}
	}
}

static void delete (const char *text)
{
	struct path path = as_path(text);

	while (node_remove(store, &path) || store_commit(store)) {
		store_abort(store);
		if (store_make_room(store))
			ck_abort_msg("%.99s cannot be removed", text);
	}
}

static bool exists(const char *text)
{
	struct path path = as_path(text);
	struct node node;
	int result = node_get(store, store_view(store), &path, &node);

	ck_assert_int_ge(result, 0);
	return !result;
}

static struct node get(const char *text)
{
	struct path path = as_path(text);
	struct node node;

	if (node_get(store, store_view(store), &path, &node))
		ck_abort_msg("%.99s is missing", text);
	return node;
}

static uint64_t account(uint16_t domid)
{
	uint64_t owned;

	ck_assert_int_eq(node_account(store, store_view(store), domid, &owned), 0);
	return owned;
}

/* A component of `len` bytes that begins with `text`. */
static char *component(const char *text, size_t len)
{
	static char buffers[4][PATH_BUFFER];
	static size_t next;
	char *buffer = buffers[next++ % 4];

	memset(buffer, 'x', len);
	memcpy(buffer, text, strlen(text));
	buffer[len] = 0;
	return buffer;
}

/* A path of `n` components "a", below the root. */
static void deep_path(char buffer[PATH_BUFFER], size_t n)
{
	for (size_t i = 0; i < n; i++)
		memcpy(buffer + 2 * i, "/a", 3);
}

/* ---- generations ---- */

START_TEST(a_new_node_has_one_generation_and_its_parent_a_new_list)
{
	create("/a", 0);
	struct node parent = get("/a");
	create("/a/b", 0);
	struct node child = get("/a/b"), now = get("/a");

	ck_assert_uint_gt(child.created, parent.created);
	ck_assert_uint_eq(child.created, child.value_generation);
	ck_assert_uint_eq(child.created, child.permissions_generation);
	ck_assert_uint_eq(child.created, child.children_generation);
	ck_assert_uint_eq(now.children_generation, child.created);
	ck_assert_uint_eq(now.created, parent.created);
	ck_assert_uint_eq(now.value_generation, parent.value_generation);
	ck_assert_uint_eq(now.permissions_generation, parent.permissions_generation);
}
END_TEST

START_TEST(each_change_has_its_own_generation)
{
	struct permission permissions[] = {{1, 0, 0}, {2, PERMISSION_READ, 0}};
	struct path path = as_path("/a");

	create("/a", 0);
	create("/a/b", 0);
	struct node before = get("/a");
	ck_assert_int_eq(node_set_value(store, &path, &before, "value", 5), 0);
	struct node valued = get("/a");
	ck_assert_uint_gt(valued.value_generation, before.value_generation);
	ck_assert_uint_eq(valued.created, before.created);
	ck_assert_uint_eq(valued.permissions_generation, before.permissions_generation);
	ck_assert_uint_eq(valued.children_generation, before.children_generation);
	ck_assert_mem_eq(valued.value, "value", 5);

	ck_assert_int_eq(node_set_permissions(store, &path, &valued, permissions, 2), 0);
	struct node allowed = get("/a");
	ck_assert_uint_gt(allowed.permissions_generation, valued.value_generation);
	ck_assert_uint_eq(allowed.value_generation, valued.value_generation);
	ck_assert_uint_eq(allowed.children_generation, valued.children_generation);
	ck_assert_uint_eq(allowed.n_permissions, 2);
	ck_assert_mem_eq(allowed.value, "value", 5);

	delete ("/a/b");
	struct node emptied = get("/a");
	ck_assert_uint_gt(emptied.children_generation, allowed.permissions_generation);
	ck_assert_uint_eq(emptied.value_generation, allowed.value_generation);
	ck_assert_uint_eq(emptied.permissions_generation, allowed.permissions_generation);
}
END_TEST

START_TEST(a_node_made_again_is_another)
{
	create("/a", 0);
	uint64_t first = get("/a").created;
	delete ("/a");
	create("/a", 0);
	ck_assert_uint_gt(get("/a").created, first);
	ck_assert_uint_eq(get("/").children_generation, get("/a").created);
}
END_TEST

/* ---- accounts ---- */

START_TEST(nodes_count_for_their_owner)
{
	struct permission other = {2, 0, 0};
	struct path path = as_path("/a");

	create("/a", 1);
	create("/a/b", 1);
	create("/a/c", 2);
	ck_assert_uint_eq(account(1), 2);
	ck_assert_uint_eq(account(2), 1);
	struct node node = get("/a");
	ck_assert_int_eq(node_set_permissions(store, &path, &node, &other, 1), 0);
	ck_assert_uint_eq(account(1), 1);
	ck_assert_uint_eq(account(2), 2);
	delete ("/a");
	ck_assert_uint_eq(account(1), 0);
	ck_assert_uint_eq(account(2), 0);
}
END_TEST

START_TEST(a_subtree_of_many_owners_gives_each_its_own_back)
{
	char path[64];

	create("/keep", 7);
	create("/d", 1);
	for (int i = 0; i < 40; i++) {
		snprintf(path, sizeof(path), "/d/%d", i);
		create(path, (uint16_t)(i % DOMAINS));
		for (int j = 0; j < 200; j++) {
			snprintf(path, sizeof(path), "/d/%d/%d", i, j);
			/* Runs of one owner and owners that alternate. */
			create(path, (uint16_t)(i % 2 ? (i * 7 + j) % DOMAINS : j / 20));
		}
	}
	uint64_t owned_by_3 = account(3), counted;
	struct path top = as_path("/d");
	ck_assert_uint_gt(owned_by_3, 50);
	ck_assert_int_eq(node_count_owned(store, store_view(store), &top, 3, &counted), 0);
	ck_assert_uint_eq(counted, owned_by_3);
	ck_assert_str_eq(stage_problem(&stage), "");
	delete ("/d");
	for (uint16_t domid = 1; domid < DOMAINS; domid++)
		ck_assert_uint_eq(account(domid), domid == 7);
	ck_assert(exists("/keep"));
	ck_assert(!exists("/d"));
	ck_assert(!exists("/d/39/199"));
}
END_TEST

/* ---- lengths ---- */

START_TEST(a_path_may_be_3072_bytes_in_1536_components)
{
	char path[PATH_BUFFER];
	struct node node;

	deep_path(path, 1536);
	create_all(path, 3);
	ck_assert_uint_eq(account(3), 1536);
	for (size_t n = 1; n <= 1536; n += 5) {
		struct path ancestor = {path, 2 * n};
		ck_assert_int_eq(node_get(store, store_view(store), &ancestor, &node), 0);
	}
	path[3071] = 'b';
	ck_assert(!exists(path));
	ck_assert_str_eq(stage_problem(&stage), "");
	deep_path(path, 200);
	delete (path);
	ck_assert_uint_eq(account(3), 199);
	deep_path(path, 201);
	ck_assert(!exists(path));
	deep_path(path, 1536);
	ck_assert(!exists(path));
}
END_TEST

START_TEST(paths_around_the_length_of_a_key_are_all_kept_apart)
{
	char path[PATH_BUFFER];

	for (size_t len = STORE_KEY_MAX - 10; len < STORE_KEY_MAX + 10; len++) {
		snprintf(path, sizeof(path), "/%s", component("a", len));
		create(path, 1);
		strcat(path, "/b");
		create(path, 2);
		strcat(path, "/c");
		create(path, 3);
	}
	ck_assert_uint_eq(account(1), 20);
	ck_assert_str_eq(stage_problem(&stage), "");
	for (size_t len = STORE_KEY_MAX - 10; len < STORE_KEY_MAX + 10; len++) {
		snprintf(path, sizeof(path), "/%s", component("a", len));
		delete (path);
		ck_assert_uint_eq(account(2), STORE_KEY_MAX + 9 - len);
		ck_assert_uint_eq(account(3), STORE_KEY_MAX + 9 - len);
	}
}
END_TEST

START_TEST(names_of_over_500_bytes_differ_in_any_of_them)
{
	char path[PATH_BUFFER], other[PATH_BUFFER];

	snprintf(path, sizeof(path), "/%s", component("a", 2000));
	snprintf(other, sizeof(other), "%s", path);
	other[1999] = 'y';
	create(path, 1);
	ck_assert(exists(path));
	ck_assert(!exists(other));
	create(other, 2);
	delete (path);
	ck_assert(exists(other));
	ck_assert_uint_eq(account(1), 0);
}
END_TEST

START_TEST(a_subtree_takes_its_long_nodes_and_no_others)
{
	char path[PATH_BUFFER];

	/* Long below short, twice, with short ones between, and the same names beside. */
	for (int i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "/d%d/%s/x", i, component("one", 300));
		create_all(path, 1);
		snprintf(path, sizeof(path), "/d%d/%s/%s/y/z", i, component("one", 300), component("two", 300));
		create_all(path, 2);
		snprintf(path, sizeof(path), "/d%d/%s/%s", i, component("three", 600), component("four", 700));
		create_all(path, 3);
	}
	ck_assert_uint_eq(account(1), 9);
	ck_assert_uint_eq(account(2), 9);
	ck_assert_uint_eq(account(3), 6);
	uint64_t counted;
	struct path top = as_path("/d1");
	ck_assert_int_eq(node_count_owned(store, store_view(store), &top, 2, &counted), 0);
	ck_assert_uint_eq(counted, 3);
	delete ("/d1");
	ck_assert_uint_eq(account(1), 6);
	ck_assert_uint_eq(account(2), 6);
	ck_assert_uint_eq(account(3), 4);
	snprintf(path, sizeof(path), "/d2/%s/%s", component("one", 300), component("two", 300));
	delete (path);
	ck_assert_uint_eq(account(1), 6);
	ck_assert_uint_eq(account(2), 3);
	snprintf(path, sizeof(path), "/d0/%s/%s/y/z", component("one", 300), component("two", 300));
	ck_assert(exists(path));
}
END_TEST

/* ---- subtrees ---- */

START_TEST(only_what_is_below_goes)
{
	static const char *const stay[] = {"/a-b", "/a-b/c", "/ab", "/ab/c", "/A", "/a_", "/b", "/b/a", "/b/a/b"};
	static const char *const go[] = {"/a", "/a/b", "/a/b/c", "/a/-", "/a/b-c", "/a/Z/z"};

	for (size_t i = 0; i < sizeof(stay) / sizeof(stay[0]); i++)
		create_all(stay[i], 0);
	for (size_t i = 0; i < sizeof(go) / sizeof(go[0]); i++)
		create_all(go[i], 0);
	delete ("/a");
	for (size_t i = 0; i < sizeof(stay) / sizeof(stay[0]); i++)
		ck_assert_msg(exists(stay[i]), "%s has gone", stay[i]);
	for (size_t i = 0; i < sizeof(go) / sizeof(go[0]); i++)
		ck_assert_msg(!exists(go[i]), "%s is still there", go[i]);
}
END_TEST

static int add_name(void *context, const char *name, size_t len, const struct node *child)
{
	char *names = context;

	ck_assert_uint_gt(child->created, 0);
	if (strlen(names) + len + 2 > STAGE_TEXT)
		return STATUS_E2BIG;
	sprintf(names + strlen(names), "%.*s ", (int)(len < 8 ? len : 8), name);
	return strstr(names, "stop") ? 42 : 0;
}

static int names_of(const char *text, char names[STAGE_TEXT])
{
	struct path path = as_path(text);
	struct node node = get(text);

	names[0] = 0;
	return node_children(store, store_view(store), &path, &node, add_name, names);
}

START_TEST(children_are_those_one_level_below)
{
	char path[PATH_BUFFER], names[STAGE_TEXT];

	create_all("/a/b/c", 0);
	create_all("/a/d", 0);
	create_all("/ab/c", 0);
	snprintf(path, sizeof(path), "/a/%s/e", component("long", 600));
	create_all(path, 0);
	ck_assert_int_eq(names_of("/a", names), 0);
	ck_assert_str_eq(names, "b d longxxxx ");
	ck_assert_int_eq(names_of("/a/b/c", names), 0);
	ck_assert_str_eq(names, "");
	ck_assert_int_eq(names_of("/", names), 0);
	ck_assert_str_eq(names, "a ab tool ");
	create("/a/c-stop", 0);
	ck_assert_int_eq(names_of("/a", names), 42);
	ck_assert_str_eq(names, "b c-stop ");
}
END_TEST

/* ---- looking again ---- */

/* The value as one sees it who has looked often. */
static void looks_like(const char *text, const char *value)
{
	struct path path = as_path(text);
	struct node node;

	for (int i = 0; i < LOOKS; i++) {
		if (node_look(store, &path, &node))
			ck_abort_msg("%.99s is missing", text);
		ck_assert_uint_eq(node.value_len, strlen(value));
		ck_assert_mem_eq(node.value, value, node.value_len);
	}
}

static void is_not_seen(const char *text)
{
	struct path path = as_path(text);
	struct node node;

	for (int i = 0; i < LOOKS; i++)
		ck_assert_int_eq(node_look(store, &path, &node), STATUS_ENOENT);
}

static void set(const char *text, const char *value)
{
	struct path path = as_path(text);
	struct node node;

	ck_assert_int_eq(node_look(store, &path, &node), 0);
	ck_assert_int_eq(node_set_value(store, &path, &node, value, strlen(value)), 0);
}

START_TEST(a_look_shows_each_change_and_what_is_there_after_it_was_undone)
{
	create("/a", 0);
	looks_like("/a", "");
	set("/a", "one");
	looks_like("/a", "one");
	ck_assert_int_eq(store_commit(store), 0);
	looks_like("/a", "one");
	set("/a", "two");
	looks_like("/a", "two");
	store_abort(store);
	looks_like("/a", "one");
}
END_TEST

START_TEST(a_look_shows_permissions_and_the_list_of_children_anew)
{
	struct permission other = {2, 0, 0};
	struct path path = as_path("/a");
	struct node node;

	create("/a", 1);
	looks_like("/a", "");
	ck_assert_int_eq(node_look(store, &path, &node), 0);
	ck_assert_int_eq(node_set_permissions(store, &path, &node, &other, 1), 0);
	ck_assert_int_eq(node_look(store, &path, &node), 0);
	ck_assert_uint_eq(node.permissions[0].domid, 2);
	create("/a/b", 1);
	ck_assert_int_eq(node_look(store, &path, &node), 0);
	ck_assert_uint_eq(node.children_generation, get("/a").children_generation);
	ck_assert_uint_eq(node.children_generation, get("/a/b").created);
}
END_TEST

START_TEST(what_was_removed_with_all_below_is_not_seen_until_that_is_undone)
{
	create("/a", 0);
	create("/a/b", 0);
	set("/a/b", "value");
	ck_assert_int_eq(store_commit(store), 0);
	looks_like("/a/b", "value");
	looks_like("/a", "");
	struct path path = as_path("/a");
	ck_assert_int_eq(node_remove(store, &path), 0);
	is_not_seen("/a");
	is_not_seen("/a/b");
	store_abort(store);
	looks_like("/a/b", "value");
}
END_TEST

START_TEST(what_was_made_is_not_seen_after_it_was_undone)
{
	struct permission permission = {0, 0, 0};
	struct path path = as_path("/a");

	ck_assert_int_eq(node_create(store, &path, &permission, 1, "value", 5), 0);
	looks_like("/a", "value");
	store_abort(store);
	is_not_seen("/a");
}
END_TEST

START_TEST(a_record_that_is_too_short_is_none)
{
	struct store_node head = {.n_permissions = 2, .path_len = 3};
	unsigned char record[sizeof(head) + 2 * sizeof(struct permission) + 3 + 2] = {0};
	struct node node;

	memcpy(record, &head, sizeof(head));
	ck_assert(node_decode(record, sizeof(record), &node));
	ck_assert_uint_eq(node.value_len, 2);
	ck_assert(node_decode(record, sizeof(record) - 2, &node));
	ck_assert_uint_eq(node.value_len, 0);
	for (size_t len = 0; len < sizeof(record) - 2; len++)
		ck_assert(!node_decode(record, len, &node));
	head.n_permissions = 0;
	memcpy(record, &head, sizeof(head));
	ck_assert(!node_decode(record, sizeof(record), &node));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("node");
	TCase *tcase = tcase_create("records");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, a_new_node_has_one_generation_and_its_parent_a_new_list);
	tcase_add_test(tcase, each_change_has_its_own_generation);
	tcase_add_test(tcase, a_node_made_again_is_another);
	tcase_add_test(tcase, nodes_count_for_their_owner);
	tcase_add_test(tcase, a_subtree_of_many_owners_gives_each_its_own_back);
	tcase_add_test(tcase, a_path_may_be_3072_bytes_in_1536_components);
	tcase_add_test(tcase, paths_around_the_length_of_a_key_are_all_kept_apart);
	tcase_add_test(tcase, names_of_over_500_bytes_differ_in_any_of_them);
	tcase_add_test(tcase, a_subtree_takes_its_long_nodes_and_no_others);
	tcase_add_test(tcase, only_what_is_below_goes);
	tcase_add_test(tcase, children_are_those_one_level_below);
	tcase_add_test(tcase, a_look_shows_each_change_and_what_is_there_after_it_was_undone);
	tcase_add_test(tcase, a_look_shows_permissions_and_the_list_of_children_anew);
	tcase_add_test(tcase, what_was_removed_with_all_below_is_not_seen_until_that_is_undone);
	tcase_add_test(tcase, what_was_made_is_not_seen_after_it_was_undone);
	tcase_add_test(tcase, a_record_that_is_too_short_is_none);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
