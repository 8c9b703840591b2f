/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <jansson.h>
#include <stddef.h>

#include "support/command.h"
#include "support/expect.h"

/*
 * For the tests of lxenstore-dump, the program that LXENSTORE_DUMP names: a daemon, a client of it, and the dump last made. What
 * begins with expect_ fails the running test, as in support/expect.h.
 */
extern struct daemon served;
extern struct client *client;
extern struct command dump;

enum { DUMP_WORDS_MAX = 16 };

/* Fixtures: a daemon and a client; XENSTORED_PATH and STORE name its socket and its store. */
void start(void);
void stop(void);

/* From now on there is only its store. */
void kill_daemon(void);

/* Any bytes. */
void write_value(const char *path, const void *value, size_t len);

/* All that may need care: every byte, names over 511 bytes, deep ones, an order that is not that of the names. */
void fill(void);

/* The program's words: it, the daemon's store, and then the arguments (ending with NULL), which may name another store. */
void dump_words(const char *const arguments[], const char *words[DUMP_WORDS_MAX]);

/* Runs it; `prepare` as in command_run. Returns its status. */
int run_dump(void (*prepare)(void), const char *const arguments[]);
#define DUMP(...) run_dump(NULL, (const char *const[]){__VA_ARGS__, NULL})
#define DUMP_ALL() run_dump(NULL, (const char *const[]){NULL})

/* The last dump's messages have these words. */
void expect_message(const char *words);

/* It ended with status 0 and had nothing to say. */
void expect_quiet(int status);

/* The JSON document that it printed; the caller gives it back. */
json_t *parse(void);
const char *text_of(const json_t *object, const char *name);
json_int_t number_of(const json_t *object, const char *name);
const json_t *find_node(const json_t *document, const char *path);

/* The number behind `name: ` in what --format stat printed. */
unsigned long long figure(const char *name);
