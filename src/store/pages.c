/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * LMDB keeps the list of free pages in a database of its own, the one with handle 0: a record per transaction, with the
 * pages that it freed. A bit per page tells whether one is listed twice. Pages that are neither free nor used are no problem:
 * they are lost, not shared.
 */
#include "store/pages.h"

#include <errno.h>
#include <inttypes.h>
#include <lmdb.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FREE_DBI = 0, META_PAGES = 2 };

static int say(char problem[PAGES_TEXT_SIZE], const char *format, ...) __attribute__((format(printf, 2, 3)));

static int say(char problem[PAGES_TEXT_SIZE], const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(problem, PAGES_TEXT_SIZE, format, arguments);
	va_end(arguments);
	return -EIO;
}

/*
 * The last page of the transaction's own state. LMDB tells only that of the newest one, which is the same unless somebody
 * commits just now; `exact` says so.
 */
static uint64_t count_all(MDB_txn *txn, bool *exact)
{
	MDB_envinfo first, second;

	mdb_env_info(mdb_txn_env(txn), &first);
	mdb_env_info(mdb_txn_env(txn), &second);
	*exact = first.me_last_txnid == mdb_txn_id(txn) && second.me_last_txnid == first.me_last_txnid &&
		 second.me_last_pgno == first.me_last_pgno;
	return second.me_last_pgno + 1;
}

/* Marks the pages of one record: their number, then the numbers of the pages. */
static int mark_free(const MDB_val *record, unsigned char *bits, struct pages *pages, char problem[PAGES_TEXT_SIZE])
{
	const char *bytes = record->mv_data;
	size_t n, page;

	if (record->mv_size < sizeof(n))
		return say(problem, "a record of the list of free pages has %zu bytes", record->mv_size);
	memcpy(&n, bytes, sizeof(n));
	if (n > record->mv_size / sizeof(n) - 1)
		return say(problem, "a record of the list of free pages has %zu bytes for %zu pages", record->mv_size, n);
	for (size_t i = 1; i <= n; i++) {
		memcpy(&page, bytes + i * sizeof(page), sizeof(page));
		if (page < META_PAGES || page >= pages->total)
			return say(problem, "page %zu is listed as free, there are %" PRIu64, page, pages->total);
		if (bits[page / 8] & 1u << page % 8)
			return say(problem, "page %zu is listed as free twice", page);
		bits[page / 8] |= (unsigned char)(1u << page % 8);
	}
	pages->free += n;
	return 0;
}

static int walk_free(MDB_txn *txn, unsigned char *bits, struct pages *pages, char problem[PAGES_TEXT_SIZE])
{
	MDB_cursor *cursor;
	MDB_val key, record;
	size_t last = 0, id;
	int result = 0, code = mdb_cursor_open(txn, FREE_DBI, &cursor);

	if (code)
		return say(problem, "the list of free pages: %s", mdb_strerror(code));
	for (code = mdb_cursor_get(cursor, &key, &record, MDB_FIRST); !code && !result;
	     code = result ? 0 : mdb_cursor_get(cursor, &key, &record, MDB_NEXT)) {
		if (key.mv_size != sizeof(id)) {
			result = say(problem, "a key of the list of free pages has %zu bytes", key.mv_size);
			break;
		}
		memcpy(&id, key.mv_data, sizeof(id));
		if (id <= last || id > mdb_txn_id(txn)) {
			result =
			    say(problem, "the list of free pages has a record of transaction %zu after that of %zu", id, last);
			break;
		}
		last = id;
		result = mark_free(&record, bits, pages, problem);
	}
	mdb_cursor_close(cursor);
	if (!result && code != MDB_NOTFOUND)
		return say(problem, "the list of free pages: %s", mdb_strerror(code));
	return result;
}

static uint64_t pages_of(const MDB_stat *stat)
{
	return stat->ms_branch_pages + stat->ms_leaf_pages + stat->ms_overflow_pages;
}

int pages_count(struct MDB_txn *txn, unsigned int dbi, struct pages *out, char problem[PAGES_TEXT_SIZE])
{
	MDB_stat records, free_list;
	MDB_envinfo info;
	bool exact;

	*out = (struct pages){0};
	*problem = 0;
	if (mdb_stat(txn, dbi, &records) || mdb_stat(txn, FREE_DBI, &free_list) || mdb_env_info(mdb_txn_env(txn), &info))
		return say(problem, "LMDB knows no page");
	out->page_size = records.ms_psize;
	out->records = records.ms_entries;
	out->total = count_all(txn, &exact);
	out->used = META_PAGES + pages_of(&records) + pages_of(&free_list);
	if (exact && out->total > info.me_mapsize / out->page_size)
		return say(problem, "there are more pages, %" PRIu64 ", than the file may have", out->total);
	unsigned char *bits = calloc(out->total / 8 + 1, 1);
	if (!bits)
		return -ENOMEM;
	int fault = walk_free(txn, bits, out, problem);
	free(bits);
	if (!fault && exact && out->used + out->free > out->total)
		return say(problem, "%" PRIu64 " pages are used and %" PRIu64 " free, there are %" PRIu64, out->used, out->free,
			   out->total);
	return fault;
}

struct readers {
	uint64_t n, oldest;
};

/* One line of LMDB's table: process, thread, and the transaction id or "-". */
static int count_reader(const char *line, void *context)
{
	struct readers *readers = context;
	int process;
	size_t thread, id;

	if (sscanf(line, "%d %zx %zu", &process, &thread, &id) != 3 || process == getpid())
		return 0;
	if (!readers->n++ || id < readers->oldest)
		readers->oldest = id;
	return 0;
}

uint64_t pages_readers(struct MDB_txn *txn, uint64_t *oldest)
{
	struct readers readers = {0, 0};

	mdb_reader_list(mdb_txn_env(txn), count_reader, &readers);
	*oldest = readers.oldest;
	return readers.n;
}
