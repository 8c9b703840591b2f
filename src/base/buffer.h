/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A growing string of bytes with a sticky error: after one failed allocation all additions do nothing. */
struct buffer {
	char *bytes;
	size_t len;
	size_t capacity;
	bool failed;
};

void buffer_init(struct buffer *buffer);
void buffer_deinit(struct buffer *buffer); /* accepts a zeroed one */
void buffer_clear(struct buffer *buffer);  /* len 0, error gone, memory kept */
void buffer_add(struct buffer *buffer, const void *bytes, size_t len);
void buffer_add_string(struct buffer *buffer, const char *text); /* without its NUL */
void buffer_add_nul(struct buffer *buffer);
void buffer_printf(struct buffer *buffer, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A bounds-checked cursor over bytes that belong to somebody else; reading past the end sets `failed` and yields 0 or NULL. */
struct reader {
	const unsigned char *at;
	const unsigned char *end;
	bool failed;
};

void reader_init(struct reader *reader, const void *bytes, size_t len);
size_t reader_left(const struct reader *reader);
const void *reader_bytes(struct reader *reader, size_t len); /* borrowed; NULL past the end */
uint8_t reader_u8(struct reader *reader);
uint16_t reader_u16(struct reader *reader); /* all integers little-endian */
uint32_t reader_u32(struct reader *reader);
uint64_t reader_u64(struct reader *reader);

/* The string up to the next NUL, which is skipped; NULL and failed if no NUL is left. *len is without the NUL. */
const char *reader_string(struct reader *reader, size_t *len);
