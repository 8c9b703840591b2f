/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What lxenstore-dump, the real program, shows of a real daemon's store, and what it answers to wrong questions. */
#include "dump_run.h"
#include "support/suite.h"

#include <jansson.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/node.h"

/* ---- ls ---- */

static const char *const shown_paths[] = {"/",	   "/zoo",   "/zoo/lion", "/zoo/ape", "/bytes",
					  "/long", "/depth", "/local",	  "name",     "../x"};

static void expect_as_xenstore_ls(const char *path, bool permissions)
{
	const char *const words[] = {"xenstore-ls", permissions ? "-fp" : "-f", path, NULL};
	struct command stock;

	command_run(words, NULL, &stock);
	int status = permissions ? DUMP("--perms", path) : DUMP(path);
	ck_assert_msg((status == 0) == (stock.status == 0), "%s: status %d and %d", path, status, stock.status);
	ck_assert_uint_eq(dump.len, stock.len);
	ck_assert_mem_eq(dump.output, stock.output, stock.len);
	command_deinit(&stock);
}

START_TEST(ls_is_what_xenstore_ls_prints)
{
	fill();
	for (size_t i = 0; i < sizeof(shown_paths) / sizeof(shown_paths[0]); i++) {
		expect_as_xenstore_ls(shown_paths[i], false);
		expect_as_xenstore_ls(shown_paths[i], true);
	}
}
END_TEST

START_TEST(ls_of_a_relative_path_shows_relative_paths)
{
	expect_write(client, 0, "/local/domain/0/vm/uuid", "1");
	expect_as_xenstore_ls("vm", false);
	ck_assert_str_eq(dump.output, "vm/uuid = \"1\"\n");
}
END_TEST

START_TEST(ls_of_a_path_with_a_long_key_is_what_xenstore_ls_prints)
{
	char path[600];

	fill();
	snprintf(path, sizeof(path), "/long/%0520d", 2);
	expect_as_xenstore_ls(path, true);
	ck_assert_uint_gt(dump.len, 1500);
}
END_TEST

/*
 * Before the daemon starts, the nodes that it would make for nobody: with permissions for domains that are not there. The store
 * is of this boot, so the daemon goes on with it.
 */
static void make_store_of_guests(void)
{
	struct log log;
	struct store *store;
	char boot_id[40] = "";
	FILE *boot = fopen("/proc/sys/kernel/random/boot_id", "re");
	struct store_options options = {.path = served.store, .size_limit = (size_t)64 << 20, .boot_id = boot_id, .log = &log};
	static const struct permission permissions[] = {{7, PERMISSION_NONE, 0},
							{0, PERMISSION_READ, 0},
							{65535, PERMISSION_READ | PERMISSION_WRITE, 0},
							{DOMID_ANY_NUMBER, PERMISSION_WRITE, 0}};

	if (boot) {
		if (fgets(boot_id, sizeof(boot_id), boot))
			boot_id[strcspn(boot_id, "\n")] = 0;
		fclose(boot);
	}
	log_init(&log, true);
	unlink(served.store);
	ck_assert_int_eq(store_open(&options, &store), 0);
	for (size_t n = 1; n <= 4; n++) {
		char name[16];
		struct path path = {name, (size_t)snprintf(name, sizeof(name), "/guest-%zu", n)};
		ck_assert_int_eq(node_create(store, &path, permissions, n, "x", 1), 0);
	}
	ck_assert_int_eq(store_commit(store), 0);
	store_close(store);
}

START_TEST(permissions_are_what_xenstore_ls_prints)
{
	client_close(client);
	daemon_stop(&served, SIGTERM, NULL);
	make_store_of_guests();
	expect_restart(&served, NULL);
	client = expect_client(&served);
	expect_as_xenstore_ls("/", true);
	ck_assert_ptr_nonnull(strstr(dump.output, "\n/guest-4 = \"x\"   (n7,r0,b65535,w32757)\n"));
}
END_TEST

START_TEST(generations_are_a_further_column)
{
	unsigned long long created, value, permissions, children;

	expect_write(client, 0, "/a", "1");
	expect_write(client, 0, "/a", "2");
	expect_write(client, 0, "/a/b", "1");
	expect_quiet(DUMP("--generations", "--perms", "/"));
	const char *line = strstr(dump.output, "\n/a = ");
	ck_assert_ptr_nonnull(line);
	ck_assert_int_eq(sscanf(line, "\n/a = \"2\"   (n0)   [%llu %llu %llu %llu]\n", &created, &value, &permissions, &children),
			 4);
	ck_assert(created == permissions && created < value && value < children);
	expect_quiet(DUMP("--generations", "/a"));
	ck_assert_ptr_nonnull(strstr(dump.output, "/a/b = \"1\"   ["));
}
END_TEST

/* ---- json ---- */

static unsigned digit(char c)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = strchr(digits, c);

	ck_assert(at && *at);
	return (unsigned)(at - digits);
}

static size_t decode_base64(const char *text, char *out)
{
	size_t len = 0, n = strlen(text);

	ck_assert_uint_eq(n % 4, 0);
	for (size_t i = 0; i < n; i += 4) {
		size_t bytes = text[i + 2] == '=' ? 1 : text[i + 3] == '=' ? 2 : 3;
		unsigned all = digit(text[i]) << 18 | digit(text[i + 1]) << 12 | (bytes > 1 ? digit(text[i + 2]) << 6 : 0) |
			       (bytes > 2 ? digit(text[i + 3]) : 0);
		out[len++] = (char)(all >> 16);
		if (bytes > 1)
			out[len++] = (char)(all >> 8);
		if (bytes > 2)
			out[len++] = (char)all;
	}
	return len;
}

/* The value as it is written down; *is_text: as a string. */
static size_t value_of(const json_t *node, char out[MESSAGE_PAYLOAD_MAX], bool *is_text)
{
	const json_t *text = json_object_get(node, "value");

	*is_text = text != NULL;
	ck_assert((text != NULL) != (json_object_get(node, "value_base64") != NULL));
	if (!text)
		return decode_base64(text_of(node, "value_base64"), out);
	memcpy(out, json_string_value(text), json_string_length(text));
	return json_string_length(text);
}

static void expect_value(const json_t *document, const char *path, const void *value, size_t len, bool as_text)
{
	char bytes[MESSAGE_PAYLOAD_MAX];
	bool is_text;

	ck_assert_uint_eq(value_of(find_node(document, path), bytes, &is_text), len);
	ck_assert_mem_eq(bytes, value, len);
	ck_assert_msg(is_text == as_text, "%s", path);
}

START_TEST(json_has_every_value_exactly)
{
	char path[32], bytes[256];

	fill();
	expect_quiet(DUMP("--format", "json"));
	json_t *document = parse();
	for (unsigned i = 0; i < 256; i++) {
		snprintf(path, sizeof(path), "/bytes/%u", i);
		bytes[i] = (char)i;
		expect_value(document, path, &bytes[i], 1, i > 0 && i < 128);
		bytes[i] = (char)((i * 37) % 256);
	}
	expect_value(document, "/bytes/all", bytes, 256, false);
	expect_value(document, "/bytes/text", "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80\n", 15, true);
	expect_value(document, "/bytes/cut-text", "caf\xc3", 4, false);
	expect_value(document, "/bytes/nul-at-end", "abc", 4, false);
	expect_value(document, "/zoo/lion/cub", "", 0, true);
	expect_value(document, "/zoo/ape", "climbs", 6, true);
	json_decref(document);
}
END_TEST

/* Each line of `xenstore-ls` begins with the path of the node that comes next. */
START_TEST(json_has_the_nodes_in_the_order_of_ls_and_around_them_the_root_and_the_specials)
{
	char *rest, *line;

	fill();
	expect_quiet(DUMP("--format", "json"));
	json_t *document = parse();
	const json_t *nodes = json_object_get(document, "nodes");
	size_t i = 0, n = json_array_size(nodes);
	ck_assert_str_eq(text_of(json_array_get(nodes, i++), "path"), "/");
	expect_quiet(DUMP_ALL());
	for (line = strtok_r(dump.output, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		line[strcspn(line, " ")] = 0;
		ck_assert_str_eq(text_of(json_array_get(nodes, i++), "path"), line);
	}
	ck_assert_uint_eq(i + 2, n);
	ck_assert_str_eq(text_of(json_array_get(nodes, i++), "path"), "@introduceDomain");
	ck_assert_str_eq(text_of(json_array_get(nodes, i++), "path"), "@releaseDomain");
	ck_assert_int_eq(number_of(json_object_get(document, "header"), "nodes"), (json_int_t)n);
	json_decref(document);
}
END_TEST

START_TEST(json_has_permissions_and_generations)
{
	expect_write(client, 0, "/a", "1");
	expect_ok(client, MESSAGE_SET_PERMS, 0, ARGUMENTS("/a", "b0", "r0"));
	expect_write(client, 0, "/a", "2");
	expect_write(client, 0, "/a/b", "");
	expect_quiet(DUMP("--format", "json", "/a"));
	json_t *document = parse();
	const json_t *node = find_node(document, "/a"), *permissions = json_object_get(node, "permissions");
	ck_assert_uint_eq(json_array_size(permissions), 2);
	ck_assert_str_eq(json_string_value(json_array_get(permissions, 0)), "b0");
	ck_assert_str_eq(json_string_value(json_array_get(permissions, 1)), "r0");
	ck_assert_int_lt(number_of(node, "created"), number_of(node, "permissions_generation"));
	ck_assert_int_lt(number_of(node, "permissions_generation"), number_of(node, "value_generation"));
	ck_assert_int_lt(number_of(node, "value_generation"), number_of(node, "children_generation"));
	ck_assert_int_eq(number_of(node, "children_generation"), number_of(find_node(document, "/a/b"), "created"));
	json_decref(document);
}
END_TEST

START_TEST(json_says_what_it_was_made_of)
{
	expect_write(client, 0, "/a/b", "1");
	expect_quiet(DUMP("--format", "json", "/a"));
	json_t *document = parse();
	const json_t *header = json_object_get(document, "header");
	ck_assert_str_eq(text_of(header, "format"), "lxenstore-dump");
	ck_assert_int_eq(number_of(header, "format_version"), 1);
	ck_assert_int_eq(number_of(header, "store_format_version"), STORE_VERSION);
	ck_assert_uint_eq(strlen(text_of(header, "store_id")), 32);
	ck_assert_uint_eq(strlen(text_of(header, "boot_id")), 36);
	ck_assert_str_eq(text_of(header, "path"), "/a");
	ck_assert_int_eq(number_of(header, "nodes"), 2);
	ck_assert_int_ge(number_of(header, "generation"), number_of(find_node(document, "/a/b"), "created"));
	ck_assert(json_is_true(json_object_get(header, "one_moment")));
	ck_assert(json_is_true(json_object_get(header, "complete")));
	json_decref(document);
}
END_TEST

START_TEST(a_special_node_is_shown_by_json_and_has_no_list)
{
	expect_quiet(DUMP("--format", "json", "@releaseDomain"));
	json_t *document = parse();
	ck_assert_uint_eq(json_array_size(json_object_get(document, "nodes")), 1);
	find_node(document, "@releaseDomain");
	json_decref(document);
	ck_assert_int_eq(DUMP("@releaseDomain"), 2);
	expect_message("--format json shows the node itself");
}
END_TEST

/* ---- stat ---- */

START_TEST(stat_counts)
{
	expect_write(client, 0, "/a/b/c", "1");
	expect_quiet(DUMP("--format", "stat"));
	ck_assert_uint_eq(figure("nodes"), 8);
	ck_assert_uint_eq(figure("nodes of domain 0"), 8);
	/* And one about the store, one of generations, one account. */
	ck_assert_uint_eq(figure("records"), 11);
	ck_assert_uint_eq(figure("depth"), 3);
	ck_assert_uint_eq(figure("format version"), STORE_VERSION);
	ck_assert_uint_eq(figure("pages"), figure("pages used") + figure("pages free"));
	ck_assert_uint_gt(figure("file size"), 0);
	figure("readers");
	expect_quiet(DUMP("--format", "stat", "/a"));
	ck_assert_uint_eq(figure("nodes"), 3);
	ck_assert_ptr_nonnull(strstr(dump.output, "\npath: /a\n"));
}
END_TEST

/* ---- asked wrongly, and answered elsewhere ---- */

START_TEST(the_store_is_looked_for_in_the_run_directory)
{
	const char *const words[] = {getenv("LXENSTORE_DUMP"), NULL};
	char link[96];

	setenv("XENSTORED_RUNDIR", served.directory, 1);
	snprintf(link, sizeof(link), "%s/store.mdb", served.directory);
	unlink(link);
	command_run(words, NULL, &dump);
	ck_assert_int_eq(dump.status, 3);
	expect_message(link);
	ck_assert_int_eq(symlink(served.store, link), 0);
	command_deinit(&dump);
	command_run(words, NULL, &dump);
	expect_quiet(dump.status);
	ck_assert_str_eq(dump.output, "/tool = \"\"\n/tool/xenstored = \"\"\n");
	unlink(link);
}
END_TEST

START_TEST(a_missing_node_is_told)
{
	ck_assert_int_eq(DUMP("/there/is/none"), 3);
	expect_message("/there/is/none: there is no such node");
	ck_assert_int_eq(DUMP("--format", "json", "/there/is/none"), 3);
	ck_assert_str_eq(dump.output, "");
}
END_TEST

START_TEST(wrong_usage_is_told)
{
	ck_assert_int_eq(DUMP("/a//b"), 2);
	expect_message("\"/a//b\" is no path of XenStore");
	ck_assert_int_eq(DUMP("/a/"), 2);
	ck_assert_int_eq(DUMP(""), 2);
	ck_assert_int_eq(DUMP("/a", "/b"), 2);
	expect_message("only one path");
	ck_assert_int_eq(DUMP("--format", "xml"), 2);
	expect_message("\"xml\" is none of ls, json, stat");
	ck_assert_int_eq(DUMP("--check", "/a"), 2);
	ck_assert_int_eq(DUMP("--store", ""), 2);
	ck_assert_int_eq(DUMP("--nonsense"), 2);
	ck_assert_int_eq(DUMP("--store"), 2);
}
END_TEST

START_TEST(help_and_version_are_shown)
{
	expect_quiet(DUMP("--help"));
	ck_assert_ptr_nonnull(strstr(dump.output, "--generations"));
	expect_quiet(DUMP("--version"));
	ck_assert_str_eq(dump.output, "lxenstore-dump " PACKAGE_VERSION "\n");
}
END_TEST

START_TEST(whoever_stops_reading_ends_it_without_a_word)
{
	const char *const words[] = {"sh", "-c", "{ \"$LXENSTORE_DUMP\" --store \"$STORE\"; echo $? >&2; } | true", NULL};
	char path[32], value[1000];

	/* More than a pipe holds. */
	memset(value, 'x', sizeof(value));
	for (int i = 0; i < 200; i++) {
		snprintf(path, sizeof(path), "/many/%d", i);
		write_value(path, value, sizeof(value));
	}
	command_run(words, NULL, &dump);
	/* 128 and SIGPIPE, from the shell; nothing from the program. */
	ck_assert_str_eq(dump.messages, "141\n");
}
END_TEST

START_TEST(output_that_cannot_be_written_is_told)
{
	const char *const words[] = {"sh", "-c", "exec \"$LXENSTORE_DUMP\" --store \"$STORE\" >/dev/full", NULL};

	expect_write(client, 0, "/a", "");
	command_run(words, NULL, &dump);
	ck_assert_int_eq(dump.status, 3);
	expect_message("standard output: No space left on device");
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
	    ls_is_what_xenstore_ls_prints,
	    ls_of_a_relative_path_shows_relative_paths,
	    ls_of_a_path_with_a_long_key_is_what_xenstore_ls_prints,
	    permissions_are_what_xenstore_ls_prints,
	    generations_are_a_further_column,
	    json_has_every_value_exactly,
	    json_has_the_nodes_in_the_order_of_ls_and_around_them_the_root_and_the_specials,
	    json_has_permissions_and_generations,
	    json_says_what_it_was_made_of,
	    a_special_node_is_shown_by_json_and_has_no_list,
	    stat_counts,
	    the_store_is_looked_for_in_the_run_directory,
	    a_missing_node_is_told,
	    wrong_usage_is_told,
	    help_and_version_are_shown,
	    whoever_stops_reading_ends_it_without_a_word,
	    output_that_cannot_be_written_is_told,
	};

	return suite_run(expect_suite("dump", &served, start, stop, tests, sizeof(tests) / sizeof(tests[0])));
}
