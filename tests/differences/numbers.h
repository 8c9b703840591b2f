/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "differences/script.h"

/* Numbers that a daemon gives out and that mean nothing to another one: of transactions, and generation counts. Zeroed. */
struct numbers {
	struct transaction_name *names;
	struct generation *generations;
};

void numbers_deinit(struct numbers *numbers);
void numbers_forget_client(struct numbers *numbers, unsigned client); /* its transactions */
void numbers_forget_transaction(struct numbers *numbers, unsigned client, const char *name);
bool numbers_know_transaction(const struct numbers *numbers, unsigned client, const char *name);

/* The number that the step's request bears; one that is no transaction's for a name that is not known. */
uint32_t numbers_transaction(const struct numbers *numbers, const struct script_step *step);

/*
 * Show what the reply to START and to DIRECTORY_PART begins with by what it means, "<t1>", "<same>", and remember it. They return
 * how many bytes of the payload that was: 0 for a reply that does not begin so.
 */
size_t numbers_show_start(struct numbers *numbers, const struct script_step *step, const char *payload, size_t len,
			  struct buffer *out);
size_t numbers_show_generation(struct numbers *numbers, const struct script_step *step, const char *payload, size_t len,
			       struct buffer *out);
