/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/store.h"

/*
 * Records that are no nodes, for those who keep something of their own in the store: domains, quotas. A key's first byte is
 * the kind (include/lxenstored/store_format.h); what follows is the owner's business.
 */

/* Changes in the turn's write transaction. 0 or a fault, which is noted in the store too. */
int record_put(struct store *store, const void *key, size_t key_len, const void *record, size_t record_len);
int record_remove(struct store *store, const void *key, size_t key_len); /* it need not be there */

/* The record as `txn` sees it; *record points into the map, valid until the next change. 0, STATUS_ENOENT, or -EIO. */
int record_get(struct store *store, struct MDB_txn *txn, const void *key, size_t key_len, const void **record,
	       size_t *record_len);

/*
 * Calls `visit` with each record of this kind in the order of keys; it must not change the store. A non-zero result ends the
 * walk and is returned; else 0 or -EIO.
 */
typedef int record_visit(void *context, const unsigned char *key, size_t key_len, const void *record, size_t record_len);
int records_each(struct store *store, struct MDB_txn *txn, unsigned char kind, record_visit *visit, void *context);

/* Key of the one record of a kind that a domain has: the kind and the domid, big-endian. */
enum { RECORD_DOMAIN_KEY_SIZE = 3 };
void record_domain_key(unsigned char kind, uint16_t domid, unsigned char out[RECORD_DOMAIN_KEY_SIZE]);
bool record_domid(const void *key, size_t key_len, uint16_t *domid); /* false: it is no such key */
