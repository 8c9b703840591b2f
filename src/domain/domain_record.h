/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "domain/domain.h"
#include "lxenstored/store_format.h"
#include "ledger/loading.h"
#include "store/store.h"

/* Domains and quotas as records of the store: doc/format.md, "d" and "q". */

/* What is kept of a domain, as a record and back. */
void domain_to_record(const struct domain *domain, struct store_domain *out);
void domain_from_record(struct domains *domains, struct domain *domain, const struct store_domain *record);

/* Change records in the turn's write transaction; faults are noted in the store too. */
int domain_save(struct store *store, const struct domain *domain);
int domain_erase(struct store *store, uint16_t domid);
int domains_save_quotas(struct store *store, const struct domains *domains); /* quotas_set */
int domains_save_unsaved(struct store *store, const struct domains *domains);

/*
 * At the start: who the store says there is, and the quotas that were set. Owners of nodes without a record are known too, but
 * not which domain they are. `loading` (may be NULL) is told of each record. -ENOMEM, -EIO.
 */
int domains_load(struct domains *domains, struct store *store, struct loading *loading);
