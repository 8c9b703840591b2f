/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The keeper is stopped while its daemon dies, until the file that is left has been looked at; it finds out about the death then.
 */
#include "kill/loose.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kill/place.h"
#include "kill/story.h"

enum {
	STORY_MICROSECONDS = 12000, /* about as long as it takes */
	START_MICROSECONDS = 6000,
	IDLE_MICROSECONDS = 100,
	IDLE_SECONDS = 20,
	DEATHS_MAX = 4 /* a request that has ended more daemons is not run again */
};

struct loose {
	struct kill_run *run;
	struct random *chance;
	struct kill_place place;
	struct cast cast;
	struct random random;
	int64_t strike; /* when the daemon is to be killed, in microseconds; 0: it is not */
};

static int64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (int64_t)time.tv_sec * 1000000 + time.tv_nsec / 1000;
}

static void pause_for(int64_t microseconds)
{
	const struct timespec time = {.tv_nsec = (long)microseconds * 1000};

	nanosleep(&time, NULL);
}

static void plan_strike(struct loose *loose)
{
	bool strikes = loose->run->deaths < DEATHS_MAX && (!loose->run->deaths || random_below(loose->chance, 2));

	loose->strike = strikes ? now() + 1 + random_below(loose->chance, STORY_MICROSECONDS) : 0;
}

/* ---- processes ---- */

static void prepare(const void *context)
{
	sim_enter(context);
}

static void begin(struct loose *loose)
{
	struct kill_place *place = &loose->place;
	const char *words[KILL_WORDS];

	place_words(place, loose->run, words);
	if (daemon_begin(&place->daemon, words, prepare, place->sim))
		abort();
}

/* Of the process that serves; 0: there is none at the moment. */
static pid_t serving_process(const struct loose *loose)
{
	pid_t process = loose->place.daemon.pid;

	return loose->run->held && process ? daemon_child(process) : process;
}

/* Until it is dead; it need not be a child of this process. */
static void kill_process(pid_t process)
{
	int descriptor = (int)syscall(SYS_pidfd_open, process, 0);
	struct pollfd death = {.fd = descriptor, .events = POLLIN};

	kill(process, SIGKILL);
	while (descriptor >= 0 && poll(&death, 1, -1) < 0 && errno == EINTR)
		continue;
	close(descriptor);
}

/* Until somebody can connect, which may be the listening socket that the keeper holds. */
static void await_socket(struct loose *loose)
{
	int64_t end = now() + (int64_t)IDLE_SECONDS * 1000000;
	int status;

	while (daemon_try_to_connect(&loose->place.daemon)) {
		if (waitpid(loose->place.daemon.pid, &status, WNOHANG)) {
			loose->place.daemon.pid = 0;
			place_note_end(&loose->place, &loose->cast, status);
			return;
		}
		if (now() > end) {
			cast_note_wrong(&loose->cast, "the daemon does not serve");
			return;
		}
		pause_for(500);
	}
}

/* ---- deaths ---- */

/* One daemon dies. False: there was none. */
static bool strike(struct loose *loose)
{
	pid_t keeper = loose->run->held ? loose->place.daemon.pid : 0, process;

	if (keeper)
		kill(keeper, SIGSTOP);
	process = serving_process(loose);
	if (process) {
		kill_process(process);
		if (!keeper)
			daemon_wait(&loose->place.daemon, NULL);
		loose->run->deaths++;
		cast_is_dead(&loose->cast, loose->place.daemon.store);
		for (int i = 0; i < 3; i++)
			cast_move(&loose->cast, &loose->random);
	}
	if (keeper)
		kill(keeper, SIGCONT);
	else
		begin(loose);
	return process;
}

static void die(struct loose *loose)
{
	if (!strike(loose))
		return;
	while (loose->run->deaths < DEATHS_MAX && !random_below(loose->chance, 3) && !*loose->cast.wrong) {
		pause_for(random_below(loose->chance, START_MICROSECONDS));
		strike(loose);
	}
	if (!loose->run->held && !*loose->cast.wrong) {
		await_socket(loose);
		cast_is_served(&loose->cast);
	}
	plan_strike(loose);
}

/* ---- the story ---- */

static void play_until_quiet(struct loose *loose)
{
	int64_t last = now();

	while (!*loose->cast.wrong && !cast_is_quiet(&loose->cast)) {
		if (loose->strike && now() > loose->strike)
			die(loose);
		if (cast_move(&loose->cast, &loose->random))
			last = now();
		else
			pause_for(IDLE_MICROSECONDS);
		if (now() - last > (int64_t)IDLE_SECONDS * 1000000)
			cast_note_wrong(&loose->cast, "answers or events are missing");
	}
}

static void play_lines(struct loose *loose, const struct story_line *line)
{
	for (; line->what && !*loose->cast.wrong; line++) {
		if (cast_play_line(&loose->cast, line))
			continue;
		play_until_quiet(loose);
		loose->cast.phase++;
	}
	play_until_quiet(loose);
	loose->cast.phase++;
}

void kill_run_play_loosely(struct kill_run *run, const char *directory, struct random *chance)
{
	struct loose loose = {.run = run, .chance = chance, .random = {run->seed}};

	place_init(&loose.place, directory);
	place_cast(&loose.place, run, &loose.cast);
	begin(&loose);
	await_socket(&loose);
	cast_is_served(&loose.cast);
	play_lines(&loose, story_before);
	cast_begin_anew(&loose.cast);
	plan_strike(&loose);
	play_lines(&loose, story);
	if (loose.run->held && loose.place.daemon.pid)
		kill(loose.place.daemon.pid, SIGSTOP);
	pid_t process = serving_process(&loose);
	if (process)
		kill_process(process);
	if (!*loose.cast.wrong)
		cast_is_over(&loose.cast, loose.place.daemon.store);
	place_tell_results(&loose.cast, run);
	cast_deinit(&loose.cast);
	place_deinit(&loose.place);
}
