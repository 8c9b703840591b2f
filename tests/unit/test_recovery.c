/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A ledger whose process is gone: what a second process makes of the file, against a plain model of what was received, run,
 * appended, committed and taken. The death is a copy of the file, taken while the first process goes on.
 */
#include "ledger/recovery.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/status.h"
#include "ledger/ledger.h"
#include "lxenstored/ledger_format.h"
#include "support/random.h"
#include "support/suite.h"

enum { CONNECTIONS = 6, MESSAGES = 4096, STREAM = 1 << 20, LIMIT = 64 << 20 };

static const unsigned char store_id[16] = "0123456789abcdef";

/* What a connection's file should say. */
struct expected {
	struct ledger_connection connection;
	bool is_open;
	uint64_t id;
	uint64_t received, ran, done, taken; /* offsets */
	size_t n_messages;
	struct message {
		uint64_t tag, end, answers; /* answers: 0, or the input offset behind the request */
	} messages[MESSAGES];
};

static char path[64], copy_path[80];
static struct ledger *ledger;
static struct expected expected[CONNECTIONS];
static uint64_t last_id, committed;
static bool is_dirty; /* something waits for the tag committed + 1 */
static size_t n_damaged;
static struct random numbers;

static uint32_t draw(uint32_t below)
{
	return random_below(&numbers, below);
}

/* The byte at `at` of a stream of the connection. */
static unsigned char byte_of(uint64_t id, bool is_output, uint64_t at)
{
	return (unsigned char)(id * 31 + at * 7 + at / 251 + is_output);
}

static void setup(void)
{
	strcpy(path, "/dev/shm/test_recovery.XXXXXX");
	int fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	close(fd);
	snprintf(copy_path, sizeof(copy_path), "%s.copy", path);
	ck_assert_int_eq(ledger_open(path, LIMIT, &ledger), 0);
	ck_assert_int_eq(ledger_begin(ledger, store_id), 0);
	memset(expected, 0, sizeof(expected));
	last_id = committed = 0;
	is_dirty = false;
	n_damaged = 0;
	random_begin(&numbers, "RECOVERY_SEED");
}

static void teardown(void)
{
	ledger_close(ledger);
	unlink(path);
	unlink(copy_path);
}

static void count_damaged(void *context, uint64_t connection_id, const char *what)
{
	(void)context;
	(void)connection_id;
	(void)what;
	n_damaged++;
}

/* ---- what happens ---- */

static void connect_one(struct expected *one)
{
	ck_assert_int_eq(ledger_connect(ledger, ++last_id, &one->connection), 0);
	one->is_open = true;
	one->id = last_id;
	one->received = one->ran = one->done = one->taken = 0;
	one->n_messages = 0;
}

static uint64_t output_end(const struct expected *one)
{
	return one->n_messages ? one->messages[one->n_messages - 1].end : 0;
}

static void receive_some(struct expected *one)
{
	size_t room, len = 1 + draw(3000);
	unsigned char *at;

	if (one->received + len > STREAM || ledger_copy_in_begin(&one->connection, &at, &room))
		return;
	len = len < room ? len : room;
	for (size_t i = 0; i < len; i++)
		at[i] = byte_of(one->id, false, one->received + i);
	ledger_copy_in_end(&one->connection, len);
	one->received += len;
}

static void append(struct expected *one, uint64_t tag, uint64_t answers)
{
	unsigned char bytes[4096];
	size_t len = 1 + draw(draw(8) ? 60 : sizeof(bytes));
	uint64_t begin = output_end(one);
	struct iovec part = {bytes, len};

	for (size_t i = 0; i < len; i++)
		bytes[i] = byte_of(one->id, true, begin + i);
	ck_assert_uint_lt(one->n_messages, MESSAGES);
	int result = answers ? ledger_append_reply(&one->connection, tag, &part, 1)
			     : ledger_append_event(&one->connection, tag, 1, true, &part, 1);
	ck_assert_int_eq(result, 0);
	if (!tag && one->n_messages && one->messages[one->n_messages - 1].tag > committed)
		tag = committed + 1; /* it must not be valid before those before it */
	one->messages[one->n_messages++] = (struct message){tag, begin + len, answers};
	if (answers && tag <= committed)
		one->done = answers;
}

/* A request is run: events to some, then its reply. */
static void run_one(struct expected *one)
{
	uint64_t left = one->received - one->ran;
	size_t len = left > 5000 ? 5000 : left;

	if (!len)
		return;
	len = 1 + draw((uint32_t)len);
	is_dirty = is_dirty || draw(2);
	uint64_t tag = is_dirty ? committed + 1 : 0;
	ledger_ran(&one->connection, len);
	one->ran += len;
	for (uint32_t i = tag ? draw(4) : 0; i > 0; i--) {
		struct expected *other = &expected[draw(CONNECTIONS)];
		if (other->is_open)
			append(other, tag, 0);
	}
	append(one, tag, one->ran);
}

static void take_some(struct expected *one)
{
	struct iovec buffers[4];
	size_t n = ledger_copy_out_begin(&one->connection, buffers, 4), len = 0;

	for (size_t i = 0; i < n; i++)
		len += buffers[i].iov_len;
	if (!len)
		return;
	len = 1 + draw((uint32_t)len);
	ledger_copy_out_end(&one->connection, len);
	one->taken += len;
}

static void commit_all(void)
{
	ledger_commit(ledger);
	committed += is_dirty;
	is_dirty = false;
	for (int i = 0; i < CONNECTIONS; i++)
		expected[i].done = expected[i].ran;
}

static void cut_all(void)
{
	ledger_cut(ledger);
	for (int i = 0; i < CONNECTIONS; i++) {
		struct expected *one = &expected[i];
		while (one->n_messages && one->messages[one->n_messages - 1].tag > committed)
			one->n_messages--;
		one->ran = one->done;
	}
	is_dirty = false;
}

static void do_something(void)
{
	struct expected *one = &expected[draw(CONNECTIONS)];

	if (!one->is_open) {
		connect_one(one);
		return;
	}
	switch (draw(12)) {
	case 0:
		commit_all();
		break;
	case 1:
		cut_all();
		break;
	case 2:
		if (is_dirty || draw(4))
			break;
		commit_all();
		ledger_disconnect(&one->connection);
		one->is_open = false;
		break;
	case 3:
	case 4:
	case 5:
		receive_some(one);
		break;
	case 6:
	case 7:
	case 8:
		run_one(one);
		break;
	default:
		take_some(one);
	}
}

/* ---- what a second process finds ---- */

static void copy_file(void)
{
	char command[200];

	snprintf(command, sizeof(command), "cp --sparse=always %s %s", path, copy_path);
	ck_assert_int_eq(system(command), 0);
}

static void check_output(const struct expected *one, struct ledger_connection *connection)
{
	uint64_t end = 0, at = one->taken;

	for (size_t i = 0; i < one->n_messages && one->messages[i].tag <= committed; i++)
		end = one->messages[i].end;
	ck_assert_uint_eq(connection->ready, end - one->taken);
	ck_assert_uint_eq(connection->queued, end - one->taken);
	while (at < end) {
		struct iovec buffer;
		ck_assert_uint_eq(ledger_copy_out_begin(connection, &buffer, 1), 1);
		for (size_t i = 0; i < buffer.iov_len; i++, at++)
			if (((unsigned char *)buffer.iov_base)[i] != byte_of(one->id, true, at))
				ck_abort_msg("connection %llu, output byte %llu", (unsigned long long)one->id,
					     (unsigned long long)at);
		ledger_copy_out_end(connection, buffer.iov_len);
	}
}

static void check_input(const struct expected *one, struct ledger_connection *connection)
{
	size_t len;
	const char *bytes = ledger_input(connection, &len);

	ck_assert_uint_eq(len, one->received - one->done);
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)bytes[i] != byte_of(one->id, false, one->done + i))
			ck_abort_msg("connection %llu, input byte %llu", (unsigned long long)one->id,
				     (unsigned long long)(one->done + i));
}

static struct expected *expected_of(uint64_t id)
{
	for (int i = 0; i < CONNECTIONS; i++)
		if (expected[i].is_open && expected[i].id == id)
			return &expected[i];
	ck_abort_msg("connection %llu has ended", (unsigned long long)id);
}

/* Everything is as the model says, and usable: all is answered and taken, then nothing is held. */
static void check_copy(void)
{
	struct ledger *second;
	struct ledger_found found;
	struct ledger_figures figures;
	struct ledger_connection connections[CONNECTIONS];
	uint32_t index = 0;
	size_t n = 0, n_open = 0;

	ck_assert_int_eq(ledger_open(copy_path, LIMIT, &second), 0);
	ck_assert_int_eq(ledger_recover(second, store_id, committed, count_damaged, NULL), 0);
	ck_assert_uint_eq(n_damaged, 0);
	while (ledger_find(second, &index, &found)) {
		struct expected *one = expected_of(found.connection_id);
		ck_assert_uint_eq(found.state, LEDGER_CONNECTED);
		ledger_attach(second, &found, &connections[n]);
		check_input(one, &connections[n]);
		check_output(one, &connections[n]);
		n++;
	}
	for (int i = 0; i < CONNECTIONS; i++)
		n_open += expected[i].is_open;
	ck_assert_uint_eq(n, n_open);
	for (size_t i = 0; i < n; i++)
		ledger_disconnect(&connections[i]);
	ledger_figures(second, &figures);
	ck_assert_uint_eq(figures.connections, 0);
	ck_assert_uint_eq(figures.blocks_used, 0);
	ledger_close(second);
}

/* The store's commit was the last that happened: nothing in the ledger tells of it. */
static void check_copy_after_commit(void)
{
	uint64_t done[CONNECTIONS];

	committed++;
	for (int i = 0; i < CONNECTIONS; i++) {
		done[i] = expected[i].done;
		expected[i].done = expected[i].ran;
	}
	copy_file();
	check_copy();
	committed--;
	for (int i = 0; i < CONNECTIONS; i++)
		expected[i].done = done[i];
}

START_TEST(what_was_received_run_and_committed_is_found_after_random_histories)
{
	const char *n_deaths = getenv("DEATHS");

	for (int deaths = n_deaths ? atoi(n_deaths) : 60; deaths > 0; deaths--) {
		for (uint32_t steps = draw(300); steps > 0; steps--)
			do_something();
		for (int i = 0; i < CONNECTIONS; i++)
			if (expected[i].n_messages > MESSAGES - 400 || expected[i].received > STREAM - 4000) {
				commit_all();
				if (expected[i].is_open)
					ledger_disconnect(&expected[i].connection);
				expected[i].is_open = false;
			}
		copy_file();
		check_copy();
		check_copy_after_commit();
	}
}
END_TEST

START_TEST(a_recovered_ledger_can_be_recovered_again_and_again)
{
	struct ledger *second;

	for (int i = 0; i < 500; i++)
		do_something();
	copy_file();
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(ledger_open(copy_path, LIMIT, &second), 0);
		/* What was valid once needs no commit any more. */
		ck_assert_int_eq(ledger_recover(second, store_id, i ? 0 : committed, count_damaged, NULL), 0);
		ledger_close(second);
	}
	check_copy();
}
END_TEST

/* ---- calls under way ---- */

static void kill_in_call(enum ledger_direction direction, uint64_t base, unsigned moved)
{
	int fd = open(copy_path, O_RDWR | O_CLOEXEC);
	struct ledger_header header;

	ck_assert_int_eq(pread(fd, &header, sizeof(header), 0), sizeof(header));
	header.armed = (struct ledger_armed){.call = direction, .base = base};
	(direction == LEDGER_RECEIVE ? &header.receive : &header.send)->msg_len = moved;
	ck_assert_int_eq(pwrite(fd, &header, sizeof(header), 0), sizeof(header));
	close(fd);
}

START_TEST(bytes_that_a_call_had_moved_count)
{
	struct expected *one = &expected[0];
	unsigned char *at;
	size_t room;

	connect_one(one);
	receive_some(one);
	run_one(one);
	commit_all();
	/* 100 bytes more have come, of which the slot knows nothing. */
	ck_assert_int_eq(ledger_copy_in_begin(&one->connection, &at, &room), 0);
	for (size_t i = 0; i < 100; i++)
		at[i] = byte_of(one->id, false, one->received + i);
	copy_file();
	kill_in_call(LEDGER_RECEIVE, one->received, 100);
	one->received += 100;
	check_copy();
	one->received -= 100;

	copy_file();
	kill_in_call(LEDGER_SEND, one->taken, 1);
	one->taken += 1;
	check_copy();
}
END_TEST

/* ---- the request that was being run ---- */

/* What the next process says of the request that this one was running when it died. */
static struct ledger_suspect recover_suspect(void)
{
	struct ledger_suspect suspect;
	struct ledger *second;

	ck_assert_int_eq(ledger_open(copy_path, LIMIT, &second), 0);
	ck_assert_int_eq(ledger_recover(second, store_id, committed, count_damaged, NULL), 0);
	suspect = *ledger_suspect(second);
	ck_assert_uint_eq(*ledger_death(second), 0);
	ledger_close(second);
	return suspect;
}

/* The process dies while it runs the next request of `one`. */
static struct ledger_suspect die_running(const struct expected *one, uint32_t signal)
{
	ledger_running(&one->connection);
	*ledger_death(ledger) = signal;
	copy_file();
	return recover_suspect();
}

/* In the eyes of the process after the one that has counted the death. */
static bool is_condemned(const struct expected *one)
{
	struct ledger_connection connection;
	struct ledger_found found;
	struct ledger *second;
	uint32_t index = 0;

	ck_assert_int_eq(ledger_open(copy_path, LIMIT, &second), 0);
	ck_assert_int_eq(ledger_recover(second, store_id, committed, count_damaged, NULL), 0);
	ck_assert(!ledger_suspect(second)->is_there);
	do
		ck_assert(ledger_find(second, &index, &found));
	while (found.connection_id != one->id);
	ledger_attach(second, &found, &connection);
	bool result = ledger_is_condemned(&connection);
	if (result)
		ck_assert_int_eq(ledger_before_condemned(&connection), 0);
	ledger_detach(&connection);
	ledger_close(second);
	return result;
}

/* The deaths that a request has seen so far. */
static void set_deaths(const struct expected *one, uint64_t at, uint32_t crashes, uint32_t kills)
{
	one->connection.slot->suspect_at = at;
	one->connection.slot->crashes = crashes;
	one->connection.slot->kills = kills;
}

START_TEST(a_death_is_put_down_to_the_request_that_was_being_run)
{
	struct expected *one = &expected[1];

	connect_one(&expected[0]);
	connect_one(one);
	receive_some(one);
	run_one(one);
	commit_all();
	receive_some(one);
	struct ledger_suspect suspect = die_running(one, 11);
	ck_assert(suspect.is_there);
	ck_assert_uint_eq(suspect.connection_id, one->id);
	ck_assert_uint_eq(suspect.signal, 11);
	ck_assert_uint_eq(suspect.crashes, 1);
	ck_assert_uint_eq(suspect.kills, 0);
	ck_assert(!is_condemned(one));
	suspect = die_running(one, 0);
	ck_assert_uint_eq(suspect.crashes, 0);
	ck_assert_uint_eq(suspect.kills, 1);
}
END_TEST

START_TEST(a_request_is_condemned_by_two_crashes_or_five_deaths)
{
	static const struct {
		uint32_t crashes, kills, signal;
		bool condemned;
	} cases[] = {{0, 0, 6, false}, {1, 0, 6, true}, {1, 2, 0, false}, {1, 3, 0, true}, {0, 3, 0, false}, {0, 4, 0, true}};
	struct expected *one = &expected[0];

	connect_one(one);
	receive_some(one);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		set_deaths(one, 0, cases[i].crashes, cases[i].kills);
		ck_assert(die_running(one, cases[i].signal).is_there);
		ck_assert_msg(is_condemned(one) == cases[i].condemned, "case %zu", i);
	}
}
END_TEST

START_TEST(deaths_of_another_request_do_not_count)
{
	struct expected *one = &expected[0];

	connect_one(one);
	receive_some(one);
	set_deaths(one, 1, 1, 3);
	ck_assert_uint_eq(die_running(one, 6).crashes, 1);
	ck_assert(!is_condemned(one));
}
END_TEST

/* In the eyes of another program, and of the one that was there before it. */
static bool is_condemned_after(bool once)
{
	struct ledger *second;

	ck_assert_int_eq(ledger_open(copy_path, LIMIT, &second), 0);
	ledger_acquit_all(second, once);
	ck_assert_int_eq(ledger_recover(second, store_id, committed, count_damaged, NULL), 0);
	ledger_close(second);
	return is_condemned(&expected[0]);
}

START_TEST(no_request_is_condemned_by_another_program)
{
	struct expected *one = &expected[0];

	connect_one(one);
	receive_some(one);
	set_deaths(one, 0, 2, 0);
	copy_file();
	ck_assert(is_condemned(one));
	ck_assert(!is_condemned_after(false));
	ledger_note_update(ledger, one->id, 0);
	copy_file();
	ck_assert(!is_condemned_after(true));
}
END_TEST

START_TEST(the_old_program_acquits_once_only)
{
	struct expected *one = &expected[0];

	connect_one(one);
	receive_some(one);
	ledger_note_update(ledger, one->id, 0);
	ledger_acquit_all(ledger, true);
	set_deaths(one, 0, 2, 0); /* it has died of the same */
	copy_file();
	ck_assert(is_condemned_after(true));
	ck_assert(!is_condemned_after(false));
}
END_TEST

START_TEST(an_update_is_owed_until_its_request_is_answered)
{
	struct expected *one = &expected[0];
	uint64_t id, at;

	ck_assert(!ledger_owes_update(ledger, &id, &at));
	connect_one(one);
	receive_some(one);
	ledger_note_update(ledger, one->id, one->connection.ran);
	ck_assert(ledger_owes_update(ledger, &id, &at));
	ck_assert_uint_eq(id, one->id);
	ck_assert_uint_eq(at, one->connection.ran);
	run_one(one);
	commit_all();
	ck_assert(!ledger_owes_update(ledger, &id, &at)); /* and it is forgotten */
	receive_some(one);
	ledger_note_update(ledger, one->id + 1, one->connection.ran);
	ck_assert(!ledger_owes_update(ledger, &id, &at));
}
END_TEST

/* Connection 0 is the ring of domain 0, over whose kernel xenstore-control may speak. */
START_TEST(an_update_may_be_owed_to_connection_0)
{
	static const struct iovec answer = {(char *)(uintptr_t) "answer", 6};
	struct ledger_connection connection;
	struct mmsghdr *call;
	uint64_t id, at;

	ck_assert_int_eq(ledger_connect(ledger, 0, &connection), 0);
	ck_assert(!ledger_owes_update(ledger, &id, &at));
	ck_assert_int_eq(ledger_receive_begin(&connection, &call), 0);
	call->msg_len = 1;
	ledger_receive_end(&connection, true);
	ledger_note_update(ledger, 0, 0);
	ck_assert(ledger_owes_update(ledger, &id, &at));
	ck_assert_uint_eq(id | at, 0);
	ledger_ran(&connection, 1);
	ck_assert_int_eq(ledger_append_reply(&connection, 0, &answer, 1), 0);
	ck_assert(!ledger_owes_update(ledger, &id, &at));
	ledger_disconnect(&connection);
}
END_TEST

START_TEST(nothing_is_put_down_to_a_request_that_is_answered)
{
	struct expected *one = &expected[0];

	connect_one(one);
	receive_some(one);
	ledger_running(&one->connection);
	run_one(one);
	*ledger_death(ledger) = 11;
	copy_file();
	ck_assert(recover_suspect().is_there == (one->done == 0));
	commit_all();
	copy_file();
	ck_assert(!recover_suspect().is_there);
}
END_TEST

START_TEST(a_death_between_two_requests_is_put_down_to_none)
{
	struct expected *one = &expected[0];

	connect_one(one);
	receive_some(one);
	ledger_running(&one->connection);
	ledger_running_none(ledger);
	*ledger_death(ledger) = 11;
	copy_file();
	ck_assert(!recover_suspect().is_there);
}
END_TEST

/* ---- what makes no sense ---- */

static int recover_copy(const unsigned char id[16])
{
	struct ledger *second;

	ck_assert_int_eq(ledger_open(copy_path, LIMIT, &second), 0);
	int result = ledger_recover(second, id, committed, count_damaged, NULL);
	ledger_close(second);
	return result;
}

START_TEST(the_ledger_of_another_store_holds_nothing)
{
	copy_file();
	ck_assert_int_eq(recover_copy((const unsigned char *)"another store id"), STATUS_ENOENT);
	ck_assert_int_eq(recover_copy(store_id), 0);
}
END_TEST

START_TEST(of_two_connections_with_the_same_block_one_ends)
{
	struct ledger_slot slots[2];

	connect_one(&expected[0]);
	connect_one(&expected[1]);
	append(&expected[0], 0, 0);
	append(&expected[1], 0, 0);
	copy_file();
	int fd = open(copy_path, O_RDWR | O_CLOEXEC);
	ck_assert_int_eq(pread(fd, slots, sizeof(slots), LEDGER_HEADER_SIZE), sizeof(slots));
	slots[1].out_head = slots[0].out_head;
	ck_assert_int_eq(pwrite(fd, slots, sizeof(slots), LEDGER_HEADER_SIZE), sizeof(slots));
	close(fd);
	ck_assert_int_eq(recover_copy(store_id), 0);
	ck_assert_uint_eq(n_damaged, 1);
	n_damaged = 0;
	expected[1].is_open = false;
	check_copy();
}
END_TEST

/* Random bytes in slots and blocks: no crash, no connection with what another one has, and the rest can be used. */
START_TEST(damage_ends_connections_and_nothing_else)
{
	const char *n_damages = getenv("DAMAGES");

	for (int i = 0; i < 400; i++)
		do_something();
	for (int damage = n_damages ? atoi(n_damages) : 200; damage > 0; damage--) {
		copy_file();
		int fd = open(copy_path, O_RDWR | O_CLOEXEC);
		for (uint32_t i = 1 + draw(4); i > 0; i--) {
			size_t at = draw(2) ? LEDGER_HEADER_SIZE + draw(CONNECTIONS * LEDGER_SLOT_SIZE)
					    : (size_t)LEDGER_FIRST_BLOCK * LEDGER_BLOCK_SIZE + draw(40 * LEDGER_BLOCK_SIZE);
			uint32_t value = draw(3) ? draw(100) : draw(UINT32_MAX);
			size_t len = 1 + draw(4);
			ck_assert_int_eq(pwrite(fd, &value, len, (off_t)(at / 4 * 4)), (ssize_t)len);
		}
		close(fd);
		int result = recover_copy(store_id);
		ck_assert_int_eq(result, 0);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("recovery");
	TCase *cases = tcase_create("recovery");

	tcase_add_checked_fixture(cases, setup, teardown);
	tcase_set_timeout(cases, 300);
	tcase_add_test(cases, what_was_received_run_and_committed_is_found_after_random_histories);
	tcase_add_test(cases, a_recovered_ledger_can_be_recovered_again_and_again);
	tcase_add_test(cases, bytes_that_a_call_had_moved_count);
	tcase_add_test(cases, a_death_is_put_down_to_the_request_that_was_being_run);
	tcase_add_test(cases, a_request_is_condemned_by_two_crashes_or_five_deaths);
	tcase_add_test(cases, no_request_is_condemned_by_another_program);
	tcase_add_test(cases, the_old_program_acquits_once_only);
	tcase_add_test(cases, an_update_is_owed_until_its_request_is_answered);
	tcase_add_test(cases, an_update_may_be_owed_to_connection_0);
	tcase_add_test(cases, deaths_of_another_request_do_not_count);
	tcase_add_test(cases, nothing_is_put_down_to_a_request_that_is_answered);
	tcase_add_test(cases, a_death_between_two_requests_is_put_down_to_none);
	tcase_add_test(cases, the_ledger_of_another_store_holds_nothing);
	tcase_add_test(cases, of_two_connections_with_the_same_block_one_ends);
	tcase_add_test(cases, damage_ends_connections_and_nothing_else);
	suite_add_tcase(suite, cases);
	return suite_run(suite);
}
