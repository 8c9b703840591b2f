/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "support/sample_state.h"

#include "handover/text_dump.h"

#define NODE(name, data, ...)                                                                                                    \
	{                                                                                                                        \
		.kind = STATE_NODE,                                                                                              \
		.node = {.path = (name),                                                                                         \
			 .path_len = sizeof(name) - 1,                                                                           \
			 .permissions = (const struct permission[]){__VA_ARGS__},                                                \
			 .n_permissions = sizeof((struct permission[]){__VA_ARGS__}) / sizeof(struct permission),                \
			 .value = (data),                                                                                        \
			 .value_len = sizeof(data) - 1},                                                                         \
	}
#define WATCH(number, levels, name, word)                                                                                        \
	{                                                                                                                        \
		.kind = STATE_WATCH,                                                                                             \
		.watch = {.connection = (number),                                                                                \
			  .depth = (levels),                                                                                     \
			  .path = (name),                                                                                        \
			  .token = (word),                                                                                       \
			  .path_len = sizeof(name) - 1,                                                                          \
			  .token_len = sizeof(word) - 1},                                                                        \
	}

/* Domains 0 and 7, socket 5. */
enum { RING_0 = 1, RING_7 = 8, SOCKET = 0x10006 };

static const struct state_record records[] = {
    {.kind = STATE_GLOBAL, .global = {4, -1, 9, 0}},
    {.kind = STATE_QUOTAS, .quotas = {.hard_set = 3, .soft_set = 8, .values = {{500, 60}, {[QUOTA_MEMORY] = 70000}}}},
    {.kind = STATE_CONNECTION, .connection = {.number = RING_0, .fd = -1, .domid = 0, .target = DOMID_NONE, .port = 17}},
    {.kind = STATE_CONNECTION,
     .connection = {.number = RING_7,
		    .fd = -1,
		    .domid = 7,
		    .target = 9,
		    .port = 18,
		    .unique_id = UINT64_C(0x1122334455667788),
		    .input = "\2\0\0",
		    .input_len = 3}},
    WATCH(RING_7, -1, "device", "token \x80,x"),
    WATCH(RING_7, 3, "/local/domain/7/data", ""),
    {.kind = STATE_CONNECTION,
     .connection = {.number = SOCKET,
		    .is_socket = true,
		    .fd = 5,
		    .target = DOMID_NONE,
		    .input = "\2\0\0\0\7\0\0\0\0\0\0\0\5\0\0\0na",
		    .input_len = 18,
		    .output = "/a\0tok\0\13\0\0\0\3\0\0\0\0\0\0\0\3\0\0\0OK",
		    .output_len = 26,
		    .partial_len = 7}},
    WATCH(SOCKET, -1, "@releaseDomain", "rel"),
    WATCH(SOCKET, -1, "/local", "dom"),
    NODE("/", "", {0, PERMISSION_NONE, 0}),
    NODE("/tool", "", {0, PERMISSION_NONE, 0}),
    NODE("/tool/xenstored", "/usr/sbin/xenstored", {0, PERMISSION_NONE, 0}),
    NODE("/local", "", {0, PERMISSION_READ, 0}),
    NODE("/local/domain", "", {0, PERMISSION_NONE, 0}, {7, PERMISSION_READ, 0}),
    NODE("/local/domain/7", "", {7, PERMISSION_NONE, 0}, {9, PERMISSION_READ | PERMISSION_WRITE, 0}),
    NODE("/local/domain/7/data", "a\0b\xff\n,", {7, PERMISSION_WRITE, 0}),
    NODE("@releaseDomain", "", {0, PERMISSION_NONE, 0}, {7, PERMISSION_READ, 0}),
    NODE("@introduceDomain", "", {0, PERMISSION_NONE, 0}),
    {.kind = STATE_DOMAIN,
     .domain = {.domid = 7,
		.has_features = true,
		.features = 5,
		.quotas = {.hard_set = 1 << QUOTA_WATCHES, .values = {.hard = {[QUOTA_WATCHES] = 12}}}}},
};

size_t sample_records(const struct state_record **out)
{
	*out = records;
	return sizeof(records) / sizeof(records[0]);
}

void sample_stream(struct buffer *out, const struct stream_form *form)
{
	stream_put_header(out, form);
	for (size_t i = 0; i < sizeof(records) / sizeof(records[0]); i++)
		stream_put(out, form, &records[i]);
	stream_put_end(out, form);
}

void sample_text(struct buffer *out)
{
	text_put_header(out);
	for (size_t i = 0; i < sizeof(records) / sizeof(records[0]); i++)
		text_put(out, &records[i], 0);
}
