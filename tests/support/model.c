/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Three parts. Plain operations: what a request does to a tree, and answers. Transactions: a tree is put together of the state
 * that is read and the overlay, the plain operation is done on that, and what it showed is noted by the table of
 * doc/transactions.md. The end: the observations decide; then all steps are done again, plainly and alone, on the tree
 * of this moment. Their answers must be the same as before, or the rules are wrong; and what comes out is the new tree.
 *
 * Operations refused with ENOSPC are not done again: quotas are not observed.
 */
#include "support/model.h"

#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

static const char client_names[MODEL_CLIENTS + 1] = "AB123";

int model_parent(int node)
{
	return node ? (node - 1) / MODEL_NAMES : -1;
}

static bool is_below_or_equal(int node, int top)
{
	while (node > top)
		node = model_parent(node);
	return node == top;
}

static void set_node(struct model_node *node, uint32_t time)
{
	node->exists = true;
	node->created = node->value_changed = node->permissions_changed = node->list_changed = time;
}

/* ---- life ---- */

void model_init(struct model *model, const char *const names[MODEL_NAMES])
{
	memset(model, 0, sizeof(*model));
	memcpy(model->names, names, sizeof(model->names));
	strcpy(model->paths[0], "/");
	for (int node = 1; node < MODEL_NODES; node++) {
		const char *above = model_parent(node) ? model->paths[model_parent(node)] : "";
		snprintf(model->paths[node], sizeof(model->paths[0]), "%s/%s", above, names[(node - 1) % MODEL_NAMES]);
	}
	for (int i = 0; i < MODEL_CLIENTS; i++) {
		uint16_t domid = client_names[i] <= '9' ? (uint16_t)(client_names[i] - '0') : 0;
		model->callers[i] = (struct caller){domid, domid == 3 ? 1 : DOMID_NONE, !domid};
	}
	model_clear(model);
}

void model_clear(struct model *model)
{
	memset(&model->now, 0, sizeof(model->now));
	set_node(&model->now.nodes[0], ++model->time);
	model->now.nodes[0].permissions.n = 1;
	model->committed = model->now;
	for (int i = 0; i < MODEL_CLIENTS; i++)
		model->transactions[i].open = model->transactions[i].ended = false;
}

int model_client(char name)
{
	return (int)(strchr(client_names, name) - client_names);
}

uint32_t model_owned(const struct model_tree *tree, uint16_t domid)
{
	uint32_t owned = 0;

	for (int node = 0; node < MODEL_NODES; node++)
		owned += tree->nodes[node].exists && tree->nodes[node].permissions.entries[0].domid == domid;
	return owned;
}

/* ---- plain operations ---- */

enum { MAY_READ = 1, MAY_WRITE = 2, MAY_ALL = 7 };

static bool speaks_for(const struct caller *caller, uint16_t domid)
{
	return caller->domid == domid || (caller->target != DOMID_NONE && caller->target == domid);
}

static unsigned rights(const struct caller *caller, const struct model_node *node)
{
	const struct permission *entries = node->permissions.entries;

	if (caller->privileged || speaks_for(caller, entries[0].domid))
		return MAY_ALL;
	for (size_t i = 1; i < node->permissions.n; i++) {
		if (speaks_for(caller, entries[i].domid))
			return entries[i].access;
	}
	return entries[0].access;
}

/* The nearest that is there, at `node` or above. */
static int nearest(const struct model_tree *tree, int node)
{
	while (!tree->nodes[node].exists)
		node = model_parent(node);
	return node;
}

void model_list(const struct model *model, const struct model_tree *tree, int node, char out[MODEL_TEXT])
{
	uint32_t last = 0;
	char *to = out;

	strcpy(out, node ? "(none)" : "tool");
	if (!node)
		to += strlen(out);
	for (;;) {
		int next = 0;
		for (int child = MODEL_NAMES * node + 1; child <= MODEL_NAMES * node + MODEL_NAMES && child < MODEL_NODES;
		     child++) {
			uint32_t created = tree->nodes[child].created;
			if (tree->nodes[child].exists && created > last && (!next || created < tree->nodes[next].created))
				next = child;
		}
		if (!next)
			return;
		last = tree->nodes[next].created;
		to += sprintf(to, "%s%s", to > out ? " " : "", model->names[(next - 1) % MODEL_NAMES]);
	}
}

static void say_permissions(const struct model_permissions *permissions, char *out)
{
	for (size_t i = 0; i < permissions->n; i++)
		out +=
		    sprintf(out, "%s%c%d", i ? "," : "", "nrwb"[permissions->entries[i].access], permissions -> entries[i].domid);
}

/* `node` and what is missing above it. The budget is what the caller may still own. */
static const char *create(struct model *model, struct model_tree *tree, const struct caller *caller, int node, const char *value,
			  int budget)
{
	int from = nearest(tree, node), needed = 0;

	for (int missing = node; missing != from; missing = model_parent(missing))
		needed++;
	if (!caller->privileged && needed > budget)
		return "ENOSPC";
	struct model_node made = tree->nodes[from];
	if (!caller->privileged)
		made.permissions.entries[0].domid = caller->domid;
	made.value = (struct model_value){""};
	for (; needed; needed--) {
		int missing = node;
		for (int i = 1; i < needed; i++)
			missing = model_parent(missing);
		set_node(&made, ++model->time);
		if (needed == 1)
			strcpy(made.value.text, value);
		tree->nodes[missing] = made;
		tree->nodes[model_parent(missing)].list_changed = model->time;
	}
	return "OK";
}

void model_remove(struct model *model, struct model_tree *tree, int top)
{
	for (int node = top; node < MODEL_NODES; node++) {
		if (is_below_or_equal(node, top))
			tree->nodes[node].exists = false;
	}
	tree->removed[top] = ++model->time;
	tree->nodes[model_parent(top)].list_changed = model->time;
}

static const char *change(struct model *model, struct model_tree *tree, const struct caller *caller,
			  const struct stage_step *step, int node)
{
	struct model_node *is = &tree->nodes[node];
	struct permission entries[STAGE_PERMISSIONS_MAX] = {0};
	struct model_permissions wanted;

	switch (step->verb) {
	case STAGE_WRITE:
		strcpy(is->value.text, step->argument);
		is->value_changed = ++model->time;
		return "OK";
	case STAGE_REMOVE:
		if (!node)
			return "EINVAL";
		model_remove(model, tree, node);
		return "OK";
	case STAGE_SET_PERMISSIONS:
		if (rights(caller, is) != MAY_ALL)
			return "EACCES";
		wanted.n = (uint8_t)stage_parse_permissions(step->argument, entries);
		memcpy(wanted.entries, entries, sizeof(wanted.entries));
		if (!caller->privileged && wanted.entries[0].domid != is->permissions.entries[0].domid)
			return "EPERM";
		is->permissions = wanted;
		is->permissions_changed = ++model->time;
		return "OK";
	default:
		return "OK";
	}
}

static bool is_question(enum stage_verb verb)
{
	return verb == STAGE_READ || verb == STAGE_LIST || verb == STAGE_PERMISSIONS;
}

static bool creates(enum stage_verb verb)
{
	return verb == STAGE_WRITE || verb == STAGE_MKDIR;
}

static bool may(const struct model_tree *tree, const struct caller *caller, enum stage_verb verb, int node)
{
	unsigned right = is_question(verb) ? MAY_READ : verb == STAGE_SET_PERMISSIONS ? MAY_ALL & ~MAY_READ : MAY_WRITE;

	return rights(caller, &tree->nodes[node]) & right;
}

/* Does the step to the tree; the answer. */
static void plain(struct model *model, struct model_tree *tree, const struct caller *caller, const struct stage_step *step,
		  int node, int budget, char answer[MODEL_TEXT])
{
	const struct model_node *is = &tree->nodes[node];
	int there = nearest(tree, node);

	if (!may(tree, caller, step->verb, there)) {
		strcpy(answer, "EACCES");
	} else if (there != node) {
		const char *word = step->verb == STAGE_REMOVE && there == model_parent(node) ? "OK" : "ENOENT";
		if (creates(step->verb))
			word = create(model, tree, caller, node, step->verb == STAGE_WRITE ? step->argument : "", budget);
		strcpy(answer, word);
	} else if (step->verb == STAGE_READ) {
		strcpy(answer, is->value.text[0] ? is->value.text : "(empty)");
	} else if (step->verb == STAGE_LIST) {
		model_list(model, tree, node, answer);
	} else if (step->verb == STAGE_PERMISSIONS) {
		say_permissions(&is->permissions, answer);
	} else {
		strcpy(answer, change(model, tree, caller, step, node));
	}
}

/* ---- transactions ---- */

/* Is what the state has here, because of a removal here or above? */
static bool is_hidden(const struct model_transaction *transaction, int node)
{
	for (; node > 0; node = model_parent(node)) {
		if (transaction->overlay[node].cleared)
			return true;
	}
	return false;
}

static const struct model_tree *state_read(const struct model *model, const struct model_transaction *transaction)
{
	return transaction->validated ? &model->now : &transaction->snapshot;
}

/* The tree as the transaction sees it. False: a node has no parent there. */
static bool put_together(const struct model_transaction *transaction, const struct model_tree *state, struct model_tree *view)
{
	bool hidden[MODEL_NODES];
	bool whole = true;

	for (int node = 0; node < MODEL_NODES; node++) {
		const struct model_overlay *here = &transaction->overlay[node];
		struct model_node *seen = &view->nodes[node];
		hidden[node] = node && (here->cleared || hidden[model_parent(node)]);
		if (here->present) {
			*seen = here->node;
			seen->created = UINT32_MAX / 2 + here->order;
		} else {
			*seen = state->nodes[node];
			seen->exists = seen->exists && !hidden[node];
			if (here->has_value)
				seen->value = here->node.value;
			if (here->has_permissions)
				seen->permissions = here->node.permissions;
		}
		whole = whole && (!node || !seen->exists || view->nodes[model_parent(node)].exists);
	}
	return whole;
}

static bool was_removed_since(const struct model_tree *state, int node, uint32_t time)
{
	for (; node > 0; node = model_parent(node)) {
		if (state->removed[node] > time)
			return true;
	}
	return false;
}

static void observe(const struct model_tree *state, struct model_transaction *transaction, int node, struct model_observed kinds)
{
	const struct model_overlay *here = &transaction->overlay[node];
	struct model_observed *observed = &transaction->observed[node];
	const struct model_node *is = &state->nodes[node];
	uint32_t start = transaction->start;

	if (here->present || is_hidden(transaction, node))
		return;
	kinds.value = kinds.value && !here->has_value;
	kinds.permissions = kinds.permissions && !here->has_permissions;
	if (transaction->validated &&
	    ((kinds.absence && was_removed_since(state, node, start)) || (kinds.existence && is->created > start) ||
	     (kinds.value && is->value_changed > start) || (kinds.permissions && is->permissions_changed > start) ||
	     (kinds.list && is->list_changed > start)))
		transaction->doomed = true;
	if (kinds.existence && !observed->existence)
		observed->seen.created = is->created;
	if (kinds.value && !observed->value)
		observed->seen.value_changed = is->value_changed;
	if (kinds.permissions && !observed->permissions)
		observed->seen.permissions_changed = is->permissions_changed;
	if (kinds.list && !observed->list)
		observed->seen.list_changed = is->list_changed;
	observed->existence |= kinds.existence;
	observed->value |= kinds.value;
	observed->permissions |= kinds.permissions;
	observed->list |= kinds.list;
	observed->absence |= kinds.absence;
}

/* An answer has shown something of the node, or of what is missing below it. */
static void show(struct model_transaction *transaction, int node)
{
	for (; node >= 0 && transaction->overlay[node].present; node = model_parent(node)) {
		if (transaction->overlay[node].ensured && !is_hidden(transaction, node))
			transaction->overlay[node].insisted = true;
	}
}

/* What the answer of this step, asked of `view`, tells. */
static void observe_step(const struct model_tree *state, struct model_transaction *transaction, const struct model_tree *view,
			 const struct caller *caller, enum stage_verb verb, int node)
{
	int there = nearest(view, node), top = node;
	bool creating = there != node && creates(verb);
	struct model_observed found = {.existence = true, .permissions = !caller->privileged || creating};

	if (there == node) {
		found.value = verb == STAGE_READ;
		found.list = verb == STAGE_LIST;
		found.permissions = found.permissions || verb == STAGE_PERMISSIONS || verb == STAGE_SET_PERMISSIONS;
	} else {
		while (model_parent(top) != there)
			top = model_parent(top);
		bool ensures = creating && may(view, caller, verb, there);
		observe(state, transaction, ensures ? node : top, (struct model_observed){.absence = true});
	}
	observe(state, transaction, there, found);
	if (is_question(verb) || (verb == STAGE_SET_PERMISSIONS && there == node))
		show(transaction, there);
}

static void mark_changed(struct model_transaction *transaction, int node)
{
	for (int i = 0; i < transaction->n_changed; i++) {
		if (transaction->changed[i] == node)
			return;
	}
	transaction->changed[transaction->n_changed++] = node;
}

static void overlay_creation(struct model_transaction *transaction, const struct model_tree *after, int node, int below)
{
	if (model_parent(node) != below)
		overlay_creation(transaction, after, model_parent(node), below);
	struct model_overlay *here = &transaction->overlay[node];
	here->present = true;
	here->node = after->nodes[node];
	here->order = here->list_serial = ++transaction->serial;
	transaction->overlay[model_parent(node)].list_serial = transaction->serial;
}

static void overlay_removal(struct model_transaction *transaction, int top)
{
	struct model_overlay *here = &transaction->overlay[top];

	if (here->present && here->ensured && !is_hidden(transaction, top))
		here->insisted = true;
	for (int node = top; node < MODEL_NODES; node++) {
		if (is_below_or_equal(node, top))
			transaction->overlay[node].present = transaction->overlay[node].has_value =
			    transaction->overlay[node].has_permissions = false;
	}
	here->cleared = true;
	transaction->overlay[model_parent(top)].list_serial = ++transaction->serial;
}

/* The overlay after a step that has succeeded. `there`: the nearest that was there before it. */
static void overlay_step(struct model_transaction *transaction, const struct model_tree *after, const struct stage_step *step,
			 int node, int there)
{
	struct model_overlay *here = &transaction->overlay[node];

	if (is_question(step->verb) || (there == node && step->verb == STAGE_MKDIR) || (there != node && !creates(step->verb)))
		return;
	mark_changed(transaction, node);
	if (step->verb == STAGE_REMOVE) {
		overlay_removal(transaction, node);
	} else if (there != node) {
		overlay_creation(transaction, after, node, there);
		for (int made = model_parent(node); made != there; made = model_parent(made)) {
			if (!is_hidden(transaction, made))
				transaction->overlay[made].ensured = true;
		}
	} else if (step->verb == STAGE_WRITE) {
		here->has_value = true;
		here->node.value = after->nodes[node].value;
	} else {
		here->has_permissions = true;
		here->node.permissions = after->nodes[node].permissions;
	}
}

/* What the caller may still create in the transaction: what counts is what it owns now. */
static int budget_of(const struct model *model, const struct model_transaction *transaction, const struct caller *caller)
{
	int created = 0, removed = 0, owned = (int)model_owned(&model->now, caller->domid);

	for (int node = 0; node < MODEL_NODES; node++) {
		created += transaction->overlay[node].present;
		removed += is_hidden(transaction, node) && model->now.nodes[node].exists &&
			   model->now.nodes[node].permissions.entries[0].domid == caller->domid;
	}
	int as_much_as_before = removed - created, up_to_the_limit = (int)model->limit - owned - created + removed;
	return as_much_as_before > up_to_the_limit ? as_much_as_before : up_to_the_limit;
}

static bool still_holds(const struct model_observed *observed, const struct model_node *is)
{
	const struct model_node *seen = &observed->seen;

	if (observed->absence && is->exists)
		return false;
	if (!observed->existence)
		return true;
	return is->exists && !observed->absence && is->created == seen->created &&
	       (!observed->value || is->value_changed == seen->value_changed) &&
	       (!observed->permissions || is->permissions_changed == seen->permissions_changed) &&
	       (!observed->list || is->list_changed == seen->list_changed);
}

static bool all_holds(const struct model *model, const struct model_transaction *transaction, const struct caller *caller)
{
	for (int node = 0; node < MODEL_NODES; node++) {
		const struct model_overlay *here = &transaction->overlay[node];
		const struct model_node *is = &model->now.nodes[node];
		if (!still_holds(&transaction->observed[node], is))
			return false;
		if (here->ensured && is->exists && (here->insisted || !(rights(caller, is) & MAY_WRITE)))
			return false;
	}
	return true;
}

static void run_in_transaction(struct model *model, int client, const struct stage_step *step, int node)
{
	struct model_transaction *transaction = &model->transactions[client];
	const struct model_tree *state = state_read(model, transaction);
	const struct caller *caller = &model->callers[client];
	struct model_overlay *here = &transaction->overlay[node];
	struct model_tree view; /* `removed` is of no interest */
	char alone[MODEL_TEXT];

	if (transaction->lost || !put_together(transaction, state, &view)) {
		transaction->lost = true;
		strcpy(model->answer, "?");
		return;
	}
	int budget = step->verb == STAGE_WRITE || step->verb == STAGE_MKDIR ? budget_of(model, transaction, caller) : 0;
	/* The list of what was made here has only what was made here. */
	for (int i = 1; i <= MODEL_NAMES && here->present && step->verb == STAGE_LIST; i++) {
		int child = MODEL_NAMES * node + i;
		if (child < MODEL_NODES && !transaction->overlay[child].present)
			view.nodes[child].exists = false;
	}
	int there = nearest(&view, node);
	observe_step(state, transaction, &view, caller, step->verb, node);
	plain(model, &view, caller, step, node, budget, model->answer);
	if (!transaction->doomed && strcmp(model->answer, "ENOSPC")) {
		plain(model, &transaction->alone, caller, step, node, INT_MAX, alone);
		if (strcmp(alone, model->answer) && all_holds(model, transaction, caller))
			snprintf(model->complaint, sizeof(model->complaint),
				 "alone on the snapshot the answer is %.1000s, not %.1000s", alone, model->answer);
	}
	if (!strcmp(model->answer, "OK"))
		overlay_step(transaction, &view, step, node, there);
	bool own = here->present || is_hidden(transaction, node);
	model->list_key = (uint64_t)here->list_serial << 32 | (own ? 0 : state->nodes[node].list_changed);
	struct model_done *done = &transaction->done[transaction->n_done++];
	done->step = *step;
	done->node = node;
	snprintf(done->answer, sizeof(done->answer), "%.1023s", model->answer);
}

static void start(struct model *model, struct model_transaction *transaction)
{
	memset(transaction, 0, offsetof(struct model_transaction, done));
	transaction->open = true;
	transaction->start = model->time;
	transaction->snapshot = transaction->alone = model->now;
}

/* ---- the end ---- */

/* Its steps once more, one after the other, on a tree of this moment. False: an answer is another one. */
static bool replay(struct model *model, const struct model_transaction *transaction, const struct caller *caller,
		   struct model_tree *tree)
{
	char answer[MODEL_TEXT], words[STAGE_TEXT];

	for (int i = 0; i < transaction->n_done; i++) {
		const struct model_done *done = &transaction->done[i];
		if (!strcmp(done->answer, "ENOSPC"))
			continue;
		plain(model, tree, caller, &done->step, done->node, INT_MAX, answer);
		if (!strcmp(answer, done->answer))
			continue;
		stage_words(&done->step, words);
		snprintf(model->complaint, sizeof(model->complaint),
			 "not serialisable: \"%.1000s\" was answered %.1000s and would be %.1000s", words, done->answer, answer);
		return false;
	}
	return true;
}

static bool is_same(const struct model_node *a, const struct model_node *b)
{
	return a->exists == b->exists && (!a->exists || a->created == b->created);
}

/*
 * A list has changed only if something came or went that was not, or will not be, in it. The same for removals. True: there is
 * any change.
 */
static bool settle(const struct model_tree *before, struct model_tree *after)
{
	bool changed = false;

	for (int node = 0; node < MODEL_NODES; node++) {
		const struct model_node *was = &before->nodes[node], *is = &after->nodes[node];
		bool same_list = is_same(was, is) && was->exists;
		for (int child = MODEL_NAMES * node + 1; child <= MODEL_NAMES * node + MODEL_NAMES && child < MODEL_NODES;
		     child++)
			same_list = same_list && is_same(&before->nodes[child], &after->nodes[child]);
		if (same_list)
			after->nodes[node].list_changed = was->list_changed;
		if (!was->exists || is_same(was, is))
			after->removed[node] = before->removed[node];
		changed = changed || !is_same(was, is) ||
			  (is->exists &&
			   (was->value_changed != is->value_changed || was->permissions_changed != is->permissions_changed));
	}
	return changed;
}

static void say_events(struct model *model, const struct model_transaction *transaction, const struct model_tree *before,
		       const struct model_tree *after)
{
	char *to = model->events;

	for (int i = 0; i < transaction->n_changed; i++) {
		int node = transaction->changed[i];
		bool was_top = transaction->overlay[node].cleared && !is_hidden(transaction, model_parent(node));
		if (after->nodes[node].exists || (was_top && before->nodes[node].exists))
			to += sprintf(to, "%s%s", to > model->events ? " " : "", model->paths[node]);
	}
}

static const char *end(struct model *model, int client)
{
	struct model_transaction *transaction = &model->transactions[client];
	const struct caller *caller = &model->callers[client];
	struct model_tree after;

	if (!transaction->n_changed) {
		model->figures.empty++;
		return transaction->doomed ? "EAGAIN" : "OK";
	}
	bool holds = all_holds(model, transaction, caller);
	if (holds && transaction->lost && !transaction->doomed)
		strcpy(model->complaint, "what it saw is gone, and it observed nothing of that");
	model->figures.conflicts += !holds;
	model->figures.doomed += holds && transaction->doomed;
	if (!holds || transaction->doomed)
		return "EAGAIN";
	after = model->now;
	if (!replay(model, transaction, caller, &after))
		return "?";
	uint32_t owned = model_owned(&after, caller->domid);
	if (!caller->privileged && owned > model->limit && owned > model_owned(&model->now, caller->domid)) {
		model->figures.over_quota++;
		return "ENOSPC";
	}
	for (int node = 0; node < MODEL_NODES; node++)
		model->figures.kept_parents += transaction->overlay[node].present && transaction->overlay[node].ensured &&
					       model->now.nodes[node].exists && !is_hidden(transaction, node);
	bool changed = settle(&model->now, &after);
	say_events(model, transaction, &model->now, &after);
	model->dirty = model->dirty || changed;
	model->now = after;
	model->figures.committed++;
	return "OK";
}

/* ---- turns ---- */

static void commit(struct model *model)
{
	model->committed = model->now;
	model->dirty = false;
	for (int i = 0; i < MODEL_CLIENTS; i++)
		model->transactions[i].ended = false;
}

static void abort_turn(struct model *model)
{
	model->now = model->committed;
	model->figures.aborted_turns += model->dirty;
	model->dirty = false;
	for (int i = 0; i < MODEL_CLIENTS; i++) {
		model->transactions[i].open = model->transactions[i].open || model->transactions[i].ended;
		model->transactions[i].ended = false;
	}
}

static void run_alone(struct model *model, int client, const struct stage_step *step, int node)
{
	const struct caller *caller = &model->callers[client];
	int budget = (int)model->limit - (int)model_owned(&model->now, caller->domid);
	bool was_there = model->now.nodes[node].exists;

	plain(model, &model->now, caller, step, node, budget, model->answer);
	model->list_key = model->now.nodes[node].list_changed;
	bool is_there = model->now.nodes[node].exists;
	bool changed = step->verb == STAGE_MKDIR || step->verb == STAGE_REMOVE ? was_there != is_there : is_there;
	if (is_question(step->verb) || strcmp(model->answer, "OK") || !changed)
		return;
	strcpy(model->events, model->paths[node]);
	model->dirty = true;
}

static const char *end_or_forget(struct model *model, int client, bool commit_it)
{
	struct model_transaction *transaction = &model->transactions[client];

	if (!transaction->open)
		return "ENOENT";
	const char *word = commit_it ? end(model, client) : "OK";
	transaction->open = false;
	transaction->ended = model->dirty;
	return word;
}

static void run_of_client(struct model *model, const struct stage_step *step, int node)
{
	int client = model_client(step->client);
	struct model_transaction *transaction = &model->transactions[client];

	if (step->verb == STAGE_RELEASE) {
		model_release(model, model->callers[client].domid);
		return;
	}
	if (step->verb == STAGE_START || (transaction->open && step->path))
		commit(model);
	if (step->verb == STAGE_START && transaction->open) {
		strcpy(model->answer, "EBUSY");
	} else if (step->verb == STAGE_START) {
		start(model, transaction);
		strcpy(model->answer, "OK");
	} else if (step->verb == STAGE_END || step->verb == STAGE_FORGET) {
		strcpy(model->answer, end_or_forget(model, client, step->verb == STAGE_END));
	} else if (transaction->open) {
		run_in_transaction(model, client, step, node);
	} else {
		run_alone(model, client, step, node);
	}
}

void model_run(struct model *model, const struct stage_step *step, int node)
{
	strcpy(model->answer, "OK");
	model->events[0] = model->complaint[0] = 0;
	if (step->verb == STAGE_COMMIT)
		commit(model);
	else if (step->verb == STAGE_ABORT)
		abort_turn(model);
	else if (step->verb != STAGE_DROP)
		run_of_client(model, step, node);
	for (int i = 0; i < MODEL_CLIENTS && step->verb == STAGE_DROP; i++)
		model->transactions[i].validated = true;
}
