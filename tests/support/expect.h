/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <check.h>
#include <stddef.h>
#include <stdint.h>

#include "support/client.h"
#include "support/daemon.h"
#include "wire/message.h"

/*
 * For tests with a real daemon: each function asks something and fails the running test, with the request and both
 * answers in its message, unless the answer is the expected one.
 */

/* Arguments of a request: each goes with its NUL. */
#define ARGUMENTS(...)                                                                                                           \
	sizeof((const char *[]){__VA_ARGS__}) / sizeof(const char *), (const char *const[])                                      \
	{                                                                                                                        \
		__VA_ARGS__                                                                                                      \
	}
#define NO_ARGUMENTS 0, NULL

/*
 * A suite of one case. The directory of `daemon` is made before the first test and removed after the last; `start` and `stop`
 * (may be NULL) are called around each, in its process.
 */
Suite *expect_suite(const char *name, struct daemon *daemon, void (*start)(void), void (*stop)(void), const TTest *const tests[],
		    size_t n);

/* Another case of the suite, with another way to start. */
void expect_case(Suite *suite, const char *name, void (*start)(void), void (*stop)(void), const TTest *const tests[], size_t n);

/*
 * Gives the daemon a store, a socket and a log of its own in the directory that daemon_init has made: tests that run in
 * processes of their own share the directory, which their parent removes.
 */
void expect_place(struct daemon *daemon);

/* The same, and starts it. `arguments` as for daemon_start. */
void expect_start(struct daemon *daemon, const char *const arguments[]);

/* The same store again, after a stop. */
void expect_restart(struct daemon *daemon, const char *const arguments[]);

struct client *expect_client(const struct daemon *daemon);

/* "OK" with its NUL. */
void expect_ok(struct client *client, uint32_t type, uint32_t transaction, size_t count, const char *const arguments[]);

/* An ERROR of this name. */
void expect_error(struct client *client, const char *error, uint32_t type, uint32_t transaction, size_t count,
		  const char *const arguments[]);

/* Exactly these bytes. */
void expect_bytes(struct client *client, const void *bytes, size_t len, uint32_t type, uint32_t transaction, size_t count,
		  const char *const arguments[]);

/* This text and its NUL. */
void expect_text(struct client *client, const char *text, uint32_t type, uint32_t transaction, size_t count,
		 const char *const arguments[]);

/* The answer, an error or not, for the test to look at; valid as client_call says. Only that it is one is expected. */
struct client_message expect_any(struct client *client, uint32_t type, uint32_t transaction, size_t count,
				 const char *const arguments[]);

/* One node, with values that are strings, NULL for a missing node. */
void expect_write(struct client *client, uint32_t transaction, const char *path, const char *value);
void expect_read(struct client *client, uint32_t transaction, const char *path, const char *value);
void expect_names(struct client *client, uint32_t transaction, const char *path, const char *names); /* "a b c", in order */
void expect_permissions(struct client *client, uint32_t transaction, const char *path, const char *entries); /* "n0 r5" */

uint32_t expect_transaction(struct client *client);
void expect_end(struct client *client, uint32_t transaction, const char *error); /* of END T; "": success */

void expect_watch(struct client *client, const char *path, const char *token); /* and takes its first event */
void expect_event(struct client *client, const char *path, const char *token); /* the next one */
void expect_no_event(struct client *client);				       /* that has not been taken */

/* The server has hung up, or does at once. */
void expect_hangup(struct client *client);

/* CONTROL check finds nothing. */
void expect_sound(struct client *client);

/* All that a client can see of the tree, one line a node, children in the order of DIRECTORY; the caller frees it. */
char *expect_tree(struct client *client);
