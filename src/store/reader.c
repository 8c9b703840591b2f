/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * LMDB believes what its pages say. So what can be known beforehand is looked at beforehand, and whoever reads a file that
 * may be damaged does it in a child process: a page that points nowhere, or behind the end of a file that was cut short, is
 * a signal. How long the file is says nothing: LMDB may leave the last pages unwritten if they were freed in the transaction
 * that took them.
 */
#include "store/reader.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/status.h"

/* The two pages at the begin of an LMDB file: a head of 16 bytes, then these. */
static const uint32_t lmdb_magic = 0xBEEFC0DE;
static const uint32_t lmdb_version = 1;
static const off_t lmdb_head_size = 16;

enum { LOOK_AT_CLOCK_EVERY = 64 /* records */ };

static enum reader_result say(char text[READER_TEXT_SIZE], enum reader_result result, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static enum reader_result say(char text[READER_TEXT_SIZE], enum reader_result result, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, READER_TEXT_SIZE, format, arguments);
	va_end(arguments);
	return result;
}

static enum reader_result look_at_file(const char *path, char text[READER_TEXT_SIZE])
{
	struct stat file;

	if (stat(path, &file))
		return say(text, READER_FAILED, "%s", strerror(errno));
	/* Opening a pipe or a device would wait, or do something. */
	if (!S_ISREG(file.st_mode))
		return say(text, READER_FOREIGN, "not a regular file");
	return file.st_size ? READER_SOUND : READER_EMPTY;
}

/* LMDB refuses the file for its first two pages: has it been an LMDB file? */
static bool was_lmdb_file(const char *path)
{
	static const off_t places[] = {0, 4096, 16384, 65536}; /* the second page, by page size */
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool was = false;

	for (size_t i = 0; fd >= 0 && i < sizeof(places) / sizeof(places[0]); i++) {
		uint32_t words[2];
		if (pread(fd, words, sizeof(words), places[i] + lmdb_head_size) == (ssize_t)sizeof(words))
			was |= words[0] == lmdb_magic && words[1] == lmdb_version;
	}
	if (fd >= 0)
		close(fd);
	return was;
}

static enum reader_result open_environment(const char *path, bool locked, MDB_env **out, char text[READER_TEXT_SIZE])
{
	int dead, code = mdb_env_create(out);

	if (code) {
		*out = NULL;
		return say(text, READER_FAILED, "%s", mdb_strerror(code));
	}
	code = mdb_env_open(*out, path, MDB_NOSUBDIR | MDB_RDONLY | MDB_NOTLS | (locked ? 0 : MDB_NOLOCK), 0600);
	switch (code) {
	case 0:
		/* Slots that killed readers have left. */
		if (locked)
			mdb_reader_check(*out, &dead);
		return READER_SOUND;
	case MDB_INVALID:
	case MDB_VERSION_MISMATCH:
		if (was_lmdb_file(path))
			return say(text, READER_DAMAGED, "its first pages%s are damaged",
				   locked ? ", or those of its lock file," : "");
		return say(text, READER_FOREIGN, "no LMDB file of this version");
	case MDB_CORRUPTED:
	case MDB_PAGE_NOTFOUND:
		return say(text, READER_DAMAGED, "%s", mdb_strerror(code));
	default:
		return say(text, READER_FAILED, "%s", mdb_strerror(code));
	}
}

static int get(MDB_txn *txn, unsigned int dbi, char name, MDB_val *record)
{
	MDB_val key = {1, &name};

	return mdb_get(txn, dbi, &key, record);
}

/* Whether the file has our magic somewhere. */
static bool bears_magic(int fd)
{
	char piece[65536];
	size_t kept = 0;
	off_t at = 0;
	ssize_t n;

	while ((n = pread(fd, piece + kept, sizeof(piece) - kept, at)) > 0) {
		size_t len = kept + (size_t)n;
		if (memmem(piece, len, STORE_MAGIC, sizeof(STORE_MAGIC)))
			return true;
		at += n;
		kept = len < sizeof(STORE_MAGIC) ? len : sizeof(STORE_MAGIC);
		memmove(piece, piece + len - kept, kept);
	}
	return false;
}

/* The record about the store cannot be had. Is it somebody else's file, or one of ours whose tree leads nowhere? */
static enum reader_result tell_foreign_from_damaged(struct reader_env *reader, MDB_txn *txn, char text[READER_TEXT_SIZE])
{
	MDB_envinfo info;
	MDB_val record;
	MDB_stat pages;
	struct stat file;
	int fd;

	if (mdb_env_get_fd(reader->env, &fd) || fstat(fd, &file) || mdb_env_info(reader->env, &info) ||
	    mdb_env_stat(reader->env, &pages))
		return say(text, READER_DAMAGED, "LMDB knows no page");
	bool was_ours = !get(txn, reader->dbi, STORE_KEY_GENERATION, &record) && record.mv_size == sizeof(uint64_t);
	if (was_ours || bears_magic(fd))
		return say(text, READER_DAMAGED, "the record about the store is missing or not ours");
	if ((size_t)file.st_size < (info.me_last_pgno + 1) * pages.ms_psize)
		return say(text, READER_DAMAGED, "the file was cut short");
	return say(text, READER_FOREIGN, "an LMDB file of something else");
}

bool reader_is_boot_id(const char *id, size_t size)
{
	size_t len = strnlen(id, size);

	for (size_t i = 0; i < len; i++) {
		if (!isalnum((unsigned char)id[i]) && id[i] != '-')
			return false;
	}
	return len < size;
}

static enum reader_result read_meta(struct reader_env *reader, MDB_txn *txn, char text[READER_TEXT_SIZE])
{
	MDB_val record;
	MDB_stat pages;
	unsigned int flags;

	if (mdb_dbi_open(txn, NULL, 0, &reader->dbi) || mdb_stat(txn, reader->dbi, &pages) ||
	    mdb_dbi_flags(txn, reader->dbi, &flags))
		return say(text, READER_DAMAGED, "the database cannot be opened");
	if (!pages.ms_entries && !pages.ms_depth)
		return READER_EMPTY;
	if (!pages.ms_entries != !pages.ms_depth)
		return say(text, READER_DAMAGED, "%zu records in a tree of depth %u", pages.ms_entries, pages.ms_depth);
	int code = get(txn, reader->dbi, STORE_KEY_META, &record);
	if (code == MDB_NOTFOUND)
		return tell_foreign_from_damaged(reader, txn, text);
	if (code)
		return say(text, READER_DAMAGED, "%s", mdb_strerror(code));
	/* A newer format may have a longer record, but begins with the same two members. */
	if (record.mv_size < offsetof(struct store_meta, id) || memcmp(record.mv_data, STORE_MAGIC, sizeof(STORE_MAGIC)) != 0)
		return tell_foreign_from_damaged(reader, txn, text);
	memcpy(&reader->meta, record.mv_data, record.mv_size < sizeof(reader->meta) ? record.mv_size : sizeof(reader->meta));
	if (reader->meta.version > STORE_VERSION)
		return say(text, READER_NEWER, "%u", reader->meta.version);
	if (reader->meta.version < STORE_VERSION_OLDEST)
		return say(text, READER_FOREIGN, "it has format %u, which only development versions wrote", reader->meta.version);
	if (record.mv_size != sizeof(reader->meta))
		return say(text, READER_DAMAGED, "the record about the store has %zu bytes", record.mv_size);
	if (!reader_is_boot_id(reader->meta.boot_id, sizeof(reader->meta.boot_id)))
		return say(text, READER_DAMAGED, "the record about the store has a boot id that is none");
	if (flags)
		return say(text, READER_DAMAGED, "the database has flags 0x%x", flags);
	return READER_SOUND;
}

enum reader_result reader_open(const char *path, bool locked, struct reader_env *out, char text[READER_TEXT_SIZE])
{
	MDB_txn *txn;

	*out = (struct reader_env){0};
	*text = 0;
	enum reader_result result = look_at_file(path, text);
	if (result == READER_SOUND)
		result = open_environment(path, locked, &out->env, text);
	if (result == READER_SOUND) {
		int fault = reader_begin(out, &txn);
		if (fault) {
			result = say(text, READER_FAILED, "%s", strerror(-fault));
		} else {
			result = read_meta(out, txn, text);
			/* The handle of the unnamed database is known to the environment without a commit. */
			mdb_txn_abort(txn);
		}
	}
	if (result != READER_SOUND)
		reader_close(out);
	return result;
}

void reader_close(struct reader_env *reader)
{
	if (reader->env)
		mdb_env_close(reader->env);
	*reader = (struct reader_env){0};
}

int reader_begin(struct reader_env *reader, struct MDB_txn **out)
{
	int code = mdb_txn_begin(reader->env, NULL, MDB_RDONLY, out);

	if (code == MDB_MAP_RESIZED) {
		code = mdb_env_set_mapsize(reader->env, 0);
		if (!code)
			code = mdb_txn_begin(reader->env, NULL, MDB_RDONLY, out);
	}
	if (code)
		*out = NULL;
	switch (code) {
	case 0:
		return 0;
	case MDB_READERS_FULL:
		return -EUSERS;
	default:
		return code > 0 ? -code : -EIO;
	}
}

void reader_end(struct MDB_txn *txn)
{
	if (txn)
		mdb_txn_abort(txn);
}

/* ---- walks ---- */

static int64_t now_milliseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int damaged(struct reader_walk *walk, const char *problem)
{
	walk->problem = problem;
	return -EIO;
}

static int open_cursor(struct reader_walk *walk)
{
	int code = mdb_cursor_open(walk->txn, walk->dbi, &walk->cursor);

	if (!code)
		return 0;
	walk->cursor = NULL;
	return code > 0 ? -code : damaged(walk, mdb_strerror(code));
}

static int begin_transaction(struct reader_walk *walk)
{
	int fault = reader_begin(walk->reader, &walk->txn);

	if (fault)
		return fault;
	uint64_t snapshot = mdb_txn_id(walk->txn);
	walk->one_moment = walk->one_moment && (!walk->n || snapshot == walk->snapshot);
	walk->snapshot = snapshot;
	walk->end = now_milliseconds() + walk->milliseconds;
	return 0;
}

static void end_transaction(struct reader_walk *walk)
{
	if (walk->cursor)
		mdb_cursor_close(walk->cursor);
	walk->cursor = NULL;
	if (walk->reader && walk->txn) {
		mdb_txn_abort(walk->txn);
		walk->txn = NULL;
	}
}

int reader_walk_begin(struct reader_walk *walk)
{
	walk->one_moment = true;
	if (walk->reader) {
		walk->dbi = walk->reader->dbi;
		int fault = begin_transaction(walk);
		if (fault)
			return fault;
	} else {
		walk->snapshot = mdb_txn_id(walk->txn);
	}
	return open_cursor(walk);
}

void reader_walk_end(struct reader_walk *walk)
{
	end_transaction(walk);
	walk->key = NULL;
}

/* Compares in LMDB's order. */
static int compare_keys(const unsigned char *left, size_t left_len, const unsigned char *right, size_t right_len)
{
	int difference = memcmp(left, right, left_len < right_len ? left_len : right_len);

	return difference ? difference : (left_len > right_len) - (left_len < right_len);
}

/* Moves the cursor and takes what it finds. On a damaged tree it may go round in circles: keys must grow. */
static int move(struct reader_walk *walk, MDB_cursor_op operation, const void *from, size_t from_len)
{
	MDB_val key = {from_len, (void *)(uintptr_t)from}, record;
	int code = mdb_cursor_get(walk->cursor, &key, &record, operation);

	if (code == MDB_NOTFOUND)
		return STATUS_ENOENT;
	if (code)
		return code > 0 ? -code : damaged(walk, mdb_strerror(code));
	if (!key.mv_size || key.mv_size > STORE_KEY_MAX)
		return damaged(walk, "a key has a length that none can have");
	if (walk->key && operation == MDB_NEXT && compare_keys(walk->key, walk->key_len, key.mv_data, key.mv_size) >= 0)
		return damaged(walk, "keys are out of order");
	walk->key = key.mv_data;
	walk->key_len = key.mv_size;
	walk->record = record.mv_data;
	walk->record_len = record.mv_size;
	return 0;
}

int reader_walk_seek(struct reader_walk *walk, const void *key, size_t len)
{
	int result = move(walk, MDB_SET_RANGE, key, len);

	walk->at_key = !result;
	return result;
}

/* Ends the transaction and goes to the same place in a newer one. */
static int renew(struct reader_walk *walk)
{
	size_t len = walk->key_len;

	memcpy(walk->kept, walk->key, len);
	walk->key = NULL;
	end_transaction(walk);
	if (walk->pause)
		walk->pause(walk->context, walk->n);
	int result = begin_transaction(walk);
	if (!result)
		result = open_cursor(walk);
	if (!result)
		result = reader_walk_seek(walk, walk->kept, len);
	if (!result && walk->key_len == len && !memcmp(walk->key, walk->kept, len))
		walk->at_key = false;
	return result;
}

int reader_walk_next(struct reader_walk *walk)
{
	int result = 0;

	if (walk->reader && walk->key && !walk->at_key && walk->n % LOOK_AT_CLOCK_EVERY == 0 && now_milliseconds() >= walk->end)
		result = renew(walk);
	if (!result && !walk->at_key)
		result = move(walk, walk->key ? MDB_NEXT : MDB_FIRST, NULL, 0);
	walk->at_key = false;
	if (!result)
		walk->n++;
	return result;
}
