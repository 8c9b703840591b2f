/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Between fork and exec a child still has the parent's handlers, which would tell the parent's loop of the child's signals. */
#include "handover/process.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CANNOT_EXECUTE = 127 };

static void reset_signals(void)
{
	sigset_t none;

	for (int number = 1; number < NSIG; number++)
		signal(number, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

pid_t process_fork(void)
{
	sigset_t all, before;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	pid_t pid = fork();
	int error = errno;
	if (!pid)
		reset_signals();
	else
		sigprocmask(SIG_SETMASK, &before, NULL);
	errno = error;
	return pid;
}

int process_fork_alone(void)
{
	int status;
	pid_t between = process_fork();

	if (between < 0)
		return -errno;
	if (!between) {
		pid_t pid = process_fork();
		if (!pid)
			return 1;
		_exit(pid < 0 ? errno : 0);
	}
	while (waitpid(between, &status, 0) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -ECHILD;
}

void process_execute(int program, int directory, char **arguments, const int *kept, size_t n)
{
	close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
	for (size_t i = 0; i < n; i++)
		fcntl(kept[i], F_SETFD, 0);
	if (directory < 0 || !fchdir(directory))
		fexecve(program, arguments, environ);
	_exit(CANNOT_EXECUTE);
}
