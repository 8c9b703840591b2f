/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the tests of lxenstore-dump do again and again. */
#include "dump_run.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct daemon served;
struct client *client;
struct command dump;

void write_value(const char *path, const void *value, size_t len)
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

void fill(void)
{
	char path[MESSAGE_PAYLOAD_MAX], bytes[256];

	expect_write(client, 0, "/zoo/lion", "roars");
	expect_write(client, 0, "/zoo/ape", "climbs");
	expect_write(client, 0, "/zoo/lion/cub", "");
	expect_write(client, 0, "/bar", "");
	for (size_t i = 0; i < 256; i++) {
		bytes[i] = (char)((i * 37) % 256);
		snprintf(path, sizeof(path), "/bytes/%zu", (i * 37) % 256);
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

void start(void)
{
	expect_start(&served, NULL);
	client = expect_client(&served);
	setenv("XENSTORED_PATH", served.socket, 1);
	setenv("STORE", served.store, 1);
}

void stop(void)
{
	command_deinit(&dump);
	client_close(client);
	if (served.pid)
		daemon_stop(&served, SIGKILL, NULL);
}

void kill_daemon(void)
{
	client_close(client);
	client = NULL;
	ck_assert_int_eq(daemon_stop(&served, SIGKILL, NULL), 0);
}

/* ---- the program ---- */

void dump_words(const char *const arguments[], const char *words[DUMP_WORDS_MAX])
{
	size_t n = 0;

	words[n++] = getenv("LXENSTORE_DUMP");
	ck_assert_ptr_nonnull(words[0]);
	/* An argument may name another one. */
	words[n++] = "--store";
	words[n++] = served.store;
	for (; *arguments && n < DUMP_WORDS_MAX - 1; arguments++)
		words[n++] = *arguments;
	words[n] = NULL;
}

int run_dump(void (*prepare)(void), const char *const arguments[])
{
	const char *words[DUMP_WORDS_MAX];

	dump_words(arguments, words);
	command_deinit(&dump);
	command_run(words, prepare, &dump);
	return dump.status;
}

void expect_message(const char *words)
{
	ck_assert_msg(strstr(dump.messages, words), "\"%s\" does not say \"%s\"", dump.messages, words);
	ck_assert_msg(!strncmp(dump.messages, "lxenstore-dump: ", 16), "%s", dump.messages);
}

void expect_quiet(int status)
{
	ck_assert_msg(!status && !*dump.messages, "status %d, %s", status, dump.messages);
}

json_t *parse(void)
{
	json_error_t error;
	json_t *document = json_loadb(dump.output, dump.len, 0, &error);

	ck_assert_msg(document != NULL, "line %d: %s", error.line, error.text);
	return document;
}

const char *text_of(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	ck_assert_msg(text != NULL, "no %s", name);
	return text;
}

json_int_t number_of(const json_t *object, const char *name)
{
	const json_t *number = json_object_get(object, name);

	ck_assert_msg(json_is_integer(number), "no %s", name);
	return json_integer_value(number);
}

const json_t *find_node(const json_t *document, const char *path)
{
	const json_t *nodes = json_object_get(document, "nodes");

	for (size_t i = 0; i < json_array_size(nodes); i++) {
		const json_t *node = json_array_get(nodes, i);
		if (!strcmp(text_of(node, "path"), path))
			return node;
	}
	ck_abort_msg("%s is not shown", path);
}

unsigned long long figure(const char *name)
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
