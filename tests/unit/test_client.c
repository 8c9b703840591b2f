/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a client owns, and that it gives all of it back. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <utlist.h>

#include "lxenstored/ledger_format.h"
#include "request/client_transactions.h"
#include "support/scene.h"
#include "support/suite.h"

static struct ledger_figures figures(void)
{
	struct ledger_figures result;

	ledger_figures(scene.world.turn.ledger, &result);
	return result;
}

static struct transaction *first_transaction(const struct world_client *client)
{
	return client->client.transactions;
}

START_TEST(a_new_client_has_nothing)
{
	const struct client *client = &scene.guest->client;

	ck_assert_uint_eq(client->watches->count, 0);
	ck_assert_uint_eq(client->n_transactions, 0);
	ck_assert_ptr_null(client->transactions);
	ck_assert(!client->broken);
	ck_assert(!client->has_output);
	ck_assert_uint_eq(figures().blocks_used, 0);
}
END_TEST

START_TEST(clients_are_told_apart_by_their_ids)
{
	ck_assert_uint_ne(scene.root->client.id, scene.guest->client.id);
	ck_assert_uint_eq(scene.root->client.watches->order, scene.root->client.id);
	ck_assert_uint_eq(scene.root->client.ledger.slot->connection_id, scene.root->client.id);
}
END_TEST

START_TEST(a_transaction_is_found_by_its_number_only_by_the_client_that_has_it)
{
	uint32_t id = world_transaction(scene.guest);
	struct transaction *found;

	ck_assert_int_eq(client_transaction(&scene.guest->client, id, &found), 0);
	ck_assert_ptr_eq(found, first_transaction(scene.guest));
	ck_assert_int_eq(client_transaction(&scene.guest->client, id + 1, &found), STATUS_ENOENT);
	ck_assert_int_eq(client_transaction(&scene.guest->client, 0, &found), STATUS_ENOENT);
	ck_assert_int_eq(client_transaction(&scene.root->client, id, &found), STATUS_ENOENT);
}
END_TEST

START_TEST(a_transaction_that_is_ended_by_what_is_not_yet_committed_is_not_found)
{
	uint32_t id = world_transaction(scene.root);
	struct transaction *found;

	world_send(scene.root, MESSAGE_WRITE, 0, "/a\0v", 4);
	world_send(scene.root, MESSAGE_TRANSACTION_END, id, "F", 2);
	world_run(&scene.world);
	ck_assert_ptr_nonnull(first_transaction(scene.root));
	ck_assert_int_eq(client_transaction(&scene.root->client, id, &found), STATUS_ENOENT);
	world_commit(&scene.world);
	ck_assert_ptr_null(first_transaction(scene.root));
}
END_TEST

START_TEST(one_transaction_is_freed_and_the_others_stay)
{
	uint32_t ids[] = {world_transaction(scene.root), world_transaction(scene.root), world_transaction(scene.root)};
	struct transaction *found;

	ck_assert_int_eq(client_transaction(&scene.root->client, ids[1], &found), 0);
	client_free_transaction(found);
	ck_assert_uint_eq(scene.root->client.n_transactions, 2);
	ck_assert_int_eq(client_transaction(&scene.root->client, ids[1], &found), STATUS_ENOENT);
	ck_assert_int_eq(client_transaction(&scene.root->client, ids[0], &found), 0);
	ck_assert_int_eq(client_transaction(&scene.root->client, ids[2], &found), 0);
}
END_TEST

START_TEST(a_reset_ends_all_transactions_of_this_client_and_their_snapshot)
{
	uint32_t id = world_transaction(scene.guest);
	struct transaction *found;

	world_transaction(scene.root);
	scene_write(scene.root, 0, "/a", "v");
	world_transaction(scene.root);
	ck_assert_uint_eq(scene.world.turn.store->n_snapshots, 2);
	client_reset(&scene.root->client, &scene.world.turn);
	ck_assert_uint_eq(scene.root->client.n_transactions, 0);
	ck_assert_uint_eq(scene.world.turn.store->n_snapshots, 1);
	ck_assert_int_eq(client_transaction(&scene.guest->client, id, &found), 0);
}
END_TEST

START_TEST(a_reset_takes_the_watches_and_new_ones_can_be_set)
{
	scene_watch(scene.root, "/|old");
	client_reset(&scene.root->client, &scene.world.turn);
	ck_assert_uint_eq(scene.root->client.watches->count, 0);
	scene_write(scene.root, 0, "/a", "v");
	scene_no_event(scene.root);
	scene_watch(scene.root, "/|new");
	scene_write(scene.root, 0, "/a", "v");
	scene_event(scene.root, "/a|new");
	scene_no_event(scene.root);
}
END_TEST

START_TEST(a_client_that_goes_leaves_nothing_behind)
{
	struct world_client *client = world_client(&scene.world, DOMID_PRIVILEGED, true);
	size_t connections = figures().connections;

	ck_assert_ptr_nonnull(client);
	ck_assert_ptr_nonnull(world_call(client, MESSAGE_WATCH, 0, "/|token"));
	ck_assert_uint_ne(world_transaction(client), 0);
	ck_assert_str_eq(world_write(client, world_transaction(client), "/a", "v"), "");
	/* Output that it has not taken, and the beginning of a message. */
	world_send(client, MESSAGE_READ, 0, "/tool", 6);
	world_run(&scene.world);
	turn_commit(&scene.world.turn);
	world_send_bytes(client, "begin", 5);
	ck_assert(client->client.has_output);
	ck_assert_uint_gt(figures().blocks_used, 0);

	world_client_close(client);
	ck_assert_uint_eq(watch_count(scene.world.turn.watches), 0);
	ck_assert_ptr_null(scene.world.turn.store->transactions);
	ck_assert_uint_eq(scene.world.turn.store->n_snapshots, 0);
	ck_assert_uint_eq(figures().blocks_used, 0);
	ck_assert_uint_eq(figures().connections, connections - 1);
	ck_assert_ptr_null(scene.world.turn.with_output);
	scene_error(scene.root, "ENOENT", MESSAGE_READ, 0, "/a");
}
END_TEST

START_TEST(only_so_many_clients_have_room_in_the_ledger)
{
	struct domain *guest = scene.guest->client.domain;
	struct client *clients = calloc(LEDGER_SLOTS, sizeof(*clients));
	size_t n = 0;
	int result = 0;

	ck_assert_ptr_nonnull(clients);
	while (n < LEDGER_SLOTS && !result) {
		result = client_init(&clients[n], &scene.world.turn, 1000 + n, guest);
		n += !result;
	}
	ck_assert_int_eq(result, -ENOSPC);
	ck_assert_uint_eq(n, LEDGER_SLOTS - 2);
	client_deinit(&clients[0], &scene.world.turn);
	ck_assert_int_eq(client_init(&clients[0], &scene.world.turn, 1, guest), 0);
	while (n)
		client_deinit(&clients[--n], &scene.world.turn);
	free(clients);
	ck_assert_uint_eq(figures().connections, 2);
}
END_TEST

/* ---- what it is owed ---- */

static void ask(struct world_client *client, int n)
{
	for (int i = 0; i < n; i++)
		ck_assert(world_send(client, MESSAGE_READ, 0, "/tool", 6));
	world_run(&scene.world);
	turn_commit(&scene.world.turn);
}

START_TEST(a_guest_with_as_many_untaken_replies_as_the_quota_must_take_some)
{
	const struct budget *unanswered = &scene.guest->client.domain->budgets[QUOTA_OUTSTANDING];

	ask(scene.guest, 19);
	ck_assert(!client_must_take(&scene.guest->client));
	ask(scene.guest, 1);
	ck_assert_uint_eq(unanswered->used, 20);
	ck_assert(client_must_take(&scene.guest->client));
	world_take(&scene.world);
	ck_assert_uint_eq(unanswered->used, 0);
	ck_assert_uint_eq(unanswered->most, 20);
	ck_assert(!client_must_take(&scene.guest->client));
}
END_TEST

START_TEST(untaken_replies_of_all_connections_of_a_domain_count)
{
	struct world_client *other = world_client(&scene.world, WORLD_GUEST, false);

	ask(scene.guest, 15);
	ask(other, 5);
	ck_assert(client_must_take(&scene.guest->client));
	ck_assert(client_must_take(&other->client));
	world_client_close(other);
	ck_assert(!client_must_take(&scene.guest->client));
}
END_TEST

START_TEST(a_client_without_output_may_go_on_whatever_others_of_its_domain_are_owed)
{
	struct world_client *other = world_client(&scene.world, WORLD_GUEST, false);

	ask(scene.guest, 25);
	ck_assert(client_must_take(&scene.guest->client));
	ck_assert(!client_must_take(&other->client));
}
END_TEST

START_TEST(the_privileged_may_have_any_number_of_untaken_replies)
{
	ask(scene.root, 100);
	ck_assert(!client_must_take(&scene.root->client));
}
END_TEST

START_TEST(events_are_not_replies)
{
	scene_node("/tool", "", "n0 r1");
	scene_watch(scene.guest, "/tool|w");
	scene_quota("outstanding", 1);
	for (int i = 0; i < 30; i++) {
		char path[16];
		int len = snprintf(path, sizeof(path), "/tool/%d", i) + 1;
		ck_assert(world_send(scene.root, MESSAGE_MKDIR, 0, path, (size_t)len));
	}
	world_run(&scene.world);
	turn_commit(&scene.world.turn);
	ck_assert_uint_gt(scene.guest->client.ledger.queued, 0);
	ck_assert(!client_must_take(&scene.guest->client));
}
END_TEST

START_TEST(a_guest_past_its_memory_must_take_its_output)
{
	scene_quota("memory", 10000);
	ask(scene.guest, 1);
	ck_assert(!client_must_take(&scene.guest->client));
	scene_write(scene.root, 0, "/big", "");
	for (int i = 0; i < 10; i++)
		ck_assert(world_send(scene.guest, MESSAGE_READ, 0, "/missing/and/a/long/path/so/that/there/is/much", 47));
	scene_quota("memory", 8000);
	ask(scene.guest, 1);
	ck_assert(client_must_take(&scene.guest->client));
	world_take(&scene.world);
	ck_assert(!client_must_take(&scene.guest->client));
	ck_assert_uint_eq(scene.guest->client.domain->budgets[QUOTA_MEMORY].used, 0);
}
END_TEST

START_TEST(events_of_a_turn_that_failed_do_not_count)
{
	const struct budget *memory = &scene.guest->client.domain->budgets[QUOTA_MEMORY];

	scene.world.log.foreground = false;
	scene_node("/tool", "", "n0 r1");
	scene_watch(scene.guest, "/tool|w");
	uint64_t before = memory->used;
	world_send(scene.root, MESSAGE_WRITE, 0, "/tool/a\0v", 9);
	world_run(&scene.world);
	ck_assert_uint_gt(memory->used, before);
	scene.root->client.broken = true; /* so that it is not run again */
	store_failed(scene.world.turn.store, EIO);
	scene.world.turn.n_runs = 0;
	turn_commit(&scene.world.turn);
	ck_assert_uint_eq(memory->used, before);
	scene.root->client.broken = false;
}
END_TEST

START_TEST(replies_of_a_turn_that_failed_do_not_count)
{
	scene.world.log.foreground = false;
	ask(scene.guest, 3);
	world_send(scene.root, MESSAGE_WRITE, 0, "/a\0v", 4);
	for (int i = 0; i < 4; i++)
		ck_assert(world_send(scene.guest, MESSAGE_READ, 0, "/tool", 6));
	world_run(&scene.world);
	store_failed(scene.world.turn.store, EIO);
	turn_commit(&scene.world.turn);
	ck_assert_uint_eq(scene.guest->client.domain->budgets[QUOTA_OUTSTANDING].used, 7);
	world_take(&scene.world);
	ck_assert_uint_eq(scene.guest->client.domain->budgets[QUOTA_OUTSTANDING].used, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("client");
	TCase *tcase = tcase_create("all");

	tcase_add_checked_fixture(tcase, scene_open, scene_close);
	tcase_add_test(tcase, a_new_client_has_nothing);
	tcase_add_test(tcase, clients_are_told_apart_by_their_ids);
	tcase_add_test(tcase, a_transaction_is_found_by_its_number_only_by_the_client_that_has_it);
	tcase_add_test(tcase, a_transaction_that_is_ended_by_what_is_not_yet_committed_is_not_found);
	tcase_add_test(tcase, one_transaction_is_freed_and_the_others_stay);
	tcase_add_test(tcase, a_reset_ends_all_transactions_of_this_client_and_their_snapshot);
	tcase_add_test(tcase, a_reset_takes_the_watches_and_new_ones_can_be_set);
	tcase_add_test(tcase, a_client_that_goes_leaves_nothing_behind);
	tcase_add_test(tcase, only_so_many_clients_have_room_in_the_ledger);
	tcase_add_test(tcase, a_guest_with_as_many_untaken_replies_as_the_quota_must_take_some);
	tcase_add_test(tcase, untaken_replies_of_all_connections_of_a_domain_count);
	tcase_add_test(tcase, a_client_without_output_may_go_on_whatever_others_of_its_domain_are_owed);
	tcase_add_test(tcase, the_privileged_may_have_any_number_of_untaken_replies);
	tcase_add_test(tcase, events_are_not_replies);
	tcase_add_test(tcase, a_guest_past_its_memory_must_take_its_output);
	tcase_add_test(tcase, events_of_a_turn_that_failed_do_not_count);
	tcase_add_test(tcase, replies_of_a_turn_that_failed_do_not_count);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
