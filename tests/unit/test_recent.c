/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copies of records by path: what is found, what is replaced, what is forgotten. */
#include "store/recent.h"
#include "support/suite.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

enum { OFFERS = 100, PATHS = 100000 };

static struct recent *recent;

static void setup(void)
{
	recent = recent_new();
	ck_assert_ptr_nonnull(recent);
}

static void teardown(void)
{
	recent_free(recent);
}

static struct path as_path(const char *text)
{
	return (struct path){text, strlen(text)};
}

/* Asks for it again and again, as one does who wants it kept. */
static void keep(const char *text, const char *record)
{
	struct path path = as_path(text);
	size_t len;

	for (int i = 0; i < OFFERS && !recent_find(recent, &path, &len); i++)
		recent_keep(recent, &path, record, strlen(record));
}

/* What is kept for the path, as a string; "" if nothing is. */
static const char *kept(const char *text)
{
	static char copy[1024];
	struct path path = as_path(text);
	size_t len;
	const void *record = recent_find(recent, &path, &len);

	if (!record)
		return "";
	memcpy(copy, record, len);
	copy[len] = 0;
	return copy;
}

static void change(const char *text, const char *record)
{
	struct path path = as_path(text);

	recent_changed(recent, &path, record, strlen(record));
}

START_TEST(what_is_kept_is_found_by_its_path_only)
{
	static const char *const others[] = {"/", "/a", "/local/domain/1/nam", "/local/domain/1/name2", "/local/domain/2/name"};

	ck_assert_str_eq(kept("/local/domain/1/name"), "");
	keep("/local/domain/1/name", "record");
	ck_assert_str_eq(kept("/local/domain/1/name"), "record");
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		ck_assert_str_eq(kept(others[i]), "");
}
END_TEST

START_TEST(paths_of_any_length_are_told_apart)
{
	char text[64] = "/", record[64];

	for (size_t len = 1; len < sizeof(text) - 1; len++) {
		text[len] = 'a';
		keep(text, text);
		snprintf(record, sizeof(record), "%s", text);
		ck_assert_str_eq(kept(text), record);
		text[len] = 'b';
		ck_assert_str_eq(kept(text), "");
		text[len] = 'a';
	}
}
END_TEST

START_TEST(a_front_of_a_longer_text_is_a_path_of_its_own)
{
	struct path front = {"/a/bc", 2};
	size_t len;

	keep("/a", "record");
	ck_assert_ptr_nonnull(recent_find(recent, &front, &len));
	front.len = 4;
	ck_assert_ptr_null(recent_find(recent, &front, &len));
}
END_TEST

START_TEST(a_changed_record_takes_the_place_of_the_older_one)
{
	keep("/a", "older");
	change("/a", "longer than the older one");
	ck_assert_str_eq(kept("/a"), "longer than the older one");
	change("/a", "short");
	ck_assert_str_eq(kept("/a"), "short");
}
END_TEST

START_TEST(a_changed_record_of_which_no_older_one_is_kept_is_not_kept)
{
	change("/a", "record");
	ck_assert_str_eq(kept("/a"), "");
}
END_TEST

START_TEST(a_record_that_became_too_long_is_forgotten)
{
	char large[500];

	memset(large, 'l', sizeof(large) - 1);
	large[sizeof(large) - 1] = 0;
	keep("/a", "record");
	change("/a", large);
	ck_assert_str_eq(kept("/a"), "");
}
END_TEST

START_TEST(records_are_kept_up_to_a_length_and_never_in_part)
{
	char record[500];

	for (size_t len = 1; len < sizeof(record); len++) {
		memset(record, 'r', len);
		record[len] = 0;
		recent_forget_all(recent);
		keep("/a", record);
		if (*kept("/a"))
			ck_assert_str_eq(kept("/a"), record);
		else
			ck_assert_uint_gt(len, 100);
	}
	ck_assert_str_eq(kept("/a"), "");
}
END_TEST

START_TEST(all_is_forgotten_and_can_be_kept_again)
{
	keep("/a", "record");
	keep("/b", "record");
	recent_forget_all(recent);
	ck_assert_str_eq(kept("/a"), "");
	ck_assert_str_eq(kept("/b"), "");
	keep("/a", "newer");
	ck_assert_str_eq(kept("/a"), "newer");
	ck_assert_str_eq(kept("/b"), "");
}
END_TEST

START_TEST(of_more_paths_than_there_is_room_for_none_gets_the_record_of_another)
{
	char text[32];
	size_t n = 0;

	for (int i = 0; i < PATHS; i++) {
		snprintf(text, sizeof(text), "/local/domain/%d", i);
		keep(text, text);
	}
	for (int i = 0; i < PATHS; i++) {
		snprintf(text, sizeof(text), "/local/domain/%d", i);
		if (!*kept(text))
			continue;
		ck_assert_str_eq(kept(text), text);
		n++;
	}
	ck_assert_uint_gt(n, 1000);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("recent");
	TCase *tcase = tcase_create("copies");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, what_is_kept_is_found_by_its_path_only);
	tcase_add_test(tcase, paths_of_any_length_are_told_apart);
	tcase_add_test(tcase, a_front_of_a_longer_text_is_a_path_of_its_own);
	tcase_add_test(tcase, a_changed_record_takes_the_place_of_the_older_one);
	tcase_add_test(tcase, a_changed_record_of_which_no_older_one_is_kept_is_not_kept);
	tcase_add_test(tcase, a_record_that_became_too_long_is_forgotten);
	tcase_add_test(tcase, records_are_kept_up_to_a_length_and_never_in_part);
	tcase_add_test(tcase, all_is_forgotten_and_can_be_kept_again);
	tcase_add_test(tcase, of_more_paths_than_there_is_room_for_none_gets_the_record_of_another);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
