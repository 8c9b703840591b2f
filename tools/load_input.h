/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "progress.h"
#include "store/store.h"

/* What a store is made of: bytes in memory, and what became of them. */
struct load_input {
	const char *name; /* for messages */
	const void *bytes;
	size_t len;
	bool this_boot; /* the store is of the running boot, whatever the bytes say */
	struct progress *progress;
	bool incomplete;   /* not all of it is in the store; why has been said */
	char problem[256]; /* -EPROTO: what is wrong */
};

/* Fill a store that has just been made. -EPROTO: refused; other -errno. */
int load_state(struct load_input *input, struct store *store);
int load_json(struct load_input *input, struct store *store);

bool load_json_is_one(const void *bytes, size_t len);

/* A line on standard error. */
void load_complain(const char *format, ...) __attribute__((format(printf, 1, 2)));
