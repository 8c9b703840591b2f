/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kill/tracer.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

void tracer_submit(void)
{
	personality(ADDR_NO_RANDOMIZE);
	ptrace(PTRACE_TRACEME, 0, NULL, NULL);
}

static bool note_death(struct tracer *tracer, int status)
{
	tracer->pid = 0;
	tracer->status = status;
	return false;
}

/* Until it stops. False: it is dead. */
static bool await_stop(struct tracer *tracer, int *status)
{
	while (waitpid(tracer->pid, status, __WALL) < 0)
		if (errno != EINTR)
			return note_death(tracer, 0);
	return WIFSTOPPED(*status) ? true : note_death(tracer, *status);
}

bool tracer_begin(struct tracer *tracer, pid_t pid)
{
	int status;

	*tracer = (struct tracer){.pid = pid};
	if (!await_stop(tracer, &status))
		return false;
	ptrace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
	return true;
}

static void look(struct tracer *tracer)
{
	struct __ptrace_syscall_info info;

	if (ptrace(PTRACE_GET_SYSCALL_INFO, tracer->pid, sizeof(info), &info) <= 0)
		return;
	tracer->in_call = info.op == PTRACE_SYSCALL_INFO_ENTRY;
	if (tracer->in_call) {
		tracer->calls++;
		tracer->number = (long)info.entry.nr;
		memcpy(tracer->arguments, info.entry.args, sizeof(tracer->arguments));
		tracer->has_mapped = tracer->has_mapped && tracer->number != SYS_execve && tracer->number != SYS_execveat;
	}
}

static volatile sig_atomic_t overdue;

static void strike(int signal)
{
	(void)signal;
	kill((pid_t)overdue, SIGKILL);
}

static void set_limit(pid_t pid, unsigned seconds)
{
	struct sigaction action = {.sa_handler = strike};

	overdue = pid;
	sigaction(SIGALRM, &action, NULL);
	alarm(seconds);
}

bool tracer_next(struct tracer *tracer, unsigned seconds)
{
	int status, signal = 0;
	bool alive;

	if (seconds)
		set_limit(tracer->pid, seconds);
	do {
		ptrace(PTRACE_SYSCALL, tracer->pid, NULL, (void *)(intptr_t)signal);
		alive = await_stop(tracer, &status);
		signal = alive && WSTOPSIG(status) != SIGTRAP ? WSTOPSIG(status) : 0;
	} while (alive && WSTOPSIG(status) != (SIGTRAP | 0x80));
	if (seconds)
		alarm(0);
	if (alive)
		look(tracer);
	return alive;
}

bool tracer_step(struct tracer *tracer)
{
	int status, signal = 0;

	do {
		ptrace(PTRACE_SINGLESTEP, tracer->pid, NULL, (void *)(intptr_t)signal);
		if (!await_stop(tracer, &status))
			return false;
		signal = WSTOPSIG(status) != SIGTRAP ? WSTOPSIG(status) : 0;
	} while (signal);
	return true;
}

struct instruction tracer_look(const struct tracer *tracer)
{
	struct user_regs_struct registers;

	if (ptrace(PTRACE_GETREGS, tracer->pid, NULL, &registers))
		return (struct instruction){0};
	errno = 0;
	long code = ptrace(PTRACE_PEEKTEXT, tracer->pid, (void *)(uintptr_t)registers.rip, NULL);
	return (struct instruction){registers.rip, !errno && (code & 0xffff) == 0x050f};
}

/* The processor stops by itself in front of the instruction; 0: nowhere. */
static void set_breakpoint(const struct tracer *tracer, uint64_t address)
{
	ptrace(PTRACE_POKEUSER, tracer->pid, offsetof(struct user, u_debugreg[0]), address);
	ptrace(PTRACE_POKEUSER, tracer->pid, offsetof(struct user, u_debugreg[7]), address ? 1L : 0L);
}

bool tracer_run_to(struct tracer *tracer, uint64_t address, uint32_t times)
{
	int status = 0;
	uint32_t n = 0;

	set_breakpoint(tracer, address);
	while (n < times) {
		if (tracer_look(tracer).address == address && !tracer_step(tracer)) /* it would stop where it stands */
			return false;
		ptrace(PTRACE_SYSCALL, tracer->pid, NULL, NULL);
		if (!await_stop(tracer, &status) || WSTOPSIG(status) != SIGTRAP)
			break;
		n++;
	}
	if (tracer->pid)
		set_breakpoint(tracer, 0);
	return n == times;
}

bool tracer_is_waiting(const struct tracer *tracer)
{
	return tracer->in_call && (tracer->number == SYS_epoll_wait || tracer->number == SYS_epoll_pwait) &&
	       (int)tracer->arguments[3] != 0;
}

bool tracer_has_news(const struct tracer *tracer)
{
	int process = (int)syscall(SYS_pidfd_open, tracer->pid, 0);
	int copy = (int)syscall(SYS_pidfd_getfd, process, (int)tracer->arguments[0], 0);
	struct pollfd news = {.fd = copy, .events = POLLIN};
	bool result = poll(&news, 1, 0) > 0;

	close(copy);
	close(process);
	return result;
}

bool tracer_has_timer(const struct tracer *tracer)
{
	return (int)tracer->arguments[3] >= 0;
}

bool tracer_has_mapped(struct tracer *tracer, const char *ending)
{
	char path[64], line[512];

	snprintf(path, sizeof(path), "/proc/%d/maps", tracer->pid);
	FILE *maps = tracer->has_mapped ? NULL : fopen(path, "re");
	while (maps && fgets(line, sizeof(line), maps)) {
		size_t len = strcspn(line, "\n"), ending_len = strlen(ending);
		if (len >= ending_len && !strncmp(line + len - ending_len, ending, ending_len))
			tracer->has_mapped = true;
	}
	if (maps)
		fclose(maps);
	return tracer->has_mapped;
}

void tracer_kill(struct tracer *tracer)
{
	int status;

	if (!tracer->pid)
		return;
	kill(tracer->pid, SIGKILL);
	while (await_stop(tracer, &status))
		continue;
}

const char *call_name(long number)
{
	static const struct {
		long number;
		const char *name;
	} names[] = {
	    {SYS_accept4, "accept4"},
	    {SYS_access, "access"},
	    {SYS_bind, "bind"},
	    {SYS_brk, "brk"},
	    {SYS_clone, "clone"},
	    {SYS_close, "close"},
	    {SYS_epoll_create1, "epoll_create1"},
	    {SYS_epoll_ctl, "epoll_ctl"},
	    {SYS_epoll_wait, "epoll_wait"},
	    {SYS_fallocate, "fallocate"},
	    {SYS_fcntl, "fcntl"},
	    {SYS_fdatasync, "fdatasync"},
	    {SYS_ftruncate, "ftruncate"},
	    {SYS_futex, "futex"},
	    {SYS_getpid, "getpid"},
	    {SYS_getrandom, "getrandom"},
	    {SYS_listen, "listen"},
	    {SYS_lseek, "lseek"},
	    {SYS_madvise, "madvise"},
	    {SYS_mlock2, "mlock2"},
	    {SYS_mmap, "mmap"},
	    {SYS_mprotect, "mprotect"},
	    {SYS_mremap, "mremap"},
	    {SYS_msync, "msync"},
	    {SYS_munmap, "munmap"},
	    {SYS_newfstatat, "newfstatat"},
	    {SYS_openat, "openat"},
	    {SYS_pipe2, "pipe2"},
	    {SYS_poll, "poll"},
	    {SYS_pread64, "pread64"},
	    {SYS_prlimit64, "prlimit64"},
	    {SYS_pwrite64, "pwrite64"},
	    {SYS_pwritev, "pwritev"},
	    {SYS_read, "read"},
	    {SYS_recvmmsg, "recvmmsg"},
	    {SYS_recvmsg, "recvmsg"},
	    {SYS_rt_sigaction, "rt_sigaction"},
	    {SYS_rt_sigprocmask, "rt_sigprocmask"},
	    {SYS_sendmmsg, "sendmmsg"},
	    {SYS_sendmsg, "sendmsg"},
	    {SYS_shutdown, "shutdown"},
	    {SYS_socket, "socket"},
	    {SYS_umask, "umask"},
	    {SYS_unlink, "unlink"},
	    {SYS_wait4, "wait4"},
	    {SYS_write, "write"},
	    {SYS_writev, "writev"},
	};
	static char other[32];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].number == number)
			return names[i].name;
	snprintf(other, sizeof(other), "call %ld", number);
	return other;
}
