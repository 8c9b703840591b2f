/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Quotas have the names and first values of C xenstored, and can be set and shown by name. */
#include "domain/quota.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

#include "base/status.h"
#include "support/suite.h"

static const struct {
	enum quota quota;
	const char *name;
	uint32_t hard, soft;
} first[QUOTA_COUNT] = {
    {QUOTA_NODES, "nodes", 1000, 0},
    {QUOTA_WATCHES, "watches", 128, 0},
    {QUOTA_OUTSTANDING, "outstanding", 20, 0},
    {QUOTA_MEMORY, "memory", 2621440, 2097152},
    {QUOTA_TRANSACTIONS, "transactions", 10, 0},
    {QUOTA_TRANSACTION_NODES, "transaction-nodes", 1024, 0},
    {QUOTA_NODE_PERMISSIONS, "node-permissions", 5, 0},
    {QUOTA_PATH_MAX, "path-max", 2048, 0},
    {QUOTA_NODE_SIZE, "node-size", 2048, 0},
};

static struct quotas quotas;

static void setup(void)
{
	memset(&quotas, 0xff, sizeof(quotas));
	quotas_init(&quotas);
}

START_TEST(names_and_first_values_are_those_of_c_xenstored)
{
	for (size_t i = 0; i < QUOTA_COUNT; i++) {
		ck_assert_uint_eq(first[i].quota, i); /* the store knows them by their numbers */
		ck_assert_str_eq(quota_name(first[i].quota), first[i].name);
		ck_assert_uint_eq(quotas.hard[first[i].quota], first[i].hard);
		ck_assert_uint_eq(quotas.soft[first[i].quota], first[i].soft);
	}
}
END_TEST

START_TEST(each_quota_can_be_set_and_changes_no_other)
{
	for (size_t i = 0; i < QUOTA_COUNT; i++) {
		setup();
		ck_assert_int_eq(quota_set(&quotas, false, first[i].name, 77), 0);
		for (size_t k = 0; k < QUOTA_COUNT; k++) {
			ck_assert_uint_eq(quotas.hard[first[k].quota], k == i ? 77 : first[k].hard);
			ck_assert_uint_eq(quotas.soft[first[k].quota], first[k].soft);
		}
	}
}
END_TEST

START_TEST(only_memory_has_a_soft_quota)
{
	for (size_t i = 0; i < QUOTA_COUNT; i++) {
		setup();
		bool has_one = first[i].quota == QUOTA_MEMORY;
		ck_assert_int_eq(quota_set(&quotas, true, first[i].name, 77), has_one ? 0 : STATUS_EINVAL);
		ck_assert_uint_eq(quotas.soft[first[i].quota], has_one ? 77 : 0);
		ck_assert_uint_eq(quotas.hard[first[i].quota], first[i].hard);
	}
}
END_TEST

START_TEST(a_quota_can_be_as_large_as_its_number)
{
	ck_assert_int_eq(quota_set(&quotas, false, "nodes", UINT32_MAX), 0);
	ck_assert_uint_eq(quotas.hard[QUOTA_NODES], UINT32_MAX);
	ck_assert_int_eq(quota_set(&quotas, false, "nodes", 1), 0);
	ck_assert_uint_eq(quotas.hard[QUOTA_NODES], 1);
}
END_TEST

START_TEST(a_quota_of_zero_is_no_limit)
{
	struct tree_limits limits;

	ck_assert_uint_eq(quota_limit(&quotas, QUOTA_WATCHES), 128);
	for (enum quota quota = 0; quota < QUOTA_COUNT; quota++) {
		ck_assert_int_eq(quota_set(&quotas, false, quota_name(quota), 0), 0);
		ck_assert_uint_eq(quotas.hard[quota], 0);
		ck_assert_uint_eq(quota_limit(&quotas, quota), UINT32_MAX);
	}
	ck_assert_int_eq(quota_set(&quotas, true, "memory", 0), 0);
	quotas_limits(&quotas, &limits);
	ck_assert_uint_eq(limits.nodes, UINT32_MAX);
	ck_assert_uint_eq(limits.node_size, UINT32_MAX);
	ck_assert_uint_eq(limits.node_permissions, UINT32_MAX);
	ck_assert_uint_eq(limits.transaction_nodes, UINT32_MAX);
}
END_TEST

START_TEST(what_is_no_quota_cannot_be_set)
{
	static const char *const names[] = {"", "node", "nodesx", "nodes ", "NODES", "memory=", "path-length", "entries"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		ck_assert_int_eq(quota_set(&quotas, false, names[i], 77), STATUS_EINVAL);
		ck_assert_int_eq(quota_set(&quotas, true, names[i], 77), STATUS_EINVAL);
	}
	for (size_t i = 0; i < QUOTA_COUNT; i++)
		ck_assert_uint_eq(quotas.hard[first[i].quota], first[i].hard);
}
END_TEST

START_TEST(what_was_set_goes_over_what_there_was)
{
	struct quota_settings settings = {0};

	quota_settings_apply(&settings, &quotas);
	for (size_t i = 0; i < QUOTA_COUNT; i++)
		ck_assert_uint_eq(quotas.hard[first[i].quota], first[i].hard);
	quota_settings_set(&settings, QUOTA_WATCHES, false, 0);
	quota_settings_set(&settings, QUOTA_MEMORY, true, 5);
	quota_settings_apply(&settings, &quotas);
	for (size_t i = 0; i < QUOTA_COUNT; i++) {
		ck_assert_uint_eq(quotas.hard[first[i].quota], first[i].quota == QUOTA_WATCHES ? 0 : first[i].hard);
		ck_assert_uint_eq(quotas.soft[first[i].quota], first[i].quota == QUOTA_MEMORY ? 5 : 0);
	}
}
END_TEST

START_TEST(each_hard_quota_is_a_line_of_the_text)
{
	struct buffer text;
	char line[64];

	buffer_init(&text);
	quotas_format(&quotas, false, &text);
	buffer_add_nul(&text);
	ck_assert(!strncmp(text.bytes, "Quota settings:\n", 16));
	for (size_t i = 0; i < QUOTA_COUNT; i++) {
		snprintf(line, sizeof(line), "\n%-17s: %8u ", first[i].name, first[i].hard);
		ck_assert_ptr_nonnull(strstr(text.bytes, line));
	}
	buffer_deinit(&text);
}
END_TEST

START_TEST(the_text_of_soft_quotas_has_those_only)
{
	struct buffer text;

	buffer_init(&text);
	quotas_format(&quotas, true, &text);
	buffer_add_nul(&text);
	ck_assert_ptr_nonnull(strstr(text.bytes, "\nmemory           :  2097152 "));
	ck_assert_ptr_null(strstr(text.bytes, "nodes"));
	buffer_deinit(&text);
}
END_TEST

START_TEST(the_trees_limits_are_the_hard_quotas)
{
	struct tree_limits limits;

	quota_set(&quotas, false, "nodes", 11);
	quota_set(&quotas, false, "node-size", 12);
	quota_set(&quotas, false, "node-permissions", 13);
	quota_set(&quotas, false, "transaction-nodes", 14);
	quotas_limits(&quotas, &limits);
	ck_assert_uint_eq(limits.nodes, 11);
	ck_assert_uint_eq(limits.node_size, 12);
	ck_assert_uint_eq(limits.node_permissions, 13);
	ck_assert_uint_eq(limits.transaction_nodes, 14);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("quota");
	TCase *cases = tcase_create("quota");

	tcase_add_checked_fixture(cases, setup, NULL);
	tcase_add_test(cases, names_and_first_values_are_those_of_c_xenstored);
	tcase_add_test(cases, each_quota_can_be_set_and_changes_no_other);
	tcase_add_test(cases, only_memory_has_a_soft_quota);
	tcase_add_test(cases, a_quota_can_be_as_large_as_its_number);
	tcase_add_test(cases, a_quota_of_zero_is_no_limit);
	tcase_add_test(cases, what_is_no_quota_cannot_be_set);
	tcase_add_test(cases, what_was_set_goes_over_what_there_was);
	tcase_add_test(cases, each_hard_quota_is_a_line_of_the_text);
	tcase_add_test(cases, the_text_of_soft_quotas_has_those_only);
	tcase_add_test(cases, the_trees_limits_are_the_hard_quotas);
	suite_add_tcase(suite, cases);
	return suite_run(suite);
}
