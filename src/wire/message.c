/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A message is a header of four 32-bit integers and a payload. Its bytes are copied before they are looked at, since they may
 * lie at any address.
 */
#include "wire/message.h"

#include <string.h>

_Static_assert(sizeof(struct message_header) == MESSAGE_HEADER_SIZE, "the header goes over the wire as it is");

enum message_result message_parse(const void *bytes, size_t len, struct message *out)
{
	if (len < MESSAGE_HEADER_SIZE)
		return MESSAGE_PARTIAL;
	memcpy(&out->header, bytes, MESSAGE_HEADER_SIZE);
	if (out->header.len > MESSAGE_PAYLOAD_MAX)
		return MESSAGE_TOO_LONG;
	if (len - MESSAGE_HEADER_SIZE < out->header.len)
		return MESSAGE_PARTIAL;
	out->payload = (const char *)bytes + MESSAGE_HEADER_SIZE;
	return MESSAGE_WHOLE;
}

void message_write_header(unsigned char out[MESSAGE_HEADER_SIZE], const struct message_header *header)
{
	memcpy(out, header, MESSAGE_HEADER_SIZE);
}

const char *message_type_name(uint32_t type)
{
	static const char *const names[MESSAGE_TYPE_COUNT] = {
	    [MESSAGE_CONTROL] = "CONTROL",
	    [MESSAGE_DIRECTORY] = "DIRECTORY",
	    [MESSAGE_READ] = "READ",
	    [MESSAGE_GET_PERMS] = "GET_PERMS",
	    [MESSAGE_WATCH] = "WATCH",
	    [MESSAGE_UNWATCH] = "UNWATCH",
	    [MESSAGE_TRANSACTION_START] = "TRANSACTION_START",
	    [MESSAGE_TRANSACTION_END] = "TRANSACTION_END",
	    [MESSAGE_INTRODUCE] = "INTRODUCE",
	    [MESSAGE_RELEASE] = "RELEASE",
	    [MESSAGE_GET_DOMAIN_PATH] = "GET_DOMAIN_PATH",
	    [MESSAGE_WRITE] = "WRITE",
	    [MESSAGE_MKDIR] = "MKDIR",
	    [MESSAGE_RM] = "RM",
	    [MESSAGE_SET_PERMS] = "SET_PERMS",
	    [MESSAGE_WATCH_EVENT] = "WATCH_EVENT",
	    [MESSAGE_ERROR] = "ERROR",
	    [MESSAGE_IS_DOMAIN_INTRODUCED] = "IS_DOMAIN_INTRODUCED",
	    [MESSAGE_RESUME] = "RESUME",
	    [MESSAGE_SET_TARGET] = "SET_TARGET",
	    [MESSAGE_RESET_WATCHES] = "RESET_WATCHES",
	    [MESSAGE_DIRECTORY_PART] = "DIRECTORY_PART",
	    [MESSAGE_GET_FEATURE] = "GET_FEATURE",
	    [MESSAGE_SET_FEATURE] = "SET_FEATURE",
	    [MESSAGE_GET_QUOTA] = "GET_QUOTA",
	    [MESSAGE_SET_QUOTA] = "SET_QUOTA",
	};

	return type < MESSAGE_TYPE_COUNT ? names[type] : NULL;
}
