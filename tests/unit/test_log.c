/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Messages go to standard error in the foreground; the trace is a file that can be named, closed and opened again. */
#include "base/log.h"

#include <check.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/status.h"
#include "support/suite.h"

/* "20240131 23:59:59.123456 " */
enum { STAMP_LEN = 25 };

static char directory[64], path[96], other_path[96];
static char text[16384];
static struct log output;

static void setup(void)
{
	strcpy(directory, "/tmp/test_log.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/trace", directory);
	snprintf(other_path, sizeof(other_path), "%s/other", directory);
	log_init(&output, true);
}

static void teardown(void)
{
	log_deinit(&output);
	unlink(path);
	unlink(other_path);
	rmdir(directory);
}

/* The contents of a file in `text`; their length. */
static size_t read_file(const char *name)
{
	FILE *file = fopen(name, "r");
	size_t len = file ? fread(text, 1, sizeof(text) - 1, file) : 0;

	if (!file)
		ck_abort_msg("%s cannot be read", name);
	text[len] = 0;
	fclose(file);
	return len;
}

/* Does the line begin with a time stamp? */
static bool is_stamped(const char *line)
{
	static const char form[] = "dddddddd dd:dd:dd.dddddd ";

	for (size_t i = 0; form[i]; i++) {
		if (form[i] == 'd' ? !isdigit((unsigned char)line[i]) : line[i] != form[i])
			return false;
	}
	return true;
}

/* ---- messages ---- */

/* What log_write puts on standard error, in `text`; its length. */
static size_t message(enum log_level level, const char *words)
{
	int saved = dup(STDERR_FILENO), file = open(other_path, O_RDWR | O_CREAT | O_TRUNC, 0600);

	dup2(file, STDERR_FILENO);
	log_write(&output, level, "%s", words);
	fflush(stderr);
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(file);
	return read_file(other_path);
}

START_TEST(a_message_in_the_foreground_is_a_line_on_standard_error)
{
	message(LOG_LEVEL_NOTICE, "some words: 7");
	ck_assert_str_eq(text, "lxenstored: some words: 7\n");
}
END_TEST

START_TEST(messages_above_the_level_are_left_out)
{
	for (int level = LOG_LEVEL_ERROR; level <= LOG_LEVEL_DEBUG; level++) {
		output.level = (enum log_level)level;
		for (int of = LOG_LEVEL_ERROR; of <= LOG_LEVEL_DEBUG; of++)
			ck_assert_int_eq(message((enum log_level)of, "words") != 0, of <= level);
	}
}
END_TEST

START_TEST(debug_messages_are_off_at_first)
{
	ck_assert_uint_eq(message(LOG_LEVEL_DEBUG, "words"), 0);
	ck_assert_uint_ne(message(LOG_LEVEL_NOTICE, "words"), 0);
}
END_TEST

START_TEST(a_message_in_the_background_is_not_on_standard_error)
{
	output.foreground = false;
	ck_assert_uint_eq(message(LOG_LEVEL_ERROR, "a test of the log"), 0);
}
END_TEST

START_TEST(a_message_that_is_too_long_is_cut)
{
	char words[5000];

	memset(words, 'x', sizeof(words));
	words[sizeof(words) - 1] = 0;
	size_t len = message(LOG_LEVEL_ERROR, words);
	ck_assert_uint_eq(len, strlen("lxenstored: ") + 2047 + 1);
	ck_assert_int_eq(text[len - 1], '\n');
}
END_TEST

/* ---- the trace ---- */

START_TEST(a_trace_line_has_the_time_before_it)
{
	ck_assert_int_eq(log_trace_to(&output, path), 0);
	log_trace_line(&output, "IN %d", 5);
	ck_assert_uint_eq(read_file(path), STAMP_LEN + 5);
	ck_assert(is_stamped(text));
	ck_assert_str_eq(text + STAMP_LEN, "IN 5\n");
}
END_TEST

START_TEST(trace_lines_are_appended_to_what_is_there)
{
	ck_assert_int_eq(log_trace_to(&output, path), 0);
	log_trace_line(&output, "one");
	ck_assert_int_eq(log_trace_open(&output), 0);
	log_trace_line(&output, "two");
	ck_assert_uint_eq(read_file(path), 2 * (STAMP_LEN + 4));
	ck_assert_str_eq(text + 2 * STAMP_LEN + 4, "two\n");
}
END_TEST

START_TEST(a_trace_line_that_is_too_long_is_cut_and_stays_a_line)
{
	static char words[8192];

	memset(words, 'x', sizeof(words) - 1);
	ck_assert_int_eq(log_trace_to(&output, path), 0);
	for (size_t len = 4096 - STAMP_LEN - 4; len < 4096 - STAMP_LEN + 4; len++) {
		words[len] = 0;
		ck_assert_int_eq(truncate(path, 0), 0);
		log_trace_line(&output, "%s", words);
		size_t written = read_file(path), expected = len + STAMP_LEN + 1 < 4095 ? len + STAMP_LEN + 1 : 4095;
		ck_assert_uint_eq(written, expected);
		ck_assert_int_eq(text[written - 1], '\n');
		ck_assert_ptr_null(memchr(text, 0, written));
		words[len] = 'x';
	}
}
END_TEST

START_TEST(an_empty_trace_line_is_a_time)
{
	ck_assert_int_eq(log_trace_to(&output, path), 0);
	log_trace_line(&output, "%s", "");
	ck_assert_uint_eq(read_file(path), STAMP_LEN + 1);
	ck_assert(is_stamped(text));
}
END_TEST

START_TEST(a_closed_trace_takes_no_line_and_can_be_opened_again)
{
	ck_assert_int_eq(log_trace_to(&output, path), 0);
	log_trace_close(&output);
	/* Takes the number that the trace had. */
	int other = open(other_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	log_trace_line(&output, "lost");
	log_trace_close(&output);
	ck_assert_uint_eq(read_file(path), 0);
	ck_assert_uint_eq(read_file(other_path), 0);
	ck_assert_int_eq(close(other), 0);
	ck_assert_int_eq(log_trace_open(&output), 0);
	log_trace_line(&output, "kept");
	ck_assert_uint_eq(read_file(path), STAMP_LEN + 5);
}
END_TEST

START_TEST(after_a_rotation_the_trace_goes_to_a_fresh_file)
{
	ck_assert_int_eq(log_trace_to(&output, path), 0);
	ck_assert_int_eq(rename(path, other_path), 0);
	log_trace_line(&output, "to the old one");
	ck_assert_int_eq(log_trace_open(&output), 0);
	log_trace_line(&output, "new");
	ck_assert_uint_eq(read_file(other_path), STAMP_LEN + 15);
	ck_assert_uint_eq(read_file(path), STAMP_LEN + 4);
}
END_TEST

START_TEST(a_trace_that_was_never_named_cannot_be_opened)
{
	ck_assert_int_eq(log_trace_open(&output), -ENOENT);
	log_trace_line(&output, "lost");
	log_trace_close(&output);
}
END_TEST

START_TEST(a_trace_file_that_cannot_be_made_ends_the_trace)
{
	ck_assert_int_eq(log_trace_to(&output, path), 0);
	ck_assert_int_eq(log_trace_to(&output, "/nowhere/trace"), -ENOENT);
	ck_assert_int_eq(output.trace_fd, -1);
	log_trace_line(&output, "lost");
	ck_assert_uint_eq(read_file(path), 0);
}
END_TEST

START_TEST(another_trace_file_takes_the_place_of_the_first)
{
	char name[96];

	ck_assert_int_eq(log_trace_to(&output, path), 0);
	int fd = output.trace_fd;
	snprintf(name, sizeof(name), "%s", other_path);
	ck_assert_int_eq(log_trace_to(&output, name), 0);
	memset(name, 0, sizeof(name));
	ck_assert_int_eq(log_trace_open(&output), 0);
	ck_assert_int_eq(output.trace_fd, fd);
	log_trace_line(&output, "x");
	ck_assert_uint_eq(read_file(path), 0);
	ck_assert_uint_eq(read_file(other_path), STAMP_LEN + 2);
}
END_TEST

START_TEST(the_trace_file_is_for_the_daemon_only_and_not_inherited)
{
	struct stat status;

	ck_assert_int_eq(log_trace_to(&output, path), 0);
	ck_assert_int_eq(stat(path, &status), 0);
	ck_assert_int_eq(status.st_mode & 0777, 0600);
	ck_assert_int_eq(fcntl(output.trace_fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
}
END_TEST

START_TEST(a_trace_that_cannot_be_written_stops_nothing)
{
	ck_assert_int_eq(log_trace_to(&output, "/dev/full"), 0);
	log_trace_line(&output, "lost");
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	ck_assert_int_eq(log_trace_to(&output, path), -ENXIO);
}
END_TEST

/* ---- switches ---- */

START_TEST(each_switch_can_be_turned_on_and_off)
{
	for (const struct log_trace_name *name = log_trace_names; name->name; name++) {
		char on[16], off[16];
		snprintf(on, sizeof(on), "+%s", name->name);
		snprintf(off, sizeof(off), "-%s", name->name);
		output.trace = 0;
		ck_assert_int_eq(log_trace_switch(&output, on), 0);
		ck_assert_uint_eq(output.trace, name->bit);
		output.trace = UINT32_MAX;
		ck_assert_int_eq(log_trace_switch(&output, off), 0);
		ck_assert_uint_eq(output.trace, ~name->bit);
	}
}
END_TEST

START_TEST(requests_and_objects_are_traced_at_first)
{
	ck_assert_uint_eq(output.trace, LOG_TRACE_OBJ | LOG_TRACE_IO);
}
END_TEST

START_TEST(what_is_no_switch_is_refused_and_changes_nothing)
{
	static const char *const words[] = {"", "+", "-", "io", "+xyz", "+iox", "+i", " +io", "+ io", "+IO", "++io", "*io"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		ck_assert_int_eq(log_trace_switch(&output, words[i]), STATUS_EINVAL);
	ck_assert_uint_eq(output.trace, LOG_TRACE_OBJ | LOG_TRACE_IO);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("log");
	TCase *messages = tcase_create("messages"), *traces = tcase_create("trace"), *switches = tcase_create("switches");

	tcase_add_checked_fixture(messages, setup, teardown);
	tcase_add_test(messages, a_message_in_the_foreground_is_a_line_on_standard_error);
	tcase_add_test(messages, messages_above_the_level_are_left_out);
	tcase_add_test(messages, debug_messages_are_off_at_first);
	tcase_add_test(messages, a_message_in_the_background_is_not_on_standard_error);
	tcase_add_test(messages, a_message_that_is_too_long_is_cut);
	tcase_add_checked_fixture(traces, setup, teardown);
	tcase_add_test(traces, a_trace_line_has_the_time_before_it);
	tcase_add_test(traces, trace_lines_are_appended_to_what_is_there);
	tcase_add_test(traces, a_trace_line_that_is_too_long_is_cut_and_stays_a_line);
	tcase_add_test(traces, an_empty_trace_line_is_a_time);
	tcase_add_test(traces, a_closed_trace_takes_no_line_and_can_be_opened_again);
	tcase_add_test(traces, after_a_rotation_the_trace_goes_to_a_fresh_file);
	tcase_add_test(traces, a_trace_that_was_never_named_cannot_be_opened);
	tcase_add_test(traces, a_trace_file_that_cannot_be_made_ends_the_trace);
	tcase_add_test(traces, another_trace_file_takes_the_place_of_the_first);
	tcase_add_test(traces, the_trace_file_is_for_the_daemon_only_and_not_inherited);
	tcase_add_test(traces, a_trace_that_cannot_be_written_stops_nothing);
	tcase_add_checked_fixture(switches, setup, teardown);
	tcase_add_test(switches, each_switch_can_be_turned_on_and_off);
	tcase_add_test(switches, requests_and_objects_are_traced_at_first);
	tcase_add_test(switches, what_is_no_switch_is_refused_and_changes_nothing);
	suite_add_tcase(suite, messages);
	suite_add_tcase(suite, traces);
	suite_add_tcase(suite, switches);
	return suite_run(suite);
}
