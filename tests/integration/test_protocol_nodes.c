/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reading and changing nodes over the socket: the rows of doc/compatibility.md that name no watch and no transaction. */
#include "support/expect.h"
#include "support/suite.h"

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct daemon served;
static struct client *client;

static void start(void)
{
	expect_start(&served, NULL);
	client = expect_client(&served);
}

static void stop(void)
{
	expect_sound(client);
	client_close(client);
	daemon_stop(&served, SIGTERM, NULL);
}

/* ---- first tree, values ---- */

START_TEST(the_first_tree_is_the_root_tool_and_tool_xenstored)
{
	char *tree = expect_tree(client);

	ck_assert_str_eq(tree, "/ = \"\" (n0\\00)\n/tool = \"\" (n0\\00)\n/tool/xenstored = \"\" (n0\\00)\n");
	free(tree);
}
END_TEST

START_TEST(a_value_is_kept_byte_for_byte)
{
	char payload[2 + 1 + 256], expected[256];
	struct client_message answer;

	memcpy(payload, "/v", 3);
	for (int i = 0; i < 256; i++)
		payload[3 + i] = expected[i] = (char)i;
	ck_assert_int_eq(client_call(client, MESSAGE_WRITE, 0, payload, sizeof(payload), &answer), 0);
	ck_assert_uint_eq(answer.header.type, MESSAGE_WRITE);
	expect_bytes(client, expected, sizeof(expected), MESSAGE_READ, 0, ARGUMENTS("/v"));
}
END_TEST

START_TEST(a_value_may_be_empty)
{
	expect_write(client, 0, "/v", "full");
	expect_write(client, 0, "/v", "");
	expect_read(client, 0, "/v", "");
}
END_TEST

START_TEST(the_root_can_be_written_and_read)
{
	expect_write(client, 0, "/", "top");
	expect_read(client, 0, "/", "top");
}
END_TEST

START_TEST(reading_a_missing_node_is_enoent)
{
	expect_error(client, "ENOENT", MESSAGE_READ, 0, ARGUMENTS("/missing"));
	expect_error(client, "ENOENT", MESSAGE_READ, 0, ARGUMENTS("/missing/below"));
	expect_error(client, "ENOENT", MESSAGE_DIRECTORY, 0, ARGUMENTS("/missing"));
	expect_error(client, "ENOENT", MESSAGE_DIRECTORY_PART, 0, ARGUMENTS("/missing", "0"));
	expect_error(client, "ENOENT", MESSAGE_GET_PERMS, 0, ARGUMENTS("/missing"));
	expect_error(client, "ENOENT", MESSAGE_SET_PERMS, 0, ARGUMENTS("/missing", "n0"));
}
END_TEST

/* "node size": the limit is for the unprivileged; here a message is. */
START_TEST(the_privileged_may_fill_a_whole_message_with_a_value)
{
	char payload[MESSAGE_PAYLOAD_MAX];
	struct client_message answer;

	memset(payload, 'x', sizeof(payload));
	memcpy(payload, "/v", 3);
	ck_assert_int_eq(client_call(client, MESSAGE_WRITE, 0, payload, sizeof(payload), &answer), 0);
	ck_assert_uint_eq(answer.header.type, MESSAGE_WRITE);
	expect_bytes(client, payload + 3, sizeof(payload) - 3, MESSAGE_READ, 0, ARGUMENTS("/v"));
}
END_TEST

/* ---- creation ---- */

START_TEST(a_write_creates_missing_parents_with_empty_values)
{
	expect_write(client, 0, "/a/b/c", "deep");
	expect_read(client, 0, "/a", "");
	expect_read(client, 0, "/a/b", "");
	expect_read(client, 0, "/a/b/c", "deep");
	expect_names(client, 0, "/a", "b");
}
END_TEST

START_TEST(mkdir_creates_missing_parents_too)
{
	expect_ok(client, MESSAGE_MKDIR, 0, ARGUMENTS("/a/b/c"));
	expect_read(client, 0, "/a/b/c", "");
}
END_TEST

START_TEST(mkdir_of_an_existing_node_is_ok_and_changes_nothing)
{
	expect_write(client, 0, "/a/b", "value");
	expect_ok(client, MESSAGE_MKDIR, 0, ARGUMENTS("/a"));
	expect_ok(client, MESSAGE_MKDIR, 0, ARGUMENTS("/a/b"));
	expect_ok(client, MESSAGE_MKDIR, 0, ARGUMENTS("/"));
	expect_read(client, 0, "/a/b", "value");
	expect_names(client, 0, "/a", "b");
}
END_TEST

/* "owner of a node a guest creates ...": for the privileged the whole list is inherited, the owner too. */
START_TEST(what_the_privileged_creates_inherits_all_permissions_of_its_parent)
{
	expect_write(client, 0, "/a", "");
	expect_ok(client, MESSAGE_SET_PERMS, 0, ARGUMENTS("/a", "r0", "b0", "w0"));
	expect_write(client, 0, "/a/b/c", "");
	expect_permissions(client, 0, "/a/b", "r0 b0 w0");
	expect_permissions(client, 0, "/a/b/c", "r0 b0 w0");
	expect_permissions(client, 0, "/", "n0");
}
END_TEST

/* ---- RM ---- */

START_TEST(rm_removes_a_node_with_all_below)
{
	expect_write(client, 0, "/a/b/c", "1");
	expect_write(client, 0, "/a/d", "2");
	expect_write(client, 0, "/ab", "beside");
	expect_ok(client, MESSAGE_RM, 0, ARGUMENTS("/a"));
	expect_read(client, 0, "/a", NULL);
	expect_read(client, 0, "/a/b/c", NULL);
	expect_read(client, 0, "/a/d", NULL);
	expect_read(client, 0, "/ab", "beside");
	expect_write(client, 0, "/a", "again");
	expect_names(client, 0, "/a", "");
}
END_TEST

/* "RM of "/"": EINVAL for the privileged. */
START_TEST(rm_of_the_root_is_einval_and_removes_nothing)
{
	expect_write(client, 0, "/a", "1");
	expect_error(client, "EINVAL", MESSAGE_RM, 0, ARGUMENTS("/"));
	expect_names(client, 0, "/", "tool a");
}
END_TEST

/* "RM of a missing node" */
START_TEST(rm_of_a_missing_node_is_ok_if_its_parent_exists_else_enoent)
{
	expect_ok(client, MESSAGE_RM, 0, ARGUMENTS("/missing"));
	expect_ok(client, MESSAGE_RM, 0, ARGUMENTS("/tool/missing"));
	expect_error(client, "ENOENT", MESSAGE_RM, 0, ARGUMENTS("/missing/below"));
	expect_error(client, "ENOENT", MESSAGE_RM, 0, ARGUMENTS("/tool/missing/below/further"));
}
END_TEST

/* ---- permissions ---- */

START_TEST(permissions_are_kept_in_their_order)
{
	expect_write(client, 0, "/a", "");
	expect_ok(client, MESSAGE_SET_PERMS, 0, ARGUMENTS("/a", "b0", "n0", "r0", "w0"));
	expect_permissions(client, 0, "/a", "b0 n0 r0 w0");
}
END_TEST

/* "SET_PERMS that names a domain which does not exist" */
START_TEST(an_owner_that_does_not_exist_is_enoent_and_other_entries_are_left_out)
{
	expect_write(client, 0, "/a", "");
	expect_error(client, "ENOENT", MESSAGE_SET_PERMS, 0, ARGUMENTS("/a", "n7"));
	expect_permissions(client, 0, "/a", "n0");
	expect_ok(client, MESSAGE_SET_PERMS, 0, ARGUMENTS("/a", "n0", "r7", "b0", "w8"));
	expect_permissions(client, 0, "/a", "n0 b0");
}
END_TEST

/* DOMID_ANY is nobody and all; it stays. (A stock daemon dies of this request when it comes by the socket.) */
START_TEST(an_entry_for_any_domain_is_kept)
{
	expect_write(client, 0, "/a", "");
	expect_ok(client, MESSAGE_SET_PERMS, 0, ARGUMENTS("/a", "n0", "r32757"));
	expect_permissions(client, 0, "/a", "n0 r32757");
}
END_TEST

START_TEST(wrong_permission_strings_are_einval_and_change_nothing)
{
	static const char *const wrong[] = {
	    "", "x0", "r", "0", "r-1", "r0x", " r0", "r 0", "R0", "r65536", "r99999999999999999999"};

	expect_write(client, 0, "/a", "");
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		expect_error(client, "EINVAL", MESSAGE_SET_PERMS, 0, ARGUMENTS("/a", wrong[i]));
		expect_error(client, "EINVAL", MESSAGE_SET_PERMS, 0, ARGUMENTS("/a", "b0", wrong[i]));
	}
	expect_permissions(client, 0, "/a", "n0");
}
END_TEST

START_TEST(the_permissions_of_the_root_can_be_set)
{
	expect_ok(client, MESSAGE_SET_PERMS, 0, ARGUMENTS("/", "r0"));
	expect_permissions(client, 0, "/", "r0");
}
END_TEST

/* ---- special nodes ---- */

/* "special nodes": names of their own, not children of "/". */
START_TEST(special_nodes_have_permissions_and_nothing_else)
{
	static const char *const specials[] = {"@introduceDomain", "@releaseDomain"};

	for (size_t i = 0; i < 2; i++) {
		expect_error(client, "EINVAL", MESSAGE_READ, 0, ARGUMENTS(specials[i]));
		expect_error(client, "EINVAL", MESSAGE_WRITE, 0, ARGUMENTS(specials[i], ""));
		expect_error(client, "EINVAL", MESSAGE_MKDIR, 0, ARGUMENTS(specials[i]));
		expect_error(client, "EINVAL", MESSAGE_RM, 0, ARGUMENTS(specials[i]));
		expect_error(client, "EINVAL", MESSAGE_DIRECTORY, 0, ARGUMENTS(specials[i]));
		expect_error(client, "EINVAL", MESSAGE_DIRECTORY_PART, 0, ARGUMENTS(specials[i], "0"));
	}
	expect_names(client, 0, "/", "tool");
	expect_read(client, 0, "/@releaseDomain", NULL);
}
END_TEST

START_TEST(all_may_watch_release_and_only_the_privileged_introduce)
{
	expect_permissions(client, 0, "@introduceDomain", "n0");
	expect_permissions(client, 0, "@releaseDomain", "n0 r32757");
}
END_TEST

START_TEST(permissions_of_special_nodes_can_be_set)
{
	expect_ok(client, MESSAGE_SET_PERMS, 0, ARGUMENTS("@introduceDomain", "r0"));
	expect_permissions(client, 0, "@introduceDomain", "r0");
}
END_TEST

START_TEST(other_special_names_are_missing)
{
	expect_error(client, "ENOENT", MESSAGE_GET_PERMS, 0, ARGUMENTS("@nothing"));
	expect_error(client, "ENOENT", MESSAGE_SET_PERMS, 0, ARGUMENTS("@nothing", "n0"));
}
END_TEST

/* ---- DIRECTORY ---- */

/* "DIRECTORY": creation order */
START_TEST(directory_lists_in_the_order_of_creation)
{
	expect_write(client, 0, "/d/zebra", "");
	expect_write(client, 0, "/d/apple", "");
	expect_ok(client, MESSAGE_MKDIR, 0, ARGUMENTS("/d/mango"));
	expect_write(client, 0, "/d/9/inner", "");
	expect_names(client, 0, "/d", "zebra apple mango 9");
	expect_write(client, 0, "/d/zebra", "changed");
	expect_names(client, 0, "/d", "zebra apple mango 9");
	expect_ok(client, MESSAGE_RM, 0, ARGUMENTS("/d/zebra"));
	expect_write(client, 0, "/d/zebra", "new");
	expect_names(client, 0, "/d", "apple mango 9 zebra");
}
END_TEST

/* Children whose paths are too long for one kind of key stand among the others by their age. */
START_TEST(directory_mixes_short_and_long_names_in_the_order_of_creation)
{
	char path[700], names[1024];

	memset(path, 'n', sizeof(path));
	memcpy(path, "/d/", 3);
	path[sizeof(path) - 1] = 0;
	snprintf(names, sizeof(names), "first %s second", path + 3);
	expect_write(client, 0, "/d/first", "");
	expect_write(client, 0, path, "");
	expect_write(client, 0, "/d/second", "");
	expect_names(client, 0, "/d", names);
}
END_TEST

/* "reply over 4096 bytes": E2BIG (XSA-72). */
START_TEST(a_list_that_fills_a_message_is_given_and_a_longer_one_is_e2big)
{
	char path[80], list[MESSAGE_PAYLOAD_MAX];

	for (size_t i = 0; i < 64; i++) { /* names of 63 bytes and their NUL */
		snprintf(path, sizeof(path), "/d/%063zu", i);
		expect_write(client, 0, path, "");
		memcpy(list + i * 64, path + 3, 64);
	}
	expect_bytes(client, list, sizeof(list), MESSAGE_DIRECTORY, 0, ARGUMENTS("/d"));
	expect_write(client, 0, "/d/x", "");
	expect_error(client, "E2BIG", MESSAGE_DIRECTORY, 0, ARGUMENTS("/d"));
	uint32_t transaction = expect_transaction(client);
	expect_error(client, "E2BIG", MESSAGE_DIRECTORY, transaction, ARGUMENTS("/d"));
	expect_end(client, transaction, "");
	expect_ok(client, MESSAGE_RM, 0, ARGUMENTS("/d/x"));
	expect_bytes(client, list, sizeof(list), MESSAGE_DIRECTORY, 0, ARGUMENTS("/d"));
}
END_TEST

/* ---- DIRECTORY_PART ---- */

/* What follows the generation count; the count goes to `generation`. */
static size_t part(const char *path, const char *offset, uint32_t transaction, char generation[32],
		   char bytes[MESSAGE_PAYLOAD_MAX])
{
	struct client_message answer = expect_any(client, MESSAGE_DIRECTORY_PART, transaction, ARGUMENTS(path, offset));
	size_t count_size = strlen(answer.payload) + 1;

	ck_assert_uint_eq(answer.header.type, MESSAGE_DIRECTORY_PART);
	ck_assert_uint_le(count_size, 32);
	ck_assert_uint_le(count_size, answer.header.len);
	ck_assert_uint_eq(strspn(answer.payload, "0123456789") + 1, count_size);
	memcpy(generation, answer.payload, count_size);
	memcpy(bytes, answer.payload + count_size, answer.header.len - count_size);
	return answer.header.len - count_size;
}

static void expect_part(const char *path, const char *offset, const char *bytes, size_t len)
{
	char generation[32], got[MESSAGE_PAYLOAD_MAX];

	ck_assert_uint_eq(part(path, offset, 0, generation, got), len);
	ck_assert_mem_eq(got, bytes, len);
}

START_TEST(directory_part_gives_names_and_an_empty_string_after_the_last)
{
	expect_write(client, 0, "/d/one", "");
	expect_write(client, 0, "/d/two", "");
	expect_part("/d", "0", "one\0two\0", 9);
	expect_part("/d", "4", "two\0", 5);
	expect_part("/d/one", "0", "", 1);
}
END_TEST

START_TEST(directory_part_counts_its_offset_in_bytes)
{
	expect_write(client, 0, "/d/one", "");
	expect_write(client, 0, "/d/two", "");
	expect_part("/d", "1", "ne\0two\0", 8);
	expect_part("/d", "3", "\0two\0", 6);
}
END_TEST

START_TEST(directory_part_past_the_end_gives_the_count_and_an_empty_string)
{
	expect_write(client, 0, "/d/one", "");
	expect_part("/d", "4", "", 1);
	expect_part("/d", "5", "", 1);
	expect_part("/d", "4294967295", "", 1);
}
END_TEST

START_TEST(directory_part_refuses_an_offset_that_is_no_number)
{
	static const char *const wrong[] = {"", "x", "-1", "1x", " 1", "0x1"};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		expect_error(client, "EINVAL", MESSAGE_DIRECTORY_PART, 0, ARGUMENTS("/", wrong[i]));
}
END_TEST

/* All names of a list that takes several pages, whatever their lengths. */
START_TEST(pages_of_directory_part_put_together_are_the_list)
{
	enum { NAMES = 300 };
	static char list[NAMES * 64];
	char path[128], generation[32], first_generation[32], bytes[MESSAGE_PAYLOAD_MAX], offset[16];
	size_t len = 0, at = 0, pages = 0;

	for (int i = 0; i < NAMES; i++) {
		snprintf(path, sizeof(path), "/d/%0*d", 1 + (i * 7) % 60, i);
		expect_write(client, 0, path, "");
		memcpy(list + len, path + 3, strlen(path + 3) + 1);
		len += strlen(path + 3) + 1;
	}
	for (bool last = false; !last; pages++) {
		snprintf(offset, sizeof(offset), "%zu", at);
		size_t n = part("/d", offset, 0, pages ? generation : first_generation, bytes);
		ck_assert_uint_gt(n, 0);
		last = n == 1 || !bytes[n - 2];
		n -= last;
		ck_assert_uint_le(at + n, len);
		ck_assert_mem_eq(bytes, list + at, n);
		ck_assert(!pages || !strcmp(generation, first_generation));
		at += n;
	}
	ck_assert_uint_eq(at, len);
	ck_assert_uint_gt(pages, 2);
}
END_TEST

/* Every length of a page's rest, so that one page ends exactly with the message and one name just does not fit. */
START_TEST(a_page_that_is_exactly_full_loses_nothing)
{
	char path[128], generation[32], bytes[MESSAGE_PAYLOAD_MAX], offset[16];

	for (size_t i = 0; i < 40; i++) {
		snprintf(path, sizeof(path), "/d/%099zu", i);
		expect_write(client, 0, path, "");
	}
	for (size_t rest = 60; rest <= 100; rest++) {
		memset(path, 'r', sizeof(path));
		memcpy(path, "/d/", 3);
		path[2 + rest] = 0; /* rest - 1 bytes and their NUL */
		expect_write(client, 0, path, "");
		size_t total = 40 * 100 + rest;
		size_t n = part("/d", "0", 0, generation, bytes);
		bool fits = strlen(generation) + 1 + total <= sizeof(bytes),
		     end_fits = strlen(generation) + 1 + total < sizeof(bytes);
		ck_assert_uint_eq(n, fits ? total + end_fits : 40 * 100);
		snprintf(offset, sizeof(offset), "%zu", fits ? total : 40 * 100);
		n = part("/d", offset, 0, generation, bytes);
		ck_assert_uint_eq(n, fits ? 1 : rest + 1);
		expect_ok(client, MESSAGE_RM, 0, ARGUMENTS(path));
	}
}
END_TEST

static void current_generation(const char *path, char generation[32])
{
	char bytes[MESSAGE_PAYLOAD_MAX];

	part(path, "0", 0, generation, bytes);
}

static void expect_changed(const char *path, char generation[32], bool changed)
{
	char now[32];

	current_generation(path, now);
	ck_assert_msg((strcmp(now, generation) != 0) == changed, "the generation of %s %s: %s, before %s", path,
		      changed ? "has not changed" : "has changed", now, generation);
	memcpy(generation, now, sizeof(now));
}

/* "generation count that changes when and only when the list of children may have changed" */
START_TEST(the_generation_count_changes_with_the_list_and_with_nothing_else)
{
	char generation[32];

	expect_write(client, 0, "/d/one/inner", "");
	current_generation("/d", generation);
	expect_write(client, 0, "/d/two", "");
	expect_changed("/d", generation, true);
	expect_write(client, 0, "/d/two", "value");
	expect_write(client, 0, "/d", "value");
	expect_ok(client, MESSAGE_MKDIR, 0, ARGUMENTS("/d/two"));
	expect_ok(client, MESSAGE_SET_PERMS, 0, ARGUMENTS("/d", "r0"));
	expect_ok(client, MESSAGE_SET_PERMS, 0, ARGUMENTS("/d/one", "r0"));
	expect_write(client, 0, "/d/one/second", "");
	expect_ok(client, MESSAGE_RM, 0, ARGUMENTS("/d/one/inner"));
	expect_ok(client, MESSAGE_RM, 0, ARGUMENTS("/d/missing"));
	expect_write(client, 0, "/beside", "");
	expect_changed("/d", generation, false);
	expect_ok(client, MESSAGE_RM, 0, ARGUMENTS("/d/one"));
	expect_changed("/d", generation, true);
	expect_ok(client, MESSAGE_RM, 0, ARGUMENTS("/d"));
	expect_write(client, 0, "/d/two", "");
	expect_changed("/d", generation, true);
}
END_TEST

START_TEST(the_generation_count_changes_with_a_commit_of_a_change_of_the_list)
{
	char generation[32];

	expect_write(client, 0, "/d/one", "");
	current_generation("/d", generation);
	uint32_t transaction = expect_transaction(client);
	expect_write(client, transaction, "/d/two", "");
	expect_changed("/d", generation, false);
	expect_end(client, transaction, "");
	expect_changed("/d", generation, true);
	transaction = expect_transaction(client);
	expect_write(client, transaction, "/d/two", "value");
	expect_end(client, transaction, "");
	expect_changed("/d", generation, false);
}
END_TEST

START_TEST(inside_a_transaction_the_generation_count_follows_its_own_changes)
{
	char before[32], after[32], bytes[MESSAGE_PAYLOAD_MAX];

	expect_write(client, 0, "/d/one", "");
	uint32_t transaction = expect_transaction(client);
	part("/d", "0", transaction, before, bytes);
	expect_write(client, transaction, "/d/two", "");
	ck_assert_uint_eq(part("/d", "0", transaction, after, bytes), 9);
	ck_assert_mem_eq(bytes, "one\0two\0", 9);
	ck_assert_str_ne(before, after);
	expect_ok(client, MESSAGE_RM, transaction, ARGUMENTS("/d/one"));
	ck_assert_uint_eq(part("/d", "0", transaction, before, bytes), 5);
	ck_assert_str_ne(before, after);
	expect_end(client, transaction, "");
}
END_TEST

/* ---- paths ---- */

/* "relative path over a socket" */
START_TEST(a_relative_path_is_below_the_path_of_the_daemons_domain)
{
	expect_write(client, 0, "name", "relative");
	expect_read(client, 0, "/local/domain/0/name", "relative");
	expect_write(client, 0, "/local/domain/0/data/x", "absolute");
	expect_read(client, 0, "data/x", "absolute");
	expect_names(client, 0, "/local/domain/0", "name data");
	expect_ok(client, MESSAGE_RM, 0, ARGUMENTS("data"));
	expect_read(client, 0, "/local/domain/0/data", NULL);
}
END_TEST

START_TEST(wrong_paths_are_einval_for_every_operation_that_takes_one)
{
	static const char *const wrong[] = {"",
					    "/a/",
					    "//",
					    "//a",
					    "/a//b",
					    "a/",
					    "/a b",
					    "/a.b",
					    "/a:b",
					    "/\x80",
					    "/a\n",
					    "/a*",
					    "/%41",
					    "/local/domain/" /* XSA-481 */,
					    "local/domain/"};
	static const uint32_t with_path_only[] = {MESSAGE_READ, MESSAGE_DIRECTORY, MESSAGE_MKDIR, MESSAGE_RM, MESSAGE_GET_PERMS};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		for (size_t k = 0; k < sizeof(with_path_only) / sizeof(with_path_only[0]); k++)
			expect_error(client, "EINVAL", with_path_only[k], 0, ARGUMENTS(wrong[i]));
		expect_error(client, "EINVAL", MESSAGE_WRITE, 0, ARGUMENTS(wrong[i], "value"));
		expect_error(client, "EINVAL", MESSAGE_SET_PERMS, 0, ARGUMENTS(wrong[i], "n0"));
		expect_error(client, "EINVAL", MESSAGE_DIRECTORY_PART, 0, ARGUMENTS(wrong[i], "0"));
		expect_error(client, "EINVAL", MESSAGE_WATCH, 0, ARGUMENTS(wrong[i], "token"));
		expect_error(client, "EINVAL", MESSAGE_UNWATCH, 0, ARGUMENTS(wrong[i], "token"));
	}
	expect_names(client, 0, "/", "tool");
}
END_TEST

START_TEST(all_characters_of_paths_are_taken)
{
	static const char path[] = "/abcdefghijklmnopqrstuvwxyz/ABCDEFGHIJKLMNOPQRSTUVWXYZ/0123456789/-_@";

	expect_write(client, 0, path, "value");
	expect_read(client, 0, path, "value");
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
	    the_first_tree_is_the_root_tool_and_tool_xenstored,
	    a_value_is_kept_byte_for_byte,
	    a_value_may_be_empty,
	    the_root_can_be_written_and_read,
	    reading_a_missing_node_is_enoent,
	    the_privileged_may_fill_a_whole_message_with_a_value,
	    a_write_creates_missing_parents_with_empty_values,
	    mkdir_creates_missing_parents_too,
	    mkdir_of_an_existing_node_is_ok_and_changes_nothing,
	    what_the_privileged_creates_inherits_all_permissions_of_its_parent,
	    rm_removes_a_node_with_all_below,
	    rm_of_the_root_is_einval_and_removes_nothing,
	    rm_of_a_missing_node_is_ok_if_its_parent_exists_else_enoent,
	    permissions_are_kept_in_their_order,
	    an_owner_that_does_not_exist_is_enoent_and_other_entries_are_left_out,
	    an_entry_for_any_domain_is_kept,
	    wrong_permission_strings_are_einval_and_change_nothing,
	    the_permissions_of_the_root_can_be_set,
	    special_nodes_have_permissions_and_nothing_else,
	    all_may_watch_release_and_only_the_privileged_introduce,
	    permissions_of_special_nodes_can_be_set,
	    other_special_names_are_missing,
	    directory_lists_in_the_order_of_creation,
	    directory_mixes_short_and_long_names_in_the_order_of_creation,
	    a_list_that_fills_a_message_is_given_and_a_longer_one_is_e2big,
	    directory_part_gives_names_and_an_empty_string_after_the_last,
	    directory_part_counts_its_offset_in_bytes,
	    directory_part_past_the_end_gives_the_count_and_an_empty_string,
	    directory_part_refuses_an_offset_that_is_no_number,
	    pages_of_directory_part_put_together_are_the_list,
	    a_page_that_is_exactly_full_loses_nothing,
	    the_generation_count_changes_with_the_list_and_with_nothing_else,
	    the_generation_count_changes_with_a_commit_of_a_change_of_the_list,
	    inside_a_transaction_the_generation_count_follows_its_own_changes,
	    a_relative_path_is_below_the_path_of_the_daemons_domain,
	    wrong_paths_are_einval_for_every_operation_that_takes_one,
	    all_characters_of_paths_are_taken,
	};

	return suite_run(expect_suite("protocol: nodes", &served, start, stop, tests, sizeof(tests) / sizeof(tests[0])));
}
