/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Xen's security advisories: what a guest can do with its ring and its end. Each test is named after the advisory that it shows
 * not to concern this daemon; guests 1 and 2 are there, and 2 is the one that must not notice.
 */
#include <check.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guests.h"
#include "support/suite.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum { ERROR_NONE = 0, ERROR_INDEX = 2, ERROR_PROTOCOL = 3 };

static struct client *first, *second;

static void start(void)
{
	guests_start();
	first = guests_add(1);
	second = guests_add(2);
}

/* Domain 1 is stopped: not followed, and still there; nobody else notices. */
static void expect_stopped(uint32_t error)
{
	struct guest_page *page = guests_page(1);

	guests_await_error(1, error);
	uint32_t consumed = atomic_load(&page->req_cons), produced = atomic_load(&page->rsp_prod);
	guest_notify(guests_ring(1));
	guests_served(second);
	guests_served(guests.root);
	expect_text(guests.root, "T", MESSAGE_IS_DOMAIN_INTRODUCED, 0, ARGUMENTS("1"));
	guests_await_idle();
	ck_assert_uint_eq(atomic_load(&page->error), error);
	ck_assert_uint_eq(atomic_load(&page->req_cons), consumed);
	ck_assert_uint_eq(atomic_load(&page->rsp_prod), produced);
}

/* Domain 1 begins anew and is served. */
static void begin_again(void)
{
	first = guests_introduce(1);
	ck_assert_uint_eq(atomic_load(&guests_page(1)->error), ERROR_NONE);
	guests_served(first);
}

static void put(uint16_t domid, const void *bytes, size_t len)
{
	ck_assert_uint_eq(guest_put(guests_ring(domid), bytes, len), len);
}

static void put_header(uint16_t domid, uint32_t type, uint32_t transaction, uint32_t len)
{
	const struct message_header header = {.type = type, .request_id = 77, .transaction_id = transaction, .len = len};

	put(domid, &header, sizeof(header));
}

/* ---- 38 ---- */

START_TEST(xsa_38_cve_2013_0215_a_request_index_out_of_range_stops_that_guest_only)
{
	static const uint32_t distances[] = {1025,	 1026,	     2048,	 4096,	     65536,
					     0x7fffffff, 0x80000000, 0x80000001, 0xfffffbff, 0xffffffff};

	for (size_t i = 0; i < COUNT(distances); i++) {
		struct guest_page *page = guests_page(1);
		uint32_t consumed = atomic_load(&page->req_cons);
		atomic_store(&page->req_prod, consumed + distances[i]);
		guest_notify(guests_ring(1));
		expect_stopped(ERROR_INDEX);
		ck_assert_uint_eq(atomic_load(&page->req_cons), consumed);
		begin_again();
	}
}
END_TEST

START_TEST(xsa_38_cve_2013_0215_so_does_a_response_index)
{
	static const uint32_t distances[] = {1025, 2048, 0x7fffffff, 0x80000000, 0xffffffff};

	for (size_t i = 0; i < COUNT(distances); i++) {
		struct guest_page *page = guests_page(1);
		/* Before the request: a daemon that is still awake may answer it without being notified. */
		atomic_store(&page->rsp_cons, atomic_load(&page->rsp_prod) - distances[i]);
		put_header(1, MESSAGE_GET_DOMAIN_PATH, 0, 2);
		put(1, "1", 2);
		guest_notify(guests_ring(1));
		expect_stopped(ERROR_INDEX);
		begin_again();
	}
}
END_TEST

/* The next byte of the request ring is this one. */
static void move_to(uint32_t offset)
{
	static const char padding[2 * GUEST_RING];
	struct client_message answer;
	uint32_t at = atomic_load(&guests_page(1)->req_prod) % GUEST_RING;
	uint32_t size = (offset + 2 * GUEST_RING - at) % GUEST_RING, least = sizeof(struct message_header) + sizeof("pad");

	if (!size)
		return;
	if (size < least)
		size += GUEST_RING;
	char payload[2 * GUEST_RING] = "pad";
	memcpy(payload + sizeof("pad"), padding, size - least);
	ck_assert_int_eq(client_call(first, MESSAGE_WRITE, 0, payload, size - sizeof(struct message_header), &answer), 0);
	ck_assert_uint_eq(atomic_load(&guests_page(1)->req_cons) % GUEST_RING, offset);
}

static void expect_reply(struct client *client, uint32_t type)
{
	struct client_message reply;

	ck_assert_int_eq(client_receive_reply(client, &reply), 0);
	ck_assert_msg(reply.header.type == type, "%s instead of %s: %s", message_type_name(reply.header.type),
		      message_type_name(type), reply.payload);
	ck_assert_uint_eq(reply.header.request_id, 77);
}

START_TEST(xsa_38_cve_2013_0215_a_ring_that_is_exactly_full_is_read)
{
	static const uint32_t offsets[] = {0, 1, 15, 16, 511, 1008, 1009, 1023};
	char payload[GUEST_RING - sizeof(struct message_header) + 1] = "full";

	for (size_t i = 0; i < COUNT(offsets); i++) {
		struct guest_page *page = guests_page(1);
		char *value = payload + sizeof("full");
		move_to(offsets[i]);
		memset(value, 'a' + (int)i, sizeof(payload) - sizeof("full") - 1);
		guests_await_idle(); /* it must not look before all is there */
		put_header(1, MESSAGE_WRITE, 0, sizeof(payload) - 1);
		put(1, payload, sizeof(payload) - 1);
		ck_assert_uint_eq(atomic_load(&page->req_prod) - atomic_load(&page->req_cons), GUEST_RING);
		guest_notify(guests_ring(1));
		expect_reply(first, MESSAGE_WRITE);
		expect_read(guests.root, 0, guests_path(1, "full"), value);
	}
}
END_TEST

/* Behind the header lies a request that would be seen if the length was ignored or cut. */
static void send_too_long(uint32_t len)
{
	static const char request[] = "never\0value";

	put_header(1, MESSAGE_READ, 0, len);
	put_header(1, MESSAGE_WRITE, 0, sizeof(request) - 1);
	put(1, request, sizeof(request) - 1);
	guest_notify(guests_ring(1));
	expect_stopped(ERROR_PROTOCOL);
	expect_read(guests.root, 0, guests_path(1, "never"), NULL);
}

START_TEST(xsa_38_cve_2013_0215_a_length_over_4096_stops_that_guest_only)
{
	static const uint32_t lengths[] = {4097, 4112, 5000, 65536, 65536 + 5, 0x00ffffff, 0x3fffffff};

	for (size_t i = 0; i < COUNT(lengths); i++) {
		send_too_long(lengths[i]);
		begin_again();
	}
}
END_TEST

/* ---- a page that changes while it is read ---- */

struct meddler {
	struct guest_page *page;
	_Atomic bool stop;
};

/* Writes values to the indexes, good ones more often than bad ones, and to what will be taken for a length. */
static void *meddle(void *context)
{
	static const uint32_t steps[] = {0, 64, 1024, 16, 17, 1023, 1025, 512, 0x80000000, 100, 0xffffffff, 40};
	static const uint32_t lengths[] = {0, 4096, 17, 4097, 1, 0x80000000};
	struct meddler *meddler = context;
	struct guest_page *page = meddler->page;

	for (unsigned i = 0; !atomic_load(&meddler->stop); i++) {
		uint32_t consumed = atomic_load(&page->req_cons), begin = consumed % GUEST_RING;
		if (begin <= GUEST_RING - sizeof(struct message_header))
			memcpy(&page->req[begin] + offsetof(struct message_header, len), &lengths[i % COUNT(lengths)],
			       sizeof(uint32_t));
		atomic_store(&page->rsp_cons, atomic_load(&page->rsp_prod) - (i % 64 ? i % 1024 : 1025));
		atomic_store(&page->req_prod, consumed + steps[i % COUNT(steps)]);
	}
	return NULL;
}

START_TEST(xsa_38_cve_2013_0215_a_page_that_changes_while_it_is_read_harms_its_guest_only)
{
	for (int round = 0; round < 100; round++) {
		struct meddler meddler = {.page = guests_page(1)};
		pthread_t thread;
		ck_assert_int_eq(pthread_create(&thread, NULL, meddle, &meddler), 0);
		for (int i = 0; i < 20; i++) {
			guest_notify(guests_ring(1));
			guests_served(second);
		}
		atomic_store(&meddler.stop, true);
		pthread_join(thread, NULL);
		begin_again();
	}
}
END_TEST

/* ---- 420 ---- */

START_TEST(xsa_420_cve_2022_42324_a_length_that_looks_negative_stops_that_guest_and_does_not_keep_the_daemon_busy)
{
	static const uint32_t lengths[] = {0x40000000, 0x7fffffff, 0x80000000, 0xc0000000, 0xfffffff0, 0xffffffff};

	for (size_t i = 0; i < COUNT(lengths); i++) {
		send_too_long(lengths[i]);
		begin_again();
	}
}
END_TEST

/* ---- 325 ---- */

/* Each way to be stopped. */
static void violate_index(void)
{
	atomic_store(&guests_page(1)->req_prod, atomic_load(&guests_page(1)->req_cons) + 5000);
	guest_notify(guests_ring(1));
	guests_await_error(1, ERROR_INDEX);
}

static void violate_length(void)
{
	put_header(1, MESSAGE_READ, 0, 100000);
	guest_notify(guests_ring(1));
	guests_await_error(1, ERROR_PROTOCOL);
}

static void (*const violations[])(void) = {violate_index, violate_length};

START_TEST(xsa_325_cve_2020_29483_a_guest_that_is_stopped_is_told_to_be_released_when_it_really_dies)
{
	expect_watch(guests.root, "@releaseDomain", "token");
	for (size_t i = 0; i < COUNT(violations); i++) {
		violations[i]();
		guests_await_idle();
		expect_no_event(guests.root);
		expect_text(guests.root, "T", MESSAGE_IS_DOMAIN_INTRODUCED, 0, ARGUMENTS("1"));
		guests_destroy(1);
		expect_event(guests.root, "@releaseDomain", "token");
		guests_await_idle();
		expect_no_event(guests.root);
		expect_text(guests.root, "F", MESSAGE_IS_DOMAIN_INTRODUCED, 0, ARGUMENTS("1"));
		first = guests_add(1);
	}
}
END_TEST

START_TEST(xsa_325_cve_2020_29483_its_shutdown_is_told_too)
{
	enum { SHUTDOWN_CRASH = 3 };

	expect_watch(guests.root, "@releaseDomain", "token");
	for (size_t i = 0; i < COUNT(violations); i++) {
		violations[i]();
		ck_assert_int_eq(sim_shutdown(guests.sim, 1, SHUTDOWN_CRASH), 0);
		expect_event(guests.root, "@releaseDomain", "token");
		sim_interrupt(guests.sim); /* told once */
		guests_await_idle();
		expect_no_event(guests.root);
		expect_text(guests.root, "T", MESSAGE_IS_DOMAIN_INTRODUCED, 0, ARGUMENTS("1"));
		guests_destroy(1);
		expect_event(guests.root, "@releaseDomain", "token");
		expect_no_event(guests.root);
		first = guests_add(1);
	}
}
END_TEST

/* ---- 233 ---- */

/* Both are gone before the daemon hears of either. */
static void destroy_together(uint16_t one, uint16_t other)
{
	struct host *host = sim_host(guests.sim);

	host_lock(host);
	host_domain_gone(host, one);
	host_domain_gone(host, other);
	host_unlock(host);
	guests_forget(one);
	guests_forget(other);
	sim_interrupt(guests.sim);
}

/* Each of the two is told once, in any order. */
static void expect_told_once(struct client *watcher)
{
	unsigned told[2] = {0};

	while (!told[0] || !told[1]) {
		struct client_event event;
		ck_assert_int_eq(client_next_event(watcher, &event), 0);
		told[0] += !strcmp(event.path, "@releaseDomain/1");
		told[1] += !strcmp(event.path, "@releaseDomain/3");
	}
	guests_await_idle();
	expect_no_event(watcher);
	ck_assert_uint_eq(told[0], 1);
	ck_assert_uint_eq(told[1], 1);
}

START_TEST(xsa_233_cve_2017_14317_a_domain_and_its_device_model_vanish_together)
{
	expect_ok(guests.root, MESSAGE_WATCH, 0, ARGUMENTS("@releaseDomain", "each", "1"));
	expect_event(guests.root, "@releaseDomain", "each");
	for (int round = 0; round < 20; round++) {
		if (round)
			first = guests_add(1);
		struct client *model = guests_add(3);
		expect_ok(guests.root, MESSAGE_SET_TARGET, 0, ARGUMENTS("3", "1"));
		expect_write(model, 0, guests_path(1, "by-its-model"), "value");
		expect_watch(model, guests_path(1, ""), "token");
		expect_watch(first, "watched", "token");
		expect_transaction(model);
		expect_transaction(first);
		destroy_together(round % 2 ? 1 : 3, round % 2 ? 3 : 1);
		expect_told_once(guests.root);
		expect_text(guests.root, "F", MESSAGE_IS_DOMAIN_INTRODUCED, 0, ARGUMENTS("1"));
		expect_text(guests.root, "F", MESSAGE_IS_DOMAIN_INTRODUCED, 0, ARGUMENTS("3"));
		expect_read(guests.root, 0, guests_path(1, ""), NULL);
		expect_read(guests.root, 0, guests_path(3, ""), NULL);
		guests_served(second);
	}
}
END_TEST

START_TEST(xsa_233_cve_2017_14317_nor_does_a_target_that_is_gone_lend_its_rights_to_its_successor)
{
	struct client *model = guests_add(3);

	expect_ok(guests.root, MESSAGE_SET_TARGET, 0, ARGUMENTS("3", "1"));
	expect_text(model, "n1", MESSAGE_GET_PERMS, 0, ARGUMENTS(guests_path(1, "")));
	guests_destroy(1);
	first = guests_add(1);
	expect_error(model, "EACCES", MESSAGE_GET_PERMS, 0, ARGUMENTS(guests_path(1, "")));
	guests_destroy(3);
	model = guests_add(3);
	expect_error(model, "EACCES", MESSAGE_GET_PERMS, 0, ARGUMENTS(guests_path(1, "")));
}
END_TEST

START_TEST(xsa_233_cve_2017_14317_also_not_at_the_end_of_a_transaction)
{
	struct client *model = guests_add(3);
	uint32_t transaction;

	expect_ok(guests.root, MESSAGE_SET_TARGET, 0, ARGUMENTS("3", "1"));
	expect_write(guests.root, 0, "/shared", "");
	guests_permit("/shared", "b0");
	transaction = expect_transaction(model);
	expect_write(model, transaction, "/shared/implied/node", "value");
	guests_destroy(1);
	first = guests_add(1);
	expect_write(first, 0, "/shared/implied", "value");
	expect_ok(first, MESSAGE_SET_PERMS, 0, ARGUMENTS("/shared/implied", "n1"));
	expect_end(model, transaction, "EAGAIN");
	expect_names(first, 0, "/shared/implied", "");
}
END_TEST

/* ---- 425 ---- */

/*
 * All guests have something to say in one turn, and in the middle of it domain 0 has one of them released: the daemon stands at a
 * gate while all of it is put together.
 */
static void release_in_the_middle(uint16_t released)
{
	enum { GUESTS = 5 };
	static const char path[] = "said";
	struct client_message answer;
	char domid[8];
	int gate;

	snprintf(domid, sizeof(domid), "%u", released);
	gate = sim_rule(guests.sim, HOST_CALL_PENDING, HOST_ANY, 0, 1, HOST_GATE, 0);
	ck_assert_int_ge(gate, 0);
	for (uint16_t guest = 1; guest <= GUESTS; guest++) {
		for (int i = 0; i < 3; i++) {
			put_header(guest, MESSAGE_WRITE, 0, sizeof(path));
			put(guest, path, sizeof(path));
		}
		guest_notify(guests_ring(guest));
	}
	ck_assert_int_eq(sim_gate_wait(guests.sim, gate, 10000), 0);
	ck_assert_int_eq(client_send(guests.root, MESSAGE_RELEASE, 0, domid, strlen(domid) + 1, NULL), 0);
	sim_gate_open(guests.sim, gate);
	ck_assert_int_eq(client_receive_reply(guests.root, &answer), 0);
	ck_assert_msg(answer.header.type == MESSAGE_RELEASE, "RELEASE: %s", answer.payload);
	for (uint16_t guest = 1; guest <= GUESTS; guest++) {
		struct client *client = guests_client(guest);
		for (int i = 0; guest != released && i < 3; i++)
			expect_reply(client, MESSAGE_WRITE);
	}
	expect_text(guests.root, "F", MESSAGE_IS_DOMAIN_INTRODUCED, 0, ARGUMENTS(domid));
	sim_clear_rules(guests.sim);
}

START_TEST(xsa_425_cve_2022_42330_a_release_in_the_middle_of_a_turn_harms_nobody_else)
{
	for (uint16_t guest = 3; guest <= 5; guest++)
		guests_add(guest);
	for (uint16_t released = 1; released <= 5; released++) {
		release_in_the_middle(released);
		guests_home(released);
		guests_served(guests_introduce(released));
	}
}
END_TEST

START_TEST(xsa_425_cve_2022_42330_a_guest_that_is_introduced_anew_while_it_speaks_is_served)
{
	for (int round = 0; round < 100; round++) {
		put_header(1, MESSAGE_GET_DOMAIN_PATH, 0, 2);
		put(1, "1", 2);
		guest_notify(guests_ring(1));
		guest_notify(guests_ring(2));
		begin_again();
		guests_served(second);
	}
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
	    xsa_38_cve_2013_0215_a_request_index_out_of_range_stops_that_guest_only,
	    xsa_38_cve_2013_0215_so_does_a_response_index,
	    xsa_38_cve_2013_0215_a_ring_that_is_exactly_full_is_read,
	    xsa_38_cve_2013_0215_a_length_over_4096_stops_that_guest_only,
	    xsa_38_cve_2013_0215_a_page_that_changes_while_it_is_read_harms_its_guest_only,
	    xsa_233_cve_2017_14317_a_domain_and_its_device_model_vanish_together,
	    xsa_233_cve_2017_14317_nor_does_a_target_that_is_gone_lend_its_rights_to_its_successor,
	    xsa_233_cve_2017_14317_also_not_at_the_end_of_a_transaction,
	    xsa_325_cve_2020_29483_a_guest_that_is_stopped_is_told_to_be_released_when_it_really_dies,
	    xsa_325_cve_2020_29483_its_shutdown_is_told_too,
	    xsa_420_cve_2022_42324_a_length_that_looks_negative_stops_that_guest_and_does_not_keep_the_daemon_busy,
	    xsa_425_cve_2022_42330_a_release_in_the_middle_of_a_turn_harms_nobody_else,
	    xsa_425_cve_2022_42330_a_guest_that_is_introduced_anew_while_it_speaks_is_served,
	};

	return suite_run(guests_suite("advisories: rings", start, tests, COUNT(tests)));
}
