/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The requests of a turn and their commit. A turn is made to fail by noting a fault in the store before its end; what then
 * happens with every kind of fault at every place is in test_faults.c.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <utlist.h>

#include "lxenstored/ledger_format.h"
#include "support/scene.h"
#include "support/suite.h"

static struct turn_figures before;

static void open_scene(void)
{
	scene_open();
	before = scene.world.turn.figures;
}

static uint64_t commits(void)
{
	return scene.world.turn.figures.commits - before.commits;
}

static void send_write(struct world_client *client, const char *path, const char *value)
{
	char bytes[MESSAGE_PAYLOAD_MAX];
	size_t path_size = strlen(path) + 1, value_len = strlen(value);

	memcpy(bytes, path, path_size);
	memcpy(bytes + path_size, value, value_len);
	ck_assert(world_send(client, MESSAGE_WRITE, 0, bytes, path_size + value_len));
}

/* '|' as in world_call. */
static void send_text(struct world_client *client, uint32_t type, uint32_t transaction, const char *text)
{
	char bytes[MESSAGE_PAYLOAD_MAX];
	size_t len = strlen(text) + 1;

	for (size_t i = 0; i < len; i++)
		bytes[i] = text[i] == '|' ? 0 : text[i];
	ck_assert(world_send(client, type, transaction, bytes, len));
}

/* The next reply is of this type, has come, and is no error. */
static void replied(struct world_client *client, uint32_t type)
{
	const struct world_message *reply = world_reply(client);

	ck_assert_ptr_nonnull(reply);
	ck_assert_uint_eq(reply->header.type, type);
}

/* ---- one commit ---- */

START_TEST(all_requests_of_a_turn_share_one_commit)
{
	uint64_t store_commits = scene.world.turn.store->commits;

	scene_node("/guest", "", "n1");
	store_commits++;
	send_write(scene.root, "/a", "1");
	send_write(scene.guest, "/guest/b", "2");
	send_text(scene.root, MESSAGE_MKDIR, 0, "/c");
	send_text(scene.root, MESSAGE_SET_PERMS, 0, "/a|n0|r1");
	send_text(scene.guest, MESSAGE_RM, 0, "/guest/b");
	ck_assert_uint_eq(world_run(&scene.world), 5);
	ck_assert_uint_eq(commits(), 0);
	world_commit(&scene.world);
	ck_assert_uint_eq(commits(), 1);
	ck_assert_uint_eq(scene.world.turn.store->commits, store_commits + 1);
}
END_TEST

START_TEST(no_reply_is_out_before_the_commit)
{
	send_write(scene.root, "/a", "1");
	world_run(&scene.world);
	world_take(&scene.world);
	ck_assert_ptr_null(world_reply(scene.root));
	world_commit(&scene.world);
	replied(scene.root, MESSAGE_WRITE);
}
END_TEST

START_TEST(no_event_is_out_before_the_commit)
{
	scene_watch(scene.guest, "/|token");
	scene_node("/guest", "", "n1");
	send_write(scene.guest, "/guest/a", "1");
	world_run(&scene.world);
	world_take(&scene.world);
	scene_no_event(scene.guest);
	world_commit(&scene.world);
	scene_event(scene.guest, "/guest/a|token");
}
END_TEST

START_TEST(a_turn_that_changes_nothing_commits_nothing_and_answers_at_once)
{
	send_text(scene.root, MESSAGE_READ, 0, "/tool");
	send_text(scene.root, MESSAGE_DIRECTORY, 0, "/");
	send_text(scene.root, MESSAGE_RM, 0, "/missing");
	world_run(&scene.world);
	world_take(&scene.world);
	replied(scene.root, MESSAGE_READ);
	replied(scene.root, MESSAGE_DIRECTORY);
	replied(scene.root, MESSAGE_RM);
	turn_commit(&scene.world.turn);
	ck_assert_uint_eq(commits(), 0);
}
END_TEST

START_TEST(what_reads_uncommitted_changes_waits_for_their_commit)
{
	send_write(scene.root, "/a", "1");
	send_text(scene.guest, MESSAGE_GET_DOMAIN_PATH, 0, "1");
	world_run(&scene.world);
	world_take(&scene.world);
	ck_assert_ptr_null(world_reply(scene.guest));
	world_commit(&scene.world);
	replied(scene.guest, MESSAGE_GET_DOMAIN_PATH);
}
END_TEST

START_TEST(a_request_sees_what_earlier_ones_of_its_turn_did)
{
	const struct world_message *reply;

	send_write(scene.root, "/a", "1");
	send_text(scene.root, MESSAGE_READ, 0, "/a");
	send_text(scene.root, MESSAGE_RM, 0, "/a");
	send_text(scene.root, MESSAGE_READ, 0, "/a");
	world_run(&scene.world);
	world_commit(&scene.world);
	replied(scene.root, MESSAGE_WRITE);
	reply = world_reply(scene.root);
	ck_assert_ptr_nonnull(reply);
	ck_assert_str_eq(reply->payload, "1");
	replied(scene.root, MESSAGE_RM);
	scene_replied(scene.root, "ENOENT");
}
END_TEST

START_TEST(a_failed_request_leaves_the_turn_as_it_is)
{
	send_write(scene.root, "/a", "1");
	send_write(scene.guest, "/b", "2");
	world_run(&scene.world);
	world_commit(&scene.world);
	ck_assert_uint_eq(commits(), 1);
	scene_replied(scene.root, "");
	scene_replied(scene.guest, "EACCES");
	scene_answer(scene.root, "tool|a|", MESSAGE_DIRECTORY, 0, "/");
}
END_TEST

/* ---- what needs a turn without changes ---- */

START_TEST(requests_that_change_memory_commit_what_came_before_and_are_valid_at_once)
{
	static const struct {
		uint32_t type;
		const char *payload;
	} requests[] = {
	    {MESSAGE_TRANSACTION_START, ""},
	    {MESSAGE_CONTROL, "print|hello"},
	};

	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		send_write(scene.root, "/a", "1");
		send_text(scene.root, requests[i].type, 0, requests[i].payload);
		world_run(&scene.world);
		ck_assert_uint_eq(commits(), i + 1);
		world_take(&scene.world);
		replied(scene.root, MESSAGE_WRITE);
		replied(scene.root, requests[i].type);
	}
}
END_TEST

START_TEST(requests_in_a_transaction_commit_what_came_before)
{
	uint32_t id = world_transaction(scene.root);

	send_write(scene.guest, "/guest", "1");
	send_write(scene.root, "/a", "1");
	send_text(scene.root, MESSAGE_MKDIR, id, "/b");
	world_run(&scene.world);
	ck_assert_uint_eq(commits(), 1);
	world_take(&scene.world);
	replied(scene.root, MESSAGE_WRITE);
	replied(scene.root, MESSAGE_MKDIR);
}
END_TEST

START_TEST(ends_of_transactions_share_the_turns_commit)
{
	uint32_t first = world_transaction(scene.root), second = world_transaction(scene.root);

	scene_write(scene.root, first, "/a", "1");
	scene_write(scene.root, second, "/b", "2");
	before = scene.world.turn.figures;
	send_text(scene.root, MESSAGE_TRANSACTION_END, first, "T");
	send_text(scene.root, MESSAGE_TRANSACTION_END, second, "T");
	send_write(scene.root, "/c", "3");
	world_run(&scene.world);
	world_commit(&scene.world);
	ck_assert_uint_eq(commits(), 1);
	world_forget(scene.root);
	scene_answer(scene.root, "tool|a|b|c|", MESSAGE_DIRECTORY, 0, "/");
}
END_TEST

START_TEST(a_snapshot_is_of_what_is_committed_with_the_turn_before)
{
	uint32_t id;

	send_write(scene.root, "/a", "1");
	send_text(scene.root, MESSAGE_TRANSACTION_START, 0, "");
	send_write(scene.root, "/a", "2");
	world_run(&scene.world);
	world_commit(&scene.world);
	id = scene.root->client.last_transaction_id;
	world_forget(scene.root);
	scene_answer(scene.root, "1", MESSAGE_READ, id, "/a");
}
END_TEST

/* ---- a turn that fails ---- */

static void fail_the_turn(int code)
{
	world_run(&scene.world);
	store_failed(scene.world.turn.store, code);
	world_commit(&scene.world);
}

START_TEST(requests_of_a_failed_turn_are_run_again_with_a_commit_each)
{
	scene.world.log.foreground = false;
	send_write(scene.root, "/a", "1");
	send_text(scene.root, MESSAGE_READ, 0, "/a");
	send_write(scene.guest, "/b", "2");
	send_text(scene.root, MESSAGE_MKDIR, 0, "/c");
	fail_the_turn(EIO);
	ck_assert_uint_eq(scene.world.turn.figures.turns_run_again, 1);
	ck_assert_uint_eq(commits(), 2);
	replied(scene.root, MESSAGE_WRITE);
	replied(scene.root, MESSAGE_READ);
	replied(scene.root, MESSAGE_MKDIR);
	scene_replied(scene.guest, "EACCES");
	ck_assert_ptr_null(world_reply(scene.root));
	ck_assert_ptr_null(world_reply(scene.guest));
	scene_answer(scene.root, "tool|a|c|", MESSAGE_DIRECTORY, 0, "/");
}
END_TEST

START_TEST(a_failed_turn_is_not_noticed_by_watchers)
{
	scene.world.log.foreground = false;
	scene_watch(scene.root, "/|token");
	send_write(scene.root, "/a", "1");
	send_write(scene.root, "/b", "1");
	fail_the_turn(ENOSPC);
	scene_event(scene.root, "/a|token");
	scene_event(scene.root, "/b|token");
	scene_no_event(scene.root);
}
END_TEST

START_TEST(a_transaction_ended_in_a_failed_turn_is_ended_once)
{
	uint32_t id = world_transaction(scene.root), discarded = world_transaction(scene.root);

	scene.world.log.foreground = false;
	scene_write(scene.root, id, "/in", "1");
	scene_write(scene.root, discarded, "/never", "1");
	send_write(scene.root, "/a", "1");
	send_text(scene.root, MESSAGE_TRANSACTION_END, id, "T");
	send_text(scene.root, MESSAGE_TRANSACTION_END, discarded, "F");
	send_text(scene.root, MESSAGE_TRANSACTION_END, id, "T");
	fail_the_turn(EIO);
	scene_replied(scene.root, "");
	scene_replied(scene.root, "");
	scene_replied(scene.root, "");
	scene_replied(scene.root, "ENOENT");
	ck_assert_uint_eq(scene.root->client.n_transactions, 0);
	scene_answer(scene.root, "tool|a|in|", MESSAGE_DIRECTORY, 0, "/");
}
END_TEST

START_TEST(a_failed_turn_costs_no_block_of_the_ledger)
{
	struct ledger_figures figures;

	scene.world.log.foreground = false;
	scene_watch(scene.guest, "/|token");
	for (int i = 0; i < 30; i++) {
		char path[16];
		snprintf(path, sizeof(path), "/n%d", i);
		send_write(scene.root, path, "value");
	}
	fail_the_turn(EIO);
	ledger_figures(scene.world.turn.ledger, &figures);
	ck_assert_uint_eq(figures.blocks_used, 0);
}
END_TEST

START_TEST(more_requests_than_are_remembered_at_first_are_all_run_again)
{
	enum { CLIENTS = 200 };
	struct world_client *clients[CLIENTS];

	scene.world.log.foreground = false;
	for (int i = 0; i < CLIENTS; i++) {
		char path[16];
		clients[i] = world_client(&scene.world, DOMID_PRIVILEGED, true);
		snprintf(path, sizeof(path), "/n%d", i);
		send_write(clients[i], path, "value");
	}
	fail_the_turn(EIO);
	ck_assert_uint_eq(commits(), CLIENTS);
	for (int i = 0; i < CLIENTS; i++)
		scene_replied(clients[i], "");
}
END_TEST

/* ---- a full store ---- */

static void open_small(void)
{
	static const struct world_options options = {.store_size = (size_t)2 << 20};

	scene_open_with(&options);
	before = scene.world.turn.figures;
}

static void open_small_map(void)
{
	static const struct world_options options = {.store_size = (size_t)2 << 20, .map = true};

	scene_open_with(&options);
	before = scene.world.turn.figures;
}

static char value[3000];
static char large_value[4080]; /* needs two pages side by side */

/* Writes nodes until there is no room; returns their number. */
static int fill_store(void)
{
	char path[24];
	int n = 0;

	memset(value, 'x', sizeof(value) - 1);
	memset(large_value, 'x', sizeof(large_value) - 1);
	do
		snprintf(path, sizeof(path), "/fill/%d", n++);
	while (!*world_write(scene.root, 0, path, value));
	ck_assert_int_gt(n, 100);
	return n - 1;
}

START_TEST(in_a_full_store_only_the_request_that_needs_room_fails)
{
	scene_write(scene.root, 0, "/small", "1");
	scene_watch(scene.root, "/|token");
	fill_store();
	world_forget(scene.root);
	send_write(scene.root, "/small", "2");
	send_write(scene.root, "/large", large_value);
	send_text(scene.root, MESSAGE_READ, 0, "/small");
	send_text(scene.root, MESSAGE_RM, 0, "/fill/0");
	world_run(&scene.world);
	world_commit(&scene.world);
	scene_replied(scene.root, "");
	scene_replied(scene.root, "ENOSPC");
	scene_replied(scene.root, "");
	scene_replied(scene.root, "");
	scene_event(scene.root, "/small|token");
	scene_event(scene.root, "/fill/0|token");
	scene_no_event(scene.root);
	scene_error(scene.root, "ENOENT", MESSAGE_READ, 0, "/large");
	scene_answer(scene.root, "2", MESSAGE_READ, 0, "/small");
}
END_TEST

START_TEST(a_full_store_can_be_emptied_node_by_node)
{
	int n = fill_store();

	for (int i = 0; i < n; i++) {
		char path[24];
		snprintf(path, sizeof(path), "/fill/%d", i);
		scene_ok(scene.root, MESSAGE_RM, 0, path);
	}
	scene_answer(scene.root, "", MESSAGE_DIRECTORY, 0, "/fill");
	scene_write(scene.root, 0, "/large", large_value);
}
END_TEST

START_TEST(a_transaction_that_finds_no_room_is_ended_and_leaves_nothing)
{
	uint32_t id = world_transaction(scene.root);
	char path[24];

	memset(value, 'x', sizeof(value) - 1);
	for (int i = 0; i < 200; i++) {
		snprintf(path, sizeof(path), "/in/%d", i);
		scene_write(scene.root, id, path, value);
	}
	fill_store();
	scene_error(scene.root, "ENOSPC", MESSAGE_TRANSACTION_END, id, "T");
	scene_error(scene.root, "ENOENT", MESSAGE_TRANSACTION_END, id, "T");
	ck_assert_uint_eq(scene.root->client.n_transactions, 0);
	scene_error(scene.root, "ENOENT", MESSAGE_READ, 0, "/in");
}
END_TEST

/* ---- input ---- */

START_TEST(half_a_message_is_not_run)
{
	const struct message_header header = {MESSAGE_READ, 1, 0, 6};

	world_send_bytes(scene.root, &header, sizeof(header));
	world_send_bytes(scene.root, "/too", 4);
	ck_assert(!turn_run_next(&scene.world.turn, &scene.root->client));
	ck_assert(!scene.root->client.broken);
	world_send_bytes(scene.root, "l", 2);
	ck_assert(turn_run_next(&scene.world.turn, &scene.root->client));
	world_commit(&scene.world);
	scene_replied(scene.root, "");
}
END_TEST

START_TEST(a_message_that_is_too_long_breaks_its_client_only)
{
	const struct message_header header = {MESSAGE_WRITE, 1, 0, MESSAGE_PAYLOAD_MAX + 1};

	send_write(scene.guest, "/a", "1");
	world_send_bytes(scene.guest, &header, sizeof(header));
	send_text(scene.root, MESSAGE_READ, 0, "/tool");
	ck_assert(turn_run_next(&scene.world.turn, &scene.guest->client));
	ck_assert(!scene.guest->client.broken);
	ck_assert(turn_run_next(&scene.world.turn, &scene.guest->client));
	ck_assert(scene.guest->client.broken);
	ck_assert(!turn_run_next(&scene.world.turn, &scene.guest->client));
	ck_assert(turn_run_next(&scene.world.turn, &scene.root->client));
	world_commit(&scene.world);
	scene_replied(scene.guest, "EACCES");
	scene_replied(scene.root, "");
}
END_TEST

START_TEST(what_a_broken_client_asked_before_is_run_again_with_the_turn)
{
	const struct message_header header = {MESSAGE_WRITE, 1, 0, UINT32_MAX};

	scene.world.log.foreground = false;
	send_write(scene.root, "/a", "1");
	world_send_bytes(scene.root, &header, sizeof(header));
	send_write(scene.guest, "/b", "1");
	fail_the_turn(EIO);
	ck_assert(scene.root->client.broken);
	scene_replied(scene.root, "");
	scene_replied(scene.guest, "EACCES");
	ck_assert_uint_eq(commits(), 1);
}
END_TEST

START_TEST(a_reply_bears_the_numbers_of_its_request)
{
	const struct message_header header = {MESSAGE_UNWATCH, 0xfedcba98, 0x12345678, 4};
	const struct world_message *reply;

	world_send_bytes(scene.guest, &header, sizeof(header));
	world_send_bytes(scene.guest, "/\0t", 4);
	world_run(&scene.world);
	world_commit(&scene.world);
	reply = world_reply(scene.guest);
	ck_assert_ptr_nonnull(reply);
	ck_assert_uint_eq(reply->header.type, MESSAGE_ERROR);
	ck_assert_uint_eq(reply->header.request_id, 0xfedcba98);
	ck_assert_uint_eq(reply->header.transaction_id, 0x12345678);
	ck_assert_str_eq(reply->payload, "ENOENT");
}
END_TEST

START_TEST(what_is_no_operation_is_enosys_for_everybody)
{
	static const uint32_t types[] = {MESSAGE_WATCH_EVENT, MESSAGE_ERROR, 20, MESSAGE_TYPE_COUNT, UINT32_MAX};

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		scene_error(scene.root, "ENOSYS", types[i], 0, "/a");
		scene_error(scene.guest, "ENOSYS", types[i], 4711, "/a");
	}
}
END_TEST

START_TEST(only_watch_and_unwatch_do_not_look_at_the_transaction_number)
{
	scene_ok(scene.guest, MESSAGE_WATCH, 4711, "/|token");
	scene_ok(scene.guest, MESSAGE_UNWATCH, 4711, "/|token");
	scene_error(scene.guest, "ENOENT", MESSAGE_RESET_WATCHES, 4711, "");
	scene_error(scene.guest, "ENOENT", MESSAGE_GET_DOMAIN_PATH, 4711, "1");
	scene_error(scene.guest, "ENOENT", MESSAGE_READ, 4711, "/");
}
END_TEST

/* ---- a full ledger ---- */

enum { BLOCKS = 8 };

static void open_with_a_small_ledger(void)
{
	static const struct world_options options = {.ledger_limit = (size_t)(LEDGER_FIRST_BLOCK + BLOCKS) * LEDGER_BLOCK_SIZE};

	scene_open_with(&options);
}

/* Lets the guest's replies take all blocks that are to be had. */
static void fill_ledger(void)
{
	char large[4001] = "";

	memset(large, 'x', sizeof(large) - 1);
	scene_node("/large", large, "n0 r1");
	for (int i = 0; i < 100; i++)
		send_text(scene.guest, MESSAGE_READ, 0, "/large");
	while (turn_run_next(&scene.world.turn, &scene.guest->client))
		;
	ck_assert(scene.guest->client.out_of_room);
}

START_TEST(a_request_whose_reply_may_find_no_room_is_put_off)
{
	size_t replies = 0;

	fill_ledger();
	ck_assert(!turn_run_next(&scene.world.turn, &scene.guest->client));
	world_take(&scene.world);
	while (world_reply(scene.guest))
		replies++;
	ck_assert_uint_gt(replies, 5);
	ck_assert_uint_lt(replies, 100);
	ck_assert(turn_run_next(&scene.world.turn, &scene.guest->client));
	ck_assert(!scene.guest->client.out_of_room);
	world_take(&scene.world);
	scene_replied(scene.guest, "");
}
END_TEST

START_TEST(everybody_is_put_off_while_there_is_no_room_and_goes_on_afterwards)
{
	send_text(scene.root, MESSAGE_READ, 0, "/tool");
	fill_ledger();
	ck_assert(!turn_run_next(&scene.world.turn, &scene.root->client));
	ck_assert(scene.root->client.out_of_room);
	world_take(&scene.world);
	ck_assert(turn_run_next(&scene.world.turn, &scene.root->client));
	ck_assert(!scene.root->client.out_of_room);
}
END_TEST

/* ---- the trace ---- */

START_TEST(the_trace_tells_requests_and_replies_with_whom_they_are_of)
{
	char path[128], text[2048] = "", expected[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/trace", scene.world.directory);
	ck_assert_int_eq(log_trace_to(&scene.world.log, path), 0);
	scene_error(scene.guest, "EACCES", MESSAGE_WRITE, 0, "/a|b");
	log_trace_close(&scene.world.log);
	file = fopen(path, "r");
	ck_assert_ptr_nonnull(file);
	ck_assert_uint_gt(fread(text, 1, sizeof(text) - 1, file), 0);
	fclose(file);
	snprintf(expected, sizeof(expected), "IN d1 c%llu WRITE (/a b )\n", (unsigned long long)scene.guest->client.id);
	ck_assert_msg(strstr(text, expected), "no \"%s\" in \"%s\"", expected, text);
	snprintf(expected, sizeof(expected), "OUT d1 c%llu ERROR (EACCES )\n", (unsigned long long)scene.guest->client.id);
	ck_assert_msg(strstr(text, expected), "no \"%s\" in \"%s\"", expected, text);
}
END_TEST

static TCase *add_case(Suite *suite, const char *name, void (*open)(void))
{
	TCase *tcase = tcase_create(name);

	tcase_add_checked_fixture(tcase, open, scene_close);
	suite_add_tcase(suite, tcase);
	return tcase;
}

int main(void)
{
	Suite *suite = suite_create("turn");
	TCase *tcase = add_case(suite, "commit", open_scene);

	tcase_add_test(tcase, all_requests_of_a_turn_share_one_commit);
	tcase_add_test(tcase, no_reply_is_out_before_the_commit);
	tcase_add_test(tcase, no_event_is_out_before_the_commit);
	tcase_add_test(tcase, a_turn_that_changes_nothing_commits_nothing_and_answers_at_once);
	tcase_add_test(tcase, what_reads_uncommitted_changes_waits_for_their_commit);
	tcase_add_test(tcase, a_request_sees_what_earlier_ones_of_its_turn_did);
	tcase_add_test(tcase, a_failed_request_leaves_the_turn_as_it_is);
	tcase_add_test(tcase, requests_that_change_memory_commit_what_came_before_and_are_valid_at_once);
	tcase_add_test(tcase, requests_in_a_transaction_commit_what_came_before);
	tcase_add_test(tcase, ends_of_transactions_share_the_turns_commit);
	tcase_add_test(tcase, a_snapshot_is_of_what_is_committed_with_the_turn_before);

	tcase = add_case(suite, "failure", open_scene);
	tcase_add_test(tcase, requests_of_a_failed_turn_are_run_again_with_a_commit_each);
	tcase_add_test(tcase, a_failed_turn_is_not_noticed_by_watchers);
	tcase_add_test(tcase, a_transaction_ended_in_a_failed_turn_is_ended_once);
	tcase_add_test(tcase, a_failed_turn_costs_no_block_of_the_ledger);
	tcase_add_test(tcase, more_requests_than_are_remembered_at_first_are_all_run_again);

	void (*const small_stores[])(void) = {open_small, open_small_map};
	for (int i = 0; i < 2; i++) {
		tcase = add_case(suite, i ? "full store, map" : "full store", small_stores[i]);
		tcase_add_test(tcase, in_a_full_store_only_the_request_that_needs_room_fails);
		tcase_add_test(tcase, a_full_store_can_be_emptied_node_by_node);
		tcase_add_test(tcase, a_transaction_that_finds_no_room_is_ended_and_leaves_nothing);
	}

	tcase = add_case(suite, "input", open_scene);
	tcase_add_test(tcase, half_a_message_is_not_run);
	tcase_add_test(tcase, a_message_that_is_too_long_breaks_its_client_only);
	tcase_add_test(tcase, what_a_broken_client_asked_before_is_run_again_with_the_turn);
	tcase_add_test(tcase, a_reply_bears_the_numbers_of_its_request);
	tcase_add_test(tcase, what_is_no_operation_is_enosys_for_everybody);
	tcase_add_test(tcase, only_watch_and_unwatch_do_not_look_at_the_transaction_number);
	tcase_add_test(tcase, the_trace_tells_requests_and_replies_with_whom_they_are_of);

	tcase = add_case(suite, "full ledger", open_with_a_small_ledger);
	tcase_add_test(tcase, a_request_whose_reply_may_find_no_room_is_put_off);
	tcase_add_test(tcase, everybody_is_put_off_while_there_is_no_room_and_goes_on_afterwards);
	return suite_run(suite);
}
