/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A thousand guests at once, with a network device each as xl makes it: created, connected, destroyed, over and over. The tree's
 * shape, who owns what and who watches what are those of xl, libxl and the kernels' drivers; the steps of a connection are those
 * of xenbus (both ends go from 1, initialising, to 4, connected). GUESTS and ROUNDS say how many.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crowd.h"
#include "support/command.h"
#include "support/suite.h"
#include "guests.h"

enum { GUESTS = 1000, ROUNDS = 20, SETTLED = 3 };

static struct client *kernel; /* of domain 0: its back ends' driver */

static unsigned number(const char *variable, unsigned otherwise)
{
	const char *text = getenv(variable);

	return text ? (unsigned)strtoul(text, NULL, 10) : otherwise;
}

/* ---- paths ---- */

struct device {
	char front[80], back[80];
	char domid[8];
};

static struct device device_of(unsigned domid)
{
	struct device device;

	snprintf(device.front, sizeof(device.front), "/local/domain/%u/device/vif/0", domid);
	snprintf(device.back, sizeof(device.back), "/local/domain/0/backend/vif/%u/0", domid);
	snprintf(device.domid, sizeof(device.domid), "%u", domid);
	return device;
}

static const char *below(const char *path, const char *name, char buffer[128])
{
	snprintf(buffer, 128, "%s/%s", path, name);
	return buffer;
}

static void write_below(struct client *client, uint32_t transaction, const char *path, const char *name, const char *value)
{
	char buffer[128];

	expect_write(client, transaction, below(path, name, buffer), value);
}

static void own(uint32_t transaction, const char *path, const char *owner, const char *reader)
{
	char first[16], second[16];

	snprintf(first, sizeof(first), "n%s", owner);
	snprintf(second, sizeof(second), "r%s", reader);
	expect_ok(guests.root, MESSAGE_SET_PERMS, transaction, ARGUMENTS(path, first, second));
}

/* ---- the toolstack's part ---- */

/* Both ends of a device in one transaction, as libxl makes them. */
static void make_device(const struct device *device)
{
	uint32_t transaction = expect_transaction(guests.root);

	expect_ok(guests.root, MESSAGE_MKDIR, transaction, ARGUMENTS(device->front));
	own(transaction, device->front, device->domid, "0");
	write_below(guests.root, transaction, device->front, "backend", device->back);
	write_below(guests.root, transaction, device->front, "backend-id", "0");
	write_below(guests.root, transaction, device->front, "state", "1");
	write_below(guests.root, transaction, device->front, "mac", "00:16:3e:00:00:01");
	expect_ok(guests.root, MESSAGE_MKDIR, transaction, ARGUMENTS(device->back));
	own(transaction, device->back, "0", device->domid);
	write_below(guests.root, transaction, device->back, "frontend", device->front);
	write_below(guests.root, transaction, device->back, "frontend-id", device->domid);
	write_below(guests.root, transaction, device->back, "online", "1");
	write_below(guests.root, transaction, device->back, "state", "1");
	expect_end(guests.root, transaction, "");
}

static void remove_device(const struct device *device)
{
	char home[80];

	snprintf(home, sizeof(home), "/local/domain/%s", device->domid);
	expect_ok(guests.root, MESSAGE_RM, 0, ARGUMENTS(home));
	snprintf(home, sizeof(home), "/local/domain/0/backend/vif/%s", device->domid);
	expect_ok(guests.root, MESSAGE_RM, 0, ARGUMENTS(home));
}

/* ---- the drivers' part ---- */

/* Waits for the event that tells of this path; others, of what else happens meanwhile, are passed over. */
static void await_event(struct client *client, const char *path)
{
	struct client_event event;

	do
		ck_assert_int_eq(client_next_event(client, &event), 0);
	while (strcmp(event.path, path) != 0);
}

static void connect_front(struct client *guest, const struct device *device)
{
	char state[128];

	expect_read(guest, 0, below(device->front, "backend", state), device->back);
	expect_watch(guest, below(device->back, "state", state), "back");
	uint32_t transaction = expect_transaction(guest);
	write_below(guest, transaction, device->front, "tx-ring-ref", "768");
	write_below(guest, transaction, device->front, "rx-ring-ref", "769");
	write_below(guest, transaction, device->front, "event-channel", "9");
	write_below(guest, transaction, device->front, "state", "3");
	expect_end(guest, transaction, "");
}

static void connect_back(const struct device *device)
{
	char state[128];

	await_event(kernel, below(device->front, "state", state));
	expect_read(kernel, 0, state, "3");
	expect_read(kernel, 0, below(device->front, "tx-ring-ref", state), "768");
	write_below(kernel, 0, device->back, "state", "4");
}

static void finish_front(struct client *guest, const struct device *device)
{
	char state[128];

	await_event(guest, below(device->back, "state", state));
	expect_read(guest, 0, state, "4");
	write_below(guest, 0, device->front, "state", "4");
	await_event(kernel, below(device->front, "state", state));
	expect_read(kernel, 0, state, "4");
}

static void watch_front(const struct device *device)
{
	char state[128];

	expect_watch(kernel, below(device->front, "state", state), device->domid);
}

/* With the guest its front end has gone, which the back end's driver is told. */
static void unwatch_front(const struct device *device)
{
	char state[128];

	await_event(kernel, below(device->front, "state", state));
	expect_read(kernel, 0, state, NULL);
	expect_ok(kernel, MESSAGE_UNWATCH, 0, ARGUMENTS(below(device->front, "state", state), device->domid));
}

/* ---- rounds ---- */

static void create_all(unsigned n)
{
	for (unsigned domid = 1; domid <= n; domid++) {
		struct device device = device_of(domid);
		struct client *guest = guests_add((uint16_t)domid);
		make_device(&device);
		watch_front(&device);
		connect_front(guest, &device);
		connect_back(&device);
		finish_front(guest, &device);
	}
}

static void destroy_all(unsigned n)
{
	for (unsigned domid = 1; domid <= n; domid++) {
		struct device device = device_of(domid);
		guests_destroy((uint16_t)domid);
		unwatch_front(&device);
		remove_device(&device);
	}
}

/* All that the daemon holds once everybody has gone. */
static struct crowd_memory play_round(unsigned n)
{
	create_all(n);
	expect_sound(guests.root);
	destroy_all(n);
	expect_sound(guests.root);
	return crowd_measure(&guests.daemon);
}

static void check_dump(void)
{
	struct command dump;
	const char *words[] = {getenv("LXENSTORE_DUMP"), "--store", guests.daemon.store, "--check", NULL};

	command_run(words, NULL, &dump);
	ck_assert_msg(!dump.status, "lxenstore-dump --check: %s%s", dump.output, dump.messages);
	command_deinit(&dump);
}

START_TEST(a_thousand_guests_come_and_go_and_leave_nothing)
{
	unsigned n = number("GUESTS", GUESTS), rounds = number("ROUNDS", ROUNDS);
	struct crowd_memory settled = {0}, now;

	kernel = expect_client(&guests.daemon);
	for (unsigned round = 1; round <= rounds; round++) {
		now = play_round(n);
		printf("# round %u: %zu KB of memory, %zu KB of ledger, %zu KB of store\n", round, now.anonymous / 1024,
		       now.ledger / 1024, now.store / 1024);
		fflush(stdout);
		check_dump();
		if (round == SETTLED)
			settled = now;
		if (round <= SETTLED)
			continue;
		/* A page or two may come with how memory and pages happen to be given out, but no more with each round. */
		ck_assert_uint_le(now.ledger, settled.ledger);
		ck_assert_uint_le(now.store, settled.store + settled.store / 50);
		if (!DAEMON_IS_SANITIZED)
			ck_assert_uint_le(now.anonymous, settled.anonymous + settled.anonymous / 50);
	}
	client_close(kernel);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {a_thousand_guests_come_and_go_and_leave_nothing};
	Suite *suite = guests_suite("thousand guests", guests_start, tests, sizeof(tests) / sizeof(tests[0]));

	return suite_run(suite);
}
