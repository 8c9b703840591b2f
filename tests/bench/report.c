/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Figures for people, for machines and for gnuplot. Every line bears its goal, so that the table can be read alone.
 */
#include "bench/report.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *verdict_text(enum verdict verdict)
{
	switch (verdict) {
	case VERDICT_MET:
		return "met";
	case VERDICT_NOT_MET:
		return "NOT MET";
	default:
		return "";
	}
}

static void goal_text(const struct workload *workload, int column, char *text, size_t size)
{
	text[0] = '\0';
	if (column < 0)
		return;
	if (workload->goal_kind == GOAL_MICROSECONDS)
		snprintf(text, size, "%g us", workload->goal[column]);
	else if (workload->goal_kind == GOAL_OF_ECHO)
		snprintf(text, size, "%.2f", workload->goal[column]);
	else if (workload->goal_kind == GOAL_OF_REFERENCE)
		snprintf(text, size, "%.2f of above", workload->goal[column]);
}

void report_rows_head(void)
{
	printf("%-34s %-8s %12s %10s %7s %7s %6s  %-14s %s\n", "workload", "server", "op/s", "us/op", "spread", "ratio", "spread",
	       "goal", "");
}

void report_row(const struct row *row, const struct server *servers, size_t n_servers)
{
	for (size_t s = 0; s < n_servers; s++) {
		const struct figure *figure = &row->figure[s];
		int column = measure_goal_column(&servers[s]);
		char goal[32], ratio[32] = "", spread[32] = "";

		if (figure->rate.count == 0) {
			if (strcmp(figure->error, "-") != 0)
				printf("%-34s %-8s %12s  failed: %s\n", row->workload->title, servers[s].name, "", figure->error);
			continue;
		}
		goal_text(row->workload, column, goal, sizeof(goal));
		if (figure->ratio.count > 0) {
			snprintf(ratio, sizeof(ratio), "%.3f", figure->ratio.median);
			snprintf(spread, sizeof(spread), "%.1f%%", 100 * figure->ratio.spread);
		}
		printf("%-34s %-8s %12.0f %10.2f %6.1f%% %7s %6s  %-14s %s", row->workload->title, servers[s].name,
		       figure->rate.median, 1e6 / figure->rate.median, 100 * figure->rate.spread, ratio, spread, goal,
		       verdict_text(measure_verdict(row->workload, figure, column)));
		if (figure->doubtful > 0)
			printf(" (%u of %zu samples disturbed)", figure->doubtful, figure->rate.count);
		printf("\n");
	}
	fflush(stdout);
}

void report_count(const char *server, const struct count *count)
{
	for (size_t i = 0; i < count->operations; i++) {
		struct count_cell growth = count_growth(count, i);

		for (size_t size = 0; size < COUNT_SIZES && count->nodes[size] > 0; size++)
			printf("%-20s %-8s %9zu nodes %10.0f instructions %8.2f system calls\n", count_operation_names[i], server,
			       count->nodes[size], count->cell[i][size].instructions, count->cell[i][size].calls);
		printf("%-20s %-8s growth %25.3f %21.3f      at most %.1f%s\n", count_operation_names[i], server,
		       growth.instructions, growth.calls, COUNT_GROWTH_MAX, count_growth_passes(growth) ? "" : "  GROWS");
	}
	if (count->bytes_per_node > 0)
		printf("%-20s %-8s %.0f of file per node, goal %d; %.1f MB private memory, goal %.0f\n", "bytes", server,
		       count->bytes_per_node, COUNT_BYTES_PER_NODE_GOAL, count->private_memory / 1e6,
		       COUNT_PRIVATE_MEMORY_GOAL / 1e6);
	fflush(stdout);
}

static json_t *series_json(const struct series *series)
{
	json_t *values = json_array();

	for (size_t i = 0; i < series->count; i++)
		json_array_append_new(values, json_real(series->value[i]));
	return json_pack("{s:f, s:f, s:o}", "median", series->median, "spread", series->spread, "values", values);
}

static json_t *figure_json(const struct workload *workload, const struct figure *figure, const struct server *server)
{
	int column = measure_goal_column(server);
	enum verdict verdict = measure_verdict(workload, figure, column);
	json_t *object = json_pack("{s:s}", "server", server->name);

	if (figure->rate.count == 0) {
		json_object_set_new(object, "error", json_string(figure->error));
		return object;
	}
	json_object_set_new(object, "operations_per_second", series_json(&figure->rate));
	if (figure->ratio.count > 0)
		json_object_set_new(object, "ratio", series_json(&figure->ratio));
	json_object_set_new(object, "operations", json_integer((json_int_t)figure->operations));
	json_object_set_new(object, "thrown_away", json_integer(figure->disturbed));
	json_object_set_new(object, "kept_though_disturbed", json_integer(figure->doubtful));
	if (verdict != VERDICT_NONE) {
		json_object_set_new(object, "goal", json_real(workload->goal[column]));
		json_object_set_new(object, "met", json_boolean(verdict == VERDICT_MET));
	}
	return object;
}

static const char *goal_unit(enum goal_kind kind)
{
	switch (kind) {
	case GOAL_OF_ECHO:
		return "ratio to echo, at least";
	case GOAL_OF_REFERENCE:
		return "ratio to the workload before, at least";
	case GOAL_MICROSECONDS:
		return "microseconds, at most";
	default:
		return "none";
	}
}

json_t *report_row_json(const struct row *row, const struct server *servers, size_t n_servers)
{
	json_t *figures = json_array();

	for (size_t s = 0; s < n_servers; s++) {
		if (strcmp(row->figure[s].error, "-") != 0)
			json_array_append_new(figures, figure_json(row->workload, &row->figure[s], &servers[s]));
	}
	return json_pack("{s:s, s:s, s:s, s:s, s:o}", "name", row->workload->name, "title", row->workload->title, "group",
			 row->workload->group, "goal", goal_unit(row->workload->goal_kind), "figures", figures);
}

json_t *report_count_json(const char *server, const struct count *count)
{
	json_t *operations = json_array();

	for (size_t i = 0; i < count->operations; i++) {
		struct count_cell growth = count_growth(count, i);
		json_t *sizes = json_array();

		for (size_t size = 0; size < COUNT_SIZES && count->nodes[size] > 0; size++)
			json_array_append_new(sizes, json_pack("{s:I, s:f, s:f}", "nodes", (json_int_t)count->nodes[size],
							       "instructions", count->cell[i][size].instructions, "system_calls",
							       count->cell[i][size].calls));
		json_array_append_new(operations, json_pack("{s:s, s:o, s:f, s:f}", "name", count_operation_names[i], "sizes",
							    sizes, "growth_of_instructions", growth.instructions,
							    "growth_of_system_calls", growth.calls));
	}
	return json_pack("{s:s, s:o, s:b, s:f, s:f}", "server", server, "operations", operations, "passes", count_passes(count),
			 "bytes_per_node", count->bytes_per_node, "private_memory", count->private_memory);
}

static bool has_ratio(const struct row *row, size_t n_servers)
{
	for (size_t s = 0; s < n_servers; s++) {
		if (row->figure[s].ratio.count > 0)
			return true;
	}
	return false;
}

static void chart_path(const char *directory, const struct row *row, bool ratio, char path[PATH_MAX])
{
	snprintf(path, PATH_MAX, "%s/%s%s.dat", directory, row->workload->group, ratio ? "" : "-us");
	for (size_t at = strlen(directory) + 1; path[at]; at++)
		path[at] = path[at] == ' ' ? '-' : (char)tolower((unsigned char)path[at]);
}

static void chart_head(FILE *file, const struct server *servers, size_t n_servers)
{
	fprintf(file, "workload");
	for (size_t s = 0; s < n_servers; s++)
		fprintf(file, "\t%s", servers[s].name);
	fprintf(file, "\n");
}

static void chart_line(FILE *file, const struct row *row, size_t n_servers, bool ratio)
{
	fprintf(file, "%s", row->workload->title);
	for (size_t s = 0; s < n_servers; s++) {
		const struct figure *figure = &row->figure[s];

		if (figure->rate.count == 0 || (ratio && figure->ratio.count == 0))
			fprintf(file, "\t0"); /* no bar */
		else
			fprintf(file, "\t%.4g", ratio ? figure->ratio.median : 1e6 / figure->rate.median);
	}
	fprintf(file, "\n");
}

int report_charts(const char *directory, const struct row *rows, size_t count, const struct server *servers, size_t n_servers)
{
	char path[PATH_MAX];

	for (size_t i = 0; i < count; i++) {
		bool ratio = has_ratio(&rows[i], n_servers), begun = false;
		FILE *file;

		/* What an earlier run left is replaced. */
		for (size_t j = 0; j < i; j++)
			begun = begun || (strcmp(rows[j].workload->group, rows[i].workload->group) == 0 &&
					  has_ratio(&rows[j], n_servers) == ratio);
		chart_path(directory, &rows[i], ratio, path);
		file = fopen(path, begun ? "a" : "w");
		if (!file)
			return -errno;
		if (!begun)
			chart_head(file, servers, n_servers);
		chart_line(file, &rows[i], n_servers, ratio);
		if (fclose(file) != 0)
			return -errno;
	}
	return 0;
}
