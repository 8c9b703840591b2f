/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Records beside the tree, so that nobody outside this folder needs LMDB. They share the turn's write transaction, and with it
 * its fate, with the changes of nodes that they belong to.
 */
#include "store/record.h"

#include <errno.h>
#include <lmdb.h>

int record_put(struct store *store, const void *key, size_t key_len, const void *record, size_t record_len)
{
	MDB_val name = {key_len, (void *)(uintptr_t)key}, value = {record_len, (void *)(uintptr_t)record};
	struct MDB_txn *txn = store_writable(store);
	int code = txn ? mdb_put(txn, store->dbi, &name, &value, 0) : 0;

	if (!txn)
		return store->fault;
	return code ? store_failed(store, code) : 0;
}

int record_remove(struct store *store, const void *key, size_t key_len)
{
	MDB_val name = {key_len, (void *)(uintptr_t)key};
	struct MDB_txn *txn = store_writable(store);
	int code = txn ? mdb_del(txn, store->dbi, &name, NULL) : 0;

	if (!txn)
		return store->fault;
	return code && code != MDB_NOTFOUND ? store_failed(store, code) : 0;
}

int record_get(struct store *store, struct MDB_txn *txn, const void *key, size_t key_len, const void **record, size_t *record_len)
{
	MDB_val name = {key_len, (void *)(uintptr_t)key}, value;
	int code = mdb_get(txn, store->dbi, &name, &value);

	if (code == MDB_NOTFOUND)
		return STATUS_ENOENT;
	if (code)
		return store_failed(store, code);
	*record = value.mv_data;
	*record_len = value.mv_size;
	return 0;
}

int records_each(struct store *store, struct MDB_txn *txn, unsigned char kind, record_visit *visit, void *context)
{
	MDB_val key = {1, &kind}, record;
	MDB_cursor *cursor;
	int code = mdb_cursor_open(txn, store->dbi, &cursor);
	int result = 0;

	if (code)
		return store_failed(store, code);
	for (code = mdb_cursor_get(cursor, &key, &record, MDB_SET_RANGE); !code && !result;
	     code = result ? 0 : mdb_cursor_get(cursor, &key, &record, MDB_NEXT)) {
		if (*(const unsigned char *)key.mv_data != kind)
			break;
		result = visit(context, key.mv_data, key.mv_size, record.mv_data, record.mv_size);
	}
	mdb_cursor_close(cursor);
	return code && code != MDB_NOTFOUND ? store_failed(store, code) : result;
}

void record_domain_key(unsigned char kind, uint16_t domid, unsigned char out[RECORD_DOMAIN_KEY_SIZE])
{
	out[0] = kind;
	out[1] = (unsigned char)(domid >> 8);
	out[2] = (unsigned char)domid;
}

bool record_domid(const void *key, size_t key_len, uint16_t *domid)
{
	const unsigned char *bytes = key;

	if (key_len != RECORD_DOMAIN_KEY_SIZE)
		return false;
	*domid = (uint16_t)(bytes[1] << 8 | bytes[2]);
	return true;
}
