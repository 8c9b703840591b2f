/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/buffer.h"
#include "handover/stream.h"

/*
 * What a daemon may hand over, of every kind: domain 0's ring and that of domain 7, which acts for 9; a socket with half a
 * request and an event half taken; watches, relative ones and of special nodes; a small tree.
 */
size_t sample_records(const struct state_record **out);

/* The same as a stream, and as oxenstored's text; added to `out`. */
void sample_stream(struct buffer *out, const struct stream_form *form);
void sample_text(struct buffer *out);
