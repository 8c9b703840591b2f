/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The ledger against a plain model: what was sent to a connection is what it has to run, what was appended and committed is
 * what its client reads. The file itself is read through a second mapping, by a decoder that knows ledger_format.h only.
 */
#include "ledger/ledger.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/status.h"
#include "lxenstored/ledger_format.h"
#include "wire/message.h"
#include "support/suite.h"

#define BLOCKS_AT ((size_t)LEDGER_FIRST_BLOCK * LEDGER_BLOCK_SIZE)

static const unsigned char store_id[16] = "0123456789abcdef";

static char path[64];
static struct ledger *ledger;
static uint64_t random_state;

static uint32_t draw(uint32_t below)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(((random_state >> 32) * below) >> 32);
}

static void open_with_limit(size_t limit)
{
	ledger_close(ledger);
	ck_assert_int_eq(ledger_open(path, limit, &ledger), 0);
	ck_assert_int_eq(ledger_begin(ledger, store_id), 0);
}

static void setup(void)
{
	const char *seed = getenv("LEDGER_SEED");
	int fd;

	strcpy(path, "/tmp/test_ledger.XXXXXX");
	fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	close(fd);
	ledger = NULL;
	open_with_limit(0);
	random_state = seed ? strtoull(seed, NULL, 0) : (uint64_t)time(NULL);
	printf("LEDGER_SEED=%llu\n", (unsigned long long)random_state);
	fflush(stdout);
}

static void teardown(void)
{
	ledger_close(ledger);
	unlink(path);
}

static struct ledger_figures figures(void)
{
	struct ledger_figures result;

	ledger_figures(ledger, &result);
	return result;
}

/* ---- one side of a connection each ---- */

static size_t receive(struct ledger_connection *connection, int fd)
{
	struct mmsghdr *call;

	if (ledger_receive_begin(connection, &call))
		return 0;
	return ledger_receive_end(connection, recvmmsg(fd, call, 1, MSG_DONTWAIT, NULL) == 1);
}

static size_t transmit(struct ledger_connection *connection, int fd)
{
	struct mmsghdr *call;

	if (!ledger_send_begin(connection, &call))
		return 0;
	return ledger_send_end(connection, sendmmsg(fd, call, 1, MSG_DONTWAIT | MSG_NOSIGNAL) == 1);
}

static int reply(struct ledger_connection *connection, uint64_t tag, const void *bytes, size_t len)
{
	struct iovec part = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = len};

	return ledger_append_reply(connection, tag, &part, 1);
}

static int event(struct ledger_connection *connection, uint64_t tag, uint64_t serial, bool repeat, const void *bytes, size_t len)
{
	struct iovec parts[2] = {{(void *)(uintptr_t)bytes, len / 2}, {(char *)(uintptr_t)bytes + len / 2, len - len / 2}};

	return ledger_append_event(connection, tag, serial, repeat, parts, 2);
}

/* Writes `len` bytes into the connection as if a client had, in as many calls as it takes. */
static void feed(struct ledger_connection *connection, const void *bytes, size_t len)
{
	int fds[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	ck_assert_int_eq(write(fds[0], bytes, len), (ssize_t)len);
	while (len) {
		size_t n = receive(connection, fds[1]);

		ck_assert_uint_gt(n, 0);
		len -= n;
	}
	close(fds[0]);
	close(fds[1]);
}

/* Takes the ready output as if a client had read it; at most `limit` bytes. */
static size_t take(struct ledger_connection *connection, unsigned char *out, size_t limit)
{
	struct mmsghdr *call;
	size_t n = 0;

	if (!ledger_send_begin(connection, &call))
		return 0;
	for (size_t i = 0; i < call->msg_hdr.msg_iovlen; i++) {
		size_t len = call->msg_hdr.msg_iov[i].iov_len;

		if (len > limit - n)
			len = limit - n;
		if (out)
			memcpy(out + n, call->msg_hdr.msg_iov[i].iov_base, len);
		n += len;
	}
	call->msg_len = (unsigned int)n;
	return ledger_send_end(connection, n > 0);
}

static void take_all(struct ledger_connection *connection)
{
	while (take(connection, NULL, SIZE_MAX))
		;
}

/* ---- the decoder: the file and ledger_format.h, nothing else ---- */

struct decoded_entry {
	uint64_t tag, about, at;
	uint32_t flags;
	size_t len;
};

struct decoded {
	struct ledger_slot slot;
	uint64_t done; /* with the valid replies counted in */
	size_t n_entries, capacity;
	struct decoded_entry *entries;
	unsigned char *input, *bytes;
	size_t input_len, len, bytes_capacity; /* bytes[0] is at slot.out_pos */
};

static const unsigned char *outside;

static void map_outside(void)
{
	int fd = open(path, O_RDONLY);
	struct stat status;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fstat(fd, &status), 0);
	outside = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_SHARED, fd, 0);
	ck_assert_ptr_ne(outside, MAP_FAILED);
	close(fd);
}

static struct ledger_block *block_outside(uint32_t number)
{
	return (struct ledger_block *)(uintptr_t)(outside + (size_t)number * LEDGER_BLOCK_SIZE);
}

static void decode_entry(struct decoded *out, const struct ledger_block *block, const struct ledger_entry *entry, uint32_t begin)
{
	uint64_t at = block->base + begin, from = at;
	size_t len = entry->end - begin;

	if (at + len <= out->slot.out_pos)
		return;
	if (entry->flags & LEDGER_ENTRY_CONTINUATION && out->n_entries) {
		if (out->entries[out->n_entries - 1].tag != entry->tag)
			ck_abort_msg("the parts of a message have different tags");
		out->entries[out->n_entries - 1].len += len;
	} else {
		if (out->n_entries == out->capacity) {
			out->capacity = out->capacity * 2 + 64;
			out->entries = realloc(out->entries, out->capacity * sizeof(*out->entries));
		}
		out->entries[out->n_entries++] = (struct decoded_entry){entry->tag, entry->about, at, entry->flags, len};
	}
	if (from < out->slot.out_pos)
		from = out->slot.out_pos;
	if (out->len + len > out->bytes_capacity) {
		out->bytes_capacity = 2 * (out->len + len);
		out->bytes = realloc(out->bytes, out->bytes_capacity);
	}
	memcpy(out->bytes + out->len, block->bytes + (from - block->base), at + len - from);
	out->len += at + len - from;
}

/* What a process that starts now would find of this connection, if `committed` is the store's last transaction id. */
static void decode(uint64_t connection_id, uint64_t committed, struct decoded *out)
{
	const struct ledger_slot *slot = (const void *)(outside + LEDGER_HEADER_SIZE);

	memset(out, 0, sizeof(*out));
	while (slot->state != LEDGER_CONNECTED || slot->connection_id != connection_id)
		slot++;
	out->slot = *slot;
	out->done = slot->done;
	for (uint32_t number = slot->out_head; number; number = ledger_block_next(block_outside(number))) {
		struct ledger_block *block = block_outside(number);
		uint32_t begin = 0;

		for (uint32_t i = 0; i < ledger_block_count(block); i++) {
			const struct ledger_entry *entry = ledger_block_entry(block, i);

			decode_entry(out, block, entry, begin);
			begin = entry->end;
			if (entry->flags & LEDGER_ENTRY_REPLY && entry->tag <= committed && entry->about > out->done)
				out->done = entry->about;
		}
	}
	out->input_len = slot->in_pos - out->done;
	if (out->input_len) {
		const struct ledger_block *block = block_outside(slot->in_block);

		out->input = malloc(out->input_len);
		memcpy(out->input, block->bytes + (out->done - block->base), out->input_len);
	}
}

static void decoded_free(struct decoded *decoded)
{
	free(decoded->entries);
	free(decoded->bytes);
	free(decoded->input);
}

/* ---- the model ---- */

enum { CLIENTS = 4, MODEL_BYTES = 8 << 20, MODEL_ENTRIES = 200000 };

struct client {
	struct ledger_connection connection;
	int fds[2]; /* ours, the client's */
	uint64_t id;
	unsigned char *in, *out;
	size_t in_written, in_received, in_ran, in_done;
	size_t out_len, out_valid, out_taken, out_read;
	struct decoded_entry *entries;
	size_t n_entries, n_valid, first_entry;
};

static struct client clients[CLIENTS];
static uint64_t committed, turn_tag;
static bool turn_dirty;

static void client_open(struct client *client, uint64_t id)
{
	int small = 4096;

	memset(client, 0, sizeof(*client));
	client->id = id;
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, client->fds), 0);
	if (draw(2))
		setsockopt(client->fds[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	client->in = malloc(MODEL_BYTES);
	client->out = malloc(MODEL_BYTES);
	client->entries = malloc(MODEL_ENTRIES * sizeof(*client->entries));
	ck_assert_int_eq(ledger_connect(ledger, id, &client->connection), 0);
}

static void client_close(struct client *client)
{
	ledger_disconnect(&client->connection);
	close(client->fds[0]);
	close(client->fds[1]);
	free(client->in);
	free(client->out);
	free(client->entries);
}

/* Everything the file says about this client is what the model says. */
static void compare_file(struct client *client)
{
	struct decoded found;
	size_t first = client->first_entry;

	while (first < client->n_entries && client->entries[first].at + client->entries[first].len <= client->out_taken)
		first++;
	client->first_entry = first;
	decode(client->id, committed, &found);
	ck_assert_uint_eq(found.slot.in_pos, client->in_received);
	ck_assert_uint_eq(found.done, client->in_done);
	ck_assert_uint_eq(found.slot.out_pos, client->out_taken);
	ck_assert_int_eq(memcmp(found.input ? (void *)found.input : "", client->in + found.done, found.input_len), 0);
	ck_assert_uint_eq(found.len, client->out_len - client->out_taken);
	ck_assert_int_eq(memcmp(found.bytes ? (void *)found.bytes : "", client->out + client->out_taken, found.len), 0);
	ck_assert_uint_eq(found.n_entries, client->n_entries - first);
	size_t replies = 0;
	for (size_t i = first; i < client->n_entries; i++)
		replies += client->entries[i].flags == LEDGER_ENTRY_REPLY;
	ck_assert_uint_eq(client->connection.replies, replies);
	ck_assert_uint_eq(client->connection.events, client->n_entries - first - replies);
	for (size_t i = 0; i < found.n_entries; i++) {
		const struct decoded_entry *want = &client->entries[first + i], *got = &found.entries[i];

		/* Not ck_assert: it writes to a file each time, and this is the inner loop. */
		if (got->tag != want->tag || got->about != want->about ||
		    (got->tag <= committed) != (first + i < client->n_valid) ||
		    (got->flags & ~(uint32_t)(LEDGER_ENTRY_CONTINUES | LEDGER_ENTRY_CONTINUATION)) != want->flags)
			ck_abort_msg("entry %zu is not what was appended", first + i);
		/* Of the first message only the rest may be there. */
		if ((i || !(got->flags & LEDGER_ENTRY_CONTINUATION)) && (got->len != want->len || got->at != want->at))
			ck_abort_msg("entry %zu is not where it was appended", first + i);
	}
	decoded_free(&found);
}

static void model_append(struct client *client, uint64_t tag, uint64_t about, uint32_t flags, const void *bytes, size_t len)
{
	ck_assert_uint_lt(client->n_entries, MODEL_ENTRIES);
	ck_assert_uint_le(client->out_len + len, MODEL_BYTES);
	client->entries[client->n_entries++] = (struct decoded_entry){tag, about, client->out_len, flags, len};
	memcpy(client->out + client->out_len, bytes, len);
	client->out_len += len;
	if (!tag) {
		client->out_valid = client->out_len;
		client->n_valid = client->n_entries;
	}
}

static bool model_holds(const struct client *client, uint64_t serial, const void *bytes, size_t len)
{
	for (size_t i = client->n_entries; i-- > 0 && client->entries[i].at >= client->out_taken;) {
		const struct decoded_entry *entry = &client->entries[i];

		if (entry->flags == LEDGER_ENTRY_EVENT && entry->about == serial && entry->len == len &&
		    memcmp(client->out + entry->at, bytes, len) == 0)
			return true;
	}
	return false;
}

static void some_event(struct client *client)
{
	unsigned char bytes[MESSAGE_SIZE_MAX];
	uint64_t serial = 1 + draw(3);
	uint32_t kind = draw(60);
	size_t len = kind == 7 ? MESSAGE_SIZE_MAX : kind % 10 == 3 ? 2000 + kind : 21 + kind;
	bool repeat = draw(8) == 0, holds;
	int result;

	memset(bytes, (int)kind, len);
	memcpy(bytes, &kind, sizeof(kind));
	holds = !repeat && model_holds(client, serial, bytes, len);
	result = event(&client->connection, turn_tag, serial, repeat, bytes, len);
	ck_assert_int_eq(result, holds ? STATUS_EEXIST : 0);
	if (!holds)
		model_append(client, turn_tag, serial, LEDGER_ENTRY_EVENT | (repeat ? LEDGER_ENTRY_REPEATED : 0), bytes, len);
	compare_file(client);
}

/* Requests are two bytes of length, then anything. */
static void client_writes(struct client *client)
{
	while (draw(4)) {
		size_t len = draw(20) ? 2 + draw(90) : 2 + draw(MESSAGE_SIZE_MAX - 2);

		if (client->in_written - client->in_received > 100000 || client->in_written + len > MODEL_BYTES)
			break;
		client->in[client->in_written] = (unsigned char)len;
		client->in[client->in_written + 1] = (unsigned char)(len >> 8);
		for (size_t i = 2; i < len; i++)
			client->in[client->in_written + i] = (unsigned char)draw(256);
		client->in_written += len;
	}
}

static void client_receives(struct client *client)
{
	static size_t moved[CLIENTS];
	size_t *in_socket = &moved[client - clients];
	ssize_t n;

	if (client->in_received == 0)
		*in_socket = 0;
	if (client->in_written > *in_socket) {
		n = write(client->fds[1], client->in + *in_socket, 1 + draw((uint32_t)(client->in_written - *in_socket)));
		if (n > 0)
			*in_socket += (size_t)n;
	}
	client->in_received += receive(&client->connection, client->fds[0]);
	ck_assert_uint_le(client->in_received, *in_socket);
	compare_file(client);
}

static bool run_one(struct client *client)
{
	static unsigned char bytes[MESSAGE_SIZE_MAX];
	size_t have, len;
	const unsigned char *input = (const unsigned char *)ledger_input(&client->connection, &have);

	ck_assert_uint_eq(have, client->in_received - client->in_ran);
	ck_assert_int_eq(memcmp(input, client->in + client->in_ran, have), 0);
	if (have < 2 || have < (size_t)(input[0] | input[1] << 8))
		return false;
	len = (size_t)(input[0] | input[1] << 8);
	ck_assert_int_eq(ledger_reserve(ledger), 0);
	if (draw(2)) {
		turn_dirty = true;
		turn_tag = committed + 1;
	}
	ledger_ran(&client->connection, len);
	client->in_ran += len;
	if (turn_dirty)
		for (uint32_t i = draw(6); i > 0; i--)
			some_event(&clients[draw(CLIENTS)]);
	len = draw(20) ? 16 + draw(80) : 1 + draw(MESSAGE_SIZE_MAX);
	for (size_t i = 0; i < len; i++)
		bytes[i] = (unsigned char)draw(256);
	ck_assert_int_eq(reply(&client->connection, turn_tag, bytes, len), 0);
	if (!turn_dirty)
		client->in_done = client->in_ran;
	model_append(client, turn_tag, client->in_ran, LEDGER_ENTRY_REPLY, bytes, len);
	compare_file(client);
	return true;
}

static void client_reads(struct client *client)
{
	unsigned char bytes[20000];
	ssize_t n = read(client->fds[1], bytes, 1 + draw(sizeof(bytes) - 1));

	if (n <= 0)
		return;
	ck_assert_uint_le(client->out_read + (size_t)n, client->out_valid);
	ck_assert_int_eq(memcmp(bytes, client->out + client->out_read, (size_t)n), 0);
	client->out_read += (size_t)n;
}

static void end_turn(bool commit)
{
	if (commit && turn_dirty)
		committed = turn_tag;
	for (struct client *client = clients; client < clients + CLIENTS; client++) {
		if (commit) {
			client->out_valid = client->out_len;
			client->n_valid = client->n_entries;
			client->in_done = client->in_ran;
		} else {
			client->out_len = client->out_valid;
			client->n_entries = client->n_valid;
			client->in_ran = client->in_done;
		}
	}
	if (commit)
		ledger_commit(ledger);
	else
		ledger_cut(ledger);
	turn_dirty = false;
	turn_tag = 0;
}

/* Drops events up to some place in the queue. */
static void drop_some(struct client *client)
{
	uint64_t before = client->out_taken + draw((uint32_t)(client->out_len - client->out_taken) + 1);
	size_t kept = 0, kept_bytes = 0, dropped = 0, n;

	for (size_t i = 0; i < client->n_entries; i++) {
		struct decoded_entry *entry = &client->entries[i];

		if (entry->flags & LEDGER_ENTRY_EVENT && entry->at >= client->out_taken && entry->at + entry->len <= before) {
			dropped++;
			continue;
		}
		memmove(client->out + kept_bytes, client->out + entry->at, entry->len);
		entry->at = kept_bytes;
		kept_bytes += entry->len;
		client->entries[kept++] = *entry;
	}
	client->n_entries = client->n_valid = kept;
	client->out_len = client->out_valid = kept_bytes;
	ck_assert_int_eq(ledger_drop_events(&client->connection, before, &n), 0);
	ck_assert_uint_eq(n, dropped);
	ck_assert_uint_eq(ledger_out_end(&client->connection), kept_bytes);
	compare_file(client);
}

static void some_turn(uint32_t patience)
{
	for (struct client *client = clients; client < clients + CLIENTS; client++) {
		client_writes(client);
		client_receives(client);
		for (uint32_t i = draw(40); i > 0 && client->out_len - client->out_taken < 100000; i--)
			if (!run_one(client))
				break;
		if (draw(8) == 0)
			client->out_taken += transmit(&client->connection, client->fds[0]);
	}
	end_turn(draw(4) != 0);
	for (struct client *client = clients; client < clients + CLIENTS; client++) {
		compare_file(client);
		ck_assert_uint_eq(client->connection.queued, client->out_len - client->out_taken);
		ck_assert_uint_eq(client->connection.ready, client->out_len - client->out_taken);
		if (draw(6) == 0)
			drop_some(client);
		if (draw(patience) == 0) {
			client->out_taken += transmit(&client->connection, client->fds[0]);
			compare_file(client);
			while (draw(3))
				client_reads(client);
		}
	}
}

/* All input is run, all output read: nobody holds a block. */
static void drain(void)
{
	for (int round = 0; round < 100000; round++) {
		bool idle = true;

		for (struct client *client = clients; client < clients + CLIENTS; client++) {
			client_receives(client);
			while (run_one(client))
				;
			idle = idle && client->in_ran == client->in_written;
		}
		end_turn(true);
		for (struct client *client = clients; client < clients + CLIENTS; client++) {
			client->out_taken += transmit(&client->connection, client->fds[0]);
			client_reads(client);
			idle = idle && client->out_read == client->out_len;
		}
		if (idle)
			return;
	}
	ck_abort_msg("the connections never became idle");
}

START_TEST(what_clients_read_and_what_the_file_says_follow_the_model)
{
	map_outside();
	committed = 100;
	for (uint64_t i = 0; i < CLIENTS; i++)
		client_open(&clients[i], 1000 + i);
	for (int i = 0; i < 80; i++)
		some_turn(_i ? 12 : 2);
	drain();
	ck_assert_uint_eq(figures().blocks_used, 0);
	for (int i = 0; i < 20; i++)
		some_turn(1000);
	for (uint64_t i = 0; i < CLIENTS; i++)
		client_close(&clients[i]);
	ck_assert_uint_eq(figures().blocks_used, 0);
	ck_assert_uint_eq(figures().connections, 0);
}
END_TEST

START_TEST(an_entry_with_a_tag_is_sent_only_after_the_commit)
{
	struct ledger_connection connection;
	struct mmsghdr *call;
	unsigned char got[16];

	ck_assert_int_eq(ledger_connect(ledger, 1, &connection), 0);
	feed(&connection, "request", 7);
	ledger_ran(&connection, 7);
	ck_assert_int_eq(event(&connection, 5, 1, false, "event", 5), 0);
	ck_assert_int_eq(reply(&connection, 5, "reply", 5), 0);
	ck_assert(!ledger_send_begin(&connection, &call));
	ledger_commit(ledger);
	ck_assert_uint_eq(take(&connection, got, sizeof(got)), 10);
	ck_assert_mem_eq(got, "eventreply", 10);
	ck_assert_uint_eq(figures().blocks_used, 0);
	ledger_disconnect(&connection);
}
END_TEST

START_TEST(a_cut_brings_the_request_back_and_takes_the_entries_away)
{
	struct ledger_connection connection, other;
	struct mmsghdr *call;
	unsigned char got[16];
	size_t len;

	ck_assert_int_eq(ledger_connect(ledger, 1, &connection), 0);
	ck_assert_int_eq(ledger_connect(ledger, 2, &other), 0);
	ck_assert_int_eq(event(&other, 0, 1, false, "kept", 4), 0);
	feed(&connection, "request", 7);
	ledger_ran(&connection, 7);
	ck_assert_int_eq(event(&other, 5, 1, false, "event", 5), 0);
	ck_assert_int_eq(reply(&connection, 5, "reply", 5), 0);
	ledger_cut(ledger);
	ck_assert(!ledger_send_begin(&connection, &call));
	ck_assert_mem_eq(ledger_input(&connection, &len), "request", 7);
	ck_assert_uint_eq(len, 7);
	ck_assert_uint_eq(take(&other, got, sizeof(got)), 4);
	ck_assert_mem_eq(got, "kept", 4);
	ck_assert_uint_eq(other.queued, 0);
	ck_assert_uint_eq(figures().blocks_used, 1);
	ledger_disconnect(&connection);
	ledger_disconnect(&other);
	ck_assert_uint_eq(figures().blocks_used, 0);
}
END_TEST

START_TEST(a_cut_after_all_valid_output_was_sent_leaves_no_block)
{
	struct ledger_connection connection;

	ck_assert_int_eq(ledger_connect(ledger, 1, &connection), 0);
	ck_assert_int_eq(event(&connection, 0, 1, false, "valid", 5), 0);
	ck_assert_int_eq(event(&connection, 5, 1, false, "waits", 5), 0);
	take_all(&connection);
	ck_assert_uint_eq(figures().blocks_used, 1);
	ledger_cut(ledger);
	ck_assert_uint_eq(figures().blocks_used, 0);
	ck_assert_uint_eq(connection.queued, 0);
}
END_TEST

START_TEST(an_entry_without_tag_behind_one_that_waits_waits_too)
{
	struct ledger_connection connection;

	ck_assert_int_eq(ledger_connect(ledger, 1, &connection), 0);
	ck_assert_int_eq(event(&connection, 5, 1, false, "waits", 5), 0);
	ck_assert_int_eq(event(&connection, 0, 1, false, "too", 3), 0);
	ck_assert_uint_eq(connection.ready, 0);
	ck_assert_uint_eq(connection.pending_entries, 2);
	ledger_commit(ledger);
	ck_assert_uint_eq(connection.ready, 8);
}
END_TEST

START_TEST(a_connection_that_goes_in_the_middle_of_a_turn_leaves_the_others_alone)
{
	struct ledger_connection connections[3];

	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(ledger_connect(ledger, (uint64_t)i, &connections[i]), 0);
		feed(&connections[i], "request", 7);
		ledger_ran(&connections[i], 7);
		ck_assert_int_eq(reply(&connections[i], 5, "reply", 5), 0);
	}
	ledger_disconnect(&connections[1]);
	ledger_disconnect(&connections[1]);
	ledger_commit(ledger);
	ck_assert_uint_eq(connections[0].ready, 5);
	ck_assert_uint_eq(connections[2].ready, 5);
	ck_assert_uint_eq(figures().blocks_used, 2);
}
END_TEST

START_TEST(a_full_input_block_must_be_run_before_more_is_received)
{
	static const char bytes[LEDGER_BLOCK_SIZE];
	struct ledger_connection connection;
	struct mmsghdr *call;
	size_t len;

	ck_assert_int_eq(ledger_connect(ledger, 1, &connection), 0);
	feed(&connection, bytes, sizeof(((struct ledger_block *)NULL)->bytes));
	ck_assert_int_eq(ledger_receive_begin(&connection, &call), -EAGAIN);
	ledger_ran(&connection, 5000);
	ck_assert_int_eq(reply(&connection, 0, "reply", 5), 0);
	ck_assert_int_eq(ledger_receive_begin(&connection, &call), 0);
	ck_assert_uint_ge(call->msg_hdr.msg_iov->iov_len, MESSAGE_SIZE_MAX);
	ledger_receive_end(&connection, false);
	ledger_input(&connection, &len);
	ck_assert_uint_eq(len, sizeof(((struct ledger_block *)NULL)->bytes) - 5000);
}
END_TEST

START_TEST(an_idle_connection_holds_no_block_and_the_two_hot_ones_are_used_again)
{
	struct ledger_connection connection;
	struct mmsghdr *call;
	const char *first = NULL;
	ptrdiff_t distance;

	ck_assert_int_eq(ledger_connect(ledger, 1, &connection), 0);
	for (int i = 0; i < 1000; i++) {
		ck_assert_int_eq(ledger_receive_begin(&connection, &call), 0);
		if (!first)
			first = call->msg_hdr.msg_iov->iov_base;
		distance = (const char *)call->msg_hdr.msg_iov->iov_base - first;
		ck_assert_int_eq(distance & ~(ptrdiff_t)LEDGER_BLOCK_SIZE, 0);
		memcpy(call->msg_hdr.msg_iov->iov_base, "request", 7);
		call->msg_len = 7;
		ck_assert_uint_eq(ledger_receive_end(&connection, true), 7);
		ledger_ran(&connection, 7);
		ck_assert_int_eq(reply(&connection, 0, "reply", 5), 0);
		ck_assert_uint_eq(take(&connection, NULL, 100), 5);
		ck_assert_uint_eq(figures().blocks_used, 0);
	}
	ck_assert_int_eq(ledger_receive_begin(&connection, &call), 0);
	ck_assert_uint_eq(ledger_receive_end(&connection, false), 0);
	ck_assert_uint_eq(figures().blocks_used, 0);
}
END_TEST

START_TEST(events_are_refused_when_the_file_is_full_but_the_reply_still_fits)
{
	static const char bytes[MESSAGE_SIZE_MAX];
	struct ledger_connection connection, other;
	struct mmsghdr *call;
	uint64_t queued;
	int result, n = 0;

	open_with_limit(BLOCKS_AT + 200 * LEDGER_BLOCK_SIZE);
	ck_assert_int_eq(ledger_connect(ledger, 1, &connection), 0);
	ck_assert_int_eq(ledger_connect(ledger, 2, &other), 0);
	while ((result = event(&connection, 0, 1, true, bytes, sizeof(bytes))) == 0)
		n++;
	ck_assert_int_eq(result, -ENOSPC);
	ck_assert_int_ge(n, 198 * (LEDGER_BLOCK_SIZE - 100) / MESSAGE_SIZE_MAX);
	queued = connection.queued;
	ck_assert_uint_eq(queued, (uint64_t)n * sizeof(bytes));
	ck_assert_int_eq(ledger_receive_begin(&other, &call), -ENOSPC);
	ck_assert_int_eq(ledger_reserve(ledger), 0);
	ck_assert_int_eq(reply(&connection, 0, bytes, sizeof(bytes)), 0);
	ck_assert_int_eq(ledger_reserve(ledger), -ENOSPC);
	ck_assert_uint_eq(figures().blocks_free, 0);
	ck_assert_int_eq(reply(&other, 0, "x", 1), -ENOSPC);
	take_all(&connection);
	ck_assert_uint_eq(figures().blocks_used, 0);
	ck_assert_int_eq(ledger_reserve(ledger), 0);
	ck_assert_int_eq(reply(&other, 0, "x", 1), 0);
}
END_TEST

START_TEST(an_overlong_or_empty_message_is_refused)
{
	static const char bytes[MESSAGE_SIZE_MAX + 1];
	struct ledger_connection connection;

	ck_assert_int_eq(ledger_connect(ledger, 1, &connection), 0);
	ck_assert_int_eq(reply(&connection, 0, bytes, sizeof(bytes)), -EMSGSIZE);
	ck_assert_int_eq(event(&connection, 0, 1, false, bytes, 0), -EMSGSIZE);
	ck_assert_uint_eq(connection.queued, 0);
}
END_TEST

START_TEST(an_event_is_queued_once_until_its_first_byte_is_sent)
{
	struct ledger_connection connection;

	ck_assert_int_eq(ledger_connect(ledger, 1, &connection), 0);
	ck_assert_int_eq(event(&connection, 0, 1, false, "event", 5), 0);
	ck_assert_int_eq(event(&connection, 0, 1, false, "event", 5), STATUS_EEXIST);
	ck_assert_int_eq(event(&connection, 0, 2, false, "event", 5), 0);
	ck_assert_int_eq(event(&connection, 0, 1, true, "event", 5), 0);
	ck_assert_uint_eq(connection.queued, 15);
	ck_assert_uint_eq(take(&connection, NULL, 1), 1);
	ck_assert_int_eq(event(&connection, 0, 2, false, "event", 5), STATUS_EEXIST);
	ck_assert_int_eq(event(&connection, 0, 1, false, "event", 5), 0);
	ck_assert_int_eq(event(&connection, 0, 1, false, "event", 5), STATUS_EEXIST);
}
END_TEST

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

START_TEST(an_event_is_not_dropped_once_a_byte_of_it_is_out)
{
	struct ledger_connection connection;
	unsigned char bytes[64];
	size_t n;

	ck_assert_int_eq(ledger_connect(ledger, 1, &connection), 0);
	ck_assert_int_eq(event(&connection, 0, 1, false, "first", 5), 0);
	ck_assert_int_eq(event(&connection, 0, 1, false, "second", 6), 0);
	ck_assert_int_eq(reply(&connection, 0, "reply", 5), 0);
	ck_assert_int_eq(event(&connection, 0, 1, false, "third", 5), 0);
	uint64_t before = ledger_out_end(&connection);
	ck_assert_int_eq(event(&connection, 0, 1, false, "young", 5), 0);
	ck_assert_uint_eq(take(&connection, bytes, 1), 1);
	ck_assert_int_eq(ledger_drop_events(&connection, before, &n), 0);
	ck_assert_uint_eq(n, 2);
	ck_assert_uint_eq(take(&connection, bytes, sizeof(bytes)), 14);
	ck_assert_mem_eq(bytes, "irstreplyyoung", 14);
	ledger_disconnect(&connection);
}
END_TEST

START_TEST(an_event_like_one_that_was_dropped_is_queued_again)
{
	struct ledger_connection connection;
	size_t n;

	ck_assert_int_eq(ledger_connect(ledger, 1, &connection), 0);
	for (int round = 0; round < 2; round++) {
		for (uint32_t i = 0; i < 100; i++)
			ck_assert_int_eq(event(&connection, 0, 1, false, &i, sizeof(i)), 0);
		ck_assert_int_eq(ledger_drop_events(&connection, ledger_out_end(&connection), &n), 0);
		ck_assert_uint_eq(n, 100);
	}
	ck_assert_uint_eq(figures().blocks_used, 0);
	ledger_disconnect(&connection);
}
END_TEST

START_TEST(without_room_for_a_copy_nothing_is_dropped)
{
	struct ledger_connection connection;
	unsigned char bytes[64];
	size_t n;

	open_with_limit(BLOCKS_AT + 2 * LEDGER_BLOCK_SIZE);
	ck_assert_int_eq(ledger_connect(ledger, 1, &connection), 0);
	ck_assert_int_eq(event(&connection, 0, 1, false, "event", 5), 0);
	ck_assert_int_eq(reply(&connection, 0, "reply", 5), 0);
	ck_assert_int_eq(ledger_drop_events(&connection, ledger_out_end(&connection), &n), -ENOSPC);
	ck_assert_uint_eq(take(&connection, bytes, sizeof(bytes)), 10);
	ck_assert_mem_eq(bytes, "eventreply", 10);
	ledger_disconnect(&connection);
}
END_TEST

START_TEST(two_megabytes_of_distinct_events_do_not_make_appends_slow)
{
	struct ledger_connection connection;
	char bytes[64];
	double begin = seconds();
	int n = 0;

	ck_assert_int_eq(ledger_connect(ledger, 1, &connection), 0);
	for (; connection.queued < 2 << 20; n++) {
		int len = snprintf(bytes, sizeof(bytes), "/local/domain/%d", n);

		if (event(&connection, 7, 1, false, bytes, (size_t)len) != 0)
			ck_abort_msg("event %d was refused", n);
	}
	for (int i = 0; i < n; i++) {
		int len = snprintf(bytes, sizeof(bytes), "/local/domain/%d", i);

		if (event(&connection, 7, 1, false, bytes, (size_t)len) != STATUS_EEXIST)
			ck_abort_msg("event %d was queued twice", i);
	}
	/* 200,000 appends: a search through the queue would take many minutes. */
	ck_assert(seconds() - begin < 10);
	ledger_cut(ledger);
	ck_assert_uint_eq(connection.queued, 0);
	ck_assert_uint_eq(figures().blocks_used, 0);
	ck_assert_ptr_null(connection.duplicates);
}
END_TEST

START_TEST(ten_thousand_connections_cost_a_slot_each)
{
	struct ledger_connection *connections = calloc(10000, sizeof(*connections));
	size_t before = figures().file_size;

	ck_assert_uint_le(sizeof(*connections) + LEDGER_SLOT_SIZE, 300);
	for (uint64_t i = 0; i < 10000; i++) {
		ck_assert_int_eq(ledger_connect(ledger, i, &connections[i]), 0);
		feed(&connections[i], "request", 7);
		ledger_ran(&connections[i], 7);
		ck_assert_int_eq(reply(&connections[i], 3, "reply", 5), 0);
	}
	ck_assert_uint_eq(figures().connections, 10000);
	ledger_commit(ledger);
	for (uint64_t i = 0; i < 10000; i++)
		take_all(&connections[i]);
	ck_assert_uint_eq(figures().blocks_used, 0);
	for (uint64_t i = 0; i < 10000; i += 2)
		ledger_disconnect(&connections[i]);
	ck_assert_uint_eq(figures().connections, 5000);
	for (uint64_t i = 0; i < 10000; i += 2)
		ck_assert_int_eq(ledger_connect(ledger, 20000 + i, &connections[i]), 0);
	/* Two blocks each were used at once; the slots took a little more than 10,000 times their size. */
	ck_assert_uint_le(figures().file_size - before, 10000 * (LEDGER_SLOT_SIZE + 2 * LEDGER_BLOCK_SIZE) + (2 << 20));
	free(connections);
}
END_TEST

START_TEST(there_is_room_for_as_many_connections_as_slots)
{
	struct ledger_connection *connections = calloc(LEDGER_SLOTS + 1, sizeof(*connections));

	for (uint64_t i = 0; i < LEDGER_SLOTS; i++)
		ck_assert_int_eq(ledger_connect(ledger, i, &connections[i]), 0);
	ck_assert_int_eq(ledger_connect(ledger, LEDGER_SLOTS, &connections[LEDGER_SLOTS]), -ENOSPC);
	ledger_disconnect(&connections[LEDGER_SLOTS]);
	ledger_disconnect(&connections[4711]);
	ck_assert_int_eq(ledger_connect(ledger, LEDGER_SLOTS, &connections[LEDGER_SLOTS]), 0);
	free(connections);
}
END_TEST

START_TEST(the_highest_watch_of_queued_events_is_told)
{
	struct ledger_connection connection;

	ck_assert_int_eq(ledger_connect(ledger, 1, &connection), 0);
	ck_assert_uint_eq(ledger_last_watch(&connection), 0);
	ck_assert_int_eq(reply(&connection, 0, "answer", 6), 0);
	for (uint64_t i = 0; i < 1000; i++)
		ck_assert_int_eq(event(&connection, 0, i == 700 ? 5000 : 1000 + i, false, "an event", 8), 0);
	ck_assert_uint_eq(ledger_last_watch(&connection), 5000);
	ledger_disconnect(&connection);
}
END_TEST

START_TEST(a_second_process_is_refused)
{
	pid_t child = fork();
	int status;

	ck_assert_int_ge(child, 0);
	if (child == 0) {
		struct ledger *second;

		_exit(ledger_open(path, 0, &second) == -EBUSY ? 0 : 1);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
}
END_TEST

START_TEST(the_armed_call_tells_what_was_moved_before_it_was_noted)
{
	struct ledger_connection connection;
	const struct ledger_header *header;
	struct mmsghdr *call;

	ck_assert_int_eq(ledger_connect(ledger, 1, &connection), 0);
	map_outside();
	header = (const void *)outside;
	feed(&connection, "earlier", 7);
	ck_assert_int_eq(ledger_receive_begin(&connection, &call), 0);
	ck_assert_uint_eq(header->armed.call, (uint64_t)LEDGER_RECEIVE);
	ck_assert_uint_eq(header->armed.base, 7);
	ck_assert_uint_eq(header->receive.msg_len, 0);
	call->msg_len = 3;
	ck_assert_uint_eq(header->receive.msg_len, 3);
	ledger_receive_end(&connection, true);
	ck_assert_uint_eq(header->armed.call, LEDGER_IDLE);
	ck_assert_int_eq(reply(&connection, 0, "reply", 5), 0);
	ck_assert(ledger_send_begin(&connection, &call));
	ck_assert_uint_eq(header->armed.call, (uint64_t)LEDGER_SEND);
	ck_assert_uint_eq(header->send.msg_len, 0);
	ck_assert_uint_eq(ledger_send_end(&connection, false), 0);
	ck_assert_uint_eq(connection.queued, 5);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("ledger");
	TCase *cases = tcase_create("ledger");

	tcase_add_checked_fixture(cases, setup, teardown);
	tcase_set_timeout(cases, 120);
	tcase_add_loop_test(cases, what_clients_read_and_what_the_file_says_follow_the_model, 0, 2);
	tcase_add_test(cases, an_entry_with_a_tag_is_sent_only_after_the_commit);
	tcase_add_test(cases, a_cut_brings_the_request_back_and_takes_the_entries_away);
	tcase_add_test(cases, a_cut_after_all_valid_output_was_sent_leaves_no_block);
	tcase_add_test(cases, an_entry_without_tag_behind_one_that_waits_waits_too);
	tcase_add_test(cases, a_connection_that_goes_in_the_middle_of_a_turn_leaves_the_others_alone);
	tcase_add_test(cases, a_full_input_block_must_be_run_before_more_is_received);
	tcase_add_test(cases, an_idle_connection_holds_no_block_and_the_two_hot_ones_are_used_again);
	tcase_add_test(cases, events_are_refused_when_the_file_is_full_but_the_reply_still_fits);
	tcase_add_test(cases, an_overlong_or_empty_message_is_refused);
	tcase_add_test(cases, an_event_is_queued_once_until_its_first_byte_is_sent);
	tcase_add_test(cases, an_event_is_not_dropped_once_a_byte_of_it_is_out);
	tcase_add_test(cases, an_event_like_one_that_was_dropped_is_queued_again);
	tcase_add_test(cases, without_room_for_a_copy_nothing_is_dropped);
	tcase_add_test(cases, two_megabytes_of_distinct_events_do_not_make_appends_slow);
	tcase_add_test(cases, ten_thousand_connections_cost_a_slot_each);
	tcase_add_test(cases, there_is_room_for_as_many_connections_as_slots);
	tcase_add_test(cases, the_highest_watch_of_queued_events_is_told);
	tcase_add_test(cases, a_second_process_is_refused);
	tcase_add_test(cases, the_armed_call_tells_what_was_moved_before_it_was_noted);
	suite_add_tcase(suite, cases);
	return suite_run(suite);
}
