/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>

/*
 * The ledger: what each connection has sent that is not yet answered, and what it is owed that it has not yet taken, in a
 * file beside the store that is mapped shared, so that both outlive the process (doc/format.md, "Ledger").
 *
 * An output entry is valid when its tag is 0 or the LMDB transaction of that id is committed. One LMDB commit therefore
 * makes effect, reply and events valid at once. A valid reply is what consumes its request: `done` of a connection is the
 * input offset behind the last request whose reply is valid.
 *
 * One turn of the server: requests are run (ledger_ran), replies and events appended under the turn's tag, then
 * ledger_commit or ledger_cut, then valid output is sent. Nothing here makes a system call but opening and growing.
 */
struct ledger;
struct ledger_slot;
struct ledger_block;
struct duplicates;
struct loading;

/* One connection's part; embedded in the connection, set up by ledger_connect. */
struct ledger_connection {
	struct ledger *ledger;
	struct ledger_slot *slot;				   /* in the mapping; NULL when not connected */
	uint64_t ran;						   /* input offset behind the last request that was run */
	uint64_t queued;					   /* bytes of output not yet taken, valid or not */
	uint64_t ready;						   /* of these, the bytes that may be sent now */
	uint32_t pending_entries;				   /* entries whose tag is not yet committed */
	uint32_t replies, events;				   /* messages of which a byte is not yet taken */
	uint32_t pending_replies;				   /* of the pending entries */
	uint32_t entries_taken;					   /* of the first block of output */
	struct ledger_connection *touched_previous, *touched_next; /* in the list that ledger_commit and _cut walk */
	struct ledger_block *out_tail;				   /* where output is appended; NULL while the queue is empty */
	struct duplicates *duplicates;	 /* the queued events, once there are more than a few; else NULL */
	uint32_t blocks;		 /* blocks of output: the memory the queue takes is this times the block size */
	uint32_t mark_block, mark_count; /* the tail before the first entry that waits; 0: the queue was empty */
};

/*
 * Opens or makes the file and locks it for this process. *out: freed by ledger_close. -EBUSY: another process holds it; -EPROTO:
 * it is a file of something else, or damaged; other -errno. `limit`: bytes the file may grow to (0: a default of 4 GiB).
 */
int ledger_open(const char *path, size_t limit, struct ledger **out);
void ledger_close(struct ledger *ledger); /* accepts NULL; the file stays */

/* Starts with no connection, for the store of this id. What the file held of earlier connections is gone. -errno. */
int ledger_begin(struct ledger *ledger, const unsigned char store_id[16]);

/*
 * Goes on with what the file holds for the store of this id, after a death or an end of the process that had it; `last_tag` is
 * the store's last committed transaction. See recovery.h, also for the results. Each connection found is then attached or
 * dropped.
 */
int ledger_recover(struct ledger *ledger, const unsigned char store_id[16], uint64_t last_tag,
		   void (*damaged)(void *context, uint64_t connection_id, const char *what), void *context);

/* A request that was being run when the process before died. */
struct ledger_suspect {
	bool is_there;
	uint64_t connection_id;
	uint32_t signal;	 /* that the process noted before it died; 0: none, it was killed */
	uint32_t crashes, kills; /* that this request has seen by now */
};

/* What the last ledger_recover has found. */
const struct ledger_suspect *ledger_suspect(const struct ledger *ledger);

struct ledger_found {
	uint64_t connection_id;
	uint32_t state; /* enum ledger_state, never LEDGER_FREE */
	uint32_t epoch;
	uint32_t error; /* of one that is LEDGER_STOPPED: why */
	uint32_t index; /* of its slot */
};

/* The first one at slot *index or behind it; *index is moved behind it. False: there is none. */
bool ledger_find(const struct ledger *ledger, uint32_t *index, struct ledger_found *out);

/* Whether it has received what is not answered, and is owed what it has not taken; of valid entries only. */
void ledger_look(const struct ledger *ledger, const struct ledger_found *found, bool *has_input, bool *has_output);

void ledger_attach(struct ledger *ledger, const struct ledger_found *found, struct ledger_connection *connection);
void ledger_drop(struct ledger *ledger, const struct ledger_found *found);

/* The opposite of ledger_attach: the file keeps it. Not while anything waits for a commit. Accepts one that is not connected. */
void ledger_detach(struct ledger_connection *connection);

/*
 * Notes that the request which begins at offset `at` of the connection's input has asked for a live update and is to be answered
 * by whoever serves then. `connection_id` 0: none.
 */
void ledger_note_update(struct ledger *ledger, uint64_t connection_id, uint64_t at);

/* Whether such a request is there and not answered; what was noted of another one is forgotten. After ledger_recover. */
bool ledger_owes_update(struct ledger *ledger, uint64_t *connection_id, uint64_t *at);

/* The number of the file's format. Only what is between LEDGER_VERSION_OLDEST and LEDGER_VERSION may be set. */
uint32_t ledger_version(const struct ledger *ledger);
void ledger_set_version(struct ledger *ledger, uint32_t version);
/*
 * What is noted of the start of this process, from the time on when the file is one of ours: after ledger_open, if it was, else
 * after ledger_begin. `has_header`: it is so. See loading.h.
 */
struct loading *ledger_loading(struct ledger *ledger);
bool ledger_has_header(const struct ledger *ledger);

/* It was begun by this process: it knows nothing of connections before. */
bool ledger_is_new(const struct ledger *ledger);

/* A word for the signal of which this process dies; see death_note.h. As long as the ledger is open. */
uint32_t *ledger_death(struct ledger *ledger);

/* The same while it is still starting. */
uint32_t *ledger_start_death(struct ledger *ledger);

/*
 * What is served from now on is another program than that which has died: nothing that it died of, request or record, is
 * suspected any more. `once`: unless that has been said since the last ledger_note_update. After ledger_open, before
 * ledger_recover.
 */
void ledger_acquit_all(struct ledger *ledger, bool once);

/*
 * Before the commit of `tag`: the generation of the store's last change of a node, with what that commits. And after a death:
 * what was noted for the last commit. False: nothing was.
 */
void ledger_note_generation(struct ledger *ledger, uint64_t tag, uint64_t generation);
bool ledger_generation(const struct ledger *ledger, uint64_t tag, uint64_t *generation);

/*
 * Another file is going to be the store, with commits of its own count and perhaps other nodes: what was noted of generations is
 * forgotten, and open transactions are doomed. After ledger_recover.
 */
void ledger_replace_store(struct ledger *ledger);

/* Changes the word by which whoever has the file sees that this process goes on. */
void ledger_beat(struct ledger *ledger);

/* A new connection. -ENOSPC when there is no room for one. */
int ledger_connect(struct ledger *ledger, uint64_t connection_id, struct ledger_connection *connection);

/* Ends it: input, output and slot are given back. Accepts a zeroed or already disconnected one. */
void ledger_disconnect(struct ledger_connection *connection);

/*
 * Makes sure that running one more request cannot fail for lack of room for its reply: some blocks are free, or the file can
 * grow. -ENOSPC otherwise.
 */
int ledger_reserve(struct ledger *ledger);

/* ---- input ---- */

/*
 * Makes ready to receive: *call is a message header in the mapping whose one buffer is room behind the input received so
 * far; pass it to recvmmsg with a count of 1. Which connection it is for is noted before, how much came is written by the
 * kernel, so that a death between the two loses nothing. -EAGAIN: the connection has a block full of input that must be
 * run first; -ENOSPC.
 */
int ledger_receive_begin(struct ledger_connection *connection, struct mmsghdr **call);

/* The received bytes are input now. `arrived`: recvmmsg returned 1; otherwise nothing came. Returns the bytes that came. */
size_t ledger_receive_end(struct ledger_connection *connection, bool arrived);

/* Input bytes not yet run: borrowed until the next ledger_receive_begin, _ran, _commit. May be any part of a message. */
const char *ledger_input(const struct ledger_connection *connection, size_t *len);

/* The first `len` bytes of ledger_input are a request that has been run; its reply is appended next. */
void ledger_ran(struct ledger_connection *connection, size_t len);

/*
 * The request at the front of ledger_input is run from now on, until ledger_running_none or the next one is: it is what a death
 * is put down to.
 */
void ledger_running(const struct ledger_connection *connection);
void ledger_running_none(struct ledger *ledger);

/* Is there a request in the input, or was there before it, of which too many processes have died for another to run it? */
bool ledger_is_condemned(const struct ledger_connection *connection);

/* Bytes of ledger_input in front of that request; negative: it is answered. */
int64_t ledger_before_condemned(const struct ledger_connection *connection);

/* ---- output ---- */

/*
 * Appends the reply to the request given by the last ledger_ran: `parts` one after the other, at most MESSAGE_SIZE_MAX bytes.
 * Tag 0: valid at once (only while nothing in this connection's queue waits for a commit; else it waits too); other
 * tags: by ledger_commit.
 * Cannot fail after ledger_reserve; -ENOSPC otherwise.
 */
int ledger_append_reply(struct ledger_connection *connection, uint64_t tag, const struct iovec *parts, size_t n_parts);

/*
 * Appends an event of the watch `watch_serial`. STATUS_EEXIST, and nothing appended, if the same bytes for the same watch
 * are queued and no byte of them has been sent, unless either was appended with `repeat`. -ENOSPC.
 */
int ledger_append_event(struct ledger_connection *connection, uint64_t tag, uint64_t watch_serial, bool repeat,
			const struct iovec *parts, size_t n_parts);

/* All entries that wait are valid now, what was run is done. */
void ledger_commit(struct ledger *ledger);

/* All entries that wait are removed, what was run and is not done is input again. */
void ledger_cut(struct ledger *ledger);

/*
 * Makes ready to send: *call is a message header in the mapping over the valid output (as many bytes as fit its buffers);
 * pass it to sendmmsg with a count of 1. Returns false if there is nothing to send.
 */
bool ledger_send_begin(struct ledger_connection *connection, struct mmsghdr **call);

/* `sent`: sendmmsg returned 1; what msg_len says is taken. Returns the bytes taken. */
size_t ledger_send_end(struct ledger_connection *connection, bool sent);

/* The highest serial of a watch of which an event is queued; 0: there is none. */
uint64_t ledger_last_watch(const struct ledger_connection *connection);

/* The offset in the output stream at which the next message will be appended. */
uint64_t ledger_out_end(const struct ledger_connection *connection);

/*
 * Removes events that are too old: those that were there when ledger_out_end was `before`, but none of which a byte has been
 * taken. What comes behind them moves up. Not while anything waits for a commit. *n: how many were removed. -ENOSPC, and nothing
 * has changed: what stays is copied, for which there is no room.
 */
int ledger_drop_events(struct ledger_connection *connection, uint64_t before, size_t *n);

/* ---- rings ---- */

/*
 * A ring is memory that outlives this process as the ledger does, so bytes are copied without a call, and the position is
 * stored before the ring's index that says the same to the guest (input), or right after it (output): recovery.md, "A ring".
 */

/* Where input can be copied to: *at, *room bytes. -EAGAIN, -ENOSPC as ledger_receive_begin. */
int ledger_copy_in_begin(struct ledger_connection *connection, unsigned char **at, size_t *room);

/* `len` bytes, more than 0, were copied there: they are input now. */
void ledger_copy_in_end(struct ledger_connection *connection, size_t len);

/* Describes the valid output in `buffers`, as many as there are at most; returns how many were filled. */
size_t ledger_copy_out_begin(const struct ledger_connection *connection, struct iovec *buffers, size_t n_buffers);

/* Of a queue of which nothing waits: bytes at its front that are the rest of a message of which some were taken. */
size_t ledger_output_rest(const struct ledger_connection *connection);

/* The first `len` bytes of it, more than 0, are where the client takes them. */
void ledger_copy_out_end(struct ledger_connection *connection, size_t len);

/* Offsets in the streams: what was received, and what was taken. The guest's indexes should be the same modulo 2^32. */
uint64_t ledger_in_position(const struct ledger_connection *connection);
uint64_t ledger_out_position(const struct ledger_connection *connection);

/*
 * The connection is being begun anew: input and output are gone, both offsets are 0. Until ledger_resume a start does this
 * again. `epoch`: which beginning it is, never that of an earlier one of the same id. Not while anything waits for a commit.
 */
void ledger_reset(struct ledger_connection *connection, uint32_t epoch);

/*
 * Instead of both, for a connection that is new and holds nothing: its streams go on from where somebody else has left them. It
 * has its epoch once that is so; it was 0.
 */
void ledger_start_at(struct ledger_connection *connection, uint32_t epoch, uint64_t in_position, uint64_t out_position);

/* The other side is ready too: from now on the offsets count. */
void ledger_resume(struct ledger_connection *connection);

/* The client has broken the rules (enum ring_error): input and output are gone, and nothing moves until ledger_reset. */
void ledger_stop(struct ledger_connection *connection, uint32_t error);

/* ---- figures ---- */

/* Bytes of memory that the connection's output takes, with what is kept to find events in it. */
size_t ledger_output_memory(const struct ledger_connection *connection);

struct ledger_figures {
	size_t connections;
	size_t blocks_used;
	size_t blocks_free;
	size_t block_size;
	size_t file_size; /* bytes with memory behind them */
};
void ledger_figures(const struct ledger *ledger, struct ledger_figures *out);
