/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Two trees: `certain` is what all answered requests make, `expected` what all sent ones make. A transaction has a third one,
 * and becomes one change of `expected` when its end is sent; since nobody else touches this part of the tree, it cannot fail.
 * While one is open the writer sends nothing outside it.
 */
#include "integration/kill_writer.h"

#include <check.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/random.h"
#include "wire/message.h"

enum {
	UNDER_WAY_MAX = 32,
	IN_TRANSACTION_MAX = 8,
	LONG_NAME_LEN = 500, /* what lies below it does not fit an LMDB key */
	ROOT_SIZE = LONG_NAME_LEN + 16,
	VALUE_MAX = MESSAGE_PAYLOAD_MAX - ROOT_SIZE - MODEL_PATH_SIZE
};

/* A request that has been sent. */
struct sent {
	uint32_t id, type;
	uint64_t number;
	const char *error; /* that it must be answered with; "": success */
	char *value;	   /* of a READ: that it must be answered with */
	size_t len;
	size_t n_changes; /* that are there if and only if it was done; all of them */
	struct model_change changes[IN_TRANSACTION_MAX];
};

struct writer {
	char root[ROOT_SIZE];
	unsigned number;
	struct random random;
	struct client *client;
	struct model_node *certain, *expected;

	struct sent sent[UNDER_WAY_MAX]; /* oldest first */
	size_t n_sent, depth;		 /* depth: how many may be under way */
	uint64_t last_number, seen;

	bool is_starting; /* a transaction: its number is awaited */
	uint32_t transaction;
	size_t n_wanted; /* requests until its end */
	size_t n_changes;
	struct model_change changes[IN_TRANSACTION_MAX];
	struct model_node *view;
};

static unsigned below(struct writer *writer, unsigned limit)
{
	return random_below(&writer->random, limit);
}

struct writer *writer_new(unsigned number, uint32_t seed)
{
	struct writer *writer = calloc(1, sizeof(*writer));
	int len;

	ck_assert_ptr_nonnull(writer);
	writer->number = number;
	writer->random.state = seed;
	len = snprintf(writer->root, sizeof(writer->root), "/k%u", number);
	/* Some live below a path that is too long for a key. */
	if (number % 2) {
		memset(writer->root + len, 'l', LONG_NAME_LEN);
		writer->root[len + LONG_NAME_LEN] = 0;
	}
	writer->certain = model_new("", 'n', "", 0);
	writer->expected = model_new("", 'n', "", 0);
	return writer;
}

const char *writer_root(const struct writer *writer)
{
	return writer->root;
}

struct client *writer_client(const struct writer *writer)
{
	return writer->client;
}

void writer_connect(struct writer *writer, struct client *client)
{
	writer->client = client;
	writer->depth = 1 + below(writer, UNDER_WAY_MAX);
}

/* ---- requests ---- */

static void forget(struct sent *sent)
{
	for (size_t i = 0; i < sent->n_changes; i++)
		free(sent->changes[i].value);
	free(sent->value);
	*sent = (struct sent){0};
}

/* Sends it and returns its entry; NULL: the daemon has hung up, and it may or may not have got there. */
static struct sent *send_request(struct writer *writer, uint32_t type, const void *payload, size_t len)
{
	struct sent *sent = &writer->sent[writer->n_sent++];
	int error = client_send(writer->client, type, writer->transaction, payload, len, &sent->id);

	ck_assert_msg(!error || error == -EPIPE, "writer %u cannot send: %s", writer->number, strerror(-error));
	sent->type = type;
	sent->number = writer->last_number;
	sent->error = "";
	return error ? NULL : sent;
}

static size_t put_path(const struct writer *writer, const char *path, char *payload)
{
	return (size_t)sprintf(payload, "%s%s%s", writer->root, *path ? "/" : "", path) + 1;
}

/* The request that makes this change. */
static size_t encode(const struct writer *writer, const struct model_change *change, char *payload, uint32_t *type)
{
	static const uint32_t types[MODEL_KINDS] = {[MODEL_WRITE] = MESSAGE_WRITE,
						    [MODEL_MKDIR] = MESSAGE_MKDIR,
						    [MODEL_REMOVE] = MESSAGE_RM,
						    [MODEL_SET_ACCESS] = MESSAGE_SET_PERMS};
	size_t len = put_path(writer, change->path, payload);

	*type = types[change->kind];
	if (change->kind == MODEL_WRITE)
		memcpy(payload + len, change->value, change->len);
	else if (change->kind == MODEL_SET_ACCESS)
		len += (size_t)sprintf(payload + len, "%c0", change->access) + 1;
	return len + change->len;
}

static void pick_path(struct writer *writer, char path[MODEL_PATH_SIZE])
{
	unsigned directory = below(writer, 4), node = below(writer, 5), kind = below(writer, 20);

	if (kind < 5)
		snprintf(path, MODEL_PATH_SIZE, "d%u", directory);
	else if (kind < 14)
		snprintf(path, MODEL_PATH_SIZE, "d%u/n%u", directory, node);
	else if (kind < 18)
		snprintf(path, MODEL_PATH_SIZE, "d%u/n%u/x%u", directory, node, below(writer, 2));
	else
		snprintf(path, MODEL_PATH_SIZE, "d%u/n%u/x0/a/b/c", directory, node);
}

/* A value that nothing else ever has, mostly short. */
static void make_value(struct writer *writer, struct model_change *change)
{
	unsigned kind = below(writer, 20);
	size_t len = 1 + below(writer, kind < 14 ? 40 : kind < 18 ? 400 : VALUE_MAX), n = 0;

	change->value = malloc(len + 64);
	ck_assert_ptr_nonnull(change->value);
	while (n < len)
		n += (size_t)sprintf(change->value + n, "%u.%" PRIu64 ";", writer->number, writer->last_number);
	change->len = n;
}

static void pick_change(struct writer *writer, struct model_change *change)
{
	static const char accesses[] = "nrwb";
	unsigned kind = below(writer, 100);

	*change = (struct model_change){.kind = MODEL_WRITE};
	pick_path(writer, change->path);
	if (kind < 55) {
		make_value(writer, change);
	} else if (kind < 65) {
		change->kind = MODEL_MKDIR;
	} else if (kind < 88) {
		change->kind = MODEL_REMOVE;
	} else {
		change->kind = MODEL_SET_ACCESS;
		change->access = accesses[below(writer, 4)];
	}
}

/* The part of the tree as the next request sees it. */
static struct model_node *view(struct writer *writer)
{
	return writer->transaction ? writer->view : writer->expected;
}

/* Applies it to what the writer expects, sends it, and leaves it with the entry or the transaction. */
static bool send_change(struct writer *writer, struct model_change *change)
{
	char payload[MESSAGE_PAYLOAD_MAX];
	uint32_t type;
	size_t len = encode(writer, change, payload, &type);
	const char *error = model_apply(view(writer), change);
	struct sent *sent = send_request(writer, type, payload, len);
	struct sent *entry = &writer->sent[writer->n_sent - 1];

	entry->error = error;
	if (writer->transaction) {
		writer->changes[writer->n_changes++] = *change;
	} else {
		entry->changes[0] = *change;
		entry->n_changes = 1;
	}
	return sent;
}

static bool send_random_change(struct writer *writer)
{
	struct model_change change;

	writer->last_number++;
	pick_change(writer, &change);
	return send_change(writer, &change);
}

/* Makes a node of its own that is never made again, so that an event tells which request made it; now and then removes all. */
static bool send_unique(struct writer *writer)
{
	struct model_change change = {.kind = MODEL_REMOVE, .path = "u"};

	writer->last_number++;
	if (below(writer, 8)) {
		change.kind = MODEL_WRITE;
		snprintf(change.path, sizeof(change.path), "u/%" PRIu64, writer->last_number);
		make_value(writer, &change);
	}
	return send_change(writer, &change);
}

static bool send_read(struct writer *writer)
{
	char path[MODEL_PATH_SIZE], payload[MESSAGE_PAYLOAD_MAX];

	pick_path(writer, path);
	const struct model_node *node = model_find(view(writer), path);
	struct sent *sent = send_request(writer, MESSAGE_READ, payload, put_path(writer, path, payload));
	if (!sent)
		return false;
	sent->error = node ? "" : "ENOENT";
	if (!node)
		return true;
	sent->value = malloc(node->len + 1);
	ck_assert_ptr_nonnull(sent->value);
	memcpy(sent->value, node->value, node->len);
	sent->len = node->len;
	return true;
}

/* ---- transactions ---- */

static bool send_start(struct writer *writer)
{
	writer->is_starting = true;
	return send_request(writer, MESSAGE_TRANSACTION_START, "", 1);
}

static void begin_transaction(struct writer *writer, const char *number)
{
	writer->is_starting = false;
	writer->transaction = (uint32_t)strtoul(number, NULL, 10);
	ck_assert_uint_ne(writer->transaction, 0);
	writer->n_wanted = 1 + below(writer, IN_TRANSACTION_MAX);
	writer->view = model_copy(writer->expected);
}

static void forget_transaction(struct writer *writer)
{
	model_free(writer->view);
	writer->view = NULL;
	writer->transaction = 0;
	writer->is_starting = false;
	for (size_t i = 0; i < writer->n_changes; i++)
		free(writer->changes[i].value);
	writer->n_changes = 0;
}

static bool send_end(struct writer *writer)
{
	bool commit = below(writer, 8);
	struct sent *sent = send_request(writer, MESSAGE_TRANSACTION_END, commit ? "T" : "F", 2);
	struct sent *entry = &writer->sent[writer->n_sent - 1];

	if (commit) {
		memcpy(entry->changes, writer->changes, sizeof(entry->changes));
		entry->n_changes = writer->n_changes;
		writer->n_changes = 0;
		model_free(writer->expected);
		writer->expected = writer->view;
		writer->view = NULL;
	}
	forget_transaction(writer);
	return sent;
}

/* ---- sending, receiving ---- */

static bool can_send(const struct writer *writer)
{
	struct pollfd wait = {.fd = client_fd(writer->client), .events = POLLOUT};

	return poll(&wait, 1, 0) == 1;
}

bool writer_send(struct writer *writer)
{
	bool alive = true;

	while (alive && writer->n_sent < writer->depth && !writer->is_starting && can_send(writer)) {
		unsigned kind = below(writer, 100);
		if (writer->transaction && !writer->n_wanted)
			alive = send_end(writer);
		else if (kind < 15)
			alive = send_read(writer);
		else if (!writer->transaction && kind < 25)
			alive = send_unique(writer);
		else if (!writer->transaction && kind < 35)
			alive = send_start(writer);
		else
			alive = send_random_change(writer);
		if (writer->transaction && writer->n_wanted)
			writer->n_wanted--;
	}
	return alive;
}

/* The changes of the oldest request are certain now, and it is forgotten. */
static void settle_oldest(struct writer *writer)
{
	struct sent *sent = &writer->sent[0];

	for (size_t i = 0; i < sent->n_changes; i++)
		model_apply(writer->certain, &sent->changes[i]);
	forget(sent);
	memmove(writer->sent, writer->sent + 1, --writer->n_sent * sizeof(*sent));
	writer->sent[writer->n_sent] = (struct sent){0};
}

static void take_answer(struct writer *writer, const struct client_message *answer)
{
	const struct sent *sent = &writer->sent[0];
	bool failed = answer->header.type == MESSAGE_ERROR;

	ck_assert_uint_ge(writer->n_sent, 1);
	ck_assert_msg(answer->header.request_id == sent->id && (failed || answer->header.type == sent->type),
		      "writer %u: request %u of type %u is answered as request %u of type %u", writer->number, sent->id,
		      sent->type, answer->header.request_id, answer->header.type);
	ck_assert_msg(!strcmp(failed ? answer->payload : "", sent->error),
		      "writer %u: request of type %u, path %s, is answered %s, expected \"%s\"", writer->number, sent->type,
		      sent->changes[0].path, answer->payload, sent->error);
	if (sent->value)
		ck_assert_msg(answer->header.len == sent->len && !memcmp(answer->payload, sent->value, sent->len),
			      "writer %u reads \"%s\", expected \"%.*s\"", writer->number, answer->payload, (int)sent->len,
			      sent->value);
	if (sent->type == MESSAGE_TRANSACTION_START)
		begin_transaction(writer, answer->payload);
	settle_oldest(writer);
}

bool writer_receive(struct writer *writer, uint64_t *answers)
{
	struct client_message answer;
	int error;

	while (!(error = client_receive_reply(writer->client, &answer))) {
		take_answer(writer, &answer);
		++*answers;
	}
	ck_assert_msg(error == -ETIME || error == -EPIPE, "writer %u cannot receive: %s", writer->number, strerror(-error));
	return error == -ETIME;
}

void writer_saw(struct writer *writer, uint64_t number)
{
	ck_assert_uint_le(number, writer->last_number);
	if (number > writer->seen)
		writer->seen = number;
}

void writer_disconnect(struct writer *writer)
{
	client_close(writer->client);
	writer->client = NULL;
	forget_transaction(writer);
}

/* ---- after a kill ---- */

static void print(const struct model_node *tree, struct buffer *out)
{
	buffer_clear(out);
	model_print(tree, out);
	buffer_add_nul(out);
	ck_assert(!out->failed);
}

/* Both from the line in which they begin to differ. */
static void fail_different(const struct writer *writer, size_t n, const struct buffer *is, const struct buffer *should)
{
	size_t line = 0;

	for (size_t i = 0; is->bytes[i] && is->bytes[i] == should->bytes[i]; i++)
		line = is->bytes[i] == '\n' ? i + 1 : line;
	ck_abort_msg("the part of writer %u is not what any number of its last %zu requests make; it is\n%.300s\n"
		     "and all make\n%.300s",
		     writer->number, n, is->bytes + line, should->bytes + line);
}

void writer_settle(struct writer *writer, const struct model_node *found, struct writer_figures *figures)
{
	struct buffer is = {0}, should = {0};
	size_t done = 0, n = writer->n_sent;

	print(found, &is);
	/* What an event told of is certain, and so is all before it. */
	while (writer->n_sent && writer->sent[0].number <= writer->seen) {
		settle_oldest(writer);
		done++;
	}
	print(writer->certain, &should);
	while (strcmp(is.bytes, should.bytes) != 0 && writer->n_sent) {
		settle_oldest(writer);
		done++;
		print(writer->certain, &should);
	}
	if (strcmp(is.bytes, should.bytes) != 0)
		fail_different(writer, n, &is, &should);
	figures->found_done += done;
	figures->found_undone += n - done;
	figures->found_between += done && done < n;
	while (writer->n_sent)
		forget(&writer->sent[--writer->n_sent]);
	model_free(writer->expected);
	writer->expected = model_copy(writer->certain);
	buffer_deinit(&is);
	buffer_deinit(&should);
}

void writer_free(struct writer *writer)
{
	if (!writer)
		return;
	writer_disconnect(writer);
	while (writer->n_sent)
		forget(&writer->sent[--writer->n_sent]);
	model_free(writer->certain);
	model_free(writer->expected);
	free(writer);
}
