/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * A daemon that is led from one system call to the next, or from one machine instruction to the next, so that what it does is the
 * same in each run and it can be killed anywhere. Its children run freely.
 */
struct tracer {
	pid_t pid;	/* 0: dead */
	int status;	/* of waitpid, once it is dead */
	uint64_t calls; /* entered so far */
	bool in_call;	/* it stands at the entry of one, else behind one */
	long number;	/* of the call */
	uint64_t arguments[6];
	bool has_mapped; /* see tracer_has_mapped */
};

/* Called by the new process before it executes the daemon: it stops there. Addresses are the same each time. */
void tracer_submit(void);

/* Waits for that; the tracer is set up anew. False: the process has ended. */
bool tracer_begin(struct tracer *tracer, pid_t pid);

/* Goes on to the next entry or end of a call; false: it is dead. `seconds`: then it is killed (0: waits for ever). */
bool tracer_next(struct tracer *tracer, unsigned seconds);

/* One machine instruction; false: it is dead. */
bool tracer_step(struct tracer *tracer);

/* The next instruction: where it is, and whether it is a system call. */
struct instruction {
	uint64_t address;
	bool is_call;
};
struct instruction tracer_look(const struct tracer *tracer);

/* As fast as the processor goes, until it has come to this address so often, but not beyond the next call. False: it has not. */
bool tracer_run_to(struct tracer *tracer, uint64_t address, uint32_t times);

/* It is about to wait until something happens (epoll_wait). */
bool tracer_is_waiting(const struct tracer *tracer);

/* It waits for some time only. */
bool tracer_has_timer(const struct tracer *tracer);

/* What it is about to wait for has happened already. */
bool tracer_has_news(const struct tracer *tracer);

/* A file whose name ends so is in its memory; once it is, it stays there as long as this program is executed. */
bool tracer_has_mapped(struct tracer *tracer, const char *ending);

/* At once, where it stands: a call that it has entered is not made. */
void tracer_kill(struct tracer *tracer);

/* "recvmmsg"; of calls that are rare the number. Valid until the next call. */
const char *call_name(long number);
