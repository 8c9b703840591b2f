/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Lists. Nodes are shown as xenstore-ls shows them. Domains, watches and owners have a line each that begins with what they are
 * called by, so that a list can be searched line by line.
 */
#include "formats.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/buffer.h"
#include "owners.h"

/* As xenstore-ls does, whose first eight control characters are octal and the others not. */
static void add_escaped(struct buffer *line, const char *value, size_t len)
{
	static const char hex[] = "0123456789abcdef";

	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)value[i];
		if (c >= ' ' && c <= '~' && c != '\\') {
			buffer_add(line, &value[i], 1);
			continue;
		}
		char text[4] = {'\\', 'x', hex[c / 16], hex[c % 16]};
		switch (c) {
		case '\t':
			buffer_add_string(line, "\\t");
			break;
		case '\n':
			buffer_add_string(line, "\\n");
			break;
		case '\r':
			buffer_add_string(line, "\\r");
			break;
		case '\\':
			buffer_add_string(line, "\\\\");
			break;
		default:
			if (c < 8)
				text[1] = text[2] = '0';
			buffer_add(line, text, sizeof(text));
			break;
		}
	}
}

static void add_permissions(struct buffer *line, const struct node *node)
{
	for (size_t i = 0; i < node->n_permissions; i++) {
		char text[PERMISSION_TEXT_MAX];
		if (i)
			buffer_add_string(line, ",");
		buffer_add(line, text, permission_format(&node->permissions[i], text));
	}
}

static void add_line(struct buffer *line, const struct dump *dump, const struct image_node *shown)
{
	const struct node *node = &shown->node;

	/* Below a path given in its short form, xenstore-ls shows short paths. */
	buffer_add_string(line, dump->given);
	buffer_add(line, shown->path.text + dump->path.len, shown->path.len - dump->path.len);
	buffer_add_string(line, " = \"");
	add_escaped(line, node->value, node->value_len);
	buffer_add_string(line, "\"");
	if (dump->permissions) {
		buffer_add_string(line, "   (");
		add_permissions(line, node);
		buffer_add_string(line, ")");
	}
	if (dump->generations)
		buffer_printf(line, "   [%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 "]", node->created, node->value_generation,
			      node->permissions_generation, node->children_generation);
	buffer_add_string(line, "\n");
}

static int list_nodes(const struct dump *dump)
{
	struct buffer line = {0};
	struct image_node shown;

	for (size_t i = 0; i < dump->image.n_nodes && !line.failed; i++) {
		format_tell(dump, i);
		image_node(&dump->image, i, &shown);
		/* xenstore-ls shows neither the node that it is asked for nor the special ones. */
		if (path_is_special(&shown.path) || shown.path.len == dump->path.len)
			continue;
		buffer_clear(&line);
		add_line(&line, dump, &shown);
		fwrite(line.bytes, 1, line.len, stdout);
	}
	int fault = line.failed ? -ENOMEM : 0;
	buffer_deinit(&line);
	return fault;
}

/* ---- domains ---- */

static void add_quotas(struct buffer *line, const struct store_quotas *quotas)
{
	char name[FORMAT_QUOTA_NAME_SIZE];

	for (size_t i = 0; i < STORE_QUOTAS; i++) {
		if (quotas->hard_set >> i & 1)
			buffer_printf(line, ", quota %s %" PRIu32, format_quota_name(i, name), quotas->hard[i]);
	}
	for (size_t i = 0; i < STORE_QUOTAS; i++) {
		if (quotas->soft_set >> i & 1)
			buffer_printf(line, ", soft quota %s %" PRIu32, format_quota_name(i, name), quotas->soft[i]);
	}
}

/* Who it is, and what was said of it. */
static void add_record(struct buffer *line, const struct store_domain *record)
{
	char handle[FORMAT_HANDLE_SIZE];

	format_handle(record->handle, handle);
	buffer_add_string(line, record->flags & STORE_DOMAIN_INTRODUCED ? "introduced" : "not introduced");
	if (record->flags & STORE_DOMAIN_SHUT_DOWN)
		buffer_add_string(line, ", shut down");
	if (record->port)
		buffer_printf(line, ", port %" PRIu32, record->port);
	if (record->target != DOMID_NONE)
		buffer_printf(line, ", target %u", record->target);
	buffer_printf(line, ", features 0x%" PRIx32 ", uuid %s", record->features, handle);
	if (record->unique_id)
		buffer_printf(line, ", unique id 0x%" PRIx64, record->unique_id);
	if (record->shared_info_frame)
		buffer_printf(line, ", shared info frame 0x%" PRIx64, record->shared_info_frame);
}

static int list_domains(const struct dump *dump)
{
	const struct inventory *inventory = &dump->inventory;
	struct buffer line = {0};

	for (size_t i = 0; i < inventory->n_domains && !line.failed; i++) {
		const struct inventory_domain *domain = &inventory->domains[i];
		buffer_clear(&line);
		buffer_printf(&line, "domain %u: ", domain->domid);
		if (domain->known)
			add_record(&line, &domain->record);
		else
			buffer_add_string(&line, "nothing recorded");
		buffer_printf(&line, ", %" PRIu64 " nodes, %" PRIu64 " watches", domain->nodes, domain->watches);
		if (domain->known)
			add_quotas(&line, &domain->record.quotas);
		printf("%.*s\n", (int)line.len, line.bytes);
	}
	if (inventory->has_quotas && (inventory->quotas.hard_set || inventory->quotas.soft_set)) {
		buffer_clear(&line);
		add_quotas(&line, &inventory->quotas);
		/* Without the first comma. */
		printf("all domains:%.*s\n", (int)line.len - 1, line.bytes + 1);
	}
	int fault = line.failed ? -ENOMEM : 0;
	buffer_deinit(&line);
	return fault;
}

/* ---- watches ---- */

static int list_watches(const struct dump *dump)
{
	const struct inventory *inventory = &dump->inventory;
	struct buffer line = {0};

	for (size_t i = 0; i < inventory->n_watches && !line.failed; i++) {
		const struct watch_record *watch = &inventory->watches[i];
		if (!format_shows_watch(dump, watch))
			continue;
		buffer_clear(&line);
		buffer_printf(&line, "%s of domain %u", watch->connection <= UINT16_MAX ? "ring" : "socket", watch->domid);
		buffer_printf(&line, ", connection %" PRIu64 ": %s \"", watch->connection, watch->path);
		add_escaped(&line, watch->token, watch->token_len);
		buffer_add_string(&line, "\"");
		if (watch->depth >= 0)
			buffer_printf(&line, ", depth %" PRId32, watch->depth);
		if (watch->hidden)
			buffer_printf(&line, ", told as %s", watch->path + watch->hidden);
		printf("%.*s\n", (int)line.len, line.bytes);
	}
	int fault = line.failed ? -ENOMEM : 0;
	buffer_deinit(&line);
	return fault;
}

/* ---- owners ---- */

static int list_owners(const struct dump *dump)
{
	struct image_node shown;
	struct owners owners;
	int fault = owners_of_image(&dump->image, &owners);
	size_t next = 0;

	for (size_t i = 0; i < owners.n && !fault; i++) {
		const struct owned_tree *tree = &owners.trees[i];
		if (i == next)
			printf("domain %u: %" PRIu64 " nodes\n", tree->domid, owners_nodes(&owners, i, &next));
		image_node(&dump->image, tree->index, &shown);
		printf("domain %u: %" PRIu64 " at %.*s\n", tree->domid, tree->nodes, (int)shown.path.len, shown.path.text);
	}
	owners_deinit(&owners);
	return fault;
}

int format_ls(const struct dump *dump)
{
	int fault = 0;

	if (dump->shown & SHOW_NODES)
		fault = list_nodes(dump);
	if (!fault && dump->shown & SHOW_DOMAINS)
		fault = list_domains(dump);
	if (!fault && dump->shown & SHOW_WATCHES)
		fault = list_watches(dump);
	if (!fault && dump->shown & SHOW_OWNERS)
		fault = list_owners(dump);
	if (!fault && dump->shown & SHOW_OWED)
		format_list_owed(dump);
	return fault;
}
