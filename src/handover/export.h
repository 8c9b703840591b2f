/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "handover/state_record.h"
#include "store/image.h"
#include "store/inventory.h"

/* What a store, and whoever knows more of its connections, has to hand over, as records in the order in which they are read. */
struct export_source {
	const struct image *image;
	const struct inventory *inventory;
	struct state_global global;

	/*
	 * More of the connection with this id, whose number and domain are filled in: ports, descriptor, bytes. False: it is left
	 * out, with its watches. NULL: of an offline store rings have the domain's end as port, and sockets are left out.
	 */
	bool (*complete)(void *context, uint64_t id, struct state_connection *connection);

	/* Gives the sockets; *id: 0 at first, the last one's else. False: no more. NULL with `complete`. */
	bool (*next_socket)(void *context, uint64_t *id);
	void *context;
};

/* Who takes them. `frame`: of a ring, the one that its toolstack has written into the tree; else 0. */
struct export_sink {
	void (*put)(void *context, const struct state_record *record, uint64_t frame);
	void (*tell)(void *context, size_t nodes); /* before each node; may be NULL */
	void *context;
};

/* Returns how many nodes were left out because they have no parent. */
size_t export_records(const struct export_source *source, const struct export_sink *sink);
