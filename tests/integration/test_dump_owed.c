/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What `lxenstore-dump --owed` shows of a ledger: beside a daemon, after its death, of requests that wait, of one that has
 * killed, and of a ledger that is damaged ($DAMAGES, $OWED_SEED).
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "crowd.h"
#include "dump_run.h"
#include "lxenstored/ledger_format.h"
#include "support/random.h"
#include "support/store_file.h"
#include "support/suite.h"
#include "wire/ring_page.h"
#include "xensim/expect_guest.h"

enum { VALUE = 4000, READS = 300, WRITES = 300, DAMAGES = 100, SOON_MS = 60000 };

static struct daemon shared; /* only its directory, in which each test's is */
static struct sim *sim;
static char ledger_path[128];

static void start_here(void)
{
	ck_assert_int_eq(daemon_init_in(&served, shared.directory), 0);
	ck_assert_int_eq(daemon_start(&served, NULL, NULL), 0);
	client = expect_client(&served);
	snprintf(ledger_path, sizeof(ledger_path), "%s-ledger", served.store);
}

static void stop_all(void)
{
	stop();
	sim_free(sim);
	sim = NULL;
	daemon_deinit(&served);
}

/* ---- lines ---- */

/* The line of what --owed printed that begins with these words; the caller frees it. */
static char *line_of(const char *words)
{
	const char *at = dump.output;

	while (at && strncmp(at, words, strlen(words)) != 0) {
		at = strchr(at, '\n');
		at = at ? at + 1 : NULL;
	}
	ck_assert_msg(at != NULL, "no line begins with %s:\n%s", words, dump.output);
	return strndup(at, strcspn(at, "\n"));
}

static void expect_line(const char *words, const char *rest)
{
	char *line = line_of(words);

	ck_assert_str_eq(line + strlen(words), rest);
	free(line);
}

START_TEST(connections_that_are_owed_nothing_are_a_line_each)
{
	struct client *second = expect_client(&served);

	expect_write(client, 0, "/a", "1");
	expect_write(second, 0, "/a", "2");
	expect_quiet(DUMP("--owed"));
	expect_line("socket, connection 65537: ", "connected");
	expect_line("socket, connection 65538: ", "connected");
	expect_quiet(DUMP("--owed", "--format", "stat"));
	ck_assert_uint_eq(figure("connections"), 2);
	ck_assert_uint_eq(figure("connections of rings"), 0);
	ck_assert_uint_eq(figure("requests not answered"), 0);
	ck_assert_uint_eq(figure("output not taken"), 0);
	client_close(second);
}
END_TEST

static void add_request(struct buffer *to, uint32_t type, uint32_t transaction, const char *payload, size_t len)
{
	static uint32_t id;
	unsigned char head[MESSAGE_HEADER_SIZE];

	message_write_header(head, &(struct message_header){type, ++id, transaction, (uint32_t)len});
	buffer_add(to, head, sizeof(head));
	buffer_add(to, payload, len);
}

/* Asks for so much at once, without taking it, that the daemon stops to answer. */
static struct client *ask_too_much(void)
{
	char value[VALUE];
	struct client *greedy = expect_client(&served);
	struct buffer requests = {0};

	memset(value, 'x', sizeof(value));
	write_value("/big", value, sizeof(value));
	for (int i = 0; i < READS; i++)
		add_request(&requests, MESSAGE_READ, 0, "/big", sizeof("/big"));
	add_request(&requests, MESSAGE_WRITE, 7, "/tail\0text", sizeof("/tail\0text"));
	ck_assert_int_eq(client_send_bytes(greedy, requests.bytes, requests.len), 0);
	buffer_deinit(&requests);
	crowd_await_idle(&served);
	return greedy;
}

START_TEST(what_waits_is_counted_beside_the_daemon_and_after_its_death)
{
	struct client *greedy = ask_too_much();

	expect_quiet(DUMP("--owed"));
	char *beside = line_of("socket, connection 65538: ");
	ck_assert_msg(strstr(beside, "requests, first READ \"/big\"") && strstr(beside, " bytes not taken, "), "%s", beside);
	expect_quiet(DUMP("--owed", "--format", "stat"));
	unsigned long long replies = figure("replies not taken"), requests = figure("requests not answered");
	ck_assert_uint_ge(figure("output not taken"), (replies - 1) * (VALUE + MESSAGE_HEADER_SIZE));
	ck_assert_uint_le(figure("output not taken"), replies * (VALUE + MESSAGE_HEADER_SIZE));
	ck_assert_uint_gt(replies, 10);
	ck_assert_uint_gt(requests, 1);
	/* A request is 21 bytes, the last one has more. */
	ck_assert_uint_eq(figure("input not answered"), requests * 21 + 6);
	kill_daemon();
	expect_quiet(DUMP("--owed"));
	expect_line("socket, connection 65538: ", beside + strlen("socket, connection 65538: "));
	free(beside);
	client_close(greedy);
}
END_TEST

START_TEST(json_has_each_request)
{
	struct client *greedy = ask_too_much();

	kill_daemon();
	expect_quiet(DUMP("--owed", "--format", "json"));
	json_t *document = parse();
	const json_t *owed = json_object_get(document, "owed"), *one = json_array_get(owed, json_array_size(owed) - 1);
	ck_assert_ptr_null(json_object_get(document, "nodes"));
	ck_assert_int_eq(number_of(one, "connection"), 65538);
	ck_assert_str_eq(text_of(one, "kind"), "socket");
	ck_assert(json_is_null(json_object_get(one, "domid")));
	ck_assert(json_is_null(json_object_get(one, "running_after")));
	ck_assert(json_is_null(json_object_get(one, "problem")));
	ck_assert_str_eq(text_of(one, "state"), "connected");
	ck_assert_int_gt(number_of(one, "replies"), 10);
	ck_assert_int_eq(number_of(one, "events"), 0);
	const json_t *requests = json_object_get(one, "requests");
	const json_t *first = json_array_get(requests, 0), *last = json_array_get(requests, json_array_size(requests) - 1);
	ck_assert_str_eq(text_of(first, "name"), "READ");
	ck_assert_str_eq(text_of(first, "argument"), "/big");
	ck_assert_int_eq(number_of(first, "bytes"), 21);
	ck_assert_str_eq(text_of(last, "name"), "WRITE");
	ck_assert_str_eq(text_of(last, "argument"), "/tail");
	ck_assert_int_eq(number_of(last, "type"), MESSAGE_WRITE);
	ck_assert_int_eq(number_of(last, "transaction"), 7);
	ck_assert_int_eq(number_of(last, "request_id") - number_of(first, "request_id"),
			 (json_int_t)json_array_size(requests) - 1);
	json_decref(document);
	client_close(greedy);
}
END_TEST

START_TEST(beside_a_daemon_at_work_it_is_never_called_damaged)
{
	char path[32];

	expect_watch(client, "/w", "token");
	for (int i = 0; i < WRITES; i++) {
		snprintf(path, sizeof(path), "/w/%d", i % 7);
		ck_assert_int_eq(client_send(client, MESSAGE_WRITE, 0, path, strlen(path) + 1, NULL), 0);
		if (i % 30 == 0)
			expect_quiet(DUMP("--owed"));
	}
}
END_TEST

static void preload(const void *context)
{
	const char *options = getenv("ASAN_OPTIONS");
	char more[4096];

	snprintf(more, sizeof(more), "%s%sverify_asan_link_order=0", options ? options : "", options ? ":" : "");
	setenv("ASAN_OPTIONS", more, 1);
	setenv("LD_PRELOAD", context, 1);
}

START_TEST(the_request_that_was_being_run_at_the_death_is_told)
{
	const char *words[] = {getenv("LXENSTORED"), "-N", "--no-xen", "--no-keeper", "--store", served.store, NULL};
	const char *build = getenv("TOP_BUILDDIR");
	char library[4096];

	kill_daemon();
	snprintf(library, sizeof(library), "%s/tests/support/libdeadly.so", build ? build : ".");
	ck_assert_int_eq(daemon_run(&served, words, preload, library, NULL), 0);
	client = expect_client(&served);
	ck_assert_int_eq(client_send(client, MESSAGE_WRITE, 0, "/deadly-s\0x", 11, NULL), 0);
	ck_assert_int_eq(daemon_wait(&served, NULL), 0);
	expect_quiet(DUMP("--owed"));
	ck_assert_msg(
	    strstr(dump.output,
		   ": connected, 27 bytes not answered, 1 requests, first WRITE \"/deadly-s\", running behind 0 bytes\n"),
	    "%s", dump.output);
	expect_quiet(DUMP("--owed", "--format", "stat"));
	ck_assert_uint_eq(figure("last signal of death"), SIGSEGV);
}
END_TEST

START_TEST(what_cannot_be_shown_is_told)
{
	struct stat file;

	ck_assert_int_eq(DUMP("--owed", "/a"), 2);
	expect_message("--owed takes no path");
	kill_daemon();
	ck_assert_int_eq(stat(ledger_path, &file), 0);
	ck_assert_int_eq(truncate(ledger_path, 100), 0);
	ck_assert_int_eq(DUMP("--owed"), 1);
	expect_message("is damaged, or no ledger that this program can read");
	ck_assert_int_eq(unlink(ledger_path), 0);
	ck_assert_int_eq(DUMP("--owed"), 3);
	expect_message("No such file or directory");
}
END_TEST

START_TEST(the_ledger_of_another_store_is_told_from_this_one)
{
	char other_path[128];
	struct store_file other;

	kill_daemon();
	store_file_init(&other);
	store_file_close(&other);
	snprintf(other_path, sizeof(other_path), "%s-ledger", other.path);
	ck_assert_int_eq(rename(ledger_path, other_path), 0);
	ck_assert_int_eq(DUMP("--owed", "--store", other.path), 3);
	expect_message("is not the ledger of this store");
	unlink(other_path);
	store_file_deinit(&other);
}
END_TEST

/* Any bytes anywhere: it ends by itself, and says that it is damaged or shows something. */
START_TEST(a_damaged_ledger_is_shown_as_far_as_it_can_be)
{
	struct client *greedy = ask_too_much();
	const char *number = getenv("DAMAGES");
	struct random numbers;

	kill_daemon();
	client_close(greedy);
	random_begin(&numbers, "OWED_SEED");
	for (int i = number && atoi(number) < DAMAGES ? atoi(number) : DAMAGES; i > 0; i--) {
		int fd = open(ledger_path, O_RDWR | O_CLOEXEC);
		uint32_t value = random_below(&numbers, 2) ? random_below(&numbers, 300) : random_below(&numbers, UINT32_MAX);
		static const size_t from[] = {0, LEDGER_HEADER_SIZE, (size_t)LEDGER_FIRST_BLOCK * LEDGER_BLOCK_SIZE};
		static const uint32_t lengths[] = {1024, 3 * LEDGER_SLOT_SIZE, 30 * LEDGER_BLOCK_SIZE};
		uint32_t kind = random_below(&numbers, 3);
		off_t at = (off_t)(from[kind] + random_below(&numbers, lengths[kind]) / 4 * 4);
		uint32_t before;
		ck_assert_int_eq(pread(fd, &before, sizeof(before), at), sizeof(before));
		ck_assert_int_eq(pwrite(fd, &value, sizeof(value), at), sizeof(value));
		int status = DUMP("--owed");
		ck_assert_msg(status == 0 || status == 1 || status == 3, "%u at %ld: status %d, %s", value, (long)at, status,
			      dump.messages);
		ck_assert_msg(!status == !*dump.messages, "%u at %ld: status %d, %s", value, (long)at, status, dump.messages);
		/* Some stays, to add up. */
		if (kind == 0 || random_below(&numbers, 2))
			ck_assert_int_eq(pwrite(fd, &before, sizeof(before), at), sizeof(before));
		close(fd);
	}
}
END_TEST

/* ---- rings ---- */

static void start_guests(void)
{
	ck_assert_int_eq(daemon_init_in(&served, shared.directory), 0);
	sim = expect_sim(&served);
	expect_sim_start(sim, &served, SIM_LXENSTORED, NULL);
	client = expect_client(&served);
}

START_TEST(guests_are_told_by_their_domain)
{
	struct client *guests[2] = {expect_guest(sim, client, 5), expect_guest(sim, client, 6)};
	struct guest_page *page = guest_page(guest_find(sim, 6));
	char path[64];

	expect_watch(guests[0], "data", "token");
	/* More events than the ring has room for, of which the guest takes none. */
	for (int i = 0; i < 40; i++) {
		snprintf(path, sizeof(path), "/local/domain/5/data/%d", i);
		expect_write(client, 0, path, "");
	}
	atomic_store(&page->req_prod, atomic_load(&page->req_cons) + 5000);
	ck_assert_int_eq(guest_notify(guest_find(sim, 6)), 0);
	while (atomic_load(&page->error) != RING_ERROR_INDEX)
		ck_assert_int_eq(guest_wait(guest_find(sim, 6), SOON_MS), 0);
	ck_assert_int_eq(daemon_stop(&served, SIGKILL, NULL), 0);
	expect_quiet(DUMP("--owed"));
	char *line = line_of("ring of domain 5, epoch ");
	ck_assert_msg(strstr(line, ": connected, ") && strstr(line, " bytes not taken, 0 replies, "), "%s", line);
	free(line);
	line = line_of("ring of domain 6, epoch ");
	ck_assert_msg(strstr(line, ": stopped with error 2"), "%s", line);
	free(line);
	expect_quiet(DUMP("--owed", "--format", "stat"));
	ck_assert_uint_eq(figure("connections stopped"), 1);
	ck_assert_uint_ge(figure("connections of rings"), 2);
	ck_assert_uint_gt(figure("events not taken"), 1);
	expect_quiet(DUMP("--owed", "--format", "json"));
	json_t *document = parse();
	const json_t *one =
	    json_array_get(json_object_get(document, "owed"), json_array_size(json_object_get(document, "owed")) - 2);
	ck_assert_int_eq(number_of(one, "domid"), 6);
	ck_assert_str_eq(text_of(one, "kind"), "ring");
	ck_assert_str_eq(text_of(one, "state"), "stopped");
	ck_assert_int_eq(number_of(one, "error"), 2);
	json_decref(document);
	client_close(guests[0]);
	client_close(guests[1]);
}
END_TEST

int main(void)
{
	const TTest *const sockets[] = {
	    connections_that_are_owed_nothing_are_a_line_each,
	    what_waits_is_counted_beside_the_daemon_and_after_its_death,
	    json_has_each_request,
	    beside_a_daemon_at_work_it_is_never_called_damaged,
	    the_request_that_was_being_run_at_the_death_is_told,
	    what_cannot_be_shown_is_told,
	    the_ledger_of_another_store_is_told_from_this_one,
	    a_damaged_ledger_is_shown_as_far_as_it_can_be,
	};
	const TTest *const rings[] = {guests_are_told_by_their_domain};
	Suite *suite = expect_suite("dump owed", &shared, start_here, stop_all, sockets, sizeof(sockets) / sizeof(sockets[0]));

	expect_case(suite, "guests", start_guests, stop_all, rings, sizeof(rings) / sizeof(rings[0]));
	return suite_run(suite);
}
