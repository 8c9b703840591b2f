/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What a daemon had to say to one step: a line for each message, "s1 READ hello" or "g5 WATCH_EVENT /a\0token\0", for one client
 * after the other, each in the order in which it got them. Lines show each byte (script_show), so that two records are the same
 * if and only if the messages were. Out of memory ends the process.
 */
struct record {
	char **lines;
	size_t n;
};

void record_add(struct record *record, char *line);			/* takes it */
void record_insert(struct record *record, size_t at, const char *line); /* copies it */
void record_remove(struct record *record, size_t at);
void record_replace(struct record *record, size_t at, const char *line); /* copies it */
void record_copy(const struct record *from, struct record *out);
void record_clear(struct record *record); /* accepts a zeroed one */
bool record_equal(const struct record *a, const struct record *b);

/* The first line at or after `from` that is `line`; record->n: none. */
size_t record_find(const struct record *record, size_t from, const char *line);
