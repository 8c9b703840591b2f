/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Commands of an operator, and that guests have none. */
#include <check.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lxenstored/store_format.h"
#include "support/scene.h"
#include "support/suite.h"

static const char *const commands[] = {"check", "help",	 "log",	       "logfile", "memreport",
				       "print", "quota", "quota-soft", "txn",	  "watches"};
enum { COMMANDS = sizeof(commands) / sizeof(commands[0]) };

/* The answer's text; valid until the next request. */
static const char *ask(const char *payload)
{
	const struct world_message *reply = world_call(scene.root, MESSAGE_CONTROL, 0, payload);

	ck_assert_ptr_nonnull(reply);
	ck_assert_msg(!*reply->error, "%s: %s", payload, reply->error);
	ck_assert_uint_eq(strlen(reply->payload) + 1, reply->header.len);
	return reply->payload;
}

static void refuse(const char *error, const char *payload)
{
	scene_error(scene.root, error, MESSAGE_CONTROL, 0, payload);
}

static void file_name(char out[128], const char *name)
{
	snprintf(out, 128, "%s/%s", scene.world.directory, name);
}

static void read_file(const char *path, char *text, size_t size)
{
	FILE *file = fopen(path, "r");

	ck_assert_ptr_nonnull(file);
	text[fread(text, 1, size - 1, file)] = 0;
	fclose(file);
}

static void contains(const char *text, const char *part)
{
	ck_assert_msg(strstr(text, part), "no \"%s\" in \"%s\"", part, text);
}

/* ---- guests ---- */

START_TEST(every_command_of_a_guest_is_eacces_and_does_nothing)
{
	uint32_t nodes = scene.world.domains.quotas.hard[QUOTA_NODES];

	for (int i = 0; i < COMMANDS; i++)
		scene_error(scene.guest, "EACCES", MESSAGE_CONTROL, 0, commands[i]);
	scene_error(scene.guest, "EACCES", MESSAGE_CONTROL, 0, "quota|set|nodes|5");
	scene_error(scene.guest, "EACCES", MESSAGE_CONTROL, 0, "logfile|/tmp/never");
	scene_error(scene.guest, "EACCES", MESSAGE_CONTROL, 0, "log|off");
	scene_error(scene.guest, "EACCES", MESSAGE_CONTROL, 0, "unknown");
	ck_assert_uint_eq(scene.world.domains.quotas.hard[QUOTA_NODES], nodes);
	ck_assert_ptr_null(scene.world.log.trace_path);
}
END_TEST

/* ---- forms ---- */

START_TEST(what_is_no_command_is_einval)
{
	refuse("EINVAL", "");
	refuse("EINVAL", "unknown");
	refuse("EINVAL", "chec");
	refuse("EINVAL", "checks");
	ck_assert_str_eq(world_request(scene.root, MESSAGE_CONTROL, 0, "", 0)->error, "EINVAL");
	ck_assert_str_eq(world_request(scene.root, MESSAGE_CONTROL, 0, "help", 4)->error, "EINVAL");
	ck_assert_str_eq(world_request(scene.root, MESSAGE_CONTROL, 0, "print\0text", 10)->error, "EINVAL");
}
END_TEST

START_TEST(more_arguments_than_a_command_takes_are_einval)
{
	refuse("EINVAL", "check|1");
	refuse("EINVAL", "help|1");
	refuse("EINVAL", "log|on|off");
	refuse("EINVAL", "logfile");
	refuse("EINVAL", "logfile|a|b");
	refuse("EINVAL", "memreport|a|b");
	refuse("EINVAL", "print");
	refuse("EINVAL", "print|a|b");
	refuse("EINVAL", "quota|0|1");
	refuse("EINVAL", "quota|max|x");
	refuse("EINVAL", "quota|max|-r|x");
	refuse("EINVAL", "quota-soft|0");
	refuse("EINVAL", "txn|0|1");
	refuse("EINVAL", "watches|1");
	refuse("EINVAL", "print|1|2|3|4|5|6|7|8|9|10");
}
END_TEST

START_TEST(help_names_every_command)
{
	for (int i = 0; i < COMMANDS; i++)
		contains(ask("help"), commands[i]);
}
END_TEST

START_TEST(a_command_without_an_answer_is_answered_ok)
{
	ck_assert_str_eq(ask("check"), "OK");
	ck_assert_str_eq(ask("print|hello"), "OK");
	ck_assert_str_eq(ask("txn"), "OK");
	ck_assert_str_eq(ask("watches"), "OK");
	ck_assert_str_eq(ask("log|off"), "OK");
	ck_assert_str_eq(ask("quota|set|nodes|1000"), "OK");
}
END_TEST

/* ---- check ---- */

static void put_account(uint16_t domid, uint64_t nodes)
{
	struct store *store = scene.world.turn.store;
	unsigned char name[] = {STORE_KEY_ACCOUNT, (unsigned char)(domid >> 8), (unsigned char)domid};
	struct store_account account = {nodes};
	MDB_val key = {sizeof(name), name}, record = {sizeof(account), &account};
	struct MDB_txn *txn = store_writable(store);

	ck_assert_ptr_nonnull(txn);
	ck_assert_int_eq(nodes ? mdb_put(txn, store->dbi, &key, &record, 0) : mdb_del(txn, store->dbi, &key, NULL), 0);
	ck_assert_int_eq(store_commit(store), 0);
}

START_TEST(check_says_what_is_wrong)
{
	put_account(7, 5);
	scene.world.log.foreground = false;
	contains(ask("check"), "1 problems");
	contains(ask("check"), "domain 7");
	put_account(7, 0);
	ck_assert_str_eq(ask("check"), "OK");
}
END_TEST

/* ---- logs ---- */

START_TEST(log_tells_and_sets_what_is_traced)
{
	contains(ask("log"), "obj     : on\n");
	contains(ask("log"), "tdb     : off\n");
	ask("log|+tdb");
	ask("log|-obj");
	contains(ask("log"), "obj     : off\n");
	contains(ask("log"), "tdb     : on\n");
	refuse("EINVAL", "log|tdb");
	refuse("EINVAL", "log|+unknown");
	refuse("EINVAL", "log|");
}
END_TEST

START_TEST(logfile_names_the_trace_that_log_ends_and_begins_again)
{
	char path[128], payload[160], text[4096];

	file_name(path, "trace");
	snprintf(payload, sizeof(payload), "logfile|%s", path);
	ask(payload);
	scene_ok(scene.root, MESSAGE_MKDIR, 0, "/first");
	ask("log|off");
	scene_ok(scene.root, MESSAGE_MKDIR, 0, "/second");
	ask("log|on");
	scene_ok(scene.root, MESSAGE_MKDIR, 0, "/third");
	read_file(path, text, sizeof(text));
	contains(text, "MKDIR (/first )");
	ck_assert_ptr_null(strstr(text, "/second"));
	contains(text, "MKDIR (/third )");
}
END_TEST

START_TEST(a_file_that_cannot_be_written_is_einval)
{
	refuse("EINVAL", "logfile|/nonexistent/directory/file");
	refuse("EINVAL", "memreport|/nonexistent/directory/file");
	refuse("EINVAL", "memreport");
}
END_TEST

START_TEST(memreport_counts_what_there_is)
{
	char path[128], payload[160], text[4096];

	scene_watch(scene.guest, "/|token");
	world_transaction(scene.root);
	file_name(path, "report");
	snprintf(payload, sizeof(payload), "memreport|%s", path);
	ask(payload);
	read_file(path, text, sizeof(text));
	contains(text, "watches: 1\n");
	contains(text, "ledger: 2 connections");
	contains(text, ", 1 snapshots,");
	contains(text, "events: 1, dropped: 0\n");
}
END_TEST

/* ---- quotas ---- */

START_TEST(a_quota_that_is_set_counts_at_once)
{
	scene_node("/local/domain/1", "", "n1");
	scene_write(scene.guest, 0, "a", "");
	ask("quota|set|nodes|2");
	contains(ask("quota"), "nodes            :        2 ");
	scene_write_error(scene.guest, "ENOSPC", 0, "b", "");
	ask("quota|set|nodes|3");
	scene_write(scene.guest, 0, "b", "");
	ask("quota|set|node-size|10");
	scene_write_error(scene.guest, "ENOSPC", 0, "b", "xyz");
	ask("quota|set|watches|1");
	scene_ok(scene.guest, MESSAGE_WATCH, 0, "/|a");
	scene_error(scene.guest, "ENOSPC", MESSAGE_WATCH, 0, "/|b");
}
END_TEST

START_TEST(what_is_no_quota_or_no_value_is_einval)
{
	refuse("EINVAL", "quota|set");
	refuse("EINVAL", "quota|set|nodes");
	refuse("EINVAL", "quota|set|nodes|");
	refuse("EINVAL", "quota|set|nodes|-1");
	refuse("EINVAL", "quota|set|nodes|1x");
	refuse("EINVAL", "quota|set|nodes|2147483648");
	refuse("EINVAL", "quota|set|nodes|99999999999999999999999");
	refuse("EINVAL", "quota|set|unknown|1");
	refuse("EINVAL", "quota-soft|set|nodes|1");
	ck_assert_uint_eq(scene.world.domains.quotas.hard[QUOTA_NODES], 1000);
}
END_TEST

START_TEST(quota_of_a_domain_tells_what_it_owns)
{
	scene_node("/local/domain/1/a/b", "", "n1");
	contains(ask("quota|1"), "Domain 1:\nnodes            :        1 (max        1)\n");
	refuse("ENOENT", "quota|7");
	refuse("EINVAL", "quota|65536");
	refuse("EINVAL", "quota|x");
}
END_TEST

static void expect_most(const char *name, unsigned most)
{
	char expected[64];

	snprintf(expected, sizeof(expected), "\n%-17s: %8u\n", name, most);
	contains(ask("quota|max"), expected);
}

START_TEST(quota_of_a_domain_tells_what_it_uses_and_has_used_at_most)
{
	scene_node("/home", "", "n1");
	for (int i = 0; i < 3; i++) {
		scene_watch(scene.guest, i ? i == 1 ? "/|1" : "/|2" : "/|0");
		scene_write(scene.guest, 0, i ? i == 1 ? "/home/1" : "/home/2" : "/home/0", "12345");
	}
	scene_ok(scene.guest, MESSAGE_UNWATCH, 0, "/|1");
	scene_ok(scene.guest, MESSAGE_RM, 0, "/home/1");
	scene_ok(scene.guest, MESSAGE_SET_PERMS, 0, "/home/0|n1|r0|w0");
	uint32_t transaction = world_transaction(scene.guest);
	scene_ok(scene.guest, MESSAGE_READ, transaction, "/home/0");
	scene_ok(scene.guest, MESSAGE_READ, transaction, "/home/2");
	scene_ok(scene.guest, MESSAGE_TRANSACTION_END, transaction, "F");
	const char *answer = ask("quota|1");
	contains(answer, "nodes            :        3 (max        4)\n");
	contains(answer, "watches          :        2 (max        3)\n");
	contains(answer, "transactions     :        0 (max        1)\n");
	contains(answer, "transaction-nodes:        0 (max        2)\n");
	contains(answer, "node-permissions :        0 (max        3)\n");
	contains(answer, "path-max         :        0 (max        7)\n");
	contains(answer, "node-size        :        0 (max       29)\n");
	contains(answer, "outstanding      : ");
	contains(answer, "memory           : ");
}
END_TEST

START_TEST(quota_max_tells_the_most_that_one_unprivileged_domain_has_used)
{
	for (int i = 0; i < 10; i++) {
		char watch[16];
		snprintf(watch, sizeof(watch), "/tool|%d", i);
		scene_watch(scene.root, watch);
	}
	scene_node("/a/b/c", "", "n1");
	scene_watch(scene.guest, "/|1");
	expect_most("nodes", 1);
	expect_most("watches", 1);
	scene_node("/a/b/c", "", "n0");
	scene_ok(scene.guest, MESSAGE_UNWATCH, 0, "/|1");
	expect_most("nodes", 1);
	ask("quota|max|-r");
	expect_most("nodes", 0);
	expect_most("watches", 0);
}
END_TEST

START_TEST(quota_max_remembers_domains_that_are_gone)
{
	scene_close();
	scene_open_with_xen();
	scene_node("/a/b", "", "n1");
	scene_node("/a/c", "", "n1");
	scene_ok(scene.root, MESSAGE_RELEASE, 0, "1");
	scene.guest = scene_introduce(WORLD_GUEST);
	expect_most("nodes", 2);
	contains(ask("quota|1"), "nodes            :        0 (max        0)\n");
}
END_TEST

START_TEST(soft_quotas_are_kept_apart)
{
	ask("quota-soft|set|memory|4096");
	contains(ask("quota-soft"), "memory           :     4096 ");
	ck_assert_ptr_null(strstr(ask("quota-soft"), "nodes"));
	ck_assert_uint_eq(scene.world.domains.quotas.hard[QUOTA_MEMORY], 2560 * 1024);
}
END_TEST

/* ---- lists ---- */

START_TEST(txn_lists_open_transactions_of_all_or_of_one_domain)
{
	world_transaction(scene.guest);
	world_transaction(scene.root);
	contains(ask("txn"), "domain 1 transaction 1 start ");
	contains(ask("txn"), "domain 0 transaction 1 start ");
	contains(ask("txn"), " snapshot\n");
	ck_assert_ptr_null(strstr(ask("txn|1"), "domain 0"));
	contains(ask("txn|1"), "domain 1 transaction 1 ");
	ck_assert_str_eq(ask("txn|7"), "OK");
	refuse("EINVAL", "txn|x");
}
END_TEST

START_TEST(an_answer_that_exceeds_a_message_is_e2big)
{
	for (int i = 0; i < 150; i++)
		world_transaction(scene.root);
	refuse("E2BIG", "txn");
	ck_assert_str_eq(ask("txn|1"), "OK");
}
END_TEST

START_TEST(watches_lists_all_and_is_e2big_when_they_are_too_many)
{
	char payload[64], expected[64];

	scene_watch(scene.guest, "/some/path|token");
	snprintf(expected, sizeof(expected), "%llu: /some/path token\n", (unsigned long long)scene.guest->client.id);
	ck_assert_str_eq(ask("watches"), expected);
	for (int i = 0; i < 300; i++) {
		snprintf(payload, sizeof(payload), "/some/path|%d", i);
		scene_watch(scene.root, payload);
	}
	refuse("E2BIG", "watches");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("control");
	TCase *tcase = tcase_create("all");

	tcase_add_checked_fixture(tcase, scene_open, scene_close);
	tcase_add_test(tcase, every_command_of_a_guest_is_eacces_and_does_nothing);
	tcase_add_test(tcase, what_is_no_command_is_einval);
	tcase_add_test(tcase, more_arguments_than_a_command_takes_are_einval);
	tcase_add_test(tcase, help_names_every_command);
	tcase_add_test(tcase, a_command_without_an_answer_is_answered_ok);
	tcase_add_test(tcase, check_says_what_is_wrong);
	tcase_add_test(tcase, log_tells_and_sets_what_is_traced);
	tcase_add_test(tcase, logfile_names_the_trace_that_log_ends_and_begins_again);
	tcase_add_test(tcase, a_file_that_cannot_be_written_is_einval);
	tcase_add_test(tcase, memreport_counts_what_there_is);
	tcase_add_test(tcase, a_quota_that_is_set_counts_at_once);
	tcase_add_test(tcase, what_is_no_quota_or_no_value_is_einval);
	tcase_add_test(tcase, quota_of_a_domain_tells_what_it_owns);
	tcase_add_test(tcase, quota_of_a_domain_tells_what_it_uses_and_has_used_at_most);
	tcase_add_test(tcase, quota_max_tells_the_most_that_one_unprivileged_domain_has_used);
	tcase_add_test(tcase, quota_max_remembers_domains_that_are_gone);
	tcase_add_test(tcase, soft_quotas_are_kept_apart);
	tcase_add_test(tcase, txn_lists_open_transactions_of_all_or_of_one_domain);
	tcase_add_test(tcase, an_answer_that_exceeds_a_message_is_e2big);
	tcase_add_test(tcase, watches_lists_all_and_is_e2big_when_they_are_too_many);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
