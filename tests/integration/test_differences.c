/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The scripts of tests/differences/scripts on stock xenstored 4.17, stock oxenstored 4.17 and lxenstored: what xenstored and
 * lxenstored answer is the same, byte by byte, but for what differences/known.c explains. And none of these explanations is
 * there without need.
 */
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "differences/duel.h"
#include "differences/shrink.h"
#include "support/suite.h"

enum { TIMEOUT_S = 120 };

static glob_t scripts;
static struct duel_result *met; /* by all scripts, each in a process of its own */

static char *read_file(const char *path)
{
	FILE *file = fopen(path, "re");
	char *text = NULL;
	size_t size = 0;

	ck_assert_msg(file && getdelim(&text, &size, 0, file) > 0, "%s cannot be read", path);
	fclose(file);
	return text;
}

START_TEST(a_script_is_answered_as_by_xenstored)
{
	const char *path = scripts.gl_pathv[_i];
	struct script script;
	struct duel_result result;
	char *problem, *text = read_file(path);

	ck_assert_msg(!script_parse(text, &script, &problem), "%s: %s", path, problem);
	ck_assert_int_eq(duel_play(&script, NULL, true, &result), 0);
	ck_assert_msg(!result.differs, "%s: line %u: %s", path, script.steps[result.step].line, result.story);
	printf("# %s: %zu steps%s; oxenstored answered %zu of %zu as xenstored did\n", strrchr(path, '/') + 1, result.compared,
	       result.cut ? ", then the daemons went ways that are known to part" : "", result.third_same, result.third_compared);
	fflush(stdout);
	duel_result_add(met, &result);
	duel_result_deinit(&result);
	script_deinit(&script);
	free(text);
}
END_TEST

START_TEST(every_known_difference_is_met_by_a_script)
{
	for (size_t i = 0; i < n_known_differences; i++)
		ck_assert_msg(met->uses[i] > 0, "no script has met \"%s\"", known_differences[i].name);
}
END_TEST

START_TEST(every_known_difference_has_its_row_in_the_document)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/doc/compatibility.md", getenv("TOP_SRCDIR"));
	char *document = read_file(path);
	for (size_t i = 0; i < n_known_differences; i++)
		ck_assert_msg(known_topic_exists(document, known_differences[i].topic), "\"%s\" names no row: %s",
			      known_differences[i].name, known_differences[i].topic);
	free(document);
}
END_TEST

/* ---- the tools themselves ---- */

static void check_problem(const char *text, const char *expected)
{
	struct script script;
	char *problem;

	ck_assert_int_lt(script_parse(text, &script, &problem), 0);
	ck_assert_str_eq(problem, expected);
	free(problem);
}

START_TEST(a_line_that_is_none_is_told)
{
	check_problem("s1 READ /a\nx1 READ /a\n", "line 2: no such client: x1 READ /a");
	check_problem("s1 REED /a\n", "line 1: no such operation: s1 REED /a");
	check_problem("# a comment\n\ns1 READ  /a\n", "line 3: two spaces in a row, or one at the end: s1 READ  /a");
	check_problem("s1 READ \\y\n", "line 1: an escape that there is not: s1 READ \\y");
	check_problem("s1 START t\ns1 START t\n", "line 2: this client has called another transaction so: s1 START t");
	check_problem("destroy x\n", "line 1: no such domain: destroy x");
}
END_TEST

static void check_payload(const char *line, const void *expected, size_t len)
{
	struct script script;
	char *problem;

	ck_assert_int_eq(script_parse(line, &script, &problem), 0);
	ck_assert_uint_eq(script.n, 1);
	ck_assert_uint_eq(script.steps[0].len, len);
	ck_assert_mem_eq(script.steps[0].payload, expected, len);
	script_deinit(&script);
}

START_TEST(a_line_says_which_bytes_are_sent)
{
	check_payload("s1 READ /a", "/a", 3);
	check_payload("s1 WRITE /a x", "/a\0x", 4);
	check_payload("s1 WRITE /a \"\"", "/a", 3);
	check_payload("s1 WATCH /a a\\stoken", "/a\0a token", 11);
	check_payload("s1 READ: /a", "/a", 2);
	check_payload("s1 READ: a\\0b\\x00\\xffc", "a\0b\0\377c", 6);
	check_payload("s1 READ: {ab*3}", "ababab", 6);
	check_payload("s1 START t1", "", 1);
	check_payload("for 7..7 s1 READ /a$i", "/a7", 4);
}
END_TEST

/* Fails if 3 and 7 are there, and 5 or 6. */
static bool fails(void *context, const bool left_out[])
{
	unsigned *runs = context;

	++*runs;
	return !left_out[3] && !left_out[7] && (!left_out[5] || !left_out[6]);
}

START_TEST(a_script_is_shrunk_to_steps_none_of_which_can_be_spared)
{
	bool left_out[200] = {false};
	unsigned runs = 0, left = 0;

	shrink(200, left_out, fails, &runs);
	for (size_t i = 0; i < 200; i++)
		left += !left_out[i];
	ck_assert_uint_eq(left, 3);
	ck_assert(fails(&runs, left_out));
	ck_assert_uint_lt(runs, 100);
}
END_TEST

START_TEST(a_difference_that_is_not_known_is_found_and_told)
{
	struct known_context context = {0};
	struct script script;
	char *problem;

	ck_assert_int_eq(script_parse("s1 READ /a\n", &script, &problem), 0);
	context.script = &script;
	context.step = script.steps;
	record_insert(&context.stock, 0, "s1 READ x");
	record_insert(&context.ours, 0, "s1 READ y");
	for (size_t i = 0; i < n_known_differences; i++)
		ck_assert_msg(!known_differences[i].explain(&context), "explained by \"%s\"", known_differences[i].name);
	record_clear(&context.stock);
	record_clear(&context.ours);
	script_deinit(&script);
}
END_TEST

static void add_tools(Suite *suite)
{
	TCase *tcase = tcase_create("tools");

	tcase_add_test(tcase, a_line_that_is_none_is_told);
	tcase_add_test(tcase, a_line_says_which_bytes_are_sent);
	tcase_add_test(tcase, a_script_is_shrunk_to_steps_none_of_which_can_be_spared);
	tcase_add_test(tcase, a_difference_that_is_not_known_is_found_and_told);
	tcase_add_test(tcase, every_known_difference_has_its_row_in_the_document);
	suite_add_tcase(suite, tcase);
}

static bool have_scripts(void)
{
	char pattern[4096];

	snprintf(pattern, sizeof(pattern), "%s/tests/differences/scripts/*.script", getenv("TOP_SRCDIR"));
	met = mmap(NULL, sizeof(*met), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return met != MAP_FAILED && !glob(pattern, 0, NULL, &scripts);
}

int main(void)
{
	Suite *suite = suite_create("differences");
	const char *why, *ci = getenv("CI");
	TCase *tcase = tcase_create("scripts");

	add_tools(suite);
	tcase_set_timeout(tcase, TIMEOUT_S);
	if (!have_scripts())
		return EXIT_FAILURE;
	if (sim_stock_programs(&why) || (ci && !strcmp(ci, "true"))) {
		tcase_add_loop_test(tcase, a_script_is_answered_as_by_xenstored, 0, (int)scripts.gl_pathc);
		tcase_add_test(tcase, every_known_difference_is_met_by_a_script);
	} else {
		printf("# scripts are not played: %s\n", why);
		fflush(stdout);
	}
	suite_add_tcase(suite, tcase);
	int result = suite_run(suite);
	globfree(&scripts);
	return result;
}
