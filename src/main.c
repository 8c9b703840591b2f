/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Start and end of the process. In the background the parent stays until the daemon serves or has failed, so that whoever
 * starts it sees the messages and gets a true exit status.
 */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "handover/handed.h"
#include "handover/keeper.h"
#include "handover/kept.h"
#include "handover/notify.h"
#include "handover/prove.h"
#include "handover/takeover.h"
#include "handover/service.h"
#include "lxenstored/handover_format.h"
#include "lxenstored/ledger_format.h"
#include "lxenstored/program_formats.h"
#include "lxenstored/store_format.h"
#include "places.h"
#include "options.h"
#include "server.h"

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "unknown"
#endif

/* For a daemon that means to hand over to this program, and looks at its file only. */
static const struct program_formats formats __attribute__((section(PROGRAM_SECTION), used)) = {
    .magic = PROGRAM_MAGIC,
    .handover = HANDOVER_VERSION,
    .store_oldest = STORE_VERSION_OLDEST,
    .store_newest = STORE_VERSION,
    .ledger_oldest = LEDGER_VERSION_OLDEST,
    .ledger_newest = LEDGER_VERSION,
};

enum { FILE_NAME_SIZE = 4096, LARGE_ALLOCATION = 128 * 1024, PROCESS_NAME_SIZE = 32 };

/*
 * Goes into the background; the parent never returns. *ready: a descriptor to which the daemon writes a byte once it serves.
 */
static int go_to_background(int *ready)
{
	int ends[2];
	char byte;

	if (pipe2(ends, O_CLOEXEC))
		return -errno;
	pid_t child = fork();
	if (child < 0)
		return -errno;
	if (child) {
		close(ends[1]);
		_exit(read(ends[0], &byte, 1) == 1 ? EXIT_SUCCESS : EXIT_FAILURE);
	}
	close(ends[0]);
	setsid();
	*ready = ends[1];
	return 0;
}

/* From now on nobody waits at the terminal. */
static void leave_terminal(struct log *log)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (chdir("/"))
		log_warning(log, "cannot leave the working directory: %s", strerror(errno));
	log->foreground = false;
	for (int fd = 0; fd <= 2 && null >= 0; fd++)
		dup2(null, fd);
	if (null > 2)
		close(null);
}

static int write_pid_file(struct log *log, const char *path)
{
	FILE *file = fopen(path, "we");

	if (!file || fprintf(file, "%ld\n", (long)getpid()) < 0 || fclose(file)) {
		log_error(log, "pid file %s: %s", path, strerror(errno));
		return -errno;
	}
	return 0;
}

static const char *pid_file_path(const struct options *options, char *buffer, size_t size)
{
	const char *directory = getenv("XENSTORED_RUNDIR");

	if (options->pid_file)
		return options->pid_file;
	snprintf(buffer, size, "%s/xenstored.pid", directory && *directory ? directory : "/run/xenstored");
	return buffer;
}

/* In the background the daemon leaves its directory, so names that are used later must not depend on it. */
static int make_absolute(struct log *log, const char **path, char buffer[FILE_NAME_SIZE])
{
	if (!*path || **path == '/')
		return 0;
	size_t len = getcwd(buffer, FILE_NAME_SIZE) ? strlen(buffer) : 0;
	if (!len || snprintf(buffer + len, FILE_NAME_SIZE - len, "/%s", *path) >= (int)(FILE_NAME_SIZE - len)) {
		log_error(log, "%s: the directory of the start has no name that can be used", *path);
		return -ENAMETOOLONG;
	}
	*path = buffer;
	return 0;
}

static bool name_of_process(long pid, char name[PROCESS_NAME_SIZE])
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%ld/comm", pid);
	FILE *file = fopen(path, "re");
	if (!file)
		return false;
	bool there = fgets(name, PROCESS_NAME_SIZE, file);
	fclose(file);
	return there;
}

/*
 * Does the pid file name a living daemon? Then a start into the background has nothing to do, and says so with success, as with C
 * xenstored: Debian's script starts the daemon again whenever it starts what else belongs to Xen.
 */
static bool runs_already(struct log *log, const char *pid_file)
{
	FILE *file = fopen(pid_file, "re");
	char own[PROCESS_NAME_SIZE], other[PROCESS_NAME_SIZE];
	long pid = 0;

	if (!file)
		return false;
	bool read = fscanf(file, "%ld", &pid) == 1;
	fclose(file);
	if (!read || pid <= 0 || !name_of_process(getpid(), own) || !name_of_process(pid, other) || strcmp(own, other) != 0)
		return false;
	log_notice(log, "process %ld, which %s names, runs already", pid, pid_file);
	return true;
}

static int start_trace(struct log *log, const struct options *options, const char *file)
{
	char words[256], *rest, *word;

	for (size_t i = 0; i < options->n_trace_controls; i++) {
		snprintf(words, sizeof(words), "%s", options->trace_controls[i]);
		for (word = strtok_r(words, ",", &rest); word; word = strtok_r(NULL, ",", &rest)) {
			if (log_trace_switch(log, word)) {
				log_error(log, "--trace-control: \"%s\" is not understood", word);
				return -EINVAL;
			}
		}
	}
	int error = file ? log_trace_to(log, file) : 0;
	if (error)
		log_error(log, "trace file %s: %s", file, strerror(-error));
	return error;
}

/* What starting needs besides the options: names that do not depend on a directory, and who waits. */
struct start {
	const struct options *options;
	char **arguments; /* the command line */
	struct log *log;
	const char *pid_file, *trace_file;
	char pid_default[FILE_NAME_SIZE], pid_buffer[FILE_NAME_SIZE], trace_buffer[FILE_NAME_SIZE];
	int ready; /* see go_to_background; -1: in the foreground */
};

/* It serves: whoever has started it learns of it. */
static void started(void *context)
{
	const struct start *start = context;
	char ready[64];

	snprintf(ready, sizeof(ready), "READY=1\nMAINPID=%ld", (long)getpid());
	notify_once(ready);
	if (start->options->output_pid)
		printf("%ld\n", (long)getpid());
	fflush(stdout);
	if (start->ready < 0)
		return;
	/* Whoever waits for the start learns of it last, when nothing of his is held. */
	leave_terminal(start->log);
	if (write(start->ready, "", 1) != 1)
		log_warning(start->log, "whoever started the daemon is gone");
	close(start->ready);
}

static void log_ignored(const struct start *start)
{
	for (size_t i = 0; i < start->options->n_ignored; i++)
		log_notice(start->log, "option --%s is accepted and means nothing here", start->options->ignored[i]);
}

/*
 * The daemon itself; `supervisor`: NULL without; `has_keeper`: it is one, which has the pid file and the terminal; `handed`: NULL
 * unless it takes over from a daemon that has executed it.
 */
static int serve(struct start *start, struct supervisor *supervisor, bool has_keeper, struct handed *handed)
{
	struct server *server = NULL;
	const struct server_start server_start = {start->options, start->arguments, start->log, supervisor, handed};
	int error = start_trace(start->log, start->options, start->trace_file);

	if (!error)
		error = server_new(&server_start, &server);
	if (!error && !has_keeper)
		error = write_pid_file(start->log, start->pid_file);
	if (!error) {
		log_ignored(start);
		if ((has_keeper || handed) && !start->options->no_fork)
			leave_terminal(start->log);
		if (!supervisor && !handed)
			started(start);
		server_run(server);
		if (supervisor)
			supervisor->ending(supervisor);
		if (!has_keeper)
			unlink(start->pid_file);
	}
	server_free(server);
	return error ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* As the child of a keeper. */
static int serve_kept(struct start *start, const char *words)
{
	struct supervisor *keeper;
	int error = kept_open(words, start->arguments, start->log, &keeper);

	if (strstr(words, KEEPER_AGAIN))
		start->log->foreground = start->options->no_fork;
	if (error) {
		log_error(start->log, "no keeper answers: %s", strerror(-error));
		return EXIT_FAILURE;
	}
	unsetenv(KEEPER_CHANNEL_VARIABLE);
	int status = serve(start, keeper, true, NULL);
	keeper->close(keeper);
	return status;
}

/* As a service of systemd, in the foreground whatever the options say. */
static int serve_systemd(struct start *start)
{
	struct supervisor *systemd;
	int error = service_open((uint64_t)start->options->restart_pause_seconds * 1000, start->log, &systemd);

	if (error) {
		log_error(start->log, "--systemd-descriptors: %s",
			  error == -ENOENT ? "systemd has not started this" : strerror(-error));
		return EXIT_FAILURE;
	}
	int status = serve(start, systemd, false, NULL);
	systemd->close(systemd);
	return status;
}

/* In the place of a daemon that has executed this program. */
static int serve_handed(struct start *start, const char *number)
{
	struct supervisor *supervisor = NULL;
	struct handed handed;
	int error = handed_read(atoi(number), &handed);
	bool has_keeper = !error && handed.keeper >= 0;

	start->log->foreground = start->options->no_fork;
	unsetenv(HANDOVER_VARIABLE);
	if (has_keeper)
		error = kept_adopt(handed.keeper, start->arguments, start->log, &supervisor);
	else if (!error && start->options->systemd_descriptors)
		error = service_adopt(start->log, &supervisor);
	if (error) {
		log_error(start->log, "nothing that was handed over can be read: %s", strerror(-error));
		return EXIT_FAILURE;
	}
	handed.keeper = -1;
	int status = serve(start, supervisor, has_keeper, &handed);
	handed_deinit(&handed);
	if (supervisor)
		supervisor->close(supervisor);
	return status;
}

/* The daemon that has started this process has lost its keeper. */
static void took_over(void *context)
{
	const struct start *start = context;
	char pid[64];

	snprintf(pid, sizeof(pid), "MAINPID=%ld", (long)getpid());
	notify_once(pid);
	if (!start->options->no_fork)
		leave_terminal(start->log);
}

/* `daemon`: one whose keeper has died; `handed`: what a stock daemon has left. NULL: it is neither. */
static int keep(struct start *start, const char *daemon, struct handed *handed)
{
	struct keeper_options options = {
	    .arguments = start->arguments,
	    .log = start->log,
	    .pid_file = start->pid_file,
	    .pause_most = start->options->restart_pause_seconds,
	    .watchdog_seconds = start->options->watchdog_seconds,
	    .serving = daemon ? took_over : started,
	    .context = start,
	    .handed = handed,
	};

	if (daemon && !keeper_parse_daemon(daemon, &options)) {
		log_error(start->log, KEEPER_DAEMON_VARIABLE ": \"%s\" is not understood", daemon);
		return EXIT_FAILURE;
	}
	start->log->foreground = (!daemon && !handed) || start->options->no_fork;
	unsetenv(KEEPER_DAEMON_VARIABLE);
	return keeper_run(&options);
}

/* In the place of a stock daemon, in its process: in the background, if that was. */
static int take_over(struct start *start)
{
	const struct options *options = start->options;
	char state[2 * FILE_NAME_SIZE];
	struct places places;
	struct handed handed;

	start->log->foreground = options->no_fork;
	if (places_find(options, &places))
		return EXIT_FAILURE;
	snprintf(state, sizeof(state), "%s/%s", places.run_directory, options->takes_over);
	const struct takeover takeover = {
	    state, places.store, places.ledger, places.boot_id, options->own_domid, !options->no_xen, start->log};
	if (takeover_run(&takeover, &handed))
		return EXIT_FAILURE;
	if (!options->no_keeper)
		return keep(start, NULL, &handed);
	int status = serve(start, NULL, false, &handed);
	handed_deinit(&handed);
	return status;
}

static int prove_only(const struct start *start)
{
	struct places places;

	if (places_find(start->options, &places))
		return EXIT_FAILURE;
	return prove(&(struct proof_subject){places.store, places.ledger, places.boot_id, !start->options->no_xen});
}

static int run(const struct options *options, char **arguments, struct log *log)
{
	struct start start = {
	    .options = options, .arguments = arguments, .log = log, .trace_file = options->trace_file, .ready = -1};
	const char *channel = getenv(KEEPER_CHANNEL_VARIABLE), *handed = getenv(HANDOVER_VARIABLE);
	const char *daemon = getenv(KEEPER_DAEMON_VARIABLE);

	start.pid_file = pid_file_path(options, start.pid_default, sizeof(start.pid_default));
	int error = make_absolute(log, &start.pid_file, start.pid_buffer);
	if (!error)
		error = make_absolute(log, &start.trace_file, start.trace_buffer);
	if (error)
		return EXIT_FAILURE;
	server_raise_limits();
	if (getenv(PROOF_VARIABLE))
		return prove_only(&start);
	if (handed)
		return serve_handed(&start, handed);
	if (options->systemd_descriptors)
		return serve_systemd(&start);
	if (channel && !options->no_keeper)
		return serve_kept(&start, channel);
	if (daemon && !options->no_keeper)
		return keep(&start, daemon, NULL);
	if (options->takes_over)
		return take_over(&start);
	if (!options->no_fork && runs_already(log, start.pid_file))
		return EXIT_SUCCESS;
	if (!options->no_fork && go_to_background(&start.ready))
		return EXIT_FAILURE;
	return options->no_keeper ? serve(&start, NULL, false, NULL) : keep(&start, NULL, NULL);
}

int main(int argc, char **argv)
{
	struct options options;
	struct log log;

	if (options_parse(argc, argv, &options))
		return 2;
	if (options.help) {
		options_print_help(argv[0]);
		return EXIT_SUCCESS;
	}
	if (options.version) {
		printf("lxenstored %s\n", PACKAGE_VERSION);
		return EXIT_SUCCESS;
	}
	/* Tables of clients that do not read may be large for a while: what is freed goes back to the system, whatever was
	 * allocated since. */
	mallopt(M_MMAP_THRESHOLD, LARGE_ALLOCATION);
	/* Messages of the start go to the terminal in any case. */
	log_init(&log, true);
	int status = run(&options, argv, &log);
	log_deinit(&log);
	return status;
}
