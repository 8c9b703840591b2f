/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * lxenstore-dump: shows a store of lxenstored, while its daemon runs or after it died.
 *
 * The store is copied into memory, closed, and only then shown, so that a slow reader of the output keeps nothing of the
 * store. All this is done by a child process: on damaged pages LMDB may die, and then the parent says so.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/status.h"
#include "dump_options.h"
#include "formats.h"
#include "progress.h"
#include "store/check.h"
#include "store/image.h"
#include "store/pages.h"
#include "store/reader.h"

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "unknown"
#endif

/* What the child works with. */
struct reading {
	const struct dump_options *options;
	sigset_t outside; /* signals that are blocked outside of read transactions */
	bool locked;
	struct reader_env reader;
	struct progress progress;
};

/* ---- reading: in the child ---- */

/* A reader that is stopped or killed would pin pages until somebody notices, so until its transaction ends nothing does that. */
static void block_signals(sigset_t *before)
{
	static const int signals[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP};
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigaddset(&set, signals[i]);
	sigprocmask(SIG_BLOCK, &set, before);
}

/* Between two read transactions. */
static void pause_reading(void *context, uint64_t n_records)
{
	struct reading *reading = context;
	sigset_t inside;

	sigprocmask(SIG_SETMASK, &reading->outside, &inside);
	progress_tell(&reading->progress, "records read:", n_records, 0);
	sigprocmask(SIG_SETMASK, &inside, NULL);
}

/* Whether the store has a lock file that can be used; without one nobody else has it open. */
static bool find_lock(const char *store)
{
	char lock[PATH_MAX + 8];

	snprintf(lock, sizeof(lock), "%s-lock", store);
	if (!access(lock, R_OK | W_OK))
		return true;
	if (errno != ENOENT && errno != EROFS)
		dump_complain("%s: %s; if a daemon is changing the store just now, what is shown may be wrong", lock,
			      strerror(errno));
	return false;
}

static int open_store(struct reading *reading)
{
	char text[READER_TEXT_SIZE], store[PATH_MAX];
	const char *name = reading->options->store;

	/* LMDB's lock file lies beside the store itself, not beside a link to it. */
	if (!realpath(name, store)) {
		dump_complain("%s: %s", name, strerror(errno));
		return STATUS_FAILED;
	}
	reading->locked = find_lock(store);
	switch (reader_open(store, reading->locked, &reading->reader, text)) {
	case READER_SOUND:
		return 0;
	case READER_EMPTY:
		dump_complain("%s is empty: its daemon ended before it had made the first node", name);
		return STATUS_FAILED;
	case READER_NEWER:
		dump_complain(
		    "%s has format %s, this program reads formats up to %d: use the lxenstore-dump of the lxenstored that "
		    "wrote it",
		    name, text, STORE_VERSION);
		return STATUS_FAILED;
	case READER_FOREIGN:
		dump_complain("%s is not a store of lxenstored: %s", name, text);
		return STATUS_FAILED;
	case READER_DAMAGED:
		dump_complain("%s is damaged: %s", name, text);
		return STATUS_DAMAGED;
	default:
		dump_complain("%s: %s", name, text);
		return STATUS_FAILED;
	}
}

static struct reader_walk walk_of(struct reading *reading)
{
	return (struct reader_walk){
	    .reader = &reading->reader,
	    .milliseconds = READER_MILLISECONDS,
	    .pause = pause_reading,
	    .context = reading,
	};
}

static bool needs_image(const struct dump *dump)
{
	return dump->shown & (SHOW_NODES | SHOW_OWNERS);
}

/* What a list of nodes or owners shows is all in them; all else is shown together with what else there is. */
static bool needs_inventory(const struct dump_options *options)
{
	return options->format != format_ls || options->shown & (SHOW_DOMAINS | SHOW_WATCHES);
}

/* What is shown, in one walk, so that it is of one moment if it can be. */
static int read_all(struct reading *reading, struct reader_walk *records, struct dump *dump)
{
	int result = reader_walk_begin(records);

	if (!result && needs_image(dump))
		result = image_read(records, &dump->path, &dump->image);
	if (!result && needs_inventory(reading->options))
		result = inventory_read(records, &dump->inventory);
	dump->commit = records->snapshot;
	dump->one_moment = records->one_moment;
	reader_walk_end(records);
	return result;
}

static int read_store(struct reading *reading, struct dump *dump)
{
	const struct dump_options *options = reading->options;
	struct reader_walk records = walk_of(reading);
	int result = read_all(reading, &records, dump);

	if (result == STATUS_ENOENT) {
		dump_complain("%s: there is no such node", options->given);
		return STATUS_FAILED;
	}
	if (result == -EIO)
		dump_complain("%s is damaged: after %" PRIu64 " records: %s", options->store, records.n,
			      records.problem ? records.problem : strerror(EIO));
	else if (result)
		dump_complain("%s: %s", options->store, strerror(-result));
	dump->complete = !result;
	return !result || result == -EIO ? 0 : STATUS_FAILED;
}

/* The ledger that lies beside the store. */
static int read_owed(struct reading *reading, struct dump *dump)
{
	char store[PATH_MAX], path[PATH_MAX + sizeof("-ledger")];
	int result;

	if (!realpath(reading->options->store, store))
		return STATUS_FAILED;
	snprintf(path, sizeof(path), "%s-ledger", store);
	result = owed_read(path, dump->meta.id, dump->commit, &dump->owed);
	switch (result) {
	case 0:
		return 0;
	case STATUS_ENOENT:
		dump_complain("%s is not the ledger of this store: nothing is owed to anybody", path);
		return STATUS_FAILED;
	case STATUS_EINVAL:
		dump_complain("%s is damaged, or no ledger that this program can read", path);
		return STATUS_DAMAGED;
	default:
		dump_complain("%s: %s", path, strerror(-result));
		return STATUS_FAILED;
	}
}

/* Of the file and its pages. */
static int read_figures(struct reading *reading, struct dump *dump)
{
	char problem[PAGES_TEXT_SIZE];
	struct MDB_txn *txn;
	struct stat file;
	int fault = stat(reading->options->store, &file) ? -errno : reader_begin(&reading->reader, &txn);

	if (fault) {
		dump_complain("%s: %s", reading->options->store, strerror(-fault));
		return STATUS_FAILED;
	}
	dump->file_size = (uint64_t)file.st_size;
	dump->file_blocks = (uint64_t)file.st_blocks * 512;
	fault = pages_count(txn, reading->reader.dbi, &dump->pages, problem);
	dump->n_readers = pages_readers(txn, &dump->oldest_reader);
	reader_end(txn);
	if (fault)
		dump_complain("%s is damaged: %s", reading->options->store, *problem ? problem : strerror(-fault));
	dump->complete = dump->complete && !fault;
	return 0;
}

/* Says what is not as it should be. */
static int judge(const struct reading *reading, struct dump *dump)
{
	const struct image *image = &dump->image;
	const char *store = reading->options->store;
	size_t n_others = dump->inventory.n_damaged;

	if (image->n_damaged)
		dump_complain("%s is damaged: %zu records are left out that stand for no node", store, image->n_damaged);
	if (n_others)
		dump_complain("%s is damaged: %zu records are left out that are not whole", store, n_others);
	if (dump->owed.n_damaged)
		dump_complain("the ledger of %s is damaged: of %zu connections not all can be shown", store,
			      dump->owed.n_damaged);
	if (image->n_orphans && dump->one_moment)
		dump_complain("%s is damaged: %zu nodes have no parent", store, image->n_orphans);
	if (!dump->one_moment)
		dump_complain("the store was changed while it was read: what is shown is not of one moment");
	if (image->n_damaged || n_others || dump->owed.n_damaged || (image->n_orphans && dump->one_moment))
		dump->complete = false;
	return dump->complete ? STATUS_DONE : STATUS_DAMAGED;
}

static int finish_output(void)
{
	if (!fflush(stdout) && !ferror(stdout))
		return 0;
	dump_complain("standard output: %s", strerror(errno));
	return STATUS_FAILED;
}

static int show(struct reading *reading)
{
	const struct dump_options *options = reading->options;
	struct dump dump = {
	    .shown = options->shown,
	    .given = options->given,
	    .path = options->path,
	    .permissions = options->permissions,
	    .generations = options->generations,
	    .version = options->stream_version,
	    .locked = reading->locked,
	    .meta = reading->reader.meta,
	    .progress = &reading->progress,
	};
	int status = read_store(reading, &dump);

	if (!status && dump.shown & SHOW_FILE)
		status = read_figures(reading, &dump);
	if (!status && dump.shown & SHOW_OWED)
		status = read_owed(reading, &dump);
	reader_close(&reading->reader);
	sigprocmask(SIG_SETMASK, &reading->outside, NULL);
	if (!status) {
		status = judge(reading, &dump);
		int fault = options->format(&dump);
		progress_end(&reading->progress);
		if (fault)
			dump_complain("%s", strerror(-fault));
		int failed = finish_output();
		if (fault || failed)
			status = STATUS_FAILED;
	}
	owed_deinit(&dump.owed);
	image_deinit(&dump.image);
	inventory_deinit(&dump.inventory);
	return status;
}

static void note_problem(void *context, const char *problem)
{
	buffer_printf(context, "%s\n", problem);
}

/* The problems are shown when nothing is read any more. */
static int check(struct reading *reading)
{
	struct reader_walk records = walk_of(reading);
	struct buffer problems = {0};
	struct check_verdict verdict;
	int fault = check_store(&records, note_problem, &problems, &verdict);

	reader_close(&reading->reader);
	sigprocmask(SIG_SETMASK, &reading->outside, NULL);
	progress_end(&reading->progress);
	if (!fault && problems.failed)
		fault = -ENOMEM;
	if (fault) {
		dump_complain("%s: %s", reading->options->store, strerror(-fault));
		buffer_deinit(&problems);
		return STATUS_FAILED;
	}
	if (problems.len)
		fwrite(problems.bytes, 1, problems.len, stdout);
	buffer_deinit(&problems);
	printf("%" PRIu64 " nodes, %" PRIu64 " problems\n", verdict.nodes, verdict.problems);
	if (!verdict.one_moment)
		dump_complain(
		    "the store was changed while it was read: sums and counts were not compared. A copy can be checked in "
		    "full.");
	int failed = finish_output();
	return failed ? failed : verdict.problems ? STATUS_DAMAGED : STATUS_DONE;
}

static int read_and_show(const struct dump_options *options)
{
	struct reading reading = {.options = options};

	progress_init(&reading.progress);
	block_signals(&reading.outside);
	int status = open_store(&reading);
	if (status)
		return status;
	return options->check ? check(&reading) : show(&reading);
}

/* ---- the process around it ---- */

/* Never returns. */
static void run_child(const struct dump_options *options, pid_t parent)
{
	static const int deaths[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL};
	struct rlimit none = {0, 0};

	/* Its death is an answer and leaves no core; and it does not outlive who is waited for. */
	setrlimit(RLIMIT_CORE, &none);
	for (size_t i = 0; i < sizeof(deaths) / sizeof(deaths[0]); i++)
		signal(deaths[i], SIG_DFL);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(STATUS_FAILED);
	exit(read_and_show(options));
}

static int explain_death(const struct dump_options *options, int number)
{
	switch (number) {
	case SIGBUS:
		dump_complain("%s is damaged: a page lies behind the end of the file, which was cut short", options->store);
		return STATUS_DAMAGED;
	case SIGSEGV:
	case SIGABRT:
	case SIGFPE:
	case SIGILL:
		dump_complain("%s is damaged: LMDB cannot read it (%s)", options->store, strsignal(number));
		return STATUS_DAMAGED;
	case SIGKILL:
		dump_complain("the process that was reading was killed");
		return STATUS_FAILED;
	default:
		/* Somebody has ended it, or does not read on: so it is with this process. */
		signal(number, SIG_DFL);
		raise(number);
		return STATUS_FAILED;
	}
}

static int run(const struct dump_options *options)
{
	pid_t self = getpid(), child = fork();
	int status;

	if (child < 0) {
		dump_complain("%s", strerror(errno));
		return STATUS_FAILED;
	}
	if (!child)
		run_child(options, self);
	while (waitpid(child, &status, 0) < 0) {
		if (errno != EINTR)
			return STATUS_FAILED;
	}
	return WIFSIGNALED(status) ? explain_death(options, WTERMSIG(status)) : WEXITSTATUS(status);
}

int main(int argc, char **argv)
{
	struct dump_options options;
	int status = dump_parse_options(argc, argv, &options);

	if (status)
		return status;
	if (options.help) {
		dump_print_help();
		return finish_output();
	}
	if (options.version) {
		printf("lxenstore-dump %s\n", PACKAGE_VERSION);
		return finish_output();
	}
	return run(&options);
}
