/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * lxenstore-load, the real program: what lxenstore-dump has made becomes a store again, of which the dump is the same; what is
 * not whole is refused, and nothing is left of it.
 */
#include "dump_run.h"
#include "support/random.h"
#include "support/suite.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct command load;
static char made[256], given[256];

static void begin(void)
{
	start();
	snprintf(made, sizeof(made), "%s/made.mdb", served.directory);
	snprintf(given, sizeof(given), "%s/given", served.directory);
}

static void end(void)
{
	command_deinit(&load);
	unlink(made);
	unlink(given);
	stop();
}

static void write_given(const char *bytes, size_t len)
{
	FILE *file = fopen(given, "we");

	ck_assert(file && fwrite(bytes, 1, len, file) == len && !fclose(file));
}

static int run_load(const char *const arguments[])
{
	const char *words[16] = {getenv("LXENSTORE_LOAD"), "--store", made};
	size_t n = 3;

	ck_assert_ptr_nonnull(words[0]);
	for (; *arguments && n < 15; arguments++)
		words[n++] = *arguments;
	words[n] = NULL;
	command_deinit(&load);
	command_run(words, NULL, &load);
	return load.status;
}
#define LOAD(...) run_load((const char *const[]){__VA_ARGS__, NULL})

static void expect_words(const char *words)
{
	ck_assert_msg(strstr(load.messages, words), "%s", load.messages);
}

/* Files whose names begin as the made store's. */
static int count_made(void)
{
	DIR *directory = opendir(served.directory);
	const struct dirent *entry;
	int n = 0;

	while ((entry = readdir(directory)))
		n += !strncmp(entry->d_name, "made.mdb", 8);
	closedir(directory);
	return n;
}

/* What a dump of it says, without the number of commits, which a store cannot have from elsewhere. */
static void forget_commit(char *text)
{
	char *at = strstr(text, "\"commit\":");

	if (at)
		memset(at + 9, '0', strspn(at + 9, "0123456789"));
}

static void expect_round_trip(const char *format, const char *version)
{
	const char *with = version ? "--stream-version" : NULL;

	expect_quiet(DUMP("--format", format, with, version));
	write_given(dump.output, dump.len);
	struct command first = dump;
	dump = (struct command){0};
	ck_assert_msg(!LOAD(given), "%s", load.messages);
	ck_assert_str_eq(load.messages, "");
	ck_assert_int_eq(count_made(), 1);
	expect_quiet(DUMP("--store", made, "--format", format, with, version));
	if (!strcmp(format, "json")) {
		/* They may have different numbers of digits. */
		char *left = strstr(first.output, "\"one_moment\""), *right = strstr(dump.output, "\"one_moment\"");
		forget_commit(first.output);
		ck_assert_str_eq(left, right);
		ck_assert_int_eq(strncmp(first.output, dump.output, (size_t)(strstr(first.output, "\"commit\"") - first.output)),
				 0);
	} else {
		ck_assert_uint_eq(first.len, dump.len);
		ck_assert_mem_eq(first.output, dump.output, dump.len);
	}
	expect_quiet(DUMP("--store", made, "--check"));
	command_deinit(&first);
	unlink(made);
}

/* What domains leave in a store is made of records past the daemon: it has no Xen here. */
static void add_watches_and_quotas(void)
{
	expect_watch(client, "/zoo", "socket");
	expect_ok(client, MESSAGE_CONTROL, 0, ARGUMENTS("quota", "set", "nodes", "77"));
	expect_ok(client, MESSAGE_CONTROL, 0, ARGUMENTS("quota-soft", "set", "memory", "1000"));
}

START_TEST(a_dump_that_is_loaded_and_dumped_is_the_same)
{
	fill();
	add_watches_and_quotas();
	kill_daemon();
	expect_round_trip("state", NULL);
	expect_round_trip("state", "1");
	expect_round_trip("state", "2");
	expect_round_trip("json", NULL);
}
END_TEST

START_TEST(a_daemon_serves_what_was_loaded)
{
	expect_write(client, 0, "/zoo/lion", "roars");
	expect_write(client, 0, "/zoo/ape", "climbs");
	expect_ok(client, MESSAGE_SET_PERMS, 0, ARGUMENTS("/zoo/ape", "b0", "r0"));
	char *tree = expect_tree(client);
	kill_daemon();
	expect_quiet(DUMP("--format", "state"));
	write_given(dump.output, dump.len);
	snprintf(made, sizeof(made), "%s", served.store);
	ck_assert_msg(!LOAD("--force", given), "%s", load.messages);
	expect_restart(&served, NULL);
	client = expect_client(&served);
	char *again = expect_tree(client);
	ck_assert_str_eq(tree, again);
	free(tree);
	free(again);
}
END_TEST

START_TEST(standard_input_is_loaded_without_a_file)
{
	char line[1200];

	expect_quiet(DUMP("--format", "json"));
	write_given(dump.output, dump.len);
	snprintf(line, sizeof(line), "%s --store %s <%s", getenv("LXENSTORE_LOAD"), made, given);
	command_run((const char *const[]){"sh", "-c", line, NULL}, NULL, &load);
	ck_assert_msg(!load.status, "%s", load.messages);
	expect_quiet(DUMP("--store", made, "--check"));
}
END_TEST

START_TEST(a_store_that_is_there_is_only_replaced_by_force)
{
	struct stat before, after;

	expect_quiet(DUMP("--format", "state"));
	write_given(dump.output, dump.len);
	ck_assert_int_eq(LOAD(given), 0);
	ck_assert_int_eq(stat(made, &before), 0);
	ck_assert_int_eq(LOAD(given), 3);
	expect_words("there already");
	ck_assert_int_eq(stat(made, &after), 0);
	ck_assert_uint_eq(before.st_ino, after.st_ino);
	ck_assert_int_eq(LOAD("--force", given), 0);
	ck_assert_int_eq(stat(made, &after), 0);
	ck_assert_uint_ne(before.st_ino, after.st_ino);
	/* And stays if the new one is not whole. */
	write_given(dump.output, dump.len - 8);
	ck_assert_int_eq(LOAD("--force", given), 3);
	ck_assert_int_eq(stat(made, &before), 0);
	ck_assert_uint_eq(before.st_ino, after.st_ino);
	ck_assert_int_eq(count_made(), 1);
}
END_TEST

START_TEST(the_store_of_a_running_daemon_is_not_replaced)
{
	expect_quiet(DUMP("--format", "state"));
	write_given(dump.output, dump.len);
	snprintf(made, sizeof(made), "%s", served.store);
	ck_assert_int_eq(LOAD("--force", given), 3);
	expect_words("running");
	expect_write(client, 0, "/still/there", "1");
	snprintf(made, sizeof(made), "%s/made.mdb", served.directory);
}
END_TEST

START_TEST(what_is_left_out_is_said)
{
	expect_quiet(DUMP("--format", "json", "/tool"));
	write_given(dump.output, dump.len);
	ck_assert_int_eq(LOAD(given), 3);
	expect_words("a part of a store");
	ck_assert_int_eq(count_made(), 0);
}
END_TEST

START_TEST(each_truncation_is_refused)
{
	static const char *const formats[] = {"state", "json"};

	for (size_t i = 0; i < 2; i++) {
		expect_quiet(DUMP("--format", formats[i]));
		size_t step = dump.len / 60 + 1;
		/* The document's last byte is the end of its line. */
		for (size_t len = 0; len + i < dump.len; len += step) {
			write_given(dump.output, len);
			ck_assert_int_eq(LOAD("--format", formats[i], given), 3);
			expect_words("lxenstore-load: ");
			ck_assert_int_eq(count_made(), 0);
		}
	}
}
END_TEST

/* DAMAGES says how many. */
START_TEST(a_damaged_document_is_refused_or_makes_a_sound_store)
{
	const char *wanted = getenv("DAMAGES");
	int n = wanted ? atoi(wanted) : 60;
	struct random random;

	random_begin(&random, "DAMAGE_SEED");
	expect_write(client, 0, "/a/b", "\xff");
	add_watches_and_quotas();
	expect_quiet(DUMP("--format", "json"));
	struct command whole = dump;
	dump = (struct command){0};
	char *bytes = malloc(whole.len);
	for (int i = 0; i < n; i++) {
		memcpy(bytes, whole.output, whole.len);
		for (uint32_t j = random_below(&random, 3) + 1; j; j--)
			bytes[random_below(&random, (uint32_t)whole.len)] = (char)(32 + random_below(&random, 95));
		write_given(bytes, whole.len);
		int status = LOAD("--format", "json", given);
		ck_assert_msg(status == 0 || status == 1 || status == 3, "%d", status);
		ck_assert(status == 0 || strstr(load.messages, "lxenstore-load: "));
		if (status != 3)
			expect_quiet(DUMP("--store", made, "--check"));
		unlink(made);
	}
	free(bytes);
	command_deinit(&whole);
}
END_TEST

/* The letter that the store's boot id begins with. */
static char first_of_boot_id(void)
{
	expect_quiet(DUMP("--store", made, "--format", "json"));
	return strstr(dump.output, "\"boot_id\":\"")[11];
}

START_TEST(a_store_of_another_boot_becomes_one_of_this_if_asked)
{
	expect_quiet(DUMP("--format", "json"));
	char *letter = strstr(dump.output, "\"boot_id\":\"") + 11, right = *letter, wrong = right == '0' ? '1' : '0';

	*letter = wrong;
	write_given(dump.output, dump.len);
	ck_assert_int_eq(LOAD(given), 0);
	ck_assert_int_eq(first_of_boot_id(), wrong);
	ck_assert_int_eq(LOAD("--force", "--this-boot", given), 0);
	ck_assert_int_eq(first_of_boot_id(), right);
}
END_TEST

START_TEST(wrong_usage_is_said)
{
	ck_assert_int_eq(LOAD("--format", "xml"), 2);
	expect_words("none of state, json");
	ck_assert_int_eq(LOAD("a", "b"), 2);
	ck_assert_int_eq(LOAD("--nonsense"), 2);
	ck_assert_int_eq(LOAD("/nowhere/at/all"), 3);
	expect_words("/nowhere/at/all");
	ck_assert_int_eq(LOAD("--store", "/nowhere/at/all", "/dev/null"), 3);
	ck_assert_int_eq(DUMP("--format", "state", "/a"), 2);
	ck_assert_int_eq(DUMP("--format", "state", "--stream-version", "3"), 2);
	ck_assert_int_eq(DUMP("--stream-version", "1"), 2);
	ck_assert_int_eq(LOAD("--help"), 0);
	ck_assert_int_eq(LOAD("--version"), 0);
	ck_assert_int_eq(count_made(), 0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
	    a_dump_that_is_loaded_and_dumped_is_the_same,
	    a_daemon_serves_what_was_loaded,
	    standard_input_is_loaded_without_a_file,
	    a_store_that_is_there_is_only_replaced_by_force,
	    the_store_of_a_running_daemon_is_not_replaced,
	    what_is_left_out_is_said,
	    each_truncation_is_refused,
	    a_damaged_document_is_refused_or_makes_a_sound_store,
	    a_store_of_another_boot_becomes_one_of_this_if_asked,
	    wrong_usage_is_said,
	};

	return suite_run(expect_suite("load", &served, begin, end, tests, sizeof(tests) / sizeof(tests[0])));
}
