/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Domains come from three kinds of records: accounts, their own, and those of watches. Each adds what it knows as an entry of its
 * own; in the end the entries are sorted by number, and those of one domain put together.
 */
#include "store/inventory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "store/record.h"

enum { FIRST_CAPACITY = 64 };

struct collection {
	struct inventory *inventory;
	struct reader_walk *from;
	size_t domains_capacity, watches_capacity;
};

/* Doubles an array that is full. NULL: no memory; it is as it was. */
static void *grow(void *array, size_t n, size_t *capacity, size_t size)
{
	if (n < *capacity)
		return array;
	size_t wanted = *capacity ? 2 * *capacity : FIRST_CAPACITY;
	void *grown = realloc(array, wanted * size);
	if (grown)
		*capacity = wanted;
	return grown;
}

/* A new entry; NULL: no memory. */
static struct inventory_domain *add_domain(struct collection *collection, uint16_t domid)
{
	struct inventory *inventory = collection->inventory;
	struct inventory_domain *domains =
	    grow(inventory->domains, inventory->n_domains, &collection->domains_capacity, sizeof(*domains));

	if (!domains)
		return NULL;
	inventory->domains = domains;
	struct inventory_domain *domain = &domains[inventory->n_domains++];
	*domain = (struct inventory_domain){.domid = domid};
	return domain;
}

/* ---- records: 0, STATUS_EINVAL if they are not whole, or -ENOMEM ---- */

static int take_account(struct collection *collection)
{
	const struct reader_walk *from = collection->from;
	struct store_account account;
	uint16_t domid;

	if (!record_domid(from->key, from->key_len, &domid) || from->record_len != sizeof(account))
		return STATUS_EINVAL;
	struct inventory_domain *domain = add_domain(collection, domid);
	if (!domain)
		return -ENOMEM;
	memcpy(&account, from->record, sizeof(account));
	domain->nodes = account.nodes;
	return 0;
}

static int take_domain(struct collection *collection)
{
	const struct reader_walk *from = collection->from;
	uint16_t domid;

	if (!record_domid(from->key, from->key_len, &domid) || from->record_len != sizeof(struct store_domain))
		return STATUS_EINVAL;
	struct inventory_domain *domain = add_domain(collection, domid);
	if (!domain)
		return -ENOMEM;
	memcpy(&domain->record, from->record, sizeof(domain->record));
	domain->known = true;
	return 0;
}

static int take_quotas(struct collection *collection)
{
	const struct reader_walk *from = collection->from;
	struct inventory *inventory = collection->inventory;

	if (from->key_len != 1 || from->record_len != sizeof(inventory->quotas))
		return STATUS_EINVAL;
	memcpy(&inventory->quotas, from->record, sizeof(inventory->quotas));
	inventory->has_quotas = true;
	return 0;
}

static int take_generation(struct collection *collection)
{
	const struct reader_walk *from = collection->from;
	struct inventory *inventory = collection->inventory;

	if (from->key_len != 1 || from->record_len != sizeof(inventory->generation))
		return STATUS_EINVAL;
	memcpy(&inventory->generation, from->record, sizeof(inventory->generation));
	return 0;
}

static int take_watch(struct collection *collection)
{
	const struct reader_walk *from = collection->from;
	struct inventory *inventory = collection->inventory;
	struct watch_record watch;

	if (!watch_record_decode(from->key, from->key_len, from->record, from->record_len, &watch))
		return STATUS_EINVAL;
	struct watch_record *watches =
	    grow(inventory->watches, inventory->n_watches, &collection->watches_capacity, sizeof(*watches));
	if (!watches)
		return -ENOMEM;
	inventory->watches = watches;
	watch.path = arena_copy(&inventory->memory, watch.path, watch.path_len);
	watch.token = arena_copy(&inventory->memory, watch.token, watch.token_len);
	struct inventory_domain *domain = add_domain(collection, watch.domid);
	if (!watch.path || !watch.token || !domain)
		return -ENOMEM;
	domain->watches = 1;
	inventory->watches[inventory->n_watches++] = watch;
	return 0;
}

/* ---- all of them ---- */

typedef int take_function(struct collection *collection);

static int take_kind(struct collection *collection, unsigned char kind, take_function *take)
{
	struct reader_walk *from = collection->from;
	int result = reader_walk_seek(from, &kind, 1);

	if (!result)
		result = reader_walk_next(from);
	while (!result && *from->key == kind) {
		result = take(collection);
		if (result == STATUS_EINVAL) {
			collection->inventory->n_damaged++;
			result = 0;
		}
		if (!result)
			result = reader_walk_next(from);
	}
	return result == STATUS_ENOENT ? 0 : result;
}

static int by_number(const void *left, const void *right)
{
	const struct inventory_domain *a = left, *b = right;

	return (a->domid > b->domid) - (a->domid < b->domid);
}

static void put_together(struct inventory *inventory)
{
	size_t n = 0;

	if (inventory->n_domains)
		qsort(inventory->domains, inventory->n_domains, sizeof(*inventory->domains), by_number);
	for (size_t i = 0; i < inventory->n_domains; i++) {
		const struct inventory_domain *part = &inventory->domains[i];
		if (!n || inventory->domains[n - 1].domid != part->domid) {
			inventory->domains[n++] = *part;
			continue;
		}
		struct inventory_domain *domain = &inventory->domains[n - 1];
		if (part->known)
			domain->record = part->record;
		domain->known |= part->known;
		domain->nodes += part->nodes;
		domain->watches += part->watches;
	}
	inventory->n_domains = n;
}

int inventory_read(struct reader_walk *records, struct inventory *out)
{
	static const struct {
		unsigned char kind;
		take_function *take;
	} kinds[] = {
	    {STORE_KEY_ACCOUNT, take_account}, {STORE_KEY_DOMAIN, take_domain}, {STORE_KEY_GENERATION, take_generation},
	    {STORE_KEY_QUOTAS, take_quotas},   {STORE_KEY_WATCH, take_watch},
	};
	struct collection collection = {.inventory = out, .from = records};
	int result = 0;

	*out = (struct inventory){0};
	arena_init(&out->memory);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]) && !result; i++)
		result = take_kind(&collection, kinds[i].kind, kinds[i].take);
	put_together(out);
	return result;
}

void inventory_deinit(struct inventory *inventory)
{
	arena_deinit(&inventory->memory);
	free(inventory->domains);
	free(inventory->watches);
	*inventory = (struct inventory){0};
}
