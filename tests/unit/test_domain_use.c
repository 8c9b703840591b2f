/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What domains use of what quotas limit, and the most that they have used. */
#include "domain/domain_use.h"

#include <check.h>

#include "support/scene.h"
#include "support/suite.h"

static struct domains *domains;
static struct store *store;
static struct domain *guest, *other, *root;

static void open_scene(void)
{
	scene_open();
	domains = &scene.world.domains;
	store = scene.world.turn.store;
	guest = domain_find(domains, WORLD_GUEST);
	root = domain_find(domains, DOMID_PRIVILEGED);
	ck_assert_int_eq(domain_get(domains, 2, &other), 0);
}

static void expect_use(const struct domain *domain, enum quota quota, uint64_t used, uint64_t most)
{
	struct quota_use use;

	ck_assert_int_eq(domain_use(domain, store, quota, &use), 0);
	ck_assert_uint_eq(use.used, used);
	ck_assert_uint_eq(use.most, most);
}

static void expect_most(enum quota quota, uint64_t expected)
{
	uint64_t most;

	ck_assert_int_eq(domains_most(domains, store, quota, &most), 0);
	ck_assert_uint_eq(most, expected);
}

START_TEST(nodes_are_counted_however_they_come)
{
	scene_node("/a/b", "", "n1");
	scene_node("/a/c", "", "n1");
	expect_use(guest, QUOTA_NODES, 2, 2);
	scene_node("/a/c", "", "n2");
	expect_use(guest, QUOTA_NODES, 1, 2);
	expect_use(other, QUOTA_NODES, 1, 1);
}
END_TEST

START_TEST(what_was_there_before_the_daemon_counts)
{
	scene_node("/a", "", "n1");
	store->most_owned[WORLD_GUEST] = 0; /* as after a start */
	expect_use(guest, QUOTA_NODES, 1, 1);
	expect_most(QUOTA_NODES, 1);
}
END_TEST

START_TEST(budgets_tell_what_clients_have)
{
	struct charge charge = {&guest->budgets[QUOTA_OUTSTANDING], 0};

	charge_force(&charge, 5);
	charge_force(&charge, 3);
	expect_use(guest, QUOTA_OUTSTANDING, 3, 5);
	charge_free(&charge);
	expect_use(guest, QUOTA_OUTSTANDING, 0, 5);
}
END_TEST

START_TEST(of_single_things_only_the_most_is_known)
{
	guest->most_of_tree[TREE_LIMIT_NODE_SIZE] = 6;
	guest->most_of_tree[TREE_LIMIT_NODE_PERMISSIONS] = 7;
	guest->most_of_tree[TREE_LIMIT_TRANSACTION_NODES] = 8;
	guest->longest_path = 9;
	expect_use(guest, QUOTA_NODE_SIZE, 0, 6);
	expect_use(guest, QUOTA_NODE_PERMISSIONS, 0, 7);
	expect_use(guest, QUOTA_TRANSACTION_NODES, 0, 8);
	expect_use(guest, QUOTA_PATH_MAX, 0, 9);
}
END_TEST

START_TEST(the_most_of_all_is_that_of_one_and_never_of_the_privileged)
{
	guest->longest_path = 5;
	other->longest_path = 7;
	root->longest_path = 100;
	expect_most(QUOTA_PATH_MAX, 7);
}
END_TEST

START_TEST(who_has_gone_is_remembered_among_all_and_not_by_the_next_of_the_number)
{
	struct charge charge = {&guest->budgets[QUOTA_MEMORY], 0};

	scene_node("/a", "", "n1");
	scene_node("/a", "", "n0");
	charge_force(&charge, 50);
	charge_force(&charge, 20);
	guest->longest_path = 5;
	domain_use_ends(domains, guest, store);
	expect_use(guest, QUOTA_NODES, 0, 0);
	expect_use(guest, QUOTA_MEMORY, 20, 20); /* its clients have not gone yet */
	expect_use(guest, QUOTA_PATH_MAX, 0, 0);
	expect_most(QUOTA_NODES, 1);
	expect_most(QUOTA_MEMORY, 50);
	expect_most(QUOTA_PATH_MAX, 5);
	charge_free(&charge);
}
END_TEST

START_TEST(what_is_forgotten_leaves_what_is_used)
{
	struct charge charge = {&guest->budgets[QUOTA_MEMORY], 0};

	scene_node("/a", "", "n1");
	scene_node("/b", "", "n1");
	scene_node("/b", "", "n0");
	charge_force(&charge, 50);
	charge_force(&charge, 20);
	other->longest_path = 7;
	domain_use_ends(domains, other, store);
	domains_forget_most(domains, store);
	expect_use(guest, QUOTA_NODES, 1, 1);
	expect_most(QUOTA_NODES, 1);
	expect_most(QUOTA_MEMORY, 20);
	expect_most(QUOTA_PATH_MAX, 0);
	charge_free(&charge);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("domain use");
	TCase *cases = tcase_create("all");

	tcase_add_checked_fixture(cases, open_scene, scene_close);
	tcase_add_test(cases, nodes_are_counted_however_they_come);
	tcase_add_test(cases, what_was_there_before_the_daemon_counts);
	tcase_add_test(cases, budgets_tell_what_clients_have);
	tcase_add_test(cases, of_single_things_only_the_most_is_known);
	tcase_add_test(cases, the_most_of_all_is_that_of_one_and_never_of_the_privileged);
	tcase_add_test(cases, who_has_gone_is_remembered_among_all_and_not_by_the_next_of_the_number);
	tcase_add_test(cases, what_is_forgotten_leaves_what_is_used);
	suite_add_tcase(suite, cases);
	return suite_run(suite);
}
