/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"

/*
 * Scripts of operations, one step a line; tests/differences/README.md has the language. A script says what is done, not what
 * comes of it: that is for the daemons to say.
 */
enum script_verb {
	SCRIPT_ASK,	 /* a request */
	SCRIPT_CLOSE,	 /* a client of the socket hangs up */
	SCRIPT_CREATE,	 /* a domain comes into being; nobody has told the daemon yet */
	SCRIPT_SHUTDOWN, /* a domain ends itself, and is still there */
	SCRIPT_RESUME,	 /* it runs on all the same */
	SCRIPT_DESTROY	 /* a domain is gone */
};

/*
 * Clients by index: those of the socket, "s0" to "s9", then rings: "g0", the kernel of domain 0, which is as privileged as the
 * socket, and the guests "g1" to "g63".
 */
enum { SCRIPT_SOCKETS = 10, SCRIPT_GUESTS = 64, SCRIPT_CLIENTS = SCRIPT_SOCKETS + SCRIPT_GUESTS, SCRIPT_NAME = 16 };

struct script_step {
	enum script_verb verb;
	unsigned line;		       /* from 1 */
	unsigned client;	       /* ASK, CLOSE */
	uint16_t domid;		       /* the others */
	uint32_t type;		       /* ASK */
	char transaction[SCRIPT_NAME]; /* name or number; "": outside any */
	char starts[SCRIPT_NAME];      /* what the transaction that this step starts is called; "": nothing */
	char *payload;		       /* with "$page" and "$port" still in it; a NUL that is not sent follows */
	size_t len;
	char *text; /* the line */
};

enum { SCRIPT_OPTIONS = 16 };

struct script {
	struct script_step *steps;
	size_t n;
	char *options[SCRIPT_OPTIONS + 1]; /* for the command line of lxenstored and C xenstored; NULL behind the last */
};

/* 0; -EINVAL: *problem, "line 3: ..." or NULL, is for the caller to free. */
int script_parse(const char *text, struct script *out, char **problem);
void script_deinit(struct script *script); /* accepts a zeroed one */

/* "s1", "g5" */
void script_client_name(unsigned client, char out[SCRIPT_NAME]);
bool script_client_is_guest(unsigned client);
uint16_t script_client_domid(unsigned client); /* of a guest */
unsigned script_guest(uint16_t domid);	       /* its index */

/* Bytes so that each of them can be told from the text: printable ones as they are, "\0", "\n", "\\", "\x1b". */
void script_show(const char *bytes, size_t len, struct buffer *out);
