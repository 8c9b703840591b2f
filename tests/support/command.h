/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>
#include <sys/types.h>

/* A program that a test runs to its end, and what it said. */
struct command {
	int status;   /* its exit status, or minus the number of the signal that ended it */
	char *output; /* NUL-terminated, as are the messages */
	size_t len;
	char *messages; /* standard error */
};

/*
 * Runs the program words[0], found by PATH, with its arguments (ending with NULL). `prepare`, which may be NULL, is called in the
 * new process before. Whatever goes wrong here ends the process.
 */
void command_run(const char *const words[], void (*prepare)(void), struct command *out);
void command_deinit(struct command *command); /* accepts a zeroed one */

/* Only starts it; -1 for a descriptor leaves the test's own. The caller waits for it. */
pid_t command_start(const char *const words[], void (*prepare)(void), int output, int messages);
