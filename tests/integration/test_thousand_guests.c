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

enum { GUESTS = 1000, ROUNDS = 20, SETTLED = 3, GROUP = 20, SPARE = 128 << 10, PAGES_TOUCHED_LATER = 5 << 20 };

static struct client *kernel; /* of domain 0: its back ends' driver */

static unsigned number(const char *variable, unsigned otherwise)
{
	const char *text = getenv(variable);

	return text ? (unsigned)strtoul(text, NULL, 10) : otherwise;
}

/* ---- paths ---- */

struct device {
	struct client *guest;
	char home[80], front[80], back[80];
	char domid[8];
};

static struct device device_of(unsigned domid)
{
	struct device device = {0};

	snprintf(device.home, sizeof(device.home), "/local/domain/%u", domid);
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

/* ---- requests whose answers are awaited together, so that a round is not made of waiting ---- */

enum { ASKED_MAX = 512 };

static struct asked {
	struct client *client;
	char answer[128];
} asked[ASKED_MAX];
static size_t n_asked;

/* Check's assertions write a line each, which would be most of what a round costs. */
static void must(bool is_true, const char *what, const char *of)
{
	if (!is_true)
		ck_abort_msg("not so: %s (%.100s)", what, of);
}

static void ask(struct client *client, const char *answer, uint32_t type, uint32_t transaction, const char *payload, size_t len)
{
	must(n_asked < ASKED_MAX && !client_send(client, type, transaction, payload, len, NULL), "a request is sent", payload);
	asked[n_asked].client = client;
	snprintf(asked[n_asked++].answer, sizeof(asked->answer), "%s", answer);
}

/* The answers to all that was asked must be what they should be. */
static void settle(void)
{
	struct client_message reply;

	for (size_t i = 0; i < n_asked; i++) {
		must(!client_receive_reply(asked[i].client, &reply), "a reply comes", asked[i].answer);
		if (strcmp(reply.payload, asked[i].answer) != 0)
			ck_abort_msg("answered \"%.200s\", expected \"%s\"", reply.payload, asked[i].answer);
	}
	n_asked = 0;
}

static void ask_path(struct client *client, const char *answer, uint32_t type, uint32_t transaction, const char *path)
{
	ask(client, answer, type, transaction, path, strlen(path) + 1);
}

static void ask_write(struct client *client, uint32_t transaction, const char *path, const char *name, const char *value)
{
	char payload[256];
	int len = snprintf(payload, sizeof(payload), "%s%s%s%c%s", path, *name ? "/" : "", name, 0, value);

	ask(client, "OK", MESSAGE_WRITE, transaction, payload, (size_t)len);
}

static void ask_watch(struct client *client, uint32_t type, const char *path, const char *token)
{
	char payload[256];
	int len = snprintf(payload, sizeof(payload), "%s%c%s%c", path, 0, token, 0);

	ask(client, "OK", type, 0, payload, (size_t)len);
}

/* `reader` may be empty: nobody else. */
static void ask_own(uint32_t transaction, const char *path, const char *owner, const char *reader)
{
	char payload[256];
	int len = snprintf(payload, sizeof(payload), "%s%cn%s%c", path, 0, owner, 0);

	if (*reader)
		len += snprintf(payload + len, sizeof(payload) - (size_t)len, "r%s%c", reader, 0);
	ask(guests.root, "OK", MESSAGE_SET_PERMS, transaction, payload, (size_t)len);
}

static void ask_end(struct client *client, uint32_t transaction)
{
	ask_path(client, "OK", MESSAGE_TRANSACTION_END, transaction, "T");
}

/* ---- the toolstack's part ---- */

static void make_home(const struct device *device)
{
	ask_write(guests.root, 0, device->home, "", "");
	ask_own(0, device->home, device->domid, "");
}

/* Both ends of a device in one transaction, as libxl makes them. */
static void make_device(const struct device *device)
{
	uint32_t transaction = expect_transaction(guests.root);

	ask_path(guests.root, "OK", MESSAGE_MKDIR, transaction, device->front);
	ask_own(transaction, device->front, device->domid, "0");
	ask_write(guests.root, transaction, device->front, "backend", device->back);
	ask_write(guests.root, transaction, device->front, "backend-id", "0");
	ask_write(guests.root, transaction, device->front, "state", "1");
	ask_write(guests.root, transaction, device->front, "mac", "00:16:3e:00:00:01");
	ask_path(guests.root, "OK", MESSAGE_MKDIR, transaction, device->back);
	ask_own(transaction, device->back, "0", device->domid);
	ask_write(guests.root, transaction, device->back, "frontend", device->front);
	ask_write(guests.root, transaction, device->back, "frontend-id", device->domid);
	ask_write(guests.root, transaction, device->back, "online", "1");
	ask_write(guests.root, transaction, device->back, "state", "1");
	ask_end(guests.root, transaction);
	settle();
}

static void remove_device(const struct device *device)
{
	char back[80];

	snprintf(back, sizeof(back), "/local/domain/0/backend/vif/%s", device->domid);
	ask_path(guests.root, "OK", MESSAGE_RM, 0, device->home);
	ask_path(guests.root, "OK", MESSAGE_RM, 0, back);
}

/* ---- the drivers' part ---- */

/* Waits for the event that tells of this path; others, of what else happens meanwhile, are passed over. */
static void await_event(struct client *client, const char *path)
{
	struct client_event event;

	do
		must(!client_next_event(client, &event), "an event comes", path);
	while (strcmp(event.path, path) != 0);
}

static void look_at_back(const struct device *device)
{
	char path[128];

	ask_path(device->guest, device->back, MESSAGE_READ, 0, below(device->front, "backend", path));
	ask_watch(device->guest, MESSAGE_WATCH, below(device->back, "state", path), "back");
}

static void connect_front(const struct device *device)
{
	char state[128];

	await_event(device->guest, below(device->back, "state", state)); /* with which the watch begins */
	uint32_t transaction = expect_transaction(device->guest);
	ask_write(device->guest, transaction, device->front, "tx-ring-ref", "768");
	ask_write(device->guest, transaction, device->front, "rx-ring-ref", "769");
	ask_write(device->guest, transaction, device->front, "event-channel", "9");
	ask_write(device->guest, transaction, device->front, "state", "3");
	ask_end(device->guest, transaction);
}

static void connect_back(const struct device *device)
{
	char path[128];

	ask_path(kernel, "3", MESSAGE_READ, 0, below(device->front, "state", path));
	ask_path(kernel, "768", MESSAGE_READ, 0, below(device->front, "tx-ring-ref", path));
	ask_write(kernel, 0, device->back, "state", "4");
}

static void finish_front(const struct device *device)
{
	char state[128];

	await_event(device->guest, below(device->back, "state", state));
	ask_path(device->guest, "4", MESSAGE_READ, 0, state);
	ask_write(device->guest, 0, device->front, "state", "4");
}

static void finish_back(const struct device *device)
{
	char state[128];

	ask_path(kernel, "4", MESSAGE_READ, 0, below(device->front, "state", state));
}

static void watch_front(const struct device *device)
{
	char state[128];

	ask_watch(kernel, MESSAGE_WATCH, below(device->front, "state", state), device->domid);
}

/* With the guest its front end has gone, which the back end's driver is told. */
static void unwatch_front(const struct device *device)
{
	char state[128];

	ask_path(kernel, "ENOENT", MESSAGE_READ, 0, below(device->front, "state", state));
	ask_watch(kernel, MESSAGE_UNWATCH, state, device->domid);
}

/* ---- rounds ---- */

/* Guests that do each of these steps side by side. */
struct group {
	unsigned first, n;
	struct device devices[GROUP];
};

static void all_of(const struct group *group, void (*step)(const struct device *device))
{
	for (unsigned i = 0; i < group->n; i++)
		step(&group->devices[i]);
}

static void settle_all_of(const struct group *group, void (*step)(const struct device *device))
{
	all_of(group, step);
	settle();
}

/* One event of each front end, in whatever order the daemon has served the guests. */
static void await_fronts(const struct group *group)
{
	bool seen[GROUP] = {false};
	struct client_event event;

	for (unsigned n = 0; n < group->n;) {
		must(!client_next_event(kernel, &event), "events of all front ends come, from guest", group->devices[0].domid);
		unsigned i = (unsigned)strtoul(event.token, NULL, 10) - group->first;
		must(i < group->n && !seen[i], "an event is of a front end that has changed", event.path);
		seen[i] = true;
		n++;
	}
}

static void create(struct group *group)
{
	for (unsigned i = 0; i < group->n; i++)
		guests_create((uint16_t)(group->first + i));
	settle_all_of(group, make_home);
	for (unsigned i = 0; i < group->n; i++)
		group->devices[i].guest = guests_introduce((uint16_t)(group->first + i));
	all_of(group, make_device);
	settle_all_of(group, watch_front);
	await_fronts(group); /* with which the watch begins */
	settle_all_of(group, look_at_back);
	for (unsigned i = 0; i < group->n; i++) {
		connect_front(&group->devices[i]);
		settle();
	}
	await_fronts(group);
	settle_all_of(group, connect_back);
	settle_all_of(group, finish_front);
	await_fronts(group);
	settle_all_of(group, finish_back);
}

static void destroy(const struct group *group)
{
	for (unsigned i = 0; i < group->n; i++) {
		ck_assert_int_eq(sim_destroy(guests.sim, (uint16_t)(group->first + i)), 0);
		guests_forget((uint16_t)(group->first + i));
	}
	for (unsigned i = 0; i < group->n; i++)
		guests_await_release((uint16_t)(group->first + i));
	await_fronts(group);
	settle_all_of(group, unwatch_front);
	settle_all_of(group, remove_device);
}

static struct group group_at(unsigned first, unsigned last)
{
	struct group group = {.first = first, .n = last - first < GROUP ? last - first + 1 : GROUP};

	for (unsigned i = 0; i < group.n; i++)
		group.devices[i] = device_of(first + i);
	return group;
}

/* What the daemon holds once everybody has gone. */
struct held {
	struct crowd_memory memory;
	size_t heap;
};

static struct held play_round(unsigned n)
{
	for (unsigned first = 1; first <= n; first += GROUP) {
		struct group group = group_at(first, n);
		create(&group);
	}
	expect_sound(guests.root);
	for (unsigned first = 1; first <= n; first += GROUP) {
		struct group group = group_at(first, n);
		destroy(&group);
	}
	expect_sound(guests.root);
	return (struct held){crowd_measure(&guests.daemon), guests_report("heap: ")};
}

static void check_dump(void)
{
	struct command dump;
	const char *words[] = {getenv("LXENSTORE_DUMP"), "--store", guests.daemon.store, "--check", NULL};

	command_run(words, NULL, &dump);
	ck_assert_msg(!dump.status, "lxenstore-dump --check: %s%s", dump.output, dump.messages);
	command_deinit(&dump);
}

/*
 * What remains after this round, against what did when all was settled. The heap holds no more, but for spare pages that LMDB
 * keeps, as many as its largest commit ever had, and tables of libev, which grow to the number of descriptors that were ever
 * ready at once: less than ten bytes for each guest that has come and gone, a third of what malloc gives at least. So there is no
 * more memory either, but the system gives the large tables, which are in the heap from the start, their pages as they are
 * touched.
 */
static void compare(const struct held *now, const struct held *settled)
{
	ck_assert_uint_le(now->memory.ledger, settled->memory.ledger);
	/* A page or two may come with how they happen to be given out, but no more with each round. */
	ck_assert_uint_le(now->memory.store, settled->memory.store + settled->memory.store / 50);
	if (DAEMON_IS_SANITIZED)
		return;
	ck_assert_uint_le(now->heap, settled->heap + SPARE);
	ck_assert_uint_le(now->memory.anonymous, settled->memory.anonymous + PAGES_TOUCHED_LATER);
}

START_TEST(a_thousand_guests_come_and_go_and_leave_nothing)
{
	unsigned n = number("GUESTS", GUESTS), rounds = number("ROUNDS", ROUNDS);
	struct held settled = {0}, now;

	kernel = expect_client(&guests.daemon);
	for (unsigned round = 1; round <= rounds; round++) {
		now = play_round(n);
		printf("# round %u: %zu bytes of heap, %zu KB of memory, %zu KB of ledger, %zu KB of store\n", round, now.heap,
		       now.memory.anonymous / 1024, now.memory.ledger / 1024, now.memory.store / 1024);
		fflush(stdout);
		check_dump();
		if (round == SETTLED)
			settled = now;
		if (round > SETTLED)
			compare(&now, &settled);
	}
	client_close(kernel);
}
END_TEST

/* The lists of freed pieces that glibc keeps for a thread count as in use; without them the count is exact. */
static void start(void)
{
	setenv("GLIBC_TUNABLES", "glibc.malloc.tcache_count=0", 1);
	guests_start();
}

int main(void)
{
	const TTest *const tests[] = {a_thousand_guests_come_and_go_and_leave_nothing};
	Suite *suite = guests_suite("thousand guests", start, tests, sizeof(tests) / sizeof(tests[0]));

	return suite_run(suite);
}
