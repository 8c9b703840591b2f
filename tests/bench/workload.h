/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "bench/load.h"
#include "bench/server.h"

enum { SITE_LINKS = 8, SITE_OTHERS = 100 };

/* One workload at one server: its connections and the requests it sends there. Zeroed at first. */
struct site {
	const struct server *server;
	size_t leaves; /* of the tree in the store */
	size_t hot;    /* so many of them are read and written */
	unsigned parameter;
	struct link *link[SITE_LINKS];
	struct link *others[SITE_OTHERS];
	struct load reads;
	struct load writes;
	struct load extra;
	pid_t crowd; /* the process that holds the idle connections; 0: none */
};

enum goal_kind {
	GOAL_NONE,
	GOAL_OF_ECHO,	   /* rate, at least so much of echo's in the same round */
	GOAL_OF_REFERENCE, /* rate, at least so much of that of the workload measured just before, at the same server */
	GOAL_MICROSECONDS  /* time per operation, at most */
};

enum goal_column { GOAL_PLAIN, GOAL_MAP, GOAL_COLUMNS };

/*
 * A row of the bench. The functions return 0 or -errno. `open` once; then for every sample `before` (NULL: nothing to do),
 * `run`, which alone is timed, and `after`.
 */
struct workload {
	const char *name;
	const char *title;
	const char *group; /* one chart each */
	enum goal_kind goal_kind;
	double goal[GOAL_COLUMNS];
	unsigned parameter;
	size_t step;	     /* operations come in multiples of this */
	size_t operations;   /* per sample; 0: as many as fill the time */
	bool no_echo;	     /* needs what echo does not do */
	bool with_previous;  /* measured in the same rounds as the workload above it */
	bool long_form_only; /* left out of the quick form: preparing a sample takes too long */
	int (*open)(struct site *site);
	int (*before)(struct site *site, size_t operations);
	int (*run)(struct site *site, size_t operations);
	int (*after)(struct site *site, size_t operations);
	void (*close)(struct site *site); /* before the connections are closed */
};

extern const struct workload workloads[]; /* ends with name NULL */

/* Ends a workload that was opened, or failed in it: its `close`, connections closed, memory freed, the crowd gone. */
void workload_close(const struct workload *workload, struct site *site);

/* Writes the tree of `leaves` leaves through the protocol. */
int workload_fill(const struct server *server, size_t leaves);

/* What `error` of a workload at `site` means, for people. */
const char *workload_error(const struct site *site, int error);

/* workload_hot.c: small operations on a hot set of nodes; workload_growth.c: what may grow with what there is. */
int hot_open(struct site *site);
int hot_open_anywhere(struct site *site);
int hot_open_sockets(struct site *site);
int hot_open_beside(struct site *site);
int hot_run_read(struct site *site, size_t operations);
int hot_run_write(struct site *site, size_t operations);
int hot_run_reads_in_flight(struct site *site, size_t operations);
int hot_run_writes_in_flight(struct site *site, size_t operations);
int hot_run_sockets(struct site *site, size_t operations);
int hot_run_empty_transaction(struct site *site, size_t operations);
int hot_run_transaction(struct site *site, size_t operations);
int hot_open_directories(struct site *site);
int hot_run_request(struct site *site, size_t operations);

void growth_clear(struct site *site);
int growth_open_wide(struct site *site);
int growth_run_create(struct site *site, size_t operations);
int growth_remove_created(struct site *site, size_t operations);
int growth_run_directory_part(struct site *site, size_t operations);
int growth_open_trees(struct site *site);
int growth_make_trees(struct site *site, size_t operations);
int growth_make_wide(struct site *site, size_t operations);
int growth_run_remove(struct site *site, size_t operations);
int growth_open_watches(struct site *site);
int growth_have_watches(struct site *site, size_t operations);
int growth_run_watch(struct site *site, size_t operations);
int growth_drop_watches(struct site *site, size_t operations);
int growth_others_watch(struct site *site, size_t operations);
int growth_others_leave(struct site *site, size_t operations);
