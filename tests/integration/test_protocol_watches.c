/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Watches and their events over the socket: the rows of doc/compatibility.md about order, depth and what is sent when. */
#include "support/expect.h"
#include "support/suite.h"

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

static struct daemon served;
static struct client *client; /* changes things, often its own watches' */
static struct client *other;  /* watches or changes besides */

static void start(void)
{
	expect_start(&served, NULL);
	client = expect_client(&served);
	other = expect_client(&served);
}

static void stop(void)
{
	expect_sound(client);
	client_close(client);
	client_close(other);
	daemon_stop(&served, SIGTERM, NULL);
}

/* A request whose answer is looked at later, by expect_next. */
static uint32_t ask(uint32_t type, uint32_t transaction, const char *payload, size_t len)
{
	uint32_t id;

	ck_assert_int_eq(client_send(client, type, transaction, payload, len, &id), 0);
	return id;
}

/* The next message is the answer of that request. */
static void expect_next_answers(uint32_t id)
{
	struct client_message message;

	ck_assert_int_eq(client_receive(client, &message), 0);
	ck_assert_uint_ne(message.header.type, MESSAGE_WATCH_EVENT);
	ck_assert_uint_ne(message.header.type, MESSAGE_ERROR);
	ck_assert_uint_eq(message.header.request_id, id);
}

/* ---- "order" ---- */

START_TEST(a_watch_is_answered_and_then_its_first_event_comes)
{
	uint32_t id = ask(MESSAGE_WATCH, 0, "/missing\0token", 15);

	expect_next_answers(id);
	expect_event(client, "/missing", "token");
	expect_no_event(client);
}
END_TEST

START_TEST(events_of_a_change_come_before_its_answer)
{
	expect_watch(client, "/a", "token");
	expect_watch(client, "/b", "token");
	uint32_t id = ask(MESSAGE_WRITE, 0, "/a\0value", 8);
	expect_event(client, "/a", "token");
	expect_next_answers(id);
	id = ask(MESSAGE_MKDIR, 0, "/b", 3);
	expect_event(client, "/b", "token");
	expect_next_answers(id);
	id = ask(MESSAGE_SET_PERMS, 0, "/a\0r0", 6);
	expect_event(client, "/a", "token");
	expect_next_answers(id);
	id = ask(MESSAGE_RM, 0, "/a", 3);
	expect_event(client, "/a", "token");
	expect_next_answers(id);
	expect_no_event(client);
}
END_TEST

START_TEST(events_of_a_transaction_come_before_the_answer_to_its_end)
{
	expect_watch(client, "/a", "token");
	uint32_t transaction = expect_transaction(client);
	expect_write(client, transaction, "/a/x", "");
	expect_no_event(client);
	uint32_t id = ask(MESSAGE_TRANSACTION_END, transaction, "T", 2);
	expect_event(client, "/a/x", "token");
	expect_next_answers(id);
}
END_TEST

START_TEST(an_aborted_or_failed_transaction_causes_no_event)
{
	expect_write(client, 0, "/a", "");
	expect_watch(client, "/a", "token");
	uint32_t transaction = expect_transaction(client);
	expect_write(client, transaction, "/a", "never");
	expect_ok(client, MESSAGE_TRANSACTION_END, transaction, ARGUMENTS("F"));
	transaction = expect_transaction(client);
	expect_read(client, transaction, "/a", "");
	expect_write(client, transaction, "/a/x", "never");
	expect_write(other, 0, "/a", "between");
	expect_event(client, "/a", "token");
	expect_end(client, transaction, "EAGAIN");
	expect_no_event(client);
}
END_TEST

/* The event of what one client writes is there before another learns of the answer to a later question. */
START_TEST(a_watcher_that_asks_after_the_change_has_the_event_first)
{
	expect_watch(other, "/a", "token");
	expect_write(client, 0, "/a/b", "value");
	expect_read(other, 0, "/a/b", "value");
	expect_event(other, "/a/b", "token");
	expect_no_event(other);
}
END_TEST

/* "several watches of one client" */
START_TEST(watches_of_one_client_fire_in_the_order_of_registration)
{
	expect_watch(client, "/a/b", "first");
	expect_watch(client, "/", "second");
	expect_watch(client, "/a/b", "third");
	expect_watch(client, "/a", "fourth");
	expect_write(client, 0, "/a/b", "");
	expect_event(client, "/a/b", "first");
	expect_event(client, "/a/b", "second");
	expect_event(client, "/a/b", "third");
	expect_event(client, "/a/b", "fourth");
	expect_no_event(client);
}
END_TEST

START_TEST(a_watch_that_is_set_again_is_the_youngest)
{
	expect_watch(client, "/a", "first");
	expect_watch(client, "/", "second");
	expect_ok(client, MESSAGE_UNWATCH, 0, ARGUMENTS("/a", "first"));
	expect_watch(client, "/a", "first");
	expect_write(client, 0, "/a", "");
	expect_event(client, "/a", "second");
	expect_event(client, "/a", "first");
}
END_TEST

/* ---- which changes fire ---- */

START_TEST(a_watch_fires_for_its_node_and_all_below_and_for_nothing_else)
{
	expect_watch(client, "/a", "token");
	expect_write(other, 0, "/a", "");
	expect_write(other, 0, "/a/b/c", "");
	expect_write(other, 0, "/ab", "");
	expect_write(other, 0, "/", "");
	expect_event(client, "/a", "token");
	expect_event(client, "/a/b/c", "token");
	expect_no_event(client);
}
END_TEST

/* No event for parents that are created with a node. */
START_TEST(implied_parents_cause_no_event)
{
	expect_watch(client, "/a", "node");
	expect_watch(client, "/", "all");
	expect_write(other, 0, "/a/b/c", "");
	expect_event(client, "/a/b/c", "node");
	expect_event(client, "/a/b/c", "all");
	uint32_t transaction = expect_transaction(other);
	expect_write(other, transaction, "/d/e/f", "");
	expect_end(other, transaction, "");
	expect_event(client, "/d/e/f", "all");
	expect_no_event(client);
}
END_TEST

START_TEST(reading_and_failing_cause_no_event)
{
	expect_write(client, 0, "/a", "");
	expect_watch(client, "/", "token");
	expect_read(other, 0, "/a", "");
	expect_names(other, 0, "/a", "");
	expect_permissions(other, 0, "/a", "n0");
	expect_ok(other, MESSAGE_MKDIR, 0, ARGUMENTS("/a"));
	expect_ok(other, MESSAGE_RM, 0, ARGUMENTS("/missing"));
	expect_error(other, "ENOENT", MESSAGE_SET_PERMS, 0, ARGUMENTS("/a", "n9"));
	expect_error(other, "EINVAL", MESSAGE_RM, 0, ARGUMENTS("/"));
	expect_no_event(client);
}
END_TEST

START_TEST(a_write_of_the_same_value_is_a_change)
{
	expect_write(client, 0, "/a", "same");
	expect_watch(client, "/a", "token");
	expect_write(other, 0, "/a", "same");
	expect_event(client, "/a", "token");
}
END_TEST

/* ---- "RM of a subtree" ---- */

START_TEST(rm_fires_leaf_first_exact_watches_below_and_at_the_top_those_above)
{
	expect_write(client, 0, "/a/b/c", "");
	expect_write(client, 0, "/a/b/d", "");
	expect_write(client, 0, "/a/e", "");
	expect_watch(client, "/", "above");
	expect_watch(client, "/a", "top");
	expect_watch(client, "/a/b", "middle");
	expect_watch(client, "/a/e", "leaf");
	expect_watch(client, "/a/b/c", "leaf");
	expect_watch(client, "/a/b/missing", "never");
	expect_watch(client, "/a/b/d/missing", "never");
	expect_ok(other, MESSAGE_RM, 0, ARGUMENTS("/a"));
	/* Children in the order of their creation, each before its parent: /a/b was made before /a/e. */
	expect_event(client, "/a/b/c", "leaf");
	expect_event(client, "/a/b", "middle");
	expect_event(client, "/a/e", "leaf");
	expect_event(client, "/a", "above");
	expect_event(client, "/a", "top");
	expect_no_event(client);
}
END_TEST

START_TEST(rm_in_a_transaction_fires_the_same_events_at_its_end)
{
	expect_write(client, 0, "/a/b/c", "");
	expect_watch(client, "/a/b/c", "leaf");
	expect_watch(client, "/a/b", "middle");
	expect_watch(client, "/", "above");
	uint32_t transaction = expect_transaction(other);
	expect_ok(other, MESSAGE_RM, transaction, ARGUMENTS("/a"));
	expect_no_event(client);
	expect_end(other, transaction, "");
	expect_event(client, "/a/b/c", "leaf");
	expect_event(client, "/a/b", "middle");
	expect_event(client, "/a", "above");
	expect_no_event(client);
}
END_TEST

START_TEST(a_watch_outlives_its_node)
{
	expect_write(client, 0, "/a", "");
	expect_watch(client, "/a", "token");
	expect_ok(other, MESSAGE_RM, 0, ARGUMENTS("/a"));
	expect_event(client, "/a", "token");
	expect_write(other, 0, "/a", "");
	expect_event(client, "/a", "token");
}
END_TEST

/* ---- transactions ---- */

/* "N writes of one node in a transaction" */
START_TEST(a_transaction_fires_one_event_for_each_node_in_the_order_of_first_change)
{
	expect_write(client, 0, "/old", "");
	expect_watch(client, "/", "token");
	uint32_t transaction = expect_transaction(other);
	expect_write(other, transaction, "/b", "1");
	expect_write(other, transaction, "/a", "1");
	expect_ok(other, MESSAGE_RM, transaction, ARGUMENTS("/old"));
	expect_write(other, transaction, "/b", "2");
	expect_ok(other, MESSAGE_SET_PERMS, transaction, ARGUMENTS("/b", "r0"));
	expect_write(other, transaction, "/a", "2");
	expect_end(other, transaction, "");
	expect_event(client, "/b", "token");
	expect_event(client, "/a", "token");
	expect_event(client, "/old", "token");
	expect_no_event(client);
}
END_TEST

START_TEST(watch_and_unwatch_do_not_look_at_the_transaction_number)
{
	expect_ok(client, MESSAGE_WATCH, 4711, ARGUMENTS("/a", "token"));
	expect_event(client, "/a", "token");
	expect_ok(client, MESSAGE_UNWATCH, 4711, ARGUMENTS("/a", "token"));
	expect_error(client, "ENOENT", MESSAGE_RESET_WATCHES, 4711, ARGUMENTS(""));
}
END_TEST

/* ---- relative paths ---- */

START_TEST(a_watch_set_by_a_relative_path_gets_relative_events)
{
	expect_watch(client, "data", "token");
	expect_watch(client, "/local/domain/0", "absolute");
	expect_write(other, 0, "data/x", "");
	expect_event(client, "data/x", "token");
	expect_event(client, "/local/domain/0/data/x", "absolute");
	expect_ok(other, MESSAGE_RM, 0, ARGUMENTS("/local/domain/0"));
	expect_event(client, "data", "token");
	expect_event(client, "/local/domain/0", "absolute");
	expect_no_event(client);
}
END_TEST

START_TEST(a_relative_and_an_absolute_path_name_the_same_watch)
{
	expect_watch(client, "data", "token");
	expect_error(client, "EEXIST", MESSAGE_WATCH, 0, ARGUMENTS("/local/domain/0/data", "token"));
	expect_ok(client, MESSAGE_UNWATCH, 0, ARGUMENTS("/local/domain/0/data", "token"));
	expect_write(other, 0, "data", "");
	expect_no_event(client);
}
END_TEST

/* ---- depth ---- */

START_TEST(depth_limits_how_far_below_a_watch_fires)
{
	expect_ok(client, MESSAGE_WATCH, 0, ARGUMENTS("/a", "only", "0"));
	expect_event(client, "/a", "only");
	expect_ok(client, MESSAGE_WATCH, 0, ARGUMENTS("/a", "children", "1"));
	expect_event(client, "/a", "children");
	expect_ok(client, MESSAGE_WATCH, 0, ARGUMENTS("/", "two", "2"));
	expect_event(client, "/", "two");
	expect_write(other, 0, "/a", "");
	expect_event(client, "/a", "only");
	expect_event(client, "/a", "children");
	expect_event(client, "/a", "two");
	expect_write(other, 0, "/a/b", "");
	expect_event(client, "/a/b", "children");
	expect_event(client, "/a/b", "two");
	expect_write(other, 0, "/a/b/c", "");
	expect_no_event(client);
	expect_write(other, 0, "/", "");
	expect_event(client, "/", "two");
	expect_no_event(client);
}
END_TEST

START_TEST(rm_fires_a_watch_with_depth_as_the_change_of_its_top)
{
	expect_write(client, 0, "/a/b/c", "");
	expect_ok(client, MESSAGE_WATCH, 0, ARGUMENTS("/", "token", "1"));
	expect_event(client, "/", "token");
	expect_ok(other, MESSAGE_RM, 0, ARGUMENTS("/a/b"));
	expect_no_event(client);
	expect_ok(other, MESSAGE_RM, 0, ARGUMENTS("/a"));
	expect_event(client, "/a", "token");
	expect_no_event(client);
}
END_TEST

START_TEST(a_depth_that_is_no_number_is_einval_and_sets_no_watch)
{
	static const char *const wrong[] = {"", "-1", "x", "1x", " 1", "4294967296", "99999999999999999999"};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		expect_error(client, "EINVAL", MESSAGE_WATCH, 0, ARGUMENTS("/a", "token", wrong[i]));
	expect_error(client, "EINVAL", MESSAGE_WATCH, 0, ARGUMENTS("/a", "token", "1", "2"));
	expect_write(other, 0, "/a", "");
	expect_no_event(client);
}
END_TEST

/* ---- setting and taking back ---- */

START_TEST(a_second_watch_of_the_same_path_and_token_is_eexist)
{
	expect_watch(client, "/a", "token");
	expect_error(client, "EEXIST", MESSAGE_WATCH, 0, ARGUMENTS("/a", "token"));
	expect_error(client, "EEXIST", MESSAGE_WATCH, 0, ARGUMENTS("/a", "token", "1"));
	expect_watch(client, "/a", "token2");
	expect_watch(other, "/a", "token");
	expect_no_event(client);
}
END_TEST

START_TEST(unwatch_ends_that_watch_only)
{
	expect_watch(client, "/a", "one");
	expect_watch(client, "/a", "two");
	expect_ok(client, MESSAGE_UNWATCH, 0, ARGUMENTS("/a", "one"));
	expect_write(other, 0, "/a", "");
	expect_event(client, "/a", "two");
	expect_no_event(client);
}
END_TEST

START_TEST(unwatch_of_a_watch_that_is_not_there_is_enoent)
{
	expect_watch(client, "/a", "token");
	expect_error(client, "ENOENT", MESSAGE_UNWATCH, 0, ARGUMENTS("/a", "other"));
	expect_error(client, "ENOENT", MESSAGE_UNWATCH, 0, ARGUMENTS("/b", "token"));
	expect_error(other, "ENOENT", MESSAGE_UNWATCH, 0, ARGUMENTS("/a", "token"));
	expect_ok(client, MESSAGE_UNWATCH, 0, ARGUMENTS("/a", "token"));
	expect_error(client, "ENOENT", MESSAGE_UNWATCH, 0, ARGUMENTS("/a", "token"));
}
END_TEST

START_TEST(tokens_may_be_any_bytes_and_empty)
{
	expect_watch(client, "/a", "");
	expect_watch(client, "/a", " \x80\xff\n/*");
	expect_write(other, 0, "/a", "");
	expect_event(client, "/a", "");
	expect_event(client, "/a", " \x80\xff\n/*");
}
END_TEST

START_TEST(reset_watches_ends_all_watches_of_the_client)
{
	expect_watch(client, "/a", "one");
	expect_watch(client, "/b", "two");
	expect_watch(other, "/a", "kept");
	expect_ok(client, MESSAGE_RESET_WATCHES, 0, ARGUMENTS(""));
	expect_write(other, 0, "/a", "");
	expect_event(other, "/a", "kept");
	expect_no_event(client);
	expect_watch(client, "/a", "one");
}
END_TEST

START_TEST(the_watches_of_a_client_end_with_it)
{
	struct client_message answer;
	char line[32];

	for (int i = 0; i < 100; i++) {
		struct client *short_lived = expect_client(&served);
		snprintf(line, sizeof(line), "token%d", i);
		expect_watch(short_lived, "/a", line);
		client_close(short_lived);
	}
	/* The end of a connection is noticed in the daemon's own time. */
	do {
		answer = expect_any(client, MESSAGE_CONTROL, 0, ARGUMENTS("watches"));
	} while (strcmp(answer.payload, "OK") != 0);
	expect_write(client, 0, "/a", "");
}
END_TEST

/* ---- special watches ---- */

START_TEST(special_watches_can_be_set_and_have_a_first_event)
{
	expect_watch(client, "@introduceDomain", "token");
	expect_watch(client, "@releaseDomain", "token");
	expect_ok(client, MESSAGE_WATCH, 0, ARGUMENTS("@releaseDomain", "deep", "1"));
	expect_event(client, "@releaseDomain", "deep");
	expect_ok(client, MESSAGE_UNWATCH, 0, ARGUMENTS("@introduceDomain", "token"));
}
END_TEST

START_TEST(special_watches_do_not_fire_for_nodes_nor_watches_of_the_root_for_specials)
{
	expect_watch(client, "@releaseDomain", "special");
	expect_watch(client, "/", "root");
	expect_write(other, 0, "/@releaseDomain", "");
	expect_event(client, "/@releaseDomain", "root");
	expect_ok(other, MESSAGE_SET_PERMS, 0, ARGUMENTS("@releaseDomain", "r0"));
	expect_event(client, "@releaseDomain", "special");
	expect_no_event(client);
}
END_TEST

/* ---- events that are not sent ---- */

static void expect_report_has(const char *words)
{
	char path[128], text[4096];

	snprintf(path, sizeof(path), "%s/report", served.directory);
	expect_ok(client, MESSAGE_CONTROL, 0, ARGUMENTS("memreport", path));
	FILE *file = fopen(path, "re");
	ck_assert_ptr_nonnull(file);
	text[fread(text, 1, sizeof(text) - 1, file)] = 0;
	fclose(file);
	remove(path);
	ck_assert_msg(strstr(text, words) != NULL, "\"%s\" is missing in: %s", words, text);
}

/* "event over 4096 bytes": not sent, counted (XSA-324). */
START_TEST(an_event_that_does_not_fit_a_message_is_dropped_and_counted)
{
	char token[MESSAGE_PAYLOAD_MAX - 2], path[64];

	memset(token, 't', sizeof(token));
	token[sizeof(token) - 1] = 0; /* "/" and its NUL fill the rest of the message */
	expect_watch(client, "/", token);
	snprintf(path, sizeof(path), "/%0*d", 50, 0);
	expect_write(other, 0, path, "");
	expect_write(other, 0, "/", "");
	expect_event(client, "/", token);
	expect_no_event(client);
	expect_report_has("dropped: 1\n");
	expect_ok(client, MESSAGE_UNWATCH, 0, ARGUMENTS("/", token));
}
END_TEST

static int unread(struct client *of)
{
	int bytes;

	ck_assert_int_eq(ioctl(client_fd(of), FIONREAD, &bytes), 0);
	return bytes;
}

/*
 * Lets `other` ask so much without reading that its answers fill the socket and more wait in the daemon. A turn of the daemon
 * serves all connections, so if a question of `client` brings nothing new there, nothing goes there any more.
 */
static void fill_the_output_of_other(size_t questions)
{
	static const char path[] = "/big";
	const struct message_header header = {.type = MESSAGE_READ, .len = sizeof(path)};
	const size_t size = sizeof(header) + sizeof(path);
	char *requests = malloc(questions * size);
	char value[4001];
	int before;

	memset(value, 'v', sizeof(value) - 1);
	value[sizeof(value) - 1] = 0;
	expect_write(client, 0, path, value);
	ck_assert_ptr_nonnull(requests);
	for (size_t i = 0; i < questions; i++) {
		memcpy(requests + i * size, &header, sizeof(header));
		memcpy(requests + i * size + sizeof(header), path, sizeof(path));
	}
	/* In one piece: the kernel charges each small one as a large one, and the daemon will not take them all. */
	ck_assert_int_eq(client_send_bytes(other, requests, questions * size), 0);
	free(requests);
	do {
		before = unread(other);
		expect_read(client, 0, path, value);
		expect_read(client, 0, path, value);
	} while (!before || unread(other) != before);
}

/* All events among the answers that were not read. */
static void count_events(size_t questions, const char *path, size_t *of_path, size_t *all)
{
	struct client_message message;
	size_t answers = 0;

	*of_path = *all = 0;
	while (answers < questions) {
		ck_assert_int_eq(client_receive(other, &message), 0);
		if (message.header.type == MESSAGE_WATCH_EVENT) {
			++*all;
			*of_path += !strcmp(message.payload, path);
		} else {
			ck_assert_uint_eq(message.header.type, MESSAGE_READ);
			answers++;
		}
	}
	expect_no_event(other);
}

/* "identical event of the same watch, of which no byte is published yet" */
START_TEST(an_identical_event_is_not_queued_twice_while_none_of_it_is_out)
{
	enum { QUESTIONS = 400 };
	size_t of_path, all;

	expect_watch(other, "/a", "token");
	fill_the_output_of_other(QUESTIONS);
	for (int i = 0; i < 50; i++) {
		expect_write(client, 0, "/a/x", "");
		expect_write(client, 0, "/a/y", "");
	}
	count_events(QUESTIONS, "/a/x", &of_path, &all);
	ck_assert_uint_eq(of_path, 1);
	ck_assert_uint_eq(all, 2);
	expect_write(client, 0, "/a/x", "");
	expect_event(other, "/a/x", "token");
}
END_TEST

START_TEST(equal_events_of_two_watches_are_both_queued)
{
	enum { QUESTIONS = 400 };
	size_t of_path, all;

	expect_watch(other, "/a", "token");
	expect_watch(other, "/", "token");
	fill_the_output_of_other(QUESTIONS);
	for (int i = 0; i < 50; i++)
		expect_write(client, 0, "/a", "");
	count_events(QUESTIONS, "/a", &of_path, &all);
	ck_assert_uint_eq(of_path, 2);
}
END_TEST

/* "special events excepted" */
START_TEST(identical_special_events_are_all_queued)
{
	enum { QUESTIONS = 400, CHANGES = 20 };
	size_t of_path, all;

	expect_watch(other, "@releaseDomain", "token");
	fill_the_output_of_other(QUESTIONS);
	for (int i = 0; i < CHANGES; i++)
		expect_ok(client, MESSAGE_SET_PERMS, 0, ARGUMENTS("@releaseDomain", "r0"));
	count_events(QUESTIONS, "@releaseDomain", &of_path, &all);
	ck_assert_uint_eq(of_path, CHANGES);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
	    a_watch_is_answered_and_then_its_first_event_comes,
	    events_of_a_change_come_before_its_answer,
	    events_of_a_transaction_come_before_the_answer_to_its_end,
	    an_aborted_or_failed_transaction_causes_no_event,
	    a_watcher_that_asks_after_the_change_has_the_event_first,
	    watches_of_one_client_fire_in_the_order_of_registration,
	    a_watch_that_is_set_again_is_the_youngest,
	    a_watch_fires_for_its_node_and_all_below_and_for_nothing_else,
	    implied_parents_cause_no_event,
	    reading_and_failing_cause_no_event,
	    a_write_of_the_same_value_is_a_change,
	    rm_fires_leaf_first_exact_watches_below_and_at_the_top_those_above,
	    rm_in_a_transaction_fires_the_same_events_at_its_end,
	    a_watch_outlives_its_node,
	    a_transaction_fires_one_event_for_each_node_in_the_order_of_first_change,
	    watch_and_unwatch_do_not_look_at_the_transaction_number,
	    a_watch_set_by_a_relative_path_gets_relative_events,
	    a_relative_and_an_absolute_path_name_the_same_watch,
	    depth_limits_how_far_below_a_watch_fires,
	    rm_fires_a_watch_with_depth_as_the_change_of_its_top,
	    a_depth_that_is_no_number_is_einval_and_sets_no_watch,
	    a_second_watch_of_the_same_path_and_token_is_eexist,
	    unwatch_ends_that_watch_only,
	    unwatch_of_a_watch_that_is_not_there_is_enoent,
	    tokens_may_be_any_bytes_and_empty,
	    reset_watches_ends_all_watches_of_the_client,
	    the_watches_of_a_client_end_with_it,
	    special_watches_can_be_set_and_have_a_first_event,
	    special_watches_do_not_fire_for_nodes_nor_watches_of_the_root_for_specials,
	    an_event_that_does_not_fit_a_message_is_dropped_and_counted,
	    an_identical_event_is_not_queued_twice_while_none_of_it_is_out,
	    equal_events_of_two_watches_are_both_queued,
	    identical_special_events_are_all_queued,
	};

	return suite_run(expect_suite("protocol: watches", &served, start, stop, tests, sizeof(tests) / sizeof(tests[0])));
}
