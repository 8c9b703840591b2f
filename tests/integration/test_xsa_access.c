/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Xen's security advisories: what a guest can read, write, take and be told of. Each test is named after the advisory that it
 * shows not to concern this daemon. Guests 1 and 2 are there; who may do what in general is the matter of test_access.c.
 */
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guests.h"
#include "support/suite.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct client *first, *second;

static void start(void)
{
	guests_start();
	first = guests_add(1);
	second = guests_add(2);
}

static void make(const char *path, const char *permissions)
{
	expect_write(guests.root, 0, path, "value");
	guests_permit(path, permissions);
}

static void expect_write_error(struct client *client, const char *error, uint32_t transaction, const char *path)
{
	expect_error(client, error, MESSAGE_WRITE, transaction, ARGUMENTS(path, "value"));
}

/* ---- 72 ---- */

/* A reply to `client` that says E2BIG, with the numbers of its request, and the one behind it is in step. */
static void expect_too_big(struct client *client, const char *path)
{
	struct client_message reply;
	uint32_t id, transaction = expect_transaction(client);

	ck_assert_int_eq(client_send(client, MESSAGE_DIRECTORY, transaction, path, strlen(path) + 1, &id), 0);
	ck_assert_int_eq(client_receive_reply(client, &reply), 0);
	ck_assert_uint_eq(reply.header.type, MESSAGE_ERROR);
	ck_assert_str_eq(reply.payload, "E2BIG");
	ck_assert_uint_eq(reply.header.len, sizeof("E2BIG"));
	ck_assert_uint_eq(reply.header.request_id, id);
	ck_assert_uint_eq(reply.header.transaction_id, transaction);
	expect_end(client, transaction, "");
	expect_error(client, "E2BIG", MESSAGE_DIRECTORY, 0, ARGUMENTS(path));
	guests_served(client);
}

START_TEST(xsa_72_cve_2013_4416_a_reply_that_exceeds_a_message_is_e2big)
{
	static const char *const many = "/many";
	char path[128];

	make(many, "r0");
	/* Names of 64 bytes with their NUL: the list fits exactly, then it does not. */
	for (int i = 0; i < MESSAGE_PAYLOAD_MAX / 64; i++) {
		snprintf(path, sizeof(path), "%s/%063d", many, i);
		expect_write(guests.root, 0, path, "");
	}
	struct client_message list = expect_any(first, MESSAGE_DIRECTORY, 0, ARGUMENTS(many));
	ck_assert_uint_eq(list.header.type, MESSAGE_DIRECTORY);
	ck_assert_uint_eq(list.header.len, MESSAGE_PAYLOAD_MAX);
	expect_write(guests.root, 0, "/many/1", "");
	expect_too_big(first, many);
	expect_too_big(guests.root, many);
	struct client_message part = expect_any(first, MESSAGE_DIRECTORY_PART, 0, ARGUMENTS(many, "0"));
	ck_assert_uint_eq(part.header.type, MESSAGE_DIRECTORY_PART);
	ck_assert_uint_le(part.header.len, MESSAGE_PAYLOAD_MAX);
}
END_TEST

START_TEST(xsa_72_cve_2013_4416_the_largest_value_and_the_longest_permissions_that_are_taken_can_be_read)
{
	static const char path[] = "/large";
	char value[MESSAGE_PAYLOAD_MAX - sizeof(path) + 1], list[MESSAGE_PAYLOAD_MAX];
	struct client_message answer;

	memset(value, 'v', sizeof(value) - 1);
	value[sizeof(value) - 1] = 0;
	expect_write(guests.root, 0, path, value);
	size_t len = sizeof(path);
	memcpy(list, path, sizeof(path));
	for (; len + sizeof("r0") <= sizeof(list); len += sizeof("r0"))
		memcpy(list + len, "r0", sizeof("r0"));
	ck_assert_int_eq(client_call(guests.root, MESSAGE_SET_PERMS, 0, list, len, &answer), 0);
	ck_assert_msg(answer.header.type == MESSAGE_SET_PERMS, "SET_PERMS: %s", answer.payload);
	expect_read(first, 0, path, value);
	answer = expect_any(first, MESSAGE_GET_PERMS, 0, ARGUMENTS(path));
	ck_assert_uint_eq(answer.header.len, len - sizeof(path));
}
END_TEST

/* ---- 115 ---- */

START_TEST(xsa_115_cve_2020_29480_a_watch_tells_only_of_what_its_owner_may_see)
{
	make("/open", "r0");
	make("/closed", "n0");
	make("/closed/hidden", "n0");
	make("/closed/open", "r0");
	make("/open/hidden", "n0");
	expect_watch(first, "/", "root");
	expect_watch(first, "/closed/hidden", "exact");
	expect_watch(first, guests_path(2, ""), "home of another");
	expect_write(guests.root, 0, "/closed", "changed");
	expect_write(guests.root, 0, "/closed/hidden", "changed");
	expect_write(guests.root, 0, "/closed/new", "");
	expect_ok(guests.root, MESSAGE_RM, 0, ARGUMENTS("/closed/hidden"));
	expect_write(second, 0, "data", "changed");
	expect_ok(second, MESSAGE_SET_PERMS, 0, ARGUMENTS("data", "n2", "w1"));
	expect_no_event(first);
	expect_write(guests.root, 0, "/closed/open", "changed");
	expect_event(first, "/closed/open", "root");
	expect_write(guests.root, 0, "/open/hidden", "changed");
	expect_event(first, "/open/hidden", "root");
	expect_no_event(first);
}
END_TEST

START_TEST(xsa_115_cve_2020_29480_who_loses_the_right_to_read_is_told_so_and_nothing_more)
{
	make("/shared", "n0 r1");
	expect_watch(first, "/shared", "token");
	guests_permit("/shared", "n0");
	expect_event(first, "/shared", "token");
	guests_permit("/shared", "n0 r2");
	expect_write(guests.root, 0, "/shared", "secret");
	expect_ok(guests.root, MESSAGE_RM, 0, ARGUMENTS("/shared"));
	make("/shared", "n0");
	expect_no_event(first);
}
END_TEST

START_TEST(xsa_115_cve_2020_29480_special_watches_fire_for_whom_the_special_nodes_permit_them)
{
	expect_watch(first, "@introduceDomain", "introduced");
	expect_watch(second, "@releaseDomain", "released");
	guests_permit("@releaseDomain", "n0 r1");
	expect_event(second, "@releaseDomain", "released"); /* who loses the right is told */
	guests_add(3);
	guests_destroy(3);
	expect_no_event(first);
	expect_no_event(second);
	guests_permit("@introduceDomain", "n0 r1");
	expect_event(first, "@introduceDomain", "introduced"); /* of the change */
	guests_permit("@releaseDomain", "r0");
	expect_event(second, "@releaseDomain", "released");
	guests_add(3);
	expect_event(first, "@introduceDomain", "introduced");
	guests_destroy(3);
	expect_event(second, "@releaseDomain", "released");
	expect_no_event(first);
	expect_no_event(second);
	expect_error(first, "EACCES", MESSAGE_SET_PERMS, 0, ARGUMENTS("@introduceDomain", "n0", "b1"));
}
END_TEST

START_TEST(xsa_115_cve_2020_29480_a_guest_is_not_told_which_domains_there_are)
{
	static const char *const domids[] = {"0", "1", "2", "3", "32752"};

	for (size_t i = 0; i < COUNT(domids); i++)
		expect_error(first, "EACCES", MESSAGE_IS_DOMAIN_INTRODUCED, 0, ARGUMENTS(domids[i]));
}
END_TEST

START_TEST(xsa_115_cve_2020_29480_watch_and_unwatch_do_not_look_at_the_transaction)
{
	uint32_t transaction = expect_transaction(first);

	for (uint32_t id = transaction; id < transaction + 2; id++) {
		expect_ok(first, MESSAGE_WATCH, id, ARGUMENTS("/", "token"));
		expect_event(first, "/", "token");
		expect_ok(first, MESSAGE_UNWATCH, id, ARGUMENTS("/", "token"));
	}
	expect_end(first, transaction, "");
}
END_TEST

START_TEST(xsa_115_cve_2020_29480_a_creation_that_fails_half_way_leaves_the_count_as_it_was)
{
	unsigned before = guests_account(1, "nodes");

	guests_quota("nodes", before + 3);
	for (int i = 0; i < 20; i++)
		expect_write_error(first, "ENOSPC", 0, "a/b/c/d");
	ck_assert_uint_eq(guests_account(1, "nodes"), before);
	expect_read(first, 0, "a", NULL);
	expect_write(first, 0, "a/b/c", "value");
	ck_assert_uint_eq(guests_account(1, "nodes"), before + 3);
}
END_TEST

START_TEST(xsa_115_cve_2020_29480_an_owner_may_remove_its_child_of_an_over_size_parent)
{
	char value[3001];

	memset(value, 'v', sizeof(value) - 1);
	value[sizeof(value) - 1] = 0;
	make("/large", "n0");
	expect_write(guests.root, 0, "/large", value);
	make("/large/child", "n1");
	make("/large/child/below", "n1");
	expect_ok(first, MESSAGE_RM, 0, ARGUMENTS("/large/child/below"));
	expect_ok(first, MESSAGE_RM, 0, ARGUMENTS("/large/child"));
	expect_names(guests.root, 0, "/large", "");
}
END_TEST

START_TEST(xsa_115_cve_2020_29480_a_removal_fires_each_watch_at_most_once)
{
	static const char *const nodes[] = {"top", "top/a", "top/a/b", "top/c"};

	for (size_t i = 0; i < COUNT(nodes); i++)
		expect_write(first, 0, nodes[i], "value");
	expect_watch(first, guests_path(1, ""), "home");
	expect_watch(first, "top", "top");
	expect_watch(first, "top/a", "a");
	expect_watch(first, "top/a/b", "b");
	expect_watch(first, "top/a/none", "none");
	expect_ok(first, MESSAGE_RM, 0, ARGUMENTS("top"));
	expect_event(first, "top/a/b", "b");
	expect_event(first, "top/a", "a");
	expect_event(first, guests_path(1, "top"), "home");
	expect_event(first, "top", "top");
	expect_no_event(first);
}
END_TEST

/* ---- 322 ---- */

/* What only the old domain 1 was granted. */
static void grant_to_first(void)
{
	make("/readable", "n0 r1");
	make("/both", "n0 b1");
	make("/owned", "n1");
	make("/owned/by-others", "n2 b1");
	make("/listed", "n2 r0 r1");
	guests_permit("@introduceDomain", "n0 r1");
	guests_permit("@releaseDomain", "n0 b1");
	expect_read(first, 0, "/readable", "value");
	expect_write(first, 0, "/both", "by the old one");
	expect_watch(first, "/readable", "token");
}

static void expect_stranger(struct client *client)
{
	static const char *const paths[] = {"/readable", "/both", "/owned", "/owned/by-others", "/listed"};

	for (size_t i = 0; i < COUNT(paths); i++) {
		expect_error(client, "EACCES", MESSAGE_READ, 0, ARGUMENTS(paths[i]));
		expect_error(client, "EACCES", MESSAGE_GET_PERMS, 0, ARGUMENTS(paths[i]));
		expect_write_error(client, "EACCES", 0, paths[i]);
	}
	expect_error(client, "EACCES", MESSAGE_GET_PERMS, 0, ARGUMENTS("@introduceDomain"));
	expect_error(client, "EACCES", MESSAGE_GET_PERMS, 0, ARGUMENTS("@releaseDomain"));
	expect_permissions(guests.root, 0, "/readable", "n0");
	expect_permissions(guests.root, 0, "/both", "n0");
	expect_permissions(guests.root, 0, "/listed", "n2 r0");
	expect_permissions(guests.root, 0, "@introduceDomain", "n0");
	expect_permissions(guests.root, 0, "@releaseDomain", "n0");
	expect_read(guests.root, 0, "/owned", NULL);
	expect_read(guests.root, 0, "/owned/by-others", NULL);
	expect_read(guests.root, 0, guests_path(1, "left"), NULL);
	/* Watches of the old one, and what special nodes granted it, are gone. */
	expect_watch(client, "@introduceDomain", "introduced");
	expect_write(guests.root, 0, "/readable", "changed");
	guests_add(9);
	expect_no_event(client);
}

START_TEST(xsa_322_cve_2020_29481_a_new_domain_has_nothing_of_the_old_one_of_its_number)
{
	grant_to_first();
	expect_write(first, 0, "left", "value");
	guests_destroy(1);
	expect_stranger(guests_add(1));
}
END_TEST

/* The daemon hears of the end and of the beginning in one breath: the number is never seen to be without a domain. */
static void replace_unseen(uint16_t domid)
{
	struct host *host = sim_host(guests.sim);

	host_lock(host);
	host_domain_gone(host, domid);
	host_unlock(host);
	guests_forget(domid);
	guests_create(domid);
}

START_TEST(xsa_322_cve_2020_29481_also_if_it_takes_its_place_unseen)
{
	grant_to_first();
	expect_write(first, 0, "left", "value");
	replace_unseen(1);
	sim_interrupt(guests.sim);
	guests_await_release(1);
	guests_home(1);
	expect_stranger(guests_introduce(1));
}
END_TEST

START_TEST(xsa_322_cve_2020_29481_also_if_the_first_that_is_heard_of_it_is_its_introduction)
{
	grant_to_first();
	expect_write(first, 0, "left", "value");
	replace_unseen(1);
	first = guests_introduce(1);
	guests_home(1);
	expect_stranger(first);
}
END_TEST

START_TEST(xsa_322_cve_2020_29481_also_if_the_daemon_was_not_there_when_it_happened)
{
	grant_to_first();
	expect_write(first, 0, "left", "value");
	guests_stop_daemon(SIGKILL);
	replace_unseen(1);
	guests_start_again();
	guests_home(1);
	expect_stranger(guests_introduce(1));
}
END_TEST

/* Who was granted something is gone by the end of the transaction that does it. */
static void end_across_a_death(const char *path, const char *owner, const char *entry, bool has_successor)
{
	uint32_t transaction;

	make("/there", "n0");
	transaction = expect_transaction(guests.root);
	expect_write(guests.root, transaction, path, "secret");
	expect_ok(guests.root, MESSAGE_SET_PERMS, transaction, ARGUMENTS(path, owner, entry));
	guests_destroy(1);
	if (has_successor)
		first = guests_add(1);
	struct client_message answer = expect_any(guests.root, MESSAGE_TRANSACTION_END, transaction, ARGUMENTS("T"));
	ck_assert_msg(answer.header.type != MESSAGE_ERROR || !strcmp(answer.payload, "EAGAIN"), "%s", answer.payload);
	if (!has_successor)
		first = guests_add(1);
	expect_error(first, "EACCES", MESSAGE_READ, 0, ARGUMENTS(path));
	expect_write_error(first, "EACCES", 0, path);
	ck_assert_uint_eq(guests_account(1, "nodes"), 1);
}

START_TEST(xsa_322_cve_2020_29481_nor_what_a_transaction_grants_that_outlives_the_old_one)
{
	for (int i = 0; i < 2; i++) {
		end_across_a_death("/there", "n0", "b1", i);
		end_across_a_death("/new", "n0", "b1", i);
		end_across_a_death("/there", "n1", "r0", i);
		end_across_a_death("/new", "n1", "r0", i);
		end_across_a_death("/new/deep", "n1", "r0", i);
	}
}
END_TEST

/* ---- 323 ---- */

START_TEST(xsa_323_cve_2020_29482_what_a_guest_can_name_domain_0_can_name_too)
{
	char relative[2050], absolute[2200];

	memset(relative, 'r', 2048);
	relative[2048] = 0;
	for (size_t i = 255; i < 2048; i += 256)
		relative[i - 1] = '/';
	expect_write(first, 0, relative, "value");
	snprintf(absolute, sizeof(absolute), "/local/domain/1/%s", relative);
	expect_read(guests.root, 0, absolute, "value");
	expect_permissions(guests.root, 0, absolute, "n1");
	expect_names(guests.root, 0, absolute, "");
	expect_ok(guests.root, MESSAGE_RM, 0, ARGUMENTS(absolute));
	expect_read(first, 0, relative, NULL);
	expect_write_error(first, "EINVAL", 0, strcat(relative, "r"));
}
END_TEST

START_TEST(xsa_323_cve_2020_29482_a_path_survives_the_migration_to_a_longer_number)
{
	enum { LONGEST = 0x7fef };
	char relative[2049], absolute[2200];
	struct client *migrated = guests_add(LONGEST);

	memset(relative, 'r', 2048);
	relative[2048] = 0;
	snprintf(absolute, sizeof(absolute), "/local/domain/%u/%s", LONGEST, relative);
	expect_write(guests.root, 0, absolute, "value"); /* as the toolstack does, which then gives it away */
	guests_permit(absolute, "n32751");
	expect_read(migrated, 0, relative, "value");
	expect_read(migrated, 0, absolute, "value");
	expect_write(migrated, 0, relative, "changed");
	expect_watch(migrated, relative, "token");
	expect_ok(migrated, MESSAGE_RM, 0, ARGUMENTS(relative));
	expect_event(migrated, relative, "token");
}
END_TEST

/* ---- 352, 353 ---- */

START_TEST(xsa_352_cve_2020_29486_a_guest_cannot_give_its_node_away)
{
	unsigned before;

	expect_write(first, 0, "mine", "value");
	before = guests_account(1, "nodes");
	expect_error(first, "EPERM", MESSAGE_SET_PERMS, 0, ARGUMENTS("mine", "n0"));
	expect_error(first, "EPERM", MESSAGE_SET_PERMS, 0, ARGUMENTS("mine", "b2", "n1"));
	uint32_t transaction = expect_transaction(first);
	expect_error(first, "EPERM", MESSAGE_SET_PERMS, transaction, ARGUMENTS("mine", "n2"));
	expect_write(first, transaction, "new", "value");
	expect_error(first, "EPERM", MESSAGE_SET_PERMS, transaction, ARGUMENTS("new", "n2"));
	expect_end(first, transaction, "");
	expect_permissions(guests.root, 0, guests_path(1, "mine"), "n1");
	expect_permissions(guests.root, 0, guests_path(1, "new"), "n1");
	ck_assert_uint_eq(guests_account(1, "nodes"), before + 1);
}
END_TEST

START_TEST(xsa_352_cve_2020_29486_nor_take_one_nor_may_its_device_model)
{
	struct client *model = guests_add(3);

	expect_ok(guests.root, MESSAGE_SET_TARGET, 0, ARGUMENTS("3", "1"));
	make("/both", "n0 b1");
	make("/guests", "n1");
	expect_error(first, "EACCES", MESSAGE_SET_PERMS, 0, ARGUMENTS("/both", "n1"));
	expect_error(first, "EACCES", MESSAGE_SET_PERMS, 0, ARGUMENTS("/both", "n0", "b1"));
	expect_error(model, "EACCES", MESSAGE_SET_PERMS, 0, ARGUMENTS("/both", "n3"));
	expect_error(model, "EPERM", MESSAGE_SET_PERMS, 0, ARGUMENTS("/guests", "n3"));
	expect_permissions(guests.root, 0, "/both", "n0 b1");
	expect_permissions(guests.root, 0, "/guests", "n1");
	expect_ok(model, MESSAGE_SET_PERMS, 0, ARGUMENTS("/guests", "n1", "r2"));
}
END_TEST

START_TEST(xsa_353_cve_2020_29479_the_root_is_protected_as_any_node)
{
	static const struct {
		uint32_t type;
		const char *path, *rest;
	} requests[] = {
	    {MESSAGE_READ, "/", NULL},	    {MESSAGE_DIRECTORY, "/", NULL}, {MESSAGE_DIRECTORY_PART, "/", "0"},
	    {MESSAGE_GET_PERMS, "/", NULL}, {MESSAGE_SET_PERMS, "/", "n1"}, {MESSAGE_SET_PERMS, "/", "b0"},
	    {MESSAGE_RM, "/", NULL},	    {MESSAGE_WRITE, "/", "value"},  {MESSAGE_MKDIR, "/", NULL},
	    {MESSAGE_MKDIR, "/x", NULL},    {MESSAGE_WRITE, "/x", "value"}, {MESSAGE_WRITE, "/x/y", "value"},
	    {MESSAGE_RM, "/x", NULL},
	};
	char *before = expect_tree(guests.root);
	uint32_t transaction = expect_transaction(first);

	for (size_t i = 0; i < COUNT(requests); i++) {
		const char *const arguments[] = {requests[i].path, requests[i].rest};
		size_t n = requests[i].rest ? 2 : 1;
		expect_error(first, "EACCES", requests[i].type, 0, n, arguments);
		expect_error(first, "EACCES", requests[i].type, transaction, n, arguments);
	}
	expect_end(first, transaction, "");
	char *after = expect_tree(guests.root);
	ck_assert_str_eq(before, after);
	free(before);
	free(after);
}
END_TEST

/* ---- 417 ---- */

START_TEST(xsa_417_cve_2022_42320_an_entry_for_no_domain_is_not_for_the_next_one_of_its_number)
{
	make("/node", "n0");
	expect_ok(guests.root, MESSAGE_SET_PERMS, 0, ARGUMENTS("/node", "n0", "b7"));
	expect_error(guests.root, "ENOENT", MESSAGE_SET_PERMS, 0, ARGUMENTS("/node", "n7"));
	guests_create(7);
	expect_permissions(guests.root, 0, "/node", "n0");
	guests_home(7);
	struct client *newcomer = guests_introduce(7);
	expect_error(newcomer, "EACCES", MESSAGE_READ, 0, ARGUMENTS("/node"));
	expect_write_error(newcomer, "EACCES", 0, "/node");
}
END_TEST

START_TEST(xsa_417_cve_2022_42320_nor_is_one_for_a_domain_that_ended_before_it_was_introduced)
{
	for (int seen = 0; seen < 2; seen++) {
		guests_create(7);
		make("/granted", "n0 b7");
		make("/owned", "n7");
		expect_permissions(guests.root, 0, "/granted", "n0 b7");
		if (seen)
			ck_assert_int_eq(sim_destroy(guests.sim, 7), 0);
		else
			replace_unseen(7);
		if (seen) {
			guests_await_idle();
			guests_create(7);
		}
		struct client *newcomer = guests_introduce(7);
		expect_error(newcomer, "EACCES", MESSAGE_READ, 0, ARGUMENTS("/granted"));
		expect_error(newcomer, "EACCES", MESSAGE_READ, 0, ARGUMENTS("/owned"));
		expect_write_error(newcomer, "EACCES", 0, "/granted");
		expect_permissions(guests.root, 0, "/granted", "n0");
		expect_read(guests.root, 0, "/owned", NULL);
		guests_destroy(7);
	}
}
END_TEST

/* ---- 481 ---- */

START_TEST(xsa_481_cve_2026_23555_a_path_that_ends_in_a_slash_is_einval_at_once)
{
	static const uint32_t types[] = {MESSAGE_READ,	    MESSAGE_WRITE,	    MESSAGE_MKDIR,     MESSAGE_RM,
					 MESSAGE_DIRECTORY, MESSAGE_DIRECTORY_PART, MESSAGE_GET_PERMS, MESSAGE_SET_PERMS,
					 MESSAGE_WATCH,	    MESSAGE_UNWATCH};
	static const char *const paths[] = {"/local/domain/", "/local/domain//", "/local/domain/1/", "/local/", "1/", "//"};

	for (size_t i = 0; i < COUNT(types); i++) {
		for (size_t k = 0; k < COUNT(paths); k++) {
			const char *rest = types[i] == MESSAGE_SET_PERMS ? "n1" : "0";
			bool alone = i != 1 && i < 5;
			const char *const arguments[] = {paths[k], rest};
			size_t n = alone || types[i] == MESSAGE_GET_PERMS ? 1 : 2;
			expect_error(first, "EINVAL", types[i], 0, n, arguments);
			expect_error(guests.root, "EINVAL", types[i], 0, n, arguments);
		}
	}
	guests_served(first);
	guests_await_idle();
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
	    xsa_72_cve_2013_4416_a_reply_that_exceeds_a_message_is_e2big,
	    xsa_72_cve_2013_4416_the_largest_value_and_the_longest_permissions_that_are_taken_can_be_read,
	    xsa_115_cve_2020_29480_a_watch_tells_only_of_what_its_owner_may_see,
	    xsa_115_cve_2020_29480_who_loses_the_right_to_read_is_told_so_and_nothing_more,
	    xsa_115_cve_2020_29480_special_watches_fire_for_whom_the_special_nodes_permit_them,
	    xsa_115_cve_2020_29480_a_guest_is_not_told_which_domains_there_are,
	    xsa_115_cve_2020_29480_watch_and_unwatch_do_not_look_at_the_transaction,
	    xsa_115_cve_2020_29480_a_creation_that_fails_half_way_leaves_the_count_as_it_was,
	    xsa_115_cve_2020_29480_an_owner_may_remove_its_child_of_an_over_size_parent,
	    xsa_115_cve_2020_29480_a_removal_fires_each_watch_at_most_once,
	    xsa_322_cve_2020_29481_a_new_domain_has_nothing_of_the_old_one_of_its_number,
	    xsa_322_cve_2020_29481_also_if_it_takes_its_place_unseen,
	    xsa_322_cve_2020_29481_also_if_the_first_that_is_heard_of_it_is_its_introduction,
	    xsa_322_cve_2020_29481_also_if_the_daemon_was_not_there_when_it_happened,
	    xsa_322_cve_2020_29481_nor_what_a_transaction_grants_that_outlives_the_old_one,
	    xsa_323_cve_2020_29482_what_a_guest_can_name_domain_0_can_name_too,
	    xsa_323_cve_2020_29482_a_path_survives_the_migration_to_a_longer_number,
	    xsa_352_cve_2020_29486_a_guest_cannot_give_its_node_away,
	    xsa_352_cve_2020_29486_nor_take_one_nor_may_its_device_model,
	    xsa_353_cve_2020_29479_the_root_is_protected_as_any_node,
	    xsa_417_cve_2022_42320_an_entry_for_no_domain_is_not_for_the_next_one_of_its_number,
	    xsa_417_cve_2022_42320_nor_is_one_for_a_domain_that_ended_before_it_was_introduced,
	    xsa_481_cve_2026_23555_a_path_that_ends_in_a_slash_is_einval_at_once,
	};

	return suite_run(guests_suite("advisories: access", start, tests, COUNT(tests)));
}
