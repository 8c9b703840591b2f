/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <limits.h>
#include <stdbool.h>

#include "formats.h"
#include "wire/path.h"

/* lxenstore-dump(1) lists them. */
enum {
	STATUS_DONE = 0,
	STATUS_DAMAGED = 1, /* or --check has found something */
	STATUS_USAGE = 2,
	STATUS_FAILED = 3 /* no store, no node, or nowhere to write to */
};

typedef int dump_format(const struct dump *dump);

struct dump_options {
	char store[PATH_MAX];
	dump_format *format;
	unsigned shown; /* SHOW_* */
	bool permissions, generations, check;
	uint32_t stream_version; /* 0: the newest */
	bool help, version;
	const char *given; /* path as the user wrote it */
	char path_buffer[PATH_BUFFER];
	struct path path;
};

/* 0, or STATUS_USAGE, and what is wrong has been said. */
int dump_parse_options(int argc, char **argv, struct dump_options *out);

void dump_print_help(void);

/* A line on standard error. */
void dump_complain(const char *format, ...) __attribute__((format(printf, 1, 2)));
