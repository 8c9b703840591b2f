/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a client owns, and that it gives all of it back. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <utlist.h>

#include "lxenstored/ledger_format.h"
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
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
