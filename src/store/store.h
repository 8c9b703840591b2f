/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"
#include "base/log.h"
#include "base/status.h"
#include "lxenstored/store_format.h"
#include "store/room.h"

struct MDB_env;
struct MDB_txn;
struct listing;
struct snapshot;
struct transaction;
struct tombstones;
struct recent;

/*
 * The store: one LMDB environment, at most one write transaction (the turn's), one reader of the newest committed state, and
 * the readers that client transactions share. Opened once per process; not usable across fork.
 */
struct store_options {
	const char *path;
	size_t size_limit;   /* bytes the file may grow to */
	bool map;	     /* MDB_WRITEMAP: cheaper commits, but a stray pointer of ours can damage the file */
	bool sync;	     /* real syncs at each commit: for a store on a disk, where a host crash tears pages */
	const char *boot_id; /* of the running host */
	bool was_sound;	     /* a daemon has opened it soundly in this boot, and nobody else was there since */
	struct log *log;

	/*
	 * Called before a damaged store is replaced by what can be used of it: numbers of commits begin anew then, so what
	 * depends on the old ones (`id`: of the store, `commit`: its last one) has to be settled. 0, or -errno: it is not
	 * replaced. NULL: a damaged store is refused.
	 */
	int (*before_repair)(void *context, const unsigned char id[STORE_ID_SIZE], uint64_t commit);
	void *context;
};

enum { STORE_LISTINGS = 8, STORE_RECORD_MAX = 16384 };

struct store {
	struct MDB_env *env;
	unsigned int dbi;
	struct log *log;
	struct store_meta meta;
	struct room room;

	struct MDB_txn *write; /* of the turn; NULL while nothing was changed */
	struct MDB_txn *read;  /* newest committed state */
	bool read_renewed;     /* `read` is usable; else it must be renewed first */
	bool dirty;	       /* `write` holds a change */
	int fault;	       /* sticky: first fault of `write`; it can only be aborted then */

	uint64_t generation;	      /* last one given out */
	uint64_t generation_ended;    /* last one when the last turn ended */
	uint64_t generation_changed;  /* last one of a committed change, as far as is known; else of those that may be */
	uint64_t generation_reserved; /* up to here the committed store says they may have been given out */
	uint64_t generation_promised; /* the same with the turn's changes */
	uint64_t commits;	      /* of this process */
	uint64_t record_pages;	      /* that the committed records take */
	uint64_t *most_owned;	      /* by domid: the most nodes that it has owned, as far as this process knows */

	struct listing *listings[STORE_LISTINGS]; /* most recently used first */
	struct snapshot *snapshots;		  /* oldest first */
	struct snapshot *spare_snapshots;	  /* their readers are reset */
	size_t n_snapshots;
	struct transaction *transactions; /* open ones, oldest first */
	struct tombstones *tombstones;
	struct recent *recent;

	unsigned char scratch[STORE_RECORD_MAX]; /* a record being put together */
};

/*
 * Opens the store, or makes it with its first nodes ("/", "/tool", "/tool/xenstored" and the specials). A store of another
 * boot is renamed to "<path>.<its boot id>" and a fresh one made; a damaged one is repaired if it can be (repair.h). Faults, each
 * logged with what to do, nothing overwritten: -EPROTO: the format is newer, or it is no store at all; -EIO: damaged; else
 * -errno. *out: closed by store_close.
 */
int store_open(const struct store_options *options, struct store **out);
void store_close(struct store *store); /* accepts NULL; uncommitted changes are lost */

/* The transaction that reads see: the turn's if it has one, else the newest committed state. NULL: fault, logged. */
struct MDB_txn *store_view(struct store *store);

/* The turn's write transaction, begun if need be. NULL: fault, in store->fault. */
struct MDB_txn *store_writable(struct store *store);

/* Notes a fault of the write transaction, an LMDB or errno value; returns it as -errno. The first one stays. */
int store_failed(struct store *store, int code);

/* Tag of what this turn does: 0 while it has changed nothing, else the id its commit will have (recovery.md). */
uint64_t store_tag(const struct store *store);

/* Id of the last transaction that was committed. */
uint64_t store_last_commit(const struct store *store);

/*
 * The generation of the last change of a node, this turn's included. After a start it is not known, and not too low, until
 * somebody who does sets store->generation_changed.
 */
uint64_t store_last_change(const struct store *store);

/* Ends the turn's changes. Commit: 0, or the fault (nothing of the turn is in the store then). Both leave no write transaction.
 */
int store_commit(struct store *store);
void store_abort(struct store *store);

/*
 * Writes that the store has this format from now on; in a commit of its own, not while the turn has uncommitted changes. A
 * daemon that takes over a store of an older format leaves it so until it has proved itself (doc/live-update.md).
 */
int store_set_version(struct store *store, uint32_t version);

/*
 * Creates those of the nodes "@introduceDomain" and "@releaseDomain" that the store has not, as a fresh store has them. To be
 * committed. 0 or a fault.
 */
int store_create_missing_specials(struct store *store);

/* The next generation number, for one changed node. */
uint64_t store_next_generation(struct store *store);

/* A failed write transaction asked for room: makes some, see room.h. 0: worth another try. */
int store_make_room(struct store *store);

struct store_figures {
	uint64_t records;    /* all kinds */
	uint64_t file_size;  /* bytes with blocks behind them */
	uint64_t pages_used; /* up to the last page */
	uint64_t page_size;
	uint64_t snapshots; /* that transactions read */
	uint64_t readers;   /* slots of LMDB's reader table in use, other processes' too */
};
int store_figures(struct store *store, struct store_figures *out);
