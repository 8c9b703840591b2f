/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "domain/quota.h"
#include "wire/permissions.h"

/*
 * What one XenStore daemon hands over to another, record by record, whatever the form in which it is written: stream.h has that
 * of C xenstored, text_dump.h that of oxenstored. What a record points to belongs to whoever has made it.
 */
enum {
	STATE_PERMISSIONS_MAX = 4000, /* of a node: more than a record of the store can hold */
	STATE_TEXT_SIZE = 160	      /* of a sentence that says what is wrong */
};

enum state_kind { STATE_GLOBAL, STATE_CONNECTION, STATE_WATCH, STATE_TRANSACTION, STATE_NODE, STATE_QUOTAS, STATE_DOMAIN };

/* Descriptors that the process has had from before; -1: none. */
struct state_global {
	int32_t listener, read_only_listener;
	int32_t events;		 /* of the event channels, with the ports that are bound */
	uint32_t exception_port; /* that of VIRQ_DOM_EXC among these; 0: it is not */
};

/* A client. Other records name it by `number`. */
struct state_connection {
	uint32_t number; /* not 0 */
	bool is_socket;
	bool read_only; /* a socket that may change nothing */
	int32_t fd;	/* of a socket */

	/* Of a ring. */
	uint16_t domid, target; /* DOMID_NONE: it acts for nobody */
	uint32_t port;		/* the daemon's end of its event channel; from an offline store: the domain's end */
	uint32_t remote_port;	/* the domain's end, where it is told; else 0 */
	uint64_t unique_id;	/* 0: not told */

	/* Received and not answered; owed and not taken, of which the first `partial_len` bytes are the rest of a message. */
	const char *input, *output;
	size_t input_len, output_len, partial_len;
};

struct state_watch {
	uint32_t connection;
	int32_t depth;		  /* -1: all levels */
	const char *path, *token; /* as WATCH was given them; NUL behind each */
	size_t path_len, token_len;
};

struct state_transaction {
	uint32_t connection, id;
};

struct state_node {
	uint32_t connection, transaction; /* `connection` 0: committed; else the change of an open transaction */
	uint16_t access;		  /* in a transaction: 1 read, 2 written */
	const char *path;		  /* absolute or a special node's name; NUL behind it */
	size_t path_len;
	const struct permission *permissions;
	size_t n_permissions;
	const char *value;
	size_t value_len;
};

struct state_domain {
	uint16_t domid;
	bool has_features;
	uint32_t features;
	struct quota_settings quotas;
};

struct state_record {
	enum state_kind kind;
	union {
		struct state_global global;
		struct state_connection connection;
		struct state_watch watch;
		struct state_transaction transaction;
		struct state_node node;
		struct quota_settings quotas;
		struct state_domain domain;
	};
};
