/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The life of domains, and permissions that name them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "differences/known_entries.h"
#include "wire/message.h"

/* ---- permissions ---- */

/* Entries for domains that are not there: C keeps them and takes no notice of them. */
bool explain_dropped_entries(struct known_context *context)
{
	static const char type[] = " GET_PERMS ";
	const char *stock, *ours;
	size_t dropped = 0;

	if (!asks(context, MESSAGE_GET_PERMS) || context->stock.n != 1 || context->ours.n != 1)
		return false;
	stock = strstr(context->stock.lines[0], type);
	ours = strstr(context->ours.lines[0], type);
	if (!stock || !ours)
		return false;
	stock += strlen(type);
	ours += strlen(type);
	for (size_t i = 0, len; *stock; i++, stock += len) {
		len = strcspn(stock, "\\") + 2;
		if (!strncmp(stock, ours, len))
			ours += len;
		else if (i && context->history->domain[strtoul(stock + 1, NULL, 10) % SCRIPT_GUESTS].was_absent)
			dropped++;
		else
			return false;
	}
	return dropped && !*ours && take_all(context);
}

static bool sets_special(const struct known_context *context, const struct script_step *step)
{
	(void)context;
	return step->verb == SCRIPT_ASK && step->type == MESSAGE_SET_PERMS && *step->payload == '@';
}

/* Of a node; or of a special one, if the script has set its permissions. */
static bool may_have_named_it(const struct known_context *context, const char *line)
{
	char path[ARGUMENTS_PATH];

	event_path(line, path);
	return *path != '@' || count_before(context, sets_special);
}

/* Nodes whose permissions have named a domain that has ended: we tell that they have changed, as SET_PERMS would. */
bool explain_stripped_entries(struct known_context *context)
{
	char domid[16];

	return ends_domain(context->step, domid) && take_events(context, &context->ours, &context->stock, may_have_named_it);
}

/* C tells a new domain from the old one by whether something was written between; if not, the old entries give and take rights.
 */
bool explain_old_rights(struct known_context *context)
{
	static const char refused[] = "ERROR EACCES\\0";

	return is_of_guest(context) && context->history->domain[script_client_domid(context->step->client)].is_at_once &&
	       (answered_only(context, &context->stock, refused) || answered_only(context, &context->ours, refused)) &&
	       take_all(context);
}

/* ---- comings and goings ---- */

static bool stops_ring(const struct known_context *context, const struct script_step *step)
{
	return step->verb == SCRIPT_ASK && step->client == context->step->client && step->len > MESSAGE_PAYLOAD_MAX;
}

/* For C it takes RELEASE and INTRODUCE, for us the latter. */
bool explain_stopped_ring(struct known_context *context)
{
	return is_of_guest(context) && answered_only(context, &context->stock, "no answer") &&
	       count_before(context, stops_ring) && take_all(context);
}

/* C 4.17 lets the channel of domain 0 be bound anew. */
bool explain_introduction_of_own(struct known_context *context)
{
	return asks(context, MESSAGE_INTRODUCE) && !strcmp(context->step->payload, "0") && is_ok(&context->stock) &&
	       answered_only(context, &context->ours, "ERROR EINVAL\\0") && take_all(context);
}

static bool tells_guest_of_release(const struct known_context *context, const char *line)
{
	char path[ARGUMENTS_PATH];

	(void)context;
	event_path(line, path);
	return is_to_guest(line) && !strcmp(path, "@releaseDomain");
}

/* C 4.17 lets guests hear of others' ends only if SET_PERMS has said so. */
bool explain_release_for_all(struct known_context *context)
{
	return take_events(context, &context->ours, &context->stock, tells_guest_of_release);
}

/* C 4.17 answers first and tells afterwards. */
bool explain_order_of_release(struct known_context *context)
{
	char name[SCRIPT_NAME], ok[64];
	size_t at;

	if (!asks(context, MESSAGE_RELEASE))
		return false;
	script_client_name(context->step->client, name);
	snprintf(ok, sizeof(ok), "%s RELEASE OK\\0", name);
	at = record_find(&context->stock, 0, ok);
	size_t to = at;
	while (to + 1 < context->stock.n && !strncmp(context->stock.lines[to + 1], ok, strlen(name) + 1))
		to++;
	if (at == context->stock.n || to == at)
		return false;
	record_remove(&context->stock, at);
	record_insert(&context->stock, to, ok);
	return true;
}

static bool tells_release(const struct known_context *context, const char *line)
{
	char path[ARGUMENTS_PATH];

	event_path(line, path);
	return !strcmp(path, "@releaseDomain") && record_find(&context->ours, 0, line) < context->ours.n;
}

/* C looks at all domains whenever one ends, and tells each end that it finds. */
bool explain_several_ends(struct known_context *context)
{
	return context->step->verb == SCRIPT_DESTROY && take_events(context, &context->stock, &context->ours, tells_release);
}

/* Has the script said that this domain owns "/"? */
static bool gives_root(const struct known_context *context, const struct script_step *step)
{
	char domid[16];

	return step->verb == SCRIPT_ASK && step->type == MESSAGE_SET_PERMS && ends_domain(context->step, domid) &&
	       step->len > 4 && !memcmp(step->payload, "/", 2) && !strcmp(step->payload + 3, domid);
}

/* Whoever owns "/" takes it with all below when it dies; here only "/" itself changes hands. */
bool explain_owner_of_root(struct known_context *context)
{
	return count_before(context, gives_root) && take_all(context);
}

/* ... that another domain acts for it? */
static bool makes_target(const struct known_context *context, const struct script_step *step)
{
	char domid[16];

	return step->verb == SCRIPT_ASK && step->type == MESSAGE_SET_TARGET && ends_domain(context->step, domid) &&
	       step->len > 3 && !strcmp(step->payload + strlen(step->payload) + 1, domid);
}

/* As long as another domain acts for it, C keeps all of it. */
bool explain_end_of_target(struct known_context *context)
{
	return count_before(context, makes_target) && take_all(context);
}
