/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/buffer.h"
#include "handover/state_record.h"

/*
 * Xen's migration stream, versions 1 and 2 (docs/designs/xenstore-migration.md of Xen), which C xenstored hands over with in a
 * live update. Pure functions over bytes; nothing in them is trusted.
 */
enum { STREAM_VERSION_MAX = 2 };

struct stream_reader {
	struct reader bytes;
	const unsigned char *begin;
	uint32_t version;
	bool big_endian;
	size_t n_unknown;	       /* records of kinds that this reader does not know, which were skipped */
	size_t n_without_depth;	       /* watches whose depth the writer has left out; they are told as without one */
	char problem[STATE_TEXT_SIZE]; /* what is wrong, and where */
	struct permission permissions[STATE_PERMISSIONS_MAX]; /* of the node read last */
};

/* Do the bytes begin as a stream does? */
bool stream_is_one(const void *bytes, size_t len);

/* Reads the header. `bytes` outlive the reader. -EPROTO: it is no stream that can be read; `problem` tells. */
int stream_open(struct stream_reader *reader, const void *bytes, size_t len);

/*
 * The next record. What it points to is in the bytes, or in the reader until the next one is read. 1: there is one; 0: the stream
 * has ended, as it should; -EPROTO: it is damaged or cut short, `problem` tells.
 */
int stream_next(struct stream_reader *reader, struct state_record *out);

struct stream_form {
	uint32_t version; /* 1 or 2; what the first cannot hold is left out */
	bool big_endian;
};

/* Append to `out`, whose sticky error tells of lack of memory. Lengths are what the form can hold: see stream_fits. */
void stream_put_header(struct buffer *out, const struct stream_form *form);
void stream_put(struct buffer *out, const struct stream_form *form, const struct state_record *record);
void stream_put_end(struct buffer *out, const struct stream_form *form);

/* Can the record be written at all? Else lengths are too great for their fields. */
bool stream_fits(const struct state_record *record);
