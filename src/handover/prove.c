/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Runs beside the daemon, which goes on changing both files. The store shows one moment to each reader; of the ledger only the
 * head is looked at, since the rest is not still. All that a start would load is decoded, so a record that this program cannot
 * read, or dies of, is found while the daemon that can read it still serves.
 */
#include "handover/prove.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/status.h"
#include "lxenstored/handover_format.h"
#include "lxenstored/ledger_format.h"
#include "store/reader.h"
#include "store/watch_record.h"

static int complain(const char *path, const char *what)
{
	fprintf(stderr, "%s: %s\n", path, what);
	return -EIO;
}

static bool is_readable(const struct reader_walk *walk)
{
	struct watch_record watch;

	switch (walk->key[0]) {
	case STORE_KEY_WATCH:
		return watch_record_decode(walk->key, walk->key_len, walk->record, walk->record_len, &watch);
	case STORE_KEY_DOMAIN:
		return walk->record_len == sizeof(struct store_domain);
	case STORE_KEY_QUOTAS:
		return walk->record_len == sizeof(struct store_quotas);
	default:
		return true;
	}
}

/* All records of one kind. */
static int read_kind(const char *path, struct reader_env *reader, unsigned char kind)
{
	struct reader_walk walk = {.reader = reader, .milliseconds = READER_MILLISECONDS};
	int result = reader_walk_begin(&walk);

	if (!result)
		result = reader_walk_seek(&walk, &kind, 1);
	while (!result && !(result = reader_walk_next(&walk)) && walk.key[0] == kind)
		if (!is_readable(&walk))
			result = complain(path, "holds a record that cannot be read");
	reader_walk_end(&walk);
	return result == STATUS_ENOENT ? 0 : result;
}

static int read_store(const struct proof_subject *subject, struct store_meta *meta)
{
	static const unsigned char kinds[] = {STORE_KEY_DOMAIN, STORE_KEY_QUOTAS, STORE_KEY_WATCH};
	char text[READER_TEXT_SIZE];
	struct reader_env reader;
	int error = 0;

	switch (reader_open(subject->store, true, &reader, text)) {
	case READER_SOUND:
		break;
	case READER_NEWER:
		fprintf(stderr, "%s has format %s, newer than this program's %d\n", subject->store, text, STORE_VERSION);
		return -EPROTO;
	case READER_EMPTY:
		return complain(subject->store, "is empty");
	default:
		return complain(subject->store, text);
	}
	*meta = reader.meta;
	if (strncmp(meta->boot_id, subject->boot_id, sizeof(meta->boot_id)) != 0)
		error = complain(subject->store, "is of another boot of the host");
	for (size_t i = 0; i < sizeof(kinds) && !error; i++)
		error = read_kind(subject->store, &reader, kinds[i]);
	reader_close(&reader);
	return error;
}

static int read_ledger(const struct proof_subject *subject, const struct store_meta *meta)
{
	struct ledger_header header;
	int fd = open(subject->ledger, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return complain(subject->ledger, strerror(errno));
	ssize_t len = pread(fd, &header, sizeof(header), 0);
	close(fd);
	if (len != sizeof(header) || memcmp(header.magic, LEDGER_MAGIC, sizeof(header.magic)) != 0 ||
	    memcmp(header.store_id, meta->id, sizeof(header.store_id)) != 0)
		return complain(subject->ledger, "is not the ledger of this store");
	if (header.version < LEDGER_VERSION_OLDEST || header.version > LEDGER_VERSION || header.block_size != LEDGER_BLOCK_SIZE)
		return complain(subject->ledger, "has a format that this program does not understand");
	return 0;
}

int prove(const struct proof_subject *subject)
{
	struct stat store, ledger;
	struct store_meta meta;

	if (stat(subject->store, &store) || read_store(subject, &meta)) {
		fprintf(stderr, "the store %s cannot be read\n", subject->store);
		return EXIT_FAILURE;
	}
	if (stat(subject->ledger, &ledger) || read_ledger(subject, &meta)) {
		fprintf(stderr, "the ledger %s cannot be read\n", subject->ledger);
		return EXIT_FAILURE;
	}
	printf(PROOF_FORMAT "\n", (unsigned long long)store.st_dev, (unsigned long long)store.st_ino,
	       (unsigned long long)ledger.st_dev, (unsigned long long)ledger.st_ino, subject->serves_rings);
	return fflush(stdout) ? EXIT_FAILURE : EXIT_SUCCESS;
}
