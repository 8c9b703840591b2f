/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A store is filled by the server as it runs every day; then the same store is served again under callgrind, once with a
 * base load and once for each operation with more of that operation: the difference is what the operation costs, start and
 * stop of the server fall out. System calls are counted by tracing the running server in the same way.
 */
#include "bench/count.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench/tree.h"
#include "bench/workload.h"

enum { HOT_NODES = 100, SETTLE_STEP_NS = 2000000, SETTLE_STEPS = 25 };

#define CALLGRIND "valgrind --quiet --tool=callgrind --callgrind-out-file=\"$XENSTORED_RUNDIR/counted\""

const char *const count_operation_names[COUNT_OPERATIONS] = {"READ", "WRITE", "empty transaction", "read-modify-write"};

static int (*const runs[COUNT_OPERATIONS])(struct site *, size_t) = {hot_run_read, hot_run_write, hot_run_empty_transaction,
								     hot_run_transaction};

/* A server with its store, and what it is asked. */
struct subject {
	struct server *server;
	size_t leaves;
	const struct count_options *options;
};

/* All operations, and more of operation `more`, if there is one of that number. */
static int run_load(const struct subject *subject, size_t more)
{
	const struct workload workload = {.open = hot_open};
	struct site site = {.server = subject->server, .leaves = subject->leaves, .hot = HOT_NODES};
	const struct count_options *options = subject->options;
	int error = workload.open(&site);

	for (size_t i = 0; i < options->operations && !error; i++)
		error = runs[i](&site, options->base + (i == more ? options->more : 0));
	if (error)
		fprintf(stderr, "bench: %s: %s\n", subject->server->name, workload_error(&site, error));
	workload_close(&workload, &site);
	return error;
}

static int read_instructions(const struct server *server, uint64_t *out)
{
	char path[PATH_MAX], line[256];
	unsigned long long number = 0;
	FILE *file;

	snprintf(path, sizeof(path), "%s/counted", server->directory);
	file = fopen(path, "r");
	if (!file)
		return -errno;
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "summary: %llu", &number) == 1 || sscanf(line, "totals: %llu", &number) == 1)
			break;
	}
	fclose(file);
	*out = number;
	return number > 0 ? 0 : -ENODATA;
}

static int instructions_with(const struct subject *subject, size_t more, uint64_t *out)
{
	int error = server_start(subject->server, CALLGRIND, -1);
	int stopped;

	if (!error)
		error = run_load(subject, more);
	stopped = server_stop(subject->server);
	if (!error)
		error = stopped;
	return error ? error : read_instructions(subject->server, out);
}

/* One report of the traced server: counts it if it enters a system call, and lets it go on. */
static int traced_step(pid_t pid, int status, uint64_t *calls)
{
	struct __ptrace_syscall_info info;
	int signal = 0;

	if (!WIFSTOPPED(status))
		return -ESRCH;
	if (WSTOPSIG(status) == (SIGTRAP | 0x80)) {
		if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), &info) > 0)
			*calls += info.op == PTRACE_SYSCALL_INFO_ENTRY;
	} else if (status >> 16 == 0) {
		signal = WSTOPSIG(status);
	}
	return ptrace(PTRACE_SYSCALL, pid, NULL, signal) == 0 ? 0 : -errno;
}

/* An interrupt that meets another stop is forgotten by the kernel; the server may be let go from any. */
static int detach(pid_t pid)
{
	int status, signal = 0;

	if (ptrace(PTRACE_INTERRUPT, pid, NULL, NULL) != 0 || waitpid(pid, &status, __WALL) != pid)
		return -errno;
	if (!WIFSTOPPED(status))
		return -ESRCH;
	if (WSTOPSIG(status) != (SIGTRAP | 0x80) && status >> 16 == 0)
		signal = WSTOPSIG(status);
	return ptrace(PTRACE_DETACH, pid, NULL, signal) == 0 ? 0 : -errno;
}

/* Follows the server until the load has ended. Returns 0 if all of it was answered. */
static int follow_load(pid_t pid, pid_t load, uint64_t *calls)
{
	int status, error = 0;

	while (!error) {
		pid_t changed = waitpid(-1, &status, __WALL);

		if (changed == load)
			return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EPROTO;
		error = changed == pid ? traced_step(pid, status, calls) : -ECHILD;
	}
	kill(load, SIGKILL);
	waitpid(load, NULL, 0);
	return error;
}

/* Follows the server until it has done what the load left to it, such as closing connections, and waits. */
static int follow_rest(pid_t pid, uint64_t *calls)
{
	int status, error = 0;

	for (int quiet = 0; quiet < SETTLE_STEPS && !error; quiet++) {
		nanosleep(&(struct timespec){.tv_nsec = SETTLE_STEP_NS}, NULL);
		while (!error && waitpid(pid, &status, __WALL | WNOHANG) == pid) {
			error = traced_step(pid, status, calls);
			quiet = 0;
		}
	}
	return error;
}

static int calls_with(const struct subject *subject, size_t more, uint64_t *out)
{
	pid_t pid = subject->server->pid, load;
	int error;

	*out = 0;
	if (ptrace(PTRACE_SEIZE, pid, NULL, PTRACE_O_TRACESYSGOOD) != 0 || ptrace(PTRACE_INTERRUPT, pid, NULL, NULL) != 0)
		return -errno;
	load = fork();
	if (load == 0)
		_exit(run_load(subject, more) == 0 ? 0 : 1);
	if (load < 0)
		return -errno;
	error = follow_load(pid, load, out);
	if (!error)
		error = follow_rest(pid, out);
	return error ? error : detach(pid);
}

/* The space that the files of the store take: all that stays in the run directory but the log. */
static double store_bytes(const struct server *server)
{
	DIR *listing = opendir(server->directory);
	struct dirent *entry;
	struct stat file;
	double bytes = 0;

	while (listing && (entry = readdir(listing))) {
		if (strcmp(entry->d_name, "log") != 0 && fstatat(dirfd(listing), entry->d_name, &file, 0) == 0 &&
		    S_ISREG(file.st_mode))
			bytes += (double)file.st_blocks * 512;
	}
	if (listing)
		closedir(listing);
	return bytes;
}

typedef int figure_with(const struct subject *subject, size_t more, uint64_t *out);

/* What one operation more costs. */
static int difference(const struct subject *subject, figure_with *with, double figures[COUNT_OPERATIONS])
{
	const struct count_options *options = subject->options;
	uint64_t base, more;
	int error = with(subject, options->operations, &base);

	for (size_t i = 0; i < options->operations && !error; i++) {
		error = with(subject, i, &more);
		figures[i] = ((double)more - (double)base) / (double)options->more;
	}
	return error;
}

static int count_running(const struct subject *subject, struct count *count, double calls[COUNT_OPERATIONS])
{
	int error = server_start(subject->server, NULL, -1);

	if (error)
		return error;
	if (!server_is_echo(subject->server))
		error = workload_fill(subject->server, subject->leaves);
	if (!error)
		error = difference(subject, calls_with, calls);
	count->private_memory = (double)server_private_memory(subject->server);
	if (server_stop(subject->server) != 0 && !error)
		error = -ETIME;
	count->bytes_per_node = store_bytes(subject->server) / (double)tree_nodes(subject->leaves);
	return error;
}

static int count_size(const struct subject *subject, size_t size, struct count *count)
{
	double calls[COUNT_OPERATIONS], instructions[COUNT_OPERATIONS];
	int error = count_running(subject, count, calls);

	if (!error)
		error = difference(subject, instructions_with, instructions);
	for (size_t i = 0; i < count->operations && !error; i++)
		count->cell[i][size] = (struct count_cell){instructions[i], calls[i]};
	return error;
}

int count_server(struct server *server, const struct count_options *options, struct count *count)
{
	count->operations = options->operations;
	for (size_t size = 0; size < COUNT_SIZES && count->nodes[size] > 0; size++) {
		struct subject subject = {server, tree_leaves(count->nodes[size]), options};
		int error = count_size(&subject, size, count);

		if (!error)
			error = server_clear(server);
		if (error) {
			fprintf(stderr, "bench: counting %s: %s\n", server->name, strerror(-error));
			return error;
		}
	}
	return 0;
}

struct count_cell count_growth(const struct count *count, size_t operation)
{
	const struct count_cell *cell = count->cell[operation];
	struct count_cell growth = {1, 1};

	for (size_t size = 1; size < COUNT_SIZES && count->nodes[size] > 0; size++) {
		growth.instructions = cell[size].instructions / cell[0].instructions;
		growth.calls = cell[size].calls / cell[0].calls;
	}
	return growth;
}

bool count_growth_passes(struct count_cell growth)
{
	/* Asked this way round, since what could not be counted is no number. */
	return growth.instructions <= COUNT_GROWTH_MAX && growth.calls <= COUNT_GROWTH_MAX;
}

bool count_passes(const struct count *count)
{
	for (size_t i = 0; i < count->operations; i++) {
		if (!count_growth_passes(count_growth(count, i)))
			return false;
	}
	return true;
}
