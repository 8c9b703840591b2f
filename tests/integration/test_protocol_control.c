/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* CONTROL: each command, and what it says to wrong arguments. Where C xenstored has the command its answer is taken as it is. */
#include "support/expect.h"
#include "support/suite.h"

#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct daemon served;
static struct client *client;
static char file_path[128]; /* for commands that name a file */

static void start(void)
{
	expect_start(&served, NULL);
	client = expect_client(&served);
	snprintf(file_path, sizeof(file_path), "%s/file-%ld", served.directory, (long)getpid());
}

static void stop(void)
{
	client_close(client);
	daemon_stop(&served, SIGTERM, NULL);
}

#define control_ok(...) expect_ok(client, MESSAGE_CONTROL, 0, ARGUMENTS(__VA_ARGS__))
#define control_text(text, ...) expect_text(client, text, MESSAGE_CONTROL, 0, ARGUMENTS(__VA_ARGS__))
#define control_error(error, ...) expect_error(client, error, MESSAGE_CONTROL, 0, ARGUMENTS(__VA_ARGS__))

/* The answer, which must be none of an error; freed by the caller. */
static char *answer_of(size_t count, const char *const arguments[])
{
	struct client_message answer = expect_any(client, MESSAGE_CONTROL, 0, count, arguments);

	ck_assert_msg(answer.header.type == MESSAGE_CONTROL, "%s: %s", arguments[0], answer.payload);
	ck_assert_int_eq(answer.payload[answer.header.len - 1], 0);
	char *text = strdup(answer.payload);
	ck_assert_ptr_nonnull(text);
	return text;
}

static void expect_part_of(const char *text, const char *part)
{
	ck_assert_msg(strstr(text, part) != NULL, "\"%s\" is missing in \"%s\"", part, text);
}

static char *contents(const char *path)
{
	char *text = calloc(1, 1 << 16);
	FILE *file = fopen(path, "re");

	ck_assert_msg(file && text, "%s cannot be read", path);
	ck_assert_uint_lt(fread(text, 1, (1 << 16) - 1, file), (1 << 16) - 1);
	fclose(file);
	return text;
}

START_TEST(an_unknown_command_and_none_are_einval)
{
	expect_error(client, "EINVAL", MESSAGE_CONTROL, 0, NO_ARGUMENTS);
	control_error("EINVAL", "");
	control_error("EINVAL", "unknown");
	control_error("EINVAL", "Check");
	control_error("EINVAL", "check ");
}
END_TEST

START_TEST(a_command_whose_end_is_missing_is_einval)
{
	struct client_message answer;

	ck_assert_int_eq(client_call(client, MESSAGE_CONTROL, 0, "check", 5, &answer), 0);
	ck_assert_str_eq(answer.payload, "EINVAL");
	ck_assert_int_eq(client_call(client, MESSAGE_CONTROL, 0, "quota\0max", 9, &answer), 0);
	ck_assert_str_eq(answer.payload, "EINVAL");
}
END_TEST

START_TEST(more_arguments_than_any_command_takes_are_einval)
{
	control_error("EINVAL", "print", "1", "2", "3", "4", "5", "6", "7", "8", "9");
}
END_TEST

START_TEST(help_names_every_command)
{
	static const char *const names[] = {"check", "help",  "log",	    "logfile", "memreport",
					    "print", "quota", "quota-soft", "txn",     "watches"};
	char *text = answer_of(ARGUMENTS("help"));

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char line[64];
		snprintf(line, sizeof(line), "\n%-15s ", names[i]);
		ck_assert_msg(!strncmp(text, line + 1, strlen(line + 1)) || strstr(text, line), "help does not name %s: %s",
			      names[i], text);
	}
	free(text);
	control_error("EINVAL", "help", "me");
}
END_TEST

START_TEST(check_of_a_sound_store_is_ok)
{
	expect_write(client, 0, "/a/b/c", "value");
	uint32_t transaction = expect_transaction(client);
	expect_write(client, transaction, "/d", "");
	control_ok("check");
	expect_end(client, transaction, "");
	control_ok("check");
	control_error("EINVAL", "check", "all");
}
END_TEST

START_TEST(log_shows_and_switches_what_is_traced)
{
	control_text("Log switch settings:\nobj     : on\nio      : on\nwrl     : off\nacc     : off\ntdb     : off\n", "log");
	control_ok("log", "+wrl");
	control_ok("log", "-obj");
	control_text("Log switch settings:\nobj     : off\nio      : on\nwrl     : on\nacc     : off\ntdb     : off\n", "log");
	control_error("EINVAL", "log", "wrl");
	control_error("EINVAL", "log", "+nothing");
	control_error("EINVAL", "log", "");
	control_error("EINVAL", "log", "on", "off");
}
END_TEST

START_TEST(logfile_begins_a_trace_and_log_off_ends_it)
{
	control_ok("logfile", file_path);
	expect_write(client, 0, "/traced", "value");
	control_ok("log", "off");
	expect_write(client, 0, "/silent", "value");
	control_ok("log", "on");
	expect_read(client, 0, "/missing", NULL);
	char *text = contents(file_path);
	expect_part_of(text, "WRITE (/traced");
	expect_part_of(text, "READ (/missing");
	expect_part_of(text, "ERROR (ENOENT");
	ck_assert_ptr_null(strstr(text, "/silent"));
	free(text);
}
END_TEST

START_TEST(a_trace_without_io_holds_no_requests)
{
	control_ok("logfile", file_path);
	control_ok("log", "-io");
	expect_write(client, 0, "/silent", "value");
	char *text = contents(file_path);
	ck_assert_ptr_null(strstr(text, "/silent"));
	free(text);
}
END_TEST

START_TEST(logfile_takes_one_name_of_a_file_that_can_be_written)
{
	control_error("EINVAL", "logfile");
	control_error("EINVAL", "logfile", file_path, file_path);
	control_error("EINVAL", "logfile", "/nonexistent-directory/file");
	control_ok("check");
}
END_TEST

START_TEST(memreport_writes_to_the_file_named_or_the_trace)
{
	control_error("EINVAL", "memreport");
	control_ok("memreport", file_path);
	char *text = contents(file_path);
	expect_part_of(text, "heap: ");
	expect_part_of(text, "watches: 0\n");
	expect_part_of(text, "store: ");
	free(text);
	ck_assert_int_eq(remove(file_path), 0);
	control_ok("logfile", file_path);
	control_ok("memreport");
	text = contents(file_path);
	expect_part_of(text, "heap: ");
	free(text);
	control_error("EINVAL", "memreport", file_path, file_path);
	control_error("EINVAL", "memreport", "/nonexistent-directory/file");
}
END_TEST

START_TEST(print_says_its_argument_where_messages_go)
{
	control_ok("print", "a word from the test");
	char *messages = daemon_messages(&served);
	expect_part_of(messages, "a word from the test");
	free(messages);
	control_error("EINVAL", "print");
	control_error("EINVAL", "print", "one", "two");
}
END_TEST

START_TEST(quota_lists_all_limits)
{
	static const char *const lines[] = {
	    "Quota settings:\n",
	    "\nnodes            :     1000 ",
	    "\nwatches          :      128 ",
	    "\ntransactions     :       10 ",
	    "\noutstanding      :       20 ",
	    "\ntransaction-nodes:     1024 ",
	    "\nmemory           :  2621440 ",
	    "\nnode-permissions :        5 ",
	    "\npath-max         :     2048 ",
	    "\nnode-size        :     2048 ",
	};
	char *text = answer_of(ARGUMENTS("quota"));

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		expect_part_of(text, lines[i]);
	free(text);
}
END_TEST

START_TEST(quota_set_changes_a_limit)
{
	control_ok("quota", "set", "nodes", "77");
	char *text = answer_of(ARGUMENTS("quota"));
	expect_part_of(text, "\nnodes            :       77 ");
	free(text);
	control_error("EINVAL", "quota", "set");
	control_error("EINVAL", "quota", "set", "nodes");
	control_error("EINVAL", "quota", "set", "nothing", "5");
	control_error("EINVAL", "quota", "set", "nodes", "");
	control_error("EINVAL", "quota", "set", "nodes", "-1");
	control_error("EINVAL", "quota", "set", "nodes", "5x");
	control_error("EINVAL", "quota", "set", "nodes", "2147483648");
	control_error("EINVAL", "quota", "set", "nodes", "5", "6");
}
END_TEST

START_TEST(quota_of_a_domain_counts_its_nodes)
{
	char *text = answer_of(ARGUMENTS("quota", "0"));

	expect_part_of(
	    text, "Domain 0:\nnodes            :        5 (max        5)\n"); /* /, /tool, /tool/xenstored and two specials */
	free(text);
	expect_write(client, 0, "/a/b", "");
	text = answer_of(ARGUMENTS("quota", "0"));
	expect_part_of(text, ":        7 (max        7)\n");
	free(text);
	expect_ok(client, MESSAGE_RM, 0, ARGUMENTS("/a"));
	text = answer_of(ARGUMENTS("quota", "max"));
	expect_part_of(text, "Max. seen accounting values:\nnodes            :        0\n"); /* it has no limit */
	free(text);
	free(answer_of(ARGUMENTS("quota", "max", "-r")));
	control_error("ENOENT", "quota", "7");
	control_error("EINVAL", "quota", "x");
	control_error("EINVAL", "quota", "70000");
	control_error("EINVAL", "quota", "0", "1");
	control_error("EINVAL", "quota", "max", "x");
}
END_TEST

START_TEST(quota_soft_lists_and_sets_the_soft_limits)
{
	char *text = answer_of(ARGUMENTS("quota-soft"));

	expect_part_of(text, "\nmemory           :  2097152 ");
	ck_assert_ptr_null(strstr(text, "nodes"));
	free(text);
	control_ok("quota-soft", "set", "memory", "12345");
	text = answer_of(ARGUMENTS("quota-soft"));
	expect_part_of(text, "\nmemory           :    12345 ");
	free(text);
	control_error("EINVAL", "quota-soft", "set", "nodes", "5");
	control_error("EINVAL", "quota-soft", "set", "memory");
	control_error("EINVAL", "quota-soft", "0");
}
END_TEST

START_TEST(txn_shows_open_transactions)
{
	char line[64];

	control_ok("txn");
	uint32_t transaction = expect_transaction(client);
	char *text = answer_of(ARGUMENTS("txn"));
	snprintf(line, sizeof(line), "domain 0 transaction %u start ", transaction);
	expect_part_of(text, line);
	expect_part_of(text, " snapshot\n");
	free(text);
	text = answer_of(ARGUMENTS("txn", "0"));
	expect_part_of(text, line);
	free(text);
	control_ok("txn", "7");
	expect_end(client, transaction, "");
	control_ok("txn");
	control_error("EINVAL", "txn", "x");
	control_error("EINVAL", "txn", "0", "1");
}
END_TEST

START_TEST(watches_shows_all_watches)
{
	struct client *other = expect_client(&served);

	control_ok("watches");
	expect_watch(client, "/a", "one");
	expect_watch(other, "@releaseDomain", "two");
	char *text = answer_of(ARGUMENTS("watches"));
	expect_part_of(text, ": /a one\n");
	expect_part_of(text, ": @releaseDomain two\n");
	free(text);
	control_error("EINVAL", "watches", "0", "1");
	client_close(other);
}
END_TEST

START_TEST(an_answer_that_does_not_fit_a_message_is_e2big)
{
	char token[900];

	memset(token, 't', sizeof(token));
	token[sizeof(token) - 1] = 0;
	for (char c = 'a'; c < 'g'; c++) {
		token[0] = c;
		expect_watch(client, "/", token);
	}
	control_error("E2BIG", "watches");
	for (int i = 0; i < 120; i++)
		expect_transaction(client);
	control_error("E2BIG", "txn");
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
	    an_unknown_command_and_none_are_einval,
	    a_command_whose_end_is_missing_is_einval,
	    more_arguments_than_any_command_takes_are_einval,
	    help_names_every_command,
	    check_of_a_sound_store_is_ok,
	    log_shows_and_switches_what_is_traced,
	    logfile_begins_a_trace_and_log_off_ends_it,
	    a_trace_without_io_holds_no_requests,
	    logfile_takes_one_name_of_a_file_that_can_be_written,
	    memreport_writes_to_the_file_named_or_the_trace,
	    print_says_its_argument_where_messages_go,
	    quota_lists_all_limits,
	    quota_set_changes_a_limit,
	    quota_of_a_domain_counts_its_nodes,
	    quota_soft_lists_and_sets_the_soft_limits,
	    txn_shows_open_transactions,
	    watches_shows_all_watches,
	    an_answer_that_does_not_fit_a_message_is_e2big,
	};

	return suite_run(expect_suite("protocol: control", &served, start, stop, tests, sizeof(tests) / sizeof(tests[0])));
}
