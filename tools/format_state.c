/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Xen's migration stream. Of an offline store it has what outlives the daemon and hangs on no descriptor: nodes, rings with their
 * watches, what was set for domains and for all. A ring's port is the domain's end of its channel, since there is no other.
 */
#include <errno.h>
#include <stdio.h>

#include "dump_options.h"
#include "formats.h"
#include "handover/export.h"
#include "handover/stream.h"

enum { WRITE_AT_ONCE = 1 << 16 };

struct state_output {
	const struct dump *dump;
	struct stream_form form;
	struct buffer bytes;
	size_t n_left_out;
};

static void put(void *context, const struct state_record *record, uint64_t frame)
{
	struct state_output *output = context;

	(void)frame;
	if (!stream_fits(record)) {
		output->n_left_out++;
		return;
	}
	stream_put(&output->bytes, &output->form, record);
	if (output->bytes.len < WRITE_AT_ONCE || output->bytes.failed)
		return;
	fwrite(output->bytes.bytes, 1, output->bytes.len, stdout);
	buffer_clear(&output->bytes);
}

static void tell(void *context, size_t nodes)
{
	const struct state_output *output = context;

	format_tell(output->dump, nodes);
}

int format_state(const struct dump *dump)
{
	struct state_output output = {.dump = dump, .form = {.version = dump->version ? dump->version : STREAM_VERSION_MAX}};
	const struct export_source source = {.image = &dump->image,
					     .inventory = &dump->inventory,
					     .global = {.listener = -1, .read_only_listener = -1, .events = -1}};
	const struct export_sink sink = {put, tell, &output};

	stream_put_header(&output.bytes, &output.form);
	output.n_left_out += export_records(&source, &sink);
	stream_put_end(&output.bytes, &output.form);
	bool failed = output.bytes.failed;
	if (!failed)
		fwrite(output.bytes.bytes, 1, output.bytes.len, stdout);
	buffer_deinit(&output.bytes);
	if (output.n_left_out)
		dump_complain("%zu records are left out: the stream cannot hold them", output.n_left_out);
	return failed ? -ENOMEM : 0;
}
