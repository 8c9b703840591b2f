/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Open transactions in the ledger, against a plain model: what a second process finds in a copy of the file, taken at any moment,
 * is what the requests that were answered have made. In one test the moments are chosen at random; in another they are all
 * there are: a child goes on by single machine instructions, and whenever one has changed what leads to transactions, a copy is
 * looked at.
 */
#include "ledger/transactions.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/random.h"
#include "support/suite.h"

enum { LIMIT = 64 << 20, OPEN_MAX = 12, LEN_MAX = 200000, ROUNDS = 3000, REQUEST = 16, COPIES = 8, LOOKED_AT = 16 };

static const unsigned char store_id[16] = "0123456789abcdef";

/* A transaction as it should be: the bytes follow from id and offset. */
struct expected {
	uint32_t id, marks;
	size_t len;
};

/* What there should be once so many requests are answered; the latest transaction first. */
struct state {
	struct expected open[OPEN_MAX];
	size_t n;
};

static char path[64], copy_path[80];
static struct ledger *ledger;
static struct ledger_connection connection;
static struct state state;
static uint32_t records[OPEN_MAX]; /* of those in `state` */
static uint64_t sent;		   /* bytes of input */
static uint32_t last_id;
static struct random numbers;

static uint32_t draw(uint32_t below)
{
	return random_below(&numbers, below);
}

/* With few instructions, since some are stepped through. */
static void fill(uint32_t id, size_t from, unsigned char *bytes, size_t len)
{
	enum { STRIDE = 251 };

	memset(bytes, (int)(id * 17 % 256), len);
	for (size_t i = (STRIDE - from % STRIDE) % STRIDE; i < len; i += STRIDE)
		bytes[i] = (unsigned char)((from + i) / STRIDE);
}

static void make_file(void)
{
	strcpy(path, "/dev/shm/test_transactions.XXXXXX");
	int fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	close(fd);
	snprintf(copy_path, sizeof(copy_path), "%s.copy", path);
	random_begin(&numbers, "TRANSACTIONS_SEED");
}

static void begin(void)
{
	ck_assert_int_eq(ledger_open(path, LIMIT, &ledger), 0);
	ck_assert_int_eq(ledger_begin(ledger, store_id), 0);
	ck_assert_int_eq(ledger_connect(ledger, 70000, &connection), 0);
}

static void setup(void)
{
	make_file();
	begin();
}

static void teardown(void)
{
	ledger_close(ledger);
	unlink(path);
	unlink(copy_path);
}

/* ---- requests ---- */

/* One has come; returns its end. */
static uint64_t receive(void)
{
	unsigned char *at;
	size_t room;

	ck_assert_int_eq(ledger_copy_in_begin(&connection, &at, &room), 0);
	ck_assert_uint_ge(room, REQUEST);
	memset(at, 'r', REQUEST);
	ledger_copy_in_end(&connection, REQUEST);
	sent += REQUEST;
	return sent;
}

static void answer(void)
{
	struct iovec part = {(char[]){"answer"}, 6}, buffers[4];

	ledger_ran(&connection, REQUEST);
	ck_assert_int_eq(ledger_append_reply(&connection, 0, &part, 1), 0);
	ck_assert_uint_eq(ledger_copy_out_begin(&connection, buffers, 4), 1);
	ledger_copy_out_end(&connection, buffers[0].iov_len);
}

static void start(size_t len)
{
	static unsigned char bytes[LEN_MAX];

	memmove(&state.open[1], &state.open[0], state.n * sizeof(state.open[0]));
	memmove(&records[1], &records[0], state.n * sizeof(records[0]));
	state.n++;
	state.open[0] = (struct expected){++last_id, 0, len};
	fill(last_id, 0, bytes, len);
	ck_assert_int_eq(ledger_transaction_begin(&connection, last_id, sent, bytes, len, &records[0]), 0);
}

static void append(size_t i, size_t len)
{
	static unsigned char bytes[LEN_MAX];
	struct expected *one = &state.open[i];

	fill(one->id, one->len, bytes, len);
	ck_assert_int_eq(ledger_transaction_append(&connection, records[i], sent, bytes, len), 0);
	one->len += len;
}

/* Writes the same anew. */
static void replace(size_t i)
{
	struct expected *one = &state.open[i];
	unsigned char *bytes = malloc(one->len);

	ck_assert_ptr_nonnull(bytes);
	fill(one->id, 0, bytes, one->len);
	ck_assert_int_eq(ledger_transaction_replace(&connection, &records[i], bytes, one->len), 0);
	one->marks &= ~(uint32_t)LEDGER_RESUMED;
	free(bytes);
}

static void forget(size_t i)
{
	state.n--;
	memmove(&state.open[i], &state.open[i + 1], (state.n - i) * sizeof(state.open[0]));
	memmove(&records[i], &records[i + 1], (state.n - i) * sizeof(records[0]));
}

/* ---- what another process finds ---- */

static void damaged(void *context, uint64_t connection_id, const char *what)
{
	(void)context;
	ck_abort_msg("connection %llu: %s", (unsigned long long)connection_id, what);
}

static void check_one(const struct ledger_connection *of, const struct ledger_found_transaction *found,
		      const struct expected *one)
{
	unsigned char *bytes = malloc(one->len);
	struct buffer read = {0};

	ck_assert_ptr_nonnull(bytes);
	ck_assert_uint_eq(found->id, one->id);
	ck_assert_uint_eq(found->marks, one->marks);
	ledger_transaction_read(of, found->record, &read);
	ck_assert_uint_eq(read.len, one->len);
	ck_assert_uint_eq(ledger_transaction_len(of, found->record), one->len);
	fill(one->id, 0, bytes, one->len);
	ck_assert(!memcmp(read.bytes, bytes, one->len));
	buffer_deinit(&read);
	free(bytes);
}

static void check_connection(const struct ledger_connection *of, const struct state *expected)
{
	struct ledger_found_transaction found;
	uint32_t record = 0;
	size_t n = 0;

	while (ledger_transaction_next(of, &record, &found)) {
		ck_assert_uint_lt(n, expected->n);
		check_one(of, &found, &expected->open[n++]);
	}
	ck_assert_uint_eq(n, expected->n);
}

/* Only what is open takes blocks. */
static void check_blocks(struct ledger *copy, const struct ledger_connection *of, const struct state *expected)
{
	struct ledger_figures figures;
	size_t n = of->blocks + (of->slot->in_block != 0);

	for (size_t i = 0; i < expected->n; i++)
		n += ledger_transaction_memory(expected->open[i].len) / LEDGER_BLOCK_SIZE;
	ledger_figures(copy, &figures);
	ck_assert_uint_eq(figures.blocks_used, n);
}

static void copy_file(void)
{
	char command[200];

	snprintf(command, sizeof(command), "cp --sparse=always %s %s", path, copy_path);
	ck_assert_int_eq(system(command), 0);
}

/* A start on the copy, and another one after that. states[k]: what there should be after k answers. */
static void check_copy(const struct state *states, bool by_done)
{
	struct ledger_connection of;
	struct ledger_found found;
	struct ledger *copy;

	for (int i = 0; i < 2; i++) {
		uint32_t index = 0, record;
		ck_assert_int_eq(ledger_open(copy_path, LIMIT, &copy), 0);
		ck_assert_int_eq(ledger_recover(copy, store_id, 0, damaged, NULL), 0);
		ck_assert(ledger_find(copy, &index, &found));
		ledger_attach(copy, &found, &of);
		const struct state *expected = by_done ? &states[of.slot->done / REQUEST] : states;
		check_connection(&of, expected);
		check_blocks(copy, &of, expected);
		/* It goes on, with what is not answered before the next death. */
		ck_assert_int_eq(ledger_transaction_begin(&of, 1000, of.slot->in_pos + 1, "x", 1, &record), 0);
		if (expected->n) {
			struct ledger_found_transaction first = {0};
			ck_assert(ledger_transaction_next(&of, &record, &first));
			ck_assert_int_eq(ledger_transaction_append(&of, first.record, of.slot->in_pos + 1, "unanswered", 10), 0);
		}
		ck_assert_uint_eq(ledger_last_transaction(&of), 1000);
		ledger_close(copy);
	}
}

/* ---- tests ---- */

/* Each is a request. */
static void do_something(void)
{
	size_t i = state.n ? draw((uint32_t)state.n) : 0;
	uint32_t what = draw(10);

	if (!state.n || (what < 2 && state.n < OPEN_MAX)) {
		start(1 + draw(draw(4) ? 100 : 20000));
	} else if (what < 7) {
		if (state.open[i].len < LEN_MAX / 2)
			append(i, 1 + draw(draw(4) ? 300 : 30000));
	} else if (what == 7) {
		replace(i);
	} else if (what == 8) {
		uint32_t mark = draw(2) ? LEDGER_DOOMED : LEDGER_RESUMED;
		ledger_transaction_mark(&connection, records[i], mark);
		state.open[i].marks |= mark;
	} else {
		ledger_transaction_end(&connection, records[i], sent);
		answer();
		if (draw(2))
			ledger_transaction_drop(&connection, records[i]);
		/* Else it is as if this process had died before that. */
		forget(i);
		return;
	}
	answer();
}

START_TEST(a_start_finds_what_the_requests_that_were_answered_have_made)
{
	for (int round = 0; round < ROUNDS; round++) {
		receive();
		do_something();
		if (draw(ROUNDS / COPIES))
			continue;
		copy_file();
		check_copy(&state, false);
	}
	copy_file();
	check_copy(&state, false);
}
END_TEST

START_TEST(what_belongs_to_a_request_that_is_not_answered_is_not_there)
{
	struct state before;

	receive();
	start(100);
	answer();
	receive();
	start(9000);
	answer();
	before = state;
	receive();
	start(10000);
	append(1, 20000);
	ledger_transaction_end(&connection, records[2], sent);
	copy_file();
	check_copy(&before, false);
}
END_TEST

START_TEST(an_end_that_is_taken_back_is_none)
{
	receive();
	start(100);
	answer();
	receive();
	ledger_transaction_end(&connection, records[0], sent);
	ledger_transaction_end(&connection, records[0], 0);
	answer();
	copy_file();
	check_copy(&state, false);
}
END_TEST

START_TEST(all_go_with_their_connection_and_with_a_reset)
{
	struct ledger_figures figures;

	for (int i = 0; i < 3; i++) {
		receive();
		start(30000);
		answer();
	}
	if (_i == 0)
		ledger_reset(&connection, 1);
	else if (_i == 1)
		ledger_stop(&connection, 1);
	else
		ledger_disconnect(&connection);
	ledger_figures(ledger, &figures);
	ck_assert_uint_eq(figures.blocks_used, 0);
	if (_i < 2)
		ck_assert_uint_eq(ledger_last_transaction(&connection), 3);
}
END_TEST

START_TEST(without_room_all_is_as_before)
{
	uint32_t record;

	ledger_close(ledger);
	ck_assert_int_eq(ledger_open(path, (LEDGER_FIRST_BLOCK + 10) * LEDGER_BLOCK_SIZE, &ledger), 0);
	ck_assert_int_eq(ledger_begin(ledger, store_id), 0);
	ck_assert_int_eq(ledger_connect(ledger, 70000, &connection), 0);
	receive();
	start(40000);
	static unsigned char bytes[LEN_MAX];
	ck_assert_int_eq(ledger_transaction_reserve(&connection, records[0], 40000), -ENOSPC);
	ck_assert_int_eq(ledger_transaction_append(&connection, records[0], sent + 1, bytes, 40000), -ENOSPC);
	record = records[0];
	ck_assert_int_eq(ledger_transaction_replace(&connection, &record, bytes, 40000), -ENOSPC);
	ck_assert_uint_eq(record, records[0]);
	ck_assert_int_eq(ledger_transaction_begin(&connection, 2, sent + 1, bytes, 40000, &record), -ENOSPC);
	check_connection(&connection, &state);
	ck_assert_int_eq(ledger_transaction_reserve(&connection, records[0], 8000), 0);
	append(0, 8000);
	ck_assert_int_eq(ledger_reserve(ledger), 0); /* the block for replies is left */
	check_connection(&connection, &state);
}
END_TEST

/* ---- after each instruction ---- */

enum { STORY_REQUESTS = 9 };

/* Done by the parent too, on a file of its own: states[k] is then what there is after k answers. */
static void tell_story(struct state states[STORY_REQUESTS + 1])
{
	size_t k = 0;
#define answered() (answer(), states[++k] = state)
	states[0] = state;
	receive();
	start(26);
	answered();
	receive();
	append(0, 100);
	answered();
	receive();
	append(0, 20000);
	answered();
	replace(0);
	receive();
	start(9000);
	answered();
	receive();
	append(1, 50);
	answered();
	receive();
	ledger_transaction_end(&connection, records[1], sent);
	uint32_t ended = records[1];
	forget(1);
	answered();
	ledger_transaction_drop(&connection, ended);
	receive();
	append(0, 2 * 8176 - (9000 - 8120)); /* to the end of a block */
	answered();
	receive();
	append(0, 1);
	answered();
	receive();
	start(1);
	answered();
#undef answered
}

/* The words that lead to transactions, as a string: slot and the fronts of the first blocks. */
static void look(const unsigned char *file, unsigned char out[LEDGER_SLOT_SIZE + LOOKED_AT * 72])
{
	memcpy(out, file + LEDGER_HEADER_SIZE, LEDGER_SLOT_SIZE);
	for (size_t i = 0; i < LOOKED_AT; i++)
		memcpy(out + LEDGER_SLOT_SIZE + i * 72, file + (LEDGER_FIRST_BLOCK + i) * LEDGER_BLOCK_SIZE, 72);
}

static void run_child(void)
{
	static struct state states[STORY_REQUESTS + 1];

	begin();
	ptrace(PTRACE_TRACEME, 0, NULL, NULL);
	raise(SIGSTOP);
	tell_story(states);
	_exit(0);
}

START_TEST(at_each_instruction_a_start_finds_what_was_answered)
{
	static unsigned char before[LEDGER_SLOT_SIZE + LOOKED_AT * 72], now[sizeof(before)];
	static struct state states[STORY_REQUESTS + 1];
	int status, copies = 0;

	/* For the states. */
	begin();
	tell_story(states);
	ledger_close(ledger);
	ledger = NULL;
	state = (struct state){0};
	sent = last_id = 0;

	pid_t child = fork();
	ck_assert_int_ge(child, 0);
	if (!child)
		run_child();
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert(WIFSTOPPED(status));
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	const unsigned char *file = mmap(NULL, LIMIT, PROT_READ, MAP_SHARED, fd, 0);
	ck_assert_ptr_ne(file, MAP_FAILED);
	look(file, before);
	for (;;) {
		ck_assert_int_eq(ptrace(PTRACE_SINGLESTEP, child, NULL, NULL), 0);
		ck_assert_int_eq(waitpid(child, &status, 0), child);
		if (WIFEXITED(status))
			break;
		ck_assert_msg(WIFSTOPPED(status), "the child has died: %x", (unsigned)status);
		look(file, now);
		if (!memcmp(now, before, sizeof(now)))
			continue;
		memcpy(before, now, sizeof(before));
		copy_file();
		check_copy(states, true);
		copies++;
	}
	ck_assert_int_eq(WEXITSTATUS(status), 0);
	ck_assert_int_gt(copies, 60);
	munmap((void *)(uintptr_t)file, LIMIT);
	close(fd);
}
END_TEST

/* ---- the store's last change ---- */

START_TEST(the_generation_of_the_last_commit_is_known)
{
	uint64_t generation;

	ck_assert(!ledger_generation(ledger, 7, &generation));
	ledger_note_generation(ledger, 7, 100);
	ck_assert(ledger_generation(ledger, 7, &generation));
	ck_assert_uint_eq(generation, 100);
	/* The next commit fails, or this process dies before it. */
	ledger_note_generation(ledger, 8, 200);
	ck_assert(ledger_generation(ledger, 7, &generation));
	ck_assert_uint_eq(generation, 100);
	ledger_note_generation(ledger, 8, 300);
	ck_assert(ledger_generation(ledger, 8, &generation));
	ck_assert_uint_eq(generation, 300);
	ck_assert(!ledger_generation(ledger, 9, &generation));
	ck_assert(!ledger_generation(ledger, 0, &generation));
}
END_TEST

START_TEST(another_store_has_no_last_change_and_dooms_all)
{
	uint64_t generation;

	for (int i = 0; i < 2; i++) {
		receive();
		start(100);
		answer();
		state.open[0].marks = LEDGER_DOOMED;
		state.open[1].marks = LEDGER_DOOMED;
	}
	ledger_note_generation(ledger, 7, 100);
	ledger_note_generation(ledger, 8, 100);
	ledger_replace_store(ledger);
	ck_assert(!ledger_generation(ledger, 7, &generation));
	ck_assert(!ledger_generation(ledger, 8, &generation));
	check_connection(&connection, &state);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("transactions");
	TCase *cases = tcase_create("ledger"), *steps = tcase_create("steps");

	tcase_set_timeout(cases, 120);
	tcase_add_checked_fixture(cases, setup, teardown);
	tcase_add_test(cases, a_start_finds_what_the_requests_that_were_answered_have_made);
	tcase_add_test(cases, what_belongs_to_a_request_that_is_not_answered_is_not_there);
	tcase_add_test(cases, an_end_that_is_taken_back_is_none);
	tcase_add_loop_test(cases, all_go_with_their_connection_and_with_a_reset, 0, 3);
	tcase_add_test(cases, without_room_all_is_as_before);
	tcase_add_test(cases, the_generation_of_the_last_commit_is_known);
	tcase_add_test(cases, another_store_has_no_last_change_and_dooms_all);
	suite_add_tcase(suite, cases);
	tcase_set_timeout(steps, 300);
	tcase_add_checked_fixture(steps, make_file, teardown);
	tcase_add_test(steps, at_each_instruction_a_start_finds_what_was_answered);
	suite_add_tcase(suite, steps);
	return suite_run(suite);
}
