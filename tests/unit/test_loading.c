/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What starts that die make suspect, from one start to the next. */
#include "ledger/loading.h"

#include <check.h>
#include <signal.h>
#include <string.h>

#include "support/suite.h"

static struct ledger_start noted;
static struct loading loading;

static void setup(void)
{
	memset(&noted, 0, sizeof(noted));
	loading_begin(&loading, &noted);
}

/* The start dies while it loads this, or while it loads nothing. */
static void die(uint32_t signal)
{
	noted.death = signal;
	loading_begin(&loading, &noted);
}

static void die_loading(enum ledger_load load, uint64_t first, uint64_t second)
{
	ck_assert(loading_is_next(&loading, load, first, second));
	die(SIGSEGV);
}

static size_t count_left_out(void)
{
	size_t index = 0, n = 0;

	while (loading_left_out(&loading, &index))
		n++;
	return n;
}

START_TEST(what_two_starts_have_died_of_is_left_out)
{
	const struct ledger_loading *out;
	size_t index = 0;

	die_loading(LEDGER_LOAD_WATCH, 7, 3);
	ck_assert_uint_eq(count_left_out(), 0);
	die_loading(LEDGER_LOAD_WATCH, 7, 3);
	ck_assert(loading_is_next(&loading, LEDGER_LOAD_WATCH, 7, 4));
	ck_assert(loading_is_next(&loading, LEDGER_LOAD_WATCH, 8, 3));
	ck_assert(loading_is_next(&loading, LEDGER_LOAD_CONNECTION, 7, 3));
	ck_assert_uint_eq(count_left_out(), 0);
	ck_assert(!loading_is_next(&loading, LEDGER_LOAD_WATCH, 7, 3));
	out = loading_left_out(&loading, &index);
	ck_assert_ptr_nonnull(out);
	ck_assert_uint_eq(out->load, LEDGER_LOAD_WATCH);
	ck_assert_uint_eq(out->first, 7);
	ck_assert_uint_eq(out->second, 3);
	ck_assert_ptr_null(loading_left_out(&loading, &index));
}
END_TEST

START_TEST(a_start_that_is_killed_makes_nothing_suspect)
{
	for (int i = 0; i < 5; i++) {
		ck_assert(loading_is_next(&loading, LEDGER_LOAD_DOMAIN, 5, 0));
		die(0);
	}
}
END_TEST

START_TEST(several_suspects_are_remembered)
{
	for (int i = 0; i < 2; i++)
		for (uint64_t domid = 1; domid <= LEDGER_SUSPECTS; domid++)
			die_loading(LEDGER_LOAD_DOMAIN, domid, 0);
	for (uint64_t domid = 1; domid <= LEDGER_SUSPECTS; domid++)
		ck_assert(!loading_is_next(&loading, LEDGER_LOAD_DOMAIN, domid, 0));
	ck_assert_uint_eq(count_left_out(), LEDGER_SUSPECTS);
}
END_TEST

START_TEST(one_more_takes_the_place_of_who_has_seen_the_fewest_deaths)
{
	for (uint64_t domid = 1; domid < LEDGER_SUSPECTS; domid++) {
		die_loading(LEDGER_LOAD_DOMAIN, domid, 0);
		die_loading(LEDGER_LOAD_DOMAIN, domid, 0);
	}
	die_loading(LEDGER_LOAD_DOMAIN, 100, 0);
	die_loading(LEDGER_LOAD_DOMAIN, 101, 0);
	die_loading(LEDGER_LOAD_DOMAIN, 101, 0);
	ck_assert(!loading_is_next(&loading, LEDGER_LOAD_DOMAIN, 1, 0));
	ck_assert(!loading_is_next(&loading, LEDGER_LOAD_DOMAIN, 101, 0));
	ck_assert(loading_is_next(&loading, LEDGER_LOAD_DOMAIN, 100, 0));
}
END_TEST

START_TEST(a_start_that_comes_to_its_end_forgets_all)
{
	die_loading(LEDGER_LOAD_RING, 5, 0);
	die_loading(LEDGER_LOAD_RING, 5, 0);
	loading_end(&loading);
	ck_assert_uint_eq(noted.now.load, LEDGER_LOAD_NOTHING);
	ck_assert_uint_eq(count_left_out(), 0);
	ck_assert(loading_is_next(&loading, LEDGER_LOAD_RING, 5, 0));
	ck_assert_uint_eq(noted.now.load, LEDGER_LOAD_NOTHING);
	loading_begin(&loading, &noted);
	ck_assert(loading_is_next(&loading, LEDGER_LOAD_RING, 5, 0));
	loading_end(&loading);
	loading_end(&loading);
}
END_TEST

START_TEST(what_another_program_has_died_of_is_loaded_again)
{
	die_loading(LEDGER_LOAD_WATCH, 7, 3);
	die_loading(LEDGER_LOAD_WATCH, 7, 3);
	loading_acquit(&loading);
	die_loading(LEDGER_LOAD_WATCH, 7, 3);
	die_loading(LEDGER_LOAD_WATCH, 7, 3);
	ck_assert(!loading_is_next(&loading, LEDGER_LOAD_WATCH, 7, 3));
}
END_TEST

START_TEST(whoever_has_no_ledger_notes_nothing)
{
	ck_assert(loading_is_next(NULL, LEDGER_LOAD_RING, 5, 0));
	ck_assert(loading_is_next(&(struct loading){0}, LEDGER_LOAD_RING, 5, 0));
}
END_TEST

START_TEST(any_bytes_may_be_noted)
{
	memset(&noted, 0xff, sizeof(noted));
	loading_begin(&loading, &noted);
	ck_assert(loading_is_next(&loading, LEDGER_LOAD_RING, 5, 0));
	loading_end(&loading);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("loading");
	TCase *cases = tcase_create("loading");

	tcase_add_checked_fixture(cases, setup, NULL);
	tcase_add_test(cases, what_two_starts_have_died_of_is_left_out);
	tcase_add_test(cases, a_start_that_is_killed_makes_nothing_suspect);
	tcase_add_test(cases, several_suspects_are_remembered);
	tcase_add_test(cases, one_more_takes_the_place_of_who_has_seen_the_fewest_deaths);
	tcase_add_test(cases, a_start_that_comes_to_its_end_forgets_all);
	tcase_add_test(cases, what_another_program_has_died_of_is_loaded_again);
	tcase_add_test(cases, whoever_has_no_ledger_notes_nothing);
	tcase_add_test(cases, any_bytes_may_be_noted);
	suite_add_tcase(suite, cases);
	return suite_run(suite);
}
