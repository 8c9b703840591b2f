/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Loaded into a daemon (LD_PRELOAD), this makes it die of what a client asks for, or of what it finds at its start. A sign and
 * letters behind it, in what it looks at:
 *
 *	deadly-	in the path of a node that it writes
 *	dying-	in the path of a watch that it looks up or adds, as long as there is a file "armed" in the run directory
 *	reading- in a record that it reads with a cursor, the same
 *
 * and the letters alone in the file "armed-ledger", when it reads the ledger. The n-th time it does what the n-th letter says,
 *and what the last one says from then on:
 *
 *	s SIGSEGV, r the same because the stack is used up, b SIGBUS, a abort, f SIGFPE, i an illegal instruction,
 *	k SIGKILL, h hangs, c SIGSEGV when the turn is committed, o nothing
 *
 * A file in the run directory, "deaths" and then the word, has as many bytes as there were times.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <lmdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lxenstored/ledger_format.h"

enum { WORD_MAX = 32 };

static pid_t loaded_by; /* its children look at the store before it does: theirs is another death */
static int dies_at_commit;

__attribute__((constructor)) static void note_process(void)
{
	loaded_by = getpid();
}

static void *real(const char *name)
{
	void *function = dlsym(RTLD_NEXT, name);

	if (!function) {
		fprintf(stderr, "deadly: there is no %s\n", name);
		abort();
	}
	return function;
}

static void place(char path[PATH_MAX], const char *name, const char *more)
{
	const char *directory = getenv("XENSTORED_RUNDIR");

	snprintf(path, PATH_MAX, "%s/%s%s", directory ? directory : ".", name, more);
}

/* How often the word has been met before. */
static size_t count(const char *word)
{
	struct stat file = {0};
	char path[PATH_MAX];

	place(path, "deaths-", word);
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (fd < 0 || fstat(fd, &file) || write(fd, "x", 1) != 1)
		fprintf(stderr, "deadly: %s cannot be counted\n", path);
	close(fd);
	return (size_t)file.st_size;
}

static volatile int *volatile nowhere;

/* Until there is no more stack. */
static int go_down(int depth)
{
	volatile char room[4096];

	room[0] = (char)depth;
	return depth < 0 ? 0 : go_down(depth + 1) + room[0];
}

static void die(char letter)
{
	switch (letter) {
	case 's':
		*nowhere = 1;
		return;
	case 'r':
		exit(go_down(1));
	case 'b':
		raise(SIGBUS);
		return;
	case 'a':
		abort();
	case 'f':
		raise(SIGFPE);
		return;
	case 'i':
		__builtin_trap();
	case 'k':
		raise(SIGKILL);
		return;
	case 'h':
		for (;;)
			pause();
	case 'c':
		dies_at_commit = 1;
		return;
	default:
		return;
	}
}

static void look(const void *bytes, size_t len, const char *sign)
{
	size_t sign_len = strlen(sign), n = 0;
	char word[WORD_MAX];
	const char *at = len ? memmem(bytes, len, sign, sign_len) : NULL;

	if (!at || getpid() != loaded_by)
		return;
	const char *end = (const char *)bytes + len;
	for (at += sign_len; at < end && *at >= 'a' && *at <= 'z' && n < sizeof(word) - 1; at++)
		word[n++] = *at;
	word[n] = 0;
	if (!n)
		return;
	size_t times = count(word);
	die(word[times < n ? times : n - 1]);
}

static int is_armed(void)
{
	char path[PATH_MAX];

	place(path, "armed", "");
	return !access(path, F_OK);
}

int mdb_put(MDB_txn *txn, MDB_dbi dbi, MDB_val *key, MDB_val *data, unsigned int flags)
{
	int (*put)(MDB_txn *, MDB_dbi, MDB_val *, MDB_val *, unsigned int);

	*(void **)&put = real("mdb_put");
	look(key->mv_data, key->mv_size, "deadly-");
	return put(txn, dbi, key, data, flags);
}

int mdb_txn_commit(MDB_txn *txn)
{
	int (*commit)(MDB_txn *);

	*(void **)&commit = real("mdb_txn_commit");
	if (dies_at_commit)
		*nowhere = 1;
	return commit(txn);
}

int mdb_cursor_get(MDB_cursor *cursor, MDB_val *key, MDB_val *data, MDB_cursor_op op)
{
	int (*get)(MDB_cursor *, MDB_val *, MDB_val *, MDB_cursor_op);

	*(void **)&get = real("mdb_cursor_get");
	int code = get(cursor, key, data, op);
	if (!code && data && is_armed())
		look(data->mv_data, data->mv_size, "reading-");
	return code;
}

int crypto_shorthash_siphash24(unsigned char *out, const unsigned char *in, unsigned long long len, const unsigned char *key);
int crypto_shorthash_siphash24(unsigned char *out, const unsigned char *in, unsigned long long len, const unsigned char *key)
{
	int (*hash)(unsigned char *, const unsigned char *, unsigned long long, const unsigned char *);

	*(void **)&hash = real("crypto_shorthash_siphash24");
	if (len && memmem(in, (size_t)len, "dying-", 6) && is_armed())
		look(in, (size_t)len, "dying-");
	return hash(out, in, len, key);
}

ssize_t pread(int fd, void *bytes, size_t len, off_t from)
{
	ssize_t (*read_at)(int, void *, size_t, off_t);
	char path[PATH_MAX], word[64] = "-";

	*(void **)&read_at = real("pread");
	if (from == LEDGER_HEADER_SIZE) {
		place(path, "armed-ledger", "");
		int letters = open(path, O_RDONLY | O_CLOEXEC);
		ssize_t n = letters >= 0 ? read(letters, word + 1, sizeof(word) - 2) : 0;
		close(letters);
		if (n > 0)
			look(word, (size_t)n + 1, "-");
	}
	return read_at(fd, bytes, len, from);
}
