/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Ten thousand clients at once ($CLIENTS), most of them idle; more than there may be descriptors; and clients that send as much
 * as they can beside one that asks for a single value.
 */
#include "integration/crowd.h"
#include "support/expect.h"
#include "support/suite.h"

#include <check.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	IDLE_CLIENT_BYTES = 4096,
	MEASURED_MIN = 5000,
	LEDGER_LEFT = 12 << 20, /* of 40 MB that they had */
	TOGETHER = 16,
	VALUE_LEN = 4000,
	FEW_DESCRIPTORS = 64,
	MANY_FOR_FEW = 150,
	IDLE_SECONDS = 3,
	FLOODS = 8,
	PIECE_SIZE = 4096,
	FLOOD_ROUNDS = 20,
	SERVED_OF_A_FLOOD = 2 * 64 /* requests of one client in two turns */
};

static struct daemon xenstored;
static int *crowd;
static size_t n_crowd;

static void start(void)
{
	expect_start(&xenstored, NULL);
}

static void stop(void)
{
	int status;

	ck_assert_int_eq(daemon_stop(&xenstored, SIGTERM, &status), 0);
	ck_assert_int_eq(status, 0);
}

static void gather(size_t n)
{
	crowd = calloc(n, sizeof(*crowd));
	ck_assert_ptr_nonnull(crowd);
	for (n_crowd = 0; n_crowd < n; n_crowd++)
		crowd[n_crowd] = crowd_connect(&xenstored);
}

static void scatter(void)
{
	while (n_crowd)
		close(crowd[--n_crowd]);
	free(crowd);
}

/* A value of which 16 do not fit where a client's output is kept. */
static void write_large_value(char value[VALUE_LEN + 1])
{
	struct client *client = expect_client(&xenstored);

	memset(value, 'v', VALUE_LEN);
	value[VALUE_LEN] = 0;
	expect_write(client, 0, "/large", value);
	client_close(client);
}

/* Among few clients what a daemon holds without any counts too much. */
static bool can_measure(void)
{
	return !DAEMON_IS_SANITIZED && n_crowd >= MEASURED_MIN;
}

static void measure(const char *when)
{
	struct crowd_memory held = crowd_measure(&xenstored);
	size_t each = (held.anonymous + held.ledger + held.store) / n_crowd;

	printf("# %zu clients, %s: %zu KB of memory, %zu KB of ledger, %zu KB of store: %zu bytes each\n", n_crowd, when,
	       held.anonymous / 1024, held.ledger / 1024, held.store / 1024, each);
	fflush(stdout);
	if (can_measure())
		ck_assert_uint_lt(each, IDLE_CLIENT_BYTES);
}

/* ---- idle ones ---- */

/* All that the daemon holds counts, not only what there is more of than with one client. */
START_TEST(an_idle_client_takes_less_than_4_kb)
{
	char value[VALUE_LEN + 1];
	struct crowd_message answer;

	write_large_value(value);
	gather(crowd_size());
	crowd_expect_read(crowd[n_crowd - 1], "/tool", "");
	measure("after connecting");

	for (size_t i = 0; i < n_crowd; i++)
		crowd_expect_read(crowd[i], "/tool", "");
	measure("after one request of each");

	crowd_stop_daemon(&xenstored);
	for (size_t i = 0; i < n_crowd; i++)
		crowd_send(crowd[i], MESSAGE_READ, 1, "/large", sizeof("/large"));
	crowd_continue_daemon(&xenstored);
	for (size_t i = 0; i < n_crowd; i++) {
		crowd_receive(crowd[i], &answer);
		ck_assert_str_eq(answer.payload, value);
	}
	measure("after one request of each at once");
	/* Nor did it take more while it served them. */
	printf("# at most %zu KB in memory until now\n", crowd_peak(&xenstored) / 1024);
	if (can_measure())
		ck_assert_uint_lt(crowd_peak(&xenstored), n_crowd * IDLE_CLIENT_BYTES / 2);

	crowd_stop_daemon(&xenstored);
	for (size_t i = 0; i < n_crowd; i++) {
		for (uint32_t id = 1; id <= TOGETHER; id++)
			crowd_send(crowd[i], MESSAGE_READ, id, "/large", sizeof("/large"));
	}
	crowd_continue_daemon(&xenstored);
	for (size_t i = 0; i < n_crowd; i++) {
		for (uint32_t id = 1; id <= TOGETHER; id++) {
			crowd_receive(crowd[i], &answer);
			ck_assert_uint_eq(answer.id, id);
			ck_assert_str_eq(answer.payload, value);
		}
	}
	measure("after 16 requests of each at once");
	scatter();
}
END_TEST

START_TEST(an_idle_client_takes_no_time)
{
	struct crowd_work before, after;

	gather(crowd_size());
	for (size_t i = 0; i < n_crowd; i++)
		crowd_expect_read(crowd[i], "/tool", "");
	crowd_await_idle(&xenstored);
	/*
	 * What must not happen cannot be awaited. A timer that goes off once for all clients, of what tests before have asked for
	 * or of the start, may fall into one of these seconds.
	 */
	for (int seconds = 0; seconds < IDLE_SECONDS; seconds++) {
		before = crowd_work(&xenstored);
		sleep(1);
		after = crowd_work(&xenstored);
		if (after.switches == before.switches)
			break;
	}
	ck_assert_uint_eq(after.switches, before.switches);
	ck_assert_uint_eq(after.ticks, before.ticks);
	scatter();
}
END_TEST

START_TEST(clients_that_hang_up_leave_nothing)
{
	size_t n = crowd_size(), descriptors = crowd_descriptors(&xenstored);
	struct crowd_memory first = {0}, last = {0};

	for (int round = 0; round < 4; round++) {
		gather(n);
		/* A whole request of each, and half of another of every second. */
		for (size_t i = 0; i < n; i++) {
			crowd_expect_read(crowd[i], "/tool", "");
			if (i % 2)
				ck_assert_int_eq(send(crowd[i], "\2\0\0\0\1\0\0\0\0", 9, 0), 9);
		}
		scatter();
		while (crowd_descriptors(&xenstored) != descriptors)
			;
		last = crowd_measure(&xenstored);
		if (!round)
			first = last;
	}
	printf("# without clients: at first %zu KB of memory and %zu KB of ledger, then %zu and %zu\n", first.anonymous / 1024,
	       first.ledger / 1024, last.anonymous / 1024, last.ledger / 1024);
	if (!DAEMON_IS_SANITIZED) {
		ck_assert_uint_le(last.anonymous, first.anonymous + first.anonymous / 8);
		ck_assert_uint_le(last.ledger, LEDGER_LEFT);
	}
}
END_TEST

/* ---- descriptors ---- */

START_TEST(as_many_descriptors_are_used_as_are_allowed)
{
	struct rlimit limit;

	stop();
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = FEW_DESCRIPTORS;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	expect_restart(&xenstored, NULL);
	ck_assert_int_eq(prlimit(xenstored.pid, RLIMIT_NOFILE, NULL, &limit), 0);
	ck_assert_uint_eq(limit.rlim_cur, limit.rlim_max);
	ck_assert_uint_gt(limit.rlim_cur, FEW_DESCRIPTORS);
}
END_TEST

static size_t count(const char *text, const char *word)
{
	size_t n = 0;

	for (text = strstr(text, word); text; text = strstr(text + 1, word))
		n++;
	return n;
}

START_TEST(clients_without_a_descriptor_wait_until_there_is_one)
{
	const struct rlimit few = {FEW_DESCRIPTORS, FEW_DESCRIPTORS};
	struct crowd_message answer;
	size_t next;

	ck_assert_int_eq(prlimit(xenstored.pid, RLIMIT_NOFILE, &few, NULL), 0);
	gather(MANY_FOR_FEW);
	for (size_t i = 0; i < n_crowd; i++)
		crowd_send(crowd[i], MESSAGE_READ, (uint32_t)i, "/tool", sizeof("/tool"));
	/* The first ones are served all the time; each that goes makes room for one more. */
	for (next = 0; next < n_crowd; next++) {
		crowd_receive(crowd[next], &answer);
		ck_assert_uint_eq(answer.id, next);
		if (next < FEW_DESCRIPTORS / 2)
			continue;
		close(crowd[next]);
		crowd[next] = crowd_connect(&xenstored);
		for (size_t i = 0; i < FEW_DESCRIPTORS / 2; i++)
			crowd_expect_read(crowd[i], "/tool", "");
	}
	char *messages = daemon_messages(&xenstored);
	ck_assert_uint_eq(count(messages, "cannot accept"), 1); /* not with every try */
	free(messages);
	scatter();
}
END_TEST

/* ---- fairness ---- */

/* Fills the flood's socket with requests that count it, many in a piece, the last one cut short. Returns about how many there
 * are. */
static uint32_t fill(int fd, char name)
{
	char piece[PIECE_SIZE], payload[32];
	uint32_t n = 0;
	ssize_t sent;
	size_t len;

	do {
		for (len = 0; len + MESSAGE_HEADER_SIZE + sizeof(payload) < sizeof(piece); n++) {
			size_t payload_len = (size_t)sprintf(payload, "/flood/%c", name) + 1;
			payload_len += (size_t)sprintf(payload + payload_len, "%u", n + 1);
			struct message_header header = {.type = MESSAGE_WRITE, .request_id = n, .len = (uint32_t)payload_len};
			message_write_header((unsigned char *)piece + len, &header);
			memcpy(piece + len + MESSAGE_HEADER_SIZE, payload, payload_len);
			len += MESSAGE_HEADER_SIZE + payload_len;
		}
		sent = send(fd, piece, len, MSG_NOSIGNAL | MSG_DONTWAIT);
	} while (sent == (ssize_t)len);
	return n;
}

static void begin_floods(struct client *client, int floods[FLOODS])
{
	char path[] = "/flood/a";

	for (int i = 0; i < FLOODS; i++) {
		path[sizeof(path) - 2] = (char)('a' + i);
		expect_write(client, 0, path, "0");
		floods[i] = crowd_connect(&xenstored);
		crowd_expect_read(floods[i], path, "0");
	}
}

static void ask_for_counts(int fd)
{
	char path[] = "/flood/a";

	for (uint32_t i = 0; i < FLOODS; i++) {
		path[sizeof(path) - 2] = (char)('a' + i);
		crowd_send(fd, MESSAGE_READ, i, path, sizeof(path));
	}
}

/* How far each flood had got when this client was served. */
static void check_counts(int fd)
{
	struct crowd_message answer;

	for (uint32_t i = 0; i < FLOODS; i++) {
		crowd_receive(fd, &answer);
		ck_assert_uint_eq(answer.id, i);
		ck_assert_uint_le(strtoul(answer.payload, NULL, 10), SERVED_OF_A_FLOOD);
	}
}

START_TEST(a_client_that_sends_much_does_not_hold_up_others)
{
	struct client *client = expect_client(&xenstored);
	int first = crowd_connect(&xenstored), last = crowd_connect(&xenstored), floods[FLOODS];

	for (int round = 0; round < FLOOD_ROUNDS; round++) {
		begin_floods(client, floods);
		crowd_stop_daemon(&xenstored);
		/* Whichever way those that are ready are gone through, one of the two comes behind the floods. */
		ask_for_counts(first);
		for (int i = 0; i < FLOODS; i++)
			ck_assert_uint_gt(fill(floods[i], (char)('a' + i)), 8 * SERVED_OF_A_FLOOD);
		ask_for_counts(last);
		crowd_continue_daemon(&xenstored);
		check_counts(first);
		check_counts(last);
		for (int i = 0; i < FLOODS; i++)
			close(floods[i]);
	}
	close(first);
	close(last);
	expect_sound(client);
	client_close(client);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
	    an_idle_client_takes_less_than_4_kb,
	    an_idle_client_takes_no_time,
	    clients_that_hang_up_leave_nothing,
	    as_many_descriptors_are_used_as_are_allowed,
	    clients_without_a_descriptor_wait_until_there_is_one,
	    a_client_that_sends_much_does_not_hold_up_others,
	};
	Suite *suite = expect_suite("many clients", &xenstored, start, stop, tests, sizeof(tests) / sizeof(tests[0]));

	return suite_run(suite);
}
