/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bad arguments, limits, and what C xenstored 4.17 does not know yet. */
#include <stdlib.h>
#include <string.h>

#include "differences/known_entries.h"
#include "wire/message.h"

/* ---- bad arguments ---- */

static bool has_path(uint32_t type)
{
	return type == MESSAGE_READ || type == MESSAGE_WRITE || type == MESSAGE_MKDIR || type == MESSAGE_RM ||
	       type == MESSAGE_DIRECTORY || type == MESSAGE_DIRECTORY_PART || type == MESSAGE_GET_PERMS ||
	       type == MESSAGE_SET_PERMS || type == MESSAGE_WATCH || type == MESSAGE_UNWATCH;
}

static bool is_special(const struct script_step *step)
{
	return step->verb == SCRIPT_ASK && step->len && *step->payload == '@';
}

/* C 4.17 answers whatever error it met last, which may be none: then it ends itself. */
bool explain_bad_path(struct known_context *context)
{
	const struct script_step *step = context->step;

	return step->verb == SCRIPT_ASK && has_path(step->type) && arguments_have_bad_path(step) && is_error(&context->stock) &&
	       answered_only(context, &context->ours, "ERROR EINVAL\\0") && take_all(context);
}

bool explain_death_by_bad_path(struct known_context *context)
{
	const struct script_step *step = context->step;

	return step->verb == SCRIPT_ASK && has_path(step->type) && (arguments_have_bad_path(step) || is_special(step)) &&
	       context->stock.n == 1 && !strcmp(context->stock.lines[0], "daemon died: signal 6") && is_error(&context->ours) &&
	       take_all(context);
}

static bool has_numbers(uint32_t type)
{
	return type == MESSAGE_GET_DOMAIN_PATH || type == MESSAGE_IS_DOMAIN_INTRODUCED || type == MESSAGE_INTRODUCE ||
	       type == MESSAGE_RELEASE || type == MESSAGE_RESUME || type == MESSAGE_SET_TARGET || type == MESSAGE_DIRECTORY_PART;
}

/* C takes the digits at the beginning of "1x", 0 if there is none, and no notice of what follows. */
bool explain_bad_number(struct known_context *context)
{
	const struct script_step *step = context->step;

	return step->verb == SCRIPT_ASK && has_numbers(step->type) && arguments_have_bad_number(step) && context->stock.n == 1 &&
	       answered_only(context, &context->ours, "ERROR EINVAL\\0") && take_all(context);
}

bool explain_bad_domain(struct known_context *context)
{
	return asks(context, MESSAGE_SET_PERMS) && arguments_name_bad_domain(context->step) &&
	       answered_only(context, &context->ours, "ERROR EINVAL\\0") && take_all(context);
}

/* C 4.17 has the limit of the unprivileged for all. */
bool explain_long_path(struct known_context *context)
{
	char path[ARGUMENTS_PATH];

	if (context->step->verb != SCRIPT_ASK || is_of_guest(context) || arguments_have_bad_path(context->step))
		return false;
	arguments_path(context->step, path);
	return strlen(path) > 2048 && answered_only(context, &context->stock, "ERROR EINVAL\\0") && take_all(context);
}

/* ---- limits ---- */

static bool is_same_question(const struct known_context *context, const struct script_step *step)
{
	return step->verb == SCRIPT_ASK && step->client == context->step->client && step->type == context->step->type;
}

/* C 4.17 allows one watch and one transaction more than the quota says. */
bool explain_one_more(struct known_context *context)
{
	bool is_watch = asks(context, MESSAGE_WATCH);
	unsigned long limit = is_watch ? limit_of(context, "-W", 128) : limit_of(context, "-t", 10);

	return is_of_guest(context) && (is_watch || asks(context, MESSAGE_TRANSACTION_START)) &&
	       count_before(context, is_same_question) >= limit && answered_only(context, &context->ours, "ERROR ENOSPC\\0") &&
	       !is_error(&context->stock) && take_all(context);
}

static bool makes_nodes(const struct script_step *step)
{
	return step->verb == SCRIPT_ASK && (step->type == MESSAGE_WRITE || step->type == MESSAGE_MKDIR);
}

/* Bytes of the names in one directory that the script has made, or has tried to make, up to this step. */
static size_t names_beside(const struct known_context *context)
{
	char path[ARGUMENTS_PATH], other[ARGUMENTS_PATH];
	size_t bytes = 0;

	arguments_path(context->step, path);
	size_t parent = strrchr(path, '/') ? (size_t)(strrchr(path, '/') - path) : 0;
	for (const struct script_step *step = context->script->steps; step <= context->step; step++) {
		if (!makes_nodes(step))
			continue;
		arguments_path(step, other);
		if (!strncmp(path, other, parent + 1))
			bytes += strlen(other + parent + 1) + 1;
	}
	return bytes;
}

/* C counts the names of its children to the size of a node, beside 8 bytes for each entry of its permissions and a header. */
bool explain_size_of_names(struct known_context *context)
{
	enum { REST = 100 };

	return is_of_guest(context) && makes_nodes(context->step) &&
	       names_beside(context) + REST > limit_of(context, "-S", 2048) &&
	       answered_only(context, &context->stock, "ERROR ENOSPC\\0") && is_ok(&context->ours) && take_all(context);
}

/* ---- what 4.17 does not know ---- */

bool explain_new_operations(struct known_context *context)
{
	const struct script_step *step = context->step;

	return step->verb == SCRIPT_ASK && step->type >= MESSAGE_GET_FEATURE && step->type <= MESSAGE_SET_QUOTA &&
	       answered_only(context, &context->stock, "ERROR ENOSYS\\0") && take_all(context);
}

bool explain_depth(struct known_context *context)
{
	size_t strings = 0;

	for (size_t i = 0; i < context->step->len; i++)
		strings += !context->step->payload[i];
	return asks(context, MESSAGE_WATCH) && strings == 3 && answered_only(context, &context->stock, "ERROR EINVAL\\0") &&
	       answered(context, &context->ours, "WATCH OK\\0") && take_all(context);
}

/* C 4.17 shows no permissions of special nodes; of them it knows two, and hides even that from guests. */
bool explain_special(struct known_context *context)
{
	if (!is_special(context->step) || !is_error(&context->stock) || context->ours.n != 1)
		return false;
	return (asks(context, MESSAGE_GET_PERMS) || (asks(context, MESSAGE_SET_PERMS) && is_error(&context->ours))) &&
	       take_all(context);
}

static bool is_of_special(const struct known_context *context, const char *line)
{
	char path[ARGUMENTS_PATH];

	(void)context;
	event_path(line, path);
	return *path == '@';
}

/* A special node's permissions are changed like any other's: with an event. */
bool explain_event_of_special(struct known_context *context)
{
	bool sets = asks(context, MESSAGE_SET_PERMS) && is_special(context->step);

	for (size_t i = 0; asks(context, MESSAGE_TRANSACTION_END) && context->our_tale && i < context->our_tale->n; i++) {
		const struct script_step *step = context->our_tale->steps[i].step;
		sets |= step->type == MESSAGE_SET_PERMS && is_special(step);
	}
	return sets && take_events(context, &context->ours, &context->stock, is_of_special);
}

/* C 4.17 lets a guest give away a special node that it owns. */
bool explain_owner_of_special(struct known_context *context)
{
	return asks(context, MESSAGE_SET_PERMS) && is_special(context->step) && is_of_guest(context) && is_ok(&context->stock) &&
	       answered_only(context, &context->ours, "ERROR EPERM\\0") && take_all(context);
}

static bool gives_special_to_asker(const struct known_context *context, const struct script_step *step)
{
	return is_special(step) && step->type == MESSAGE_SET_PERMS && step->len > strlen(step->payload) + 2 &&
	       strtoul(step->payload + strlen(step->payload) + 2, NULL, 10) == script_client_domid(context->step->client);
}

/* To the owner of a special node it counts like any other; for C 4.17 it is none. */
bool explain_special_counted(struct known_context *context)
{
	return is_of_guest(context) && answered_only(context, &context->ours, "ERROR ENOSPC\\0") && !is_error(&context->stock) &&
	       count_before(context, gives_special_to_asker) && take_all(context);
}

static bool sets_special_in_transaction(const struct known_context *context, const struct script_step *step)
{
	(void)context;
	return is_special(step) && step->type == MESSAGE_SET_PERMS && *step->transaction;
}

static bool has_event_of_special(const struct known_context *context, const struct record *record)
{
	for (size_t i = 0; i < record->n; i++) {
		if (is_event(record->lines[i]) && is_of_special(context, record->lines[i]))
			return true;
	}
	return false;
}

/* C 4.17 does it at once, whatever becomes of the transaction. */
bool explain_special_in_transaction(struct known_context *context)
{
	bool is_about_special = is_special(context->step) || has_event_of_special(context, &context->stock) ||
				has_event_of_special(context, &context->ours);

	return is_about_special && !record_equal(&context->stock, &context->ours) &&
	       count_before(context, sets_special_in_transaction) && take_all(context);
}

/* ---- others ---- */

/* Commands whose answer is words, or that are not the same ones. */
bool explain_control(struct known_context *context)
{
	static const char *const commands[] = {"help", "quota", "quota-soft", "watches", "txn", "log"};
	const char *command = context->step->payload, *argument = command + strlen(command) + 1;
	bool has_argument = argument < command + context->step->len;

	if (!asks(context, MESSAGE_CONTROL) || context->stock.n != 1 || context->ours.n != 1)
		return false;
	if (has_argument && !strcmp(command, "log"))
		return false;
	if (has_argument && !strcmp(argument, "set"))
		return strspn(context->step->payload + context->step->len - 2, "0123456789") == 0 &&
		       answered_only(context, &context->ours, "ERROR EINVAL\\0") && take_all(context);
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (!strcmp(command, commands[i]))
			return take_all(context);
	}
	return false;
}

/* C's count changes with every change of the node, ours with those of its children. The names are the same. */
bool explain_generation(struct known_context *context)
{
	const char *changed, *same;

	if (!asks(context, MESSAGE_DIRECTORY_PART) || context->stock.n != 1 || context->ours.n != 1)
		return false;
	changed = strstr(context->stock.lines[0], " DIRECTORY_PART <changed>\\0");
	same = strstr(context->ours.lines[0], " DIRECTORY_PART <same>\\0");
	return changed && same && !strcmp(strstr(changed, "\\0"), strstr(same, "\\0")) && take_all(context);
}

/* The same event of two watches of one client: C sends it once, unless it is a special one. */
bool explain_event_of_each_watch(struct known_context *context)
{
	bool found = false;

	for (size_t i = context->ours.n; i-- > 1;) {
		const char *line = context->ours.lines[i];
		size_t in_stock = record_find(&context->stock, 0, line);
		if (!is_event(line) || is_of_special(context, line) || record_find(&context->ours, 0, line) == i ||
		    in_stock == context->stock.n || record_find(&context->stock, in_stock + 1, line) < context->stock.n)
			continue;
		record_remove(&context->ours, i);
		found = true;
	}
	return found;
}
