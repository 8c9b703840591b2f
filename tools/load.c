/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * lxenstore-load: makes a store of lxenstored from what was dumped or handed over.
 *
 * The store is made beside its place, checked, and renamed, so that there is a whole one or none. The ledger is locked all the
 * while, which is what a daemon does: none can be running on the store, and none can start. The ledger goes at the end, for it
 * belongs to a store that is no more.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/boot_id.h"
#include "base/buffer.h"
#include "ledger/ledger.h"
#include "load_input.h"
#include "progress.h"
#include "store/check.h"
#include "store_name.h"

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "unknown"
#endif

/* lxenstore-load(1) lists them. */
enum { STATUS_INCOMPLETE = 1, STATUS_USAGE = 2, STATUS_FAILED = 3 };

enum { READ_AT_ONCE = 1 << 16 };

static const size_t size_limit = (size_t)1 << 44;

enum form { FORM_DETECTED, FORM_STATE, FORM_JSON };

struct load_options {
	char store[PATH_MAX];
	const char *input; /* NULL: standard input */
	enum form form;
	bool force, this_boot, help, version;
};

struct names {
	char beside[PATH_MAX + 16], beside_lock[PATH_MAX + 24], lock[PATH_MAX + 16], ledger[PATH_MAX + 16];
};

void load_complain(const char *format, ...)
{
	va_list arguments;

	fputs("lxenstore-load: ", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputs("\n", stderr);
}

/* ---- the command line ---- */

enum { OPTION_STORE = 256, OPTION_FORMAT, OPTION_FORCE, OPTION_THIS_BOOT, OPTION_HELP, OPTION_VERSION };

static void print_help(void)
{
	printf(
	    "Usage: lxenstore-load [OPTION]... [FILE]\n"
	    "Make a store of lxenstored from FILE, or from standard input: Xen's migration stream, the dump of oxenstored, or\n"
	    "the JSON of lxenstore-dump.\n\n"
	    "  --store FILE      the store (default: store.mdb in $XENSTORED_RUNDIR, else in /run/xenstored)\n"
	    "  --format FORMAT   state: what a daemon hands over; json: what lxenstore-dump has made (default: found out)\n"
	    "  --force           put it in the place of a store that is there\n"
	    "  --this-boot       the store is of the running boot of the host, even if it was dumped in another\n"
	    "  --help            show this and end\n"
	    "  --version         show the version and end\n\n"
	    "No daemon may be running on the store. Exit status: 0 done, 1 done, but something was left out, 2 wrong usage, 3 "
	    "no\n"
	    "store was made.\n");
}

/* `given` may be NULL. */
static int set_store(const char *given, struct load_options *out)
{
	if (store_name(given, out->store))
		return 0;
	load_complain("--store: \"%.40s\" is no file's name", out->store);
	return STATUS_USAGE;
}

static int set_format(const char *name, struct load_options *out)
{
	if (!strcmp(name, "state"))
		out->form = FORM_STATE;
	else if (!strcmp(name, "json"))
		out->form = FORM_JSON;
	else
		load_complain("--format: \"%s\" is none of state, json", name);
	return out->form == FORM_DETECTED ? STATUS_USAGE : 0;
}

static int set_option(int code, struct load_options *out)
{
	switch (code) {
	case OPTION_STORE:
		return set_store(optarg, out);
	case OPTION_FORMAT:
		return set_format(optarg, out);
	case OPTION_FORCE:
		out->force = true;
		return 0;
	case OPTION_THIS_BOOT:
		out->this_boot = true;
		return 0;
	case OPTION_HELP:
		out->help = true;
		return 0;
	case OPTION_VERSION:
		out->version = true;
		return 0;
	default:
		return STATUS_USAGE;
	}
}

static int parse_options(int argc, char **argv, struct load_options *out)
{
	static const struct option longs[] = {
	    {"store", required_argument, NULL, OPTION_STORE},
	    {"format", required_argument, NULL, OPTION_FORMAT},
	    {"force", no_argument, NULL, OPTION_FORCE},
	    {"this-boot", no_argument, NULL, OPTION_THIS_BOOT},
	    {"help", no_argument, NULL, OPTION_HELP},
	    {"version", no_argument, NULL, OPTION_VERSION},
	    {0},
	};
	int code, result = 0;

	*out = (struct load_options){0};
	while (!result && (code = getopt_long(argc, argv, "", longs, NULL)) != -1)
		result = set_option(code, out);
	if (!result && !*out->store)
		result = set_store(NULL, out);
	if (!result && argc - optind > 1) {
		load_complain("\"%s\": only one file can be loaded", argv[optind + 1]);
		result = STATUS_USAGE;
	}
	if (!result && argc > optind && strcmp(argv[optind], "-"))
		out->input = argv[optind];
	return result;
}

/* ---- the input ---- */

/* All of it, in memory that `buffer` owns. */
static int read_input(const struct load_options *options, struct buffer *buffer)
{
	int fd = options->input ? open(options->input, O_RDONLY | O_CLOEXEC) : STDIN_FILENO;
	const char *name = options->input ? options->input : "standard input";
	char *piece = malloc(READ_AT_ONCE);
	ssize_t len = -1;

	if (fd >= 0 && piece) {
		while ((len = read(fd, piece, READ_AT_ONCE)) > 0)
			buffer_add(buffer, piece, (size_t)len);
	}
	if (len < 0)
		load_complain("%s: %s", name, strerror(errno));
	else if (buffer->failed)
		load_complain("%s: there is not enough memory for it", name);
	free(piece);
	if (fd > STDIN_FILENO)
		close(fd);
	return len < 0 || buffer->failed ? STATUS_FAILED : 0;
}

/* ---- the store ---- */

static void make_names(const char *store, struct names *out)
{
	snprintf(out->beside, sizeof(out->beside), "%s.loading", store);
	snprintf(out->beside_lock, sizeof(out->beside_lock), "%s-lock", out->beside);
	snprintf(out->lock, sizeof(out->lock), "%s-lock", store);
	snprintf(out->ledger, sizeof(out->ledger), "%s-ledger", store);
}

static void remove_beside(const struct names *names)
{
	unlink(names->beside);
	unlink(names->beside_lock);
}

static void note_problem(void *context, const char *problem)
{
	struct load_input *input = context;

	if (!*input->problem)
		snprintf(input->problem, sizeof(input->problem), "%s", problem);
}

static int check(struct load_input *input, struct store *store)
{
	struct check_verdict verdict;
	struct MDB_txn *txn = store_view(store);
	int error = txn ? check_records(txn, store->dbi, note_problem, input, &verdict) : -EIO;

	return !error && verdict.result != CHECK_SOUND ? -EPROTO : error;
}

static int make_store(struct load_input *input, const struct names *names, enum form form)
{
	char boot_id[BOOT_ID_SIZE];
	struct store *store;
	struct log log;

	boot_id_read(boot_id);
	log_init(&log, true);
	const struct store_options options = {.path = names->beside, .size_limit = size_limit, .boot_id = boot_id, .log = &log};
	remove_beside(names);
	int error = store_open(&options, &store);
	if (!error) {
		error = form == FORM_JSON ? load_json(input, store) : load_state(input, store);
		if (!error)
			error = check(input, store);
		store_close(store);
	}
	log_deinit(&log);
	return error;
}

static int sync_file(const char *name)
{
	int fd = open(name, O_RDWR | O_CLOEXEC);
	int error = fd < 0 || fsync(fd) ? -errno : 0;

	if (fd >= 0)
		close(fd);
	return error;
}

/* From here on there is a whole store at every instant. */
static int put_in_place(const char *store, const struct names *names)
{
	int error = sync_file(names->beside);

	if (!error) {
		unlink(names->lock);
		if (rename(names->beside, store))
			error = -errno;
	}
	return error;
}

static int load(const struct load_options *options, struct load_input *input, const struct names *names)
{
	enum form form = options->form;

	if (form == FORM_DETECTED)
		form = load_json_is_one(input->bytes, input->len) ? FORM_JSON : FORM_STATE;
	int error = make_store(input, names, form);
	progress_end(input->progress);
	if (!error)
		error = put_in_place(options->store, names);
	remove_beside(names);
	if (error == -EPROTO)
		load_complain("%s: %s", input->name, input->problem);
	else if (error)
		load_complain("%s: %s", options->store, strerror(-error));
	if (error)
		return STATUS_FAILED;
	return input->incomplete ? STATUS_INCOMPLETE : 0;
}

/* With the ledger locked. */
static int load_alone(const struct load_options *options)
{
	struct progress progress;
	struct buffer bytes = {0};
	struct ledger *ledger;
	struct names names;
	int status;

	make_names(options->store, &names);
	bool had_ledger = !access(names.ledger, F_OK);
	int error = ledger_open(names.ledger, 0, &ledger);
	if (error == -EBUSY)
		load_complain("%s: an lxenstored is running on it. Stop it before a store is put in its place", options->store);
	else if (error)
		load_complain("%s: %s", names.ledger, strerror(-error));
	if (error)
		return STATUS_FAILED;
	progress_init(&progress);
	status = read_input(options, &bytes);
	if (!status) {
		struct load_input input = {
		    .name = options->input ? options->input : "standard input",
		    .bytes = bytes.len ? bytes.bytes : "",
		    .len = bytes.len,
		    .this_boot = options->this_boot,
		    .progress = &progress,
		};
		status = load(options, &input, &names);
	}
	buffer_deinit(&bytes);
	if (!had_ledger || status <= STATUS_INCOMPLETE)
		unlink(names.ledger);
	ledger_close(ledger);
	return status;
}

int main(int argc, char **argv)
{
	struct load_options options;

	if (parse_options(argc, argv, &options))
		return STATUS_USAGE;
	if (options.help) {
		print_help();
		return EXIT_SUCCESS;
	}
	if (options.version) {
		printf("lxenstore-load %s\n", PACKAGE_VERSION);
		return EXIT_SUCCESS;
	}
	if (!options.force && !access(options.store, F_OK)) {
		load_complain("%s is there already; --force puts another in its place", options.store);
		return STATUS_FAILED;
	}
	return load_alone(&options);
}
