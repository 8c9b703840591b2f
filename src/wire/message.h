/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>
#include <stdint.h>

/*
 * Frames of the XenStore protocol: docs/misc/xenstore.txt "Communication with xenstore" and struct xsd_sockmsg of
 * xen/include/public/io/xs_wire.h. Integers are in the host's byte order, as the protocol has them.
 */
enum {
	MESSAGE_HEADER_SIZE = 16,
	MESSAGE_PAYLOAD_MAX = 4096, /* XENSTORE_PAYLOAD_MAX */
	MESSAGE_SIZE_MAX = MESSAGE_HEADER_SIZE + MESSAGE_PAYLOAD_MAX
};

/* Types of messages; values of the newest xs_wire.h, more than Xen 4.17's headers know. */
enum message_type {
	MESSAGE_CONTROL = 0,
	MESSAGE_DIRECTORY,
	MESSAGE_READ,
	MESSAGE_GET_PERMS,
	MESSAGE_WATCH,
	MESSAGE_UNWATCH,
	MESSAGE_TRANSACTION_START,
	MESSAGE_TRANSACTION_END,
	MESSAGE_INTRODUCE,
	MESSAGE_RELEASE,
	MESSAGE_GET_DOMAIN_PATH,
	MESSAGE_WRITE,
	MESSAGE_MKDIR,
	MESSAGE_RM,
	MESSAGE_SET_PERMS,
	MESSAGE_WATCH_EVENT,
	MESSAGE_ERROR,
	MESSAGE_IS_DOMAIN_INTRODUCED,
	MESSAGE_RESUME,
	MESSAGE_SET_TARGET,
	MESSAGE_RESET_WATCHES = 21,
	MESSAGE_DIRECTORY_PART,
	MESSAGE_GET_FEATURE,
	MESSAGE_SET_FEATURE,
	MESSAGE_GET_QUOTA,
	MESSAGE_SET_QUOTA,
	MESSAGE_TYPE_COUNT
};

struct message_header {
	uint32_t type;
	uint32_t request_id;
	uint32_t transaction_id;
	uint32_t len; /* of the payload, bytes */
};

struct message {
	struct message_header header;
	const char *payload; /* borrowed from the input */
};

enum message_result {
	MESSAGE_WHOLE,	 /* *out is filled */
	MESSAGE_PARTIAL, /* more bytes are needed */
	MESSAGE_TOO_LONG /* the header announces more than MESSAGE_PAYLOAD_MAX: the client cannot be followed any further */
};

/* Looks at the first message of `len` bytes. Bytes may be unaligned. */
enum message_result message_parse(const void *bytes, size_t len, struct message *out);

/* The header as it goes over the wire. */
void message_write_header(unsigned char out[MESSAGE_HEADER_SIZE], const struct message_header *header);

/* "READ", "WRITE" ...; NULL for a number that is no type. */
const char *message_type_name(uint32_t type);
