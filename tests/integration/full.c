/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Each version of each node has its own value, so a mixture of two shows. */
#include "integration/full.h"

#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "store/check.h"

size_t full_put_path(unsigned node, char *payload)
{
	return (size_t)sprintf(payload, "/full/%u", node) + 1;
}

size_t full_put_value(unsigned node, unsigned version, char *payload)
{
	size_t len = 0;

	while (len < FULL_VALUE_LEN)
		len += (size_t)sprintf(payload + len, "%u.%u;", node, version);
	return len;
}

size_t full_put_write(unsigned node, unsigned version, char *payload)
{
	size_t len = full_put_path(node, payload);

	return len + full_put_value(node, version, payload + len);
}

bool full_write(struct full *full, unsigned node)
{
	char payload[FULL_PAYLOAD_SIZE];
	struct client_message answer;
	size_t len = full_put_write(node, ++full->last_version, payload);

	ck_assert_int_eq(client_call(full->client, MESSAGE_WRITE, 0, payload, len, &answer), 0);
	if (answer.header.type == MESSAGE_ERROR) {
		ck_assert_str_eq(answer.payload, "ENOSPC");
		return false;
	}
	full->version[node] = full->last_version;
	return true;
}

void full_remove(struct full *full, unsigned node)
{
	char path[32];

	full_put_path(node, path);
	expect_ok(full->client, MESSAGE_RM, 0, ARGUMENTS(path));
	full->version[node] = 0;
}

void full_check_node(struct full *full, unsigned node)
{
	char path[32], value[FULL_PAYLOAD_SIZE];

	full_put_path(node, path);
	if (full->version[node])
		expect_bytes(full->client, value, full_put_value(node, full->version[node], value), MESSAGE_READ, 0,
			     ARGUMENTS(path));
	else
		expect_error(full->client, "ENOENT", MESSAGE_READ, 0, ARGUMENTS(path));
}

void full_check(struct full *full, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		full_check_node(full, i);
	expect_sound(full->client);
}

unsigned full_fill(struct full *full, unsigned first)
{
	while (full_write(full, first)) {
		first++;
		ck_assert_uint_lt(first, FULL_NODES);
	}
	/* It stays so. */
	ck_assert(!full_write(full, first));
	return first;
}

void full_serve_again(struct full *full, const char *mode)
{
	const char *arguments[] = {"--store-mode", mode, full->size ? "--store-size" : NULL, full->size, NULL};

	expect_restart(&full->daemon, arguments);
	full->client = expect_client(&full->daemon);
}

void full_serve(struct full *full, const char *size)
{
	const char *arguments[] = {"--store-mode", full->mode, size ? "--store-size" : NULL, size, NULL};

	full->size = size;
	memset(full->version, 0, sizeof(full->version));
	expect_start(&full->daemon, arguments);
	full->client = expect_client(&full->daemon);
	expect_ok(full->client, MESSAGE_MKDIR, 0, ARGUMENTS("/full"));
}

void full_end(struct full *full, int signal)
{
	struct check_verdict verdict;
	int status;

	client_close(full->client);
	ck_assert_int_eq(daemon_stop(&full->daemon, signal, &status), 0);
	ck_assert_msg(signal == SIGKILL ? WIFSIGNALED(status) : status == 0, "the daemon ended with status %x", (unsigned)status);
	ck_assert_int_eq(check_file(full->daemon.store, NULL, &verdict), 0);
	ck_assert_msg(verdict.result == CHECK_SOUND, "%s", verdict.text);
}
