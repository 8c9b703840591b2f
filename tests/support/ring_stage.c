/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "support/ring_stage.h"

#include <check.h>
#include <ev.h>
#include <string.h>

enum { ROUNDS = 4 };

struct ring_stage stage;

static void count_exception(void *context)
{
	struct ring_stage *told = context;

	told->exceptions++;
}

void ring_stage_open_with(const struct world_options *options, double scan_seconds)
{
	struct ring_front_options ring_options = {scan_seconds, count_exception, &stage, NULL};

	memset(&stage, 0, sizeof(stage));
	ck_assert_int_eq(world_init(&stage.world, options), 0);
	stage.loop = ev_loop_new(EVFLAG_AUTO);
	ck_assert_ptr_nonnull(stage.loop);
	front_init(&stage.front, stage.loop, &stage.world.turn);
	fake_xen_init(&stage.xen);
	ck_assert_int_eq(ring_front_open(&stage.front, &stage.xen.host, &ring_options, &stage.rings), 0);
	stage.world.domains.hypervisor = &stage.xen.hypervisor;
	stage.world.turn.rings = ring_front_rings(stage.rings);
}

void ring_stage_open(void)
{
	ring_stage_open_with(NULL, 0);
}

void ring_stage_close(void)
{
	front_finish(&stage.front);
	ring_front_close(stage.rings);
	front_deinit(&stage.front);
	for (size_t i = 0; i < stage.xen.n_guests; i++) {
		ck_assert_uint_eq(stage.xen.guests[i].mapped, 0);
		ck_assert_uint_eq(stage.xen.guests[i].bound, 0);
	}
	fake_xen_deinit(&stage.xen);
	ev_loop_destroy(stage.loop);
	world_deinit(&stage.world);
}

void ring_stage_turn(void)
{
	for (int i = 0; i < ROUNDS; i++)
		ev_run(stage.loop, EVRUN_NOWAIT);
}

/* ---- operations ---- */

struct operation_on {
	struct fake_guest *guest;
	uint32_t port;
};

static int introduce(void *context, struct turn *turn, struct changes *changes)
{
	const struct operation_on *operation = context;
	struct domain *domain;

	(void)changes;
	ck_assert_int_eq(domain_get(turn->domains, operation->guest->domid, &domain), 0);
	int result = turn->rings->introduce(turn->rings->context, domain, operation->port);
	if (!result)
		domain->introduced = true;
	return result;
}

static int release(void *context, struct turn *turn, struct changes *changes)
{
	const struct operation_on *operation = context;
	struct domain *domain = domain_find(turn->domains, operation->guest->domid);

	(void)changes;
	ck_assert_ptr_nonnull(domain);
	return turn->rings->release(turn->rings->context, domain);
}

int ring_stage_introduce(struct fake_guest *guest, uint32_t port)
{
	struct operation_on operation = {guest, port};

	return turn_run_work(&stage.world.turn, introduce, &operation);
}

int ring_stage_release(struct fake_guest *guest)
{
	struct operation_on operation = {.guest = guest};

	return turn_run_work(&stage.world.turn, release, &operation);
}

struct fake_guest *ring_stage_guest(uint16_t domid)
{
	struct fake_guest *guest = fake_guest_new(&stage.xen, domid, 1);

	ck_assert_int_eq(ring_stage_introduce(guest, 1), 0);
	ring_stage_turn();
	return guest;
}

/* ---- the guest's side ---- */

void ring_stage_put(struct fake_guest *guest, const void *bytes, size_t len)
{
	size_t done = 0;

	while (done < len) {
		size_t n = fake_guest_put(guest, (const char *)bytes + done, len - done);
		ck_assert_uint_gt(n, 0);
		done += n;
		fake_guest_event(guest);
		ring_stage_turn();
	}
}

/* False: they did not come; those that did are lost. */
static bool take_bytes(struct fake_guest *guest, void *bytes, size_t len)
{
	size_t done = 0, n;

	do {
		n = fake_guest_take(guest, (char *)bytes + done, len - done);
		done += n;
		if (n) {
			fake_guest_event(guest);
			ring_stage_turn();
		}
	} while (n && done < len);
	return done == len;
}

bool ring_stage_take(struct fake_guest *guest, struct ring_message *out)
{
	if (!take_bytes(guest, &out->header, sizeof(out->header)))
		return false;
	ck_assert_uint_le(out->header.len, MESSAGE_PAYLOAD_MAX);
	out->payload[out->header.len] = 0;
	return !out->header.len || take_bytes(guest, out->payload, out->header.len);
}

void ring_stage_call(struct fake_guest *guest, uint32_t type, uint32_t transaction, const char *payload, struct ring_message *out)
{
	unsigned char bytes[MESSAGE_SIZE_MAX];
	char text[MESSAGE_PAYLOAD_MAX];
	size_t len = strlen(payload);

	for (size_t i = 0; i < len; i++)
		text[i] = payload[i] == '|' ? 0 : payload[i];
	ring_stage_put(guest, bytes, fake_guest_request(guest, type, transaction, text, len, bytes));
	do {
		ck_assert(ring_stage_take(guest, out));
	} while (out->header.type == MESSAGE_WATCH_EVENT);
	ck_assert_uint_eq(out->header.request_id, guest->last_request_id);
}

void ring_stage_alive(struct fake_guest *guest)
{
	struct ring_message message;

	ring_stage_call(guest, MESSAGE_GET_PERMS, 0, "/|", &message);
	ck_assert_uint_eq(message.header.type, guest->domid ? MESSAGE_ERROR : MESSAGE_GET_PERMS);
}

void ring_stage_stopped(struct fake_guest *guest, uint32_t error)
{
	struct ring_page *page = guest->page;

	ring_stage_turn();
	ck_assert_uint_eq(page->error, error);
	const struct ring_page before = *page;
	for (int i = 0; i < 3; i++) {
		page->req_prod += 17;
		page->rsp_cons += 5;
		fake_guest_event(guest);
		ring_stage_turn();
		ck_assert_uint_eq(page->req_cons, before.req_cons);
		ck_assert_uint_eq(page->rsp_prod, before.rsp_prod);
		ck_assert_uint_eq(page->error, error);
	}
}
