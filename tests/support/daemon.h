/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* It is built with what its tests are built with: then its memory cannot be measured, and all takes ten times as long. */
#if defined(__SANITIZE_ADDRESS__)
#define DAEMON_IS_SANITIZED true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define DAEMON_IS_SANITIZED true
#endif
#endif
#ifndef DAEMON_IS_SANITIZED
#define DAEMON_IS_SANITIZED false
#endif

/*
 * A real lxenstored (the program that LXENSTORED names) in a run directory of its own on /dev/shm. Zeroed, or set up by
 * daemon_init. Functions return 0 or -errno.
 */
struct daemon {
	pid_t pid; /* 0: not running */
	char directory[64];
	char socket[80];
	char store[80];
	char log[80]; /* its standard error, of all starts */
};

/* Makes the run directory. */
int daemon_init(struct daemon *daemon);

/* The same under another folder than /dev/shm, of at most 40 bytes: one that is removed with all that is in it. */
int daemon_init_in(struct daemon *daemon, const char *parent);

/* Ends the process, if it runs, by SIGKILL and removes the directory. Accepts a zeroed one. */
void daemon_deinit(struct daemon *daemon);

/*
 * Starts it in the foreground, `lxenstored -N --no-xen --no-keeper` and then `arguments` (NULL, or ending with NULL), and waits
 * until the socket takes connections. -ECHILD: it ended instead; *status as waitpid has it (may be NULL).
 */
int daemon_start(struct daemon *daemon, const char *const arguments[], int *status);

/*
 * The same with another program: all `words` of the command line, ending with NULL. `prepare` (may be NULL) is called in the
 * new process before, with `context`. XENSTORED_RUNDIR and XENSTORED_PATH are set.
 */
int daemon_run(struct daemon *daemon, const char *const words[], void (*prepare)(const void *context), const void *context,
	       int *status);

/* The same without waiting: daemon->pid is the new process. */
int daemon_begin(struct daemon *daemon, const char *const words[], void (*prepare)(const void *context), const void *context);

/* Whether it takes connections; -errno: why not. */
int daemon_try_to_connect(const struct daemon *daemon);

/* A child of this process, for one which is a keeper the daemon that it has started; 0: there is none at the moment. */
pid_t daemon_child(pid_t parent);

/* Sends the signal and waits for the end; *status as waitpid has it (may be NULL). */
int daemon_stop(struct daemon *daemon, int signal, int *status);

/* Waits for an end that comes by itself. */
int daemon_wait(struct daemon *daemon, int *status);

/* All that it has said so far, NUL-terminated, in memory that the caller frees; NULL: none can be had. */
char *daemon_messages(const struct daemon *daemon);

/* Private memory of the process in bytes: what is not shared with files or others. */
size_t daemon_private_memory(const struct daemon *daemon);
