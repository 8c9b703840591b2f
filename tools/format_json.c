/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One document, for programs. Its lists are written element by element, so it is whole only if the program ends well, and takes
 * no memory for the whole.
 */
#include "formats.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "owners.h"

enum { JSON_FORMAT_VERSION = 1 };

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
	set(header, "generation", json_number(dump->inventory.generation), failed);
	set(header, "commit", json_number(dump->commit), failed);
	set(header, "one_moment", json_boolean(dump->one_moment), failed);
	set(header, "complete", json_boolean(dump->complete), failed);
	set(header, "path", json_stringn(dump->path.text, dump->path.len), failed);
	if (dump->shown & SHOW_NODES)
		set(header, "nodes", json_number(dump->image.n_nodes), failed);
	return header;
}

/* As a string where it is text; NUL is none, since many readers of JSON end a string there. */
static void set_bytes(json_t *object, const char *name, const char *bytes, size_t len, bool *failed)
{
	bool has_nul = len && memchr(bytes, 0, len);
	json_t *value = has_nul ? NULL : json_stringn(bytes, len);
	char other_name[32];
	struct buffer text = {0};

	if (value) {
		set(object, name, value, failed);
		return;
	}
	base64_add(&text, bytes, len);
	*failed |= text.failed;
	snprintf(other_name, sizeof(other_name), "%s_base64", name);
	set(object, other_name, json_stringn(text.bytes, text.len), failed);
	buffer_deinit(&text);
}

static json_t *make_node(const struct image_node *shown, bool *failed)
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
	set_bytes(object, "value", node->value, node->value_len, failed);
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

/* ---- lists ---- */

/* Begins a member of the document that is a list; what it lists is written one by one, each on a line. */
static void begin_list(const char *name)
{
	printf(",\n\"%s\":[", name);
}

static void write_element(json_t *object, bool *first, bool *failed)
{
	fputs(*first ? "\n" : ",\n", stdout);
	*first = false;
	write_json(object, failed);
}

/* As one object in memory the list would be many times the store. */
static void write_nodes(const struct dump *dump, bool *failed)
{
	struct image_node shown;
	bool first = true;

	begin_list("nodes");
	for (size_t i = 0; i < dump->image.n_nodes && !*failed; i++) {
		format_tell(dump, i);
		image_node(&dump->image, i, &shown);
		write_element(make_node(&shown, failed), &first, failed);
	}
	fputs("\n]", stdout);
}

static json_t *make_quotas(uint32_t is_set, const uint32_t values[STORE_QUOTAS], bool *failed)
{
	json_t *object = json_object();
	char name[FORMAT_QUOTA_NAME_SIZE];

	for (size_t i = 0; i < STORE_QUOTAS; i++) {
		if (is_set >> i & 1)
			set(object, format_quota_name(i, name), json_number(values[i]), failed);
	}
	return object;
}

static void set_quotas(json_t *object, const struct store_quotas *quotas, bool *failed)
{
	uint32_t hard[STORE_QUOTAS], soft[STORE_QUOTAS];

	memcpy(hard, quotas->hard, sizeof(hard));
	memcpy(soft, quotas->soft, sizeof(soft));
	set(object, "quotas", make_quotas(quotas->hard_set, hard, failed), failed);
	set(object, "soft_quotas", make_quotas(quotas->soft_set, soft, failed), failed);
}

/* Numbers of 64 bits that others choose are more than many readers of JSON take. */
static json_t *json_hexadecimal(uint64_t number)
{
	char text[20];

	snprintf(text, sizeof(text), "0x%" PRIx64, number);
	return json_string(text);
}

static json_t *make_domain(const struct inventory_domain *domain, bool *failed)
{
	const struct store_domain *record = &domain->record;
	json_t *object = json_object();
	char handle[FORMAT_HANDLE_SIZE];

	set(object, "domid", json_integer(domain->domid), failed);
	set(object, "nodes", json_number(domain->nodes), failed);
	set(object, "watches", json_number(domain->watches), failed);
	set(object, "known", json_boolean(domain->known), failed);
	if (!domain->known)
		return object;
	format_handle(record->handle, handle);
	set(object, "introduced", json_boolean(record->flags & STORE_DOMAIN_INTRODUCED), failed);
	set(object, "shut_down", json_boolean(record->flags & STORE_DOMAIN_SHUT_DOWN), failed);
	set(object, "port", json_number(record->port), failed);
	set(object, "epoch", json_number(record->epoch), failed);
	set(object, "features", json_number(record->features), failed);
	set(object, "target", record->target == DOMID_NONE ? json_null() : json_integer(record->target), failed);
	set(object, "uuid", json_string(handle), failed);
	set(object, "unique_id", json_hexadecimal(record->unique_id), failed);
	set(object, "shared_info_frame", json_hexadecimal(record->shared_info_frame), failed);
	set_quotas(object, &record->quotas, failed);
	return object;
}

static void write_domains(const struct dump *dump, bool *failed)
{
	json_t *for_all = json_object();
	bool first = true;

	begin_list("domains");
	for (size_t i = 0; i < dump->inventory.n_domains && !*failed; i++)
		write_element(make_domain(&dump->inventory.domains[i], failed), &first, failed);
	fputs("\n],\n\"all_domains\":", stdout);
	set_quotas(for_all, &dump->inventory.quotas, failed);
	write_json(for_all, failed);
}

static json_t *make_watch(const struct watch_record *watch, bool *failed)
{
	json_t *object = json_object();

	set(object, "connection", json_number(watch->connection), failed);
	set(object, "serial", json_number(watch->serial), failed);
	set(object, "domid", json_integer(watch->domid), failed);
	set_bytes(object, "path", watch->path, watch->path_len, failed);
	set_bytes(object, "token", watch->token, watch->token_len, failed);
	set(object, "depth", watch->depth < 0 ? json_null() : json_integer(watch->depth), failed);
	set(object, "hidden", json_integer(watch->hidden), failed);
	return object;
}

static void write_watches(const struct dump *dump, bool *failed)
{
	bool first = true;

	begin_list("watches");
	for (size_t i = 0; i < dump->inventory.n_watches && !*failed; i++) {
		if (format_shows_watch(dump, &dump->inventory.watches[i]))
			write_element(make_watch(&dump->inventory.watches[i], failed), &first, failed);
	}
	fputs("\n]", stdout);
}

static json_t *make_tree(const struct image *image, const struct owned_tree *tree, bool *failed)
{
	json_t *object = json_object();
	struct image_node shown;

	image_node(image, tree->index, &shown);
	set(object, "path", json_stringn(shown.path.text, shown.path.len), failed);
	set(object, "nodes", json_number(tree->nodes), failed);
	return object;
}

static void write_owners(const struct dump *dump, bool *failed)
{
	struct owners owners;
	bool first = true;

	begin_list("owners");
	*failed |= owners_of_image(&dump->image, &owners) != 0;
	for (size_t i = 0, next; i < owners.n && !*failed; i = next) {
		json_t *object = json_object(), *trees = json_array();
		set(object, "domid", json_integer(owners.trees[i].domid), failed);
		set(object, "nodes", json_number(owners_nodes(&owners, i, &next)), failed);
		for (size_t j = i; j < next; j++)
			*failed |= json_array_append_new(trees, make_tree(&dump->image, &owners.trees[j], failed)) != 0;
		set(object, "trees", trees, failed);
		write_element(object, &first, failed);
	}
	owners_deinit(&owners);
	fputs("\n]", stdout);
}

static json_t *make_request(const struct owed_request *request, bool *failed)
{
	const char *name = message_type_name(request->header.type);
	json_t *object = json_object();

	set(object, "type", json_number(request->header.type), failed);
	set(object, "name", name ? json_string(name) : json_null(), failed);
	set(object, "request_id", json_number(request->header.request_id), failed);
	set(object, "transaction", json_number(request->header.transaction_id), failed);
	set(object, "bytes", json_number(MESSAGE_HEADER_SIZE + request->header.len), failed);
	set_bytes(object, "argument", request->argument, request->argument_len, failed);
	return object;
}

static json_t *make_owed(const struct owed_connection *connection, bool *failed)
{
	json_t *object = json_object(), *requests = json_array();
	bool is_ring = format_is_ring(connection);

	for (size_t i = 0; i < connection->n_requests; i++)
		*failed |= json_array_append_new(requests, make_request(&connection->requests[i], failed)) != 0;
	set(object, "connection", json_number(connection->id), failed);
	set(object, "kind", json_string(is_ring ? "ring" : "socket"), failed);
	set(object, "domid", is_ring ? json_number(connection->id) : json_null(), failed);
	set(object, "state", json_string(format_state_name(connection->state)), failed);
	set(object, "epoch", json_number(connection->epoch), failed);
	set(object, "error", json_number(connection->error), failed);
	set(object, "input_bytes", json_number(connection->input_bytes), failed);
	set(object, "requests", requests, failed);
	set(object, "running_after", connection->is_running ? json_number(connection->running_after) : json_null(), failed);
	set(object, "crashes", json_number(connection->crashes), failed);
	set(object, "kills", json_number(connection->kills), failed);
	set(object, "output_bytes", json_number(connection->output_bytes), failed);
	set(object, "replies", json_number(connection->replies), failed);
	set(object, "events", json_number(connection->events), failed);
	set(object, "waiting", json_number(connection->waiting), failed);
	set(object, "problem", connection->problem ? json_string(connection->problem) : json_null(), failed);
	return object;
}

static void write_owed(const struct dump *dump, bool *failed)
{
	bool first = true;

	begin_list("owed");
	for (size_t i = 0; i < dump->owed.n && !*failed; i++)
		write_element(make_owed(&dump->owed.connections[i], failed), &first, failed);
	fputs("\n]", stdout);
}

int format_json(const struct dump *dump)
{
	bool failed = false;

	fputs("{\"header\":", stdout);
	write_json(make_header(dump, &failed), &failed);
	if (dump->shown & SHOW_NODES)
		write_nodes(dump, &failed);
	if (dump->shown & SHOW_DOMAINS)
		write_domains(dump, &failed);
	if (dump->shown & SHOW_WATCHES)
		write_watches(dump, &failed);
	if (dump->shown & SHOW_OWNERS)
		write_owners(dump, &failed);
	if (dump->shown & SHOW_OWED)
		write_owed(dump, &failed);
	fputs("}\n", stdout);
	return failed ? -ENOMEM : 0;
}
