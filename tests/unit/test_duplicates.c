/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table of queued events: records are found until they are sent or removed, and the table does not grow with what is gone. */
#include "ledger/duplicates.h"
#include "support/suite.h"

#include <check.h>

static struct duplicates *table;

static void setup(void)
{
	table = duplicates_new();
	ck_assert_ptr_nonnull(table);
}

static void teardown(void)
{
	duplicates_free(table);
}

static void add(uint32_t fingerprint, uint64_t at, uint64_t from)
{
	struct duplicate added = {.at = at, .fingerprint = fingerprint, .block = 1};

	if (duplicates_add(&table, &added, from))
		ck_abort_msg("out of memory");
}

static int count(uint32_t fingerprint, uint64_t from)
{
	struct duplicate found;
	size_t cursor = 0;
	int n = 0;

	while (duplicates_next(table, fingerprint, from, &cursor, &found)) {
		if (found.fingerprint != fingerprint || found.at < from)
			ck_abort_msg("another record was found");
		n++;
	}
	return n;
}

START_TEST(every_record_is_found_and_no_other)
{
	for (uint32_t i = 0; i < 100000; i++)
		add(i * 2654435761u, i, 0);
	for (uint32_t i = 0; i < 100000; i++)
		if (count(i * 2654435761u, 0) != 1)
			ck_abort_msg("record %u was not found", i);
	ck_assert_int_eq(count(100000 * 2654435761u, 0), 0);
}
END_TEST

START_TEST(records_of_the_same_fingerprint_are_all_found)
{
	for (uint32_t i = 0; i < 500; i++)
		add(7, i, 0);
	ck_assert_int_eq(count(7, 0), 500);
	ck_assert_int_eq(count(7, 450), 50);
	ck_assert_int_eq(count(8, 0), 0);
}
END_TEST

START_TEST(a_record_is_gone_when_it_is_sent)
{
	add(7, 10, 0);
	ck_assert_int_eq(count(7, 10), 1);
	ck_assert_int_eq(count(7, 11), 0);
}
END_TEST

START_TEST(a_removed_record_hides_none_behind_it)
{
	add(7, 10, 0);
	add(7, 20, 0);
	add(7, 30, 0);
	duplicates_remove(table, 7, 20);
	duplicates_remove(table, 7, 25);
	ck_assert_int_eq(count(7, 0), 2);
	add(7, 20, 0);
	ck_assert_int_eq(count(7, 0), 3);
}
END_TEST

START_TEST(the_table_does_not_grow_with_what_was_sent)
{
	for (uint64_t i = 0; i < 1000000; i++)
		add((uint32_t)i * 2654435761u, i, i < 20 ? 0 : i - 20);
	ck_assert_uint_le(duplicates_memory(table), 64 * sizeof(struct duplicate) + 64);
	for (uint32_t i = 999981; i < 1000000; i++)
		ck_assert_int_eq(count(i * 2654435761u, 999980), 1);
}
END_TEST

START_TEST(a_record_costs_less_than_fifty_bytes)
{
	for (uint32_t i = 0; i < 50000; i++)
		add(i * 2654435761u, i, 0);
	ck_assert_uint_le(duplicates_memory(table) / 50000, 50);
	ck_assert_uint_eq(duplicates_memory(NULL), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("duplicates");
	TCase *cases = tcase_create("duplicates");

	tcase_add_checked_fixture(cases, setup, teardown);
	tcase_add_test(cases, every_record_is_found_and_no_other);
	tcase_add_test(cases, records_of_the_same_fingerprint_are_all_found);
	tcase_add_test(cases, a_record_is_gone_when_it_is_sent);
	tcase_add_test(cases, a_removed_record_hides_none_behind_it);
	tcase_add_test(cases, the_table_does_not_grow_with_what_was_sent);
	tcase_add_test(cases, a_record_costs_less_than_fifty_bytes);
	suite_add_tcase(suite, cases);
	return suite_run(suite);
}
