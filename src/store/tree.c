/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The operations on nodes, each in two halves: find the node with the caller's rights, noting in a transaction what the
 * answer will show, errors included; then change it, in the transaction's overlay or in the turn's write transaction. All
 * that may be refused is refused in the first half.
 */
#include "store/tree.h"

#include <errno.h>
#include <string.h>

#include "store/listing.h"

enum { PERMISSION_ENTRY_CHARGE = 8 };

/* Where the way to a missing node ends. */
struct gap {
	struct path ancestor; /* nearest that exists */
	struct node node;     /* it */
	struct path top;      /* topmost that is missing */
	bool made_here;	      /* `ancestor` is the transaction's own */
};

static int look(struct tree *tree, const struct path *path, struct node *out, bool *overlaid)
{
	if (tree->transaction)
		return transaction_look(tree->transaction, path, out, overlaid);
	*overlaid = false;
	return node_look(tree->store, path, out);
}

static size_t transaction_limit(const struct tree *tree)
{
	return tree->caller.privileged ? 0 : tree->limits->transaction_nodes;
}

static int observe(struct tree *tree, const struct path *path, const struct node *node, unsigned kinds)
{
	if (!tree->transaction)
		return 0;
	return transaction_observe(tree->transaction, path, node, kinds, transaction_limit(tree));
}

static unsigned rights_on(const struct tree *tree, const struct node *node)
{
	return permissions_for(node->permissions, node->n_permissions, &tree->caller);
}

/*
 * Finds the gap above the missing `path`. All below a missing node is missing too, so after the parent, which is nearly always
 * there, the border is found by halving.
 */
static int find_gap(struct tree *tree, const struct path *path, struct gap *gap)
{
	uint16_t ends[PATH_ABSOLUTE_MAX / 2 + 2];
	size_t depth = 0;
	struct node node;
	bool overlaid;

	ends[0] = 1;
	for (size_t i = 1; i < path->len; i++) {
		if (path->text[i] == '/')
			ends[++depth] = (uint16_t)i;
	}
	/* ends[k]: length of the ancestor of k components; the node itself has depth + 1. */
	size_t there = 0, missing = depth + 1;
	gap->top = *path;
	for (size_t next = depth; there + 1 < missing; next = (there + missing) / 2) {
		struct path ancestor = {path->text, ends[next]};
		int result = look(tree, &ancestor, &node, &overlaid);
		if (result == STATUS_ENOENT) {
			missing = next;
			gap->top = ancestor;
		} else if (result) {
			return result;
		} else {
			there = next;
		}
	}
	gap->ancestor = (struct path){path->text, ends[there]};
	return look(tree, &gap->ancestor, &gap->node, &gap->made_here);
}

/*
 * The answer for a missing node: STATUS_ENOENT or _EACCES; `gap` is filled. What will be created is observed to be missing
 * itself, and the parents that will be made for it are not.
 */
static int missing(struct tree *tree, const struct path *path, unsigned right, bool creating, struct gap *gap)
{
	unsigned kinds = OBSERVE_EXISTENCE | (creating || !tree->caller.privileged ? OBSERVE_PERMISSIONS : 0);
	int result = find_gap(tree, path, gap);

	if (result)
		return result == STATUS_ENOENT ? -EIO : result; /* not even the root */
	bool allowed = rights_on(tree, &gap->node) & right;
	result = observe(tree, creating && allowed ? path : &gap->top, gap->made_here ? NULL : &gap->node, OBSERVE_ABSENCE);
	if (!result)
		result = observe(tree, &gap->ancestor, &gap->node, kinds);
	if (result)
		return result;
	return allowed ? STATUS_ENOENT : STATUS_EACCES;
}

/*
 * Finds the node for an answer that shows `kinds` of it and needs `right`. `gap` may be NULL if the caller does not care where
 * the way ends; it is filled when the result is STATUS_ENOENT.
 */
static int find(struct tree *tree, const struct path *path, unsigned right, unsigned kinds, struct node *out, struct gap *gap,
		bool creating)
{
	struct gap unused;
	bool overlaid;
	int result = look(tree, path, out, &overlaid);

	if (result == STATUS_ENOENT) {
		if (path_is_special(path) || (!gap && !tree->transaction && tree->caller.privileged))
			return STATUS_ENOENT;
		return missing(tree, path, right, creating, gap ? gap : &unused);
	}
	if (result)
		return result;
	if (tree->transaction && !overlaid) {
		kinds |= OBSERVE_EXISTENCE | (tree->caller.privileged ? 0 : OBSERVE_PERMISSIONS);
		result = observe(tree, path, out, kinds);
		if (result)
			return result;
	}
	return (rights_on(tree, out) & right) == right ? 0 : STATUS_EACCES;
}

/* For answers that show a node: what is overlaid may show what implied parents passed on. */
static int find_to_show(struct tree *tree, const struct path *path, unsigned kinds, struct node *out)
{
	struct gap gap = {.ancestor = *path};

	if (!tree->transaction)
		return find(tree, path, PERMISSION_READ, kinds, out, NULL, false);
	int result = find(tree, path, PERMISSION_READ, kinds, out, &gap, false);
	if (result >= 0)
		transaction_show(tree->transaction, &gap.ancestor);
	return result;
}

int tree_read(struct tree *tree, const struct path *path, struct node *out)
{
	return find_to_show(tree, path, OBSERVE_VALUE, out);
}

int tree_permissions(struct tree *tree, const struct path *path, struct node *out)
{
	return find_to_show(tree, path, OBSERVE_PERMISSIONS, out);
}

int tree_list(struct tree *tree, const struct path *path, size_t limit, struct tree_names *out)
{
	const struct listing *listing;
	struct node node;
	int result = find_to_show(tree, path, OBSERVE_CHILDREN, &node);

	if (result)
		return result;
	if (tree->transaction)
		return transaction_list(tree->transaction, path, limit, tree->arena, &out->bytes, &out->len, &out->generation);
	result = listing_get(tree->store, store_view(tree->store), path, &node, limit, &listing);
	if (!result)
		*out = (struct tree_names){listing->names, listing->len, listing->generation};
	return result;
}

/* ---- changes ---- */

bool tree_is_too_large(const struct tree_limits *limits, const struct caller *caller, size_t value_len, size_t n_permissions)
{
	return !caller->privileged && value_len + n_permissions * PERMISSION_ENTRY_CHARGE > limits->node_size;
}

static int refuse(struct tree *tree, enum tree_limit limit)
{
	tree->limit_reached = limit;
	return STATUS_ENOSPC;
}

static void note_use(struct tree *tree, enum tree_limit limit, uint64_t used)
{
	if (tree->most && used > tree->most[limit])
		tree->most[limit] = used;
}

static bool too_large(struct tree *tree, size_t value_len, size_t n_permissions)
{
	if (tree_is_too_large(tree->limits, &tree->caller, value_len, n_permissions))
		return true;
	note_use(tree, TREE_LIMIT_NODE_SIZE, value_len + n_permissions * PERMISSION_ENTRY_CHARGE);
	return false;
}

static int note_change(struct tree *tree, const struct path *path, const struct permission *now, size_t n_now,
		       struct change **out)
{
	*out = change_new(tree->arena, path, now, n_now);
	return *out ? 0 : STATUS_ENOMEM;
}

static int set_value(struct tree *tree, const struct path *path, const struct node *node, const void *value, size_t value_len)
{
	struct change *change;

	if (too_large(tree, value_len, node->n_permissions))
		return refuse(tree, TREE_LIMIT_NODE_SIZE);
	if (tree->transaction)
		return transaction_write(tree->transaction, path, value, value_len, transaction_limit(tree));
	int result = note_change(tree, path, node->permissions, node->n_permissions, &change);
	if (result)
		return result;
	changes_append(&tree->changes, change);
	return node_set_value(tree->store, path, node, value, value_len);
}

/* Would `n` more nodes of the caller's exceed what it may own? */
static int check_nodes(struct tree *tree, size_t n)
{
	struct MDB_txn *txn = store_view(tree->store);
	uint64_t owned;

	if (tree->caller.privileged)
		return 0;
	if (tree->transaction)
		return transaction_check_owned(tree->transaction, tree->transaction->n_created + n, tree->limits->nodes);
	if (!txn || node_account(tree->store, txn, tree->caller.domid, &owned))
		return -EIO;
	return owned + n > tree->limits->nodes ? refuse(tree, TREE_LIMIT_NODES) : 0;
}

/* Makes the node and its missing parents, which inherit from the nearest that exists; the unprivileged own what they create. */
static int create(struct tree *tree, const struct path *path, const struct gap *gap, const void *value, size_t value_len)
{
	struct permission_list inherited = permission_list_copy(tree->arena, gap->node.permissions, gap->node.n_permissions);
	size_t n_new = 0;
	struct change *change;

	if (!inherited.entries)
		return STATUS_ENOMEM;
	if (!tree->caller.privileged)
		((struct permission *)(uintptr_t)inherited.entries)->domid = tree->caller.domid;
	if (too_large(tree, value_len, inherited.n))
		return refuse(tree, TREE_LIMIT_NODE_SIZE);
	for (size_t i = gap->ancestor.len > 1 ? gap->ancestor.len : 0; i < path->len; i++)
		n_new += path->text[i] == '/';
	int result = check_nodes(tree, n_new);
	if (result)
		return result;
	if (tree->transaction)
		return transaction_create(tree->transaction, path, gap->top.len, &inherited, value, value_len,
					  transaction_limit(tree));
	result = note_change(tree, path, inherited.entries, inherited.n, &change);
	if (result)
		return result;
	changes_append(&tree->changes, change);
	for (size_t end = gap->top.len; end < path->len && !result; end++) {
		struct path parent = {path->text, end};
		if (path->text[end] == '/')
			result = node_create(tree->store, &parent, inherited.entries, inherited.n, "", 0);
	}
	return result ? result : node_create(tree->store, path, inherited.entries, inherited.n, value, value_len);
}

int tree_write(struct tree *tree, const struct path *path, const void *value, size_t value_len)
{
	struct node node;
	struct gap gap;
	int result = find(tree, path, PERMISSION_WRITE, OBSERVE_NOTHING, &node, &gap, true);

	if (!result)
		return set_value(tree, path, &node, value, value_len);
	return result == STATUS_ENOENT ? create(tree, path, &gap, value, value_len) : result;
}

int tree_mkdir(struct tree *tree, const struct path *path)
{
	struct node node;
	struct gap gap;
	int result = find(tree, path, PERMISSION_WRITE, OBSERVE_NOTHING, &node, &gap, true);

	return result == STATUS_ENOENT ? create(tree, path, &gap, "", 0) : result;
}

int tree_remove(struct tree *tree, const struct path *path)
{
	struct change *change;
	struct node node;
	struct gap gap;
	int result = find(tree, path, PERMISSION_WRITE, OBSERVE_NOTHING, &node, &gap, false);

	if (result == STATUS_ENOENT)
		return gap.top.len == path->len ? 0 : STATUS_ENOENT;
	if (result)
		return result;
	if (path_is_root(path))
		return STATUS_EINVAL;
	if (tree->transaction)
		return transaction_remove(tree->transaction, path, transaction_limit(tree));
	result = changes_of_removal(tree->store, store_view(tree->store), tree->arena, tree->watched, path, &node, &tree->changes,
				    &change);
	if (result)
		return result == -ENOMEM ? STATUS_ENOMEM : result;
	changes_append(&tree->changes, change);
	return node_remove(tree->store, path);
}

int tree_set_permissions(struct tree *tree, const struct path *path, const struct permission *permissions, size_t n)
{
	struct node node;
	struct change *change;
	int result = find(tree, path, PERMISSION_WRITE | PERMISSION_OWNER, OBSERVE_PERMISSIONS, &node, NULL, false);

	if (tree->transaction && result >= 0)
		transaction_show(tree->transaction, path);
	if (result)
		return result;
	if (!tree->caller.privileged) {
		if (permissions[0].domid != node.permissions[0].domid)
			return STATUS_EPERM;
		if (n > tree->limits->node_permissions)
			return refuse(tree, TREE_LIMIT_NODE_PERMISSIONS);
		if (too_large(tree, node.value_len, n))
			return refuse(tree, TREE_LIMIT_NODE_SIZE);
		note_use(tree, TREE_LIMIT_NODE_PERMISSIONS, n);
	}
	if (tree->transaction)
		return transaction_set_permissions(tree->transaction, path, permissions, n, transaction_limit(tree));
	result = note_change(tree, path, permissions, n, &change);
	if (result)
		return result;
	change->before = permission_list_copy(tree->arena, node.permissions, node.n_permissions);
	if (!change->before.entries)
		return STATUS_ENOMEM;
	changes_append(&tree->changes, change);
	return node_set_permissions(tree->store, path, &node, permissions, n);
}
