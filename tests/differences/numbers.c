/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Two lists: the numbers of open transactions by client and name, and the counts that were seen by client and path. */
#include "differences/numbers.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "differences/arguments.h"

enum { NO_SUCH_TRANSACTION = 0x7fffffff };

struct transaction_name {
	unsigned client;
	char name[SCRIPT_NAME];
	uint32_t id;
	struct transaction_name *next;
};

/* What DIRECTORY_PART last gave. */
struct generation {
	unsigned client; /* SCRIPT_CLIENTS: whoever */
	char transaction[SCRIPT_NAME];
	char *path; /* as it was given */
	char *value;
	struct generation *next;
};

static void *need(void *memory)
{
	if (!memory) {
		perror("numbers");
		abort();
	}
	return memory;
}

/* ---- transactions ---- */

static struct transaction_name *find_name(const struct numbers *numbers, unsigned client, const char *name)
{
	struct transaction_name *at;

	LL_FOREACH (numbers->names, at) {
		if (at->client == client && !strcmp(at->name, name))
			return at;
	}
	return NULL;
}

void numbers_forget_transaction(struct numbers *numbers, unsigned client, const char *name)
{
	struct transaction_name *at = find_name(numbers, client, name);

	if (at) {
		LL_DELETE(numbers->names, at);
		free(at);
	}
}

bool numbers_know_transaction(const struct numbers *numbers, unsigned client, const char *name)
{
	return find_name(numbers, client, name);
}

void numbers_forget_client(struct numbers *numbers, unsigned client)
{
	struct transaction_name *at, *next;

	LL_FOREACH_SAFE (numbers->names, at, next) {
		if (at->client == client)
			numbers_forget_transaction(numbers, client, at->name);
	}
}

uint32_t numbers_transaction(const struct numbers *numbers, const struct script_step *step)
{
	const struct transaction_name *name = find_name(numbers, step->client, step->transaction);

	if (!*step->transaction)
		return 0;
	if (isdigit((unsigned char)*step->transaction))
		return (uint32_t)strtoul(step->transaction, NULL, 10);
	return name ? name->id : NO_SUCH_TRANSACTION;
}

/* ---- generations ---- */

/* Those that this client has seen in this transaction; NULL: all. */
static void forget_generations(struct numbers *numbers, unsigned client, const char *transaction)
{
	struct generation *at, *next;

	LL_FOREACH_SAFE (numbers->generations, at, next) {
		if (transaction && (at->client != client || strcmp(at->transaction, transaction) != 0))
			continue;
		LL_DELETE(numbers->generations, at);
		free(at->path);
		free(at->value);
		free(at);
	}
}

static struct generation *find_generation(const struct numbers *numbers, const struct script_step *step)
{
	struct generation *at;

	LL_FOREACH (numbers->generations, at) {
		if ((at->client == SCRIPT_CLIENTS || at->client == step->client) && !strcmp(at->transaction, step->transaction) &&
		    !strcmp(at->path, step->payload))
			return at;
	}
	return NULL;
}

/* Relative paths, and those in transactions, mean something to one client only. */
static void add_generation(struct numbers *numbers, const struct script_step *step, const char *value)
{
	struct generation *added = need(calloc(1, sizeof(*added)));

	added->client = *step->payload == '/' && !*step->transaction ? SCRIPT_CLIENTS : step->client;
	added->path = need(strdup(step->payload));
	added->value = need(strdup(value));
	strcpy(added->transaction, step->transaction);
	LL_PREPEND(numbers->generations, added);
}

static const char *compare_generation(struct numbers *numbers, const struct script_step *step, const char *value)
{
	struct generation *before = find_generation(numbers, step);

	if (!before) {
		add_generation(numbers, step, value);
		return "<first>";
	}
	bool same = !strcmp(before->value, value);
	free(before->value);
	before->value = need(strdup(value));
	return same ? "<same>" : "<changed>";
}

/* ---- replies ---- */

/* The digits and the NUL that it begins with; 0: it does not. */
static size_t number_size(const char *payload, size_t len)
{
	size_t digits = strspn(payload, "0123456789");

	return digits && digits < len && !payload[digits] ? digits + 1 : 0;
}

size_t numbers_show_start(struct numbers *numbers, const struct script_step *step, const char *payload, size_t len,
			  struct buffer *out)
{
	size_t size = number_size(payload, len);

	if (!*step->starts || !size || size != len)
		return 0;
	struct transaction_name *name = need(calloc(1, sizeof(*name)));
	numbers_forget_transaction(numbers, step->client, step->starts);
	forget_generations(numbers, step->client, step->starts);
	name->client = step->client;
	strcpy(name->name, step->starts);
	name->id = (uint32_t)strtoul(payload, NULL, 10);
	LL_PREPEND(numbers->names, name);
	buffer_printf(out, "<%s>", step->starts);
	return size;
}

/* An answer to what should have been refused tells nothing. */
size_t numbers_show_generation(struct numbers *numbers, const struct script_step *step, const char *payload, size_t len,
			       struct buffer *out)
{
	size_t size = number_size(payload, len);

	if (!size)
		return 0;
	buffer_printf(out, "%s\\0", arguments_have_bad_number(step) ? "<any>" : compare_generation(numbers, step, payload));
	return size;
}

void numbers_deinit(struct numbers *numbers)
{
	while (numbers->names)
		numbers_forget_client(numbers, numbers->names->client);
	forget_generations(numbers, 0, NULL);
}
