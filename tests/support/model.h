/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "support/stage.h"

/*
 * What the store must answer, worked out from doc/transactions.md alone, in the plainest way: trees are arrays that are copied.
 * It knows nothing of src/store but the names of its steps (struct stage_step).
 *
 * There are MODEL_NODES paths, made of three names; children of node n are 3n+1 to 3n+3, the root is 0.
 * Besides these the root has a child "tool", the first.
 */
enum {
	MODEL_NAMES = 3,
	MODEL_DEPTH = 4,
	MODEL_NODES = 1 + 3 + 9 + 27 + 81,
	MODEL_PERMISSIONS = 3, /* entries of one node */
	MODEL_VALUE = 4,       /* bytes of a value and its NUL */
	MODEL_STEPS = 64,      /* in one transaction */
	MODEL_ANSWER = 1024,
	MODEL_CLIENTS = 5, /* 'A' and 'B', guests '1' and '2', and '3', which may do what guest 1 may */
	MODEL_TEXT = STAGE_TEXT
};

struct model_permissions {
	uint8_t n;
	struct permission entries[MODEL_PERMISSIONS];
};

struct model_value {
	char text[MODEL_VALUE];
};

/* Every change has a time of its own. */
struct model_node {
	bool exists;
	struct model_value value;
	struct model_permissions permissions;
	uint32_t created, value_changed, permissions_changed, list_changed;
};

struct model_tree {
	struct model_node nodes[MODEL_NODES];
	uint32_t removed[MODEL_NODES]; /* when a subtree was last removed that began here */
};

/* What a transaction has made of a node. */
struct model_overlay {
	bool present;  /* made here */
	bool ensured;  /* made as a parent of something deeper */
	bool insisted; /* that it is its own was shown since */
	bool cleared;  /* what was here and below is removed */
	bool has_value, has_permissions;
	uint32_t order;	      /* of making, if present */
	uint32_t list_serial; /* when its list was last changed here; 0: never */
	struct model_node node;
};

struct model_observed {
	bool existence, value, permissions, list, absence;
	struct model_node seen;
};

struct model_done {
	struct stage_step step;
	int node;
	char answer[MODEL_ANSWER];
};

struct model_transaction {
	bool open, ended;
	bool validated, doomed;
	bool lost; /* the state read has lost a parent of what was made here */
	uint32_t start;
	struct model_tree snapshot;
	struct model_tree alone; /* what running it alone from the snapshot has made of that */
	struct model_overlay overlay[MODEL_NODES];
	struct model_observed observed[MODEL_NODES];
	int changed[MODEL_NODES]; /* in the order of the first change */
	int n_changed;
	uint32_t serial;
	int n_done;
	struct model_done done[MODEL_STEPS]; /* the last member */
};

/* What came of ends, to know what a run has tried. */
struct model_figures {
	uint64_t committed, empty, conflicts, doomed, over_quota, kept_parents, aborted_turns;
};

struct model {
	char paths[MODEL_NODES][STAGE_TEXT / 2];
	const char *names[MODEL_NAMES];
	uint32_t limit; /* nodes that a guest may own */
	uint32_t time;
	struct model_tree now, committed;
	bool dirty; /* the turn has changed something */
	struct caller callers[MODEL_CLIENTS];
	struct model_transaction transactions[MODEL_CLIENTS];
	struct model_figures figures;

	char answer[MODEL_TEXT];    /* expected of the last step */
	char events[STAGE_EVENTS];  /* it would cause */
	uint64_t list_key;	    /* of the last list: the same if and only if the generation must be */
	char complaint[MODEL_TEXT]; /* the rules contradict themselves: they are not serialisable */
};

/* `names` stay the caller's. */
void model_init(struct model *model, const char *const names[MODEL_NAMES]);

/* All transactions forgotten, only the root there. */
void model_clear(struct model *model);

int model_client(char name); /* its number */

/* Does a step on the path of `node` (where the step has one); model->answer and what follows it are what must come of it. */
void model_run(struct model *model, const struct stage_step *step, int node);

/* The number of the parent; of the root -1. */
int model_parent(int node);

/* Takes a node and all below it out of the tree. */
void model_remove(struct model *model, struct model_tree *tree, int top);

/* The tree without a domain (model_release.c). */
void model_release(struct model *model, uint16_t domid);

/* Nodes that a domain owns now. */
uint32_t model_owned(const struct model_tree *tree, uint16_t domid);

/* Names of the children in their order, "(none)". */
void model_list(const struct model *model, const struct model_tree *tree, int node, char out[MODEL_TEXT]);
