/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "lxenstored/store_format.h"

struct MDB_cursor;
struct MDB_env;
struct MDB_txn;

/* What a store file is, found out without changing it. */
enum reader_result {
	READER_SOUND,	/* a store that this program understands; nothing is said about its records */
	READER_EMPTY,	/* begun, and its daemon died before the first commit */
	READER_NEWER,	/* text: number of the newer format */
	READER_FOREIGN, /* no store of ours; text: why */
	READER_DAMAGED, /* text: what is wrong */
	READER_FAILED	/* cannot be read; text: why */
};

enum { READER_TEXT_SIZE = 512, READER_MILLISECONDS = 1000 };

/* A store file opened for reading only, by a program that is not its daemon or before the daemon opens it to write. */
struct reader_env {
	struct MDB_env *env;
	unsigned int dbi;
	struct store_meta meta;
};

/*
 * `locked`: takes part in LMDB's lock file, which a store that somebody may be writing needs; without it nothing but the
 * file itself is opened. On damaged pages LMDB may end the process: call it in a child. `text` says what the result's
 * comment promises, else "". After READER_SOUND: reader_close.
 */
enum reader_result reader_open(const char *path, bool locked, struct reader_env *out, char text[READER_TEXT_SIZE]);

/* Whether `id`, of `size` bytes or ended by NUL before, can be a boot id of a store: it becomes part of a file name. */
bool reader_is_boot_id(const char *id, size_t size);
void reader_close(struct reader_env *reader); /* accepts a zeroed one */

/* A read transaction of the newest state, also when the file has grown since it was opened. 0 or -errno. */
int reader_begin(struct reader_env *reader, struct MDB_txn **out);
void reader_end(struct MDB_txn *txn); /* accepts NULL */

/*
 * A walk over the records in the order of their keys. A read transaction keeps the pages that it sees from being used again,
 * so none lives longer than `milliseconds`: then it is ended, `pause` is called, and the walk goes on behind the last key in
 * a newer one.
 */
typedef void reader_pause(void *context, uint64_t n_records);

struct reader_walk {
	/* Set by the caller; the rest is zeroed. */
	struct reader_env *reader; /* NULL: all is read in `txn`, which stays the caller's */
	unsigned int milliseconds;
	reader_pause *pause; /* may be NULL */
	void *context;

	struct MDB_txn *txn;
	unsigned int dbi;
	struct MDB_cursor *cursor;
	uint64_t snapshot; /* id of the state that `txn` sees */
	bool one_moment;   /* all that was read so far is of that state */
	bool at_key;	   /* the cursor stands before the record to be read next */
	uint64_t n;	   /* records read */
	int64_t end;	   /* of `txn`, in milliseconds */

	/* The record last read, in the map: valid until the next one is. */
	const unsigned char *key;
	size_t key_len;
	const void *record;
	size_t record_len;

	const char *problem; /* after -EIO: what is wrong with the file */
	unsigned char kept[STORE_KEY_MAX];
};

/* 0 or -errno. After it, also after a fault: reader_walk_end. */
int reader_walk_begin(struct reader_walk *walk);
void reader_walk_end(struct reader_walk *walk);

/* The next record to be read is the first whose key is not before this one. 0, STATUS_ENOENT: there is none, or -EIO. */
int reader_walk_seek(struct reader_walk *walk, const void *key, size_t len);

/* Reads the next record. 0, STATUS_ENOENT: there is none, -EIO: the file is damaged, or another -errno. */
int reader_walk_next(struct reader_walk *walk);
