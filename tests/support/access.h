/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Who may do what, and who is told what, as tables: each operation, asked by each kind of caller, of nodes in each state. They
 * are the same whatever carries the requests, a world without a daemon or rings and a socket; a driver knows how to ask.
 *
 * All callers but domain 0 are unprivileged and introduced; SET_TARGET has given the device model the guest as its target.
 */
enum access_caller { ACCESS_ROOT, ACCESS_GUEST, ACCESS_MODEL, ACCESS_DRIVER, ACCESS_STRANGER, ACCESS_CALLERS };

/* Their numbers. ACCESS_NOBODY is a number without a domain. */
enum {
	ACCESS_GUEST_DOMID = 1,
	ACCESS_DRIVER_DOMID = 2,
	ACCESS_MODEL_DOMID = 3,
	ACCESS_STRANGER_DOMID = 4,
	ACCESS_NOBODY_DOMID = 9
};
uint16_t access_domid(enum access_caller caller);

struct access_answer {
	const char *error; /* "" for success, else its name */
	const char *bytes; /* of the reply, with a NUL behind them that is not counted */
	size_t len;
};

struct access_driver {
	/* The answer holds until the same caller is asked again. No answer at all has to fail the test. */
	struct access_answer (*ask)(enum access_caller caller, uint32_t type, uint32_t transaction, const void *payload,
				    size_t len);

	/*
	 * The caller's oldest event that was not yet taken, "<path>|<token>"; NULL: there is none of what has happened so far.
	 * Holds until the next call.
	 */
	const char *(*event)(enum access_caller caller);

	/*
	 * The daemon is C xenstored of Xen 4.17. It has neither entries for any domain nor permissions of special nodes that can
	 * be read, nor operations on features and quotas, and forgets in a transaction who could see what it removes.
	 */
	bool is_old_c;
};

/* Each of these fails the running test, naming every wrong answer. */

/* Operations on nodes, outside a transaction or inside one; those refused change nothing and nobody is told of them. */
void access_check_nodes(const struct access_driver *driver, bool in_transaction);

/* Operations that are not about a node. */
void access_check_others(const struct access_driver *driver);

/* Events of changes that domain 0 makes. */
void access_check_events(const struct access_driver *driver, bool in_transaction);
