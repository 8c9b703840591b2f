/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/arena.h"
#include "handover/stream.h"
#include "handover/text_dump.h"

/* The records of a stream or of a text, whichever the bytes are. */
enum state_form { STATE_NOTHING, STATE_STREAM, STATE_TEXT };

struct state_source {
	enum state_form form;
	union {
		struct stream_reader stream;
		struct text_reader text;
	};
};

/* -EPROTO: neither, or of a version that cannot be read; state_source_problem tells. Closed in any case. */
int state_source_open(struct state_source *source, const void *bytes, size_t len);
void state_source_close(struct state_source *source); /* accepts a zeroed one */

/* As stream_next and text_next. */
int state_source_next(struct state_source *source, struct state_record *out);
const char *state_source_problem(const struct state_source *source);

/* Where the next record begins, and back there. */
struct state_place {
	const void *at;
	size_t line;
};
struct state_place state_source_place(const struct state_source *source);
void state_source_return(struct state_source *source, struct state_place place);

/*
 * All but the nodes, in memory, checked: numbers of connections are there once and are those that others name, paths are paths,
 * a domain has one ring, nodes have what a store can hold. Nodes are so many that they are read again by who wants them.
 */
struct state {
	enum state_form form;
	uint32_t version; /* of a stream */
	struct state_global global;
	struct state_connection *connections; /* in the order in which they came */
	size_t n_connections;
	const struct state_connection **by_number; /* the same, sorted */
	struct state_watch *watches;		   /* the same; those of a connection in the order in which they were set */
	size_t n_watches;
	struct state_transaction *transactions;
	size_t n_transactions;
	struct state_domain *domains;
	size_t n_domains;
	struct quota_settings quotas;
	uint64_t n_nodes;	/* committed ones */
	size_t n_unknown;	/* records that this reader does not know */
	size_t n_without_depth; /* watches of which the depth was not told */
	struct arena memory;
};

/*
 * Reads it all. -EPROTO: refused, and `problem` says why; -ENOMEM. Of an input that is not refused nothing is kept by pointer,
 * but state_deinit is due in any case.
 */
int state_read(const void *bytes, size_t len, struct state *out, char problem[STATE_TEXT_SIZE]);
void state_deinit(struct state *state); /* accepts a zeroed one */

/* The connection of this number; NULL: none. */
const struct state_connection *state_connection(const struct state *state, uint32_t number);
