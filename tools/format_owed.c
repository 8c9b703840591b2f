/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the ledger holds for whom, as lines and as figures; format_json.c has the third form. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/escape.h"
#include "formats.h"
#include "lxenstored/ledger_format.h"

enum { ARGUMENT_SHOWN = 256 /* bytes */ };

const char *format_state_name(uint32_t state)
{
	switch (state) {
	case LEDGER_CONNECTED:
		return "connected";
	case LEDGER_RESETTING:
		return "resetting";
	case LEDGER_STOPPED:
		return "stopped";
	default:
		return "none";
	}
}

bool format_is_ring(const struct owed_connection *connection)
{
	return connection->id <= UINT16_MAX;
}

static void print_request(const struct owed_request *request)
{
	const char *name = message_type_name(request->header.type);
	size_t len = request->argument_len < ARGUMENT_SHOWN ? request->argument_len : ARGUMENT_SHOWN;
	char argument[ESCAPE_SIZE(ARGUMENT_SHOWN)];

	escape(request->argument, len, argument);
	if (name)
		printf(" %s", name);
	else
		printf(" type %" PRIu32, request->header.type);
	if (len)
		printf(" \"%s\"%s", argument, len < request->argument_len ? "..." : "");
	if (request->header.transaction_id)
		printf(" in transaction %" PRIu32, request->header.transaction_id);
}

static void print_input(const struct owed_connection *connection)
{
	if (!connection->input_bytes)
		return;
	printf(", %" PRIu64 " bytes not answered, %zu requests", connection->input_bytes, connection->n_requests);
	if (connection->n_requests)
		printf(", first");
	if (connection->n_requests)
		print_request(&connection->requests[0]);
	if (connection->is_running)
		printf(", running behind %" PRIu64 " bytes", connection->running_after);
	if (connection->crashes || connection->kills)
		printf(", %" PRIu32 " crashes and %" PRIu32 " kills with one", connection->crashes, connection->kills);
}

static void print_output(const struct owed_connection *connection)
{
	if (connection->output_bytes)
		printf(", %" PRIu64 " bytes not taken, %" PRIu64 " replies, %" PRIu64 " events", connection->output_bytes,
		       connection->replies, connection->events);
	if (connection->waiting)
		printf(", %" PRIu64 " messages without commit", connection->waiting);
}

void format_list_owed(const struct dump *dump)
{
	for (size_t i = 0; i < dump->owed.n; i++) {
		const struct owed_connection *connection = &dump->owed.connections[i];
		if (format_is_ring(connection))
			printf("ring of domain %" PRIu64 ", epoch %" PRIu32 ": ", connection->id, connection->epoch);
		else
			printf("socket, connection %" PRIu64 ": ", connection->id);
		printf("%s", format_state_name(connection->state));
		if (connection->state == LEDGER_STOPPED)
			printf(" with error %" PRIu32, connection->error);
		print_input(connection);
		print_output(connection);
		if (connection->problem)
			printf(", damaged: %s", connection->problem);
		printf("\n");
	}
}

void format_count_owed(const struct dump *dump)
{
	uint64_t rings = 0, stopped = 0, input = 0, requests = 0, output = 0, replies = 0, events = 0, waiting = 0;

	for (size_t i = 0; i < dump->owed.n; i++) {
		const struct owed_connection *connection = &dump->owed.connections[i];
		rings += format_is_ring(connection);
		stopped += connection->state == LEDGER_STOPPED;
		input += connection->input_bytes;
		requests += connection->n_requests;
		output += connection->output_bytes;
		replies += connection->replies;
		events += connection->events;
		waiting += connection->waiting;
	}
	printf("connections: %zu\n", dump->owed.n);
	printf("connections of rings: %" PRIu64 "\n", rings);
	printf("connections stopped: %" PRIu64 "\n", stopped);
	printf("requests not answered: %" PRIu64 "\n", requests);
	printf("input not answered: %" PRIu64 " bytes\n", input);
	printf("replies not taken: %" PRIu64 "\n", replies);
	printf("events not taken: %" PRIu64 "\n", events);
	printf("output not taken: %" PRIu64 " bytes\n", output);
	printf("messages without commit: %" PRIu64 "\n", waiting);
	if (dump->owed.death)
		printf("last signal of death: %" PRIu32 "\n", dump->owed.death);
}
