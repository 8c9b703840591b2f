/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Rings of the real daemon on the simulated Xen, with guests that do what no kernel does. RINGS_SEED seeds what is random,
 * RINGS_ROUNDS says how many rounds the hostile guest plays.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support/random.h"
#include "support/suite.h"
#include "wire/ring_page.h"
#include "xensim/expect_guest.h"

enum { SOON_MS = 60000, ROUNDS = 1500, IDLE_GUESTS = 300, ALL_FEATURES = 15 };

static struct daemon shared; /* only its directory, in which each test's is */
static struct daemon served;
static struct sim *sim;
static struct client *root; /* of domain 0, on the socket */

static void start_with(const char *const arguments[])
{
	ck_assert_int_eq(daemon_init_in(&served, shared.directory), 0);
	sim = expect_sim(&served);
	expect_sim_start(sim, &served, SIM_LXENSTORED, arguments);
	root = expect_client(&served);
}

static void start(void)
{
	start_with((const char *[]){"--ring-scan-interval", "0", NULL});
}

static void start_scanning(void)
{
	start_with((const char *[]){"--ring-scan-interval", "1", NULL});
}

static void stop(void)
{
	client_close(root);
	ck_assert_int_eq(daemon_stop(&served, SIGKILL, NULL), 0);
	sim_free(sim);
	daemon_deinit(&served);
}

static void kill_and_start(void)
{
	client_close(root);
	ck_assert_int_eq(daemon_stop(&served, SIGKILL, NULL), 0);
	expect_sim_start(sim, &served, SIM_LXENSTORED, NULL);
	root = expect_client(&served);
}

/* ---- the guest's side, byte by byte ---- */

static void wait_for(struct guest *guest, _Atomic uint32_t *field, uint32_t value)
{
	while (atomic_load(field) != value)
		ck_assert_int_eq(guest_wait(guest, SOON_MS), 0);
}

/* Puts all of it, with a notification for each part; all of it is taken. */
static void put_all(struct guest *guest, const void *bytes, size_t len)
{
	struct guest_page *page = guest_page(guest);

	for (size_t done = 0, n; done < len; done += n) {
		n = guest_put(guest, (const char *)bytes + done, len - done);
		ck_assert_int_eq(guest_notify(guest), 0);
		wait_for(guest, &page->req_cons, atomic_load(&page->req_prod));
	}
}

static void take_all(struct guest *guest, void *bytes, size_t len)
{
	for (size_t done = 0, n; done < len; done += n) {
		while (!(n = guest_take(guest, (char *)bytes + done, len - done)))
			ck_assert_int_eq(guest_wait(guest, SOON_MS), 0);
		ck_assert_int_eq(guest_notify(guest), 0);
	}
}

static size_t make_request(unsigned char out[MESSAGE_SIZE_MAX], uint32_t type, uint32_t id, const char *payload, size_t len)
{
	const struct message_header header = {type, id, 0, (uint32_t)len};

	message_write_header(out, &header);
	memcpy(out + MESSAGE_HEADER_SIZE, payload, len);
	return MESSAGE_HEADER_SIZE + len;
}

/* The reply of this request, and its payload; a NUL follows. */
static struct message_header take_reply(struct guest *guest, uint32_t id, char payload[MESSAGE_PAYLOAD_MAX + 1])
{
	struct message_header header;

	take_all(guest, &header, sizeof(header));
	ck_assert_uint_le(header.len, MESSAGE_PAYLOAD_MAX);
	take_all(guest, payload, header.len);
	payload[header.len] = 0;
	ck_assert_uint_eq(header.request_id, id);
	return header;
}

/* The client stays for whoever wants it; here the guest is needed. */
static struct guest *new_guest(uint16_t domid)
{
	client_close(expect_guest(sim, root, domid));
	return guest_find(sim, domid);
}

static void expect_alive(struct guest *guest)
{
	struct client *client;

	ck_assert_int_eq(guest_client(guest, SOON_MS, &client), 0);
	expect_write(client, 0, "alive", "yes");
	expect_read(client, 0, "alive", "yes");
	client_close(client);
}

static void introduce(uint16_t domid, const char *error)
{
	char number[16], frame[32], port[16];

	snprintf(number, sizeof(number), "%u", domid);
	snprintf(frame, sizeof(frame), "%lu", sim_frame(sim, domid));
	snprintf(port, sizeof(port), "%u", sim_port(sim, domid));
	if (*error)
		expect_error(root, error, MESSAGE_INTRODUCE, 0, ARGUMENTS(number, frame, port));
	else
		expect_ok(root, MESSAGE_INTRODUCE, 0, ARGUMENTS(number, frame, port));
}

static void reconnect(struct guest *guest)
{
	struct guest_page *page = guest_page(guest);

	atomic_store(&page->connection, RING_RECONNECT);
	ck_assert_int_eq(guest_notify(guest), 0);
	wait_for(guest, &page->connection, RING_CONNECTED);
	ck_assert_uint_eq(page->error | page->req_cons | page->req_prod | page->rsp_cons | page->rsp_prod, 0);
}

/* ---- honest guests ---- */

START_TEST(a_ring_offers_all_features)
{
	struct guest *guest = new_guest(5);

	ck_assert_uint_eq(guest_page(guest)->features, ALL_FEATURES);
}
END_TEST

START_TEST(messages_may_be_cut_at_every_byte)
{
	struct guest *guest = new_guest(5);
	unsigned char bytes[MESSAGE_SIZE_MAX];
	char payload[MESSAGE_PAYLOAD_MAX + 1];

	expect_write(root, 0, "/local/domain/5/data", "value");
	size_t len = make_request(bytes, MESSAGE_READ, 7, "data", 5);
	for (size_t cut = 1; cut < len; cut++) {
		put_all(guest, bytes, cut);
		ck_assert_uint_eq(guest_page(guest)->rsp_prod, guest_page(guest)->rsp_cons);
		put_all(guest, bytes + cut, len - cut);
		take_reply(guest, 7, payload);
		ck_assert_str_eq(payload, "value");
	}
}
END_TEST

START_TEST(messages_wrap_at_every_byte_of_both_rings)
{
	struct guest *guest = new_guest(5);
	unsigned char bytes[MESSAGE_SIZE_MAX];
	char payload[MESSAGE_PAYLOAD_MAX + 1];

	/* Odd lengths of request and reply: both begin everywhere. */
	expect_write(root, 0, "/local/domain/5/data", "a value");
	size_t len = make_request(bytes, MESSAGE_READ, 7, "data", 5);
	ck_assert_uint_eq(len % 2, 1);
	for (int i = 0; i < GUEST_RING; i++) {
		put_all(guest, bytes, len);
		take_reply(guest, 7, payload);
		ck_assert_str_eq(payload, "a value");
	}
}
END_TEST

START_TEST(the_longest_messages_go_both_ways)
{
	struct guest *guest = new_guest(5);
	unsigned char bytes[MESSAGE_SIZE_MAX];
	char payload[MESSAGE_PAYLOAD_MAX + 1], value[MESSAGE_PAYLOAD_MAX + 1];

	memset(value, 'v', MESSAGE_PAYLOAD_MAX);
	value[MESSAGE_PAYLOAD_MAX] = 0;
	/* Of domain 0 without a quota; by ring, since WRITE has its path in the same message. */
	struct client *client = expect_guest(sim, root, 6);
	for (size_t i = 0; i < 20; i++) {
		value[i] = (char)('a' + i);
		size_t len = make_request(bytes, MESSAGE_READ, 7, value, MESSAGE_PAYLOAD_MAX);
		put_all(guest, bytes, len);
		take_reply(guest, 7, payload);
		ck_assert_str_eq(payload, "EINVAL");
	}
	value[MESSAGE_PAYLOAD_MAX - sizeof("/local/domain/6/long")] = 0;
	expect_write(root, 0, "/local/domain/6/long", value);
	expect_read(client, 0, "long", value);
	client_close(client);
}
END_TEST

START_TEST(an_exactly_full_ring_is_processed)
{
	struct guest *guest = new_guest(5);
	unsigned char bytes[GUEST_RING + MESSAGE_SIZE_MAX];
	char payload[MESSAGE_PAYLOAD_MAX + 1];
	size_t len = 0;

	for (uint32_t id = 0; len < GUEST_RING; id++)
		len += make_request(bytes + len, MESSAGE_DIRECTORY, id, "0123456789abcde", 16);
	ck_assert_uint_eq(len, GUEST_RING);
	for (int i = 0; i < 10; i++) {
		ck_assert_uint_eq(guest_put(guest, bytes, len), GUEST_RING);
		ck_assert_int_eq(guest_notify(guest), 0);
		for (uint32_t id = 0; id < GUEST_RING / 32; id++)
			take_reply(guest, id, payload);
	}
}
END_TEST

START_TEST(a_guest_that_does_not_read_keeps_nobody_and_loses_nothing)
{
	struct guest *guest = new_guest(5), *other = new_guest(6);
	unsigned char bytes[MESSAGE_SIZE_MAX];
	char payload[MESSAGE_PAYLOAD_MAX + 1];
	uint32_t sent = 0;

	expect_write(root, 0, "/local/domain/5/data", "value");
	/* Until the ring is full and stays so for as long as another guest is served. */
	for (int still_full = 0; still_full < 20;) {
		size_t len = make_request(bytes, MESSAGE_READ, sent, "data", 5);
		bool fits = GUEST_RING - (guest_page(guest)->req_prod - guest_page(guest)->req_cons) >= len;
		if (fits) {
			guest_put(guest, bytes, len);
			sent++;
		}
		ck_assert_int_eq(guest_notify(guest), 0);
		if (!fits)
			expect_alive(other);
		still_full = fits ? 0 : still_full + 1;
		ck_assert_uint_lt(sent, 100000);
	}
	for (uint32_t id = 0; id < sent; id++)
		take_reply(guest, id, payload);
	expect_alive(guest);
}
END_TEST

START_TEST(a_loud_guest_does_not_keep_others_waiting)
{
	struct guest *loud = new_guest(5);
	struct client *quiet = expect_guest(sim, root, 6);
	unsigned char bytes[MESSAGE_SIZE_MAX], ignored[GUEST_RING];
	size_t len = make_request(bytes, MESSAGE_DIRECTORY, 1, "/", 2);

	for (int i = 0; i < 300; i++) {
		while (GUEST_RING - (guest_page(loud)->req_prod - guest_page(loud)->req_cons) >= len)
			guest_put(loud, bytes, len);
		for (int j = 0; j < 20; j++)
			ck_assert_int_eq(guest_notify(loud), 0);
		guest_take(loud, ignored, sizeof(ignored));
		expect_write(quiet, 0, "data", "served");
	}
	client_close(quiet);
}
END_TEST

/* What a request costs does not depend on how many rings there are: nothing is asked of Xen for others. */
START_TEST(an_event_costs_the_same_with_many_rings)
{
	struct client *client = expect_guest(sim, root, 5);

	for (uint16_t domid = 100; domid < 100 + IDLE_GUESTS; domid++)
		client_close(expect_guest(sim, root, domid));
	uint64_t pending = sim_calls(sim, HOST_CALL_PENDING), unmask = sim_calls(sim, HOST_CALL_UNMASK);
	uint64_t notify = sim_calls(sim, HOST_CALL_NOTIFY),
		 other = sim_calls(sim, HOST_CALL_DOMAIN) + sim_calls(sim, HOST_CALL_DOMAINS) + sim_calls(sim, HOST_CALL_MAP);
	for (int i = 0; i < 100; i++)
		expect_read(client, 0, "data", NULL);
	/* One for the request, another one perhaps for the answer that was taken. */
	ck_assert_uint_le(sim_calls(sim, HOST_CALL_PENDING) - pending, 300);
	ck_assert_uint_le(sim_calls(sim, HOST_CALL_UNMASK) - unmask, 300);
	ck_assert_uint_le(sim_calls(sim, HOST_CALL_NOTIFY) - notify, 300);
	ck_assert_uint_eq(sim_calls(sim, HOST_CALL_DOMAIN) + sim_calls(sim, HOST_CALL_DOMAINS) + sim_calls(sim, HOST_CALL_MAP),
			  other);
	client_close(client);
}
END_TEST

/* ---- hostile guests ---- */

static void expect_stopped(struct guest *guest, uint32_t error)
{
	struct guest_page *page = guest_page(guest);

	wait_for(guest, &page->error, error);
	const uint32_t consumed = page->req_cons, produced = page->rsp_prod;
	atomic_fetch_add(&page->req_prod, 16);
	ck_assert_int_eq(guest_notify(guest), 0);
	expect_read(root, 0, "/tool", "");
	ck_assert_uint_eq(page->req_cons, consumed);
	ck_assert_uint_eq(page->rsp_prod, produced);
}

START_TEST(an_index_that_jumps_stops_the_guest_and_nobody_else)
{
	const char *rounds = getenv("RINGS_ROUNDS");
	struct guest *guest = new_guest(5), *other = new_guest(6);
	struct guest_page *page = guest_page(guest);
	unsigned char bytes[MESSAGE_SIZE_MAX];
	size_t len = make_request(bytes, MESSAGE_DIRECTORY, 1, "/", 2);
	struct random random;

	random_begin(&random, "RINGS_SEED");
	for (int i = rounds ? atoi(rounds) : ROUNDS; i; i--) {
		uint32_t jump = random_below(&random, 2) ? GUEST_RING + 1 + random_below(&random, 16)
							 : GUEST_RING + 1 + random_below(&random, UINT32_MAX - GUEST_RING - 1);
		if (random_below(&random, 2)) {
			atomic_store(&page->req_prod, page->req_cons + jump);
		} else {
			atomic_store(&page->rsp_cons, page->rsp_prod - jump);
			guest_put(guest, bytes, len); /* something to be answered */
		}
		if (!random_below(&random, 4)) /* which are not the guest's */
			atomic_store(&page->features, random_below(&random, UINT32_MAX));
		ck_assert_int_eq(guest_notify(guest), 0);
		if (i % 100)
			wait_for(guest, &page->error, RING_ERROR_INDEX);
		else
			expect_stopped(guest, RING_ERROR_INDEX);
		reconnect(guest);
		ck_assert_uint_eq(page->features, ALL_FEATURES);
		if (!(i % 100)) {
			expect_alive(guest);
			expect_alive(other);
		}
	}
}
END_TEST

START_TEST(indexes_of_the_server_are_not_read_back)
{
	struct guest *guest = new_guest(5);
	struct guest_page *page = guest_page(guest);
	unsigned char bytes[MESSAGE_SIZE_MAX];
	char payload[MESSAGE_PAYLOAD_MAX + 1];
	size_t len = make_request(bytes, MESSAGE_READ, 1, "none", 5);

	for (uint32_t i = 1; i < 500; i++) {
		uint32_t consumed = page->req_cons, produced = page->rsp_prod;
		guest_put(guest, bytes, len);
		atomic_store(&page->req_cons, consumed + i * 0x01234567);
		atomic_store(&page->rsp_prod, produced - i * 0x07654321);
		ck_assert_int_eq(guest_notify(guest), 0);
		wait_for(guest, &page->rsp_prod, produced + MESSAGE_HEADER_SIZE + sizeof("ENOENT"));
		ck_assert_uint_eq(page->req_cons, consumed + len);
		take_reply(guest, 1, payload);
		ck_assert_str_eq(payload, "ENOENT");
	}
}
END_TEST

START_TEST(a_message_that_is_too_long_stops_the_guest)
{
	static const uint32_t lengths[] = {4097, 0x7fffffff, 0x80000000, 0xc0000000, 0xfffffff0, 0xffffffff};
	struct guest *guest = new_guest(5);

	for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
		const struct message_header header = {MESSAGE_WRITE, 1, 0, lengths[i]};
		guest_put(guest, &header, sizeof(header));
		ck_assert_int_eq(guest_notify(guest), 0);
		expect_stopped(guest, RING_ERROR_PROTOCOL);
		reconnect(guest);
		expect_alive(guest);
	}
}
END_TEST

/* XSA-325 */
START_TEST(a_guest_that_was_stopped_is_released_when_it_really_goes)
{
	struct guest *guest = new_guest(5);

	expect_watch(root, "@releaseDomain", "gone");
	atomic_store(&guest_page(guest)->req_prod, 5000);
	ck_assert_int_eq(guest_notify(guest), 0);
	expect_stopped(guest, RING_ERROR_INDEX);
	expect_no_event(root);
	expect_text(root, "T", MESSAGE_IS_DOMAIN_INTRODUCED, 0, ARGUMENTS("5"));
	ck_assert_int_eq(sim_destroy(sim, 5), 0);
	expect_event(root, "@releaseDomain", "gone");
	expect_no_event(root);
	expect_text(root, "F", MESSAGE_IS_DOMAIN_INTRODUCED, 0, ARGUMENTS("5"));
}
END_TEST

/* ---- beginning anew ---- */

START_TEST(introduce_revives_a_guest_that_was_stopped)
{
	struct guest *guest = new_guest(5);

	atomic_store(&guest_page(guest)->req_prod, 5000);
	ck_assert_int_eq(guest_notify(guest), 0);
	expect_stopped(guest, RING_ERROR_INDEX);
	introduce(5, "");
	ck_assert_uint_eq(guest_page(guest)->error, RING_ERROR_NONE);
	expect_alive(guest);
}
END_TEST

START_TEST(reconnecting_ends_watches_transactions_and_messages)
{
	struct guest *guest = new_guest(5);
	unsigned char bytes[MESSAGE_SIZE_MAX];
	struct client *client;
	char payload[MESSAGE_PAYLOAD_MAX + 1];

	ck_assert_int_eq(guest_client(guest, SOON_MS, &client), 0);
	expect_watch(client, "data", "token");
	uint32_t transaction = expect_transaction(client);
	client_close(client);
	put_all(guest, bytes, make_request(bytes, MESSAGE_WRITE, 1, "data", 5) - 3);
	reconnect(guest);
	expect_write(root, 0, "/local/domain/5/data", "changed");
	ck_assert_int_eq(guest_client(guest, SOON_MS, &client), 0);
	expect_no_event(client);
	expect_error(client, "ENOENT", MESSAGE_READ, transaction, ARGUMENTS("data"));
	expect_read(client, 0, "data", "changed");
	client_close(client);
	put_all(guest, bytes, make_request(bytes, MESSAGE_READ, 9, "data", 5));
	take_reply(guest, 9, payload);
	ck_assert_str_eq(payload, "changed");
}
END_TEST

START_TEST(a_channel_that_was_made_anew_is_bound_by_introduce)
{
	struct guest *guest = new_guest(5);

	ck_assert_int_gt(sim_new_port(sim, 5), 0);
	guest_detach(guest);
	introduce(5, "");
	ck_assert_int_eq(guest_attach(sim, 5, &guest), 0);
	ck_assert(sim_is_bound(sim, 5));
	expect_alive(guest);
}
END_TEST

START_TEST(the_port_that_the_page_names_is_bound)
{
	struct guest *guest;

	ck_assert_int_eq(sim_create(sim, 5, SIM_PV), 0);
	ck_assert_int_eq(guest_attach(sim, 5, &guest), 0);
	atomic_store(&guest_page(guest)->port, sim_port(sim, 5));
	expect_ok(root, MESSAGE_INTRODUCE, 0, ARGUMENTS("5", "1", "77"));
	ck_assert(sim_is_bound(sim, 5));
	expect_ok(root, MESSAGE_MKDIR, 0, ARGUMENTS("/local/domain/5"));
	expect_ok(root, MESSAGE_SET_PERMS, 0, ARGUMENTS("/local/domain/5", "n5"));
	expect_alive(guest);
}
END_TEST

/* ---- calls that fail ---- */

START_TEST(what_cannot_be_mapped_or_bound_can_be_tried_again)
{
	static const struct {
		enum host_call call;
		unsigned error;
		const char *answer;
	} failures[] = {
	    {HOST_CALL_MAP, EINVAL, "EINVAL"},	{HOST_CALL_MAP, ENOMEM, "ENOMEM"},  {HOST_CALL_MAP, ENOSPC, "ENOSPC"},
	    {HOST_CALL_BIND, EINVAL, "EINVAL"}, {HOST_CALL_BIND, ENOENT, "ENOENT"}, {HOST_CALL_BIND, ENOSPC, "ENOSPC"},
	    {HOST_CALL_BIND, EBADF, "EINVAL"},
	};
	struct guest *guest;

	ck_assert_int_eq(sim_create(sim, 5, SIM_PV), 0);
	expect_watch(root, "@introduceDomain", "new");
	for (size_t i = 0; i < sizeof(failures) / sizeof(*failures); i++) {
		uint64_t maps = sim_calls(sim, HOST_CALL_MAP), unmaps = sim_calls(sim, HOST_CALL_UNMAP);
		ck_assert_int_ge(sim_rule(sim, failures[i].call, 5, 0, 1, HOST_FAIL, failures[i].error), 0);
		introduce(5, failures[i].answer);
		sim_clear_rules(sim);
		expect_no_event(root);
		ck_assert_uint_eq(sim_calls(sim, HOST_CALL_UNMAP) - unmaps,
				  sim_calls(sim, HOST_CALL_MAP) - maps - (failures[i].call == HOST_CALL_MAP));
	}
	introduce(5, "");
	expect_event(root, "@introduceDomain", "new");
	expect_ok(root, MESSAGE_MKDIR, 0, ARGUMENTS("/local/domain/5"));
	expect_ok(root, MESSAGE_SET_PERMS, 0, ARGUMENTS("/local/domain/5", "n5"));
	ck_assert_int_eq(guest_attach(sim, 5, &guest), 0);
	expect_alive(guest);
}
END_TEST

START_TEST(notifications_that_fail_end_nothing)
{
	struct guest *guest = new_guest(5);
	unsigned char bytes[MESSAGE_SIZE_MAX];

	ck_assert_int_ge(sim_rule(sim, HOST_CALL_NOTIFY, 5, 0, 3, HOST_FAIL, ENOTCONN), 0);
	size_t len = make_request(bytes, MESSAGE_READ, 1, "data", 5);
	for (int i = 0; i < 5; i++) {
		uint32_t produced = guest_page(guest)->rsp_prod;
		guest_put(guest, bytes, len);
		ck_assert_int_eq(guest_notify(guest), 0);
		while (atomic_load(&guest_page(guest)->rsp_prod) == produced)
			expect_read(root, 0, "/tool", "");
	}
}
END_TEST

START_TEST(guests_that_go_in_the_middle_of_everything_harm_nobody)
{
	struct guest *other = new_guest(6);
	unsigned char bytes[MESSAGE_SIZE_MAX];

	for (uint16_t i = 0; i < 30; i++) {
		struct guest *guest = new_guest(5);
		size_t len = make_request(bytes, MESSAGE_WATCH, 1, "/\0token", 8);
		for (int j = 0; j < i; j++)
			guest_put(guest, bytes, len);
		ck_assert_int_eq(guest_notify(guest), 0);
		if (i % 3 == 0)
			ck_assert_int_eq(sim_kill(sim, 5), 0);
		else if (i % 3 == 1)
			expect_ok(root, MESSAGE_RELEASE, 0, ARGUMENTS("5"));
		ck_assert_int_eq(sim_destroy(sim, 5), 0);
		guest_detach(guest);
		while (!strcmp(expect_any(root, MESSAGE_IS_DOMAIN_INTRODUCED, 0, ARGUMENTS("5")).payload, "T"))
			continue;
		expect_error(root, "ENOENT", MESSAGE_READ, 0, ARGUMENTS("/local/domain/5"));
		expect_alive(other);
	}
	expect_sound(root);
}
END_TEST

/* XSA-425: whoever is next in the daemon's list goes. */
START_TEST(busy_guests_can_be_released_in_any_order)
{
	enum { GUESTS = 8 };
	unsigned char bytes[MESSAGE_SIZE_MAX];
	struct guest *guests[GUESTS];

	for (uint16_t first = 0; first < GUESTS; first++) {
		for (uint16_t i = 0; i < GUESTS; i++)
			guests[i] = new_guest((uint16_t)(10 + i));
		for (int i = 0; i < GUESTS; i++) {
			guest_put(guests[i], bytes, make_request(bytes, MESSAGE_READ, 1, "data", 5));
			ck_assert_int_eq(guest_notify(guests[i]), 0);
		}
		for (uint16_t i = 0; i < GUESTS; i++) {
			char number[16];
			snprintf(number, sizeof(number), "%u", 10 + (first + i) % GUESTS);
			ck_assert_int_eq(client_send(root, MESSAGE_RELEASE, 0, number, strlen(number) + 1, NULL), 0);
		}
		for (int i = 0; i < GUESTS; i++) {
			struct client_message message;
			ck_assert_int_eq(client_receive_reply(root, &message), 0);
			ck_assert_str_eq(message.payload, "OK");
		}
		for (uint16_t i = 0; i < GUESTS; i++) {
			guest_detach(guests[i]);
			ck_assert_int_eq(sim_destroy(sim, (uint16_t)(10 + i)), 0);
		}
	}
	expect_sound(root);
}
END_TEST

/* ---- the start ---- */

START_TEST(guests_are_served_by_the_next_daemon_without_being_introduced)
{
	struct guest *guests[10];

	for (uint16_t i = 0; i < 10; i++)
		guests[i] = new_guest((uint16_t)(5 + i));
	for (int round = 0; round < 3; round++) {
		kill_and_start();
		for (int i = 0; i < 10; i++)
			expect_alive(guests[i]);
	}
	expect_watch(root, "@releaseDomain", "gone");
	ck_assert_int_eq(sim_destroy(sim, 5), 0);
	expect_event(root, "@releaseDomain", "gone");
}
END_TEST

START_TEST(requests_put_while_there_is_no_daemon_are_answered)
{
	struct guest *guest = new_guest(5);
	unsigned char bytes[MESSAGE_SIZE_MAX];
	char payload[MESSAGE_PAYLOAD_MAX + 1];

	expect_alive(guest);
	client_close(root);
	ck_assert_int_eq(daemon_stop(&served, SIGKILL, NULL), 0);
	guest_put(guest, bytes, make_request(bytes, MESSAGE_READ, 77, "alive", 6));
	guest_notify(guest);
	expect_sim_start(sim, &served, SIM_LXENSTORED, NULL);
	root = expect_client(&served);
	take_reply(guest, 77, payload);
	ck_assert_str_eq(payload, "yes");
}
END_TEST

START_TEST(a_guest_that_died_while_there_was_no_daemon_is_released_at_the_start)
{
	new_guest(5);
	struct guest *other = new_guest(6);

	client_close(root);
	ck_assert_int_eq(daemon_stop(&served, SIGKILL, NULL), 0);
	ck_assert_int_eq(sim_destroy(sim, 5), 0);
	ck_assert_int_eq(sim_create(sim, 5, SIM_PV), 0); /* its number is another's now */
	expect_sim_start(sim, &served, SIM_LXENSTORED, NULL);
	root = expect_client(&served);
	expect_text(root, "F", MESSAGE_IS_DOMAIN_INTRODUCED, 0, ARGUMENTS("5"));
	expect_error(root, "ENOENT", MESSAGE_READ, 0, ARGUMENTS("/local/domain/5"));
	expect_alive(other);
}
END_TEST

/* As when another daemon has served before. */
START_TEST(guests_that_the_store_does_not_know_are_found_by_their_pages)
{
	struct guest *named = new_guest(5), *hvm;
	char path[128];

	new_guest(6);
	ck_assert_int_eq(sim_create(sim, 7, SIM_HVM), 0);
	hvm = expect_introduce(sim, root, 7);
	atomic_store(&guest_page(named)->port, sim_port(sim, 5));
	client_close(root);
	ck_assert_int_eq(daemon_stop(&served, SIGKILL, NULL), 0);
	snprintf(path, sizeof(path), "%s/store.mdb", served.directory);
	if (access(path, F_OK))
		snprintf(path, sizeof(path), "%s", served.store);
	ck_assert_int_eq(unlink(path), 0);
	expect_sim_start(sim, &served, SIM_LXENSTORED, NULL);
	root = expect_client(&served);
	for (int domid = 5; domid <= 7; domid += 2) {
		char home[32], owner[16];
		snprintf(home, sizeof(home), "/local/domain/%d", domid);
		snprintf(owner, sizeof(owner), "n%d", domid);
		expect_ok(root, MESSAGE_MKDIR, 0, ARGUMENTS(home));
		expect_ok(root, MESSAGE_SET_PERMS, 0, ARGUMENTS(home, owner));
	}
	expect_alive(named);
	expect_alive(hvm);
	expect_text(root, "F", MESSAGE_IS_DOMAIN_INTRODUCED, 0, ARGUMENTS("6"));
	char *messages = daemon_messages(&served);
	ck_assert_ptr_nonnull(strstr(messages, "domain 6:"));
	free(messages);
	expect_watch(root, "@introduceDomain", "new");
	introduce(6, "");
	expect_event(root, "@introduceDomain", "new");
}
END_TEST

/* ---- guests that forget to notify ---- */

START_TEST(what_came_without_a_notification_is_found)
{
	struct guest *guest = new_guest(5);
	unsigned char bytes[MESSAGE_SIZE_MAX];
	char payload[MESSAGE_PAYLOAD_MAX + 1];

	for (uint32_t id = 0; id < 2; id++) {
		guest_put(guest, bytes, make_request(bytes, MESSAGE_READ, id, "data", 5));
		take_reply(guest, id, payload);
	}
}
END_TEST

START_TEST(a_guest_that_takes_without_a_notification_gets_the_rest)
{
	struct guest *guest = new_guest(5);
	unsigned char bytes[MESSAGE_SIZE_MAX];
	char value[1500] = {0};
	uint32_t taken = 0;

	memset(value, 'v', sizeof(value) - 1);
	expect_write(root, 0, "/local/domain/5/data", value);
	put_all(guest, bytes, make_request(bytes, MESSAGE_READ, 1, "data", 5));
	while (taken < MESSAGE_HEADER_SIZE + sizeof(value) - 1) {
		size_t n = guest_take(guest, bytes, sizeof(bytes));
		taken += (uint32_t)n;
		if (!n)
			ck_assert_int_eq(guest_wait(guest, SOON_MS), 0);
	}
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
	    a_ring_offers_all_features,
	    messages_may_be_cut_at_every_byte,
	    messages_wrap_at_every_byte_of_both_rings,
	    the_longest_messages_go_both_ways,
	    an_exactly_full_ring_is_processed,
	    a_guest_that_does_not_read_keeps_nobody_and_loses_nothing,
	    a_loud_guest_does_not_keep_others_waiting,
	    an_event_costs_the_same_with_many_rings,
	    an_index_that_jumps_stops_the_guest_and_nobody_else,
	    indexes_of_the_server_are_not_read_back,
	    a_message_that_is_too_long_stops_the_guest,
	    a_guest_that_was_stopped_is_released_when_it_really_goes,
	    introduce_revives_a_guest_that_was_stopped,
	    reconnecting_ends_watches_transactions_and_messages,
	    a_channel_that_was_made_anew_is_bound_by_introduce,
	    the_port_that_the_page_names_is_bound,
	    what_cannot_be_mapped_or_bound_can_be_tried_again,
	    notifications_that_fail_end_nothing,
	    guests_that_go_in_the_middle_of_everything_harm_nobody,
	    busy_guests_can_be_released_in_any_order,
	    guests_are_served_by_the_next_daemon_without_being_introduced,
	    requests_put_while_there_is_no_daemon_are_answered,
	    a_guest_that_died_while_there_was_no_daemon_is_released_at_the_start,
	    guests_that_the_store_does_not_know_are_found_by_their_pages,
	};
	const TTest *const scan_tests[] = {
	    what_came_without_a_notification_is_found,
	    a_guest_that_takes_without_a_notification_gets_the_rest,
	};
	Suite *suite = expect_suite("rings", &shared, start, stop, tests, sizeof(tests) / sizeof(*tests));

	expect_case(suite, "rings, scanned", start_scanning, stop, scan_tests, sizeof(scan_tests) / sizeof(*scan_tests));
	return suite_run(suite);
}
