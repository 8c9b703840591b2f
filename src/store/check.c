/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One walk over all records in the order of their keys. Children of one directory lie side by side, so their parent is looked
 * up once for all of them, and all that is kept besides are the sums of what each domain owns. A node asks for the records of the
 * indexes that it must have, and a record of an index for the node that must have it. If the store changes during the walk, each
 * record is still compared with others of its own moment; only what is summed up over all of them is not.
 */
#include "store/check.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <lmdb.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/status.h"
#include "store/index.h"
#include "store/node.h"
#include "store/pages.h"

enum { DOMIDS = UINT16_MAX + 1 };

/* The time that the walk in the child may take: some hundred times what it needs. */
static const rlim_t least_seconds = 60, bytes_per_second = 8 << 20;

struct walk {
	struct reader_walk *records;
	struct store_meta meta;
	check_report *report;
	void *context;
	struct check_verdict *verdict;

	uint64_t snapshot;   /* what is remembered from here to `owned` and of the directory is of it */
	uint64_t generation; /* none may be above */
	uint64_t *owned;     /* by domid: nodes seen, less what the account says */
	bool root_seen;
	char directory[PATH_BUFFER]; /* the parent of the nodes last seen, and what is known of it: */
	size_t directory_len;
	bool directory_exists;
	struct node directory_node; /* in the map, while `snapshot` is read */
};

static void problem(struct walk *walk, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void problem(struct walk *walk, const char *format, ...)
{
	char text[sizeof(walk->verdict->text)];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	if (!walk->verdict->problems++)
		memcpy(walk->verdict->text, text, sizeof(text));
	walk->verdict->result = CHECK_DAMAGED;
	if (walk->report)
		walk->report(walk->context, text);
}

static void node_problem(struct walk *walk, const struct path *path, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Of a long path both ends are told. */
static void node_problem(struct walk *walk, const struct path *path, const char *format, ...)
{
	enum { HALF = 120 };
	char what[128];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(what, sizeof(what), format, arguments);
	va_end(arguments);
	if (path->len <= 2 * HALF)
		problem(walk, "%.*s %s", (int)path->len, path->text, what);
	else
		problem(walk, "%.*s...%.*s %s", HALF, path->text, HALF, path->text + path->len - HALF, what);
}

/* ---- single records ---- */

static int get(struct walk *walk, const void *key_bytes, size_t key_len, MDB_val *record)
{
	MDB_val key = {key_len, (void *)(uintptr_t)key_bytes};

	return mdb_get(walk->records->txn, walk->records->dbi, &key, record);
}

static void check_meta(struct walk *walk)
{
	char meta = STORE_KEY_META;
	MDB_val record;

	if (get(walk, &meta, 1, &record) || record.mv_size != sizeof(walk->meta))
		problem(walk, "the record about the store is missing or of the wrong size");
	else
		memcpy(&walk->meta, record.mv_data, sizeof(walk->meta));
}

/* What is remembered of the state that is read. */
static void enter_snapshot(struct walk *walk)
{
	char generation = STORE_KEY_GENERATION;
	MDB_val record;

	walk->snapshot = walk->records->snapshot;
	walk->directory_len = 0;
	if (get(walk, &generation, 1, &record) || record.mv_size != sizeof(walk->generation))
		problem(walk, "the record of generations is missing or of the wrong size");
	else
		memcpy(&walk->generation, record.mv_data, sizeof(walk->generation));
}

/* The path that the key stands for; false, and told, if no path has this key. */
static bool path_of_record(struct walk *walk, const struct node *node, char buffer[PATH_BUFFER], struct path *path)
{
	const unsigned char *bytes = walk->records->key;
	char given[PATH_BUFFER];
	struct key key;
	size_t len;

	if (*bytes == STORE_KEY_LONG_NODE) {
		len = node->path_len;
		if (!len || len > PATH_ABSOLUTE_MAX) {
			problem(walk, "a long key's record has a path of %zu bytes", len);
			return false;
		}
		memcpy(given, node->path, len);
	} else {
		len = key_to_path(bytes, walk->records->key_len, given);
	}
	if (path_canonicalize(given, len, 0, true, 0, buffer, path) || path->len != len) {
		for (size_t i = 0; i < len; i++)
			given[i] = given[i] > ' ' && given[i] <= '~' ? given[i] : '?';
		problem(walk, "a key stands for no path: \"%.*s\"", (int)len, given);
		return false;
	}
	key_of_path(walk->meta.hash_key, path, &key);
	if (key.len != walk->records->key_len || memcmp(key.bytes, bytes, key.len) != 0) {
		node_problem(walk, path, "lies under the key of another path");
		return false;
	}
	return true;
}

/* Makes `directory` the one that `path` lies in. */
static void enter_directory(struct walk *walk, const struct path *path)
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
	    !get(walk, key.bytes, key.len, &record) && node_decode(record.mv_data, record.mv_size, &walk->directory_node);
}

static void check_parent(struct walk *walk, const struct path *path, const struct node *node, bool is_long)
{
	enter_directory(walk, path);
	if (!walk->directory_exists)
		node_problem(walk, path, "has no parent");
	else if (node->created > walk->directory_node.children_generation)
		node_problem(walk, path, "is newer than the list of children that it is in");
	else if (is_long && !(walk->directory_node.flags & STORE_NODE_LONG_CHILDREN))
		node_problem(walk, path, "has a long key and a parent that does not know of any such child");
}

static void check_generations(struct walk *walk, const struct path *path, const struct node *node)
{
	const uint64_t generations[] = {node->created, node->value_generation, node->permissions_generation,
					node->children_generation};

	for (size_t i = 0; i < sizeof(generations) / sizeof(generations[0]); i++) {
		if (generations[i] < node->created || generations[i] > walk->generation)
			node_problem(walk, path, "has generation %" PRIu64 ", created %" PRIu64 ", last given out %" PRIu64,
				     generations[i], node->created, walk->generation);
	}
}

/* ---- the indexes ---- */

/* The state of a node as index.h asks for it; false: not known, since it has no parent. */
static bool index_state_of(struct walk *walk, const struct path *path, const struct node *node, struct index_state *out)
{
	*out = (struct index_state){.own = node->permissions, .n_own = node->n_permissions};
	if (!path_parent_len(path))
		return true;
	enter_directory(walk, path);
	out->parent = walk->directory_node.permissions;
	out->n_parent = walk->directory_node.n_permissions;
	return walk->directory_exists;
}

static void check_index_record(struct walk *walk, const struct path *path, const struct node *node, unsigned char kind,
			       uint16_t domid)
{
	unsigned char key[INDEX_KEY_SIZE];
	MDB_val record;

	index_key(kind, domid, node->created, key);
	if (get(walk, key, sizeof(key), &record) || record.mv_size != walk->records->key_len ||
	    memcmp(record.mv_data, walk->records->key, record.mv_size) != 0)
		node_problem(walk, path, "is not found %s domain %u", kind == STORE_KEY_OWNER ? "as owned by" : "as naming",
			     domid);
	else if (!(node->flags & STORE_NODE_INDEXED))
		node_problem(walk, path, "has a record in an index and does not know it");
}

/* The records that the node which is read must have. */
static void check_indexed(struct walk *walk, const struct path *path, const struct node *node)
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
static bool node_of_key(struct walk *walk, const void *key, size_t key_len, char buffer[PATH_BUFFER], struct path *path,
			struct node *node)
{
	const unsigned char *bytes = key;
	MDB_val record;

	if (!key_len || key_len > STORE_KEY_MAX || (*bytes != STORE_KEY_NODE && *bytes != STORE_KEY_LONG_NODE) ||
	    get(walk, key, key_len, &record) || !node_decode(record.mv_data, record.mv_size, node))
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

static void check_index(struct walk *walk)
{
	bool owner = *walk->records->key == STORE_KEY_OWNER;
	char buffer[PATH_BUFFER];
	struct index_state state;
	struct path path;
	struct node node;
	uint64_t created;
	uint16_t domid;

	if (!index_key_decode(walk->records->key, walk->records->key_len, &domid, &created)) {
		problem(walk, "a record of an index has a key of %zu bytes", walk->records->key_len);
		return;
	}
	if (!node_of_key(walk, walk->records->record, walk->records->record_len, buffer, &path, &node) || node.created != created)
		problem(walk, "domain %u %s a node that is not there", domid, owner ? "owns" : "is named by");
	else if (index_state_of(walk, &path, &node, &state) &&
		 !(owner ? index_owner_differs(&state, domid) : index_entry_differs(&state, domid)))
		node_problem(walk, &path, "is wrongly found as %s domain %u", owner ? "owned by" : "naming", domid);
}

/* ---- nodes ---- */

static void check_node(struct walk *walk)
{
	bool is_long = *walk->records->key == STORE_KEY_LONG_NODE;
	char buffer[PATH_BUFFER];
	struct path path;
	struct node node;

	walk->verdict->nodes++;
	if (!node_decode(walk->records->record, walk->records->record_len, &node)) {
		problem(walk, "a node's record of %zu bytes is too short for what it says of itself", walk->records->record_len);
		return;
	}
	if (!path_of_record(walk, &node, buffer, &path))
		return;
	if (!is_long && node.path_len)
		node_problem(walk, &path, "has a short key, but its record a path");
	if (path_is_root(&path))
		walk->root_seen = true;
	else if (!path_is_special(&path))
		check_parent(walk, &path, &node, is_long);
	check_generations(walk, &path, &node);
	for (size_t i = 0; i < node.n_permissions; i++) {
		if (node.permissions[i].access & ~(unsigned)(PERMISSION_READ | PERMISSION_WRITE))
			node_problem(walk, &path, "has a permission that is none");
	}
	walk->owned[node.permissions[0].domid]++;
	check_indexed(walk, &path, &node);
}

static void check_account(struct walk *walk)
{
	const unsigned char *key = walk->records->key;
	size_t key_len = walk->records->key_len, record_len = walk->records->record_len;
	struct store_account account;

	if (key_len != 3 || record_len != sizeof(account)) {
		problem(walk, "an account has a key of %zu bytes and a record of %zu", key_len, record_len);
		return;
	}
	memcpy(&account, walk->records->record, sizeof(account));
	walk->owned[key[1] << 8 | key[2]] -= account.nodes;
}

/* Of records in which all else is possible. */
static void check_sizes(struct walk *walk, const char *what, size_t key_len, size_t record_len)
{
	const struct reader_walk *records = walk->records;

	if (records->key_len != key_len || records->record_len != record_len)
		problem(walk, "the record of %s has a key of %zu bytes and a record of %zu", what, records->key_len,
			records->record_len);
}

static bool watch_is_whole(const struct reader_walk *records)
{
	struct store_watch watch;

	if (records->record_len < sizeof(watch))
		return false;
	memcpy(&watch, records->record, sizeof(watch));
	return records->record_len == sizeof(watch) + watch.path_len + watch.token_len;
}

static void check_record(struct walk *walk)
{
	const unsigned char *key = walk->records->key;
	size_t key_len = walk->records->key_len;

	switch (*key) {
	case STORE_KEY_NODE:
	case STORE_KEY_LONG_NODE:
		check_node(walk);
		return;
	case STORE_KEY_ACCOUNT:
		check_account(walk);
		return;
	case STORE_KEY_OWNER:
	case STORE_KEY_ENTRY:
		check_index(walk);
		return;
	case STORE_KEY_DOMAIN:
		check_sizes(walk, "a domain", 3, sizeof(struct store_domain));
		return;
	case STORE_KEY_QUOTAS:
		check_sizes(walk, "quotas", 1, sizeof(struct store_quotas));
		return;
	case STORE_KEY_META:
	case STORE_KEY_GENERATION:
		if (key_len == 1)
			return;
		break;
	case STORE_KEY_WATCH:
		if (key_len == STORE_WATCH_KEY_SIZE && watch_is_whole(walk->records))
			return;
		break;
	default:
		break;
	}
	problem(walk, "a record has a key of no known kind: first byte %u, %zu bytes", *key, key_len);
}

/* ---- all of them ---- */

static void check_accounts(struct walk *walk)
{
	for (uint32_t domid = 0; domid < DOMIDS; domid++) {
		const unsigned char key[3] = {STORE_KEY_ACCOUNT, (unsigned char)(domid >> 8), (unsigned char)domid};
		struct store_account account = {0};
		MDB_val record;

		if (!walk->owned[domid])
			continue;
		if (!get(walk, key, sizeof(key), &record) && record.mv_size == sizeof(account))
			memcpy(&account, record.mv_data, sizeof(account));
		problem(walk, "domain %u owns %" PRIu64 " nodes, its account says %" PRIu64, domid,
			walk->owned[domid] + account.nodes, account.nodes);
	}
}

static void check_pages(struct walk *walk)
{
	char text[PAGES_TEXT_SIZE];
	struct pages pages;

	if (walk->records->reader && pages_count(walk->records->txn, walk->records->dbi, &pages, text) == -EIO)
		problem(walk, "%s", text);
}

static int check_all(struct walk *walk)
{
	struct reader_walk *records = walk->records;
	MDB_stat pages;
	int result;

	if (mdb_stat(records->txn, records->dbi, &pages))
		return -EIO;
	check_pages(walk);
	check_meta(walk);
	enter_snapshot(walk);
	while (!(result = reader_walk_next(records))) {
		if (records->snapshot != walk->snapshot)
			enter_snapshot(walk);
		check_record(walk);
	}
	walk->verdict->one_moment = records->one_moment;
	if (result == -EIO && records->problem)
		problem(walk, "after %" PRIu64 " records: %s", records->n, records->problem);
	else if (result < 0)
		return result;
	else if (records->one_moment && records->n != pages.ms_entries)
		problem(walk, "there are %s records than the %zu that are counted",
			records->n < pages.ms_entries ? "fewer" : "more", pages.ms_entries);
	if (records->one_moment)
		check_accounts(walk);
	if (!walk->root_seen)
		problem(walk, "there is no root");
	return 0;
}

int check_store(struct reader_walk *records, check_report *report, void *context, struct check_verdict *out)
{
	struct walk walk = {
	    .records = records,
	    .report = report,
	    .context = context,
	    .verdict = out,
	    .owned = calloc(DOMIDS, sizeof(*walk.owned)),
	};

	if (!walk.owned)
		return -ENOMEM;
	*out = (struct check_verdict){.result = CHECK_SOUND};
	int fault = reader_walk_begin(records);
	if (!fault)
		fault = check_all(&walk);
	reader_walk_end(records);
	free(walk.owned);
	return fault;
}

int check_records(struct MDB_txn *txn, unsigned int dbi, check_report *report, void *context, struct check_verdict *out)
{
	struct reader_walk records = {.txn = txn, .dbi = dbi};

	return check_store(&records, report, context, out);
}

/* ---- a file, in a child ---- */

static void examine_records(struct reader_env *reader, struct check_verdict *out)
{
	struct reader_walk records = {.reader = reader, .milliseconds = READER_MILLISECONDS};
	int fault = check_store(&records, NULL, NULL, out);

	if (fault) {
		out->result = CHECK_DAMAGED;
		snprintf(out->text, sizeof(out->text), "%s", strerror(-fault));
	}
}

static void examine(const char *path, const char *boot_id, struct check_verdict *out)
{
	struct reader_env reader;

	*out = (struct check_verdict){.result = CHECK_SOUND};
	switch (reader_open(path, false, &reader, out->text)) {
	case READER_SOUND:
		break;
	case READER_EMPTY:
		return;
	case READER_NEWER:
		out->result = CHECK_NEWER;
		return;
	case READER_FOREIGN:
		out->result = CHECK_FOREIGN;
		return;
	case READER_DAMAGED:
	case READER_FAILED:
		out->result = CHECK_DAMAGED;
		return;
	}
	if (boot_id && strncmp(reader.meta.boot_id, boot_id, sizeof(reader.meta.boot_id)) != 0) {
		out->result = CHECK_OTHER_BOOT;
		snprintf(out->text, sizeof(out->text), "%.*s", (int)sizeof(reader.meta.boot_id), reader.meta.boot_id);
	} else {
		examine_records(&reader, out);
	}
	reader_close(&reader);
}

/* Never returns. */
static void examine_in_child(const char *path, const char *boot_id, int answer)
{
	static const int deaths[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL};
	struct rlimit none = {0, 0}, seconds = {least_seconds, least_seconds};
	struct check_verdict verdict;
	struct stat file;

	/* The lock of a daemon that is killed meanwhile must not live on here, or the next one would find it. */
	close_range(3, (unsigned)answer - 1, 0);
	close_range((unsigned)answer + 1, ~0U, 0);
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	/* Its death is an answer: it leaves no core and says nothing. */
	setrlimit(RLIMIT_CORE, &none);
	/* Nor does it go round in circles for ever. */
	if (!stat(path, &file))
		seconds.rlim_max = seconds.rlim_cur = least_seconds + (rlim_t)file.st_size / bytes_per_second;
	setrlimit(RLIMIT_CPU, &seconds);
	for (size_t i = 0; i < sizeof(deaths) / sizeof(deaths[0]); i++)
		signal(deaths[i], SIG_DFL);
	if (null >= 0)
		dup2(null, STDERR_FILENO);
	examine(path, boot_id, &verdict);
	_exit(write(answer, &verdict, sizeof(verdict)) == (ssize_t)sizeof(verdict) ? 0 : 1);
}

int check_file(const char *path, const char *boot_id, struct check_verdict *out)
{
	int ends[2], status;
	ssize_t len;

	if (access(path, R_OK))
		return -errno;
	if (pipe2(ends, O_CLOEXEC))
		return -errno;
	pid_t child = fork();
	if (child < 0) {
		int error = -errno;
		close(ends[0]);
		close(ends[1]);
		return error;
	}
	if (!child)
		examine_in_child(path, boot_id, ends[1]);
	close(ends[1]);
	do
		len = read(ends[0], out, sizeof(*out));
	while (len < 0 && errno == EINTR);
	close(ends[0]);
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (len == (ssize_t)sizeof(*out))
		return 0;
	*out = (struct check_verdict){.result = CHECK_DAMAGED};
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS)
		snprintf(out->text, sizeof(out->text), "a page lies behind the end of the file, which was cut short");
	else if (WIFSIGNALED(status))
		snprintf(out->text, sizeof(out->text), "LMDB cannot read it (%s)", strsignal(WTERMSIG(status)));
	else
		snprintf(out->text, sizeof(out->text), "LMDB cannot read it");
	return 0;
}
