/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Four steps, each of which waits for the answers of the one before. */
#include "integration/kill_counter.h"

#include <check.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire/message.h"

enum { PATH_SIZE = 32, PAYLOAD_SIZE = 3000 };

enum step { STEP_START, STEP_READ, STEP_WRITE, STEPS };

static const char total_path[] = "/sum/total";

struct counter {
	char path[PATH_SIZE], long_path[PATH_SIZE];
	struct client *client;
	enum step step;
	size_t n_awaited; /* answers */
	uint32_t transaction;
	bool is_ending; /* the end was sent and is not answered */

	uint64_t count; /* certain */
	uint64_t total; /* read in the transaction */
	uint64_t highest, conflicts;
};

struct counter *counter_new(unsigned number)
{
	struct counter *counter = calloc(1, sizeof(*counter));

	ck_assert_ptr_nonnull(counter);
	snprintf(counter->path, sizeof(counter->path), "/sum/%u", number);
	snprintf(counter->long_path, sizeof(counter->long_path), "/sum/long/%u", number);
	return counter;
}

void counter_free(struct counter *counter)
{
	if (!counter)
		return;
	client_close(counter->client);
	free(counter);
}

struct client *counter_client(const struct counter *counter)
{
	return counter->client;
}

void counter_connect(struct counter *counter, struct client *client)
{
	counter->client = client;
	counter->step = STEP_START;
	counter->n_awaited = 0;
}

void counter_disconnect(struct counter *counter)
{
	client_close(counter->client);
	counter->client = NULL;
	counter->transaction = 0;
}

/* ---- asking ---- */

static bool ask(struct counter *counter, uint32_t type, const void *payload, size_t len)
{
	int error = client_send(counter->client, type, counter->transaction, payload, len, NULL);

	ck_assert_msg(!error || error == -EPIPE, "a counter cannot send: %s", strerror(-error));
	counter->n_awaited++;
	return !error;
}

/* The long one takes some pages: a count that is repeated, so a mixture of two shows. */
static size_t put_number(char *payload, const char *path, uint64_t number, bool is_long)
{
	size_t len = (size_t)sprintf(payload, "%s", path) + 1;

	do
		len += (size_t)sprintf(payload + len, "%" PRIu64 " ", number);
	while (is_long && len < PAYLOAD_SIZE - 32);
	return len;
}

static bool ask_to_write(struct counter *counter, const char *path, uint64_t number, bool is_long)
{
	char payload[PAYLOAD_SIZE];

	return ask(counter, MESSAGE_WRITE, payload, put_number(payload, path, number, is_long));
}

static bool ask_next(struct counter *counter)
{
	bool alive = true;

	switch (counter->step) {
	case STEP_START:
		/* What is read outside a transaction may be a change that is not committed yet. */
		alive =
		    ask(counter, MESSAGE_READ, total_path, sizeof(total_path)) && ask(counter, MESSAGE_TRANSACTION_START, "", 1);
		break;
	case STEP_READ:
		alive = ask(counter, MESSAGE_READ, total_path, sizeof(total_path));
		break;
	case STEP_WRITE:
		alive = ask_to_write(counter, counter->path, counter->count + 1, false) &&
			ask_to_write(counter, total_path, counter->total + 1, false) &&
			ask_to_write(counter, counter->long_path, counter->count + 1, true);
		counter->is_ending = alive;
		alive = alive && ask(counter, MESSAGE_TRANSACTION_END, "T", 2);
		counter->transaction = 0;
		break;
	case STEPS:
		break;
	}
	return alive;
}

/* ---- answers ---- */

static void take_number(struct counter *counter, const struct client_message *answer)
{
	counter->total = strtoull(answer->payload, NULL, 10);
	if (counter->total > counter->highest)
		counter->highest = counter->total;
}

static void take_end(struct counter *counter, const struct client_message *answer)
{
	bool failed = answer->header.type == MESSAGE_ERROR;

	ck_assert_msg(!failed || !strcmp(answer->payload, "EAGAIN"), "a counter's transaction ends in %s", answer->payload);
	counter->is_ending = false;
	counter->conflicts += failed;
	counter->count += !failed;
}

static void take(struct counter *counter, const struct client_message *answer)
{
	ck_assert_msg(counter->step == STEP_WRITE || answer->header.type != MESSAGE_ERROR, "a counter gets %s", answer->payload);
	if (answer->header.type == MESSAGE_READ)
		take_number(counter, answer);
	else if (answer->header.type == MESSAGE_TRANSACTION_START)
		counter->transaction = (uint32_t)strtoul(answer->payload, NULL, 10);
	else if (counter->step == STEP_WRITE && counter->n_awaited == 1)
		take_end(counter, answer);
	else
		ck_assert_uint_eq(answer->header.type, MESSAGE_WRITE);
	if (--counter->n_awaited == 0)
		counter->step = (enum step)((counter->step + 1) % STEPS);
}

bool counter_go_on(struct counter *counter, uint64_t *answers)
{
	struct client_message answer;
	int error = 0;

	while (!error) {
		if (!counter->n_awaited && !ask_next(counter))
			return false;
		error = client_receive_reply(counter->client, &answer);
		if (error)
			break;
		take(counter, &answer);
		++*answers;
	}
	ck_assert_msg(error == -ETIME || error == -EPIPE, "a counter cannot receive: %s", strerror(-error));
	return error == -ETIME;
}

/* ---- before and after ---- */

static void write_number(struct client *client, const char *path, uint64_t number, bool is_long)
{
	char payload[PAYLOAD_SIZE];
	struct client_message answer;
	size_t len = put_number(payload, path, number, is_long);

	ck_assert_int_eq(client_call(client, MESSAGE_WRITE, 0, payload, len, &answer), 0);
	ck_assert_uint_eq(answer.header.type, MESSAGE_WRITE);
}

void counter_prepare(struct counter *counter, struct client *client)
{
	write_number(client, counter->path, 0, false);
	write_number(client, counter->long_path, 0, true);
	write_number(client, total_path, 0, false);
}

/* The number in the node, which must be all that is in it. */
static uint64_t read_number(struct client *client, const char *path, bool is_long)
{
	char payload[PAYLOAD_SIZE];
	struct client_message answer;

	ck_assert_int_eq(client_call(client, MESSAGE_READ, 0, path, strlen(path) + 1, &answer), 0);
	ck_assert_msg(answer.header.type == MESSAGE_READ, "%s cannot be read: %s", path, answer.payload);
	uint64_t number = strtoull(answer.payload, NULL, 10);
	size_t path_size = strlen(path) + 1, len = put_number(payload, path, number, is_long);
	ck_assert_msg(len - path_size == answer.header.len && !memcmp(payload + path_size, answer.payload, answer.header.len),
		      "%s is mixed: %s", path, answer.payload);
	return number;
}

uint64_t counter_settle(struct counter *counter, struct client *client)
{
	uint64_t is = read_number(client, counter->path, false), is_long = read_number(client, counter->long_path, true);

	ck_assert_msg(is == is_long, "%s is %" PRIu64 ", %s is %" PRIu64 ": half a transaction", counter->path, is,
		      counter->long_path, is_long);
	ck_assert_msg(is == counter->count || (counter->is_ending && is == counter->count + 1),
		      "%s is %" PRIu64 "; %" PRIu64 " transactions were answered, and one was%s under way", counter->path, is,
		      counter->count, counter->is_ending ? "" : " not");
	counter->is_ending = false;
	counter->count = is;
	return is;
}

uint64_t counter_total(struct client *client)
{
	return read_number(client, total_path, false);
}

uint64_t counter_highest(const struct counter *counter)
{
	return counter->highest;
}

uint64_t counter_conflicts(const struct counter *counter)
{
	return counter->conflicts;
}
