/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Answers are compared as text: errors as they are, bytes with NULs and what cannot be printed written as \xx, so that a failed
 * comparison shows both.
 */
#include "support/expect.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"

enum { TEST_SECONDS = 600, TIMEOUT_MS = 60000, TEXT_SIZE = 3 * MESSAGE_PAYLOAD_MAX + 64 };

/* ---- suite ---- */

static struct daemon *shared; /* by the suite's tests: fixtures of check have no arguments */

static void make_directory(void)
{
	ck_assert_int_eq(daemon_init(shared), 0);
}

static void remove_directory(void)
{
	daemon_deinit(shared);
}

void expect_case(Suite *suite, const char *name, void (*start)(void), void (*stop)(void), const TTest *const tests[], size_t n)
{
	TCase *tcase = tcase_create(name);

	tcase_set_timeout(tcase, TEST_SECONDS);
	tcase_add_unchecked_fixture(tcase, make_directory, remove_directory);
	tcase_add_checked_fixture(tcase, start, stop);
	for (size_t i = 0; i < n; i++)
		tcase_add_test(tcase, tests[i]);
	suite_add_tcase(suite, tcase);
}

Suite *expect_suite(const char *name, struct daemon *daemon, void (*start)(void), void (*stop)(void), const TTest *const tests[],
		    size_t n)
{
	Suite *suite = suite_create(name);

	shared = daemon;
	expect_case(suite, name, start, stop, tests, n);
	return suite;
}

/* ---- daemon and clients ---- */

void expect_place(struct daemon *daemon)
{
	long pid = (long)getpid();

	snprintf(daemon->socket, sizeof(daemon->socket), "%.50s/socket-%ld", daemon->directory, pid);
	snprintf(daemon->store, sizeof(daemon->store), "%.50s/store-%ld.mdb", daemon->directory, pid);
	snprintf(daemon->log, sizeof(daemon->log), "%.50s/log-%ld", daemon->directory, pid);
	unlink(daemon->store); /* of the test before, if they all run in one process */
}

void expect_start(struct daemon *daemon, const char *const arguments[])
{
	expect_place(daemon);
	expect_restart(daemon, arguments);
}

void expect_restart(struct daemon *daemon, const char *const arguments[])
{
	const char *words[32] = {"--store", daemon->store};
	size_t n = 2;

	for (size_t i = 0; arguments && arguments[i]; i++)
		words[n++] = arguments[i];
	int error = daemon_start(daemon, words, NULL);
	char *messages = daemon_messages(daemon);
	ck_assert_msg(!error, "the daemon does not start (%s): %s", strerror(-error), messages ? messages : "");
	free(messages);
}

struct client *expect_client(const struct daemon *daemon)
{
	struct client *client;
	int error = client_open(daemon->socket, TIMEOUT_MS, &client);

	ck_assert_msg(!error, "no connection to %s: %s", daemon->socket, strerror(-error));
	return client;
}

/* ---- answers ---- */

static void printable(const char *bytes, size_t len, char out[TEXT_SIZE])
{
	size_t n = 0;

	for (size_t i = 0; i < len && n + 4 < TEXT_SIZE; i++) {
		unsigned char c = (unsigned char)bytes[i];
		if (c >= ' ' && c < 127 && c != '\\')
			out[n++] = (char)c;
		else
			n += (size_t)snprintf(out + n, TEXT_SIZE - n, "\\%02x", c);
	}
	out[n] = 0;
}

static void describe(uint32_t type, uint32_t transaction, size_t count, const char *const arguments[], char out[TEXT_SIZE])
{
	const char *name = message_type_name(type);
	size_t n = (size_t)snprintf(out, TEXT_SIZE, "%s (%" PRIu32 ") tx %" PRIu32, name ? name : "?", type, transaction);

	for (size_t i = 0; i < count && n < TEXT_SIZE; i++)
		n += (size_t)snprintf(out + n, TEXT_SIZE - n, " %s", arguments[i]);
}

struct client_message expect_any(struct client *client, uint32_t type, uint32_t transaction, size_t count,
				 const char *const arguments[])
{
	char request[TEXT_SIZE];
	struct client_message answer;
	const char *error;
	int failed = client_call_strings(client, type, transaction, count, arguments, &answer, &error);

	describe(type, transaction, count, arguments, request);
	ck_assert_msg(!failed, "%.500s: %s", request, strerror(-failed));
	ck_assert_msg(answer.header.type == (*error ? (uint32_t)MESSAGE_ERROR : type), "%.500s: answered as type %" PRIu32,
		      request, answer.header.type);
	ck_assert_msg(answer.header.transaction_id == transaction, "%.500s: answered for tx %" PRIu32, request,
		      answer.header.transaction_id);
	return answer;
}

static void expect_answer(struct client *client, uint32_t answer_type, const void *bytes, size_t len, uint32_t type,
			  uint32_t transaction, size_t count, const char *const arguments[])
{
	char request[TEXT_SIZE], is[TEXT_SIZE], should[TEXT_SIZE];
	struct client_message answer = expect_any(client, type, transaction, count, arguments);

	describe(type, transaction, count, arguments, request);
	printable(answer.payload, answer.header.len, is);
	printable(bytes, len, should);
	ck_assert_msg(answer.header.type == answer_type && answer.header.len == len && !memcmp(answer.payload, bytes, len),
		      "%.500s: answered %s \"%.2000s\", expected %s \"%.2000s\"", request, message_type_name(answer.header.type),
		      is, message_type_name(answer_type), should);
}

void expect_bytes(struct client *client, const void *bytes, size_t len, uint32_t type, uint32_t transaction, size_t count,
		  const char *const arguments[])
{
	expect_answer(client, type, bytes, len, type, transaction, count, arguments);
}

void expect_text(struct client *client, const char *text, uint32_t type, uint32_t transaction, size_t count,
		 const char *const arguments[])
{
	expect_answer(client, type, text, strlen(text) + 1, type, transaction, count, arguments);
}

void expect_ok(struct client *client, uint32_t type, uint32_t transaction, size_t count, const char *const arguments[])
{
	expect_text(client, "OK", type, transaction, count, arguments);
}

void expect_error(struct client *client, const char *error, uint32_t type, uint32_t transaction, size_t count,
		  const char *const arguments[])
{
	expect_answer(client, MESSAGE_ERROR, error, strlen(error) + 1, type, transaction, count, arguments);
}

/* ---- nodes ---- */

void expect_write(struct client *client, uint32_t transaction, const char *path, const char *value)
{
	char payload[MESSAGE_PAYLOAD_MAX];
	size_t path_size = strlen(path) + 1, value_len = strlen(value);
	struct client_message answer;

	ck_assert_uint_le(path_size + value_len, sizeof(payload));
	memcpy(payload, path, path_size);
	memcpy(payload + path_size, value, value_len);
	int failed = client_call(client, MESSAGE_WRITE, transaction, payload, path_size + value_len, &answer);
	ck_assert_msg(!failed, "WRITE %.500s: %s", path, strerror(-failed));
	ck_assert_msg(answer.header.type == MESSAGE_WRITE, "WRITE %.500s: %s", path, answer.payload);
}

void expect_read(struct client *client, uint32_t transaction, const char *path, const char *value)
{
	if (value)
		expect_bytes(client, value, strlen(value), MESSAGE_READ, transaction, ARGUMENTS(path));
	else
		expect_error(client, "ENOENT", MESSAGE_READ, transaction, ARGUMENTS(path));
}

/* Words with a blank between them become strings with a NUL behind each. */
static void expect_words(struct client *client, const char *words, uint32_t type, uint32_t transaction, const char *path)
{
	char strings[MESSAGE_PAYLOAD_MAX];
	size_t len = strlen(words) + 1;

	ck_assert_uint_le(len, sizeof(strings));
	memcpy(strings, words, len);
	for (size_t i = 0; i < len; i++) {
		if (strings[i] == ' ')
			strings[i] = 0;
	}
	expect_bytes(client, strings, len > 1 ? len : 0, type, transaction, ARGUMENTS(path));
}

void expect_names(struct client *client, uint32_t transaction, const char *path, const char *names)
{
	expect_words(client, names, MESSAGE_DIRECTORY, transaction, path);
}

void expect_permissions(struct client *client, uint32_t transaction, const char *path, const char *entries)
{
	expect_words(client, entries, MESSAGE_GET_PERMS, transaction, path);
}

/* ---- transactions ---- */

uint32_t expect_transaction(struct client *client)
{
	struct client_message answer = expect_any(client, MESSAGE_TRANSACTION_START, 0, ARGUMENTS(""));

	ck_assert_msg(answer.header.type == MESSAGE_TRANSACTION_START, "TRANSACTION_START: %s", answer.payload);
	unsigned long id = strtoul(answer.payload, NULL, 10);
	ck_assert_uint_ne(id, 0);
	ck_assert_uint_le(id, UINT32_MAX);
	return (uint32_t)id;
}

void expect_end(struct client *client, uint32_t transaction, const char *error)
{
	if (*error)
		expect_error(client, error, MESSAGE_TRANSACTION_END, transaction, ARGUMENTS("T"));
	else
		expect_ok(client, MESSAGE_TRANSACTION_END, transaction, ARGUMENTS("T"));
}

/* ---- events ---- */

void expect_watch(struct client *client, const char *path, const char *token)
{
	expect_ok(client, MESSAGE_WATCH, 0, ARGUMENTS(path, token));
	expect_event(client, path, token);
}

void expect_event(struct client *client, const char *path, const char *token)
{
	struct client_event event;
	int failed = client_next_event(client, &event);

	ck_assert_msg(!failed, "no event %s %s: %s", path, token, strerror(-failed));
	ck_assert_msg(!strcmp(event.path, path) && !strcmp(event.token, token),
		      "event \"%.1000s\" \"%.1000s\", expected \"%.1000s\" \"%.1000s\"", event.path, event.token, path, token);
}

/* All events of what was answered before are on their way before the answer to a question asked now. */
void expect_no_event(struct client *client)
{
	struct client_message message;
	uint32_t id;

	ck_assert_int_eq(client_send(client, MESSAGE_DIRECTORY, 0, "/", 2, &id), 0);
	ck_assert_int_eq(client_receive(client, &message), 0);
	ck_assert_msg(message.header.type != MESSAGE_WATCH_EVENT, "an event of %.1000s that was not expected", message.payload);
	ck_assert_uint_eq(message.header.request_id, id);
}

void expect_hangup(struct client *client)
{
	struct client_message message;
	int failed = client_receive(client, &message);

	ck_assert_msg(failed == -EPIPE, "the server has not hung up: %s",
		      failed ? strerror(-failed) : message_type_name(message.header.type));
}

void expect_sound(struct client *client)
{
	expect_ok(client, MESSAGE_CONTROL, 0, ARGUMENTS("check"));
}

/* ---- the whole tree ---- */

/* The names of all children, each with its NUL, by pages. */
static void add_names(struct client *client, const char *path, struct buffer *names)
{
	char offset[24];

	for (;;) {
		snprintf(offset, sizeof(offset), "%zu", names->len);
		struct client_message page = expect_any(client, MESSAGE_DIRECTORY_PART, 0, ARGUMENTS(path, offset));
		ck_assert_msg(page.header.type == MESSAGE_DIRECTORY_PART, "DIRECTORY_PART %s %s: %s", path, offset, page.payload);
		size_t at = strlen(page.payload) + 1;
		ck_assert_msg(page.header.len > at, "DIRECTORY_PART %s %s has neither names nor an end", path, offset);
		bool last = page.payload[page.header.len - 2] == 0;
		buffer_add(names, page.payload + at, page.header.len - at - last);
		if (last)
			return;
	}
}

static void add_node(struct client *client, const char *path, struct buffer *out)
{
	char text[TEXT_SIZE];
	struct buffer names;

	struct client_message answer = expect_any(client, MESSAGE_READ, 0, ARGUMENTS(path));
	printable(answer.payload, answer.header.len, text);
	buffer_printf(out, "%s = \"%s\"", path, text);
	answer = expect_any(client, MESSAGE_GET_PERMS, 0, ARGUMENTS(path));
	printable(answer.payload, answer.header.len, text);
	buffer_printf(out, " (%s)\n", text);
	buffer_init(&names);
	add_names(client, path, &names);
	for (size_t at = 0; at < names.len; at += strlen(names.bytes + at) + 1) {
		char child[MESSAGE_PAYLOAD_MAX];
		snprintf(child, sizeof(child), "%s/%s", strcmp(path, "/") != 0 ? path : "", names.bytes + at);
		add_node(client, child, out);
	}
	buffer_deinit(&names);
}

char *expect_tree(struct client *client)
{
	struct buffer out;

	buffer_init(&out);
	add_node(client, "/", &out);
	buffer_add_nul(&out);
	ck_assert(!out.failed);
	return out.bytes;
}
