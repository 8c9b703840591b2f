/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Figures, one a line: "what: number". */
#include "formats.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "owners.h"

enum { DOMIDS = UINT16_MAX + 1 };

static void print_file(const struct dump *dump)
{
	const struct pages *pages = &dump->pages;

	printf("store id: ");
	for (size_t i = 0; i < STORE_ID_SIZE; i++)
		printf("%02x", dump->meta.id[i]);
	printf("\nformat version: %" PRIu32 "\n", dump->meta.version);
	printf("boot id: %s\n", dump->meta.boot_id);
	printf("generations given out: up to %" PRIu64 "\n", dump->inventory.generation);
	printf("commits: %" PRIu64 "\n", dump->commit);
	printf("file size: %" PRIu64 " bytes, %" PRIu64 " with blocks\n", dump->file_size, dump->file_blocks);
	printf("page size: %zu bytes\n", pages->page_size);
	printf("pages: %" PRIu64 "\n", pages->total);
	printf("pages used: %" PRIu64 "\n", pages->used);
	printf("pages free: %" PRIu64 "\n", pages->free);
	printf("records: %" PRIu64 "\n", pages->records);
	if (!dump->locked)
		printf("readers: not known without a lock file\n");
	else if (dump->n_readers)
		printf("readers: %" PRIu64 ", the oldest of commit %" PRIu64 "\n", dump->n_readers, dump->oldest_reader);
	else
		printf("readers: 0\n");
}

/* For each domain that has any. */
static void print_by_domain(const char *what, const uint64_t numbers[DOMIDS])
{
	for (uint32_t domid = 0; domid < DOMIDS; domid++) {
		if (numbers[domid])
			printf("%s of domain %" PRIu32 ": %" PRIu64 "\n", what, domid, numbers[domid]);
	}
}

static size_t depth_of(const struct path *path)
{
	size_t depth = 0;

	for (size_t i = 0; i < path->len && path->len > 1; i++)
		depth += path->text[i] == '/';
	return depth;
}

static int print_nodes(const struct dump *dump)
{
	uint64_t *owned = calloc(DOMIDS, sizeof(*owned));
	struct image_node shown;
	size_t depth = 0;

	if (!owned)
		return -ENOMEM;
	for (size_t i = 0; i < dump->image.n_nodes; i++) {
		image_node(&dump->image, i, &shown);
		size_t own_depth = depth_of(&shown.path);
		depth = own_depth > depth ? own_depth : depth;
		owned[shown.node.permissions[0].domid]++;
	}
	printf("nodes: %zu\n", dump->image.n_nodes);
	if (dump->image.n_orphans)
		printf("nodes without a parent: %zu\n", dump->image.n_orphans);
	printf("depth: %zu\n", depth);
	print_by_domain("nodes", owned);
	free(owned);
	return 0;
}

/* `domain`: its number, or NULL for the quotas of all. */
static void print_quotas(const struct store_quotas *quotas, const uint16_t *domain)
{
	for (size_t i = 0; i < 2 * STORE_QUOTAS; i++) {
		bool soft = i >= STORE_QUOTAS;
		size_t number = i % STORE_QUOTAS;
		char name[FORMAT_QUOTA_NAME_SIZE];
		if (!((soft ? quotas->soft_set : quotas->hard_set) >> number & 1))
			continue;
		printf("%s %s", soft ? "soft quota" : "quota", format_quota_name(number, name));
		if (domain)
			printf(" of domain %u", *domain);
		printf(": %" PRIu32 "\n", soft ? quotas->soft[number] : quotas->hard[number]);
	}
}

static void print_domains(const struct dump *dump)
{
	const struct inventory *inventory = &dump->inventory;
	size_t known = 0, introduced = 0, shut_down = 0;

	for (size_t i = 0; i < inventory->n_domains; i++) {
		const struct inventory_domain *domain = &inventory->domains[i];
		known += domain->known;
		introduced += domain->known && domain->record.flags & STORE_DOMAIN_INTRODUCED;
		shut_down += domain->known && domain->record.flags & STORE_DOMAIN_SHUT_DOWN;
	}
	printf("domains: %zu\n", known);
	printf("domains introduced: %zu\n", introduced);
	printf("domains shut down: %zu\n", shut_down);
	print_quotas(&inventory->quotas, NULL);
	for (size_t i = 0; i < inventory->n_domains; i++) {
		if (inventory->domains[i].known)
			print_quotas(&inventory->domains[i].record.quotas, &inventory->domains[i].domid);
	}
}

static int print_watches(const struct dump *dump)
{
	const struct inventory *inventory = &dump->inventory;
	uint64_t *numbers = calloc(DOMIDS, sizeof(*numbers)), all = 0;

	if (!numbers)
		return -ENOMEM;
	for (size_t i = 0; i < inventory->n_watches; i++) {
		bool shown = format_shows_watch(dump, &inventory->watches[i]);
		all += shown;
		numbers[inventory->watches[i].domid] += shown;
	}
	printf("watches: %" PRIu64 "\n", all);
	print_by_domain("watches", numbers);
	free(numbers);
	return 0;
}

static int print_owners(const struct dump *dump)
{
	struct owners owners;
	int fault = owners_of_image(&dump->image, &owners);

	for (size_t i = 0, next; i < owners.n && !fault; i = next) {
		uint64_t nodes = owners_nodes(&owners, i, &next);
		printf("nodes of domain %u: %" PRIu64 "\n", owners.trees[i].domid, nodes);
		printf("trees of domain %u: %zu\n", owners.trees[i].domid, next - i);
	}
	owners_deinit(&owners);
	return fault;
}

int format_stat(const struct dump *dump)
{
	int fault = 0;

	if (dump->shown & SHOW_FILE)
		print_file(dump);
	if (!path_is_root(&dump->path))
		printf("path: %.*s\n", (int)dump->path.len, dump->path.text);
	if (dump->shown & SHOW_NODES)
		fault = print_nodes(dump);
	if (dump->shown & SHOW_DOMAINS)
		print_domains(dump);
	if (!fault && dump->shown & SHOW_WATCHES)
		fault = print_watches(dump);
	if (!fault && dump->shown & SHOW_OWNERS)
		fault = print_owners(dump);
	if (!fault && dump->shown & SHOW_OWED)
		format_count_owed(dump);
	return fault;
}
