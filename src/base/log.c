/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Two streams: messages for the operator (syslog, or standard error in the foreground) and the trace of requests, which is a
 * file of its own since it is long.
 */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "base/status.h"

const struct log_trace_name log_trace_names[] = {
    {"obj", LOG_TRACE_OBJ}, {"io", LOG_TRACE_IO},   {"wrl", LOG_TRACE_WRL},
    {"acc", LOG_TRACE_ACC}, {"tdb", LOG_TRACE_TDB}, {NULL, 0},
};

void log_init(struct log *log, bool foreground)
{
	*log = (struct log){
	    .foreground = foreground,
	    .level = LOG_LEVEL_NOTICE,
	    .trace_fd = -1,
	    .trace = LOG_TRACE_OBJ | LOG_TRACE_IO,
	};
}

void log_deinit(struct log *log)
{
	log_trace_close(log);
	free(log->trace_path);
	log->trace_path = NULL;
}

void log_write(struct log *log, enum log_level level, const char *format, ...)
{
	static const int priorities[] = {[LOG_LEVEL_ERROR] = LOG_ERR,
					 [LOG_LEVEL_WARNING] = LOG_WARNING,
					 [LOG_LEVEL_NOTICE] = LOG_NOTICE,
					 [LOG_LEVEL_DEBUG] = LOG_DEBUG};
	char text[2048];
	va_list arguments;

	if (level > log->level)
		return;
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	if (log->foreground)
		fprintf(stderr, "lxenstored: %s\n", text);
	else
		syslog(LOG_DAEMON | priorities[level], "%s", text);
}

int log_trace_open(struct log *log)
{
	log_trace_close(log);
	if (!log->trace_path)
		return -ENOENT;
	log->trace_fd = open(log->trace_path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0600);
	return log->trace_fd < 0 ? -errno : 0;
}

int log_trace_to(struct log *log, const char *path)
{
	char *copy = strdup(path);

	if (!copy)
		return -ENOMEM;
	free(log->trace_path);
	log->trace_path = copy;
	return log_trace_open(log);
}

void log_trace_close(struct log *log)
{
	if (log->trace_fd >= 0)
		close(log->trace_fd);
	log->trace_fd = -1;
}

int log_trace_switch(struct log *log, const char *word)
{
	if (word[0] != '+' && word[0] != '-')
		return STATUS_EINVAL;
	for (const struct log_trace_name *name = log_trace_names; name->name; name++) {
		if (strcmp(name->name, word + 1))
			continue;
		log->trace = word[0] == '+' ? log->trace | name->bit : log->trace & ~name->bit;
		return 0;
	}
	return STATUS_EINVAL;
}

void log_trace_line(struct log *log, const char *format, ...)
{
	char text[4096];
	struct timespec now;
	struct tm calendar;
	va_list arguments;

	if (log->trace_fd < 0)
		return;
	clock_gettime(CLOCK_REALTIME, &now);
	localtime_r(&now.tv_sec, &calendar);
	size_t len = strftime(text, sizeof(text), "%Y%m%d %H:%M:%S", &calendar);
	len += (size_t)snprintf(text + len, sizeof(text) - len, ".%06ld ", now.tv_nsec / 1000);
	va_start(arguments, format);
	int more = vsnprintf(text + len, sizeof(text) - len - 1, format, arguments);
	va_end(arguments);
	if (more > 0)
		len += (size_t)more < sizeof(text) - len - 2 ? (size_t)more : sizeof(text) - len - 2;
	text[len++] = '\n';
	/* A trace that cannot be written must not stop the daemon. */
	if (write(log->trace_fd, text, len) < 0)
		return;
}
