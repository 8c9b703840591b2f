/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A stream of bytes as messages, and the arguments of each as far as they can be told without a store. */
#include <string.h>

#include "base/buffer.h"
#include "fuzz/fuzz.h"
#include "wire/message.h"
#include "wire/path.h"
#include "wire/permissions.h"

static void decode_arguments(const struct message *message)
{
	char buffer[PATH_BUFFER];
	struct permission permissions[64];
	struct reader reader;
	struct path path;
	size_t len, total = 0, n;

	reader_init(&reader, message->payload, message->header.len);
	for (const char *text = reader_string(&reader, &len); text; text = reader_string(&reader, &len)) {
		must(text >= message->payload && text + len < message->payload + message->header.len && !text[len]);
		path_canonicalize(text, len, 1, true, PATH_RELATIVE_MAX, buffer, &path);
		permissions_parse(text, len + 1, permissions, 64, &n);
		total += len + 1;
	}
	must(total <= message->header.len);
	must(!memchr(message->payload + total, 0, message->header.len - total));
	permissions_parse(message->payload, message->header.len, permissions, 64, &n);
	message_type_name(message->header.type);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned char header[MESSAGE_HEADER_SIZE];
	struct message message;
	size_t at = 0;

	while (at < size && message_parse(data + at, size - at, &message) == MESSAGE_WHOLE) {
		size_t len = MESSAGE_HEADER_SIZE + message.header.len;
		must(message.header.len <= MESSAGE_PAYLOAD_MAX && len <= size - at);
		must(message.payload == (const char *)data + at + MESSAGE_HEADER_SIZE);
		message_write_header(header, &message.header);
		must(!memcmp(header, data + at, sizeof(header)));
		must(message_parse(data + at, len - 1, &message) == MESSAGE_PARTIAL);
		must(message_parse(data + at, len, &message) == MESSAGE_WHOLE);
		decode_arguments(&message);
		at += len;
	}
	return 0;
}
