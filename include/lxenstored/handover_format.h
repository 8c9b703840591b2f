/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>

/*
 * What a daemon passes to the program that takes its place in the same process: a file without a name (memfd) with a header and
 * records, and the descriptors that these name. Everything else is in store and ledger. The variable HANDOVER_VARIABLE of the
 * environment holds the number of the file's descriptor.
 */
#define HANDOVER_VARIABLE "LXENSTORED_HANDOVER"
#define HANDOVER_MAGIC "lxhandov"

/*
 * Instead: only to prove that store and ledger can be read. The last line on standard output is then PROOF_FORMAT with device and
 * inode of both, and 1 or 0 for whether rings would be served.
 */
#define PROOF_VARIABLE "LXENSTORED_PROOF"
#define PROOF_FORMAT "lxenstored-proof %llx:%llx %llx:%llx %d"

enum { HANDOVER_VERSION = 1 };

struct handover_header {
	char magic[8]; /* HANDOVER_MAGIC, no NUL */
	uint32_t version;
	uint32_t n_records;
};

/* A descriptor of a kind that the reader does not know is closed. */
enum handover_kind {
	HANDOVER_SOCKET = 1,	/* descriptor; id: the connection's, 0: the listening socket */
	HANDOVER_KEEPER = 2,	/* descriptor: the channel to the keeper */
	HANDOVER_EVENTS = 3,	/* descriptor: of the event channels, with its ports bound */
	HANDOVER_EXCEPTION = 4, /* value: the port of VIRQ_DOM_EXC */
	HANDOVER_PORT = 5,	/* id: domain; value: the port, remote: the domain's end of it */
	HANDOVER_FAILED = 6,	/* no update has come about: the old program is executed again */
	HANDOVER_POLLED = 7	/* whoever has asked for the update asks again until it is done, as oxenstored wants it */
};

struct handover_record {
	uint32_t kind;
	int32_t descriptor; /* -1: none */
	uint64_t id;
	uint32_t value;
	uint32_t remote;
};
