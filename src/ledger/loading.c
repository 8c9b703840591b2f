/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Several things may be bad at once, so a suspect is remembered until a start has come to its end: else two could take turns in
 * ending starts.
 */
#include "ledger/loading.h"

#include "ledger/pool.h"

enum { DEATHS_MAX = 2 };

static bool is_same(const struct ledger_loading *one, enum ledger_load load, uint64_t first, uint64_t second)
{
	return one->load == load && one->first == first && one->second == second;
}

/* The suspect, or else the place for a new one: which has seen the fewest deaths. */
static struct ledger_loading *find(struct ledger_start *start, const struct ledger_loading *wanted)
{
	struct ledger_loading *found = &start->suspects[0];

	for (size_t i = 0; i < LEDGER_SUSPECTS; i++) {
		struct ledger_loading *one = &start->suspects[i];
		if (is_same(one, (enum ledger_load)wanted->load, wanted->first, wanted->second))
			return one;
		if (one->deaths < found->deaths)
			found = one;
	}
	*found = (struct ledger_loading){.load = wanted->load, .first = wanted->first, .second = wanted->second};
	return found;
}

void loading_begin(struct loading *loading, struct ledger_start *start)
{
	*loading = (struct loading){.start = start};
	if (start->now.load && start->death)
		find(start, &start->now)->deaths++;
	publish_u32(&start->now.load, LEDGER_LOAD_NOTHING);
	publish_u32(&start->death, 0);
}

bool loading_is_next(struct loading *loading, enum ledger_load load, uint64_t first, uint64_t second)
{
	struct ledger_start *start = loading ? loading->start : NULL;

	if (!start)
		return true;
	for (size_t i = 0; i < LEDGER_SUSPECTS; i++) {
		if (start->suspects[i].deaths >= DEATHS_MAX && is_same(&start->suspects[i], load, first, second)) {
			loading->left_out[i] = true;
			return false;
		}
	}
	publish_u32(&start->now.load, LEDGER_LOAD_NOTHING);
	publish_u64(&start->now.first, first);
	publish_u64(&start->now.second, second);
	publish_u32(&start->now.load, (uint32_t)load);
	return true;
}

const struct ledger_loading *loading_left_out(const struct loading *loading, size_t *index)
{
	while (loading->start && *index < LEDGER_SUSPECTS)
		if (loading->left_out[(*index)++])
			return &loading->start->suspects[*index - 1];
	return NULL;
}

void loading_acquit(struct loading *loading)
{
	for (size_t i = 0; loading->start && i < LEDGER_SUSPECTS; i++)
		loading->start->suspects[i] = (struct ledger_loading){0};
}

void loading_end(struct loading *loading)
{
	struct ledger_start *start = loading->start;

	if (!start)
		return;
	publish_u32(&start->now.load, LEDGER_LOAD_NOTHING);
	loading_acquit(loading);
	loading->start = NULL;
}
