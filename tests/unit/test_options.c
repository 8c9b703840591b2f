/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The command line: every option of C xenstored, of Xen 4.17 and of today, is understood, and lxenstored's own. */
#include "options.h"

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/status.h"
#include "support/suite.h"
#include "wire/path.h"

static char words[512];
static char *arguments[128];
static struct options options;
static char said[8192]; /* on standard output or error, by the last call */

/* ---- calling it ---- */

/* Leads a descriptor into a file; what is given back undoes that. */
static int capture_begin(int fd, int *saved)
{
	char name[] = "/tmp/test_options.XXXXXX";
	int file = mkstemp(name);

	unlink(name);
	fflush(NULL);
	*saved = dup(fd);
	dup2(file, fd);
	return file;
}

static void capture_end(int fd, int file, int saved)
{
	fflush(NULL);
	ssize_t len = pread(file, said, sizeof(said) - 1, 0);

	said[len > 0 ? len : 0] = 0;
	dup2(saved, fd);
	close(saved);
	close(file);
}

/* Words divided by spaces. */
static int parse(const char *line)
{
	int n = 0, saved, file = capture_begin(STDERR_FILENO, &saved);
	char *rest, *word;

	snprintf(words, sizeof(words), "lxenstored %s", line);
	for (word = strtok_r(words, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
		arguments[n++] = word;
	arguments[n] = NULL;
	int result = options_parse(n, arguments, &options);
	capture_end(STDERR_FILENO, file, saved);
	return result;
}

static void check_good(const char *line)
{
	if (parse(line) || *said)
		ck_abort_msg("\"%s\" is not understood: %s", line, said);
}

/* Refused, with a message that names what is wrong. */
static void check_bad(const char *line, const char *named)
{
	if (parse(line) != STATUS_EINVAL)
		ck_abort_msg("\"%s\" is understood", line);
	if (!strstr(said, named) || !strstr(said, "lxenstored: "))
		ck_abort_msg("\"%s\" is refused with \"%s\"", line, said);
}

/* ---- what options do ---- */

START_TEST(without_options_everything_has_its_first_value)
{
	struct quotas quotas;

	quotas_init(&quotas);
	check_good("");
	ck_assert(!options.no_fork && !options.output_pid && !options.no_xen && !options.no_keeper);
	ck_assert(!options.map && !options.sync && !options.help && !options.version);
	ck_assert_ptr_null(options.pid_file);
	ck_assert_ptr_null(options.trace_file);
	ck_assert_ptr_null(options.store);
	ck_assert_uint_eq(options.n_trace_controls, 0);
	ck_assert_uint_eq(options.n_ignored, 0);
	ck_assert_uint_eq(options.store_size, (size_t)1 << 30);
	ck_assert_uint_eq(options.own_domid, 0);
	ck_assert_uint_eq(options.privileged_domid, 0);
	ck_assert_mem_eq(&options.quotas, &quotas, sizeof(quotas));
}
END_TEST

START_TEST(files_can_be_named_by_letter_and_by_name)
{
	static const char *const lines[] = {"-F /run/pid -T /run/trace", "-F/run/pid -T/run/trace",
					    "--pid-file /run/pid --trace-file /run/trace",
					    "--pid-file=/run/pid --trace-file=/run/trace"};

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		check_good(lines[i]);
		ck_assert_str_eq(options.pid_file, "/run/pid");
		ck_assert_str_eq(options.trace_file, "/run/trace");
	}
}
END_TEST

START_TEST(switches_can_be_given_by_letter_and_by_name)
{
	static const char *const lines[] = {"-N -P -H", "-NPH", "--no-fork --output-pid --help"};

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		check_good(lines[i]);
		ck_assert(options.no_fork);
		ck_assert(options.output_pid);
		ck_assert(options.help);
	}
	check_good("--version --no-xen --no-keeper --store-sync --systemd-descriptors");
	ck_assert(options.version && options.no_xen && options.no_keeper && options.sync && options.systemd_descriptors);
}
END_TEST

START_TEST(each_quota_has_its_letter_and_its_name)
{
	static const struct {
		const char *letter, *name;
		enum quota quota;
	} cases[] = {
	    {"-E", "--entry-nb", QUOTA_NODES},		 {"-S", "--entry-size", QUOTA_NODE_SIZE},
	    {"-W", "--watch-nb", QUOTA_WATCHES},	 {"-t", "--transaction", QUOTA_TRANSACTIONS},
	    {"-A", "--perm-nb", QUOTA_NODE_PERMISSIONS}, {"-M", "--path-max", QUOTA_PATH_MAX},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char line[64];
		snprintf(line, sizeof(line), "%s 77", cases[i].letter);
		check_good(line);
		ck_assert_uint_eq(options.quotas.hard[cases[i].quota], 77);
		snprintf(line, sizeof(line), "%s=78", cases[i].name);
		check_good(line);
		ck_assert_uint_eq(options.quotas.hard[cases[i].quota], 78);
	}
}
END_TEST

START_TEST(quotas_can_be_set_by_the_names_of_both_versions)
{
	check_good("-Q transaction-nodes=5 --quota memory=6 --quota=outstanding=7 -Qnodes=8 -Q watches=9 -Q transactions=10 "
		   "-Q node-permissions=11 -Q path-max=12 -Q node-size=13");
	ck_assert_uint_eq(options.quotas.hard[QUOTA_TRANSACTION_NODES], 5);
	ck_assert_uint_eq(options.quotas.hard[QUOTA_MEMORY], 6);
	ck_assert_uint_eq(options.quotas.hard[QUOTA_OUTSTANDING], 7);
	ck_assert_uint_eq(options.quotas.hard[QUOTA_NODES], 8);
	ck_assert_uint_eq(options.quotas.hard[QUOTA_WATCHES], 9);
	ck_assert_uint_eq(options.quotas.hard[QUOTA_TRANSACTIONS], 10);
	ck_assert_uint_eq(options.quotas.hard[QUOTA_NODE_PERMISSIONS], 11);
	ck_assert_uint_eq(options.quotas.hard[QUOTA_PATH_MAX], 12);
	ck_assert_uint_eq(options.quotas.hard[QUOTA_NODE_SIZE], 13);
	ck_assert_uint_eq(options.quotas.soft[QUOTA_MEMORY], 2 << 20);
}
END_TEST

START_TEST(the_soft_quota_of_memory_can_be_set)
{
	static const char *const lines[] = {"-q memory=77", "--quota-soft memory=77", "--quota-soft=memory=77"};

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		check_good(lines[i]);
		ck_assert_uint_eq(options.quotas.soft[QUOTA_MEMORY], 77);
		ck_assert_uint_eq(options.quotas.hard[QUOTA_MEMORY], 2560 << 10);
	}
}
END_TEST

START_TEST(the_last_of_two_values_counts)
{
	check_good("-E 5 --entry-nb 6 -Q nodes=7");
	ck_assert_uint_eq(options.quotas.hard[QUOTA_NODES], 7);
}
END_TEST

START_TEST(a_path_limit_above_the_protocols_is_the_protocols)
{
	check_good("-M 2048");
	ck_assert_uint_eq(options.quotas.hard[QUOTA_PATH_MAX], 2048);
	check_good("-M 2049");
	ck_assert_uint_eq(options.quotas.hard[QUOTA_PATH_MAX], 2048);
}
END_TEST

START_TEST(all_trace_switches_count_in_the_order_given)
{
	check_good("--trace-control +io --trace-control=-obj --trace-control +acc,-io");
	ck_assert_uint_eq(options.n_trace_controls, 3);
	ck_assert_str_eq(options.trace_controls[0], "+io");
	ck_assert_str_eq(options.trace_controls[1], "-obj");
	ck_assert_str_eq(options.trace_controls[2], "+acc,-io");
}
END_TEST

START_TEST(more_trace_switches_than_there_is_room_for_are_refused)
{
	char line[512] = "";
	size_t room = sizeof(options.trace_controls) / sizeof(options.trace_controls[0]);

	for (size_t i = 0; i < room; i++)
		strcat(line, "--trace-control +io ");
	check_good(line);
	strcat(line, "--trace-control +wrl");
	check_bad(line, "+wrl");
}
END_TEST

START_TEST(domains_can_be_named)
{
	static const char *const lines[] = {"--priv-domid 5 --master-domid 6", "-p5 -m6"};

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		check_good(lines[i]);
		ck_assert_uint_eq(options.privileged_domid, 5);
		ck_assert_uint_eq(options.own_domid, 6);
	}
	check_good("--priv-domid 32751 --master-domid 0");
	ck_assert_uint_eq(options.privileged_domid, 32751);
}
END_TEST

START_TEST(the_store_has_a_place_a_size_and_a_mode)
{
	check_good("--store /x/y --store-size 1M --store-mode map");
	ck_assert_str_eq(options.store, "/x/y");
	ck_assert_uint_eq(options.store_size, 1 << 20);
	ck_assert(options.map);
	check_good("--store-mode map --store-mode plain");
	ck_assert(!options.map);
}
END_TEST

START_TEST(sizes_are_bytes_or_have_a_unit)
{
	static const struct {
		const char *line;
		size_t size;
	} cases[] = {
	    {"--store-size 262144", 256 << 10},	      {"--store-size 262145", 256 << 10},
	    {"--store-size 266240", 260 << 10},	      {"--store-size 256K", 256 << 10},
	    {"--store-size 64M", 64 << 20},	      {"--store-size 3G", (size_t)3 << 30},
	    {"--store-size 16384G", (size_t)1 << 44}, {"--store-size 17592186044416", (size_t)1 << 44},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		check_good(cases[i].line);
		ck_assert_uint_eq(options.store_size, cases[i].size);
	}
}
END_TEST

/* ---- options that mean nothing here ---- */

START_TEST(options_without_a_meaning_are_accepted_and_remembered)
{
	static const struct {
		const char *line, *name;
	} cases[] = {
	    {"-D", "no-domain-init"},
	    {"--no-domain-init", "no-domain-init"},
	    {"-I", "internal-db"},
	    {"-Ion", "internal-db"},
	    {"-Ioff", "internal-db"},
	    {"--internal-db", "internal-db"},
	    {"--internal-db=off", "internal-db"},
	    {"-K", "keep-orphans"},
	    {"--keep-orphans", "keep-orphans"},
	    {"-R", "no-recovery"},
	    {"--no-recovery", "no-recovery"},
	    {"--restart", "restart"},
	    {"--config-file x", "config-file"},
	    {"--disable-socket", "disable-socket"},
	    {"--no-access-log", "no-access-log"},
	    {"--reraise-top-level", "reraise-top-level"},
	    {"-V", "verbose"},
	    {"--verbose", "verbose"},
	    {"--event 3", "event"},
	    {"-e3", "event"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		check_good(cases[i].line);
		ck_assert_uint_eq(options.n_ignored, 1);
		ck_assert_str_eq(options.ignored[0], cases[i].name);
	}
}
END_TEST

START_TEST(a_stock_daemon_says_that_it_is_taken_over)
{
	check_good("-N");
	ck_assert_ptr_null(options.takes_over);
	check_good("-N -U");
	ck_assert_str_eq(options.takes_over, "state_dump");
	check_good("--live-update");
	ck_assert_str_eq(options.takes_over, "state_dump");
	/* As oxenstored says it. */
	check_good("--live --restart --no-fork --config-file /etc/xen/oxenstored.conf");
	ck_assert_str_eq(options.takes_over, "db");
	ck_assert(options.no_fork);
}
END_TEST

START_TEST(the_time_for_events_is_20_seconds_or_what_is_given)
{
	check_good("");
	ck_assert_uint_eq(options.event_seconds, 20);
	check_good("-w watch-event=7");
	ck_assert_uint_eq(options.event_seconds, 7);
	check_good("--timeout watch-event=0");
	ck_assert_uint_eq(options.event_seconds, 0);
	ck_assert_uint_eq(options.n_ignored, 0);
	check_bad("-w watch-event", "\"watch-event\"");
	check_bad("-w watch-event=", "\"watch-event=\"");
	check_bad("-w watch-event=x", "\"watch-event=x\"");
	check_bad("-w reply=3", "\"reply=3\"");
	check_bad("-w 3", "\"3\"");
}
END_TEST

START_TEST(what_conflicts_cost_can_be_set)
{
	check_good("");
	ck_assert_uint_eq(options.conflict.burst, 5);
	ck_assert_uint_eq(options.conflict.interval, 50);
	check_good("--conflict-burst 0 --conflict-interval 1000");
	ck_assert_uint_eq(options.conflict.burst, 0);
	ck_assert_uint_eq(options.conflict.interval, 1000);
	check_bad("--conflict-burst many", "\"many\"");
	check_bad("--conflict-interval -1", "\"-1\"");
}
END_TEST

START_TEST(a_word_apart_is_no_argument_of_internal_db)
{
	check_bad("--internal-db off", "\"off\"");
}
END_TEST

START_TEST(options_without_a_meaning_can_be_given_any_number_of_times)
{
	char line[512] = "";

	for (int i = 0; i < 40; i++)
		strcat(line, "-V -D ");
	check_good(line);
	ck_assert_uint_le(options.n_ignored, sizeof(options.ignored) / sizeof(options.ignored[0]));
}
END_TEST

/* What Debian's and others' init scripts pass. */
START_TEST(the_usual_command_lines_of_distributions_are_understood)
{
	check_good("--pid-file=/run/xenstored/xenstored.pid");
	check_good("--pid-file /var/run/xenstored.pid --priv-domid 0 -T /var/log/xen/xenstored-trace.log");
	check_good(
	    "-D -F /run/pid -E 1000 -S 2048 -W 512 -t 32 -A 5 -M 2048 -Q memory=1000000 -q memory=500000 -w watch-event=20 "
	    "-R -I -K -V -N -P -H");
	check_good("--event 1 --master-domid 0 --transaction=32 --watch-nb=512 -U");
}
END_TEST

/* ---- what is wrong ---- */

START_TEST(numbers_that_are_none_are_refused_by_name)
{
	static const char *const names[] = {"entry-nb", "entry-size", "watch-nb", "transaction", "perm-nb", "path-max"};
	static const char *const values[] = {"", "x", "5x", "-1", "+1", "1.5", "0x10", "2147483648", "18446744073709551617"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		for (size_t k = 0; k < sizeof(values) / sizeof(values[0]); k++) {
			char line[128], named[128];
			snprintf(line, sizeof(line), "--%s=%s", names[i], values[k]);
			snprintf(named, sizeof(named), "--%s: \"%s\"", names[i], values[k]);
			check_bad(line, named);
		}
	}
	check_good("--entry-nb 2147483647");
	check_good("--entry-nb 0 --quota memory=0");
}
END_TEST

START_TEST(quotas_that_are_none_are_refused)
{
	check_bad("-Q nodes", "--quota: \"nodes\"");
	check_bad("-Q =5", "--quota: \"=5\"");
	check_bad("-Q nodes=", "--quota: \"\"");
	check_bad("-Q nodes=x", "--quota: \"x\"");
	check_bad("-Q unknown=5", "--quota: \"unknown=5\"");
	check_bad("-Q node=5", "--quota: \"node=5\"");
	check_bad("-Q a-name-that-is-longer-than-any-quota-has=5", "--quota: \"a-name");
	check_bad("-q nodes=5", "--quota-soft: \"nodes=5\"");
	check_bad("-q memory=x", "--quota-soft: \"x\"");
}
END_TEST

START_TEST(domains_that_are_none_are_refused)
{
	check_bad("--priv-domid 32752", "--priv-domid: \"32752\"");
	check_bad("--priv-domid x", "--priv-domid: \"x\"");
	check_bad("--master-domid -1", "--master-domid: \"-1\"");
	check_bad("--master-domid 65536", "--master-domid: \"65536\"");
}
END_TEST

START_TEST(sizes_that_are_none_are_refused)
{
	static const char *const values[] = {"",
					     "x",
					     "K",
					     "1",
					     "262143",
					     "255K",
					     "1T",
					     "1MB",
					     "1M1",
					     "1KK",
					     "-1M",
					     "1 M",
					     "1.5G",
					     "1m",
					     "17592186044417",
					     "16385G",
					     "0G",
					     "17179869185G",
					     "1099511627776G",
					     "18446744073709551616"};

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		char line[64];
		snprintf(line, sizeof(line), "--store-size=%s", values[i]);
		check_bad(line, "--store-size: \"");
	}
}
END_TEST

START_TEST(a_store_mode_that_is_none_is_refused)
{
	check_bad("--store-mode fast", "--store-mode: \"fast\"");
	check_bad("--store-mode=", "--store-mode: \"\"");
}
END_TEST

START_TEST(unknown_options_and_missing_arguments_are_refused)
{
	check_bad("--no-such-option", "--no-such-option");
	check_bad("-Z", "'Z'");
	check_bad("-F", "'F'");
	check_bad("--pid-file", "--pid-file");
	check_bad("--no-fork=yes", "--no-fork");
}
END_TEST

START_TEST(words_that_are_no_options_are_refused)
{
	check_bad("word", "\"word\"");
	check_bad("-N word -P", "\"word\"");
	check_bad("-N -- -P", "\"-P\"");
}
END_TEST

START_TEST(after_a_mistake_the_next_line_is_read_from_its_start)
{
	check_bad("-NZP", "'Z'");
	check_good("-P");
	ck_assert(options.output_pid);
	ck_assert(!options.no_fork);
}
END_TEST

START_TEST(the_help_has_every_option)
{
	static const char *const names[] = {"-F, --pid-file ",	  "-H, --help ",
					    "-N, --no-fork ",	  "-P, --output-pid ",
					    "-T, --trace-file ",  "    --trace-control ",
					    "-E, --entry-nb ",	  "-S, --entry-size ",
					    "-W, --watch-nb ",	  "-t, --transaction ",
					    "-A, --perm-nb ",	  "-M, --path-max ",
					    "-Q, --quota ",	  "-q, --quota-soft ",
					    "-w, --timeout ",	  "-R, --no-recovery ",
					    "-I, --internal-db ", "-K, --keep-orphans ",
					    "-V, --verbose ",	  "-D, --no-domain-init ",
					    "-e, --event ",	  "-m, --master-domid ",
					    "-p, --priv-domid ",  "-U, --live-update ",
					    "    --store ",	  "    --store-size ",
					    "    --store-mode ",  "    --store-sync ",
					    "    --no-keeper ",	  "    --no-xen ",
					    "    --version ",	  "    --restart-pause ",
					    "    --watchdog ",	  "    --systemd-descriptors "};
	int saved, file = capture_begin(STDOUT_FILENO, &saved);

	options_print_help("lxenstored");
	capture_end(STDOUT_FILENO, file, saved);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (!strstr(said, names[i]))
			ck_abort_msg("\"%s\" is not in the help", names[i]);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("options");
	TCase *meaning = tcase_create("meaning"), *ignored = tcase_create("ignored"), *wrong = tcase_create("wrong");

	tcase_add_test(meaning, without_options_everything_has_its_first_value);
	tcase_add_test(meaning, files_can_be_named_by_letter_and_by_name);
	tcase_add_test(meaning, switches_can_be_given_by_letter_and_by_name);
	tcase_add_test(meaning, each_quota_has_its_letter_and_its_name);
	tcase_add_test(meaning, quotas_can_be_set_by_the_names_of_both_versions);
	tcase_add_test(meaning, the_soft_quota_of_memory_can_be_set);
	tcase_add_test(meaning, the_last_of_two_values_counts);
	tcase_add_test(meaning, a_path_limit_above_the_protocols_is_the_protocols);
	tcase_add_test(meaning, all_trace_switches_count_in_the_order_given);
	tcase_add_test(meaning, more_trace_switches_than_there_is_room_for_are_refused);
	tcase_add_test(meaning, domains_can_be_named);
	tcase_add_test(meaning, the_store_has_a_place_a_size_and_a_mode);
	tcase_add_test(meaning, sizes_are_bytes_or_have_a_unit);
	tcase_add_test(ignored, options_without_a_meaning_are_accepted_and_remembered);
	tcase_add_test(ignored, a_stock_daemon_says_that_it_is_taken_over);
	tcase_add_test(ignored, the_time_for_events_is_20_seconds_or_what_is_given);
	tcase_add_test(ignored, what_conflicts_cost_can_be_set);
	tcase_add_test(ignored, a_word_apart_is_no_argument_of_internal_db);
	tcase_add_test(ignored, options_without_a_meaning_can_be_given_any_number_of_times);
	tcase_add_test(ignored, the_usual_command_lines_of_distributions_are_understood);
	tcase_add_test(wrong, numbers_that_are_none_are_refused_by_name);
	tcase_add_test(wrong, quotas_that_are_none_are_refused);
	tcase_add_test(wrong, domains_that_are_none_are_refused);
	tcase_add_test(wrong, sizes_that_are_none_are_refused);
	tcase_add_test(wrong, a_store_mode_that_is_none_is_refused);
	tcase_add_test(wrong, unknown_options_and_missing_arguments_are_refused);
	tcase_add_test(wrong, words_that_are_no_options_are_refused);
	tcase_add_test(wrong, after_a_mistake_the_next_line_is_read_from_its_start);
	tcase_add_test(wrong, the_help_has_every_option);
	suite_add_tcase(suite, meaning);
	suite_add_tcase(suite, ignored);
	suite_add_tcase(suite, wrong);
	return suite_run(suite);
}
