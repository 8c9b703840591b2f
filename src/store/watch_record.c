/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A key is the connection's id and the watch's serial, so that a connection's watches lie side by side, are added at one end
 * and go as one range.
 */
#include "store/watch_record.h"

#include <errno.h>
#include <lmdb.h>
#include <stdbool.h>
#include <string.h>

enum { CONNECTION_KEY_SIZE = 1 + 8 };

struct watch_key {
	unsigned char bytes[STORE_WATCH_KEY_SIZE];
};

static unsigned char *add_number(unsigned char *at, uint64_t number)
{
	for (int shift = 56; shift >= 0; shift -= 8)
		*at++ = (unsigned char)(number >> shift);
	return at;
}

static struct watch_key make_key(uint64_t connection, uint64_t serial)
{
	struct watch_key key = {{STORE_KEY_WATCH}};

	add_number(add_number(key.bytes + 1, connection), serial);
	return key;
}

int watch_record_put(struct store *store, const struct watch_record *record)
{
	struct store_watch head = {
	    .domid = record->domid,
	    .hidden = record->hidden,
	    .depth = record->depth,
	    .path_len = (uint16_t)record->path_len,
	    .token_len = (uint16_t)record->token_len,
	};
	struct watch_key name = make_key(record->connection, record->serial);
	MDB_val key = {sizeof(name.bytes), name.bytes}, place = {sizeof(head) + record->path_len + record->token_len, NULL};
	struct MDB_txn *txn = store_writable(store);

	if (!txn)
		return store->fault;
	int code = mdb_put(txn, store->dbi, &key, &place, MDB_RESERVE);
	if (code)
		return store_failed(store, code);
	char *at = place.mv_data;
	memcpy(at, &head, sizeof(head));
	memcpy(at + sizeof(head), record->path, record->path_len);
	memcpy(at + sizeof(head) + record->path_len, record->token, record->token_len);
	return 0;
}

int watch_record_remove(struct store *store, uint64_t connection, uint64_t serial)
{
	struct watch_key name = make_key(connection, serial);
	MDB_val key = {sizeof(name.bytes), name.bytes};
	struct MDB_txn *txn = store_writable(store);

	if (!txn)
		return store->fault;
	int code = mdb_del(txn, store->dbi, &key, NULL);
	return code ? store_failed(store, code == MDB_NOTFOUND ? ENOENT : code) : 0;
}

/* ---- reading ---- */

static uint64_t take_number(const unsigned char *at)
{
	uint64_t number = 0;

	for (int i = 0; i < 8; i++)
		number = number << 8 | at[i];
	return number;
}

bool watch_record_decode(const void *key, size_t key_len, const void *bytes, size_t len, struct watch_record *out)
{
	const unsigned char *numbers = (const unsigned char *)key + 1;
	struct store_watch head;

	if (key_len != STORE_WATCH_KEY_SIZE || len < sizeof(head))
		return false;
	memcpy(&head, bytes, sizeof(head));
	if (len != sizeof(head) + head.path_len + head.token_len)
		return false;
	*out = (struct watch_record){
	    .connection = take_number(numbers),
	    .serial = take_number(numbers + 8),
	    .domid = head.domid,
	    .hidden = head.hidden,
	    .depth = head.depth,
	    .path = (const char *)bytes + sizeof(head),
	    .path_len = head.path_len,
	    .token_len = head.token_len,
	};
	out->token = out->path + out->path_len;
	return true;
}

/* The first record from `from` on; `cursor` is to be closed by the caller if there is no fault. */
static int seek(struct store *store, const struct watch_key *from, MDB_cursor **cursor, MDB_val *key, MDB_val *value, int *code)
{
	struct MDB_txn *txn = store_view(store);

	*key = (MDB_val){sizeof(from->bytes), (void *)(uintptr_t)from->bytes};
	if (!txn || mdb_cursor_open(txn, store->dbi, cursor))
		return -EIO;
	*code = mdb_cursor_get(*cursor, key, value, MDB_SET_RANGE);
	return 0;
}

int watch_record_each(struct store *store, uint64_t connection, int (*found)(void *context, const struct watch_record *record),
		      void *context)
{
	struct watch_key from = make_key(connection, 0);
	struct watch_record record;
	MDB_cursor *cursor;
	MDB_val key, value;
	int code, result = seek(store, &from, &cursor, &key, &value, &code);

	if (result)
		return result;
	while (!code && !result && key.mv_size >= CONNECTION_KEY_SIZE && !memcmp(key.mv_data, from.bytes, CONNECTION_KEY_SIZE)) {
		result = watch_record_decode(key.mv_data, key.mv_size, value.mv_data, value.mv_size, &record)
			     ? found(context, &record)
			     : -EIO;
		code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
	}
	mdb_cursor_close(cursor);
	return !result && code && code != MDB_NOTFOUND ? -EIO : result;
}

int watch_record_next(struct store *store, uint64_t from, uint64_t *connection)
{
	struct watch_key first = make_key(from, 0);
	MDB_cursor *cursor;
	MDB_val key, value;
	int code, result = seek(store, &first, &cursor, &key, &value, &code);

	if (result)
		return result;
	if (code == MDB_NOTFOUND || (!code && *(const unsigned char *)key.mv_data != STORE_KEY_WATCH))
		result = STATUS_ENOENT;
	else if (code || key.mv_size != STORE_WATCH_KEY_SIZE)
		result = -EIO;
	else
		*connection = take_number((const unsigned char *)key.mv_data + 1);
	mdb_cursor_close(cursor);
	return result;
}

/* ---- removing many ---- */

/* Is the record one of `last`'s connection, of its serial or of a lower one? */
static bool is_up_to(const MDB_val *key, const struct watch_key *last)
{
	return key->mv_size == sizeof(last->bytes) && !memcmp(key->mv_data, last->bytes, CONNECTION_KEY_SIZE) &&
	       memcmp(key->mv_data, last->bytes, sizeof(last->bytes)) <= 0;
}

/* A write transaction is begun for something only: an empty one has no number that others may rely on. */
static int is_any(struct store *store, const struct watch_key *from, const struct watch_key *last, bool *out)
{
	MDB_cursor *cursor;
	MDB_val key, value;
	int code, result = seek(store, from, &cursor, &key, &value, &code);

	if (result)
		return store->fault ? store->fault : store_failed(store, EIO);
	mdb_cursor_close(cursor);
	*out = !code && is_up_to(&key, last);
	return code && code != MDB_NOTFOUND ? store_failed(store, code) : 0;
}

int watch_record_remove_some(struct store *store, uint64_t connection, uint64_t first, uint64_t last, size_t limit)
{
	struct watch_key from = make_key(connection, first), to = make_key(connection, last);
	MDB_val key = {sizeof(from.bytes), from.bytes}, record;
	MDB_cursor *cursor;
	bool any;
	int fault = is_any(store, &from, &to, &any);

	if (fault || !any)
		return fault;
	struct MDB_txn *txn = store_writable(store);
	if (!txn)
		return store->fault;
	int code = mdb_cursor_open(txn, store->dbi, &cursor);
	if (code)
		return store_failed(store, code);
	code = mdb_cursor_get(cursor, &key, &record, MDB_SET_RANGE);
	for (; !code && limit && is_up_to(&key, &to); limit--) {
		code = mdb_cursor_del(cursor, 0);
		if (!code)
			code = mdb_cursor_get(cursor, &key, &record, MDB_NEXT); /* the one that has moved up to its place */
	}
	mdb_cursor_close(cursor);
	return code && code != MDB_NOTFOUND ? store_failed(store, code) : 0;
}
