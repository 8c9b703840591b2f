/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The check of a file that may be damaged: in a child process, since LMDB may die of its pages. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store/check_walk.h"

/* The time that the walk in the child may take: some hundred times what it needs. */
static const unsigned least_seconds = 60, bytes_per_second = 8 << 20;

unsigned check_file_limit(const char *path)
{
	struct stat file;

	return least_seconds + (stat(path, &file) ? 0 : (unsigned)(file.st_size / bytes_per_second));
}

static void examine_records(struct reader_env *reader, struct check_verdict *out)
{
	struct reader_walk records = {.reader = reader, .milliseconds = READER_MILLISECONDS};
	int fault = check_store(&records, NULL, NULL, out);

	if (fault) {
		out->result = CHECK_DAMAGED;
		snprintf(out->text, sizeof(out->text), "%s", strerror(-fault));
	}
}

/*
 * Whether a record about the store that was found in the file is whole, as far as can be seen: pages also have what is left of
 * moved and freed ones. All that are whole are the same.
 */
static bool is_whole_meta(const struct store_meta *meta, const char *boot_id)
{
	size_t size = sizeof(meta->boot_id);

	return reader_is_boot_id(meta->boot_id, size) && (!boot_id || strnlen(meta->boot_id, size) == strnlen(boot_id, size));
}

/* The record about the store, wherever it lies. False: there is none. */
static bool find_meta(int fd, const char *boot_id, struct store_meta *out)
{
	struct stat file;
	bool found = false;

	if (fstat(fd, &file) || file.st_size < (off_t)sizeof(*out))
		return false;
	size_t size = (size_t)file.st_size;
	char *bytes = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (bytes == MAP_FAILED)
		return false;
	const char *at = bytes, *end = bytes + size;
	while (!found && (at = memmem(at, (size_t)(end - at), STORE_MAGIC, sizeof(STORE_MAGIC))) &&
	       (size_t)(end - at) >= sizeof(*out)) {
		memcpy(out, at, sizeof(*out));
		found = is_whole_meta(out, boot_id);
		at++;
	}
	munmap(bytes, size);
	return found;
}

static void tell_other_boot(const struct store_meta *meta, struct check_verdict *out)
{
	out->result = CHECK_OTHER_BOOT;
	snprintf(out->text, sizeof(out->text), "%.*s", (int)sizeof(meta->boot_id), meta->boot_id);
}

static bool is_of_boot(const struct store_meta *meta, const char *boot_id)
{
	return !boot_id || !strncmp(meta->boot_id, boot_id, sizeof(meta->boot_id));
}

/* Before LMDB looks at them, which may go round in circles. What is no store of ours may have pages of other kinds. */
static void examine_pages(const char *path, const char *boot_id, struct check_verdict *out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct store_meta meta;

	if (fd < 0)
		return;
	if (check_pages_of_file(fd, out->text, sizeof(out->text)) || !find_meta(fd, boot_id, &meta))
		*out->text = 0;
	else if (is_of_boot(&meta, boot_id))
		out->result = CHECK_DAMAGED;
	else
		tell_other_boot(&meta, out);
	close(fd);
}

static void examine(const char *path, const char *boot_id, bool all, struct check_verdict *out)
{
	struct reader_env reader;

	*out = (struct check_verdict){.result = CHECK_SOUND};
	if (all)
		examine_pages(path, boot_id, out);
	if (out->result != CHECK_SOUND)
		return;
	switch (reader_open(path, false, &reader, out->text)) {
	case READER_SOUND:
		break;
	case READER_EMPTY:
		return;
	case READER_NEWER:
		out->result = CHECK_NEWER;
		return;
	case READER_FOREIGN:
		out->result = CHECK_FOREIGN;
		return;
	case READER_DAMAGED:
	case READER_FAILED:
		out->result = CHECK_DAMAGED;
		return;
	}
	if (!is_of_boot(&reader.meta, boot_id))
		tell_other_boot(&reader.meta, out);
	else if (all)
		examine_records(&reader, out);
	reader_close(&reader);
}

/* Never returns. */
static void examine_in_child(const char *path, const char *boot_id, bool all, int answer)
{
	static const int deaths[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL};
	const rlim_t limit = check_file_limit(path);
	const struct rlimit none = {0, 0}, seconds = {limit, limit};
	struct check_verdict verdict;

	/* The lock of a daemon that is killed meanwhile must not live on here, or the next one would find it. */
	close_range(3, (unsigned)answer - 1, 0);
	close_range((unsigned)answer + 1, ~0U, 0);
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	/* Its death is an answer: it leaves no core and says nothing. */
	setrlimit(RLIMIT_CORE, &none);
	/* Nor does it go round in circles for ever. */
	setrlimit(RLIMIT_CPU, &seconds);
	for (size_t i = 0; i < sizeof(deaths) / sizeof(deaths[0]); i++)
		signal(deaths[i], SIG_DFL);
	if (null >= 0)
		dup2(null, STDERR_FILENO);
	examine(path, boot_id, all, &verdict);
	_exit(write(answer, &verdict, sizeof(verdict)) == (ssize_t)sizeof(verdict) ? 0 : 1);
}

static int examine_apart(const char *path, const char *boot_id, bool all, struct check_verdict *out)
{
	int ends[2], status;
	ssize_t len;

	if (access(path, R_OK))
		return -errno;
	if (pipe2(ends, O_CLOEXEC))
		return -errno;
	pid_t child = fork();
	if (child < 0) {
		int error = -errno;
		close(ends[0]);
		close(ends[1]);
		return error;
	}
	if (!child)
		examine_in_child(path, boot_id, all, ends[1]);
	close(ends[1]);
	do
		len = read(ends[0], out, sizeof(*out));
	while (len < 0 && errno == EINTR);
	close(ends[0]);
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (len == (ssize_t)sizeof(*out))
		return 0;
	*out = (struct check_verdict){.result = CHECK_DAMAGED};
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS)
		snprintf(out->text, sizeof(out->text), "a page lies behind the end of the file, which was cut short");
	else if (WIFSIGNALED(status))
		snprintf(out->text, sizeof(out->text), "LMDB cannot read it (%s)", strsignal(WTERMSIG(status)));
	else
		snprintf(out->text, sizeof(out->text), "LMDB cannot read it");
	return 0;
}

int check_file(const char *path, const char *boot_id, struct check_verdict *out)
{
	return examine_apart(path, boot_id, true, out);
}

int check_file_head(const char *path, const char *boot_id, struct check_verdict *out)
{
	return examine_apart(path, boot_id, false, out);
}
