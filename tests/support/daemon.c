/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The daemon is a child of the test, so its end can be waited for; whether it serves is seen by connecting to its socket.
 */
#include "support/daemon.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { ARGUMENTS_MAX = 32, START_TRIES = 30000 /* of 2 ms */, PARENT_MAX = 40 };

int daemon_init(struct daemon *daemon)
{
	return daemon_init_in(daemon, "/dev/shm");
}

int daemon_init_in(struct daemon *daemon, const char *parent)
{
	*daemon = (struct daemon){0};
	if (strlen(parent) > PARENT_MAX)
		return -ENAMETOOLONG;
	snprintf(daemon->directory, sizeof(daemon->directory), "%s/lxenstored-test-XXXXXX", parent);
	if (!mkdtemp(daemon->directory))
		return -errno;
	snprintf(daemon->socket, sizeof(daemon->socket), "%s/socket", daemon->directory);
	snprintf(daemon->store, sizeof(daemon->store), "%s/store.mdb", daemon->directory);
	snprintf(daemon->log, sizeof(daemon->log), "%s/log", daemon->directory);
	return 0;
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *walk)
{
	(void)status;
	(void)type;
	(void)walk;
	return remove(path);
}

void daemon_deinit(struct daemon *daemon)
{
	if (daemon->pid)
		daemon_stop(daemon, SIGKILL, NULL);
	if (*daemon->directory)
		nftw(daemon->directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
	*daemon = (struct daemon){0};
}

/* Never returns. */
static void become(const struct daemon *daemon, const char *const words[], void (*prepare)(const void *), const void *context)
{
	int log = open(daemon->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	/* If the test dies, so does its daemon. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setenv("XENSTORED_RUNDIR", daemon->directory, 1);
	setenv("XENSTORED_PATH", daemon->socket, 1);
	if (prepare)
		prepare(context);
	if (words[0] && log >= 0 && dup2(log, STDERR_FILENO) >= 0)
		execv(words[0], (char **)(uintptr_t)words);
	_exit(127);
}

int daemon_try_to_connect(const struct daemon *daemon)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	strcpy(address.sun_path, daemon->socket);
	int error = connect(fd, (const struct sockaddr *)&address, sizeof(address)) ? -errno : 0;
	close(fd);
	return error;
}

int daemon_start(struct daemon *daemon, const char *const arguments[], int *status)
{
	const char *words[ARGUMENTS_MAX + 8] = {getenv("LXENSTORED"), "-N", "--no-xen", "--no-keeper"};
	size_t n = 4;

	for (size_t i = 0; arguments && arguments[i] && i < ARGUMENTS_MAX; i++)
		words[n++] = arguments[i];
	return daemon_run(daemon, words, NULL, NULL, status);
}

int daemon_begin(struct daemon *daemon, const char *const words[], void (*prepare)(const void *context), const void *context)
{
	pid_t pid = fork();

	daemon->pid = pid < 0 ? 0 : pid;
	if (pid < 0)
		return -errno;
	if (!pid)
		become(daemon, words, prepare, context);
	return 0;
}

int daemon_run(struct daemon *daemon, const char *const words[], void (*prepare)(const void *context), const void *context,
	       int *status)
{
	const struct timespec pause = {.tv_nsec = 2000000};
	int ended, error = daemon_begin(daemon, words, prepare, context);

	if (error)
		return error;
	for (int i = 0; i < START_TRIES; i++) {
		if (!daemon_try_to_connect(daemon))
			return 0;
		if (waitpid(daemon->pid, &ended, WNOHANG) == daemon->pid) {
			daemon->pid = 0;
			if (status)
				*status = ended;
			return -ECHILD;
		}
		nanosleep(&pause, NULL);
	}
	daemon_stop(daemon, SIGKILL, NULL);
	return -ETIME;
}

int daemon_wait(struct daemon *daemon, int *status)
{
	int ended;

	while (waitpid(daemon->pid, &ended, 0) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	daemon->pid = 0;
	if (status)
		*status = ended;
	return 0;
}

static pid_t parent_of(pid_t pid)
{
	char path[64], line[256];
	long parent = 0;

	snprintf(path, sizeof(path), "/proc/%ld/status", (long)pid);
	FILE *file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "PPid: %ld", &parent) == 1)
			break;
	if (file)
		fclose(file);
	return (pid_t)parent;
}

pid_t daemon_child(pid_t parent)
{
	DIR *processes = opendir("/proc");
	const struct dirent *entry;
	pid_t found = 0;

	while (processes && !found && (entry = readdir(processes))) {
		pid_t pid = (pid_t)atol(entry->d_name);
		if (pid > 0 && parent_of(pid) == parent)
			found = pid;
	}
	if (processes)
		closedir(processes);
	return found;
}

int daemon_stop(struct daemon *daemon, int signal, int *status)
{
	if (!daemon->pid)
		return -ESRCH;
	if (kill(daemon->pid, signal))
		return -errno;
	return daemon_wait(daemon, status);
}

char *daemon_messages(const struct daemon *daemon)
{
	struct stat file;
	int fd = open(daemon->log, O_RDONLY | O_CLOEXEC);
	char *text = fd >= 0 && !fstat(fd, &file) ? calloc(1, (size_t)file.st_size + 1) : NULL;
	size_t len = 0;
	ssize_t n;

	while (text && len < (size_t)file.st_size && (n = read(fd, text + len, (size_t)file.st_size - len)) > 0)
		len += (size_t)n;
	if (fd >= 0)
		close(fd);
	return text;
}

size_t daemon_private_memory(const struct daemon *daemon)
{
	char path[64], line[256];
	size_t total = 0, kilobytes;

	snprintf(path, sizeof(path), "/proc/%ld/smaps_rollup", (long)daemon->pid);
	FILE *file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file)) {
		/* "Private" there is also a page of a shared file that nobody else has mapped. */
		if (sscanf(line, "Anonymous: %zu", &kilobytes) == 1)
			total = kilobytes * 1024;
	}
	if (file)
		fclose(file);
	return total;
}
