/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>

/*
 * What the ledger file holds: the header, a table of slots (one per connection), then blocks of one size. Block n begins at
 * n * LEDGER_BLOCK_SIZE, so 0 means "no block". A block is in use if and only if it can be reached from a slot that is not
 * free. doc/format.md explains the order of stores. The file has holes: only what was allocated may be read through a mapping.
 * All values are in the byte order and the word size of the host; the file is of use only within one boot.
 */
#define LEDGER_MAGIC "lxledger"

/* Tests of updates build a daemon whose formats are ahead by some numbers. */
#ifndef LXENSTORED_FORMATS_AHEAD
#define LXENSTORED_FORMATS_AHEAD 0
#endif

enum {
	LEDGER_VERSION = 1 + LXENSTORED_FORMATS_AHEAD,
	LEDGER_VERSION_OLDEST = 1, /* that a daemon can go on with, and leave as it is */

	LEDGER_BLOCK_SIZE = 8192,
	LEDGER_HEADER_SIZE = LEDGER_BLOCK_SIZE,
	LEDGER_SLOTS = 65536,
	LEDGER_SLOT_SIZE = 128,
	LEDGER_SEND_BUFFERS = 32
};

/* The first block that belongs to the pool. */
#define LEDGER_FIRST_BLOCK ((LEDGER_HEADER_SIZE + LEDGER_SLOTS * LEDGER_SLOT_SIZE) / LEDGER_BLOCK_SIZE)

/* A system call under way: what it moved is known from msg_len of its message header even if nobody lived to note it. */
enum ledger_direction { LEDGER_IDLE = 0, LEDGER_RECEIVE = 1, LEDGER_SEND = 2 };

struct ledger_armed {
	uint64_t call; /* enum ledger_direction, and the index of the slot << 32 */
	uint64_t base; /* in_pos or out_pos of the slot before the call: afterwards it is base + msg_len */
};

/* A live update that has been asked for and is not answered: the request that begins at this offset of the connection's input. */
struct ledger_update {
	uint64_t connection; /* its id + 1; 0: none */
	uint64_t at;
};

/* What a start loads, one after the other, so that the next one knows of what it has died. */
enum ledger_load {
	LEDGER_LOAD_NOTHING = 0,
	LEDGER_LOAD_LEDGER = 1,	    /* puts the ledger in order */
	LEDGER_LOAD_DOMAIN = 2,	    /* first: domid; its record in the store */
	LEDGER_LOAD_CONNECTION = 3, /* first: id; its slot */
	LEDGER_LOAD_WATCH = 4,	    /* first: the connection's id; second: serial; its record in the store */
	LEDGER_LOAD_RING = 5	    /* first: domid; a ring that the ledger does not know */
};

struct ledger_loading {
	uint32_t load;	 /* enum ledger_load */
	uint32_t deaths; /* of starts that were loading it */
	uint64_t first, second;
};

enum { LEDGER_SUSPECTS = 8 };

struct ledger_start {
	uint32_t death; /* as that of the header, of a process that was still starting */
	uint32_t reserved;
	struct ledger_loading now;
	struct ledger_loading suspects[LEDGER_SUSPECTS]; /* since the last start that has come to its end */
};

/* Written before each commit of the store: what its last change of a node was. */
struct ledger_generation {
	uint64_t tag; /* id of the transaction; 0: none */
	uint64_t generation;
};

struct ledger_header {
	char magic[8]; /* LEDGER_MAGIC, no NUL; written last */
	uint32_t version;
	uint32_t block_size;
	unsigned char store_id[16];
	char boot_id[40];      /* NUL padded; room, empty so far */
	uint64_t running_slot; /* whose request is being run: the index of the slot, and 1; 0: none is */
	uint64_t running_at;   /* where that request begins in its input */
	uint64_t heartbeat;    /* changes when the keeper asks */
	struct ledger_armed armed;
	struct mmsghdr receive;
	struct mmsghdr send;
	struct iovec receive_buffer;
	struct iovec send_buffers[LEDGER_SEND_BUFFERS];
	struct ledger_update update;
	uint32_t death;	    /* the signal that the process has died of, where its handler could note it; else 0 */
	uint32_t acquitted; /* since the last update the old program has begun without suspicion of what the new one died of */
	struct ledger_start start;
	struct ledger_generation generations[2]; /* of tag t: generations[t % 2] */
};

enum ledger_state { LEDGER_FREE = 0, LEDGER_CONNECTED = 1, LEDGER_RESETTING = 2, LEDGER_STOPPED = 3 };

/*
 * One connection. Everything but `state` is meaningless while it is LEDGER_FREE, all but id and epoch while it is
 * LEDGER_RESETTING. A ring's slot counts if its epoch is that of the domain's record in the store.
 */
struct ledger_slot {
	uint64_t connection_id;
	uint32_t state; /* enum ledger_state */
	uint32_t epoch;
	uint64_t in_pos;   /* offset in the input up to which it was received */
	uint64_t done;	   /* offset behind the last request that is known to be answered; a valid reply may say more */
	uint64_t out_pos;  /* offset in the output up to which it was taken */
	uint32_t in_block; /* holds the input from `done` to in_pos; 0: nothing there */
	uint32_t out_head; /* first block of the output; 0: none */
	uint32_t error;	   /* of a ring that is LEDGER_STOPPED: what its page says */
	uint32_t crashes;  /* how often a process has died of a signal that it noted while it ran the request at suspect_at */
	uint64_t suspect_at;
	uint32_t kills;		   /* the same without a note: killed */
	uint32_t transactions;	   /* first block of the transaction that was begun last; 0: none is open */
	uint32_t last_transaction; /* highest id that was given to one; 0: none was */
	unsigned char reserved[LEDGER_SLOT_SIZE - 76];
};

/* Bytes lie from the front, entries from the back. An input block has no entries and its `link` is 0. */
struct ledger_block {
	uint64_t base; /* offset in the stream of bytes[0] */
	uint64_t link; /* entries in use, and the next block's number << 32: one store publishes both */
	unsigned char bytes[LEDGER_BLOCK_SIZE - 16];
};

/*
 * An open transaction: at the front of the first of its blocks, whose further bytes, and those of the blocks that follow by their
 * `link` (without entries), are its record. It is there if its connection's `done` is at least `started`, and open as long as
 * `done` is less than `ended` or that is 0.
 */
struct ledger_transaction {
	uint32_t id;
	uint32_t next;	     /* the first block of the one that was begun before; 0: none */
	uint64_t started;    /* offset in the input behind the request that began it */
	uint64_t ended;	     /* the same of the one that ended it; 0: none has */
	uint64_t len;	     /* bytes of the record */
	uint64_t last_begin; /* of these, those before the piece that came last, */
	uint64_t last_about; /* which counts if `done` is at least this; 0: it does */
	uint32_t marks;	     /* 1: it will end in EAGAIN; 2: what it observed after the record was written is not in there */
	uint32_t tail;	     /* its last block */
};

enum {
	LEDGER_ENTRY_REPLY = 1,	       /* `about`: the input offset behind the request that it answers */
	LEDGER_ENTRY_EVENT = 2,	       /* `about`: the serial of its watch */
	LEDGER_ENTRY_CONTINUES = 4,    /* the message goes on in the first entry of the next block, with the same tag */
	LEDGER_ENTRY_CONTINUATION = 8, /* the rest of a message that began in the block before */
	LEDGER_ENTRY_REPEATED = 16     /* an event that is queued whatever else is, and that later ones are not compared with */
};

/* One message, or a part of one. It is valid if its tag is 0 or at most the store's last committed transaction id. */
struct ledger_entry {
	uint64_t tag;
	uint64_t about;
	uint32_t end; /* its bytes end before bytes[end]; they begin at the end of the entry before, or at 0 */
	uint32_t flags;
};

_Static_assert(sizeof(struct ledger_header) <= 4096, "the header fits the first page");
_Static_assert(sizeof(struct ledger_slot) == LEDGER_SLOT_SIZE, "slots have their size");
_Static_assert(sizeof(struct ledger_block) == LEDGER_BLOCK_SIZE, "blocks have their size");
_Static_assert(sizeof(struct ledger_entry) == 24, "entries have no holes");

static inline uint32_t ledger_block_count(const struct ledger_block *block)
{
	return (uint32_t)block->link;
}

static inline uint32_t ledger_block_next(const struct ledger_block *block)
{
	return (uint32_t)(block->link >> 32);
}

/* The entry of this index; index 0 is the oldest and lies last. */
static inline struct ledger_entry *ledger_block_entry(struct ledger_block *block, uint32_t index)
{
	return (struct ledger_entry *)(void *)((unsigned char *)block + LEDGER_BLOCK_SIZE) - (index + 1);
}
