/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The death of a domain on the plain tree: one walk in the order of listings takes away what it owns, another all entries for it.
 */
#include "support/model.h"

#include <stdio.h>
#include <string.h>

static bool is_named(const struct model_node *node, uint16_t domid)
{
	for (size_t i = 1; i < node->permissions.n; i++) {
		if (node->permissions.entries[i].domid == domid)
			return true;
	}
	return false;
}

static void strip(struct model *model, struct model_node *node, uint16_t domid)
{
	struct model_permissions *permissions = &node->permissions;
	struct model_permissions rest = {.n = 1, .entries = {permissions->entries[0]}};

	if (rest.entries[0].domid == domid)
		rest.entries[0].domid = 0;
	for (size_t i = 1; i < permissions->n; i++) {
		if (permissions->entries[i].domid != domid)
			rest.entries[rest.n++] = permissions->entries[i];
	}
	*permissions = rest;
	node->permissions_changed = ++model->time;
}

static void say_event(struct model *model, int node)
{
	sprintf(model->events + strlen(model->events), "%s%s", *model->events ? " " : "", model->paths[node]);
	model->dirty = true;
}

/* The child that was created first after `time`; 0: none. */
static int next_child(const struct model_tree *tree, int node, uint32_t time)
{
	int next = 0;

	for (int child = MODEL_NAMES * node + 1; child <= MODEL_NAMES * node + MODEL_NAMES && child < MODEL_NODES; child++) {
		if (tree->nodes[child].exists && tree->nodes[child].created > time &&
		    (!next || tree->nodes[child].created < tree->nodes[next].created))
			next = child;
	}
	return next;
}

static void remove_owned(struct model *model, int node, uint16_t domid)
{
	struct model_tree *tree = &model->now;
	uint32_t time = 0;

	if (tree->nodes[node].permissions.entries[0].domid == domid) {
		say_event(model, node);
		model_remove(model, tree, node);
		return;
	}
	for (int child; (child = next_child(tree, node, time));) {
		time = tree->nodes[child].created;
		remove_owned(model, child, domid);
	}
}

/* Events for those whose parent has no entry, in the order of creation. */
static void say_stripped(struct model *model, uint16_t domid)
{
	const struct model_node *nodes = model->now.nodes;
	uint32_t time = 0;

	for (int next = 0; next >= 0;) {
		next = -1;
		for (int node = 0; node < MODEL_NODES; node++) {
			if (!nodes[node].exists || !is_named(&nodes[node], domid) || nodes[node].created <= time ||
			    (node && is_named(&nodes[model_parent(node)], domid)))
				continue;
			if (next < 0 || nodes[node].created < nodes[next].created)
				next = node;
		}
		if (next < 0)
			return;
		time = nodes[next].created;
		say_event(model, next);
	}
}

/* What is given in a transaction was not meant for the next one of the number. */
static void doom(struct model_transaction *transaction, uint16_t domid)
{
	for (int node = 0; node < MODEL_NODES; node++) {
		const struct model_overlay *here = &transaction->overlay[node];
		bool sets = here->present || here->has_permissions;
		if (sets && (is_named(&here->node, domid) || here->node.permissions.entries[0].domid == domid))
			transaction->doomed = true;
	}
}

void model_release(struct model *model, uint16_t domid)
{
	struct model_node *nodes = model->now.nodes;

	if (nodes[0].permissions.entries[0].domid == domid) {
		say_event(model, 0);
		strip(model, &nodes[0], domid);
	}
	remove_owned(model, 0, domid);
	say_stripped(model, domid);
	for (int node = 0; node < MODEL_NODES; node++) {
		if (nodes[node].exists && is_named(&nodes[node], domid))
			strip(model, &nodes[node], domid);
	}
	for (int client = 0; client < MODEL_CLIENTS; client++) {
		if (model->transactions[client].open)
			doom(&model->transactions[client], domid);
	}
}
