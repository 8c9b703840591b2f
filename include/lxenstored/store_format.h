/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>

/*
 * What the store file holds: an LMDB environment (one file, MDB_NOSUBDIR) with everything in the unnamed database. The first
 * byte of a key says what the record is. doc/format.md explains each, byte by byte. All integers are little-endian; LMDB's
 * own pages are in the byte order of the host that wrote them.
 */
#define STORE_MAGIC "lxenstored"

/* Tests of updates build a daemon whose formats are ahead by some numbers. */
#ifndef LXENSTORED_FORMATS_AHEAD
#define LXENSTORED_FORMATS_AHEAD 0
#endif

enum {
	STORE_VERSION = 2 + LXENSTORED_FORMATS_AHEAD,
	STORE_VERSION_OLDEST = 2, /* that a daemon can go on with, and leave as it is */

	STORE_KEY_NODE = 'n',	   /* a node, found by its path */
	STORE_KEY_LONG_NODE = 'l', /* a node whose path does not fit a key, found by the hash of its dirname */
	STORE_KEY_ACCOUNT = 'a',   /* what a domain owns: 'a' and the domid, big-endian */
	STORE_KEY_OWNER = 'o',	   /* a node that a domain owns, its parent not: 'o', domid, generation of creation, big-endian */
	STORE_KEY_ENTRY = 'p',	   /* the same with 'p': a node that has an entry for a domain, its parent none */
	STORE_KEY_DOMAIN = 'd',	   /* who a domain is: 'd' and the domid, big-endian */
	STORE_KEY_QUOTAS = 'q',	   /* "q": struct store_quotas, set for all domains at run time */
	STORE_KEY_META = 'm',	   /* "m": struct store_meta */
	STORE_KEY_GENERATION = 'g', /* "g": uint64_t, generations up to here may have been given out */
	STORE_KEY_WATCH = 'w',	    /* a watch: 'w', the connection's id and the watch's serial, 8 bytes each, big-endian */

	STORE_KEY_SLASH = 0x01,	     /* in node keys: '/' before a component that is not the last */
	STORE_KEY_LAST_SLASH = 0x00, /* in node keys: '/' before the last component */
	STORE_KEY_MAX = 511,	     /* LMDB's limit */
	STORE_ID_SIZE = 16
};

/* Record of key "m". */
struct store_meta {
	char magic[12];	  /* STORE_MAGIC, NUL padded */
	uint32_t version; /* of the format: a reader of version N reads stores of versions from STORE_VERSION_OLDEST up to N */
	unsigned char id[STORE_ID_SIZE];       /* random; the ledger beside the store bears the same */
	unsigned char hash_key[STORE_ID_SIZE]; /* of the hashes in 'l' keys */
	char boot_id[40];		       /* of the host when the store was made, as the kernel prints it; NUL padded */
};

/* Head of a node's record; then n_permissions entries of 4 bytes, then path_len bytes of path ('l' keys only), then the value. */
struct store_node {
	uint64_t created;		 /* generation of creation */
	uint64_t value_generation;	 /* of the last change of the value */
	uint64_t permissions_generation; /* of the last change of the permissions */
	uint64_t children_generation;	 /* of the last creation or removal of a child */
	uint16_t n_permissions;
	uint16_t path_len;
	uint8_t flags; /* STORE_NODE_* */
	uint8_t reserved[3];
} __attribute__((packed));

enum {
	STORE_NODE_LONG_CHILDREN = 1, /* some children have had 'l' keys */
	STORE_NODE_INDEXED = 2	      /* it has had 'o' or 'p' records */
};

/* Record of an 'a' key. */
struct store_account {
	uint64_t nodes; /* nodes the domain owns */
} __attribute__((packed));

/* Record of a 'w' key: the head, then path_len bytes of path and token_len bytes of token, without NULs. */
struct store_watch {
	uint16_t domid;	   /* for whom the connection speaks */
	uint16_t hidden;   /* bytes at the front of an event's path that are left out: set by a relative path */
	int32_t depth;	   /* levels below the path that still fire; -1: all */
	uint16_t path_len; /* absolute, or a special node's name */
	uint16_t token_len;
} __attribute__((packed));

enum { STORE_WATCH_KEY_SIZE = 1 + 8 + 8 };

/*
 * Quotas that somebody has set: record of key "q", and part of a 'd' record. Bit n of hard_set says that hard[n] counts. The
 * numbers: 0 nodes, 1 watches, 2 outstanding, 3 memory, 4 transactions, 5 transaction-nodes, 6 node-permissions, 7 path-max,
 * 8 node-size.
 */
enum { STORE_QUOTAS = 16 };

struct store_quotas {
	uint32_t hard_set;
	uint32_t soft_set;
	uint32_t hard[STORE_QUOTAS]; /* 0: no limit */
	uint32_t soft[STORE_QUOTAS]; /* 0: none */
} __attribute__((packed));

/* Record of a 'd' key: what was said of a domain, and which of the domains that have had its number it is. */
struct store_domain {
	uint64_t unique_id;	    /* that Xen gives each domain; 0: not known */
	unsigned char handle[16];   /* UUID */
	uint64_t shared_info_frame; /* machine frame */
	uint32_t port;		    /* the domain's end of its event channel */
	uint32_t epoch;		    /* of its part of the ledger */
	uint32_t features;	    /* bits of the ring page that it is offered */
	uint16_t target;	    /* the domain it may act for; 0x7FF4: none */
	uint8_t flags;		    /* STORE_DOMAIN_* */
	uint8_t reserved;
	struct store_quotas quotas; /* its own */
} __attribute__((packed));

enum {
	STORE_DOMAIN_INTRODUCED = 1, /* it has a ring */
	STORE_DOMAIN_SHUT_DOWN = 2   /* @releaseDomain has told so */
};
