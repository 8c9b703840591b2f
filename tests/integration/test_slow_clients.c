/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Clients that go on asking and never read: what they may cost, that nobody else notices, and that they find everything in its
 * order when they read after all.
 */
#include "integration/crowd.h"
#include "support/expect.h"
#include "support/suite.h"

#include <check.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	SLOW_CLIENTS = 50,
	SLOW_CLIENT_BYTES = 3 << 20,
	ANY_FEW_BYTES = 256 * 1024,
	EVENTS = 70000,
	EVENTS_PER_ROUND = 500,
	REQUESTS = 20000,
	ASKED_PER_ROUND = 64,
	VALUE_LEN = 2000,
	SAME_WRITES = 20000,
	SAME_EVENTS_SENT = 2000 /* more than a socket ever takes */
};

/* A client that sends requests and does not read. */
struct slow {
	int fd;
	uint32_t n_sent; /* of ids 0, 1 ... */
	struct crowd_rest rest;
};

static struct daemon xenstored;
static struct client *client; /* one that does read */
static struct slow slow[SLOW_CLIENTS];
static char value[VALUE_LEN + 1];

static void start(void)
{
	expect_start(&xenstored, NULL);
	client = expect_client(&xenstored);
	memset(value, 'v', VALUE_LEN);
	expect_write(client, 0, "/large", value);
	for (int i = 0; i < SLOW_CLIENTS; i++)
		slow[i] = (struct slow){.fd = crowd_connect(&xenstored)};
}

static void stop(void)
{
	int status;

	expect_sound(client);
	client_close(client);
	for (int i = 0; i < SLOW_CLIENTS; i++)
		close(slow[i].fd);
	ck_assert_int_eq(daemon_stop(&xenstored, SIGTERM, &status), 0);
	ck_assert_int_eq(status, 0);
}

/* Asks until the socket is full or it has asked so often. */
static void ask(struct slow *asking, uint32_t times, const char *path)
{
	for (uint32_t i = 0; i < times; i++) {
		if (!crowd_try_send(asking->fd, &asking->rest, MESSAGE_READ, asking->n_sent, path, strlen(path) + 1))
			return;
		asking->n_sent++;
	}
}

static size_t held_for_each(const struct crowd_memory *before, const char *what)
{
	struct crowd_memory now = crowd_measure(&xenstored);
	size_t held = now.anonymous + now.ledger - before->anonymous - before->ledger;

	printf("# %s: %zu KB of memory and %zu KB of ledger more, %zu KB for each client\n", what,
	       (now.anonymous - before->anonymous) / 1024, (now.ledger - before->ledger) / 1024, held / SLOW_CLIENTS / 1024);
	fflush(stdout);
	return DAEMON_IS_SANITIZED ? 0 : held / SLOW_CLIENTS;
}

/* The others must not notice. */
static void serve_others(void)
{
	expect_write(client, 0, "/other", "before");
	expect_read(client, 0, "/other", "before");
	expect_ok(client, MESSAGE_RM, 0, ARGUMENTS("/other"));
}

/* ---- replies ---- */

START_TEST(replies_that_are_not_read_are_held_within_3_mb_and_come_in_order)
{
	struct crowd_memory before = crowd_measure(&xenstored);
	struct crowd_message answer;

	for (uint32_t asked = 0; asked < REQUESTS; asked += ASKED_PER_ROUND) {
		for (int i = 0; i < SLOW_CLIENTS; i++)
			ask(&slow[i], ASKED_PER_ROUND, "/large");
		serve_others();
	}
	ck_assert_uint_lt(held_for_each(&before, "replies not read"), SLOW_CLIENT_BYTES);

	/* Some hang up in the middle, some after having read a part; the rest gets everything. */
	for (int i = 0; i < SLOW_CLIENTS; i++) {
		uint32_t wanted = i % 5 == 1 ? 0 : i % 5 == 2 ? slow[i].n_sent / 2 : slow[i].n_sent - 1;
		for (uint32_t id = 0; id < wanted; id++) {
			crowd_receive(slow[i].fd, &answer);
			ck_assert_uint_eq(answer.id, id);
			ck_assert_uint_eq(answer.type, MESSAGE_READ);
			ck_assert_str_eq(answer.payload, value);
		}
		close(slow[i].fd);
		slow[i].fd = crowd_connect(&xenstored);
		serve_others();
	}
	ck_assert_uint_lt(held_for_each(&before, "afterwards"), ANY_FEW_BYTES);
}
END_TEST

/* ---- events ---- */

static void watch_all(struct slow *watching)
{
	struct crowd_message answer;

	crowd_send(watching->fd, MESSAGE_WATCH, 0, "/\0w", 4);
	crowd_receive(watching->fd, &answer);
	ck_assert_str_eq(answer.payload, "OK");
	crowd_receive(watching->fd, &answer);
	ck_assert_uint_eq(answer.type, MESSAGE_WATCH_EVENT);
}

/* The number of the node that the event is of, or of the reply. Events of others are not there. */
static void check_order(const struct crowd_message *message, long *last_event, uint32_t *next_reply)
{
	long number;

	if (message->type != MESSAGE_WATCH_EVENT) {
		ck_assert_uint_eq(message->id, (*next_reply)++);
		return;
	}
	if (sscanf(message->payload, "/%ld", &number) != 1)
		return;
	ck_assert_int_gt(number, *last_event);
	*last_event = number;
}

/* Events are as short as can be, which is when what they cost besides their bytes counts most. */
START_TEST(events_that_are_not_read_are_held_within_3_mb_and_come_in_order)
{
	struct crowd_memory before = crowd_measure(&xenstored);
	struct crowd_message message;
	char path[16];
	int n_events = DAEMON_IS_SANITIZED ? EVENTS / 10 : EVENTS;

	for (int i = 0; i < SLOW_CLIENTS; i++)
		watch_all(&slow[i]);
	for (int i = 0; i < n_events; i++) {
		snprintf(path, sizeof(path), "/%d", i);
		expect_write(client, 0, path, "");
		if (i % EVENTS_PER_ROUND)
			continue;
		for (int k = 0; k < SLOW_CLIENTS; k++)
			ask(&slow[k], 1, "/tool");
		serve_others();
	}
	ck_assert_uint_lt(held_for_each(&before, "events not read"), SLOW_CLIENT_BYTES);
	for (int i = 0; i < SLOW_CLIENTS; i++) {
		long last_event = -1;
		uint32_t next_reply = 0;
		/* Every tenth hangs up instead. */
		while (i % 10 && next_reply < slow[i].n_sent) {
			crowd_receive(slow[i].fd, &message);
			check_order(&message, &last_event, &next_reply);
		}
		close(slow[i].fd);
		slow[i].fd = crowd_connect(&xenstored);
		serve_others();
	}
	ck_assert_uint_lt(held_for_each(&before, "afterwards"), ANY_FEW_BYTES);
}
END_TEST

START_TEST(an_event_that_is_not_read_is_not_queued_again)
{
	struct crowd_memory before = crowd_measure(&xenstored);
	struct crowd_message message;
	size_t n = 0;

	for (int i = 0; i < SLOW_CLIENTS; i++)
		watch_all(&slow[i]);
	for (int i = 0; i < SAME_WRITES; i++)
		expect_write(client, 0, "/same", "");
	ck_assert_uint_lt(held_for_each(&before, "the same event not read"), ANY_FEW_BYTES);
	/* A last one of another node follows all. */
	expect_write(client, 0, "/last", "");
	for (int i = 0; i < SLOW_CLIENTS; i++) {
		for (n = 0, *message.payload = 0; strcmp(message.payload, "/last") != 0; n++)
			crowd_receive(slow[i].fd, &message);
		ck_assert_uint_ge(n, 2);
		ck_assert_uint_lt(n, SAME_EVENTS_SENT);
	}
	printf("# %d writes of the same node: %zu events\n", SAME_WRITES, n - 1);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
	    replies_that_are_not_read_are_held_within_3_mb_and_come_in_order,
	    events_that_are_not_read_are_held_within_3_mb_and_come_in_order,
	    an_event_that_is_not_read_is_not_queued_again,
	};
	Suite *suite = expect_suite("slow clients", &xenstored, start, stop, tests, sizeof(tests) / sizeof(tests[0]));

	return suite_run(suite);
}
