/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a client may do wrong on the socket. It gets an error that says so, or is hung up on; nothing is lost, another client is
 * served meanwhile, and at the end the tree is what it was.
 */
#include "support/expect.h"
#include "support/suite.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static struct daemon served;
static struct client *bystander;
static char *tree_before;

static void start(void)
{
	expect_start(&served, NULL);
	bystander = expect_client(&served);
	expect_write(bystander, 0, "/kept", "value");
	expect_write(bystander, 0, "/kept/below", "other value");
	tree_before = expect_tree(bystander);
}

static void expect_others_served(void)
{
	expect_read(bystander, 0, "/kept", "value");
}

static void stop(void)
{
	char *tree = expect_tree(bystander);

	ck_assert_str_eq(tree, tree_before);
	free(tree);
	free(tree_before);
	expect_sound(bystander);
	client_close(bystander);
	daemon_stop(&served, SIGTERM, NULL);
}

static void stop_changed(void)
{
	free(tree_before);
	tree_before = expect_tree(bystander);
	stop();
}

/* ---- headers ---- */

static void send_header(struct client *client, uint32_t type, uint32_t len)
{
	struct message_header header = {type, 4711, 0, len};

	ck_assert_int_eq(client_send_bytes(client, &header, sizeof(header)), 0);
}

/* Payloads that name nothing: as long as the header says, all of one byte. */
START_TEST(every_type_with_a_payload_of_nonsense_is_answered)
{
	static const uint32_t lens[] = {0, 1, 2, 15, 16, 17, 4095, 4096};
	static const char bytes[] = {0, 'x', '/', '@', (char)0xff};
	struct client *client = expect_client(&served);
	struct client_message answer;
	char payload[MESSAGE_PAYLOAD_MAX];

	for (uint32_t type = 0; type < MESSAGE_TYPE_COUNT + 2; type++) {
		for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]) * sizeof(bytes); i++) {
			uint32_t len = lens[i / sizeof(bytes)];
			memset(payload, bytes[i % sizeof(bytes)], sizeof(payload));
			ck_assert_int_eq(client_call(client, type, 0, payload, len, &answer), 0);
			if (type == MESSAGE_TRANSACTION_START || type == MESSAGE_RESET_WATCHES ||
			    (!len && (type == MESSAGE_GET_FEATURE || type == MESSAGE_GET_QUOTA)))
				ck_assert_uint_eq(answer.header.type, type);
			else
				ck_assert_msg(answer.header.type == MESSAGE_ERROR, "type %u, %u bytes of %02x: %s", type, len,
					      (unsigned char)bytes[i % sizeof(bytes)], answer.payload);
		}
		expect_others_served();
	}
	client_close(client);
}
END_TEST

/* "message over 4096 bytes": socket closed */
START_TEST(a_header_that_announces_too_much_ends_its_client)
{
	static const uint32_t lens[] = {4097,
					4098,
					8192,
					65535,
					65536,
					0x3fffffff,
					0x40000000,
					0x40000001,
					0x7fffffff,
					0x80000000,
					0xfffffff0 /* and the header: 2^32 */,
					0xffffffff};

	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		for (uint32_t type = 0; type < MESSAGE_TYPE_COUNT + 1; type++) {
			struct client *client = expect_client(&served);
			send_header(client, type, lens[i]);
			expect_hangup(client);
			client_close(client);
		}
		expect_others_served();
	}
}
END_TEST

START_TEST(what_came_before_a_header_that_announces_too_much_is_answered)
{
	struct client *client = expect_client(&served);
	struct client_message answer;
	struct message_header headers[] = {
	    {MESSAGE_READ, 1, 0, 6}, {MESSAGE_READ, 2, 0, 6}, {MESSAGE_WRITE, 3, 0, 4097}, {MESSAGE_WRITE, 4, 0, 4}};
	char bytes[256], *end = bytes;

	for (size_t i = 0; i < 4; i++) {
		end = (char *)memcpy(end, &headers[i], sizeof(headers[i])) + sizeof(headers[i]);
		if (i < 2)
			end = (char *)memcpy(end, "/kept", 6) + 6;
	}
	end = (char *)memcpy(end, "/x\0v", 4) + 4; /* never looked at */
	ck_assert_int_eq(client_send_bytes(client, bytes, (size_t)(end - bytes)), 0);
	for (uint32_t id = 1; id <= 2; id++) {
		ck_assert_int_eq(client_receive(client, &answer), 0);
		ck_assert_uint_eq(answer.header.type, MESSAGE_READ);
		ck_assert_uint_eq(answer.header.request_id, id);
	}
	expect_hangup(client);
	client_close(client);
}
END_TEST

/* ---- payloads ---- */

/* A right request of each operation, and how many arguments it may have; the last is taken again for those too many. */
struct right_request {
	uint32_t type;
	size_t least, most;
	const char *arguments[3];
};

enum { ANY = 100 };

static const struct right_request right_requests[] = {
    {MESSAGE_CONTROL, 1, 1, {"check"}},
    {MESSAGE_DIRECTORY, 1, 1, {"/kept"}},
    {MESSAGE_READ, 1, 1, {"/kept"}},
    {MESSAGE_GET_PERMS, 1, 1, {"/kept"}},
    {MESSAGE_WATCH, 2, 3, {"/kept", "1", "1"}},
    {MESSAGE_UNWATCH, 2, 2, {"/kept", "1"}},
    {MESSAGE_TRANSACTION_START, 0, ANY, {""}},
    {MESSAGE_TRANSACTION_END, 1, 1, {"F"}},
    {MESSAGE_INTRODUCE, 3, ANY, {"7", "1", "1"}},
    {MESSAGE_RELEASE, 1, 1, {"7"}},
    {MESSAGE_GET_DOMAIN_PATH, 1, 1, {"7"}},
    {MESSAGE_MKDIR, 1, 1, {"/kept"}},
    {MESSAGE_RM, 1, 1, {"/missing"}},
    {MESSAGE_SET_PERMS, 2, ANY, {"/kept/below", "n0"}},
    {MESSAGE_IS_DOMAIN_INTRODUCED, 1, 1, {"7"}},
    {MESSAGE_RESUME, 1, 1, {"7"}},
    {MESSAGE_SET_TARGET, 2, 2, {"7", "8"}},
    {MESSAGE_RESET_WATCHES, 0, ANY, {""}},
    {MESSAGE_DIRECTORY_PART, 2, 2, {"/kept", "0"}},
    {MESSAGE_GET_FEATURE, 0, 1, {"0"}},
    {MESSAGE_SET_FEATURE, 2, 2, {"0", "0"}},
    {MESSAGE_GET_QUOTA, 0, 1, {"nodes"}},
    {MESSAGE_SET_QUOTA, 2, 2, {"nodes", "1000"}},
};
enum { N_RIGHT_REQUESTS = sizeof(right_requests) / sizeof(right_requests[0]) };

/* A message for it with `count` arguments; returns the payload's length. */
static size_t put_arguments(const struct right_request *right, size_t count, char *payload)
{
	size_t len = 0;

	for (size_t i = 0; i < count; i++) {
		size_t which = i < 3 && right->arguments[i] ? i : right->most == 3 || right->least == 3 ? 2 : right->least > 1;
		strcpy(payload + len, right->arguments[which]);
		len += strlen(payload + len) + 1;
	}
	return len;
}

/* 'E': error EINVAL; 'O': anything else */
static char outcome(struct client *client, uint32_t type, const char *payload, size_t len)
{
	struct client_message answer;

	ck_assert_int_eq(client_call(client, type, 0, payload, len, &answer), 0);
	return answer.header.type == MESSAGE_ERROR && !strcmp(answer.payload, "EINVAL") ? 'E' : 'O';
}

START_TEST(a_wrong_number_of_arguments_is_einval_for_every_operation)
{
	struct client *client = expect_client(&served);
	char payload[256];

	for (size_t i = 0; i < N_RIGHT_REQUESTS; i++) {
		const struct right_request *right = &right_requests[i];
		for (size_t count = 0; count <= 5; count++) {
			size_t len = put_arguments(right, count, payload);
			char expected = count < right->least || count > right->most ? 'E' : 'O';
			char is = outcome(client, right->type, payload, len);
			ck_assert_msg(is == expected, "%s with %zu arguments: %s", message_type_name(right->type), count,
				      is == 'E' ? "EINVAL" : "no error of syntax");
		}
		expect_others_served();
	}
	expect_error(client, "EINVAL", MESSAGE_WRITE, 0, NO_ARGUMENTS);
	expect_ok(client, MESSAGE_SET_PERMS, 0, ARGUMENTS("/kept/below", "n0")); /* which had got more entries */
	client_close(client);
}
END_TEST

START_TEST(a_missing_nul_at_the_end_is_einval)
{
	struct client *client = expect_client(&served);
	char payload[256];

	for (size_t i = 0; i < N_RIGHT_REQUESTS; i++) {
		const struct right_request *right = &right_requests[i];
		size_t count = right->most == ANY ? right->least : right->most;
		size_t len = put_arguments(right, count, payload);
		if (!count)
			continue;
		char is = outcome(client, right->type, payload, len - 1);
		ck_assert_msg(is == 'E', "%s without its last NUL is taken", message_type_name(right->type));
		is = outcome(client, right->type, payload, len);
		ck_assert_msg(is == 'O', "%s with it is not taken", message_type_name(right->type));
	}
	ck_assert_int_eq(outcome(client, MESSAGE_WRITE, "/kept", 5), 'E');
	client_close(client);
}
END_TEST

START_TEST(an_extra_nul_is_an_argument_too_many)
{
	struct client *client = expect_client(&served);
	char payload[256];

	for (size_t i = 0; i < N_RIGHT_REQUESTS; i++) {
		const struct right_request *right = &right_requests[i];
		if (right->most == ANY)
			continue;
		size_t len = put_arguments(right, right->most, payload);
		payload[len] = 0;
		char is = outcome(client, right->type, payload, len + 1);
		ck_assert_msg(is == 'E', "%s with a NUL too many is taken", message_type_name(right->type));
	}
	ck_assert_int_eq(outcome(client, MESSAGE_SET_PERMS, "/kept/below\0n0\0", 16), 'E');
	ck_assert_int_eq(outcome(client, MESSAGE_WATCH, "/kept\0token\0", 13), 'E');
	ck_assert_int_eq(outcome(client, MESSAGE_READ, "\0/kept", 7), 'E');
	client_close(client);
}
END_TEST

/* ---- pieces ---- */

/* A WRITE that would be seen if it were run; returns its size. */
static size_t complete_write(char bytes[64])
{
	struct message_header header = {MESSAGE_WRITE, 4711, 0, 9};

	memcpy(bytes, &header, sizeof(header));
	memcpy(bytes + sizeof(header), "/new\0data", 9);
	return sizeof(header) + 9;
}

START_TEST(a_client_that_hangs_up_inside_a_message_changes_nothing)
{
	char bytes[64];
	size_t size = complete_write(bytes);

	for (size_t n = 0; n < size; n++) {
		struct client *client = expect_client(&served);
		ck_assert_int_eq(client_send_bytes(client, bytes, n), 0);
		client_close(client);
		expect_others_served();
	}
}
END_TEST

START_TEST(a_client_that_hangs_up_inside_its_second_message_has_its_first_answered)
{
	char bytes[64];
	size_t size = complete_write(bytes);
	struct client_message answer;

	for (size_t n = 0; n < size; n++) {
		struct client *client = expect_client(&served);
		ck_assert_int_eq(client_send(client, MESSAGE_READ, 0, "/kept", 6, NULL), 0);
		ck_assert_int_eq(client_send_bytes(client, bytes, n), 0);
		ck_assert_int_eq(client_receive(client, &answer), 0);
		ck_assert_uint_eq(answer.header.type, MESSAGE_READ);
		ck_assert_int_eq(shutdown(client_fd(client), SHUT_WR), 0);
		expect_hangup(client);
		client_close(client);
	}
	expect_others_served();
}
END_TEST

START_TEST(clients_in_the_middle_of_a_message_hold_nobody_up)
{
	enum { CLIENTS = 200 };
	struct client *clients[CLIENTS];
	char bytes[64];
	size_t size = complete_write(bytes);

	for (size_t i = 0; i < CLIENTS; i++) {
		clients[i] = expect_client(&served);
		ck_assert_int_eq(client_send_bytes(clients[i], bytes, i % size), 0);
	}
	for (int i = 0; i < 100; i++)
		expect_others_served();
	for (size_t i = 0; i < CLIENTS; i++) {
		struct client_message answer;
		ck_assert_int_eq(client_send_bytes(clients[i], bytes + i % size, size - i % size), 0);
		ck_assert_int_eq(client_receive(clients[i], &answer), 0);
		ck_assert_uint_eq(answer.header.type, MESSAGE_WRITE);
		client_close(clients[i]);
	}
	expect_read(bystander, 0, "/new", "data");
	expect_ok(bystander, MESSAGE_RM, 0, ARGUMENTS("/new"));
}
END_TEST

START_TEST(a_message_that_comes_byte_by_byte_is_run_once_it_is_whole)
{
	struct client *client = expect_client(&served);
	struct client_message answer;
	char bytes[64];
	size_t size = complete_write(bytes);

	for (int round = 0; round < 20; round++) {
		for (size_t i = 0; i < size; i++) {
			ck_assert_int_eq(client_send_bytes(client, bytes + i, 1), 0);
			expect_read(bystander, 0, "/kept", "value");
			if (!round && i + 1 < size)
				expect_read(bystander, 0, "/new", NULL);
		}
		ck_assert_int_eq(client_receive(client, &answer), 0);
		ck_assert_uint_eq(answer.header.type, MESSAGE_WRITE);
		ck_assert_uint_eq(answer.header.request_id, 4711);
		expect_read(bystander, 0, "/new", "data");
	}
	expect_ok(bystander, MESSAGE_RM, 0, ARGUMENTS("/new"));
	client_close(client);
}
END_TEST

/* Largest messages, in pieces of every size that does not divide them. */
START_TEST(large_messages_in_odd_pieces_arrive_whole)
{
	enum { MESSAGES = 40, SIZE = MESSAGE_SIZE_MAX };
	struct client *client = expect_client(&served);
	struct message_header header = {MESSAGE_WRITE, 0, 0, MESSAGE_PAYLOAD_MAX};
	struct client_message answer;
	char *bytes = malloc(MESSAGES * SIZE);

	ck_assert_ptr_nonnull(bytes);
	for (uint32_t i = 0; i < MESSAGES; i++) {
		header.request_id = i;
		memset(bytes + i * SIZE, 'a' + (int)(i % 26), SIZE);
		memcpy(bytes + i * SIZE, &header, sizeof(header));
		memcpy(bytes + i * SIZE + sizeof(header), "/new", 5);
	}
	for (size_t at = 0, piece = 1; at < MESSAGES * SIZE; at += piece, piece = piece * 3 % 10007 + 1) {
		if (piece > MESSAGES * SIZE - at)
			piece = MESSAGES * SIZE - at;
		ck_assert_int_eq(client_send_bytes(client, bytes + at, piece), 0);
	}
	for (uint32_t i = 0; i < MESSAGES; i++) {
		ck_assert_int_eq(client_receive(client, &answer), 0);
		ck_assert_uint_eq(answer.header.type, MESSAGE_WRITE);
		ck_assert_uint_eq(answer.header.request_id, i);
	}
	expect_bytes(bystander, bytes + (MESSAGES - 1) * SIZE + sizeof(header) + 5, MESSAGE_PAYLOAD_MAX - 5, MESSAGE_READ, 0,
		     ARGUMENTS("/new"));
	expect_ok(bystander, MESSAGE_RM, 0, ARGUMENTS("/new"));
	free(bytes);
	client_close(client);
}
END_TEST

START_TEST(clients_that_hang_up_without_reading_leave_the_others_served)
{
	struct message_header header = {MESSAGE_DIRECTORY, 1, 0, 2};
	char requests[64 * 18];

	for (size_t i = 0; i < 64; i++) {
		memcpy(requests + i * 18, &header, sizeof(header));
		memcpy(requests + i * 18 + sizeof(header), "/", 2);
	}
	for (int i = 0; i < 100; i++) {
		struct client *client = expect_client(&served);
		ck_assert_int_eq(client_send_bytes(client, requests, sizeof(requests)), 0);
		client_close(client);
		expect_others_served();
	}
}
END_TEST

/* ---- random ---- */

static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* LXENSTORED_TEST_SEED repeats a run. */
static uint64_t seed(void)
{
	const char *given = getenv("LXENSTORED_TEST_SEED");
	uint64_t value = given ? strtoull(given, NULL, 10) : (uint64_t)time(NULL) * 1000 + (uint64_t)getpid();

	printf("# LXENSTORED_TEST_SEED=%llu\n", (unsigned long long)value);
	fflush(stdout);
	return value * 0x9e3779b97f4a7c15 | 1;
}

/* Takes what comes until nothing has come for a moment or the server has hung up; what comes must be whole messages. */
static void take_all(struct client *client)
{
	struct client_message message;
	int failed;

	/* A request of its own, if it still can be made, is answered last. */
	uint32_t id = UINT32_MAX;
	struct message_header header = {MESSAGE_READ, id, 0, 6};
	char bytes[sizeof(header) + 6];

	memcpy(bytes, &header, sizeof(header));
	memcpy(bytes + sizeof(header), "/kept", 6);
	failed = client_send_bytes(client, bytes, sizeof(bytes));
	if (!failed)
		shutdown(client_fd(client), SHUT_WR);
	do {
		failed = client_receive(client, &message);
	} while (!failed);
	ck_assert_msg(failed == -EPIPE, "what comes is not understood: %s", strerror(-failed));
}

START_TEST(random_bytes_change_nothing)
{
	uint64_t state = seed();
	char bytes[6000];

	for (int i = 0; i < 400; i++) {
		struct client *client = expect_client(&served);
		size_t len = next_random(&state) % sizeof(bytes);
		for (size_t k = 0; k < len; k++)
			bytes[k] = (char)next_random(&state);
		int failed = client_send_bytes(client, bytes, len);
		ck_assert(!failed || failed == -EPIPE);
		take_all(client);
		client_close(client);
		expect_others_served();
	}
}
END_TEST

/* Requests of right form with arguments from a small stock, now and then with a byte changed. */
static size_t random_request(uint64_t *state, char *out)
{
	static const char *const stock[] = {"/",   "/a", "/a/b", "/a/b/c", "a",	 "",   "@releaseDomain", "@x",	  "T",
					    "F",   "0",	 "1",	 "n0",	   "r0", "b7", "check",		 "quota", "max",
					    "txn", "//", "/a/",	 "7"};
	struct message_header header = {(uint32_t)(next_random(state) % (MESSAGE_TYPE_COUNT + 1)), (uint32_t)next_random(state),
					(uint32_t)(next_random(state) % 4), 0};
	size_t count = next_random(state) % 5;

	for (size_t i = 0; i < count; i++) {
		const char *argument = stock[next_random(state) % (sizeof(stock) / sizeof(stock[0]))];
		strcpy(out + sizeof(header) + header.len, argument);
		header.len += (uint32_t)strlen(argument) + 1;
	}
	memcpy(out, &header, sizeof(header));
	size_t size = sizeof(header) + header.len;
	/* Not in the first argument of CONTROL: no random name of a file shall become one. */
	if (next_random(state) % 8 == 0 && header.type != MESSAGE_CONTROL)
		out[4 + next_random(state) % (size - 4)] = (char)next_random(state);
	return size;
}

START_TEST(random_requests_leave_a_sound_store)
{
	uint64_t state = seed();
	char bytes[64 * 256];

	for (int i = 0; i < 400; i++) {
		struct client *client = expect_client(&served);
		size_t size = 0;
		for (uint64_t n = next_random(&state) % 60; n > 0; n--)
			size += random_request(&state, bytes + size);
		int failed = client_send_bytes(client, bytes, size);
		ck_assert(!failed || failed == -EPIPE);
		take_all(client);
		client_close(client);
		expect_sound(bystander);
	}
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
	    every_type_with_a_payload_of_nonsense_is_answered,
	    a_header_that_announces_too_much_ends_its_client,
	    what_came_before_a_header_that_announces_too_much_is_answered,
	    a_wrong_number_of_arguments_is_einval_for_every_operation,
	    a_missing_nul_at_the_end_is_einval,
	    an_extra_nul_is_an_argument_too_many,
	    a_client_that_hangs_up_inside_a_message_changes_nothing,
	    a_client_that_hangs_up_inside_its_second_message_has_its_first_answered,
	    clients_in_the_middle_of_a_message_hold_nobody_up,
	    a_message_that_comes_byte_by_byte_is_run_once_it_is_whole,
	    large_messages_in_odd_pieces_arrive_whole,
	    clients_that_hang_up_without_reading_leave_the_others_served,
	    random_bytes_change_nothing,
	};
	const TTest *const that_change[] = {random_requests_leave_a_sound_store};
	Suite *suite = expect_suite("bad input", &served, start, stop, tests, sizeof(tests) / sizeof(tests[0]));

	expect_case(suite, "random requests", start, stop_changed, that_change, 1);
	return suite_run(suite);
}
