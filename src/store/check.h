/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/reader.h"

struct MDB_txn;

/* Whether a store file is what it should be. */
enum check_result {
	CHECK_SOUND,
	CHECK_OTHER_BOOT, /* of another boot of the host; text: its boot id */
	CHECK_NEWER,	  /* newer format; text: its number */
	CHECK_FOREIGN,	  /* no store of ours; text: why */
	CHECK_DAMAGED	  /* text: the first thing that is wrong */
};

struct check_verdict {
	enum check_result result;
	uint64_t nodes;	   /* walked */
	uint64_t problems; /* found */
	bool one_moment;   /* else the store changed meanwhile, and sums and counts were not compared */
	char text[512];
};

/*
 * Walks the whole file in a child process, since LMDB may die of damaged pages. `boot_id`: of the running host, to tell
 * CHECK_OTHER_BOOT (then nothing else is looked at); NULL: any boot will do. The file must not be open in this process, nor
 * change. 0, or -errno if it cannot be examined.
 */
int check_file(const char *path, const char *boot_id, struct check_verdict *out);

/* The same without the walk: only the first pages, the way to the record about the store, and that are looked at. */
int check_file_head(const char *path, const char *boot_id, struct check_verdict *out);

/* The seconds of CPU time that it may take to examine all of the file. */
unsigned check_file_limit(const char *path);

/*
 * Walks all records that `txn` of this environment sees: keys and records well formed and in order; each node but the root has a
 * parent; long keys match the paths of their records; accounts are the sums; no generation above what may have been given out.
 * Each problem is handed to `report` (may be NULL). *out: CHECK_SOUND or CHECK_DAMAGED with the first problem. Fault: -EIO,
 * -ENOMEM.
 */
typedef void check_report(void *context, const char *problem);
int check_records(struct MDB_txn *txn, unsigned int dbi, check_report *report, void *context, struct check_verdict *out);

/*
 * The same beside a daemon, and the list of free pages too. `records` is made ready for reader_walk_begin, with its reader;
 * afterwards it is ended. While a problem is reported, pages are pinned.
 */
int check_store(struct reader_walk *records, check_report *report, void *context, struct check_verdict *out);
