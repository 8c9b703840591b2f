/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"

struct turn;

/*
 * A stock daemon that a live update may go to. Its file tells: the words that are in it, since to run it may be the end of this
 * daemon. What its name is does not matter.
 */
enum stock_kind { STOCK_NONE, STOCK_XENSTORED, STOCK_OXENSTORED };

struct stock {
	enum stock_kind kind;
	uint32_t version;  /* of the stream that it reads */
	uint32_t features; /* RING_FEATURE_* that it serves */
};

/* The file behind the descriptor. STOCK_NONE: neither, or it cannot be read. */
enum stock_kind stock_recognise(int fd, struct stock *out);

/* The file in the run directory that it reads when it takes over. */
const char *stock_state_name(const struct stock *stock);

/*
 * Its command line: `text`, split at blanks, or, if that is NULL, what it understands of `arguments`, those of this daemon; and
 * what makes it take over. Freed by the caller as one block; NULL: no memory. The same with "--help" at the end, to try whether
 * it understands them, and without what makes it take over.
 */
char **stock_words(const struct stock *stock, const char *program, char *const arguments[], const char *text);
char **stock_words_of_trial(const struct stock *stock, const char *program, char *const arguments[], const char *text);

/*
 * What it cannot hold of what there is now, a line for each: open transactions, features that a domain's ring was shown, and for
 * oxenstored domains that act for others or whose frame is not known. Nothing: it can hold all.
 */
void stock_obstacles(const struct stock *stock, struct turn *turn, struct buffer *out);

/* The same between two turns, right before it takes over: for oxenstored, who has sent half a request or does not read. */
void stock_late_obstacles(const struct stock *stock, struct turn *turn, struct buffer *out);
