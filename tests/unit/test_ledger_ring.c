/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The ledger's part of a ring, in a file that is read by its format only. A child serves a ring as the front does, one machine
 * instruction after the other (LEDGER_RING_STEPS of them): wherever it would die, page and ledger together must tell exactly
 * what was received, answered and taken.
 */
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

#include "ledger/ledger.h"
#include "lxenstored/ledger_format.h"
#include "support/suite.h"
#include "wire/message.h"
#include "wire/ring_page.h"

static const unsigned char store_id[16] = "0123456789abcdef";

static char path[64];
static struct ledger *ledger;
static struct ledger_connection connection;
static const unsigned char *file; /* the whole limit; only what is reached from the slot is read */

enum { LIMIT = 64 << 20 };

static void open_ledger(void)
{
	ck_assert_int_eq(ledger_open(path, LIMIT, &ledger), 0);
	ck_assert_int_eq(ledger_begin(ledger, store_id), 0);
	ck_assert_int_eq(ledger_connect(ledger, 7, &connection), 0);
}

static void start(void)
{
	strcpy(path, "/dev/shm/test_ledger_ring.XXXXXX");
	int fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	close(fd);
	open_ledger();
	fd = open(path, O_RDONLY | O_CLOEXEC);
	file = mmap(NULL, LIMIT, PROT_READ, MAP_SHARED, fd, 0);
	ck_assert_ptr_ne(file, MAP_FAILED);
	close(fd);
}

static void stop(void)
{
	ledger_close(ledger);
	munmap((void *)(uintptr_t)file, LIMIT);
	unlink(path);
}

/* ---- reading the file ---- */

static const struct ledger_slot *slot(void)
{
	return (const void *)(file + LEDGER_HEADER_SIZE);
}

static const struct ledger_block *block(uint32_t number)
{
	return (const void *)(file + (size_t)number * LEDGER_BLOCK_SIZE);
}

static size_t blocks_used(void)
{
	struct ledger_figures figures;

	ledger_figures(ledger, &figures);
	return figures.blocks_used;
}

/* ---- one step after the other ---- */

static void put_input(const void *bytes, size_t len)
{
	unsigned char *at;
	size_t room;

	ck_assert_int_eq(ledger_copy_in_begin(&connection, &at, &room), 0);
	ck_assert_uint_ge(room, len);
	memcpy(at, bytes, len);
	ledger_copy_in_end(&connection, len);
}

static void append_reply(uint64_t tag, const char *text)
{
	struct iovec part = {(char *)(uintptr_t)text, strlen(text)};

	ck_assert_int_eq(ledger_append_reply(&connection, tag, &part, 1), 0);
}

START_TEST(input_counts_once_its_copy_is_ended)
{
	unsigned char *at;
	size_t room, len;

	ck_assert_int_eq(ledger_copy_in_begin(&connection, &at, &room), 0);
	memcpy(at, "abc", 3);
	ck_assert_uint_eq(slot()->in_pos, 0);
	ledger_input(&connection, &len);
	ck_assert_uint_eq(len, 0);
	ledger_copy_in_end(&connection, 3);
	ck_assert_uint_eq(slot()->in_pos, 3);
	ck_assert_uint_eq(ledger_in_position(&connection), 3);
	ck_assert_mem_eq(block(slot()->in_block)->bytes, "abc", 3);
	ck_assert_mem_eq(ledger_input(&connection, &len), "abc", 3);
	ck_assert_uint_eq(len, 3);
}
END_TEST

START_TEST(input_that_is_full_of_requests_is_to_be_run_first)
{
	unsigned char *at;
	size_t room;
	char bytes[1024] = {0};

	for (int i = 0; i < 7; i++)
		put_input(bytes, sizeof(bytes));
	ck_assert_int_eq(ledger_copy_in_begin(&connection, &at, &room), 0);
	ledger_copy_in_end(&connection, room);
	ck_assert_int_eq(ledger_copy_in_begin(&connection, &at, &room), -EAGAIN);
}
END_TEST

START_TEST(output_is_described_until_it_is_taken)
{
	struct iovec buffers[4];

	put_input("q", 1);
	ledger_ran(&connection, 1);
	append_reply(0, "answer");
	ck_assert_uint_eq(ledger_copy_out_begin(&connection, buffers, 4), 1);
	ck_assert_uint_eq(buffers[0].iov_len, 6);
	ck_assert_mem_eq(buffers[0].iov_base, "answer", 6);
	ck_assert_uint_eq(slot()->out_pos, 0);
	ledger_copy_out_end(&connection, 2);
	ck_assert_uint_eq(slot()->out_pos, 2);
	ck_assert_uint_eq(ledger_out_position(&connection), 2);
	ck_assert_uint_eq(ledger_copy_out_begin(&connection, buffers, 4), 1);
	ck_assert_mem_eq(buffers[0].iov_base, "swer", 4);
	ledger_copy_out_end(&connection, 4);
	ck_assert_uint_eq(ledger_copy_out_begin(&connection, buffers, 4), 0);
	ck_assert_uint_eq(slot()->out_head, 0);
	ck_assert_uint_eq(blocks_used(), 0);
}
END_TEST

START_TEST(output_that_waits_for_a_commit_is_not_described)
{
	struct iovec buffers[4];

	put_input("q", 1);
	ledger_ran(&connection, 1);
	append_reply(5, "answer");
	ck_assert_uint_eq(ledger_copy_out_begin(&connection, buffers, 4), 0);
	ledger_commit(ledger);
	ck_assert_uint_eq(ledger_copy_out_begin(&connection, buffers, 4), 1);
}
END_TEST

START_TEST(after_a_reset_nothing_is_there_and_offsets_are_0)
{
	struct iovec buffers[4];
	size_t len;

	put_input("qr", 2);
	ledger_ran(&connection, 1);
	append_reply(0, "answer");
	ledger_copy_out_end(&connection, 2);
	ledger_reset(&connection, 9);
	ck_assert_uint_eq(slot()->connection_id, 7);
	ck_assert_uint_eq(slot()->state, LEDGER_RESETTING);
	ck_assert_uint_eq(slot()->epoch, 9);
	ck_assert_uint_eq(slot()->in_pos | slot()->out_pos | slot()->done, 0);
	ck_assert_uint_eq(slot()->in_block | slot()->out_head, 0);
	ck_assert_uint_eq(blocks_used(), 0);
	ck_assert_uint_eq(connection.queued, 0);
	ledger_resume(&connection);
	ck_assert_uint_eq(slot()->state, LEDGER_CONNECTED);
	ledger_input(&connection, &len);
	ck_assert_uint_eq(len, 0);
	ck_assert_uint_eq(ledger_copy_out_begin(&connection, buffers, 4), 0);
	put_input("s", 1);
	ck_assert_mem_eq(ledger_input(&connection, &len), "s", 1);
	ledger_ran(&connection, 1);
	append_reply(0, "more");
	ck_assert_uint_eq(ledger_copy_out_begin(&connection, buffers, 4), 1);
	ck_assert_mem_eq(buffers[0].iov_base, "more", 4);
}
END_TEST

START_TEST(streams_can_go_on_from_where_another_has_left_them)
{
	struct iovec buffers[4];
	size_t len;

	ledger_start_at(&connection, 9, 0xfffffff0, 500);
	ck_assert_uint_eq(slot()->epoch, 9);
	put_input("question", 8);
	ck_assert_uint_eq(slot()->in_pos, 0xfffffff8);
	ck_assert_mem_eq(ledger_input(&connection, &len), "question", 8);
	ck_assert_uint_eq(len, 8);
	ledger_ran(&connection, 8);
	append_reply(0, "answer");
	ck_assert_uint_eq(ledger_copy_out_begin(&connection, buffers, 4), 1);
	ck_assert_mem_eq(buffers[0].iov_base, "answer", 6);
	ledger_copy_out_end(&connection, 6);
	ck_assert_uint_eq(slot()->out_pos, 506);
	ck_assert_uint_eq(blocks_used(), 0);
}
END_TEST

START_TEST(a_stopped_one_says_why_and_holds_nothing)
{
	put_input("qr", 2);
	ledger_ran(&connection, 1);
	append_reply(0, "answer");
	ledger_stop(&connection, RING_ERROR_INDEX);
	ck_assert_uint_eq(slot()->state, LEDGER_STOPPED);
	ck_assert_uint_eq(slot()->error, RING_ERROR_INDEX);
	ck_assert_uint_eq(blocks_used(), 0);
	ck_assert_uint_eq(connection.queued, 0);
	ledger_reset(&connection, 10);
	ledger_resume(&connection);
	ck_assert_uint_eq(slot()->state, LEDGER_CONNECTED);
	ck_assert_uint_eq(slot()->error, 0);
}
END_TEST

/* ---- one instruction after the other ---- */

/* Request and reply `n` begin with their number; all lengths are told by it. */
static size_t request_len(uint64_t n)
{
	return 16 + n * 37 % 300;
}

static size_t reply_len(uint64_t n)
{
	return 16 + n * 53 % 700;
}

static unsigned char byte_of(uint64_t n, size_t i)
{
	return i < sizeof(n) ? (unsigned char)(n >> 8 * i) : (unsigned char)n;
}

/* In few instructions; little-endian hosts only, as are all that run Xen. */
static void fill(unsigned char *to, uint64_t n, size_t len)
{
	memcpy(to, &n, sizeof(n));
	memset(to + sizeof(n), (int)(n & 255), len - sizeof(n));
}

/* What the child shares with the test, besides the ledger. */
struct server {
	struct ring_page page;
	uint32_t turns, resets;
};

enum { TURNS_OF_A_CONNECTION = 40, BYTES_OF_A_TURN = 300 };

/* Steps 1 to 4 of a turn (doc/recovery.md), with replies that are valid at once. */
static void serve_turn(struct server *server, uint64_t *next)
{
	struct ring_page *page = &server->page;
	uint32_t consumed = (uint32_t)ledger_in_position(&connection);
	uint32_t len = ring_load(&page->req_prod) - consumed;
	unsigned char *at;
	size_t room, there;

	if (len && !ledger_copy_in_begin(&connection, &at, &room)) {
		len = len < room ? len : (uint32_t)room;
		uint32_t begin = consumed % RING_SIZE, first = len < RING_SIZE - begin ? len : RING_SIZE - begin;
		memcpy(at, page->req + begin, first);
		memcpy(at + first, page->req, len - first);
		ledger_copy_in_end(&connection, len);
		ring_store(&page->req_cons, consumed + len);
	}
	while (connection.queued < 20000 && (ledger_input(&connection, &there), there >= request_len(*next))) {
		unsigned char reply[MESSAGE_SIZE_MAX];
		struct iovec part = {reply, reply_len(*next)};
		fill(reply, *next, part.iov_len);
		ledger_ran(&connection, request_len((*next)++));
		if (ledger_append_reply(&connection, 0, &part, 1))
			abort();
	}
	uint32_t produced = (uint32_t)ledger_out_position(&connection), moved = 0;
	uint32_t free_bytes = RING_SIZE - (produced - ring_load(&page->rsp_cons));
	struct iovec buffers[4];
	size_t n = ledger_copy_out_begin(&connection, buffers, 4);
	for (size_t i = 0; i < n && moved < free_bytes; i++) {
		uint32_t begin = (produced + moved) % RING_SIZE, part = free_bytes - moved;
		if (part > buffers[i].iov_len)
			part = (uint32_t)buffers[i].iov_len;
		uint32_t first = part < RING_SIZE - begin ? part : RING_SIZE - begin;
		memcpy(page->rsp + begin, buffers[i].iov_base, first);
		memcpy(page->rsp, (unsigned char *)buffers[i].iov_base + first, part - first);
		moved += part;
	}
	if (moved) {
		ring_store(&page->rsp_prod, produced + moved);
		ledger_copy_out_end(&connection, moved);
	}
}

struct guest {
	uint64_t sending, receiving; /* numbers */
	size_t sent, received;	     /* bytes of them */
};

/* Puts some bytes, as far as there is room, and takes all that is there. */
static void play_guest(struct guest *guest, struct ring_page *page, bool takes)
{
	uint32_t produced = page->req_prod, room = RING_SIZE - (produced - ring_load(&page->req_cons));
	uint32_t consumed = page->rsp_cons, there = ring_load(&page->rsp_prod) - consumed;

	ck_assert_uint_le(room, RING_SIZE);
	ck_assert_uint_le(there, RING_SIZE);
	for (room = room < BYTES_OF_A_TURN ? room : BYTES_OF_A_TURN; room; room--) {
		page->req[produced++ % RING_SIZE] = byte_of(guest->sending, guest->sent);
		if (++guest->sent == request_len(guest->sending)) {
			guest->sending++;
			guest->sent = 0;
		}
	}
	ring_store(&page->req_prod, produced);
	for (; takes && there; there--) {
		ck_assert_uint_eq(page->rsp[consumed++ % RING_SIZE], byte_of(guest->receiving, guest->received));
		if (++guest->received == reply_len(guest->receiving)) {
			guest->receiving++;
			guest->received = 0;
		}
	}
	ring_store(&page->rsp_cons, consumed);
}

/* Sums of lengths: the offset in the stream at which message `n` begins. */
static uint64_t offset_of(uint64_t n, size_t (*len)(uint64_t))
{
	uint64_t offset = 0;

	for (uint64_t i = 0; i < n; i++)
		offset += len(i);
	return offset;
}

/* The input offset behind the last request that is answered. */
static uint64_t answered_offset(uint64_t *out_end)
{
	uint64_t answered = slot()->done;

	*out_end = slot()->out_pos;
	for (uint32_t number = slot()->out_head; number; number = ledger_block_next(block(number))) {
		struct ledger_block *at = (struct ledger_block *)(uintptr_t)block(number);
		for (uint32_t i = 0; i < ledger_block_count(at); i++) {
			const struct ledger_entry *entry = ledger_block_entry(at, i);
			if (at->base + entry->end > *out_end)
				*out_end = at->base + entry->end;
			if (entry->about > answered)
				answered = entry->about;
		}
	}
	return answered;
}

static void check_output(uint64_t from, uint64_t end)
{
	uint64_t n = 0, offset = 0;

	for (uint32_t number = slot()->out_head; number && from < end; number = ledger_block_next(block(number))) {
		struct ledger_block *at = (struct ledger_block *)(uintptr_t)block(number);
		uint64_t block_end = at->base + ledger_block_entry(at, ledger_block_count(at) - 1)->end;
		for (; from < block_end; from++) {
			while (offset + reply_len(n) <= from)
				offset += reply_len(n++);
			ck_assert_uint_eq(at->bytes[from - at->base], byte_of(n, from - offset));
		}
	}
	ck_assert_uint_eq(from, end);
}

/* What a start finds: recovery.md, "Start", c and d. */
static void check_state(const struct ring_page *page)
{
	uint64_t out_end, answered = answered_offset(&out_end), n = 0, offset = 0;
	uint32_t moved = page->rsp_prod - (uint32_t)slot()->out_pos;

	ck_assert_uint_eq(slot()->state, LEDGER_CONNECTED);
	ck_assert(slot()->in_block || slot()->in_pos == slot()->done);
	ck_assert_uint_le(moved, out_end - slot()->out_pos);
	ck_assert_uint_le(page->rsp_prod - page->rsp_cons, RING_SIZE);
	ck_assert_uint_le((uint32_t)slot()->in_pos - page->req_cons, RING_SIZE);
	ck_assert_uint_le(page->req_prod - (uint32_t)slot()->in_pos, RING_SIZE);
	while (offset < answered)
		offset += request_len(n++);
	ck_assert_uint_eq(offset, answered); /* whole requests are answered, each by its one reply */
	ck_assert_uint_eq(out_end, offset_of(n, reply_len));
	check_output(slot()->out_pos, out_end);
	for (uint64_t i = answered; i < slot()->in_pos; i++) {
		const struct ledger_block *in = block(slot()->in_block);
		while (offset + request_len(n) <= i)
			offset += request_len(n++);
		ck_assert_uint_eq(in->bytes[i - in->base], byte_of(n, i - offset));
	}
}

/* As ring_begin. */
static void begin_anew(struct server *server)
{
	struct ring_page *page = &server->page;

	ledger_reset(&connection, server->resets + 2);
	ring_store(&page->req_prod, 0);
	ring_store(&page->rsp_cons, 0);
	ring_store(&page->rsp_prod, 0);
	ring_store(&page->req_cons, 0);
	ledger_resume(&connection);
	ring_store(&server->resets, server->resets + 1);
}

static void serve_in_steps(struct server *server)
{
	uint64_t next = 0;

	open_ledger();
	ptrace(PTRACE_TRACEME, 0, NULL, NULL);
	raise(SIGSTOP);
	for (uint32_t turn = 1;; turn++) {
		serve_turn(server, &next);
		ring_store(&server->turns, turn);
		if (turn % TURNS_OF_A_CONNECTION)
			continue;
		begin_anew(server);
		next = 0;
	}
}

/* Is anything other than it was, of that which counts? */
static bool has_moved(const struct server *server)
{
	static struct ledger_slot last_slot;
	static struct server last_server;
	static uint64_t last_links;
	uint64_t links = 0;

	for (uint32_t number = slot()->out_head; number; number = ledger_block_next(block(number)))
		links = links * 31 + block(number)->link;
	if (links == last_links && !memcmp(slot(), &last_slot, sizeof(last_slot)) &&
	    !memcmp(&server->page.req_cons, &last_server.page.req_cons, sizeof(*server) - 2 * RING_SIZE))
		return false;
	last_links = links;
	last_slot = *slot();
	last_server = *server;
	return true;
}

static bool step(pid_t child)
{
	int status;

	return !ptrace(PTRACE_SINGLESTEP, child, NULL, NULL) && waitpid(child, &status, 0) == child && WIFSTOPPED(status) &&
	       WSTOPSIG(status) == SIGTRAP;
}

START_TEST(after_each_instruction_ledger_and_ring_tell_the_truth)
{
	const char *steps = getenv("LEDGER_RING_STEPS");
	struct server *server = mmap(NULL, sizeof(*server), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct guest guest = {0};
	uint32_t turns = 0, resets = 0, moves = 0;
	int status;

	ck_assert_ptr_ne(server, MAP_FAILED);
	ledger_close(ledger);
	pid_t child = fork();
	if (!child)
		serve_in_steps(server);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert(WIFSTOPPED(status));
	/* Sanitizers make more of them: at least one beginning is seen. */
	for (long i = steps ? atol(steps) : 60000; i > 0 || !resets; i--) {
		ck_assert(step(child));
		if (has_moved(server) && slot()->state != LEDGER_RESETTING) {
			check_state(&server->page);
			moves++;
		}
		if (server->resets != resets) {
			resets = server->resets;
			guest = (struct guest){0};
		} else if (server->turns != turns && server->turns % TURNS_OF_A_CONNECTION) {
			turns = server->turns;
			play_guest(&guest, &server->page, turns % 3 != 0);
		}
	}
	printf("# %u turns, %u resets, %u states\n", turns, resets, moves);
	kill(child, SIGKILL);
	waitpid(child, &status, 0);
	munmap(server, sizeof(*server));
	open_ledger();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("ledger of rings");
	TCase *tcase = tcase_create("all");

	tcase_add_checked_fixture(tcase, start, stop);
	tcase_set_timeout(tcase, 0);
	tcase_add_test(tcase, input_counts_once_its_copy_is_ended);
	tcase_add_test(tcase, input_that_is_full_of_requests_is_to_be_run_first);
	tcase_add_test(tcase, output_is_described_until_it_is_taken);
	tcase_add_test(tcase, output_that_waits_for_a_commit_is_not_described);
	tcase_add_test(tcase, after_a_reset_nothing_is_there_and_offsets_are_0);
	tcase_add_test(tcase, streams_can_go_on_from_where_another_has_left_them);
	tcase_add_test(tcase, a_stopped_one_says_why_and_holds_nothing);
	tcase_add_test(tcase, after_each_instruction_ledger_and_ring_tell_the_truth);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
