/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Headers of answers, operations that there are not, operations on domains where there is no other domain. */
#include "support/expect.h"
#include "support/suite.h"

#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct daemon served;
static struct client *client;

static void start_with(const char *const arguments[])
{
	expect_start(&served, arguments);
	client = expect_client(&served);
}

static void start(void)
{
	start_with(NULL);
}

static void stop(void)
{
	expect_sound(client);
	client_close(client);
	daemon_stop(&served, SIGTERM, NULL);
}

/* ---- headers ---- */

static void expect_echo(const struct message_header *request, const char *payload, uint32_t answer_type)
{
	struct client_message answer;

	ck_assert_int_eq(client_send_bytes(client, request, sizeof(*request)), 0);
	ck_assert_int_eq(client_send_bytes(client, payload, request->len), 0);
	ck_assert_int_eq(client_receive(client, &answer), 0);
	ck_assert_uint_eq(answer.header.type, answer_type);
	ck_assert_uint_eq(answer.header.request_id, request->request_id);
	ck_assert_uint_eq(answer.header.transaction_id, request->transaction_id);
}

START_TEST(an_answer_bears_the_type_and_the_numbers_of_its_request)
{
	static const uint32_t ids[] = {0, 1, 0x80000000, UINT32_MAX};

	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		expect_echo(&(struct message_header){MESSAGE_READ, ids[i], 0, 6}, "/tool", MESSAGE_READ);
		expect_echo(&(struct message_header){MESSAGE_WRITE, ids[i], 0, 4}, "/a\0v", MESSAGE_WRITE);
		expect_echo(&(struct message_header){MESSAGE_UNWATCH, ids[i], 4711, 3}, "/\0t", MESSAGE_ERROR);
		expect_echo(&(struct message_header){MESSAGE_READ, ids[i], 4711, 6}, "/tool", MESSAGE_ERROR);
		expect_echo(&(struct message_header){4711, ids[i], 4712, 0}, "", MESSAGE_ERROR);
	}
}
END_TEST

START_TEST(an_event_bears_no_numbers)
{
	struct client_message message;
	uint32_t id;

	ck_assert_int_eq(client_send(client, MESSAGE_WATCH, 0, "/a\0token", 9, &id), 0);
	ck_assert_int_eq(client_receive(client, &message), 0);
	ck_assert_uint_eq(message.header.type, MESSAGE_WATCH);
	ck_assert_int_eq(client_receive(client, &message), 0);
	ck_assert_uint_eq(message.header.type, MESSAGE_WATCH_EVENT);
	ck_assert_uint_eq(message.header.request_id, 0);
	ck_assert_uint_eq(message.header.transaction_id, 0);
	ck_assert_uint_eq(message.header.len, 9);
	ck_assert_mem_eq(message.payload, "/a\0token", 9);
}
END_TEST

START_TEST(requests_in_one_piece_are_answered_in_their_order)
{
	enum { REQUESTS = 1000 };
	struct request {
		struct message_header header;
		char payload[4];
	} *requests = calloc(REQUESTS, sizeof(*requests));
	struct client_message answer;

	ck_assert_ptr_nonnull(requests);
	for (uint32_t i = 0; i < REQUESTS; i++) {
		requests[i].header = (struct message_header){i % 2 ? MESSAGE_READ : MESSAGE_WRITE, i, 0, i % 2 ? 3 : 4};
		memcpy(requests[i].payload, "/a\0v", 4);
	}
	/* Of odd ones the last byte is left out. */
	char *bytes = malloc(REQUESTS * sizeof(*requests)), *end = bytes;
	for (uint32_t i = 0; i < REQUESTS; i++)
		end = (char *)memcpy(end, &requests[i], 16 + requests[i].header.len) + 16 + requests[i].header.len;
	ck_assert_int_eq(client_send_bytes(client, bytes, (size_t)(end - bytes)), 0);
	for (uint32_t i = 0; i < REQUESTS; i++) {
		ck_assert_int_eq(client_receive(client, &answer), 0);
		ck_assert_uint_eq(answer.header.type, requests[i].header.type);
		ck_assert_uint_eq(answer.header.request_id, i);
	}
	free(bytes);
	free(requests);
}
END_TEST

/* ---- "operations" ---- */

START_TEST(events_errors_20_and_unknown_types_are_enosys)
{
	static const uint32_t types[] = {15, 16, 20, 27, 28, 255, 256, 65535, 65536, 0x7fffffff, 0x80000000, UINT32_MAX};

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		expect_error(client, "ENOSYS", types[i], 0, NO_ARGUMENTS);
		expect_error(client, "ENOSYS", types[i], 0, ARGUMENTS("/tool", "0"));
		expect_error(client, "ENOSYS", types[i], 4711, ARGUMENTS("/tool"));
	}
}
END_TEST

/* ---- domains ---- */

static const char *const wrong_domids[] = {"",
					   "x",
					   "-1",
					   "+1",
					   "1x",
					   "12abc",
					   " 1",
					   "1 ",
					   "0x1",
					   "65536",
					   "70000",
					   "4294967296",
					   "18446744073709551616",
					   "99999999999999999999999999"};
enum { N_WRONG_DOMIDS = sizeof(wrong_domids) / sizeof(wrong_domids[0]) };

START_TEST(the_path_of_a_domain_is_given_whether_it_exists_or_not)
{
	expect_text(client, "/local/domain/0", MESSAGE_GET_DOMAIN_PATH, 0, ARGUMENTS("0"));
	expect_text(client, "/local/domain/7", MESSAGE_GET_DOMAIN_PATH, 0, ARGUMENTS("7"));
	expect_text(client, "/local/domain/32751", MESSAGE_GET_DOMAIN_PATH, 0, ARGUMENTS("32751"));
	expect_text(client, "/local/domain/7", MESSAGE_GET_DOMAIN_PATH, 0, ARGUMENTS("007"));
}
END_TEST

START_TEST(the_path_of_what_is_no_domid_is_einval)
{
	for (size_t i = 0; i < N_WRONG_DOMIDS; i++)
		expect_error(client, "EINVAL", MESSAGE_GET_DOMAIN_PATH, 0, ARGUMENTS(wrong_domids[i]));
	expect_error(client, "EINVAL", MESSAGE_GET_DOMAIN_PATH, 0, ARGUMENTS("1", "2"));
	expect_error(client, "EINVAL", MESSAGE_GET_DOMAIN_PATH, 0, NO_ARGUMENTS);
}
END_TEST

START_TEST(only_the_own_domain_is_introduced)
{
	expect_text(client, "T", MESSAGE_IS_DOMAIN_INTRODUCED, 0, ARGUMENTS("0"));
	expect_text(client, "T", MESSAGE_IS_DOMAIN_INTRODUCED, 0, ARGUMENTS("32752")); /* DOMID_SELF */
	expect_text(client, "F", MESSAGE_IS_DOMAIN_INTRODUCED, 0, ARGUMENTS("1"));
	for (size_t i = 0; i < N_WRONG_DOMIDS; i++)
		expect_error(client, "EINVAL", MESSAGE_IS_DOMAIN_INTRODUCED, 0, ARGUMENTS(wrong_domids[i]));
}
END_TEST

START_TEST(release_and_resume_of_no_domain_are_enoent_and_of_the_own_einval)
{
	static const uint32_t types[] = {MESSAGE_RELEASE, MESSAGE_RESUME};

	for (size_t i = 0; i < 2; i++) {
		expect_error(client, "ENOENT", types[i], 0, ARGUMENTS("7"));
		expect_error(client, "EINVAL", types[i], 0, ARGUMENTS("0"));
		for (size_t k = 0; k < N_WRONG_DOMIDS; k++)
			expect_error(client, "EINVAL", types[i], 0, ARGUMENTS(wrong_domids[k]));
		expect_error(client, "EINVAL", types[i], 0, ARGUMENTS("7", "8"));
	}
}
END_TEST

START_TEST(a_domain_that_is_not_there_cannot_be_introduced)
{
	expect_error(client, "ENOENT", MESSAGE_INTRODUCE, 0, ARGUMENTS("7", "4711", "3"));
	expect_error(client, "EINVAL", MESSAGE_INTRODUCE, 0, ARGUMENTS("0", "4711", "3"));
	expect_error(client, "EINVAL", MESSAGE_INTRODUCE, 0, ARGUMENTS("7", "4711"));
	expect_error(client, "EINVAL", MESSAGE_INTRODUCE, 0, ARGUMENTS("7"));
	expect_error(client, "EINVAL", MESSAGE_INTRODUCE, 0, ARGUMENTS("7", "4711", "x"));
	expect_error(client, "EINVAL", MESSAGE_INTRODUCE, 0, ARGUMENTS("70000", "4711", "3"));
	expect_watch(client, "@introduceDomain", "token");
	expect_error(client, "ENOENT", MESSAGE_INTRODUCE, 0, ARGUMENTS("7", "4711", "3"));
	expect_no_event(client);
}
END_TEST

START_TEST(no_target_can_be_set_for_or_to_a_domain_that_is_not_there)
{
	expect_error(client, "ENOENT", MESSAGE_SET_TARGET, 0, ARGUMENTS("7", "8"));
	expect_error(client, "ENOENT", MESSAGE_SET_TARGET, 0, ARGUMENTS("7", "0"));
	expect_error(client, "EINVAL", MESSAGE_SET_TARGET, 0, ARGUMENTS("7"));
	expect_error(client, "EINVAL", MESSAGE_SET_TARGET, 0, ARGUMENTS("7", "x"));
	expect_error(client, "EINVAL", MESSAGE_SET_TARGET, 0, ARGUMENTS("7", "8", "9"));
}
END_TEST

/* ---- features and quotas ---- */

START_TEST(the_own_domain_has_all_features_and_they_stay)
{
	expect_text(client, "15", MESSAGE_GET_FEATURE, 0, NO_ARGUMENTS);
	expect_text(client, "15", MESSAGE_GET_FEATURE, 0, ARGUMENTS("0"));
	expect_error(client, "EBUSY", MESSAGE_SET_FEATURE, 0, ARGUMENTS("0", "1"));
	expect_error(client, "EINVAL", MESSAGE_SET_FEATURE, 0, ARGUMENTS("0"));
	expect_error(client, "EINVAL", MESSAGE_SET_FEATURE, 0, ARGUMENTS("0", "x"));
	expect_error(client, "EINVAL", MESSAGE_SET_FEATURE, 0, ARGUMENTS("0", "1", "2"));
	expect_text(client, "15", MESSAGE_GET_FEATURE, 0, ARGUMENTS("0"));
}
END_TEST

START_TEST(features_of_no_domain_are_enoent)
{
	expect_error(client, "ENOENT", MESSAGE_GET_FEATURE, 0, ARGUMENTS("7"));
	expect_error(client, "ENOENT", MESSAGE_SET_FEATURE, 0, ARGUMENTS("7", "1"));
	expect_error(client, "EINVAL", MESSAGE_GET_FEATURE, 0, ARGUMENTS("0", "0"));
	for (size_t i = 0; i < N_WRONG_DOMIDS; i++) {
		expect_error(client, "EINVAL", MESSAGE_GET_FEATURE, 0, ARGUMENTS(wrong_domids[i]));
		expect_error(client, "EINVAL", MESSAGE_SET_FEATURE, 0, ARGUMENTS(wrong_domids[i], "1"));
	}
}
END_TEST

START_TEST(quotas_have_the_names_of_c_xenstored)
{
	expect_text(client,
		    "nodes watches outstanding memory soft-memory transactions transaction-nodes node-permissions path-max "
		    "node-size",
		    MESSAGE_GET_QUOTA, 0, NO_ARGUMENTS);
	expect_text(client, "1000", MESSAGE_GET_QUOTA, 0, ARGUMENTS("nodes"));
	expect_text(client, "2097152", MESSAGE_GET_QUOTA, 0, ARGUMENTS("soft-memory"));
	expect_text(client, "128", MESSAGE_GET_QUOTA, 0, ARGUMENTS("0", "watches"));
	expect_error(client, "EINVAL", MESSAGE_GET_QUOTA, 0, ARGUMENTS("node"));
	expect_error(client, "EINVAL", MESSAGE_GET_QUOTA, 0, ARGUMENTS("soft-nodes"));
	expect_error(client, "EINVAL", MESSAGE_GET_QUOTA, 0, ARGUMENTS("0", "node"));
	expect_error(client, "ENOENT", MESSAGE_GET_QUOTA, 0, ARGUMENTS("7", "nodes"));
	expect_error(client, "EINVAL", MESSAGE_GET_QUOTA, 0, ARGUMENTS("x", "nodes"));
	expect_error(client, "EINVAL", MESSAGE_GET_QUOTA, 0, ARGUMENTS("0", "nodes", "1"));
}
END_TEST

START_TEST(quotas_of_all_and_of_one_domain_are_set_apart)
{
	expect_ok(client, MESSAGE_SET_QUOTA, 0, ARGUMENTS("nodes", "7"));
	expect_text(client, "7", MESSAGE_GET_QUOTA, 0, ARGUMENTS("nodes"));
	expect_text(client, "7", MESSAGE_GET_QUOTA, 0, ARGUMENTS("0", "nodes"));
	expect_ok(client, MESSAGE_SET_QUOTA, 0, ARGUMENTS("0", "nodes", "8"));
	expect_text(client, "7", MESSAGE_GET_QUOTA, 0, ARGUMENTS("nodes"));
	expect_text(client, "8", MESSAGE_GET_QUOTA, 0, ARGUMENTS("0", "nodes"));
	expect_error(client, "EINVAL", MESSAGE_SET_QUOTA, 0, ARGUMENTS("nodes"));
	expect_error(client, "EINVAL", MESSAGE_SET_QUOTA, 0, ARGUMENTS("nodes", "-1"));
	expect_error(client, "EINVAL", MESSAGE_SET_QUOTA, 0, ARGUMENTS("nodes", "4294967295"));
	expect_error(client, "EINVAL", MESSAGE_SET_QUOTA, 0, ARGUMENTS("soft-nodes", "1"));
	expect_error(client, "EINVAL", MESSAGE_SET_QUOTA, 0, ARGUMENTS("0", "nodes", "1", "2"));
	expect_error(client, "ENOENT", MESSAGE_SET_QUOTA, 0, ARGUMENTS("7", "nodes", "1"));
	expect_text(client, "8", MESSAGE_GET_QUOTA, 0, ARGUMENTS("0", "nodes"));
}
END_TEST

/* ---- the daemon in another domain than the privileged one ---- */

static void start_in_domain_5(void)
{
	static const char *const arguments[] = {"--master-domid", "5", "--priv-domid", "0", NULL};

	start_with(arguments);
}

START_TEST(the_socket_speaks_for_the_domain_of_the_daemon)
{
	expect_write(client, 0, "name", "relative");
	expect_read(client, 0, "/local/domain/5/name", "relative");
	expect_text(client, "T", MESSAGE_IS_DOMAIN_INTRODUCED, 0, ARGUMENTS("5"));
	expect_text(client, "T", MESSAGE_IS_DOMAIN_INTRODUCED, 0, ARGUMENTS("0"));
	expect_text(client, "F", MESSAGE_IS_DOMAIN_INTRODUCED, 0, ARGUMENTS("6"));
	expect_error(client, "EINVAL", MESSAGE_RELEASE, 0, ARGUMENTS("5"));
	expect_watch(client, "data", "token");
	expect_write(client, 0, "/local/domain/5/data", "");
	expect_event(client, "data", "token");
}
END_TEST

START_TEST(the_domain_of_the_daemon_has_all_rights_and_may_give_nodes_to_another)
{
	expect_write(client, 0, "/a/b", "");
	expect_permissions(client, 0, "/a", "n0");
	expect_ok(client, MESSAGE_SET_PERMS, 0, ARGUMENTS("/a", "n5", "r0"));
	expect_ok(client, MESSAGE_SET_PERMS, 0, ARGUMENTS("/a/b", "n0"));
	expect_permissions(client, 0, "/a", "n5 r0");
	expect_write(client, 0, "/a/c", "inherits");
	expect_permissions(client, 0, "/a/c", "n5 r0");
	struct client_message answer = expect_any(client, MESSAGE_CONTROL, 0, ARGUMENTS("quota", "5"));
	ck_assert_ptr_nonnull(strstr(answer.payload, "Domain 5:\nnodes            :        2 (max        2)\n"));
	answer = expect_any(client, MESSAGE_CONTROL, 0, ARGUMENTS("quota", "0"));
	ck_assert_ptr_nonnull(strstr(answer.payload, "Domain 0:\nnodes            :        6 (max "));
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
	    an_answer_bears_the_type_and_the_numbers_of_its_request,
	    an_event_bears_no_numbers,
	    requests_in_one_piece_are_answered_in_their_order,
	    events_errors_20_and_unknown_types_are_enosys,
	    the_path_of_a_domain_is_given_whether_it_exists_or_not,
	    the_path_of_what_is_no_domid_is_einval,
	    only_the_own_domain_is_introduced,
	    release_and_resume_of_no_domain_are_enoent_and_of_the_own_einval,
	    a_domain_that_is_not_there_cannot_be_introduced,
	    no_target_can_be_set_for_or_to_a_domain_that_is_not_there,
	    the_own_domain_has_all_features_and_they_stay,
	    features_of_no_domain_are_enoent,
	    quotas_have_the_names_of_c_xenstored,
	    quotas_of_all_and_of_one_domain_are_set_apart,
	};
	const TTest *const in_domain_5[] = {
	    the_socket_speaks_for_the_domain_of_the_daemon,
	    the_domain_of_the_daemon_has_all_rights_and_may_give_nodes_to_another,
	};
	Suite *suite = expect_suite("protocol: errors", &served, start, stop, tests, sizeof(tests) / sizeof(tests[0]));

	expect_case(suite, "another domain", start_in_domain_5, stop, in_domain_5, sizeof(in_domain_5) / sizeof(in_domain_5[0]));
	return suite_run(suite);
}
