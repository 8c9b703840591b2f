/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What there is after a kill: asked of the next daemon, and read from the dead one's file. */
#include "integration/kill_tree.h"

#include <check.h>
#include <inttypes.h>
#include <lmdb.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lxenstored/store_format.h"
#include "store/node.h"
#include "wire/message.h"

/* ---- from the daemon ---- */

enum { ASKED_TOGETHER = 16, PATH_SIZE = 1024 };

/* A node that is asked for: its children, permissions and value, in this order. */
struct asked {
	char *path;
	struct model_node *node;
};

struct questions {
	struct client *client;
	struct asked *asked;
	size_t n, capacity;
	size_t n_sent;
};

static void add_question(struct questions *questions, const char *parent, const char *name, struct model_node *node)
{
	char path[PATH_SIZE];

	if (questions->n == questions->capacity) {
		questions->capacity = questions->capacity ? 2 * questions->capacity : 64;
		questions->asked = realloc(questions->asked, questions->capacity * sizeof(*questions->asked));
		ck_assert_ptr_nonnull(questions->asked);
	}
	snprintf(path, sizeof(path), "%s%s%s", parent, *name ? "/" : "", name);
	questions->asked[questions->n++] = (struct asked){strdup(path), node};
}

static void send_questions(struct questions *questions, const char *path)
{
	static const uint32_t types[] = {MESSAGE_DIRECTORY, MESSAGE_GET_PERMS, MESSAGE_READ};

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		ck_assert_int_eq(client_send(questions->client, types[i], 0, path, strlen(path) + 1, NULL), 0);
	questions->n_sent++;
}

static struct client_message answer_of(struct questions *questions, const char *path, uint32_t type)
{
	struct client_message answer;

	ck_assert_int_eq(client_receive_reply(questions->client, &answer), 0);
	ck_assert_msg(answer.header.type == type, "%s: %s", path, answer.payload);
	return answer;
}

static void take_answers(struct questions *questions, size_t i)
{
	const char *path = questions->asked[i].path;
	struct model_node *node = questions->asked[i].node;
	struct client_message answer = answer_of(questions, path, MESSAGE_DIRECTORY);

	for (size_t at = 0; at < answer.header.len; at += strlen(answer.payload + at) + 1) {
		struct model_node *child = model_new(answer.payload + at, '?', "", 0);
		model_append(node, child);
		add_question(questions, path, child->name, child);
	}
	path = questions->asked[i].path;
	answer = answer_of(questions, path, MESSAGE_GET_PERMS);
	ck_assert_msg(answer.header.len == 3 && answer.payload[1] == '0', "%s: permissions %s", path, answer.payload);
	node->access = answer.payload[0];
	answer = answer_of(questions, path, MESSAGE_READ);
	free(node->value);
	node->len = answer.header.len;
	node->value = malloc(node->len + 1);
	ck_assert_ptr_nonnull(node->value);
	memcpy(node->value, answer.payload, node->len + 1);
}

struct model_node *kill_tree_read(struct client *client, const char *path)
{
	struct questions questions = {.client = client};
	struct model_node *root = model_new("", '?', "", 0);

	add_question(&questions, path, "", root);
	for (size_t i = 0; i < questions.n; i++) {
		while (questions.n_sent < questions.n && questions.n_sent < i + ASKED_TOGETHER)
			send_questions(&questions, questions.asked[questions.n_sent].path);
		take_answers(&questions, i);
	}
	for (size_t i = 0; i < questions.n; i++)
		free(questions.asked[i].path);
	free(questions.asked);
	return root;
}

/* ---- from the file ---- */

struct generation {
	size_t key_len;
	unsigned char key[STORE_KEY_MAX];
	uint64_t created;
	uint64_t changed[3]; /* value, permissions, children */
};

static void add_generation(struct generations *out, const MDB_val *key, const MDB_val *record)
{
	struct node node;

	ck_assert(node_decode(record->mv_data, record->mv_size, &node));
	if (out->n == out->capacity) {
		out->capacity = out->capacity ? 2 * out->capacity : 256;
		out->nodes = realloc(out->nodes, out->capacity * sizeof(*out->nodes));
		ck_assert_ptr_nonnull(out->nodes);
	}
	struct generation *added = &out->nodes[out->n++];
	*added = (struct generation){
	    .key_len = key->mv_size,
	    .created = node.created,
	    .changed = {node.value_generation, node.permissions_generation, node.children_generation},
	};
	memcpy(added->key, key->mv_data, key->mv_size);
}

void generations_read(const char *store, struct generations *out)
{
	MDB_val key, record;
	MDB_cursor *cursor;
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;
	int code;

	*out = (struct generations){0};
	ck_assert_int_eq(mdb_env_create(&env), 0);
	ck_assert_int_eq(mdb_env_open(env, store, MDB_NOSUBDIR | MDB_RDONLY | MDB_NOLOCK, 0), 0);
	ck_assert_int_eq(mdb_txn_begin(env, NULL, MDB_RDONLY, &txn), 0);
	ck_assert_int_eq(mdb_dbi_open(txn, NULL, 0, &dbi), 0);
	ck_assert_int_eq(mdb_cursor_open(txn, dbi, &cursor), 0);
	while (!(code = mdb_cursor_get(cursor, &key, &record, MDB_NEXT))) {
		unsigned char kind = *(const unsigned char *)key.mv_data;
		if (kind == STORE_KEY_NODE || kind == STORE_KEY_LONG_NODE)
			add_generation(out, &key, &record);
		else if (kind == STORE_KEY_GENERATION)
			memcpy(&out->given_out, record.mv_data, sizeof(out->given_out));
	}
	ck_assert_int_eq(code, MDB_NOTFOUND);
	mdb_cursor_close(cursor);
	mdb_txn_abort(txn);
	mdb_env_close(env);
}

void generations_free(struct generations *generations)
{
	free(generations->nodes);
	*generations = (struct generations){0};
}

static int compare_keys(const struct generation *a, const struct generation *b)
{
	size_t shorter = a->key_len < b->key_len ? a->key_len : b->key_len;
	int order = memcmp(a->key, b->key, shorter);

	return order ? order : (a->key_len > b->key_len) - (a->key_len < b->key_len);
}

/* `old`: the same node before, or NULL. */
static void compare_node(const struct generation *old, const struct generation *new, uint64_t given_out)
{
	bool is_new = !old || old->created != new->created;

	ck_assert_msg(!is_new || new->created > given_out, "a node was made with generation %" PRIu64 ", %" PRIu64 " were used",
		      new->created, given_out);
	for (size_t i = 0; i < 3; i++) {
		ck_assert_msg(is_new || new->changed[i] == old->changed[i] || new->changed[i] > given_out,
			      "generation %" PRIu64 " became %" PRIu64 ", %" PRIu64 " were used", old->changed[i],
			      new->changed[i], given_out);
		ck_assert_uint_le(new->changed[i], UINT64_MAX / 2);
	}
}

void generations_compare(const struct generations *before, const struct generations *now)
{
	size_t old = 0;

	ck_assert_uint_ge(now->given_out, before->given_out);
	for (size_t new = 0; new < now->n; new ++) {
		while (old < before->n && compare_keys(&before->nodes[old], &now->nodes[new]) < 0)
			old++;
		bool is_same = old < before->n && !compare_keys(&before->nodes[old], &now->nodes[new]);
		compare_node(is_same ? &before->nodes[old] : NULL, &now->nodes[new], before->given_out);
	}
}
