/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A store made of what C xenstored or oxenstored hands over. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "handover/import.h"
#include "load_input.h"

struct loading {
	struct load_input *input;
	uint64_t nodes;
};

static void tell(void *context, uint64_t nodes)
{
	const struct loading *loading = context;

	progress_tell(loading->input->progress, "nodes loaded:", nodes, loading->nodes);
}

/* What the store will not have. */
static void tell_left_out(struct load_input *input, const struct state *state)
{
	size_t sockets = 0;

	for (size_t i = 0; i < state->n_connections; i++)
		sockets += state->connections[i].is_socket;
	if (sockets)
		load_complain("%s: %zu connections of sockets are left out, with their watches: their descriptors are not here",
			      input->name, sockets);
	if (state->n_transactions)
		load_complain("%s: %zu open transactions are left out", input->name, state->n_transactions);
	if (state->n_without_depth)
		load_complain(
		    "%s: %zu watches have lost their depth, since C xenstored has not written it; they fire for more than "
		    "they did",
		    input->name, state->n_without_depth);
	if (state->n_unknown)
		load_complain("%s: %zu records are of kinds that this program does not know", input->name, state->n_unknown);
	input->incomplete = sockets || state->n_transactions || state->n_without_depth || state->n_unknown;
}

int load_state(struct load_input *input, struct store *store)
{
	char problem[STATE_TEXT_SIZE];
	struct state state;
	int error = state_read(input->bytes, input->len, &state, problem);

	if (!error) {
		struct loading loading = {input, state.n_nodes};
		const struct import_options options = {.tell = tell, .context = &loading};
		error = import_state(store, &state, input->bytes, input->len, &options, problem);
	}
	if (!error)
		tell_left_out(input, &state);
	if (error == -EPROTO)
		snprintf(input->problem, sizeof(input->problem), "%s", problem);
	state_deinit(&state);
	return error;
}
