/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How the tables ask. Payloads are written with '|' for NUL.
 */
#include "support/access_check.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const access_caller_names[ACCESS_CALLERS] = {"domain 0", "the guest", "its device model", "the driver domain",
							 "a stranger"};

uint16_t access_domid(enum access_caller caller)
{
	static const uint16_t domids[ACCESS_CALLERS] = {0, ACCESS_GUEST_DOMID, ACCESS_MODEL_DOMID, ACCESS_DRIVER_DOMID,
							ACCESS_STRANGER_DOMID};

	return domids[caller];
}

void access_begin(struct access_check *check, const struct access_driver *driver, bool in_transaction)
{
	*check = (struct access_check){.driver = driver, .in_transaction = in_transaction};
	buffer_init(&check->problems);
}

void access_end(struct access_check *check)
{
	buffer_add_nul(&check->problems);
	ck_assert(!check->problems.failed);
	ck_assert_msg(check->problems.len == 1, "%.2000s", (const char *)check->problems.bytes);
	buffer_deinit(&check->problems);
}

/* ---- asking ---- */

struct access_answer access_ask(const struct access_check *check, enum access_caller caller, uint32_t type, uint32_t transaction,
				const char *payload)
{
	char bytes[ACCESS_PAYLOAD_SIZE];
	size_t len = strlen(payload);

	ck_assert_uint_lt(len, sizeof(bytes));
	for (size_t i = 0; i < len; i++)
		bytes[i] = payload[i] == '|' ? 0 : payload[i];
	return check->driver->ask(caller, type, transaction, bytes, len);
}

struct access_answer access_order(const struct access_check *check, uint32_t type, uint32_t transaction, const char *payload)
{
	struct access_answer answer = access_ask(check, ACCESS_ROOT, type, transaction, payload);

	ck_assert_msg(!*answer.error, "%s %s by domain 0: %s", message_type_name(type), payload, answer.error);
	return answer;
}

uint32_t access_start(const struct access_check *check, enum access_caller caller)
{
	struct access_answer answer = access_ask(check, caller, MESSAGE_TRANSACTION_START, 0, "|");

	ck_assert_msg(!*answer.error, "TRANSACTION_START: %s", answer.error);
	return (uint32_t)strtoul(answer.bytes, NULL, 10);
}

void access_permit(const struct access_check *check, uint32_t transaction, const char *path, const char *permissions)
{
	char payload[ACCESS_PAYLOAD_SIZE];
	int len = snprintf(payload, sizeof(payload), "%s|%s|", path, permissions);

	for (int i = 0; i < len; i++)
		payload[i] = payload[i] == ' ' ? '|' : payload[i];
	access_order(check, MESSAGE_SET_PERMS, transaction, payload);
}

void access_make_node(const struct access_check *check, uint32_t transaction, const char *path, const char *permissions)
{
	char payload[ACCESS_PAYLOAD_SIZE];

	snprintf(payload, sizeof(payload), "%s|value", path);
	access_order(check, MESSAGE_WRITE, transaction, payload);
	access_permit(check, transaction, path, permissions);
}

void access_forget_events(const struct access_check *check)
{
	for (int caller = 0; caller < ACCESS_CALLERS; caller++) {
		while (check->driver->event((enum access_caller)caller))
			;
	}
}

void access_watch(const struct access_check *check, enum access_caller caller, const char *watch)
{
	char payload[ACCESS_PAYLOAD_SIZE];

	snprintf(payload, sizeof(payload), "%s|", watch);
	struct access_answer answer = access_ask(check, caller, MESSAGE_WATCH, 0, payload);
	ck_assert_msg(!*answer.error, "WATCH %s by %s: %s", watch, access_caller_names[caller], answer.error);
}

const char *access_error(char letter)
{
	switch (letter) {
	case 'A':
		return "EACCES";
	case 'N':
		return "ENOENT";
	case 'P':
		return "EPERM";
	case 'S':
		return "ENOSYS";
	case 'V':
		return "EINVAL";
	default:
		return "";
	}
}
