/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Questions about a step and its records, and ways to take lines out of them. */
#include "differences/known_entries.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire/message.h"

static const char event[] = " WATCH_EVENT ";

bool asks(const struct known_context *context, uint32_t type)
{
	return context->step->verb == SCRIPT_ASK && context->step->type == type;
}

bool is_of_guest(const struct known_context *context)
{
	return context->step->verb == SCRIPT_ASK && script_client_is_guest(context->step->client) &&
	       script_client_domid(context->step->client);
}

/* ---- answers ---- */

/* Where the client was answered so; record->n: nowhere. */
static size_t find_answer(const struct known_context *context, const struct record *record, const char *text)
{
	char name[SCRIPT_NAME], line[128];

	script_client_name(context->step->client, name);
	snprintf(line, sizeof(line), "%s %s", name, text);
	return record_find(record, 0, line);
}

bool answered(const struct known_context *context, const struct record *record, const char *text)
{
	return find_answer(context, record, text) < record->n;
}

bool answered_only(const struct known_context *context, const struct record *record, const char *text)
{
	return record->n == 1 && answered(context, record, text);
}

bool is_error(const struct record *record)
{
	return record->n == 1 && strstr(record->lines[0], " ERROR E");
}

bool is_ok(const struct record *record)
{
	return record->n == 1 && strstr(record->lines[0], " OK\\0");
}

bool take_answer(const struct known_context *context, struct record *record, const char *text)
{
	size_t at = find_answer(context, record, text);

	if (at == record->n)
		return false;
	record_remove(record, at);
	return true;
}

bool take_all(struct known_context *context)
{
	record_clear(&context->stock);
	record_clear(&context->ours);
	return true;
}

/* ---- events ---- */

bool is_event(const char *line)
{
	return strstr(line, event);
}

bool is_to_guest(const char *line)
{
	return *line == 'g' && line[1] != '0';
}

void event_path(const char *line, char out[ARGUMENTS_PATH])
{
	const char *path = strstr(line, event) + strlen(event);
	int len = (int)strcspn(path, "\\");

	if (*path == '/' || *path == '@')
		snprintf(out, ARGUMENTS_PATH, "%.*s", len, path);
	else
		snprintf(out, ARGUMENTS_PATH, "/local/domain/%lu/%.*s", *line == 'g' ? strtoul(line + 1, NULL, 10) : 0, len,
			 path);
}

static size_t count_line(const struct record *record, const char *line)
{
	size_t n = 0;

	for (size_t at = 0; (at = record_find(record, at, line)) < record->n; at++)
		n++;
	return n;
}

bool take_events(const struct known_context *context, struct record *record, const struct record *other, event_test *is_it)
{
	bool found = false;

	for (size_t i = 0; i < record->n;) {
		const char *line = record->lines[i];
		if (!is_event(line) || count_line(record, line) <= count_line(other, line) || !is_it(context, line)) {
			i++;
			continue;
		}
		record_remove(record, i);
		found = true;
	}
	return found;
}

/* ---- the script ---- */

size_t count_before(const struct known_context *context, step_test *is_it)
{
	size_t n = 0;

	for (const struct script_step *step = context->script->steps; step < context->step; step++)
		n += is_it(context, step);
	return n;
}

unsigned long limit_of(const struct known_context *context, const char *option, unsigned long otherwise)
{
	char *const *options = context->script->options;

	for (size_t i = 0; options[i]; i++) {
		if (!strcmp(options[i], option) && options[i + 1])
			return strtoul(options[i + 1], NULL, 10);
	}
	return otherwise;
}

bool ends_domain(const struct script_step *step, char domid[16])
{
	if (step->verb == SCRIPT_DESTROY)
		snprintf(domid, 16, "%u", step->domid);
	else if (step->verb == SCRIPT_ASK && step->type == MESSAGE_RELEASE && step->len)
		snprintf(domid, 16, "%s", step->payload);
	else
		return false;
	return true;
}
