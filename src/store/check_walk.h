/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/check.h"
#include "store/node.h"
#include "store/reader.h"
#include "wire/path.h"

/* A check that is under way. Shared by check*.c only. */
struct MDB_val;

struct check_walk {
	struct reader_walk *records;
	struct store_meta meta;
	check_report *report;
	void *context;
	struct check_verdict *verdict;

	uint64_t snapshot;   /* what is remembered from here to `owned` and of the directory is of it */
	uint64_t generation; /* none may be above */
	uint64_t *owned;     /* by domid: nodes seen, less what the account says */
	bool root_seen;
	char directory[PATH_BUFFER]; /* the parent of the nodes last seen, and what is known of it: */
	size_t directory_len;
	bool directory_exists;
	struct node directory_node; /* in the map, while `snapshot` is read */
};

/* Notes and reports a problem; of a node, with its path, of which both ends are told if it is long. */
void check_problem(struct check_walk *walk, const char *format, ...) __attribute__((format(printf, 2, 3)));
void check_node_problem(struct check_walk *walk, const struct path *path, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* A record in the state that is read: what mdb_get returns. */
int check_get(struct check_walk *walk, const void *key, size_t key_len, struct MDB_val *record);

/*
 * Whether the pages of this file that LMDB's newest state uses are sound; nobody may be writing it. Else `text` says what is
 * wrong first. A file that is none of LMDB's may be sound.
 */
bool check_pages_of_file(int fd, char *text, size_t text_size);

/* The record that is read, of the kind that its key's first byte says. */
void check_node(struct check_walk *walk);
void check_index(struct check_walk *walk);
void check_account(struct check_walk *walk);
void check_domain(struct check_walk *walk);
void check_quotas(struct check_walk *walk);
void check_watch(struct check_walk *walk);
