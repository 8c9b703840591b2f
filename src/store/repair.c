/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A damaged file is never written to: what is good in it is copied, in the order of an image (parents first), into a new one,
 * which has accounts, indexes and marks of its own. The new file is examined like any other before it takes the place, so a
 * mistake here is a store that is refused, not one that is wrong.
 */
#include "store/repair.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "store/check_walk.h"
#include "store/image.h"
#include "store/record.h"
#include "store/restore.h"

enum { NAME_SIZE = 4096, TRIES = 1000, CIRCLES_SHARE = 16 /* of the time that else is given */ };

/* What the child says. */
struct answer {
	unsigned char id[STORE_ID_SIZE];
	uint64_t commit; /* of the damaged file */
	uint64_t problems, left_out;
};

struct repair {
	const struct store_options *options;
	char path[NAME_SIZE]; /* of the new file */
	FILE *list;	      /* of problems; NULL: it cannot be had */
	struct reader_env reader;
	struct image image;
	bool *has_newer_children; /* by place in the image: than its own record says */
	uint64_t generation;	  /* none is above */
	struct place {
		size_t next;	       /* in the image */
		char top[PATH_BUFFER]; /* the node last left out; all below it is too */
		size_t top_len;
		uint64_t left_out;
	} at, marked;
	struct store *store;
	struct answer answer;
};

static void list_problem(void *context, const char *problem)
{
	struct repair *repair = context;

	repair->answer.problems++;
	if (repair->list)
		fprintf(repair->list, "%s\n", problem);
}

static void leave_out(struct repair *repair, const char *what, const char *text, size_t len)
{
	repair->at.left_out++;
	if (repair->list)
		fprintf(repair->list, "left out: %s %.*s\n", what, (int)len, text);
}

/* ---- nodes ---- */

static bool is_below(const char *path, size_t len, const char *top, size_t top_len)
{
	return top_len && len > top_len && !memcmp(path, top, top_len) && (path[top_len] == '/' || top_len == 1);
}

static bool is_good(const struct repair *repair, const struct image_node *shown)
{
	const struct node *node = &shown->node;

	if (shown->orphan || !node->created || node->created > repair->generation || !node->n_permissions)
		return false;
	for (size_t i = 0; i < node->n_permissions; i++)
		if (node->permissions[i].access & ~(unsigned)(PERMISSION_READ | PERMISSION_WRITE))
			return false;
	return true;
}

static uint64_t between(uint64_t value, uint64_t least, uint64_t most)
{
	return value < least ? least : value > most ? most : value;
}

/* A damaged number of a change is only compared with others: it becomes one that can be. */
static int next_node(void *context)
{
	struct repair *repair = context;
	struct place *at = &repair->at;

	while (at->next < repair->image.n_nodes) {
		struct image_node shown;
		size_t index = at->next++;
		image_node(&repair->image, index, &shown);
		bool below = is_below(shown.path.text, shown.path.len, at->top, at->top_len);
		if (below || !is_good(repair, &shown)) {
			leave_out(repair, "node", shown.path.text, shown.path.len);
			if (!below) {
				memcpy(at->top, shown.path.text, shown.path.len);
				at->top_len = shown.path.len;
			}
			continue;
		}
		struct node node = shown.node;
		node.flags = 0;
		node.value_generation = between(node.value_generation, node.created, repair->generation);
		node.permissions_generation = between(node.permissions_generation, node.created, repair->generation);
		node.children_generation = repair->has_newer_children[index]
					       ? repair->generation
					       : between(node.children_generation, node.created, repair->generation);
		int fault = node_restore(repair->store, &shown.path, &node);
		return fault ? fault : 1;
	}
	return 0;
}

static void mark(void *context)
{
	struct repair *repair = context;

	repair->marked = repair->at;
}

static void back(void *context)
{
	struct repair *repair = context;

	repair->at = repair->marked;
}

/* Marks the nodes whose record says that none of their children is as new as one of them is. */
static int find_newer_children(struct repair *repair)
{
	const struct image *image = &repair->image;
	size_t *above = calloc(image->n_nodes + 1, sizeof(*above)); /* places of a node and of those above it */
	struct image_node shown, parent;
	size_t depth = 0;

	repair->has_newer_children = calloc(image->n_nodes + 1, sizeof(*repair->has_newer_children));
	for (size_t i = 0; above && repair->has_newer_children && i < image->n_nodes; i++) {
		image_node(image, i, &shown);
		for (; depth; depth--) {
			image_node(image, above[depth - 1], &parent);
			if (is_below(shown.path.text, shown.path.len, parent.path.text, parent.path.len))
				break;
		}
		if (depth && shown.node.created > parent.node.children_generation)
			repair->has_newer_children[above[depth - 1]] = true;
		above[depth++] = i;
	}
	int error = above && repair->has_newer_children ? 0 : -ENOMEM;
	free(above);
	return error;
}

static int create_missing(struct store *store)
{
	int fault = store_create_missing_specials(store);

	return fault ? fault : store_commit(store);
}

/* ---- other records ---- */

/* Is the record that was read as it should be? */
static bool is_sound(struct reader_walk *records)
{
	struct check_verdict verdict = {0};
	struct check_walk walk = {.records = records, .verdict = &verdict};

	switch (*records->key) {
	case STORE_KEY_DOMAIN:
		check_domain(&walk);
		break;
	case STORE_KEY_QUOTAS:
		check_quotas(&walk);
		break;
	case STORE_KEY_WATCH:
		check_watch(&walk);
		break;
	default:
		return false;
	}
	return !verdict.problems;
}

static int copy_others(struct repair *repair, struct reader_walk *records)
{
	static const char begin = 0;
	int result = reader_walk_seek(records, &begin, 1);

	while (!result && !(result = reader_walk_next(records))) {
		if (strchr("nlaopmg", *records->key) && *records->key)
			continue;
		if (is_sound(records))
			result = record_put(repair->store, records->key, records->key_len, records->record, records->record_len);
		else
			leave_out(repair, "a record of kind", (const char *)records->key, 1);
	}
	if (result != STATUS_ENOENT)
		return result;
	return store_tag(repair->store) ? store_commit(repair->store) : 0;
}

/* ---- the child ---- */

static void find_generation(struct repair *repair)
{
	char key = STORE_KEY_GENERATION;
	struct reader_walk records = {.reader = &repair->reader, .milliseconds = READER_MILLISECONDS};

	if (!reader_walk_begin(&records) && !reader_walk_seek(&records, &key, 1) && !reader_walk_next(&records) &&
	    records.key_len == 1 && *records.key == (unsigned char)key && records.record_len == sizeof(repair->generation))
		memcpy(&repair->generation, records.record, sizeof(repair->generation));
	reader_walk_end(&records);
}

static int read_damaged(struct repair *repair)
{
	const struct path root = {"/", 1};
	struct reader_walk records = {.reader = &repair->reader, .milliseconds = READER_MILLISECONDS};
	struct check_verdict verdict;
	char text[READER_TEXT_SIZE];

	if (reader_open(repair->options->path, false, &repair->reader, text) != READER_SOUND)
		return -EIO;
	int error = check_store(&records, list_problem, repair, &verdict);
	if (error)
		return error;
	find_generation(repair);
	records = (struct reader_walk){.reader = &repair->reader, .milliseconds = READER_MILLISECONDS};
	error = reader_walk_begin(&records);
	if (!error)
		error = image_read(&records, &root, &repair->image);
	repair->answer.commit = records.snapshot;
	reader_walk_end(&records);
	memcpy(repair->answer.id, repair->reader.meta.id, sizeof(repair->answer.id));
	struct image_node first;
	if (!error && repair->image.n_nodes)
		image_node(&repair->image, 0, &first);
	/* Without a root nothing has its place; without a number of generations none is known to be new. */
	if (!error && (!repair->image.n_nodes || !path_is_root(&first.path) || !is_good(repair, &first)))
		error = -EIO;
	repair->at.left_out = repair->image.n_damaged;
	return error ? error : find_newer_children(repair);
}

static int write_sound(struct repair *repair)
{
	struct store_options options = *repair->options;
	struct restore_origin origin = {.generation = repair->generation};
	struct reader_walk records = {.reader = &repair->reader, .milliseconds = READER_MILLISECONDS};

	options.path = repair->path;
	options.before_repair = NULL;
	options.was_sound = false;
	memcpy(origin.id, repair->reader.meta.id, sizeof(origin.id));
	memcpy(origin.boot_id, repair->reader.meta.boot_id, sizeof(origin.boot_id));
	int error = store_open(&options, &repair->store);
	if (!error)
		error = restore_begin(repair->store, &origin);
	if (!error)
		error = restore_fill(repair->store, &(struct restore_feed){next_node, mark, back, NULL, repair});
	if (!error)
		error = create_missing(repair->store);
	if (!error)
		error = reader_walk_begin(&records);
	if (!error)
		error = copy_others(repair, &records);
	reader_walk_end(&records);
	store_close(repair->store);
	return error;
}

static void open_list(struct repair *repair)
{
	char path[NAME_SIZE], date[32];
	time_t now = time(NULL);
	struct tm utc;

	if (snprintf(path, sizeof(path), "%s.set-aside", repair->options->path) < (int)sizeof(path))
		repair->list = fopen(path, "ae");
	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &utc));
	if (repair->list)
		fprintf(repair->list, "%s the store was damaged:\n", date);
}

/* Else LMDB may find its way through them nevertheless, or go round in circles. */
static bool has_sound_pages(const char *path)
{
	char text[READER_TEXT_SIZE];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool sound = fd >= 0 && check_pages_of_file(fd, text, sizeof(text));

	if (fd >= 0)
		close(fd);
	return sound;
}

/* Never returns. LMDB may die of the file: then it cannot be repaired. */
static void repair_in_child(struct repair *repair, int to)
{
	static const int deaths[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL};
	const rlim_t limit =
	    check_file_limit(repair->options->path) / (has_sound_pages(repair->options->path) ? 1 : CIRCLES_SHARE);
	const struct rlimit none = {0, 0}, seconds = {limit, limit};

	close_range(3, (unsigned)to - 1, 0);
	close_range((unsigned)to + 1, ~0U, 0);
	setrlimit(RLIMIT_CORE, &none);
	setrlimit(RLIMIT_CPU, &seconds);
	for (size_t i = 0; i < sizeof(deaths) / sizeof(deaths[0]); i++)
		signal(deaths[i], SIG_DFL);
	open_list(repair);
	int error = read_damaged(repair);
	if (!error)
		error = write_sound(repair);
	if (repair->list && (error ? fprintf(repair->list, "it cannot be repaired\n") < 0 : 0))
		error = -EIO;
	if (repair->list)
		fclose(repair->list);
	repair->answer.left_out = repair->at.left_out;
	if (error || write(to, &repair->answer, sizeof(repair->answer)) != (ssize_t)sizeof(repair->answer))
		_exit(1);
	_exit(0);
}

static int run_child(struct repair *repair)
{
	int ends[2], status;
	ssize_t len;

	if (pipe2(ends, O_CLOEXEC))
		return -errno;
	pid_t child = fork();
	if (!child)
		repair_in_child(repair, ends[1]);
	int error = child < 0 ? -errno : 0;
	close(ends[1]);
	do
		len = error ? 0 : read(ends[0], &repair->answer, sizeof(repair->answer));
	while (len < 0 && errno == EINTR);
	close(ends[0]);
	while (!error && waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	return error ? error : len == (ssize_t)sizeof(repair->answer) ? 0 : REPAIR_IMPOSSIBLE;
}

/* ---- in its place ---- */

static void remove_lock(const char *path)
{
	char lock[NAME_SIZE + 8];

	snprintf(lock, sizeof(lock), "%s-lock", path);
	unlink(lock);
}

static int keep_damaged(const char *path, char aside[NAME_SIZE])
{
	for (int i = 0; i < TRIES; i++) {
		int len = snprintf(aside, NAME_SIZE, i ? "%s.damaged.%d" : "%s.damaged", path, i);
		if (len >= NAME_SIZE)
			return -ENAMETOOLONG;
		if (!link(path, aside))
			return 0;
		if (errno != EEXIST)
			return -errno;
	}
	return -EEXIST;
}

static int put_in_place(struct repair *repair)
{
	const struct store_options *options = repair->options;
	struct check_verdict verdict;
	char aside[NAME_SIZE];
	int error = check_file(repair->path, NULL, &verdict);

	if (!error && verdict.result != CHECK_SOUND)
		return REPAIR_IMPOSSIBLE;
	if (!error && options->before_repair)
		error = options->before_repair(options->context, repair->answer.id, repair->answer.commit);
	if (!error)
		error = keep_damaged(options->path, aside);
	if (!error && rename(repair->path, options->path))
		error = -errno;
	if (error)
		return error;
	remove_lock(options->path); /* of the other file */
	log_error(
	    options->log,
	    "store %s was damaged: %llu problems. It is kept as %s; what can be used of it was copied, without %llu records. "
	    "%s.set-aside lists them",
	    options->path, (unsigned long long)repair->answer.problems, aside, (unsigned long long)repair->answer.left_out,
	    options->path);
	return 0;
}

int repair_file(const struct store_options *options)
{
	struct repair *repair = calloc(1, sizeof(*repair));

	if (!repair)
		return -ENOMEM;
	repair->options = options;
	int error = snprintf(repair->path, sizeof(repair->path), "%s.repair", options->path) < (int)sizeof(repair->path)
			? 0
			: -ENAMETOOLONG;
	if (!error) {
		unlink(repair->path);
		remove_lock(repair->path);
		error = run_child(repair);
	}
	if (!error)
		error = put_in_place(repair);
	unlink(repair->path);
	remove_lock(repair->path);
	free(repair);
	return error;
}
