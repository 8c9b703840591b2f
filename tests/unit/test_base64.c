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

int main(void)
{
	Suite *suite = suite_create("base64");
	TCase *cases = tcase_create("base64");

	tcase_add_test(cases, the_examples_of_the_rfc_come_out);
	tcase_add_test(cases, bytes_that_are_no_text_come_out);
	tcase_add_test(cases, long_strings_have_padding_only_at_their_end);
	suite_add_tcase(suite, cases);
	return suite_run(suite);
}
