/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct MDB_txn;

enum { PAGES_TEXT_SIZE = 160 };

/* How LMDB's pages are used. */
struct pages {
	size_t page_size;
	uint64_t total; /* up to the last one */
	uint64_t used;	/* by records, by the list of free pages and by LMDB itself */
	uint64_t free;	/* to be used again, some of them when nobody reads older states any more */
	uint64_t records;
};

/*
 * Counts the pages of the state that the read transaction sees, and checks the list of the free ones: a page that is free twice,
 * or free and in use, would be written over. `problem`: what is wrong with it, else "". 0, -EIO (told in `problem`) or -ENOMEM.
 */
int pages_count(struct MDB_txn *txn, unsigned int dbi, struct pages *out, char problem[PAGES_TEXT_SIZE]);

/* How many other processes' read transactions there are, by LMDB's lock file; *oldest: id of the oldest state they see. */
uint64_t pages_readers(struct MDB_txn *txn, uint64_t *oldest);
