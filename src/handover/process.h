/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>
#include <sys/types.h>

/* As fork(2), but in the child signals do what they do by default, and none has reached a handler of the parent's before. */
pid_t process_fork(void);

/*
 * The same for a process that is nobody's child: its parent has ended. 1 in that process; 0 in the caller, once it is there;
 * -errno.
 */
int process_fork_alone(void);

/*
 * In such a process: becomes the program, in a directory (both are descriptors; -1: stays where it is). Of all others, only
 * standard input, output and error and the `n` descriptors `kept` go along. Never returns.
 */
void process_execute(int program, int directory, char **arguments, const int *kept, size_t n) __attribute__((noreturn));
