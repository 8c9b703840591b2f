/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The three forms in which a dump is shown. They see a copy in memory, so they may be as slow as their reader.
 */
#include "formats.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"

enum { JSON_FORMAT_VERSION = 1, DOMIDS = UINT16_MAX + 1, TELL_EVERY = 4096 /* nodes */ };

static void tell(const struct dump *dump, size_t n)
{
	if (n % TELL_EVERY == 0)
		progress_tell(dump->progress, "nodes written:", n, dump->image.n_nodes);
}

/* ---- ls ---- */

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

int format_ls(const struct dump *dump)
{
	struct buffer line = {0};
	struct image_node shown;

	for (size_t i = 0; i < dump->image.n_nodes && !line.failed; i++) {
		tell(dump, i);
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

/* ---- json ---- */

static json_t *json_number(uint64_t number)
{
	return json_integer((json_int_t)number);
}

/* Sets what takes the value's reference; failures are left for the writer to find. */
static void set(json_t *object, const char *name, json_t *value, bool *failed)
{
	*failed |= json_object_set_new(object, name, value) != 0;
}

static json_t *make_header(const struct dump *dump, bool *failed)
{
	json_t *header = json_object();
	char id[2 * STORE_ID_SIZE + 1];

	for (size_t i = 0; i < STORE_ID_SIZE; i++)
		snprintf(id + 2 * i, 3, "%02x", dump->meta.id[i]);
	set(header, "format", json_string("lxenstore-dump"), failed);
	set(header, "format_version", json_integer(JSON_FORMAT_VERSION), failed);
	set(header, "program_version", json_string(PACKAGE_VERSION), failed);
	set(header, "store_format_version", json_integer(dump->meta.version), failed);
	set(header, "store_id", json_string(id), failed);
	set(header, "boot_id", json_string(dump->meta.boot_id), failed);
	set(header, "generation", json_number(dump->image.generation), failed);
	set(header, "commit", json_number(dump->image.snapshot), failed);
	set(header, "one_moment", json_boolean(dump->image.one_moment), failed);
	set(header, "complete", json_boolean(dump->complete), failed);
	set(header, "path", json_stringn(dump->path.text, dump->path.len), failed);
	set(header, "nodes", json_number(dump->image.n_nodes), failed);
	return header;
}

/* As a string where it is text; NUL is none, since many readers of JSON end a string there. */
static void set_value(json_t *object, const struct node *node, struct buffer *text, bool *failed)
{
	bool has_nul = node->value_len && memchr(node->value, 0, node->value_len);
	json_t *value = has_nul ? NULL : json_stringn(node->value, node->value_len);

	if (value) {
		set(object, "value", value, failed);
		return;
	}
	buffer_clear(text);
	base64_add(text, node->value, node->value_len);
	*failed |= text->failed;
	set(object, "value_base64", json_stringn(text->bytes, text->len), failed);
}

static json_t *make_node(const struct image_node *shown, struct buffer *text, bool *failed)
{
	const struct node *node = &shown->node;
	json_t *object = json_object(), *permissions = json_array();

	set(object, "path", json_stringn(shown->path.text, shown->path.len), failed);
	set(object, "created", json_number(node->created), failed);
	set(object, "value_generation", json_number(node->value_generation), failed);
	set(object, "permissions_generation", json_number(node->permissions_generation), failed);
	set(object, "children_generation", json_number(node->children_generation), failed);
	for (size_t i = 0; i < node->n_permissions; i++) {
		char permission[PERMISSION_TEXT_MAX];
		size_t len = permission_format(&node->permissions[i], permission);
		*failed |= json_array_append_new(permissions, json_stringn(permission, len)) != 0;
	}
	set(object, "permissions", permissions, failed);
	set_value(object, node, text, failed);
	if (shown->orphan)
		set(object, "orphan", json_true(), failed);
	return object;
}

/* Writes the object and frees it. */
static void write_json(json_t *object, bool *failed)
{
	char *text = json_dumps(object, JSON_COMPACT);

	json_decref(object);
	*failed |= !text;
	if (text)
		fputs(text, stdout);
	free(text);
}

/* The list is written node by node, one a line: as one object in memory it would be many times the store. */
int format_json(const struct dump *dump)
{
	struct buffer text = {0};
	struct image_node shown;
	bool failed = false;

	fputs("{\"header\":", stdout);
	write_json(make_header(dump, &failed), &failed);
	fputs(",\n\"nodes\":[", stdout);
	for (size_t i = 0; i < dump->image.n_nodes && !failed; i++) {
		tell(dump, i);
		image_node(&dump->image, i, &shown);
		fputs(i ? ",\n" : "\n", stdout);
		write_json(make_node(&shown, &text, &failed), &failed);
	}
	fputs("\n]}\n", stdout);
	buffer_deinit(&text);
	return failed ? -ENOMEM : 0;
}

/* ---- stat ---- */

static size_t depth_of(const struct path *path)
{
	size_t depth = 0;

	for (size_t i = 0; i < path->len && path->len > 1; i++)
		depth += path->text[i] == '/';
	return depth;
}

static void print_store(const struct dump *dump)
{
	const struct pages *pages = &dump->pages;

	printf("store id: ");
	for (size_t i = 0; i < STORE_ID_SIZE; i++)
		printf("%02x", dump->meta.id[i]);
	printf("\nformat version: %" PRIu32 "\n", dump->meta.version);
	printf("boot id: %s\n", dump->meta.boot_id);
	printf("generations given out: up to %" PRIu64 "\n", dump->image.generation);
	printf("commits: %" PRIu64 "\n", dump->image.snapshot);
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

int format_stat(const struct dump *dump)
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
	print_store(dump);
	if (!path_is_root(&dump->path))
		printf("path: %.*s\n", (int)dump->path.len, dump->path.text);
	printf("nodes: %zu\n", dump->image.n_nodes);
	if (dump->image.n_orphans)
		printf("nodes without a parent: %zu\n", dump->image.n_orphans);
	printf("depth: %zu\n", depth);
	for (uint32_t domid = 0; domid < DOMIDS; domid++) {
		if (owned[domid])
			printf("nodes of domain %" PRIu32 ": %" PRIu64 "\n", domid, owned[domid]);
	}
	free(owned);
	return 0;
}
