/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * struct server owns the parts and gives each what it needs of the others. The order of opening is the order of dependence;
 * server_free goes the other way and accepts a server that was opened only in part.
 */
#include "server.h"

#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "domain/domain_record.h"
#include "front/connection.h"
#include "front/ring_front.h"
#include "front/socket.h"
#include "front/xen.h"
#include "request/departed.h"
#include "request/release.h"
#include "handover/kept.h"
#include "request/turn.h"

enum { FILE_NAME_SIZE = 4096, LOCK_TRIES = 100 /* in a second */ };

#define LEDGER_LARGE ((rlim_t)4 << 30)

struct server {
	struct log *log;
	struct ev_loop *loop;
	ev_signal terminate, interrupt, reopen;
	struct xen *xen; /* NULL with --no-xen */
	struct domains domains;
	struct turn turn;
	bool turn_ready;
	struct front front;
	struct ring_front *rings; /* NULL with --no-xen */
	struct socket_front *socket;
	char run_directory[FILE_NAME_SIZE];
	char ledger_path[FILE_NAME_SIZE];
};

/* ---- places ---- */

static int join(char out[FILE_NAME_SIZE], const char *directory, const char *name)
{
	int len = snprintf(out, FILE_NAME_SIZE, "%s/%s", directory, name);

	return len < 0 || len >= FILE_NAME_SIZE ? -ENAMETOOLONG : 0;
}

static int find_run_directory(struct server *server)
{
	const char *directory = getenv("XENSTORED_RUNDIR");

	snprintf(server->run_directory, sizeof(server->run_directory), "%s",
		 directory && *directory ? directory : "/run/xenstored");
	if (mkdir(server->run_directory, 0755) && errno != EEXIST) {
		int error = -errno;
		log_error(server->log, "run directory %s: %s", server->run_directory, strerror(-error));
		return error;
	}
	return 0;
}

static void read_boot_id(char out[40])
{
	FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");
	size_t len = file ? fread(out, 1, 39, file) : 0;

	out[len] = 0;
	out[strcspn(out, "\n")] = 0;
	if (file)
		fclose(file);
}

/* ---- parts ---- */

/* The file must be allowed its size from the start; 0: any size is. */
static size_t ledger_limit(void)
{
	struct rlimit limit;

	return getrlimit(RLIMIT_FSIZE, &limit) || limit.rlim_cur == RLIM_INFINITY || limit.rlim_cur >= LEDGER_LARGE
		   ? 0
		   : (size_t)limit.rlim_cur;
}

/* A daemon that was killed may have been making a child, which has its lock for another moment. */
static int open_ledger(const char *path, struct ledger **out)
{
	const struct timespec pause = {.tv_nsec = 1000000000 / LOCK_TRIES};
	int error = ledger_open(path, ledger_limit(), out);

	for (int i = 0; error == -EBUSY && i < LOCK_TRIES; i++) {
		nanosleep(&pause, NULL);
		error = ledger_open(path, ledger_limit(), out);
	}
	return error;
}

static void note_damaged(void *context, uint64_t connection_id, const char *what)
{
	struct log *log = context;

	log_error(log, "ledger: connection %llu has ended: %s", (unsigned long long)connection_id, what);
}

/* Without Xen there are none. */
static void drop_rings(struct ledger *ledger)
{
	struct ledger_found found;
	uint32_t index = 0;

	while (ledger_find(ledger, &index, &found))
		if (found.connection_id <= UINT16_MAX)
			ledger_drop(ledger, &found);
}

static int recover_ledger(struct server *server)
{
	struct store *store = server->turn.store;
	struct ledger *ledger = server->turn.ledger;
	int result = ledger_recover(ledger, store->meta.id, store_last_commit(store), note_damaged, server->log);

	if (result > 0)
		result = ledger_begin(ledger, store->meta.id);
	if (!result && !server->xen)
		drop_rings(ledger);
	return result;
}

static int open_store(struct server *server, const struct options *options)
{
	char store_path[FILE_NAME_SIZE], boot_id[40], *ledger_path = server->ledger_path;
	int error = 0;

	if (options->store)
		error = snprintf(store_path, sizeof(store_path), "%s", options->store) >= FILE_NAME_SIZE ? -ENAMETOOLONG : 0;
	else
		error = join(store_path, server->run_directory, "store.mdb");
	if (!error && snprintf(ledger_path, FILE_NAME_SIZE, "%s-ledger", store_path) >= FILE_NAME_SIZE)
		error = -ENAMETOOLONG;
	if (!error)
		error = open_ledger(ledger_path, &server->turn.ledger);
	if (error == -EBUSY)
		log_error(server->log, "store %s: another lxenstored is running on it", store_path);
	else if (error)
		log_error(server->log, "ledger %s: %s", ledger_path, strerror(-error));
	if (error)
		return error;

	read_boot_id(boot_id);
	struct store_options store_options = {
	    .path = store_path,
	    .size_limit = options->store_size,
	    .map = options->map,
	    .sync = options->sync,
	    .boot_id = boot_id,
	    .log = server->log,
	};
	error = store_open(&store_options, &server->turn.store);
	if (error)
		return error;
	error = recover_ledger(server);
	if (error)
		log_error(server->log, "ledger %s: %s", ledger_path, strerror(-error));
	return error;
}

static int open_turn(struct server *server, const struct options *options)
{
	int error = domains_init(&server->domains, options->own_domid, options->privileged_domid, &options->quotas,
				 server->xen ? xen_hypervisor(server->xen) : NULL);

	if (!error)
		error = domains_load(&server->domains, server->turn.store);

	if (error)
		return error;
	server->turn.domains = &server->domains;
	server->turn.log = server->log;
	server->turn.watches = watch_index_new();
	if (!server->turn.watches)
		return -ENOMEM;
	server->turn.event_seconds = options->event_seconds;
	server->turn.conflict = options->conflict;
	turn_init(&server->turn);
	server->turn_ready = true;
	front_init(&server->front, server->loop, &server->turn);
	return 0;
}

static void domain_exception(void *context)
{
	struct server *server = context;
	int fault = release_check_domains(&server->turn);

	if (fault)
		log_error(server->log, "domains cannot be asked for: %s", strerror(-fault));
}

static int open_rings(struct server *server, const struct options *options)
{
	struct ring_front_options ring_options = {options->ring_scan_seconds, domain_exception, server};
	int error = ring_front_open(&server->front, xen_ring_host(server->xen), &ring_options, &server->rings);

	if (error)
		return error;
	server->turn.rings = ring_front_rings(server->rings);
	domain_exception(server);
	error = ring_front_recover(server->rings);
	if (error)
		log_error(server->log, "rings that the ledger has: %s", strerror(-error));
	return error;
}

/* What has changed while there was no daemon, now that all who are to be told are there. */
static int catch_up(struct server *server)
{
	int error = departed_remove_earlier(&server->turn);

	if (error || !server->rings)
		return error;
	release_all(&server->turn);
	error = ring_front_start(server->rings);
	if (error)
		log_error(server->log, "rings that were there before: %s", strerror(-error));
	return error;
}

static int open_socket(struct server *server, struct kept_daemon *keeper)
{
	char default_path[FILE_NAME_SIZE];
	const char *path = getenv("XENSTORED_PATH");
	int error = join(default_path, server->run_directory, "socket");

	if (!path || !*path)
		path = default_path;
	if (!error)
		error = socket_front_open(&server->front,
					  &(struct socket_front_options){path, keeper ? kept_daemon_holder(keeper) : NULL,
									 keeper ? kept_daemon_held(keeper) : NULL},
					  &server->socket);
	if (error)
		log_error(server->log, "socket %s: %s", path, strerror(-error));
	return error;
}

/* Each client needs a descriptor, the store its size: take as much as is allowed. */
static void raise_limits(void)
{
	struct rlimit limit;

	if (!getrlimit(RLIMIT_NOFILE, &limit)) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	if (!getrlimit(RLIMIT_FSIZE, &limit)) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_FSIZE, &limit);
	}
}

/* ---- signals ---- */

static void stop_event(struct ev_loop *loop, ev_signal *signal, int events)
{
	(void)signal;
	(void)events;
	ev_break(loop, EVBREAK_ALL);
}

static void reopen_event(struct ev_loop *loop, ev_signal *signal, int events)
{
	struct log *log = signal->data;

	(void)loop;
	(void)events;
	if (log->trace_fd >= 0)
		log_trace_open(log);
}

static void handle_signals(struct server *server)
{
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is one without room */
	ev_signal_init(&server->terminate, stop_event, SIGTERM);
	ev_signal_start(server->loop, &server->terminate);
	ev_signal_init(&server->interrupt, stop_event, SIGINT);
	ev_signal_start(server->loop, &server->interrupt);
	ev_signal_init(&server->reopen, reopen_event, SIGHUP);
	server->reopen.data = server->log;
	ev_signal_start(server->loop, &server->reopen);
}

/* ---- the whole ---- */

static int open_parts(struct server *server, const struct options *options, struct kept_daemon *keeper)
{
	int error = find_run_directory(server);

	if (!error && !options->no_xen)
		error = xen_open(server->log, options->own_domid, &server->xen);
	if (!error)
		error = open_store(server, options);
	if (!error)
		error = open_turn(server, options);
	if (!error && server->xen)
		error = open_rings(server, options);
	if (!error)
		error = open_socket(server, keeper);
	if (!error)
		error = catch_up(server);
	return error;
}

int server_new(const struct options *options, struct kept_daemon *keeper, struct log *log, struct server **out)
{
	struct server *server = calloc(1, sizeof(*server));

	if (!server)
		return -ENOMEM;
	server->log = log;
	server->loop = ev_loop_new(EVFLAG_AUTO);
	if (!server->loop) {
		log_error(log, "no event loop can be made");
		free(server);
		return -ENOSYS;
	}
	raise_limits();
	handle_signals(server);
	int error = open_parts(server, options, keeper);
	if (error) {
		server_free(server);
		return error;
	}
	*out = server;
	return 0;
}

void server_join_keeper(struct server *server, struct kept_daemon *keeper)
{
	kept_daemon_serving(keeper, server->loop, server->turn.ledger, server->ledger_path);
}

void server_run(struct server *server)
{
	ev_run(server->loop, 0);
}

void server_free(struct server *server)
{
	if (!server)
		return;
	if (server->turn_ready)
		front_finish(&server->front);
	socket_front_close(server->socket);
	ring_front_close(server->rings);
	front_deinit(&server->front);
	if (server->turn_ready)
		turn_deinit(&server->turn);
	watch_index_free(server->turn.watches);
	domains_deinit(&server->domains);
	store_close(server->turn.store);
	ledger_close(server->turn.ledger);
	xen_close(server->xen);
	ev_signal_stop(server->loop, &server->terminate);
	ev_signal_stop(server->loop, &server->interrupt);
	ev_signal_stop(server->loop, &server->reopen);
	ev_loop_destroy(server->loop);
	free(server);
}
