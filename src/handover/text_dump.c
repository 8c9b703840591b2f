/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A line is split into its fields, and these are decoded into one buffer, in which strings have a NUL behind them. Special nodes
 * are children of the root for oxenstored: their names lose the slash here, and get it back when they are written.
 */
#include "handover/text_dump.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/status.h"
#include "wire/path.h"

enum { FIELDS_MAX = 6, FIRST_SOCKET_NUMBER = 0x10001 };

static const char header[] = "$xenstored-dump-format";
static const char *const specials[] = {"@introduceDomain", "@releaseDomain"};

struct field {
	const char *text;
	size_t len;
};

struct line {
	struct field fields[FIELDS_MAX]; /* the first is the kind */
	size_t n;			 /* FIELDS_MAX + 1: too many */
};

uint32_t text_ring_number(uint16_t domid)
{
	return domid + 1u;
}

uint32_t text_socket_number(int32_t fd)
{
	return FIRST_SOCKET_NUMBER + (uint32_t)fd;
}

/* ---- reading ---- */

static int fail(struct text_reader *reader, const char *format, ...) __attribute__((format(printf, 2, 3)));

static int fail(struct text_reader *reader, const char *format, ...)
{
	va_list arguments;
	int len = snprintf(reader->problem, sizeof(reader->problem), "line %zu: ", reader->line);

	va_start(arguments, format);
	vsnprintf(reader->problem + len, sizeof(reader->problem) - (size_t)len, format, arguments);
	va_end(arguments);
	return -EPROTO;
}

bool text_dump_is_one(const void *bytes, size_t len)
{
	size_t wanted = sizeof(header) - 1;

	return len > wanted && !memcmp(bytes, header, wanted) && ((const char *)bytes)[wanted] == '\n';
}

int text_open(struct text_reader *reader, const void *bytes, size_t len)
{
	*reader = (struct text_reader){.begin = bytes, .at = bytes, .end = (const char *)bytes + len, .line = 1};
	if (!text_dump_is_one(bytes, len))
		return fail(reader, "this is no dump of oxenstored");
	reader->at += sizeof(header);
	return 0;
}

void text_close(struct text_reader *reader)
{
	buffer_deinit(&reader->strings);
}

static void split(const char *at, const char *end, struct line *out)
{
	out->n = 0;
	for (;;) {
		const char *comma = memchr(at, ',', (size_t)(end - at));
		const char *stop = comma ? comma : end;
		if (out->n == FIELDS_MAX) {
			out->n++;
			return;
		}
		out->fields[out->n++] = (struct field){at, (size_t)(stop - at)};
		if (!comma)
			return;
		at = comma + 1;
	}
}

static bool field_is(const struct field *field, const char *word)
{
	return field->len == strlen(word) && !memcmp(field->text, word, field->len);
}

/* A decimal number; false if it is none or not from `least` to `most`. */
static bool parse_number(const struct field *field, int64_t least, int64_t most, int64_t *out)
{
	bool negative = field->len && *field->text == '-';
	int64_t number = 0;

	for (size_t i = negative; i < field->len; i++) {
		if (field->text[i] < '0' || field->text[i] > '9' || number > INT64_MAX / 10 - 9)
			return false;
		number = 10 * number + (field->text[i] - '0');
	}
	*out = negative ? -number : number;
	return field->len > negative && *out >= least && *out <= most;
}

static int digit(char letter)
{
	if (letter >= '0' && letter <= '9')
		return letter - '0';
	if (letter >= 'a' && letter <= 'f')
		return letter - 'a' + 10;
	if (letter >= 'A' && letter <= 'F')
		return letter - 'A' + 10;
	return -1;
}

/* Decodes into the reader's buffer, with a NUL behind it; *out: where it begins there. False: these are no digits of bytes. */
static bool decode(struct text_reader *reader, const struct field *field, size_t *out)
{
	*out = reader->strings.len;
	if (field->len % 2)
		return false;
	for (size_t i = 0; i < field->len; i += 2) {
		int high = digit(field->text[i]), low = digit(field->text[i + 1]);
		if (high < 0 || low < 0)
			return false;
		char byte = (char)(high << 4 | low);
		buffer_add(&reader->strings, &byte, 1);
	}
	buffer_add_nul(&reader->strings);
	return true;
}

/* Two strings or three, whose places are known once all are there. */
static int decode_all(struct text_reader *reader, const struct line *line, size_t first, size_t n, size_t places[])
{
	buffer_clear(&reader->strings);
	for (size_t i = 0; i < n; i++) {
		if (!decode(reader, &line->fields[first + i], &places[i]))
			return fail(reader, "field %zu is no string in hexadecimal digits", first + i + 1);
	}
	return reader->strings.failed ? -ENOMEM : 0;
}

static int read_global(struct text_reader *reader, const struct line *line, struct state_record *out)
{
	int64_t fd;

	if (line->n != 2 || !parse_number(&line->fields[1], -1, INT32_MAX, &fd))
		return fail(reader, "a line \"global\" names one descriptor");
	out->kind = STATE_GLOBAL;
	out->global = (struct state_global){(int32_t)fd, -1, -1, 0};
	return 1;
}

static int read_events(struct text_reader *reader, const struct line *line, struct state_record *out)
{
	int64_t fd, port;

	if (line->n != 3 || !parse_number(&line->fields[1], -1, INT32_MAX, &fd) ||
	    !parse_number(&line->fields[2], -1, INT32_MAX, &port))
		return fail(reader, "a line \"evtchn-dev\" names a descriptor and a port");
	out->kind = STATE_GLOBAL;
	out->global = (struct state_global){-1, -1, (int32_t)fd, port > 0 ? (uint32_t)port : 0};
	return 1;
}

static int read_domain(struct text_reader *reader, const struct line *line, struct state_record *out)
{
	int64_t domid, frame, remote_port, port;

	if (line->n != 5 || !parse_number(&line->fields[1], 0, DOMID_FIRST_RESERVED_NUMBER - 1, &domid) ||
	    !parse_number(&line->fields[2], INT64_MIN, INT64_MAX, &frame) ||
	    !parse_number(&line->fields[3], 0, UINT32_MAX, &remote_port) || !parse_number(&line->fields[4], 0, UINT32_MAX, &port))
		return fail(reader, "a line \"dom\" names a domain, a frame and two ports");
	out->kind = STATE_CONNECTION;
	out->connection = (struct state_connection){
	    .number = text_ring_number((uint16_t)domid),
	    .fd = -1,
	    .domid = (uint16_t)domid,
	    .target = DOMID_NONE,
	    .port = (uint32_t)port,
	    .remote_port = (uint32_t)remote_port,
	};
	return 1;
}

static int read_socket(struct text_reader *reader, const struct line *line, struct state_record *out)
{
	int64_t fd;

	if (line->n != 2 || !parse_number(&line->fields[1], 0, INT32_MAX - FIRST_SOCKET_NUMBER, &fd))
		return fail(reader, "a line \"socket\" names one descriptor");
	out->kind = STATE_CONNECTION;
	out->connection = (struct state_connection){
	    .number = text_socket_number((int32_t)fd),
	    .is_socket = true,
	    .fd = (int32_t)fd,
	    .target = DOMID_NONE,
	};
	return 1;
}

static int read_watch(struct text_reader *reader, const struct line *line, struct state_record *out)
{
	struct state_watch *watch = &out->watch;
	size_t places[2];
	int64_t owner;

	if (line->n != 4 ||
	    !parse_number(&line->fields[1], -(INT32_MAX - FIRST_SOCKET_NUMBER), DOMID_FIRST_RESERVED_NUMBER - 1, &owner))
		return fail(reader, "a line \"watch\" names a connection, a path and a token");
	int error = decode_all(reader, line, 2, 2, places);
	if (error)
		return error;
	out->kind = STATE_WATCH;
	*watch = (struct state_watch){
	    .connection = owner < 0 ? text_socket_number((int32_t)-owner) : text_ring_number((uint16_t)owner),
	    .depth = -1,
	    .path = reader->strings.bytes + places[0],
	    .path_len = line->fields[2].len / 2,
	    .token = reader->strings.bytes + places[1],
	    .token_len = line->fields[3].len / 2,
	};
	if (!watch->path_len || strlen(watch->path) != watch->path_len || strlen(watch->token) != watch->token_len)
		return fail(reader, "a watch has no path, or a NUL in its strings");
	return 1;
}

/* "n0\0r5", and the NUL behind it */
static int read_permissions(struct text_reader *reader, const char *text, size_t len, struct state_node *node)
{
	node->permissions = reader->permissions;
	if (permissions_parse(text, len + 1, reader->permissions, STATE_PERMISSIONS_MAX, &node->n_permissions))
		return fail(reader, "the permissions of a node are none");
	return 0;
}

static bool is_special(const char *name)
{
	for (size_t i = 0; i < sizeof(specials) / sizeof(specials[0]); i++) {
		if (!strcmp(name, specials[i]))
			return true;
	}
	return false;
}

static int read_node(struct text_reader *reader, const struct line *line, struct state_record *out)
{
	struct state_node *node = &out->node;
	size_t places[3];

	if (line->n != 4)
		return fail(reader, "a line \"store\" names a path, permissions and a value");
	int error = decode_all(reader, line, 1, 3, places);
	if (error)
		return error;
	out->kind = STATE_NODE;
	*node = (struct state_node){
	    .path = reader->strings.bytes + places[0],
	    .path_len = line->fields[1].len / 2,
	    .value = reader->strings.bytes + places[2],
	    .value_len = line->fields[3].len / 2,
	};
	if (!node->path_len || strlen(node->path) != node->path_len)
		return fail(reader, "a node has no path, or a NUL in it");
	if (is_special(node->path + 1)) {
		node->path++;
		node->path_len--;
	}
	error = read_permissions(reader, reader->strings.bytes + places[1], line->fields[2].len / 2, node);
	return error ? error : 1;
}

static int read_line(struct text_reader *reader, const struct line *line, struct state_record *out)
{
	static const struct {
		const char *kind;
		int (*read)(struct text_reader *reader, const struct line *line, struct state_record *out);
	} kinds[] = {
	    {"global", read_global}, {"evtchn-dev", read_events}, {"dom", read_domain},
	    {"socket", read_socket}, {"watch", read_watch},	  {"store", read_node},
	};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (field_is(&line->fields[0], kinds[i].kind))
			return kinds[i].read(reader, line, out);
	}
	reader->n_unknown++;
	return 0;
}

int text_next(struct text_reader *reader, struct state_record *out)
{
	while (reader->at < reader->end) {
		const char *end = memchr(reader->at, '\n', (size_t)(reader->end - reader->at));
		struct line line;
		reader->line++;
		if (!end)
			return fail(reader, "it has no end: the dump was cut short");
		split(reader->at, end, &line);
		reader->at = end + 1;
		int result = read_line(reader, &line, out);
		if (result)
			return result;
	}
	return 0;
}

/* ---- writing ---- */

static void put_hexadecimal(struct buffer *out, const char *bytes, size_t len)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < len; i++) {
		unsigned char byte = (unsigned char)bytes[i];
		const char pair[2] = {digits[byte >> 4], digits[byte & 15]};
		buffer_add(out, pair, sizeof(pair));
	}
}

void text_put_header(struct buffer *out)
{
	buffer_printf(out, "%s\n", header);
}

static void put_watch(struct buffer *out, const struct state_watch *watch)
{
	int64_t owner = watch->connection < FIRST_SOCKET_NUMBER ? (int64_t)watch->connection - 1
								: -((int64_t)watch->connection - FIRST_SOCKET_NUMBER);

	buffer_printf(out, "watch,%" PRId64 ",", owner);
	put_hexadecimal(out, watch->path, watch->path_len);
	buffer_add_string(out, ",");
	put_hexadecimal(out, watch->token, watch->token_len);
	buffer_add_string(out, "\n");
}

static void put_node(struct buffer *out, const struct state_node *node)
{
	buffer_add_string(out, "store,");
	if (*node->path == '@')
		put_hexadecimal(out, "/", 1);
	put_hexadecimal(out, node->path, node->path_len);
	buffer_add_string(out, ",");
	for (size_t i = 0; i < node->n_permissions; i++) {
		char text[PERMISSION_TEXT_MAX];
		if (i)
			put_hexadecimal(out, "", 1);
		put_hexadecimal(out, text, permission_format(&node->permissions[i], text));
	}
	buffer_add_string(out, ",");
	put_hexadecimal(out, node->value, node->value_len);
	buffer_add_string(out, "\n");
}

void text_put(struct buffer *out, const struct state_record *record, uint64_t frame)
{
	const struct state_connection *connection = &record->connection;

	switch (record->kind) {
	case STATE_GLOBAL:
		buffer_printf(out, "global,%" PRId32 "\nevtchn-dev,%" PRId32 ",%" PRIu32 "\n", record->global.listener,
			      record->global.events, record->global.exception_port);
		break;
	case STATE_CONNECTION:
		if (connection->is_socket)
			buffer_printf(out, "socket,%" PRId32 "\n", connection->fd);
		else
			buffer_printf(out, "dom,%u,%" PRIu64 ",%" PRIu32 ",%" PRIu32 "\n", connection->domid, frame,
				      connection->remote_port, connection->port);
		break;
	case STATE_WATCH:
		put_watch(out, &record->watch);
		break;
	case STATE_NODE:
		put_node(out, &record->node);
		break;
	default:
		break;
	}
}
