/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>

/*
 * How much somebody uses of one thing. It is the sum of charges, each of which lies in what it pays for and is freed with it: so
 * no way out of a function can forget to give it back. A budget must live as long as its charges. Both are valid when zeroed.
 */
struct budget {
	uint64_t used;
	uint64_t most; /* that was ever used */
};

struct charge {
	struct budget *budget; /* NULL: nobody pays */
	uint64_t amount;
};

/*
 * Makes the charge `amount`. STATUS_ENOSPC, and it is as before: it would grow and the budget be used beyond `limit`. Exactly the
 * limit is allowed, and to shrink always.
 */
int charge_set(struct charge *charge, uint64_t amount, uint64_t limit);

/* The same without a limit: of what is there already, or comes back. */
void charge_force(struct charge *charge, uint64_t amount);

/* Gives all back and forgets the budget. */
void charge_free(struct charge *charge);
