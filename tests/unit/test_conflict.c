/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who is found at fault when a transaction fails, and what that costs, by a clock of the test's own. */
#include "request/conflict.h"

#include <check.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "store/snapshot.h"
#include "support/scene.h"
#include "support/suite.h"

enum { BURST = 5, INTERVAL = 50 };

uint64_t __wrap_clock_milliseconds(void);
void __wrap_log_write(struct log *log, enum log_level level, const char *format, ...) __attribute__((format(printf, 3, 4)));

static uint64_t now;
static char told[512];
static unsigned n_told;

uint64_t __wrap_clock_milliseconds(void)
{
	return now;
}

void __wrap_log_write(struct log *log, enum log_level level, const char *format, ...)
{
	va_list arguments;

	(void)log;
	(void)level;
	va_start(arguments, format);
	vsnprintf(told, sizeof(told), format, arguments);
	va_end(arguments);
	n_told++;
}

/* ---- who wrote what ---- */

static struct writers writers;

static void check_writer(uint64_t generation, int expected)
{
	uint16_t domid = 0;
	bool found = writers_find(&writers, generation, &domid);

	if (found != (expected >= 0) || (found && domid != expected))
		ck_abort_msg("generation %llu: domain %u, found %d, expected %d", (unsigned long long)generation, domid, found,
			     expected);
}

START_TEST(the_writer_of_each_generation_is_found)
{
	memset(&writers, 0, sizeof(writers));
	check_writer(1, -1);
	writers_add(&writers, 10, 12, 5);
	writers_add(&writers, 13, 13, 6);
	writers_add(&writers, 20, 29, 5); /* what came between was nobody's */
	check_writer(9, -1);
	check_writer(10, 5);
	check_writer(12, 5);
	check_writer(13, 6);
	check_writer(14, -1);
	check_writer(19, -1);
	check_writer(20, 5);
	check_writer(29, 5);
	check_writer(30, -1);
}
END_TEST

START_TEST(the_oldest_are_forgotten_and_one_writers_run_takes_one_place)
{
	memset(&writers, 0, sizeof(writers));
	writers_add(&writers, 1, 1, 9);
	for (uint64_t i = 2; i < 100000; i++)
		writers_add(&writers, i, i, 5);
	check_writer(1, 9);
	check_writer(77777, 5);
	for (uint64_t i = 0; i < WRITERS_MAX; i++)
		writers_add(&writers, 100000 + i, 100000 + i, (uint16_t)(i % 2));
	check_writer(1, -1);
	check_writer(77777, -1);
	for (uint64_t i = 0; i < WRITERS_MAX; i++)
		check_writer(100000 + i, (int)(i % 2));
}
END_TEST

/* ---- who is at fault ---- */

static struct world_client *third;

/* Node /shared of the guest's, which all may read and the third domain may write. */
static void open_shared(void)
{
	now = 1000000;
	n_told = 0;
	scene_open();
	scene.world.turn.conflict = (struct conflict_settings){BURST, INTERVAL};
	third = world_client(&scene.world, 3, false);
	scene_node("/shared", "", "n1 r0 b3");
	scene_node("/shared/node", "", "n1 r0 b3");
}

static uint64_t blamed(void)
{
	return scene.world.turn.figures.blamed;
}

static bool waits(const struct world_client *client)
{
	return !client_may_be_read(&client->client);
}

/* A transaction of `victim` that has read the node and changed something else. */
static uint32_t begin(struct world_client *victim)
{
	uint32_t id = world_transaction(victim);

	ck_assert_uint_ne(id, 0);
	scene_ok(victim, MESSAGE_READ, id, "/shared/node");
	scene_write(victim, id, victim == scene.root ? "/mine" : "/shared/mine", "1");
	return id;
}

/* What `writer` does makes a transaction of `victim` fail. */
static void clash(struct world_client *victim, struct world_client *writer)
{
	uint32_t id = begin(victim);

	scene_write(writer, 0, "/shared/node", "2");
	scene_error(victim, "EAGAIN", MESSAGE_TRANSACTION_END, id, "T");
}

START_TEST(xsa_206_who_makes_transactions_fail_waits_after_a_burst_until_time_gives_some_back)
{
	for (int i = 0; i < BURST; i++) {
		ck_assert(!waits(scene.guest));
		clash(scene.root, scene.guest);
	}
	ck_assert(waits(scene.guest));
	now += INTERVAL - 1;
	ck_assert(waits(scene.guest));
	now += 1;
	ck_assert(!waits(scene.guest));
	clash(scene.root, scene.guest);
	ck_assert(waits(scene.guest));
	now += (uint64_t)BURST * INTERVAL;
	for (int i = 0; i < BURST; i++) {
		ck_assert(!waits(scene.guest));
		clash(scene.root, scene.guest);
	}
	ck_assert(waits(scene.guest));
	ck_assert_uint_eq(blamed(), 2 * BURST + 1);
}
END_TEST

START_TEST(the_innocent_do_not_wait)
{
	for (int i = 0; i < BURST + 1; i++) {
		scene_write(third, 0, "/shared/other", "1");
		clash(scene.root, scene.guest);
	}
	ck_assert(waits(scene.guest));
	ck_assert(!waits(third));
	ck_assert(!waits(scene.root));
}
END_TEST

START_TEST(a_victim_is_not_at_fault_itself)
{
	for (int i = 0; i < 2 * BURST; i++)
		clash(scene.guest, scene.guest);
	ck_assert(!waits(scene.guest));
	ck_assert_uint_eq(blamed(), 0);
}
END_TEST

START_TEST(the_privileged_never_wait)
{
	for (int i = 0; i < 2 * BURST; i++)
		clash(scene.guest, scene.root);
	ck_assert(!waits(scene.root));
	ck_assert_uint_eq(blamed(), 0);
}
END_TEST

START_TEST(one_change_that_many_transactions_fail_for_costs_a_burst_at_most)
{
	uint32_t ids[20];

	for (int i = 0; i < 20; i++)
		ids[i] = begin(scene.root);
	scene_write(scene.guest, 0, "/shared/node", "2");
	for (int i = 0; i < 20; i++)
		scene_error(scene.root, "EAGAIN", MESSAGE_TRANSACTION_END, ids[i], "T");
	ck_assert(waits(scene.guest));
	now += INTERVAL;
	ck_assert(!waits(scene.guest));
}
END_TEST

START_TEST(all_ways_to_make_a_transaction_fail_are_known)
{
	static const struct {
		uint32_t read, write;
		const char *seen, *changed;
	} ways[] = {
	    {MESSAGE_READ, MESSAGE_WRITE, "/shared/node", "/shared/node|x"},
	    {MESSAGE_GET_PERMS, MESSAGE_SET_PERMS, "/shared/node", "/shared/node|n1|r0|b3|r7"},
	    {MESSAGE_DIRECTORY, MESSAGE_MKDIR, "/shared/node", "/shared/node/child"},
	    {MESSAGE_DIRECTORY, MESSAGE_RM, "/shared/node", "/shared/node/child"},
	    {MESSAGE_READ, MESSAGE_MKDIR, "/shared/missing", "/shared/missing"},
	    {MESSAGE_READ, MESSAGE_RM, "/shared/missing", "/shared/missing"},
	    {MESSAGE_READ, MESSAGE_RM, "/shared/node", "/shared"},
	};

	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		uint32_t id = world_transaction(scene.root);
		world_try(scene.root, ways[i].read, id, ways[i].seen);
		scene_write(scene.root, id, "/mine", "1");
		scene_ok(scene.guest, ways[i].write, 0, ways[i].changed);
		now += (uint64_t)BURST * INTERVAL;
		scene_error(scene.root, "EAGAIN", MESSAGE_TRANSACTION_END, id, "T");
		if (blamed() != i + 1)
			ck_abort_msg("nobody is at fault in way %zu", i);
	}
}
END_TEST

START_TEST(in_validated_mode_the_change_that_is_met_is_found)
{
	uint32_t id = world_transaction(scene.root);

	scene_write(scene.root, id, "/mine", "1");
	snapshots_drop_all(scene.world.turn.store);
	scene_write(scene.guest, 0, "/shared/node", "2");
	scene_write(third, 0, "/shared/node", "3");
	scene_ok(scene.root, MESSAGE_READ, id, "/shared/node");
	scene_write(scene.guest, 0, "/shared/node", "4");
	scene_error(scene.root, "EAGAIN", MESSAGE_TRANSACTION_END, id, "T");
	ck_assert_uint_eq(third->client.domain->conflicts_forgiven, now + INTERVAL);
	ck_assert_uint_eq(scene.guest->client.domain->conflicts_forgiven, 0);
}
END_TEST

START_TEST(changes_by_transactions_are_changes_of_their_owner)
{
	uint32_t id = begin(scene.root), other = world_transaction(scene.guest);

	scene_write(scene.guest, other, "/shared/node", "2");
	scene_ok(scene.guest, MESSAGE_TRANSACTION_END, other, "T");
	scene_error(scene.root, "EAGAIN", MESSAGE_TRANSACTION_END, id, "T");
	ck_assert_uint_eq(blamed(), 1);
}
END_TEST

START_TEST(changes_of_a_turn_that_failed_are_found_where_they_were_made_again)
{
	uint32_t id = begin(scene.root);

	world_send(scene.guest, MESSAGE_WRITE, 0, "/shared/node\0002", 14);
	world_send(third, MESSAGE_WRITE, 0, "/shared/other\0002", 15);
	world_run(&scene.world);
	store_failed(scene.world.turn.store, ENOSPC);
	world_commit(&scene.world);
	scene_error(scene.root, "EAGAIN", MESSAGE_TRANSACTION_END, id, "T");
	ck_assert_uint_eq(scene.guest->client.domain->conflicts_forgiven, now + INTERVAL);
	ck_assert_uint_eq(third->client.domain->conflicts_forgiven, 0);
}
END_TEST

START_TEST(a_domain_that_waits_is_told_of_once_a_minute)
{
	for (int i = 0; i < 3 * BURST; i++)
		clash(scene.root, scene.guest);
	ck_assert_uint_eq(n_told, 1);
	ck_assert_str_eq(told, "domain 1 makes transactions of others fail: its requests have to wait now and then");
	now += 60000;
	for (int i = 0; i < BURST; i++)
		clash(scene.root, scene.guest);
	ck_assert_uint_eq(n_told, 2);
}
END_TEST

START_TEST(with_a_burst_of_0_nobody_waits)
{
	scene.world.turn.conflict.burst = 0;
	for (int i = 0; i < 3 * BURST; i++)
		clash(scene.root, scene.guest);
	ck_assert(!waits(scene.guest));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("conflict");
	TCase *tcase = tcase_create("writers");

	tcase_add_test(tcase, the_writer_of_each_generation_is_found);
	tcase_add_test(tcase, the_oldest_are_forgotten_and_one_writers_run_takes_one_place);
	suite_add_tcase(suite, tcase);

	tcase = tcase_create("fault");
	tcase_add_checked_fixture(tcase, open_shared, scene_close);
	tcase_add_test(tcase, xsa_206_who_makes_transactions_fail_waits_after_a_burst_until_time_gives_some_back);
	tcase_add_test(tcase, the_innocent_do_not_wait);
	tcase_add_test(tcase, a_victim_is_not_at_fault_itself);
	tcase_add_test(tcase, the_privileged_never_wait);
	tcase_add_test(tcase, one_change_that_many_transactions_fail_for_costs_a_burst_at_most);
	tcase_add_test(tcase, all_ways_to_make_a_transaction_fail_are_known);
	tcase_add_test(tcase, in_validated_mode_the_change_that_is_met_is_found);
	tcase_add_test(tcase, changes_by_transactions_are_changes_of_their_owner);
	tcase_add_test(tcase, changes_of_a_turn_that_failed_are_found_where_they_were_made_again);
	tcase_add_test(tcase, a_domain_that_waits_is_told_of_once_a_minute);
	tcase_add_test(tcase, with_a_burst_of_0_nobody_waits);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
