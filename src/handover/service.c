/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A descriptor in systemd's store has a name, and comes back under it: "listener", or "connection-" and the connection's id. A
 * message to systemd is in its queue once it is sent, and systemd looks at its queue before it looks at who has died; so what is
 * sent is held, even if the sender dies at once.
 *
 * systemd must not close descriptors whose other end hangs up (FDPOLL=0): what that client has sent last is still to be read.
 *
 * Why and how often daemons have died systemd does not tell. So the store also holds a piece of memory that says when the last
 * one was started, and how many have died soon after: they are started after a pause that grows.
 *
 * The time for the next sign of life comes from a descriptor, since the loop's waits have no end (front/connection.c).
 */
#include "handover/service.h"

#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "handover/notify.h"

enum { FIRST_FD = 3, SIGNS_PER_LIMIT = 4, USUAL_START_SECONDS = 30 };
enum { STEADY_MS = 2000, PAUSE_LEAST_MS = 10, DEATHS_SUSPECT = 3 };

static const uint64_t microseconds = 1000000;

/* What daemons leave for the next one. */
struct history {
	uint64_t started_ms; /* when the last one was */
	uint64_t deaths;     /* one soon after the other */
};

struct service {
	struct supervisor supervisor;
	int history; /* descriptor; -1: there is none */
	struct log *log;
	struct notify notify;
	ev_io watchdog; /* its descriptor is a timer; -1: none */
	bool complained;
};

static struct service *service_of(void *supervisor)
{
	return supervisor; /* its first member */
}

/* ---- names ---- */

#define HISTORY_NAME "history"
#define LISTENER_NAME "listener"
#define CONNECTION_NAME "connection-%" PRIu64

/* False: it is not one of ours. */
static bool id_of_name(const char *name, size_t len, uint64_t *id)
{
	char text[64];
	int end = 0;

	if (len >= sizeof(text))
		return false;
	memcpy(text, name, len);
	text[len] = 0;
	*id = HOLDER_LISTENER;
	if (!strcmp(text, LISTENER_NAME))
		return true;
	return sscanf(text, CONNECTION_NAME "%n", id, &end) == 1 && (size_t)end == len && *id != HOLDER_LISTENER;
}

/* ---- telling ---- */

static int note(struct service *service, int error)
{
	if (error && !service->complained)
		log_error(service->log, "systemd cannot be told: connections may end with this process: %s", strerror(-error));
	service->complained = error;
	return error;
}

static int hold(void *context, uint64_t id, int fd)
{
	struct service *service = service_of(context);

	if (id == HOLDER_LISTENER)
		return note(service, notify_send(&service->notify, fd, "FDSTORE=1\nFDPOLL=0\nFDNAME=" LISTENER_NAME));
	return note(service, notify_send(&service->notify, fd, "FDSTORE=1\nFDPOLL=0\nFDNAME=" CONNECTION_NAME, id));
}

static void drop(void *context, uint64_t id)
{
	struct service *service = service_of(context);

	if (id == HOLDER_LISTENER)
		note(service, notify_send(&service->notify, -1, "FDSTOREREMOVE=1\nFDNAME=" LISTENER_NAME));
	else
		note(service, notify_send(&service->notify, -1, "FDSTOREREMOVE=1\nFDNAME=" CONNECTION_NAME, id));
}

static void busy(struct supervisor *supervisor, unsigned seconds)
{
	struct service *service = service_of(supervisor);

	note(service, notify_send(&service->notify, -1, "EXTEND_TIMEOUT_USEC=%" PRIu64,
				  (seconds + (uint64_t)USUAL_START_SECONDS) * microseconds));
}

static void ending(struct supervisor *supervisor)
{
	struct service *service = service_of(supervisor);

	note(service, notify_send(&service->notify, -1, "STOPPING=1"));
}

/* Whatever dies, it is the program of the unit that is started. */
static void updating(struct supervisor *supervisor, int program, char *const words[])
{
	struct service *service = service_of(supervisor);

	(void)program;
	log_notice(service->log, "update: should %s die, systemd starts the program that the unit names", words[0]);
}

static void proved(struct supervisor *supervisor)
{
	(void)supervisor;
}

/* ---- signs of life ---- */

static void watchdog_event(struct ev_loop *loop, ev_io *io, int events)
{
	struct service *service = io->data;
	uint64_t times;

	(void)loop;
	(void)events;
	if (read(io->fd, &times, sizeof(times)) == (ssize_t)sizeof(times))
		note(service, notify_send(&service->notify, -1, "WATCHDOG=1"));
}

static int start_watchdog(struct service *service, struct ev_loop *loop)
{
	const char *limit = getenv("WATCHDOG_USEC");
	uint64_t period = limit ? strtoull(limit, NULL, 10) / SIGNS_PER_LIMIT : 0;
	const struct timespec time = {(time_t)(period / microseconds), (long)(period % microseconds) * 1000};

	if (!period)
		return 0;
	int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (timer < 0)
		return -errno;
	ev_io_init(&service->watchdog, watchdog_event, timer, EV_READ);
	service->watchdog.data = service;
	if (timerfd_settime(timer, 0, &(struct itimerspec){time, time}, NULL))
		return -errno;
	ev_io_start(loop, &service->watchdog);
	return 0;
}

static void serving(struct supervisor *supervisor, const struct supervised *daemon)
{
	struct service *service = service_of(supervisor);
	int error = start_watchdog(service, daemon->loop);

	if (error)
		log_error(service->log, "systemd's watchdog cannot be served: %s", strerror(-error));
	note(service, notify_send(&service->notify, -1, "READY=1\nMAINPID=%ld", (long)getpid()));
}

/* ---- the whole ---- */

/* The name's descriptor is ours, and belongs to the service now. */
static int take(struct service *service, const char *name, size_t len, int fd)
{
	uint64_t id;

	if (len == strlen(HISTORY_NAME) && !memcmp(name, HISTORY_NAME, len) && service->history < 0) {
		service->history = fd;
		return 0;
	}
	if (id_of_name(name, len, &id))
		return held_add(&service->supervisor.held, id, fd);
	close(fd);
	return 0;
}

/* The descriptors that systemd has passed, from 3 on. */
static int take_held(struct service *service)
{
	const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS"), *name = getenv("LISTEN_FDNAMES");
	int n = pid && count && strtol(pid, NULL, 10) == getpid() ? atoi(count) : 0, error = 0;

	for (int fd = FIRST_FD; fd < FIRST_FD + n; fd++) {
		size_t len = name ? strcspn(name, ":") : 0;
		fcntl(fd, F_SETFD, FD_CLOEXEC);
		if (error)
			close(fd);
		else
			error = take(service, name ? name : "", len, fd);
		name = name && name[len] ? name + len + 1 : NULL;
	}
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	return error;
}

static bool has_listener(const struct held_list *held)
{
	for (size_t i = 0; i < held->n; i++)
		if (held->all[i].id == HOLDER_LISTENER)
			return true;
	return false;
}

/* ---- deaths ---- */

static void begin_history(struct service *service)
{
	service->history = memfd_create("lxenstored-" HISTORY_NAME, MFD_CLOEXEC);
	if (service->history >= 0)
		note(service, notify_send(&service->notify, service->history, "FDSTORE=1\nFDNAME=" HISTORY_NAME));
}

static void pause_after(struct service *service, uint64_t deaths, uint64_t most)
{
	uint64_t pause = PAUSE_LEAST_MS;

	for (uint64_t i = 2; i < deaths && pause < most; i++)
		pause *= 2;
	if (pause > most)
		pause = most;
	log_error(service->log, "the last %" PRIu64 " daemons have died soon: this one goes on in %" PRIu64 " ms", deaths, pause);
	busy(&service->supervisor, (unsigned)(pause / 1000));
	nanosleep(&(struct timespec){(time_t)(pause / 1000), (long)(pause % 1000) * 1000000}, NULL);
}

/* The first daemon after one that has lived for a while starts at once. */
static void look_at_history(struct service *service, uint64_t pause_most_ms)
{
	struct history history = {0};
	uint64_t now = clock_milliseconds();

	if (service->history < 0)
		begin_history(service);
	else if (pread(service->history, &history, sizeof(history), 0) == (ssize_t)sizeof(history))
		history.deaths = now - history.started_ms < STEADY_MS ? history.deaths + 1 : 0;
	if (history.deaths > 1)
		pause_after(service, history.deaths, pause_most_ms);
	history.started_ms = clock_milliseconds();
	if (service->history >= 0 && pwrite(service->history, &history, sizeof(history), 0) != (ssize_t)sizeof(history))
		log_error(service->log, "it cannot be noted when this daemon was started");
	service->supervisor.suspects = history.deaths >= DEATHS_SUSPECT;
}

static void close_service(struct supervisor *supervisor)
{
	struct service *service = service_of(supervisor);

	held_close(&supervisor->held);
	if (service->history >= 0)
		close(service->history);
	if (service->watchdog.fd >= 0)
		close(service->watchdog.fd);
	notify_close(&service->notify);
	free(service);
}

static int service_new(struct log *log, struct service **out)
{
	struct service *service = calloc(1, sizeof(*service));

	if (!service)
		return -ENOMEM;
	*service = (struct service){
	    .supervisor = {.holder = {service, hold, drop},
			   .channel = -1,
			   .busy = busy,
			   .serving = serving,
			   .updating = updating,
			   .proved = proved,
			   .ending = ending,
			   .close = close_service},
	    .log = log,
	    .history = -1,
	    .watchdog = {.fd = -1},
	};
	int error = notify_open(&service->notify);
	if (error)
		free(service);
	else
		*out = service;
	return error;
}

int service_open(uint64_t pause_most_ms, struct log *log, struct supervisor **out)
{
	struct service *service;
	int error = service_new(log, &service);

	if (error)
		return error;
	error = take_held(service);
	if (error) {
		close_service(&service->supervisor);
		return error;
	}
	look_at_history(service, pause_most_ms);
	/* Until a daemon has opened the store soundly, nobody has listened. */
	service->supervisor.again = has_listener(&service->supervisor.held);
	*out = &service->supervisor;
	return 0;
}

int service_adopt(struct log *log, struct supervisor **out)
{
	struct service *service;
	int error = service_new(log, &service);

	if (!error)
		*out = &service->supervisor;
	return error;
}
