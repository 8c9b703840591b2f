/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any bytes as what a daemon hands over: a stream, or oxenstored's text. What is read of a stream can be written again. */
#include <errno.h>
#include <string.h>

#include "fuzz/fuzz.h"
#include "handover/state.h"

/* The record as it is written is read as the same. */
static void write_again(const struct state_record *record)
{
	const struct stream_form form = {.version = STREAM_VERSION_MAX};
	static struct stream_reader reader;
	struct buffer bytes = {0};
	struct state_record again;

	if (!stream_fits(record))
		return;
	stream_put_header(&bytes, &form);
	stream_put(&bytes, &form, record);
	stream_put_end(&bytes, &form);
	must(!bytes.failed && bytes.len % 8 == 0);
	must(!stream_open(&reader, bytes.bytes, bytes.len));
	must(stream_next(&reader, &again) == 1);
	must(again.kind == record->kind);
	if (record->kind == STATE_NODE)
		must(again.node.path_len == record->node.path_len && !strcmp(again.node.path, record->node.path) &&
		     again.node.n_permissions == record->node.n_permissions);
	must(!stream_next(&reader, &again));
	buffer_deinit(&bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct state_source source;
	char problem[STATE_TEXT_SIZE];
	struct state_record record;
	struct state state;
	int result = state_source_open(&source, data, size);

	while (!result && (result = state_source_next(&source, &record)) == 1) {
		write_again(&record);
		result = 0;
	}
	must(!result || result == -EPROTO);
	must(!result || *state_source_problem(&source));
	state_source_close(&source);

	int error = state_read(data, size, &state, problem);
	must(!error || error == -EPROTO);
	must(!error || *problem);
	must(!result || error);
	state_deinit(&state);
	return 0;
}
