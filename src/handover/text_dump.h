/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/buffer.h"
#include "handover/state_record.h"

/*
 * The text that oxenstored 4.17 hands over with in a live update: one line for each record, fields between commas, strings in
 * hexadecimal digits (doc/live-update.md lists the lines). It has no end by which one could tell that it is whole. Pure functions
 * over bytes; nothing in them is trusted.
 *
 * Connections are named by the domain of a ring and the descriptor of a socket; their numbers here are made of these.
 */
struct text_reader {
	const char *begin, *at, *end;
	size_t line;		       /* the number of the one read last */
	size_t n_unknown;	       /* lines that this reader does not know, which were skipped */
	struct buffer strings;	       /* decoded, of the record read last */
	char problem[STATE_TEXT_SIZE]; /* what is wrong, and where */
	struct permission permissions[STATE_PERMISSIONS_MAX];
};

/* Do the bytes begin as such a text does? */
bool text_dump_is_one(const void *bytes, size_t len);

/* Reads the first line. `bytes` outlive the reader. -EPROTO; text_close in any case. */
int text_open(struct text_reader *reader, const void *bytes, size_t len);
void text_close(struct text_reader *reader);

/*
 * The next record. What it points to is the reader's until the next one is read. 1: there is one; 0: the end; -EPROTO: a line is
 * not what it should be, or the last one was cut short, `problem` tells; -ENOMEM.
 */
int text_next(struct text_reader *reader, struct state_record *out);

/* The connection's number, by which other records name it. */
uint32_t text_ring_number(uint16_t domid);
uint32_t text_socket_number(int32_t fd);

/* Append to `out`. Records of kinds that the text has no lines for are left out. `frame`: of a ring, the one that INTRODUCE
 * named. */
void text_put_header(struct buffer *out);
void text_put(struct buffer *out, const struct state_record *record, uint64_t frame);
