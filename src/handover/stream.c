/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Each record is read through a bounded reader of its own body, so a wrong length can only make that record wrong. Where a writer
 * is known to write something else than the document says, both are accepted, told apart by where the NULs of strings are.
 */
#include "handover/stream.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
	RECORD_END = 0,
	RECORD_GLOBAL = 1,
	RECORD_CONNECTION = 2,
	RECORD_WATCH = 3,
	RECORD_TRANSACTION = 4,
	RECORD_NODE = 5,
	RECORD_QUOTAS = 6,
	RECORD_DOMAIN = 7,
	RECORD_WATCH_EXTENDED = 8,

	ALIGNMENT = 8,

	TYPE_RING = 0,
	TYPE_SOCKET = 1,
	FIELD_READ_ONLY = 1, /* of a socket */
	FIELD_UNIQUE_ID = 1, /* of a ring: behind the data, aligned */

	PERMISSION_STALE = 1, /* flag of an entry: of a domain that is gone; it counts for nothing */
	NO_DEPTH = 0xffff,
	WATCH_FIXED = 8, /* bytes before the path, without a depth */
	WATCH_FIXED_EXTENDED = 12
};

static const char identifier[8] = "xenstore";
static const char soft_prefix[] = "soft-";

/* ---- reading ---- */

static int fail(struct stream_reader *reader, const unsigned char *at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static int fail(struct stream_reader *reader, const unsigned char *at, const char *format, ...)
{
	va_list arguments;
	int len = snprintf(reader->problem, sizeof(reader->problem), "at byte %zu: ", (size_t)(at - reader->begin));

	va_start(arguments, format);
	vsnprintf(reader->problem + len, sizeof(reader->problem) - (size_t)len, format, arguments);
	va_end(arguments);
	return -EPROTO;
}

static uint16_t get_u16(const struct stream_reader *reader, struct reader *body)
{
	uint16_t value = reader_u16(body);

	return reader->big_endian ? __builtin_bswap16(value) : value;
}

static uint32_t get_u32(const struct stream_reader *reader, struct reader *body)
{
	uint32_t value = reader_u32(body);

	return reader->big_endian ? __builtin_bswap32(value) : value;
}

static uint64_t get_u64(const struct stream_reader *reader, struct reader *body)
{
	uint64_t value = reader_u64(body);

	return reader->big_endian ? __builtin_bswap64(value) : value;
}

static size_t padding(size_t len)
{
	return (ALIGNMENT - len % ALIGNMENT) % ALIGNMENT;
}

/* A string of `size` bytes with the only NUL at its end. */
static bool is_string(const char *text, size_t size)
{
	return text && size && memchr(text, 0, size) == text + size - 1;
}

bool stream_is_one(const void *bytes, size_t len)
{
	return len >= sizeof(identifier) && !memcmp(bytes, identifier, sizeof(identifier));
}

int stream_open(struct stream_reader *reader, const void *bytes, size_t len)
{
	*reader = (struct stream_reader){.begin = bytes};
	reader_init(&reader->bytes, bytes, len);
	if (!stream_is_one(bytes, len))
		return fail(reader, reader->begin, "this is no migration stream of XenStore");
	reader_bytes(&reader->bytes, sizeof(identifier));
	/* These two are big-endian in any case. */
	reader->version = __builtin_bswap32(reader_u32(&reader->bytes));
	uint32_t flags = __builtin_bswap32(reader_u32(&reader->bytes));
	if (reader->bytes.failed)
		return fail(reader, reader->begin, "the header is cut short");
	reader->big_endian = flags & 1;
	if (!reader->version || reader->version > STREAM_VERSION_MAX)
		return fail(reader, reader->begin + 8, "version %u of the stream is none of 1 and 2", reader->version);
	if (flags > 1)
		return fail(reader, reader->begin + 12, "the flags 0x%x of the header are not known", flags);
	return 0;
}

static int read_global(struct stream_reader *reader, struct reader *body, struct state_record *out)
{
	out->kind = STATE_GLOBAL;
	out->global.listener = (int32_t)get_u32(reader, body);
	out->global.events = (int32_t)get_u32(reader, body);
	out->global.read_only_listener = -1;
	out->global.exception_port = 0;
	return body->failed ? fail(reader, body->at, "a record with the descriptors is too short") : 1;
}

/* A flag of version 2 says that there is one. */
static void read_unique_id(const struct stream_reader *reader, struct reader *body, size_t data_len,
			   struct state_connection *connection)
{
	/* The fixed part's length is a multiple of the alignment. */
	if (!reader_bytes(body, padding(data_len)))
		return;
	uint64_t id = get_u64(reader, body);
	if (!body->failed)
		connection->unique_id = id;
}

static int read_connection(struct stream_reader *reader, struct reader *body, struct state_record *out)
{
	struct state_connection *connection = &out->connection;
	const unsigned char *begin = body->at;

	out->kind = STATE_CONNECTION;
	*connection = (struct state_connection){.number = get_u32(reader, body), .target = DOMID_NONE, .fd = -1};
	uint16_t type = get_u16(reader, body);
	uint16_t fields = get_u16(reader, body);
	connection->is_socket = type == TYPE_SOCKET;
	if (connection->is_socket) {
		connection->fd = (int32_t)get_u32(reader, body);
		(void)get_u32(reader, body);
		connection->read_only = fields & FIELD_READ_ONLY;
	} else {
		connection->domid = get_u16(reader, body);
		connection->target = get_u16(reader, body);
		connection->port = get_u32(reader, body);
	}
	connection->input_len = get_u16(reader, body);
	connection->partial_len = get_u16(reader, body);
	connection->output_len = get_u32(reader, body);
	connection->input = reader_bytes(body, connection->input_len);
	connection->output = reader_bytes(body, connection->output_len);
	if (body->failed)
		return fail(reader, begin, "the data of a connection is longer than its record");
	if (!connection->number || type > TYPE_SOCKET)
		return fail(reader, begin, "a connection has the number %u and the type %u", connection->number, type);
	if (connection->partial_len > connection->output_len)
		return fail(reader, begin, "of connection %u more is owed in part than in all", connection->number);
	if (connection->domid >= DOMID_FIRST_RESERVED_NUMBER ||
	    (connection->target >= DOMID_FIRST_RESERVED_NUMBER && connection->target != DOMID_NONE))
		return fail(reader, begin, "connection %u is of domain %u with target %u, which cannot be", connection->number,
			    connection->domid, connection->target);
	if (!connection->is_socket && fields & FIELD_UNIQUE_ID)
		read_unique_id(reader, body, connection->input_len + connection->output_len, connection);
	return 1;
}

/* Path and token as they lie behind `fixed` bytes of the body. */
static bool find_strings(const struct reader *body, size_t fixed, struct state_watch *watch)
{
	struct reader strings = *body;

	reader_bytes(&strings, fixed - WATCH_FIXED);
	watch->path = reader_bytes(&strings, watch->path_len);
	watch->token = reader_bytes(&strings, watch->token_len);
	return !strings.failed && is_string(watch->path, watch->path_len) && is_string(watch->token, watch->token_len) &&
	       watch->path_len > 1;
}

static int read_watch(struct stream_reader *reader, struct reader *body, bool extended, struct state_record *out)
{
	/* As documented; with the path where C xenstored looks for it; as C xenstored has written it, without the depth. */
	static const size_t layouts[] = {WATCH_FIXED_EXTENDED, WATCH_FIXED + 2, WATCH_FIXED};
	struct state_watch *watch = &out->watch;
	const unsigned char *begin = body->at;
	bool found = false;
	size_t fixed = WATCH_FIXED;

	out->kind = STATE_WATCH;
	*watch = (struct state_watch){.connection = get_u32(reader, body), .depth = -1};
	watch->path_len = get_u16(reader, body);
	watch->token_len = get_u16(reader, body);
	for (size_t i = extended ? 0 : 2; i < sizeof(layouts) / sizeof(layouts[0]) && !found; i++) {
		fixed = layouts[i];
		found = !body->failed && find_strings(body, fixed, watch);
	}
	if (!found)
		return fail(reader, begin, "path and token of a watch are not where its record says");
	if (fixed > WATCH_FIXED) {
		uint16_t depth = get_u16(reader, body);
		watch->depth = depth == NO_DEPTH ? -1 : depth;
	} else if (extended) {
		reader->n_without_depth++;
	}
	body->at = (const unsigned char *)watch->token + watch->token_len;
	watch->path_len--;
	watch->token_len--;
	return 1;
}

static int read_transaction(struct stream_reader *reader, struct reader *body, struct state_record *out)
{
	out->kind = STATE_TRANSACTION;
	out->transaction.connection = get_u32(reader, body);
	out->transaction.id = get_u32(reader, body);
	return body->failed ? fail(reader, body->at, "the record of a transaction is too short") : 1;
}

static bool read_permission(const struct stream_reader *reader, struct reader *body, struct permission *out, bool *stale)
{
	uint8_t letter = reader_u8(body);

	*stale = reader_u8(body) & PERMISSION_STALE;
	*out = (struct permission){.domid = get_u16(reader, body)};
	switch (letter) {
	case 'n':
		return true;
	case 'r':
		out->access = PERMISSION_READ;
		return true;
	case 'w':
		out->access = PERMISSION_WRITE;
		return true;
	case 'b':
		out->access = PERMISSION_READ | PERMISSION_WRITE;
		return true;
	default:
		return false;
	}
}

/* Entries of domains that are gone are left out; the first one, which names the owner, stays. */
static int read_permissions(struct stream_reader *reader, struct reader *body, uint16_t n, struct state_node *node)
{
	const unsigned char *begin = body->at;

	if (n > STATE_PERMISSIONS_MAX)
		return fail(reader, begin, "a node has %u permission entries, which no store can hold", n);
	node->permissions = reader->permissions;
	for (uint16_t i = 0; i < n; i++) {
		bool stale;
		if (!read_permission(reader, body, &reader->permissions[node->n_permissions], &stale))
			return fail(reader, begin, "entry %u of a node's permissions is none", i);
		node->n_permissions += !stale || !i;
	}
	return 0;
}

static int read_node(struct stream_reader *reader, struct reader *body, struct state_record *out)
{
	struct state_node *node = &out->node;
	const unsigned char *begin = body->at;

	out->kind = STATE_NODE;
	*node = (struct state_node){.connection = get_u32(reader, body), .transaction = get_u32(reader, body)};
	node->path_len = get_u16(reader, body);
	node->value_len = get_u16(reader, body);
	node->access = get_u16(reader, body);
	int error = read_permissions(reader, body, get_u16(reader, body), node);
	if (error)
		return error;
	node->path = reader_bytes(body, node->path_len);
	node->value = reader_bytes(body, node->value_len);
	if (body->failed || !is_string(node->path, node->path_len) || node->path_len < 2)
		return fail(reader, begin, "path and value of a node are not where its record says");
	node->path_len--;
	/* A node that a transaction has removed has no permissions. */
	if (!node->n_permissions && !node->connection)
		return fail(reader, begin, "the node %.64s has no permissions", node->path);
	return 1;
}

static void set_quota(struct quota_settings *settings, const char *name, uint32_t value)
{
	size_t prefix = sizeof(soft_prefix) - 1;
	bool soft = !strncmp(name, soft_prefix, prefix);
	enum quota quota;

	if (!quota_find(soft ? name + prefix : name, soft, &quota))
		quota_settings_set(settings, quota, soft, value);
}

/* `n` values, then as many names; names that nobody knows here mean nothing. */
static int read_quotas(struct stream_reader *reader, struct reader *body, uint32_t n, struct quota_settings *out)
{
	const unsigned char *begin = body->at;
	struct reader values = *body;
	size_t len;

	*out = (struct quota_settings){0};
	if (n && !reader_bytes(body, (size_t)n * sizeof(uint32_t)))
		return fail(reader, begin, "%u quotas do not fit their record", n);
	for (uint32_t i = 0; i < n; i++) {
		const char *name = reader_string(body, &len);
		if (!name)
			return fail(reader, begin, "quotas have no names");
		set_quota(out, name, get_u32(reader, &values));
	}
	return 1;
}

static int read_global_quotas(struct stream_reader *reader, struct reader *body, struct state_record *out)
{
	uint32_t n = get_u16(reader, body);

	n += get_u16(reader, body);
	out->kind = STATE_QUOTAS;
	if (body->failed)
		return fail(reader, body->at, "the record of the quotas is too short");
	return read_quotas(reader, body, n, &out->quotas);
}

static int read_domain(struct stream_reader *reader, struct reader *body, struct state_record *out)
{
	struct state_domain *domain = &out->domain;

	out->kind = STATE_DOMAIN;
	domain->domid = get_u16(reader, body);
	uint16_t n = get_u16(reader, body);
	domain->features = get_u32(reader, body);
	domain->has_features = reader->version > 1;
	if (body->failed)
		return fail(reader, body->at, "the record of a domain is too short");
	if (domain->domid >= DOMID_FIRST_RESERVED_NUMBER)
		return fail(reader, body->at, "there can be no domain %u", domain->domid);
	return read_quotas(reader, body, n, &domain->quotas);
}

static int read_body(struct stream_reader *reader, uint32_t type, struct reader *body, struct state_record *out)
{
	switch (type) {
	case RECORD_GLOBAL:
		return read_global(reader, body, out);
	case RECORD_CONNECTION:
		return read_connection(reader, body, out);
	case RECORD_WATCH:
		return read_watch(reader, body, false, out);
	case RECORD_TRANSACTION:
		return read_transaction(reader, body, out);
	case RECORD_NODE:
		return read_node(reader, body, out);
	case RECORD_QUOTAS:
		return read_global_quotas(reader, body, out);
	case RECORD_DOMAIN:
		return read_domain(reader, body, out);
	case RECORD_WATCH_EXTENDED:
		return read_watch(reader, body, true, out);
	default:
		reader->n_unknown++;
		return 0;
	}
}

static int end(struct stream_reader *reader, const unsigned char *at, uint32_t len)
{
	if (len || reader_left(&reader->bytes))
		return fail(reader, at, "the stream ends here, but something follows");
	return 0;
}

/*
 * C xenstored has written the head of an extended watch 4 bytes shorter than its record's length says: where that makes the
 * padded record shorter, the next one begins earlier.
 */
static size_t real_size(uint32_t type, size_t size, const struct reader *body, const unsigned char *begin,
			const struct state_record *out)
{
	size_t used = (size_t)(body->at - begin);

	if (type != RECORD_WATCH_EXTENDED || (const unsigned char *)out->watch.path - begin != WATCH_FIXED)
		return size;
	return used + padding(used) < size ? used + padding(used) : size;
}

int stream_next(struct stream_reader *reader, struct state_record *out)
{
	for (;;) {
		const unsigned char *at = reader->bytes.at;
		uint32_t type = get_u32(reader, &reader->bytes);
		uint32_t len = get_u32(reader, &reader->bytes);
		if (reader->bytes.failed)
			return fail(reader, at, "the stream has no end: it was cut short");
		if (type == RECORD_END)
			return end(reader, at, len);
		const unsigned char *begin = reader->bytes.at;
		struct reader body;
		if (len > reader_left(&reader->bytes))
			return fail(reader, at, "a record of type %u is longer than the stream: it was cut short", type);
		reader_init(&body, begin, len);
		int result = read_body(reader, type, &body, out);
		if (result < 0)
			return result;
		size_t size = len + padding(len);
		if (result)
			size = real_size(type, size, &body, begin, out);
		if (!reader_bytes(&reader->bytes, size))
			return fail(reader, at, "the stream has no end: it was cut short");
		if (result)
			return 1;
	}
}

/* ---- writing ---- */

static void put_u8(struct buffer *out, uint8_t value)
{
	buffer_add(out, &value, 1);
}

static void put_bytes(struct buffer *out, const struct stream_form *form, uint64_t value, size_t size)
{
	for (size_t i = 0; i < size; i++)
		put_u8(out, (uint8_t)(value >> 8 * (form->big_endian ? size - 1 - i : i)));
}

static void put_u16(struct buffer *out, const struct stream_form *form, size_t value)
{
	put_bytes(out, form, value, 2);
}

static void put_u32(struct buffer *out, const struct stream_form *form, size_t value)
{
	put_bytes(out, form, value, 4);
}

static void put_padding(struct buffer *out, size_t len)
{
	static const char zeroes[ALIGNMENT];

	buffer_add(out, zeroes, padding(len));
}

/* The length of `body` includes its padding, as C xenstored writes and expects it. */
static void put_head(struct buffer *out, const struct stream_form *form, uint32_t type, size_t body)
{
	put_u32(out, form, type);
	put_u32(out, form, body + padding(body));
}

void stream_put_header(struct buffer *out, const struct stream_form *form)
{
	const struct stream_form header = {.big_endian = true};

	buffer_add(out, identifier, sizeof(identifier));
	put_u32(out, &header, form->version);
	put_u32(out, &header, form->big_endian);
}

void stream_put_end(struct buffer *out, const struct stream_form *form)
{
	put_head(out, form, RECORD_END, 0);
}

static void put_global(struct buffer *out, const struct stream_form *form, const struct state_global *global)
{
	put_head(out, form, RECORD_GLOBAL, 8);
	put_u32(out, form, (uint32_t)global->listener);
	put_u32(out, form, (uint32_t)global->events);
}

static void put_connection(struct buffer *out, const struct stream_form *form, const struct state_connection *connection)
{
	bool has_id = form->version > 1 && !connection->is_socket && connection->unique_id;
	size_t data_len = connection->input_len + connection->output_len, len = 24 + data_len;

	put_head(out, form, RECORD_CONNECTION, has_id ? len + padding(len) + sizeof(uint64_t) : len);
	put_u32(out, form, connection->number);
	put_u16(out, form, connection->is_socket ? TYPE_SOCKET : TYPE_RING);
	if (connection->is_socket) {
		put_u16(out, form, connection->read_only ? FIELD_READ_ONLY : 0);
		put_u32(out, form, (uint32_t)connection->fd);
		put_u32(out, form, 0);
	} else {
		put_u16(out, form, has_id ? FIELD_UNIQUE_ID : 0);
		put_u16(out, form, connection->domid);
		put_u16(out, form, connection->target);
		put_u32(out, form, connection->port);
	}
	put_u16(out, form, connection->input_len);
	put_u16(out, form, connection->partial_len);
	put_u32(out, form, connection->output_len);
	buffer_add(out, connection->input, connection->input_len);
	buffer_add(out, connection->output, connection->output_len);
	put_padding(out, len);
	if (has_id)
		put_bytes(out, form, connection->unique_id, sizeof(uint64_t));
}

static void put_watch(struct buffer *out, const struct stream_form *form, const struct state_watch *watch)
{
	bool extended = form->version > 1 && watch->depth >= 0;
	size_t len = (extended ? WATCH_FIXED_EXTENDED : WATCH_FIXED) + watch->path_len + 1 + watch->token_len + 1;

	put_head(out, form, extended ? RECORD_WATCH_EXTENDED : RECORD_WATCH, len);
	put_u32(out, form, watch->connection);
	put_u16(out, form, watch->path_len + 1);
	put_u16(out, form, watch->token_len + 1);
	if (extended) {
		put_u16(out, form, (uint32_t)watch->depth);
		put_u16(out, form, 0);
	}
	buffer_add(out, watch->path, watch->path_len);
	buffer_add_nul(out);
	buffer_add(out, watch->token, watch->token_len);
	buffer_add_nul(out);
	put_padding(out, len);
}

static void put_transaction(struct buffer *out, const struct stream_form *form, const struct state_transaction *transaction)
{
	put_head(out, form, RECORD_TRANSACTION, 8);
	put_u32(out, form, transaction->connection);
	put_u32(out, form, transaction->id);
}

static void put_node(struct buffer *out, const struct stream_form *form, const struct state_node *node)
{
	static const char letters[] = {'n', 'r', 'w', 'b'};
	size_t len = 16 + 4 * node->n_permissions + node->path_len + 1 + node->value_len;

	put_head(out, form, RECORD_NODE, len);
	put_u32(out, form, node->connection);
	put_u32(out, form, node->transaction);
	put_u16(out, form, node->path_len + 1);
	put_u16(out, form, node->value_len);
	put_u16(out, form, node->access);
	put_u16(out, form, node->n_permissions);
	for (size_t i = 0; i < node->n_permissions; i++) {
		put_u8(out, (uint8_t)letters[node->permissions[i].access & 3]);
		put_u8(out, 0);
		put_u16(out, form, node->permissions[i].domid);
	}
	buffer_add(out, node->path, node->path_len);
	buffer_add_nul(out);
	buffer_add(out, node->value, node->value_len);
	put_padding(out, len);
}

static bool quota_is_set(const struct quota_settings *quotas, enum quota quota, bool soft)
{
	return (soft ? quotas->soft_set : quotas->hard_set) >> quota & 1;
}

static uint16_t count_quotas(const struct quota_settings *quotas)
{
	uint16_t n = 0;

	for (enum quota quota = 0; quota < QUOTA_COUNT; quota++)
		n = (uint16_t)(n + quota_is_set(quotas, quota, false) + quota_is_set(quotas, quota, true));
	return n;
}

/* Values, then names, in one order. */
static void put_quotas(struct buffer *out, const struct stream_form *form, const struct quota_settings *quotas)
{
	for (enum quota quota = 0; quota < QUOTA_COUNT; quota++) {
		if (quota_is_set(quotas, quota, false))
			put_u32(out, form, quotas->values.hard[quota]);
		if (quota_is_set(quotas, quota, true))
			put_u32(out, form, quotas->values.soft[quota]);
	}
	for (enum quota quota = 0; quota < QUOTA_COUNT; quota++) {
		if (quota_is_set(quotas, quota, false))
			buffer_add(out, quota_name(quota), strlen(quota_name(quota)) + 1);
		if (!quota_is_set(quotas, quota, true))
			continue;
		buffer_add_string(out, soft_prefix);
		buffer_add(out, quota_name(quota), strlen(quota_name(quota)) + 1);
	}
}

static size_t quotas_size(const struct quota_settings *quotas)
{
	size_t size = 4u * count_quotas(quotas);

	for (enum quota quota = 0; quota < QUOTA_COUNT; quota++) {
		if (quota_is_set(quotas, quota, false))
			size += strlen(quota_name(quota)) + 1;
		if (quota_is_set(quotas, quota, true))
			size += sizeof(soft_prefix) + strlen(quota_name(quota));
	}
	return size;
}

static void put_global_quotas(struct buffer *out, const struct stream_form *form, const struct quota_settings *quotas)
{
	size_t len = 4 + quotas_size(quotas);

	put_head(out, form, RECORD_QUOTAS, len);
	put_u16(out, form, count_quotas(quotas));
	put_u16(out, form, 0);
	put_quotas(out, form, quotas);
	put_padding(out, len);
}

static void put_domain(struct buffer *out, const struct stream_form *form, const struct state_domain *domain)
{
	size_t len = 8 + quotas_size(&domain->quotas);

	put_head(out, form, RECORD_DOMAIN, len);
	put_u16(out, form, domain->domid);
	put_u16(out, form, count_quotas(&domain->quotas));
	put_u32(out, form, domain->features);
	put_quotas(out, form, &domain->quotas);
	put_padding(out, len);
}

void stream_put(struct buffer *out, const struct stream_form *form, const struct state_record *record)
{
	switch (record->kind) {
	case STATE_GLOBAL:
		put_global(out, form, &record->global);
		break;
	case STATE_CONNECTION:
		put_connection(out, form, &record->connection);
		break;
	case STATE_WATCH:
		put_watch(out, form, &record->watch);
		break;
	case STATE_TRANSACTION:
		put_transaction(out, form, &record->transaction);
		break;
	case STATE_NODE:
		put_node(out, form, &record->node);
		break;
	case STATE_QUOTAS:
		if (form->version > 1)
			put_global_quotas(out, form, &record->quotas);
		break;
	case STATE_DOMAIN:
		if (form->version > 1)
			put_domain(out, form, &record->domain);
		break;
	}
}

bool stream_fits(const struct state_record *record)
{
	switch (record->kind) {
	case STATE_CONNECTION:
		return record->connection.input_len <= UINT16_MAX && record->connection.partial_len <= UINT16_MAX &&
		       record->connection.output_len <= INT32_MAX;
	case STATE_WATCH:
		return record->watch.path_len < UINT16_MAX && record->watch.token_len < UINT16_MAX &&
		       record->watch.depth < NO_DEPTH;
	case STATE_NODE:
		return record->node.path_len < UINT16_MAX && record->node.value_len <= UINT16_MAX &&
		       record->node.n_permissions <= STATE_PERMISSIONS_MAX;
	default:
		return true;
	}
}
