/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

/*
 * A server under measurement: a command line and the process that runs it. The command is a shell's simple command; it
 * finds its run directory in XENSTORED_RUNDIR, must make its socket at XENSTORED_PATH (`socket` in that directory), and
 * must serve in the process it was started as. Any XenStore daemon can be put in a row of the bench with this.
 */
enum { SERVER_NAME_MAX = 32, SERVER_PATH_MAX = 108 };

struct server {
	char name[SERVER_NAME_MAX]; /* "echo", "plain" and "map" have a meaning: the limit, and the two columns of goals */
	const char *command;
	char directory[SERVER_PATH_MAX - 16];
	char socket[SERVER_PATH_MAX];
	pid_t pid;	 /* 0: not running */
	clockid_t clock; /* the process's CPU time */
};

/* The run directory `parent`/`name` is made; `command` is borrowed. 0 or -errno. */
int server_init(struct server *server, const char *name, const char *command, const char *parent);

/* Stops the process and removes the run directory. */
void server_deinit(struct server *server);

/*
 * Starts the command, `wrapper` (NULL: none) before it, on `cpu` (negative: anywhere), and waits until the socket takes
 * connections. A failure is told on standard error with what the server printed.
 */
int server_start(struct server *server, const char *wrapper, int cpu);

/* SIGTERM, and SIGKILL if that takes more than 30 seconds (then -ETIME). */
int server_stop(struct server *server);

/* Removes what a stopped server left in its run directory. */
int server_clear(struct server *server);

/* Puts the calling process on this CPU; negative: leaves it where it is. */
void server_pin_here(int cpu);

bool server_is_echo(const struct server *server);

/* CPU time the process has used, nanoseconds. */
uint64_t server_cpu_time(const struct server *server);

/* Memory of the process that is no mapped file, in bytes. */
uint64_t server_private_memory(const struct server *server);
