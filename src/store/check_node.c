/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Nodes, and the indexes that lead to them. Children of one directory lie side by side, so their parent is looked up once for
 * all of them. A node asks for the records that it must have, and a record of an index for the node that must have it.
 */
#include <inttypes.h>
#include <lmdb.h>
#include <string.h>

#include "store/check_walk.h"
#include "store/index.h"

/* The path that the key stands for; false, and told, if no path has this key. */
static bool path_of_record(struct check_walk *walk, const struct node *node, char buffer[PATH_BUFFER], struct path *path)
{
	const unsigned char *bytes = walk->records->key;
	char given[PATH_BUFFER];
	struct key key;
	size_t len;

	if (*bytes == STORE_KEY_LONG_NODE) {
		len = node->path_len;
		if (!len || len > PATH_ABSOLUTE_MAX) {
			check_problem(walk, "a long key's record has a path of %zu bytes", len);
			return false;
		}
		memcpy(given, node->path, len);
	} else {
		len = key_to_path(bytes, walk->records->key_len, given);
	}
	if (path_canonicalize(given, len, 0, true, 0, buffer, path) || path->len != len) {
		for (size_t i = 0; i < len; i++)
			given[i] = given[i] > ' ' && given[i] <= '~' ? given[i] : '?';
		check_problem(walk, "a key stands for no path: \"%.*s\"", (int)len, given);
		return false;
	}
	key_of_path(walk->meta.hash_key, path, &key);
	if (key.len != walk->records->key_len || memcmp(key.bytes, bytes, key.len) != 0) {
		check_node_problem(walk, path, "lies under the key of another path");
		return false;
	}
	return true;
}

/* Makes `directory` the one that `path` lies in. */
static void enter_directory(struct check_walk *walk, const struct path *path)
{
	struct path directory = {path->text, path_parent_len(path)};
	struct key key;
	MDB_val record;

	if (directory.len == walk->directory_len && !memcmp(directory.text, walk->directory, directory.len))
		return;
	memcpy(walk->directory, directory.text, directory.len);
	walk->directory_len = directory.len;
	key_of_path(walk->meta.hash_key, &directory, &key);
	walk->directory_exists =
	    !check_get(walk, key.bytes, key.len, &record) && node_decode(record.mv_data, record.mv_size, &walk->directory_node);
}

static void check_parent(struct check_walk *walk, const struct path *path, const struct node *node, bool is_long)
{
	enter_directory(walk, path);
	if (!walk->directory_exists)
		check_node_problem(walk, path, "has no parent");
	else if (node->created > walk->directory_node.children_generation)
		check_node_problem(walk, path, "is newer than the list of children that it is in");
	else if (is_long && !(walk->directory_node.flags & STORE_NODE_LONG_CHILDREN))
		check_node_problem(walk, path, "has a long key and a parent that does not know of any such child");
}

static void check_generations(struct check_walk *walk, const struct path *path, const struct node *node)
{
	const uint64_t generations[] = {node->created, node->value_generation, node->permissions_generation,
					node->children_generation};

	for (size_t i = 0; i < sizeof(generations) / sizeof(generations[0]); i++) {
		if (generations[i] < node->created || generations[i] > walk->generation)
			check_node_problem(walk, path, "has generation %" PRIu64 ", created %" PRIu64 ", last given out %" PRIu64,
					   generations[i], node->created, walk->generation);
	}
}

/* ---- the indexes ---- */

/* The state of a node as index.h asks for it; false: not known, since it has no parent. */
static bool index_state_of(struct check_walk *walk, const struct path *path, const struct node *node, struct index_state *out)
{
	*out = (struct index_state){.own = node->permissions, .n_own = node->n_permissions};
	if (!path_parent_len(path))
		return true;
	enter_directory(walk, path);
	out->parent = walk->directory_node.permissions;
	out->n_parent = walk->directory_node.n_permissions;
	return walk->directory_exists;
}

static void check_index_record(struct check_walk *walk, const struct path *path, const struct node *node, unsigned char kind,
			       uint16_t domid)
{
	unsigned char key[INDEX_KEY_SIZE];
	MDB_val record;

	index_key(kind, domid, node->created, key);
	if (check_get(walk, key, sizeof(key), &record) || record.mv_size != walk->records->key_len ||
	    memcmp(record.mv_data, walk->records->key, record.mv_size) != 0)
		check_node_problem(walk, path, "is not found %s domain %u", kind == STORE_KEY_OWNER ? "as owned by" : "as naming",
				   domid);
	else if (!(node->flags & STORE_NODE_INDEXED))
		check_node_problem(walk, path, "has a record in an index and does not know it");
}

/* The records that the node which is read must have. */
static void check_indexed(struct check_walk *walk, const struct path *path, const struct node *node)
{
	uint16_t owner = node->permissions[0].domid;
	struct index_state state;

	if (!index_state_of(walk, path, node, &state))
		return;
	if (index_owner_differs(&state, owner))
		check_index_record(walk, path, node, STORE_KEY_OWNER, owner);
	for (size_t i = 1; i < node->n_permissions; i++) {
		if (index_entry_differs(&state, node->permissions[i].domid))
			check_index_record(walk, path, node, STORE_KEY_ENTRY, node->permissions[i].domid);
	}
}

/* The node under a key that a record holds, and its path; false: there is none. */
static bool node_of_key(struct check_walk *walk, const void *key, size_t key_len, char buffer[PATH_BUFFER], struct path *path,
			struct node *node)
{
	const unsigned char *bytes = key;
	MDB_val record;

	if (!key_len || key_len > STORE_KEY_MAX || (*bytes != STORE_KEY_NODE && *bytes != STORE_KEY_LONG_NODE) ||
	    check_get(walk, key, key_len, &record) || !node_decode(record.mv_data, record.mv_size, node))
		return false;
	if (*bytes == STORE_KEY_NODE) {
		*path = (struct path){buffer, key_to_path(bytes, key_len, buffer)};
		return true;
	}
	if (!node->path_len || node->path_len > PATH_ABSOLUTE_MAX)
		return false;
	memcpy(buffer, node->path, node->path_len);
	*path = (struct path){buffer, node->path_len};
	return true;
}

void check_index(struct check_walk *walk)
{
	bool owner = *walk->records->key == STORE_KEY_OWNER;
	char buffer[PATH_BUFFER];
	struct index_state state;
	struct path path;
	struct node node;
	uint64_t created;
	uint16_t domid;

	if (!index_key_decode(walk->records->key, walk->records->key_len, &domid, &created)) {
		check_problem(walk, "a record of an index has a key of %zu bytes", walk->records->key_len);
		return;
	}
	if (!node_of_key(walk, walk->records->record, walk->records->record_len, buffer, &path, &node) || node.created != created)
		check_problem(walk, "domain %u %s a node that is not there", domid, owner ? "owns" : "is named by");
	else if (index_state_of(walk, &path, &node, &state) &&
		 !(owner ? index_owner_differs(&state, domid) : index_entry_differs(&state, domid)))
		check_node_problem(walk, &path, "is wrongly found as %s domain %u", owner ? "owned by" : "naming", domid);
}

/* ---- nodes ---- */

void check_node(struct check_walk *walk)
{
	bool is_long = *walk->records->key == STORE_KEY_LONG_NODE;
	char buffer[PATH_BUFFER];
	struct path path;
	struct node node;

	walk->verdict->nodes++;
	if (!node_decode(walk->records->record, walk->records->record_len, &node)) {
		check_problem(walk, "a node's record of %zu bytes is too short for what it says of itself",
			      walk->records->record_len);
		return;
	}
	if (!path_of_record(walk, &node, buffer, &path))
		return;
	if (!is_long && node.path_len)
		check_node_problem(walk, &path, "has a short key, but its record a path");
	if (path_is_root(&path))
		walk->root_seen = true;
	else if (!path_is_special(&path))
		check_parent(walk, &path, &node, is_long);
	check_generations(walk, &path, &node);
	for (size_t i = 0; i < node.n_permissions; i++) {
		if (node.permissions[i].access & ~(unsigned)(PERMISSION_READ | PERMISSION_WRITE))
			check_node_problem(walk, &path, "has a permission that is none");
	}
	walk->owned[node.permissions[0].domid]++;
	check_indexed(walk, &path, &node);
}
