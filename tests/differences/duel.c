/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a transaction is told is compared when it has ended: a client that was told EAGAIN knows that its answers were out of
 * date, so only those of its last run count (player.h). Everything else is compared at once.
 */
#include "differences/duel.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "wire/message.h"

enum side { STOCK, OURS, THIRD, SIDES };

static const enum sim_daemon daemons[SIDES] = {[STOCK] = SIM_XENSTORED, [OURS] = SIM_LXENSTORED, [THIRD] = SIM_OXENSTORED};
static const char *const names[SIDES] = {[STOCK] = "xenstored", [OURS] = "lxenstored", [THIRD] = "oxenstored"};

/* How much had been changed when a step began. */
struct before {
	unsigned long changes;
	unsigned long domains;
};

struct duel {
	const struct script *script;
	struct player *players[SIDES]; /* THIRD: NULL if it does not play, or not any more */
	struct before *before;	       /* for each step */
	struct history history;
	struct duel_result *result;
};

/* What came of one step. */
struct outcome {
	struct record record;
	struct tale *ended;
};

/* ---- comparison ---- */

static void tell(struct buffer *story, const char *who, const struct record *record)
{
	buffer_printf(story, "  %s:%s\n", who, record->n ? "" : " nothing");
	for (size_t i = 0; i < record->n; i++)
		buffer_printf(story, "    %s\n", record->lines[i]);
}

static void differ(struct duel *duel, const struct script_step *step, const char *what, const struct record *stock,
		   const struct record *ours)
{
	struct buffer story;

	if (duel->result->differs)
		return;
	buffer_init(&story);
	buffer_printf(&story, "%s%s\n", step->text, what);
	tell(&story, names[STOCK], stock);
	tell(&story, names[OURS], ours);
	buffer_add_nul(&story);
	if (story.failed)
		abort();
	duel->result->differs = true;
	duel->result->step = (size_t)(step - duel->script->steps);
	duel->result->story = story.bytes;
}

/* Lets the table take out what it knows. `third`: did what the stock daemon did. */
static void explain(struct duel *duel, struct known_context *context, bool third)
{
	for (size_t i = 0; i < n_known_differences && !record_equal(&context->stock, &context->ours); i++) {
		if (!known_differences[i].explain(context))
			continue;
		duel->result->uses[i]++;
		duel->result->agreed[i] += third;
		duel->result->cut |= known_differences[i].ends;
	}
}

/* `third` may be NULL. */
static void compare(struct duel *duel, struct known_context *context, const struct record *stock, const struct record *ours,
		    const struct record *third, const char *what)
{
	if (duel->result->cut)
		return;
	duel->result->compared++;
	if (third) {
		duel->result->third_compared++;
		duel->result->third_same += record_equal(stock, third);
	}
	if (record_equal(stock, ours))
		return;
	record_copy(stock, &context->stock);
	record_copy(ours, &context->ours);
	context->history = &duel->history;
	explain(duel, context, third && record_equal(stock, third));
	if (!record_equal(&context->stock, &context->ours))
		differ(duel, context->step, what, stock, ours);
	record_clear(&context->stock);
	record_clear(&context->ours);
}

static struct tale *find_tale(struct tale *tales, const struct tale *other)
{
	struct tale *tale;

	LL_FOREACH (tales, tale) {
		if (tale->client == other->client && !strcmp(tale->name, other->name))
			return tale;
	}
	return NULL;
}

/* What others have changed since the transaction began. */
static void note_changes(const struct duel *duel, const struct tale *tale, struct known_context *context)
{
	const struct before *before = &duel->before[tale->start - duel->script->steps];

	context->changed = before->changes != duel->history.changes;
	context->domains_changed = before->domains != duel->history.domains;
}

static void compare_tales(struct duel *duel, const struct script_step *step, const struct tale *stock, const struct tale *ours,
			  const struct tale *third)
{
	char what[80];

	snprintf(what, sizeof(what), " (in %s, which ended with line %u; run again %u and %u times)", stock->name, step->line,
		 stock->again, ours->again);
	for (size_t i = 0; i < stock->n && i < ours->n; i++) {
		const struct script_step *inside = stock->steps[i].step;
		struct known_context context = {.script = duel->script, .step = inside, .stock_tale = stock, .our_tale = ours};
		note_changes(duel, stock, &context);
		compare(duel, &context, &stock->steps[i].record, &ours->steps[i].record,
			third && third->n == stock->n ? &third->steps[i].record : NULL, what);
	}
}

/* ---- steps ---- */

static void run(struct duel *duel, const struct script_step *step, struct outcome outcomes[SIDES])
{
	for (enum side side = 0; side < SIDES; side++) {
		outcomes[side] = (struct outcome){0};
		if (duel->players[side])
			player_begin(duel->players[side], step);
	}
	for (enum side side = 0; side < SIDES; side++) {
		if (duel->players[side])
			player_finish(duel->players[side], &outcomes[side].record, &outcomes[side].ended);
	}
}

static void compare_outcomes(struct duel *duel, const struct script_step *step, struct outcome outcomes[SIDES])
{
	struct tale *stock;
	struct known_context context = {.script = duel->script, .step = step};
	const struct record *third = duel->players[THIRD] ? &outcomes[THIRD].record : NULL;

	if (step->verb == SCRIPT_ASK && step->type == MESSAGE_TRANSACTION_END) {
		context.stock_tale = outcomes[STOCK].ended;
		context.our_tale = outcomes[OURS].ended;
		if (context.stock_tale)
			note_changes(duel, context.stock_tale, &context);
	}
	LL_FOREACH (outcomes[STOCK].ended, stock) {
		struct tale *ours = find_tale(outcomes[OURS].ended, stock);
		if (ours)
			compare_tales(duel, step, stock, ours, find_tale(outcomes[THIRD].ended, stock));
	}
	compare(duel, &context, &outcomes[STOCK].record, &outcomes[OURS].record, third, "");
}

static void free_outcomes(struct outcome outcomes[SIDES])
{
	for (enum side side = 0; side < SIDES; side++) {
		record_clear(&outcomes[side].record);
		tales_free(outcomes[side].ended);
	}
}

static void drop_third_if_over(struct duel *duel)
{
	if (duel->players[THIRD] && session_is_over(player_session(duel->players[THIRD]))) {
		player_close(duel->players[THIRD]);
		duel->players[THIRD] = NULL;
	}
}

static bool is_over(const struct duel *duel)
{
	return duel->result->differs || duel->result->cut || session_is_over(player_session(duel->players[STOCK])) ||
	       session_is_over(player_session(duel->players[OURS]));
}

/* Transactions that the script leaves open. */
static void compare_rest(struct duel *duel)
{
	struct outcome outcomes[SIDES] = {0};
	struct tale *stock;

	for (enum side side = 0; side < SIDES; side++) {
		if (duel->players[side])
			outcomes[side].ended = player_end(duel->players[side]);
	}
	LL_FOREACH (outcomes[STOCK].ended, stock) {
		struct tale *ours = find_tale(outcomes[OURS].ended, stock);
		if (ours)
			compare_tales(duel, &duel->script->steps[duel->script->n - 1], stock, ours,
				      find_tale(outcomes[THIRD].ended, stock));
	}
	free_outcomes(outcomes);
}

static void play_all(struct duel *duel, const bool *left_out)
{
	struct outcome outcomes[SIDES];

	for (size_t i = 0; i < duel->script->n && !is_over(duel); i++) {
		const struct script_step *step = &duel->script->steps[i];
		duel->before[i] = (struct before){duel->history.changes, duel->history.domains};
		if (left_out && left_out[i])
			continue;
		run(duel, step, outcomes);
		compare_outcomes(duel, step, outcomes);
		history_add(&duel->history, step, &outcomes[STOCK].record);
		free_outcomes(outcomes);
		drop_third_if_over(duel);
	}
	if (!is_over(duel) && duel->script->n)
		compare_rest(duel);
}

int duel_play(const struct script *script, const bool *left_out, bool with_third, struct duel_result *out)
{
	struct duel duel = {.script = script, .result = out};
	int error = 0;

	*out = (struct duel_result){0};
	history_init(&duel.history);
	duel.before = calloc(script->n + 1, sizeof(*duel.before));
	if (!duel.before)
		return -ENOMEM;
	for (enum side side = 0; side < SIDES && !error; side++) {
		if (side != THIRD || with_third)
			error = player_open(daemons[side], script->options, &duel.players[side]);
	}
	if (!error)
		play_all(&duel, left_out);
	for (enum side side = 0; side < SIDES; side++)
		player_close(duel.players[side]);
	free(duel.before);
	return error;
}

void duel_result_deinit(struct duel_result *result)
{
	free(result->story);
	*result = (struct duel_result){0};
}

void duel_result_add(struct duel_result *sum, const struct duel_result *more)
{
	sum->compared += more->compared;
	sum->third_same += more->third_same;
	sum->third_compared += more->third_compared;
	for (size_t i = 0; i < KNOWN_MAX; i++) {
		sum->uses[i] += more->uses[i];
		sum->agreed[i] += more->agreed[i];
	}
}
