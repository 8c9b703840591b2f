/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Each server has a directory of its own and writes what it says to `log` there. It dies with the bench, and is only
 * ever ended by the process id under which it was started.
 */
#include "bench/server.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STEP_NS = 5000000, START_STEPS = 12000, STOP_STEPS = 6000 };

static void pause_step(void)
{
	nanosleep(&(struct timespec){.tv_nsec = STEP_NS}, NULL);
}

int server_init(struct server *server, const char *name, const char *command, const char *parent)
{
	int len;

	memset(server, 0, sizeof(*server));
	if (strlen(name) >= sizeof(server->name))
		return -ENAMETOOLONG;
	strcpy(server->name, name);
	server->command = command;
	len = snprintf(server->directory, sizeof(server->directory), "%s/%s", parent, name);
	if (len < 0 || (size_t)len >= sizeof(server->directory))
		return -ENAMETOOLONG;
	snprintf(server->socket, sizeof(server->socket), "%s/socket", server->directory);
	return mkdir(server->directory, 0700) == 0 ? 0 : -errno;
}

static void remove_files(const char *directory)
{
	DIR *listing = opendir(directory);
	struct dirent *entry;

	while (listing && (entry = readdir(listing)))
		unlinkat(dirfd(listing), entry->d_name, 0);
	if (listing)
		closedir(listing);
}

int server_clear(struct server *server)
{
	if (server->pid)
		return -EBUSY;
	remove_files(server->directory);
	return 0;
}

void server_deinit(struct server *server)
{
	server_stop(server);
	remove_files(server->directory);
	rmdir(server->directory);
}

void server_pin_here(int cpu)
{
	cpu_set_t set;

	if (cpu < 0)
		return;
	CPU_ZERO(&set);
	CPU_SET((size_t)cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

__attribute__((noreturn)) static void become(const struct server *server, const char *wrapper, int cpu)
{
	char log[PATH_MAX];
	char *line;
	int fd;

	snprintf(log, sizeof(log), "%s/log", server->directory);
	fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (fd >= 0) {
		dup2(fd, STDOUT_FILENO);
		dup2(fd, STDERR_FILENO);
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	server_pin_here(cpu);
	setenv("XENSTORED_RUNDIR", server->directory, 1);
	setenv("XENSTORED_PATH", server->socket, 1);
	if (asprintf(&line, "exec %s %s", wrapper ? wrapper : "", server->command) > 0)
		execl("/bin/sh", "sh", "-c", line, (char *)NULL);
	_exit(127);
}

static bool takes_connections(const struct server *server)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool connected;

	strcpy(address.sun_path, server->socket);
	connected = fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
	if (fd >= 0)
		close(fd);
	return connected;
}

static void show_log(const struct server *server)
{
	char log[PATH_MAX], text[2048];
	FILE *file;
	size_t n;

	fprintf(stderr, "bench: %s did not start: %s\n", server->name, server->command);
	snprintf(log, sizeof(log), "%s/log", server->directory);
	file = fopen(log, "r");
	if (!file)
		return;
	n = fread(text, 1, sizeof(text), file);
	fwrite(text, 1, n, stderr);
	fclose(file);
}

int server_start(struct server *server, const char *wrapper, int cpu)
{
	pid_t pid;

	unlink(server->socket);
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0)
		become(server, wrapper, cpu);
	server->pid = pid;
	for (int i = 0; i < START_STEPS; i++) {
		if (waitpid(pid, NULL, WNOHANG) == pid) {
			server->pid = 0;
			break;
		}
		if (takes_connections(server))
			return clock_getcpuclockid(pid, &server->clock) == 0 ? 0 : -ESRCH;
		pause_step();
	}
	show_log(server);
	return -ECONNREFUSED;
}

int server_stop(struct server *server)
{
	pid_t pid = server->pid;

	if (!pid)
		return 0;
	server->pid = 0;
	kill(pid, SIGTERM);
	for (int i = 0; i < STOP_STEPS; i++) {
		if (waitpid(pid, NULL, WNOHANG) == pid)
			return 0;
		pause_step();
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return -ETIME;
}

bool server_is_echo(const struct server *server)
{
	return strcmp(server->name, "echo") == 0;
}

uint64_t server_cpu_time(const struct server *server)
{
	struct timespec time = {0};

	clock_gettime(server->clock, &time);
	return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

uint64_t server_private_memory(const struct server *server)
{
	char path[64], line[256];
	unsigned long long kilobytes = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)server->pid);
	file = fopen(path, "r");
	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "Anonymous: %llu kB", &kilobytes) == 1)
			break;
	}
	if (file)
		fclose(file);
	return kilobytes * 1024;
}
