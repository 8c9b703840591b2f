/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A record is written to the file beside the store before it is removed. If it cannot be written, the log has it alone. */
#include "set_aside.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/escape.h"
#include "domain/domain_record.h"
#include "ledger/loading.h"
#include "store/record.h"
#include "store/watch_record.h"

enum { NAME_SIZE = 4096, TRIES = 1000 };

int set_aside_ledger(struct log *log, const char *ledger, const char *why)
{
	char aside[NAME_SIZE];
	int failed = -1;

	for (int i = 0; failed && i < TRIES; i++) {
		if (snprintf(aside, sizeof(aside), i ? "%s.damaged.%d" : "%s.damaged", ledger, i) >= (int)sizeof(aside))
			return -ENAMETOOLONG;
		failed = renameat2(AT_FDCWD, ledger, AT_FDCWD, aside, RENAME_NOREPLACE);
		if (failed && errno != EEXIST)
			break;
	}
	int error = failed ? -errno : 0;
	if (error)
		log_error(log, "ledger %s: %s, and it cannot be renamed: %s", ledger, why, strerror(-error));
	else
		log_error(
		    log,
		    "ledger %s: %s. It is kept as %s and begun anew: clients of the socket have to connect again, guests have "
		    "lost their watches and what they were owed",
		    ledger, why, aside);
	return error;
}

/* ---- records ---- */

struct aside {
	const char *store; /* its name */
	const struct ledger_loading *what;
	unsigned char key[STORE_WATCH_KEY_SIZE];
	size_t key_len;
	char name[96];
};

static void add_number(struct aside *aside, uint64_t number)
{
	for (int shift = 56; shift >= 0; shift -= 8)
		aside->key[aside->key_len++] = (unsigned char)(number >> shift);
}

/* What it is called, and the record that goes with it, if there is one. */
static void describe(struct aside *aside)
{
	unsigned long long first = aside->what->first, second = aside->what->second;

	switch (aside->what->load) {
	case LEDGER_LOAD_DOMAIN:
		record_domain_key(STORE_KEY_DOMAIN, (uint16_t)first, aside->key);
		aside->key_len = RECORD_DOMAIN_KEY_SIZE;
		snprintf(aside->name, sizeof(aside->name), "the record of domain %llu", first);
		break;
	case LEDGER_LOAD_WATCH:
		aside->key[aside->key_len++] = STORE_KEY_WATCH;
		add_number(aside, first);
		add_number(aside, second);
		snprintf(aside->name, sizeof(aside->name), "watch %llu of connection %llu", second, first);
		break;
	case LEDGER_LOAD_RING:
		snprintf(aside->name, sizeof(aside->name), "the ring of domain %llu, which has to be introduced again,", first);
		break;
	default:
		snprintf(aside->name, sizeof(aside->name), "connection %llu, which has ended,", first);
		break;
	}
}

static void write_line(struct log *log, const struct aside *aside, const void *record, size_t len)
{
	char path[NAME_SIZE], date[32];
	time_t now = time(NULL);
	struct tm utc;
	char *text = malloc(ESCAPE_SIZE(len));

	snprintf(path, sizeof(path), "%s.set-aside", aside->store);
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &utc));
	if (text)
		escape(record, len, text);
	if (fd < 0 || dprintf(fd, "%s %s: \"%s\"\n", date, aside->name, text ? text : "") < 0)
		log_warning(log, "%s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	free(text);
}

static int remove_record(void *context, struct turn *turn, struct changes *changes)
{
	const struct aside *aside = context;

	(void)changes;
	return record_remove(turn->store, aside->key, aside->key_len);
}

static int set_aside(struct turn *turn, struct aside *aside)
{
	struct MDB_txn *txn = store_view(turn->store);
	const void *record;
	size_t len;

	describe(aside);
	log_error(turn->log, "start: the daemon has died of it again and again: %s is set aside", aside->name);
	if (!aside->key_len)
		return 0;
	int result = txn ? record_get(turn->store, txn, aside->key, aside->key_len, &record, &len) : -EIO;
	if (result)
		return result < 0 ? result : 0;
	write_line(turn->log, aside, record, len);
	result = turn_run_work(turn, remove_record, aside);
	if (result)
		log_error(turn->log, "start: %s cannot be removed: %s", aside->name, strerror(-result));
	return result;
}

int set_aside_left_out(struct turn *turn, const char *store)
{
	const struct loading *loading = ledger_loading(turn->ledger);
	const struct ledger_loading *what;
	size_t index = 0;
	int error = 0;

	while (!error && (what = loading_left_out(loading, &index)))
		error = set_aside(turn, &(struct aside){.store = store, .what = what});
	return error;
}
