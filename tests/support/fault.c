/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The state is the process's, as the functions are. The linker gives the daemon's calls of f to __wrap_f and ours of __real_f
 * to f itself.
 */
#include "support/fault.h"

#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

static struct {
	struct fault_plan plan;
	bool armed;
	size_t calls, failed;
} state;

void fault_arm(const struct fault_plan *plan)
{
	state.plan = *plan;
	state.calls = state.failed = 0;
	state.armed = true;
}

size_t fault_disarm(void)
{
	state.armed = false;
	return state.failed;
}

size_t fault_calls(void)
{
	return state.calls;
}

static bool fails(enum fault_function function)
{
	if (!state.armed || !(state.plan.functions & (unsigned)function))
		return false;
	state.calls++;
	if (!state.plan.first || state.calls < state.plan.first)
		return false;
	size_t after = state.calls - state.plan.first;
	if (after && (!state.plan.every || after % state.plan.every))
		return false;
	state.failed++;
	return true;
}

/* ---- LMDB ---- */

/* A function that returns a code: its wrapper and the declaration of the real one. */
#define WRAP(function, name, parameters, arguments)                                                                              \
	int __real_##name parameters;                                                                                            \
	int __wrap_##name parameters;                                                                                            \
	int __wrap_##name parameters                                                                                             \
	{                                                                                                                        \
		return fails(function) ? state.plan.code : __real_##name arguments;                                              \
	}

WRAP(FAULT_TXN_BEGIN, mdb_txn_begin, (MDB_env * env, MDB_txn *parent, unsigned int flags, MDB_txn **txn),
     (env, parent, flags, txn))
WRAP(FAULT_TXN_RENEW, mdb_txn_renew, (MDB_txn * txn), (txn))
WRAP(FAULT_GET, mdb_get, (MDB_txn * txn, MDB_dbi dbi, MDB_val *key, MDB_val *data), (txn, dbi, key, data))
WRAP(FAULT_PUT, mdb_put, (MDB_txn * txn, MDB_dbi dbi, MDB_val *key, MDB_val *data, unsigned int flags),
     (txn, dbi, key, data, flags))
WRAP(FAULT_DEL, mdb_del, (MDB_txn * txn, MDB_dbi dbi, MDB_val *key, MDB_val *data), (txn, dbi, key, data))
WRAP(FAULT_CURSOR_OPEN, mdb_cursor_open, (MDB_txn * txn, MDB_dbi dbi, MDB_cursor **cursor), (txn, dbi, cursor))
WRAP(FAULT_CURSOR_GET, mdb_cursor_get, (MDB_cursor * cursor, MDB_val *key, MDB_val *data, MDB_cursor_op op),
     (cursor, key, data, op))
WRAP(FAULT_CURSOR_DEL, mdb_cursor_del, (MDB_cursor * cursor, unsigned int flags), (cursor, flags))
WRAP(FAULT_STAT, mdb_stat, (MDB_txn * txn, MDB_dbi dbi, MDB_stat *stat), (txn, dbi, stat))
WRAP(FAULT_SET_MAPSIZE, mdb_env_set_mapsize, (MDB_env * env, size_t size), (env, size))

int __real_mdb_txn_commit(MDB_txn *txn);
int __wrap_mdb_txn_commit(MDB_txn *txn);
int __wrap_mdb_txn_commit(MDB_txn *txn)
{
	if (!fails(FAULT_TXN_COMMIT))
		return __real_mdb_txn_commit(txn);
	mdb_txn_abort(txn);
	return state.plan.code;
}

/* ---- blocks of files ---- */

int __real_fallocate(int fd, int mode, off_t offset, off_t len);
int __wrap_fallocate(int fd, int mode, off_t offset, off_t len);
int __wrap_fallocate(int fd, int mode, off_t offset, off_t len)
{
	if (!fails(FAULT_BLOCKS))
		return __real_fallocate(fd, mode, offset, len);
	errno = ENOSPC;
	return -1;
}

int __real_posix_fallocate(int fd, off_t offset, off_t len);
int __wrap_posix_fallocate(int fd, off_t offset, off_t len);
int __wrap_posix_fallocate(int fd, off_t offset, off_t len)
{
	return fails(FAULT_BLOCKS) ? ENOSPC : __real_posix_fallocate(fd, offset, len);
}

/* ---- memory ---- */

static void *no_memory(void)
{
	errno = ENOMEM;
	return NULL;
}

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_malloc(size_t size)
{
	return fails(FAULT_MEMORY) ? no_memory() : __real_malloc(size);
}

void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size)
{
	return fails(FAULT_MEMORY) ? no_memory() : __real_calloc(n, size);
}

void *__real_realloc(void *memory, size_t size);
void *__wrap_realloc(void *memory, size_t size);
void *__wrap_realloc(void *memory, size_t size)
{
	return fails(FAULT_MEMORY) ? no_memory() : __real_realloc(memory, size);
}

char *__real_strdup(const char *text);
char *__wrap_strdup(const char *text);
char *__wrap_strdup(const char *text)
{
	return fails(FAULT_MEMORY) ? no_memory() : __real_strdup(text);
}

char *__real_strndup(const char *text, size_t len);
char *__wrap_strndup(const char *text, size_t len);
char *__wrap_strndup(const char *text, size_t len)
{
	return fails(FAULT_MEMORY) ? no_memory() : __real_strndup(text, len);
}

/* ---- the log ---- */

void __real_log_write(struct log *log, enum log_level level, const char *format, ...) __attribute__((format(printf, 3, 4)));
void __wrap_log_write(struct log *log, enum log_level level, const char *format, ...) __attribute__((format(printf, 3, 4)));
void __wrap_log_write(struct log *log, enum log_level level, const char *format, ...)
{
	char text[2048];
	va_list arguments;

	if (state.armed)
		return;
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	__real_log_write(log, level, "%s", text);
}
