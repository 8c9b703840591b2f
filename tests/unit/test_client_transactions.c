/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Open transactions after a death of the daemon: a second world goes on with the files of the first, as they are at any moment
 * that a test can choose. What they look like in the ledger is in test_transactions.c, at which instants a kill may strike in
 * tests/integration/test_transaction_deaths.c.
 */
#include "request/client_transactions.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "lxenstored/ledger_format.h"
#include "support/scene.h"
#include "support/suite.h"
#include "support/world_death.h"
#include "support/world_xen.h"

enum { DEATHS_MAX = 8, DOMAIN = 5 };

static struct world worlds[DEATHS_MAX];
static struct world *now;
static struct world_client *root, *other, *guest;
static struct world_options options;

static void begin(void)
{
	ck_assert_int_eq(world_init(&worlds[0], &options), 0);
	now = &worlds[0];
	root = world_client(now, DOMID_PRIVILEGED, true);
	other = world_client(now, DOMID_PRIVILEGED, true);
	guest = world_client(now, WORLD_GUEST, false);
	ck_assert(root && other && guest);
	ck_assert_int_eq(world_set_node(now, "/local/domain/1", "", "n1"), 0);
}

static void open_world(void)
{
	options = (struct world_options){0};
	begin();
}

static void open_world_with_xen(void)
{
	options = (struct world_options){.with_xen = true};
	begin();
}

static void close_world(void)
{
	const char *problem = world_check(now);

	ck_assert_msg(!problem, "%s", problem);
	world_deinit(now);
}

/* The daemon is killed now, and another one starts. */
static void die(void)
{
	struct world *next = now + 1;

	ck_assert(next < worlds + DEATHS_MAX);
	options.dead = now;
	ck_assert_int_eq(world_init(next, &options), 0);
	ck_assert_str_eq(next->problem, "");
	root = world_same_client(next, root);
	other = world_same_client(next, other);
	guest = guest ? world_same_client(next, guest) : NULL;
	world_deinit(now);
	now = next;
}

/* It ends in good order instead, as for an update. */
static void end_in_order(void)
{
	turn_commit(&now->turn);
	client_record_observations(now->turn.store);
	die();
}

static void end(struct world_client *client, uint32_t id, const char *error)
{
	ck_assert_str_eq(world_try(client, MESSAGE_TRANSACTION_END, id, "T"), error);
}

static struct transaction *transaction(const struct world_client *client, uint32_t id)
{
	struct transaction *found;

	ck_assert_int_eq(client_transaction(&client->client, id, &found), 0);
	return found;
}

static struct world_client *introduce(uint16_t domid)
{
	char payload[32];

	snprintf(payload, sizeof(payload), "%u|4711|3", domid);
	scene_ok(root, MESSAGE_INTRODUCE, 0, payload);
	return now->xen->domains[domid].ring;
}

/* ---- what is seen ---- */

START_TEST(a_client_goes_on_seeing_what_it_has_changed)
{
	scene_write(root, 0, "/old/value", "1");
	scene_write(root, 0, "/old/permissions", "");
	scene_write(root, 0, "/old/gone/below", "1");
	uint32_t id = world_transaction(root);
	scene_write(root, id, "/new/a/b", "2");
	scene_write(root, id, "/old/value", "3");
	scene_ok(root, MESSAGE_MKDIR, id, "/new/c");
	scene_ok(root, MESSAGE_RM, id, "/old/gone");
	scene_write(root, id, "/old/gone/again", "4");
	scene_ok(root, MESSAGE_SET_PERMS, id, "/old/permissions|n0|r1");
	scene_write(root, id, "/removed", "");
	scene_ok(root, MESSAGE_RM, id, "/removed");
	for (int i = 0; i < 3; i++) {
		die();
		scene_answer(root, "2", MESSAGE_READ, id, "/new/a/b");
		scene_answer(root, "3", MESSAGE_READ, id, "/old/value");
		scene_answer(root, "a|c|", MESSAGE_DIRECTORY, id, "/new");
		scene_answer(root, "again|", MESSAGE_DIRECTORY, id, "/old/gone");
		scene_answer(root, "n0|r1|", MESSAGE_GET_PERMS, id, "/old/permissions");
		scene_error(root, "ENOENT", MESSAGE_READ, id, "/removed");
		scene_error(root, "ENOENT", MESSAGE_READ, 0, "/new/a/b");
		scene_answer(other, "1", MESSAGE_READ, 0, "/old/value");
	}
	end(root, id, "");
	scene_answer(other, "a|c|", MESSAGE_DIRECTORY, 0, "/new");
	scene_answer(other, "4", MESSAGE_READ, 0, "/old/gone/again");
	scene_error(other, "ENOENT", MESSAGE_READ, 0, "/old/gone/below");
	scene_answer(other, "n0|r1|", MESSAGE_GET_PERMS, 0, "/old/permissions");
}
END_TEST

START_TEST(changes_go_on_after_a_death_and_survive_the_next)
{
	uint32_t id = world_transaction(root);
	char path[32];

	for (int i = 0; i < 5; i++) {
		snprintf(path, sizeof(path), "/d/%d", i);
		scene_write(root, id, path, "1");
		die();
	}
	end(root, id, "");
	scene_answer(root, "0|1|2|3|4|", MESSAGE_DIRECTORY, 0, "/d");
}
END_TEST

START_TEST(events_come_in_the_order_in_which_the_nodes_were_first_changed)
{
	scene_write(root, 0, "/b", "1");
	scene_write(root, 0, "/x/y", "1");
	scene_watch(other, "/|w");
	uint32_t id = world_transaction(root);
	scene_write(root, id, "/c/d", "2");
	scene_write(root, id, "/b", "2");
	scene_ok(root, MESSAGE_RM, id, "/x");
	scene_write(root, id, "/a", "2");
	scene_write(root, id, "/c/d", "3");
	die();
	scene_write(root, id, "/b", "3");
	scene_write(root, id, "/0", "3");
	end(root, id, "");
	scene_event(other, "/c/d|w");
	scene_event(other, "/b|w");
	scene_event(other, "/x|w");
	scene_event(other, "/a|w");
	scene_event(other, "/0|w");
	scene_no_event(other);
}
END_TEST

START_TEST(a_list_changes_its_generation_with_each_change_also_over_a_death)
{
	static char before[64];
	uint32_t id = world_transaction(root);

	for (int i = 0; i < 4; i++) {
		char path[32];
		snprintf(path, sizeof(path), "/d/%d", i);
		scene_write(root, id, path, "");
		const struct world_message *part = world_call(root, MESSAGE_DIRECTORY_PART, id, "/d|1000");
		ck_assert_ptr_nonnull(part);
		ck_assert_str_ne(part->payload, before);
		snprintf(before, sizeof(before), "%s", part->payload);
		if (i % 2)
			die();
	}
	scene_ok(root, MESSAGE_TRANSACTION_END, id, "F");
}
END_TEST

/* ---- the end ---- */

START_TEST(the_end_succeeds_if_nothing_else_was_committed_since_the_start)
{
	scene_write(root, 0, "/a", "1");
	uint32_t id = world_transaction(root);
	scene_answer(root, "1", MESSAGE_READ, id, "/a");
	scene_write(root, id, "/a", "2");
	scene_ok(other, MESSAGE_WATCH, 0, "/b|w"); /* no node */
	scene_ok(other, MESSAGE_UNWATCH, 0, "/b|w");
	die();
	scene_ok(other, MESSAGE_WATCH, 0, "/b|w");
	die();
	end(root, id, "");
	scene_answer(other, "2", MESSAGE_READ, 0, "/a");
}
END_TEST

START_TEST(the_end_fails_if_something_was_committed_before_the_death)
{
	uint32_t id = world_transaction(root);

	scene_write(root, id, "/a", "2");
	scene_write(other, 0, "/b", "1");
	die();
	scene_answer(root, "2", MESSAGE_READ, id, "/a");
	scene_answer(root, "1", MESSAGE_READ, id, "/b");
	end(root, id, "EAGAIN");
	scene_error(root, "ENOENT", MESSAGE_TRANSACTION_END, id, "T");
	scene_error(other, "ENOENT", MESSAGE_READ, 0, "/a");
}
END_TEST

START_TEST(the_end_fails_if_something_was_committed_after_the_death)
{
	uint32_t id = world_transaction(root);

	scene_write(root, id, "/a", "2");
	die();
	scene_write(other, 0, "/b", "1");
	end(root, id, "EAGAIN");
	id = world_transaction(root);
	scene_write(root, id, "/a", "2");
	die();
	scene_write(other, 0, "/b", "1");
	die();
	end(root, id, "EAGAIN");
}
END_TEST

START_TEST(the_end_fails_if_an_earlier_request_of_its_turn_has_changed_something)
{
	uint32_t id = world_transaction(root);

	scene_write(root, id, "/a", "2");
	die();
	world_send(other, MESSAGE_WRITE, 0, "/b\0001", 4);
	world_send(root, MESSAGE_TRANSACTION_END, id, "T", 2);
	ck_assert(turn_run_next(&now->turn, &other->client));
	ck_assert(turn_run_next(&now->turn, &root->client));
	world_commit(now);
	scene_replied(other, "");
	scene_replied(root, "EAGAIN");
}
END_TEST

START_TEST(an_aborted_turn_is_no_change)
{
	uint32_t id = world_transaction(root);

	scene_write(root, id, "/a", "2");
	store_next_generation(now->turn.store);
	store_abort(now->turn.store);
	scene_ok(other, MESSAGE_WATCH, 0, "/b|w");
	die();
	end(root, id, "");
}
END_TEST

START_TEST(a_transaction_can_always_be_forgotten)
{
	uint32_t id = world_transaction(root), idle = world_transaction(root);

	scene_write(root, id, "/a", "2");
	scene_write(other, 0, "/b", "1");
	die();
	scene_ok(root, MESSAGE_TRANSACTION_END, id, "F");
	scene_ok(root, MESSAGE_TRANSACTION_END, idle, "F");
	scene_error(root, "ENOENT", MESSAGE_TRANSACTION_END, id, "F");
	die();
	scene_error(root, "ENOENT", MESSAGE_TRANSACTION_END, id, "F");
	ck_assert_ptr_null(now->turn.store->transactions);
}
END_TEST

START_TEST(one_that_has_only_looked_ends_in_success_while_it_has_seen_one_state)
{
	scene_write(root, 0, "/a", "1");
	uint32_t id = world_transaction(root), late = world_transaction(root);
	scene_answer(root, "1", MESSAGE_READ, id, "/a");
	die();
	scene_answer(root, "1", MESSAGE_READ, id, "/a");
	scene_write(other, 0, "/a", "2");
	scene_answer(root, "1", MESSAGE_READ, id, "/a");
	end(root, id, "");
	die();
	end(root, late, "EAGAIN");
}
END_TEST

START_TEST(an_end_that_is_not_committed_has_not_ended_it)
{
	uint32_t ended = world_transaction(root), forgotten = world_transaction(root);

	scene_write(root, ended, "/a", "2");
	scene_write(root, forgotten, "/b", "2");
	/* A watch that makes the turn wait for its commit. */
	world_send(other, MESSAGE_WATCH, 0, "/c\0w", 5);
	world_send(root, MESSAGE_TRANSACTION_END, ended, "T", 2);
	world_send(root, MESSAGE_TRANSACTION_END, forgotten, "F", 2);
	world_run(now);
	ck_assert(store_tag(now->turn.store));
	die();
	ck_assert_uint_eq(root->client.n_transactions, 2);
	/* Both requests are still there to be run. */
	world_run(now);
	world_commit(now);
	scene_replied(other, "");
	scene_replied(root, "");
	scene_replied(root, "");
	scene_answer(other, "2", MESSAGE_READ, 0, "/a");
	scene_error(other, "ENOENT", MESSAGE_READ, 0, "/b");
	die();
	ck_assert_uint_eq(root->client.n_transactions, 0);
}
END_TEST

START_TEST(an_end_that_was_put_back_and_refused_has_not_ended_it)
{
	struct ledger_connection *ledger = &root->client.ledger;
	struct turn *turn = &now->turn;
	const struct message_header header = {.type = MESSAGE_ERROR, .len = 7};
	unsigned char bytes[MESSAGE_HEADER_SIZE + 7] = {0};
	struct iovec refusal = {bytes, sizeof(bytes)};
	uint32_t id = world_transaction(root);

	scene_write(root, id, "/a", "2");
	world_send(root, MESSAGE_RESET_WATCHES, 0, "", 1);
	world_send(other, MESSAGE_WRITE, 0, "/b\0001", 4);
	ck_assert(turn_run_next(turn, &other->client));
	ck_assert(turn_run_next(turn, &root->client));
	store_abort(turn->store);
	ledger_cut(turn->ledger);
	ck_assert_uint_eq(turn->n_steps, 1);
	turn->steps[0].undo(turn->steps[0].context);
	turn->n_steps = turn->n_runs = 0;
	message_write_header(bytes, &header);
	memcpy(bytes + MESSAGE_HEADER_SIZE, "ENOSPC", 7);
	ledger_ran(ledger, MESSAGE_HEADER_SIZE + 1);
	ck_assert_int_eq(ledger_append_reply(ledger, 0, &refusal, 1), 0);
	die();
	world_take(now);
	scene_replied(root, "ENOSPC");
	scene_answer(root, "2", MESSAGE_READ, id, "/a");
}
END_TEST

/* ---- numbers and quotas ---- */

START_TEST(no_number_is_given_out_again)
{
	uint32_t last = 0;

	for (int i = 0; i < 6; i++) {
		uint32_t id = world_transaction(guest);
		ck_assert_uint_gt(id, last);
		last = id;
		if (i % 2)
			scene_ok(guest, MESSAGE_TRANSACTION_END, id, "F");
		die();
	}
}
END_TEST

START_TEST(what_is_open_is_charged_as_before)
{
	const struct budget *budgets = guest->client.domain->budgets;
	uint32_t ids[] = {world_transaction(guest), world_transaction(guest)};
	static char value[1000];

	memset(value, 'v', sizeof(value) - 1);
	for (int i = 0; i < 20; i++) {
		char path[16];
		snprintf(path, sizeof(path), "%d", i);
		scene_write(guest, ids[0], path, value);
	}
	uint64_t memory = budgets[QUOTA_MEMORY].used;
	die();
	budgets = guest->client.domain->budgets;
	ck_assert_uint_eq(budgets[QUOTA_TRANSACTIONS].used, 2);
	/* What was observed beyond what was changed is not there any more. */
	ck_assert_uint_le(budgets[QUOTA_MEMORY].used, memory);
	ck_assert_uint_gt(budgets[QUOTA_MEMORY].used, memory - 1000);
	scene_ok(guest, MESSAGE_TRANSACTION_END, ids[0], "F");
	end(guest, ids[1], "");
	ck_assert_uint_eq(budgets[QUOTA_TRANSACTIONS].used, 0);
	ck_assert_uint_eq(budgets[QUOTA_MEMORY].used, 0);
}
END_TEST

START_TEST(a_value_that_is_written_again_and_again_takes_no_more_room)
{
	static char value[1000];
	uint32_t id = world_transaction(guest);
	const struct budget *memory = &guest->client.domain->budgets[QUOTA_MEMORY];

	memset(value, 'v', sizeof(value) - 1);
	for (int i = 0; i < 3000; i++) {
		snprintf(value, sizeof(value), "%d", i);
		value[strlen(value)] = 'v';
		scene_write(guest, id, i % 2 ? "a" : "b/c", value);
	}
	ck_assert_uint_lt(memory->most, 12 * LEDGER_BLOCK_SIZE);
	die();
	scene_answer(guest, value, MESSAGE_READ, id, "a");
	end(guest, id, "");
	scene_answer(guest, value, MESSAGE_READ, 0, "a");
}
END_TEST

START_TEST(a_large_one_survives)
{
	static char value[4000], path[32];
	uint32_t id = world_transaction(root);

	memset(value, 'v', sizeof(value) - 1);
	for (int i = 0; i < 600; i++) {
		snprintf(path, sizeof(path), "/large/%d/%d", i % 7, i);
		scene_write(root, id, path, value);
	}
	die();
	for (int i = 0; i < 600; i += 7) {
		snprintf(path, sizeof(path), "/large/%d/%d", i % 7, i);
		scene_answer(root, value, MESSAGE_READ, id, path);
	}
	end(root, id, "");
	scene_answer(root, value, MESSAGE_READ, 0, path);
}
END_TEST

START_TEST(without_room_in_the_ledger_a_change_is_refused_and_the_rest_goes_on)
{
	static char value[2000], path[32];
	int n = 0;

	world_deinit(now);
	options.ledger_limit = (LEDGER_FIRST_BLOCK + 60) * LEDGER_BLOCK_SIZE;
	begin();
	memset(value, 'v', sizeof(value) - 1);
	uint32_t id = world_transaction(root);
	const char *error = "";
	for (; !*error; n++) {
		ck_assert_int_lt(n, 1000);
		snprintf(path, sizeof(path), "/a/%d", n);
		error = world_write(root, id, path, value);
	}
	ck_assert_str_eq(error, "ENOSPC");
	ck_assert_int_gt(n, 100);
	scene_error(other, "ENOSPC", MESSAGE_TRANSACTION_START, 0, "");
	scene_error(root, "ENOENT", MESSAGE_READ, id, path);
	scene_write(other, 0, "/b", "1");
	scene_ok(root, MESSAGE_TRANSACTION_END, id, "F");
	ck_assert_uint_ne(world_transaction(other), 0);
}
END_TEST

/* ---- good order ---- */

START_TEST(an_end_in_good_order_forgets_nothing_that_was_observed)
{
	scene_write(root, 0, "/seen", "1");
	scene_write(root, 0, "/unseen", "1");
	uint32_t id = world_transaction(root), late = world_transaction(root), missing = world_transaction(root);
	scene_answer(root, "1", MESSAGE_READ, id, "/seen");
	scene_answer(root, "1", MESSAGE_READ, late, "/seen");
	scene_error(root, "ENOENT", MESSAGE_READ, missing, "/none/such");
	scene_write(root, id, "/a", "2");
	scene_write(root, late, "/b", "2");
	scene_write(root, missing, "/c", "2");
	scene_write(other, 0, "/unseen", "2");
	end_in_order();
	scene_write(other, 0, "/unseen", "3");
	end(root, id, "");
	scene_write(other, 0, "/seen", "2");
	end(root, late, "EAGAIN");
	scene_write(other, 0, "/none/of/it", "2");
	end(root, missing, "EAGAIN");
	scene_answer(other, "2", MESSAGE_READ, 0, "/a");
}
END_TEST

START_TEST(after_an_end_in_good_order_what_has_changed_since_the_start_dooms)
{
	scene_write(root, 0, "/x", "1");
	scene_write(root, 0, "/busy/x", "1");
	uint32_t ids[] = {world_transaction(root), world_transaction(root), world_transaction(root)};
	for (int i = 0; i < 3; i++)
		scene_write(root, ids[i], "/mine", "1");
	scene_write(other, 0, "/x", "2");
	scene_write(other, 0, "/busy/y", "2");
	scene_ok(other, MESSAGE_RM, 0, "/busy/y");
	end_in_order();
	scene_answer(root, "2", MESSAGE_READ, ids[0], "/x");
	end(root, ids[0], "EAGAIN");
	/* It was there at some time, and nothing says when. */
	scene_error(root, "ENOENT", MESSAGE_READ, ids[1], "/busy/y");
	end(root, ids[1], "EAGAIN");
	scene_answer(root, "1", MESSAGE_READ, ids[2], "/busy/x");
	end(root, ids[2], "");
}
END_TEST

START_TEST(what_was_observed_before_an_end_in_good_order_is_not_known_after_a_death)
{
	uint32_t id = world_transaction(root);

	scene_write(root, id, "/a", "2");
	end_in_order();
	die();
	ck_assert(transaction(root, id)->unobserved);
	scene_write(other, 0, "/b", "2");
	end(root, id, "EAGAIN");
}
END_TEST

START_TEST(a_doomed_one_stays_doomed)
{
	scene_write(root, 0, "/x", "1");
	uint32_t id = world_transaction(root);
	scene_write(root, id, "/a", "2");
	scene_write(other, 0, "/x", "2");
	transaction(root, id)->doomed = true;
	end_in_order();
	ck_assert(transaction(root, id)->doomed);
	die();
	end(root, id, "EAGAIN");
}
END_TEST

/* ---- domains ---- */

START_TEST(a_transaction_that_names_a_domain_does_not_serve_the_next_one_of_its_number)
{
	world_xen_start(now->xen, DOMAIN);
	introduce(DOMAIN);
	uint32_t id = world_transaction(root);
	scene_write(root, id, "/a", "1");
	scene_ok(root, MESSAGE_SET_PERMS, id, "/a|n0|r5");
	if (_i == 0) { /* it dies, and the daemon releases it */
		world_xen_kill(now->xen, DOMAIN);
		world_xen_exception(now->xen);
		world_xen_start(now->xen, DOMAIN);
		die();
	} else if (_i == 1) { /* it dies while there is no daemon */
		world_xen_kill(now->xen, DOMAIN);
		die();
	} else { /* and another one has its number */
		world_xen_kill(now->xen, DOMAIN);
		world_xen_start(now->xen, DOMAIN);
		die();
	}
	ck_assert(transaction(root, id)->doomed);
	die();
	end(root, id, "EAGAIN");
}
END_TEST

START_TEST(a_domain_of_which_the_store_knows_nothing_dooms_after_a_death)
{
	world_xen_start(now->xen, DOMAIN);
	uint32_t id = world_transaction(root);
	scene_write(root, id, "/a", "1");
	scene_ok(root, MESSAGE_SET_PERMS, id, "/a|n0|r5");
	die();
	end(root, id, "EAGAIN");
}
END_TEST

START_TEST(a_domain_that_lives_does_not_doom)
{
	world_xen_start(now->xen, DOMAIN);
	introduce(DOMAIN);
	uint32_t id = world_transaction(root);
	scene_write(root, id, "/a", "1");
	scene_ok(root, MESSAGE_SET_PERMS, id, "/a|n0|r5");
	die();
	end(root, id, "");
	scene_answer(root, "n0|r5|", MESSAGE_GET_PERMS, 0, "/a");
}
END_TEST

START_TEST(a_domain_that_was_released_has_no_transaction_any_more)
{
	world_xen_start(now->xen, DOMAIN);
	introduce(DOMAIN);
	struct world_client *ring = now->xen->domains[DOMAIN].ring;
	ck_assert_uint_ne(world_transaction(ring), 0);
	world_xen_kill(now->xen, DOMAIN);
	die();
	ck_assert_ptr_null(now->turn.store->transactions);
	ck_assert_ptr_null(now->xen->domains[DOMAIN].ring);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("client_transactions");
	TCase *cases = tcase_create("death"), *domains = tcase_create("domains");

	tcase_set_timeout(cases, 120);
	tcase_add_checked_fixture(cases, open_world, close_world);
	tcase_add_test(cases, a_client_goes_on_seeing_what_it_has_changed);
	tcase_add_test(cases, changes_go_on_after_a_death_and_survive_the_next);
	tcase_add_test(cases, events_come_in_the_order_in_which_the_nodes_were_first_changed);
	tcase_add_test(cases, a_list_changes_its_generation_with_each_change_also_over_a_death);
	tcase_add_test(cases, the_end_succeeds_if_nothing_else_was_committed_since_the_start);
	tcase_add_test(cases, the_end_fails_if_something_was_committed_before_the_death);
	tcase_add_test(cases, the_end_fails_if_something_was_committed_after_the_death);
	tcase_add_test(cases, the_end_fails_if_an_earlier_request_of_its_turn_has_changed_something);
	tcase_add_test(cases, an_aborted_turn_is_no_change);
	tcase_add_test(cases, a_transaction_can_always_be_forgotten);
	tcase_add_test(cases, one_that_has_only_looked_ends_in_success_while_it_has_seen_one_state);
	tcase_add_test(cases, an_end_that_is_not_committed_has_not_ended_it);
	tcase_add_test(cases, an_end_that_was_put_back_and_refused_has_not_ended_it);
	tcase_add_test(cases, no_number_is_given_out_again);
	tcase_add_test(cases, what_is_open_is_charged_as_before);
	tcase_add_test(cases, a_value_that_is_written_again_and_again_takes_no_more_room);
	tcase_add_test(cases, a_large_one_survives);
	tcase_add_test(cases, without_room_in_the_ledger_a_change_is_refused_and_the_rest_goes_on);
	tcase_add_test(cases, an_end_in_good_order_forgets_nothing_that_was_observed);
	tcase_add_test(cases, after_an_end_in_good_order_what_has_changed_since_the_start_dooms);
	tcase_add_test(cases, what_was_observed_before_an_end_in_good_order_is_not_known_after_a_death);
	tcase_add_test(cases, a_doomed_one_stays_doomed);
	suite_add_tcase(suite, cases);
	tcase_set_timeout(domains, 120);
	tcase_add_checked_fixture(domains, open_world_with_xen, close_world);
	tcase_add_loop_test(domains, a_transaction_that_names_a_domain_does_not_serve_the_next_one_of_its_number, 0, 3);
	tcase_add_test(domains, a_domain_of_which_the_store_knows_nothing_dooms_after_a_death);
	tcase_add_test(domains, a_domain_that_lives_does_not_doom);
	tcase_add_test(domains, a_domain_that_was_released_has_no_transaction_any_more);
	suite_add_tcase(suite, domains);
	return suite_run(suite);
}
