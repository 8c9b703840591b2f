/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Writing bytes without asking at each step, and reading them without stepping over the end. */
#include "base/buffer.h"

#include <check.h>
#include <limits.h>
#include <string.h>
#include <wchar.h>

#include "support/suite.h"

static struct buffer buffer;

static void setup(void)
{
	buffer_init(&buffer);
}

static void teardown(void)
{
	buffer_deinit(&buffer);
}

static void check_holds(const void *bytes, size_t len)
{
	ck_assert(!buffer.failed);
	ck_assert_uint_eq(buffer.len, len);
	ck_assert_mem_eq(buffer.bytes, bytes, len);
}

/* ---- buffers ---- */

START_TEST(what_is_added_lies_one_behind_the_other)
{
	buffer_add(&buffer, "a\0b", 3);
	buffer_add_string(&buffer, "cd");
	buffer_add_nul(&buffer);
	buffer_printf(&buffer, "%d-%s", 42, "x");
	check_holds("a\0bcd\00042-x", 10);
}
END_TEST

START_TEST(adding_nothing_takes_no_memory)
{
	buffer_add(&buffer, NULL, 0);
	buffer_add_string(&buffer, "");
	ck_assert_ptr_null(buffer.bytes);
	ck_assert_uint_eq(buffer.len, 0);
}
END_TEST

START_TEST(a_buffer_keeps_its_bytes_while_it_grows)
{
	for (unsigned i = 0; i < 100000; i++) {
		char byte = (char)(i * 31 >> 3);
		buffer_add(&buffer, &byte, 1);
	}
	ck_assert_uint_eq(buffer.len, 100000);
	for (unsigned i = 0; i < 100000; i++)
		if (buffer.bytes[i] != (char)(i * 31 >> 3))
			ck_abort_msg("byte %u is another", i);
}
END_TEST

START_TEST(lengths_around_each_capacity_fit)
{
	static const char bytes[300] = {[0] = 'a', [62] = 'b', [63] = 'c', [64] = 'd', [127] = 'e', [128] = 'f', [299] = 'g'};

	for (size_t len = 0; len <= sizeof(bytes); len++) {
		buffer_deinit(&buffer);
		buffer_add(&buffer, bytes, len);
		buffer_add(&buffer, bytes, len);
		if (buffer.failed || buffer.len != 2 * len || (len && memcmp(buffer.bytes, bytes, len)) ||
		    (len && memcmp(buffer.bytes + len, bytes, len)))
			ck_abort_msg("twice %zu bytes are not what was added", len);
	}
}
END_TEST

START_TEST(formatted_texts_of_every_length_fit)
{
	for (int len = 0; len < 300; len++) {
		buffer_deinit(&buffer);
		buffer_printf(&buffer, "%*s", len, "");
		buffer_printf(&buffer, "%0*d", len + 1, 0);
		if (buffer.failed || buffer.len != (size_t)(2 * len + 1) || buffer.bytes[2 * len] != '0')
			ck_abort_msg("a text of %d is not what was formatted", len);
	}
}
END_TEST

START_TEST(a_clear_keeps_the_memory)
{
	buffer_add(&buffer, "0123456789", 10);
	const char *bytes = buffer.bytes;
	buffer_clear(&buffer);
	ck_assert_uint_eq(buffer.len, 0);
	buffer_add(&buffer, "x", 1);
	ck_assert_ptr_eq(buffer.bytes, bytes);
	check_holds("x", 1);
}
END_TEST

START_TEST(a_failure_stays_until_it_is_cleared)
{
	buffer_add(&buffer, "a", 1);
	buffer_add(&buffer, "a", SIZE_MAX);
	ck_assert(buffer.failed);
	buffer_add(&buffer, "b", 1);
	buffer_add_nul(&buffer);
	buffer_printf(&buffer, "c");
	ck_assert(buffer.failed);
	ck_assert_uint_eq(buffer.len, 1);
	buffer_clear(&buffer);
	buffer_add(&buffer, "d", 1);
	check_holds("d", 1);
}
END_TEST

START_TEST(a_text_that_cannot_be_formatted_is_a_failure)
{
	const wchar_t none[] = {INT_MAX, 0};

	buffer_printf(&buffer, "%ls", none);
	ck_assert(buffer.failed);
}
END_TEST

START_TEST(a_zeroed_buffer_can_be_deinitialised_again_and_again)
{
	struct buffer zeroed = {0};

	buffer_deinit(&zeroed);
	buffer_add(&zeroed, "a", 1);
	buffer_deinit(&zeroed);
	buffer_deinit(&zeroed);
	ck_assert_ptr_null(zeroed.bytes);
}
END_TEST

/* ---- readers ---- */

START_TEST(integers_are_little_endian_at_any_address)
{
	static const unsigned char bytes[] = {0xff, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 0x8f};
	struct reader reader;

	reader_init(&reader, bytes, sizeof(bytes));
	ck_assert_uint_eq(reader_u8(&reader), 0xff);
	ck_assert_uint_eq(reader_u16(&reader), 0x0201);
	ck_assert_uint_eq(reader_u32(&reader), 0x06050403);
	ck_assert_uint_eq(reader_u64(&reader), UINT64_C(0x0e0d0c0b0a090807));
	ck_assert_uint_eq(reader_u8(&reader), 0x8f);
	ck_assert_uint_eq(reader_left(&reader), 0);
	ck_assert(!reader.failed);
}
END_TEST

/* A record of one of each kind; true if its first `len` bytes can be read to their end. */
static bool read_record(const void *bytes, size_t len)
{
	struct reader reader;
	size_t text_len;

	reader_init(&reader, bytes, len);
	reader_u64(&reader);
	reader_string(&reader, &text_len);
	reader_u32(&reader);
	reader_bytes(&reader, 3);
	reader_u16(&reader);
	reader_u8(&reader);
	return !reader.failed;
}

START_TEST(a_record_that_was_cut_anywhere_is_noticed)
{
	static const unsigned char bytes[8 + 4 + 4 + 3 + 2 + 1] = "\1\1\1\1\1\1\1\1abc";

	for (size_t len = 0; len < sizeof(bytes); len++)
		if (read_record(bytes, len))
			ck_abort_msg("%zu of %zu bytes were enough", len, sizeof(bytes));
	ck_assert(read_record(bytes, sizeof(bytes)));
}
END_TEST

START_TEST(reading_past_the_end_yields_zero_for_ever)
{
	struct reader reader;
	size_t len;

	reader_init(&reader, "\1\2\3", 4);
	ck_assert_uint_eq(reader_u64(&reader), 0);
	ck_assert(reader.failed);
	ck_assert_uint_eq(reader_u8(&reader), 0);
	ck_assert_uint_eq(reader_u16(&reader), 0);
	ck_assert_uint_eq(reader_u32(&reader), 0);
	ck_assert_ptr_null(reader_bytes(&reader, 1));
	ck_assert_ptr_null(reader_bytes(&reader, 0));
	ck_assert_ptr_null(reader_string(&reader, &len));
	ck_assert_uint_eq(len, 0);
	ck_assert(reader.failed);
}
END_TEST

START_TEST(bytes_can_be_read_up_to_the_last_and_no_further)
{
	static const char bytes[] = "abcd";
	struct reader reader;

	reader_init(&reader, bytes, 4);
	ck_assert_ptr_eq(reader_bytes(&reader, 3), bytes);
	ck_assert_ptr_eq(reader_bytes(&reader, 1), bytes + 3);
	ck_assert_ptr_eq(reader_bytes(&reader, 0), bytes + 4);
	ck_assert(!reader.failed);
	ck_assert_ptr_null(reader_bytes(&reader, 1));
	ck_assert(reader.failed);
}
END_TEST

START_TEST(a_length_beyond_all_memory_is_past_the_end)
{
	struct reader reader;

	reader_init(&reader, "abcd", 4);
	ck_assert_ptr_null(reader_bytes(&reader, SIZE_MAX));
	ck_assert(reader.failed);
}
END_TEST

START_TEST(a_reader_of_nothing_has_nothing)
{
	struct reader reader;
	size_t len;

	reader_init(&reader, NULL, 0);
	ck_assert_uint_eq(reader_left(&reader), 0);
	ck_assert_ptr_null(reader_bytes(&reader, 0));
	ck_assert(!reader.failed);
	ck_assert_ptr_null(reader_string(&reader, &len));
	ck_assert(reader.failed);
}
END_TEST

START_TEST(strings_end_at_their_nul)
{
	static const char bytes[] = "ab\0\0c";
	struct reader reader;
	size_t len;

	reader_init(&reader, bytes, sizeof(bytes));
	ck_assert_str_eq(reader_string(&reader, &len), "ab");
	ck_assert_uint_eq(len, 2);
	ck_assert_str_eq(reader_string(&reader, &len), "");
	ck_assert_uint_eq(len, 0);
	ck_assert_str_eq(reader_string(&reader, &len), "c");
	ck_assert_uint_eq(len, 1);
	ck_assert(!reader.failed);
	ck_assert_uint_eq(reader_left(&reader), 0);
}
END_TEST

START_TEST(a_string_without_its_nul_is_none)
{
	struct reader reader;
	size_t len;

	reader_init(&reader, "abc", 3);
	ck_assert_ptr_null(reader_string(&reader, &len));
	ck_assert_uint_eq(len, 0);
	ck_assert(reader.failed);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("buffer");
	TCase *buffers = tcase_create("buffers"), *readers = tcase_create("readers");

	tcase_add_checked_fixture(buffers, setup, teardown);
	tcase_add_test(buffers, what_is_added_lies_one_behind_the_other);
	tcase_add_test(buffers, adding_nothing_takes_no_memory);
	tcase_add_test(buffers, a_buffer_keeps_its_bytes_while_it_grows);
	tcase_add_test(buffers, lengths_around_each_capacity_fit);
	tcase_add_test(buffers, formatted_texts_of_every_length_fit);
	tcase_add_test(buffers, a_clear_keeps_the_memory);
	tcase_add_test(buffers, a_failure_stays_until_it_is_cleared);
	tcase_add_test(buffers, a_text_that_cannot_be_formatted_is_a_failure);
	tcase_add_test(buffers, a_zeroed_buffer_can_be_deinitialised_again_and_again);
	tcase_add_test(readers, integers_are_little_endian_at_any_address);
	tcase_add_test(readers, a_record_that_was_cut_anywhere_is_noticed);
	tcase_add_test(readers, reading_past_the_end_yields_zero_for_ever);
	tcase_add_test(readers, bytes_can_be_read_up_to_the_last_and_no_further);
	tcase_add_test(readers, a_length_beyond_all_memory_is_past_the_end);
	tcase_add_test(readers, a_reader_of_nothing_has_nothing);
	tcase_add_test(readers, strings_end_at_their_nul);
	tcase_add_test(readers, a_string_without_its_nul_is_none);
	suite_add_tcase(suite, buffers);
	suite_add_tcase(suite, readers);
	return suite_run(suite);
}
