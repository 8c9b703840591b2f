/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Xen's security advisories: how much a guest can make the daemon hold. Each test is named after the advisory that it shows not
 * to concern this daemon. Guests 1 and 2 are there.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guests.h"
#include "support/suite.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum { OUTSTANDING = 20 /* first value of the quota */ };

static struct client *first, *second;

static void start_with(const char *const arguments[])
{
	guests_start_with(arguments);
	first = guests_add(1);
	second = guests_add(2);
}

static void start(void)
{
	start_with(NULL);
}

static void start_with_short_timeout(void)
{
	start_with((const char *const[]){"--timeout", "watch-event=1", NULL});
}

static void write_below(struct client *client, const char *directory, unsigned i)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/%06u", directory, i);
	expect_write(client, 0, path, "");
}

static void expect_write_error(struct client *client, const char *error, uint32_t transaction, const char *path)
{
	expect_error(client, error, MESSAGE_WRITE, transaction, ARGUMENTS(path, "value"));
}

/* ---- 324 ---- */

START_TEST(xsa_324_cve_2020_29484_an_event_that_exceeds_a_message_is_not_sent)
{
	struct client *const clients[] = {first, guests.root};
	const char *paths[] = {"w", "/local/domain/1/w"};

	for (size_t i = 0; i < COUNT(clients); i++) {
		char token[MESSAGE_PAYLOAD_MAX];
		size_t len = sizeof(token) - strlen(paths[i]) - 2;
		memset(token, 't', len);
		token[len] = 0;
		unsigned long dropped = guests_report("dropped: ");
		expect_watch(clients[i], paths[i], token);
		expect_write(guests.root, 0, guests_path(1, "w"), "value");
		expect_event(clients[i], paths[i], token);
		expect_write(guests.root, 0, guests_path(1, "w/below"), "value");
		expect_no_event(clients[i]);
		ck_assert_uint_eq(guests_report("dropped: "), dropped + 1);
		expect_ok(clients[i], MESSAGE_UNWATCH, 0, ARGUMENTS(paths[i], token));
	}
	/* One byte makes the difference. */
	char token[MESSAGE_PAYLOAD_MAX];
	size_t len = MESSAGE_PAYLOAD_MAX - sizeof("w/12") - 1;
	memset(token, 't', len);
	token[len] = 0;
	expect_watch(first, "w", token);
	expect_write(first, 0, "w/12", "");
	expect_event(first, "w/12", token);
	expect_write(first, 0, "w/123", "");
	expect_no_event(first);
}
END_TEST

/* ---- 326 ---- */

enum { EVENTS = 200, EVENT_TOKEN = 500 };

/* Domain 1 has more events than its ring takes, and reads none. */
static void overflow_with_events(void)
{
	static char token[EVENT_TOKEN + 1];

	memset(token, 't', EVENT_TOKEN);
	expect_watch(first, "w", token);
	expect_write(guests.root, 0, guests_path(1, "w"), "");
	for (unsigned i = 0; i < EVENTS; i++)
		write_below(guests.root, guests_path(1, "w"), i);
}

static bool has_dropped(void *context)
{
	return guests_report("dropped: ") >= *(const unsigned long *)context;
}

START_TEST(xsa_326_cve_2022_42311_events_that_are_not_read_are_dropped_after_a_while)
{
	unsigned before = guests_account(1, "memory"), taken = 0;
	unsigned long dropped = EVENTS - GUEST_RING / EVENT_TOKEN - 1;
	struct client_message message;
	char last[16];

	overflow_with_events();
	guests_await(has_dropped, &dropped, "events are dropped");
	ck_assert_uint_le(guests_account(1, "memory"), before + EVENTS * EVENT_TOKEN / 4);
	/* What it got comes whole and in order, and then it gets new ones. */
	guests_served(first);
	write_below(guests.root, guests_path(1, "w"), EVENTS);
	snprintf(last, sizeof(last), "w/%06d", EVENTS);
	do {
		ck_assert_int_eq(client_receive(first, &message), 0);
		ck_assert_uint_eq(message.header.type, MESSAGE_WATCH_EVENT);
		taken++;
	} while (strcmp(message.payload, last) != 0);
	ck_assert_uint_lt(taken, EVENTS / 10);
	ck_assert_uint_le(guests_account(1, "memory"), before + 2 * EVENT_TOKEN);
}
END_TEST

START_TEST(xsa_326_cve_2022_42311_that_is_logged_once_and_domain_0_may_read_when_it_likes)
{
	unsigned long dropped = EVENTS / 2;
	struct client *lazy = expect_client(&guests.daemon);

	ck_assert_int_eq(client_send(lazy, MESSAGE_WATCH, 0, "/local/domain/1\0token", 22, NULL), 0);
	overflow_with_events();
	guests_await(has_dropped, &dropped, "events are dropped");
	for (unsigned i = 0; i < EVENTS; i++) {
		struct client_event event;
		struct client_message reply;
		if (!i) {
			ck_assert_int_eq(client_receive_reply(lazy, &reply), 0);
			expect_event(lazy, guests_path(1, ""), "token");
			expect_event(lazy, guests_path(1, "w"), "token");
		}
		ck_assert_int_eq(client_next_event(lazy, &event), 0);
	}
	client_close(lazy);
	char *messages = daemon_messages(&guests.daemon);
	const char *said = strstr(messages, "domain 1");
	ck_assert_msg(said, "nothing is said of domain 1: %s", messages);
	ck_assert_msg(!strstr(said + 1, "domain 1"), "more than once: %s", messages);
	free(messages);
}
END_TEST

START_TEST(xsa_326_cve_2022_42312_with_so_many_requests_unanswered_no_more_are_read)
{
	enum { REQUESTS = 1000 };
	struct guests_flood flood;
	struct guest_page *page = guests_page(1);
	size_t reply = sizeof(struct message_header) + sizeof("/local/domain/1");

	guests_flood_init(&flood, 1, MESSAGE_GET_DOMAIN_PATH, "1", 2, REQUESTS);
	for (int i = 0; i < 20; i++) {
		guests_flood_put(&flood);
		guests_served(second);
		guests_served(guests.root);
	}
	guests_await_idle();
	/* So many replies are in the ring, so many wait, and the daemon has a ring's worth of requests that it has not looked at.
	 */
	uint32_t consumed = atomic_load(&page->req_cons), waiting = atomic_load(&page->req_prod) - consumed;
	ck_assert_uint_le(consumed / flood.len, GUEST_RING / reply + OUTSTANDING + 2 * GUEST_RING / flood.len);
	ck_assert_uint_gt(waiting, GUEST_RING - flood.len);
	for (int i = 0; i < REQUESTS; i++) {
		struct client_message message;
		guests_flood_put(&flood);
		ck_assert_int_eq(client_receive_reply(first, &message), 0);
		ck_assert_str_eq(message.payload, "/local/domain/1");
	}
}
END_TEST

START_TEST(xsa_326_cve_2022_42313_nodes_made_for_a_domain_before_it_is_introduced_count)
{
	enum { NODES = 100 };

	guests_create(5);
	guests_home(5);
	for (unsigned i = 1; i < NODES; i++) {
		write_below(guests.root, guests_path(5, ""), i);
		ck_assert_uint_eq(guests_account(5, "nodes"), i + 1); /* they have their parent's permissions */
	}
	guests_quota("nodes", NODES + 1);
	struct client *client = guests_introduce(5);
	ck_assert_uint_eq(guests_account(5, "nodes"), NODES);
	expect_write(client, 0, "one", "");
	expect_write_error(client, "ENOSPC", 0, "two");
	/* Domain 0 is not refused what it makes for it, and that counts too. */
	expect_write(guests.root, 0, guests_path(5, "two"), "");
	ck_assert_uint_eq(guests_account(5, "nodes"), NODES + 2);
}
END_TEST

START_TEST(xsa_326_cve_2022_42314_nodes_that_a_transaction_touches_are_bounded)
{
	enum { TOUCHED = 50 };
	uint32_t transaction;
	char path[16];

	guests_quota("transaction-nodes", TOUCHED);
	for (int kind = 0; kind < 3; kind++) {
		int refused = 0;
		transaction = expect_transaction(first);
		for (int i = 0; i < 4 * TOUCHED; i++) {
			static const uint32_t types[] = {MESSAGE_READ, MESSAGE_MKDIR, MESSAGE_RM};
			snprintf(path, sizeof(path), "%d-%d", kind, i);
			struct client_message answer = expect_any(first, types[kind], transaction, ARGUMENTS(path));
			refused += answer.header.type == MESSAGE_ERROR && !strcmp(answer.payload, "ENOSPC");
		}
		ck_assert_int_ge(refused, 3 * TOUCHED);
		expect_end(first, transaction, "");
	}
	transaction = expect_transaction(guests.root);
	for (int i = 0; i < 4 * TOUCHED; i++) {
		snprintf(path, sizeof(path), "/many/%d", i);
		expect_write(guests.root, transaction, path, "domain 0 is not bounded");
	}
	expect_end(guests.root, transaction, "");
}
END_TEST

/* What the domain is charged for in all, at any time. */
static void expect_bounded(uint16_t domid, unsigned limit)
{
	ck_assert_uint_le(guests_account(domid, "memory"), limit);
}

START_TEST(xsa_326_cve_2022_42315_memory_is_bounded_whatever_it_is_used_for)
{
	enum { LIMIT = 200000, TRIES = 300 };
	static char text[2001];
	char token[2100], path[32];
	unsigned refused = 0, free_of_it = guests_account(1, "memory");
	uint32_t transaction;

	memset(text, 'x', sizeof(text) - 1);
	guests_quota("memory", LIMIT);
	guests_quota("watches", 100000);
	guests_quota("transactions", 100000);
	/* Watches with long tokens; */
	for (int i = 0; i < TRIES; i++) {
		snprintf(token, sizeof(token), "%s%d", text, i);
		struct client_message answer = expect_any(first, MESSAGE_WATCH, 0, ARGUMENTS("w", token));
		refused += answer.header.type == MESSAGE_ERROR;
		guests_served(first); /* it has taken the event: over its limit it is not read before that */
	}
	ck_assert_uint_ge(refused, TRIES - LIMIT / 2000);
	expect_bounded(1, LIMIT);
	guests_served(second);
	expect_ok(first, MESSAGE_RESET_WATCHES, 0, ARGUMENTS(""));
	ck_assert_uint_le(guests_account(1, "memory"), free_of_it + 100);
	/* what transactions write; */
	refused = 0;
	transaction = expect_transaction(first);
	for (int i = 0; i < TRIES; i++) {
		snprintf(path, sizeof(path), "%d", i);
		struct client_message answer = expect_any(first, MESSAGE_WRITE, transaction, ARGUMENTS(path, text));
		refused += answer.header.type == MESSAGE_ERROR;
	}
	ck_assert_uint_ge(refused, TRIES - LIMIT / 2000);
	expect_bounded(1, LIMIT);
	expect_ok(first, MESSAGE_TRANSACTION_END, transaction, ARGUMENTS("F"));
	/* transactions. Nodes have limits of their own. */
	refused = 0;
	for (int i = 0; i < 5 * TRIES; i++) {
		struct client_message answer = expect_any(first, MESSAGE_TRANSACTION_START, 0, ARGUMENTS(""));
		refused += answer.header.type == MESSAGE_ERROR;
	}
	expect_bounded(1, LIMIT);
	expect_ok(first, MESSAGE_RESET_WATCHES, 0, ARGUMENTS(""));
	guests_served(first);
	guests_served(second);
}
END_TEST

START_TEST(xsa_326_cve_2022_42316_limits_hold_without_any_configuration)
{
	static const struct {
		const char *name;
		unsigned value;
	} limits[] = {
	    {"nodes", 1000},
	    {"watches", 128},
	    {"transactions", 10},
	    {"outstanding", OUTSTANDING},
	    {"transaction-nodes", 1024},
	    {"node-permissions", 5},
	    {"path-max", 2048},
	    {"node-size", 2048},
	};
	struct client_message answer = expect_any(guests.root, MESSAGE_CONTROL, 0, ARGUMENTS("quota"));
	char value[2050];

	for (size_t i = 0; i < COUNT(limits); i++) {
		const char *line = strstr(answer.payload, limits[i].name);
		while (line && line[-1] != '\n')
			line = strstr(line + 1, limits[i].name);
		ck_assert_msg(line && strchr(line, ':'), "no quota %s: %s", limits[i].name, answer.payload);
		ck_assert_uint_eq(strtoul(strchr(line, ':') + 1, NULL, 10), limits[i].value);
	}
	const char *memory = strstr(answer.payload, "\nmemory ");
	ck_assert_msg(memory && strtoul(strchr(memory, ':') + 1, NULL, 10) > 0, "no quota of memory: %s", answer.payload);
	memset(value, 'v', 2048);
	value[2048] = 0;
	expect_error(first, "ENOSPC", MESSAGE_WRITE, 0, ARGUMENTS("large", value));
	expect_error(first, "EINVAL", MESSAGE_WRITE, 0, ARGUMENTS(strcat(value, "v"), ""));
	expect_write(first, 0, "node", "");
	expect_error(first, "ENOSPC", MESSAGE_SET_PERMS, 0, ARGUMENTS("node", "n1", "r0", "r0", "r0", "r0", "r0"));
}
END_TEST

START_TEST(xsa_326_cve_2022_42317_a_request_past_a_limit_does_nothing)
{
	enum { TOUCHED = 10 };
	uint32_t transaction = expect_transaction(first);
	unsigned before = guests_account(1, "nodes"), done = 0;
	char path[16];

	guests_quota("transaction-nodes", TOUCHED);
	for (int i = 0; i < 3 * TOUCHED; i++) {
		snprintf(path, sizeof(path), "%d", i);
		struct client_message answer = expect_any(first, MESSAGE_MKDIR, transaction, ARGUMENTS(path));
		if (answer.header.type == MESSAGE_ERROR)
			ck_assert_str_eq(answer.payload, "ENOSPC");
		else
			done++;
	}
	ck_assert_uint_lt(done, TOUCHED + 1);
	expect_write(first, transaction, "0", "what is touched already may be touched again");
	expect_end(first, transaction, "");
	ck_assert_uint_eq(guests_account(1, "nodes"), before + done);
	expect_read(first, 0, path, NULL);
}
END_TEST

/* What waits for clients, in bytes. */
static unsigned long queued(void)
{
	return guests_report(" connections, ") * guests_report("blocks of ");
}

START_TEST(xsa_326_cve_2022_42318_replies_that_wait_are_bounded)
{
	enum { VALUE = 2000, SLACK = 65536 };
	static char value[VALUE + 1];
	struct guests_flood flood;
	unsigned long before;

	memset(value, 'v', VALUE);
	expect_write(first, 0, "large", value);
	guests_await_idle();
	before = queued();
	guests_flood_init(&flood, 1, MESSAGE_READ, "large", sizeof("large"), 10000);
	for (int i = 0; i < 200; i++) {
		guests_flood_put(&flood);
		guests_served(second);
	}
	guests_await_idle();
	ck_assert_uint_le(queued(), before + OUTSTANDING * (VALUE + sizeof(struct message_header)) + SLACK);
	ck_assert_uint_le(guests_account(1, "memory"), OUTSTANDING * 2 * VALUE + SLACK);
}
END_TEST

START_TEST(xsa_326_cve_2022_42318_so_are_events_also_those_for_domain_0)
{
	enum { MANY = 4000, TOKEN = 1500, EACH = 3 << 20 };
	static char token[TOKEN + 1];
	struct client *lazy = expect_client(&guests.daemon);
	unsigned long before = queued(), dropped = guests_report("dropped: ");

	memset(token, 't', TOKEN);
	expect_watch(first, "w", token);
	expect_watch(lazy, guests_path(1, "w"), token);
	expect_write(guests.root, 0, guests_path(1, "w"), "");
	for (unsigned i = 0; i < MANY; i++)
		write_below(guests.root, guests_path(1, "w"), i);
	ck_assert_uint_gt(guests_report("dropped: "), dropped);
	ck_assert_uint_le(queued(), before + 2 * EACH);
	guests_served(second);
	/* What they are owed is whole, and they can go on. */
	guests_served(first);
	guests_served(lazy);
	client_close(lazy);
}
END_TEST

START_TEST(xsa_326_of_implied_parents_and_of_what_goes_with_a_node_nothing_is_told)
{
	expect_watch(guests.root, guests_path(1, ""), "home");
	expect_write(first, 0, "a/b/c", "1");
	expect_event(guests.root, guests_path(1, "a/b/c"), "home");
	expect_write(first, 0, "a/b/d", "1");
	expect_event(guests.root, guests_path(1, "a/b/d"), "home");
	expect_ok(first, MESSAGE_RM, 0, ARGUMENTS("a"));
	expect_event(guests.root, guests_path(1, "a"), "home");
	expect_no_event(guests.root);
}
END_TEST

START_TEST(xsa_326_an_event_that_waits_already_is_not_queued_again_unless_it_is_special)
{
	struct guests_flood flood;
	unsigned ordinary = 0, special = 0;
	enum { TIMES = 20 };

	expect_watch(first, "w", "token");
	expect_watch(first, "@releaseDomain", "token");
	/* So many replies that the ring is full, and events wait behind them. */
	guests_flood_init(&flood, 1, MESSAGE_GET_DOMAIN_PATH, "1", 2, GUEST_RING / 30);
	guests_await_idle();
	guests_flood_put(&flood);
	guests_await_idle();
	for (uint16_t i = 0; i < TIMES; i++) {
		expect_write(guests.root, 0, guests_path(1, "w"), "again");
		guests_add((uint16_t)(10 + i));
		guests_destroy((uint16_t)(10 + i));
	}
	while (special < TIMES) {
		struct client_message message;
		ck_assert_int_eq(client_receive(first, &message), 0);
		ordinary += message.header.type == MESSAGE_WATCH_EVENT && !strcmp(message.payload, "w");
		special += message.header.type == MESSAGE_WATCH_EVENT && !strcmp(message.payload, "@releaseDomain");
	}
	ck_assert_uint_eq(ordinary, 1);
	expect_no_event(first);
}
END_TEST

/* ---- 416 ---- */

START_TEST(xsa_416_cve_2022_42319_what_requests_need_for_a_while_is_given_back_though_no_reply_is_read)
{
	enum { FIRST = 10, LAST = 40, REPLIES = 100, NAMES = 100 };
	unsigned long heap, waits;
	char path[64];

	/* Lists are put together for each reply. */
	expect_write(guests.root, 0, "/d", "");
	guests_permit("/d", "r0");
	for (int i = 0; i < NAMES; i++) {
		snprintf(path, sizeof(path), "/d/a-name-of-some-length-%08d", i);
		expect_write(guests.root, 0, path, "");
	}
	for (uint16_t domid = FIRST; domid < LAST; domid++)
		guests_add(domid);
	heap = guests_report("heap: ");
	waits = queued();
	for (uint16_t domid = FIRST; domid < LAST; domid++) {
		struct guests_flood flood;
		guests_flood_init(&flood, domid, MESSAGE_DIRECTORY_PART, "/d\0000", sizeof("/d\0000"), REPLIES);
		for (int i = 0; i < 10; i++) {
			guests_flood_put(&flood);
			guests_served(second);
		}
	}
	guests_await_idle();
	ck_assert_uint_gt(queued(), waits + (LAST - FIRST) * 30000);
	ck_assert_uint_le(guests_report("heap: "), heap + (LAST - FIRST) * 5000);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
	    xsa_324_cve_2020_29484_an_event_that_exceeds_a_message_is_not_sent,
	    xsa_326_cve_2022_42312_with_so_many_requests_unanswered_no_more_are_read,
	    xsa_326_cve_2022_42313_nodes_made_for_a_domain_before_it_is_introduced_count,
	    xsa_326_cve_2022_42314_nodes_that_a_transaction_touches_are_bounded,
	    xsa_326_cve_2022_42315_memory_is_bounded_whatever_it_is_used_for,
	    xsa_326_cve_2022_42316_limits_hold_without_any_configuration,
	    xsa_326_cve_2022_42317_a_request_past_a_limit_does_nothing,
	    xsa_326_cve_2022_42318_replies_that_wait_are_bounded,
	    xsa_326_cve_2022_42318_so_are_events_also_those_for_domain_0,
	    xsa_326_of_implied_parents_and_of_what_goes_with_a_node_nothing_is_told,
	    xsa_326_an_event_that_waits_already_is_not_queued_again_unless_it_is_special,
	    xsa_416_cve_2022_42319_what_requests_need_for_a_while_is_given_back_though_no_reply_is_read,
	};
	const TTest *const with_short_timeout[] = {
	    xsa_326_cve_2022_42311_events_that_are_not_read_are_dropped_after_a_while,
	    xsa_326_cve_2022_42311_that_is_logged_once_and_domain_0_may_read_when_it_likes,
	};
	Suite *suite = guests_suite("advisories: memory", start, tests, COUNT(tests));

	expect_case(suite, "short timeout", start_with_short_timeout, guests_stop, with_short_timeout, COUNT(with_short_timeout));
	return suite_run(suite);
}
