/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One walk over all records in the order of their keys; what each kind must be is in check_node.c and check_other.c. All that is
 * kept besides are the sums of what each domain owns. If the store changes during the walk, each record is still compared with
 * others of its own moment; only what is summed up over all of them is not.
 */
#include "store/check.h"

#include <errno.h>
#include <inttypes.h>
#include <lmdb.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "store/check_walk.h"
#include "store/pages.h"

enum { DOMIDS = UINT16_MAX + 1 };

void check_problem(struct check_walk *walk, const char *format, ...)
{
	char text[sizeof(walk->verdict->text)];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	if (!walk->verdict->problems++)
		memcpy(walk->verdict->text, text, sizeof(text));
	walk->verdict->result = CHECK_DAMAGED;
	if (walk->report)
		walk->report(walk->context, text);
}

void check_node_problem(struct check_walk *walk, const struct path *path, const char *format, ...)
{
	enum { HALF = 120 };
	char what[128];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(what, sizeof(what), format, arguments);
	va_end(arguments);
	if (path->len <= 2 * HALF)
		check_problem(walk, "%.*s %s", (int)path->len, path->text, what);
	else
		check_problem(walk, "%.*s...%.*s %s", HALF, path->text, HALF, path->text + path->len - HALF, what);
}

int check_get(struct check_walk *walk, const void *key_bytes, size_t key_len, MDB_val *record)
{
	MDB_val key = {key_len, (void *)(uintptr_t)key_bytes};

	return mdb_get(walk->records->txn, walk->records->dbi, &key, record);
}

/* ---- single records ---- */

static void check_meta(struct check_walk *walk)
{
	char meta = STORE_KEY_META;
	MDB_val record;

	if (check_get(walk, &meta, 1, &record) || record.mv_size != sizeof(walk->meta))
		check_problem(walk, "the record about the store is missing or of the wrong size");
	else
		memcpy(&walk->meta, record.mv_data, sizeof(walk->meta));
}

/* What is remembered of the state that is read. */
static void enter_snapshot(struct check_walk *walk)
{
	char generation = STORE_KEY_GENERATION;
	MDB_val record;

	walk->snapshot = walk->records->snapshot;
	walk->directory_len = 0;
	if (check_get(walk, &generation, 1, &record) || record.mv_size != sizeof(walk->generation))
		check_problem(walk, "the record of generations is missing or of the wrong size");
	else
		memcpy(&walk->generation, record.mv_data, sizeof(walk->generation));
}

static void check_record(struct check_walk *walk)
{
	const unsigned char *key = walk->records->key;
	size_t key_len = walk->records->key_len;

	switch (*key) {
	case STORE_KEY_NODE:
	case STORE_KEY_LONG_NODE:
		check_node(walk);
		return;
	case STORE_KEY_ACCOUNT:
		check_account(walk);
		return;
	case STORE_KEY_OWNER:
	case STORE_KEY_ENTRY:
		check_index(walk);
		return;
	case STORE_KEY_DOMAIN:
		check_domain(walk);
		return;
	case STORE_KEY_QUOTAS:
		check_quotas(walk);
		return;
	case STORE_KEY_WATCH:
		check_watch(walk);
		return;
	case STORE_KEY_META:
	case STORE_KEY_GENERATION:
		if (key_len == 1)
			return;
		break;
	default:
		break;
	}
	check_problem(walk, "a record has a key of no known kind: first byte %u, %zu bytes", *key, key_len);
}

/* ---- all records ---- */

static void check_accounts(struct check_walk *walk)
{
	for (uint32_t domid = 0; domid < DOMIDS; domid++) {
		const unsigned char key[3] = {STORE_KEY_ACCOUNT, (unsigned char)(domid >> 8), (unsigned char)domid};
		struct store_account account = {0};
		MDB_val record;

		if (!walk->owned[domid])
			continue;
		if (!check_get(walk, key, sizeof(key), &record) && record.mv_size == sizeof(account))
			memcpy(&account, record.mv_data, sizeof(account));
		check_problem(walk, "domain %u owns %" PRIu64 " nodes, its account says %" PRIu64, domid,
			      walk->owned[domid] + account.nodes, account.nodes);
	}
}

static void check_pages(struct check_walk *walk)
{
	char text[PAGES_TEXT_SIZE];
	struct pages pages;

	if (walk->records->reader && pages_count(walk->records->txn, walk->records->dbi, &pages, text) == -EIO)
		check_problem(walk, "%s", text);
}

static int check_all(struct check_walk *walk)
{
	struct reader_walk *records = walk->records;
	MDB_stat pages;
	int result;

	if (mdb_stat(records->txn, records->dbi, &pages))
		return -EIO;
	check_pages(walk);
	check_meta(walk);
	enter_snapshot(walk);
	while (!(result = reader_walk_next(records))) {
		if (records->snapshot != walk->snapshot)
			enter_snapshot(walk);
		check_record(walk);
	}
	walk->verdict->one_moment = records->one_moment;
	if (result == -EIO && records->problem)
		check_problem(walk, "after %" PRIu64 " records: %s", records->n, records->problem);
	else if (result < 0)
		return result;
	else if (records->one_moment && records->n != pages.ms_entries)
		check_problem(walk, "there are %s records than the %zu that are counted",
			      records->n < pages.ms_entries ? "fewer" : "more", pages.ms_entries);
	if (records->one_moment)
		check_accounts(walk);
	if (!walk->root_seen)
		check_problem(walk, "there is no root");
	return 0;
}

int check_store(struct reader_walk *records, check_report *report, void *context, struct check_verdict *out)
{
	struct check_walk walk = {
	    .records = records,
	    .report = report,
	    .context = context,
	    .verdict = out,
	    .owned = calloc(DOMIDS, sizeof(*walk.owned)),
	};

	if (!walk.owned)
		return -ENOMEM;
	*out = (struct check_verdict){.result = CHECK_SOUND};
	int fault = reader_walk_begin(records);
	if (!fault)
		fault = check_all(&walk);
	reader_walk_end(records);
	free(walk.owned);
	return fault;
}

int check_records(struct MDB_txn *txn, unsigned int dbi, check_report *report, void *context, struct check_verdict *out)
{
	struct reader_walk records = {.txn = txn, .dbi = dbi};

	return check_store(&records, report, context, out);
}
