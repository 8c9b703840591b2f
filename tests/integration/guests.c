/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Domains are found by their numbers; those of one test are few. A guest's client is opened anew with each introduction, so
 * that nothing is left in it of the connection before.
 */
#include "guests.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { GUESTS_MAX = 1024, TIMEOUT_MS = 60000, AWAIT_TRIES = 60000, IDLE_SAMPLES = 5, PATHS = 8, PATH_SIZE = 128 };

struct guests guests;

static struct entry {
	uint16_t domid; /* 0: free */
	struct client *client;
} entries[GUESTS_MAX];

static struct entry *entry_of(uint16_t domid)
{
	struct entry *unused = NULL;

	for (size_t i = 0; i < GUESTS_MAX; i++) {
		if (entries[i].domid == domid)
			return &entries[i];
		if (!entries[i].domid && !unused)
			unused = &entries[i];
	}
	ck_assert_msg(unused, "too many guests");
	unused->domid = domid;
	return unused;
}

static void forget(struct entry *entry)
{
	client_close(entry->client);
	if (entry->domid)
		guest_detach(guest_find(guests.sim, entry->domid));
	*entry = (struct entry){0};
}

/* ---- fixtures ---- */

static void start_daemon(const char *const arguments[])
{
	const char *words[16];
	size_t n = 0;

	if (guests.which == SIM_LXENSTORED) {
		words[n++] = "--store";
		words[n++] = guests.daemon.store;
	}
	for (size_t i = 0; arguments && arguments[i]; i++)
		words[n++] = arguments[i];
	words[n] = NULL;
	expect_sim_start(guests.sim, &guests.daemon, guests.which, words);
	guests.root = expect_client(&guests.daemon);
}

static void launch(enum sim_daemon which, const char *const arguments[])
{
	expect_place(&guests.daemon);
	guests.which = which;
	guests.sim = expect_sim(&guests.daemon);
	start_daemon(arguments);
}

void guests_start_with(const char *const arguments[])
{
	launch(SIM_LXENSTORED, arguments);
}

void guests_start(void)
{
	guests_start_with(NULL);
}

void guests_start_xenstored(void)
{
	launch(SIM_XENSTORED, NULL);
}

void guests_start_again(void)
{
	start_daemon(NULL);
}

void guests_stop_daemon(int signal)
{
	int status;
	bool may_die = signal == SIGKILL || guests.which != SIM_LXENSTORED;

	client_close(guests.root);
	ck_assert_int_eq(daemon_stop(&guests.daemon, signal, &status), 0);
	ck_assert_msg(may_die || (WIFEXITED(status) && !WEXITSTATUS(status)), "the daemon ended with status %d", status);
}

void guests_stop(void)
{
	if (guests.which == SIM_LXENSTORED)
		expect_sound(guests.root);
	for (size_t i = 0; i < GUESTS_MAX; i++)
		forget(&entries[i]);
	guests_stop_daemon(SIGTERM);
	sim_free(guests.sim);
}

Suite *guests_suite(const char *name, void (*start)(void), const TTest *const tests[], size_t n)
{
	return expect_suite(name, &guests.daemon, start, guests_stop, tests, n);
}

/* ---- domains ---- */

const char *guests_path(uint16_t domid, const char *below)
{
	static char paths[PATHS][PATH_SIZE];
	static size_t next;
	char *path = paths[next++ % PATHS];

	snprintf(path, PATH_SIZE, "/local/domain/%u%s%s", domid, *below ? "/" : "", below);
	return path;
}

void guests_create(uint16_t domid)
{
	ck_assert_int_eq(sim_create(guests.sim, domid, SIM_PV), 0);
}

void guests_permit(const char *path, const char *entries_of_it)
{
	char words[256];
	const char *arguments[32] = {path};
	size_t n = 1;

	snprintf(words, sizeof(words), "%s", entries_of_it);
	for (char *rest = NULL, *word = strtok_r(words, " ", &rest); word && n < 32; word = strtok_r(NULL, " ", &rest))
		arguments[n++] = word;
	expect_ok(guests.root, MESSAGE_SET_PERMS, 0, n, arguments);
}

void guests_home(uint16_t domid)
{
	char owner[8];

	snprintf(owner, sizeof(owner), "n%u", domid);
	expect_write(guests.root, 0, guests_path(domid, ""), "");
	guests_permit(guests_path(domid, ""), owner);
}

struct client *guests_client(uint16_t domid)
{
	struct entry *entry = entry_of(domid);

	client_close(entry->client);
	entry->client = NULL;
	ck_assert_int_eq(guest_client(guests_ring(domid), TIMEOUT_MS, &entry->client), 0);
	return entry->client;
}

struct client *guests_introduce(uint16_t domid)
{
	forget(entry_of(domid));
	expect_introduce(guests.sim, guests.root, domid);
	return guests_client(domid);
}

struct client *guests_add(uint16_t domid)
{
	guests_create(domid);
	guests_home(domid);
	return guests_introduce(domid);
}

struct guest *guests_ring(uint16_t domid)
{
	struct guest *guest = guest_find(guests.sim, domid);

	ck_assert_msg(guest, "domain %u has no ring", domid);
	return guest;
}

struct guest_page *guests_page(uint16_t domid)
{
	return guest_page(guests_ring(domid));
}

static bool is_released(void *context)
{
	char domid[8];

	snprintf(domid, sizeof(domid), "%u", *(const uint16_t *)context);
	return expect_any(guests.root, MESSAGE_IS_DOMAIN_INTRODUCED, 0, ARGUMENTS(domid)).payload[0] == 'F';
}

void guests_await_release(uint16_t domid)
{
	guests_await(is_released, &domid, "the release of a domain");
}

void guests_destroy(uint16_t domid)
{
	ck_assert_int_eq(sim_destroy(guests.sim, domid), 0);
	guests_forget(domid);
	guests_await_release(domid);
}

void guests_forget(uint16_t domid)
{
	forget(entry_of(domid));
}

/* ---- what the daemon says ---- */

void guests_served(struct client *client)
{
	expect_text(client, "/local/domain/7", MESSAGE_GET_DOMAIN_PATH, 0, ARGUMENTS("7"));
}

unsigned guests_account(uint16_t domid, const char *quota)
{
	char domid_text[8];

	snprintf(domid_text, sizeof(domid_text), "%u", domid);
	struct client_message answer = expect_any(guests.root, MESSAGE_CONTROL, 0, ARGUMENTS("quota", domid_text));
	ck_assert_msg(answer.header.type == MESSAGE_CONTROL, "CONTROL quota %u: %s", domid, answer.payload);
	for (const char *line = strchr(answer.payload, '\n'); line; line = strchr(line, '\n')) {
		const char *colon = strchr(++line, ':');
		if (!strncmp(line, quota, strlen(quota)) && strchr(" :", line[strlen(quota)]) && colon)
			return (unsigned)strtoul(colon + 1, NULL, 10);
	}
	ck_abort_msg("CONTROL quota %u says nothing of %s: %s", domid, quota, answer.payload);
}

unsigned long guests_report(const char *text)
{
	char path[128], report[4096];

	snprintf(path, sizeof(path), "%s/report-%ld", guests.daemon.directory, (long)getpid());
	expect_ok(guests.root, MESSAGE_CONTROL, 0, ARGUMENTS("memreport", path));
	FILE *file = fopen(path, "re");
	ck_assert_ptr_nonnull(file);
	report[fread(report, 1, sizeof(report) - 1, file)] = 0;
	fclose(file);
	unlink(path);
	const char *found = strstr(report, text);
	ck_assert_msg(found, "no \"%s\" in the report of memory: %s", text, report);
	return strtoul(found + strlen(text), NULL, 10);
}

void guests_quota(const char *name, unsigned value)
{
	char number[16];

	snprintf(number, sizeof(number), "%u", value);
	expect_ok(guests.root, MESSAGE_CONTROL, 0, ARGUMENTS("quota", "set", name, number));
}

/* ---- waiting ---- */

void guests_await(bool (*is_true)(void *context), void *context, const char *what)
{
	const struct timespec pause = {.tv_nsec = 1000000};

	for (int i = 0; i < AWAIT_TRIES; i++) {
		if (is_true(context))
			return;
		nanosleep(&pause, NULL);
	}
	ck_abort_msg("not in time: %s", what);
}

struct awaited_error {
	uint16_t domid;
	uint32_t error;
};

static bool has_error(void *context)
{
	const struct awaited_error *awaited = context;

	return atomic_load(&guests_page(awaited->domid)->error) == awaited->error;
}

void guests_await_error(uint16_t domid, uint32_t error)
{
	struct awaited_error awaited = {domid, error};

	guests_await(has_error, &awaited, "the error field of a page");
}

/* How often the daemon has gone to sleep by itself; *asleep: it does. */
static unsigned long count_sleeps(bool *asleep)
{
	char path[64], line[256], state = 0;
	unsigned long sleeps = 0;

	snprintf(path, sizeof(path), "/proc/%ld/status", (long)guests.daemon.pid);
	FILE *file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file)) {
		sscanf(line, "State: %c", &state);
		sscanf(line, "voluntary_ctxt_switches: %lu", &sleeps);
	}
	if (file)
		fclose(file);
	*asleep = state == 'S';
	return sleeps;
}

struct idleness {
	unsigned long sleeps;
	int samples;
};

/* Asleep in all of some samples, without having been awake between them. */
static bool is_idle(void *context)
{
	struct idleness *idleness = context;
	bool asleep;
	unsigned long sleeps = count_sleeps(&asleep);

	idleness->samples = asleep && sleeps == idleness->sleeps ? idleness->samples + 1 : 0;
	idleness->sleeps = sleeps;
	return idleness->samples >= IDLE_SAMPLES;
}

void guests_await_idle(void)
{
	struct idleness idleness = {0};

	guests_await(is_idle, &idleness, "the daemon sleeps");
}

/* ---- floods ---- */

void guests_flood_init(struct guests_flood *flood, uint16_t domid, uint32_t type, const void *payload, size_t len, size_t n)
{
	const struct message_header header = {.type = type, .request_id = 77, .len = (uint32_t)len};

	*flood = (struct guests_flood){.domid = domid, .len = sizeof(header) + len};
	ck_assert_uint_le(flood->len, sizeof(flood->request));
	memcpy(flood->request, &header, sizeof(header));
	memcpy(flood->request + sizeof(header), payload, len);
	flood->total = n * flood->len;
}

void guests_flood_put(struct guests_flood *flood)
{
	size_t put;

	do {
		size_t at = flood->sent % flood->len, left = flood->total - flood->sent;
		size_t part = flood->len - at < left ? flood->len - at : left;
		put = part ? guest_put(guests_ring(flood->domid), flood->request + at, part) : 0;
		flood->sent += put;
	} while (put);
	guest_notify(guests_ring(flood->domid));
}

void guests_flood_take(struct guests_flood *flood)
{
	char bytes[GUEST_RING];
	size_t n;

	while ((n = guest_take(guests_ring(flood->domid), bytes, sizeof(bytes))) > 0)
		flood->received += n;
	guest_notify(guests_ring(flood->domid));
}
