/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Base64 as RFC 4648 has it. */
#include "base/base64.h"

#include <check.h>
#include <string.h>

#include "support/suite.h"

static void expect(const void *bytes, size_t len, const char *text)
{
	struct buffer buffer = {0};

	buffer_add_string(&buffer, ":");
	base64_add(&buffer, bytes, len);
	buffer_add_nul(&buffer);
	ck_assert(!buffer.failed);
	ck_assert_str_eq(buffer.bytes + 1, text);
	buffer_deinit(&buffer);
}

START_TEST(the_examples_of_the_rfc_come_out)
{
	expect("", 0, "");
	expect("f", 1, "Zg==");
	expect("fo", 2, "Zm8=");
	expect("foo", 3, "Zm9v");
	expect("foob", 4, "Zm9vYg==");
	expect("fooba", 5, "Zm9vYmE=");
	expect("foobar", 6, "Zm9vYmFy");
}
END_TEST

START_TEST(bytes_that_are_no_text_come_out)
{
	expect("\0\xff\xfe\xfb\xf0", 5, "AP/++/A=");
}
END_TEST

/* The encoder works piece by piece; a piece must not end in padding. */
START_TEST(long_strings_have_padding_only_at_their_end)
{
	char zeroes[1000] = "", text[1337];

	memset(text, 'A', sizeof(text));
	strcpy(text + 1334, "==");
	expect(zeroes, 1000, text);
	memset(text, 'A', sizeof(text));
	text[400] = 0;
	expect(zeroes, 300, text);
	strcpy(text + 400, "AA==");
	expect(zeroes, 301, text);
}
END_TEST

START_TEST(what_was_encoded_is_decoded)
{
	struct buffer text = {0}, bytes = {0};
	char given[256];

	for (size_t i = 0; i < sizeof(given); i++)
		given[i] = (char)i;
	for (size_t len = 0; len <= sizeof(given); len++) {
		buffer_clear(&text);
		buffer_clear(&bytes);
		base64_add(&text, given, len);
		ck_assert(base64_decode(&bytes, text.len ? text.bytes : "", text.len));
		ck_assert_uint_eq(bytes.len, len);
		ck_assert(!len || !memcmp(bytes.bytes, given, len));
	}
	buffer_deinit(&text);
	buffer_deinit(&bytes);
}
END_TEST

START_TEST(what_is_no_base64_is_refused)
{
	static const char *const wrong[] = {
	    "A", "AA", "AAA", "AA=", "A===", "AB==", "AA==AA==", "A A=", "AA-_", "AAAA\n", "===="};
	struct buffer bytes = {0};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		ck_assert_msg(!base64_decode(&bytes, wrong[i], strlen(wrong[i])), "%s", wrong[i]);
	ck_assert_uint_eq(bytes.len, 0);
	buffer_deinit(&bytes);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("base64");
	TCase *cases = tcase_create("base64");

	tcase_add_test(cases, the_examples_of_the_rfc_come_out);
	tcase_add_test(cases, bytes_that_are_no_text_come_out);
	tcase_add_test(cases, long_strings_have_padding_only_at_their_end);
	tcase_add_test(cases, what_was_encoded_is_decoded);
	tcase_add_test(cases, what_is_no_base64_is_refused);
	suite_add_tcase(suite, cases);
	return suite_run(suite);
}
