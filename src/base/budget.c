/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Charges and the budgets that are their sums. The limit is not part of a budget: it may change at any time, and what is used
 * already stays used.
 */
#include "base/budget.h"

#include <stddef.h>

#include "base/status.h"

int charge_set(struct charge *charge, uint64_t amount, uint64_t limit)
{
	const struct budget *budget = charge->budget;

	if (budget && amount > charge->amount) {
		uint64_t others = budget->used - charge->amount;
		if (others > limit || amount > limit - others)
			return STATUS_ENOSPC;
	}
	charge_force(charge, amount);
	return 0;
}

void charge_force(struct charge *charge, uint64_t amount)
{
	struct budget *budget = charge->budget;

	if (budget) {
		budget->used += amount - charge->amount;
		if (budget->used > budget->most)
			budget->most = budget->used;
	}
	charge->amount = amount;
}

void charge_free(struct charge *charge)
{
	charge_force(charge, 0);
	charge->budget = NULL;
}
