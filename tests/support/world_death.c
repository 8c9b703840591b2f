/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A world that goes on with the files of another, as they are at this moment, in the order of src/server.c. The other one need
 * not be at rest, and lives on, for it was not told.
 */
#include "support/world_death.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <utlist.h>

#include "request/release.h"
#include "support/world_xen.h"

enum { COMMAND_SIZE = 256 };

int world_copy_files(const struct world *dead, const char *directory)
{
	char command[COMMAND_SIZE];

	snprintf(command, sizeof(command), "cp --sparse=always %s/store.mdb %s/store.mdb-ledger %s", dead->directory,
		 dead->directory, directory);
	return system(command) ? -EIO : 0;
}

static void note_damaged(void *context, uint64_t connection_id, const char *what)
{
	struct world *world = context;

	snprintf(world->problem, sizeof(world->problem), "connection %llu: %s", (unsigned long long)connection_id, what);
}

int world_recover(struct world *world)
{
	struct store *store = world->turn.store;
	int error = ledger_recover(world->turn.ledger, store->meta.id, store_last_commit(store), note_damaged, world);

	return error > 0 ? -EPROTO : error;
}

void world_inherit_xen(struct world *world, const struct world *dead)
{
	if (!world->xen)
		return;
	world->xen->last_unique_id = dead->xen->last_unique_id;
	world->xen->last_epoch = dead->xen->last_epoch;
	for (int domid = 0; domid < WORLD_XEN_DOMAINS; domid++) {
		struct world_domain *domain = &world->xen->domains[domid];
		const struct world_domain *before = &dead->xen->domains[domid];
		*domain = (struct world_domain){before->is_there, before->state, before->page_port, NULL, false, 0};
	}
}

static const struct world_client *client_of(const struct world *world, uint64_t id)
{
	const struct world_client *client;

	DL_FOREACH (world->clients, client) {
		if (client->client.id == id)
			return client;
	}
	return NULL;
}

/* Nobody is there for it any more, or it is of a domain that is not. */
static bool has_ended(const struct world *world, const struct world *dead, const struct world_client *before)
{
	const struct domain *domain = before ? domain_find(&world->domains, before->client.domain->caller.domid) : NULL;

	return !domain || (dead->xen && domain->caller.domid && !domain->is_there);
}

static int attach(struct world *world, const struct ledger_found *found, const struct world_client *before)
{
	struct world_client *client = calloc(1, sizeof(*client));
	struct domain *domain = domain_find(&world->domains, before->client.domain->caller.domid);

	if (!client)
		return -ENOMEM;
	domain->caller.privileged = before->client.domain->caller.privileged;
	int error = client_attach(&client->client, &world->turn, found, domain);
	if (error) {
		free(client);
		return error;
	}
	client->world = world;
	client->last_request_id = before->last_request_id;
	DL_APPEND2(world->clients, client, previous, next);
	if (world->xen && before == before->world->xen->domains[domain->caller.domid].ring)
		world->xen->domains[domain->caller.domid].ring = client;
	return 0;
}

int world_attach_all(struct world *world, const struct world *dead)
{
	struct ledger_found found;
	uint32_t index = 0;
	int error = release_check_domains(&world->turn);

	world->last_client_id = dead->last_client_id;
	while (!error && ledger_find(world->turn.ledger, &index, &found)) {
		const struct world_client *before = client_of(dead, found.connection_id);
		if (has_ended(world, dead, before))
			ledger_drop(world->turn.ledger, &found);
		else
			error = attach(world, &found, before);
	}
	return error ? error : release_all(&world->turn);
}

struct world_client *world_same_client(const struct world *world, const struct world_client *before)
{
	return (struct world_client *)(uintptr_t)client_of(world, before->client.id);
}
