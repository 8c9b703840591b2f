/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which rings there are: INTRODUCE, RELEASE and what undoes them, events and the scan, rings that were there before. */
#include "front/ring_front.h"

#include <check.h>
#include <errno.h>
#include <ev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "request/release.h"
#include "support/ring_stage.h"
#include "support/suite.h"

/* ---- INTRODUCE ---- */

START_TEST(the_page_of_a_new_ring_is_begun_and_the_guest_is_told)
{
	struct fake_guest *guest = fake_guest_new(&stage.xen, 5, 9);
	struct ring_page *page = guest->page;

	memset(page, 0x55, sizeof(*page));
	page->evtchn_port = 0;
	ck_assert_int_eq(ring_stage_introduce(guest, 9), 0);
	ck_assert_uint_eq(page->req_cons | page->req_prod | page->rsp_cons | page->rsp_prod, 0);
	ck_assert_uint_eq(page->error, RING_ERROR_NONE);
	ck_assert_uint_eq(page->connection, RING_CONNECTED);
	ck_assert_uint_eq(page->server_features, 15);
	ck_assert_uint_eq(guest->notified, 1);
	ck_assert_uint_eq(guest->mapped, 1);
	ck_assert_uint_eq(domain_find(&stage.world.domains, 5)->port, 9);
	ck_assert_uint_ne(domain_find(&stage.world.domains, 5)->epoch, 0);
	ring_stage_alive(guest);
}
END_TEST

START_TEST(a_ring_offers_what_its_domain_is_allowed)
{
	struct fake_guest *guest = fake_guest_new(&stage.xen, 5, 9);
	struct domain *domain;

	ck_assert_int_eq(domain_get(&stage.world.domains, 5, &domain), 0);
	domain->features = 5;
	ck_assert_int_eq(ring_stage_introduce(guest, 9), 0);
	ck_assert_uint_eq(guest->page->server_features, 5);
}
END_TEST

START_TEST(the_port_in_the_page_counts_before_the_argument)
{
	struct fake_guest *guest = fake_guest_new(&stage.xen, 5, 9);

	guest->page->evtchn_port = 9;
	ck_assert_int_eq(ring_stage_introduce(guest, 4), 0);
	ck_assert_uint_eq(domain_find(&stage.world.domains, 5)->port, 9);
}
END_TEST

START_TEST(what_cannot_be_mapped_or_bound_leaves_nothing)
{
	struct fake_guest *guest = fake_guest_new(&stage.xen, 5, 9);

	guest->map_result = STATUS_ENOENT;
	ck_assert_int_eq(ring_stage_introduce(guest, 9), STATUS_ENOENT);
	guest->map_result = 0;
	guest->bind_result = STATUS_EBUSY;
	ck_assert_int_eq(ring_stage_introduce(guest, 9), STATUS_EBUSY);
	guest->bind_result = 0;
	ck_assert_int_eq(ring_stage_introduce(guest, 8), STATUS_EINVAL);
	ck_assert_int_eq(ring_stage_introduce(guest, 0), STATUS_EINVAL);
	ck_assert_uint_eq(guest->mapped, 0);
	ck_assert_uint_eq(ring_front_connections(stage.rings), 0);
	ck_assert_uint_eq(domain_find(&stage.world.domains, 5)->port, 0);
	ck_assert_int_eq(ring_stage_introduce(guest, 9), 0);
	ring_stage_alive(guest);
}
END_TEST

START_TEST(a_ring_introduced_again_begins_anew)
{
	struct fake_guest *guest = ring_stage_guest(5);
	struct ring_message message;
	uint32_t epoch = domain_find(&stage.world.domains, 5)->epoch;
	unsigned char bytes[MESSAGE_SIZE_MAX];

	ring_stage_call(guest, MESSAGE_WATCH, 0, "@introduceDomain|token|", &message);
	ring_stage_call(guest, MESSAGE_WATCH, 0, "/|token|", &message);
	fake_guest_request(guest, MESSAGE_READ, 0, "abcdef", 7, bytes);
	ring_stage_put(guest, bytes, 20);
	ck_assert_int_eq(ring_stage_introduce(guest, 1), 0);
	ck_assert_uint_eq(guest->page->req_prod, 0);
	ck_assert_uint_eq(watch_count(stage.world.turn.watches), 0);
	ck_assert_uint_gt(domain_find(&stage.world.domains, 5)->epoch, epoch);
	ck_assert_uint_eq(guest->mapped, 1);
	ck_assert_uint_eq(guest->bindings, 2);
	ck_assert_uint_eq(ring_front_connections(stage.rings), 1);
	ring_stage_alive(guest);
}
END_TEST

START_TEST(a_ring_introduced_with_another_port_uses_that)
{
	struct fake_guest *guest = ring_stage_guest(5);

	guest->port = 2;
	guest->bound = 0; /* its end of the old channel is closed */
	ck_assert_int_eq(ring_stage_introduce(guest, 2), 0);
	ck_assert_uint_eq(domain_find(&stage.world.domains, 5)->port, 2);
	ring_stage_alive(guest);
}
END_TEST

START_TEST(a_ring_that_was_stopped_is_revived_by_introduce)
{
	struct fake_guest *guest = ring_stage_guest(5);

	guest->page->req_prod += 1025;
	fake_guest_event(guest);
	ring_stage_stopped(guest, RING_ERROR_INDEX);
	ck_assert_int_eq(ring_stage_introduce(guest, 1), 0);
	ck_assert_uint_eq(guest->page->error, RING_ERROR_NONE);
	ring_stage_alive(guest);
}
END_TEST

START_TEST(a_ring_whose_event_channel_cannot_be_bound_again_is_stopped_and_says_so)
{
	struct fake_guest *guest = ring_stage_guest(5);

	guest->bind_result = STATUS_EINVAL;
	ck_assert_int_eq(ring_stage_introduce(guest, 1), STATUS_EINVAL);
	ring_stage_turn();
	ck_assert_uint_eq(guest->page->error, RING_ERROR_COMMUNICATION);
	ck_assert_uint_eq(guest->mapped, 1);
	guest->bind_result = 0;
	ck_assert_int_eq(ring_stage_introduce(guest, 1), 0);
	ring_stage_alive(guest);
}
END_TEST

/* ---- turns that fail ---- */

/* What a turn does before it fails. */
struct failing {
	struct fake_guest *guest;
	bool introduces, releases;
	uint32_t port;
};

static int change_and_fail(void *context, struct turn *turn, struct changes *changes)
{
	const struct failing *failing = context;
	struct domain *domain;

	(void)changes;
	ck_assert_int_eq(domain_get(turn->domains, failing->guest->domid, &domain), 0);
	if (failing->introduces)
		ck_assert_int_eq(turn->rings->introduce(turn->rings->context, domain, failing->port), 0);
	if (failing->releases)
		ck_assert_int_eq(turn->rings->release(turn->rings->context, domain), 0);
	return -EIO;
}

START_TEST(a_failed_turn_leaves_no_new_ring)
{
	struct failing failing = {fake_guest_new(&stage.xen, 5, 9), .introduces = true, .port = 9};

	memset(failing.guest->page, 0x55, sizeof(*failing.guest->page));
	failing.guest->page->evtchn_port = 9;
	ck_assert_int_eq(turn_run_work(&stage.world.turn, change_and_fail, &failing), -EIO);
	ck_assert_uint_eq(failing.guest->mapped, 0);
	ck_assert_uint_eq(failing.guest->bound, 0);
	ck_assert_uint_eq(failing.guest->page->req_prod, 0x55555555);
	ck_assert_uint_eq(ring_front_connections(stage.rings), 0);
	ck_assert_uint_eq(domain_find(&stage.world.domains, 5)->port, 0);
	ck_assert_uint_eq(domain_find(&stage.world.domains, 5)->epoch, 0);
}
END_TEST

START_TEST(a_failed_turn_leaves_a_ring_as_it_was)
{
	struct failing failing = {ring_stage_guest(5), .introduces = true, .port = 1};
	struct fake_guest *guest = failing.guest;
	struct ring_message message;
	unsigned char bytes[MESSAGE_SIZE_MAX];
	uint32_t epoch = domain_find(&stage.world.domains, 5)->epoch;
	size_t len = fake_guest_request(guest, MESSAGE_DIRECTORY, 0, "", 1, bytes);

	ring_stage_put(guest, bytes, 10);
	ck_assert_int_eq(turn_run_work(&stage.world.turn, change_and_fail, &failing), -EIO);
	ck_assert_uint_eq(domain_find(&stage.world.domains, 5)->epoch, epoch);
	ck_assert_uint_eq(guest->mapped, 1);
	ring_stage_put(guest, bytes + 10, len - 10);
	ck_assert(ring_stage_take(guest, &message));
	ck_assert_uint_eq(message.header.request_id, guest->last_request_id);
}
END_TEST

START_TEST(a_failed_turn_loses_no_event)
{
	struct failing failing = {ring_stage_guest(5), .introduces = true, .port = 2};
	struct fake_guest *guest = failing.guest;
	uint32_t bound = guest->bound;

	guest->port = 2; /* two channels: the old one stays */
	guest->is_masked = guest->came_while_masked = true;
	guest->bound = 0;
	ck_assert_int_eq(turn_run_work(&stage.world.turn, change_and_fail, &failing), -EIO);
	guest->bound = bound;
	guest->is_pending = false;
	guest->is_masked = guest->came_while_masked = true;
	ring_stage_turn();
	ck_assert(!guest->is_masked);
	ring_stage_alive(guest);
}
END_TEST

START_TEST(a_release_of_a_failed_turn_has_not_been)
{
	struct failing failing = {ring_stage_guest(5), .releases = true};

	ck_assert_int_eq(turn_run_work(&stage.world.turn, change_and_fail, &failing), -EIO);
	ck_assert_uint_eq(failing.guest->mapped, 1);
	ring_stage_alive(failing.guest);
}
END_TEST

static int change_twice(void *context, struct turn *turn, struct changes *changes)
{
	const struct rings *rings = turn->rings;
	struct domain *domain;

	(void)changes;
	ck_assert_int_eq(domain_get(turn->domains, 5, &domain), 0);
	ck_assert_int_eq(rings->introduce(rings->context, domain, 1), 0);
	ck_assert_int_eq(rings->introduce(rings->context, domain, 1), -EBUSY);
	ck_assert_int_eq(rings->release(rings->context, domain), -EBUSY);
	(void)context;
	return -EBUSY;
}

START_TEST(two_changes_of_one_domain_do_not_share_a_turn)
{
	struct fake_guest *guest = ring_stage_guest(5);

	ck_assert_int_eq(turn_run_work(&stage.world.turn, change_twice, NULL), -EBUSY);
	ring_stage_alive(guest);
}
END_TEST

/* ---- RELEASE ---- */

START_TEST(a_released_ring_is_gone)
{
	struct fake_guest *guest = ring_stage_guest(5);
	struct ring_message message;
	unsigned char bytes[MESSAGE_SIZE_MAX];
	size_t len = fake_guest_request(guest, MESSAGE_DIRECTORY, 0, "", 1, bytes);

	ring_stage_call(guest, MESSAGE_WATCH, 0, "/|token|", &message);
	ring_stage_call(guest, MESSAGE_TRANSACTION_START, 0, "|", &message);
	fake_guest_put(guest, bytes, len);
	fake_guest_event(guest);
	ck_assert_int_eq(ring_stage_release(guest), 0);
	ck_assert_uint_eq(guest->mapped, 0);
	ck_assert_uint_eq(guest->bound, 0);
	ck_assert_uint_eq(watch_count(stage.world.turn.watches), 0);
	ck_assert_uint_eq(ring_front_connections(stage.rings), 0);
	struct domain *domain = domain_find(&stage.world.domains, 5);
	domain_hold(domain);
	domain_reset(&stage.world.domains, domain);
	domain_drop(&stage.world.domains, domain);
	ck_assert_ptr_null(domain_find(&stage.world.domains, 5)); /* its ring has held it no more */
	ring_stage_turn();
	ck_assert_int_eq(world_set_node(&stage.world, "/x", "", NULL), 0);
	ring_stage_turn();
}
END_TEST

START_TEST(a_domain_can_come_again)
{
	struct fake_guest *guest = ring_stage_guest(5);

	for (int i = 0; i < 20; i++) {
		ck_assert_int_eq(ring_stage_release(guest), 0);
		ck_assert_int_eq(ring_stage_introduce(guest, 1), 0);
		ring_stage_alive(guest);
	}
}
END_TEST

START_TEST(releasing_what_has_no_ring_does_nothing)
{
	struct fake_guest *guest = ring_stage_guest(5);

	ck_assert_int_eq(ring_stage_release(guest), 0);
	ck_assert_int_eq(ring_stage_release(guest), 0);
}
END_TEST

/* XSA-425: whoever is next in the loop is released. */
START_TEST(any_of_the_rings_that_are_about_to_be_served_may_be_released)
{
	struct fake_guest *guests[8];
	unsigned char bytes[MESSAGE_SIZE_MAX];

	for (int first = 0; first < 8; first++) {
		for (uint16_t i = 0; i < 8; i++)
			guests[i] = ring_stage_guest((uint16_t)(100 + 8 * first + i));
		for (int i = 0; i < 8; i++) {
			size_t len = fake_guest_request(guests[i], MESSAGE_WATCH, 0, "/\0t", 4, bytes);
			fake_guest_put(guests[i], bytes, len);
			guests[i]->page->req_prod += i & 1 ? 0 : 4000;
			fake_guest_event(guests[i]);
		}
		ev_run(stage.loop, EVRUN_NOWAIT);
		for (int i = 0; i < 8; i++) {
			fake_guest_event(guests[(first + i) % 8]);
			ck_assert_int_eq(ring_stage_release(guests[(first + i) % 8]), 0);
		}
		ring_stage_turn();
		ck_assert_uint_eq(ring_front_connections(stage.rings), 0);
		stage.xen.n_guests = 0;
		for (int i = 0; i < 8; i++)
			free(guests[i]->page);
	}
}
END_TEST

/* SET_PERMS that names domain 5, by a domain that owns the node. */
static size_t name_domain_5(struct fake_guest *guest, unsigned char out[MESSAGE_SIZE_MAX])
{
	char payload[64];
	int path_len = snprintf(payload, sizeof(payload), "/local/domain/%u", guest->domid);
	int len = path_len + 1 + snprintf(payload + path_len + 1, 32, "n%u", guest->domid);

	memcpy(payload + len + 1, "r5", 3);
	return fake_guest_request(guest, MESSAGE_SET_PERMS, 0, payload, (size_t)len + 4, out);
}

static void own_nodes(void)
{
	ck_assert_int_eq(world_set_node(&stage.world, "/local/domain/5", "", "n5"), 0);
	ck_assert_int_eq(world_set_node(&stage.world, "/local/domain/6", "", "n6"), 0);
}

START_TEST(a_ring_may_be_released_while_requests_of_its_turn_are_run_again)
{
	struct fake_guest *gone = ring_stage_guest(5), *naming = ring_stage_guest(6);
	unsigned char bytes[MESSAGE_SIZE_MAX];
	struct ring_message message;

	own_nodes();
	ring_stage_put(naming, bytes, name_domain_5(naming, bytes));
	ck_assert(ring_stage_take(naming, &message));
	ck_assert_uint_eq(message.header.type, MESSAGE_SET_PERMS);
	gone->unique_id = 77;
	fake_guest_put(gone, bytes, fake_guest_request(gone, MESSAGE_WRITE, 0, "a\0x", 3, bytes));
	fake_guest_put(gone, bytes, fake_guest_request(gone, MESSAGE_WRITE, 0, "b\0x", 3, bytes));
	fake_guest_event(gone);
	fake_guest_put(naming, bytes, name_domain_5(naming, bytes));
	fake_guest_event(naming);
	ring_stage_turn();
	ck_assert_uint_eq(gone->mapped, 0);
	ck_assert(ring_stage_take(naming, &message));
	ring_stage_alive(naming);
}
END_TEST

START_TEST(a_ring_may_be_released_by_its_own_request)
{
	struct fake_guest *gone = ring_stage_guest(5), *other = ring_stage_guest(6);
	unsigned char bytes[MESSAGE_SIZE_MAX];
	struct ring_message message;

	own_nodes();
	ring_stage_put(gone, bytes, name_domain_5(gone, bytes));
	ck_assert(ring_stage_take(gone, &message));
	gone->unique_id = 77;
	for (int i = 0; i < 3; i++)
		fake_guest_put(gone, bytes, name_domain_5(gone, bytes));
	fake_guest_event(gone);
	ring_stage_turn();
	ck_assert_uint_eq(gone->mapped, 0);
	ck_assert_uint_eq(ring_front_connections(stage.rings), 1);
	ring_stage_alive(other);
}
END_TEST

/* ---- events ---- */

static size_t put_quietly(struct fake_guest *guest)
{
	unsigned char bytes[MESSAGE_SIZE_MAX];

	return fake_guest_put(guest, bytes, fake_guest_request(guest, MESSAGE_DIRECTORY, 0, "", 1, bytes));
}

START_TEST(an_event_wakes_its_own_ring_only)
{
	struct fake_guest *first = ring_stage_guest(5), *second = ring_stage_guest(6);

	put_quietly(first);
	put_quietly(second);
	fake_guest_event(second);
	ring_stage_turn();
	ck_assert_uint_eq(second->page->req_cons, second->page->req_prod);
	ck_assert_uint_eq(first->page->req_cons, 0);
}
END_TEST

START_TEST(events_of_ended_domains_are_told)
{
	fake_xen_exception(&stage.xen);
	ring_stage_turn();
	ck_assert_uint_eq(stage.exceptions, 1);
}
END_TEST

static void tick(struct ev_loop *loop, ev_timer *timer, int events)
{
	(void)loop;
	(void)timer;
	(void)events;
}

START_TEST(events_that_cannot_be_read_do_not_spin_nor_end_the_daemon)
{
	struct fake_guest *guest = ring_stage_guest(5);

	stage.xen.event_result = -EIO;
	fake_guest_event(guest);
	ring_stage_turn();
	stage.xen.event_result = 0;
	put_quietly(guest);
	ev_timer ticks;
	ev_timer_init(&ticks, tick, 0, 0.01);
	front_start_timer(&stage.front, &ticks);
	for (int i = 0; i < 10000 && guest->page->req_cons != guest->page->req_prod; i++)
		ev_run(stage.loop, EVRUN_ONCE);
	ck_assert_uint_eq(guest->page->req_cons, guest->page->req_prod);
}
END_TEST

START_TEST(the_scan_finds_what_came_without_an_event)
{
	ring_stage_close();
	ring_stage_open_with(NULL, 0.01);
	struct fake_guest *first = ring_stage_guest(5), *second = ring_stage_guest(6);
	put_quietly(first);
	put_quietly(second);
	for (int i = 0; i < 1000 && (!first->page->req_cons || !second->page->req_cons); i++)
		ev_run(stage.loop, EVRUN_ONCE);
	ck_assert_uint_eq(first->page->req_cons, first->page->req_prod);
	ck_assert_uint_eq(second->page->req_cons, second->page->req_prod);
}
END_TEST

START_TEST(a_guest_that_sends_much_does_not_keep_others_waiting)
{
	struct fake_guest *loud = ring_stage_guest(5), *quiet = ring_stage_guest(6);
	unsigned char bytes[MESSAGE_SIZE_MAX];
	int rounds = 0;

	put_quietly(quiet);
	fake_guest_event(quiet);
	while (quiet->page->rsp_prod == 0 && rounds++ < 3) {
		while (fake_guest_put(loud, bytes, fake_guest_request(loud, MESSAGE_DIRECTORY, 0, "", 1, bytes)) == 17)
			continue;
		fake_guest_event(loud);
		ev_run(stage.loop, EVRUN_NOWAIT);
	}
	ck_assert_uint_ne(quiet->page->rsp_prod, 0);
}
END_TEST

/* ---- the start ---- */

START_TEST(rings_that_were_there_before_are_taken_up)
{
	struct fake_guest *own = fake_guest_new(&stage.xen, 0, 3), *known = fake_guest_new(&stage.xen, 5, 9);
	struct fake_guest *hvm = fake_guest_new(&stage.xen, 6, 11), *lost = fake_guest_new(&stage.xen, 7, 12);
	struct fake_guest *stranger = fake_guest_new(&stage.xen, 8, 13);
	struct domain *domain;

	own->known_port = 3;
	hvm->known_port = 11;
	for (uint16_t domid = 5; domid <= 8; domid++) {
		ck_assert_int_eq(domain_get(&stage.world.domains, domid, &domain), 0);
		domain->introduced = domid < 8;
		domain->port = domid == 5 ? 9 : 0;
	}
	ck_assert_int_eq(ring_front_start(stage.rings), 0);
	ring_stage_turn();
	ck_assert_uint_eq(ring_front_connections(stage.rings), 3);
	ck_assert_uint_eq(lost->mapped + stranger->mapped, 0);
	ring_stage_alive(own);
	ring_stage_alive(known);
	ring_stage_alive(hvm);
}
END_TEST

START_TEST(rings_that_somebody_has_served_before_are_taken_up_too)
{
	struct fake_guest *served = fake_guest_new(&stage.xen, 5, 9), *waiting = fake_guest_new(&stage.xen, 6, 10);
	struct fake_guest *built = fake_guest_new(&stage.xen, 7, 11), *lost = fake_guest_new(&stage.xen, 8, 12);

	served->page->server_features = 3;
	served->page->req_cons = served->page->req_prod = 77;
	served->known_port = 9;
	waiting->page->connection = RING_RECONNECT;
	waiting->page->evtchn_port = 10;
	built->known_port = 11;
	lost->page->server_features = 3;
	ck_assert_int_eq(ring_front_start(stage.rings), 0);
	ring_stage_turn();
	ck_assert_uint_eq(ring_front_connections(stage.rings), 2);
	ck_assert_uint_eq(built->mapped + lost->mapped, 0);
	ck_assert(domain_find(&stage.world.domains, 5)->introduced);
	ck_assert_uint_eq(waiting->page->connection, RING_CONNECTED);
	ring_stage_alive(served);
	ring_stage_alive(waiting);
}
END_TEST

START_TEST(an_epoch_that_the_store_knows_is_not_used_again)
{
	struct fake_guest *guest = fake_guest_new(&stage.xen, 5, 9);
	struct ring_front_options options = {0};
	struct domain *domain;

	ck_assert_int_eq(domain_get(&stage.world.domains, 5, &domain), 0);
	domain->introduced = true;
	domain->port = 9;
	domain->epoch = 1000;
	ring_front_close(stage.rings);
	ck_assert_int_eq(ring_front_open(&stage.front, &stage.xen.host, &options, &stage.rings), 0);
	stage.world.turn.rings = ring_front_rings(stage.rings);
	ck_assert_int_eq(ring_front_start(stage.rings), 0);
	ck_assert_uint_gt(domain->epoch, 1000);
	ring_stage_alive(guest);
}
END_TEST

START_TEST(without_a_ring_of_its_own_domain_the_daemon_starts)
{
	ck_assert_int_eq(ring_front_start(stage.rings), 0);
	ck_assert_uint_eq(ring_front_connections(stage.rings), 0);
}
END_TEST

START_TEST(a_guest_goes_on_where_it_was_at_the_start)
{
	struct fake_guest *own = fake_guest_new(&stage.xen, 0, 3);
	struct ring_message message;

	own->known_port = 3;
	own->page->req_prod = own->page->req_cons = 0xfffffff0;
	own->page->rsp_prod = own->page->rsp_cons = 0xfffffe00;
	put_quietly(own);
	ck_assert_int_eq(ring_front_start(stage.rings), 0);
	ring_stage_turn();
	ck_assert_uint_eq(own->page->req_cons, own->page->req_prod);
	ck_assert(ring_stage_take(own, &message));
	ck_assert_uint_eq(message.header.request_id, own->last_request_id);
	for (int i = 0; i < 100; i++)
		ring_stage_alive(own);
}
END_TEST

START_TEST(a_page_whose_indexes_make_no_sense_begins_at_0_at_the_start)
{
	struct fake_guest *own = fake_guest_new(&stage.xen, 0, 3);

	own->known_port = 3;
	*(_i ? &own->page->req_prod : &own->page->rsp_prod) = 1025;
	ck_assert_int_eq(ring_front_start(stage.rings), 0);
	ck_assert_uint_eq(own->page->req_prod | own->page->req_cons | own->page->rsp_prod | own->page->rsp_cons, 0);
	ring_stage_alive(own);
}
END_TEST

START_TEST(a_guest_that_asks_for_it_begins_at_0_at_the_start)
{
	struct fake_guest *own = fake_guest_new(&stage.xen, 0, 3);

	own->known_port = 3;
	own->page->req_prod = 10;
	own->page->connection = RING_RECONNECT;
	ck_assert_int_eq(ring_front_start(stage.rings), 0);
	ck_assert_uint_eq(own->page->req_prod, 0);
	ck_assert_uint_eq(own->page->connection, RING_CONNECTED);
	ring_stage_alive(own);
}
END_TEST

/* ---- ports that are inherited ---- */

static struct inherited_port passed[4];
static struct inherited_ports inherited;

static void pass(void *context, const struct inherited_port *port)
{
	(void)context;
	passed[inherited.n++] = *port;
}

/* Another program goes on with the ports of the one before, whose end unbinds nothing. */
static void execute(void)
{
	uint32_t bound[FAKE_GUESTS];
	const struct ring_front_options options = {.inherited = &inherited};

	inherited = (struct inherited_ports){.all = passed, .exception_port = ring_front_exception_port(stage.rings)};
	ring_front_each_port(stage.rings, pass, NULL);
	for (size_t i = 0; i < stage.xen.n_guests; i++)
		bound[i] = stage.xen.guests[i].bound;
	ring_front_close(stage.rings);
	for (size_t i = 0; i < stage.xen.n_guests; i++)
		stage.xen.guests[i].bound = bound[i];
	stage.xen.exception_port = inherited.exception_port;
	ck_assert_int_eq(ring_front_open(&stage.front, &stage.xen.host, &options, &stage.rings), 0);
	stage.world.turn.rings = ring_front_rings(stage.rings);
	ck_assert_int_eq(release_check_domains(&stage.world.turn), 0);
	ck_assert_int_eq(ring_front_recover(stage.rings), 0);
	ck_assert_int_eq(ring_front_start(stage.rings), 0);
}

START_TEST(a_port_that_is_inherited_is_not_bound_again)
{
	struct fake_guest *guest = ring_stage_guest(5);

	execute();
	ck_assert_uint_eq(inherited.n, 1);
	ck_assert_uint_eq(guest->bindings, 1);
	ck_assert_uint_ne(guest->bound, 0);
	ring_stage_alive(guest);
}
END_TEST

START_TEST(a_port_that_is_inherited_may_be_masked_with_an_event)
{
	struct fake_guest *guest = ring_stage_guest(5);
	unsigned char request[MESSAGE_SIZE_MAX];
	struct ring_message message;

	ring_stage_turn();
	guest->is_masked = true; /* somebody has read its event, and not looked */
	execute();
	ring_stage_turn();
	ck_assert(!guest->is_masked);
	fake_guest_put(guest, request, fake_guest_request(guest, MESSAGE_READ, 0, "/", 2, request));
	fake_guest_event(guest);
	ring_stage_turn();
	ck_assert(ring_stage_take(guest, &message));
}
END_TEST

START_TEST(a_port_for_another_end_than_the_ring_has_is_unbound)
{
	struct fake_guest *guest = ring_stage_guest(5), *other = ring_stage_guest(6);

	ring_stage_turn();
	domain_find(&stage.world.domains, 5)->port = guest->port = 77; /* its end is another one now */
	ck_assert_int_eq(ring_stage_release(other), 0);
	other->map_result = STATUS_EINVAL;    /* nor will it have one */
	other->bound = ++stage.xen.next_port; /* a port of somebody who has no ring */
	uint32_t before = guest->bound;
	inherited = (struct inherited_ports){.all = passed, .n = 2, .exception_port = stage.xen.exception_port};
	passed[0] = (struct inherited_port){6, other->bound, other->port};
	passed[1] = (struct inherited_port){5, before, 9};
	const struct ring_front_options options = {.inherited = &inherited};
	ring_front_close(stage.rings);
	stage.xen.exception_port = inherited.exception_port;
	ck_assert_int_eq(ring_front_open(&stage.front, &stage.xen.host, &options, &stage.rings), 0);
	stage.world.turn.rings = ring_front_rings(stage.rings);
	ck_assert_int_eq(release_check_domains(&stage.world.turn), 0);
	ck_assert_int_eq(ring_front_recover(stage.rings), 0);
	ck_assert_uint_ne(guest->bound, before);
	ck_assert_uint_ne(other->bound, 0);
	ck_assert_int_eq(ring_front_start(stage.rings), 0);
	ck_assert_uint_eq(other->bound, 0);
	ring_stage_alive(guest);
}
END_TEST

START_TEST(the_port_of_ended_domains_is_inherited_too)
{
	const uint32_t port = stage.xen.exception_port;

	execute();
	ck_assert_uint_eq(ring_front_exception_port(stage.rings), port);
	ck_assert_uint_eq(stage.xen.exception_port, port);
}
END_TEST

START_TEST(closing_nothing_is_allowed)
{
	ring_front_close(NULL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("ring front");
	TCase *tcase = tcase_create("all");

	tcase_add_checked_fixture(tcase, ring_stage_open, ring_stage_close);
	tcase_add_test(tcase, the_page_of_a_new_ring_is_begun_and_the_guest_is_told);
	tcase_add_test(tcase, a_ring_offers_what_its_domain_is_allowed);
	tcase_add_test(tcase, the_port_in_the_page_counts_before_the_argument);
	tcase_add_test(tcase, what_cannot_be_mapped_or_bound_leaves_nothing);
	tcase_add_test(tcase, a_ring_introduced_again_begins_anew);
	tcase_add_test(tcase, a_ring_introduced_with_another_port_uses_that);
	tcase_add_test(tcase, a_ring_that_was_stopped_is_revived_by_introduce);
	tcase_add_test(tcase, a_ring_whose_event_channel_cannot_be_bound_again_is_stopped_and_says_so);
	tcase_add_test(tcase, a_failed_turn_leaves_no_new_ring);
	tcase_add_test(tcase, a_failed_turn_leaves_a_ring_as_it_was);
	tcase_add_test(tcase, a_failed_turn_loses_no_event);
	tcase_add_test(tcase, a_release_of_a_failed_turn_has_not_been);
	tcase_add_test(tcase, two_changes_of_one_domain_do_not_share_a_turn);
	tcase_add_test(tcase, a_released_ring_is_gone);
	tcase_add_test(tcase, a_domain_can_come_again);
	tcase_add_test(tcase, releasing_what_has_no_ring_does_nothing);
	tcase_add_test(tcase, any_of_the_rings_that_are_about_to_be_served_may_be_released);
	tcase_add_test(tcase, a_ring_may_be_released_while_requests_of_its_turn_are_run_again);
	tcase_add_test(tcase, a_ring_may_be_released_by_its_own_request);
	tcase_add_test(tcase, an_event_wakes_its_own_ring_only);
	tcase_add_test(tcase, events_of_ended_domains_are_told);
	tcase_add_test(tcase, events_that_cannot_be_read_do_not_spin_nor_end_the_daemon);
	tcase_add_test(tcase, the_scan_finds_what_came_without_an_event);
	tcase_add_test(tcase, a_guest_that_sends_much_does_not_keep_others_waiting);
	tcase_add_test(tcase, rings_that_were_there_before_are_taken_up);
	tcase_add_test(tcase, rings_that_somebody_has_served_before_are_taken_up_too);
	tcase_add_test(tcase, an_epoch_that_the_store_knows_is_not_used_again);
	tcase_add_test(tcase, without_a_ring_of_its_own_domain_the_daemon_starts);
	tcase_add_test(tcase, a_guest_goes_on_where_it_was_at_the_start);
	tcase_add_loop_test(tcase, a_page_whose_indexes_make_no_sense_begins_at_0_at_the_start, 0, 2);
	tcase_add_test(tcase, a_guest_that_asks_for_it_begins_at_0_at_the_start);
	tcase_add_test(tcase, a_port_that_is_inherited_is_not_bound_again);
	tcase_add_test(tcase, a_port_that_is_inherited_may_be_masked_with_an_event);
	tcase_add_test(tcase, a_port_for_another_end_than_the_ring_has_is_unbound);
	tcase_add_test(tcase, the_port_of_ended_domains_is_inherited_too);
	tcase_add_test(tcase, closing_nothing_is_allowed);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
