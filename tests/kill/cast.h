/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kill/nodes.h"
#include "support/random.h"
#include "wire/message.h"
#include "xensim/guest.h"

/*
 * Everybody who speaks to the daemon in a run, and what each of them is to be told, to the byte: the checker. It has a model of
 * the tree in which each request is done as soon as it is thought of; from that follow its answer, the events that it makes and
 * for whom, and what the tree is once it is done. So that this does not depend on whose request is run first, each party changes
 * its own part of the tree only, and sets a watch on the part of another, or reads it, only while all is quiet (cast_is_quiet).
 *
 * Functions note what is wrong in cast->wrong and go on; memory that cannot be had ends the process.
 */
enum {
	CAST_MAX = 8,
	CAST_WATCHES = 32,
	CAST_OUT = 4 * MESSAGE_SIZE_MAX,
	CAST_MOVED_MAX = 700, /* bytes at a time */
	CAST_WRONG_SIZE = 1024
};

/* A request of a party. Those of a transaction have one number, that of its first; the last is its end. */
struct asked {
	uint32_t type;
	char *payload;
	size_t len;
	char *answer;
	size_t answer_len;
	unsigned first_of; /* transaction: number of its TRANSACTION_START; 0: outside */
	bool is_end;	   /* of it */
	bool is_control;   /* what it is answered may be something else if the daemon dies meanwhile */
	uint32_t id;
	uint64_t end;	    /* offset behind it in what the party sends; 0: not sent so far */
	struct nodes after; /* the party's part of the tree once it is done */
};

/* What a party is to be told because of a party's request: the answer, or an event. */
struct told {
	unsigned number; /* of the request; 0: nobody's */
	bool is_answer;
	bool is_covered; /* an event that need not come: an equal one has come since its change was asked for */
	bool is_taken;
	char *payload;
	size_t len;
};

struct told_queue {
	struct told *all;
	size_t begin, n, capacity;
};

struct party {
	const char *name;
	uint16_t domid;
	bool is_there; /* it has a connection */
	bool is_ring;
	bool is_deaf; /* takes nothing at the moment */
	bool sleeps;  /* until its event channel says something */
	const char *places[3];
	size_t n_places;
	struct guest *guest;
	int fd;
	bool is_lost; /* the socket was closed by the daemon's death */

	struct asked *asked; /* number 1 is the first */
	unsigned n_asked, capacity;
	unsigned next;	     /* number of the next to be sent */
	unsigned answered;   /* up to this number */
	unsigned done;	     /* up to this number, by the file of the daemon that died last */
	struct nodes before; /* its part of the tree before the first */

	uint32_t last_id;
	uint32_t transaction;
	uint64_t deaths_before; /* the transaction's start, or the first of several CONTROL */

	unsigned char out[CAST_OUT];
	size_t out_begin, out_end;
	uint64_t put; /* bytes sent so far */
	unsigned char in[MESSAGE_SIZE_MAX];
	size_t in_len;
	unsigned prelude; /* watches that are set again on a new connection, answers and first events to come */
	unsigned prelude_events;
};

struct cast_watch {
	struct party *party;
	char path[64], token[32];
	bool is_relative;
	unsigned set_by, removed_by; /* numbers of the party's requests; removed_by: 0 or so */
	unsigned phase;
};

struct cast {
	struct sim *sim;
	const char *socket;  /* path */
	const char *program; /* that live updates are made to */
	bool held;	     /* sockets outlive the daemon */
	bool updated;	     /* the story's live update is not left out */
	struct party parties[CAST_MAX];
	size_t n;
	struct told_queue told[CAST_MAX][CAST_MAX]; /* of whom, because of whom */
	struct nodes tree;
	struct cast_watch watches[CAST_WATCHES];
	size_t n_watches;
	unsigned phase;
	uint64_t deaths;
	struct nodes file; /* of the daemon that died last */
	bool has_file;
	char wrong[CAST_WRONG_SIZE]; /* "": nothing so far */
	uint64_t requests, events, merged, transactions, transactions_lost;
};

void cast_deinit(struct cast *cast);

void cast_note_wrong(struct cast *cast, const char *format, ...) __attribute__((format(printf, 2, 3)));
struct party *cast_find(struct cast *cast, const char *name);

/* A guest whose ring is served, or will be; `places` ends with NULL. */
struct party *cast_add_guest(struct cast *cast, const char *name, uint16_t domid, bool is_there, const char *const places[]);

/* A client of the socket; connects at once. */
struct party *cast_add_socket(struct cast *cast, const char *name, const char *const places[]);

void cast_set_deaf(struct party *party, bool is_deaf);

/* All was asked and answered, and what there is now is where each begins: numbers start at 1 again. */
void cast_begin_anew(struct cast *cast);

/* ---- what is asked, and what follows from it: story.c ---- */

/* One line of the story, "write e/1 value"; story.h has them all. */
void cast_ask(struct cast *cast, struct party *party, const char *line);

/* ---- bytes: cast_move.c ---- */

/* Each moves some bytes if there are any. True: somebody has. */
bool cast_move(struct cast *cast, struct random *random);

/* The party takes some of what has come. */
bool cast_move_in(struct cast *cast, struct party *party, struct random *random);

/* All is answered and all events have come, but for those who are deaf. */
bool cast_is_quiet(struct cast *cast);

/* One message has come, whole. */
void cast_receive(struct cast *cast, struct party *party, const struct message_header *header, const char *payload);

/* ---- deaths: cast_death.c ---- */

/* The daemon is dead: takes what it has still sent, and compares its file with what must be there. */
void cast_is_dead(struct cast *cast, const char *store);

/* Another one serves. */
void cast_is_served(struct cast *cast);

/* All is over: the file has everything. */
void cast_is_over(struct cast *cast, const char *store);

/* Prints what each still waits for, as comments of TAP. */
void cast_tell(const struct cast *cast);
