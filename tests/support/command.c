/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Output goes to files in memory, so that a program that writes much of both waits for nobody. */
#include "support/command.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void need(int ok, const char *what)
{
	if (!ok) {
		fprintf(stderr, "command: %s: %s\n", what, strerror(errno));
		abort();
	}
}

/* Opened before `prepare`, which may take away the right to reach it. */
static int open_program(const char *name)
{
	char path[4096];
	const char *at = strchr(name, '/') ? "" : getenv("PATH");

	while (at) {
		size_t len = strcspn(at, ":");
		snprintf(path, sizeof(path), "%.*s%s%s", (int)len, at, len ? "/" : "", name);
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd >= 0)
			return fd;
		at = at[len] ? at + len + 1 : NULL;
	}
	return -1;
}

pid_t command_start(const char *const words[], void (*prepare)(void), int output, int messages)
{
	int program = open_program(words[0]), null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	need(program >= 0 && null >= 0, words[0]);
	pid_t child = fork();
	need(child >= 0, "fork");
	if (!child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		signal(SIGPIPE, SIG_DFL);
		dup2(null, STDIN_FILENO);
		if (output >= 0)
			dup2(output, STDOUT_FILENO);
		if (messages >= 0)
			dup2(messages, STDERR_FILENO);
		if (prepare)
			prepare();
		fexecve(program, (char **)(uintptr_t)words, environ);
		_exit(127);
	}
	close(program);
	close(null);
	return child;
}

static char *contents(int fd, size_t *len)
{
	struct stat status;

	need(!fstat(fd, &status), "stat");
	char *bytes = malloc((size_t)status.st_size + 1);
	need(bytes && pread(fd, bytes, (size_t)status.st_size, 0) == status.st_size, "read");
	bytes[status.st_size] = 0;
	*len = (size_t)status.st_size;
	close(fd);
	return bytes;
}

void command_run(const char *const words[], void (*prepare)(void), struct command *out)
{
	int output = memfd_create("output", MFD_CLOEXEC), messages = memfd_create("messages", MFD_CLOEXEC), status;
	size_t len;

	need(output >= 0 && messages >= 0, "memfd_create");
	pid_t child = command_start(words, prepare, output, messages);
	while (waitpid(child, &status, 0) < 0)
		need(errno == EINTR, "wait");
	out->status = WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
	out->output = contents(output, &out->len);
	out->messages = contents(messages, &len);
}

void command_deinit(struct command *command)
{
	free(command->output);
	free(command->messages);
	*command = (struct command){0};
}
