/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Bytes between a guest's page and the ledger: messages cut and wrapped everywhere, full rings, and guests that write into their
 * page what no honest one would. Seed of the random ones: RING_SEED.
 */
#include "front/ring.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/random.h"
#include "support/ring_stage.h"
#include "support/suite.h"

static struct fake_guest *guest, *other;

/* A node of the guest's own, so that it can read and write what it wants. */
static void start(void)
{
	ring_stage_open();
	ck_assert_int_eq(world_set_node(&stage.world, "/local/domain/7", "", "n7"), 0);
	guest = ring_stage_guest(7);
	other = ring_stage_guest(8);
}

static void write_node(const char *path, const char *value, size_t len)
{
	unsigned char bytes[MESSAGE_SIZE_MAX];
	char payload[MESSAGE_PAYLOAD_MAX];
	struct ring_message message;
	size_t path_size = strlen(path) + 1;

	memcpy(payload, path, path_size);
	memcpy(payload + path_size, value, len);
	ring_stage_put(guest, bytes, fake_guest_request(guest, MESSAGE_WRITE, 0, payload, path_size + len, bytes));
	ck_assert(ring_stage_take(guest, &message));
	ck_assert_uint_eq(message.header.type, MESSAGE_WRITE);
}

/* ---- honest guests ---- */

START_TEST(a_message_may_be_cut_at_every_byte)
{
	unsigned char bytes[MESSAGE_SIZE_MAX];
	struct ring_message message;

	write_node("a", "value", 5);
	size_t len = fake_guest_request(guest, MESSAGE_READ, 0, "a", 2, bytes);
	for (size_t cut = 1; cut < len; cut++) {
		ring_stage_put(guest, bytes, cut);
		ck_assert(!ring_stage_take(guest, &message));
		ring_stage_put(guest, bytes + cut, len - cut);
		ck_assert(ring_stage_take(guest, &message));
		ck_assert_uint_eq(message.header.type, MESSAGE_READ);
		ck_assert_str_eq(message.payload, "value");
	}
}
END_TEST

START_TEST(a_message_may_come_byte_by_byte)
{
	unsigned char bytes[MESSAGE_SIZE_MAX];
	struct ring_message message;
	size_t len = fake_guest_request(guest, MESSAGE_DIRECTORY, 0, "", 1, bytes);

	for (size_t i = 0; i < len; i++)
		ring_stage_put(guest, bytes + i, 1);
	ck_assert(ring_stage_take(guest, &message));
	ck_assert_uint_eq(message.header.request_id, guest->last_request_id);
}
END_TEST

/* Lengths without a common divisor with the ring's size: requests and replies begin at each of its bytes. */
START_TEST(messages_wrap_at_every_byte_of_both_rings)
{
	bool request_at[RING_SIZE] = {false}, reply_at[RING_SIZE] = {false};
	struct ring_message message;
	char path[] = "aaaaaaaaaaaa";

	ck_assert_uint_eq((MESSAGE_HEADER_SIZE + sizeof(path)) % 2, 1);
	write_node(path, "a value", 7);
	for (int i = 0; i < RING_SIZE; i++) {
		unsigned char bytes[MESSAGE_SIZE_MAX];
		request_at[guest->page->req_prod % RING_SIZE] = true;
		reply_at[guest->page->rsp_cons % RING_SIZE] = true;
		ring_stage_put(guest, bytes, fake_guest_request(guest, MESSAGE_READ, 0, path, sizeof(path), bytes));
		ck_assert(ring_stage_take(guest, &message));
		ck_assert_str_eq(message.payload, "a value");
	}
	for (int i = 0; i < RING_SIZE; i++)
		ck_assert(request_at[i] && reply_at[i]);
}
END_TEST

START_TEST(the_longest_messages_go_through_from_every_offset)
{
	char value[2001];
	unsigned char bytes[MESSAGE_SIZE_MAX];
	struct ring_message message;

	for (size_t i = 0; i < sizeof(value); i++)
		value[i] = (char)('a' + i % 26);
	write_node("big", value, sizeof(value));
	for (int i = 0; i < 128; i++) {
		char payload[MESSAGE_PAYLOAD_MAX] = {0};
		memset(payload, 'x', sizeof(payload) - 1);
		ring_stage_put(guest, bytes, fake_guest_request(guest, MESSAGE_READ, 0, payload, sizeof(payload), bytes));
		ck_assert(ring_stage_take(guest, &message));
		ck_assert_str_eq(message.payload, "EINVAL"); /* a path of so many bytes */
		ring_stage_put(guest, bytes, fake_guest_request(guest, MESSAGE_READ, 0, "big", 4, bytes));
		ck_assert(ring_stage_take(guest, &message));
		ck_assert_uint_eq(message.header.len, sizeof(value));
		ck_assert_mem_eq(message.payload, value, sizeof(value));
	}
}
END_TEST

START_TEST(a_reply_of_4096_bytes_goes_through)
{
	struct ring_message message;
	char value[MESSAGE_PAYLOAD_MAX];

	memset(value, 'v', sizeof(value) - 1);
	value[sizeof(value) - 1] = 0;
	ck_assert_int_eq(world_set_node(&stage.world, "/local/domain/7/big", value, "n7"), 0);
	ring_stage_call(guest, MESSAGE_READ, 0, "big|", &message);
	ck_assert_uint_eq(message.header.len, sizeof(value) - 1);
	ck_assert_str_eq(message.payload, value);
}
END_TEST

START_TEST(an_exactly_full_ring_is_processed)
{
	unsigned char bytes[RING_SIZE + MESSAGE_SIZE_MAX];
	struct ring_message message;
	size_t len = 0, n = 0;

	while (len < RING_SIZE) {
		len += fake_guest_request(guest, MESSAGE_DIRECTORY, 0, "0123456789abcde", 16, bytes + len);
		n++;
	}
	ck_assert_uint_eq(len, RING_SIZE);
	ck_assert_uint_eq(fake_guest_put(guest, bytes, len), RING_SIZE);
	fake_guest_event(guest);
	ring_stage_turn();
	ck_assert_uint_eq(guest->page->req_cons, guest->page->req_prod);
	while (n--)
		ck_assert(ring_stage_take(guest, &message));
	ring_stage_alive(guest);
}
END_TEST

START_TEST(output_waits_for_room_and_comes_in_order)
{
	unsigned char bytes[MESSAGE_SIZE_MAX];
	struct ring_message message;
	char value[900];
	uint32_t first = guest->last_request_id + 2;

	memset(value, 'v', sizeof(value));
	write_node("a", value, sizeof(value));
	for (int i = 0; i < 20; i++)
		ring_stage_put(guest, bytes, fake_guest_request(guest, MESSAGE_READ, 0, "a", 2, bytes));
	ck_assert_uint_eq(guest->page->rsp_prod - guest->page->rsp_cons, RING_SIZE);
	for (uint32_t i = 0; i < 20; i++) {
		ck_assert(ring_stage_take(guest, &message));
		ck_assert_uint_eq(message.header.request_id, first + i);
		ck_assert_uint_eq(message.header.len, sizeof(value));
	}
}
END_TEST

START_TEST(a_guest_that_does_not_read_is_not_read_either_and_loses_nothing)
{
	unsigned char bytes[MESSAGE_SIZE_MAX];
	char value[1500];
	struct ring_message message;
	uint32_t sent = 0, first = guest->last_request_id + 2;
	size_t len;

	memset(value, 'v', sizeof(value));
	write_node("a", value, sizeof(value));
	do {
		len = fake_guest_request(guest, MESSAGE_READ, 0, "a", 2, bytes);
		if (RING_SIZE - (guest->page->req_prod - guest->page->req_cons) < len)
			break;
		ring_stage_put(guest, bytes, len);
		sent++;
	} while (sent < 1000);
	ck_assert_uint_lt(sent, 200); /* about 64 KiB of replies, and a full ring */
	ring_stage_alive(other);
	for (uint32_t i = 0; i < sent; i++) {
		ck_assert(ring_stage_take(guest, &message));
		ck_assert_uint_eq(message.header.request_id, first + i);
	}
	guest->last_request_id++;
	ring_stage_alive(guest);
}
END_TEST

START_TEST(a_guest_with_as_many_unanswered_requests_as_its_quota_is_not_read_further)
{
	const struct budget *unanswered = &domain_find(&stage.world.domains, 7)->budgets[QUOTA_OUTSTANDING];
	unsigned char bytes[MESSAGE_SIZE_MAX];
	struct ring_message message;
	char value[900];
	uint32_t sent = 0, first = guest->last_request_id + 2;
	size_t len;

	memset(value, 'v', sizeof(value));
	write_node("a", value, sizeof(value));
	for (;; sent++) {
		len = fake_guest_request(guest, MESSAGE_READ, 0, "a", 2, bytes);
		if (RING_SIZE - (guest->page->req_prod - guest->page->req_cons) < len)
			break;
		ring_stage_put(guest, bytes, len);
	}
	ck_assert_uint_eq(unanswered->used, 20);
	ck_assert_uint_eq(unanswered->most, 20);
	ring_stage_alive(other);
	for (uint32_t i = 0; i < sent; i++) {
		ck_assert(ring_stage_take(guest, &message));
		ck_assert_uint_eq(message.header.request_id, first + i);
		ck_assert_uint_le(unanswered->used, 20);
	}
	ring_stage_alive(guest);
	ck_assert_uint_eq(unanswered->used, 0);
}
END_TEST

START_TEST(the_guest_is_told_when_part_of_a_message_was_taken)
{
	unsigned char bytes[MESSAGE_SIZE_MAX] = {0};
	unsigned before = guest->notified;

	fake_guest_request(guest, MESSAGE_WRITE, 0, "a", 2, bytes);
	ring_stage_put(guest, bytes, 5);
	ck_assert_uint_gt(guest->notified, before);
	ck_assert_uint_eq(guest->page->req_cons, guest->page->req_prod);
}
END_TEST

START_TEST(a_guest_is_not_told_when_nothing_has_moved)
{
	unsigned before = guest->notified;

	for (int i = 0; i < 10; i++) {
		fake_guest_event(guest);
		ring_stage_turn();
	}
	ck_assert_uint_eq(guest->notified, before);
	ck_assert_uint_ge(guest->unmasked, 10);
}
END_TEST

START_TEST(what_is_put_after_an_event_is_found_by_the_next)
{
	unsigned char bytes[MESSAGE_SIZE_MAX];
	struct ring_message message;
	size_t len = fake_guest_request(guest, MESSAGE_DIRECTORY, 0, "", 1, bytes);

	fake_guest_event(guest);
	fake_guest_put(guest, bytes, len);
	fake_guest_event(guest); /* while the first one is masked or pending */
	ring_stage_turn();
	ck_assert(ring_stage_take(guest, &message));
}
END_TEST

/* ---- dishonest guests ---- */

/* Values of an index that lies within the ring at 0. */
static uint32_t jump(int i)
{
	static const uint32_t jumps[] = {
	    RING_SIZE + 1, RING_SIZE + 2, 2 * RING_SIZE, 0x7fffffff, 0x80000000, 0x80000001, 0xffffffff, 0xfffffbff, 0xfffffc00,
	};

	return jumps[i];
}

enum { JUMPS = 9 };

START_TEST(a_producer_out_of_range_stops_the_connection_and_no_other)
{
	guest->page->req_prod = guest->page->req_cons + jump(_i);
	fake_guest_event(guest);
	ring_stage_stopped(guest, RING_ERROR_INDEX);
	ring_stage_alive(other);
	ck_assert_uint_eq(ring_front_connections(stage.rings), 2);
}
END_TEST

START_TEST(a_consumer_out_of_range_stops_the_connection_and_no_other)
{
	unsigned char bytes[MESSAGE_SIZE_MAX];
	size_t len = fake_guest_request(guest, MESSAGE_DIRECTORY, 0, "", 1, bytes);

	guest->page->rsp_cons = guest->page->rsp_prod - jump(_i);
	fake_guest_put(guest, bytes, len);
	fake_guest_event(guest);
	ring_stage_stopped(guest, RING_ERROR_INDEX);
	ring_stage_alive(other);
}
END_TEST

START_TEST(a_consumer_ahead_of_the_producer_stops_the_connection)
{
	unsigned char bytes[MESSAGE_SIZE_MAX];

	guest->page->rsp_cons = guest->page->rsp_prod + 1;
	fake_guest_put(guest, bytes, fake_guest_request(guest, MESSAGE_DIRECTORY, 0, "", 1, bytes));
	fake_guest_event(guest);
	ring_stage_stopped(guest, RING_ERROR_INDEX);
}
END_TEST

START_TEST(the_indexes_of_the_server_are_its_own)
{
	unsigned char bytes[MESSAGE_SIZE_MAX];
	struct ring_message message;
	uint32_t consumed = guest->page->req_cons, produced = guest->page->rsp_prod;
	size_t len = fake_guest_request(guest, MESSAGE_GET_PERMS, 0, "", 1, bytes);

	fake_guest_put(guest, bytes, len);
	guest->page->req_cons = 0x12345678;
	guest->page->rsp_prod = 0x9abcdef0;
	guest->page->server_features = 0;
	fake_guest_event(guest);
	ring_stage_turn();
	ck_assert_uint_eq(guest->page->req_cons, consumed + len);
	ck_assert_uint_gt(guest->page->rsp_prod, produced);
	ck_assert_uint_le(guest->page->rsp_prod, produced + RING_SIZE);
	ck_assert(ring_stage_take(guest, &message));
	ck_assert_uint_eq(message.header.request_id, guest->last_request_id);
}
END_TEST

START_TEST(a_message_that_is_too_long_stops_the_connection)
{
	static const uint32_t lengths[] = {4097, 0x7fffffff, 0x80000000, 0xc0000000, 0xffffffff, 0xfffffff0};
	struct message_header header = {MESSAGE_WRITE, 1, 0, lengths[_i]};
	unsigned char bytes[MESSAGE_HEADER_SIZE];

	message_write_header(bytes, &header);
	fake_guest_put(guest, bytes, sizeof(bytes));
	fake_guest_event(guest);
	ring_stage_stopped(guest, RING_ERROR_PROTOCOL);
	ring_stage_alive(other);
}
END_TEST

START_TEST(what_came_before_a_message_that_is_too_long_is_answered)
{
	struct message_header header = {MESSAGE_WRITE, 1, 0, 4097};
	unsigned char bytes[MESSAGE_SIZE_MAX + MESSAGE_HEADER_SIZE];
	struct ring_message message;
	size_t len = fake_guest_request(guest, MESSAGE_GET_PERMS, 0, "", 1, bytes);

	message_write_header(bytes + len, &header);
	fake_guest_put(guest, bytes, len + MESSAGE_HEADER_SIZE);
	fake_guest_event(guest);
	ring_stage_turn();
	ck_assert_uint_eq(guest->page->error, RING_ERROR_PROTOCOL);
	ck_assert(ring_stage_take(guest, &message));
	ck_assert_uint_eq(message.header.request_id, guest->last_request_id);
}
END_TEST

START_TEST(a_stopped_connection_has_neither_watches_nor_output)
{
	struct ring_message message;
	const struct ring_page *page = guest->page;

	ring_stage_call(guest, MESSAGE_WATCH, 0, "/local/domain/7|token|", &message);
	ck_assert(ring_stage_take(guest, &message));
	guest->page->req_prod += 2000;
	fake_guest_event(guest);
	ring_stage_turn();
	uint32_t produced = page->rsp_prod;
	ck_assert_uint_eq(watch_count(stage.world.turn.watches), 0);
	ck_assert_int_eq(world_set_node(&stage.world, "/local/domain/7/x", "", NULL), 0);
	ring_stage_turn();
	ck_assert_uint_eq(page->rsp_prod, produced);
}
END_TEST

/* Any bytes, indexes that jump now and then: the daemon lives, and the other guest is served. */
START_TEST(any_page_does_no_harm)
{
	struct random random;

	random_begin(&random, "RING_SEED");
	for (int i = 0; i < 3000; i++) {
		struct ring_page *page = guest->page;
		for (int j = 0; j < 40; j++)
			page->req[random_below(&random, RING_SIZE)] = (unsigned char)random_below(&random, 4);
		if (random_below(&random, 4))
			page->req_prod = page->req_cons + random_below(&random, RING_SIZE + 1);
		else
			page->req_prod = random_below(&random, UINT32_MAX);
		if (random_below(&random, 8))
			page->rsp_cons = page->rsp_prod - random_below(&random, RING_SIZE + 1);
		else
			page->rsp_cons = random_below(&random, UINT32_MAX);
		if (!random_below(&random, 3))
			page->connection = random_below(&random, 3);
		if (!random_below(&random, 100))
			page->req_cons = page->rsp_prod = random_below(&random, UINT32_MAX);
		fake_guest_event(guest);
		ring_stage_turn();
		if (!(i % 100))
			ring_stage_alive(other);
	}
}
END_TEST

/* ---- beginning anew ---- */

static void ask_to_reconnect(void)
{
	guest->page->connection = RING_RECONNECT;
	fake_guest_event(guest);
	ring_stage_turn();
	ck_assert_uint_eq(guest->page->connection, RING_CONNECTED);
	ck_assert_uint_eq(guest->page->error, RING_ERROR_NONE);
	ck_assert_uint_eq(guest->page->req_prod | guest->page->req_cons | guest->page->rsp_prod | guest->page->rsp_cons, 0);
}

START_TEST(a_guest_can_reconnect_in_the_middle_of_a_message)
{
	unsigned char bytes[MESSAGE_SIZE_MAX];
	unsigned before = guest->notified;

	fake_guest_request(guest, MESSAGE_WRITE, 0, "abc", 4, bytes);
	ring_stage_put(guest, bytes, 10);
	ask_to_reconnect();
	ck_assert_uint_gt(guest->notified, before);
	ring_stage_alive(guest);
}
END_TEST

START_TEST(reconnecting_ends_watches_transactions_and_output)
{
	unsigned char bytes[MESSAGE_SIZE_MAX];
	struct ring_message message;

	write_node("a", "value", 5);
	ring_stage_call(guest, MESSAGE_WATCH, 0, "/local/domain/7|token|", &message);
	ring_stage_call(guest, MESSAGE_TRANSACTION_START, 0, "|", &message);
	uint32_t transaction = (uint32_t)strtoul(message.payload, NULL, 10);
	for (int i = 0; i < 60; i++)
		ring_stage_put(guest, bytes, fake_guest_request(guest, MESSAGE_READ, 0, "a", 2, bytes));
	ask_to_reconnect();
	ck_assert_uint_eq(watch_count(stage.world.turn.watches), 0);
	ck_assert(!ring_stage_take(guest, &message));
	ring_stage_call(guest, MESSAGE_READ, transaction, "a|", &message);
	ck_assert_str_eq(message.payload, "ENOENT");
	ring_stage_alive(guest);
}
END_TEST

START_TEST(a_guest_that_was_stopped_can_reconnect)
{
	guest->page->req_prod += 5000;
	fake_guest_event(guest);
	ring_stage_stopped(guest, RING_ERROR_INDEX);
	ask_to_reconnect();
	ring_stage_alive(guest);
}
END_TEST

START_TEST(a_ring_that_does_not_offer_reconnection_does_not_look_for_it)
{
	struct domain *domain;

	ck_assert_int_eq(domain_get(&stage.world.domains, 9, &domain), 0);
	domain->features = RING_FEATURES & ~RING_FEATURE_RECONNECTION;
	struct fake_guest *old = ring_stage_guest(9);
	old->page->connection = RING_RECONNECT;
	ring_stage_alive(old);
	ck_assert_uint_eq(old->page->connection, RING_RECONNECT);
	ck_assert_uint_ne(old->page->req_cons, 0);
}
END_TEST

START_TEST(requests_put_after_a_reconnection_are_answered)
{
	struct ring_message message;

	for (int i = 0; i < 50; i++) {
		ask_to_reconnect();
		ring_stage_call(guest, MESSAGE_GET_PERMS, 0, "|", &message);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("ring");
	TCase *tcase = tcase_create("all");

	tcase_add_checked_fixture(tcase, start, ring_stage_close);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, a_message_may_be_cut_at_every_byte);
	tcase_add_test(tcase, a_message_may_come_byte_by_byte);
	tcase_add_test(tcase, messages_wrap_at_every_byte_of_both_rings);
	tcase_add_test(tcase, the_longest_messages_go_through_from_every_offset);
	tcase_add_test(tcase, a_reply_of_4096_bytes_goes_through);
	tcase_add_test(tcase, an_exactly_full_ring_is_processed);
	tcase_add_test(tcase, output_waits_for_room_and_comes_in_order);
	tcase_add_test(tcase, a_guest_that_does_not_read_is_not_read_either_and_loses_nothing);
	tcase_add_test(tcase, a_guest_with_as_many_unanswered_requests_as_its_quota_is_not_read_further);
	tcase_add_test(tcase, the_guest_is_told_when_part_of_a_message_was_taken);
	tcase_add_test(tcase, a_guest_is_not_told_when_nothing_has_moved);
	tcase_add_test(tcase, what_is_put_after_an_event_is_found_by_the_next);
	tcase_add_loop_test(tcase, a_producer_out_of_range_stops_the_connection_and_no_other, 0, JUMPS);
	tcase_add_loop_test(tcase, a_consumer_out_of_range_stops_the_connection_and_no_other, 0, JUMPS);
	tcase_add_test(tcase, a_consumer_ahead_of_the_producer_stops_the_connection);
	tcase_add_test(tcase, the_indexes_of_the_server_are_its_own);
	tcase_add_loop_test(tcase, a_message_that_is_too_long_stops_the_connection, 0, 6);
	tcase_add_test(tcase, what_came_before_a_message_that_is_too_long_is_answered);
	tcase_add_test(tcase, a_stopped_connection_has_neither_watches_nor_output);
	tcase_add_test(tcase, any_page_does_no_harm);
	tcase_add_test(tcase, a_guest_can_reconnect_in_the_middle_of_a_message);
	tcase_add_test(tcase, reconnecting_ends_watches_transactions_and_output);
	tcase_add_test(tcase, a_guest_that_was_stopped_can_reconnect);
	tcase_add_test(tcase, a_ring_that_does_not_offer_reconnection_does_not_look_for_it);
	tcase_add_test(tcase, requests_put_after_a_reconnection_are_answered);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
