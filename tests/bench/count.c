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
#include <unistd.h>

#include "bench/tree.h"
#include "bench/workload.h"

enum { HOT_NODES = 100, BASE_RUNS = 500, MORE_RUNS = 2000 };

#define CALLGRIND "valgrind --quiet --tool=callgrind --callgrind-out-file=\"$XENSTORED_RUNDIR/counted\""

const char *const count_operation_names[COUNT_OPERATIONS] = {"READ", "WRITE", "empty transaction", "read-modify-write"};

static int (*const runs[COUNT_OPERATIONS])(struct site *, size_t) = {hot_run_read, hot_run_write, hot_run_empty_transaction,
								     hot_run_transaction};

/* BASE_RUNS of each operation, and MORE_RUNS more of operation `more`, if there is one of that number. */
static int run_load(const struct server *server, size_t leaves, size_t more)
{
	const struct workload workload = {.open = hot_open};
	struct site site = {.server = server, .leaves = leaves, .hot = HOT_NODES};
	int error = workload.open(&site);

	for (size_t i = 0; i < COUNT_OPERATIONS && !error; i++)
		error = runs[i](&site, BASE_RUNS + (i == more ? MORE_RUNS : 0));
	if (error)
		fprintf(stderr, "bench: %s: %s\n", server->name, workload_error(&site, error));
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

static int instructions_with(struct server *server, size_t leaves, size_t more, uint64_t *out)
{
	int error = server_start(server, CALLGRIND, -1);
	int stopped;

	if (!error)
		error = run_load(server, leaves, more);
	stopped = server_stop(server);
	if (!error)
		error = stopped;
	return error ? error : read_instructions(server, out);
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

static int calls_with(const struct server *server, size_t leaves, size_t more, uint64_t *out)
{
	pid_t load, pid;
	int status, error = 0;

	*out = 0;
	if (ptrace(PTRACE_SEIZE, server->pid, NULL, PTRACE_O_TRACESYSGOOD) != 0 ||
	    ptrace(PTRACE_INTERRUPT, server->pid, NULL, NULL) != 0)
		return -errno;
	load = fork();
	if (load == 0)
		_exit(run_load(server, leaves, more) == 0 ? 0 : 1);
	if (load < 0)
		return -errno;
	while (!error) {
		pid = waitpid(-1, &status, __WALL);
		if (pid == load)
			break;
		error = pid == server->pid ? traced_step(pid, status, out) : -ECHILD;
	}
	if (error) {
		kill(load, SIGKILL);
		waitpid(load, NULL, 0);
		return error;
	}
	error = detach(server->pid);
	return error ? error : WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EPROTO;
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

static int count_calls(struct server *server, size_t leaves, size_t size, struct count *count)
{
	uint64_t base, with;
	int error = calls_with(server, leaves, COUNT_OPERATIONS, &base);

	for (size_t i = 0; i < COUNT_OPERATIONS && !error; i++) {
		error = calls_with(server, leaves, i, &with);
		count->cell[i][size].calls = ((double)with - (double)base) / MORE_RUNS;
	}
	return error;
}

static int count_instructions(struct server *server, size_t leaves, size_t size, struct count *count)
{
	uint64_t base, with;
	int error = instructions_with(server, leaves, COUNT_OPERATIONS, &base);

	for (size_t i = 0; i < COUNT_OPERATIONS && !error; i++) {
		error = instructions_with(server, leaves, i, &with);
		count->cell[i][size].instructions = ((double)with - (double)base) / MORE_RUNS;
	}
	return error;
}

static int count_size(struct server *server, size_t size, struct count *count)
{
	size_t leaves = tree_leaves(count->nodes[size]);
	int error = server_start(server, NULL, -1);

	if (error)
		return error;
	if (!server_is_echo(server))
		error = workload_fill(server, leaves);
	if (!error)
		error = count_calls(server, leaves, size, count);
	count->private_memory = (double)server_private_memory(server);
	if (server_stop(server) != 0 && !error)
		error = -ETIME;
	count->bytes_per_node = store_bytes(server) / (double)tree_nodes(leaves);
	return error ? error : count_instructions(server, leaves, size, count);
}

int count_server(struct server *server, struct count *count)
{
	for (size_t size = 0; size < COUNT_SIZES && count->nodes[size] > 0; size++) {
		int error = count_size(server, size, count);

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

bool count_passes(const struct count *count)
{
	for (size_t i = 0; i < COUNT_OPERATIONS; i++) {
		struct count_cell growth = count_growth(count, i);

		/* Asked this way round, since what could not be counted is no number. */
		if (!(growth.instructions <= COUNT_GROWTH_MAX && growth.calls <= COUNT_GROWTH_MAX))
			return false;
	}
	return true;
}
