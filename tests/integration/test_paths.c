/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Paths at their limits: as long, as deep and as wide as they may be. The daemon runs on a stack too small for a frame per
 * level of a deep path.
 */
#include "support/expect.h"
#include "support/suite.h"

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "wire/path.h"

enum { SMALL_STACK = 256 * 1024, FIRST_NODES = 5, MANY = 100000, BATCH = 50, CHILD_PATH_SIZE = 1024 };

static struct daemon served;
static struct client *client;

static void start(void)
{
	struct rlimit usual, small;

	ck_assert_int_eq(getrlimit(RLIMIT_STACK, &usual), 0);
	small = (struct rlimit){SMALL_STACK, usual.rlim_max};
	ck_assert_int_eq(setrlimit(RLIMIT_STACK, &small), 0);
	expect_start(&served, NULL);
	ck_assert_int_eq(setrlimit(RLIMIT_STACK, &usual), 0);
	client = expect_client(&served);
}

static void expect_node_count(unsigned long count)
{
	char text[80];

	snprintf(text, sizeof(text), "Domain 0:\nnodes            : %8lu (max ", count);
	struct client_message answer = expect_any(client, MESSAGE_CONTROL, 0, ARGUMENTS("quota", "0"));
	ck_assert_msg(!strncmp(answer.payload, text, strlen(text)), "\"%s\" instead of \"%s\"", answer.payload, text);
}

static void stop(void)
{
	expect_sound(client);
	client_close(client);
	daemon_stop(&served, SIGTERM, NULL);
}

/* ---- long ---- */

/* "/xxx...", `len` bytes in all. */
static char *one_component(size_t len)
{
	char *path = malloc(len + 1);

	ck_assert_ptr_nonnull(path);
	memset(path, 'x', len);
	path[0] = '/';
	path[len] = 0;
	return path;
}

START_TEST(a_path_of_3072_bytes_is_taken_and_one_of_3073_is_einval)
{
	char *path = one_component(PATH_ABSOLUTE_MAX), *too_long = one_component(PATH_ABSOLUTE_MAX + 1);

	expect_write(client, 0, path, "value");
	expect_read(client, 0, path, "value");
	expect_names(client, 0, path, "");
	expect_ok(client, MESSAGE_SET_PERMS, 0, ARGUMENTS(path, "b0"));
	expect_permissions(client, 0, path, "b0");
	expect_watch(client, path, "token");
	expect_write(client, 0, path, "other");
	expect_event(client, path, "token");
	expect_error(client, "EINVAL", MESSAGE_WRITE, 0, ARGUMENTS(too_long, "value"));
	expect_error(client, "EINVAL", MESSAGE_READ, 0, ARGUMENTS(too_long));
	expect_error(client, "EINVAL", MESSAGE_WATCH, 0, ARGUMENTS(too_long, "token"));
	expect_ok(client, MESSAGE_RM, 0, ARGUMENTS(path));
	expect_read(client, 0, path, NULL);
	expect_node_count(FIRST_NODES);
	free(path);
	free(too_long);
}
END_TEST

START_TEST(a_relative_path_counts_with_what_it_is_completed_with)
{
	const size_t prefix_len = strlen("/local/domain/0/");
	char *path = one_component(PATH_ABSOLUTE_MAX + 1 - prefix_len), *absolute = malloc(PATH_BUFFER);

	ck_assert_ptr_nonnull(absolute);
	snprintf(absolute, PATH_BUFFER, "/local/domain/0%s", path);
	expect_write(client, 0, path + 1, "value");
	expect_read(client, 0, absolute, "value");
	free(path);
	path = one_component(PATH_ABSOLUTE_MAX + 2 - prefix_len);
	expect_error(client, "EINVAL", MESSAGE_READ, 0, ARGUMENTS(path + 1));
	free(path);
	free(absolute);
}
END_TEST

/* Lengths around the limit of a key of the database, as the last component and as a directory. */
START_TEST(components_of_every_length_near_and_over_500_bytes_work)
{
	static const size_t more[] = {600, 1000, 1021, 1022, 1023, 2047, 2048, 3000, PATH_ABSOLUTE_MAX - 8};
	enum { FIRST = 490, STEPS = 40, N_MORE = sizeof(more) / sizeof(more[0]) };
	char below[PATH_BUFFER], deeper[PATH_BUFFER];

	for (size_t i = 0; i < STEPS + N_MORE; i++) {
		char *path = one_component(i < STEPS ? FIRST + i : more[i - STEPS]);
		snprintf(below, sizeof(below), "%s/one", path);
		snprintf(deeper, sizeof(deeper), "%s/one/two", path);
		expect_write(client, 0, path, "value");
		expect_read(client, 0, below, NULL);
		expect_write(client, 0, deeper, "deep");
		expect_read(client, 0, below, "");
		expect_read(client, 0, deeper, "deep");
		expect_names(client, 0, path, "one");
		expect_names(client, 0, below, "two");
		free(path);
	}
	expect_node_count(FIRST_NODES + 3 * (STEPS + N_MORE));
	expect_sound(client);
	for (size_t i = 0; i < STEPS + N_MORE; i++) {
		char *path = one_component(i < STEPS ? FIRST + i : more[i - STEPS]);
		snprintf(deeper, sizeof(deeper), "%s/one/two", path);
		expect_ok(client, MESSAGE_RM, 0, ARGUMENTS(path));
		expect_read(client, 0, deeper, NULL);
		expect_node_count(FIRST_NODES + 3 * (STEPS + N_MORE - 1 - i));
		free(path);
	}
	expect_names(client, 0, "/", "tool");
}
END_TEST

START_TEST(long_names_that_differ_only_at_their_end_are_different_nodes)
{
	char *path = one_component(700);

	for (char last = 'a'; last <= 'z'; last++) {
		char value[2] = {last, 0};
		path[699] = last;
		expect_write(client, 0, path, value);
	}
	for (char last = 'a'; last <= 'z'; last++) {
		char value[2] = {last, 0};
		path[699] = last;
		expect_read(client, 0, path, value);
		path[698] = '/'; /* and none of them is a directory of another */
		expect_read(client, 0, path, NULL);
		path[698] = 'x';
	}
	free(path);
}
END_TEST

/* ---- deep ---- */

enum { LEVELS = PATH_ABSOLUTE_MAX / 2 };

static void deepest_path(char path[PATH_BUFFER])
{
	for (size_t i = 0; i < PATH_ABSOLUTE_MAX; i += 2)
		memcpy(path + i, "/a", 2);
	path[PATH_ABSOLUTE_MAX] = 0;
}

START_TEST(a_path_of_1536_components_is_written_with_all_its_parents)
{
	char path[PATH_BUFFER];

	deepest_path(path);
	expect_write(client, 0, path, "deepest");
	expect_read(client, 0, path, "deepest");
	expect_node_count(FIRST_NODES + LEVELS);
	for (size_t len = PATH_ABSOLUTE_MAX - 2; len > 0; len -= 2) {
		path[len] = 0;
		expect_read(client, 0, path, "");
		expect_names(client, 0, path, "a");
	}
}
END_TEST

START_TEST(the_deepest_tree_is_removed_whole)
{
	char path[PATH_BUFFER];

	deepest_path(path);
	expect_write(client, 0, path, "deepest");
	expect_watch(client, path, "deepest");
	path[1000] = 0;
	expect_ok(client, MESSAGE_RM, 0, ARGUMENTS(path));
	path[1000] = '/';
	expect_event(client, path, "deepest");
	expect_read(client, 0, path, NULL);
	expect_node_count(FIRST_NODES + 499);
	expect_ok(client, MESSAGE_RM, 0, ARGUMENTS("/a"));
	expect_node_count(FIRST_NODES);
	expect_names(client, 0, "/", "tool");
}
END_TEST

START_TEST(the_deepest_tree_can_be_made_and_removed_in_a_transaction)
{
	char path[PATH_BUFFER];
	uint32_t transaction = expect_transaction(client);

	deepest_path(path);
	expect_write(client, transaction, path, "deepest");
	expect_read(client, transaction, path, "deepest");
	expect_end(client, transaction, "");
	expect_read(client, 0, path, "deepest");
	transaction = expect_transaction(client);
	expect_ok(client, MESSAGE_RM, transaction, ARGUMENTS("/a"));
	expect_read(client, transaction, path, NULL);
	expect_end(client, transaction, "");
	expect_read(client, 0, path, NULL);
	expect_node_count(FIRST_NODES);
}
END_TEST

/* ---- wide ---- */

/* "/wide/" and the number, in at least `width` digits. */
static size_t child_path(char path[CHILD_PATH_SIZE], int width, size_t number)
{
	return (size_t)snprintf(path, CHILD_PATH_SIZE, "/wide/%0*zu", width, number);
}

/* Writes the children of [0, n), many requests at a time. */
static void write_children(int width, size_t n)
{
	struct client_message answer;
	char payload[CHILD_PATH_SIZE + 1];

	for (size_t from = 0; from < n; from += BATCH) {
		for (size_t i = 0; i < BATCH; i++) {
			size_t len = child_path(payload, width, from + i);
			payload[len + 1] = 'v';
			ck_assert_int_eq(client_send(client, MESSAGE_WRITE, 0, payload, len + 2, NULL), 0);
		}
		for (size_t i = 0; i < BATCH; i++) {
			ck_assert_int_eq(client_receive(client, &answer), 0);
			ck_assert_uint_eq(answer.header.type, MESSAGE_WRITE);
		}
	}
}

/* Reads the list by pages; each name must be that of the next number. Returns how many there were. */
static size_t expect_pages(uint32_t transaction, int width, size_t first)
{
	char generation[32] = "", offset[16], expected[CHILD_PATH_SIZE];
	size_t at = 0, number = first;

	for (bool last = false; !last;) {
		snprintf(offset, sizeof(offset), "%zu", at);
		struct client_message page = expect_any(client, MESSAGE_DIRECTORY_PART, transaction, ARGUMENTS("/wide", offset));
		ck_assert_uint_eq(page.header.type, MESSAGE_DIRECTORY_PART);
		ck_assert(!at || !strcmp(page.payload, generation));
		ck_assert_uint_gt(page.header.len, strlen(page.payload) + 1);
		snprintf(generation, sizeof(generation), "%s", page.payload);
		for (size_t k = strlen(page.payload) + 1; k < page.header.len;) {
			const char *name = page.payload + k;
			size_t size = strlen(name) + 1;
			k += size;
			if (size == 1) {
				ck_assert_uint_eq(k, page.header.len);
				last = true;
				break;
			}
			child_path(expected, width, number++);
			ck_assert_str_eq(name, expected + strlen("/wide/"));
			at += size;
		}
	}
	return number - first;
}

START_TEST(a_hundred_thousand_children_are_listed_by_pages_in_order_and_removed)
{
	char path[CHILD_PATH_SIZE];

	write_children(0, MANY);
	expect_node_count(FIRST_NODES + 1 + MANY);
	expect_error(client, "E2BIG", MESSAGE_DIRECTORY, 0, ARGUMENTS("/wide"));
	ck_assert_uint_eq(expect_pages(0, 0, 0), MANY);
	for (size_t i = 0; i < MANY; i += 997) {
		child_path(path, 0, i);
		expect_read(client, 0, path, "v");
	}
	expect_ok(client, MESSAGE_RM, 0, ARGUMENTS("/wide/0"));
	ck_assert_uint_eq(expect_pages(0, 0, 1), MANY - 1);
	uint32_t transaction = expect_transaction(client);
	expect_ok(client, MESSAGE_RM, transaction, ARGUMENTS("/wide/1"));
	child_path(path, 0, MANY);
	expect_write(client, transaction, path, "v");
	ck_assert_uint_eq(expect_pages(transaction, 0, 2), MANY - 1);
	ck_assert_uint_eq(expect_pages(0, 0, 1), MANY - 1);
	expect_end(client, transaction, "");
	ck_assert_uint_eq(expect_pages(0, 0, 2), MANY - 1);
	expect_sound(client);
	expect_ok(client, MESSAGE_RM, 0, ARGUMENTS("/wide"));
	expect_node_count(FIRST_NODES);
	expect_names(client, 0, "/", "tool");
}
END_TEST

START_TEST(a_wide_directory_of_long_names_is_listed_by_pages_in_order_and_removed)
{
	enum { LONG_ONES = 2000, WIDTH = 900 /* four names make a page */ };

	write_children(WIDTH, LONG_ONES);
	ck_assert_uint_eq(expect_pages(0, WIDTH, 0), LONG_ONES);
	expect_node_count(FIRST_NODES + 1 + LONG_ONES);
	expect_ok(client, MESSAGE_RM, 0, ARGUMENTS("/wide"));
	expect_node_count(FIRST_NODES);
}
END_TEST

START_TEST(a_wide_directory_removed_in_a_transaction_is_gone_at_its_end)
{
	enum { CHILDREN = 20000 };

	write_children(0, CHILDREN);
	uint32_t transaction = expect_transaction(client);
	expect_ok(client, MESSAGE_RM, transaction, ARGUMENTS("/wide"));
	expect_write(client, transaction, "/wide/0", "v");
	expect_names(client, transaction, "/wide", "0");
	ck_assert_uint_eq(expect_pages(0, 0, 0), CHILDREN);
	expect_end(client, transaction, "");
	expect_names(client, 0, "/wide", "0");
	expect_node_count(FIRST_NODES + 2);
}
END_TEST

START_TEST(a_tree_of_many_levels_and_branches_is_removed_whole)
{
	char path[64];

	for (int i = 0; i < 4096; i++) {
		snprintf(path, sizeof(path), "/tree/%d/%d/%d/%d", i & 7, i >> 3 & 7, i >> 6 & 7, i >> 9);
		expect_write(client, 0, path, "leaf");
	}
	expect_node_count(FIRST_NODES + 1 + 8 + 64 + 512 + 4096);
	expect_write(client, 0, "/tree2", "beside");
	expect_ok(client, MESSAGE_RM, 0, ARGUMENTS("/tree/3"));
	expect_node_count(FIRST_NODES + 2 + (8 + 64 + 512 + 4096) / 8 * 7);
	expect_read(client, 0, "/tree/3/0/0/0", NULL);
	expect_read(client, 0, "/tree/4/0/0/0", "leaf");
	expect_names(client, 0, "/tree", "0 1 2 4 5 6 7");
	expect_ok(client, MESSAGE_RM, 0, ARGUMENTS("/tree"));
	expect_node_count(FIRST_NODES + 1);
	expect_read(client, 0, "/tree2", "beside");
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
	    a_path_of_3072_bytes_is_taken_and_one_of_3073_is_einval,
	    a_relative_path_counts_with_what_it_is_completed_with,
	    components_of_every_length_near_and_over_500_bytes_work,
	    long_names_that_differ_only_at_their_end_are_different_nodes,
	    a_path_of_1536_components_is_written_with_all_its_parents,
	    the_deepest_tree_is_removed_whole,
	    the_deepest_tree_can_be_made_and_removed_in_a_transaction,
	    a_hundred_thousand_children_are_listed_by_pages_in_order_and_removed,
	    a_wide_directory_of_long_names_is_listed_by_pages_in_order_and_removed,
	    a_wide_directory_removed_in_a_transaction_is_gone_at_its_end,
	    a_tree_of_many_levels_and_branches_is_removed_whole,
	};

	return suite_run(expect_suite("paths", &served, start, stop, tests, sizeof(tests) / sizeof(tests[0])));
}
