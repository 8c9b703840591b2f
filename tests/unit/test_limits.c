/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Quotas of the unprivileged: exactly the number is allowed, one more is refused, and what was given back may be used again. */
#include <check.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lxenstored/ledger_format.h"
#include "support/scene.h"
#include "support/suite.h"

#define HOME "/local/domain/1"

/* ---- time and the log, as the daemon has them ---- */

uint64_t __wrap_clock_milliseconds(void);
void __wrap_log_write(struct log *log, enum log_level level, const char *format, ...) __attribute__((format(printf, 3, 4)));

static uint64_t now;
static char told[4096]; /* lines of the log */

uint64_t __wrap_clock_milliseconds(void)
{
	return now;
}

void __wrap_log_write(struct log *log, enum log_level level, const char *format, ...)
{
	size_t len = strlen(told);
	va_list arguments;

	(void)log;
	(void)level;
	va_start(arguments, format);
	vsnprintf(told + len, sizeof(told) - len - 1, format, arguments);
	va_end(arguments);
	strcat(told, "\n");
}

/* What the log has said since this was last asked. */
static void check_told(const char *expected)
{
	ck_assert_str_eq(told, expected);
	*told = 0;
}

static void open_home(void)
{
	now = 0;
	*told = 0;
	scene_open();
	scene_node(HOME, "", "n1");
}

/* Creates "<directory>/<from>" to "<directory>/<to - 1>". */
static void make_nodes(struct world_client *client, uint32_t transaction, const char *directory, int from, int to)
{
	char path[64];

	for (int i = from; i < to; i++) {
		snprintf(path, sizeof(path), "%s/%d", directory, i);
		scene_ok(client, MESSAGE_MKDIR, transaction, path);
	}
}

/* ---- nodes ---- */

START_TEST(a_guest_may_own_exactly_as_many_nodes_as_the_quota)
{
	scene_quota("nodes", 5);
	make_nodes(scene.guest, 0, HOME, 0, 4);
	scene_error(scene.guest, "ENOSPC", MESSAGE_MKDIR, 0, "five");
	scene_write_error(scene.guest, "ENOSPC", 0, "five", "value");
	ck_assert_uint_eq(scene_owned(WORLD_GUEST), 5);
}
END_TEST

START_TEST(the_quota_of_nodes_is_1000_at_first)
{
	make_nodes(scene.guest, 0, HOME, 0, 999);
	scene_error(scene.guest, "ENOSPC", MESSAGE_MKDIR, 0, "more");
	ck_assert_uint_eq(scene_owned(WORLD_GUEST), 1000);
}
END_TEST

START_TEST(at_the_quota_nodes_that_are_there_can_be_changed)
{
	scene_quota("nodes", 2);
	scene_write(scene.guest, 0, "a", "1");
	scene_write(scene.guest, 0, "a", "2");
	scene_ok(scene.guest, MESSAGE_MKDIR, 0, "a");
	scene_ok(scene.guest, MESSAGE_SET_PERMS, 0, "a|n1|r0");
	scene_error(scene.guest, "ENOSPC", MESSAGE_MKDIR, 0, "b");
	scene_ok(scene.guest, MESSAGE_RM, 0, "a");
	scene_ok(scene.guest, MESSAGE_MKDIR, 0, "b");
	scene_error(scene.guest, "ENOSPC", MESSAGE_MKDIR, 0, "a");
}
END_TEST

START_TEST(missing_parents_count_too)
{
	scene_quota("nodes", 4);
	scene_error(scene.guest, "ENOSPC", MESSAGE_MKDIR, 0, "a/b/c/d");
	scene_error(scene.guest, "ENOENT", MESSAGE_READ, 0, "a");
	scene_ok(scene.guest, MESSAGE_MKDIR, 0, "a/b/c");
	ck_assert_uint_eq(scene_owned(WORLD_GUEST), 4);
}
END_TEST

START_TEST(below_the_root_missing_parents_are_counted_right)
{
	scene_node("/", "", "b0");
	scene_quota("nodes", 3);
	scene_error(scene.guest, "ENOSPC", MESSAGE_MKDIR, 0, "/a/b/c");
	scene_ok(scene.guest, MESSAGE_MKDIR, 0, "/a/b");
	ck_assert_uint_eq(scene_owned(WORLD_GUEST), 3);
	scene_node("/", "", "n0");
}
END_TEST

START_TEST(nodes_of_others_do_not_count)
{
	scene_quota("nodes", 2);
	scene_node("/shared", "", "b0");
	make_nodes(scene.root, 0, "/shared", 0, 10);
	scene_ok(scene.guest, MESSAGE_MKDIR, 0, "/shared/mine");
	scene_error(scene.guest, "ENOSPC", MESSAGE_MKDIR, 0, "/shared/more");
}
END_TEST

START_TEST(the_privileged_are_never_refused_but_what_they_make_for_a_guest_counts_as_its)
{
	scene_quota("nodes", 3);
	make_nodes(scene.root, 0, HOME, 0, 10);
	ck_assert_uint_eq(scene_owned(WORLD_GUEST), 11);
	scene_error(scene.guest, "ENOSPC", MESSAGE_MKDIR, 0, "mine");
	scene_ok(scene.root, MESSAGE_SET_PERMS, 0, HOME "/0|b0");
	make_nodes(scene.root, 0, "/many", 0, 1100);
	ck_assert_uint_eq(scene_owned(WORLD_GUEST), 10);
}
END_TEST

START_TEST(in_a_transaction_the_quota_counts_what_it_has_made)
{
	uint32_t id = world_transaction(scene.guest);

	scene_quota("nodes", 4);
	make_nodes(scene.guest, id, HOME, 0, 3);
	scene_error(scene.guest, "ENOSPC", MESSAGE_MKDIR, id, "more");
	scene_ok(scene.guest, MESSAGE_RM, id, "0");
	scene_ok(scene.guest, MESSAGE_MKDIR, id, "more");
	scene_error(scene.guest, "ENOSPC", MESSAGE_MKDIR, id, "even-more");
	scene_ok(scene.guest, MESSAGE_TRANSACTION_END, id, "T");
	ck_assert_uint_eq(scene_owned(WORLD_GUEST), 4);
	scene_answer(scene.guest, "1|2|more|", MESSAGE_DIRECTORY, 0, HOME);
}
END_TEST

START_TEST(in_a_transaction_what_it_removes_makes_room)
{
	uint32_t id;

	scene_quota("nodes", 4);
	make_nodes(scene.guest, 0, HOME, 0, 3);
	id = world_transaction(scene.guest);
	scene_error(scene.guest, "ENOSPC", MESSAGE_MKDIR, id, "more");
	scene_ok(scene.guest, MESSAGE_RM, id, "0");
	scene_ok(scene.guest, MESSAGE_MKDIR, id, "more");
	scene_error(scene.guest, "ENOSPC", MESSAGE_MKDIR, id, "even-more");
	scene_ok(scene.guest, MESSAGE_TRANSACTION_END, id, "T");
	ck_assert_uint_eq(scene_owned(WORLD_GUEST), 4);
}
END_TEST

START_TEST(two_transactions_that_together_exceed_the_quota_do_not_both_commit)
{
	uint32_t first = world_transaction(scene.guest), second = world_transaction(scene.guest);

	scene_quota("nodes", 4);
	make_nodes(scene.guest, first, HOME, 0, 2);
	make_nodes(scene.guest, second, HOME, 10, 12);
	scene_ok(scene.guest, MESSAGE_TRANSACTION_END, first, "T");
	scene_error(scene.guest, "ENOSPC", MESSAGE_TRANSACTION_END, second, "T");
	scene_error(scene.guest, "ENOENT", MESSAGE_TRANSACTION_END, second, "T");
	ck_assert_uint_eq(scene_owned(WORLD_GUEST), 3);
	scene_answer(scene.guest, "0|1|", MESSAGE_DIRECTORY, 0, HOME);
}
END_TEST

/* ---- watches ---- */

static const char *add_watch(struct world_client *client, int i)
{
	char payload[32];

	snprintf(payload, sizeof(payload), "/|%d", i);
	return world_try(client, MESSAGE_WATCH, 0, payload);
}

START_TEST(a_guest_may_set_exactly_as_many_watches_as_the_quota)
{
	for (int i = 0; i < 128; i++)
		ck_assert_str_eq(add_watch(scene.guest, i), "");
	ck_assert_str_eq(add_watch(scene.guest, 128), "ENOSPC");
	scene_ok(scene.guest, MESSAGE_UNWATCH, 0, "/|77");
	ck_assert_str_eq(add_watch(scene.guest, 128), "");
	ck_assert_str_eq(add_watch(scene.guest, 129), "ENOSPC");
	scene_quota("watches", 129);
	ck_assert_str_eq(add_watch(scene.guest, 129), "");
	ck_assert_str_eq(add_watch(scene.guest, 130), "ENOSPC");
}
END_TEST

START_TEST(the_privileged_may_set_any_number_of_watches)
{
	for (int i = 0; i < 1000; i++)
		ck_assert_str_eq(add_watch(scene.root, i), "");
}
END_TEST

/* ---- transactions ---- */

START_TEST(a_guest_may_have_exactly_as_many_transactions_open_as_the_quota)
{
	uint32_t ids[10];

	for (int i = 0; i < 10; i++) {
		ids[i] = world_transaction(scene.guest);
		ck_assert_uint_ne(ids[i], 0);
	}
	scene_error(scene.guest, "ENOSPC", MESSAGE_TRANSACTION_START, 0, "");
	scene_ok(scene.guest, MESSAGE_TRANSACTION_END, ids[3], "F");
	scene_ok(scene.guest, MESSAGE_TRANSACTION_START, 0, "");
	scene_error(scene.guest, "ENOSPC", MESSAGE_TRANSACTION_START, 0, "");
	scene_ok(scene.guest, MESSAGE_TRANSACTION_END, ids[4], "T");
	scene_ok(scene.guest, MESSAGE_TRANSACTION_START, 0, "");
}
END_TEST

START_TEST(the_privileged_may_have_any_number_of_transactions_open)
{
	for (int i = 0; i < 300; i++)
		ck_assert_uint_ne(world_transaction(scene.root), 0);
}
END_TEST

START_TEST(a_transaction_of_a_guest_may_touch_exactly_as_many_nodes_as_the_quota)
{
	uint32_t id;

	make_nodes(scene.guest, 0, HOME, 0, 6);
	scene_quota("transaction-nodes", 5);
	id = world_transaction(scene.guest);
	scene_ok(scene.guest, MESSAGE_READ, id, "0");
	scene_ok(scene.guest, MESSAGE_RM, id, "1");
	scene_write(scene.guest, id, "2", "value");
	scene_ok(scene.guest, MESSAGE_SET_PERMS, id, "3|n1|r0");
	scene_ok(scene.guest, MESSAGE_DIRECTORY, id, "4");
	scene_error(scene.guest, "ENOSPC", MESSAGE_READ, id, "5");
	scene_write_error(scene.guest, "ENOSPC", id, "5", "value");
	scene_ok(scene.guest, MESSAGE_READ, id, "0");
	scene_write(scene.guest, id, "2", "again");
	scene_ok(scene.guest, MESSAGE_TRANSACTION_END, id, "T");
	scene_answer(scene.guest, "again", MESSAGE_READ, 0, "2");
	scene_answer(scene.guest, "", MESSAGE_READ, 0, "5");
}
END_TEST

START_TEST(a_transaction_of_the_privileged_may_touch_any_number_of_nodes)
{
	uint32_t id = world_transaction(scene.root);

	scene_quota("transaction-nodes", 5);
	make_nodes(scene.root, id, "/many", 0, 1100);
	scene_ok(scene.root, MESSAGE_TRANSACTION_END, id, "T");
}
END_TEST

/* ---- sizes ---- */

static void write_bytes(struct world_client *client, const char *error, uint32_t transaction, const char *path, size_t len)
{
	char value[MESSAGE_PAYLOAD_MAX];

	memset(value, 'v', len);
	value[len] = 0;
	scene_write_error(client, error, transaction, path, value);
}

START_TEST(value_and_permissions_of_a_guests_node_may_take_exactly_the_quota)
{
	uint32_t id;

	/* 8 bytes for each entry. */
	write_bytes(scene.guest, "", 0, "a", 2040);
	write_bytes(scene.guest, "ENOSPC", 0, "a", 2041);
	write_bytes(scene.guest, "ENOSPC", 0, "new", 2041);
	scene_error(scene.guest, "ENOENT", MESSAGE_READ, 0, "new");
	scene_error(scene.guest, "ENOSPC", MESSAGE_SET_PERMS, 0, "a|n1|r0");
	scene_answer(scene.guest, "n1|", MESSAGE_GET_PERMS, 0, "a");
	write_bytes(scene.guest, "", 0, "a", 2032);
	scene_ok(scene.guest, MESSAGE_SET_PERMS, 0, "a|n1|r0");
	write_bytes(scene.guest, "ENOSPC", 0, "a", 2033);
	write_bytes(scene.guest, "", 0, "a", 2032);

	id = world_transaction(scene.guest);
	write_bytes(scene.guest, "ENOSPC", id, "a", 2033);
	write_bytes(scene.guest, "ENOSPC", id, "new", 2041);
	write_bytes(scene.guest, "", id, "new", 2040);
	scene_error(scene.guest, "ENOSPC", MESSAGE_SET_PERMS, id, "new|n1|r0");
	scene_ok(scene.guest, MESSAGE_TRANSACTION_END, id, "T");
}
END_TEST

START_TEST(names_of_children_do_not_take_from_the_size_of_a_node)
{
	write_bytes(scene.guest, "", 0, "a", 2040);
	make_nodes(scene.guest, 0, HOME "/a", 0, 600);
	write_bytes(scene.guest, "", 0, "a", 2040);
}
END_TEST

START_TEST(the_privileged_may_fill_a_message_with_a_value)
{
	write_bytes(scene.root, "", 0, HOME "/a", MESSAGE_PAYLOAD_MAX - sizeof(HOME "/a"));
}
END_TEST

START_TEST(a_guests_node_may_have_exactly_as_many_entries_as_the_quota)
{
	uint32_t id = world_transaction(scene.guest);

	scene_ok(scene.guest, MESSAGE_SET_PERMS, 0, HOME "|n1|r0|r0|r0|r0");
	scene_error(scene.guest, "ENOSPC", MESSAGE_SET_PERMS, 0, HOME "|n1|r0|r0|r0|r0|r0");
	scene_ok(scene.guest, MESSAGE_SET_PERMS, id, HOME "|n1|r0|r0|r0|w0");
	scene_error(scene.guest, "ENOSPC", MESSAGE_SET_PERMS, id, HOME "|n1|r0|r0|r0|r0|r0");
	scene_ok(scene.root, MESSAGE_SET_PERMS, 0, HOME "|n1|r0|r0|r0|r0|r0|r0|r0|r0|r0");
}
END_TEST

/* A path of this many bytes below `front`, whose components have up to 100. */
static const char *long_path(const char *front, size_t len)
{
	static char path[MESSAGE_PAYLOAD_MAX];
	size_t at = strlen(front);

	memcpy(path, front, at);
	memset(path + at, 'p', len);
	for (size_t i = 100; i + 1 < len; i += 101)
		path[at + i] = '/';
	path[at + len] = 0;
	return path;
}

START_TEST(a_path_of_a_guest_may_have_exactly_the_quota_behind_its_domain)
{
	scene_quota("path-max", 500);
	scene_ok(scene.guest, MESSAGE_MKDIR, 0, long_path(HOME "/", 500));
	scene_error(scene.guest, "EINVAL", MESSAGE_MKDIR, 0, long_path(HOME "/", 501));
	scene_ok(scene.guest, MESSAGE_READ, 0, long_path("", 500));
	scene_error(scene.guest, "EINVAL", MESSAGE_READ, 0, long_path("", 501));
	scene_error(scene.guest, "EACCES", MESSAGE_READ, 0, long_path("/", 499));
	scene_error(scene.guest, "EINVAL", MESSAGE_READ, 0, long_path("/", 500));
	scene_error(scene.guest, "EACCES", MESSAGE_READ, 0, long_path("/local/domain/7/", 500));
	scene_error(scene.guest, "EINVAL", MESSAGE_READ, 0, long_path("/local/domain/7/", 501));
	scene_error(scene.guest, "EINVAL", MESSAGE_WATCH, 0, long_path("", 501));
	scene_ok(scene.root, MESSAGE_MKDIR, 0, long_path("/", 3071));
	scene_error(scene.root, "EINVAL", MESSAGE_MKDIR, 0, long_path("/", 3072));
}
END_TEST

START_TEST(the_quota_of_a_path_is_2048_at_first)
{
	scene_error(scene.guest, "ENOENT", MESSAGE_READ, 0, long_path("", 2048));
	scene_error(scene.guest, "EINVAL", MESSAGE_READ, 0, long_path("", 2049));
}
END_TEST

/* ---- of all connections together ---- */

START_TEST(watches_of_all_connections_of_a_domain_count)
{
	struct world_client *other = world_client(&scene.world, WORLD_GUEST, false);

	scene_quota("watches", 3);
	ck_assert_str_eq(add_watch(scene.guest, 1), "");
	ck_assert_str_eq(add_watch(other, 1), "");
	ck_assert_str_eq(add_watch(other, 2), "");
	ck_assert_str_eq(add_watch(scene.guest, 2), "ENOSPC");
	world_client_close(other);
	ck_assert_str_eq(add_watch(scene.guest, 2), "");
	ck_assert_str_eq(add_watch(scene.guest, 3), "");
	ck_assert_str_eq(add_watch(scene.guest, 4), "ENOSPC");
}
END_TEST

START_TEST(transactions_of_all_connections_of_a_domain_count)
{
	struct world_client *other = world_client(&scene.world, WORLD_GUEST, false);

	scene_quota("transactions", 2);
	ck_assert_uint_ne(world_transaction(scene.guest), 0);
	ck_assert_uint_ne(world_transaction(other), 0);
	scene_error(scene.guest, "ENOSPC", MESSAGE_TRANSACTION_START, 0, "");
	scene_error(other, "ENOSPC", MESSAGE_TRANSACTION_START, 0, "");
	world_client_close(other);
	scene_ok(scene.guest, MESSAGE_TRANSACTION_START, 0, "");
}
END_TEST

START_TEST(a_transaction_ended_in_a_turn_that_failed_still_counts)
{
	scene_quota("transactions", 1);
	uint32_t id = world_transaction(scene.guest);
	scene_write(scene.guest, id, "in", "1");
	world_send(scene.guest, MESSAGE_TRANSACTION_END, id, "T", 2);
	world_run(&scene.world);
	store_failed(scene.world.turn.store, ENOSPC);
	world_commit(&scene.world);
	scene_replied(scene.guest, "");
	scene_ok(scene.guest, MESSAGE_TRANSACTION_START, 0, "");
	scene_error(scene.guest, "ENOSPC", MESSAGE_TRANSACTION_START, 0, "");
}
END_TEST

/* ---- memory ---- */

START_TEST(what_transactions_change_takes_from_the_memory_of_the_domain)
{
	const struct budget *memory = &scene.guest->client.domain->budgets[QUOTA_MEMORY];
	enum { LIMIT = 20000 + 2 * LEDGER_BLOCK_SIZE /* the records of two that are small */ };
	static char value[1500];
	int n = 0;

	memset(value, 'v', sizeof(value) - 1);
	scene_quota("memory", LIMIT);
	uint32_t a = world_transaction(scene.guest), b = world_transaction(scene.guest);
	const char *error = "";
	while (!*error && n < 100) {
		char path[16];
		snprintf(path, sizeof(path), "%d", n);
		error = world_write(scene.guest, n++ % 2 ? a : b, path, value);
	}
	ck_assert_str_eq(error, "ENOMEM");
	ck_assert_int_gt(n, 8);
	ck_assert_int_lt(n, 15);
	ck_assert_uint_le(memory->used, LIMIT);
	/* What is refused has done nothing; what takes no more memory is allowed. */
	scene_write(scene.guest, b, "0", "short");
	scene_ok(scene.guest, MESSAGE_TRANSACTION_END, a, "F");
	scene_write(scene.guest, b, "again", value);
	scene_ok(scene.guest, MESSAGE_TRANSACTION_END, b, "T");
	ck_assert_uint_eq(memory->used, 0);
}
END_TEST

START_TEST(what_transactions_look_at_takes_from_the_memory_of_the_domain)
{
	make_nodes(scene.guest, 0, HOME, 0, 40);
	scene_quota("memory", 10000);
	uint32_t id = world_transaction(scene.guest);
	int n = 0;
	const char *error = "";
	while (!*error && n < 40) {
		char path[16];
		snprintf(path, sizeof(path), "%d", n++);
		error = world_try(scene.guest, MESSAGE_READ, id, path);
	}
	ck_assert_str_eq(error, "ENOMEM");
	scene_ok(scene.guest, MESSAGE_TRANSACTION_END, id, "T");
}
END_TEST

START_TEST(watches_take_from_the_memory_of_the_domain)
{
	static char watch[3000];

	scene_quota("memory", 10000);
	memset(watch, 't', sizeof(watch) - 1);
	memcpy(watch, "/|1", 3);
	scene_ok(scene.guest, MESSAGE_WATCH, 0, watch);
	watch[2] = '2';
	scene_ok(scene.guest, MESSAGE_WATCH, 0, watch);
	watch[2] = '3';
	scene_ok(scene.guest, MESSAGE_WATCH, 0, watch);
	watch[2] = '4';
	scene_error(scene.guest, "ENOMEM", MESSAGE_WATCH, 0, watch);
	watch[2] = '2';
	scene_ok(scene.guest, MESSAGE_UNWATCH, 0, watch);
	watch[2] = '4';
	scene_ok(scene.guest, MESSAGE_WATCH, 0, watch);
}
END_TEST

START_TEST(the_memory_of_the_privileged_is_not_limited)
{
	static char watch[3000];

	scene_quota("memory", 10000);
	memset(watch, 't', sizeof(watch) - 1);
	memcpy(watch, "/|1", 3);
	for (int i = 0; i < 20; i++) {
		watch[2] = (char)('A' + i);
		scene_ok(scene.root, MESSAGE_WATCH, 0, watch);
	}
}
END_TEST

/* ---- the log ---- */

START_TEST(a_domain_that_reaches_a_limit_is_named_with_it_once_a_minute)
{
	scene_quota("watches", 1);
	add_watch(scene.guest, 0);
	check_told("");
	now = 1000;
	ck_assert_str_eq(add_watch(scene.guest, 1), "ENOSPC");
	check_told("domain 1 has reached its limit of 1 watches (quota watches)\n");
	ck_assert_str_eq(add_watch(scene.guest, 1), "ENOSPC");
	now = 60999;
	ck_assert_str_eq(add_watch(scene.guest, 1), "ENOSPC");
	check_told("");
	now = 61000;
	ck_assert_str_eq(add_watch(scene.guest, 1), "ENOSPC");
	check_told("domain 1 has reached its limit of 1 watches (quota watches)\n");
}
END_TEST

START_TEST(each_limit_is_told_for_itself)
{
	struct world_client *third = world_client(&scene.world, 3, false);
	uint32_t id;

	scene_quota("watches", 0);
	scene_quota("nodes", 1);
	scene_error(scene.guest, "ENOSPC", MESSAGE_MKDIR, 0, "a");
	check_told("domain 1 has reached its limit of 1 nodes (quota nodes)\n");
	scene_quota("nodes", 100);
	scene_quota("node-size", 20);
	scene_write_error(scene.guest, "ENOSPC", 0, "b", "a value of more than twenty bytes");
	check_told("domain 1 has reached its limit of 20 bytes of a node (quota node-size)\n");
	scene_write(scene.guest, 0, "b", "value");
	scene_quota("node-permissions", 1);
	scene_error(scene.guest, "ENOSPC", MESSAGE_SET_PERMS, 0, "b|n1|r0");
	check_told("domain 1 has reached its limit of 1 permission entries of a node (quota node-permissions)\n");
	scene_quota("transaction-nodes", 1);
	id = world_transaction(scene.guest);
	scene_ok(scene.guest, MESSAGE_READ, id, "b");
	scene_error(scene.guest, "ENOSPC", MESSAGE_MKDIR, id, "c");
	check_told("domain 1 has reached its limit of 1 nodes touched by one transaction (quota transaction-nodes)\n");
	scene_quota("transactions", 1);
	scene_error(scene.guest, "ENOSPC", MESSAGE_TRANSACTION_START, 0, "");
	check_told("domain 1 has reached its limit of 1 open transactions (quota transactions)\n");
	scene_quota("path-max", 3);
	scene_error(scene.guest, "EINVAL", MESSAGE_READ, 0, "long");
	check_told("domain 1 has reached its limit of 3 bytes of a path (quota path-max)\n");
	scene_error(scene.guest, "EINVAL", MESSAGE_READ, 0, "no path");
	scene_ok(third, MESSAGE_TRANSACTION_START, 0, "");
	scene_error(third, "ENOSPC", MESSAGE_TRANSACTION_START, 0, "");
	check_told("domain 3 has reached its limit of 1 open transactions (quota transactions)\n");
}
END_TEST

START_TEST(a_limit_met_at_the_end_of_a_transaction_is_told_too)
{
	uint32_t id = world_transaction(scene.guest);

	scene_write(scene.guest, id, "a", "1");
	scene_quota("nodes", 1);
	scene_error(scene.guest, "ENOSPC", MESSAGE_TRANSACTION_END, id, "T");
	check_told("domain 1 has reached its limit of 1 nodes (quota nodes)\n");
}
END_TEST

START_TEST(what_fails_for_other_reasons_names_no_limit)
{
	scene_error(scene.guest, "EACCES", MESSAGE_MKDIR, 0, "/tool/a");
	scene_error(scene.guest, "ENOENT", MESSAGE_READ, 0, "missing");
	scene_error(scene.guest, "EINVAL", MESSAGE_READ, 0, "//");
	check_told("");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("limits");
	TCase *tcase = tcase_create("all");

	tcase_add_checked_fixture(tcase, open_home, scene_close);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, a_guest_may_own_exactly_as_many_nodes_as_the_quota);
	tcase_add_test(tcase, the_quota_of_nodes_is_1000_at_first);
	tcase_add_test(tcase, at_the_quota_nodes_that_are_there_can_be_changed);
	tcase_add_test(tcase, missing_parents_count_too);
	tcase_add_test(tcase, below_the_root_missing_parents_are_counted_right);
	tcase_add_test(tcase, nodes_of_others_do_not_count);
	tcase_add_test(tcase, the_privileged_are_never_refused_but_what_they_make_for_a_guest_counts_as_its);
	tcase_add_test(tcase, in_a_transaction_the_quota_counts_what_it_has_made);
	tcase_add_test(tcase, in_a_transaction_what_it_removes_makes_room);
	tcase_add_test(tcase, two_transactions_that_together_exceed_the_quota_do_not_both_commit);
	tcase_add_test(tcase, a_guest_may_set_exactly_as_many_watches_as_the_quota);
	tcase_add_test(tcase, the_privileged_may_set_any_number_of_watches);
	tcase_add_test(tcase, a_guest_may_have_exactly_as_many_transactions_open_as_the_quota);
	tcase_add_test(tcase, the_privileged_may_have_any_number_of_transactions_open);
	tcase_add_test(tcase, a_transaction_of_a_guest_may_touch_exactly_as_many_nodes_as_the_quota);
	tcase_add_test(tcase, a_transaction_of_the_privileged_may_touch_any_number_of_nodes);
	tcase_add_test(tcase, value_and_permissions_of_a_guests_node_may_take_exactly_the_quota);
	tcase_add_test(tcase, names_of_children_do_not_take_from_the_size_of_a_node);
	tcase_add_test(tcase, the_privileged_may_fill_a_message_with_a_value);
	tcase_add_test(tcase, a_guests_node_may_have_exactly_as_many_entries_as_the_quota);
	tcase_add_test(tcase, a_path_of_a_guest_may_have_exactly_the_quota_behind_its_domain);
	tcase_add_test(tcase, the_quota_of_a_path_is_2048_at_first);
	tcase_add_test(tcase, watches_of_all_connections_of_a_domain_count);
	tcase_add_test(tcase, transactions_of_all_connections_of_a_domain_count);
	tcase_add_test(tcase, a_transaction_ended_in_a_turn_that_failed_still_counts);
	tcase_add_test(tcase, what_transactions_change_takes_from_the_memory_of_the_domain);
	tcase_add_test(tcase, what_transactions_look_at_takes_from_the_memory_of_the_domain);
	tcase_add_test(tcase, watches_take_from_the_memory_of_the_domain);
	tcase_add_test(tcase, the_memory_of_the_privileged_is_not_limited);
	tcase_add_test(tcase, a_domain_that_reaches_a_limit_is_named_with_it_once_a_minute);
	tcase_add_test(tcase, each_limit_is_told_for_itself);
	tcase_add_test(tcase, a_limit_met_at_the_end_of_a_transaction_is_told_too);
	tcase_add_test(tcase, what_fails_for_other_reasons_names_no_limit);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
