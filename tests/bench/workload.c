/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The rows of the bench and their goals. Where two figures stand, the first is for plain writes, the second for the
 * writable map.
 */
#include "bench/workload.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "bench/tree.h"
#include "wire/message.h"

enum { FILL_BATCH = 64, IN_FLIGHT = 16, WATCHES = 100000 };

#define ALONE "One client"
#define TRANSACTIONS "Transactions"
#define BESIDE "Beside idle connections"
#define GROWTH "Growth"

const struct workload workloads[] = {{.name = "read",
				      .title = "READ, one client",
				      .group = ALONE,
				      .goal_kind = GOAL_OF_ECHO,
				      .goal = {0.92, 0.92},
				      .open = hot_open,
				      .run = hot_run_read},
				     {.name = "write",
				      .title = "WRITE, one client",
				      .group = ALONE,
				      .goal_kind = GOAL_OF_ECHO,
				      .goal = {0.55, 0.75},
				      .open = hot_open,
				      .run = hot_run_write},
				     {.name = "read-anywhere",
				      .title = "READ, among 10,000 nodes",
				      .group = ALONE,
				      .open = hot_open_anywhere,
				      .run = hot_run_read},
				     {.name = "read-16",
				      .title = "READ, 16 in flight",
				      .group = ALONE,
				      .goal_kind = GOAL_OF_ECHO,
				      .goal = {0.35, 0.35},
				      .parameter = IN_FLIGHT,
				      .step = IN_FLIGHT,
				      .open = hot_open,
				      .run = hot_run_reads_in_flight},
				     {.name = "write-16",
				      .title = "WRITE, 16 in flight",
				      .group = ALONE,
				      .goal_kind = GOAL_OF_ECHO,
				      .goal = {0.15, 0.25},
				      .parameter = IN_FLIGHT,
				      .step = IN_FLIGHT,
				      .open = hot_open,
				      .run = hot_run_writes_in_flight},
				     {.name = "sockets-8",
				      .title = "8 sockets, 80 % READ, 20 % WRITE",
				      .group = ALONE,
				      .goal_kind = GOAL_OF_ECHO,
				      .goal = {0.65, 0.75},
				      .step = SITE_LINKS,
				      .open = hot_open_sockets,
				      .run = hot_run_sockets},
				     {.name = "directory",
				      .title = "DIRECTORY of 8 children",
				      .group = ALONE,
				      .open = hot_open_directories,
				      .run = hot_run_request},
				     {.name = "transaction-empty",
				      .title = "transaction, empty",
				      .group = TRANSACTIONS,
				      .goal_kind = GOAL_OF_ECHO,
				      .goal = {0.85, 0.85},
				      .open = hot_open,
				      .run = hot_run_empty_transaction},
				     {.name = "transaction-rmw",
				      .title = "transaction, read-modify-write",
				      .group = TRANSACTIONS,
				      .goal_kind = GOAL_OF_ECHO,
				      .goal = {0.60, 0.70},
				      .open = hot_open,
				      .run = hot_run_transaction},
				     {.name = "read-idle-100",
				      .title = "READ beside 100 idle",
				      .group = BESIDE,
				      .goal_kind = GOAL_OF_ECHO,
				      .goal = {0.92, 0.92},
				      .parameter = 100,
				      .open = hot_open_beside,
				      .run = hot_run_read},
				     {.name = "write-idle-100",
				      .title = "WRITE beside 100 idle",
				      .group = BESIDE,
				      .goal_kind = GOAL_OF_ECHO,
				      .goal = {0.55, 0.75},
				      .parameter = 100,
				      .open = hot_open_beside,
				      .run = hot_run_write},
				     {.name = "read-idle-10000",
				      .title = "READ beside 10,000 idle",
				      .group = BESIDE,
				      .goal_kind = GOAL_OF_ECHO,
				      .goal = {0.92, 0.92},
				      .parameter = 10000,
				      .open = hot_open_beside,
				      .run = hot_run_read},
				     {.name = "write-idle-10000",
				      .title = "WRITE beside 10,000 idle",
				      .group = BESIDE,
				      .goal_kind = GOAL_OF_ECHO,
				      .goal = {0.55, 0.75},
				      .parameter = 10000,
				      .open = hot_open_beside,
				      .run = hot_run_write},
				     {.name = "create",
				      .title = "create a child beside 100,000",
				      .group = GROWTH,
				      .goal_kind = GOAL_MICROSECONDS,
				      .goal = {8, 8},
				      .operations = 2000,
				      .no_echo = true,
				      .open = growth_open_wide,
				      .run = growth_run_create,
				      .after = growth_remove_created,
				      .close = growth_clear},
				     {.name = "directory-part",
				      .title = "DIRECTORY_PART over 100,000",
				      .group = GROWTH,
				      .goal_kind = GOAL_MICROSECONDS,
				      .goal = {4000, 4000},
				      .operations = 5,
				      .no_echo = true,
				      .open = growth_open_wide,
				      .run = growth_run_directory_part,
				      .close = growth_clear},
				     {.name = "rm-1000",
				      .title = "RM of 1,000 nodes",
				      .group = GROWTH,
				      .goal_kind = GOAL_MICROSECONDS,
				      .goal = {300, 300},
				      .operations = 16,
				      .no_echo = true,
				      .open = growth_open_trees,
				      .before = growth_make_trees,
				      .run = growth_run_remove,
				      .close = growth_clear},
				     {.name = "rm-100000",
				      .title = "RM of 100,000 nodes",
				      .group = GROWTH,
				      .goal_kind = GOAL_MICROSECONDS,
				      .goal = {20000, 20000},
				      .operations = 1,
				      .no_echo = true,
				      .long_form_only = true,
				      .open = growth_open_trees,
				      .before = growth_make_wide,
				      .run = growth_run_remove,
				      .close = growth_clear},
				     {.name = "watch-first",
				      .title = "WATCH, the first 1,000",
				      .group = GROWTH,
				      .operations = 1000,
				      .no_echo = true,
				      .open = growth_open_watches,
				      .before = growth_have_watches,
				      .run = growth_run_watch,
				      .after = growth_drop_watches},
				     {.name = "watch-100000",
				      .title = "WATCH, the 100,000th",
				      .group = GROWTH,
				      .goal_kind = GOAL_OF_REFERENCE,
				      .goal = {0.90, 0.90},
				      .parameter = WATCHES - 1000,
				      .operations = 1000,
				      .no_echo = true,
				      .with_previous = true,
				      .open = growth_open_watches,
				      .before = growth_have_watches,
				      .run = growth_run_watch,
				      .after = growth_drop_watches},
				     {.name = "write-unwatched",
				      .title = "WRITE, no watches",
				      .group = GROWTH,
				      .no_echo = true,
				      .open = hot_open,
				      .run = hot_run_write},
				     {.name = "write-watched",
				      .title = "WRITE, 100,000 watches of others",
				      .group = GROWTH,
				      .goal_kind = GOAL_OF_REFERENCE,
				      .goal = {0.95, 0.95},
				      .parameter = WATCHES,
				      .no_echo = true,
				      .with_previous = true,
				      .open = hot_open,
				      .before = growth_others_watch,
				      .run = hot_run_write,
				      .after = growth_others_leave},
				     {0}};

void workload_close(const struct workload *workload, struct site *site)
{
	if (workload->close)
		workload->close(site);
	for (size_t i = 0; i < SITE_LINKS; i++)
		link_close(site->link[i]);
	for (size_t i = 0; i < SITE_OTHERS; i++)
		link_close(site->others[i]);
	load_deinit(&site->reads);
	load_deinit(&site->writes);
	load_deinit(&site->extra);
	if (site->crowd > 0) {
		kill(site->crowd, SIGKILL);
		waitpid(site->crowd, NULL, 0);
	}
	memset(site, 0, sizeof(*site));
}

int workload_fill(const struct server *server, size_t leaves)
{
	char path[TREE_PATH_MAX], value[TREE_VALUE_MAX];
	struct buffer requests;
	struct link *link;
	int error = link_open(server->socket, &link);

	if (error)
		return error;
	buffer_init(&requests);
	for (size_t leaf = 0; leaf < leaves && !error;) {
		size_t count = 0;

		buffer_clear(&requests);
		for (; count < FILL_BATCH && leaf < leaves; count++, leaf++) {
			tree_leaf_path(leaf, path);
			tree_value(leaf, value);
			load_add_write(&requests, path, value);
		}
		error = link_exchange(link, &requests, count, false);
	}
	if (error == -EPROTO)
		fprintf(stderr, "bench: filling %s: %s\n", server->name, link->error);
	buffer_deinit(&requests);
	link_close(link);
	return error;
}

const char *workload_error(const struct site *site, int error)
{
	if (error != -EPROTO)
		return strerror(-error);
	for (size_t i = 0; i < SITE_LINKS; i++) {
		if (site->link[i] && site->link[i]->error[0])
			return site->link[i]->error;
	}
	for (size_t i = 0; i < SITE_OTHERS; i++) {
		if (site->others[i] && site->others[i]->error[0])
			return site->others[i]->error;
	}
	return "protocol error";
}
