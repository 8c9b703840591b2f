/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Plays scripts on the three daemons and shows what each of them had to say, step by step, for who writes scripts or wonders
 * about a difference:
 *
 *	play [-o] FILE...	-o: only where xenstored and lxenstored differ
 *
 * Transactions are not run again after EAGAIN.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "differences/session.h"

enum { DAEMONS = 3 };

static const enum sim_daemon daemons[DAEMONS] = {SIM_XENSTORED, SIM_LXENSTORED, SIM_OXENSTORED};
static const char *const names[DAEMONS] = {"xenstored", "lxenstored", "oxenstored"};

static char *read_file(const char *path)
{
	FILE *file = fopen(path, "re");
	char *text = NULL;
	size_t size;

	if (file && getdelim(&text, &size, 0, file) < 0) {
		free(text);
		text = NULL;
	}
	if (file)
		fclose(file);
	return text;
}

static void show_lines(const struct record *record, unsigned indent)
{
	for (size_t i = 0; i < record->n; i++)
		printf("%*s%s\n", (int)indent, "", record->lines[i]);
}

static void show(const struct script_step *step, const struct record records[DAEMONS], bool only_differences)
{
	bool all_same = true;

	for (unsigned i = 1; i < DAEMONS; i++)
		all_same &= record_equal(&records[0], &records[i]);
	if (only_differences && record_equal(&records[0], &records[1]))
		return;
	printf("%4u %s\n", step->line, step->text);
	for (unsigned i = 0; i < DAEMONS; i++) {
		if (!all_same)
			printf("       %s:\n", names[i]);
		show_lines(&records[i], all_same ? 7 : 10);
		if (all_same)
			break;
	}
}

static int play(const char *path, bool only_differences)
{
	struct session *sessions[DAEMONS] = {NULL};
	struct script script;
	char *problem, *text = read_file(path);
	int error = text ? script_parse(text, &script, &problem) : -1;

	if (error) {
		fprintf(stderr, "%s: %s\n", path, text && problem ? problem : "cannot be read");
		free(text);
		return EXIT_FAILURE;
	}
	free(text);
	for (unsigned i = 0; i < DAEMONS && !error; i++)
		error = session_open(daemons[i], script.options, &sessions[i]);
	for (size_t n = 0; n < script.n && !error; n++) {
		struct record records[DAEMONS] = {{0}};
		for (unsigned i = 0; i < DAEMONS; i++) {
			if (!session_is_over(sessions[i]))
				session_begin(sessions[i], &script.steps[n]);
		}
		for (unsigned i = 0; i < DAEMONS; i++) {
			if (!session_is_over(sessions[i]))
				session_finish(sessions[i], &records[i]);
		}
		show(&script.steps[n], records, only_differences);
		for (unsigned i = 0; i < DAEMONS; i++)
			record_clear(&records[i]);
	}
	for (unsigned i = 0; i < DAEMONS; i++)
		session_close(sessions[i]);
	script_deinit(&script);
	if (error)
		fprintf(stderr, "a daemon cannot be started: %s\n", strerror(-error));
	return error ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char *argv[])
{
	bool only_differences = argc > 1 && !strcmp(argv[1], "-o");
	int result = EXIT_SUCCESS;

	for (int i = only_differences ? 2 : 1; i < argc; i++)
		result |= play(argv[i], only_differences);
	return result;
}
