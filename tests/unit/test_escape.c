/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Anybody's bytes as text. */
#include "base/escape.h"

#include <check.h>
#include <string.h>

#include "support/suite.h"

START_TEST(what_can_be_printed_stays)
{
	char text[ESCAPE_SIZE(16)];

	escape("/local/domain/0~", 16, text);
	ck_assert_str_eq(text, "/local/domain/0~");
	escape("", 0, text);
	ck_assert_str_eq(text, "");
}
END_TEST

START_TEST(what_cannot_is_shown_without_doing_harm)
{
	char text[ESCAPE_SIZE(9)];

	escape("a\0\n\x1b\x7f\xff\"\\b", 9, text);
	ck_assert_str_eq(text, "a\\0\\x0a\\x1b\\x7f\\xff\\\"\\\\b");
}
END_TEST

START_TEST(no_text_is_longer_than_promised)
{
	char bytes[64], text[ESCAPE_SIZE(64) + 1];

	text[ESCAPE_SIZE(64)] = '!';
	memset(bytes, 0xff, sizeof(bytes));
	escape(bytes, sizeof(bytes), text);
	ck_assert_uint_eq(strlen(text), 4 * 64);
	ck_assert_int_eq(text[ESCAPE_SIZE(64)], '!');
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("escape");
	TCase *cases = tcase_create("escape");

	tcase_add_test(cases, what_can_be_printed_stays);
	tcase_add_test(cases, what_cannot_is_shown_without_doing_harm);
	tcase_add_test(cases, no_text_is_longer_than_promised);
	suite_add_tcase(suite, cases);
	return suite_run(suite);
}
