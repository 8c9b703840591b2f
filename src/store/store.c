/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The LMDB environment and the turn's transaction. Reads of a turn that has changed nothing go through one reader of the
 * newest committed state, renewed after each commit; the first change begins the write transaction, which all later reads
 * and changes of the turn use and which ends with it. A fault of the write transaction is sticky: everything that follows
 * does nothing, and the turn finds it at its end.
 *
 * Before the environment is opened, a child process walks the whole file: LMDB trusts its pages, so on a damaged file it
 * may die; then the child dies, and the daemon says so instead. A daemon that goes on in place of one that has just died does
 * not walk, since that had read the file soundly.
 */
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/check.h"
#include "store/listing.h"
#include "store/node.h"
#include "store/recent.h"
#include "store/repair.h"
#include "store/snapshot.h"
#include "store/tombstone.h"

enum {
	READERS_MAX = SNAPSHOTS_MAX + 128,
	GENERATIONS_AHEAD = 1 << 20,
	ASIDE_TRIES = 1000,
	LOCK_SLOT_SIZE = 64,
	FREE_LIST = 0 /* LMDB's handle of it */
};

/* LMDB's codes and errno's as -errno. */
static int fault_of(int code)
{
	switch (code) {
	case MDB_MAP_FULL:
	case MDB_TXN_FULL:
	case EFBIG: /* a limit of the process */
		return -ENOSPC;
	case 0:
		return 0;
	default:
		return code > 0 ? -code : -EIO;
	}
}

int store_failed(struct store *store, int code)
{
	int fault = fault_of(code);

	if (!store->fault) {
		store->fault = fault;
		if (fault != -ENOSPC)
			log_error(store->log, "store: %s", mdb_strerror(code));
	}
	return fault;
}

struct MDB_txn *store_view(struct store *store)
{
	if (store->write)
		return store->write;
	if (!store->read_renewed) {
		int code = store->read ? mdb_txn_renew(store->read) : mdb_txn_begin(store->env, NULL, MDB_RDONLY, &store->read);
		if (code) {
			log_error(store->log, "store: cannot read: %s", mdb_strerror(code));
			return NULL;
		}
		store->read_renewed = true;
	}
	return store->read;
}

/* The reader must not keep pages from being used again while the write transaction looks for some. */
static void release_reader(struct store *store)
{
	if (store->read_renewed)
		mdb_txn_reset(store->read);
	store->read_renewed = false;
}

struct MDB_txn *store_writable(struct store *store)
{
	if (store->fault)
		return NULL;
	if (!store->write) {
		release_reader(store);
		int code = mdb_txn_begin(store->env, NULL, 0, &store->write);
		if (code) {
			store->write = NULL;
			store_failed(store, code);
			return NULL;
		}
	}
	store->dirty = true;
	return store->write;
}

uint64_t store_tag(const struct store *store)
{
	return store->dirty && store->write ? mdb_txn_id(store->write) : 0;
}

void store_abort(struct store *store)
{
	if (store->write)
		mdb_txn_abort(store->write);
	store->write = NULL;
	store->dirty = false;
	store->fault = 0;
	store->generation_promised = store->generation_reserved;
	recent_forget_all(store->recent);
	if (store->tombstones)
		tombstones_undo(store->tombstones, store->generation_ended);
	store->generation_ended = store->generation;
}

/* *out: pages of the records. MDB_MAP_FULL: more than before, and more than there may be. */
static int count_pages(struct store *store, struct MDB_txn *txn, uint64_t *out)
{
	MDB_stat records, list;
	int code = mdb_stat(txn, store->dbi, &records);

	if (code)
		return code;
	*out = records.ms_branch_pages + records.ms_leaf_pages + records.ms_overflow_pages;
	if (*out <= store->record_pages)
		return 0;
	code = mdb_stat(txn, FREE_LIST, &list);
	if (code)
		return code;
	uint64_t all = *out + list.ms_branch_pages + list.ms_leaf_pages + list.ms_overflow_pages;
	return all > room_for_records(&store->room) ? MDB_MAP_FULL : 0;
}

uint64_t store_last_commit(const struct store *store)
{
	MDB_envinfo info;

	return mdb_env_info(store->env, &info) ? 0 : info.me_last_txnid;
}

uint64_t store_last_change(const struct store *store)
{
	return store->generation > store->generation_ended ? store->generation : store->generation_changed;
}

int store_commit(struct store *store)
{
	int fault = store->fault;

	if (fault || !store->dirty) {
		store_abort(store);
		return fault;
	}
	uint64_t record_pages;
	int code = count_pages(store, store->write, &record_pages);
	if (!code) {
		code = mdb_txn_commit(store->write);
		store->write = NULL;
	}
	if (code) {
		fault = store_failed(store, code);
		store_abort(store);
		return fault;
	}
	store->dirty = false;
	store->generation_reserved = store->generation_promised;
	store->generation_changed = store_last_change(store);
	store->generation_ended = store->generation;
	store->record_pages = record_pages;
	store->commits++;
	snapshots_expire(store);
	return 0;
}

uint64_t store_next_generation(struct store *store)
{
	if (++store->generation > store->generation_promised) {
		uint64_t promised = store->generation + GENERATIONS_AHEAD;
		char name = STORE_KEY_GENERATION;
		MDB_val key = {1, &name}, record = {sizeof(promised), &promised};
		struct MDB_txn *txn = store_writable(store);
		int code = txn ? mdb_put(txn, store->dbi, &key, &record, 0) : 0;

		if (code)
			store_failed(store, code);
		store->generation_promised = promised;
	}
	return store->generation;
}

int store_make_room(struct store *store)
{
	int dead = 0;

	release_reader(store);
	/* A tool that was killed while it read keeps its slot, and with it pages, until somebody looks. */
	if (!mdb_reader_check(store->env, &dead) && dead)
		return 0;
	int error = room_grow(&store->room, store->env);
	if (!error || !store->snapshots)
		return error;
	snapshots_drop_all(store);
	return 0;
}

/* ---- opening ---- */

static const struct first_node {
	const char *path;
	struct permission permissions[2];
	size_t n;
} first_nodes[] = {
    {"/", {{DOMID_PRIVILEGED, PERMISSION_NONE, 0}}, 1},
    {"/tool", {{DOMID_PRIVILEGED, PERMISSION_NONE, 0}}, 1},
    {"/tool/xenstored", {{DOMID_PRIVILEGED, PERMISSION_NONE, 0}}, 1},
    {"@introduceDomain", {{DOMID_PRIVILEGED, PERMISSION_NONE, 0}}, 1},
    {"@releaseDomain", {{DOMID_PRIVILEGED, PERMISSION_NONE, 0}, {DOMID_ANY_NUMBER, PERMISSION_READ, 0}}, 2},
};

enum { FIRST_NODES = sizeof(first_nodes) / sizeof(first_nodes[0]) };

static int create_first_node(struct store *store, const struct first_node *first)
{
	const struct path path = {first->path, strlen(first->path)};

	return node_create(store, &path, first->permissions, first->n, "", 0);
}

static int create_first_nodes(struct store *store)
{
	int error = 0;

	for (size_t i = 0; i < FIRST_NODES && !error; i++)
		error = create_first_node(store, &first_nodes[i]);
	return error;
}

int store_create_missing_specials(struct store *store)
{
	int result = 0;

	for (size_t i = 0; i < FIRST_NODES && !result; i++) {
		const struct path path = {first_nodes[i].path, strlen(first_nodes[i].path)};
		struct node node;
		if (!path_is_special(&path))
			continue;
		result = node_get(store, store_view(store), &path, &node);
		if (result == STATUS_ENOENT)
			result = create_first_node(store, &first_nodes[i]);
	}
	return result;
}

static int begin_fresh(struct store *store, const char *boot_id)
{
	char name = STORE_KEY_META;
	MDB_val key = {1, &name}, record = {sizeof(store->meta), &store->meta};
	struct MDB_txn *txn = store_writable(store);

	if (!txn)
		return store->fault;
	store->meta = (struct store_meta){.magic = STORE_MAGIC, .version = STORE_VERSION};
	hash_key_random(store->meta.id);
	hash_key_random(store->meta.hash_key);
	snprintf(store->meta.boot_id, sizeof(store->meta.boot_id), "%s", boot_id);
	int code = mdb_put(txn, store->dbi, &key, &record, 0);
	if (code)
		store_failed(store, code);
	create_first_nodes(store);
	return store_commit(store);
}

static int load(struct store *store, const char *boot_id)
{
	char meta_name = STORE_KEY_META, generation_name = STORE_KEY_GENERATION;
	MDB_val meta_key = {1, &meta_name}, generation_key = {1, &generation_name}, record;
	struct MDB_txn *txn = store_view(store);

	if (!txn)
		return -EIO;
	int code = mdb_get(txn, store->dbi, &meta_key, &record);
	if (code == MDB_NOTFOUND)
		return begin_fresh(store, boot_id);
	if (code || record.mv_size != sizeof(store->meta))
		return -EIO;
	memcpy(&store->meta, record.mv_data, sizeof(store->meta));
	code = mdb_get(txn, store->dbi, &generation_key, &record);
	if (code || record.mv_size != sizeof(store->generation))
		return -EIO;
	memcpy(&store->generation, record.mv_data, sizeof(store->generation));
	store->generation_reserved = store->generation_promised = store->generation;
	store->generation_ended = store->generation_changed = store->generation;
	count_pages(store, txn, &store->record_pages);
	return 0;
}

int store_set_version(struct store *store, uint32_t version)
{
	char name = STORE_KEY_META;
	struct store_meta meta = store->meta;
	MDB_val key = {1, &name}, record = {sizeof(meta), &meta};
	struct MDB_txn *txn = store_writable(store);

	if (!txn)
		return store->fault;
	meta.version = version;
	int code = mdb_put(txn, store->dbi, &key, &record, 0);
	if (code)
		store_failed(store, code);
	int fault = store_commit(store);
	if (!fault)
		store->meta.version = version;
	return fault;
}

static int open_environment(struct store *store, const struct store_options *options)
{
	unsigned int flags = MDB_NOSUBDIR | MDB_NOTLS | (options->map ? MDB_WRITEMAP : 0) | (options->sync ? 0 : MDB_NOSYNC);
	struct MDB_txn *txn;
	int fd;
	int code = mdb_env_create(&store->env);

	if (!code)
		code = mdb_env_set_maxreaders(store->env, READERS_MAX);
	if (!code)
		code = mdb_env_set_mapsize(store->env, room_to_open(options->path, options->size_limit));
	if (!code)
		code = mdb_env_open(store->env, options->path, flags, 0600);
	if (!code)
		code = mdb_txn_begin(store->env, NULL, MDB_RDONLY, &txn);
	if (!code) {
		code = mdb_dbi_open(txn, NULL, 0, &store->dbi);
		mdb_txn_abort(txn);
	}
	if (!code)
		code = mdb_env_get_fd(store->env, &fd);
	if (code) {
		log_error(options->log, "store %s: cannot be opened: %s", options->path, mdb_strerror(code));
		return fault_of(code);
	}
	/* LMDB 0.9.24 leaves it open across exec, and a second environment there would break its locks. */
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	return 0;
}

static int set_aside(const struct store_options *options, const char *boot_id)
{
	char aside[4096], lock[4096];
	int failed = -1;

	snprintf(lock, sizeof(lock), "%s-lock", options->path);
	for (int i = 0; failed && i < ASIDE_TRIES; i++) {
		char number[16] = "";
		if (i)
			snprintf(number, sizeof(number), ".%d", i);
		if (snprintf(aside, sizeof(aside), "%s.%s%s", options->path, boot_id, number) >= (int)sizeof(aside))
			return -ENAMETOOLONG;
		failed = renameat2(AT_FDCWD, options->path, AT_FDCWD, aside, RENAME_NOREPLACE);
		if (failed && errno != EEXIST)
			break;
	}
	if (failed) {
		int error = -errno;
		log_error(options->log, "store %s is of an earlier boot of the host and cannot be renamed: %s", options->path,
			  strerror(-error));
		return error;
	}
	unlink(lock);
	log_notice(options->log, "store %s is of an earlier boot of the host: kept as %s, a fresh one is begun", options->path,
		   aside);
	return 0;
}

/* LMDB writes its table of readers through a mapping: without blocks that is a SIGBUS. */
static int reserve_locks(const struct store_options *options)
{
	int error = room_for_locks(options->path, (READERS_MAX + 3) * LOCK_SLOT_SIZE);

	if (error)
		log_error(options->log, "store %s: its lock file cannot be had: %s", options->path, strerror(-error));
	return error;
}

/* Decides what to do with the file that is there. 0: open it (or make it). */
static int examine_file(const struct store_options *options)
{
	struct check_verdict verdict;
	struct stat stat_buffer;
	const char *path = options->path;

	if (stat(path, &stat_buffer))
		return errno == ENOENT ? 0 : -errno;
	if (!stat_buffer.st_size)
		return 0;
	int error = reserve_locks(options);
	if (error)
		return error;
	error =
	    options->was_sound ? check_file_head(path, options->boot_id, &verdict) : check_file(path, options->boot_id, &verdict);
	if (error) {
		log_error(options->log, "store %s: cannot be examined: %s", path, strerror(-error));
		return error;
	}
	switch (verdict.result) {
	case CHECK_SOUND:
		return 0;
	case CHECK_OTHER_BOOT:
		return set_aside(options, verdict.text);
	case CHECK_NEWER:
		log_error(
		    options->log,
		    "store %s has format %s, this lxenstored reads up to %d. Start the lxenstored that wrote it, or move the "
		    "file away to begin with an empty store. It was not changed.",
		    path, verdict.text, STORE_VERSION);
		return -EPROTO;
	case CHECK_FOREIGN:
		log_error(options->log,
			  "%s is not a store of lxenstored (%s). Name another file with --store, or move it away. It was "
			  "not changed.",
			  path, verdict.text);
		return -EPROTO;
	default:
		if (options->before_repair)
			error = repair_file(options);
		if (options->before_repair && !error) {
			/* It may be one of another boot. */
			struct store_options again = *options;
			again.before_repair = NULL;
			again.was_sound = true;
			return examine_file(&again);
		}
		if (error < 0)
			log_error(options->log, "store %s: cannot be repaired: %s", path, strerror(-error));
		log_error(options->log,
			  "store %s is damaged: %s. Save what `lxenstore-dump --store %s` still shows, then move the file away "
			  "to begin "
			  "with an empty store. It was not changed.",
			  path, verdict.text, path);
		return -EIO;
	}
}

int store_open(const struct store_options *options, struct store **out)
{
	struct store *store;
	int error = examine_file(options);

	if (error)
		return error;
	store = calloc(1, sizeof(*store));
	if (!store)
		return -ENOMEM;
	store->log = options->log;
	store->most_owned = calloc(UINT16_MAX + 1, sizeof(*store->most_owned));
	if (!store->most_owned) {
		free(store);
		return -ENOMEM;
	}
	store->recent = recent_new();
	if (!store->recent) {
		free(store);
		return -ENOMEM;
	}
	error = reserve_locks(options);
	if (!error)
		error = open_environment(store, options);
	if (!error)
		error = room_init(&store->room, store->env, options->size_limit, options->was_sound);
	if (!error)
		error = load(store, options->boot_id);
	if (!error)
		error = tombstones_new(&store->tombstones);
	if (error) {
		log_error(options->log, "store %s: cannot be opened: %s", options->path, strerror(-error));
		store_close(store);
		return error;
	}
	*out = store;
	return 0;
}

void store_close(struct store *store)
{
	if (!store)
		return;
	store_abort(store);
	listings_forget(store);
	snapshots_free(store);
	tombstones_free(store->tombstones);
	recent_free(store->recent);
	if (store->read)
		mdb_txn_abort(store->read);
	if (store->env)
		mdb_env_close(store->env);
	free(store->most_owned);
	free(store);
}

int store_figures(struct store *store, struct store_figures *out)
{
	MDB_envinfo info;
	MDB_stat stat_buffer;
	struct MDB_txn *txn = store_view(store);

	if (!txn || mdb_env_info(store->env, &info) || mdb_stat(txn, store->dbi, &stat_buffer))
		return -EIO;
	*out = (struct store_figures){
	    .records = stat_buffer.ms_entries,
	    .file_size = store->room.allocated,
	    .pages_used = info.me_last_pgno + 1,
	    .page_size = stat_buffer.ms_psize,
	    .snapshots = store->n_snapshots,
	    .readers = info.me_numreaders,
	};
	return 0;
}
