/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is remembered of removals: paths and all below them, by generation, as many as there is room for. */
#include "store/tombstone.h"
#include "support/suite.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

static struct tombstones *tombstones;

static void setup(void)
{
	ck_assert_int_eq(tombstones_new(&tombstones), 0);
}

static void teardown(void)
{
	tombstones_free(tombstones);
}

static void add(const char *text, uint64_t generation)
{
	struct path path = {text, strlen(text)};

	tombstones_add(tombstones, &path, generation);
}

static bool covers(const char *text, uint64_t generation)
{
	struct path path = {text, strlen(text)};

	return tombstones_cover(tombstones, &path, generation);
}

START_TEST(a_tombstone_covers_its_path_and_all_below)
{
	add("/a/b", 10);
	ck_assert(covers("/a/b", 9));
	ck_assert(covers("/a/b/c/d", 9));
	ck_assert(!covers("/a", 9));
	ck_assert(!covers("/a/bc", 9));
	ck_assert(!covers("/a/c", 9));
	ck_assert(!covers("@b", 9));
}
END_TEST

START_TEST(a_tombstone_is_of_no_interest_to_what_began_after_it)
{
	add("/a", 10);
	add("/b", 20);
	ck_assert(!covers("/a", 10));
	ck_assert(covers("/b", 10));
	ck_assert(!covers("/b", 20));
}
END_TEST

START_TEST(a_path_removed_again_is_covered_by_the_newer_one)
{
	add("/a", 10);
	add("/a", 20);
	ck_assert(covers("/a", 15));
	tombstones_forget(tombstones, 15);
	ck_assert(covers("/a", 15));
	ck_assert(!covers("/a", 20));
}
END_TEST

START_TEST(what_began_before_the_forgotten_ones_must_take_everything_for_removed)
{
	add("/a", 10);
	add("/b", 20);
	tombstones_forget(tombstones, 10);
	ck_assert(covers("/never", 9));
	ck_assert(!covers("/never", 10));
	ck_assert(!covers("/a", 10));
	ck_assert(covers("/b", 10));
}
END_TEST

START_TEST(removals_that_are_undone_leave_nothing)
{
	add("/a", 10);
	add("/b", 20);
	add("/c", 30);
	tombstones_undo(tombstones, 10);
	ck_assert(covers("/a", 9));
	ck_assert(!covers("/b", 9));
	ck_assert(!covers("/c", 9));
	add("/d", 40);
	ck_assert(covers("/d", 30));
}
END_TEST

START_TEST(when_there_are_too_many_the_older_half_is_forgotten)
{
	char path[32];

	for (uint64_t i = 1; i <= TOMBSTONES_MAX; i++) {
		snprintf(path, sizeof(path), "/%u", (unsigned)i);
		add(path, i);
	}
	ck_assert(covers("/1", 0));
	ck_assert(!covers("/never", 0));
	add("/last", TOMBSTONES_MAX + 1);
	ck_assert(covers("/never", 0));
	ck_assert(covers("/never", TOMBSTONES_MAX / 2));
	ck_assert(!covers("/never", TOMBSTONES_MAX / 2 + 1));
	snprintf(path, sizeof(path), "/%d", TOMBSTONES_MAX);
	ck_assert(covers(path, TOMBSTONES_MAX / 2 + 1));
	ck_assert(covers("/last", TOMBSTONES_MAX));
}
END_TEST

START_TEST(the_ring_goes_round_for_ever)
{
	char path[32];

	for (uint64_t i = 1; i <= 5 * TOMBSTONES_MAX; i++) {
		snprintf(path, sizeof(path), "/%u", (unsigned)i);
		add(path, i);
		if (!covers(path, i - 1) || covers(path, i))
			ck_abort_msg("the tombstone of %s is lost", path);
	}
	ck_assert(!covers("/never", 5 * TOMBSTONES_MAX - 100));
	snprintf(path, sizeof(path), "/%d", 5 * TOMBSTONES_MAX - 99);
	ck_assert(covers(path, 5 * TOMBSTONES_MAX - 100));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("tombstone");
	TCase *tcase = tcase_create("ring");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, a_tombstone_covers_its_path_and_all_below);
	tcase_add_test(tcase, a_tombstone_is_of_no_interest_to_what_began_after_it);
	tcase_add_test(tcase, a_path_removed_again_is_covered_by_the_newer_one);
	tcase_add_test(tcase, what_began_before_the_forgotten_ones_must_take_everything_for_removed);
	tcase_add_test(tcase, removals_that_are_undone_leave_nothing);
	tcase_add_test(tcase, when_there_are_too_many_the_older_half_is_forgotten);
	tcase_add_test(tcase, the_ring_goes_round_for_ever);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
