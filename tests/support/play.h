/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "support/fault.h"

/*
 * Scenarios played with and without faults. What a client may see of a fault is an error for one of its requests, and then that
 * request has done nothing. So a play with faults must tell the same story as one without in which just the requests that
 * failed for them are left out: the same replies and events for each client, the same tree, accounts, watches and open
 * transactions, the same answers to what is asked afterwards.
 */
enum { PLAY_CLIENTS = 3, PLAY_PRIVILEGED = 0, PLAY_OTHER = 1, PLAY_GUEST = 2 }; /* two of domain 0, one of domain WORLD_GUEST */

struct play_step {
	int client;
	uint32_t type; /* MESSAGE_*, or one of the kinds below */
	uint32_t transaction;
	const char *payload; /* '|' stands for NUL; a last NUL is added, but for WRITE */
};

enum {
	PLAY_END = 1000,     /* behind the last step */
	PLAY_COMMIT,	     /* the turn ends here; it does so by itself only after the last step */
	PLAY_DROP_SNAPSHOTS, /* open transactions go on in validated mode */
	PLAY_DIES	     /* the domain whose number is `transaction`; only as the last step */
};

/* In a play with a Xen these two are there besides, not introduced. */
enum { PLAY_DOMAIN = 5, PLAY_OTHER_DOMAIN = 6 };

/* At most 64 requests each. None of `steps` may fail by itself with ENOSPC, EIO or ENOMEM. */
struct play_scenario {
	const char *name;
	const struct play_step *before; /* each with its own commit; what clients got of it is forgotten */
	const struct play_step *steps;	/* faults are for these */
	const struct play_step *after;	/* asked then, without faults */
	bool with_xen;
	bool may_conflict; /* without memory for what was removed when, TRANSACTION_END may be answered EAGAIN */
};

struct play_result {
	char *story;	  /* owned */
	uint64_t skipped; /* bit i: steps[i] was answered so, or EAGAIN where that may be */
	size_t calls;	  /* that the plan counted */
	size_t failed;	  /* of these */
};

/* Plays with faults, checks what can be checked without comparing. result->story: freed by the caller. */
void play_with_faults(const struct play_scenario *scenario, const struct fault_plan *plan, struct play_result *result);

/* The story without faults and without the steps of `skipped`; of a skipped TRANSACTION_END the transaction is discarded. */
const char *play_without(const struct play_scenario *scenario, uint64_t skipped);

/* Frees what play_without keeps for its next callers. */
void play_forget(void);
