/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "lxenstored/store_format.h"

struct MDB_env;

/* What a store file is, found out without changing it. */
enum reader_result {
	READER_SOUND,	/* a store that this program understands; nothing is said about its records */
	READER_EMPTY,	/* begun, and its daemon died before the first commit */
	READER_NEWER,	/* text: number of the newer format */
	READER_FOREIGN, /* no store of ours; text: why */
	READER_DAMAGED, /* text: what is wrong */
	READER_FAILED	/* cannot be read; text: why */
};

enum { READER_TEXT_SIZE = 512 };

/* A store file opened for reading only, by a program that is not its daemon or before the daemon opens it to write. */
struct reader_env {
	struct MDB_env *env;
	unsigned int dbi;
	struct store_meta meta;
};

/*
 * `locked`: takes part in LMDB's lock file, which a store that somebody may be writing needs; without it nothing but the
 * file itself is opened. On damaged pages LMDB may end the process: call it in a child. `text` says what the result's
 * comment promises, else "". After READER_SOUND: reader_close.
 */
enum reader_result reader_open(const char *path, bool locked, struct reader_env *out, char text[READER_TEXT_SIZE]);
void reader_close(struct reader_env *reader); /* accepts a zeroed one */
