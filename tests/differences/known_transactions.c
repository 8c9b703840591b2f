/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Transactions read one state here, that of their start, and conflict only over what their answers have shown. C xenstored
 * reads each node as it is when it is first touched, and a transaction conflicts over all that it has touched. That both come
 * to the same in the end is seen because one that gets EAGAIN is run again (player.h): what it is told then is compared.
 */
#include <stdlib.h>
#include <string.h>

#include "differences/known_entries.h"
#include "wire/message.h"

static bool is_end(const struct known_context *context)
{
	return asks(context, MESSAGE_TRANSACTION_END) && context->stock_tale && context->our_tale;
}

static bool is_inside(const struct known_context *context)
{
	return !asks(context, MESSAGE_TRANSACTION_END) && context->stock_tale && context->our_tale;
}

bool explain_conflict_of_stock(struct known_context *context)
{
	return is_end(context) && context->changed && context->stock_tale->again && !context->our_tale->again &&
	       take_answer(context, &context->stock, "ERROR EAGAIN\\0");
}

bool explain_conflict_of_ours(struct known_context *context)
{
	return is_end(context) && context->changed && !context->stock_tale->again && context->our_tale->again &&
	       take_answer(context, &context->ours, "ERROR EAGAIN\\0");
}

/* Nobody relies on these answers: the transaction was given up, or it has changed nothing and has read one state that was. */
bool explain_snapshot(struct known_context *context)
{
	return is_inside(context) && context->changed && (!context->our_tale->committed || !context->our_tale->told) &&
	       take_all(context);
}

/* Ours found nothing to change in the state of its start; C's found something later. */
bool explain_nothing_changed(struct known_context *context)
{
	return is_end(context) && context->changed && context->stock_tale->told && context->our_tale->committed &&
	       !context->our_tale->again && !context->our_tale->told && take_all(context);
}

/*
 * A domain has come or gone meanwhile. C does not take that for a change of what the transaction has seen, and may fail to
 * commit over what is gone; and what only one of them has run again ran in another world.
 */
bool explain_other_domains(struct known_context *context)
{
	if (!context->domains_changed || (!is_inside(context) && !is_end(context)))
		return false;
	return (is_inside(context) || context->stock_tale->again != context->our_tale->again ||
		answered(context, &context->stock, "ERROR ENOMEM\\0")) &&
	       take_all(context);
}

/* ---- events ---- */

static bool is_removal_of(const struct script_step *step, const char *path, bool itself)
{
	char top[ARGUMENTS_PATH];

	arguments_path(step, top);
	return step->type == MESSAGE_RM && arguments_is_below(path, top) && (itself || strcmp(path, top) != 0);
}

/* The event's node, or one below it, was changed in the transaction, and one above it removed. */
static bool was_changed_and_removed(const struct known_context *context, const char *line)
{
	const struct tale *tale = context->our_tale;
	char path[ARGUMENTS_PATH], other[ARGUMENTS_PATH];
	bool changed = false, removed = false;

	event_path(line, path);
	for (size_t i = 0; i < tale->n; i++) {
		arguments_path(tale->steps[i].step, other);
		changed |= arguments_is_below(other, path);
		removed |= is_removal_of(tale->steps[i].step, path, false);
	}
	return changed && removed;
}

/* What is left of both is told by us; by C also what is gone, to whoever watches anything above it. */
bool explain_changed_then_removed(struct known_context *context)
{
	return is_end(context) && take_events(context, &context->stock, &context->ours, was_changed_and_removed);
}

static bool is_parent(const char *path, const char *parent)
{
	size_t len = strcmp(parent, "/") != 0 ? strlen(parent) : 0;

	return arguments_is_below(path, parent) && strrchr(path, '/') == path + len;
}

/* The step may have made the parent of this node. */
static bool makes_below(const struct script_step *step, const char *other, const char *path)
{
	return (step->type == MESSAGE_WRITE || step->type == MESSAGE_MKDIR) && arguments_is_below(other, path);
}

/* A guest's event of a node that the transaction has removed, or whose parent it has made or given other permissions. */
static bool had_other_rights_before(const struct known_context *context, const char *line)
{
	const struct tale *tale = context->our_tale;
	char path[ARGUMENTS_PATH], other[ARGUMENTS_PATH];

	event_path(line, path);
	for (size_t i = 0; i < tale->n && is_to_guest(line); i++) {
		const struct script_step *step = tale->steps[i].step;
		arguments_path(step, other);
		if (is_removal_of(step, path, true) || makes_below(step, other, path) ||
		    (step->type == MESSAGE_SET_PERMS && is_parent(path, other)))
			return true;
	}
	return false;
}

/*
 * Who may know is decided by the state after the transaction and, of what is gone, the state before it; C looks while it
 * commits one node after the other, where a parent may still have its old permissions, or be gone.
 */
bool explain_rights_at_end(struct known_context *context)
{
	if (!is_end(context))
		return false;
	bool more = take_events(context, &context->ours, &context->stock, had_other_rights_before);
	bool less = take_events(context, &context->stock, &context->ours, had_other_rights_before);
	return more || less;
}

static int compare_lines(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* C tells in the order in which nodes were first looked at, we in that of changes. */
bool explain_order_of_events(struct known_context *context)
{
	struct record stock, ours;

	if (!is_end(context) || record_equal(&context->stock, &context->ours))
		return false;
	record_copy(&context->stock, &stock);
	record_copy(&context->ours, &ours);
	qsort(stock.lines, stock.n, sizeof(char *), compare_lines);
	qsort(ours.lines, ours.n, sizeof(char *), compare_lines);
	bool same = record_equal(&stock, &ours);
	record_clear(&stock);
	record_clear(&ours);
	return same && take_all(context);
}

/* ---- quotas ---- */

/* How many nodes may have been made so far, for whomever. */
static size_t nodes_made(const struct known_context *context)
{
	size_t n = 0;

	for (const struct script_step *step = context->script->steps; step <= context->step; step++) {
		char path[ARGUMENTS_PATH];
		if (step->verb != SCRIPT_ASK || (step->type != MESSAGE_WRITE && step->type != MESSAGE_MKDIR))
			continue;
		arguments_path(step, path);
		for (const char *at = path; *at; at++)
			n += *at == '/';
	}
	return n;
}

/* Has ours been refused a node before, in this transaction, that C has given? */
static bool has_been_refused(const struct known_context *context)
{
	for (size_t i = 0; i < context->our_tale->n && i < context->stock_tale->n; i++) {
		if (context->our_tale->steps[i].step >= context->step)
			return false;
		if (answered_only(context, &context->our_tale->steps[i].record, "ERROR ENOSPC\\0") &&
		    is_ok(&context->stock_tale->steps[i].record))
			return true;
	}
	return false;
}

/*
 * C 4.17 counts the nodes that a transaction makes when it ends, before it looks for conflicts, and refuses all of it then: so
 * ours is refused nodes that C's can read meanwhile, and may have to be run again where C's has already failed.
 */
bool explain_nodes_in_transaction(struct known_context *context)
{
	bool makes = asks(context, MESSAGE_WRITE) || asks(context, MESSAGE_MKDIR);

	if (!is_inside(context) || !is_of_guest(context) || nodes_made(context) < limit_of(context, "-E", 1000))
		return false;
	bool is_refused = makes && answered_only(context, &context->ours, "ERROR ENOSPC\\0") && is_ok(&context->stock);
	bool has_failed = !context->stock_tale->again && !context->stock_tale->committed;
	return (is_refused || has_been_refused(context) || (has_failed && context->our_tale->again)) && take_all(context);
}

/* It takes no notice of nodes that a transaction has removed before. */
bool explain_room_in_transaction(struct known_context *context)
{
	bool makes = asks(context, MESSAGE_WRITE) || asks(context, MESSAGE_MKDIR), removes = false;

	for (size_t i = 0; is_inside(context) && i < context->our_tale->n; i++)
		removes |= context->our_tale->steps[i].step->type == MESSAGE_RM;
	return removes && makes && is_of_guest(context) && nodes_made(context) >= limit_of(context, "-E", 1000) &&
	       answered_only(context, &context->stock, "ERROR ENOSPC\\0") && is_ok(&context->ours) && take_all(context);
}

/* It refuses the last node, too, that there could be. */
bool explain_end_without_room(struct known_context *context)
{
	return is_end(context) && is_of_guest(context) && context->our_tale->committed &&
	       nodes_made(context) >= limit_of(context, "-E", 1000) && answered(context, &context->stock, "ERROR ENOSPC\\0") &&
	       take_all(context);
}
