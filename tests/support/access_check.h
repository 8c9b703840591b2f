/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/buffer.h"
#include "support/access.h"
#include "wire/message.h"

/* What the tables of support/access.h share. Wrong answers are collected, so that one run shows all of them. */
struct access_check {
	const struct access_driver *driver;
	bool in_transaction;
	struct buffer problems;
};

/* Nodes that the tables are about. */
#define ACCESS_TOP "/access"
#define ACCESS_PARENT ACCESS_TOP "/parent"
#define ACCESS_NODE ACCESS_PARENT "/node"

enum { ACCESS_PAYLOAD_SIZE = 256 };

extern const char *const access_caller_names[ACCESS_CALLERS];

void access_begin(struct access_check *check, const struct access_driver *driver, bool in_transaction);
void access_end(struct access_check *check); /* fails the test if there were problems */

/* In `payload` '|' stands for NUL; none is added. */
struct access_answer access_ask(const struct access_check *check, enum access_caller caller, uint32_t type, uint32_t transaction,
				const char *payload);

/* The same by domain 0; it must succeed. */
struct access_answer access_order(const struct access_check *check, uint32_t type, uint32_t transaction, const char *payload);

uint32_t access_start(const struct access_check *check, enum access_caller caller); /* a transaction */

/* `permissions` are words. */
void access_permit(const struct access_check *check, uint32_t transaction, const char *path, const char *permissions);
void access_make_node(const struct access_check *check, uint32_t transaction, const char *path, const char *permissions);

void access_watch(const struct access_check *check, enum access_caller caller, const char *watch); /* "<path>|<token>" */
void access_forget_events(const struct access_check *check);					   /* of all callers */

/* '.' done, A EACCES, N ENOENT, P EPERM, S ENOSYS, V EINVAL. */
const char *access_error(char letter);
