/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Writing and reading strings of bytes without checking each step: both ends remember the first failure, and the user asks
 * once at the end.
 */
#include "base/buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void buffer_init(struct buffer *buffer)
{
	*buffer = (struct buffer){0};
}

void buffer_deinit(struct buffer *buffer)
{
	free(buffer->bytes);
	buffer_init(buffer);
}

void buffer_clear(struct buffer *buffer)
{
	buffer->len = 0;
	buffer->failed = false;
}

/* Room for `more` bytes. */
static bool reserve(struct buffer *buffer, size_t more)
{
	size_t capacity = buffer->capacity ? buffer->capacity : 64;

	if (buffer->failed)
		return false;
	if (more <= buffer->capacity - buffer->len)
		return true;
	while (capacity - buffer->len < more && capacity <= SIZE_MAX / 2)
		capacity *= 2;
	char *bytes = capacity - buffer->len < more ? NULL : realloc(buffer->bytes, capacity);
	buffer->failed = !bytes;
	if (!bytes)
		return false;
	buffer->bytes = bytes;
	buffer->capacity = capacity;
	return true;
}

void buffer_add(struct buffer *buffer, const void *bytes, size_t len)
{
	if (!len || !reserve(buffer, len))
		return;
	memcpy(buffer->bytes + buffer->len, bytes, len);
	buffer->len += len;
}

void buffer_add_string(struct buffer *buffer, const char *text)
{
	buffer_add(buffer, text, strlen(text));
}

void buffer_add_nul(struct buffer *buffer)
{
	buffer_add(buffer, "", 1);
}

void buffer_printf(struct buffer *buffer, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	int len = vsnprintf(NULL, 0, format, arguments);
	va_end(arguments);
	if (len < 0) {
		buffer->failed = true;
		return;
	}
	if (!reserve(buffer, (size_t)len + 1))
		return;
	va_start(arguments, format);
	vsnprintf(buffer->bytes + buffer->len, (size_t)len + 1, format, arguments);
	va_end(arguments);
	buffer->len += (size_t)len;
}

void reader_init(struct reader *reader, const void *bytes, size_t len)
{
	const unsigned char *at = bytes;

	*reader = (struct reader){at, len ? at + len : at, false};
}

size_t reader_left(const struct reader *reader)
{
	return (size_t)(reader->end - reader->at);
}

const void *reader_bytes(struct reader *reader, size_t len)
{
	const void *bytes = reader->at;

	if (reader->failed || len > reader_left(reader)) {
		reader->failed = true;
		return NULL;
	}
	if (len)
		reader->at += len;
	return bytes;
}

static uint64_t read_integer(struct reader *reader, size_t size)
{
	const unsigned char *bytes = reader_bytes(reader, size);
	uint64_t value = 0;

	for (size_t i = size; bytes && i-- > 0;)
		value = value << 8 | bytes[i];
	return value;
}

uint8_t reader_u8(struct reader *reader)
{
	return (uint8_t)read_integer(reader, 1);
}

uint16_t reader_u16(struct reader *reader)
{
	return (uint16_t)read_integer(reader, 2);
}

uint32_t reader_u32(struct reader *reader)
{
	return (uint32_t)read_integer(reader, 4);
}

uint64_t reader_u64(struct reader *reader)
{
	return read_integer(reader, 8);
}

const char *reader_string(struct reader *reader, size_t *len)
{
	size_t left = reader_left(reader);
	const unsigned char *nul = reader->failed || !left ? NULL : memchr(reader->at, 0, left);

	*len = 0;
	if (!nul) {
		reader->failed = true;
		return NULL;
	}
	const char *text = (const char *)reader->at;
	*len = (size_t)(nul - reader->at);
	reader->at = nul + 1;
	return text;
}
