/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The table of operations, and those on nodes and transactions (docs/misc/xenstore.txt). Each decodes its arguments completely
 * before it does anything.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <utlist.h>

#include "request/client_transactions.h"
#include "request/limits.h"
#include "request/request.h"
#include "wire/ring_page.h"

/* ---- arguments ---- */

static bool is_in_transaction(const struct request *request)
{
	return request->tree.transaction;
}

int request_path_of(struct request *request, const char *given, size_t len, bool specials, struct path *out)
{
	struct domain *domain = request->client->domain;
	size_t limit = domain->caller.privileged ? 0 : domain->quotas.hard[QUOTA_PATH_MAX];
	int result = path_canonicalize(given, len, domain->caller.domid, specials, limit, request->path_buffer, out);

	if (result && limit && !path_canonicalize(given, len, domain->caller.domid, specials, 0, request->path_buffer, out))
		limit_reached(request->turn, domain, QUOTA_PATH_MAX);
	if (!result && !domain->caller.privileged && len > domain->longest_path)
		domain->longest_path = len;
	return result;
}

int request_path(struct request *request, bool specials, struct path *out)
{
	size_t len;
	const char *given = reader_string(&request->arguments, &len);

	return given ? request_path_of(request, given, len, specials, out) : STATUS_EINVAL;
}

int request_number(struct request *request, uint64_t max, uint64_t *out)
{
	size_t len;
	const char *text = reader_string(&request->arguments, &len);
	uint64_t number = 0;

	if (!text || !len)
		return STATUS_EINVAL;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return STATUS_EINVAL;
		number = number * 10 + (uint64_t)(text[i] - '0');
		if (number > max)
			return STATUS_EINVAL;
	}
	*out = number;
	return 0;
}

int request_end(struct request *request)
{
	return request->arguments.failed || reader_left(&request->arguments) ? STATUS_EINVAL : 0;
}

/* The only argument is a path. */
static int only_path(struct request *request, bool specials, struct path *out)
{
	int result = request_path(request, specials, out);

	return result ? result : request_end(request);
}

/* ---- nodes ---- */

static int operation_directory(struct request *request, struct reply *reply)
{
	struct tree_names names;
	struct path path;
	int result = only_path(request, false, &path);

	if (!result)
		result = tree_list(&request->tree, &path, MESSAGE_PAYLOAD_MAX, &names);
	if (!result)
		reply_set(reply, names.bytes, names.len);
	return result;
}

/* The names from `offset` on that fit behind the generation count; after the last one an empty string. */
static int operation_directory_part(struct request *request, struct reply *reply)
{
	struct tree_names names;
	struct path path;
	uint64_t offset;
	int result = request_path(request, false, &path);

	if (!result)
		result = request_number(request, UINT32_MAX, &offset);
	if (!result)
		result = request_end(request);
	if (!result)
		result = tree_list(&request->tree, &path, 0, &names);
	if (result)
		return result;

	char *bytes = arena_alloc(&request->turn->arena, MESSAGE_PAYLOAD_MAX);
	if (!bytes)
		return STATUS_ENOMEM;
	size_t len = (size_t)snprintf(bytes, MESSAGE_PAYLOAD_MAX, "%" PRIu64, names.generation) + 1;
	while (offset < names.len) {
		size_t name_size = strnlen(names.bytes + offset, names.len - offset - 1) + 1;
		if (len + name_size > MESSAGE_PAYLOAD_MAX)
			break;
		memcpy(bytes + len, names.bytes + offset, name_size);
		len += name_size;
		offset += name_size;
	}
	if (offset >= names.len && len < MESSAGE_PAYLOAD_MAX)
		bytes[len++] = 0;
	reply_set(reply, bytes, len);
	return 0;
}

static int operation_read(struct request *request, struct reply *reply)
{
	struct node node;
	struct path path;
	int result = only_path(request, false, &path);

	if (!result)
		result = tree_read(&request->tree, &path, &node);
	if (!result)
		reply_set(reply, node.value, node.value_len);
	return result;
}

static int operation_write(struct request *request, struct reply *reply)
{
	struct path path;
	int result = request_path(request, false, &path);

	(void)reply;
	if (result)
		return result;
	size_t len = reader_left(&request->arguments);
	return tree_write(&request->tree, &path, reader_bytes(&request->arguments, len), len);
}

static int operation_mkdir(struct request *request, struct reply *reply)
{
	struct path path;
	int result = only_path(request, false, &path);

	(void)reply;
	return result ? result : tree_mkdir(&request->tree, &path);
}

static int operation_rm(struct request *request, struct reply *reply)
{
	struct path path;
	int result = only_path(request, false, &path);

	(void)reply;
	return result ? result : tree_remove(&request->tree, &path);
}

static int operation_get_perms(struct request *request, struct reply *reply)
{
	struct node node;
	struct path path;
	struct buffer text;
	int result = only_path(request, true, &path);

	if (!result)
		result = tree_permissions(&request->tree, &path, &node);
	if (result)
		return result;
	buffer_init(&text);
	permissions_format(node.permissions, node.n_permissions, &text);
	char *copy = text.failed ? NULL : arena_copy(&request->turn->arena, text.bytes, text.len);
	size_t len = text.len;
	buffer_deinit(&text);
	if (!copy)
		return STATUS_ENOMEM;
	reply_set(reply, copy, len);
	return 0;
}

/* Positive: the domain of the entry is there, or it is an entry for any. 0: not; or a fault. */
static int entry_counts(struct request *request, const struct permission *entry)
{
	struct domain *domain;

	if (entry->domid == DOMID_ANY_NUMBER)
		return (request->client->domain->features & RING_FEATURE_DOMID_ANY) != 0;
	int result = domain_of_xen(request->turn->domains, entry->domid, &domain);
	return result < 0 ? result : !result;
}

/* Entries for domains that do not exist are left out; such an owner is refused. */
static int drop_unknown_domains(struct request *request, struct permission *permissions, size_t *n)
{
	size_t kept = 1;
	int counts = permissions[0].domid == DOMID_ANY_NUMBER ? 0 : entry_counts(request, &permissions[0]);

	if (counts <= 0)
		return counts ? counts : STATUS_ENOENT;
	for (size_t i = 1; i < *n; i++) {
		counts = entry_counts(request, &permissions[i]);
		if (counts < 0)
			return counts;
		if (counts)
			permissions[kept++] = permissions[i];
	}
	*n = kept;
	return 0;
}

static int operation_set_perms(struct request *request, struct reply *reply)
{
	struct permission permissions[MESSAGE_PAYLOAD_MAX / 3];
	struct path path;
	size_t n;
	int result = request_path(request, true, &path);

	(void)reply;
	if (result)
		return result;
	size_t len = reader_left(&request->arguments);
	const char *text = reader_bytes(&request->arguments, len);
	result = permissions_parse(text, len, permissions, sizeof(permissions) / sizeof(permissions[0]), &n);
	/* Xen is not asked about more than there may be. */
	if (!result && n <= domain_limit(request->client->domain, QUOTA_NODE_PERMISSIONS))
		result = drop_unknown_domains(request, permissions, &n);
	return result ? result : tree_set_permissions(&request->tree, &path, permissions, n);
}

/* ---- transactions ---- */

static int operation_transaction_start(struct request *request, struct reply *reply)
{
	struct transaction *transaction;

	if (is_in_transaction(request))
		return STATUS_EBUSY;
	int result = client_start_transaction(request->client, request->turn, request->end, &transaction);
	if (result)
		return result;
	result = reply_set_number(reply, &request->turn->arena, transaction->id);
	if (result)
		client_free_transaction(transaction);
	return result;
}

static int operation_transaction_end(struct request *request, struct reply *reply)
{
	struct turn *turn = request->turn;
	struct transaction *transaction = request->tree.transaction;
	size_t len;
	const char *how = reader_string(&request->arguments, &len);
	int result = 0;

	(void)reply;
	if (!how || len != 1 || (*how != 'T' && *how != 'F') || request_end(request))
		return STATUS_EINVAL;
	if (!transaction)
		return STATUS_ENOENT;
	if (request->tree.most && transaction_size(transaction) > request->tree.most[TREE_LIMIT_TRANSACTION_NODES])
		request->tree.most[TREE_LIMIT_TRANSACTION_NODES] = transaction_size(transaction);
	transaction->caller = request->tree.caller; /* its target may have gone since the start */
	if (*how == 'T')
		result = transaction_commit(transaction, request->tree.limits, &turn->arena, request->tree.watched,
					    &request->tree.changes);
	if (result < 0 || turn->store->fault)
		return result < 0 ? result : turn->store->fault;
	if (result == STATUS_EAGAIN) {
		turn->figures.conflicts++;
		conflict_blame(turn, request->client->domain, transaction->conflict_generation);
	}
	int error = client_end_transaction(turn, transaction, request->end);
	return error ? error : result;
}

/* ---- the table ---- */

const struct operation *operation_of(uint32_t type)
{
	enum { MEMORY = OPERATION_CHANGES_MEMORY, PRIVILEGED = OPERATION_PRIVILEGED, IN_TRANSACTION = OPERATION_IN_TRANSACTION };
	static const struct operation none = {NULL, 0};
	static const struct operation operations[MESSAGE_TYPE_COUNT] = {
	    [MESSAGE_CONTROL] = {operation_control, MEMORY | PRIVILEGED},
	    [MESSAGE_DIRECTORY] = {operation_directory, IN_TRANSACTION},
	    [MESSAGE_READ] = {operation_read, IN_TRANSACTION},
	    [MESSAGE_GET_PERMS] = {operation_get_perms, IN_TRANSACTION},
	    [MESSAGE_WATCH] = {operation_watch, OPERATION_ANY_NUMBER},
	    [MESSAGE_UNWATCH] = {operation_unwatch, OPERATION_ANY_NUMBER},
	    [MESSAGE_TRANSACTION_START] = {operation_transaction_start, MEMORY | IN_TRANSACTION},
	    [MESSAGE_TRANSACTION_END] = {operation_transaction_end, IN_TRANSACTION},
	    [MESSAGE_INTRODUCE] = {operation_introduce, MEMORY | PRIVILEGED},
	    [MESSAGE_RELEASE] = {operation_release, MEMORY | PRIVILEGED},
	    [MESSAGE_GET_DOMAIN_PATH] = {operation_get_domain_path, 0},
	    [MESSAGE_WRITE] = {operation_write, IN_TRANSACTION},
	    [MESSAGE_MKDIR] = {operation_mkdir, IN_TRANSACTION},
	    [MESSAGE_RM] = {operation_rm, IN_TRANSACTION},
	    [MESSAGE_SET_PERMS] = {operation_set_perms, IN_TRANSACTION},
	    [MESSAGE_IS_DOMAIN_INTRODUCED] = {operation_is_domain_introduced, PRIVILEGED},
	    [MESSAGE_RESUME] = {operation_resume, PRIVILEGED},
	    [MESSAGE_SET_TARGET] = {operation_set_target, PRIVILEGED},
	    [MESSAGE_RESET_WATCHES] = {operation_reset_watches, 0},
	    [MESSAGE_DIRECTORY_PART] = {operation_directory_part, IN_TRANSACTION},
	    [MESSAGE_GET_FEATURE] = {operation_get_feature, 0},
	    [MESSAGE_SET_FEATURE] = {operation_set_feature, PRIVILEGED},
	    [MESSAGE_GET_QUOTA] = {operation_get_quota, PRIVILEGED},
	    [MESSAGE_SET_QUOTA] = {operation_set_quota, PRIVILEGED},
	};

	return type < MESSAGE_TYPE_COUNT ? &operations[type] : &none;
}
