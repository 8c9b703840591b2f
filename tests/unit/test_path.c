/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which paths there are, what their absolute form is, and who is above whom. */
#include "wire/path.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

#include "base/status.h"
#include "support/random.h"
#include "support/suite.h"

static char buffer[PATH_BUFFER];
static struct path path;

/* For a guest of domain 7, no specials, no limit. */
static int make_absolute(const char *given, size_t len)
{
	return path_canonicalize(given, len, 7, false, 0, buffer, &path);
}

static void check_is(const char *given, const char *expected)
{
	ck_assert_int_eq(make_absolute(given, strlen(given)), 0);
	ck_assert_str_eq(path.text, expected);
	ck_assert_uint_eq(path.len, strlen(expected));
	ck_assert_ptr_eq(path.text, buffer);
}

static void check_bad(const char *given)
{
	if (make_absolute(given, strlen(given)) != STATUS_EINVAL)
		ck_abort_msg("\"%s\" is taken for a path", given);
}

static struct path path_of(const char *text)
{
	return (struct path){text, strlen(text)};
}

/* ---- form ---- */

START_TEST(absolute_paths_stay_what_they_are)
{
	check_is("/", "/");
	check_is("/a", "/a");
	check_is("/a/b-c/D_0/@", "/a/b-c/D_0/@");
	check_is("/local/domain/0/x", "/local/domain/0/x");
}
END_TEST

START_TEST(relative_paths_are_below_the_domain)
{
	check_is("a", "/local/domain/7/a");
	check_is("a/b", "/local/domain/7/a/b");
	check_is("a@b", "/local/domain/7/a@b");
}
END_TEST

START_TEST(a_relative_path_is_completed_for_every_width_of_domid)
{
	static const uint16_t domids[] = {0, 9, 10, 99, 100, 999, 1000, 9999, 10000, 32751, 65535};

	for (size_t i = 0; i < sizeof(domids) / sizeof(domids[0]); i++) {
		char expected[64];
		int len = snprintf(expected, sizeof(expected), "/local/domain/%u/data", domids[i]);
		ck_assert_int_eq(path_canonicalize("data", 4, domids[i], false, 0, buffer, &path), 0);
		ck_assert_str_eq(path.text, expected);
		ck_assert_uint_eq(path.len, (size_t)len);
	}
}
END_TEST

START_TEST(only_the_documented_characters_are_allowed_wherever_they_are)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_@";

	for (int byte = 0; byte < 256; byte++) {
		bool is_good = byte && strchr(allowed, byte);
		char c = (char)byte;
		char first[] = {'/', c, 'b', 'c'}, middle[] = {'/', 'a', c, 'c'}, last[] = {'/', 'a', 'b', c},
		     relative[] = {'a', c, 'c'}, leading[] = {c, 'b'};
		if ((make_absolute(first, 4) == 0) != is_good)
			ck_abort_msg("byte %d first", byte);
		if ((make_absolute(last, 4) == 0) != is_good)
			ck_abort_msg("byte %d last", byte);
		is_good = is_good || c == '/';
		if ((make_absolute(middle, 4) == 0) != is_good)
			ck_abort_msg("byte %d in the middle", byte);
		if ((make_absolute(relative, 3) == 0) != is_good)
			ck_abort_msg("byte %d of a relative path", byte);
		if ((make_absolute(leading, 2) == 0) != (is_good && c != '@'))
			ck_abort_msg("byte %d in front", byte);
	}
}
END_TEST

START_TEST(one_wrong_character_or_slash_is_found_at_any_place_of_a_path_of_any_length)
{
	static const char wrong[] = {0x01, ' ', ',', '.', ':', '[', '`', '{', (char)0x80, (char)0xaf, (char)0xff};
	char text[70];

	for (size_t len = 2; len < sizeof(text); len++) {
		for (size_t at = 0; at < len; at++) {
			memset(text, 'z', sizeof(text)); /* what lies behind would be right */
			text[0] = '/';
			ck_assert_int_eq(make_absolute(text, len), 0);
			for (size_t i = 0; i < sizeof(wrong); i++) {
				text[at] = wrong[i];
				ck_assert_int_eq(make_absolute(text, len), STATUS_EINVAL);
			}
			text[at] = '/';
			bool is_good = at == 0 || (at > 1 && at < len - 1);
			ck_assert_int_eq(make_absolute(text, len), is_good ? 0 : STATUS_EINVAL);
		}
	}
}
END_TEST

START_TEST(nothing_is_no_path)
{
	ck_assert_int_eq(make_absolute("", 0), STATUS_EINVAL);
	ck_assert_int_eq(make_absolute("/", 0), STATUS_EINVAL);
}
END_TEST

START_TEST(doubled_and_trailing_slashes_are_refused)
{
	static const char *const bad[] = {"//", "///", "//a", "/a//b", "/a/", "/a/b/", "a/", "a//b", "a/b//", "/a///b"};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		check_bad(bad[i]);
}
END_TEST

START_TEST(the_domains_own_path_needs_its_number)
{
	check_bad("/local/domain/");
	check_is("/local/domain", "/local/domain");
	check_is("/local/domain/7", "/local/domain/7");
}
END_TEST

START_TEST(a_path_of_which_only_a_part_is_given_ends_there)
{
	ck_assert_int_eq(make_absolute("/abc/d", 4), 0);
	ck_assert_str_eq(path.text, "/abc");
	ck_assert_uint_eq(path.len, 4);
}
END_TEST

START_TEST(specials_are_only_where_they_are_allowed)
{
	static const char *const specials[] = {"@introduceDomain", "@releaseDomain", "@releaseDomain/7", "@"};

	for (size_t i = 0; i < sizeof(specials) / sizeof(specials[0]); i++) {
		check_bad(specials[i]);
		ck_assert_int_eq(path_canonicalize(specials[i], strlen(specials[i]), 7, true, 0, buffer, &path), 0);
		ck_assert_str_eq(path.text, specials[i]);
		ck_assert(path_is_special(&path));
	}
	ck_assert_int_eq(path_canonicalize("@a/", 3, 7, true, 0, buffer, &path), STATUS_EINVAL);
	ck_assert_int_eq(path_canonicalize("@a b", 4, 7, true, 0, buffer, &path), STATUS_EINVAL);
	ck_assert_int_eq(path_canonicalize("a", 1, 7, true, 0, buffer, &path), 0);
	ck_assert_str_eq(path.text, "/local/domain/7/a");
}
END_TEST

/* ---- length ---- */

/* Fills `text` with `prefix` and then "xxxx" up to a length of `len`. */
static const char *long_path(char *text, const char *prefix, size_t len)
{
	memset(text, 'x', len);
	memcpy(text, prefix, strlen(prefix));
	text[len] = 0;
	return text;
}

START_TEST(an_absolute_path_has_at_most_3072_bytes)
{
	char text[PATH_ABSOLUTE_MAX + 2];

	for (size_t len = PATH_ABSOLUTE_MAX - 1; len <= PATH_ABSOLUTE_MAX + 1; len++) {
		int result = make_absolute(long_path(text, "/", len), len);
		ck_assert_int_eq(result, len <= PATH_ABSOLUTE_MAX ? 0 : STATUS_EINVAL);
	}
	ck_assert_int_eq(make_absolute(text, PATH_ABSOLUTE_MAX), 0);
	ck_assert_uint_eq(path.len, PATH_ABSOLUTE_MAX);
	ck_assert_int_eq(path.text[PATH_ABSOLUTE_MAX], 0);
}
END_TEST

START_TEST(a_relative_path_counts_with_what_it_is_completed_with)
{
	static const uint16_t domids[] = {1, 12, 123, 1234, 12345};
	char text[PATH_ABSOLUTE_MAX + 1];

	long_path(text, "x", PATH_ABSOLUTE_MAX);
	for (size_t i = 0; i < sizeof(domids) / sizeof(domids[0]); i++) {
		size_t longest = PATH_ABSOLUTE_MAX - strlen("/local/domain/") - (i + 1) - 1;
		ck_assert_int_eq(path_canonicalize(text, longest, domids[i], false, 0, buffer, &path), 0);
		ck_assert_uint_eq(path.len, PATH_ABSOLUTE_MAX);
		ck_assert_int_eq(path_canonicalize(text, longest + 1, domids[i], false, 0, buffer, &path), STATUS_EINVAL);
	}
}
END_TEST

START_TEST(a_length_beyond_all_buffers_is_refused_unread)
{
	ck_assert_int_eq(make_absolute("/a", SIZE_MAX), STATUS_EINVAL);
	ck_assert_int_eq(make_absolute("a", SIZE_MAX), STATUS_EINVAL);
	ck_assert_int_eq(make_absolute("/a", PATH_ABSOLUTE_MAX + 1), STATUS_EINVAL);
}
END_TEST

/* Is a path of prefix and `more` bytes within the limit of 2048? */
static bool is_within(const char *prefix, size_t more)
{
	char text[PATH_ABSOLUTE_MAX + 1];
	size_t len = strlen(prefix) + more;

	return !path_canonicalize(long_path(text, prefix, len), len, 7, true, PATH_RELATIVE_MAX, buffer, &path);
}

START_TEST(the_limit_is_for_what_is_behind_the_domains_path)
{
	static const char *const prefixes[] = {"", "/local/domain/7/", "/local/domain/0/", "/local/domain/12345/",
					       "/local/domain/99999/"};

	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		ck_assert(is_within(prefixes[i], PATH_RELATIVE_MAX));
		ck_assert(!is_within(prefixes[i], PATH_RELATIVE_MAX + 1));
	}
}
END_TEST

START_TEST(the_limit_is_for_the_whole_of_all_other_paths)
{
	static const char *const prefixes[] = {"/",
					       "/local/domain/",
					       "/local/domain/123456/",
					       "/local/domain/7x/",
					       "/local/domain/x7/",
					       "/local/domain/-1/",
					       "/local/domains/7/",
					       "/Local/domain/7/",
					       "/tool/local/domain/7/",
					       "@local/domain/7/"};

	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		ck_assert(is_within(prefixes[i], PATH_RELATIVE_MAX - strlen(prefixes[i])));
		ck_assert(!is_within(prefixes[i], PATH_RELATIVE_MAX + 1 - strlen(prefixes[i])));
	}
}
END_TEST

START_TEST(the_limit_counts_the_digits_of_a_domains_own_path)
{
	ck_assert_int_eq(path_canonicalize("/local/domain/7", 15, 7, false, 15, buffer, &path), 0);
	ck_assert_int_eq(path_canonicalize("/local/domain/7", 15, 7, false, 14, buffer, &path), STATUS_EINVAL);
}
END_TEST

START_TEST(a_limit_of_one_leaves_names_of_one_byte)
{
	ck_assert_int_eq(path_canonicalize("a", 1, 7, false, 1, buffer, &path), 0);
	ck_assert_int_eq(path_canonicalize("ab", 2, 7, false, 1, buffer, &path), STATUS_EINVAL);
	ck_assert_int_eq(path_canonicalize("/", 1, 7, false, 1, buffer, &path), 0);
}
END_TEST

/* ---- parts ---- */

START_TEST(first_bytes_tell_relative_absolute_and_special)
{
	struct path root = path_of("/"), special = path_of("@a"), node = path_of("/a");

	ck_assert(path_is_relative("a", 1));
	ck_assert(path_is_relative("a/b@", 4));
	ck_assert(!path_is_relative("/a", 2));
	ck_assert(!path_is_relative("@a", 2));
	ck_assert(!path_is_relative("", 0));
	ck_assert(path_is_root(&root));
	ck_assert(!path_is_root(&node));
	ck_assert(!path_is_root(&special));
	ck_assert(path_is_special(&special));
	ck_assert(!path_is_special(&node));
	ck_assert(!path_is_special(&root));
}
END_TEST

START_TEST(a_path_is_its_parent_and_its_name)
{
	static const struct {
		const char *text;
		size_t parent_len, name_offset;
	} cases[] = {{"/a", 1, 1}, {"/abc/d", 4, 5},   {"/a/b/c", 4, 5},    {"/local/domain/7", 13, 14},
		     {"/", 0, 1},  {"@release", 0, 0}, {"@release/7", 0, 0}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct path given = path_of(cases[i].text);
		ck_assert_uint_eq(path_parent_len(&given), cases[i].parent_len);
		ck_assert_uint_eq(path_name_offset(&given), cases[i].name_offset);
	}
}
END_TEST

START_TEST(below_means_by_whole_components)
{
	static const struct {
		const char *path, *ancestor;
		bool below;
	} cases[] = {
	    {"/a", "/a", true},	      {"/a/b", "/a", true},  {"/a/b/c", "/a", true}, {"/ab", "/a", false},  {"/a", "/ab", false},
	    {"/a", "/a/b", false},    {"/b/a", "/a", false}, {"/", "/", true},	     {"/a", "/", true},	    {"/a/b", "/", true},
	    {"/", "/a", false},	      {"@a", "/", false},    {"/a", "@a", false},    {"@a", "@a", true},    {"@a", "@b", false},
	    {"@ab", "@a", false},     {"@a/7", "@a", false}, {"@a/7", "@a/7", true}, {"@a", "@a/7", false}, {"/a-b", "/a", false},
	    {"/a/b", "/a/b/", false},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct path given = path_of(cases[i].path), ancestor = path_of(cases[i].ancestor);
		if (path_is_below_or_equal(&given, &ancestor) != cases[i].below)
			ck_abort_msg("%s below %s", cases[i].path, cases[i].ancestor);
	}
}
END_TEST

START_TEST(an_ancestor_may_be_the_front_of_another_path)
{
	struct path given = path_of("/a/b/c"), ancestor = {given.text, 2};

	ck_assert(path_is_below_or_equal(&given, &ancestor));
	ancestor.len = path_parent_len(&given);
	ck_assert(path_is_below_or_equal(&given, &ancestor));
	ck_assert_uint_eq(path_parent_len(&ancestor), 2);
	ck_assert_uint_eq(path_name_offset(&ancestor), 3);
}
END_TEST

START_TEST(the_path_of_each_domain_fits_its_buffer)
{
	char text[PATH_DOMAIN_BUFFER];

	for (uint32_t domid = 0; domid <= UINT16_MAX; domid++) {
		char expected[64];
		int len = snprintf(expected, sizeof(expected), "/local/domain/%u", domid);
		if (path_of_domain((uint16_t)domid, text) != (size_t)len || strcmp(text, expected) != 0)
			ck_abort_msg("domain %u has the path %s", domid, text);
	}
}
END_TEST

/* ---- any bytes ---- */

/* What a path is, as xenstore.txt says it: said another way than the code does. */
static bool is_path(const char *text, size_t len)
{
	char copy[256];

	memcpy(copy, text, len);
	copy[len] = 0;
	return len && strlen(copy) == len &&
	       strspn(copy, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-/_@") == len && copy[0] != '@' &&
	       !strstr(copy, "//") && (len == 1 || copy[len - 1] != '/');
}

START_TEST(random_bytes_are_a_path_if_and_only_if_they_look_like_one)
{
	static const char alphabet[] = "ab/@-\0.";
	struct random random;
	unsigned n_good = 0;

	random_begin(&random, "PATH_SEED");
	for (int i = 0; i < 200000; i++) {
		char text[12];
		size_t len = random_below(&random, sizeof(text) + 1);
		for (size_t k = 0; k < len; k++)
			text[k] = alphabet[random_below(&random, random_below(&random, 4) ? 3 : sizeof(alphabet))];
		bool is_good = !make_absolute(text, len);
		if (is_good != is_path(text, len))
			ck_abort_msg("\"%.*s\"", (int)len, text);
		n_good += is_good;
		if (is_good && make_absolute(path.text, path.len))
			ck_abort_msg("an absolute form is no path: \"%.*s\"", (int)len, text);
	}
	ck_assert_uint_gt(n_good, 1000);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("path");
	TCase *form = tcase_create("form"), *length = tcase_create("length"), *parts = tcase_create("parts"),
	      *any = tcase_create("any bytes");

	tcase_add_test(form, absolute_paths_stay_what_they_are);
	tcase_add_test(form, relative_paths_are_below_the_domain);
	tcase_add_test(form, a_relative_path_is_completed_for_every_width_of_domid);
	tcase_add_test(form, only_the_documented_characters_are_allowed_wherever_they_are);
	tcase_add_test(form, one_wrong_character_or_slash_is_found_at_any_place_of_a_path_of_any_length);
	tcase_add_test(form, nothing_is_no_path);
	tcase_add_test(form, doubled_and_trailing_slashes_are_refused);
	tcase_add_test(form, the_domains_own_path_needs_its_number);
	tcase_add_test(form, a_path_of_which_only_a_part_is_given_ends_there);
	tcase_add_test(form, specials_are_only_where_they_are_allowed);
	tcase_add_test(length, an_absolute_path_has_at_most_3072_bytes);
	tcase_add_test(length, a_relative_path_counts_with_what_it_is_completed_with);
	tcase_add_test(length, a_length_beyond_all_buffers_is_refused_unread);
	tcase_add_test(length, the_limit_is_for_what_is_behind_the_domains_path);
	tcase_add_test(length, the_limit_is_for_the_whole_of_all_other_paths);
	tcase_add_test(length, the_limit_counts_the_digits_of_a_domains_own_path);
	tcase_add_test(length, a_limit_of_one_leaves_names_of_one_byte);
	tcase_add_test(parts, first_bytes_tell_relative_absolute_and_special);
	tcase_add_test(parts, a_path_is_its_parent_and_its_name);
	tcase_add_test(parts, below_means_by_whole_components);
	tcase_add_test(parts, an_ancestor_may_be_the_front_of_another_path);
	tcase_add_test(parts, the_path_of_each_domain_fits_its_buffer);
	tcase_add_test(any, random_bytes_are_a_path_if_and_only_if_they_look_like_one);
	suite_add_tcase(suite, form);
	suite_add_tcase(suite, length);
	suite_add_tcase(suite, parts);
	suite_add_tcase(suite, any);
	return suite_run(suite);
}
