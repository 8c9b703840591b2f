/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "domain/quota.h"
#include "request/conflict.h"

/* The command line: C xenstored's options, of 4.17 and of today, and lxenstored's own. */
struct options {
	bool no_fork;
	bool output_pid;
	bool no_xen;
	bool no_keeper;
	bool systemd_descriptors;
	bool map;  /* --store-mode map */
	bool sync; /* --store-sync */
	bool help, version;
	/* A stock daemon has executed this program in its place (live update): the file in the run directory with its state. */
	const char *takes_over; /* NULL: none has */
	const char *pid_file;	/* NULL: the default in the run directory */
	const char *trace_file;
	const char *trace_controls[16]; /* words like "+io" or "+io,-obj", in the order given */
	size_t n_trace_controls;
	const char *store; /* NULL: the default in the run directory */
	size_t store_size; /* bytes */
	uint16_t own_domid, privileged_domid;
	uint32_t ring_scan_seconds;	/* 0: never */
	uint32_t restart_pause_seconds; /* at most; 0: none */
	uint32_t update_trial_milliseconds;
	uint32_t watchdog_seconds; /* 0: none */
	uint32_t event_seconds;	   /* --timeout watch-event; 0: never */
	struct conflict_settings conflict;
	struct quotas quotas;
	const char *ignored[32]; /* options accepted that mean nothing here */
	size_t n_ignored;
};

/* Fills *out; strings point into argv. STATUS_EINVAL: a wrong option, said on standard error. */
int options_parse(int argc, char **argv, struct options *out);

/* --help */
void options_print_help(const char *program);
