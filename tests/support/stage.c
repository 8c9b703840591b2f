/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What src/request does around the store, reduced to what matters here: whose transaction a step is done in, when a turn is
 * committed, and that a transaction ended in a turn that fails is open again.
 */
#include "support/stage.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/check.h"
#include "store/release.h"
#include "store/snapshot.h"

enum { TRIES = 8 }; /* of a step that needs more room */

static const struct {
	const char *word;
	bool has_path, has_argument;
} verbs[STAGE_VERBS] = {
    [STAGE_START] = {"start", false, false},	 [STAGE_END] = {"end", false, false},
    [STAGE_FORGET] = {"forget", false, false},	 [STAGE_READ] = {"read", true, false},
    [STAGE_LIST] = {"ls", true, false},		 [STAGE_PERMISSIONS] = {"perms", true, false},
    [STAGE_WRITE] = {"write", true, true},	 [STAGE_MKDIR] = {"mkdir", true, false},
    [STAGE_REMOVE] = {"rm", true, false},	 [STAGE_SET_PERMISSIONS] = {"chmod", true, true},
    [STAGE_RELEASE] = {"release", false, false}, [STAGE_COMMIT] = {"commit", false, false},
    [STAGE_ABORT] = {"abort", false, false},	 [STAGE_DROP] = {"drop", false, false},
};

static const char names[STAGE_CLIENTS + 1] = "ABCD1234";

/* ---- life ---- */

static int watched_below(void *context, const struct path *path, int (*found)(void *found_context, const struct path *path),
			 void *found_context)
{
	const struct stage *stage = context;
	int result = 0;

	for (size_t i = 0; i < stage->n_watched && !result; i++) {
		struct path watched = {stage->watched_paths[i], strlen(stage->watched_paths[i])};
		if (watched.len > path->len && path_is_below_or_equal(&watched, path))
			result = found(found_context, &watched);
	}
	return result;
}

void stage_open(struct stage *stage, size_t size_limit)
{
	char directory[] = "/dev/shm/lxenstored-stage.XXXXXX", path[64], lock_path[72];
	struct store_options options = {
	    .path = path,
	    .size_limit = size_limit ? size_limit : (size_t)64 << 20,
	    .map = true,
	    .boot_id = "boot",
	    .log = &stage->log,
	};

	*stage = (struct stage){
	    .limits = {.nodes = UINT32_MAX, .node_size = UINT32_MAX, .node_permissions = UINT32_MAX},
	};
	log_init(&stage->log, true);
	stage->log.level = LOG_LEVEL_ERROR;
	arena_init(&stage->arena);
	stage->watched = (struct watched_paths){watched_below, stage};
	for (size_t i = 0; i < STAGE_CLIENTS; i++) {
		bool guest = names[i] <= '9';
		stage->clients[i].caller = (struct caller){guest ? (uint16_t)(names[i] - '0') : 0, DOMID_NONE, !guest};
	}
	if (!mkdtemp(directory))
		ck_abort_msg("no directory");
	snprintf(path, sizeof(path), "%s/store.mdb", directory);
	snprintf(lock_path, sizeof(lock_path), "%s-lock", path);
	int error = store_open(&options, &stage->store);
	/* It is not opened again, and so nothing of it stays, whatever becomes of the test. */
	unlink(path);
	unlink(lock_path);
	rmdir(directory);
	if (error)
		ck_abort_msg("no store");
}

static void free_ended(struct stage *stage)
{
	for (size_t i = 0; i < STAGE_CLIENTS; i++) {
		transaction_free(stage->clients[i].ended);
		stage->clients[i].ended = NULL;
	}
}

static void free_transactions(struct stage *stage)
{
	store_abort(stage->store);
	free_ended(stage);
	for (size_t i = 0; i < STAGE_CLIENTS; i++) {
		transaction_free(stage->clients[i].transaction);
		stage->clients[i].transaction = NULL;
	}
}

void stage_close(struct stage *stage)
{
	if (!stage->store)
		return;
	free_transactions(stage);
	store_close(stage->store);
	stage->store = NULL;
	arena_deinit(&stage->arena);
}

void stage_clear(struct stage *stage)
{
	static const struct stage_step ask = {'A', STAGE_LIST, "/", NULL};
	char list[STAGE_TEXT], path[STAGE_TEXT + 1], *at = list;

	free_transactions(stage);
	memcpy(list, stage_run(stage, &ask), sizeof(list));
	for (const char *name; (name = strsep(&at, " "));) {
		if (!strcmp(name, "tool"))
			continue;
		snprintf(path, sizeof(path), "/%s", name);
		stage_run(stage, &(struct stage_step){'A', STAGE_REMOVE, path, NULL});
	}
	stage_run(stage, &(struct stage_step){'A', STAGE_WRITE, "/", ""});
	stage_run(stage, &(struct stage_step){'A', STAGE_SET_PERMISSIONS, "/", "n0"});
	stage_run(stage, &(struct stage_step){0, STAGE_COMMIT, NULL, NULL});
}

void stage_watch(struct stage *stage, const char *path)
{
	if (stage->n_watched < STAGE_WATCHED)
		snprintf(stage->watched_paths[stage->n_watched++], sizeof(stage->watched_paths[0]), "%s", path);
}

struct stage_client *stage_client(struct stage *stage, char name)
{
	const char *at = name ? strchr(names, name) : NULL;

	if (!at)
		ck_abort_msg("no client is called %c", name);
	return &stage->clients[at - names];
}

/* ---- answers ---- */

static const char *word_of_status(int status)
{
	switch (status) {
	case 0:
		return "OK";
	case STATUS_EINVAL:
		return "EINVAL";
	case STATUS_EACCES:
		return "EACCES";
	case STATUS_ENOENT:
		return "ENOENT";
	case STATUS_ENOSPC:
		return "ENOSPC";
	case STATUS_ENOMEM:
		return "ENOMEM";
	case STATUS_EBUSY:
		return "EBUSY";
	case STATUS_EAGAIN:
		return "EAGAIN";
	case STATUS_EPERM:
		return "EPERM";
	case STATUS_E2BIG:
		return "E2BIG";
	default:
		return "FAULT";
	}
}

static void answer_with(struct stage *stage, const char *bytes, size_t len, const char *if_none)
{
	if (!len)
		len = strlen(bytes = if_none);
	if (len >= sizeof(stage->answer))
		ck_abort_msg("an answer of %zu bytes", len);
	memcpy(stage->answer, bytes, len);
	stage->answer[len] = 0;
}

static int answer_names(struct stage *stage, struct stage_client *client, struct tree *tree, const struct path *path)
{
	struct tree_names list;
	int result = tree_list(tree, path, sizeof(stage->answer), &list);

	if (result)
		return result;
	client->list_generation = list.generation;
	answer_with(stage, list.bytes, list.len ? list.len - 1 : 0, "(none)");
	for (size_t i = 0; list.len && i < list.len - 1; i++) {
		if (!stage->answer[i])
			stage->answer[i] = ' ';
	}
	return 0;
}

static int answer_permissions(struct stage *stage, struct tree *tree, const struct path *path)
{
	struct node node;
	char *to = stage->answer;
	int result = tree_permissions(tree, path, &node);

	for (size_t i = 0; !result && i < node.n_permissions; i++) {
		if (i)
			*to++ = ',';
		to += permission_format(&node.permissions[i], to);
		*to = 0;
	}
	return result;
}

static void note_events(struct stage *stage, const struct changes *changes)
{
	char *to = stage->events, *end = to + sizeof(stage->events);

	for (const struct change *change = changes->first; change; change = change->next)
		to += snprintf(to, (size_t)(end - to), "%s%s%s", to > stage->events ? " " : "", change->exact ? "=" : "",
			       change->path.text);
}

/* ---- steps ---- */

size_t stage_parse_permissions(const char *text, struct permission out[STAGE_PERMISSIONS_MAX])
{
	char strings[STAGE_PERMISSIONS_MAX * PERMISSION_TEXT_MAX];
	size_t len = strlen(text) + 1, n;

	if (len > sizeof(strings))
		return 0;
	for (size_t i = 0; i < len; i++)
		strings[i] = (char)(text[i] == ',' ? 0 : text[i]);
	return permissions_parse(strings, len, out, STAGE_PERMISSIONS_MAX, &n) ? 0 : n;
}

static int operate(struct stage *stage, struct stage_client *client, struct tree *tree, const struct stage_step *step)
{
	struct permission permissions[STAGE_PERMISSIONS_MAX];
	struct path path = {step->path, strlen(step->path)};
	struct node node;
	int result;

	switch (step->verb) {
	case STAGE_READ:
		result = tree_read(tree, &path, &node);
		if (!result)
			answer_with(stage, node.value, node.value_len, "(empty)");
		return result;
	case STAGE_LIST:
		return answer_names(stage, client, tree, &path);
	case STAGE_PERMISSIONS:
		return answer_permissions(stage, tree, &path);
	case STAGE_WRITE:
		return tree_write(tree, &path, step->argument, strlen(step->argument));
	case STAGE_MKDIR:
		return tree_mkdir(tree, &path);
	case STAGE_REMOVE:
		return tree_remove(tree, &path);
	case STAGE_SET_PERMISSIONS:
		return tree_set_permissions(tree, &path, permissions, stage_parse_permissions(step->argument, permissions));
	default:
		return -1;
	}
}

static int commit(struct stage *stage)
{
	int fault = store_commit(stage->store);

	if (!fault)
		free_ended(stage);
	return fault;
}

static int start(struct stage *stage, struct stage_client *client)
{
	if (client->transaction)
		return STATUS_EBUSY;
	return transaction_start(stage->store, &client->caller, &client->transaction);
}

static int end(struct stage *stage, struct stage_client *client, struct tree *tree, bool commit_it)
{
	int result = 0;

	if (!client->transaction)
		return STATUS_ENOENT;
	if (commit_it)
		result = transaction_commit(client->transaction, &stage->limits, &stage->arena, tree->watched, &tree->changes);
	if (result < 0)
		return result;
	client->ended = client->transaction;
	client->ended->ended = true;
	client->transaction = NULL;
	if (!store_tag(stage->store))
		free_ended(stage);
	return result;
}

static int abort_turn(struct stage *stage)
{
	store_abort(stage->store);
	for (size_t i = 0; i < STAGE_CLIENTS; i++) {
		if (stage->clients[i].ended) {
			stage->clients[i].transaction = stage->clients[i].ended;
			stage->clients[i].transaction->ended = false;
		}
		stage->clients[i].ended = NULL;
	}
	return 0;
}

static int act(struct stage *stage, struct stage_client *client, struct tree *tree, const struct stage_step *step)
{
	bool needs_clean_turn = step->verb == STAGE_START || (client->transaction && step->path);
	int fault = needs_clean_turn ? commit(stage) : 0;

	if (fault)
		return fault;
	switch (step->verb) {
	case STAGE_START:
		return start(stage, client);
	case STAGE_END:
	case STAGE_FORGET:
		return end(stage, client, tree, step->verb == STAGE_END);
	case STAGE_RELEASE:
		return store_release(stage->store, client->caller.domid, &stage->arena, tree->watched, &tree->changes);
	default:
		return operate(stage, client, tree, step);
	}
}

static int run(struct stage *stage, const struct stage_step *step)
{
	struct stage_client *client;
	struct tree tree;

	switch (step->verb) {
	case STAGE_COMMIT:
		return commit(stage);
	case STAGE_ABORT:
		return abort_turn(stage);
	case STAGE_DROP:
		snapshots_drop_all(stage->store);
		return 0;
	default:
		break;
	}
	client = stage_client(stage, step->client);
	tree = (struct tree){
	    .store = stage->store,
	    .transaction = client->transaction,
	    .caller = client->caller,
	    .limits = &stage->limits,
	    .watched = stage->n_watched ? &stage->watched : NULL,
	    .arena = &stage->arena,
	};
	int result = act(stage, client, &tree, step);
	if (!result)
		note_events(stage, &tree.changes);
	if (stage->store->fault)
		return stage->store->fault;
	return result || stage->together ? result : commit(stage);
}

const char *stage_run(struct stage *stage, const struct stage_step *step)
{
	int result = -ENOSPC;

	for (int tries = 0; result == -ENOSPC && tries < TRIES; tries++) {
		if (tries) {
			abort_turn(stage);
			if (stage->together || store_make_room(stage->store))
				break;
		}
		arena_reset(&stage->arena);
		stage->answer[0] = stage->events[0] = 0;
		result = run(stage, step);
	}
	if (result || !stage->answer[0])
		snprintf(stage->answer, sizeof(stage->answer), "%s", word_of_status(result));
	return stage->answer;
}

const char *stage_say(struct stage *stage, const char *words)
{
	char text[STAGE_TEXT], *at = text;
	struct stage_step step = {0};

	snprintf(text, sizeof(text), "%s", words);
	if (at[0] && at[1] == ' ') {
		step.client = at[0];
		at += 2;
	}
	const char *verb = strsep(&at, " ");
	while (step.verb < STAGE_VERBS && strcmp(verb, verbs[step.verb].word))
		step.verb++;
	if (step.verb == STAGE_VERBS || (verbs[step.verb].has_path && !at))
		ck_abort_msg("what is \"%s\"?", words);
	step.path = verbs[step.verb].has_path ? strsep(&at, " ") : NULL;
	step.argument = at ? at : "";
	return stage_run(stage, &step);
}

void stage_words(const struct stage_step *step, char out[STAGE_TEXT])
{
	char client[] = {step->client, ' ', 0};

	snprintf(out, STAGE_TEXT, "%s%s%s%s%s%s", step->client ? client : "", verbs[step->verb].word,
		 verbs[step->verb].has_path ? " " : "", verbs[step->verb].has_path ? step->path : "",
		 verbs[step->verb].has_argument ? " " : "", verbs[step->verb].has_argument ? step->argument : "");
}

const char *stage_problem(struct stage *stage)
{
	static struct check_verdict verdict;

	if (check_records(store_view(stage->store), stage->store->dbi, NULL, NULL, &verdict))
		return "fault";
	return verdict.result == CHECK_SOUND ? "" : verdict.text;
}
