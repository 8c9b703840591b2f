/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What Xen's security advisories against the stock daemons ask of any daemon, as far as it can be seen without a ring. Those
 * about events (XSA-115, XSA-324) are in test_events.c.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lxenstored/ledger_format.h"
#include "support/scene.h"
#include "support/suite.h"

#define HOME "/local/domain/1"

static void open_home(void)
{
	scene_open();
	scene_node(HOME, "", "n1");
}

static void make_nodes(struct world_client *client, uint32_t transaction, const char *directory, int n)
{
	char path[64];

	for (int i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%s/%d", directory, i);
		scene_ok(client, MESSAGE_MKDIR, transaction, path);
	}
}

START_TEST(xsa_72_a_reply_that_exceeds_a_message_is_e2big_with_the_requests_numbers)
{
	const struct world_message *reply;
	uint32_t id = world_transaction(scene.guest);
	char name[64];

	for (int i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "many/a-name-of-more-than-forty-one-bytes-%010d", i);
		scene_ok(scene.guest, MESSAGE_MKDIR, 0, name);
	}
	scene_ok(scene.guest, MESSAGE_TRANSACTION_END, id, "F");
	id = world_transaction(scene.guest);
	reply = world_call(scene.guest, MESSAGE_DIRECTORY, id, "many");
	ck_assert_ptr_nonnull(reply);
	ck_assert_str_eq(reply->error, "E2BIG");
	ck_assert_uint_eq(reply->header.request_id, scene.guest->last_request_id);
	ck_assert_uint_eq(reply->header.transaction_id, id);
	scene_ok(scene.guest, MESSAGE_DIRECTORY_PART, id, "many|0");
}
END_TEST

START_TEST(xsa_115_a_guest_is_not_told_which_domains_there_are)
{
	scene_error(scene.guest, "EACCES", MESSAGE_IS_DOMAIN_INTRODUCED, 0, "1");
	scene_error(scene.guest, "EACCES", MESSAGE_IS_DOMAIN_INTRODUCED, 0, "7");
}
END_TEST

START_TEST(xsa_115_watch_and_unwatch_do_not_look_at_the_transaction)
{
	scene_ok(scene.guest, MESSAGE_WATCH, 4711, "/|token");
	scene_ok(scene.guest, MESSAGE_UNWATCH, 4711, "/|token");
}
END_TEST

START_TEST(xsa_115_xsa_414_a_creation_that_fails_halfway_leaves_nothing)
{
	uint64_t owned = scene_owned(WORLD_GUEST);

	scene_quota("nodes", (unsigned)owned + 3);
	scene_watch(scene.root, "/|all");
	for (int i = 0; i < 20; i++)
		scene_write_error(scene.guest, "ENOSPC", 0, "a/b/c/d", "value");
	scene_error(scene.guest, "ENOENT", MESSAGE_READ, 0, "a");
	scene_answer(scene.guest, "", MESSAGE_DIRECTORY, 0, HOME);
	scene_no_event(scene.root);
	ck_assert_uint_eq(scene_owned(WORLD_GUEST), owned);
	scene_write(scene.guest, 0, "a/b/c", "value");
}
END_TEST

START_TEST(xsa_115_an_owner_may_remove_its_child_of_an_over_size_parent)
{
	char value[3001];

	memset(value, 'v', sizeof(value) - 1);
	value[sizeof(value) - 1] = 0;
	scene_node("/large", value, "n0");
	scene_node("/large/child", "", "n1");
	scene_ok(scene.guest, MESSAGE_RM, 0, "/large/child");
	scene_error(scene.guest, "EACCES", MESSAGE_READ, 0, "/large/child");
	scene_answer(scene.root, "", MESSAGE_DIRECTORY, 0, "/large");
}
END_TEST

START_TEST(xsa_272_implied_parents_count_exactly)
{
	uint64_t owned = scene_owned(WORLD_GUEST);

	scene_write(scene.guest, 0, "a/b/c/d", "value");
	ck_assert_uint_eq(scene_owned(WORLD_GUEST), owned + 4);
	scene_write(scene.guest, 0, "a/b/x/y", "value");
	ck_assert_uint_eq(scene_owned(WORLD_GUEST), owned + 6);
	scene_ok(scene.guest, MESSAGE_RM, 0, "a");
	ck_assert_uint_eq(scene_owned(WORLD_GUEST), owned);
	scene_quota("nodes", (unsigned)owned + 1);
	scene_write(scene.guest, 0, "a", "value");
	scene_write_error(scene.guest, "ENOSPC", 0, "b", "value");
	ck_assert_uint_eq(scene_owned(WORLD_GUEST), owned + 1);
}
END_TEST

START_TEST(xsa_323_a_node_of_a_relative_path_can_be_reached_by_its_absolute_one)
{
	char relative[2049], absolute[sizeof(HOME) + sizeof(relative)];

	memset(relative, 'r', 2048);
	relative[2048] = 0;
	for (size_t i = 255; i < 2048; i += 256)
		relative[i - 1] = '/';
	snprintf(absolute, sizeof(absolute), "%s/%s", HOME, relative);
	scene_write(scene.guest, 0, relative, "value");
	scene_answer(scene.root, "value", MESSAGE_READ, 0, absolute);
	scene_answer(scene.root, "n1|", MESSAGE_GET_PERMS, 0, absolute);
	scene_ok(scene.root, MESSAGE_RM, 0, absolute);
	scene_error(scene.guest, "ENOENT", MESSAGE_READ, 0, relative);
}
END_TEST

START_TEST(xsa_326_of_implied_parents_and_of_removed_children_watches_are_not_told)
{
	scene_watch(scene.root, HOME "|home");
	scene_write(scene.guest, 0, "a/b/c", "1");
	scene_event(scene.root, HOME "/a/b/c|home");
	scene_ok(scene.guest, MESSAGE_RM, 0, "a");
	scene_event(scene.root, HOME "/a|home");
	scene_no_event(scene.root);
}
END_TEST

START_TEST(xsa_330_reset_watches_gives_the_whole_quota_back)
{
	char payload[64];

	for (int round = 0; round < 20; round++) {
		for (int i = 0; i < 128; i++) {
			snprintf(payload, sizeof(payload), "node/%d|token", i);
			scene_ok(scene.guest, MESSAGE_WATCH, 0, payload);
		}
		scene_error(scene.guest, "ENOSPC", MESSAGE_WATCH, 0, "more|token");
		scene_ok(scene.guest, MESSAGE_RESET_WATCHES, 0, "");
		ck_assert_uint_eq(watch_count(scene.world.turn.watches), 0);
	}
	world_forget(scene.guest);
	scene_write(scene.guest, 0, "node/1", "value");
	scene_no_event(scene.guest);
}
END_TEST

START_TEST(xsa_352_a_guest_cannot_give_its_node_away)
{
	uint32_t id;
	uint64_t owned;

	scene_write(scene.guest, 0, "mine", "value");
	owned = scene_owned(WORLD_GUEST);
	scene_error(scene.guest, "EPERM", MESSAGE_SET_PERMS, 0, "mine|n0");
	scene_error(scene.guest, "EPERM", MESSAGE_SET_PERMS, 0, "mine|b0|n1");
	id = world_transaction(scene.guest);
	scene_error(scene.guest, "EPERM", MESSAGE_SET_PERMS, id, "mine|n0");
	scene_write(scene.guest, id, "new", "value");
	scene_error(scene.guest, "EPERM", MESSAGE_SET_PERMS, id, "new|n0");
	scene_ok(scene.guest, MESSAGE_TRANSACTION_END, id, "T");
	scene_answer(scene.root, "n1|", MESSAGE_GET_PERMS, 0, HOME "/mine");
	scene_answer(scene.root, "n1|", MESSAGE_GET_PERMS, 0, HOME "/new");
	ck_assert_uint_eq(scene_owned(WORLD_GUEST), owned + 1);
}
END_TEST

START_TEST(xsa_352_nor_may_it_take_one)
{
	scene_node("/both", "", "n0 b1");
	scene_error(scene.guest, "EACCES", MESSAGE_SET_PERMS, 0, "/both|n1");
	scene_error(scene.guest, "EACCES", MESSAGE_SET_PERMS, 0, "/both|n0|b1");
	scene_answer(scene.root, "n0|b1|", MESSAGE_GET_PERMS, 0, "/both");
}
END_TEST

START_TEST(xsa_353_the_root_is_protected_as_any_node)
{
	uint32_t id = world_transaction(scene.guest);

	for (int i = 0; i < 2; i++) {
		uint32_t transaction = i ? id : 0;
		scene_error(scene.guest, "EACCES", MESSAGE_SET_PERMS, transaction, "/|n1");
		scene_error(scene.guest, "EACCES", MESSAGE_RM, transaction, "/");
		scene_error(scene.guest, "EACCES", MESSAGE_READ, transaction, "/");
		scene_error(scene.guest, "EACCES", MESSAGE_DIRECTORY, transaction, "/");
		scene_error(scene.guest, "EACCES", MESSAGE_DIRECTORY_PART, transaction, "/|0");
		scene_error(scene.guest, "EACCES", MESSAGE_GET_PERMS, transaction, "/");
		scene_error(scene.guest, "EACCES", MESSAGE_MKDIR, transaction, "/x");
		scene_write_error(scene.guest, "EACCES", transaction, "/", "value");
		scene_write_error(scene.guest, "EACCES", transaction, "/x/y", "value");
	}
	scene_answer(scene.root, "n0|", MESSAGE_GET_PERMS, 0, "/");
	scene_answer(scene.root, "tool|local|", MESSAGE_DIRECTORY, 0, "/");
}
END_TEST

START_TEST(xsa_353_the_root_cannot_be_removed_even_with_the_right_to_write)
{
	scene_node("/", "", "b0");
	scene_error(scene.guest, "EINVAL", MESSAGE_RM, 0, "/");
	scene_node("/", "", "n0");
	scene_error(scene.root, "EINVAL", MESSAGE_RM, 0, "/");
}
END_TEST

START_TEST(xsa_415_a_creation_that_fails_in_a_transaction_leaves_nothing_and_the_rest_commits)
{
	uint32_t id = world_transaction(scene.guest);

	scene_quota("nodes", 4);
	scene_write(scene.guest, id, "first", "1");
	scene_write_error(scene.guest, "ENOSPC", id, "a/b/c", "value");
	scene_error(scene.guest, "ENOENT", MESSAGE_READ, id, "a");
	scene_answer(scene.guest, "first|", MESSAGE_DIRECTORY, id, HOME);
	scene_write(scene.guest, id, "last", "1");
	scene_ok(scene.guest, MESSAGE_TRANSACTION_END, id, "T");
	scene_answer(scene.guest, "first|last|", MESSAGE_DIRECTORY, 0, HOME);
	ck_assert_uint_eq(scene_owned(WORLD_GUEST), 3);
	scene_ok(scene.root, MESSAGE_CONTROL, 0, "check");
}
END_TEST

START_TEST(xsa_416_what_requests_need_for_a_while_is_given_back_though_the_guest_reads_no_reply)
{
	struct ledger_figures figures;
	size_t bytes = 0;

	/* The lists are put together for each reply; the replies take no more room than they have bytes. */
	make_nodes(scene.guest, 0, HOME, 500);
	for (int i = 0; i < 200; i++) {
		world_send(scene.guest, MESSAGE_DIRECTORY, 0, HOME, sizeof(HOME));
		ck_assert(turn_run_next(&scene.world.turn, &scene.guest->client));
		bytes += 1890; /* of the list */
	}
	turn_commit(&scene.world.turn);
	ledger_figures(scene.world.turn.ledger, &figures);
	ck_assert_uint_le(figures.blocks_used, 2 * bytes / LEDGER_BLOCK_SIZE);
}
END_TEST

START_TEST(xsa_417_an_entry_for_a_domain_that_does_not_exist_gives_nobody_a_right)
{
	struct world_client *stranger = world_client(&scene.world, 7, false);

	ck_assert_ptr_nonnull(stranger);
	scene_ok(scene.root, MESSAGE_SET_PERMS, 0, HOME "|n1|b7");
	scene_error(scene.root, "ENOENT", MESSAGE_SET_PERMS, 0, HOME "|n7");
	scene_error(stranger, "EACCES", MESSAGE_READ, 0, HOME);
	scene_answer(scene.root, "n1|", MESSAGE_GET_PERMS, 0, HOME);
}
END_TEST

START_TEST(xsa_421_a_node_made_and_removed_in_a_transaction_does_not_stop_its_end)
{
	uint64_t owned = scene_owned(WORLD_GUEST);
	uint32_t id = world_transaction(scene.guest);

	scene_write(scene.guest, id, "x/deep", "1");
	scene_ok(scene.guest, MESSAGE_RM, id, "x");
	scene_write(scene.guest, id, "y", "1");
	scene_ok(scene.guest, MESSAGE_TRANSACTION_END, id, "T");
	scene_answer(scene.guest, "y|", MESSAGE_DIRECTORY, 0, HOME);
	ck_assert_uint_eq(scene_owned(WORLD_GUEST), owned + 1);
}
END_TEST

START_TEST(xsa_440_two_transactions_that_both_remove_everything_do_not_count_below_zero)
{
	uint32_t first, second;
	char path[16];

	make_nodes(scene.guest, 0, HOME, 50);
	first = world_transaction(scene.guest);
	second = world_transaction(scene.guest);
	for (int i = 0; i < 50; i++) {
		snprintf(path, sizeof(path), "%d", i);
		scene_ok(scene.guest, MESSAGE_RM, first, path);
		scene_ok(scene.guest, MESSAGE_RM, second, path);
	}
	scene_ok(scene.guest, MESSAGE_TRANSACTION_END, first, "T");
	scene_error(scene.guest, "EAGAIN", MESSAGE_TRANSACTION_END, second, "T");
	ck_assert_uint_eq(scene_owned(WORLD_GUEST), 1);
	make_nodes(scene.guest, 0, HOME, 50);
	ck_assert_uint_eq(scene_owned(WORLD_GUEST), 51);
}
END_TEST

START_TEST(xsa_481_a_path_that_ends_in_a_slash_is_einval_for_every_command)
{
	static const uint32_t types[] = {MESSAGE_READ,	    MESSAGE_WRITE,	    MESSAGE_MKDIR,     MESSAGE_RM,
					 MESSAGE_DIRECTORY, MESSAGE_DIRECTORY_PART, MESSAGE_GET_PERMS, MESSAGE_SET_PERMS,
					 MESSAGE_WATCH,	    MESSAGE_UNWATCH};
	static const char *const paths[] = {"/local/domain/|0", "/local/domain/1/|n1", "/local/|0", "1/|0", "//|0"};

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		for (size_t k = 0; k < sizeof(paths) / sizeof(paths[0]); k++) {
			scene_error(scene.guest, "EINVAL", types[i], 0, paths[k]);
			scene_error(scene.root, "EINVAL", types[i], 0, paths[k]);
		}
	}
	scene_ok(scene.guest, MESSAGE_READ, 0, HOME);
}
END_TEST

START_TEST(xsa_484_reset_watches_inside_a_transaction_ends_all_transactions)
{
	uint32_t id = world_transaction(scene.guest), other = world_transaction(scene.guest);

	scene_write(scene.guest, id, "never", "value");
	scene_ok(scene.guest, MESSAGE_RESET_WATCHES, id, "");
	scene_error(scene.guest, "ENOENT", MESSAGE_READ, id, HOME);
	scene_error(scene.guest, "ENOENT", MESSAGE_TRANSACTION_END, id, "T");
	scene_error(scene.guest, "ENOENT", MESSAGE_TRANSACTION_END, other, "F");
	ck_assert_uint_eq(scene.guest->client.n_transactions, 0);
	scene_error(scene.guest, "ENOENT", MESSAGE_READ, 0, "never");
	ck_assert_uint_ne(world_transaction(scene.guest), 0);
}
END_TEST

START_TEST(xsa_484_a_message_that_cannot_be_followed_ends_the_client_in_the_middle_of_a_transaction)
{
	const struct message_header header = {MESSAGE_WRITE, 1, world_transaction(scene.guest), MESSAGE_PAYLOAD_MAX + 1};

	scene_write(scene.guest, header.transaction_id, "never", "value");
	world_send_bytes(scene.guest, &header, sizeof(header));
	world_run(&scene.world);
	ck_assert(scene.guest->client.broken);
	world_commit(&scene.world);
	world_client_close(scene.guest);
	ck_assert_ptr_null(scene.world.turn.store->transactions);
	scene_error(scene.root, "ENOENT", MESSAGE_READ, 0, HOME "/never");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("advisories");
	TCase *tcase = tcase_create("all");

	tcase_add_checked_fixture(tcase, open_home, scene_close);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, xsa_72_a_reply_that_exceeds_a_message_is_e2big_with_the_requests_numbers);
	tcase_add_test(tcase, xsa_115_a_guest_is_not_told_which_domains_there_are);
	tcase_add_test(tcase, xsa_115_watch_and_unwatch_do_not_look_at_the_transaction);
	tcase_add_test(tcase, xsa_115_xsa_414_a_creation_that_fails_halfway_leaves_nothing);
	tcase_add_test(tcase, xsa_115_an_owner_may_remove_its_child_of_an_over_size_parent);
	tcase_add_test(tcase, xsa_272_implied_parents_count_exactly);
	tcase_add_test(tcase, xsa_323_a_node_of_a_relative_path_can_be_reached_by_its_absolute_one);
	tcase_add_test(tcase, xsa_326_of_implied_parents_and_of_removed_children_watches_are_not_told);
	tcase_add_test(tcase, xsa_330_reset_watches_gives_the_whole_quota_back);
	tcase_add_test(tcase, xsa_352_a_guest_cannot_give_its_node_away);
	tcase_add_test(tcase, xsa_352_nor_may_it_take_one);
	tcase_add_test(tcase, xsa_353_the_root_is_protected_as_any_node);
	tcase_add_test(tcase, xsa_353_the_root_cannot_be_removed_even_with_the_right_to_write);
	tcase_add_test(tcase, xsa_415_a_creation_that_fails_in_a_transaction_leaves_nothing_and_the_rest_commits);
	tcase_add_test(tcase, xsa_416_what_requests_need_for_a_while_is_given_back_though_the_guest_reads_no_reply);
	tcase_add_test(tcase, xsa_417_an_entry_for_a_domain_that_does_not_exist_gives_nobody_a_right);
	tcase_add_test(tcase, xsa_421_a_node_made_and_removed_in_a_transaction_does_not_stop_its_end);
	tcase_add_test(tcase, xsa_440_two_transactions_that_both_remove_everything_do_not_count_below_zero);
	tcase_add_test(tcase, xsa_481_a_path_that_ends_in_a_slash_is_einval_for_every_command);
	tcase_add_test(tcase, xsa_484_reset_watches_inside_a_transaction_ends_all_transactions);
	tcase_add_test(tcase, xsa_484_a_message_that_cannot_be_followed_ends_the_client_in_the_middle_of_a_transaction);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
