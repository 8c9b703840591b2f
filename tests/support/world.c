/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The parts are put together in the order of src/server.c. What a front would do with its system calls is done here by copying
 * to and from the buffers that the ledger has made ready for them. Where the support code itself runs out of memory it ends the
 * process: that is no outcome of a test.
 */
#include "support/world.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <utlist.h>

#include "domain/domain_record.h"
#include "store/check.h"
#include "store/tree.h"
#include "support/world_death.h"
#include "support/world_xen.h"

enum { FILE_NAME_SIZE = 128 };

static const size_t default_size = (size_t)64 << 20;

static void *need(void *memory)
{
	if (!memory)
		abort();
	return memory;
}

/* ---- the world ---- */

static int open_files(struct world *world, const struct world_options *options)
{
	char store_path[FILE_NAME_SIZE], ledger_path[FILE_NAME_SIZE];
	struct store_options store_options = {
	    .path = store_path,
	    .size_limit = options->store_size ? options->store_size : default_size,
	    .map = options->map,
	    .boot_id = "test",
	    .log = &world->log,
	};

	snprintf(store_path, sizeof(store_path), "%s/store.mdb", world->directory);
	snprintf(ledger_path, sizeof(ledger_path), "%s/store.mdb-ledger", world->directory);
	int error = options->dead ? world_copy_files(options->dead, world->directory) : 0;
	if (error)
		return error;
	error = ledger_open(ledger_path, options->ledger_limit ? options->ledger_limit : default_size, &world->turn.ledger);
	if (!error)
		error = store_open(&store_options, &world->turn.store);
	if (!error)
		error = options->dead ? world_recover(world) : ledger_begin(world->turn.ledger, world->turn.store->meta.id);
	if (!error)
		turn_agree_on_last_change(world->turn.store, world->turn.ledger);
	return error;
}

static int open_domains(struct world *world, const struct world_options *options)
{
	struct domain *guest;

	if (options->with_xen) {
		world->xen = need(malloc(sizeof(*world->xen)));
		world_xen_init(world->xen, world);
		world_xen_start(world->xen, WORLD_GUEST);
		if (options->dead)
			world_inherit_xen(world, options->dead);
		world->turn.rings = &world->xen->rings;
	}
	int error =
	    domains_init(&world->domains, DOMID_PRIVILEGED, DOMID_PRIVILEGED, NULL, world->xen ? &world->xen->hypervisor : NULL);
	if (!error)
		error = domains_load(&world->domains, world->turn.store, NULL);
	if (error || world->xen)
		return error;
	error = domain_get(&world->domains, WORLD_GUEST, &guest);
	if (!error)
		guest->introduced = true;
	return error;
}

int world_init(struct world *world, const struct world_options *options)
{
	static const struct world_options none = {0};

	if (!options)
		options = &none;
	*world = (struct world){.last_client_id = UINT16_MAX}; /* ids of sockets */
	log_init(&world->log, true);
	world->log.level = LOG_LEVEL_ERROR;
	snprintf(world->directory, sizeof(world->directory), "%s",
		 options->directory ? options->directory : "/dev/shm/lxenstored-world.XXXXXX");
	if (!options->directory && !mkdtemp(world->directory))
		return -errno;
	world->directory_is_ours = !options->directory;
	int error = open_files(world, options);
	if (!error) {
		world->turn.watches = watch_index_new();
		error = world->turn.watches ? 0 : -ENOMEM;
	}
	if (error) {
		world_deinit(world);
		return error;
	}
	error = open_domains(world, options);
	if (error) {
		world_deinit(world);
		return error;
	}
	world->turn.domains = &world->domains;
	world->turn.log = &world->log;
	turn_init(&world->turn);
	world->is_ready = true;
	error = options->dead ? world_attach_all(world, options->dead) : 0;
	if (error)
		world_deinit(world);
	return error;
}

static void free_ended(struct world *world)
{
	while (world->ended) {
		struct world_client *client = world->ended;
		LL_DELETE(world->ended, client);
		free(client);
	}
}

static void remove_directory(const char *name)
{
	DIR *directory = opendir(name);
	const struct dirent *entry;
	char path[FILE_NAME_SIZE + 256];

	while (directory && (entry = readdir(directory))) {
		snprintf(path, sizeof(path), "%s/%s", name, entry->d_name);
		if (entry->d_name[0] != '.')
			unlink(path);
	}
	if (directory)
		closedir(directory);
	rmdir(name);
}

void world_deinit(struct world *world)
{
	if (world->is_ready) {
		turn_commit(&world->turn);
		while (world->clients)
			world_client_close(world->clients);
		free_ended(world);
		turn_deinit(&world->turn);
		log_deinit(&world->log);
	}
	watch_index_free(world->turn.watches);
	domains_deinit(&world->domains);
	free(world->xen);
	store_close(world->turn.store);
	ledger_close(world->turn.ledger);
	if (world->directory_is_ours)
		remove_directory(world->directory);
	*world = (struct world){0};
}

static const struct watch *find_watch(const struct world *world, uint64_t connection, uint64_t serial)
{
	const struct world_client *client;
	const struct watch_owner *owner;
	const struct watch *watch;

	DL_FOREACH (world->clients, client) {
		DL_FOREACH (client->client.watches->watches, watch) {
			if (client->client.id == connection && watch->serial == serial)
				return watch->taken_out ? NULL : watch;
		}
	}
	DL_FOREACH2 (watch_departed(world->turn.watches), owner, departed_next) {
		DL_FOREACH (owner->watches, watch) {
			if (owner->order == connection && watch->serial == serial)
				return watch;
		}
	}
	return NULL;
}

static uint64_t number_at(const unsigned char *bytes)
{
	uint64_t number = 0;

	for (int i = 0; i < 8; i++)
		number = number << 8 | bytes[i];
	return number;
}

/* The record is that of the watch. */
static bool is_record_of(const struct watch *watch, const MDB_val *record)
{
	struct store_watch head;
	const char *texts = (const char *)record->mv_data + sizeof(head);

	memcpy(&head, record->mv_data, sizeof(head));
	return head.hidden == watch->hidden && head.depth == watch->depth && head.path_len == watch->path_len &&
	       head.token_len == watch->token_len && !memcmp(texts, watch->path, head.path_len) &&
	       !memcmp(texts + head.path_len, watch->token, head.token_len);
}

/* False, and told: watches in the store are not those in memory. */
static bool check_watches(struct world *world, struct MDB_txn *txn)
{
	unsigned char first = STORE_KEY_WATCH;
	MDB_val key = {1, &first}, record;
	size_t n = 0, expected = watch_count(world->turn.watches);
	const struct watch_owner *owner;
	MDB_cursor *cursor;
	int code;

	DL_FOREACH2 (watch_departed(world->turn.watches), owner, departed_next) {
		expected += owner->count;
	}
	if (mdb_cursor_open(txn, world->turn.store->dbi, &cursor))
		return false;
	for (code = mdb_cursor_get(cursor, &key, &record, MDB_SET_RANGE); !code && *(unsigned char *)key.mv_data == first;
	     code = mdb_cursor_get(cursor, &key, &record, MDB_NEXT)) {
		uint64_t connection = number_at((unsigned char *)key.mv_data + 1),
			 serial = number_at((unsigned char *)key.mv_data + 9);
		const struct watch *watch = find_watch(world, connection, serial);
		if (!watch || !is_record_of(watch, &record)) {
			snprintf(world->problem, sizeof(world->problem),
				 "a record is of no watch: connection %" PRIu64 " serial %" PRIu64, connection, serial);
			break;
		}
		n++;
	}
	mdb_cursor_close(cursor);
	if (n != expected && !*world->problem)
		snprintf(world->problem, sizeof(world->problem), "%zu records of watches, %zu watches", n, expected);
	return n == expected;
}

const char *world_check(struct world *world)
{
	struct store *store = world->turn.store;
	struct MDB_txn *txn = store_view(store);
	struct check_verdict verdict;
	int fault = txn ? check_records(txn, store->dbi, NULL, NULL, &verdict) : -EIO;

	*world->problem = 0;
	if (!fault && verdict.result == CHECK_SOUND && check_watches(world, txn))
		return NULL;
	if (*world->problem)
		return world->problem;
	snprintf(world->problem, sizeof(world->problem), "%s", fault ? strerror(-fault) : verdict.text);
	return world->problem;
}

int world_set_node(struct world *world, const char *path, const char *value, const char *permissions)
{
	struct turn *turn = &world->turn;
	struct path node = {path, strlen(path)};
	struct permission list[16];
	char text[128];
	size_t n = 0, len = 0;
	struct tree tree = {
	    .store = turn->store,
	    .caller = {.domid = DOMID_PRIVILEGED, .target = DOMID_NONE, .privileged = true},
	    .limits = &domain_find(turn->domains, DOMID_PRIVILEGED)->limits,
	    .arena = &turn->arena,
	};

	if (permissions) {
		len = (size_t)snprintf(text, sizeof(text), "%s", permissions) + 1;
		for (size_t i = 0; i < len; i++)
			text[i] = text[i] == ' ' ? 0 : text[i];
	}
	turn_commit(turn);
	arena_reset(&turn->arena);
	int result = permissions ? permissions_parse(text, len, list, 16, &n) : 0;
	for (int tries = 0; !result && tries < 3; tries++) {
		if (!path_is_special(&node))
			result = tree_write(&tree, &node, value, strlen(value));
		if (!result && permissions)
			result = tree_set_permissions(&tree, &node, list, n);
		if (!result)
			result = store_commit(turn->store);
		if (!result) {
			turn_agree_on_last_change(turn->store, turn->ledger);
			return 0;
		}
		store_abort(turn->store);
		if (result == -ENOSPC && !store_make_room(turn->store))
			result = 0;
	}
	return result ? result : -ENOSPC;
}

/* ---- clients ---- */

struct world_client *world_client(struct world *world, uint16_t domid, bool privileged)
{
	struct world_client *client = calloc(1, sizeof(*client));
	struct domain *domain;

	if (!client || domain_get(&world->domains, domid, &domain)) {
		free(client);
		return NULL;
	}
	domain->caller.privileged = privileged;
	if (client_init(&client->client, &world->turn, ++world->last_client_id, domain)) {
		free(client);
		return NULL;
	}
	client->world = world;
	DL_APPEND2(world->clients, client, previous, next);
	return client;
}

static void free_message(struct world_message *message)
{
	if (message)
		free(message->payload);
	free(message);
}

static void forget_last(struct world_client *client)
{
	free_message(client->last);
	client->last = NULL;
}

void world_forget(struct world_client *client)
{
	struct world_message *message, *next;

	forget_last(client);
	DL_FOREACH_SAFE (client->messages, message, next) {
		free_message(message);
	}
	client->messages = NULL;
}

void world_client_end(struct world_client *client)
{
	client_deinit(&client->client, &client->world->turn);
	world_forget(client);
	buffer_deinit(&client->received);
	DL_DELETE2(client->world->clients, client, previous, next);
	LL_PREPEND(client->world->ended, client);
}

void world_client_close(struct world_client *client)
{
	struct world *world = client->world;

	world_client_end(client);
	LL_DELETE(world->ended, client);
	free(client);
}

/* ---- sending ---- */

size_t world_send_bytes(struct world_client *client, const void *bytes, size_t len)
{
	const unsigned char *at = bytes;
	struct mmsghdr *call;
	size_t sent = 0;

	while (sent < len && !ledger_receive_begin(&client->client.ledger, &call)) {
		const struct iovec *room = call->msg_hdr.msg_iov;
		size_t n = len - sent < room->iov_len ? len - sent : room->iov_len;
		memcpy(room->iov_base, at + sent, n);
		call->msg_len = (unsigned int)n;
		sent += ledger_receive_end(&client->client.ledger, true);
	}
	return sent;
}

bool world_send(struct world_client *client, uint32_t type, uint32_t transaction, const void *payload, size_t len)
{
	unsigned char bytes[MESSAGE_SIZE_MAX];
	struct message_header header = {type, ++client->last_request_id, transaction, (uint32_t)len};

	if (len > MESSAGE_PAYLOAD_MAX)
		return false;
	message_write_header(bytes, &header);
	if (len)
		memcpy(bytes + MESSAGE_HEADER_SIZE, payload, len);
	return world_send_bytes(client, bytes, MESSAGE_HEADER_SIZE + len) == MESSAGE_HEADER_SIZE + len;
}

size_t world_run(struct world *world)
{
	struct world_client *client;
	size_t n = 0, before;

	do {
		before = n;
		DL_FOREACH (world->clients, client) {
			if (!client->client.broken)
				n += turn_run_next(&world->turn, &client->client);
		}
	} while (n > before);
	return n;
}

/* ---- receiving ---- */

static void split_messages(struct world_client *client)
{
	struct buffer *received = &client->received;
	struct message message;
	size_t at = 0;

	while (at < received->len && message_parse(received->bytes + at, received->len - at, &message) == MESSAGE_WHOLE) {
		struct world_message *got = need(calloc(1, sizeof(*got)));
		got->header = message.header;
		got->payload = need(calloc(1, message.header.len + 1));
		memcpy(got->payload, message.payload, message.header.len);
		got->error = message.header.type == MESSAGE_ERROR ? got->payload : "";
		DL_APPEND2(client->messages, got, previous, next);
		at += MESSAGE_HEADER_SIZE + message.header.len;
	}
	if (at)
		memmove(received->bytes, received->bytes + at, received->len - at);
	received->len -= at;
}

static void take_output(struct world_client *client)
{
	struct mmsghdr *call;

	while (ledger_send_begin(&client->client.ledger, &call)) {
		size_t n = 0;
		for (size_t i = 0; i < call->msg_hdr.msg_iovlen; i++) {
			const struct iovec *part = &call->msg_hdr.msg_iov[i];
			buffer_add(&client->received, part->iov_base, part->iov_len);
			n += part->iov_len;
		}
		call->msg_len = (unsigned int)n;
		if (client->received.failed || !ledger_send_end(&client->client.ledger, true))
			abort();
	}
	split_messages(client);
}

void world_take(struct world *world)
{
	struct client *client, *next;
	struct world_client *each;

	free_ended(world);
	DL_FOREACH_SAFE2 (world->turn.with_output, client, next, output_next) {
		DL_DELETE2(world->turn.with_output, client, output_previous, output_next);
		client->has_output = false;
	}
	DL_FOREACH (world->clients, each) {
		take_output(each);
		client_took_output(&each->client, &world->turn);
	}
}

void world_commit(struct world *world)
{
	turn_commit(&world->turn);
	world_take(world);
}

static const struct world_message *take_message(struct world_client *client, bool event)
{
	struct world_message *message;

	forget_last(client);
	DL_FOREACH (client->messages, message) {
		if ((message->header.type == MESSAGE_WATCH_EVENT) == event)
			break;
	}
	if (message)
		DL_DELETE2(client->messages, message, previous, next);
	client->last = message;
	return message;
}

const struct world_message *world_reply(struct world_client *client)
{
	return take_message(client, false);
}

const struct world_message *world_event(struct world_client *client)
{
	return take_message(client, true);
}

const char *world_event_path(const struct world_message *event)
{
	return event->payload;
}

const char *world_event_token(const struct world_message *event)
{
	return event->payload + strlen(event->payload) + 1;
}

/* ---- the short way ---- */

const struct world_message *world_request(struct world_client *client, uint32_t type, uint32_t transaction, const void *payload,
					  size_t len)
{
	world_send(client, type, transaction, payload, len);
	world_run(client->world);
	world_commit(client->world);
	return world_reply(client);
}

const struct world_message *world_call(struct world_client *client, uint32_t type, uint32_t transaction, const char *payload)
{
	char bytes[MESSAGE_PAYLOAD_MAX];
	size_t len = (size_t)snprintf(bytes, sizeof(bytes), "%s", payload) + 1;

	if (len > sizeof(bytes))
		return NULL;
	for (size_t i = 0; i < len; i++)
		bytes[i] = bytes[i] == '|' ? 0 : bytes[i];
	return world_request(client, type, transaction, bytes, len);
}

static const char *error_of(const struct world_message *reply)
{
	return reply ? reply->error : "none";
}

const char *world_try(struct world_client *client, uint32_t type, uint32_t transaction, const char *payload)
{
	return error_of(world_call(client, type, transaction, payload));
}

const char *world_write(struct world_client *client, uint32_t transaction, const char *path, const char *value)
{
	char bytes[MESSAGE_PAYLOAD_MAX];
	size_t path_size = strlen(path) + 1, value_len = strlen(value);

	if (path_size + value_len > sizeof(bytes))
		return "none";
	memcpy(bytes, path, path_size);
	memcpy(bytes + path_size, value, value_len);
	return error_of(world_request(client, MESSAGE_WRITE, transaction, bytes, path_size + value_len));
}

uint32_t world_transaction(struct world_client *client)
{
	const struct world_message *reply = world_call(client, MESSAGE_TRANSACTION_START, 0, "");

	return reply && !*reply->error ? (uint32_t)strtoul(reply->payload, NULL, 10) : 0;
}
