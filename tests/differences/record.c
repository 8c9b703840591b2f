/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An array of strings. */
#include "differences/record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *need(void *memory)
{
	if (!memory) {
		perror("record");
		abort();
	}
	return memory;
}

/* A place for a line at `at`. */
static char **make_place(struct record *record, size_t at)
{
	record->lines = need(realloc(record->lines, (record->n + 1) * sizeof(char *)));
	memmove(record->lines + at + 1, record->lines + at, (record->n - at) * sizeof(char *));
	record->n++;
	return &record->lines[at];
}

void record_add(struct record *record, char *line)
{
	*make_place(record, record->n) = line;
}

void record_insert(struct record *record, size_t at, const char *line)
{
	*make_place(record, at) = need(strdup(line));
}

void record_remove(struct record *record, size_t at)
{
	free(record->lines[at]);
	record->n--;
	memmove(record->lines + at, record->lines + at + 1, (record->n - at) * sizeof(char *));
}

void record_replace(struct record *record, size_t at, const char *line)
{
	char *copy = need(strdup(line));

	free(record->lines[at]);
	record->lines[at] = copy;
}

void record_copy(const struct record *from, struct record *out)
{
	*out = (struct record){0};
	for (size_t i = 0; i < from->n; i++)
		record_insert(out, i, from->lines[i]);
}

void record_clear(struct record *record)
{
	for (size_t i = 0; i < record->n; i++)
		free(record->lines[i]);
	free(record->lines);
	*record = (struct record){0};
}

bool record_equal(const struct record *a, const struct record *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++) {
		if (strcmp(a->lines[i], b->lines[i]) != 0)
			return false;
	}
	return true;
}

size_t record_find(const struct record *record, size_t from, const char *line)
{
	while (from < record->n && strcmp(record->lines[from], line) != 0)
		from++;
	return from;
}
