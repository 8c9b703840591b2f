/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Xen's migration stream: what is written is read, as documented and as stock daemons write it, and nothing else is. */
#include "handover/stream.h"

#include <check.h>
#include <errno.h>
#include <string.h>

#include "support/sample_state.h"
#include "support/suite.h"

static struct buffer bytes;
static struct stream_reader reader;

static void setup(void)
{
	buffer_init(&bytes);
}

static void teardown(void)
{
	buffer_deinit(&bytes);
}

static void expect_bytes(const void *left, const void *right, size_t len)
{
	ck_assert(!len || !memcmp(left, right, len));
}

static void expect_same_connection(const struct state_connection *left, const struct state_connection *right, uint32_t version)
{
	ck_assert_uint_eq(left->number, right->number);
	ck_assert_int_eq(left->is_socket, right->is_socket);
	if (left->is_socket)
		ck_assert_int_eq(left->fd, right->fd);
	ck_assert_uint_eq(left->domid, right->domid);
	ck_assert_uint_eq(left->target, right->target);
	ck_assert_uint_eq(left->port, right->port);
	ck_assert_uint_eq(left->unique_id, version > 1 ? right->unique_id : 0);
	ck_assert_uint_eq(left->input_len, right->input_len);
	ck_assert_uint_eq(left->output_len, right->output_len);
	ck_assert_uint_eq(left->partial_len, right->partial_len);
	expect_bytes(left->input, right->input, left->input_len);
	expect_bytes(left->output, right->output, left->output_len);
}

static void expect_same_watch(const struct state_watch *left, const struct state_watch *right, uint32_t version)
{
	ck_assert_uint_eq(left->connection, right->connection);
	ck_assert_int_eq(left->depth, version > 1 ? right->depth : -1);
	ck_assert_str_eq(left->path, right->path);
	ck_assert_str_eq(left->token, right->token);
	ck_assert_uint_eq(left->path_len, right->path_len);
	ck_assert_uint_eq(left->token_len, right->token_len);
}

static void expect_same_node(const struct state_node *left, const struct state_node *right)
{
	ck_assert_uint_eq(left->connection, right->connection);
	ck_assert_str_eq(left->path, right->path);
	ck_assert_uint_eq(left->path_len, right->path_len);
	ck_assert_uint_eq(left->n_permissions, right->n_permissions);
	expect_bytes(left->permissions, right->permissions, left->n_permissions * sizeof(*left->permissions));
	ck_assert_uint_eq(left->value_len, right->value_len);
	expect_bytes(left->value, right->value, left->value_len);
}

static void expect_same_quotas(const struct quota_settings *left, const struct quota_settings *right)
{
	ck_assert_uint_eq(left->hard_set, right->hard_set);
	ck_assert_uint_eq(left->soft_set, right->soft_set);
	for (enum quota quota = 0; quota < QUOTA_COUNT; quota++) {
		if (left->hard_set >> quota & 1)
			ck_assert_uint_eq(left->values.hard[quota], right->values.hard[quota]);
		if (left->soft_set >> quota & 1)
			ck_assert_uint_eq(left->values.soft[quota], right->values.soft[quota]);
	}
}

static void expect_same(const struct state_record *left, const struct state_record *right, uint32_t version)
{
	ck_assert_int_eq(left->kind, right->kind);
	switch (left->kind) {
	case STATE_GLOBAL:
		ck_assert_int_eq(left->global.listener, right->global.listener);
		ck_assert_int_eq(left->global.events, right->global.events);
		break;
	case STATE_CONNECTION:
		expect_same_connection(&left->connection, &right->connection, version);
		break;
	case STATE_WATCH:
		expect_same_watch(&left->watch, &right->watch, version);
		break;
	case STATE_NODE:
		expect_same_node(&left->node, &right->node);
		break;
	case STATE_QUOTAS:
		expect_same_quotas(&left->quotas, &right->quotas);
		break;
	case STATE_DOMAIN:
		ck_assert_uint_eq(left->domain.domid, right->domain.domid);
		ck_assert_uint_eq(left->domain.features, right->domain.features);
		ck_assert(left->domain.has_features);
		expect_same_quotas(&left->domain.quotas, &right->domain.quotas);
		break;
	default:
		ck_abort();
	}
}

static void expect_round_trip(const struct stream_form *form)
{
	const struct state_record *records;
	struct state_record record;
	size_t n = sample_records(&records);

	sample_stream(&bytes, form);
	ck_assert_uint_eq(bytes.len % 8, 0);
	ck_assert(stream_is_one(bytes.bytes, bytes.len));
	ck_assert_int_eq(stream_open(&reader, bytes.bytes, bytes.len), 0);
	ck_assert_uint_eq(reader.version, form->version);
	for (size_t i = 0; i < n; i++) {
		if (form->version == 1 && (records[i].kind == STATE_QUOTAS || records[i].kind == STATE_DOMAIN))
			continue;
		ck_assert_msg(stream_next(&reader, &record) == 1, "%zu: %s", i, reader.problem);
		expect_same(&record, &records[i], form->version);
	}
	ck_assert_int_eq(stream_next(&reader, &record), 0);
	ck_assert_uint_eq(reader.n_unknown, 0);
}

START_TEST(what_is_written_is_read_in_both_versions_and_byte_orders)
{
	expect_round_trip(&(struct stream_form){1 + (uint32_t)_i % 2, _i / 2});
}
END_TEST

/* A record of these bytes, then the end; the lengths are right. */
static void begin_stream(uint32_t version)
{
	stream_put_header(&bytes, &(struct stream_form){.version = version});
}

static void put_u32(uint32_t value)
{
	const unsigned char little[4] = {(unsigned char)value, (unsigned char)(value >> 8), (unsigned char)(value >> 16),
					 (unsigned char)(value >> 24)};

	buffer_add(&bytes, little, sizeof(little));
}

static void put_record(uint32_t type, const void *body, size_t len)
{
	static const char zeroes[8];

	put_u32(type);
	put_u32((uint32_t)len);
	buffer_add(&bytes, body, len);
	buffer_add(&bytes, zeroes, (8 - len % 8) % 8);
}

static int read_first(struct state_record *out)
{
	stream_put_end(&bytes, &(struct stream_form){.version = 1});
	ck_assert_int_eq(stream_open(&reader, bytes.bytes, bytes.len), 0);
	return stream_next(&reader, out);
}

/* As C xenstored 4.17 has written it: the socket that has asked for the update, owed its answer; a guest with half a request. */
START_TEST(the_records_of_xenstored_4_17_are_read)
{
	static const char socket[] = "\2\0\0\0\1\0\0\0\16\0\0\0\0\0\0\0\0\0\0\0\23\0\0\0"
				     "\0\0\0\0\7\0\0\0\0\0\0\0\3\0\0\0OK\0\0\0\0\0\0";
	static const char ring[] = "\3\0\0\0\0\0\0\0\5\0\364\177\22\0\0\0\22\0\0\0\0\0\0\0"
				   "\2\0\0\0\7\0\0\0\0\0\0\0\5\0\0\0na\0\0\0\0\0\0";
	static const char node[] = "\0\0\0\0\0\0\0\0\7\0\2\0\0\0\2\0n\0\5\0r\1\11\0/local\0xy";
	struct state_record record;

	begin_stream(1);
	put_record(2, socket, 48);
	put_record(2, ring, 48);
	put_record(5, node, sizeof(node) - 1);
	ck_assert_int_eq(read_first(&record), 1);
	ck_assert(record.connection.is_socket && record.connection.fd == 14 && record.connection.output_len == 19);
	ck_assert_int_eq(stream_next(&reader, &record), 1);
	ck_assert(!record.connection.is_socket);
	ck_assert_uint_eq(record.connection.domid, 5);
	ck_assert_uint_eq(record.connection.target, DOMID_NONE);
	ck_assert_uint_eq(record.connection.port, 18);
	ck_assert_uint_eq(record.connection.input_len, 18);
	ck_assert_int_eq(stream_next(&reader, &record), 1);
	ck_assert_str_eq(record.node.path, "/local");
	ck_assert_uint_eq(record.node.value_len, 2);
	/* The entry of domain 9 is stale. */
	ck_assert_uint_eq(record.node.n_permissions, 1);
	ck_assert_int_eq(stream_next(&reader, &record), 0);
}
END_TEST

/* Behind 8 bytes of head, or 10, or 12; `len`: what the record says. */
static void expect_extended_watch(const char *head, size_t head_len, size_t len, int depth)
{
	static const char zeroes[8];
	struct state_record record;
	size_t used = head_len + 6 + 4;

	buffer_clear(&bytes);
	begin_stream(2);
	put_u32(8);
	put_u32((uint32_t)len);
	buffer_add(&bytes, head, head_len);
	buffer_add(&bytes, "/path\0tok", 10);
	buffer_add(&bytes, zeroes, (8 - used % 8) % 8);
	put_record(4, "\1\0\0\0\2\0\0\0", 8);
	ck_assert_msg(read_first(&record) == 1, "%s", reader.problem);
	ck_assert_str_eq(record.watch.path, "/path");
	ck_assert_str_eq(record.watch.token, "tok");
	ck_assert_int_eq(record.watch.depth, depth);
	ck_assert_uint_eq(reader.n_without_depth, head_len == 8);
	ck_assert_msg(stream_next(&reader, &record) == 1, "%s", reader.problem);
	ck_assert_int_eq(record.kind, STATE_TRANSACTION);
	ck_assert_int_eq(stream_next(&reader, &record), 0);
}

START_TEST(extended_watches_are_read_as_documented_and_as_xenstored_writes_them)
{
	expect_extended_watch("\1\0\0\0\6\0\4\0\3\0\0\0", 12, 24, 3);
	expect_extended_watch("\1\0\0\0\6\0\4\0\377\377\0\0", 12, 24, -1);
	expect_extended_watch("\1\0\0\0\6\0\4\0\3\0", 10, 24, 3);
	expect_extended_watch("\1\0\0\0\6\0\4\0", 8, 24, -1);
}
END_TEST

/* Its record says 8 bytes more than there are: the next record begins earlier. */
START_TEST(a_watch_whose_record_is_shorter_than_it_says_does_not_swallow_the_next)
{
	struct state_record record;

	begin_stream(2);
	put_u32(8);
	put_u32(24);
	buffer_add(&bytes, "\1\0\0\0\4\0\4\0/ab\0tok", 16);
	put_record(4, "\1\0\0\0\2\0\0\0", 8);
	ck_assert_msg(read_first(&record) == 1, "%s", reader.problem);
	ck_assert_str_eq(record.watch.token, "tok");
	ck_assert_msg(stream_next(&reader, &record) == 1, "%s", reader.problem);
	ck_assert_int_eq(record.kind, STATE_TRANSACTION);
	ck_assert_int_eq(stream_next(&reader, &record), 0);
}
END_TEST

START_TEST(records_of_unknown_kinds_are_skipped_and_counted)
{
	struct state_record record;

	begin_stream(2);
	put_record(77, "abc", 3);
	put_record(4, "\1\0\0\0\2\0\0\0", 8);
	ck_assert_int_eq(read_first(&record), 1);
	ck_assert_int_eq(record.kind, STATE_TRANSACTION);
	ck_assert_uint_eq(reader.n_unknown, 1);
}
END_TEST

START_TEST(quotas_of_unknown_names_are_left_out)
{
	struct state_record record;

	begin_stream(2);
	put_record(6, "\2\0\1\0\1\0\0\0\2\0\0\0\3\0\0\0nodes\0future\0soft-memory", 16 + 6 + 7 + 12);
	ck_assert_int_eq(read_first(&record), 1);
	ck_assert_uint_eq(record.quotas.hard_set, 1);
	ck_assert_uint_eq(record.quotas.values.hard[QUOTA_NODES], 1);
	ck_assert_uint_eq(record.quotas.soft_set, 1 << QUOTA_MEMORY);
	ck_assert_uint_eq(record.quotas.values.soft[QUOTA_MEMORY], 3);
}
END_TEST

/* ---- what is refused ---- */

static int read_all(const void *stream, size_t len)
{
	struct state_record record;
	int result = stream_open(&reader, stream, len);

	if (result)
		return result;
	do
		result = stream_next(&reader, &record);
	while (result == 1);
	return result;
}

static void expect_refused(const char *why)
{
	ck_assert_int_eq(read_all(bytes.bytes, bytes.len), -EPROTO);
	ck_assert_msg(strstr(reader.problem, why), "%s", reader.problem);
}

START_TEST(each_truncation_is_refused)
{
	sample_stream(&bytes, &(struct stream_form){.version = 2});
	ck_assert_int_eq(read_all(bytes.bytes, bytes.len), 0);
	for (size_t len = 0; len < bytes.len; len++) {
		ck_assert_int_eq(read_all(bytes.bytes, len), -EPROTO);
		ck_assert(*reader.problem);
	}
}
END_TEST

START_TEST(something_behind_the_end_is_refused)
{
	sample_stream(&bytes, &(struct stream_form){.version = 1});
	buffer_add_nul(&bytes);
	expect_refused("something follows");
}
END_TEST

START_TEST(headers_of_something_else_are_refused)
{
	sample_stream(&bytes, &(struct stream_form){.version = 1});
	bytes.bytes[11] = 3;
	expect_refused("version 3");
	bytes.bytes[11] = 0;
	expect_refused("version 0");
	bytes.bytes[11] = 1;
	bytes.bytes[15] = 2;
	expect_refused("flags");
	bytes.bytes[15] = 1;
	/* The other byte order: the first record has another type, and a length beyond the end. */
	expect_refused("cut short");
	bytes.bytes[15] = 0;
	ck_assert_int_eq(read_all(bytes.bytes, bytes.len), 0);
	bytes.bytes[0] = 'X';
	expect_refused("no migration stream");
}
END_TEST

static void expect_record_refused(uint32_t type, const char *body, size_t len, const char *why)
{
	buffer_clear(&bytes);
	begin_stream(2);
	put_record(type, body, len);
	stream_put_end(&bytes, &(struct stream_form){.version = 2});
	expect_refused(why);
}

START_TEST(records_that_are_not_whole_are_refused)
{
	static const char ring[24] = "\1\0\0\0\0\0\0\0\5\0\364\177\22";
	char changed[24];

	expect_record_refused(1, "abcd", 4, "too short");
	expect_record_refused(2, ring, 23, "longer than its record");
	memcpy(changed, ring, sizeof(changed));
	changed[16] = 1;
	expect_record_refused(2, changed, 24, "longer than its record");
	memcpy(changed, ring, sizeof(changed));
	changed[0] = 0;
	expect_record_refused(2, changed, 24, "number 0");
	memcpy(changed, ring, sizeof(changed));
	changed[4] = 2;
	expect_record_refused(2, changed, 24, "type 2");
	memcpy(changed, ring, sizeof(changed));
	changed[18] = 1;
	expect_record_refused(2, changed, 24, "in part");
	memcpy(changed, ring, sizeof(changed));
	memcpy(changed + 8, "\360\177", 2);
	expect_record_refused(2, changed, 24, "domain 32752");
	memcpy(changed, ring, sizeof(changed));
	changed[10] = 0;
	changed[11] = (char)0xff;
	expect_record_refused(2, changed, 24, "target 65280");
	expect_record_refused(3, "\1\0\0\0\3\0\2\0/a\0t", 12, "not where");
	expect_record_refused(3, "\1\0\0\0\3\0\2\0/\0a\0t", 13, "not where");
	expect_record_refused(3, "\1\0\0\0\1\0\2\0\0t\0", 11, "not where");
	expect_record_refused(3, "\1\0\0\0\3\0\0\0/a\0", 11, "not where");
	expect_record_refused(4, "\1\0\0\0", 4, "too short");
	expect_record_refused(5, "\0\0\0\0\0\0\0\0\3\0\0\0\0\0\1\0x\0\0\0/a\0", 23, "entry 0");
	expect_record_refused(5, "\0\0\0\0\0\0\0\0\3\0\0\0\0\0\0\0/a\0", 19, "no permissions");
	expect_record_refused(5, "\0\0\0\0\0\0\0\0\3\0\1\0\0\0\1\0n\0\0\0/a\0", 23, "not where");
	expect_record_refused(5, "\0\0\0\0\0\0\0\0\3\0\0\0\0\0\377\377n\0\0\0/a\0", 23, "no store can hold");
	expect_record_refused(6, "\1\0\0", 3, "too short");
	expect_record_refused(6, "\377\377\377\377\0\0\0\0", 8, "do not fit");
	expect_record_refused(6, "\1\0\0\0\1\0\0\0nodes", 13, "no names");
	expect_record_refused(7, "\1\0\0\0\1\0\0", 7, "too short");
	expect_record_refused(7, "\377\377\0\0\1\0\0\0", 8, "no domain 65535");
	expect_record_refused(8, "\1\0\0\0\3\0\2\0\1\0\0\0/a\0t", 16, "not where");
	expect_record_refused(0, "12345678", 8, "something follows");
}
END_TEST

START_TEST(what_does_not_fit_is_known_before)
{
	static char large[UINT16_MAX + 2];
	struct state_record record = {.kind = STATE_NODE, .node = {.path = "/", .path_len = 1, .value = large}};

	record.node.value_len = UINT16_MAX;
	ck_assert(stream_fits(&record));
	record.node.value_len++;
	ck_assert(!stream_fits(&record));
	record = (struct state_record){.kind = STATE_CONNECTION, .connection = {.input_len = UINT16_MAX + 1}};
	ck_assert(!stream_fits(&record));
	record = (struct state_record){.kind = STATE_WATCH, .watch = {.path_len = 1, .token_len = UINT16_MAX}};
	ck_assert(!stream_fits(&record));
	record = (struct state_record){.kind = STATE_WATCH, .watch = {.path_len = 1, .depth = 0xffff}};
	ck_assert(!stream_fits(&record));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("stream");
	TCase *cases = tcase_create("stream");

	tcase_add_checked_fixture(cases, setup, teardown);
	tcase_add_loop_test(cases, what_is_written_is_read_in_both_versions_and_byte_orders, 0, 4);
	tcase_add_test(cases, the_records_of_xenstored_4_17_are_read);
	tcase_add_test(cases, extended_watches_are_read_as_documented_and_as_xenstored_writes_them);
	tcase_add_test(cases, a_watch_whose_record_is_shorter_than_it_says_does_not_swallow_the_next);
	tcase_add_test(cases, records_of_unknown_kinds_are_skipped_and_counted);
	tcase_add_test(cases, quotas_of_unknown_names_are_left_out);
	tcase_add_test(cases, each_truncation_is_refused);
	tcase_add_test(cases, something_behind_the_end_is_refused);
	tcase_add_test(cases, headers_of_something_else_are_refused);
	tcase_add_test(cases, records_that_are_not_whole_are_refused);
	tcase_add_test(cases, what_does_not_fit_is_known_before);
	suite_add_tcase(suite, cases);
	return suite_run(suite);
}
