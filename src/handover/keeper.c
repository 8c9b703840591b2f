/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One daemon at a time, known by a descriptor of its process. It is dead when that says so; then whatever it has still sent is
 * taken from the channel, and the next one gets a channel of its own and all descriptors that are held. Restarts are at once, but
 * one that dies soon again waits longer each time.
 *
 * A daemon that hangs is seen by its heartbeat, a word in the ledger that it changes whenever it is asked to; before it serves,
 * by its saying nothing for so long.
 */
#include "handover/keeper.h"

#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uthash.h>

#include "handover/channel.h"
#include "handover/handed.h"
#include "handover/process.h"
#include "handover/stock_order.h"
#include "handover/supervisor.h"
#include "lxenstored/handover_format.h"
#include "lxenstored/ledger_format.h"

static const double steady_seconds = 2;			   /* a daemon that has lived so long need not be waited with */
static const double healthy_seconds = 10;		   /* and one that has lived so long has not died "again" */
static const double pause_least = 0.01, pause_failed = 10; /* after no process could be made */
static const double look_seconds = 2, look_least_seconds = 0.1;
static const double abort_seconds = 2;	  /* from SIGABRT to SIGKILL */
static const unsigned faults_suspect = 2; /* so many deaths, one soon after the other, may have their reason in the store */

enum { TRIAL_DEATHS = 2 };

/* A descriptor that is held. */
struct kept {
	uint64_t id;
	int fd;
	UT_hash_handle hh;
};

/* The program of a live update, until it has served for a while. */
struct trial {
	int program; /* -1: there is none */
	char **words;
	unsigned deaths;
	char failed[256]; /* how the last one has failed; "": it has not, or its successor has been told */
};

struct keeper {
	const struct keeper_options *options;
	struct log *log;
	struct ev_loop *loop;
	struct kept *kept;
	int program;   /* the daemon's, as it was when this keeper started */
	int directory; /* where the command line was given */
	char **words;  /* of the program, if a live update has brought it; else the options have them */
	struct trial trial;
	struct stock_order order;
	pid_t daemon;
	bool is_child;	  /* else somebody else's, and its exit status is not known */
	bool has_served;  /* this daemon */
	bool was_aborted; /* this daemon, because it did not answer */
	bool any_served;
	struct handed *handed; /* for the first daemon; NULL: nothing, or it has it */
	bool must_go_on;       /* even if the first daemon dies: there are guests that count on it */
	bool ending;	       /* no other daemon is to be started */
	int status;	       /* that the keeper ends with */
	unsigned faults;       /* deaths by faults of the daemon's own, one soon after the other */
	double started, last_sign;
	double busy; /* seconds for which it need not give a sign, besides the usual */
	uint64_t heartbeat;
	double pause; /* before the next start */
	int ledger;   /* -1, or where the heartbeat is */
	ev_io channel, death;
	ev_timer restart, watchdog;
	ev_signal terminate, interrupt, hangup;
};

/* ---- what is held ---- */

static void forget(struct keeper *keeper, uint64_t id)
{
	struct kept *kept;

	HASH_FIND(hh, keeper->kept, &id, sizeof(id), kept);
	if (!kept)
		return;
	HASH_DEL(keeper->kept, kept);
	close(kept->fd);
	free(kept);
}

static void keep(struct keeper *keeper, uint64_t id, int fd)
{
	struct kept *kept = calloc(1, sizeof(*kept));

	forget(keeper, id);
	if (!kept) {
		log_error(keeper->log, "keeper: no memory to hold connection %llu", (unsigned long long)id);
		close(fd);
		return;
	}
	kept->id = id;
	kept->fd = fd;
	HASH_ADD(hh, keeper->kept, id, sizeof(kept->id), kept);
}

static void forget_all(struct keeper *keeper)
{
	struct kept *kept, *next;

	HASH_ITER (hh, keeper->kept, kept, next) {
		forget(keeper, kept->id);
	}
}

/* ---- live update ---- */

static void forget_trial(struct keeper *keeper)
{
	if (keeper->trial.program >= 0)
		close(keeper->trial.program);
	free(keeper->trial.words);
	keeper->trial.program = -1;
	keeper->trial.words = NULL;
	keeper->trial.deaths = 0;
}

static void begin_trial(struct keeper *keeper, const struct channel_message *message, int program)
{
	forget_trial(keeper);
	*keeper->trial.failed = 0;
	keeper->trial.words = channel_words(message);
	keeper->trial.program = program;
	if (keeper->trial.words)
		return;
	log_error(keeper->log, "keeper: no memory for the program of a live update");
	forget_trial(keeper);
}

static void end_trial(struct keeper *keeper)
{
	*keeper->trial.failed = 0;
	if (keeper->trial.program < 0)
		return;
	close(keeper->program);
	free(keeper->words);
	keeper->program = keeper->trial.program;
	keeper->words = keeper->trial.words;
	keeper->trial.program = -1;
	keeper->trial.words = NULL;
	forget_trial(keeper);
}

/* Twice is enough: then the last one that has served is started again. */
static void count_death(struct keeper *keeper, const char *how)
{
	if (keeper->trial.program < 0 || ++keeper->trial.deaths < TRIAL_DEATHS)
		return;
	snprintf(keeper->trial.failed, sizeof(keeper->trial.failed),
		 "The new program %s soon after it took over, the last time of %u. The old one is back.", how, TRIAL_DEATHS);
	log_error(keeper->log, "keeper: the program of the live update %s again; back to the one before", how);
	forget_trial(keeper);
}

static int tell_of_update(const struct keeper *keeper, int channel)
{
	struct channel_message message = {.kind = CHANNEL_FAILED};

	if (keeper->trial.program >= 0)
		return channel_send_short(channel, CHANNEL_TRIAL, 0, -1);
	if (!*keeper->trial.failed)
		return 0;
	message.text_len = (uint32_t)snprintf(message.text, sizeof(message.text), "%s", keeper->trial.failed);
	return channel_send(channel, &message, -1);
}

/* ---- a stock daemon takes over ---- */

/* Descriptors stay the keeper's. */
static int lend_sockets(const struct keeper *keeper, struct held_list *out)
{
	int error = 0;

	for (const struct kept *kept = keeper->kept; kept && !error; kept = kept->hh.next)
		error = held_add(out, kept->id, kept->fd);
	return error;
}

/* Returns only if that has failed: then the daemon is started again, and whoever has asked learns why. */
static void execute_stock(struct keeper *keeper)
{
	struct held_list sockets = {0};

	if (!stock_order_is_there(&keeper->order))
		return;
	int error = lend_sockets(keeper, &sockets);
	if (!error)
		error = stock_order_run(&keeper->order, &sockets, keeper->directory, keeper->log);
	free(sockets.all);
	snprintf(keeper->trial.failed, sizeof(keeper->trial.failed), "The new program could not be executed: %s.",
		 strerror(-error));
	stock_order_deinit(&keeper->order);
}

/* ---- the channel ---- */

static void write_pid_file(const struct keeper *keeper)
{
	const char *path = keeper->options->pid_file;
	FILE *file = path ? fopen(path, "we") : NULL;

	if (path && (!file || fprintf(file, "%ld\n", (long)getpid()) < 0 || fclose(file)))
		log_error(keeper->log, "pid file %s: %s", path, strerror(errno));
}

static void signal_daemon(const struct keeper *keeper, int signal)
{
	syscall(SYS_pidfd_send_signal, keeper->death.fd, signal, NULL, 0);
}

/* This process is the one to be signalled. */
static void announce(struct keeper *keeper)
{
	keeper->any_served = true;
	write_pid_file(keeper);
	if (keeper->options->serving)
		keeper->options->serving(keeper->options->context);
}

static void note_sign(struct keeper *keeper, double busy)
{
	keeper->last_sign = ev_now(keeper->loop);
	keeper->busy = busy;
}

static void note_serving(struct keeper *keeper, const char *ledger_path)
{
	if (keeper->ledger >= 0)
		close(keeper->ledger);
	keeper->ledger = *ledger_path ? open(ledger_path, O_RDONLY | O_CLOEXEC) : -1;
	note_sign(keeper, 0);
	keeper->has_served = true;
	if (keeper->ending)
		signal_daemon(keeper, SIGTERM);
	if (!keeper->any_served)
		announce(keeper);
}

static void handle(struct keeper *keeper, const struct channel_message *message, int fd)
{
	switch (message->kind) {
	case CHANNEL_HOLD:
		if (fd >= 0)
			keep(keeper, message->id, fd);
		return;
	case CHANNEL_DROP:
		forget(keeper, message->id);
		break;
	case CHANNEL_SERVING:
		note_serving(keeper, message->text);
		break;
	case CHANNEL_ENDING:
		keeper->ending = true;
		break;
	case CHANNEL_BUSY:
		note_sign(keeper, (double)message->id);
		break;
	case CHANNEL_UPDATE:
		if (fd >= 0)
			begin_trial(keeper, message, fd);
		return;
	case CHANNEL_LEAVE_EVENTS:
	case CHANNEL_LEAVE_PORTS:
	case CHANNEL_LEAVE:
		stock_order_note(&keeper->order, message, fd);
		return;
	case CHANNEL_PROVED:
		end_trial(keeper);
		break;
	default: /* of a newer daemon */
		break;
	}
	if (fd >= 0)
		close(fd);
}

/* All that has come. False: there will be no more. */
static bool read_channel(struct keeper *keeper)
{
	struct channel_message message;
	int fd, error;

	do {
		error = channel_receive(keeper->channel.fd, &message, &fd);
		if (!error)
			handle(keeper, &message, fd);
		else if (error == -EPROTO)
			log_error(keeper->log, "keeper: a message is not understood; perhaps a connection cannot be held: %s",
				  strerror(EMFILE));
	} while (!error || error == -EPROTO);
	return error == -EAGAIN;
}

static void channel_event(struct ev_loop *loop, ev_io *io, int events)
{
	(void)events;
	if (!read_channel(io->data))
		ev_io_stop(loop, io); /* its process ends, or will be found hanging */
}

static void watch_channel(struct keeper *keeper, int fd)
{
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	ev_io_set(&keeper->channel, fd, EV_READ);
	ev_io_start(keeper->loop, &keeper->channel);
}

/* ---- starting ---- */

/* The daemon may end a keeper that hangs. */
static int introduce(int channel)
{
	int process = (int)syscall(SYS_pidfd_open, getpid(), 0);

	if (process < 0)
		return -errno;
	int error = channel_send_short(channel, CHANNEL_KEEPER, 0, process);
	close(process);
	return error;
}

/* False: it dies, or hangs. */
static bool hand_over(const struct keeper *keeper, int channel)
{
	const double seconds = keeper->options->watchdog_seconds;
	const struct timeval limit = {.tv_sec = seconds < 1 ? seconds > 0 : (time_t)seconds};
	const struct kept *kept;

	setsockopt(channel, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	int error = introduce(channel);
	for (kept = keeper->kept; kept && !error; kept = kept->hh.next)
		error = channel_send_short(channel, CHANNEL_HELD, kept->id, kept->fd);
	if (!error)
		error = tell_of_update(keeper, channel);
	if (!error)
		error = channel_send_short(channel, CHANNEL_ALL, 0, -1);
	return !error;
}

/* Descriptors that go along: the channel, the file that describes all, the event channels, the sockets. */
static int *descriptors_of(const struct handed *handed, int channel, int description, size_t *n)
{
	int *all = calloc(handed->sockets.n + 3, sizeof(*all));

	if (!all)
		return NULL;
	all[0] = channel;
	all[1] = description;
	*n = 2;
	if (handed->events >= 0)
		all[(*n)++] = handed->events;
	for (size_t i = 0; i < handed->sockets.n; i++)
		all[(*n)++] = handed->sockets.all[i].fd;
	return all;
}

/* In the new process: the daemon is started as one that takes over. Never returns. */
static void execute_handed(const struct keeper *keeper, int channel)
{
	struct handed_writer *writer = handed_writer_new();
	char number[16];
	size_t n;

	if (!writer)
		_exit(EXIT_FAILURE);
	handed_add_descriptor(writer, HANDOVER_KEEPER, 0, channel);
	handed_add_all(writer, keeper->handed);
	int description = handed_finish(writer);
	int *descriptors = descriptors_of(keeper->handed, channel, description, &n);
	if (description < 0 || !descriptors)
		_exit(EXIT_FAILURE);
	snprintf(number, sizeof(number), "%d", description);
	setenv(HANDOVER_VARIABLE, number, 1);
	process_execute(keeper->program, keeper->directory, keeper->options->arguments, descriptors, n);
}

/* The sockets stay with the keeper; that of the event channels must not, or their ports would outlive the daemon. */
static bool take_handed(struct keeper *keeper, int channel)
{
	struct handed *handed = keeper->handed;

	for (size_t i = 0; i < handed->sockets.n; i++) {
		keep(keeper, handed->sockets.all[i].id, handed->sockets.all[i].fd);
		handed->sockets.all[i].fd = -1;
	}
	handed_deinit(handed);
	keeper->handed = NULL;
	return !introduce(channel);
}

/* In the new process. */
static void become_daemon(const struct keeper *keeper, int channel)
{
	char words[64];

	if (keeper->handed)
		execute_handed(keeper, channel);
	snprintf(words, sizeof(words), "%d%s%s", channel, keeper->any_served ? KEEPER_AGAIN : "",
		 keeper->faults >= faults_suspect ? KEEPER_SUSPECTS : "");
	setenv(KEEPER_CHANNEL_VARIABLE, words, 1);
	if (keeper->trial.program >= 0)
		process_execute(keeper->trial.program, keeper->directory, keeper->trial.words, &channel, 1);
	char **words_of_program = keeper->words ? keeper->words : keeper->options->arguments;
	process_execute(keeper->program, keeper->directory, words_of_program, &channel, 1);
}

static int watch_process(struct keeper *keeper, pid_t pid, int process)
{
	if (process < 0)
		return -errno;
	fcntl(process, F_SETFD, FD_CLOEXEC);
	keeper->daemon = pid;
	keeper->has_served = keeper->was_aborted = false;
	ev_now_update(keeper->loop);
	keeper->started = ev_now(keeper->loop);
	note_sign(keeper, 0);
	ev_io_set(&keeper->death, process, EV_READ);
	ev_io_start(keeper->loop, &keeper->death);
	if (keeper->options->watchdog_seconds > 0)
		ev_timer_again(keeper->loop, &keeper->watchdog);
	return 0;
}

static int start(struct keeper *keeper)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
		return -errno;
	pid_t pid = process_fork();
	if (!pid)
		become_daemon(keeper, ends[1]);
	int error = pid < 0 ? -errno : 0;
	close(ends[1]);
	if (!error)
		error = watch_process(keeper, pid, (int)syscall(SYS_pidfd_open, pid, 0));
	if (error) {
		close(ends[0]);
		return error;
	}
	keeper->is_child = true;
	bool is_told = keeper->handed ? take_handed(keeper, ends[0]) : hand_over(keeper, ends[0]);
	if (!is_told)
		signal_daemon(keeper, SIGKILL);
	watch_channel(keeper, ends[0]);
	return 0;
}

static void start_again(struct keeper *keeper)
{
	int error = start(keeper);

	if (!error)
		return;
	log_error(keeper->log, "keeper: the daemon cannot be started: %s", strerror(-error));
	keeper->restart.repeat = keeper->pause < pause_least ? pause_least : keeper->pause;
	keeper->pause = keeper->restart.repeat < pause_failed ? 2 * keeper->restart.repeat : pause_failed;
	ev_timer_again(keeper->loop, &keeper->restart);
}

static void restart_event(struct ev_loop *loop, ev_timer *timer, int events)
{
	(void)events;
	ev_timer_stop(loop, timer);
	start_again(timer->data);
}

/* ---- death ---- */

/* Is it one that a damaged store may lead to? Whoever sends SIGKILL or SIGTERM has reasons of his own. */
static bool is_fault(int status)
{
	static const int signals[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGXCPU, SIGTRAP, SIGSYS};

	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		if (WIFSIGNALED(status) && WTERMSIG(status) == signals[i])
			return true;
	return WIFEXITED(status);
}

/* Text for the log; returns whether the death was its own fault, as far as is known. */
static bool describe_death(const struct keeper *keeper, char *text, size_t size)
{
	int status;

	if (!keeper->is_child || waitpid(keeper->daemon, &status, 0) < 0) {
		snprintf(text, size, "has died");
		return true;
	}
	if (WIFSIGNALED(status))
		snprintf(text, size, "has died of signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		snprintf(text, size, "has ended with status %d", WEXITSTATUS(status));
	return is_fault(status) || keeper->was_aborted;
}

/* The first restart after a while of good service is at once. */
static void plan_restart(struct keeper *keeper, const char *how, bool is_fault)
{
	double lived = ev_now(keeper->loop) - keeper->started, most = keeper->options->pause_most;

	if (keeper->has_served && lived > steady_seconds)
		keeper->pause = 0;
	if (keeper->has_served && lived > healthy_seconds)
		keeper->faults = 0;
	keeper->faults += is_fault;
	double pause = keeper->pause < most ? keeper->pause : most;
	if (pause > 0)
		log_error(keeper->log, "keeper: the daemon (process %ld) %s after %.1f s; started again in %.2f s",
			  (long)keeper->daemon, how, lived, pause);
	else
		log_error(keeper->log, "keeper: the daemon (process %ld) %s after %.1f s; started again at once",
			  (long)keeper->daemon, how, lived);
	keeper->daemon = 0;
	keeper->pause = pause < pause_least ? pause_least : 2 * pause;
	if (pause > 0) {
		keeper->restart.repeat = pause;
		ev_timer_again(keeper->loop, &keeper->restart);
	} else {
		start_again(keeper);
	}
}

static void death_event(struct ev_loop *loop, ev_io *io, int events)
{
	struct keeper *keeper = io->data;
	char how[80];

	(void)events;
	read_channel(keeper);
	ev_io_stop(loop, &keeper->channel);
	close(keeper->channel.fd);
	ev_io_stop(loop, io);
	close(io->fd);
	ev_timer_stop(loop, &keeper->watchdog);
	bool is_fault = describe_death(keeper, how, sizeof(how));
	if (keeper->ending || (!keeper->any_served && !keeper->must_go_on)) {
		keeper->status = keeper->ending ? EXIT_SUCCESS : EXIT_FAILURE;
		keeper->daemon = 0;
		ev_break(loop, EVBREAK_ALL);
		return;
	}
	execute_stock(keeper);
	count_death(keeper, how);
	plan_restart(keeper, how, is_fault);
}

/* A daemon that serves changes its heartbeat, another one sends messages. */
static void look_for_sign(struct keeper *keeper)
{
	uint64_t heartbeat;

	if (!keeper->has_served || keeper->ledger < 0)
		return;
	channel_send_short(keeper->channel.fd, CHANNEL_PING, 0, -1); /* if it is full, it is not read */
	if (pread(keeper->ledger, &heartbeat, sizeof(heartbeat), offsetof(struct ledger_header, heartbeat)) !=
		sizeof(heartbeat) ||
	    heartbeat == keeper->heartbeat)
		return;
	keeper->heartbeat = heartbeat;
	note_sign(keeper, 0);
}

static void watchdog_event(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct keeper *keeper = timer->data;
	double limit = keeper->was_aborted ? abort_seconds : keeper->options->watchdog_seconds + keeper->busy;

	(void)events;
	look_for_sign(keeper);
	if (ev_now(loop) - keeper->last_sign < limit)
		return;
	log_error(keeper->log, "keeper: the daemon (process %ld) %s for %.0f s; it is ended", (long)keeper->daemon,
		  keeper->has_served ? "does not answer" : "does not get on with its start", ev_now(loop) - keeper->last_sign);
	signal_daemon(keeper, keeper->was_aborted ? SIGKILL : SIGABRT);
	keeper->was_aborted = true;
	keeper->last_sign = ev_now(loop);
}

/* ---- signals ---- */

static void pass_on(struct ev_loop *loop, ev_signal *signal, int events)
{
	struct keeper *keeper = signal->data;

	(void)events;
	if (signal->signum != SIGHUP)
		keeper->ending = true;
	bool has_to_wait = keeper->any_served && !keeper->has_served;
	if (keeper->daemon && has_to_wait && keeper->ending) {
		/* It could not end cleanly yet: it is told once it serves. */
	} else if (keeper->daemon) {
		signal_daemon(keeper, signal->signum);
	} else if (keeper->ending) {
		keeper->status = EXIT_SUCCESS;
		ev_break(loop, EVBREAK_ALL);
	}
}

static void watch_signal(struct keeper *keeper, ev_signal *watcher, int signum)
{
	ev_signal_init(watcher, pass_on, signum);
	watcher->data = keeper;
	ev_signal_start(keeper->loop, watcher);
}

/* ---- the whole ---- */

static double watchdog_period(double limit)
{
	double period = limit / 4 < look_seconds ? limit / 4 : look_seconds;

	return period < look_least_seconds ? look_least_seconds : period;
}

static int init(struct keeper *keeper)
{
	keeper->program = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	if (keeper->program < 0)
		return -errno;
	keeper->directory = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	keeper->loop = ev_loop_new(EVFLAG_AUTO);
	if (!keeper->loop)
		return -ENOSYS;
	signal(SIGPIPE, SIG_IGN);
	ev_init(&keeper->channel, channel_event);
	keeper->channel.data = keeper;
	ev_init(&keeper->death, death_event);
	keeper->death.data = keeper;
	ev_init(&keeper->restart, restart_event);
	keeper->restart.data = keeper;
	keeper->restart.repeat = pause_least;
	ev_init(&keeper->watchdog, watchdog_event);
	keeper->watchdog.data = keeper;
	keeper->watchdog.repeat = watchdog_period(keeper->options->watchdog_seconds);
	watch_signal(keeper, &keeper->terminate, SIGTERM);
	watch_signal(keeper, &keeper->interrupt, SIGINT);
	watch_signal(keeper, &keeper->hangup, SIGHUP);
	return 0;
}

static void deinit(struct keeper *keeper)
{
	forget_all(keeper);
	if (keeper->ledger >= 0)
		close(keeper->ledger);
	forget_trial(keeper);
	stock_order_deinit(&keeper->order);
	free(keeper->words);
	if (keeper->program >= 0)
		close(keeper->program);
	if (keeper->directory >= 0)
		close(keeper->directory);
	if (keeper->loop)
		ev_loop_destroy(keeper->loop);
	if (keeper->options->pid_file && keeper->any_served)
		unlink(keeper->options->pid_file);
}

/* Whatever becomes of the daemon now, what it has sent is in the channel. */
static int take_over(struct keeper *keeper)
{
	int error = watch_process(keeper, keeper->options->daemon, keeper->options->process);

	if (error)
		return error;
	introduce(keeper->options->channel);
	watch_channel(keeper, keeper->options->channel);
	announce(keeper);
	return 0;
}

bool keeper_parse_daemon(const char *words, struct keeper_options *options)
{
	int channel, process;
	long pid;

	if (sscanf(words, "%d,%d,%ld", &channel, &process, &pid) != 3 || pid <= 0)
		return false;
	options->channel = channel;
	options->process = process;
	options->daemon = (pid_t)pid;
	return true;
}

int keeper_run(const struct keeper_options *options)
{
	struct keeper keeper = {.options = options,
				.log = options->log,
				.ledger = -1,
				.program = -1,
				.directory = -1,
				.trial = {.program = -1},
				.order = STOCK_ORDER_NONE,
				.handed = options->handed,
				.must_go_on = options->handed,
				.status = EXIT_FAILURE};
	int error = init(&keeper);

	if (!error)
		error = options->daemon ? take_over(&keeper) : start(&keeper);
	if (error)
		log_error(options->log, "keeper: %s", strerror(-error));
	else
		ev_run(keeper.loop, 0);
	deinit(&keeper);
	return keeper.status;
}
