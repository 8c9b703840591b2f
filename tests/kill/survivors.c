/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kill/survivors.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lxenstored/ledger_format.h"

enum {
	SLOTS = 64,
	BLOCKS = 128, /* the pool's first step of growth */
	GUESTS = 6,
	PAGE = 4096,
	LEDGER_GROWS = 10 * LEDGER_BLOCK_SIZE,
	STORE_GROWS = 128 * 1024
};

void survivors_init(struct survivors *survivors)
{
	survivors->n = 0;
}

void survivors_deinit(struct survivors *survivors)
{
	for (size_t i = 0; i < survivors->n; i++) {
		munmap(survivors->parts[i].now, survivors->parts[i].mapped);
		free(survivors->parts[i].before);
	}
	survivors->n = 0;
}

static size_t used(const unsigned char *bytes, size_t len)
{
	while (len && !bytes[len - 1])
		len--;
	return len;
}

/* What is used now, and `grows` behind it, will be compared. */
static void map(struct survivors *survivors, const char *path, size_t from, size_t mapped, size_t grows)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat status;

	if (fd < 0 || fstat(fd, &status))
		abort();
	if ((size_t)status.st_size < from + mapped)
		mapped = (size_t)status.st_size - from;
	unsigned char *now = mmap(NULL, mapped, PROT_READ, MAP_SHARED, fd, (off_t)from);
	if (now == MAP_FAILED)
		abort();
	size_t compared = used(now, mapped) + grows;
	if (compared > mapped)
		compared = mapped;
	unsigned char *before = malloc(compared);
	if (!before)
		abort();
	memcpy(before, now, compared);
	survivors->parts[survivors->n].now = now;
	survivors->parts[survivors->n].before = before;
	survivors->parts[survivors->n].compared = compared;
	survivors->parts[survivors->n++].mapped = mapped;
	close(fd);
}

void survivors_map(struct survivors *survivors, const char *store, const char *machine, bool with_store)
{
	char path[256];

	survivors_deinit(survivors); /* then in the order of their bits */
	snprintf(path, sizeof(path), "%s-ledger", store);
	map(survivors, path, 0, LEDGER_HEADER_SIZE + SLOTS * LEDGER_SLOT_SIZE, LEDGER_SLOT_SIZE);
	map(survivors, path, (size_t)LEDGER_FIRST_BLOCK * LEDGER_BLOCK_SIZE, BLOCKS * LEDGER_BLOCK_SIZE, LEDGER_GROWS);
	snprintf(path, sizeof(path), "%s/pages", machine);
	map(survivors, path, 0, GUESTS * PAGE, GUESTS * PAGE);
	if (with_store)
		map(survivors, store, 0, SIZE_MAX / 2, STORE_GROWS);
}

bool survivors_are_there(const struct survivors *survivors)
{
	return survivors->n;
}

unsigned survivors_changed(struct survivors *survivors)
{
	unsigned changed = 0;

	for (size_t i = 0; i < survivors->n; i++) {
		if (!memcmp(survivors->parts[i].now, survivors->parts[i].before, survivors->parts[i].compared))
			continue;
		memcpy(survivors->parts[i].before, survivors->parts[i].now, survivors->parts[i].compared);
		changed |= 1U << i;
	}
	return changed;
}

bool survivors_are_too_many(const struct survivors *survivors)
{
	for (size_t i = 0; i < survivors->n; i++)
		for (size_t at = survivors->parts[i].compared; at < survivors->parts[i].mapped; at++)
			if (survivors->parts[i].now[at])
				return true;
	return false;
}
