/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lxenstored/store_format.h"
#include "progress.h"
#include "store/image.h"
#include "store/pages.h"
#include "wire/path.h"

/* All that a dump shows; nothing of the store itself is open any more. */
struct dump {
	const char *given;    /* the path as the user wrote it */
	struct path path;     /* and in full */
	bool permissions;     /* --perms */
	bool generations;     /* --generations */
	bool complete;	      /* nothing had to be left out because of damage */
	bool locked;	      /* LMDB's lock file was used, so `readers` is known */
	uint64_t file_size;   /* bytes */
	uint64_t file_blocks; /* bytes with blocks behind them */
	uint64_t n_readers, oldest_reader;
	struct pages pages;
	struct store_meta meta;
	struct image image;
	struct progress *progress;
};

/* Each writes to standard output and leaves its errors for ferror to find; -ENOMEM, else 0. */
int format_ls(const struct dump *dump);
int format_json(const struct dump *dump);
int format_stat(const struct dump *dump);
