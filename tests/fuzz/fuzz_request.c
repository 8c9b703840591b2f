/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Several clients, privileged and not, send requests to a real turn with store, ledger and watches; there is only no socket.
 *
 * The first byte chooses a world (of the usual size, or one so small that it gets full) and its quotas. Then come steps, each
 * begun by a byte: its low two bits are the client, the next two what it does:
 *
 * - 0: a request: type, transaction (its n-th open one, if that is small), length of the payload, payload;
 *
 * - 1: the same with 16 bits before the payload: the first '*' in that becomes so many 'x';
 *
 * - 2: bytes as they are: length, bytes;
 *
 * - 3: by the next byte: run and commit, run and take output, close and come again, run one request.
 *
 * Afterwards: each whole request of a client was answered once and in order; the store is sound; nothing is left in the ledger
 * when the clients are gone. The next input finds the first tree, the first quotas and new clients.
 *
 * What an operator may have written to a file of any name goes to /dev/null: the linker leads fopen and log_trace_to here.
 */
#include <string.h>
#include <utlist.h>

#include "fuzz/fuzz.h"
#include "support/world.h"

enum { CLIENTS = 4, STEPS_MAX = 64, FLAG_SMALL_WORLD = 1, FLAG_SMALL_QUOTAS = 2 };

FILE *__real_fopen(const char *path, const char *mode);
FILE *__wrap_fopen(const char *path, const char *mode);
int __real_log_trace_to(struct log *log, const char *path);
int __wrap_log_trace_to(struct log *log, const char *path);

/* "ae" is how CONTROL's memreport opens. */
FILE *__wrap_fopen(const char *path, const char *mode)
{
	return __real_fopen(strcmp(mode, "ae") ? path : "/dev/null", mode);
}

int __wrap_log_trace_to(struct log *log, const char *path)
{
	(void)path;
	return __real_log_trace_to(log, "/dev/null");
}

/* A client and what it has sent. */
struct sender {
	struct world_client *client;
	struct buffer sent;
	size_t checked;	 /* bytes of `sent` whose requests are answered */
	bool was_broken; /* its stream cannot be followed any further */
};

struct scene {
	struct world *world;
	struct sender senders[CLIENTS];
	struct reader input;
};

/* ---- worlds ---- */

/* The usual one is kept over all inputs, the small one is new for each: what is full may be so in many ways. */
static struct world usual_world, small_world;

static void end_usual_world(void)
{
	world_deinit(&usual_world);
}

static struct world *world_of(unsigned flags)
{
	static const struct world_options usual = {.ledger_limit = 16 << 20},
					  small = {.store_size = 256 << 10, .ledger_limit = 9 << 20};

	if (flags & FLAG_SMALL_WORLD) {
		must(!world_init(&small_world, &small));
		return &small_world;
	}
	if (!usual_world.is_ready) {
		must(!world_init(&usual_world, &usual));
		atexit(end_usual_world);
	}
	return &usual_world;
}

/* Removes some of what is below "/"; false: there is nothing. */
static bool remove_some(struct world_client *client)
{
	char names[MESSAGE_PAYLOAD_MAX + 1], path[MESSAGE_PAYLOAD_MAX + 2];
	const struct world_message *reply = world_call(client, MESSAGE_DIRECTORY_PART, 0, "/|0");
	size_t len = reply ? reply->header.len : 0;

	must(reply && !*reply->error && len < sizeof(names));
	memcpy(names, reply->payload, len);
	names[len] = 0;
	/* The generation first, an empty name at the end. */
	const char *first = names + strlen(names) + 1;
	for (const char *name = first; name < names + len && *name; name += strlen(name) + 1) {
		snprintf(path, sizeof(path), "/%s", name);
		must(!*world_try(client, MESSAGE_RM, 0, path));
	}
	return *first;
}

/* However full the store is: whoever may remove everything can. */
static void remove_all(struct world *world)
{
	struct world_client *client = world_client(world, DOMID_PRIVILEGED, true);

	must(client);
	while (remove_some(client))
		;
	world_client_close(client);
}

/* The first tree, homes of the guests, and quotas. */
static void begin(struct world *world, unsigned flags)
{
	static const char *const homes[] = {"/local/domain/1", "/local/domain/2"};

	quotas_init(&world->domains.quotas);
	if (flags & FLAG_SMALL_QUOTAS) {
		for (int quota = 0; quota < QUOTA_COUNT; quota++)
			world->domains.quotas.hard[quota] = quota == QUOTA_PATH_MAX || quota == QUOTA_NODE_SIZE ? 64 : 3;
	}
	domains_quotas_changed(&world->domains);
	log_trace_close(&world->log);
	world->log.trace = LOG_TRACE_IO;
	must(!world_set_node(world, "/tool/xenstored", "", "n0"));
	must(!world_set_node(world, homes[0], "", "n1 r2"));
	must(!world_set_node(world, homes[1], "", "n2"));
	must(!world_set_node(world, "@introduceDomain", "", "n0"));
	must(!world_set_node(world, "@releaseDomain", "", "n0 r1"));
	world->turn.figures = (struct turn_figures){0};
}

/* ---- clients ---- */

static void come(struct scene *scene, size_t i)
{
	static const struct {
		uint16_t domid;
		bool privileged;
	} who[CLIENTS] = {{0, true}, {1, false}, {2, false}, {0, true}};
	struct sender *sender = &scene->senders[i];

	sender->client = world_client(scene->world, who[i].domid, who[i].privileged);
	must(sender->client);
	buffer_clear(&sender->sent);
	sender->checked = 0;
	sender->was_broken = false;
}

/* The next whole request that the sender has sent and that is not yet known to be answered. */
static bool next_request(struct sender *sender, struct message *request)
{
	size_t left = sender->sent.len - sender->checked;

	if (!left || sender->was_broken)
		return false;
	enum message_result result = message_parse(sender->sent.bytes + sender->checked, left, request);
	sender->was_broken = result == MESSAGE_TOO_LONG;
	return result == MESSAGE_WHOLE;
}

/* Replies must be to the requests sent, in their order; with `all` to each of them. */
static void check_replies(struct sender *sender, bool all)
{
	const struct world_message *reply;
	struct message request;

	while ((reply = world_reply(sender->client))) {
		must(next_request(sender, &request));
		must(reply->header.request_id == request.header.request_id);
		must(reply->header.transaction_id == request.header.transaction_id);
		must(reply->header.type == request.header.type || reply->header.type == MESSAGE_ERROR);
		must(reply->header.type != MESSAGE_ERROR ||
		     (reply->header.len && strlen(reply->payload) + 1 == reply->header.len));
		sender->checked += MESSAGE_HEADER_SIZE + request.header.len;
	}
	while ((reply = world_event(sender->client))) {
		size_t path_len = strlen(world_event_path(reply));
		must(path_len + 1 < reply->header.len);
		must(path_len + 1 + strlen(world_event_token(reply)) + 1 == reply->header.len);
	}
	if (all) {
		must(!next_request(sender, &request));
		must(sender->client->client.broken == sender->was_broken);
	}
}

static void leave(struct scene *scene, size_t i, bool all)
{
	struct sender *sender = &scene->senders[i];

	world_commit(scene->world);
	check_replies(sender, all);
	world_client_close(sender->client);
	sender->client = NULL;
}

/* ---- steps ---- */

static void send_bytes(struct scene *scene, struct sender *sender, const void *bytes, size_t len)
{
	const char *at = bytes;

	if (sender->client->client.broken)
		return;
	buffer_add(&sender->sent, bytes, len);
	must(!sender->sent.failed);
	for (;;) {
		size_t sent = world_send_bytes(sender->client, at, len);
		at += sent;
		len -= sent;
		if (!len)
			return;
		/* Its input is full of requests: they are run, as a front would do. */
		world_run(scene->world);
		world_commit(scene->world);
		if (sender->client->client.broken)
			return;
	}
}

/* Small numbers mean the client's n-th open transaction. */
static uint32_t transaction_number(const struct sender *sender, uint8_t number)
{
	const struct transaction *transaction;
	uint8_t n = 0;

	DL_FOREACH2 (sender->client->client.transactions, transaction, owner_next) {
		if (++n == number)
			return transaction->id;
	}
	return number;
}

/* Puts `n` bytes in the place of the first '*' (none: behind the end). Returns the new length. */
static size_t fill(char *payload, size_t len, size_t n)
{
	char *star = memchr(payload, '*', len);
	size_t front = star ? (size_t)(star - payload) : len, behind = star ? len - front - 1 : 0;

	memmove(payload + front + n, payload + front + 1, behind);
	memset(payload + front, 'x', n);
	return front + n + behind;
}

static void step_request(struct scene *scene, struct sender *sender, bool is_filled)
{
	static char payload[2 * MESSAGE_PAYLOAD_MAX];
	unsigned char head[MESSAGE_HEADER_SIZE];
	struct message_header header = {.type = reader_u8(&scene->input)};

	header.transaction_id = transaction_number(sender, reader_u8(&scene->input));
	size_t wanted = reader_u8(&scene->input), filler = is_filled ? reader_u16(&scene->input) % 4200 : 0;
	size_t left = reader_left(&scene->input), len = wanted < left ? wanted : left;
	const char *bytes = reader_bytes(&scene->input, len);

	if (!bytes)
		return;
	memcpy(payload, bytes, len);
	if (is_filled)
		len = fill(payload, len, filler);
	header.len = (uint32_t)len;
	header.request_id = (uint32_t)sender->sent.len;
	message_write_header(head, &header);
	send_bytes(scene, sender, head, sizeof(head));
	send_bytes(scene, sender, payload, len);
}

static void step_bytes(struct scene *scene, struct sender *sender)
{
	size_t len = reader_u8(&scene->input), left = reader_left(&scene->input);
	const void *bytes = reader_bytes(&scene->input, len < left ? len : left);

	if (bytes)
		send_bytes(scene, sender, bytes, len < left ? len : left);
}

static void step_other(struct scene *scene, size_t i)
{
	switch (reader_u8(&scene->input) & 3) {
	case 0:
		world_run(scene->world);
		world_commit(scene->world);
		break;
	case 1:
		world_run(scene->world);
		world_take(scene->world);
		break;
	case 2:
		leave(scene, i, false);
		come(scene, i);
		break;
	default:
		turn_run_next(&scene->world->turn, &scene->senders[i].client->client);
		break;
	}
}

static void step(struct scene *scene)
{
	unsigned byte = reader_u8(&scene->input);
	size_t i = byte & 3;

	switch (byte >> 2 & 3) {
	case 0:
	case 1:
		step_request(scene, &scene->senders[i], byte & 4);
		break;
	case 2:
		step_bytes(scene, &scene->senders[i]);
		break;
	default:
		step_other(scene, i);
		break;
	}
}

/* ---- the end ---- */

static void check_end(struct scene *scene)
{
	struct ledger_figures figures;
	const char *problem;

	/* What waited for room has it now that all output was taken. */
	for (int i = 0; i < 2; i++) {
		world_run(scene->world);
		world_commit(scene->world);
	}
	problem = world_check(scene->world);
	if (problem)
		fprintf(stderr, "%s\n", problem);
	must(!problem);
	for (size_t i = 0; i < CLIENTS; i++)
		leave(scene, i, true);
	remove_all(scene->world);
	ledger_figures(scene->world->turn.ledger, &figures);
	must(!figures.connections && !figures.blocks_used);
	must(!watch_count(scene->world->turn.watches));
	must(!scene->world->turn.store->transactions && !scene->world->turn.store->snapshots);
	must(!store_tag(scene->world->turn.store) && !scene->world->turn.store->fault);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct scene scene = {0};

	if (!size)
		return 0;
	reader_init(&scene.input, data + 1, size - 1);
	scene.world = world_of(data[0]);
	begin(scene.world, data[0]);
	for (size_t i = 0; i < CLIENTS; i++)
		come(&scene, i);
	for (int i = 0; i < STEPS_MAX && reader_left(&scene.input); i++)
		step(&scene);
	check_end(&scene);
	for (size_t i = 0; i < CLIENTS; i++)
		buffer_deinit(&scene.senders[i].sent);
	world_deinit(&small_world);
	return 0;
}
