/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Nodes as records. A node that comes or goes changes three records: its own, its parent's (generation of the list of
 * children) and its owner's account; and those of index.h where its permissions name others than its parent's. Each kind of
 * change has its own generation in the node's record, so that a client transaction can tell what of a node has changed since
 * it looked.
 */
#include "store/node.h"

#include <errno.h>
#include <lmdb.h>
#include <stdlib.h>
#include <string.h>

#include "store/index.h"
#include "store/recent.h"
#include "store/tombstone.h"

bool node_decode(const void *record, size_t len, struct node *out)
{
	struct store_node head;
	const char *at = record;

	if (len < sizeof(head))
		return false;
	memcpy(&head, record, sizeof(head));
	size_t permissions_size = head.n_permissions * sizeof(struct permission);
	if (len - sizeof(head) < permissions_size + head.path_len || !head.n_permissions)
		return false;
	out->created = head.created;
	out->value_generation = head.value_generation;
	out->permissions_generation = head.permissions_generation;
	out->children_generation = head.children_generation;
	out->flags = head.flags;
	out->n_permissions = head.n_permissions;
	out->permissions = (const struct permission *)(const void *)(at + sizeof(head));
	out->path = at + sizeof(head) + permissions_size;
	out->path_len = head.path_len;
	out->value = out->path + head.path_len;
	out->value_len = len - sizeof(head) - permissions_size - head.path_len;
	return true;
}

static int damaged(struct store *store, const struct path *path)
{
	log_error(store->log, "store: the record of %.*s is damaged", (int)path->len, path->text);
	return -EIO;
}

static int get_record(struct store *store, struct MDB_txn *txn, const struct path *path, MDB_val *record, struct node *out)
{
	struct key key;

	key_of_path(store->meta.hash_key, path, &key);
	MDB_val name = {key.len, key.bytes};
	int code = mdb_get(txn, store->dbi, &name, record);
	if (code == MDB_NOTFOUND)
		return STATUS_ENOENT;
	if (code)
		return store_failed(store, code);
	if (!node_decode(record->mv_data, record->mv_size, out))
		return damaged(store, path);
	if (key_is_long(&key) && (out->path_len != path->len || memcmp(out->path, path->text, path->len)))
		return STATUS_ENOENT;
	return 0;
}

int node_get(struct store *store, struct MDB_txn *txn, const struct path *path, struct node *out)
{
	MDB_val record;

	return get_record(store, txn, path, &record, out);
}

int node_look(struct store *store, const struct path *path, struct node *out)
{
	MDB_val record;
	record.mv_data = (void *)(uintptr_t)recent_find(store->recent, path, &record.mv_size);

	if (record.mv_data && node_decode(record.mv_data, record.mv_size, out))
		return 0;
	struct MDB_txn *txn = store_view(store);
	int result = txn ? get_record(store, txn, path, &record, out) : -EIO;
	if (!result)
		recent_keep(store->recent, path, record.mv_data, record.mv_size);
	return result;
}

/* Puts the record together in the scratch buffer, since what `node` points to may be moved by the put. */
static int put(struct store *store, const struct path *path, const struct node *node)
{
	struct key key;
	struct MDB_txn *txn = store_writable(store);

	if (!txn)
		return store->fault;
	key_of_path(store->meta.hash_key, path, &key);

	struct store_node head = {
	    .created = node->created,
	    .value_generation = node->value_generation,
	    .permissions_generation = node->permissions_generation,
	    .children_generation = node->children_generation,
	    .n_permissions = (uint16_t)node->n_permissions,
	    .path_len = key_is_long(&key) ? (uint16_t)path->len : 0,
	    .flags = node->flags,
	};
	size_t permissions_size = node->n_permissions * sizeof(struct permission);
	size_t size = sizeof(head) + permissions_size + head.path_len + node->value_len;
	unsigned char *at = store->scratch;

	if (size > sizeof(store->scratch))
		return store_failed(store, EMSGSIZE);
	memcpy(at, &head, sizeof(head));
	at += sizeof(head);
	memcpy(at, node->permissions, permissions_size);
	at += permissions_size;
	memcpy(at, path->text, head.path_len);
	at += head.path_len;
	if (node->value_len)
		memcpy(at, node->value, node->value_len);

	MDB_val name = {key.len, key.bytes}, record = {size, store->scratch};
	int code = mdb_put(txn, store->dbi, &name, &record, 0);
	if (code)
		return store_failed(store, code);
	recent_changed(store->recent, path, store->scratch, size);
	return 0;
}

/* ---- accounts ---- */

struct account_key {
	unsigned char bytes[3];
};

static struct account_key account_key(uint16_t domid)
{
	return (struct account_key){{STORE_KEY_ACCOUNT, (unsigned char)(domid >> 8), (unsigned char)domid}};
}

int node_account(struct store *store, struct MDB_txn *txn, uint16_t domid, uint64_t *out)
{
	struct account_key name = account_key(domid);
	struct store_account account;
	MDB_val key = {sizeof(name.bytes), name.bytes}, record;
	int code = mdb_get(txn, store->dbi, &key, &record);

	*out = 0;
	if (code == MDB_NOTFOUND)
		return 0;
	if (code || record.mv_size != sizeof(account))
		return store_failed(store, code ? code : EIO);
	memcpy(&account, record.mv_data, sizeof(account));
	*out = account.nodes;
	return 0;
}

static int account_add(struct store *store, uint16_t domid, int64_t difference)
{
	struct account_key name = account_key(domid);
	struct store_account account;
	MDB_val key = {sizeof(name.bytes), name.bytes}, record = {sizeof(account), &account};
	struct MDB_txn *txn = store_writable(store);
	uint64_t nodes;

	if (!txn || node_account(store, txn, domid, &nodes))
		return store->fault;
	account.nodes = nodes + (uint64_t)difference;
	if (account.nodes > store->most_owned[domid])
		store->most_owned[domid] = account.nodes;
	int code = account.nodes ? mdb_put(txn, store->dbi, &key, &record, 0) : mdb_del(txn, store->dbi, &key, NULL);
	return code && code != MDB_NOTFOUND ? store_failed(store, code) : 0;
}

/* ---- single nodes ---- */

/* The parent of the node at `path`, in the write transaction; *out stays zeroed where there is none to be. */
static int get_parent(struct store *store, const struct path *path, struct path *parent, struct node *out)
{
	*parent = (struct path){path->text, path_parent_len(path)};
	*out = (struct node){0};
	if (!store_writable(store))
		return store->fault;
	int result = parent->len ? node_look(store, parent, out) : 0;
	return result == STATUS_ENOENT ? store_failed(store, ENOENT) : result;
}

/* A child has come or gone; `generation` 0: the list of children keeps the one it has. */
static int tell_parent(struct store *store, const struct path *parent, struct node *node, uint64_t generation, bool long_child)
{
	if (!parent->len || (!generation && (!long_child || node->flags & STORE_NODE_LONG_CHILDREN)))
		return 0;
	if (generation)
		node->children_generation = generation;
	if (long_child)
		node->flags |= STORE_NODE_LONG_CHILDREN;
	return put(store, parent, node);
}

static struct index_state state_of(const struct node *node, const struct node *parent)
{
	return (struct index_state){node->permissions, node->n_permissions, parent->permissions, parent->n_permissions};
}

/* Frees the plan. */
static int apply_plan(struct store *store, struct index_plan *plan, const struct path *path, uint64_t created)
{
	struct key key;
	int error = 0;

	if (plan->n) {
		key_of_path(store->meta.hash_key, path, &key);
		error = index_apply(store, plan, &key, created);
	}
	index_plan_deinit(plan);
	return error;
}

/* `generation`: of the parent's list of children from now on. */
static int add_node(struct store *store, const struct path *path, struct node *node, uint64_t generation)
{
	bool is_long = !path_is_special(path) && 1 + path->len > STORE_KEY_MAX;
	struct path parent_path;
	struct index_plan plan;
	struct node parent;
	int error = get_parent(store, path, &parent_path, &parent);

	if (error)
		return error;
	struct index_state before = {0}, after = state_of(node, &parent);
	if (index_plan(&before, &after, &plan))
		return store_failed(store, ENOMEM);
	node->flags = plan.n ? STORE_NODE_INDEXED : 0;
	/* The parent's record first, while its bytes have not been moved. */
	error = tell_parent(store, &parent_path, &parent, generation, is_long);
	if (!error)
		error = put(store, path, node);
	if (!error)
		error = account_add(store, node->permissions[0].domid, 1);
	int fault = apply_plan(store, &plan, path, node->created);
	return error ? error : fault;
}

int node_create(struct store *store, const struct path *path, const struct permission *permissions, size_t n_permissions,
		const void *value, size_t value_len)
{
	uint64_t generation = store_next_generation(store);
	struct node node = {
	    .created = generation,
	    .value_generation = generation,
	    .permissions_generation = generation,
	    .children_generation = generation,
	    .permissions = permissions,
	    .n_permissions = n_permissions,
	    .value = value,
	    .value_len = value_len,
	};

	return add_node(store, path, &node, generation);
}

int node_restore(struct store *store, const struct path *path, const struct node *node)
{
	struct node restored = *node;

	return add_node(store, path, &restored, 0);
}

int node_set_value(struct store *store, const struct path *path, const struct node *node, const void *value, size_t value_len)
{
	struct node changed = *node;

	changed.value = value;
	changed.value_len = value_len;
	changed.value_generation = store_next_generation(store);
	return put(store, path, &changed);
}

int node_put_permissions(struct store *store, const struct path *path, const struct node *node,
			 const struct permission *permissions, size_t n_permissions)
{
	struct node changed = *node;
	uint16_t old_owner = node->permissions[0].domid, new_owner = permissions[0].domid;

	changed.permissions = permissions;
	changed.n_permissions = n_permissions;
	changed.permissions_generation = store_next_generation(store);
	int error = put(store, path, &changed);
	if (!error && old_owner != new_owner) {
		error = account_add(store, old_owner, -1);
		if (!error)
			error = account_add(store, new_owner, 1);
	}
	return error;
}

/* A node whose permissions name others than before, and what it means for its children. */
struct renaming {
	struct store *store;
	const struct path *path;
	struct node before, after; /* their permissions */
};

static int rename_child(void *context, const char *name, size_t name_len, const struct node *child)
{
	const struct renaming *renaming = context;
	struct index_state before = state_of(child, &renaming->before), after = state_of(child, &renaming->after);
	size_t directory_len = path_is_root(renaming->path) ? 0 : renaming->path->len;
	char text[PATH_BUFFER];
	struct path path = {text, directory_len + 1 + name_len};
	uint64_t created = child->created;
	struct index_plan plan;
	int error = 0;

	if (path.len > PATH_ABSOLUTE_MAX)
		return store_failed(renaming->store, EIO);
	memcpy(text, renaming->path->text, directory_len);
	text[directory_len] = '/';
	memcpy(text + directory_len + 1, name, name_len);
	if (index_plan(&before, &after, &plan))
		return store_failed(renaming->store, ENOMEM);
	if (index_differs(&after) && !(child->flags & STORE_NODE_INDEXED)) {
		struct node changed = *child;
		changed.flags |= STORE_NODE_INDEXED;
		error = put(renaming->store, &path, &changed);
	}
	int fault = apply_plan(renaming->store, &plan, &path, created);
	return error ? error : fault;
}

/* Changes the records of the index with the permissions. What `node` points to is still in place. */
static int rename_node(struct renaming *renaming, struct node *node)
{
	struct store *store = renaming->store;
	struct path parent_path = {renaming->path->text, path_parent_len(renaming->path)};
	struct MDB_txn *txn = store_writable(store);
	struct node parent = {0};
	struct index_plan plan;
	int error = 0;

	if (!txn)
		return store->fault;
	if (parent_path.len)
		error = node_get(store, txn, &parent_path, &parent);
	if (error)
		return store_failed(store, error < 0 ? -error : ENOENT);
	struct index_state before = state_of(&renaming->before, &parent), after = state_of(&renaming->after, &parent);
	if (index_plan(&before, &after, &plan))
		return store_failed(store, ENOMEM);
	if (index_differs(&after))
		node->flags |= STORE_NODE_INDEXED;
	error = node_put_permissions(store, renaming->path, node, after.own, after.n_own);
	int fault = apply_plan(store, &plan, renaming->path, node->created);
	if (!error)
		error = fault;
	/* The list of children has had no change but that of the node's creation: there are none. */
	if (error || node->children_generation == node->created)
		return error;
	return node_children(store, store->write, renaming->path, node, rename_child, renaming);
}

int node_set_permissions(struct store *store, const struct path *path, const struct node *node,
			 const struct permission *permissions, size_t n_permissions)
{
	if (index_same_names(node->permissions, node->n_permissions, permissions, n_permissions))
		return node_put_permissions(store, path, node, permissions, n_permissions);

	size_t size = node->n_permissions * sizeof(*node->permissions);
	struct permission *before = malloc(size);
	struct renaming renaming = {
	    .store = store,
	    .path = path,
	    .before = {.permissions = before, .n_permissions = node->n_permissions},
	    .after = {.permissions = permissions, .n_permissions = n_permissions},
	};
	struct node changed = *node;
	if (!before)
		return store_failed(store, ENOMEM);
	memcpy(before, node->permissions, size);
	int error = rename_node(&renaming, &changed);
	free(before);
	return error;
}

/* ---- subtrees ---- */

/* A walk over a node and all below it: what it calls for each record, and the directories whose long children are still to come.
 */
struct subtree_walk;
typedef int subtree_record(struct subtree_walk *walk, MDB_cursor *cursor, const struct node *node);

struct subtree_walk {
	struct store *store;
	struct MDB_txn *txn;
	subtree_record *record;
	char **directories;
	size_t n_directories, capacity;

	uint16_t owner; /* of the run of nodes that `count` counts */
	uint64_t count;
};

static int remember_directory(struct subtree_walk *walk, const char *path, size_t len)
{
	if (walk->n_directories == walk->capacity) {
		size_t capacity = walk->capacity ? 2 * walk->capacity : 16;
		char **directories = realloc(walk->directories, capacity * sizeof(*directories));
		if (!directories)
			return store_failed(walk->store, ENOMEM);
		walk->directories = directories;
		walk->capacity = capacity;
	}
	char *copy = strndup(path, len);
	if (!copy)
		return store_failed(walk->store, ENOMEM);
	walk->directories[walk->n_directories++] = copy;
	return 0;
}

static int visit_record(struct subtree_walk *walk, MDB_cursor *cursor, const MDB_val *key, const MDB_val *record)
{
	struct node node;

	if (!node_decode(record->mv_data, record->mv_size, &node))
		return store_failed(walk->store, EIO);
	if (node.flags & STORE_NODE_LONG_CHILDREN) {
		char text[STORE_KEY_MAX + 1];
		bool is_long = *(const unsigned char *)key->mv_data == STORE_KEY_LONG_NODE;
		size_t len = is_long ? node.path_len : key_to_path(key->mv_data, key->mv_size, text);
		int error = remember_directory(walk, is_long ? node.path : text, len);
		if (error)
			return error;
	}
	return walk->record(walk, cursor, &node);
}

/* Visits the records whose keys begin with `prefix`, followed, if `inner` is not 0, by a byte up to it. */
static int visit_range(struct subtree_walk *walk, const struct key *prefix, unsigned char inner)
{
	MDB_val key = {prefix->len, (void *)(uintptr_t)prefix->bytes}, record;
	MDB_cursor *cursor;
	int code = mdb_cursor_open(walk->txn, walk->store->dbi, &cursor);
	int result = 0;

	if (code)
		return store_failed(walk->store, code);
	for (code = mdb_cursor_get(cursor, &key, &record, MDB_SET_RANGE); !code && !result;
	     code = result ? 0 : mdb_cursor_get(cursor, &key, &record, MDB_NEXT)) {
		const unsigned char *bytes = key.mv_data;
		if (key.mv_size < prefix->len || memcmp(bytes, prefix->bytes, prefix->len))
			break;
		if (inner && (key.mv_size == prefix->len || bytes[prefix->len] > inner))
			break;
		result = visit_record(walk, cursor, &key, &record);
	}
	mdb_cursor_close(cursor);
	if (code && code != MDB_NOTFOUND)
		return store_failed(walk->store, code);
	return result;
}

static int visit_node(struct subtree_walk *walk, const struct path *path)
{
	struct key key;
	MDB_val name, record;
	MDB_cursor *cursor;

	key_of_path(walk->store->meta.hash_key, path, &key);
	name = (MDB_val){key.len, key.bytes};
	int code = mdb_cursor_open(walk->txn, walk->store->dbi, &cursor);
	if (code)
		return store_failed(walk->store, code);
	code = mdb_cursor_get(cursor, &name, &record, MDB_SET);
	int result = code ? store_failed(walk->store, code) : visit_record(walk, cursor, &name, &record);
	mdb_cursor_close(cursor);
	return result;
}

static int walk_subtree(struct subtree_walk *walk, const struct path *path)
{
	struct key prefix;
	int result = visit_node(walk, path);

	if (!result && key_of_children(path, &prefix)) {
		/* From the children's mark to the mark of deeper ones: all between is below. */
		prefix.len--;
		result = visit_range(walk, &prefix, STORE_KEY_SLASH);
	}
	while (!result && walk->n_directories) {
		char *text = walk->directories[--walk->n_directories];
		struct path directory = {text, strlen(text)};
		key_of_long_children(walk->store->meta.hash_key, &directory, &prefix);
		free(text);
		result = visit_range(walk, &prefix, 0);
	}
	while (walk->n_directories)
		free(walk->directories[--walk->n_directories]);
	free(walk->directories);
	return result;
}

static int settle_owner(struct subtree_walk *walk)
{
	return walk->count ? account_add(walk->store, walk->owner, -(int64_t)walk->count) : 0;
}

static int delete_record(struct subtree_walk *walk, MDB_cursor *cursor)
{
	int code = mdb_cursor_del(cursor, 0);

	return code ? store_failed(walk->store, code) : 0;
}

/* The records of the index too, whatever the parent's permissions were: it may have gone already. */
static int delete_indexed_record(struct subtree_walk *walk, MDB_cursor *cursor, const struct node *node)
{
	struct index_state before = {node->permissions, node->n_permissions, NULL, 0}, after = {0};
	uint64_t created = node->created;
	struct index_plan plan;

	if (index_plan(&before, &after, &plan))
		return store_failed(walk->store, ENOMEM);
	int error = delete_record(walk, cursor);
	if (!error)
		error = index_apply(walk->store, &plan, NULL, created);
	index_plan_deinit(&plan);
	return error;
}

static int remove_record(struct subtree_walk *walk, MDB_cursor *cursor, const struct node *node)
{
	uint16_t owner = node->permissions[0].domid;
	bool indexed = node->flags & STORE_NODE_INDEXED;
	/* What follows may move the records under the cursor; LMDB keeps cursors of the transaction right. */
	int error = indexed ? delete_indexed_record(walk, cursor, node) : delete_record(walk, cursor);

	if (error)
		return error;
	recent_forget_all(walk->store->recent);
	if (owner != walk->owner) {
		error = settle_owner(walk);
		if (error)
			return error;
		walk->owner = owner;
		walk->count = 0;
	}
	walk->count++;
	return 0;
}

int node_remove(struct store *store, const struct path *path)
{
	struct subtree_walk walk = {.store = store, .txn = store_writable(store), .record = remove_record};
	struct path parent_path;
	struct node parent;

	if (!walk.txn)
		return store->fault;
	uint64_t generation = store_next_generation(store);
	int error = walk_subtree(&walk, path);
	if (!error)
		error = settle_owner(&walk);
	if (!error)
		error = get_parent(store, path, &parent_path, &parent);
	if (!error)
		error = tell_parent(store, &parent_path, &parent, generation, false);
	if (!error && store->transactions)
		tombstones_add(store->tombstones, path, generation);
	return error;
}

static int count_record(struct subtree_walk *walk, MDB_cursor *cursor, const struct node *node)
{
	(void)cursor;
	walk->count += node->permissions[0].domid == walk->owner;
	return 0;
}

int node_count_owned(struct store *store, struct MDB_txn *txn, const struct path *path, uint16_t domid, uint64_t *out)
{
	struct subtree_walk walk = {.store = store, .txn = txn, .record = count_record, .owner = domid};
	int result = walk_subtree(&walk, path);

	*out = walk.count;
	return result;
}

/* ---- children ---- */

struct child_scan {
	struct store *store;
	struct MDB_txn *txn;
	node_child *child;
	void *context;
	size_t name_offset; /* of long children: in their path */
};

static int scan_children(struct child_scan *scan, const struct key *prefix, bool is_long)
{
	MDB_val key = {prefix->len, (void *)(uintptr_t)prefix->bytes}, record;
	MDB_cursor *cursor;
	int code = mdb_cursor_open(scan->txn, scan->store->dbi, &cursor);
	int result = 0;

	if (code)
		return store_failed(scan->store, code);
	for (code = mdb_cursor_get(cursor, &key, &record, MDB_SET_RANGE); !code && !result;
	     code = result ? 0 : mdb_cursor_get(cursor, &key, &record, MDB_NEXT)) {
		struct node node;
		if (key.mv_size < prefix->len || memcmp(key.mv_data, prefix->bytes, prefix->len))
			break;
		if (!node_decode(record.mv_data, record.mv_size, &node)) {
			result = -EIO;
			break;
		}
		const char *name = is_long ? node.path + scan->name_offset : (const char *)key.mv_data + prefix->len;
		size_t name_len = is_long ? node.path_len - scan->name_offset : key.mv_size - prefix->len;
		if (name_len) /* the root is in its own list, with an empty name */
			result = scan->child(scan->context, name, name_len, &node);
	}
	mdb_cursor_close(cursor);
	if (code && code != MDB_NOTFOUND)
		return store_failed(scan->store, code);
	return result;
}

int node_children(struct store *store, struct MDB_txn *txn, const struct path *path, const struct node *parent, node_child *child,
		  void *context)
{
	struct child_scan scan = {
	    .store = store,
	    .txn = txn,
	    .child = child,
	    .context = context,
	    .name_offset = (path_is_root(path) ? 0 : path->len) + 1,
	};
	struct key prefix;
	int result = 0;

	if (key_of_children(path, &prefix))
		result = scan_children(&scan, &prefix, false);
	if (!result && parent->flags & STORE_NODE_LONG_CHILDREN) {
		key_of_long_children(store->meta.hash_key, path, &prefix);
		result = scan_children(&scan, &prefix, true);
	}
	return result;
}
