/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The daemon sends its keeper a copy of each socket before anything is read from it, and says when it has closed one. A keeper
 * that is gone is noticed at once, because the channel hangs up; one that does not read its messages counts as gone. Another is
 * started, by way of a process that ends, so that it is nobody's child, and is given all that is open. One that dies again soon
 * is waited with, longer each time; until then connections live on without being held.
 *
 * The end of a pause comes from a descriptor, since the loop's waits have no end (front/connection.c).
 */
#include "handover/kept.h"

#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "handover/channel.h"
#include "handover/keeper.h"
#include "handover/leave.h"
#include "handover/process.h"
#include "ledger/ledger.h"

enum { PAUSE_LEAST_MS = 10, PAUSE_MOST_MS = 30000, STEADY_MS = 2000, UNREAD_SECONDS = 2 };

struct kept {
	struct supervisor supervisor;
	struct log *log;
	char **arguments;
	int directory; /* where the command line was given */
	struct supervised daemon;
	ev_io channel;
	ev_io pause; /* its descriptor is a timer; -1 before there is one */
	uint64_t pause_ms;
	uint64_t since_ms; /* since when there is this keeper */
	int keeper;	   /* its process; -1: not known */
	bool is_alone;	   /* the keeper is gone */
};

static struct kept *kept_of(void *supervisor)
{
	return supervisor; /* its first member */
}

/* ---- what the daemon says ---- */

/* It is gone, or hangs. The loop finds the channel at its end. */
static void give_up_keeper(struct kept *kept)
{
	kept->is_alone = true;
	if (kept->keeper >= 0)
		syscall(SYS_pidfd_send_signal, kept->keeper, SIGKILL, NULL, 0);
	shutdown(kept->channel.fd, SHUT_RDWR);
}

static int tell(struct kept *kept, const struct channel_message *message, int fd)
{
	int error = kept->is_alone ? -EPIPE : channel_send(kept->channel.fd, message, fd);

	if (!kept->is_alone && (error == -EPIPE || error == -EAGAIN))
		give_up_keeper(kept);
	return error;
}

static int tell_short(void *context, enum channel_kind kind, uint64_t id, int fd)
{
	struct channel_message message;

	message.kind = kind;
	message.text_len = 0;
	message.id = id;
	return tell(kept_of(context), &message, fd);
}

static int hold(void *context, uint64_t id, int fd)
{
	return tell_short(context, CHANNEL_HOLD, id, fd);
}

static void drop(void *context, uint64_t id)
{
	(void)tell_short(context, CHANNEL_DROP, id, -1);
}

static void busy(struct supervisor *supervisor, unsigned seconds)
{
	(void)tell_short(supervisor, CHANNEL_BUSY, seconds, -1);
}

static void ending(struct supervisor *supervisor)
{
	(void)tell_short(supervisor, CHANNEL_ENDING, 0, -1);
}

static void updating(struct supervisor *supervisor, int program, char *const words[])
{
	struct channel_message message = {.kind = CHANNEL_UPDATE};

	for (size_t i = 0; words[i]; i++) {
		size_t len = strlen(words[i]) + 1;
		if (len > CHANNEL_TEXT_MAX - message.text_len)
			return; /* who has put them together has seen to it that they fit */
		memcpy(message.text + message.text_len, words[i], len);
		message.text_len += (uint32_t)len;
	}
	(void)tell(kept_of(supervisor), &message, program);
}

static bool add_text(struct channel_message *message, const char *text)
{
	size_t len = strlen(text) + 1;

	if (len > CHANNEL_TEXT_MAX - message->text_len)
		return false;
	memcpy(message->text + message->text_len, text, len);
	message->text_len += (uint32_t)len;
	return true;
}

static bool describe_leaving(const struct leaving *leaving, struct channel_message *message)
{
	char kind[16], version[16];

	snprintf(kind, sizeof(kind), "%d", (int)leaving->stock.kind);
	snprintf(version, sizeof(version), "%u", leaving->stock.version);
	bool fits = add_text(message, kind) && add_text(message, version) && add_text(message, leaving->state) &&
		    add_text(message, leaving->store) && add_text(message, leaving->ledger);
	for (size_t i = 0; fits && leaving->words[i]; i++)
		fits = add_text(message, leaving->words[i]);
	return fits;
}

/* The ports alone: descriptors have other numbers there. */
static int describe_ports(const struct handed *handed)
{
	const struct handed ports = {.keeper = -1, .events = -1, .ports = handed->ports};
	struct handed_writer *writer = handed_writer_new();

	if (!writer)
		return -ENOMEM;
	handed_add_all(writer, &ports);
	int fd = handed_finish(writer);
	handed_writer_free(writer);
	return fd;
}

static int leaving(struct supervisor *supervisor, const struct leaving *leaving)
{
	struct channel_message message = {.kind = CHANNEL_LEAVE};

	if (!describe_leaving(leaving, &message))
		return -ENAMETOOLONG;
	int ports = describe_ports(leaving->handed);
	int error = ports < 0 ? ports : 0;
	if (!error && leaving->handed->events >= 0)
		error = tell_short(supervisor, CHANNEL_LEAVE_EVENTS, 0, leaving->handed->events);
	if (!error)
		error = tell_short(supervisor, CHANNEL_LEAVE_PORTS, 0, ports);
	if (!error)
		error = tell(kept_of(supervisor), &message, leaving->program);
	if (ports >= 0)
		close(ports);
	return error;
}

static void proved(struct supervisor *supervisor)
{
	(void)tell_short(supervisor, CHANNEL_PROVED, 0, -1);
}

static void tell_serving(struct kept *kept)
{
	struct channel_message message = {.kind = CHANNEL_SERVING};

	message.text_len = (uint32_t)snprintf(message.text, sizeof(message.text), "%s", kept->daemon.ledger_path);
	(void)tell(kept, &message, -1);
}

/* ---- another keeper ---- */

/* In a process of its own; never returns. */
static void become_keeper(const struct kept *kept, int channel, int process, long pid)
{
	int program = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	char words[64];

	snprintf(words, sizeof(words), "%d,%d,%ld", channel, process, pid);
	setenv(KEEPER_DAEMON_VARIABLE, words, 1);
	process_execute(program, kept->directory, kept->arguments, (const int[]){channel, process}, 2);
}

static int fork_keeper(struct kept *kept, int channel)
{
	long pid = getpid();
	int process = (int)syscall(SYS_pidfd_open, (pid_t)pid, 0);

	if (process < 0)
		return -errno;
	int result = process_fork_alone();
	if (result > 0)
		become_keeper(kept, channel, process, pid);
	close(process);
	return result;
}

/* A keeper that is stopped must not stop the daemon. */
static void limit_waits(int channel)
{
	const struct timeval limit = {.tv_sec = UNREAD_SECONDS};

	setsockopt(channel, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
}

static int start_keeper(struct kept *kept)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
		return -errno;
	int error = fork_keeper(kept, ends[1]);
	close(ends[1]);
	if (error) {
		close(ends[0]);
		return error;
	}
	limit_waits(ends[0]);
	ev_io_set(&kept->channel, ends[0], EV_READ);
	kept->supervisor.channel = ends[0];
	ev_io_start(kept->daemon.loop, &kept->channel);
	kept->since_ms = clock_milliseconds();
	kept->is_alone = false;
	kept->daemon.hold_all(kept->daemon.context);
	tell_serving(kept);
	return 0;
}

static int start_pause(struct kept *kept, uint64_t milliseconds)
{
	const struct itimerspec end = {
	    .it_value = {.tv_sec = (time_t)(milliseconds / 1000), .tv_nsec = (long)(milliseconds % 1000) * 1000000}};

	if (kept->pause.fd < 0) {
		int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
		if (timer < 0)
			return -errno;
		ev_io_set(&kept->pause, timer, EV_READ);
	}
	if (timerfd_settime(kept->pause.fd, 0, &end, NULL))
		return -errno;
	ev_io_start(kept->daemon.loop, &kept->pause);
	return 0;
}

/* The first time at once. */
static void replace_keeper(struct kept *kept)
{
	uint64_t pause_ms = kept->pause_ms;
	int error = pause_ms ? start_pause(kept, pause_ms) : start_keeper(kept);

	kept->pause_ms = pause_ms ? 2 * pause_ms : PAUSE_LEAST_MS;
	if (kept->pause_ms > PAUSE_MOST_MS)
		kept->pause_ms = PAUSE_MOST_MS;
	if (error)
		log_error(kept->log, "no other keeper can be started, connections end with this process: %s", strerror(-error));
}

static void pause_event(struct ev_loop *loop, ev_io *io, int events)
{
	struct kept *kept = io->data;
	uint64_t times;

	(void)events;
	if (read(io->fd, &times, sizeof(times)) < 0)
		return;
	ev_io_stop(loop, io);
	int error = start_keeper(kept);
	if (!error)
		return;
	log_error(kept->log, "no other keeper can be started: %s", strerror(-error));
	replace_keeper(kept);
}

static void close_keeper(struct kept *kept)
{
	if (kept->keeper >= 0)
		close(kept->keeper);
	if (kept->channel.fd >= 0)
		close(kept->channel.fd);
	kept->keeper = kept->channel.fd = kept->supervisor.channel = -1;
	kept->is_alone = true;
}

static void lose_keeper(struct kept *kept)
{
	uint64_t lived_ms = clock_milliseconds() - kept->since_ms;

	ev_io_stop(kept->daemon.loop, &kept->channel);
	close_keeper(kept);
	if (lived_ms > STEADY_MS)
		kept->pause_ms = 0;
	log_error(kept->log, "the keeper is gone; another is started %s", kept->pause_ms ? "after a pause" : "at once");
	replace_keeper(kept);
}

/* ---- what the keeper says ---- */

static void note_keeper(struct kept *kept, int process)
{
	if (kept->keeper >= 0)
		close(kept->keeper);
	kept->keeper = process;
}

static void channel_event(struct ev_loop *loop, ev_io *io, int events)
{
	struct kept *kept = io->data;
	struct channel_message message;
	int fd;
	int error = channel_receive(io->fd, &message, &fd);

	(void)loop;
	(void)events;
	if (error && error != -EPROTO)
		lose_keeper(kept);
	if (error)
		return;
	if (message.kind == CHANNEL_PING)
		ledger_beat(kept->daemon.ledger);
	if (message.kind == CHANNEL_KEEPER)
		note_keeper(kept, fd);
	else if (fd >= 0)
		close(fd);
}

static void note_update(struct supervisor *supervisor, const struct channel_message *message)
{
	if (message->kind == CHANNEL_TRIAL)
		supervisor->origin = UPDATE_HANDED;
	if (message->kind != CHANNEL_FAILED)
		return;
	supervisor->origin = UPDATE_FAILED;
	snprintf(supervisor->why, sizeof(supervisor->why), "%.*s", (int)sizeof(supervisor->why) - 1, message->text);
}

static int receive_all(struct kept *kept)
{
	struct channel_message message;
	int fd;

	for (;;) {
		int error = channel_receive(kept->channel.fd, &message, &fd);
		if (error)
			return error;
		note_update(&kept->supervisor, &message);
		if (message.kind == CHANNEL_HELD && fd >= 0)
			error = held_add(&kept->supervisor.held, message.id, fd);
		else if (message.kind == CHANNEL_KEEPER)
			note_keeper(kept, fd);
		else if (fd >= 0)
			close(fd);
		if (error || message.kind == CHANNEL_ALL)
			return error;
	}
}

/* ---- the whole ---- */

static void serving(struct supervisor *supervisor, const struct supervised *daemon)
{
	struct kept *kept = kept_of(supervisor);

	kept->daemon = *daemon;
	kept->since_ms = clock_milliseconds();
	ev_io_init(&kept->channel, channel_event, kept->channel.fd, EV_READ);
	kept->channel.data = kept;
	ev_io_start(daemon->loop, &kept->channel);
	ev_io_init(&kept->pause, pause_event, -1, EV_READ);
	kept->pause.data = kept;
	tell_serving(kept);
}

static void close_kept(struct supervisor *supervisor)
{
	struct kept *kept = kept_of(supervisor);

	held_close(&supervisor->held);
	close_keeper(kept);
	if (kept->pause.fd >= 0)
		close(kept->pause.fd);
	if (kept->directory >= 0)
		close(kept->directory);
	free(kept);
}

int kept_adopt(int channel, char **arguments, struct log *log, struct supervisor **out)
{
	struct kept *kept = calloc(1, sizeof(*kept));

	if (!kept)
		return -ENOMEM;
	*kept = (struct kept){
	    .supervisor = {.holder = {kept, hold, drop},
			   .channel = channel,
			   .busy = busy,
			   .serving = serving,
			   .updating = updating,
			   .proved = proved,
			   .leaving = leaving,
			   .ending = ending,
			   .close = close_kept},
	    .log = log,
	    .arguments = arguments,
	    .directory = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC),
	    .channel = {.fd = channel},
	    .keeper = -1,
	    .pause = {.fd = -1},
	};
	fcntl(channel, F_SETFD, FD_CLOEXEC);
	limit_waits(channel);
	*out = &kept->supervisor;
	return 0;
}

int kept_open(const char *words, char **arguments, struct log *log, struct supervisor **out)
{
	char *rest;
	int error = kept_adopt((int)strtol(words, &rest, 10), arguments, log, out);

	if (error)
		return error;
	(*out)->again = strstr(rest, KEEPER_AGAIN);
	(*out)->suspects = strstr(rest, KEEPER_SUSPECTS);
	error = receive_all(kept_of(*out));
	if (error)
		close_kept(*out);
	return error;
}
