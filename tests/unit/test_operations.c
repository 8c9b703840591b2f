/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Operations asked by a guest: what it may do with nodes on which it has this or that right, and what it is told where there is
 * no node. Limits are in test_limits.c, the advisories in test_advisories.c.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/scene.h"
#include "support/suite.h"

/* Directories on which the guest has certain rights, each with such a child. */
enum place { CLOSED, OPEN, WRITABLE, BOTH, OWN, PLACES };
static const char *const places[PLACES] = {"/closed", "/open", "/writable", "/both", "/local/domain/1"};
static const char *const permissions[PLACES] = {"n0", "n0 r1", "n0 w1", "n0 b1", "n1"};

static void open_places(void)
{
	char path[64];

	scene_open();
	for (int place = 0; place < PLACES; place++) {
		scene_node(places[place], "value", permissions[place]);
		snprintf(path, sizeof(path), "%s/child", places[place]);
		scene_node(path, "", permissions[place]);
	}
}

/* `after`: what follows the path in the payload, WRITE's value included. */
struct row {
	const char *after;
	const char *errors[PLACES]; /* expected at each place */
	uint32_t type;
};

#define AT_PLACES(closed, open, writable, both, own)                                                                             \
	{                                                                                                                        \
		closed, open, writable, both, own                                                                                \
	}

/* Asks each row's operation of "<place><below>", outside a transaction and inside one. */
static void check_rows(const struct row *rows, size_t n, const char *below)
{
	char payload[256], path[128];

	for (size_t i = 0; i < n; i++) {
		for (int place = 0; place < PLACES; place++) {
			uint32_t id = world_transaction(scene.guest);
			snprintf(path, sizeof(path), "%s%s", places[place], below);
			snprintf(payload, sizeof(payload), "%s%s", path, rows[i].after);
			scene_error(scene.guest, rows[i].errors[place], rows[i].type, id, payload);
			scene_ok(scene.guest, MESSAGE_TRANSACTION_END, id, "F");
			scene_error(scene.guest, rows[i].errors[place], rows[i].type, 0, payload);
		}
	}
}

START_TEST(what_may_be_done_with_a_node_depends_on_the_rights_on_it)
{
	static const struct row rows[] = {
	    {"", AT_PLACES("EACCES", "", "EACCES", "", ""), MESSAGE_READ},
	    {"", AT_PLACES("EACCES", "", "EACCES", "", ""), MESSAGE_DIRECTORY},
	    {"|0", AT_PLACES("EACCES", "", "EACCES", "", ""), MESSAGE_DIRECTORY_PART},
	    {"", AT_PLACES("EACCES", "", "EACCES", "", ""), MESSAGE_GET_PERMS},
	    {"|value", AT_PLACES("EACCES", "EACCES", "", "", ""), MESSAGE_WRITE},
	    {"", AT_PLACES("EACCES", "EACCES", "", "", ""), MESSAGE_MKDIR},
	    {"|n1", AT_PLACES("EACCES", "EACCES", "EACCES", "EACCES", ""), MESSAGE_SET_PERMS},
	    {"", AT_PLACES("EACCES", "EACCES", "", "", ""), MESSAGE_RM},
	};

	check_rows(rows, sizeof(rows) / sizeof(rows[0]), "/child");
}
END_TEST

START_TEST(a_missing_node_is_enoent_only_for_who_has_the_right_on_its_parent)
{
	static const struct row rows[] = {
	    {"", AT_PLACES("EACCES", "ENOENT", "EACCES", "ENOENT", "ENOENT"), MESSAGE_READ},
	    {"", AT_PLACES("EACCES", "ENOENT", "EACCES", "ENOENT", "ENOENT"), MESSAGE_DIRECTORY},
	    {"|0", AT_PLACES("EACCES", "ENOENT", "EACCES", "ENOENT", "ENOENT"), MESSAGE_DIRECTORY_PART},
	    {"", AT_PLACES("EACCES", "ENOENT", "EACCES", "ENOENT", "ENOENT"), MESSAGE_GET_PERMS},
	    {"", AT_PLACES("EACCES", "EACCES", "", "", ""), MESSAGE_RM},
	    {"|n1", AT_PLACES("EACCES", "EACCES", "ENOENT", "ENOENT", "ENOENT"), MESSAGE_SET_PERMS},
	    {"|value", AT_PLACES("EACCES", "EACCES", "", "", ""), MESSAGE_WRITE},
	};

	check_rows(rows, sizeof(rows) / sizeof(rows[0]), "/missing");
}
END_TEST

START_TEST(for_a_node_far_below_what_is_missing_the_nearest_ancestor_decides)
{
	static const struct row rows[] = {
	    {"", AT_PLACES("EACCES", "ENOENT", "EACCES", "ENOENT", "ENOENT"), MESSAGE_READ},
	    {"", AT_PLACES("EACCES", "EACCES", "ENOENT", "ENOENT", "ENOENT"), MESSAGE_RM},
	    {"|n1", AT_PLACES("EACCES", "EACCES", "ENOENT", "ENOENT", "ENOENT"), MESSAGE_SET_PERMS},
	    {"", AT_PLACES("EACCES", "EACCES", "", "", ""), MESSAGE_MKDIR},
	};

	check_rows(rows, sizeof(rows) / sizeof(rows[0]), "/missing/far/below");
}
END_TEST

START_TEST(rights_on_an_ancestor_that_is_not_the_nearest_do_not_count)
{
	scene_node("/both/closed", "", "n0");
	scene_error(scene.guest, "EACCES", MESSAGE_READ, 0, "/both/closed/missing");
	scene_error(scene.guest, "EACCES", MESSAGE_RM, 0, "/both/closed/missing");
	scene_error(scene.guest, "EACCES", MESSAGE_MKDIR, 0, "/both/closed/missing");
	scene_node("/closed/both", "", "n0 b1");
	scene_ok(scene.guest, MESSAGE_MKDIR, 0, "/closed/both/new");
	scene_answer(scene.guest, "new|", MESSAGE_DIRECTORY, 0, "/closed/both");
}
END_TEST

START_TEST(the_owner_of_an_entry_for_others_has_all_rights_whatever_it_says)
{
	scene_node("/open/mine", "", "n1 n1");
	scene_write(scene.guest, 0, "/open/mine", "1");
	scene_answer(scene.guest, "1", MESSAGE_READ, 0, "/open/mine");
}
END_TEST

START_TEST(a_client_may_act_for_its_target)
{
	scene_node("/closed/seven", "", "n7");
	scene_node("/closed/for-seven", "", "n0 b7");
	scene_error(scene.guest, "EACCES", MESSAGE_READ, 0, "/closed/seven");
	domain_set_target(&scene.world.domains, scene.guest->client.domain, 7);
	scene_write(scene.guest, 0, "/closed/seven", "1");
	scene_answer(scene.guest, "1", MESSAGE_READ, 0, "/closed/seven");
	scene_write(scene.guest, 0, "/closed/for-seven/new", "1");
	scene_answer(scene.root, "n1|b7|", MESSAGE_GET_PERMS, 0, "/closed/for-seven/new");
}
END_TEST

/* ---- creation ---- */

START_TEST(a_guest_owns_what_it_creates_and_the_other_entries_are_inherited)
{
	scene_node("/shared", "", "r0 b1 w7");
	scene_write(scene.guest, 0, "/shared/a/b", "value");
	scene_answer(scene.root, "r1|b1|w7|", MESSAGE_GET_PERMS, 0, "/shared/a");
	scene_answer(scene.root, "r1|b1|w7|", MESSAGE_GET_PERMS, 0, "/shared/a/b");
	scene_answer(scene.root, "r0|b1|w7|", MESSAGE_GET_PERMS, 0, "/shared");
	scene_answer(scene.root, "", MESSAGE_READ, 0, "/shared/a");
	ck_assert_uint_eq(scene_owned(WORLD_GUEST), 4);
}
END_TEST

START_TEST(the_same_holds_in_a_transaction)
{
	uint32_t id = world_transaction(scene.guest);

	scene_node("/shared", "", "r0 b1 w7");
	scene_ok(scene.guest, MESSAGE_TRANSACTION_END, id, "F");
	id = world_transaction(scene.guest);
	scene_write(scene.guest, id, "/shared/a/b", "value");
	scene_answer(scene.guest, "r1|b1|w7|", MESSAGE_GET_PERMS, id, "/shared/a/b");
	scene_ok(scene.guest, MESSAGE_TRANSACTION_END, id, "T");
	scene_answer(scene.root, "r1|b1|w7|", MESSAGE_GET_PERMS, 0, "/shared/a");
	scene_answer(scene.root, "r1|b1|w7|", MESSAGE_GET_PERMS, 0, "/shared/a/b");
}
END_TEST

START_TEST(what_the_privileged_create_below_a_guests_node_is_the_guests)
{
	uint64_t owned = scene_owned(WORLD_GUEST);

	scene_write(scene.root, 0, "/local/domain/1/device/vif", "");
	scene_answer(scene.root, "n1|", MESSAGE_GET_PERMS, 0, "/local/domain/1/device/vif");
	ck_assert_uint_eq(scene_owned(WORLD_GUEST), owned + 2);
}
END_TEST

START_TEST(nodes_are_counted_to_whom_they_are_given)
{
	uint64_t guests = scene_owned(WORLD_GUEST), roots = scene_owned(0);

	scene_write(scene.root, 0, "/given", "");
	scene_ok(scene.root, MESSAGE_SET_PERMS, 0, "/given|n1");
	ck_assert_uint_eq(scene_owned(WORLD_GUEST), guests + 1);
	ck_assert_uint_eq(scene_owned(0), roots);
	scene_ok(scene.root, MESSAGE_SET_PERMS, 0, "/given|b0|n1");
	ck_assert_uint_eq(scene_owned(WORLD_GUEST), guests);
	ck_assert_uint_eq(scene_owned(0), roots + 1);
}
END_TEST

START_TEST(what_is_removed_is_counted_no_more)
{
	scene_write(scene.guest, 0, "/both/a/b/c", "");
	scene_node("/both/a/b/roots", "", "n0");
	uint64_t guests = scene_owned(WORLD_GUEST), roots = scene_owned(0);
	scene_ok(scene.guest, MESSAGE_RM, 0, "/both/a");
	ck_assert_uint_eq(scene_owned(WORLD_GUEST), guests - 3);
	ck_assert_uint_eq(scene_owned(0), roots - 1);
}
END_TEST

/* ---- permissions ---- */

START_TEST(an_owner_that_does_not_exist_is_enoent_and_changes_nothing)
{
	scene_error(scene.root, "ENOENT", MESSAGE_SET_PERMS, 0, "/open|n77|r1");
	scene_error(scene.root, "ENOENT", MESSAGE_SET_PERMS, 0, "/open|n32757");
	scene_answer(scene.root, "n0|r1|", MESSAGE_GET_PERMS, 0, "/open");
}
END_TEST

START_TEST(entries_of_domains_that_do_not_exist_are_left_out)
{
	scene_ok(scene.guest, MESSAGE_SET_PERMS, 0, "/local/domain/1|n1|r77|r0|w78|r32757");
	scene_answer(scene.guest, "n1|r0|r32757|", MESSAGE_GET_PERMS, 0, "/local/domain/1");
}
END_TEST

/* ---- domains and control ---- */

START_TEST(a_guest_may_not_ask_what_is_for_the_privileged)
{
	static const uint32_t types[] = {MESSAGE_CONTROL, MESSAGE_INTRODUCE, MESSAGE_RELEASE, MESSAGE_IS_DOMAIN_INTRODUCED,
					 MESSAGE_RESUME,  MESSAGE_SET_TARGET};

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		scene_error(scene.guest, "EACCES", types[i], 0, "1");
		scene_error(scene.guest, "EACCES", types[i], 0, "");
		scene_error(scene.guest, "EACCES", types[i], 4711, "1|2|3");
		ck_assert_str_eq(world_request(scene.guest, types[i], 0, "", 0)->error, "EACCES");
	}
}
END_TEST

START_TEST(any_guest_may_ask_for_the_path_of_any_domain)
{
	scene_answer(scene.guest, "/local/domain/1|", MESSAGE_GET_DOMAIN_PATH, 0, "1");
	scene_answer(scene.guest, "/local/domain/65535|", MESSAGE_GET_DOMAIN_PATH, 0, "65535");
	scene_error(scene.guest, "EINVAL", MESSAGE_GET_DOMAIN_PATH, 0, "65536");
	scene_error(scene.guest, "EINVAL", MESSAGE_GET_DOMAIN_PATH, 0, "1a");
	scene_error(scene.guest, "EINVAL", MESSAGE_GET_DOMAIN_PATH, 0, "");
}
END_TEST

START_TEST(relative_paths_of_a_guest_are_below_its_own_path)
{
	scene_write(scene.guest, 0, "data/x", "1");
	scene_answer(scene.root, "1", MESSAGE_READ, 0, "/local/domain/1/data/x");
	scene_answer(scene.guest, "x|", MESSAGE_DIRECTORY, 0, "data");
	scene_ok(scene.guest, MESSAGE_RM, 0, "data");
	scene_error(scene.root, "ENOENT", MESSAGE_READ, 0, "/local/domain/1/data");
}
END_TEST

START_TEST(directory_part_is_served_to_guests)
{
	const struct world_message *reply;

	scene_write(scene.guest, 0, "a", "");
	reply = world_call(scene.guest, MESSAGE_DIRECTORY_PART, 0, "/local/domain/1|0");
	ck_assert_ptr_nonnull(reply);
	ck_assert_str_eq(reply->error, "");
	size_t count_size = strlen(reply->payload) + 1;
	ck_assert_uint_eq(reply->header.len, count_size + sizeof("child\0a\0"));
	ck_assert_mem_eq(reply->payload + count_size, "child\0a\0", sizeof("child\0a\0"));
}
END_TEST

/* ---- numbers of transactions ---- */

START_TEST(a_number_is_not_given_twice_while_its_transaction_is_open)
{
	struct world_client *client = scene.root;
	uint32_t first = world_transaction(client), second = world_transaction(client);

	ck_assert_uint_ne(first, second);
	client->client.last_transaction_id = first - 1;
	uint32_t third = world_transaction(client);
	ck_assert_uint_ne(third, 0);
	ck_assert_uint_ne(third, first);
	ck_assert_uint_ne(third, second);
}
END_TEST

START_TEST(numbers_go_on_from_the_highest_and_are_never_zero)
{
	uint32_t first = world_transaction(scene.root);

	scene_ok(scene.root, MESSAGE_TRANSACTION_END, first, "F");
	ck_assert_uint_eq(world_transaction(scene.root), first + 1);
	scene.root->client.last_transaction_id = UINT32_MAX - 1;
	ck_assert_uint_eq(world_transaction(scene.root), UINT32_MAX);
	ck_assert_uint_eq(world_transaction(scene.root), 1);
	ck_assert_uint_eq(world_transaction(scene.root), 3);
}
END_TEST

START_TEST(transactions_are_the_clients_own)
{
	uint32_t id = world_transaction(scene.root);

	scene_error(scene.guest, "ENOENT", MESSAGE_READ, id, "/open");
	scene_error(scene.guest, "ENOENT", MESSAGE_TRANSACTION_END, id, "T");
	scene_error(scene.guest, "ENOENT", MESSAGE_TRANSACTION_START, id, "");
	scene_error(scene.root, "EBUSY", MESSAGE_TRANSACTION_START, id, "");
	scene_ok(scene.root, MESSAGE_TRANSACTION_END, id, "T");
}
END_TEST

START_TEST(ending_with_anything_but_t_or_f_ends_nothing)
{
	static const char *const wrong[] = {"", "t", "TF", "T|", "T|F", "0"};
	uint32_t id = world_transaction(scene.guest);

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		scene_error(scene.guest, "EINVAL", MESSAGE_TRANSACTION_END, id, wrong[i]);
	scene_ok(scene.guest, MESSAGE_TRANSACTION_END, id, "T");
	scene_error(scene.guest, "ENOENT", MESSAGE_TRANSACTION_END, 0, "T");
}
END_TEST

/* ---- arguments ---- */

START_TEST(wrong_arguments_are_einval_before_rights_are_looked_at)
{
	static const struct {
		uint32_t type;
		const char *payload;
	} wrong[] = {
	    {MESSAGE_READ, ""},
	    {MESSAGE_READ, "/closed|more"},
	    {MESSAGE_READ, "/closed/"},
	    {MESSAGE_READ, "@releaseDomain"},
	    {MESSAGE_WRITE, "/closed//x|value"},
	    {MESSAGE_WRITE, "@releaseDomain|value"},
	    {MESSAGE_MKDIR, "/closed/*"},
	    {MESSAGE_RM, "/closed|"},
	    {MESSAGE_DIRECTORY, "@releaseDomain"},
	    {MESSAGE_DIRECTORY_PART, "/closed"},
	    {MESSAGE_DIRECTORY_PART, "/closed|-1"},
	    {MESSAGE_DIRECTORY_PART, "/closed|4294967296"},
	    {MESSAGE_DIRECTORY_PART, "/closed|1|2"},
	    {MESSAGE_GET_PERMS, "/closed|n0"},
	    {MESSAGE_SET_PERMS, "/closed"},
	    {MESSAGE_SET_PERMS, "/closed|"},
	    {MESSAGE_SET_PERMS, "/closed|x0"},
	    {MESSAGE_SET_PERMS, "/closed|n"},
	    {MESSAGE_SET_PERMS, "/closed|n65536"},
	    {MESSAGE_WATCH, "/closed"},
	    {MESSAGE_WATCH, "/closed|token|x"},
	    {MESSAGE_WATCH, "/closed|token|2147483648"},
	    {MESSAGE_WATCH, "/closed|token|1|2"},
	    {MESSAGE_UNWATCH, "/closed"},
	    {MESSAGE_UNWATCH, "/closed|token|1"},
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		scene_error(scene.guest, "EINVAL", wrong[i].type, 0, wrong[i].payload);
	ck_assert_uint_eq(scene.guest->client.watches->count, 0);
}
END_TEST

START_TEST(an_argument_without_its_nul_is_einval)
{
	static const uint32_t types[] = {MESSAGE_READ,	    MESSAGE_WRITE,     MESSAGE_MKDIR,	       MESSAGE_RM,
					 MESSAGE_GET_PERMS, MESSAGE_SET_PERMS, MESSAGE_DIRECTORY,      MESSAGE_DIRECTORY_PART,
					 MESSAGE_WATCH,	    MESSAGE_UNWATCH,   MESSAGE_GET_DOMAIN_PATH};

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		ck_assert_str_eq(world_request(scene.guest, types[i], 0, "/open", 5)->error, "EINVAL");
		ck_assert_str_eq(world_request(scene.guest, types[i], 0, "", 0)->error, "EINVAL");
	}
	ck_assert_str_eq(world_request(scene.root, MESSAGE_SET_PERMS, 0, "/open\0n0", 8)->error, "EINVAL");
	ck_assert_str_eq(world_request(scene.guest, MESSAGE_WATCH, 0, "/open\0token", 11)->error, "EINVAL");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("operations");
	TCase *tcase = tcase_create("all");

	tcase_add_checked_fixture(tcase, open_places, scene_close);
	tcase_add_test(tcase, what_may_be_done_with_a_node_depends_on_the_rights_on_it);
	tcase_add_test(tcase, a_missing_node_is_enoent_only_for_who_has_the_right_on_its_parent);
	tcase_add_test(tcase, for_a_node_far_below_what_is_missing_the_nearest_ancestor_decides);
	tcase_add_test(tcase, rights_on_an_ancestor_that_is_not_the_nearest_do_not_count);
	tcase_add_test(tcase, the_owner_of_an_entry_for_others_has_all_rights_whatever_it_says);
	tcase_add_test(tcase, a_client_may_act_for_its_target);
	tcase_add_test(tcase, a_guest_owns_what_it_creates_and_the_other_entries_are_inherited);
	tcase_add_test(tcase, the_same_holds_in_a_transaction);
	tcase_add_test(tcase, what_the_privileged_create_below_a_guests_node_is_the_guests);
	tcase_add_test(tcase, nodes_are_counted_to_whom_they_are_given);
	tcase_add_test(tcase, what_is_removed_is_counted_no_more);
	tcase_add_test(tcase, an_owner_that_does_not_exist_is_enoent_and_changes_nothing);
	tcase_add_test(tcase, entries_of_domains_that_do_not_exist_are_left_out);
	tcase_add_test(tcase, a_guest_may_not_ask_what_is_for_the_privileged);
	tcase_add_test(tcase, any_guest_may_ask_for_the_path_of_any_domain);
	tcase_add_test(tcase, relative_paths_of_a_guest_are_below_its_own_path);
	tcase_add_test(tcase, directory_part_is_served_to_guests);
	tcase_add_test(tcase, a_number_is_not_given_twice_while_its_transaction_is_open);
	tcase_add_test(tcase, numbers_go_on_from_the_highest_and_are_never_zero);
	tcase_add_test(tcase, transactions_are_the_clients_own);
	tcase_add_test(tcase, ending_with_anything_but_t_or_f_ends_nothing);
	tcase_add_test(tcase, wrong_arguments_are_einval_before_rights_are_looked_at);
	tcase_add_test(tcase, an_argument_without_its_nul_is_einval);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
