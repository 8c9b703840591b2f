/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the privileged may do with domains, beside a Xen that has some, and what a domain may ask of itself. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "support/world_xen.h"
#include "support/scene.h"
#include "support/suite.h"

static struct world_xen *xen;

static void open_scene(void)
{
	scene_open_with_xen();
	xen = scene.world.xen;
	world_xen_start(xen, 5);
	world_xen_start(xen, 6);
}

static const struct domain *domain_of(uint16_t domid)
{
	return domain_find(&scene.world.domains, domid);
}

static void is_introduced(uint16_t domid, const char *answer)
{
	char payload[16];

	snprintf(payload, sizeof(payload), "%u", domid);
	scene_answer(scene.root, answer, MESSAGE_IS_DOMAIN_INTRODUCED, 0, payload);
}

/* ---- INTRODUCE ---- */

START_TEST(a_domain_that_xen_has_is_introduced)
{
	is_introduced(5, "F|");
	scene_answer(scene.root, "OK|", MESSAGE_INTRODUCE, 0, "5|4711|3");
	is_introduced(5, "T|");
	ck_assert_uint_eq(domain_of(5)->port, 3);
	scene_answer(xen->domains[5].ring, "/local/domain/5|", MESSAGE_GET_DOMAIN_PATH, 0, "5");
}
END_TEST

START_TEST(the_event_channel_that_the_page_names_goes_before_the_argument)
{
	xen->domains[5].page_port = 9;
	scene_introduce(5);
	ck_assert_uint_eq(domain_of(5)->port, 9);
}
END_TEST

START_TEST(what_cannot_be_introduced_is_einval)
{
	xen->domains[6].state.dying = true;
	scene_error(scene.root, "EINVAL", MESSAGE_INTRODUCE, 0, "0|4711|3");
	scene_error(scene.root, "EINVAL", MESSAGE_INTRODUCE, 0, "6|4711|3");
	scene_error(scene.root, "EINVAL", MESSAGE_INTRODUCE, 0, "7|4711|3");
	scene_error(scene.root, "EINVAL", MESSAGE_INTRODUCE, 0, "32752|4711|3");
	scene_error(scene.root, "EINVAL", MESSAGE_INTRODUCE, 0, "5|4711|0");
	scene_error(scene.root, "EINVAL", MESSAGE_INTRODUCE, 0, "5|4711|-1");
	scene_error(scene.root, "EINVAL", MESSAGE_INTRODUCE, 0, "5|4711");
	is_introduced(5, "F|");
	scene_ok(scene.root, MESSAGE_INTRODUCE, 0, "5|-1|3|more|than|needed");
}
END_TEST

START_TEST(what_xen_refuses_is_told_and_leaves_nothing)
{
	scene_watch(scene.root, "@introduceDomain|token");
	xen->refusal = STATUS_EPERM;
	scene_error(scene.root, "EPERM", MESSAGE_INTRODUCE, 0, "5|4711|3");
	is_introduced(5, "F|");
	scene_no_event(scene.root);
	ck_assert_ptr_null(xen->domains[5].ring);
	xen->refusal = 0;
	scene_introduce(5);
}
END_TEST

START_TEST(a_domain_that_is_introduced_again_begins_anew)
{
	scene_watch(scene.root, "@introduceDomain|token");
	scene_introduce(5);
	scene_event(scene.root, "@introduceDomain|token");
	struct world_client *guest = xen->domains[5].ring;
	scene_watch(guest, "/|token");
	uint32_t transaction = world_transaction(guest), epoch = domain_of(5)->epoch;

	scene_ok(scene.root, MESSAGE_INTRODUCE, 0, "5|4711|8");
	ck_assert_ptr_eq(xen->domains[5].ring, guest);
	ck_assert_uint_eq(xen->domains[5].resets, 1);
	ck_assert_uint_eq(domain_of(5)->port, 8);
	ck_assert_uint_ne(domain_of(5)->epoch, epoch);
	scene_no_event(scene.root);
	scene_error(guest, "ENOENT", MESSAGE_READ, transaction, "/");
	scene_error(guest, "ENOENT", MESSAGE_UNWATCH, 0, "/|token");
}
END_TEST

START_TEST(a_domain_introduced_twice_in_one_turn_is_reset_once)
{
	world_send(scene.root, MESSAGE_INTRODUCE, 0, "5\0004711\0003", 9);
	world_send(scene.root, MESSAGE_INTRODUCE, 0, "5\0004711\0008", 9);
	world_run(&scene.world);
	world_commit(&scene.world);
	scene_replied(scene.root, "");
	scene_replied(scene.root, "");
	ck_assert_uint_eq(domain_of(5)->port, 8);
	ck_assert_uint_eq(xen->domains[5].resets, 1);
	is_introduced(5, "T|");
}
END_TEST

START_TEST(an_introduction_whose_turn_fails_is_made_again)
{
	scene_watch(scene.root, "@introduceDomain|token");
	world_send(scene.root, MESSAGE_INTRODUCE, 0, "5\0004711\0003", 9);
	world_run(&scene.world);
	ck_assert_ptr_nonnull(xen->domains[5].ring);
	store_failed(scene.world.turn.store, EIO);
	world_commit(&scene.world);
	scene_replied(scene.root, "");
	scene_event(scene.root, "@introduceDomain|token");
	scene_no_event(scene.root);
	is_introduced(5, "T|");
	scene_ok(xen->domains[5].ring, MESSAGE_GET_DOMAIN_PATH, 0, "5");
}
END_TEST

/* ---- @introduceDomain ---- */

START_TEST(the_event_of_an_introduction_comes_before_its_reply)
{
	scene_watch(scene.root, "@introduceDomain|general");
	scene_ok(scene.root, MESSAGE_WATCH, 0, "@introduceDomain|deep|1");
	scene_ok(scene.root, MESSAGE_WATCH, 0, "@introduceDomain|flat|0");
	scene_ok(scene.root, MESSAGE_WATCH, 0, "@introduceDomain/5|one");
	scene_ok(scene.root, MESSAGE_WATCH, 0, "@introduceDomain/6|other");
	world_forget(scene.root);
	scene_introduce(5);
	scene_event(scene.root, "@introduceDomain|general");
	scene_event(scene.root, "@introduceDomain/5|deep");
	scene_event(scene.root, "@introduceDomain/5|one");
	scene_no_event(scene.root);
}
END_TEST

START_TEST(who_may_not_read_the_special_node_gets_no_event)
{
	scene_ok(scene.guest, MESSAGE_WATCH, 0, "@introduceDomain|token");
	scene_ok(scene.guest, MESSAGE_WATCH, 0, "@introduceDomain|deep|1");
	world_forget(scene.guest);
	scene_introduce(5);
	world_take(&scene.world);
	scene_no_event(scene.guest);
	scene_ok(scene.root, MESSAGE_SET_PERMS, 0, "@introduceDomain|n0|r1");
	world_forget(scene.guest);
	scene_introduce(6);
	scene_event(scene.guest, "@introduceDomain|token");
	scene_event(scene.guest, "@introduceDomain/6|deep");
	scene_no_event(scene.guest);
}
END_TEST

/* ---- RELEASE, RESUME ---- */

START_TEST(a_released_domain_is_not_introduced)
{
	scene_introduce(5);
	scene_answer(scene.root, "OK|", MESSAGE_RELEASE, 0, "5");
	ck_assert_ptr_null(xen->domains[5].ring);
	is_introduced(5, "F|");
	scene_error(scene.root, "ENOENT", MESSAGE_RELEASE, 0, "5");
	scene_introduce(5);
	is_introduced(5, "T|");
}
END_TEST

START_TEST(release_and_resume_are_for_introduced_domains)
{
	static const uint32_t types[] = {MESSAGE_RELEASE, MESSAGE_RESUME};

	for (size_t i = 0; i < 2; i++) {
		scene_error(scene.root, "ENOENT", types[i], 0, "5");
		scene_error(scene.root, "ENOENT", types[i], 0, "7");
		scene_error(scene.root, "EINVAL", types[i], 0, "0");
		scene_error(scene.root, "EINVAL", types[i], 0, "1|2");
		scene_error(scene.root, "EINVAL", types[i], 0, "x");
	}
	scene_ok(scene.root, MESSAGE_RESUME, 0, "1");
}
END_TEST

START_TEST(the_events_of_a_release_come_before_its_reply)
{
	scene_introduce(5);
	scene_watch(scene.root, "@releaseDomain|general");
	scene_ok(scene.root, MESSAGE_WATCH, 0, "@releaseDomain|deep|1");
	scene_ok(scene.root, MESSAGE_WATCH, 0, "@releaseDomain|flat|0");
	scene_ok(scene.root, MESSAGE_WATCH, 0, "@releaseDomain/5|one");
	scene_ok(scene.root, MESSAGE_WATCH, 0, "@releaseDomain/6|other");
	scene_watch(scene.guest, "@releaseDomain|guest");
	world_forget(scene.root);
	scene_ok(scene.root, MESSAGE_RELEASE, 0, "5");
	scene_event(scene.root, "@releaseDomain|general");
	scene_event(scene.root, "@releaseDomain/5|deep");
	scene_event(scene.root, "@releaseDomain/5|one");
	scene_no_event(scene.root);
	scene_event(scene.guest, "@releaseDomain|guest"); /* all may watch it */
}
END_TEST

START_TEST(a_release_whose_turn_fails_is_made_again)
{
	struct world_client *guest = scene_introduce(5);

	scene_node("/home", "", "n5");
	scene_watch(guest, "/|token");
	world_send(scene.root, MESSAGE_RELEASE, 0, "5", 2);
	world_run(&scene.world);
	store_failed(scene.world.turn.store, EIO);
	world_commit(&scene.world);
	scene_replied(scene.root, "");
	ck_assert_ptr_null(xen->domains[5].ring);
	is_introduced(5, "F|");
	scene_error(scene.root, "ENOENT", MESSAGE_READ, 0, "/home");
}
END_TEST

START_TEST(requests_behind_a_release_in_its_turn_see_it_done)
{
	scene_introduce(5);
	world_send(scene.root, MESSAGE_RELEASE, 0, "5", 2);
	world_send(scene.root, MESSAGE_RELEASE, 0, "5", 2);
	world_send(scene.root, MESSAGE_SET_TARGET, 0, "1\0005", 4);
	world_run(&scene.world);
	world_commit(&scene.world);
	scene_replied(scene.root, "");
	scene_replied(scene.root, "ENOENT");
	scene_replied(scene.root, "ENOENT");
}
END_TEST

/* A kexec: what was introduced is released and introduced with nothing between (XSA-425 was a crash there). */
START_TEST(release_and_introduction_in_one_turn)
{
	struct world_client *guest = scene_introduce(5);

	scene_node("/home", "", "n5");
	world_send(guest, MESSAGE_READ, 0, "/home", 6);
	world_send(scene.root, MESSAGE_RELEASE, 0, "5", 2);
	world_send(scene.root, MESSAGE_INTRODUCE, 0, "5\0004711\0008", 9);
	world_send(guest, MESSAGE_READ, 0, "/home", 6);
	world_run(&scene.world);
	world_commit(&scene.world);
	scene_replied(scene.root, "");
	scene_replied(scene.root, "");
	ck_assert_ptr_nonnull(xen->domains[5].ring);
	is_introduced(5, "T|");
	scene_error(xen->domains[5].ring, "EACCES", MESSAGE_READ, 0, "/home");
}
END_TEST

/* ---- SET_TARGET ---- */

START_TEST(a_domain_acts_for_its_target)
{
	struct world_client *stub = scene_introduce(5);

	scene_node("/home", "", "n1");
	scene_error(stub, "EACCES", MESSAGE_READ, 0, "/home");
	scene_answer(scene.root, "OK|", MESSAGE_SET_TARGET, 0, "5|1");
	scene_ok(stub, MESSAGE_READ, 0, "/home");
	scene_ok(scene.root, MESSAGE_RELEASE, 0, "1");
	scene.guest = NULL;
	ck_assert_uint_eq(domain_of(5)->caller.target, DOMID_NONE);
}
END_TEST

START_TEST(targets_are_domains_that_are_served)
{
	scene_error(scene.root, "ENOENT", MESSAGE_SET_TARGET, 0, "5|1");
	scene_error(scene.root, "ENOENT", MESSAGE_SET_TARGET, 0, "1|5");
	scene_error(scene.root, "EINVAL", MESSAGE_SET_TARGET, 0, "1");
	scene_error(scene.root, "EINVAL", MESSAGE_SET_TARGET, 0, "1|x");
	ck_assert_uint_eq(domain_of(1)->caller.target, DOMID_NONE);
}
END_TEST

START_TEST(a_target_whose_turn_fails_is_set_again)
{
	scene_introduce(5);
	world_send(scene.root, MESSAGE_SET_TARGET, 0, "5\0001", 4);
	world_run(&scene.world);
	ck_assert_uint_eq(domain_of(5)->caller.target, 1);
	store_failed(scene.world.turn.store, EIO);
	turn_commit(&scene.world.turn);
	world_take(&scene.world);
	scene_replied(scene.root, "");
	ck_assert_uint_eq(domain_of(5)->caller.target, 1);
}
END_TEST

START_TEST(a_target_is_found_again_once_its_release_was_undone)
{
	scene_introduce(5);
	scene_ok(scene.root, MESSAGE_SET_TARGET, 0, "5|1");
	world_send(scene.root, MESSAGE_RELEASE, 0, "1", 2);
	world_run(&scene.world);
	ck_assert_uint_eq(domain_of(5)->caller.target, DOMID_NONE);
	store_failed(scene.world.turn.store, EIO);
	turn_commit(&scene.world.turn);
	world_take(&scene.world);
	scene_replied(scene.root, "");
	scene.guest = NULL;
	ck_assert_uint_eq(domain_of(5)->caller.target, DOMID_NONE);
	ck_assert_ptr_null(domain_acting_for(&scene.world.domains, 1));
}
END_TEST

/* ---- features ---- */

START_TEST(features_are_chosen_before_the_introduction)
{
	scene_answer(scene.root, "15|", MESSAGE_GET_FEATURE, 0, "5");
	scene_answer(scene.root, "OK|", MESSAGE_SET_FEATURE, 0, "5|3");
	scene_answer(scene.root, "3|", MESSAGE_GET_FEATURE, 0, "5");
	scene_error(scene.root, "EINVAL", MESSAGE_SET_FEATURE, 0, "5|16");
	scene_error(scene.root, "ENOENT", MESSAGE_SET_FEATURE, 0, "7|1");
	scene_introduce(5);
	scene_error(scene.root, "EBUSY", MESSAGE_SET_FEATURE, 0, "5|15");
	scene_error(scene.root, "EBUSY", MESSAGE_SET_FEATURE, 0, "5|16");
	scene_error(scene.root, "EBUSY", MESSAGE_SET_FEATURE, 0, "0|1");
	scene_answer(scene.root, "3|", MESSAGE_GET_FEATURE, 0, "5");
	scene_ok(scene.root, MESSAGE_RELEASE, 0, "5");
	scene_answer(scene.root, "15|", MESSAGE_GET_FEATURE, 0, "5");
}
END_TEST

START_TEST(a_domain_may_ask_for_its_own_features_only)
{
	scene_ok(scene.root, MESSAGE_SET_FEATURE, 0, "5|3");
	struct world_client *guest = scene_introduce(5);

	const struct world_message *reply = world_request(guest, MESSAGE_GET_FEATURE, 0, "", 0);
	ck_assert_str_eq(reply->payload, "3");
	scene_error(guest, "EACCES", MESSAGE_GET_FEATURE, 0, "5");
	scene_error(guest, "EACCES", MESSAGE_GET_FEATURE, 0, "x|y");
	scene_error(guest, "EACCES", MESSAGE_SET_FEATURE, 0, "5|15");
	reply = world_request(scene.root, MESSAGE_GET_FEATURE, 0, "", 0);
	ck_assert_str_eq(reply->payload, "15");
}
END_TEST

START_TEST(what_is_withheld_cannot_be_used)
{
	scene_ok(scene.root, MESSAGE_SET_FEATURE, 0, "5|3");
	struct world_client *guest = scene_introduce(5);

	scene_node("/home", "", "n5");
	scene_error(guest, "EINVAL", MESSAGE_WATCH, 0, "/home|token|1");
	scene_ok(guest, MESSAGE_WATCH, 0, "/home|token");
	scene_ok(guest, MESSAGE_SET_PERMS, 0, "/home|n5|r32757");
	scene_answer(guest, "n5|", MESSAGE_GET_PERMS, 0, "/home");
	scene_node("/home", "", "n1");
	scene_ok(scene.guest, MESSAGE_SET_PERMS, 0, "/home|n1|r32757");
	scene_answer(scene.guest, "n1|r32757|", MESSAGE_GET_PERMS, 0, "/home");
}
END_TEST

/* ---- quotas ---- */

START_TEST(a_domains_own_quota_limits_it_and_no_other)
{
	struct world_client *guest = scene_introduce(5);

	scene_node("/one", "", "n1");
	scene_node("/five", "", "n5");
	scene_ok(scene.root, MESSAGE_SET_QUOTA, 0, "5|nodes|2");
	scene_ok(scene.root, MESSAGE_SET_QUOTA, 0, "5|watches|1");
	scene_ok(scene.root, MESSAGE_SET_QUOTA, 0, "5|transactions|1");
	scene_ok(scene.root, MESSAGE_SET_QUOTA, 0, "5|node-size|10");
	scene_ok(scene.root, MESSAGE_SET_QUOTA, 0, "5|path-max|8");
	scene_write(guest, 0, "/five/a", "");
	scene_write_error(guest, "ENOSPC", 0, "/five/b", "");
	scene_write_error(guest, "ENOSPC", 0, "/five/a", "xyz");
	scene_error(guest, "EINVAL", MESSAGE_READ, 0, "/five/long");
	scene_ok(guest, MESSAGE_WATCH, 0, "/|a");
	scene_error(guest, "ENOSPC", MESSAGE_WATCH, 0, "/|b");
	ck_assert_uint_ne(world_transaction(guest), 0);
	scene_error(guest, "ENOSPC", MESSAGE_TRANSACTION_START, 0, "");
	for (int i = 0; i < 3; i++) {
		char path[16];
		snprintf(path, sizeof(path), "/one/abcd%d", i);
		scene_write(scene.guest, 0, path, "xyz");
		ck_assert_uint_ne(world_transaction(scene.guest), 0);
	}
}
END_TEST

START_TEST(a_domains_own_quota_ends_with_it)
{
	scene_ok(scene.root, MESSAGE_SET_QUOTA, 0, "5|nodes|2");
	scene_ok(scene.root, MESSAGE_SET_QUOTA, 0, "nodes|3");
	scene_introduce(5);
	scene_answer(scene.root, "2|", MESSAGE_GET_QUOTA, 0, "5|nodes");
	scene_answer(scene.root, "3|", MESSAGE_GET_QUOTA, 0, "1|nodes");
	scene_ok(scene.root, MESSAGE_RELEASE, 0, "5");
	scene_answer(scene.root, "3|", MESSAGE_GET_QUOTA, 0, "5|nodes");
}
END_TEST

START_TEST(quotas_whose_turn_fails_are_set_again)
{
	world_send(scene.root, MESSAGE_SET_QUOTA, 0, "nodes\0007", 8);
	world_send(scene.root, MESSAGE_SET_QUOTA, 0, "1\0nodes\0008", 10);
	world_run(&scene.world);
	store_failed(scene.world.turn.store, EIO);
	world_commit(&scene.world);
	scene_replied(scene.root, "");
	scene_replied(scene.root, "");
	scene_answer(scene.root, "7|", MESSAGE_GET_QUOTA, 0, "nodes");
	scene_answer(scene.root, "8|", MESSAGE_GET_QUOTA, 0, "1|nodes");
}
END_TEST

/* ---- permissions of domains ---- */

START_TEST(who_is_named_in_permissions_is_known_from_then_on)
{
	scene_ok(scene.root, MESSAGE_MKDIR, 0, "/a");
	ck_assert_ptr_null(domain_of(5));
	scene_ok(scene.root, MESSAGE_SET_PERMS, 0, "/a|n5|r6|r7|r0");
	scene_answer(scene.root, "n5|r6|r0|", MESSAGE_GET_PERMS, 0, "/a");
	ck_assert_uint_eq(domain_of(5)->identity.unique_id, xen->domains[5].state.identity.unique_id);
	ck_assert_uint_eq(domain_of(6)->identity.unique_id, xen->domains[6].state.identity.unique_id);
	ck_assert_ptr_null(domain_of(7));
	ck_assert_ptr_null(scene.world.domains.unsaved);
}
END_TEST

START_TEST(who_is_named_inside_a_transaction_is_saved_with_its_end)
{
	uint32_t transaction = world_transaction(scene.root);

	scene_ok(scene.root, MESSAGE_MKDIR, transaction, "/a");
	scene_ok(scene.root, MESSAGE_SET_PERMS, transaction, "/a|n5");
	ck_assert_ptr_nonnull(scene.world.domains.unsaved);
	scene_ok(scene.root, MESSAGE_TRANSACTION_END, transaction, "T");
	ck_assert_ptr_null(scene.world.domains.unsaved);
	ck_assert_uint_eq(scene_owned(5), 1);
}
END_TEST

START_TEST(a_fault_of_asking_xen_is_a_fault_of_the_request)
{
	scene_ok(scene.root, MESSAGE_MKDIR, 0, "/a");
	xen->fault = -EIO;
	scene_error(scene.root, "EIO", MESSAGE_SET_PERMS, 0, "/a|n5");
	scene_error(scene.root, "EIO", MESSAGE_INTRODUCE, 0, "5|4711|3");
	xen->fault = 0;
	scene_answer(scene.root, "n0|", MESSAGE_GET_PERMS, 0, "/a");
}
END_TEST

START_TEST(a_guest_may_do_none_of_it)
{
	static const uint32_t types[] = {MESSAGE_INTRODUCE, MESSAGE_RELEASE,	MESSAGE_IS_DOMAIN_INTRODUCED,
					 MESSAGE_RESUME,    MESSAGE_SET_TARGET, MESSAGE_SET_FEATURE,
					 MESSAGE_GET_QUOTA, MESSAGE_SET_QUOTA};

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		scene_error(scene.guest, "EACCES", types[i], 0, "5|1|1");
		scene_error(scene.guest, "EACCES", types[i], 0, "1");
		ck_assert_str_eq(world_request(scene.guest, types[i], 0, "", 0)->error, "EACCES");
	}
	is_introduced(1, "T|");
	is_introduced(5, "F|");
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
	    a_domain_that_xen_has_is_introduced,
	    the_event_channel_that_the_page_names_goes_before_the_argument,
	    what_cannot_be_introduced_is_einval,
	    what_xen_refuses_is_told_and_leaves_nothing,
	    a_domain_that_is_introduced_again_begins_anew,
	    a_domain_introduced_twice_in_one_turn_is_reset_once,
	    an_introduction_whose_turn_fails_is_made_again,
	    the_event_of_an_introduction_comes_before_its_reply,
	    who_may_not_read_the_special_node_gets_no_event,
	    a_released_domain_is_not_introduced,
	    release_and_resume_are_for_introduced_domains,
	    the_events_of_a_release_come_before_its_reply,
	    a_release_whose_turn_fails_is_made_again,
	    requests_behind_a_release_in_its_turn_see_it_done,
	    release_and_introduction_in_one_turn,
	    a_domain_acts_for_its_target,
	    targets_are_domains_that_are_served,
	    a_target_whose_turn_fails_is_set_again,
	    a_target_is_found_again_once_its_release_was_undone,
	    features_are_chosen_before_the_introduction,
	    a_domain_may_ask_for_its_own_features_only,
	    what_is_withheld_cannot_be_used,
	    a_domains_own_quota_limits_it_and_no_other,
	    a_domains_own_quota_ends_with_it,
	    quotas_whose_turn_fails_are_set_again,
	    who_is_named_in_permissions_is_known_from_then_on,
	    who_is_named_inside_a_transaction_is_saved_with_its_end,
	    a_fault_of_asking_xen_is_a_fault_of_the_request,
	    a_guest_may_do_none_of_it,
	};
	Suite *suite = suite_create("domain operations");
	TCase *cases = tcase_create("all");

	tcase_add_checked_fixture(cases, open_scene, scene_close);
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		tcase_add_test(cases, tests[i]);
	suite_add_tcase(suite, cases);
	return suite_run(suite);
}
