/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is kept of domains and quotas over a restart: doc/format.md, "d" and "q". */
#include "domain/domain_record.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/record.h"
#include "support/world_xen.h"
#include "support/scene.h"
#include "support/suite.h"

static char directory[64];

static void open_scene(void)
{
	const struct world_options options = {.with_xen = true, .directory = directory};

	snprintf(directory, sizeof(directory), "/dev/shm/lxenstored-record.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(directory));
	scene_open_with(&options);
	world_xen_start(scene.world.xen, 5);
}

/* The daemon is killed and another one begins; Xen stays. */
static void restart(void)
{
	const struct world_options options = {.with_xen = true, .directory = directory};
	struct world_xen xen = *scene.world.xen;

	world_deinit(&scene.world);
	ck_assert_int_eq(world_init(&scene.world, &options), 0);
	memcpy(scene.world.xen->domains, xen.domains, sizeof(xen.domains));
	for (int i = 0; i < WORLD_XEN_DOMAINS; i++)
		scene.world.xen->domains[i].ring = NULL;
	scene.root = world_client(&scene.world, DOMID_PRIVILEGED, true);
}

static void close_scene(void)
{
	char command[128];

	scene_close();
	snprintf(command, sizeof(command), "rm -r %s", directory);
	ck_assert_int_eq(system(command), 0);
}

static const struct domain *domain_of(uint16_t domid)
{
	return domain_find(&scene.world.domains, domid);
}

static bool is_recorded(uint16_t domid)
{
	struct store *store = scene.world.turn.store;
	unsigned char key[RECORD_DOMAIN_KEY_SIZE];
	const void *record;
	size_t len;

	record_domain_key(STORE_KEY_DOMAIN, domid, key);
	return !record_get(store, store_view(store), key, sizeof(key), &record, &len);
}

/* ---- the record ---- */

START_TEST(a_record_has_the_sizes_that_the_format_says)
{
	ck_assert_uint_eq(sizeof(struct store_quotas), 136);
	ck_assert_uint_eq(sizeof(struct store_domain), 184);
	ck_assert_uint_eq(offsetof(struct store_domain, port), 32);
	ck_assert_uint_eq(offsetof(struct store_domain, target), 44);
	ck_assert_uint_eq(offsetof(struct store_domain, quotas), 48);
}
END_TEST

START_TEST(a_domain_comes_back_from_its_record)
{
	struct domains *domains = &scene.world.domains;
	struct store_domain record;
	struct domain *domain, *other;

	ck_assert_int_eq(domain_get(domains, 5, &domain), 0);
	ck_assert_int_eq(domain_get(domains, 6, &other), 0);
	domain->introduced = true;
	domain->port = 7;
	domain->epoch = 8;
	domain->features = 9;
	domain_set_target(domains, domain, 10);
	domain->identity = (struct domain_identity){11, "handle of sixtee", 12};
	quota_settings_set(&domain->own_quotas, QUOTA_NODE_SIZE, false, 13);
	quota_settings_set(&domain->own_quotas, QUOTA_MEMORY, true, 14);
	domain_to_record(domain, &record);
	domain_from_record(domains, other, &record);
	ck_assert(other->introduced && !other->shut_down);
	ck_assert_uint_eq(other->port, 7);
	ck_assert_uint_eq(other->epoch, 8);
	ck_assert_uint_eq(other->features, 9);
	ck_assert_uint_eq(other->caller.target, 10);
	ck_assert_uint_eq(other->caller.domid, 6);
	ck_assert_uint_eq(other->identity.unique_id, 11);
	ck_assert_mem_eq(other->identity.handle, "handle of sixtee", 16);
	ck_assert_uint_eq(other->identity.shared_info_frame, 12);
	ck_assert_uint_eq(other->quotas.hard[QUOTA_NODE_SIZE], 13);
	ck_assert_uint_eq(other->limits.node_size, 13);
	ck_assert_uint_eq(other->quotas.soft[QUOTA_MEMORY], 14);
	domain->shut_down = true;
	domain->introduced = false;
	domain_to_record(domain, &record);
	domain_from_record(domains, other, &record);
	ck_assert(!other->introduced && other->shut_down);
}
END_TEST

/* ---- the store ---- */

START_TEST(what_was_said_of_a_domain_outlives_the_daemon)
{
	scene_ok(scene.root, MESSAGE_SET_FEATURE, 0, "5|3");
	scene_ok(scene.root, MESSAGE_SET_QUOTA, 0, "5|nodes|7");
	scene_introduce(5);
	scene_ok(scene.root, MESSAGE_SET_TARGET, 0, "5|1");
	struct domain before = *domain_of(5);

	restart();
	const struct domain *domain = domain_of(5);
	ck_assert_ptr_nonnull(domain);
	ck_assert(domain->introduced);
	ck_assert(domain->is_saved);
	ck_assert_uint_eq(domain->features, 3);
	ck_assert_uint_eq(domain->quotas.hard[QUOTA_NODES], 7);
	ck_assert_uint_eq(domain->caller.target, 1);
	ck_assert_ptr_eq(domain_acting_for(&scene.world.domains, 1), domain);
	ck_assert_uint_eq(domain->port, before.port);
	ck_assert_uint_eq(domain->epoch, before.epoch);
	ck_assert_uint_eq(domain->identity.unique_id, before.identity.unique_id);
}
END_TEST

START_TEST(who_was_only_named_is_known_after_a_restart)
{
	scene_ok(scene.root, MESSAGE_MKDIR, 0, "/a");
	scene_ok(scene.root, MESSAGE_SET_PERMS, 0, "/a|n5");
	uint64_t id = domain_of(5)->identity.unique_id;

	restart();
	ck_assert_ptr_nonnull(domain_of(5));
	ck_assert(!domain_of(5)->introduced);
	ck_assert_uint_eq(domain_of(5)->identity.unique_id, id);
}
END_TEST

START_TEST(a_released_domain_has_no_record)
{
	scene_introduce(5);
	ck_assert(is_recorded(5));
	scene_ok(scene.root, MESSAGE_RELEASE, 0, "5");
	ck_assert(!is_recorded(5));
	restart();
	ck_assert_ptr_null(domain_of(5));
}
END_TEST

START_TEST(the_privileged_domain_has_a_record_only_if_something_was_set)
{
	ck_assert(!is_recorded(0));
	scene_ok(scene.root, MESSAGE_SET_QUOTA, 0, "0|nodes|7");
	ck_assert(is_recorded(0));
	restart();
	ck_assert_uint_eq(domain_of(0)->quotas.hard[QUOTA_NODES], 7);
	ck_assert(domain_of(0)->caller.privileged);
}
END_TEST

START_TEST(an_owner_without_a_record_is_known_but_not_who_it_is)
{
	scene_node("/a", "", "n9");
	ck_assert(!is_recorded(9));
	restart();
	ck_assert_ptr_nonnull(domain_of(9));
	ck_assert(!identity_is_known(&domain_of(9)->identity));
	ck_assert(!domain_of(9)->is_saved);
}
END_TEST

/* ---- quotas ---- */

START_TEST(quotas_set_for_all_outlive_the_daemon)
{
	scene_ok(scene.root, MESSAGE_SET_QUOTA, 0, "nodes|7");
	scene_ok(scene.root, MESSAGE_CONTROL, 0, "quota|set|watches|8");
	scene_ok(scene.root, MESSAGE_CONTROL, 0, "quota-soft|set|memory|9");
	restart();
	scene_answer(scene.root, "7|", MESSAGE_GET_QUOTA, 0, "nodes");
	scene_answer(scene.root, "8|", MESSAGE_GET_QUOTA, 0, "watches");
	scene_answer(scene.root, "9|", MESSAGE_GET_QUOTA, 0, "soft-memory");
	scene_answer(scene.root, "2621440|", MESSAGE_GET_QUOTA, 0, "memory");
}
END_TEST

START_TEST(what_was_set_goes_before_the_command_line_and_that_before_the_default)
{
	struct quotas command_line;
	struct domains domains;

	scene_ok(scene.root, MESSAGE_SET_QUOTA, 0, "nodes|7");
	quotas_init(&command_line);
	quota_set(&command_line, false, "nodes", 50);
	quota_set(&command_line, false, "watches", 60);
	ck_assert_int_eq(domains_init(&domains, 0, 0, &command_line, NULL), 0);
	ck_assert_int_eq(domains_load(&domains, scene.world.turn.store, NULL), 0);
	ck_assert_uint_eq(domains.quotas.hard[QUOTA_NODES], 7);
	ck_assert_uint_eq(domains.quotas.hard[QUOTA_WATCHES], 60);
	ck_assert_uint_eq(domains.quotas.hard[QUOTA_TRANSACTIONS], 10);
	ck_assert_uint_eq(domain_find(&domains, 0)->quotas.hard[QUOTA_NODES], 7);
	domains_deinit(&domains);
}
END_TEST

START_TEST(a_record_of_another_size_is_not_taken)
{
	struct store *store = scene.world.turn.store;
	struct domains domains;

	ck_assert_int_eq(record_put(store, "d\0\5", 3, "short", 5), 0);
	ck_assert_int_eq(domains_init(&domains, 0, 0, NULL, NULL), 0);
	ck_assert_int_eq(domains_load(&domains, store, NULL), -EIO);
	domains_deinit(&domains);
	store_abort(store);
	ck_assert_int_eq(record_put(store, "q", 1, "short", 5), 0);
	ck_assert_int_eq(domains_init(&domains, 0, 0, NULL, NULL), 0);
	ck_assert_int_eq(domains_load(&domains, store, NULL), -EIO);
	domains_deinit(&domains);
	store_abort(store);
}
END_TEST

START_TEST(a_record_of_which_starts_have_died_is_left_out)
{
	struct ledger_start noted = {.suspects = {{LEDGER_LOAD_DOMAIN, 2, 6, 0}, {LEDGER_LOAD_DOMAIN, 1, 7, 0}}};
	struct store *store = scene.world.turn.store;
	const struct store_domain record = {.port = 3, .flags = STORE_DOMAIN_INTRODUCED};
	const struct ledger_loading *out;
	struct loading loading;
	struct domains domains;
	size_t index = 0;

	ck_assert_int_eq(record_put(store, "d\0\6", 3, &record, sizeof(record)), 0);
	ck_assert_int_eq(record_put(store, "d\0\7", 3, &record, sizeof(record)), 0);
	loading_begin(&loading, &noted);
	ck_assert_int_eq(domains_init(&domains, 0, 0, NULL, NULL), 0);
	ck_assert_int_eq(domains_load(&domains, store, &loading), 0);
	ck_assert_ptr_null(domain_find(&domains, 6));
	ck_assert(domain_find(&domains, 7)->introduced);
	out = loading_left_out(&loading, &index);
	ck_assert_uint_eq(out->first, 6);
	ck_assert_uint_eq(noted.now.first, 7);
	domains_deinit(&domains);
	store_abort(store);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
	    a_record_has_the_sizes_that_the_format_says,
	    a_domain_comes_back_from_its_record,
	    what_was_said_of_a_domain_outlives_the_daemon,
	    who_was_only_named_is_known_after_a_restart,
	    a_released_domain_has_no_record,
	    the_privileged_domain_has_a_record_only_if_something_was_set,
	    an_owner_without_a_record_is_known_but_not_who_it_is,
	    quotas_set_for_all_outlive_the_daemon,
	    what_was_set_goes_before_the_command_line_and_that_before_the_default,
	    a_record_of_another_size_is_not_taken,
	    a_record_of_which_starts_have_died_is_left_out,
	};
	Suite *suite = suite_create("domain record");
	TCase *cases = tcase_create("all");

	tcase_add_checked_fixture(cases, open_scene, close_scene);
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		tcase_add_test(cases, tests[i]);
	suite_add_tcase(suite, cases);
	return suite_run(suite);
}
