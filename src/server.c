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

#include "base/death_note.h"
#include "domain/domain_record.h"
#include "front/connection.h"
#include "front/ring_front.h"
#include "front/socket.h"
#include "front/xen.h"
#include "request/client_transactions.h"
#include "request/departed.h"
#include "request/release.h"
#include "handover/handed.h"
#include "handover/supervisor.h"
#include "handover/update.h"
#include "lxenstored/handover_format.h"
#include "ledger/loading.h"
#include "places.h"
#include "request/turn.h"
#include "set_aside.h"
#include "store/check.h"

enum { LOCK_TRIES = 100 /* in a second */ };

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
	struct update *update;
	struct server_start start;
	struct places places;
	struct death_note *death_note;
	bool ledger_is_recovered; /* already, see before_repair */
};

/* ---- parts ---- */

static int make_run_directory(const struct server *server)
{
	if (!mkdir(server->places.run_directory, 0755) || errno == EEXIST)
		return 0;
	int error = -errno;
	log_error(server->log, "run directory %s: %s", server->places.run_directory, strerror(-error));
	return error;
}

/* The file must be allowed its size from the start; 0: any size is. */
static size_t ledger_limit(void)
{
	struct rlimit limit;

	return getrlimit(RLIMIT_FSIZE, &limit) || limit.rlim_cur == RLIM_INFINITY || limit.rlim_cur >= LEDGER_LARGE
		   ? 0
		   : (size_t)limit.rlim_cur;
}

/* A daemon that was killed may have been making a child, which has its lock for another moment. */
static int wait_for_ledger(const char *path, struct ledger **out)
{
	const struct timespec pause = {.tv_nsec = 1000000000 / LOCK_TRIES};
	int error = ledger_open(path, ledger_limit(), out);

	for (int i = 0; error == -EBUSY && i < LOCK_TRIES; i++) {
		nanosleep(&pause, NULL);
		error = ledger_open(path, ledger_limit(), out);
	}
	return error;
}

static int open_ledger(struct server *server)
{
	const char *path = server->places.ledger;
	struct ledger **ledger = &server->turn.ledger;
	int error = wait_for_ledger(path, ledger);

	/* It is better to serve without what it had than not at all. */
	if (error == -EPROTO && !set_aside_ledger(server->log, path, "it is damaged, or no ledger"))
		error = wait_for_ledger(path, ledger);
	if (!error && ledger_has_header(*ledger))
		error = death_note_new(ledger_start_death(*ledger), &server->death_note);
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

/* Of what the daemon before has died, if that was a request. */
static void note_suspect(struct server *server)
{
	const struct ledger_suspect *suspect = ledger_suspect(server->turn.ledger);
	char how[64] = "was killed";

	if (!suspect->is_there)
		return;
	if (suspect->signal)
		snprintf(how, sizeof(how), "died of signal %u", suspect->signal);
	log_warning(server->log, "the daemon before %s while it ran a request of connection %llu, which has ended %u daemons",
		    how, (unsigned long long)suspect->connection_id, suspect->crashes + suspect->kills);
	turn_be_careful(&server->turn);
}

/* How this daemon stands to a live update that one before it has begun; *why: of UPDATE_FAILED. */
static enum update_origin origin(const struct server *server, const char **why)
{
	const struct handed *handed = server->start.handed;
	const struct supervisor *supervisor = server->start.supervisor;

	*why = handed || !supervisor ? "The new program could not be executed." : supervisor->why;
	if (handed)
		return handed->failed ? UPDATE_FAILED : UPDATE_HANDED;
	return supervisor ? supervisor->origin : UPDATE_UNKNOWN;
}

/* What one program has died of, another one may know how to do. */
static void acquit(struct server *server)
{
	const char *why;
	enum update_origin how = origin(server, &why);

	if (how != UPDATE_UNKNOWN)
		ledger_acquit_all(server->turn.ledger, how == UPDATE_FAILED);
}

/* Begins the ledger where it holds nothing of this store. */
static int recover_ledger(struct server *server)
{
	struct store *store = server->turn.store;
	struct ledger *ledger = server->turn.ledger;
	bool is_good = loading_is_next(ledger_loading(ledger), LEDGER_LOAD_LEDGER, 0, 0);
	int result = STATUS_ENOENT;

	if (server->ledger_is_recovered)
		result = 0;
	else if (is_good)
		result = ledger_recover(ledger, store->meta.id, store_last_commit(store), note_damaged, server->log);
	else
		log_error(server->log,
			  "ledger %s: the daemon has died of it again and again. It is begun anew: clients of the socket have to "
			  "connect again, guests have lost their watches and what they were owed",
			  server->places.ledger);
	if (result > 0)
		result = ledger_begin(ledger, store->meta.id);
	if (!result)
		turn_agree_on_last_change(store, ledger);
	if (!result && !server->death_note)
		result = death_note_new(ledger_start_death(ledger), &server->death_note);
	if (!result && !server->xen)
		drop_rings(ledger);
	return result;
}

/* Says that the start gets on. `seconds`: that the next step may take besides the usual. */
static void tell_progress(const struct server *server, unsigned seconds)
{
	struct supervisor *supervisor = server->start.supervisor;

	if (supervisor)
		supervisor->busy(supervisor, seconds);
}

/* Has a daemon just left the store, that had opened it soundly? */
static bool store_was_sound(const struct server *server)
{
	const struct supervisor *supervisor = server->start.supervisor;

	return server->start.handed || (supervisor && supervisor->again && !supervisor->suspects);
}

/* Entries of the ledger are valid by commits of the damaged store. */
static int before_repair(void *context, const unsigned char id[STORE_ID_SIZE], uint64_t commit)
{
	struct server *server = context;

	if (!ledger_has_header(server->turn.ledger) ||
	    !loading_is_next(ledger_loading(server->turn.ledger), LEDGER_LOAD_LEDGER, 0, 0))
		return 0;
	int result = ledger_recover(server->turn.ledger, id, commit, note_damaged, server->log);
	server->ledger_is_recovered = !result;
	if (!result)
		ledger_replace_store(server->turn.ledger);
	return result < 0 ? result : 0;
}

static int open_store(struct server *server)
{
	const struct options *options = server->start.options;
	const struct places *places = &server->places;
	int error = open_ledger(server);

	if (error == -EBUSY)
		log_error(server->log, "store %s: another lxenstored is running on it", places->store);
	else if (error)
		log_error(server->log, "ledger %s: %s", places->ledger, strerror(-error));
	if (error)
		return error;
	struct store_options store_options = {
	    .path = places->store,
	    .size_limit = options->store_size,
	    .map = options->map,
	    .sync = options->sync,
	    .boot_id = places->boot_id,
	    .was_sound = store_was_sound(server),
	    .log = server->log,
	    .before_repair = before_repair,
	    .context = server,
	};
	/* To look at it, to repair it, which takes twice as long, and to look at what has come of that. */
	tell_progress(server, store_options.was_sound ? 0 : 4 * check_file_limit(places->store));
	acquit(server);
	error = store_open(&store_options, &server->turn.store);
	if (error)
		return error;
	tell_progress(server, 0);
	error = recover_ledger(server);
	if (error)
		log_error(server->log, "ledger %s: %s", places->ledger,
			  error == -EPROTO ? "it has a newer format" : strerror(-error));
	return error;
}

static int open_turn(struct server *server)
{
	const struct options *options = server->start.options;
	int error = domains_init(&server->domains, options->own_domid, options->privileged_domid, &options->quotas,
				 server->xen ? xen_hypervisor(server->xen) : NULL);

	if (!error)
		error = domains_load(&server->domains, server->turn.store, ledger_loading(server->turn.ledger));

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
	note_suspect(server);
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

static int open_rings(struct server *server)
{
	const struct options *options = server->start.options;
	struct handed *handed = server->start.handed;
	struct ring_front_options ring_options = {options->ring_scan_seconds, domain_exception, server,
						  handed ? &handed->ports : NULL};
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

/* From now on a death is put down to the request that is being run. */
static int end_loading(struct server *server)
{
	struct ledger *ledger = server->turn.ledger;
	int error = set_aside_left_out(&server->turn, server->places.store);

	if (error)
		return error;
	loading_end(ledger_loading(ledger));
	death_note_move(server->death_note, ledger_death(ledger));
	return 0;
}

static int open_socket(struct server *server)
{
	struct supervisor *supervisor = server->start.supervisor;
	struct handed *handed = server->start.handed;
	struct held_list *held = handed ? &handed->sockets : supervisor ? &supervisor->held : NULL;
	const char *path = server->places.socket;
	int error = socket_front_open(
	    &server->front, &(struct socket_front_options){path, supervisor ? &supervisor->holder : NULL, held}, &server->socket);

	if (error)
		log_error(server->log, "socket %s: %s", path, strerror(-error));
	return error;
}

/* ---- live update ---- */

static void leave_loop(void *context)
{
	struct server *server = context;

	ev_break(server->loop, EVBREAK_ALL);
}

static int open_update(struct server *server)
{
	server->update = update_new(&(struct update_options){
	    .front = &server->front,
	    .supervisor = server->start.supervisor,
	    .arguments = server->start.arguments,
	    .store = server->places.store,
	    .ledger = server->places.ledger,
	    .serves_rings = server->xen,
	    .trial_seconds = (double)server->start.options->update_trial_milliseconds / 1000,
	    .leave_loop = leave_loop,
	    .context = server,
	});
	return server->update ? 0 : -ENOMEM;
}

static void begin_update(struct server *server)
{
	const struct handed *handed = server->start.handed;
	const char *why;
	enum update_origin how = origin(server, &why);

	if (handed && handed->polled)
		live_update_expect_poll(&server->turn.update);
	update_begin(server->update, how, why);
}

static void add_socket(void *context, uint64_t id, int fd)
{
	handed_add_descriptor(context, HANDOVER_SOCKET, id, fd);
}

static void add_port(void *context, const struct inherited_port *port)
{
	handed_add_port(context, HANDOVER_PORT, port);
}

/* ---- to a stock daemon ---- */

static void list_socket(void *context, uint64_t id, int fd)
{
	struct handed *handed = context;

	handed->failed |= held_add(&handed->sockets, id, fd) != 0;
}

static void list_port(void *context, const struct inherited_port *port)
{
	struct handed *handed = context;
	struct inherited_ports *ports = &handed->ports;

	if (ports->n == ports->capacity) {
		size_t capacity = ports->capacity ? 2 * ports->capacity : 64;
		struct inherited_port *grown = realloc(ports->all, capacity * sizeof(*grown));
		if (!grown) {
			handed->failed = true;
			return;
		}
		ports->all = grown;
		ports->capacity = capacity;
	}
	ports->all[ports->n++] = *port;
}

/* Its descriptors are open, and in nobody's hands any more. */
static void leave_to_stock(struct server *server, const struct stock *stock)
{
	const struct ring_host *host = server->rings ? xen_ring_host(server->xen) : NULL;
	struct handed handed = {.keeper = -1, .events = -1};
	char state[2 * PLACE_SIZE];

	front_finish(&server->front);
	socket_front_each(server->socket, list_socket, &handed);
	if (server->rings) {
		handed.events = host->event_fd;
		handed.ports.exception_port = ring_front_exception_port(server->rings);
		ring_front_each_port(server->rings, list_port, &handed);
	}
	/* C xenstored binds it anew. */
	if (stock->kind == STOCK_XENSTORED && handed.ports.exception_port) {
		host->unbind(host->context, handed.ports.exception_port);
		handed.ports.exception_port = 0;
	}
	if (handed.failed) {
		log_error(server->log, "update: no memory");
		exit(EXIT_FAILURE);
	}
	snprintf(state, sizeof(state), "%s/%s", server->places.run_directory, stock_state_name(stock));
	update_note(server->update);
	store_close(server->turn.store);
	death_note_free(server->death_note);
	ledger_close(server->turn.ledger);
	update_leave(server->update, state, &handed);
}

/* All that was run is committed and sent; what is to be sent and run besides is in the ledger. */
static void hand_over(struct server *server)
{
	struct handed_writer *writer = handed_writer_new();

	if (!writer) {
		log_error(server->log, "update: no memory");
		exit(EXIT_FAILURE);
	}
	front_finish(&server->front);
	client_record_observations(server->turn.store);
	if (server->start.supervisor && server->start.supervisor->channel >= 0)
		handed_add_descriptor(writer, HANDOVER_KEEPER, 0, server->start.supervisor->channel);
	socket_front_each(server->socket, add_socket, writer);
	if (server->rings) {
		handed_add_descriptor(writer, HANDOVER_EVENTS, 0, xen_ring_host(server->xen)->event_fd);
		handed_add_port(writer, HANDOVER_EXCEPTION,
				&(struct inherited_port){.port = ring_front_exception_port(server->rings)});
		ring_front_each_port(server->rings, add_port, writer);
	}
	store_close(server->turn.store);
	update_execute(server->update, writer);
}

void server_raise_limits(void)
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

static int take_events(struct handed *handed)
{
	int events = handed ? handed->events : -1;

	if (handed)
		handed->events = -1;
	return events;
}

static int open_parts(struct server *server)
{
	const struct options *options = server->start.options;
	struct handed *handed = server->start.handed;
	int error = places_find(options, &server->places);

	if (!error)
		error = make_run_directory(server);
	if (!error && !options->no_xen)
		error = xen_open(server->log, options->own_domid, take_events(handed), &server->xen);
	if (!error)
		error = open_store(server);
	if (!error)
		error = open_turn(server);
	if (!error && server->xen)
		error = open_rings(server);
	if (!error)
		error = open_socket(server);
	if (!error)
		error = open_update(server);
	tell_progress(server, 0);
	if (!error)
		error = catch_up(server);
	if (!error)
		error = end_loading(server);
	return error;
}

int server_new(const struct server_start *start, struct server **out)
{
	struct server *server = calloc(1, sizeof(*server));

	if (!server)
		return -ENOMEM;
	server->start = *start;
	server->log = start->log;
	server->loop = ev_loop_new(EVFLAG_AUTO);
	if (!server->loop) {
		log_error(server->log, "no event loop can be made");
		free(server);
		return -ENOSYS;
	}
	handle_signals(server);
	int error = open_parts(server);
	if (error) {
		server_free(server);
		return error;
	}
	*out = server;
	return 0;
}

static void hold_one(void *context, uint64_t id, int fd)
{
	const struct holder *holder = context;

	(void)holder->hold(holder->context, id, fd);
}

static void hold_all(void *context)
{
	const struct server *server = context;

	socket_front_each(server->socket, hold_one, &server->start.supervisor->holder);
}

void server_run(struct server *server)
{
	struct supervisor *supervisor = server->start.supervisor;

	if (supervisor)
		supervisor->serving(
		    supervisor, &(struct supervised){server->loop, server->turn.ledger, server->places.ledger, hold_all, server});
	begin_update(server);
	ev_run(server->loop, 0);
	const struct stock *stock = update_stock(server->update);
	if (stock)
		leave_to_stock(server, stock);
	else if (update_is_due(server->update))
		hand_over(server);
}

void server_free(struct server *server)
{
	if (!server)
		return;
	update_free(server->update);
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
	death_note_free(server->death_note);
	ledger_close(server->turn.ledger);
	xen_close(server->xen);
	ev_signal_stop(server->loop, &server->terminate);
	ev_signal_stop(server->loop, &server->interrupt);
	ev_signal_stop(server->loop, &server->reopen);
	/* Whoever asks for the end once more is not to make it look like a death. */
	signal(SIGTERM, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	ev_loop_destroy(server->loop);
	free(server);
}
