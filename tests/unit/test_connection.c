/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What all kinds of connections share, with a kind whose bytes the test brings itself. */
#include "front/connection.h"

#include <check.h>
#include <ev.h>
#include <string.h>

#include "support/suite.h"
#include "support/world.h"

enum { CONNECTIONS = 4, MANY = 200, REQUESTS_PER_TURN = 64 };

struct fake {
	struct connection connection;
	size_t offered; /* requests that can be received: */
	unsigned char request[512];
	size_t request_len;
	bool takes;	  /* its output */
	unsigned looks;	  /* calls of receive */
	unsigned closes;  /* calls of close */
	size_t taken;	  /* bytes of output */
	unsigned last_at; /* when it was looked at last, counted over all */
};

static struct world world;
static struct ev_loop *loop;
static struct front front;
static struct fake fakes[CONNECTIONS];
static unsigned n_looks;

static struct fake *fake_of(struct connection *connection)
{
	return (struct fake *)(void *)connection;
}

static void fake_receive(struct connection *connection)
{
	struct fake *fake = fake_of(connection);
	unsigned char *at;
	size_t room;

	fake->looks++;
	fake->last_at = ++n_looks;
	while (fake->offered && !ledger_copy_in_begin(&connection->client.ledger, &at, &room) && room >= fake->request_len) {
		memcpy(at, fake->request, fake->request_len);
		ledger_copy_in_end(&connection->client.ledger, fake->request_len);
		fake->offered--;
	}
	connection->is_readable = fake->offered;
}

static void fake_send(struct connection *connection)
{
	struct fake *fake = fake_of(connection);

	if (!fake->takes || !connection->client.ledger.ready)
		return;
	fake->taken += connection->client.ledger.ready;
	ledger_copy_out_end(&connection->client.ledger, connection->client.ledger.ready);
}

static void fake_close(struct connection *connection)
{
	fake_of(connection)->closes++;
	connection_deinit(connection);
}

static const struct connection_kind fake_kind = {fake_receive, fake_send, NULL, fake_close};

static void add_request(struct fake *fake, uint32_t type, const char *path)
{
	const struct message_header header = {.type = type, .len = (uint32_t)strlen(path) + 1};

	memcpy(fake->request + fake->request_len, &header, sizeof(header));
	memcpy(fake->request + fake->request_len + sizeof(header), path, header.len);
	fake->request_len += sizeof(header) + header.len;
}

static void start(void)
{
	n_looks = 0;
	memset(fakes, 0, sizeof(fakes));
	ck_assert_int_eq(world_init(&world, NULL), 0);
	loop = ev_loop_new(EVFLAG_AUTO);
	ck_assert_ptr_nonnull(loop);
	front_init(&front, loop, &world.turn);
	for (uint64_t i = 0; i < CONNECTIONS; i++) {
		struct domain *domain = domain_find(&world.domains, 0);
		ck_assert_int_eq(connection_init(&fakes[i].connection, &front, &fake_kind, 70000 + i, domain), 0);
		fakes[i].takes = true;
		add_request(&fakes[i], MESSAGE_READ, "/");
	}
}

static void stop(void)
{
	front_finish(&front);
	for (int i = 0; i < CONNECTIONS; i++)
		if (!fakes[i].closes)
			connection_deinit(&fakes[i].connection);
	front_deinit(&front);
	ev_loop_destroy(loop);
	world_deinit(&world);
}

static void turn_loop(int rounds)
{
	while (rounds--)
		ev_run(loop, EVRUN_NOWAIT);
}

static void offer(struct fake *fake, size_t n)
{
	fake->offered += n;
	fake->connection.is_readable = true;
	connection_make_ready(&fake->connection);
}

START_TEST(connections_are_served_in_the_order_in_which_they_had_something)
{
	offer(&fakes[2], 1);
	offer(&fakes[0], 1);
	offer(&fakes[1], 1);
	turn_loop(1);
	ck_assert_uint_eq(fakes[2].last_at, 1);
	ck_assert_uint_eq(fakes[0].last_at, 2);
	ck_assert_uint_eq(fakes[1].last_at, 3);
	ck_assert_uint_eq(fakes[3].looks, 0);
}
END_TEST

START_TEST(one_that_has_much_runs_some_of_it_in_a_turn)
{
	offer(&fakes[0], MANY);
	turn_loop(1); /* a turn before the wait, a turn after it */
	ck_assert_uint_le(world.turn.figures.requests, 2 * REQUESTS_PER_TURN);
	offer(&fakes[1], 1);
	turn_loop(1);
	ck_assert_uint_gt(fakes[1].taken, 0);
	turn_loop(MANY);
	ck_assert_uint_eq(world.turn.figures.requests, MANY + 1);
}
END_TEST

START_TEST(one_that_changes_much_runs_less_of_it_in_a_turn)
{
	char path[256] = "/deep";

	for (size_t len = strlen(path); len < 200; len += 2)
		memcpy(path + len, "/x", 3);
	fakes[0].request_len = 0;
	add_request(&fakes[0], MESSAGE_MKDIR, path);
	add_request(&fakes[0], MESSAGE_RM, "/deep");
	offer(&fakes[0], 20);
	turn_loop(1);
	/* A hundred nodes with each MKDIR. */
	ck_assert_uint_lt(world.turn.figures.requests, 2 * 10);
	turn_loop(20);
	ck_assert_uint_eq(world.turn.figures.requests, 2 * 20);
}
END_TEST

START_TEST(a_paused_one_is_not_served_until_it_is_resumed)
{
	offer(&fakes[0], 1);
	connection_pause(&fakes[0].connection);
	offer(&fakes[0], 1);
	turn_loop(3);
	ck_assert_uint_eq(fakes[0].looks, 0);
	connection_resume(&fakes[0].connection);
	turn_loop(3);
	ck_assert_uint_eq(world.turn.figures.requests, 2);
}
END_TEST

START_TEST(one_that_does_not_take_its_output_is_not_served)
{
	fakes[0].takes = false;
	offer(&fakes[0], 10 * (size_t)CONNECTION_QUEUED_HIGH / MESSAGE_HEADER_SIZE);
	turn_loop(MANY);
	uint64_t before = world.turn.figures.requests;
	ck_assert(connection_is_held_back(&fakes[0].connection));
	turn_loop(MANY);
	ck_assert_uint_eq(world.turn.figures.requests, before);
	offer(&fakes[1], 1);
	turn_loop(1);
	ck_assert_uint_gt(fakes[1].taken, 0);
	fakes[0].takes = true;
	fake_send(&fakes[0].connection);
	connection_sent(&fakes[0].connection);
	turn_loop(2);
	ck_assert_uint_gt(world.turn.figures.requests, before + 1);
}
END_TEST

START_TEST(an_end_comes_once_and_behind_the_output)
{
	offer(&fakes[0], 1);
	connection_end(&fakes[0].connection);
	connection_end(&fakes[0].connection);
	ck_assert_uint_eq(fakes[0].closes, 0);
	turn_loop(3);
	ck_assert_uint_eq(fakes[0].closes, 1);
	ck_assert_uint_eq(fakes[0].looks, 0);
}
END_TEST

START_TEST(one_whose_client_sends_nothing_more_ends_when_all_is_answered)
{
	offer(&fakes[0], 3);
	fakes[0].connection.at_end = true;
	turn_loop(3);
	ck_assert_uint_eq(world.turn.figures.requests, 3);
	ck_assert_uint_gt(fakes[0].taken, 0);
	ck_assert_uint_eq(fakes[0].closes, 1);
}
END_TEST

START_TEST(one_that_was_taken_down_is_not_served_any_more)
{
	offer(&fakes[0], 1);
	connection_deinit(&fakes[0].connection);
	fakes[0].closes++;
	connection_make_ready(&fakes[0].connection);
	turn_loop(3);
	ck_assert_uint_eq(fakes[0].looks, 0);
	ck_assert(client_is_ended(&fakes[0].connection.client));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("connection");
	TCase *tcase = tcase_create("all");

	tcase_add_checked_fixture(tcase, start, stop);
	tcase_add_test(tcase, connections_are_served_in_the_order_in_which_they_had_something);
	tcase_add_test(tcase, one_that_has_much_runs_some_of_it_in_a_turn);
	tcase_add_test(tcase, one_that_changes_much_runs_less_of_it_in_a_turn);
	tcase_add_test(tcase, a_paused_one_is_not_served_until_it_is_resumed);
	tcase_add_test(tcase, one_that_does_not_take_its_output_is_not_served);
	tcase_add_test(tcase, an_end_comes_once_and_behind_the_output);
	tcase_add_test(tcase, one_whose_client_sends_nothing_more_ends_when_all_is_answered);
	tcase_add_test(tcase, one_that_was_taken_down_is_not_served_any_more);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
