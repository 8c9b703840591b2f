/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_NOTICE, LOG_LEVEL_DEBUG };

/* Switches of the request trace, as `xenstore-control log +<switch>` names them; see log_trace_names. */
enum log_trace { LOG_TRACE_OBJ = 1, LOG_TRACE_IO = 2, LOG_TRACE_WRL = 4, LOG_TRACE_ACC = 8, LOG_TRACE_TDB = 16 };

struct log_trace_name {
	const char *name;
	uint32_t bit;
};
extern const struct log_trace_name log_trace_names[]; /* ends with name NULL */

/*
 * Where the daemon's words go. Messages: standard error while `foreground`, else syslog (facility daemon). The trace, one
 * line per request and reply as C xenstored's -T writes it, goes to a file that can be named, closed and opened again at
 * run time. There is one per process; it belongs to struct server and is handed down.
 */
struct log {
	bool foreground;
	enum log_level level;
	char *trace_path; /* owned; NULL: none */
	int trace_fd;	  /* -1: closed */
	uint32_t trace;	  /* LOG_TRACE_* that are on */
};

void log_init(struct log *log, bool foreground);
void log_deinit(struct log *log);
void log_write(struct log *log, enum log_level level, const char *format, ...) __attribute__((format(printf, 3, 4)));

#define log_error(log, ...) log_write((log), LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(log, ...) log_write((log), LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_notice(log, ...) log_write((log), LOG_LEVEL_NOTICE, __VA_ARGS__)
#define log_debug(log, ...) log_write((log), LOG_LEVEL_DEBUG, __VA_ARGS__)

/* Names the trace file (copied) and opens it for appending; 0 or -errno (then no trace is written). */
int log_trace_to(struct log *log, const char *path);
int log_trace_open(struct log *log);   /* the named file again; -ENOENT if none was named */
void log_trace_close(struct log *log); /* the name is kept */

/* Switches one trace class: `word` is "+name" or "-name"; STATUS_EINVAL for anything else. */
int log_trace_switch(struct log *log, const char *word);

/* One line into the trace file, with the time before it; nothing if it is closed. */
void log_trace_line(struct log *log, const char *format, ...) __attribute__((format(printf, 2, 3)));
