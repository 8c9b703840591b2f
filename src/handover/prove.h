/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

/*
 * The proof that this program could take the place of a daemon that is serving: it reads that one's store and ledger, changes
 * nothing, and says on standard output what it has read (lxenstored/handover_format.h), or on standard error what is wrong.
 * Returns the exit status.
 */
struct proof_subject {
	const char *store, *ledger;
	const char *boot_id;
	bool serves_rings;
};

int prove(const struct proof_subject *subject);
