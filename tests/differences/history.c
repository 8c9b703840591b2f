/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Counts what the answers say has been done. */
#include "differences/history.h"

#include <stdlib.h>
#include <string.h>

#include "wire/message.h"

void history_init(struct history *history)
{
	*history = (struct history){0};
	for (unsigned i = 1; i < SCRIPT_GUESTS; i++)
		history->domain[i].was_absent = true;
}

static bool is_done(const struct record *record)
{
	static const char ok[] = " OK\\0";

	for (size_t i = 0; i < record->n; i++) {
		size_t len = strlen(record->lines[i]);
		if (len > strlen(ok) && !strcmp(record->lines[i] + len - strlen(ok), ok))
			return true;
	}
	return false;
}

static bool writes(const struct script_step *step)
{
	return step->verb == SCRIPT_ASK &&
	       (step->type == MESSAGE_WRITE || step->type == MESSAGE_MKDIR || step->type == MESSAGE_RM ||
		step->type == MESSAGE_SET_PERMS || step->type == MESSAGE_TRANSACTION_END);
}

static bool is_about(const struct script_step *step, enum script_verb verb, uint32_t type)
{
	return step->verb == verb || (step->verb == SCRIPT_ASK && step->type == type);
}

/* The domain that the step is about; 0: none of the guests. */
static unsigned long domain_of(const struct script_step *step)
{
	unsigned long domid = step->verb != SCRIPT_ASK ? step->domid : strtoul(step->payload, NULL, 10);

	return domid < SCRIPT_GUESTS ? domid : 0;
}

static void end_domain(struct history *history, unsigned long domid)
{
	history->domain[domid].was_absent = true;
	history->domain[domid].has_ended = true;
	history->domain[domid].writes = history->writes;
}

static void name_domain(struct history *history, unsigned long domid)
{
	if (domid >= SCRIPT_GUESTS || !history->domain[domid].has_ended)
		return;
	history->domain[domid].has_ended = false;
	history->domain[domid].is_at_once = history->writes == history->domain[domid].writes;
}

/* Entries like "r1", behind the path. */
static void name_entries(struct history *history, const struct script_step *step)
{
	size_t at = strlen(step->payload) + 1;

	for (; at < step->len; at += strlen(step->payload + at) + 1)
		name_domain(history, step->payload[at] ? strtoul(step->payload + at + 1, NULL, 10) : SCRIPT_GUESTS);
}

void history_add(struct history *history, const struct script_step *step, const struct record *record)
{
	bool is_introduction = step->verb == SCRIPT_ASK && step->type == MESSAGE_INTRODUCE;
	bool is_end = is_about(step, SCRIPT_DESTROY, MESSAGE_RELEASE);

	if (step->verb == SCRIPT_ASK && step->type == MESSAGE_SET_PERMS)
		name_entries(history, step);
	if (step->verb == SCRIPT_ASK && !is_done(record))
		return;
	if (step->verb == SCRIPT_CREATE && !history->writes)
		history->domain[step->domid].was_absent = false;
	if (is_end)
		end_domain(history, domain_of(step));
	if (is_introduction)
		name_domain(history, domain_of(step));
	history->writes += writes(step);
	history->domains += is_introduction || is_end || step->verb == SCRIPT_CREATE;
	history->changes += writes(step) || is_introduction || is_end || step->verb == SCRIPT_CREATE;
}
