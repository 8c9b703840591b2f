/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Charges and the budgets they make up. */
#include "base/budget.h"

#include <check.h>
#include <stddef.h>

#include "base/status.h"
#include "support/suite.h"

START_TEST(a_budget_is_the_sum_of_its_charges)
{
	struct budget budget = {0};
	struct charge a = {&budget, 0}, b = {&budget, 0};

	ck_assert_int_eq(charge_set(&a, 3, 10), 0);
	ck_assert_int_eq(charge_set(&b, 4, 10), 0);
	ck_assert_uint_eq(budget.used, 7);
	charge_free(&a);
	ck_assert_uint_eq(budget.used, 4);
	charge_free(&b);
	ck_assert_uint_eq(budget.used, 0);
}
END_TEST

START_TEST(exactly_the_limit_is_allowed)
{
	struct budget budget = {0};
	struct charge a = {&budget, 0}, b = {&budget, 0};

	ck_assert_int_eq(charge_set(&a, 6, 10), 0);
	ck_assert_int_eq(charge_set(&b, 5, 10), STATUS_ENOSPC);
	ck_assert_uint_eq(b.amount, 0);
	ck_assert_uint_eq(budget.used, 6);
	ck_assert_int_eq(charge_set(&b, 4, 10), 0);
	ck_assert_int_eq(charge_set(&b, 5, 10), STATUS_ENOSPC);
	ck_assert_uint_eq(b.amount, 4);
}
END_TEST

START_TEST(a_charge_may_shrink_though_the_limit_was_lowered)
{
	struct budget budget = {0};
	struct charge charge = {&budget, 0};

	ck_assert_int_eq(charge_set(&charge, 10, 10), 0);
	ck_assert_int_eq(charge_set(&charge, 9, 2), 0);
	ck_assert_int_eq(charge_set(&charge, 9, 2), 0);
	ck_assert_int_eq(charge_set(&charge, 10, 2), STATUS_ENOSPC);
	ck_assert_uint_eq(budget.used, 9);
}
END_TEST

START_TEST(no_sum_wraps_around)
{
	struct budget budget = {0};
	struct charge a = {&budget, 0}, b = {&budget, 0};

	ck_assert_int_eq(charge_set(&a, UINT64_MAX - 1, UINT64_MAX), 0);
	ck_assert_int_eq(charge_set(&b, 2, UINT64_MAX), STATUS_ENOSPC);
	ck_assert_int_eq(charge_set(&b, 1, UINT64_MAX), 0);
}
END_TEST

START_TEST(what_is_forced_asks_for_no_limit_but_counts)
{
	struct budget budget = {0};
	struct charge a = {&budget, 0}, b = {&budget, 0};

	charge_force(&a, 20);
	ck_assert_uint_eq(budget.used, 20);
	ck_assert_int_eq(charge_set(&b, 1, 10), STATUS_ENOSPC);
}
END_TEST

START_TEST(the_most_that_was_ever_used_is_kept)
{
	struct budget budget = {0};
	struct charge charge = {&budget, 0};

	charge_force(&charge, 5);
	charge_force(&charge, 2);
	charge_force(&charge, 4);
	ck_assert_uint_eq(budget.most, 5);
	charge_free(&charge);
	ck_assert_uint_eq(budget.most, 5);
}
END_TEST

START_TEST(a_charge_without_a_budget_is_free)
{
	struct charge charge = {0};

	ck_assert_int_eq(charge_set(&charge, 100, 0), 0);
	charge_free(&charge);
	charge_free(&charge);
	ck_assert_uint_eq(charge.amount, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("budget");
	TCase *tcase = tcase_create("charges");

	tcase_add_test(tcase, a_budget_is_the_sum_of_its_charges);
	tcase_add_test(tcase, exactly_the_limit_is_allowed);
	tcase_add_test(tcase, a_charge_may_shrink_though_the_limit_was_lowered);
	tcase_add_test(tcase, no_sum_wraps_around);
	tcase_add_test(tcase, what_is_forced_asks_for_no_limit_but_counts);
	tcase_add_test(tcase, the_most_that_was_ever_used_is_kept);
	tcase_add_test(tcase, a_charge_without_a_budget_is_free);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
