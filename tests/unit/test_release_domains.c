/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Domains that shut down, die, and give their numbers to others: what goes with them, who is told, and that it is whole. */
#include "request/release.h"

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

static void is_missing(const char *path)
{
	scene_error(scene.root, "ENOENT", MESSAGE_READ, 0, path);
}

static void exception(void)
{
	world_xen_exception(xen);
	world_take(&scene.world);
}

/* ---- death ---- */

START_TEST(what_a_dead_domain_had_goes_with_it)
{
	struct world_client *guest = scene_introduce(5);

	scene_node("/home/5", "", "n5");
	scene_write(guest, 0, "/home/5/data", "1");
	scene_node("/other/gift", "", "n5");
	scene_node("/shared", "", "n0 r5 r1");
	scene_node("/shared/own", "", "n1 b5");
	scene_watch(guest, "/shared|token");
	ck_assert_uint_ne(world_transaction(guest), 0);
	ck_assert_uint_eq(scene_owned(5), 3);

	world_xen_kill(xen, 5);
	exception();
	ck_assert_ptr_null(xen->domains[5].ring);
	ck_assert_ptr_null(domain_of(5));
	ck_assert_uint_eq(scene_owned(5), 0);
	is_missing("/home/5");
	is_missing("/other/gift");
	scene_answer(scene.root, "n0|r1|", MESSAGE_GET_PERMS, 0, "/shared");
	scene_answer(scene.root, "n1|", MESSAGE_GET_PERMS, 0, "/shared/own");
	ck_assert_uint_eq(watch_count(scene.world.turn.watches), 0);
	scene_answer(scene.root, "OK|", MESSAGE_CONTROL, 0, "txn");
}
END_TEST

START_TEST(a_domain_that_is_dying_is_dead)
{
	scene_introduce(5);
	xen->domains[5].state.dying = true;
	exception();
	ck_assert_ptr_null(xen->domains[5].ring);
	scene_answer(scene.root, "F|", MESSAGE_IS_DOMAIN_INTRODUCED, 0, "5");
}
END_TEST

START_TEST(living_domains_are_left_alone)
{
	scene_introduce(5);
	scene_watch(scene.root, "@releaseDomain|token");
	scene_node("/home/5", "", "n5");
	uint64_t commits = scene.world.turn.figures.commits;

	exception();
	ck_assert_ptr_nonnull(xen->domains[5].ring);
	scene_no_event(scene.root);
	ck_assert_uint_eq(scene.world.turn.figures.commits, commits);
	scene_ok(scene.root, MESSAGE_READ, 0, "/home/5");
}
END_TEST

START_TEST(the_death_of_a_domain_is_told_with_what_it_takes_away)
{
	scene_introduce(5);
	scene_node("/home/5/data", "", "n5");
	scene_node("/home/5", "", "n5");
	scene_watch(scene.root, "@releaseDomain|general");
	scene_ok(scene.root, MESSAGE_WATCH, 0, "@releaseDomain|deep|1");
	scene_ok(scene.root, MESSAGE_WATCH, 0, "@releaseDomain/5|one");
	scene_ok(scene.root, MESSAGE_WATCH, 0, "/home|nodes");
	world_forget(scene.root);
	world_xen_kill(xen, 5);
	exception();
	scene_event(scene.root, "/home/5|nodes");
	scene_event(scene.root, "@releaseDomain/5|deep");
	scene_event(scene.root, "@releaseDomain/5|one");
	scene_event(scene.root, "@releaseDomain|general");
	scene_no_event(scene.root);
	exception();
	scene_no_event(scene.root);
}
END_TEST

/* XSA-233: a domain and the one that acts for it die at once. */
START_TEST(xsa_233_a_domain_and_its_stub_domain_die_together)
{
	scene_introduce(5);
	scene_introduce(6);
	scene_ok(scene.root, MESSAGE_SET_TARGET, 0, "6|5");
	scene_watch(scene.root, "@releaseDomain|general");
	scene_ok(scene.root, MESSAGE_WATCH, 0, "@releaseDomain|deep|1");
	world_forget(scene.root);
	world_xen_kill(xen, 5);
	world_xen_kill(xen, 6);
	exception();
	scene_event(scene.root, "@releaseDomain/5|deep");
	scene_event(scene.root, "@releaseDomain/6|deep");
	scene_event(scene.root, "@releaseDomain|general");
	scene_no_event(scene.root);
	ck_assert_ptr_null(domain_of(5));
	ck_assert_ptr_null(domain_of(6));
	ck_assert_ptr_null(xen->domains[5].ring);
	ck_assert_ptr_null(xen->domains[6].ring);
}
END_TEST

START_TEST(a_target_ends_with_its_domain)
{
	scene_introduce(5);
	scene_introduce(6);
	scene_ok(scene.root, MESSAGE_SET_TARGET, 0, "6|5");
	world_xen_kill(xen, 5);
	exception();
	ck_assert_uint_eq(domain_of(6)->caller.target, DOMID_NONE);
	world_xen_start(xen, 5);
	scene_introduce(5);
	scene_node("/home/5", "", "n5");
	scene_error(xen->domains[6].ring, "EACCES", MESSAGE_READ, 0, "/home/5");
}
END_TEST

START_TEST(all_who_act_for_a_domain_stop_with_it_and_nobody_else)
{
	world_xen_start(xen, 7);
	world_xen_start(xen, 8);
	for (uint16_t domid = 5; domid <= 8; domid++)
		scene_introduce(domid);
	scene_ok(scene.root, MESSAGE_SET_TARGET, 0, "6|5");
	scene_ok(scene.root, MESSAGE_SET_TARGET, 0, "7|5");
	scene_ok(scene.root, MESSAGE_SET_TARGET, 0, "8|6");
	world_xen_kill(xen, 5);
	exception();
	ck_assert_uint_eq(domain_of(6)->caller.target, DOMID_NONE);
	ck_assert_uint_eq(domain_of(7)->caller.target, DOMID_NONE);
	ck_assert_uint_eq(domain_of(8)->caller.target, 6);
}
END_TEST

/* ---- domains that were never introduced ---- */

START_TEST(what_was_made_for_a_domain_that_was_never_introduced_goes_too)
{
	scene_watch(scene.root, "@releaseDomain|token");
	scene_ok(scene.root, MESSAGE_MKDIR, 0, "/home/5");
	scene_ok(scene.root, MESSAGE_SET_PERMS, 0, "/home/5|n5");
	scene_ok(scene.root, MESSAGE_MKDIR, 0, "/shared");
	scene_ok(scene.root, MESSAGE_SET_PERMS, 0, "/shared|n0|r6");
	world_xen_kill(xen, 5);
	world_xen_kill(xen, 6);
	exception();
	is_missing("/home/5");
	scene_answer(scene.root, "n0|", MESSAGE_GET_PERMS, 0, "/shared");
	ck_assert_ptr_null(domain_of(5));
	ck_assert_ptr_null(domain_of(6));
	scene_no_event(scene.root); /* nobody had a ring */
}
END_TEST

/* XSA-326 (CVE-2022-42313): what is made for a domain before its introduction counts for it. */
START_TEST(xsa_326_nodes_made_before_the_introduction_count)
{
	scene_ok(scene.root, MESSAGE_SET_QUOTA, 0, "nodes|3");
	scene_ok(scene.root, MESSAGE_MKDIR, 0, "/home");
	scene_ok(scene.root, MESSAGE_SET_PERMS, 0, "/home|n5");
	scene_ok(scene.root, MESSAGE_MKDIR, 0, "/home/a");
	ck_assert_uint_eq(scene_owned(5), 2);
	struct world_client *guest = scene_introduce(5);
	scene_write(guest, 0, "/home/b", "");
	scene_write_error(guest, "ENOSPC", 0, "/home/c", "");
}
END_TEST

/* ---- shutdown ---- */

START_TEST(a_shutdown_is_told_once_and_again_after_resume)
{
	struct world_client *guest = scene_introduce(5);

	scene_node("/home/5", "", "n5");
	scene_watch(scene.root, "@releaseDomain|general");
	scene_ok(scene.root, MESSAGE_WATCH, 0, "@releaseDomain|deep|1");
	world_forget(scene.root);
	for (int i = 0; i < 2; i++) {
		xen->domains[5].state.shut_down = true;
		exception();
		scene_event(scene.root, "@releaseDomain/5|deep");
		scene_event(scene.root, "@releaseDomain|general");
		exception();
		scene_no_event(scene.root);
		scene_ok(guest, MESSAGE_READ, 0, "/home/5");
		xen->domains[5].state.shut_down = false;
		exception();
		scene_no_event(scene.root);
		scene_ok(scene.root, MESSAGE_RESUME, 0, "5");
	}
}
END_TEST

START_TEST(the_death_after_a_shutdown_is_told_too)
{
	scene_introduce(5);
	scene_watch(scene.root, "@releaseDomain|general");
	xen->domains[5].state.shut_down = true;
	exception();
	scene_event(scene.root, "@releaseDomain|general");
	world_xen_kill(xen, 5);
	exception();
	scene_event(scene.root, "@releaseDomain|general");
	scene_no_event(scene.root);
}
END_TEST

START_TEST(shutdowns_of_domains_without_a_ring_are_not_told)
{
	scene_ok(scene.root, MESSAGE_SET_FEATURE, 0, "5|3");
	scene_watch(scene.root, "@releaseDomain|general");
	xen->domains[5].state.shut_down = xen->domains[0].state.shut_down = true;
	exception();
	scene_no_event(scene.root);
	ck_assert(!scene.world.domains.to_release);
}
END_TEST

/* ---- numbers used again ---- */

/* XSA-322, XSA-417: a domain that gets the number of another is a stranger, whenever Xen tells. */
START_TEST(xsa_322_a_new_domain_inherits_nothing)
{
	scene_introduce(5);
	scene_node("/home/5", "", "n5");
	scene_node("/shared", "", "n0 b5");
	scene_ok(scene.root, MESSAGE_SET_PERMS, 0, "@introduceDomain|n0|r5");
	scene_ok(scene.root, MESSAGE_SET_QUOTA, 0, "5|nodes|5000");
	world_xen_start(xen, 5);
	exception();
	struct world_client *stranger = scene_introduce(5);
	scene_error(stranger, "EACCES", MESSAGE_READ, 0, "/home/5");
	scene_error(stranger, "EACCES", MESSAGE_READ, 0, "/shared");
	scene_error(stranger, "EACCES", MESSAGE_GET_PERMS, 0, "@introduceDomain");
	scene_answer(scene.root, "1000|", MESSAGE_GET_QUOTA, 0, "5|nodes");
}
END_TEST

START_TEST(an_introduction_that_comes_before_the_news_releases_the_old_domain_first)
{
	scene_introduce(5);
	scene_node("/home/5", "", "n5");
	scene_watch(scene.root, "@releaseDomain|gone");
	scene_watch(scene.root, "@introduceDomain|there");
	world_xen_start(xen, 5);
	struct world_client *stranger = scene_introduce(5);
	scene_event(scene.root, "@releaseDomain|gone");
	scene_event(scene.root, "@introduceDomain|there");
	scene_no_event(scene.root);
	scene_error(stranger, "EACCES", MESSAGE_READ, 0, "/home/5");
	is_missing("/home/5");
	ck_assert_uint_eq(domain_of(5)->identity.unique_id, xen->domains[5].state.identity.unique_id);
	exception();
	scene_no_event(scene.root);
}
END_TEST

START_TEST(permissions_that_come_before_the_news_are_for_the_new_domain)
{
	struct world_client *guest = scene_introduce(5);

	scene_node("/shared", "", "n0 b5");
	scene_node("/new", "", "n0");
	world_xen_start(xen, 5);
	/* In one turn with requests of the old one. */
	world_send(guest, MESSAGE_WRITE, 0, "/shared\0001", 9);
	world_send(scene.root, MESSAGE_SET_PERMS, 0, "/new\0n0\0r5", 11);
	world_send(guest, MESSAGE_WRITE, 0, "/shared\0002", 9);
	world_run(&scene.world);
	world_commit(&scene.world);
	scene_replied(scene.root, "");
	scene_answer(scene.root, "n0|", MESSAGE_GET_PERMS, 0, "/shared");
	scene_answer(scene.root, "n0|r5|", MESSAGE_GET_PERMS, 0, "/new");
	ck_assert_uint_eq(domain_of(5)->identity.unique_id, xen->domains[5].state.identity.unique_id);
	scene_ok(scene_introduce(5), MESSAGE_READ, 0, "/new");
}
END_TEST

START_TEST(a_number_used_again_is_found_inside_a_transaction_too)
{
	scene_introduce(5);
	scene_node("/home/5", "", "n5");
	uint32_t transaction = world_transaction(scene.root);

	scene_ok(scene.root, MESSAGE_MKDIR, transaction, "/new");
	world_xen_start(xen, 5);
	scene_ok(scene.root, MESSAGE_SET_PERMS, transaction, "/new|n0|r5");
	is_missing("/home/5");
	scene_ok(scene.root, MESSAGE_TRANSACTION_END, transaction, "T");
	scene_answer(scene.root, "n0|r5|", MESSAGE_GET_PERMS, 0, "/new");
}
END_TEST

/* ---- special nodes ---- */

START_TEST(special_nodes_and_the_root_lose_a_dead_domain_but_stay)
{
	scene_introduce(5);
	scene_ok(scene.root, MESSAGE_SET_PERMS, 0, "@releaseDomain|n5|r1|r5");
	scene_ok(scene.root, MESSAGE_SET_PERMS, 0, "@introduceDomain|n0|r5");
	scene_node("/", "", "n5 r1");
	world_xen_kill(xen, 5);
	exception();
	scene_answer(scene.root, "n0|r1|", MESSAGE_GET_PERMS, 0, "@releaseDomain");
	scene_answer(scene.root, "n0|", MESSAGE_GET_PERMS, 0, "@introduceDomain");
	scene_answer(scene.root, "n0|r1|", MESSAGE_GET_PERMS, 0, "/");
}
END_TEST

/* ---- faults ---- */

START_TEST(a_release_that_fails_leaves_all_and_is_made_up_for)
{
	scene_introduce(5);
	scene_node("/home/5", "", "n5");
	scene_watch(scene.root, "@releaseDomain|gone");
	world_xen_kill(xen, 5);
	ck_assert_int_eq(release_check_domains(&scene.world.turn), 0);
	xen->domains[5].changing = true; /* so that its ring cannot be released */
	ck_assert(!release_more(&scene.world.turn));
	ck_assert_ptr_nonnull(xen->domains[5].ring);
	ck_assert(domain_of(5)->introduced);
	scene_ok(scene.root, MESSAGE_READ, 0, "/home/5");
	scene_no_event(scene.root);
	xen->domains[5].changing = false;
	exception();
	ck_assert_ptr_null(domain_of(5));
	is_missing("/home/5");
	scene_event(scene.root, "@releaseDomain|gone");
	scene_no_event(scene.root);
}
END_TEST

START_TEST(while_xen_cannot_be_asked_nobody_is_released)
{
	scene_introduce(5);
	world_xen_kill(xen, 5);
	xen->fault = -EIO;
	ck_assert_int_eq(release_check_domains(&scene.world.turn), -EIO);
	ck_assert(!scene.world.domains.to_release);
	ck_assert_ptr_nonnull(domain_of(5));
}
END_TEST

START_TEST(without_xen_nobody_is_released)
{
	scene_introduce(5);
	scene.world.domains.hypervisor = NULL;
	ck_assert_int_eq(release_check_domains(&scene.world.turn), 0);
	ck_assert(!scene.world.domains.to_release);
	ck_assert_ptr_nonnull(domain_of(5));
}
END_TEST

/* ---- many ---- */

START_TEST(many_deaths_are_done_in_batches)
{
	enum { FIRST = 10, LAST = 29, NODES = 500 };
	char path[64], permissions[16];

	for (uint16_t domid = FIRST; domid <= LAST; domid++) {
		world_xen_start(xen, domid);
		scene_introduce(domid);
		snprintf(path, sizeof(path), "/home/%u", domid);
		snprintf(permissions, sizeof(permissions), "n%u", domid);
		scene_node(path, "", permissions);
		for (int i = 1; i < NODES; i++) {
			snprintf(path, sizeof(path), "/home/%u/%d", domid, i);
			scene_write(scene.root, 0, path, "");
		}
		ck_assert_uint_eq(scene_owned(domid), NODES);
		world_xen_kill(xen, domid);
	}
	scene_watch(scene.root, "@releaseDomain|general");
	scene_ok(scene.root, MESSAGE_WATCH, 0, "@releaseDomain|deep|1");
	world_forget(scene.root);
	ck_assert_int_eq(release_check_domains(&scene.world.turn), 0);
	size_t batches = 1, told = 0, general = 0;
	while (release_more(&scene.world.turn))
		batches++;
	ck_assert_uint_ge(batches, 4);
	ck_assert_uint_le(batches, 10);
	world_take(&scene.world);
	for (const struct world_message *event; (event = world_event(scene.root));) {
		bool is_general = !strcmp(world_event_token(event), "general");
		general += is_general;
		told += !is_general;
	}
	ck_assert_uint_eq(general, batches);
	ck_assert_uint_eq(told, LAST - FIRST + 1);
	scene_answer(scene.root, "", MESSAGE_DIRECTORY, 0, "/home");
}
END_TEST

/* A reboot loop grows nothing (XSA-419). */
START_TEST(xsa_419_a_domain_that_comes_and_goes_leaves_nothing)
{
	struct store_figures before, after;

	for (int i = 0; i < 50; i++) {
		scene_introduce(5);
		scene_node("/home/5/a", "", "n5");
		scene_node("/shared", "", "n0 r5");
		world_xen_start(xen, 5);
		exception();
		if (i == 0)
			ck_assert_int_eq(store_figures(scene.world.turn.store, &before), 0);
	}
	ck_assert_int_eq(store_figures(scene.world.turn.store, &after), 0);
	ck_assert_uint_eq(after.records, before.records);
	ck_assert_ptr_null(domain_of(5));
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
	    what_a_dead_domain_had_goes_with_it,
	    a_domain_that_is_dying_is_dead,
	    living_domains_are_left_alone,
	    the_death_of_a_domain_is_told_with_what_it_takes_away,
	    xsa_233_a_domain_and_its_stub_domain_die_together,
	    a_target_ends_with_its_domain,
	    all_who_act_for_a_domain_stop_with_it_and_nobody_else,
	    what_was_made_for_a_domain_that_was_never_introduced_goes_too,
	    xsa_326_nodes_made_before_the_introduction_count,
	    a_shutdown_is_told_once_and_again_after_resume,
	    the_death_after_a_shutdown_is_told_too,
	    shutdowns_of_domains_without_a_ring_are_not_told,
	    xsa_322_a_new_domain_inherits_nothing,
	    an_introduction_that_comes_before_the_news_releases_the_old_domain_first,
	    permissions_that_come_before_the_news_are_for_the_new_domain,
	    a_number_used_again_is_found_inside_a_transaction_too,
	    special_nodes_and_the_root_lose_a_dead_domain_but_stay,
	    a_release_that_fails_leaves_all_and_is_made_up_for,
	    while_xen_cannot_be_asked_nobody_is_released,
	    without_xen_nobody_is_released,
	    many_deaths_are_done_in_batches,
	    xsa_419_a_domain_that_comes_and_goes_leaves_nothing,
	};
	Suite *suite = suite_create("release of domains");
	TCase *cases = tcase_create("all");

	tcase_add_checked_fixture(cases, open_scene, scene_close);
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		tcase_add_test(cases, tests[i]);
	suite_add_tcase(suite, cases);
	return suite_run(suite);
}
