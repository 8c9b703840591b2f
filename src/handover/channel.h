/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>
#include <stdint.h>

/*
 * What keeper and daemon say to each other, over a pair of SOCK_SEQPACKET sockets: one message is one packet, with at most one
 * descriptor. Both are of the same build or of two that were live-updated: kinds and layout stay.
 */
enum channel_kind {
	/* to the daemon, at its start */
	CHANNEL_HELD = 1,   /* a descriptor that is held, under `id` */
	CHANNEL_ALL = 2,    /* that was all */
	CHANNEL_PING = 3,   /* its heartbeat is to change */
	CHANNEL_TRIAL = 4,  /* at its start: it is the program of a live update, and has not proved itself yet */
	CHANNEL_FAILED = 5, /* at its start: the program of a live update has failed; text: how */
	CHANNEL_KEEPER = 6, /* a descriptor of the keeper's process */

	/* to the keeper */
	CHANNEL_HOLD = 16,    /* this descriptor, under `id` */
	CHANNEL_DROP = 17,    /* `id` */
	CHANNEL_SERVING = 18, /* the daemon serves; text: the path of the ledger with its heartbeat */
	CHANNEL_ENDING = 19,  /* it ends because it was asked to: no other is to be started */
	CHANNEL_UPDATE =
	    20, /* another program is about to take the daemon's place; its file, and in text its words, each with a NUL */
	CHANNEL_PROVED = 21, /* the daemon has served for a while: its program is the one to be started from now on */
	CHANNEL_BUSY = 22,   /* it does not serve yet, but is alive; it may be busy for `id` seconds more than the usual */

	/* A stock daemon is to be executed in the keeper's place once this daemon has ended (handover/leave.h). */
	CHANNEL_LEAVE_EVENTS = 23, /* a descriptor: of the event channels */
	CHANNEL_LEAVE_PORTS = 24,  /* a descriptor: of the file with their ports (lxenstored/handover_format.h) */
	CHANNEL_LEAVE = 25 /* that was all; the program's file; in text, each with a NUL: kind, version of the stream, files of
			      state, store and ledger, and the words of its command line */
};

enum { CHANNEL_TEXT_MAX = 4096 };

struct channel_message {
	uint32_t kind;
	uint32_t text_len; /* bytes, no NUL */
	uint64_t id;
	char text[CHANNEL_TEXT_MAX + 1]; /* NUL-terminated when received */
};

/*
 * Waits while the other side has too much to read, as long as the socket's limit says; then -EAGAIN. `fd`: -1, or sent along.
 * -EPIPE: nobody is there any more; other -errno.
 */
int channel_send(int channel, const struct channel_message *message, int fd);

/* Only head and no text. */
int channel_send_short(int channel, enum channel_kind kind, uint64_t id, int fd);

/*
 * The next message; waits for it unless the channel does not block (then -EAGAIN). *fd: -1, or a descriptor for the caller to
 * close, close-on-exec. -EPIPE: the other side is gone; -EPROTO: it was no message (or its descriptor could not be had).
 */
int channel_receive(int channel, struct channel_message *out, int *fd);

/* The strings of a message's text, each with its NUL, in one block for free(): pointers, NULL behind the last. NULL: no memory.
 */
char **channel_words(const struct channel_message *message);
