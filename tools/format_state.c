/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Xen's migration stream. Of an offline store it has what outlives the daemon and hangs on no descriptor: nodes, rings with their
 * watches, what was set for domains and for all. A ring's port is the domain's end of its channel, since there is no other.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "domain/quota.h"
#include "dump_options.h"
#include "formats.h"
#include "handover/stream.h"

enum { WRITE_AT_ONCE = 1 << 16 };

struct state_output {
	struct stream_form form;
	struct buffer bytes;
	size_t n_left_out;
};

static void put(struct state_output *output, const struct state_record *record)
{
	if (!stream_fits(record)) {
		output->n_left_out++;
		return;
	}
	stream_put(&output->bytes, &output->form, record);
	if (output->bytes.len < WRITE_AT_ONCE || output->bytes.failed)
		return;
	fwrite(output->bytes.bytes, 1, output->bytes.len, stdout);
	buffer_clear(&output->bytes);
}

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

static uint32_t number_of(uint16_t domid)
{
	return domid + 1u;
}

/* ---- rings ---- */

static void put_ring(struct state_output *output, const struct inventory_domain *domain)
{
	const struct state_record record = {
	    .kind = STATE_CONNECTION,
	    .connection =
		{
		    .number = number_of(domain->domid),
		    .domid = domain->domid,
		    .target = domain->record.target,
		    .port = domain->record.port,
		    .unique_id = domain->record.unique_id,
		},
	};

	put(output, &record);
}

static void put_watch(struct state_output *output, const struct watch_record *watch)
{
	const struct state_record record = {
	    .kind = STATE_WATCH,
	    .watch =
		{
		    .connection = number_of((uint16_t)watch->connection),
		    .depth = watch->depth,
		    .path = watch->path + watch->hidden,
		    .path_len = watch->path_len - watch->hidden,
		    .token = watch->token,
		    .token_len = watch->token_len,
		},
	};

	put(output, &record);
}

/* Both lists are in the order of domains. */
static void put_rings(struct state_output *output, const struct inventory *inventory)
{
	size_t next = 0;

	for (size_t i = 0; i < inventory->n_domains; i++) {
		const struct inventory_domain *domain = &inventory->domains[i];
		if (!is_introduced(domain))
			continue;
		put_ring(output, domain);
		while (next < inventory->n_watches && inventory->watches[next].connection < domain->domid)
			next++;
		for (; next < inventory->n_watches && inventory->watches[next].connection == domain->domid; next++)
			put_watch(output, &inventory->watches[next]);
	}
}

/* ---- the rest ---- */

static void put_nodes(struct state_output *output, const struct dump *dump)
{
	struct image_node shown;

	for (size_t i = 0; i < dump->image.n_nodes; i++) {
		image_node(&dump->image, i, &shown);
		format_tell(dump, i);
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
			output->n_left_out++;
		else
			put(output, &record);
	}
}

/* Behind the nodes, so that a reader knows every domain then: those with a ring, and the owners of nodes. */
static void put_domains(struct state_output *output, const struct inventory *inventory)
{
	for (size_t i = 0; i < inventory->n_domains; i++) {
		const struct inventory_domain *domain = &inventory->domains[i];
		const struct state_record record = {
		    .kind = STATE_DOMAIN,
		    .domain = {.domid = domain->domid,
			       .features = domain->record.features,
			       .quotas = quotas_of(&domain->record.quotas)},
		};
		if (domain->known && (is_introduced(domain) || domain->nodes))
			put(output, &record);
	}
}

int format_state(const struct dump *dump)
{
	struct state_output output = {.form = {.version = dump->version ? dump->version : STREAM_VERSION_MAX}};
	const struct inventory *inventory = &dump->inventory;

	stream_put_header(&output.bytes, &output.form);
	put(&output, &(struct state_record){.kind = STATE_GLOBAL, .global = {-1, -1, -1, 0}});
	if (inventory->quotas.hard_set || inventory->quotas.soft_set)
		put(&output, &(struct state_record){.kind = STATE_QUOTAS, .quotas = quotas_of(&inventory->quotas)});
	put_rings(&output, inventory);
	put_nodes(&output, dump);
	put_domains(&output, inventory);
	stream_put_end(&output.bytes, &output.form);
	bool failed = output.bytes.failed;
	if (!failed)
		fwrite(output.bytes.bytes, 1, output.bytes.len, stdout);
	buffer_deinit(&output.bytes);
	if (output.n_left_out)
		dump_complain("%zu records are left out: the stream cannot hold them", output.n_left_out);
	return failed ? -ENOMEM : 0;
}
