/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A store that has reached its limit: what needs room gets ENOSPC and leaves nothing, everything else goes on, and removing nodes
 * makes room.
 */
#include "integration/crowd.h"
#include "integration/full.h"
#include "support/random.h"
#include "support/suite.h"

#include <check.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { WRITERS = 4, WRITES_TOGETHER = 6, CYCLES = 4, REFILLS = 300, KILLS = 25 };

static struct full full;

static void start_plain(void)
{
	full.mode = "plain";
}

static void start_map(void)
{
	full.mode = "map";
}

static void stop(void)
{
	if (full.daemon.pid)
		full_end(&full, SIGTERM);
}

/* ---- what came at once ---- */

struct asked {
	int fd;
	uint32_t type;
	unsigned node, version;
};

static void send_asked(const struct asked *asked)
{
	char payload[FULL_PAYLOAD_SIZE];
	size_t len = asked->type == MESSAGE_WRITE ? full_put_write(asked->node, asked->version, payload)
						  : full_put_path(asked->node, payload);

	crowd_send(asked->fd, asked->type, asked->node, payload, len);
}

/* Only new nodes may be refused; returns whether this was. */
static bool take_asked(const struct asked *asked)
{
	struct crowd_message answer;

	crowd_receive(asked->fd, &answer);
	ck_assert_uint_eq(answer.id, asked->node);
	if (answer.type == MESSAGE_ERROR) {
		ck_assert_uint_eq(asked->type, MESSAGE_WRITE);
		ck_assert_str_eq(answer.payload, "ENOSPC");
		return true;
	}
	if (asked->type == MESSAGE_WRITE)
		full.version[asked->node] = asked->version;
	else if (asked->type == MESSAGE_RM)
		full.version[asked->node] = 0;
	return false;
}

/*
 * One turn: each of some clients writes new nodes, from *next on, between them one reads and another removes old ones. Returns
 * how many were refused.
 */
static unsigned run_turn(int fds[WRITERS], int reader, int remover, unsigned *next)
{
	struct asked asked[WRITERS * (WRITES_TOGETHER + 2)];
	unsigned n = 0, refused = 0;

	crowd_stop_daemon(&full.daemon);
	for (int i = 0; i < WRITERS; i++) {
		for (int k = 0; k < WRITES_TOGETHER; k++)
			asked[n++] = (struct asked){fds[i], MESSAGE_WRITE, (*next)++, ++full.last_version};
		asked[n++] = (struct asked){reader, MESSAGE_READ, 0, 0};
	}
	for (unsigned node = 1; node < *next && n < sizeof(asked) / sizeof(asked[0]); node++) {
		if (full.version[node] && node % 8 == 0)
			asked[n++] = (struct asked){remover, MESSAGE_RM, node, 0};
	}
	for (unsigned i = 0; i < n; i++)
		send_asked(&asked[i]);
	crowd_continue_daemon(&full.daemon);
	for (unsigned i = 0; i < n; i++)
		refused += take_asked(&asked[i]);
	return refused;
}

static void fill_in_turns(const char *store_size)
{
	int fds[WRITERS], reader, remover;
	unsigned next = 1, full_turns = 0;

	full_serve(&full, store_size);
	for (int i = 0; i < WRITERS; i++)
		fds[i] = crowd_connect(&full.daemon);
	reader = crowd_connect(&full.daemon);
	remover = crowd_connect(&full.daemon);
	ck_assert(full_write(&full, 0));
	while (full_turns < 5) {
		unsigned refused = run_turn(fds, reader, remover, &next);
		full_turns += refused > 0;
		ck_assert_uint_lt(next, FULL_NODES - 100);
	}
	full_check(&full, next);
	for (int i = 0; i < WRITERS; i++)
		close(fds[i]);
	close(reader);
	close(remover);
}

START_TEST(a_full_store_refuses_only_what_needs_room_of_all_that_came_at_once)
{
	fill_in_turns("256K");
	full_end(&full, SIGTERM);
	fill_in_turns("1M");
}
END_TEST

START_TEST(removing_nodes_makes_room_again_and_again)
{
	unsigned first = 0;

	full_serve(&full, "1M");
	for (int i = 0; i < CYCLES; i++) {
		unsigned n = full_fill(&full, 0);
		full_check(&full, n + 1);
		if (!first)
			first = n;
		ck_assert_uint_ge(n, first - first / 10);
		for (unsigned node = 0; node < n; node++)
			full_remove(&full, node);
		full_check(&full, n);
	}
}
END_TEST

/* However often the last bit of room was used. */
START_TEST(a_store_can_be_filled_up_after_each_removal)
{
	unsigned next;

	full_serve(&full, "256K");
	next = full_fill(&full, 0);
	for (unsigned oldest = 0; oldest < REFILLS; oldest++) {
		full_remove(&full, oldest);
		while (full_write(&full, next))
			next++;
	}
	full_check(&full, next + 1);
}
END_TEST

START_TEST(a_full_store_lets_a_large_subtree_be_removed)
{
	unsigned n;

	full_serve(&full, "1M");
	n = full_fill(&full, 0);
	expect_ok(full.client, MESSAGE_RM, 0, ARGUMENTS("/full"));
	memset(full.version, 0, sizeof(full.version));
	expect_sound(full.client);
	ck_assert_uint_ge(full_fill(&full, 0), n - n / 10);
}
END_TEST

START_TEST(a_full_store_lets_a_transaction_remove_nodes)
{
	unsigned n;

	full_serve(&full, "1M");
	n = full_fill(&full, 0);
	while (n >= 10) {
		uint32_t transaction = expect_transaction(full.client);
		for (unsigned i = 0; i < 10; i++) {
			char path[32];
			full_put_path(--n, path);
			full.version[n] = 0;
			expect_ok(full.client, MESSAGE_RM, transaction, ARGUMENTS(path));
		}
		expect_end(full.client, transaction, "");
	}
	full_check(&full, n);
}
END_TEST

/* Its snapshot has pages that nobody may use; it does without before anybody is refused. */
START_TEST(an_open_transaction_does_not_make_the_store_full)
{
	uint32_t transaction;
	unsigned n;

	full_serve(&full, "1M");
	n = full_fill(&full, 0);
	transaction = expect_transaction(full.client);
	full_check_node(&full, 0);
	for (unsigned node = 0; node < n; node++)
		full_remove(&full, node);
	ck_assert_uint_ge(full_fill(&full, 0), n - n / 10);
	expect_end(full.client, transaction, "");
}
END_TEST

START_TEST(a_full_store_is_served_again)
{
	const char *other = !strcmp(full.mode, "map") ? "plain" : "map";
	unsigned n;

	full_serve(&full, "1M");
	n = full_fill(&full, 0);
	for (int i = 0; i < CYCLES; i++) {
		full_end(&full, i % 2 ? SIGKILL : SIGTERM);
		full_serve_again(&full, i / 2 ? other : full.mode);
		full_check(&full, n);
		for (unsigned node = 0; node < n; node += 2)
			full_remove(&full, node);
		n = full_fill(&full, n);
		full_check(&full, n);
	}
}
END_TEST

/* ---- kills ---- */

/* One load: each of its changes is of another node, and every third node is removed. */
struct load {
	unsigned first, n_nodes; /* it goes around */
	unsigned n;		 /* changes */
	unsigned remainder;	 /* of nodes that are removed */
	unsigned taken;		 /* answers */
};

static unsigned load_node(const struct load *load, unsigned i)
{
	return (load->first + i) % load->n_nodes;
}

static unsigned load_version(unsigned i)
{
	return full.last_version + 1 + i;
}

static bool load_removes(const struct load *load, unsigned i)
{
	return load_node(load, i) % 3 == load->remainder;
}

static void send_load(const struct load *load)
{
	char payload[FULL_PAYLOAD_SIZE];

	for (unsigned i = 0; i < load->n; i++) {
		unsigned node = load_node(load, i);
		bool removes = load_removes(load, i);
		size_t len = removes ? full_put_path(node, payload) : full_put_write(node, load_version(i), payload);
		ck_assert_int_eq(client_send(full.client, removes ? MESSAGE_RM : MESSAGE_WRITE, 0, payload, len, NULL), 0);
	}
}

static void take_answers(struct load *load, unsigned n)
{
	struct client_message answer;

	for (; load->taken < n; load->taken++) {
		ck_assert_int_eq(client_receive_reply(full.client, &answer), 0);
		if (answer.header.type == MESSAGE_ERROR)
			ck_assert_str_eq(answer.payload, "ENOSPC");
		else
			full.version[load_node(load, load->taken)] =
			    load_removes(load, load->taken) ? 0 : load_version(load->taken);
	}
}

/* What was not answered was done or not: what is there says it. */
static void find_out(const struct load *load)
{
	char path[32], changed[FULL_PAYLOAD_SIZE];

	for (unsigned i = load->taken; i < load->n; i++) {
		unsigned node = load_node(load, i);
		size_t len = full_put_value(node, load_version(i), changed);
		full_put_path(node, path);
		struct client_message answer = expect_any(full.client, MESSAGE_READ, 0, ARGUMENTS(path));
		if (answer.header.type == MESSAGE_ERROR && load_removes(load, i))
			full.version[node] = 0;
		else if (answer.header.len == len && !memcmp(answer.payload, changed, len))
			full.version[node] = load_version(i);
	}
	full.last_version += load->n;
}

START_TEST(a_full_store_survives_kills)
{
	struct random random;
	unsigned n;

	random_begin(&random, "FULL_SEED");
	full_serve(&full, "256K");
	n = full_fill(&full, 0) + 20;
	for (unsigned kill = 0; kill < KILLS; kill++) {
		struct load load = {
		    .first = random_below(&random, n),
		    .n_nodes = n,
		    .n = 1 + random_below(&random, n),
		    .remainder = kill % 3,
		};
		send_load(&load);
		take_answers(&load, random_below(&random, load.n));
		full_end(&full, SIGKILL);
		full_serve_again(&full, full.mode);
		find_out(&load);
		full_check(&full, n);
	}
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
	    a_full_store_refuses_only_what_needs_room_of_all_that_came_at_once,
	    removing_nodes_makes_room_again_and_again,
	    a_store_can_be_filled_up_after_each_removal,
	    a_full_store_lets_a_large_subtree_be_removed,
	    a_full_store_lets_a_transaction_remove_nodes,
	    an_open_transaction_does_not_make_the_store_full,
	    a_full_store_is_served_again,
	    a_full_store_survives_kills,
	};
	Suite *suite =
	    expect_suite("full store, plain", &full.daemon, start_plain, stop, tests, sizeof(tests) / sizeof(tests[0]));

	expect_case(suite, "full store, map", start_map, stop, tests, sizeof(tests) / sizeof(tests[0]));
	return suite_run(suite);
}
