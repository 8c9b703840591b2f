/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The fake has no other threads and no loop but one: wait for a message or a death, look at all messages, then at the death.
 */
#include "support/fake_systemd.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STORE_MAX = 4096, NAME_MAX_LEN = 64, FIRST_FD = 3, FAR_AWAY_FD = 5000, WATCHDOG_USEC = 250000 };

struct stored {
	char name[NAME_MAX_LEN];
	int fd;
};

struct fake {
	struct fake_systemd_state *state;
	const struct daemon *daemon;
	const char *const *words;
	const char *notify_socket;
	bool stopping;
	int notify, process, signals;
	struct stored stored[STORE_MAX];
};

/* ---- messages ---- */

static void store(struct fake *fake, const char *name, int fd)
{
	unsigned n = fake->state->held;

	if (n == STORE_MAX || fd < 0) {
		fake->state->lost++;
		close(fd);
		return;
	}
	snprintf(fake->stored[n].name, NAME_MAX_LEN, "%s", name);
	fake->stored[n].fd = fd;
	fake->state->held++;
}

static void discard(struct fake *fake, const char *name)
{
	for (unsigned i = 0; i < fake->state->held; i++) {
		if (strcmp(fake->stored[i].name, name) != 0)
			continue;
		close(fake->stored[i].fd);
		fake->stored[i--] = fake->stored[--fake->state->held];
	}
}

/* One line sets one of these. */
struct message {
	bool stores, removes;
	char name[NAME_MAX_LEN];
};

static void read_line(struct fake *fake, struct message *message, const char *line)
{
	long pid;

	if (!strcmp(line, "READY=1"))
		fake->state->readies++;
	else if (!strcmp(line, "WATCHDOG=1"))
		fake->state->watchdogs++;
	else if (!strcmp(line, "STOPPING=1"))
		fake->state->stoppings++;
	else if (!strcmp(line, "FDSTORE=1"))
		message->stores = true;
	else if (!strcmp(line, "FDSTOREREMOVE=1"))
		message->removes = true;
	else if (!strncmp(line, "FDNAME=", 7))
		snprintf(message->name, NAME_MAX_LEN, "%s", line + 7);
	else if (sscanf(line, "MAINPID=%ld", &pid) == 1)
		fake->state->main_pid = (pid_t)pid;
	else if (strcmp(line, "FDPOLL=0") != 0 && strncmp(line, "EXTEND_TIMEOUT_USEC=", 20) != 0)
		fake->state->lost++;
}

/* False: there is none. */
static bool read_message(struct fake *fake)
{
	char text[1024], control[CMSG_SPACE(sizeof(int))], *rest, *line;
	struct iovec bytes = {text, sizeof(text) - 1};
	struct msghdr packet = {.msg_iov = &bytes, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
	ssize_t len = recvmsg(fake->notify, &packet, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	struct message message = {0};
	int fd = -1;

	if (len < 0)
		return false;
	text[len] = 0;
	struct cmsghdr *header = CMSG_FIRSTHDR(&packet);
	if (header && header->cmsg_type == SCM_RIGHTS)
		memcpy(&fd, CMSG_DATA(header), sizeof(fd));
	for (line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
		read_line(fake, &message, line);
	if (message.stores)
		store(fake, message.name, fd);
	else if (fd >= 0)
		close(fd);
	if (message.removes)
		discard(fake, message.name);
	return true;
}

/* ---- daemons ---- */

/* What is stored comes from 3 on, with names. Never returns. */
static void become_daemon(const struct fake *fake)
{
	static char names[STORE_MAX * NAME_MAX_LEN];
	unsigned n = fake->state->held;
	char number[32];
	size_t len = 0;
	sigset_t none;
	int log = open(fake->daemon->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	dup2(log, STDERR_FILENO);
	for (unsigned i = 0; i < n; i++) /* none of them is where another goes */
		dup2(fake->stored[i].fd, FAR_AWAY_FD + (int)i);
	for (unsigned i = 0; i < n; i++) {
		dup2(FAR_AWAY_FD + (int)i, FIRST_FD + (int)i);
		close(FAR_AWAY_FD + (int)i);
		len += (size_t)snprintf(names + len, sizeof(names) - len, "%s%s", i ? ":" : "", fake->stored[i].name);
	}
	close_range(FIRST_FD + n, ~0U, 0);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setenv("XENSTORED_RUNDIR", fake->daemon->directory, 1);
	setenv("XENSTORED_PATH", fake->daemon->socket, 1);
	setenv("NOTIFY_SOCKET", fake->notify_socket, 1);
	snprintf(number, sizeof(number), "%d", WATCHDOG_USEC);
	setenv("WATCHDOG_USEC", number, 1);
	if (n) {
		snprintf(number, sizeof(number), "%ld", (long)getpid());
		setenv("LISTEN_PID", number, 1);
		snprintf(number, sizeof(number), "%u", n);
		setenv("LISTEN_FDS", number, 1);
		setenv("LISTEN_FDNAMES", names, 1);
	}
	execv(fake->words[0], (char **)(uintptr_t)fake->words);
	_exit(127);
}

static void start_daemon(struct fake *fake)
{
	pid_t pid = fork();

	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		become_daemon(fake);
	}
	fake->process = (int)syscall(SYS_pidfd_open, pid, 0);
	fake->state->daemon = pid;
	fake->state->starts++;
}

/* Runs until the daemon has ended and there is to be no other. Never returns; the exit status tells how it was. */
static void run(struct fake *fake)
{
	start_daemon(fake);
	for (;;) {
		struct pollfd waits[] = {{.fd = fake->notify, .events = POLLIN},
					 {.fd = fake->process, .events = POLLIN},
					 {.fd = fake->signals, .events = POLLIN}};
		int status;
		char byte;
		poll(waits, 3, -1);
		while (read_message(fake))
			;
		if (waits[2].revents && read(fake->signals, &byte, 1) >= 0) { /* its other end was closed */
			fake->stopping = true;
			kill(fake->state->daemon, SIGTERM);
			close(fake->signals);
			fake->signals = -1;
		}
		if (!waits[1].revents)
			continue;
		while (read_message(fake))
			;
		waitpid(fake->state->daemon, &status, 0);
		close(fake->process);
		fake->state->daemon = 0;
		if (fake->stopping || !status)
			_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
		start_daemon(fake);
	}
}

/* ---- the test's side ---- */

static int listen_for_messages(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	unlink(path);
	return fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) ? -1 : fd;
}

int fake_systemd_start(struct fake_systemd *systemd, const struct daemon *daemon, const char *const words[])
{
	int ends[2];
	static struct fake fake;

	systemd->state = mmap(NULL, sizeof(*systemd->state), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (systemd->state == MAP_FAILED || pipe2(ends, O_CLOEXEC))
		return -errno;
	snprintf(systemd->notify_socket, sizeof(systemd->notify_socket), "%.60s/notify", daemon->directory);
	fake = (struct fake){.state = systemd->state,
			     .daemon = daemon,
			     .words = words,
			     .notify_socket = systemd->notify_socket,
			     .notify = listen_for_messages(systemd->notify_socket),
			     .signals = ends[0]};
	if (fake.notify < 0)
		return -errno;
	systemd->pid = fork();
	if (!systemd->pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(ends[1]);
		run(&fake);
	}
	close(fake.notify);
	close(ends[0]);
	systemd->stop = ends[1];
	return systemd->pid < 0 ? -errno : 0;
}

int fake_systemd_stop(struct fake_systemd *systemd)
{
	int status = 0;

	close(systemd->stop);
	if (waitpid(systemd->pid, &status, 0) < 0)
		return -errno;
	munmap(systemd->state, sizeof(*systemd->state));
	systemd->pid = 0;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -EPIPE;
}
