/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/log.h"
#include "store/store.h"

/*
 * A store made by the daemon's own code in a directory of its own, and its file as bytes that a test may damage. Whatever goes
 * wrong here ends the process: it is no outcome of a test.
 */
struct store_file {
	char directory[64];
	char path[80];
	struct log log;
	struct store *store; /* NULL while closed */
};

#define STORE_FILE_BOOT_ID "0b5e1f00-test"

/* Makes the directory and the store, and leaves it open. */
void store_file_init(struct store_file *file);
void store_file_deinit(struct store_file *file); /* accepts a zeroed one */

void store_file_open(struct store_file *file);
void store_file_close(struct store_file *file); /* what was not committed is lost */

/* One node, committed. `permissions`: words like "n1 r0"; NULL: "n0". Its parent is there. */
void store_file_create(struct store_file *file, const char *path, const char *permissions, const void *value, size_t len);
void store_file_remove(struct store_file *file, const char *path);

/* A record past all rules, committed; `record` NULL: taken away. */
void store_file_put(struct store_file *file, const void *key, size_t key_len, const void *record, size_t len);

/* A copy of the record; the caller frees it. */
unsigned char *store_file_get(struct store_file *file, const void *key, size_t key_len, size_t *len);

/* The file's bytes (the caller frees them), and new ones in their place. The store is closed. */
unsigned char *store_file_bytes(const char *path, size_t *len);
void store_file_write(const char *path, const void *bytes, size_t len);

/* Puts `to` in the place of each `from` of the same length. Returns how often it did. */
size_t store_file_replace(unsigned char *bytes, size_t len, const void *from, const void *to, size_t size);
