/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What outlives the daemon of its domains. A record says all that was told of a domain by others than itself, and which domain
 * that is, so that after a restart the number can be compared with what Xen has under it.
 */
#include "domain/domain_record.h"

#include <errno.h>
#include <string.h>
#include <utlist.h>

#include "base/status.h"
#include "store/record.h"

_Static_assert((int)QUOTA_COUNT <= (int)STORE_QUOTAS, "each quota has a place in the record");

static const char quotas_key = STORE_KEY_QUOTAS;

/* ---- quotas ---- */

static void quotas_to_record(const struct quota_settings *settings, struct store_quotas *out)
{
	*out = (struct store_quotas){.hard_set = settings->hard_set, .soft_set = settings->soft_set};
	memcpy(out->hard, settings->values.hard, sizeof(settings->values.hard));
	memcpy(out->soft, settings->values.soft, sizeof(settings->values.soft));
}

static void quotas_from_record(const struct store_quotas *record, struct quota_settings *out)
{
	*out = (struct quota_settings){.hard_set = record->hard_set, .soft_set = record->soft_set};
	memcpy(out->values.hard, record->hard, sizeof(out->values.hard));
	memcpy(out->values.soft, record->soft, sizeof(out->values.soft));
}

int domains_save_quotas(struct store *store, const struct domains *domains)
{
	struct store_quotas record;

	quotas_to_record(&domains->quotas_set, &record);
	return record_put(store, &quotas_key, 1, &record, sizeof(record));
}

static int load_quotas(struct domains *domains, struct store *store, struct MDB_txn *txn)
{
	struct store_quotas record;
	const void *bytes;
	size_t len;
	int result = record_get(store, txn, &quotas_key, 1, &bytes, &len);

	if (result == STATUS_ENOENT)
		return 0;
	if (result || len != sizeof(record))
		return -EIO;
	memcpy(&record, bytes, sizeof(record));
	quotas_from_record(&record, &domains->quotas_set);
	quota_settings_apply(&domains->quotas_set, &domains->quotas);
	domains_quotas_changed(domains);
	return 0;
}

/* ---- domains ---- */

void domain_to_record(const struct domain *domain, struct store_domain *out)
{
	*out = (struct store_domain){
	    .unique_id = domain->identity.unique_id,
	    .shared_info_frame = domain->identity.shared_info_frame,
	    .port = domain->port,
	    .epoch = domain->epoch,
	    .features = domain->features,
	    .target = domain->caller.target,
	    .flags =
		(uint8_t)((domain->introduced ? STORE_DOMAIN_INTRODUCED : 0) | (domain->shut_down ? STORE_DOMAIN_SHUT_DOWN : 0)),
	};
	memcpy(out->handle, domain->identity.handle, sizeof(out->handle));
	quotas_to_record(&domain->own_quotas, &out->quotas);
}

void domain_from_record(struct domains *domains, struct domain *domain, const struct store_domain *record)
{
	domain->identity.unique_id = record->unique_id;
	domain->identity.shared_info_frame = record->shared_info_frame;
	memcpy(domain->identity.handle, record->handle, sizeof(record->handle));
	domain->port = record->port;
	domain->epoch = record->epoch;
	domain->features = record->features;
	domain_set_target(domains, domain, record->target);
	domain->introduced = record->flags & STORE_DOMAIN_INTRODUCED;
	domain->shut_down = record->flags & STORE_DOMAIN_SHUT_DOWN;
	quotas_from_record(&record->quotas, &domain->own_quotas);
	domain_quotas_changed(domains, domain);
}

int domain_save(struct store *store, const struct domain *domain)
{
	unsigned char key[RECORD_DOMAIN_KEY_SIZE];
	struct store_domain record;

	record_domain_key(STORE_KEY_DOMAIN, domain->caller.domid, key);
	domain_to_record(domain, &record);
	return record_put(store, key, sizeof(key), &record, sizeof(record));
}

int domain_erase(struct store *store, uint16_t domid)
{
	unsigned char key[RECORD_DOMAIN_KEY_SIZE];

	record_domain_key(STORE_KEY_DOMAIN, domid, key);
	return record_remove(store, key, sizeof(key));
}

int domains_save_unsaved(struct store *store, const struct domains *domains)
{
	const struct domain *domain;
	int fault = 0;

	DL_FOREACH2 (domains->unsaved, domain, unsaved_next) {
		fault = domain_save(store, domain);
		if (fault)
			break;
	}
	return fault;
}

/* ---- loading ---- */

/* *out: the domain whose number the key ends in; NULL: none can have it. */
static int domain_of_key(struct domains *domains, const unsigned char *key, size_t key_len, struct domain **out)
{
	*out = NULL;
	if (key_len != RECORD_DOMAIN_KEY_SIZE)
		return -EIO;
	uint16_t domid = (uint16_t)(key[1] << 8 | key[2]);
	return domid < DOMID_FIRST_RESERVED_NUMBER ? domain_get(domains, domid, out) : 0;
}

struct domains_loading {
	struct domains *domains;
	struct loading *loading;
};

static int load_domain(void *context, const unsigned char *key, size_t key_len, const void *bytes, size_t len)
{
	const struct domains_loading *to = context;
	struct domains *domains = to->domains;
	struct store_domain record;
	struct domain *domain;
	uint16_t domid;

	if (record_domid(key, key_len, &domid) && !loading_is_next(to->loading, LEDGER_LOAD_DOMAIN, domid, 0))
		return 0;
	int error = len == sizeof(record) ? domain_of_key(domains, key, key_len, &domain) : -EIO;

	if (error || !domain)
		return error;
	memcpy(&record, bytes, sizeof(record));
	domain_from_record(domains, domain, &record);
	return 0;
}

static int load_owner(void *context, const unsigned char *key, size_t key_len, const void *bytes, size_t len)
{
	struct domain *unused;

	(void)bytes;
	(void)len;
	return domain_of_key(context, key, key_len, &unused);
}

int domains_load(struct domains *domains, struct store *store, struct loading *loading)
{
	struct domains_loading to = {domains, loading};
	struct MDB_txn *txn = store_view(store);
	int error = txn ? load_quotas(domains, store, txn) : -EIO;

	if (!error)
		error = records_each(store, txn, STORE_KEY_DOMAIN, load_domain, &to);
	domains_committed(domains);
	if (!error)
		error = records_each(store, txn, STORE_KEY_ACCOUNT, load_owner, domains);
	return error;
}
