/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>

#include "lxenstored/program_formats.h"

/* A program that a daemon may hand over to, as its file says what it is; nothing of it is run. */
enum program_kind {
	PROGRAM_REFUSED,    /* it cannot be executed here; `why` says why */
	PROGRAM_LXENSTORED, /* formats are known */
	PROGRAM_OTHER	    /* some other program for this machine; `why` says that it is no lxenstored */
};

struct program {
	enum program_kind kind;
	int fd; /* of the file, to be read and executed, close-on-exec; -1 if refused */
	struct program_formats formats;
};

/* *out: closed by program_close. `why`: of `size` bytes. */
enum program_kind program_open(const char *path, struct program *out, char *why, size_t size);
void program_close(struct program *program);

/* Whether a store and a ledger of these formats can be handed to it; else `why` says what it does not understand. */
int program_understands(const struct program_formats *formats, unsigned store_version, unsigned ledger_version, char *why,
			size_t size);
