/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From changes to events. Each change is matched in the index of watches, and of each hit it is asked whether its owner may
 * know: it may if it can read the node, could read it before the change, or can read the parent, where it would see the name
 * come or go (XSA-115). Who is privileged may always, so for it nothing is looked up.
 */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <utlist.h>

#include "request/limits.h"
#include "request/turn.h"
#include "store/changes.h"
#include "store/node.h"
#include "wire/message.h"

/* Memory for what a privileged client is owed before further events are dropped: replies wait elsewhere, events have no way back.
 */
enum { OUTPUT_MEMORY_MAX = 2 << 20 };

enum { SPECIAL_TEXT_MAX = sizeof("@introduceDomain/65535") };

struct delivery {
	struct turn *turn;
	const struct change *change;
};

static struct client *client_of(const struct watch *watch)
{
	return watch->owner->context;
}

void turn_note_output(struct turn *turn, struct client *client)
{
	if (!client->has_output)
		DL_APPEND2(turn->with_output, client, output_previous, output_next);
	client->has_output = true;
	client_count_output(client, turn);
}

/* May a further event wait for the client? */
static bool has_room(struct turn *turn, struct client *client)
{
	struct domain *domain = client->domain;

	if (domain->caller.privileged)
		return ledger_output_memory(&client->ledger) <= OUTPUT_MEMORY_MAX;
	if (domain->budgets[QUOTA_MEMORY].used <= domain_limit(domain, QUOTA_MEMORY))
		return true;
	limit_reached(turn, domain, QUOTA_MEMORY);
	return false;
}

static void drop(struct turn *turn, struct client *client, const char *why)
{
	turn->figures.events_dropped++;
	if (client->events_dropped)
		return;
	client->events_dropped = true;
	log_warning(turn->log, "connection %llu of domain %u: an event was dropped: %s", (unsigned long long)client->id,
		    client->domain->caller.domid, why);
}

/* `path`: the event's, with its NUL. */
static void append(struct turn *turn, const struct watch *watch, const struct path *path)
{
	struct client *client = client_of(watch);
	size_t path_size = path->len - watch->hidden + 1, token_size = watch->token_len + 1;
	struct message_header header = {.type = MESSAGE_WATCH_EVENT, .len = (uint32_t)(path_size + token_size)};
	unsigned char head[MESSAGE_HEADER_SIZE];
	struct iovec parts[] = {
	    {head, sizeof(head)},
	    {(char *)(uintptr_t)path->text + watch->hidden, path_size},
	    {(char *)(uintptr_t)watch->token, token_size},
	};

	if (header.len > MESSAGE_PAYLOAD_MAX) {
		drop(turn, client, "path and token together exceed a message");
		return;
	}
	if (!has_room(turn, client)) {
		drop(turn, client, "the client does not read");
		return;
	}
	message_write_header(head, &header);
	int result = ledger_append_event(&client->ledger, store_tag(turn->store), watch->serial, path_is_special(path), parts, 3);
	if (result < 0)
		drop(turn, client, "no room");
	if (result)
		return;
	turn->figures.events++;
	turn_note_output(turn, client);
}

static bool may_read(const struct caller *caller, const struct permission_list *list)
{
	return list->entries && permissions_for(list->entries, list->n, caller) & PERMISSION_READ;
}

/* Positive if so, or a fault. */
static int may_read_parent(struct turn *turn, const struct caller *caller, const struct change *change)
{
	struct path parent = {change->path.text, path_parent_len(&change->path)};
	struct node node;

	if (change->parent.entries || !parent.len)
		return may_read(caller, &change->parent);
	int result = node_look(turn->store, &parent, &node);
	if (result)
		return result < 0 ? result : 0;
	return permissions_for(node.permissions, node.n_permissions, caller) & PERMISSION_READ;
}

static int may_know(void *context, const struct watch_owner *owner)
{
	const struct delivery *delivery = context;
	const struct change *change = delivery->change;
	const struct client *client = owner->context;
	const struct caller *caller = &client->domain->caller;

	if (caller->privileged || may_read(caller, &change->now) || may_read(caller, &change->before))
		return true;
	return may_read_parent(delivery->turn, caller, change);
}

static int hit(void *context, struct watch *watch)
{
	const struct delivery *delivery = context;
	const struct change *change = delivery->change;

	/* Who asked for depth is told which domain it is. */
	if (!change->of_all_domains || watch->depth < 0)
		append(delivery->turn, watch, &change->path);
	return 0;
}

int events_append(struct turn *turn, const struct changes *changes)
{
	int fault = 0;

	if (!watch_count(turn->watches))
		return 0;
	for (const struct change *change = changes->first; change && !fault; change = change->next) {
		struct delivery delivery = {turn, change};
		fault = watch_match(turn->watches, &change->path, change->exact, may_know, hit, &delivery);
	}
	return fault;
}

int events_add_special(struct turn *turn, struct changes *changes, const char *name, const uint16_t *domid, unsigned which)
{
	struct path path = {name, strlen(name)};
	struct MDB_txn *txn = store_view(turn->store);
	char text[SPECIAL_TEXT_MAX];
	struct node node;
	int result = txn ? node_get(turn->store, txn, &path, &node) : -EIO;

	for (unsigned bit = EVENT_OF_ALL; bit <= EVENT_OF_DOMAIN && !result; bit <<= 1) {
		if (!(which & bit))
			continue;
		if (bit == EVENT_OF_DOMAIN)
			path = (struct path){text, (size_t)snprintf(text, sizeof(text), "%s/%u", name, *domid)};
		struct change *change = change_new(&turn->arena, &path, node.permissions, node.n_permissions);
		if (!change)
			return -ENOMEM;
		change->of_all_domains = bit == EVENT_OF_ALL;
		changes_append(changes, change);
	}
	return result > 0 ? -EIO : result;
}

void events_append_first(struct turn *turn, const struct watch *watch)
{
	struct path path = {watch->path, watch->path_len};

	append(turn, watch, &path);
}
