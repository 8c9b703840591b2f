/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "lxenstored/store_format.h"
#include "ledger/owed.h"
#include "progress.h"
#include "store/image.h"
#include "store/inventory.h"
#include "store/pages.h"
#include "wire/path.h"

/* What is shown. */
enum {
	SHOW_NODES = 1,
	SHOW_DOMAINS = 2, /* and the quotas of all */
	SHOW_WATCHES = 4,
	SHOW_OWNERS = 8,
	SHOW_FILE = 16, /* how the file is used; by stat only */
	SHOW_OWED = 32	/* what the ledger holds */
};

/* All that a dump shows; nothing of the store itself is open any more. */
struct dump {
	unsigned shown;	      /* SHOW_* */
	const char *given;    /* the path as the user wrote it */
	struct path path;     /* and in full */
	bool permissions;     /* --perms */
	bool generations;     /* --generations */
	uint32_t version;     /* --stream-version */
	bool one_moment;      /* all that was read is of one state */
	bool complete;	      /* nothing had to be left out because of damage */
	bool locked;	      /* LMDB's lock file was used, so `readers` is known */
	uint64_t commit;      /* number of the newest state that was read */
	uint64_t file_size;   /* bytes */
	uint64_t file_blocks; /* bytes with blocks behind them */
	uint64_t n_readers, oldest_reader;
	struct pages pages;
	struct store_meta meta;
	struct image image;
	struct inventory inventory;
	struct owed owed;
	struct progress *progress;
};

/* Each writes to standard output and leaves its errors for ferror to find; -ENOMEM, else 0. */
int format_ls(const struct dump *dump);
int format_json(const struct dump *dump);
int format_stat(const struct dump *dump);
int format_state(const struct dump *dump);

/* Once for each node that is written. */
void format_tell(const struct dump *dump, size_t n);

/* Is it among what was asked for: at or below the path? */
bool format_shows_watch(const struct dump *dump, const struct watch_record *watch);

/* Of --owed: a line for each connection; figures. */
void format_list_owed(const struct dump *dump);
void format_count_owed(const struct dump *dump);
const char *format_state_name(uint32_t state);
bool format_is_ring(const struct owed_connection *connection);

/* A domain's UUID as text. */
enum { FORMAT_HANDLE_SIZE = 37 };
void format_handle(const unsigned char handle[16], char out[FORMAT_HANDLE_SIZE]);

/* Name of the quota with this number in a record; one that this program does not know is called by the number. */
enum { FORMAT_QUOTA_NAME_SIZE = 32 };
const char *format_quota_name(size_t number, char buffer[FORMAT_QUOTA_NAME_SIZE]);
