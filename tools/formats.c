/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the three forms of a dump have in common. They see a copy in memory, so they may be as slow as their reader. */
#include "formats.h"

#include <stdio.h>

#include "domain/quota.h"

enum { TELL_EVERY = 4096 /* nodes */ };

void format_tell(const struct dump *dump, size_t n)
{
	if (n % TELL_EVERY == 0)
		progress_tell(dump->progress, "nodes written:", n, dump->image.n_nodes);
}

bool format_shows_watch(const struct dump *dump, const struct watch_record *watch)
{
	struct path path = {watch->path, watch->path_len};

	/* Those of special nodes belong to the whole. */
	return path_is_root(&dump->path) || path_is_below_or_equal(&path, &dump->path);
}

void format_handle(const unsigned char handle[16], char out[FORMAT_HANDLE_SIZE])
{
	char *at = out;

	for (int i = 0; i < 16; i++)
		at += sprintf(at, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", handle[i]);
}

const char *format_quota_name(size_t number, char buffer[FORMAT_QUOTA_NAME_SIZE])
{
	if (number < QUOTA_COUNT)
		return quota_name((enum quota)number);
	snprintf(buffer, FORMAT_QUOTA_NAME_SIZE, "quota-%zu", number);
	return buffer;
}
