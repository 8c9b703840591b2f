/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * First the file is looked at; then the program is run in a child, with the arguments that it is to have, to prove that it
 * understands them and reads store and ledger. What it says, and how it ends, comes as events of the loop. Only then the loop is
 * left, between two turns, and the program is executed in this process: its number, its descriptors and the ports of its event
 * channels stay what they are, and what follows is the start that follows a death.
 */
#include "handover/update.h"

#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "handover/keeper.h"
#include "handover/leave.h"
#include "handover/program.h"
#include "lxenstored/handover_format.h"
#include "lxenstored/ledger_format.h"

enum { OUTPUT_MAX = LIVE_UPDATE_TEXT / 2, ARGUMENTS_BYTES_MAX = 4096 };

struct update {
	struct update_options options;
	struct updater updater;
	struct log *log;
	int self, directory; /* this program's file, and where its command line was given */

	/* What is being done. */
	struct program program;
	struct stock stock; /* that it is one of the stock daemons */
	char **words;	    /* its command line, one block of memory; of a stock daemon that of the trial, */
	char **stock_words; /* and this */
	pid_t child;	    /* that proves it; 0: none */
	uint32_t seconds;
	bool force;
	ev_io death, output;
	ev_timer limit;
	char text[OUTPUT_MAX]; /* the end of what the child has said */
	size_t text_len;
	bool is_due;

	ev_timer trial;
	bool is_trial; /* the while that follows an update */
};

static struct turn *turn_of(const struct update *update)
{
	return update->options.front->turn;
}

/* ---- formats ---- */

static int set_formats(const struct update *update, uint32_t store, uint32_t ledger)
{
	struct turn *turn = turn_of(update);
	int fault = store == turn->store->meta.version ? 0 : store_set_version(turn->store, store);

	if (!fault && ledger != ledger_version(turn->ledger))
		ledger_set_version(turn->ledger, ledger);
	return fault;
}

/* The number nearest to `now` that both this program and the other one can write; `now` if there is none. */
static uint32_t lower(uint32_t now, uint32_t own_oldest, uint32_t oldest, uint32_t newest)
{
	return newest < now && newest >= own_oldest && newest >= oldest ? newest : now;
}

/* An older program may take over as long as this one can write its formats. */
static bool meet_formats(const struct update *update, const struct program_formats *formats, char *why)
{
	const struct turn *turn = turn_of(update);
	uint32_t store = lower(turn->store->meta.version, STORE_VERSION_OLDEST, formats->store_oldest, formats->store_newest);
	uint32_t ledger =
	    lower(ledger_version(turn->ledger), LEDGER_VERSION_OLDEST, formats->ledger_oldest, formats->ledger_newest);

	if (program_understands(formats, store, ledger, why, LIVE_UPDATE_TEXT))
		return false;
	int fault = set_formats(update, store, ledger);
	if (fault)
		snprintf(why, LIVE_UPDATE_TEXT, "The store's format cannot be changed: %s.", strerror(-fault));
	return !fault;
}

static void raise_formats(const struct update *update)
{
	int fault = set_formats(update, STORE_VERSION, LEDGER_VERSION);

	if (fault)
		log_warning(update->log, "the store keeps its older format: %s", strerror(-fault));
}

/* ---- the command line ---- */

static size_t count_words(const char *text)
{
	size_t n = 0;

	for (const char *at = text; *at; at += strcspn(at, " \t")) {
		at += strspn(at, " \t");
		n += *at != 0;
	}
	return n;
}

/* One block: pointers, then copies of the strings. */
static char **copy_words(const char *program, char *const *arguments, const char *text)
{
	size_t n = 1, len = strlen(program) + 1;

	if (text) {
		n += count_words(text);
		len += strlen(text) + 1;
	} else {
		for (; arguments[n]; n++)
			len += strlen(arguments[n]) + 1;
	}
	char **words = malloc((n + 1) * sizeof(*words) + len);
	char *to = (char *)(words + n + 1), *rest;
	if (!words || len > ARGUMENTS_BYTES_MAX) {
		free(words);
		return NULL;
	}
	words[0] = strcpy(to, program);
	to += strlen(program) + 1;
	if (text) {
		words[1] = strtok_r(strcpy(to, text), " \t", &rest);
		for (size_t i = 2; i <= n; i++)
			words[i] = strtok_r(NULL, " \t", &rest);
	} else {
		for (size_t i = 1; i < n; i++) {
			words[i] = strcpy(to, arguments[i]);
			to += strlen(to) + 1;
		}
	}
	words[n] = NULL;
	return words;
}

/* ---- the end of an attempt ---- */

static void stop_watching(struct update *update)
{
	struct ev_loop *loop = update->options.front->loop;

	front_stop_timer(update->options.front, &update->limit);
	ev_io_stop(loop, &update->death);
	ev_io_stop(loop, &update->output);
	if (update->death.fd >= 0)
		close(update->death.fd);
	if (update->output.fd >= 0)
		close(update->output.fd);
	update->death.fd = update->output.fd = -1;
	update->child = 0;
}

static void forget(struct update *update)
{
	program_close(&update->program);
	free(update->words);
	free(update->stock_words);
	update->words = update->stock_words = NULL;
	update->stock = (struct stock){0};
}

static void give_up(struct update *update)
{
	if (update->child) {
		kill(update->child, SIGKILL);
		waitpid(update->child, NULL, 0);
	}
	stop_watching(update);
	forget(update);
	raise_formats(update);
}

static void fail(struct update *update, const char *why)
{
	log_error(update->log, "no update to %s: %s", update->words[0], why);
	give_up(update);
	live_update_answer(turn_of(update), why);
}

/* ---- the proof ---- */

static void read_output(struct update *update)
{
	char piece[256];
	ssize_t n;

	while ((n = read(update->output.fd, piece, sizeof(piece))) > 0) {
		size_t room = sizeof(update->text) - 1 - update->text_len, len = (size_t)n;
		if (len > room) { /* its last words count */
			size_t too_much = len - room;
			memmove(update->text, update->text + too_much, update->text_len - too_much);
			update->text_len -= too_much;
		}
		memcpy(update->text + update->text_len, piece, len);
		update->text_len += len;
	}
	update->text[update->text_len] = 0;
}

static bool is_file(const char *path, unsigned long long device, unsigned long long inode)
{
	struct stat status;

	return !stat(path, &status) && status.st_dev == device && status.st_ino == inode;
}

/* NULL: it is proved; else what is wrong. */
static const char *wrong_with_proof(const struct update *update)
{
	unsigned long long store[2], ledger[2];
	int serves_rings;
	const char *line = strstr(update->text, "lxenstored-proof ");

	if (!line || sscanf(line, PROOF_FORMAT, &store[0], &store[1], &ledger[0], &ledger[1], &serves_rings) != 5)
		return "it has proved nothing.";
	if (!is_file(update->options.store, store[0], store[1]) || !is_file(update->options.ledger, ledger[0], ledger[1]))
		return "its arguments name another store.";
	if (update->options.serves_rings != (serves_rings == 1))
		return "its arguments say otherwise about --no-xen.";
	return NULL;
}

/* Nothing stands against it, or it is to be done all the same. Ends the list. */
static bool may_leave(const struct update *update, struct buffer *obstacles, char why[LIVE_UPDATE_TEXT])
{
	buffer_add_nul(obstacles);
	const char *list = obstacles->failed ? "No memory to name it." : obstacles->bytes;
	bool none = !*list;
	if (!none)
		log_warning(update->log, "update: the new program cannot hold all there is:\n%s", list);
	if (!none && !update->force)
		snprintf(why, LIVE_UPDATE_TEXT, "The new program cannot hold all there is; -F goes on without it:\n%s", list);
	buffer_deinit(obstacles);
	return none || update->force;
}

static bool may_leave_now(const struct update *update, char why[LIVE_UPDATE_TEXT])
{
	struct buffer obstacles = {0};

	stock_late_obstacles(&update->stock, turn_of(update), &obstacles);
	return may_leave(update, &obstacles, why);
}

static void judge(struct update *update, int status)
{
	const char *wrong = update->stock.kind ? NULL : wrong_with_proof(update);
	char why[LIVE_UPDATE_TEXT];

	if (WIFSIGNALED(status)) {
		snprintf(why, sizeof(why), "The new program has died of signal %d (%s) while it read store and ledger. %s",
			 WTERMSIG(status), strsignal(WTERMSIG(status)), update->text);
	} else if (WEXITSTATUS(status)) {
		snprintf(why, sizeof(why), "The new program has ended with status %d: %s", WEXITSTATUS(status), update->text);
	} else if (wrong) {
		snprintf(why, sizeof(why), "The new program cannot take over: %s", wrong);
	} else if (may_leave_now(update, why)) {
		update->is_due = true;
		log_notice(update->log, "update: %s takes over", update->words[0]);
		update->options.leave_loop(update->options.context);
		return;
	}
	fail(update, why);
}

static void death_event(struct ev_loop *loop, ev_io *io, int events)
{
	struct update *update = io->data;
	int status = 0;

	(void)loop;
	(void)events;
	if (waitpid(update->child, &status, 0) < 0)
		status = SIGKILL;
	read_output(update);
	stop_watching(update);
	judge(update, status);
}

static void output_event(struct ev_loop *loop, ev_io *io, int events)
{
	(void)events;
	size_t before = ((struct update *)io->data)->text_len;
	read_output(io->data);
	if (before == ((struct update *)io->data)->text_len)
		ev_io_stop(loop, io); /* it has closed it; its end is awaited */
}

static void limit_event(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct update *update = timer->data;
	char why[LIVE_UPDATE_TEXT];

	(void)loop;
	(void)events;
	snprintf(why, sizeof(why), "The new program has not proved within %u s that it can read store and ledger.",
		 update->seconds);
	fail(update, why);
}

/* In the child. */
static _Noreturn void run_proof(const struct update *update, int output)
{
	const struct rlimit none = {0, 0};
	sigset_t no_signals;

	sigemptyset(&no_signals);
	sigprocmask(SIG_SETMASK, &no_signals, NULL);
	signal(SIGPIPE, SIG_DFL);
	setrlimit(RLIMIT_CORE, &none);
	dup2(output, STDOUT_FILENO);
	dup2(output, STDERR_FILENO);
	if (update->directory < 0 || !fchdir(update->directory)) {
		unsetenv(KEEPER_CHANNEL_VARIABLE);
		setenv(PROOF_VARIABLE, "1", 1);
		fexecve(update->program.fd, update->words, environ);
	}
	dprintf(STDERR_FILENO, "it cannot be executed: %s", strerror(errno));
	_exit(127);
}

/* 0 or -errno, and there is no child. */
static int begin_proof(struct update *update)
{
	struct ev_loop *loop = update->options.front->loop;
	int ends[2], process = -1;

	if (pipe2(ends, O_CLOEXEC))
		return -errno;
	pid_t child = fork();
	if (!child)
		run_proof(update, ends[1]);
	int error = child < 0 ? -errno : 0;
	close(ends[1]);
	if (!error) {
		process = (int)syscall(SYS_pidfd_open, child, 0);
		error = process < 0 ? -errno : 0;
	}
	if (error) {
		if (child > 0) {
			kill(child, SIGKILL);
			waitpid(child, NULL, 0);
		}
		close(ends[0]);
		return error;
	}
	fcntl(ends[0], F_SETFL, O_NONBLOCK);
	update->child = child;
	update->text_len = 0;
	*update->text = 0;
	ev_io_set(&update->death, process, EV_READ);
	ev_io_start(loop, &update->death);
	ev_io_set(&update->output, ends[0], EV_READ);
	ev_io_start(loop, &update->output);
	update->limit.repeat = update->seconds;
	front_start_timer(update->options.front, &update->limit);
	return 0;
}

/* ---- what requests ask for ---- */

static bool examine(void *context, const char *path, char why[LIVE_UPDATE_TEXT])
{
	struct program program;
	struct stock stock;

	(void)context;
	enum program_kind kind = program_open(path, &program, why, LIVE_UPDATE_TEXT);
	bool is_stock = kind == PROGRAM_OTHER && stock_recognise(program.fd, &stock);
	program_close(&program);
	return is_stock || kind == PROGRAM_LXENSTORED;
}

/* It shows in a child that it can be executed and understands its arguments. */
static bool start_stock(struct update *update, const struct update_order *order, char why[LIVE_UPDATE_TEXT])
{
	char *const *own = update->options.arguments;
	struct buffer obstacles = {0};

	update->seconds = order->seconds;
	update->force = order->force;
	stock_obstacles(&update->stock, turn_of(update), &obstacles);
	if (!may_leave(update, &obstacles, why)) {
		forget(update);
		return false;
	}
	update->words = stock_words_of_trial(&update->stock, order->program, own, order->arguments);
	update->stock_words = stock_words(&update->stock, order->program, own, order->arguments);
	int error = update->words && update->stock_words ? begin_proof(update) : -ENOMEM;
	if (!error)
		return true;
	snprintf(why, LIVE_UPDATE_TEXT, "No process can be started: %s.", strerror(-error));
	give_up(update);
	return false;
}

static bool start(void *context, const struct update_order *order, char why[LIVE_UPDATE_TEXT])
{
	struct update *update = context;

	enum program_kind kind = program_open(order->program, &update->program, why, LIVE_UPDATE_TEXT);
	if (kind == PROGRAM_OTHER && stock_recognise(update->program.fd, &update->stock))
		return start_stock(update, order, why);
	if (kind != PROGRAM_LXENSTORED) {
		program_close(&update->program);
		return false;
	}
	update->words = copy_words(order->program, update->options.arguments, order->arguments);
	update->seconds = order->seconds;
	bool is_meant = update->words != NULL;
	if (!is_meant)
		snprintf(why, LIVE_UPDATE_TEXT, "The command line is too long.");
	if (is_meant && !meet_formats(update, &update->program.formats, why))
		is_meant = false;
	int error = is_meant ? begin_proof(update) : 0;
	if (error)
		snprintf(why, LIVE_UPDATE_TEXT, "No process can be started: %s.", strerror(-error));
	if (is_meant && !error)
		return true;
	give_up(update);
	return false;
}

static bool cancel(void *context)
{
	struct update *update = context;

	if (!update->child)
		return false;
	log_notice(update->log, "update: cancelled");
	give_up(update);
	return true;
}

/* ---- the while after the start ---- */

static void trial_event(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct update *update = timer->data;
	struct supervisor *supervisor = update->options.supervisor;

	(void)loop;
	(void)events;
	front_stop_timer(update->options.front, timer);
	if (supervisor)
		supervisor->proved(supervisor);
	if (!update->child && !update->is_due)
		raise_formats(update);
	if (update->is_trial)
		live_update_answer(turn_of(update), "OK");
	update->is_trial = false;
}

void update_begin(struct update *update, enum update_origin origin, const char *why)
{
	struct turn *turn = turn_of(update);
	uint64_t connection_id, at;

	if (ledger_owes_update(turn->ledger, &connection_id, &at)) {
		live_update_resume(&turn->update, connection_id, at);
		if (origin == UPDATE_FAILED)
			live_update_answer(turn, why);
		else if (origin == UPDATE_UNKNOWN)
			live_update_answer(turn, "The daemon has died meanwhile; another one goes on.");
	}
	update->is_trial = origin == UPDATE_HANDED;
	front_start_timer(update->options.front, &update->trial);
}

/* ---- taking over ---- */

bool update_is_due(const struct update *update)
{
	return update->is_due;
}

static void execute(const struct update *update, int program, char **words, struct handed_writer *writer)
{
	char number[16];
	sigset_t none;
	int fd = handed_finish(writer);

	if (fd < 0)
		return;
	snprintf(number, sizeof(number), "%d", fd);
	setenv(HANDOVER_VARIABLE, number, 1);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (update->directory < 0 || !fchdir(update->directory))
		fexecve(program, words, environ);
	close(fd);
}

_Noreturn void update_execute(struct update *update, struct handed_writer *writer)
{
	const struct turn *turn = turn_of(update);
	struct supervisor *supervisor = update->options.supervisor;

	ledger_note_update(turn->ledger, turn->update.client_id, turn->update.at);
	if (supervisor)
		supervisor->updating(supervisor, update->program.fd, update->words);
	execute(update, update->program.fd, update->words, writer);
	log_error(update->log, "update: %s cannot be executed: %s", update->words[0], strerror(errno));
	handed_add_descriptor(writer, HANDOVER_FAILED, 0, -1);
	execute(update, update->self, update->options.arguments, writer);
	log_error(update->log, "update: nor can this program: %s", strerror(errno));
	_exit(EXIT_FAILURE);
}

const struct stock *update_stock(const struct update *update)
{
	return update->is_due && update->stock.kind ? &update->stock : NULL;
}

void update_note(const struct update *update)
{
	const struct turn *turn = turn_of(update);

	ledger_note_update(turn->ledger, turn->update.client_id, turn->update.at);
}

/* This program once more, with all it had. */
static _Noreturn void return_to_self(struct update *update, const struct handed *handed)
{
	struct handed_writer *writer = handed_writer_new();

	if (writer) {
		handed_add_all(writer, handed);
		if (update->options.supervisor && update->options.supervisor->channel >= 0)
			handed_add_descriptor(writer, HANDOVER_KEEPER, 0, update->options.supervisor->channel);
		handed_add_descriptor(writer, HANDOVER_FAILED, 0, -1);
		execute(update, update->self, update->options.arguments, writer);
	}
	log_error(update->log, "update: nor can this program: %s", strerror(errno));
	_exit(EXIT_FAILURE);
}

_Noreturn void update_leave(struct update *update, const char *state, const struct handed *handed)
{
	struct supervisor *supervisor = update->options.supervisor;
	const struct leaving leaving = {
	    .stock = update->stock,
	    .state = state,
	    .store = update->options.store,
	    .ledger = update->options.ledger,
	    .handed = handed,
	    .program = update->program.fd,
	    .directory = update->directory,
	    .words = update->stock_words,
	    .log = update->log,
	};

	int error = supervisor && supervisor->leaving ? supervisor->leaving(supervisor, &leaving) : leave(&leaving);
	if (!error)
		_exit(EXIT_SUCCESS);
	log_error(update->log, "update: %s cannot take over: %s", update->stock_words[0], strerror(-error));
	return_to_self(update, handed);
}

/* ---- the whole ---- */

struct update *update_new(const struct update_options *options)
{
	struct update *update = calloc(1, sizeof(*update));

	if (!update)
		return NULL;
	update->options = *options;
	update->log = options->front->turn->log;
	update->program.fd = -1;
	update->self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	update->directory = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	ev_io_init(&update->death, death_event, -1, EV_READ);
	ev_io_init(&update->output, output_event, -1, EV_READ);
	ev_init(&update->limit, limit_event);
	ev_init(&update->trial, trial_event);
	update->trial.repeat = options->trial_seconds > 0 ? options->trial_seconds : 0.001; /* 0 would be never */
	update->death.data = update->output.data = update->limit.data = update->trial.data = update;
	update->updater = (struct updater){update, examine, start, cancel};
	turn_of(update)->update.updater = &update->updater;
	return update;
}

void update_free(struct update *update)
{
	if (!update)
		return;
	turn_of(update)->update.updater = NULL;
	front_stop_timer(update->options.front, &update->trial);
	if (update->child) {
		kill(update->child, SIGKILL);
		waitpid(update->child, NULL, 0);
	}
	stop_watching(update);
	forget(update);
	if (update->self >= 0)
		close(update->self);
	if (update->directory >= 0)
		close(update->directory);
	free(update);
}
