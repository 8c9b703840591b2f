/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kill/points.h"

#include <stdio.h>
#include <string.h>

#include "kill/tracer.h"

void points_print(const struct kill_point points[KILLS_MAX], char out[POINTS_TEXT_SIZE])
{
	size_t len = 0;

	*out = 0;
	for (int i = 0; i < KILLS_MAX && points[i].when; i++) {
		const char *comma = i ? "," : "";
		if (points[i].when == KILL_AT_CALL)
			len += (size_t)snprintf(out + len, POINTS_TEXT_SIZE - len, "%se%u", comma, points[i].call);
		else
			len += (size_t)snprintf(out + len, POINTS_TEXT_SIZE - len, "%sa%u:%u", comma, points[i].call,
						points[i].step);
	}
}

bool points_parse(const char *text, struct kill_point out[KILLS_MAX])
{
	memset(out, 0, KILLS_MAX * sizeof(*out));
	for (int i = 0; i < KILLS_MAX && text; i++) {
		if (sscanf(text, "e%u", &out[i].call) == 1)
			out[i].when = KILL_AT_CALL;
		else if (sscanf(text, "a%u:%u", &out[i].call, &out[i].step) == 2)
			out[i].when = KILL_AFTER_CALL;
		else
			return false;
		text = strchr(text, ',');
		text = text ? text + 1 : NULL;
	}
	return !text;
}

static void tell_point(const struct kill_run *run, int life)
{
	const struct kill_point *point = &run->points[life];
	bool is_known = point->call <= run->lives[life].calls;
	const char *name = is_known ? call_name(run->lives[life].numbers[point->call - 1]) : "not come to";

	if (point->when == KILL_AT_CALL)
		printf("#   daemon %d died at the entry of call %u (%s)\n", life + 1, point->call, name);
	else
		printf("#   daemon %d died %u instructions behind the end of call %u (%s)\n", life + 1, point->step, point->call,
		       name);
}

void points_tell(const struct kill_run *run)
{
	char text[POINTS_TEXT_SIZE];

	points_print(run->points, text);
	printf("# %s\n", run->wrong);
	if (run->points[0].when)
		printf("#   again: enumerate -m %s%s%s -s %lu one %s\n", run->mode, run->held ? "" : " -n",
		       run->updated ? " -u" : "", (unsigned long)run->seed, text);
	for (int i = 0; i < KILLS_MAX && run->points[i].when; i++)
		tell_point(run, i);
	fflush(stdout);
}
