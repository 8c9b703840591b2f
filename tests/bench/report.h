/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <jansson.h>
#include <stddef.h>

#include "bench/count.h"
#include "bench/measure.h"

/* Lines of the two tables on standard output. */
void report_rows_head(void);
void report_row(const struct row *row, const struct server *servers, size_t n_servers);
void report_count(const char *server, const struct count *count);

/* The same for machines; NULL: no memory. */
json_t *report_row_json(const struct row *row, const struct server *servers, size_t n_servers);
json_t *report_count_json(const char *server, const struct count *count);

/*
 * One file `directory`/<group>.dat for each group among the rows: a head line with the servers' names, then for each
 * workload its title and each server's ratio to echo (to the reference), tab-separated, "?" where there is none. Workloads
 * without a ratio go to <group>-us.dat with microseconds per operation. 0 or -errno.
 */
int report_charts(const char *directory, const struct row *rows, size_t count, const struct server *servers, size_t n_servers);
