/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * lxenstore-dump, the real program, beside a real daemon and without one: what it shows, that it changes nothing and keeps
 * nothing from going on, and what it says when it cannot.
 */
#include "support/command.h"
#include "support/expect.h"
#include "support/random.h"
#include "support/store_file.h"
#include "support/suite.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <jansson.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "store/node.h"

enum { NOBODY = 65534, WORDS_MAX = 12 };

static struct daemon served;
static struct client *client;
static struct command dump; /* the last one */

/* ---- stores ---- */

static void write_value(const char *path, const void *value, size_t len)
{
	char payload[MESSAGE_PAYLOAD_MAX];
	struct client_message answer;
	size_t path_size = strlen(path) + 1;

	ck_assert_uint_le(path_size + len, sizeof(payload));
	memcpy(payload, path, path_size);
	memcpy(payload + path_size, value, len);
	ck_assert_int_eq(client_call(client, MESSAGE_WRITE, 0, payload, path_size + len, &answer), 0);
	ck_assert_uint_eq(answer.header.type, MESSAGE_WRITE);
}

/* All that may need care: every byte, names over 511 bytes, deep ones, an order that is not that of the names. */
static void fill(void)
{
	char path[MESSAGE_PAYLOAD_MAX], bytes[256];

	expect_write(client, 0, "/zoo/lion", "roars");
	expect_write(client, 0, "/zoo/ape", "climbs");
	expect_write(client, 0, "/zoo/lion/cub", "");
	expect_write(client, 0, "/bar", "");
	for (size_t i = 0; i < 256; i++) {
		bytes[i] = (char)i;
		snprintf(path, sizeof(path), "/bytes/%zu", (i * 37) % 256);
		bytes[i] = (char)((i * 37) % 256);
		write_value(path, &bytes[i], 1);
	}
	write_value("/bytes/all", bytes, 256);
	write_value("/bytes/text", "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80\n", 15);
	write_value("/bytes/cut-text", "caf\xc3", 4);
	write_value("/bytes/nul-at-end", "abc", 4);
	write_value("/bytes/not-octal", "\0001\0019\t8\\\"", 9);
	snprintf(path, sizeof(path), "/long/%0520d/%0505d/x", 2, 1);
	expect_write(client, 0, path, "deep");
	snprintf(path, sizeof(path), "/long/%0520d", 1);
	expect_write(client, 0, path, "second");
	expect_write(client, 0, "/long/short", "third");
	snprintf(path, sizeof(path), "/long/%0520d/a", 2);
	expect_write(client, 0, path, "after");
	strcpy(path, "/depth");
	for (int i = 0; i < 700; i++)
		strcat(path, i % 2 ? "/d" : "/-");
	expect_write(client, 0, path, "bottom");
	expect_write(client, 0, "/local/domain/0/name", "Domain-0");
	expect_ok(client, MESSAGE_SET_PERMS, 0, ARGUMENTS("/zoo/ape", "b0", "r0"));
	expect_write(client, 0, "/gone", "");
	expect_ok(client, MESSAGE_RM, 0, ARGUMENTS("/gone"));
}

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

static void start(void)
{
	expect_start(&served, NULL);
	client = expect_client(&served);
	setenv("XENSTORED_RUNDIR", served.directory, 1);
	setenv("XENSTORED_PATH", served.socket, 1);
}

static void stop(void)
{
	command_deinit(&dump);
	client_close(client);
	if (served.pid)
		daemon_stop(&served, SIGKILL, NULL);
}

static void kill_daemon(void)
{
	client_close(client);
	client = NULL;
	ck_assert_int_eq(daemon_stop(&served, SIGKILL, NULL), 0);
}

/* ---- the program ---- */

#define DUMP(...) run_dump(NULL, (const char *const[]){__VA_ARGS__, NULL})
#define DUMP_ALL() run_dump(NULL, (const char *const[]){NULL})

static void dump_words(const char *const arguments[], const char *words[WORDS_MAX])
{
	size_t n = 0;

	words[n++] = getenv("LXENSTORE_DUMP");
	ck_assert_ptr_nonnull(words[0]);
	for (; *arguments && n < WORDS_MAX - 1; arguments++)
		words[n++] = *arguments;
	words[n] = NULL;
}

static int run_dump(void (*prepare)(void), const char *const arguments[])
{
	const char *words[WORDS_MAX];

	dump_words(arguments, words);
	command_deinit(&dump);
	command_run(words, prepare, &dump);
	return dump.status;
}

static void expect_message(const char *words)
{
	ck_assert_msg(strstr(dump.messages, words), "\"%s\" does not say \"%s\"", dump.messages, words);
	ck_assert_msg(!strncmp(dump.messages, "lxenstore-dump: ", 16), "%s", dump.messages);
}

/* It ended well and had nothing to say. */
static void expect_quiet(int status)
{
	ck_assert_msg(!status && !*dump.messages, "status %d, %s", status, dump.messages);
}

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

static json_t *parse(void)
{
	json_error_t error;
	json_t *document = json_loadb(dump.output, dump.len, 0, &error);

	ck_assert_msg(document != NULL, "line %d: %s", error.line, error.text);
	return document;
}

static const char *text_of(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	ck_assert_msg(text != NULL, "no %s", name);
	return text;
}

static json_int_t number_of(const json_t *object, const char *name)
{
	const json_t *number = json_object_get(object, name);

	ck_assert_msg(json_is_integer(number), "no %s", name);
	return json_integer_value(number);
}

static const json_t *find_node(const json_t *document, const char *path)
{
	const json_t *nodes = json_object_get(document, "nodes");

	for (size_t i = 0; i < json_array_size(nodes); i++) {
		const json_t *node = json_array_get(nodes, i);
		if (!strcmp(text_of(node, "path"), path))
			return node;
	}
	ck_abort_msg("%s is not shown", path);
}

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

/* The number behind `name: ` at the begin of a line. */
static unsigned long long figure(const char *name)
{
	char text[64];
	unsigned long long number;

	snprintf(text, sizeof(text), "%s: ", name);
	const char *line = dump.output;
	while (line && strncmp(line, text, strlen(text))) {
		line = strchr(line, '\n');
		line = line ? line + 1 : NULL;
	}
	ck_assert_msg(line && sscanf(line + strlen(text), "%llu", &number) == 1, "no %s in %s", name, dump.output);
	return number;
}

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

START_TEST(a_link_to_the_store_is_read_with_the_lock_of_the_store)
{
	char link[96];

	snprintf(link, sizeof(link), "%s/link", served.directory);
	unlink(link);
	ck_assert_int_eq(symlink(served.store, link), 0);
	expect_quiet(DUMP("--store", link, "--format", "stat"));
	figure("readers");
	unlink(link);
}
END_TEST

/* ---- beside a daemon that works ---- */

/* In a process of its own until it is killed: each transaction gives all of /load the same new value. */
static pid_t start_load(void)
{
	pid_t child = fork();
	char path[32], value[32];

	ck_assert_int_ge(child, 0);
	if (child)
		return child;
	client = expect_client(&served);
	for (unsigned i = 0;; i++) {
		uint32_t transaction = expect_transaction(client);
		snprintf(value, sizeof(value), "%u", i);
		for (int node = 0; node < 10; node++) {
			snprintf(path, sizeof(path), "/load/%d", node);
			expect_write(client, transaction, path, value);
		}
		expect_end(client, transaction, "");
	}
}

START_TEST(beside_a_working_daemon_each_dump_is_of_one_moment)
{
	char first[32] = "", path[32];
	size_t n_different = 0;

	for (int node = 0; node < 10; node++) {
		snprintf(path, sizeof(path), "/load/%d", node);
		expect_write(client, 0, path, "0");
	}
	pid_t load = start_load();
	/* Until dumps have seen a change five times. */
	while (n_different < 5) {
		expect_quiet(DUMP("--format", "json", "/load"));
		json_t *document = parse();
		const char *value = text_of(find_node(document, "/load/0"), "value");
		for (int node = 1; node < 10; node++) {
			snprintf(path, sizeof(path), "/load/%d", node);
			ck_assert_str_eq(text_of(find_node(document, path), "value"), value);
		}
		n_different += strcmp(first, value) != 0;
		snprintf(first, sizeof(first), "%s", value);
		json_decref(document);
		expect_quiet(DUMP("--check"));
	}
	kill(load, SIGKILL);
	ck_assert_int_eq(waitpid(load, NULL, 0), load);
}
END_TEST

static size_t blocks_of_store(void)
{
	struct stat status;

	ck_assert_int_eq(stat(served.store, &status), 0);
	return (size_t)status.st_blocks * 512;
}

/* Until the pipe holds all that goes into it. */
static void wait_until_full(int pipe, int capacity)
{
	const struct timespec pause = {.tv_nsec = 1000000};
	int held = 0;

	while (held < capacity) {
		nanosleep(&pause, NULL);
		ck_assert_int_eq(ioctl(pipe, FIONREAD, &held), 0);
	}
}

/* Reads to the end. Returns the number of lines, and whether one of them begins like this. */
static size_t count_lines(int pipe, const char *front, bool *found)
{
	FILE *stream = fdopen(pipe, "r");
	char *line = NULL;
	size_t size = 0, n = 0;

	*found = false;
	ck_assert_ptr_nonnull(stream);
	for (; getline(&line, &size, stream) >= 0; n++)
		*found |= !strncmp(line, front, strlen(front));
	free(line);
	fclose(stream);
	return n;
}

/* A reader that pins pages costs some 20 KB of file for each commit of others. */
START_TEST(a_dump_that_nobody_reads_pins_nothing)
{
	enum { NODES = 3000, COMMITS = 20000, ALLOWED = 4 << 20 };
	const char *const arguments[] = {"/many", NULL}, *words[WORDS_MAX];
	char path[32], value[32];
	int ends[2], status;
	bool found;

	for (int i = 0; i < NODES; i++) {
		snprintf(path, sizeof(path), "/many/%d", i);
		expect_write(client, 0, path, "before");
	}
	dump_words(arguments, words);
	ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
	int capacity = fcntl(ends[1], F_SETPIPE_SZ, 4096);
	ck_assert_int_ge(capacity, 4096);
	pid_t child = command_start(words, NULL, ends[1], -1);
	close(ends[1]);
	wait_until_full(ends[0], capacity);

	size_t before = blocks_of_store();
	for (int i = 0; i < COMMITS; i++) {
		snprintf(path, sizeof(path), "/many/%d", i % NODES);
		snprintf(value, sizeof(value), "%d", i);
		expect_write(client, 0, path, value);
	}
	ck_assert_uint_le(blocks_of_store(), before + ALLOWED);
	ck_assert_int_eq(waitpid(child, &status, WNOHANG), 0);
	ck_assert_uint_eq(count_lines(ends[0], "/many/2999 = \"before\"", &found), NODES);
	ck_assert(found);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
}
END_TEST

START_TEST(whoever_stops_reading_ends_it_without_a_word)
{
	char path[32];
	const char *const words[] = {"sh", "-c", "{ \"$LXENSTORE_DUMP\"; echo $? >&2; } | true", NULL};

	for (int i = 0; i < 3000; i++) {
		snprintf(path, sizeof(path), "/many/%d", i);
		expect_write(client, 0, path, "");
	}
	command_deinit(&dump);
	command_run(words, NULL, &dump);
	/* 128 and SIGPIPE, from the shell; nothing from the program. */
	ck_assert_str_eq(dump.messages, "141\n");
}
END_TEST

START_TEST(output_that_cannot_be_written_is_told)
{
	const char *const words[] = {"sh", "-c", "exec \"$LXENSTORE_DUMP\" >/dev/full", NULL};

	expect_write(client, 0, "/a", "");
	command_run(words, NULL, &dump);
	ck_assert_int_eq(dump.status, 3);
	expect_message("standard output: No space left on device");
}
END_TEST

/* ---- without a daemon ---- */

static char *all_formats(const char *store)
{
	struct buffer all = {0};

	expect_quiet(DUMP("--store", store, "--perms", "--generations"));
	buffer_add(&all, dump.output, dump.len);
	expect_quiet(DUMP("--store", store, "--format", "json"));
	buffer_add(&all, dump.output, dump.len);
	expect_quiet(DUMP("--store", store, "--check"));
	buffer_add(&all, dump.output, dump.len);
	buffer_add_nul(&all);
	ck_assert(!all.failed);
	return all.bytes;
}

static void copy_store(const char *to)
{
	size_t len;
	unsigned char *bytes = store_file_bytes(served.store, &len);

	store_file_write(to, bytes, len);
	free(bytes);
}

static void expect_only_entry(const char *directory, const char *name)
{
	DIR *entries = opendir(directory);
	const struct dirent *entry;

	ck_assert_ptr_nonnull(entries);
	while ((entry = readdir(entries)))
		ck_assert_msg(entry->d_name[0] == '.' || !strcmp(entry->d_name, name), "%s is there", entry->d_name);
	closedir(entries);
}

START_TEST(a_dead_daemons_store_and_a_copy_show_what_the_living_one_showed)
{
	char directory[96], copy[128];

	fill();
	char *alive = all_formats(served.store);
	kill_daemon();
	char *dead = all_formats(served.store);
	ck_assert_str_eq(dead, alive);
	snprintf(directory, sizeof(directory), "%s/elsewhere", served.directory);
	snprintf(copy, sizeof(copy), "%s/copy", directory);
	ck_assert_int_eq(mkdir(directory, 0700), 0);
	copy_store(copy);
	char *copied = all_formats(copy);
	ck_assert_str_eq(copied, alive);
	expect_only_entry(directory, "copy");
	expect_quiet(DUMP("--store", copy, "--format", "stat"));
	ck_assert_ptr_nonnull(strstr(dump.output, "readers: not known"));
	unlink(copy);
	rmdir(directory);
	free(alive);
	free(dead);
	free(copied);
}
END_TEST

static void expect_same_bytes(const unsigned char *bytes, size_t len)
{
	size_t now_len;
	unsigned char *now = store_file_bytes(served.store, &now_len);

	ck_assert_uint_eq(now_len, len);
	ck_assert_mem_eq(now, bytes, len);
	free(now);
}

START_TEST(the_store_is_never_changed)
{
	size_t len;

	fill();
	unsigned char *bytes = store_file_bytes(served.store, &len);
	free(all_formats(served.store));
	expect_quiet(DUMP("--format", "stat"));
	expect_same_bytes(bytes, len);
	kill_daemon();
	free(all_formats(served.store));
	expect_quiet(DUMP("--format", "stat"));
	expect_same_bytes(bytes, len);
	free(bytes);
}
END_TEST

/* From now on nobody in particular. */
static void become_nobody(void)
{
	if (setgroups(0, NULL) || setgid(NOBODY) || setuid(NOBODY))
		_exit(126);
}

START_TEST(a_file_that_may_only_be_read_is_enough)
{
	char lock[96];

	expect_write(client, 0, "/a", "1");
	kill_daemon();
	snprintf(lock, sizeof(lock), "%s-lock", served.store);
	ck_assert_int_eq(chmod(served.store, 0444), 0);
	ck_assert_int_eq(chmod(served.directory, 0555), 0);
	void (*prepare)(void) = geteuid() == 0 ? become_nobody : NULL;
	ck_assert_int_eq(chmod(lock, 0400), 0);
	int status = run_dump(prepare, (const char *const[]){"/", NULL});
	ck_assert_msg(!status && strstr(dump.output, "/a = \"1\"\n"), "status %d, %s", status, dump.messages);
	expect_message("Permission denied; if a daemon is changing the store just now, what is shown may be wrong");
	chmod(served.directory, 0755);
	ck_assert_int_eq(unlink(lock), 0);
	chmod(served.directory, 0555);
	expect_quiet(run_dump(prepare, (const char *const[]){"--check", NULL}));
	chmod(served.directory, 0755);
}
END_TEST

/* The same directory, read-only, for this process. */
static void make_read_only(void)
{
	if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount(served.directory, served.directory, NULL, MS_BIND, NULL) ||
	    mount("none", served.directory, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL))
		_exit(125);
}

START_TEST(a_read_only_file_system_is_enough)
{
	expect_write(client, 0, "/a", "1");
	kill_daemon();
	int status = run_dump(make_read_only, (const char *const[]){"/", NULL});
	if (status == 125) {
		fprintf(stderr, "no file system can be mounted here: not tested\n");
		return;
	}
	expect_quiet(status);
	ck_assert_ptr_nonnull(strstr(dump.output, "/a = \"1\"\n"));
}
END_TEST

/* ---- what cannot be shown ---- */

START_TEST(a_damaged_store_is_told_and_nothing_is_invented)
{
	struct random random;
	size_t len, n_damaged = 0;

	fill();
	expect_quiet(DUMP_ALL());
	kill_daemon();
	unsigned char *bytes = store_file_bytes(served.store, &len), *damaged = malloc(len);
	ck_assert_ptr_nonnull(damaged);
	random_begin(&random, "LXENSTORED_DUMP_SEED");
	for (size_t page = 0; page < len / 4096; page++) {
		memcpy(damaged, bytes, len);
		for (size_t i = 0; i < 4096; i++)
			damaged[page * 4096 + i] = (unsigned char)random_below(&random, 256);
		store_file_write(served.store, damaged, len);
		int status = DUMP("--format", "json");
		ck_assert_msg(status == 0 || status == 1 || status == 3, "status %d", status);
		ck_assert_msg((status == 0) == !*dump.messages, "status %d, %s", status, dump.messages);
		n_damaged += status == 1;
		if (!dump.len)
			continue;
		json_t *document = parse();
		ck_assert_int_eq(json_is_true(json_object_get(json_object_get(document, "header"), "complete")), status == 0);
		json_decref(document);
	}
	ck_assert_uint_gt(n_damaged, 5);
	free(damaged);
	free(bytes);
}
END_TEST

START_TEST(a_store_that_was_cut_short_is_told)
{
	struct stat status;

	fill();
	kill_daemon();
	ck_assert_int_eq(stat(served.store, &status), 0);
	for (off_t size = 8192; size < status.st_size / 2; size += 20480) {
		ck_assert_int_eq(truncate(served.store, status.st_size / 2 - size), 0);
		int result = DUMP_ALL();
		ck_assert_msg(result == 1 || result == 3, "status %d", result);
		ck_assert_str_eq(dump.output, "");
		expect_message(served.store);
	}
}
END_TEST

START_TEST(check_lists_each_problem)
{
	static const struct store_account account = {5};
	struct store_file file;

	store_file_init(&file);
	store_file_create(&file, "/a", NULL, "", 0);
	store_file_create(&file, "/a/b", NULL, "", 0);
	store_file_put(&file, "a\0\7", 3, &account, sizeof(account));
	store_file_put(&file, "n\0a", 3, NULL, 0);
	store_file_put(&file, "a\0\0", 3, "12345678", 8);
	store_file_close(&file);
	ck_assert_int_eq(DUMP("--store", file.path, "--check"), 1);
	ck_assert_ptr_nonnull(strstr(dump.output, "/a/b has no parent\n"));
	ck_assert_ptr_nonnull(strstr(dump.output, "domain 7 owns 0 nodes, its account says 5\n"));
	ck_assert_ptr_nonnull(strstr(dump.output, "domain 0 owns 6 nodes, its account says "));
	ck_assert_ptr_nonnull(strstr(dump.output, "6 nodes, 3 problems\n"));

	/* What is still there is shown all the same. */
	ck_assert_int_eq(DUMP("--store", file.path, "--format", "json"), 1);
	expect_message("1 nodes have no parent");
	json_t *document = parse();
	ck_assert(json_is_true(json_object_get(find_node(document, "/a/b"), "orphan")));
	ck_assert(json_is_false(json_object_get(json_object_get(document, "header"), "complete")));
	json_decref(document);
	store_file_deinit(&file);
}
END_TEST

START_TEST(a_newer_format_is_told_by_its_number)
{
	struct store_file file;

	store_file_init(&file);
	struct store_meta meta = file.store->meta;
	meta.version = STORE_VERSION + 1;
	store_file_put(&file, "m", 1, &meta, sizeof(meta));
	store_file_close(&file);
	ck_assert_int_eq(DUMP("--store", file.path), 3);
	expect_message("has format 2, this program reads formats up to 1");
	ck_assert_int_eq(DUMP("--store", file.path, "--check"), 3);
	store_file_deinit(&file);
}
END_TEST

START_TEST(what_is_no_store_is_told)
{
	char path[96];

	snprintf(path, sizeof(path), "%s/other", served.directory);
	ck_assert_int_eq(DUMP("--store", path), 3);
	expect_message("No such file or directory");
	store_file_write(path, "a letter to a friend", 20);
	ck_assert_int_eq(DUMP("--store", path), 3);
	expect_message("is not a store of lxenstored");
	store_file_write(path, "", 0);
	ck_assert_int_eq(DUMP("--store", path), 3);
	expect_message("is empty");
	ck_assert_int_eq(DUMP("--store", served.directory), 3);
	expect_message("is not a store of lxenstored: not a regular file");
	unlink(path);
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
	    a_link_to_the_store_is_read_with_the_lock_of_the_store,
	    beside_a_working_daemon_each_dump_is_of_one_moment,
	    a_dump_that_nobody_reads_pins_nothing,
	    whoever_stops_reading_ends_it_without_a_word,
	    output_that_cannot_be_written_is_told,
	    a_dead_daemons_store_and_a_copy_show_what_the_living_one_showed,
	    the_store_is_never_changed,
	    a_file_that_may_only_be_read_is_enough,
	    a_read_only_file_system_is_enough,
	    a_damaged_store_is_told_and_nothing_is_invented,
	    a_store_that_was_cut_short_is_told,
	    check_lists_each_problem,
	    a_newer_format_is_told_by_its_number,
	    what_is_no_store_is_told,
	    a_missing_node_is_told,
	    wrong_usage_is_told,
	    help_and_version_are_shown,
	};

	return suite_run(expect_suite("dump", &served, start, stop, tests, sizeof(tests) / sizeof(tests[0])));
}
