/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A ceiling is what was measured when it was recorded, without a margin of its own, so that the file also tells how the
 * costs of an operation went. Who makes an operation cheaper lowers its ceiling; who must raise one says why.
 */
#include "bench/ceilings.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct ceiling {
	char server[32];
	char operation[32];
	struct count_cell cell;
};

/* False: the line is neither a ceiling nor empty nor a comment. */
static bool read_line(const char *line, struct ceiling *out)
{
	char word[2];

	memset(out, 0, sizeof(*out));
	if (*line == '#' || sscanf(line, "%1s", word) != 1)
		return true;
	return sscanf(line, "%31s %31s %lf %lf", out->server, out->operation, &out->cell.instructions, &out->cell.calls) == 4;
}

static const struct count_cell *counted(const struct count *count, const char *operation)
{
	size_t size = 0;

	while (size + 1 < COUNT_SIZES && count->nodes[size + 1] > 0)
		size++;
	for (size_t i = 0; i < count->operations; i++) {
		if (strcmp(count_operation_names[i], operation) == 0)
			return &count->cell[i][size];
	}
	return NULL;
}

static bool passes(const struct ceiling *ceiling, const struct count_cell *cell)
{
	/* Asked this way round, since what could not be counted is no number. */
	bool good = cell->instructions <= CEILING_TOLERANCE * ceiling->cell.instructions &&
		    cell->calls <= CEILING_TOLERANCE * ceiling->cell.calls;

	printf("%-20s %-8s %.0f instructions, recorded %.0f; %.2f system calls, recorded %.2f%s\n", ceiling->operation,
	       ceiling->server, cell->instructions, ceiling->cell.instructions, cell->calls, ceiling->cell.calls,
	       good ? "" : "  TOO MANY");
	return good;
}

static int check_lines(FILE *file, const char *server, const struct count *count)
{
	const struct count_cell *cell;
	struct ceiling ceiling;
	bool known = false, good = true;
	char line[256];

	while (fgets(line, sizeof(line), file)) {
		if (!read_line(line, &ceiling))
			return -EINVAL;
		cell = strcmp(ceiling.server, server) == 0 ? counted(count, ceiling.operation) : NULL;
		if (!cell)
			continue;
		known = true;
		good = passes(&ceiling, cell) && good;
	}
	if (!known)
		return -ENOENT;
	return good ? 0 : 1;
}

int ceilings_check(const char *path, const char *server, const struct count *count)
{
	FILE *file = fopen(path, "r");
	int result;

	if (!file) {
		result = -errno;
	} else {
		result = check_lines(file, server, count);
		fclose(file);
	}
	if (result < 0)
		fprintf(stderr, "bench: ceilings of %s in %s: %s\n", server, path, strerror(-result));
	return result;
}
