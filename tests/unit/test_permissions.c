/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Permissions as text, and who may do what. */
#include "wire/permissions.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

#include "base/status.h"
#include "support/suite.h"

enum { MAX = 8, ALL = PERMISSION_READ | PERMISSION_WRITE | PERMISSION_OWNER };

static struct permission entries[MAX + 1];
static size_t n;

static int parse(const char *bytes, size_t len)
{
	return permissions_parse(bytes, len, entries, MAX, &n);
}

/* One string, with its NUL. */
static int parse_text(const char *text)
{
	return parse(text, strlen(text) + 1);
}

/* ---- text ---- */

START_TEST(each_letter_is_a_right)
{
	static const struct {
		const char *text;
		unsigned access;
	} letters[] = {{"n1", PERMISSION_NONE},
		       {"r1", PERMISSION_READ},
		       {"w1", PERMISSION_WRITE},
		       {"b1", PERMISSION_READ | PERMISSION_WRITE}};

	for (size_t i = 0; i < sizeof(letters) / sizeof(letters[0]); i++) {
		ck_assert_int_eq(parse_text(letters[i].text), 0);
		ck_assert_uint_eq(n, 1);
		ck_assert_uint_eq(entries[0].domid, 1);
		ck_assert_uint_eq(entries[0].access, letters[i].access);
		ck_assert_uint_eq(entries[0].reserved, 0);
	}
}
END_TEST

START_TEST(no_other_byte_is_a_right)
{
	for (int byte = 0; byte < 256; byte++) {
		const char text[] = {(char)byte, '1', 0};
		bool is_letter = byte && strchr("nrwb", byte);
		if ((parse(text, sizeof(text)) == 0) != is_letter)
			ck_abort_msg("byte %d", byte);
	}
}
END_TEST

START_TEST(no_byte_but_digits_is_part_of_a_domid)
{
	for (int byte = 1; byte < 256; byte++) {
		const char text[] = {'r', '1', (char)byte, 0}, front[] = {'r', (char)byte, '1', 0};
		bool is_digit = byte >= '0' && byte <= '9';
		if ((parse(text, sizeof(text)) == 0) != is_digit || (parse(front, sizeof(front)) == 0) != is_digit)
			ck_abort_msg("byte %d", byte);
	}
}
END_TEST

START_TEST(domids_go_up_to_65535)
{
	static const char *const bad[] = {
	    "r65536", "r99999", "r655350", "r4294967296", "r4294967297", "r18446744073709551617", "r99999999999999999999999999"};

	for (unsigned domid = 0; domid <= UINT16_MAX; domid++) {
		char text[16];
		snprintf(text, sizeof(text), "w%u", domid);
		if (parse_text(text) || entries[0].domid != domid)
			ck_abort_msg("domid %u", domid);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_int_eq(parse_text(bad[i]), STATUS_EINVAL);
}
END_TEST

START_TEST(zeros_in_front_of_a_domid_do_not_count)
{
	ck_assert_int_eq(parse_text("r00000000000000000000007"), 0);
	ck_assert_uint_eq(entries[0].domid, 7);
}
END_TEST

START_TEST(a_right_without_domid_is_refused)
{
	ck_assert_int_eq(parse_text("r"), STATUS_EINVAL);
	ck_assert_int_eq(parse_text(""), STATUS_EINVAL);
	ck_assert_int_eq(parse("r1\0\0", 4), STATUS_EINVAL);
	ck_assert_int_eq(parse("r1\0w", 5), STATUS_EINVAL);
}
END_TEST

START_TEST(no_entry_at_all_is_refused)
{
	ck_assert_int_eq(parse("", 0), STATUS_EINVAL);
	ck_assert_int_eq(parse(NULL, 0), STATUS_EINVAL);
	ck_assert_uint_eq(n, 0);
}
END_TEST

START_TEST(the_last_nul_must_be_there)
{
	ck_assert_int_eq(parse("r1", 2), STATUS_EINVAL);
	ck_assert_int_eq(parse("r1\0w2", 5), STATUS_EINVAL);
	ck_assert_int_eq(parse("r1\0w2", 6), 0);
	ck_assert_uint_eq(n, 2);
}
END_TEST

START_TEST(entries_keep_their_order)
{
	ck_assert_int_eq(parse("n0\0r65535\0b1\0r0", 16), 0);
	ck_assert_uint_eq(n, 4);
	ck_assert_uint_eq(entries[0].domid, 0);
	ck_assert_uint_eq(entries[1].domid, 65535);
	ck_assert_uint_eq(entries[2].domid, 1);
	ck_assert_uint_eq(entries[3].domid, 0);
}
END_TEST

START_TEST(one_entry_more_than_there_is_room_for_is_refused)
{
	char bytes[3 * (MAX + 1)];

	for (size_t i = 0; i < sizeof(bytes); i += 3)
		memcpy(bytes + i, "r1", 3);
	entries[MAX].domid = 77;
	ck_assert_int_eq(parse(bytes, 3 * MAX), 0);
	ck_assert_uint_eq(n, MAX);
	ck_assert_int_eq(parse(bytes, 3 * (MAX + 1)), STATUS_ENOSPC);
	ck_assert_uint_eq(entries[MAX].domid, 77);
	ck_assert_int_eq(permissions_parse(bytes, 3, entries, 0, &n), STATUS_ENOSPC);
}
END_TEST

START_TEST(each_entry_is_written_as_it_is_read)
{
	static const char letters[] = "nrwb";

	for (unsigned access = 0; access < 4; access++) {
		for (unsigned domid = 0; domid <= UINT16_MAX; domid += domid < 10 ? 1 : 997) {
			struct permission entry = {(uint16_t)domid, (uint8_t)access, 0};
			char text[PERMISSION_TEXT_MAX];
			size_t len = permission_format(&entry, text);
			if (text[0] != letters[access] || len != strlen(text) || parse_text(text) || entries[0].domid != domid ||
			    entries[0].access != access)
				ck_abort_msg("%s", text);
		}
	}
}
END_TEST

START_TEST(the_longest_entry_fits)
{
	struct permission entry = {UINT16_MAX, PERMISSION_READ | PERMISSION_WRITE, 0};
	char text[PERMISSION_TEXT_MAX];

	ck_assert_uint_eq(permission_format(&entry, text), 6);
	ck_assert_str_eq(text, "b65535");
}
END_TEST

START_TEST(unknown_bits_of_a_record_are_not_shown)
{
	struct permission entry = {3, 0xfc, 0xff};
	char text[PERMISSION_TEXT_MAX];

	permission_format(&entry, text);
	ck_assert_str_eq(text, "n3");
}
END_TEST

START_TEST(a_list_is_written_with_a_nul_behind_each_entry)
{
	static const char bytes[] = "w0\0r1\0n65535";
	struct buffer buffer;

	buffer_init(&buffer);
	ck_assert_int_eq(parse(bytes, sizeof(bytes)), 0);
	permissions_format(entries, n, &buffer);
	ck_assert_uint_eq(buffer.len, sizeof(bytes));
	ck_assert_mem_eq(buffer.bytes, bytes, sizeof(bytes));
	buffer_deinit(&buffer);
}
END_TEST

/* ---- decisions ---- */

/* What a list like "n0 r1" gives to a caller. */
static unsigned rights(const char *list, uint16_t domid, uint16_t target, bool privileged)
{
	struct caller caller = {domid, target, privileged};
	char bytes[128];
	size_t len = strlen(list) + 1;

	memcpy(bytes, list, len);
	for (size_t i = 0; i < len; i++)
		bytes[i] = bytes[i] == ' ' ? 0 : bytes[i];
	if (parse(bytes, len))
		ck_abort_msg("%s", list);
	return permissions_for(entries, n, &caller);
}

START_TEST(the_owner_may_do_everything)
{
	ck_assert_uint_eq(rights("n5", 5, DOMID_NONE, false), ALL);
	ck_assert_uint_eq(rights("n5 n5", 5, DOMID_NONE, false), ALL);
}
END_TEST

START_TEST(the_privileged_may_do_everything)
{
	ck_assert_uint_eq(rights("n5", 0, DOMID_NONE, true), ALL);
	ck_assert_uint_eq(rights("n5 n3", 3, DOMID_NONE, true), ALL);
}
END_TEST

START_TEST(domain_0_may_nothing_of_itself)
{
	ck_assert_uint_eq(rights("n5", 0, DOMID_NONE, false), PERMISSION_NONE);
}
END_TEST

START_TEST(who_is_not_named_has_the_rights_of_the_first_entry)
{
	ck_assert_uint_eq(rights("n5 b3", 4, DOMID_NONE, false), PERMISSION_NONE);
	ck_assert_uint_eq(rights("r5 b3", 4, DOMID_NONE, false), PERMISSION_READ);
	ck_assert_uint_eq(rights("w5", 4, DOMID_NONE, false), PERMISSION_WRITE);
	ck_assert_uint_eq(rights("b5 n3", 4, DOMID_NONE, false), PERMISSION_READ | PERMISSION_WRITE);
}
END_TEST

START_TEST(an_entry_counts_more_than_the_rights_of_others)
{
	ck_assert_uint_eq(rights("b5 n3", 3, DOMID_NONE, false), PERMISSION_NONE);
	ck_assert_uint_eq(rights("n5 w3", 3, DOMID_NONE, false), PERMISSION_WRITE);
}
END_TEST

START_TEST(of_several_entries_the_first_counts)
{
	ck_assert_uint_eq(rights("n5 r3 w3 b3", 3, DOMID_NONE, false), PERMISSION_READ);
	ck_assert_uint_eq(rights("n5 n3 b3", 3, DOMID_NONE, false), PERMISSION_NONE);
}
END_TEST

START_TEST(any_domain_means_those_that_are_not_named)
{
	ck_assert_uint_eq(rights("n5 r32757", 3, DOMID_NONE, false), PERMISSION_READ);
	ck_assert_uint_eq(rights("n5 b32757 r3", 3, DOMID_NONE, false), PERMISSION_READ);
	ck_assert_uint_eq(rights("n5 b32757 n3", 3, DOMID_NONE, false), PERMISSION_NONE);
	ck_assert_uint_eq(rights("b5 n32757", 3, DOMID_NONE, false), PERMISSION_NONE);
	ck_assert_uint_eq(rights("n5 r32757 b32757", 3, DOMID_NONE, false), PERMISSION_READ);
}
END_TEST

START_TEST(any_domain_as_owner_is_nobody)
{
	ck_assert_uint_eq(rights("n32757", 3, DOMID_NONE, false), PERMISSION_NONE);
}
END_TEST

START_TEST(a_domain_has_the_rights_of_its_target)
{
	ck_assert_uint_eq(rights("n5", 3, 5, false), ALL);
	ck_assert_uint_eq(rights("n1 r5", 3, 5, false), PERMISSION_READ);
	ck_assert_uint_eq(rights("n1 r5 w3", 3, 5, false), PERMISSION_READ);
	ck_assert_uint_eq(rights("n1 w3 r5", 3, 5, false), PERMISSION_WRITE);
}
END_TEST

START_TEST(a_target_has_not_the_rights_of_who_acts_for_it)
{
	ck_assert_uint_eq(rights("n3", 5, DOMID_NONE, false), PERMISSION_NONE);
}
END_TEST

START_TEST(no_target_is_no_domain)
{
	ck_assert_uint_eq(rights("n32756", 3, DOMID_NONE, false), PERMISSION_NONE);
	ck_assert_uint_eq(rights("n1 b32756", 3, DOMID_NONE, false), PERMISSION_NONE);
}
END_TEST

START_TEST(records_may_lie_at_any_address)
{
	static const unsigned char bytes[] = {0xff, 5, 0, 0, 0, 3, 0, PERMISSION_READ, 0};
	struct caller caller = {3, DOMID_NONE, false};

	ck_assert_uint_eq(sizeof(struct permission), 4);
	ck_assert_uint_eq(permissions_for((const struct permission *)(const void *)(bytes + 1), 2, &caller), PERMISSION_READ);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("permissions");
	TCase *text = tcase_create("text"), *decisions = tcase_create("decisions");

	tcase_add_test(text, each_letter_is_a_right);
	tcase_add_test(text, no_other_byte_is_a_right);
	tcase_add_test(text, no_byte_but_digits_is_part_of_a_domid);
	tcase_add_test(text, domids_go_up_to_65535);
	tcase_add_test(text, zeros_in_front_of_a_domid_do_not_count);
	tcase_add_test(text, a_right_without_domid_is_refused);
	tcase_add_test(text, no_entry_at_all_is_refused);
	tcase_add_test(text, the_last_nul_must_be_there);
	tcase_add_test(text, entries_keep_their_order);
	tcase_add_test(text, one_entry_more_than_there_is_room_for_is_refused);
	tcase_add_test(text, each_entry_is_written_as_it_is_read);
	tcase_add_test(text, the_longest_entry_fits);
	tcase_add_test(text, unknown_bits_of_a_record_are_not_shown);
	tcase_add_test(text, a_list_is_written_with_a_nul_behind_each_entry);
	tcase_add_test(decisions, the_owner_may_do_everything);
	tcase_add_test(decisions, the_privileged_may_do_everything);
	tcase_add_test(decisions, domain_0_may_nothing_of_itself);
	tcase_add_test(decisions, who_is_not_named_has_the_rights_of_the_first_entry);
	tcase_add_test(decisions, an_entry_counts_more_than_the_rights_of_others);
	tcase_add_test(decisions, of_several_entries_the_first_counts);
	tcase_add_test(decisions, any_domain_means_those_that_are_not_named);
	tcase_add_test(decisions, any_domain_as_owner_is_nobody);
	tcase_add_test(decisions, a_domain_has_the_rights_of_its_target);
	tcase_add_test(decisions, a_target_has_not_the_rights_of_who_acts_for_it);
	tcase_add_test(decisions, no_target_is_no_domain);
	tcase_add_test(decisions, records_may_lie_at_any_address);
	suite_add_tcase(suite, text);
	suite_add_tcase(suite, decisions);
	return suite_run(suite);
}
