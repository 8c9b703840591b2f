/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "wire/message.h"

/*
 * What a ledger holds for whom, read from its file without changing it: beside the daemon that has it, after its death, or on
 * another machine of the same byte order.
 */
struct owed_request {
	struct message_header header;
	const char *argument; /* the first string of the payload */
	size_t argument_len;
};

struct owed_connection {
	uint64_t id;
	uint32_t state; /* enum ledger_state, never LEDGER_FREE */
	uint32_t epoch;
	uint32_t error; /* of one that is LEDGER_STOPPED */

	/* Received and not answered. */
	uint64_t input_bytes;
	struct owed_request *requests; /* the whole ones, in order */
	size_t n_requests;
	bool is_running;	 /* one of them is being run, or was at the death */
	uint64_t running_after;	 /* bytes of the input that come before it */
	uint32_t crashes, kills; /* deaths of the last request that was being run at one */

	/* Valid and not taken: messages of which a byte is left. */
	uint64_t output_bytes;
	uint64_t replies, events;
	uint64_t waiting; /* entries that wait for a commit; they are not among the others */

	const char *problem; /* what is wrong with it, if not all could be read; else NULL */
};

struct owed {
	struct owed_connection *connections; /* by id */
	size_t n;
	size_t n_damaged; /* of these */
	uint32_t death;	  /* the signal that its daemon died of, as far as it was noted */
	struct arena memory;
};

/*
 * `last_commit`: of the store that the ledger belongs to. 0; STATUS_ENOENT: it is not the ledger of the store of this id;
 * STATUS_EINVAL: it is no ledger that can be read; -errno. In any case owed_deinit.
 */
int owed_read(const char *path, const unsigned char store_id[16], uint64_t last_commit, struct owed *out);
void owed_deinit(struct owed *owed); /* accepts a zeroed one */
