/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * LMDB believes what its pages say. So what can be known beforehand is looked at beforehand: that the file is as long as its
 * last page needs, that it has records, and that the record about the store is ours.
 */
#include "store/reader.h"

#include <errno.h>
#include <lmdb.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

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

static enum reader_result open_environment(const char *path, bool locked, MDB_env **out, char text[READER_TEXT_SIZE])
{
	int code = mdb_env_create(out);

	if (code) {
		*out = NULL;
		return say(text, READER_FAILED, "%s", mdb_strerror(code));
	}
	code = mdb_env_open(*out, path, MDB_NOSUBDIR | MDB_RDONLY | MDB_NOTLS | (locked ? 0 : MDB_NOLOCK), 0600);
	switch (code) {
	case 0:
		return READER_SOUND;
	case MDB_INVALID:
	case MDB_VERSION_MISMATCH:
		return say(text, READER_FOREIGN, "no LMDB file of this version");
	case MDB_CORRUPTED:
	case MDB_PAGE_NOTFOUND:
		return say(text, READER_DAMAGED, "%s", mdb_strerror(code));
	default:
		return say(text, READER_FAILED, "%s", mdb_strerror(code));
	}
}

static enum reader_result check_length(const char *path, MDB_env *env, char text[READER_TEXT_SIZE])
{
	struct stat file;
	MDB_envinfo info;
	MDB_stat pages;

	if (stat(path, &file))
		return say(text, READER_FAILED, "%s", strerror(errno));
	if (mdb_env_info(env, &info) || mdb_env_stat(env, &pages))
		return say(text, READER_DAMAGED, "LMDB knows no page");
	unsigned long long needed = ((unsigned long long)info.me_last_pgno + 1) * pages.ms_psize;
	if ((unsigned long long)file.st_size < needed)
		return say(text, READER_DAMAGED, "the file is cut short: %lld bytes, its pages take %llu", (long long)file.st_size,
			   needed);
	return READER_SOUND;
}

static enum reader_result read_meta(struct reader_env *reader, MDB_txn *txn, char text[READER_TEXT_SIZE])
{
	char name = STORE_KEY_META;
	MDB_val key = {1, &name}, record;
	MDB_stat pages;

	if (mdb_dbi_open(txn, NULL, 0, &reader->dbi) || mdb_stat(txn, reader->dbi, &pages))
		return say(text, READER_DAMAGED, "the database cannot be opened");
	if (!pages.ms_entries)
		return READER_EMPTY;
	int code = mdb_get(txn, reader->dbi, &key, &record);
	if (code == MDB_NOTFOUND)
		return say(text, READER_FOREIGN, "an LMDB file of something else");
	if (code)
		return say(text, READER_DAMAGED, "%s", mdb_strerror(code));
	/* A newer format may have a longer record, but begins with the same two members. */
	if (record.mv_size < offsetof(struct store_meta, id) || memcmp(record.mv_data, STORE_MAGIC, sizeof(STORE_MAGIC)) != 0)
		return say(text, READER_FOREIGN, "an LMDB file of something else");
	memcpy(&reader->meta, record.mv_data, record.mv_size < sizeof(reader->meta) ? record.mv_size : sizeof(reader->meta));
	if (reader->meta.version > STORE_VERSION)
		return say(text, READER_NEWER, "%u", reader->meta.version);
	if (record.mv_size != sizeof(reader->meta))
		return say(text, READER_DAMAGED, "the record about the store has %zu bytes", record.mv_size);
	return READER_SOUND;
}

enum reader_result reader_open(const char *path, bool locked, struct reader_env *out, char text[READER_TEXT_SIZE])
{
	MDB_txn *txn;

	*out = (struct reader_env){0};
	*text = 0;
	enum reader_result result = open_environment(path, locked, &out->env, text);
	if (result == READER_SOUND)
		result = check_length(path, out->env, text);
	if (result == READER_SOUND) {
		int code = mdb_txn_begin(out->env, NULL, MDB_RDONLY, &txn);
		if (code) {
			result = say(text, READER_FAILED, "%s", mdb_strerror(code));
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
