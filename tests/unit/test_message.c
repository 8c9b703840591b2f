/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Frames: whole, in part, or too long; and the numbers and names of the message types. */
#include "wire/message.h"

#include <check.h>
#include <string.h>

#include "support/suite.h"

/* Room for the largest message, one byte more, and a start at any address. */
static unsigned char bytes[8 + MESSAGE_SIZE_MAX + 1];

static unsigned char *put(size_t offset, uint32_t len)
{
	struct message_header header = {MESSAGE_WRITE, 0x01020304, 0xa0b0c0d0, len};

	message_write_header(bytes + offset, &header);
	return bytes + offset;
}

START_TEST(a_header_goes_over_the_wire_in_the_hosts_byte_order)
{
	struct message_header header = {11, 0x01020304, 0xa0b0c0d0, 4096};
	unsigned char out[MESSAGE_HEADER_SIZE];
	uint32_t words[4];

	message_write_header(out, &header);
	memcpy(words, out, sizeof(words));
	ck_assert_uint_eq(words[0], 11);
	ck_assert_uint_eq(words[1], 0x01020304);
	ck_assert_uint_eq(words[2], 0xa0b0c0d0);
	ck_assert_uint_eq(words[3], 4096);
}
END_TEST

START_TEST(a_message_is_found_at_any_address)
{
	for (size_t offset = 0; offset < 8; offset++) {
		unsigned char *at = put(offset, 3);
		struct message message;
		memcpy(at + MESSAGE_HEADER_SIZE, "abc", 3);
		if (message_parse(at, MESSAGE_HEADER_SIZE + 3, &message) != MESSAGE_WHOLE ||
		    message.header.type != MESSAGE_WRITE || message.header.request_id != 0x01020304 ||
		    message.header.transaction_id != 0xa0b0c0d0 || message.header.len != 3 ||
		    message.payload != (const char *)at + MESSAGE_HEADER_SIZE)
			ck_abort_msg("a message at offset %zu is not what was written", offset);
	}
}
END_TEST

START_TEST(a_message_without_payload_is_whole_with_its_header)
{
	struct message message;

	ck_assert_int_eq(message_parse(put(0, 0), MESSAGE_HEADER_SIZE, &message), MESSAGE_WHOLE);
	ck_assert_uint_eq(message.header.len, 0);
}
END_TEST

START_TEST(every_part_of_a_message_is_a_part)
{
	unsigned char *at = put(0, MESSAGE_PAYLOAD_MAX);
	struct message message;

	for (size_t len = 0; len < MESSAGE_SIZE_MAX; len++)
		if (message_parse(at, len, &message) != MESSAGE_PARTIAL)
			ck_abort_msg("%zu bytes are taken for a message", len);
	ck_assert_int_eq(message_parse(at, MESSAGE_SIZE_MAX, &message), MESSAGE_WHOLE);
}
END_TEST

START_TEST(nothing_is_a_part_of_a_message)
{
	struct message message;

	ck_assert_int_eq(message_parse(NULL, 0, &message), MESSAGE_PARTIAL);
}
END_TEST

START_TEST(what_follows_a_message_is_not_looked_at)
{
	struct message message;

	ck_assert_int_eq(message_parse(put(0, 5), MESSAGE_HEADER_SIZE + 6, &message), MESSAGE_WHOLE);
	ck_assert_uint_eq(message.header.len, 5);
}
END_TEST

START_TEST(a_payload_of_4096_bytes_is_the_longest)
{
	const uint32_t too_long[] = {MESSAGE_PAYLOAD_MAX + 1, 0x7fffffff, 0x80000000, UINT32_MAX};
	struct message message;

	ck_assert_int_eq(message_parse(put(0, MESSAGE_PAYLOAD_MAX), MESSAGE_SIZE_MAX, &message), MESSAGE_WHOLE);
	for (size_t i = 0; i < sizeof(too_long) / sizeof(too_long[0]); i++) {
		unsigned char *at = put(0, too_long[i]);
		ck_assert_int_eq(message_parse(at, sizeof(bytes), &message), MESSAGE_TOO_LONG);
		ck_assert_int_eq(message_parse(at, MESSAGE_HEADER_SIZE, &message), MESSAGE_TOO_LONG);
		ck_assert_int_eq(message_parse(at, MESSAGE_HEADER_SIZE - 1, &message), MESSAGE_PARTIAL);
	}
}
END_TEST

START_TEST(types_have_the_numbers_and_names_of_the_protocol)
{
	static const struct {
		uint32_t number, type;
		const char *name;
	} types[] = {
	    {0, MESSAGE_CONTROL, "CONTROL"},
	    {1, MESSAGE_DIRECTORY, "DIRECTORY"},
	    {2, MESSAGE_READ, "READ"},
	    {3, MESSAGE_GET_PERMS, "GET_PERMS"},
	    {4, MESSAGE_WATCH, "WATCH"},
	    {5, MESSAGE_UNWATCH, "UNWATCH"},
	    {6, MESSAGE_TRANSACTION_START, "TRANSACTION_START"},
	    {7, MESSAGE_TRANSACTION_END, "TRANSACTION_END"},
	    {8, MESSAGE_INTRODUCE, "INTRODUCE"},
	    {9, MESSAGE_RELEASE, "RELEASE"},
	    {10, MESSAGE_GET_DOMAIN_PATH, "GET_DOMAIN_PATH"},
	    {11, MESSAGE_WRITE, "WRITE"},
	    {12, MESSAGE_MKDIR, "MKDIR"},
	    {13, MESSAGE_RM, "RM"},
	    {14, MESSAGE_SET_PERMS, "SET_PERMS"},
	    {15, MESSAGE_WATCH_EVENT, "WATCH_EVENT"},
	    {16, MESSAGE_ERROR, "ERROR"},
	    {17, MESSAGE_IS_DOMAIN_INTRODUCED, "IS_DOMAIN_INTRODUCED"},
	    {18, MESSAGE_RESUME, "RESUME"},
	    {19, MESSAGE_SET_TARGET, "SET_TARGET"},
	    {21, MESSAGE_RESET_WATCHES, "RESET_WATCHES"},
	    {22, MESSAGE_DIRECTORY_PART, "DIRECTORY_PART"},
	    {23, MESSAGE_GET_FEATURE, "GET_FEATURE"},
	    {24, MESSAGE_SET_FEATURE, "SET_FEATURE"},
	    {25, MESSAGE_GET_QUOTA, "GET_QUOTA"},
	    {26, MESSAGE_SET_QUOTA, "SET_QUOTA"},
	};

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		ck_assert_uint_eq(types[i].type, types[i].number);
		ck_assert_str_eq(message_type_name(types[i].number), types[i].name);
	}
	ck_assert_uint_eq(MESSAGE_TYPE_COUNT, 27);
}
END_TEST

START_TEST(numbers_that_are_no_type_have_no_name)
{
	const uint32_t numbers[] = {20, 27, 28, 0xffff, 0x7fffffff, UINT32_MAX};

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		ck_assert_ptr_null(message_type_name(numbers[i]));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("message");
	TCase *cases = tcase_create("message");

	tcase_add_test(cases, a_header_goes_over_the_wire_in_the_hosts_byte_order);
	tcase_add_test(cases, a_message_is_found_at_any_address);
	tcase_add_test(cases, a_message_without_payload_is_whole_with_its_header);
	tcase_add_test(cases, every_part_of_a_message_is_a_part);
	tcase_add_test(cases, nothing_is_a_part_of_a_message);
	tcase_add_test(cases, what_follows_a_message_is_not_looked_at);
	tcase_add_test(cases, a_payload_of_4096_bytes_is_the_longest);
	tcase_add_test(cases, types_have_the_numbers_and_names_of_the_protocol);
	tcase_add_test(cases, numbers_that_are_no_type_have_no_name);
	suite_add_tcase(suite, cases);
	return suite_run(suite);
}
