/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The document of lxenstore-dump --format json, read element by element: a store of the same id, with the same nodes under the
 * same generations, the same domains, quotas and watches.
 */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/buffer.h"
#include "domain/quota.h"
#include "json_scan.h"
#include "load_input.h"
#include "store/node.h"
#include "store/reader.h"
#include "store/record.h"
#include "store/restore.h"
#include "store/watch_record.h"

enum { JSON_FORMAT_VERSION = 1, PERMISSIONS_MAX = STORE_RECORD_MAX / sizeof(struct permission) };

struct document {
	struct load_input *input;
	struct store *store;
	struct json_part header, nodes, domains, all_domains, watches;
	struct restore_origin origin;
	uint64_t n_nodes, n_orphans;

	struct json_scan scan, marked; /* in a list */
	uint64_t orphans_marked;
	struct buffer path, value, token, permission_texts;
	struct permission permissions[PERMISSIONS_MAX];
};

#define refuse(document, ...) (snprintf((document)->input->problem, sizeof((document)->input->problem), __VA_ARGS__), -EPROTO)

/* ---- values ---- */

static json_t *parse(const struct json_part *part)
{
	json_error_t error;

	return json_loadb(part->text, part->len, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &error);
}

/* A number from 0 to `most`; false if the member is none. */
static bool get_number(const json_t *object, const char *name, uint64_t most, uint64_t *out)
{
	const json_t *value = json_object_get(object, name);

	if (!json_is_integer(value) || json_integer_value(value) < 0)
		return false;
	*out = (uint64_t)json_integer_value(value);
	return *out <= most;
}

/* The string of this name, or the one of the name with "_base64". */
static bool get_bytes(const json_t *object, const char *name, struct buffer *out)
{
	const json_t *value = json_object_get(object, name);
	char other_name[32];

	buffer_clear(out);
	if (json_is_string(value)) {
		buffer_add(out, json_string_value(value), json_string_length(value));
		return !out->failed;
	}
	snprintf(other_name, sizeof(other_name), "%s_base64", name);
	value = json_object_get(object, other_name);
	return json_is_string(value) && base64_decode(out, json_string_value(value), json_string_length(value));
}

/* A path as a store has it. */
static bool get_path(const json_t *object, struct buffer *out, struct path *path)
{
	char buffer[PATH_BUFFER];
	struct path canonical;

	if (!get_bytes(object, "path", out) || !out->len || memchr(out->bytes, 0, out->len) ||
	    path_canonicalize(out->bytes, out->len, 0, true, 0, buffer, &canonical) || canonical.len != out->len)
		return false;
	*path = (struct path){out->bytes, out->len};
	return true;
}

static int hexadecimal_digit(char letter)
{
	const char *digits = "0123456789abcdef", *found = letter ? strchr(digits, letter) : NULL;

	return found ? (int)(found - digits) : -1;
}

/* `size` bytes in hexadecimal digits; dashes between them mean nothing. */
static bool get_hexadecimal(const json_t *object, const char *name, unsigned char *out, size_t size)
{
	const char *at = json_string_value(json_object_get(object, name));
	size_t n = 0;

	for (; at && *at; at++) {
		int digit = hexadecimal_digit(*at);
		if (*at == '-')
			continue;
		if (digit < 0 || n == 2 * size)
			return false;
		out[n / 2] = (unsigned char)(n % 2 ? out[n / 2] | digit : digit << 4);
		n++;
	}
	return n == 2 * size;
}

/* "0x1234" */
static bool get_address(const json_t *object, const char *name, uint64_t *out)
{
	const char *text = json_string_value(json_object_get(object, name));
	char *end;

	if (!text || strncmp(text, "0x", 2) || hexadecimal_digit(text[2]) < 0)
		return false;
	errno = 0;
	*out = strtoull(text + 2, &end, 16);
	return !errno && !*end;
}

/* ---- the header ---- */

static int read_header(struct document *document, const json_t *header)
{
	const char *format = json_string_value(json_object_get(header, "format"));
	const char *boot_id = json_string_value(json_object_get(header, "boot_id"));
	const char *path = json_string_value(json_object_get(header, "path"));
	struct restore_origin *origin = &document->origin;
	uint64_t version;

	if (!format || strcmp(format, "lxenstore-dump") || !get_number(header, "format_version", UINT32_MAX, &version))
		return refuse(document, "the header is none of lxenstore-dump");
	if (version > JSON_FORMAT_VERSION)
		return refuse(document, "the document has format %" PRIu64 ", this program reads up to %d", version,
			      JSON_FORMAT_VERSION);
	if (!path || strcmp(path, "/"))
		return refuse(document, "the document has only a part of a store: what is at %s", path ? path : "no path");
	if (!get_hexadecimal(header, "store_id", origin->id, sizeof(origin->id)) || !boot_id ||
	    !reader_is_boot_id(boot_id, sizeof(origin->boot_id)) ||
	    !get_number(header, "generation", UINT64_MAX, &origin->generation) ||
	    !get_number(header, "nodes", UINT64_MAX, &document->n_nodes))
		return refuse(document, "the header has no store_id, boot_id, generation or number of nodes");
	snprintf(origin->boot_id, sizeof(origin->boot_id), "%s",
		 document->input->this_boot ? document->store->meta.boot_id : boot_id);
	if (json_is_false(json_object_get(header, "complete"))) {
		load_complain("%s: the document itself says that something is missing", document->input->name);
		document->input->incomplete = true;
	}
	return 0;
}

static int find_parts(struct document *document)
{
	const struct {
		const char *name;
		struct json_part *part;
	} members[] = {
	    {"header", &document->header},	     {"nodes", &document->nodes},     {"domains", &document->domains},
	    {"all_domains", &document->all_domains}, {"watches", &document->watches},
	};
	const struct json_part whole = {document->input->bytes, document->input->len};
	struct json_part name, value;

	json_scan_begin(&document->scan, &whole);
	while (json_scan_member(&document->scan, &name, &value)) {
		for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
			if (name.len == strlen(members[i].name) && !memcmp(name.text, members[i].name, name.len))
				*members[i].part = value;
		}
	}
	if (document->scan.failed)
		return refuse(document, "the document is no JSON, or was cut short, at byte %zu",
			      (size_t)(document->scan.at - whole.text));
	if (!document->header.text || !document->nodes.text)
		return refuse(document, "the document has no header or no nodes");
	return 0;
}

/* ---- lists ---- */

static size_t offset(const struct document *document, const struct json_part *part)
{
	return (size_t)(part->text - (const char *)document->input->bytes);
}

/* The next element of the list: 1, with an object that the caller gives back; 0: none. */
static int next_element(struct document *document, json_t **out)
{
	struct json_part part;

	if (!json_scan_element(&document->scan, &part)) {
		if (document->scan.failed)
			return refuse(document, "the list that ends at byte %zu is not closed",
				      (size_t)(document->scan.at - (const char *)document->input->bytes));
		return 0;
	}
	*out = parse(&part);
	if (json_is_object(*out))
		return 1;
	json_decref(*out);
	return refuse(document, "at byte %zu is no object", offset(document, &part));
}

static void mark(void *context)
{
	struct document *document = context;

	document->marked = document->scan;
	document->orphans_marked = document->n_orphans;
}

static void back(void *context)
{
	struct document *document = context;

	document->scan = document->marked;
	document->n_orphans = document->orphans_marked;
}

/* ---- nodes ---- */

static bool read_permissions(struct document *document, const json_t *object, size_t *n)
{
	const json_t *list = json_object_get(object, "permissions");
	struct buffer *texts = &document->permission_texts;

	buffer_clear(texts);
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *text = json_string_value(json_array_get(list, i));
		if (!text)
			return false;
		buffer_add(texts, text, strlen(text) + 1);
	}
	return texts->len && !texts->failed &&
	       !permissions_parse(texts->bytes, texts->len, document->permissions, PERMISSIONS_MAX, n);
}

static int read_node(struct document *document, const json_t *object, struct path *path, struct node *node)
{
	uint64_t most = document->origin.generation;

	*node = (struct node){.permissions = document->permissions};
	if (!get_path(object, &document->path, path))
		return refuse(document, "a node has no path");
	if (!read_permissions(document, object, &node->n_permissions) || !get_bytes(object, "value", &document->value))
		return refuse(document, "the node %.*s has no permissions or no value", (int)path->len, path->text);
	if (!get_number(object, "created", most, &node->created) ||
	    !get_number(object, "value_generation", most, &node->value_generation) ||
	    !get_number(object, "permissions_generation", most, &node->permissions_generation) ||
	    !get_number(object, "children_generation", most, &node->children_generation))
		return refuse(document, "the node %.*s has no generations, or some that were never given out", (int)path->len,
			      path->text);
	node->value = document->value.bytes;
	node->value_len = document->value.len;
	if (sizeof(struct store_node) + node->n_permissions * sizeof(struct permission) + path->len + node->value_len >
	    STORE_RECORD_MAX)
		return refuse(document, "the node %.*s is larger than a store can hold", (int)path->len, path->text);
	return 0;
}

static int put_node(struct document *document, const json_t *object)
{
	struct path path, parent;
	struct node node, other;
	int error = read_node(document, object, &path, &node);

	if (error)
		return error;
	parent = (struct path){path.text, path_parent_len(&path)};
	if (!node_look(document->store, &path, &other))
		return refuse(document, "the node %.*s is there twice", (int)path.len, path.text);
	if (!parent.len || !node_look(document->store, &parent, &other))
		return node_restore(document->store, &path, &node);
	if (!json_is_true(json_object_get(object, "orphan")))
		return refuse(document, "the node %.*s comes before its parent", (int)path.len, path.text);
	document->n_orphans++;
	return 0;
}

static int next_node(void *context)
{
	struct document *document = context;
	json_t *object;
	int result = next_element(document, &object);

	if (result != 1)
		return result;
	int error = put_node(document, object);
	json_decref(object);
	return error ? error : 1;
}

static void told(void *context, uint64_t n)
{
	const struct document *document = context;

	progress_tell(document->input->progress, "nodes loaded:", n, document->n_nodes);
}

/* ---- domains and watches ---- */

/* Its number in a record; by its name, or "quota-N". */
static bool quota_number(const char *name, size_t *out)
{
	enum quota quota;
	char *end;

	if (!quota_find(name, false, &quota)) {
		*out = quota;
		return true;
	}
	if (strncmp(name, "quota-", 6) || name[6] < '0' || name[6] > '9')
		return false;
	*out = strtoul(name + 6, &end, 10);
	return !*end && *out < STORE_QUOTAS;
}

static bool read_quotas(const json_t *object, const char *name, uint32_t *set, uint32_t values[STORE_QUOTAS])
{
	json_t *quotas = json_object_get(object, name);
	const char *quota;
	json_t *value;
	size_t number;
	uint64_t limit;

	if (!json_is_object(quotas))
		return false;
	json_object_foreach(quotas, quota, value)
	{
		if (!quota_number(quota, &number) || !get_number(quotas, quota, UINT32_MAX, &limit))
			return false;
		*set |= UINT32_C(1) << number;
		values[number] = (uint32_t)limit;
	}
	return true;
}

/* store_quotas is packed, so its parts are filled here and copied. */
static bool read_both_quotas(const json_t *object, struct store_quotas *out)
{
	uint32_t hard_set = 0, soft_set = 0, hard[STORE_QUOTAS] = {0}, soft[STORE_QUOTAS] = {0};
	bool sound = read_quotas(object, "quotas", &hard_set, hard) && read_quotas(object, "soft_quotas", &soft_set, soft);

	*out = (struct store_quotas){.hard_set = hard_set, .soft_set = soft_set};
	memcpy(out->hard, hard, sizeof(hard));
	memcpy(out->soft, soft, sizeof(soft));
	return sound;
}

static bool read_target(const json_t *object, uint16_t *out)
{
	uint64_t target = DOMID_NONE;
	bool sound = json_is_null(json_object_get(object, "target")) || get_number(object, "target", UINT16_MAX, &target);

	*out = (uint16_t)target;
	return sound;
}

static bool read_domain(const json_t *object, struct store_domain *out)
{
	uint64_t port, epoch, features, unique_id, frame;
	struct store_quotas quotas;
	unsigned char handle[16];
	uint16_t target;

	if (!get_number(object, "port", UINT32_MAX, &port) || !get_number(object, "epoch", UINT32_MAX, &epoch) ||
	    !get_number(object, "features", UINT32_MAX, &features) || !read_target(object, &target) ||
	    !get_hexadecimal(object, "uuid", handle, sizeof(handle)) || !get_address(object, "unique_id", &unique_id) ||
	    !get_address(object, "shared_info_frame", &frame) || !read_both_quotas(object, &quotas))
		return false;
	*out = (struct store_domain){
	    .unique_id = unique_id,
	    .shared_info_frame = frame,
	    .port = (uint32_t)port,
	    .epoch = (uint32_t)epoch,
	    .features = (uint32_t)features,
	    .target = target,
	    .flags = (uint8_t)((json_is_true(json_object_get(object, "introduced")) ? STORE_DOMAIN_INTRODUCED : 0) |
			       (json_is_true(json_object_get(object, "shut_down")) ? STORE_DOMAIN_SHUT_DOWN : 0)),
	    .quotas = quotas,
	};
	memcpy(out->handle, handle, sizeof(handle));
	return true;
}

static int put_domain(struct document *document, const json_t *object)
{
	unsigned char key[RECORD_DOMAIN_KEY_SIZE];
	struct store_domain record;
	uint64_t domid;

	if (!get_number(object, "domid", UINT16_MAX, &domid))
		return refuse(document, "a domain has no number");
	if (!json_is_true(json_object_get(object, "known")))
		return 0;
	if (!read_domain(object, &record))
		return refuse(document, "what is said of domain %" PRIu64 " is not whole", domid);
	record_domain_key(STORE_KEY_DOMAIN, (uint16_t)domid, key);
	return record_put(document->store, key, sizeof(key), &record, sizeof(record));
}

static int put_watch(struct document *document, const json_t *object)
{
	const json_t *told_depth = json_object_get(object, "depth");
	uint64_t connection, serial, domid, depth = 0, hidden;
	struct path path;

	if (!get_number(object, "connection", UINT64_MAX, &connection) || !get_number(object, "serial", UINT64_MAX, &serial) ||
	    !get_number(object, "domid", UINT16_MAX, &domid) || !get_path(object, &document->path, &path) ||
	    !get_bytes(object, "token", &document->token) || document->token.len > UINT16_MAX ||
	    !get_number(object, "hidden", path.len - 1, &hidden) ||
	    !(json_is_null(told_depth) || get_number(object, "depth", INT32_MAX, &depth)))
		return refuse(document, "what is said of a watch is not whole");
	const struct watch_record record = {
	    .connection = connection,
	    .serial = serial,
	    .domid = (uint16_t)domid,
	    .hidden = (uint16_t)hidden,
	    .depth = json_is_null(told_depth) ? -1 : (int32_t)depth,
	    .path = path.text,
	    .path_len = path.len,
	    .token = document->token.bytes,
	    .token_len = document->token.len,
	};
	return watch_record_put(document->store, &record);
}

/* A domain or a watch, whichever list it is: a watch has a connection. */
static int next_other(void *context)
{
	struct document *document = context;
	json_t *object;
	int result = next_element(document, &object);

	if (result != 1)
		return result;
	int error = json_object_get(object, "connection") ? put_watch(document, object) : put_domain(document, object);
	json_decref(object);
	return error ? error : 1;
}

static int put_quotas(struct document *document)
{
	static const char key = STORE_KEY_QUOTAS;
	struct store_quotas record;
	json_t *object = parse(&document->all_domains);
	bool sound = read_both_quotas(object, &record);

	json_decref(object);
	if (!sound)
		return refuse(document, "the quotas of all domains are not whole");
	if (record.hard_set || record.soft_set)
		record_put(document->store, &key, 1, &record, sizeof(record));
	return store_commit(document->store);
}

/* ---- the whole ---- */

static int fill(struct document *document, const struct json_part *list, int (*next)(void *context))
{
	json_scan_begin(&document->scan, list);
	return restore_fill(document->store, &(struct restore_feed){next, mark, back, next == next_node ? told : NULL, document});
}

static int load(struct document *document)
{
	int error = find_parts(document);
	json_t *header = error ? NULL : parse(&document->header);

	if (!error)
		error = read_header(document, header);
	json_decref(header);
	if (!error)
		error = restore_begin(document->store, &document->origin);
	if (!error)
		error = fill(document, &document->nodes, next_node);
	if (!error && document->domains.text)
		error = fill(document, &document->domains, next_other);
	if (!error && document->watches.text)
		error = fill(document, &document->watches, next_other);
	if (!error && document->all_domains.text)
		error = put_quotas(document);
	return error;
}

bool load_json_is_one(const void *bytes, size_t len)
{
	const char *text = bytes;

	while (len && memchr(" \t\r\n", *text, 4)) {
		text++;
		len--;
	}
	return len && *text == '{';
}

int load_json(struct load_input *input, struct store *store)
{
	struct document *document = calloc(1, sizeof(*document));

	if (!document)
		return -ENOMEM;
	document->input = input;
	document->store = store;
	int error = load(document);
	if (!error && document->n_orphans) {
		load_complain("%s: %" PRIu64 " nodes are left out: they have no parent", input->name, document->n_orphans);
		input->incomplete = true;
	}
	buffer_deinit(&document->path);
	buffer_deinit(&document->value);
	buffer_deinit(&document->token);
	buffer_deinit(&document->permission_texts);
	free(document);
	return error;
}
