/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/log.h"
#include "store/changes.h"
#include "store/store.h"
#include "store/transaction.h"
#include "store/tree.h"
#include "wire/permissions.h"

/*
 * A store on which clients act, one step after the other: operations on the tree, in a transaction or without, as requests
 * would use them, but without requests. Clients are called by one character: 'A' to 'D' are privileged, '1' to '4' speak for
 * the guest of this number. Each has at most one transaction open, and while it has one, all it does is done in it.
 *
 * Turns end as in src/request/turn.c: what a transaction is asked, other than its end, comes after a commit.
 */
enum stage_verb {
	STAGE_START,	   /* a transaction */
	STAGE_END,	   /* it, with success */
	STAGE_FORGET,	   /* it */
	STAGE_READ,	   /* answers the value, or "(empty)" */
	STAGE_LIST,	   /* answers the names, in their order, or "(none)" */
	STAGE_PERMISSIONS, /* answers "n0,r1" */
	STAGE_WRITE,
	STAGE_MKDIR,
	STAGE_REMOVE,
	STAGE_SET_PERMISSIONS,
	STAGE_RELEASE, /* the guest is no more; not done by it, and in no transaction */
	/* Of nobody: */
	STAGE_COMMIT, /* the turn ends */
	STAGE_ABORT,  /* the turn fails: all that was done since the last commit is undone */
	STAGE_DROP,   /* the open transactions lose their snapshots */
	STAGE_VERBS
};

struct stage_step {
	char client; /* 0: nobody */
	enum stage_verb verb;
	const char *path;
	const char *argument; /* value, or permissions as "n0,r1" */
};

enum { STAGE_CLIENTS = 8, STAGE_TEXT = 4096, STAGE_EVENTS = 16 * STAGE_TEXT, STAGE_PERMISSIONS_MAX = 8, STAGE_WATCHED = 8 };

struct stage_client {
	struct caller caller;
	struct transaction *transaction;
	struct transaction *ended; /* in the turn that is not committed yet */
	uint64_t list_generation;  /* of the last list it was answered */
};

struct stage {
	struct log log; /* errors only */
	struct store *store;
	struct tree_limits limits;
	struct arena arena;
	struct stage_client clients[STAGE_CLIENTS];
	char watched_paths[STAGE_WATCHED][64];
	size_t n_watched;
	struct watched_paths watched;
	bool together;		   /* steps share a turn until STAGE_COMMIT; else each is committed */
	char answer[STAGE_TEXT];   /* of the last step: a status, "OK", or what was asked for */
	char events[STAGE_EVENTS]; /* it would cause: paths; of an event for watches on this very path only, with '=' before it */
};

/* Fails the running test if there is a fault. `size_limit`: of the store's file; 0: 64 MiB. */
void stage_open(struct stage *stage, size_t size_limit);
void stage_close(struct stage *stage);

/* Forgets all transactions, and makes the tree what it was at the beginning; limits stay. */
void stage_clear(struct stage *stage);

/* The first STAGE_WATCHED of these are looked up as watched when a subtree goes. */
void stage_watch(struct stage *stage, const char *path);

struct stage_client *stage_client(struct stage *stage, char name);

/* Runs a step; the answer is in stage->answer, and returned. "FAULT": it was none that a client may see. */
const char *stage_run(struct stage *stage, const struct stage_step *step);

/* The same with a step in words, "A write /a 1", "2 start", "drop"; see stage_words. */
const char *stage_say(struct stage *stage, const char *words);

/* A step in words. */
void stage_words(const struct stage_step *step, char out[STAGE_TEXT]);

/* check_records of the committed state: "" or the first problem. Valid until the next call. */
const char *stage_problem(struct stage *stage);

/* "n0,r1" to entries; their number, 0 if it is wrong. */
size_t stage_parse_permissions(const char *text, struct permission out[STAGE_PERMISSIONS_MAX]);
