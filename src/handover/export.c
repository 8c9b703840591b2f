/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Descriptors and quotas, then each connection with its watches, then nodes, parents first, and behind them what was set for
 * domains, so that a reader knows every domain by then.
 */
#include "handover/export.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domain/quota.h"
#include "handover/text_dump.h"

enum { FIRST_SOCKET_ID = 0x10000 };

static struct quota_settings quotas_of(const struct store_quotas *record)
{
	struct quota_settings settings = {.hard_set = record->hard_set, .soft_set = record->soft_set};

	memcpy(settings.values.hard, record->hard, sizeof(settings.values.hard));
	memcpy(settings.values.soft, record->soft, sizeof(settings.values.soft));
	return settings;
}

static bool is_introduced(const struct inventory_domain *domain)
{
	return domain->known && domain->record.flags & STORE_DOMAIN_INTRODUCED;
}

/* ---- connections ---- */

/* What libxl writes: a decimal number at /local/domain/N/store/ring-ref. */
static uint64_t frame_of(const struct image *image, uint16_t domid)
{
	char domain[PATH_DOMAIN_BUFFER], path[PATH_DOMAIN_BUFFER + 32], number[24];
	struct image_node shown;

	path_of_domain(domid, domain);
	int len = snprintf(path, sizeof(path), "%s/store/ring-ref", domain);
	if (!image_find(image, &(struct path){path, (size_t)len}, &shown) || shown.node.value_len >= sizeof(number))
		return 0;
	memcpy(number, shown.node.value, shown.node.value_len);
	number[shown.node.value_len] = 0;
	return strtoull(number, NULL, 10);
}

static void put_watches(const struct export_source *source, const struct export_sink *sink, uint64_t connection, uint32_t number)
{
	const struct inventory *inventory = source->inventory;
	size_t low = 0, high = inventory->n_watches;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (inventory->watches[middle].connection < connection)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < inventory->n_watches && inventory->watches[low].connection == connection; low++) {
		const struct watch_record *watch = &inventory->watches[low];
		if (watch->hidden >= watch->path_len)
			continue;
		const struct state_record record = {
		    .kind = STATE_WATCH,
		    .watch =
			{
			    .connection = number,
			    .depth = watch->depth,
			    .path = watch->path + watch->hidden,
			    .path_len = watch->path_len - watch->hidden,
			    .token = watch->token,
			    .token_len = watch->token_len,
			},
		};
		sink->put(sink->context, &record, 0);
	}
}

static void put_rings(const struct export_source *source, const struct export_sink *sink)
{
	for (size_t i = 0; i < source->inventory->n_domains; i++) {
		const struct inventory_domain *domain = &source->inventory->domains[i];
		struct state_record record = {.kind = STATE_CONNECTION};
		if (!is_introduced(domain))
			continue;
		record.connection = (struct state_connection){
		    .number = text_ring_number(domain->domid),
		    .fd = -1,
		    .domid = domain->domid,
		    .target = domain->record.target,
		    .port = domain->record.port,
		    .remote_port = domain->record.port,
		    .unique_id = domain->record.unique_id,
		};
		if (source->complete && !source->complete(source->context, domain->domid, &record.connection))
			continue;
		sink->put(sink->context, &record, frame_of(source->image, domain->domid));
		put_watches(source, sink, domain->domid, record.connection.number);
	}
}

static void put_sockets(const struct export_source *source, const struct export_sink *sink)
{
	for (uint64_t id = 0; source->next_socket && source->next_socket(source->context, &id);) {
		struct state_record record = {
		    .kind = STATE_CONNECTION,
		    .connection = {.is_socket = true, .fd = -1, .target = DOMID_NONE},
		};
		if (id < FIRST_SOCKET_ID || !source->complete(source->context, id, &record.connection))
			continue;
		record.connection.number = text_socket_number(record.connection.fd);
		sink->put(sink->context, &record, 0);
		put_watches(source, sink, id, record.connection.number);
	}
}

/* ---- the rest ---- */

/* The special nodes, or all others. Returns how many are left out. */
static size_t put_nodes(const struct export_source *source, const struct export_sink *sink, bool specials)
{
	struct image_node shown;
	size_t n_left_out = 0;

	for (size_t i = 0; i < source->image->n_nodes; i++) {
		image_node(source->image, i, &shown);
		if (path_is_special(&shown.path) != specials)
			continue;
		if (sink->tell)
			sink->tell(sink->context, i);
		const struct state_record record = {
		    .kind = STATE_NODE,
		    .node =
			{
			    .path = shown.path.text,
			    .path_len = shown.path.len,
			    .permissions = shown.node.permissions,
			    .n_permissions = shown.node.n_permissions,
			    .value = shown.node.value,
			    .value_len = shown.node.value_len,
			},
		};
		if (shown.orphan)
			n_left_out++;
		else
			sink->put(sink->context, &record, 0);
	}
	return n_left_out;
}

/* Those with a ring, and the owners of nodes: others a reader may not know, and need not. */
static void put_domains(const struct export_source *source, const struct export_sink *sink)
{
	for (size_t i = 0; i < source->inventory->n_domains; i++) {
		const struct inventory_domain *domain = &source->inventory->domains[i];
		const struct state_record record = {
		    .kind = STATE_DOMAIN,
		    .domain = {.domid = domain->domid,
			       .has_features = true,
			       .features = domain->record.features,
			       .quotas = quotas_of(&domain->record.quotas)},
		};
		if (domain->known && (is_introduced(domain) || domain->nodes))
			sink->put(sink->context, &record, 0);
	}
}

size_t export_records(const struct export_source *source, const struct export_sink *sink)
{
	const struct store_quotas *quotas = &source->inventory->quotas;

	sink->put(sink->context, &(struct state_record){.kind = STATE_GLOBAL, .global = source->global}, 0);
	if (quotas->hard_set || quotas->soft_set)
		sink->put(sink->context, &(struct state_record){.kind = STATE_QUOTAS, .quotas = quotas_of(quotas)}, 0);
	put_rings(source, sink);
	put_sockets(source, sink);
	/* In front, where C xenstored 4.17 puts them: behind the tree it takes their permissions amiss. */
	size_t n_left_out = put_nodes(source, sink, true);
	n_left_out += put_nodes(source, sink, false);
	put_domains(source, sink);
	return n_left_out;
}
