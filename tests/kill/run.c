/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The daemon stands where it waits for something to happen while guests and clients move; then it goes on until it waits again,
 * or until it has come to the point where it is to die. While it is dead the others go on.
 */
#include "kill/run.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "kill/holder.h"
#include "kill/place.h"
#include "kill/story.h"
#include "kill/survivors.h"
#include "kill/tracer.h"

enum { CALL_SECONDS = 60, IDLE_ROUNDS = 40, ROUNDS_WHILE_DEAD = 6 };

struct play {
	struct kill_run *run;
	struct kill_place place;
	struct cast cast;
	struct tracer tracer;
	struct kill_holder holder;
	struct survivors survivors;
	struct random random;
	unsigned life;	 /* of daemons; 1: the first; 0: before the story begins */
	uint64_t before; /* its calls that do not count */
};

static uint32_t calls_so_far(const struct play *play)
{
	return (uint32_t)(play->tracer.calls - play->before);
}

static const struct kill_point *point_of(const struct play *play)
{
	static const struct kill_point never;

	return play->life && play->life <= KILLS_MAX ? &play->run->points[play->life - 1] : &never;
}

/* ---- one step of the daemon ---- */

static void note_call(struct play *play)
{
	uint32_t n = calls_so_far(play);

	if (!play->life || play->life > KILLS_MAX)
		return;
	long **numbers = &play->run->lives[play->life - 1].numbers;
	if (n % 256 == 1)
		*numbers = realloc(*numbers, (n + 256) * sizeof(**numbers));
	if (!*numbers)
		abort();
	(*numbers)[n - 1] = play->tracer.number;
	play->run->lives[play->life - 1].calls = n;
}

static void note_point(struct kill_run *run, const struct kill_point *point)
{
	if (run->n_walk == run->walk_capacity) {
		run->walk_capacity = run->walk_capacity ? 2 * run->walk_capacity : 256;
		run->walk = realloc(run->walk, run->walk_capacity * sizeof(*run->walk));
	}
	if (!run->walk)
		abort();
	run->walk[run->n_walk++] = *point;
}

/* How often it has come to each address since the last call. */
enum { VISITS = 1 << 16 };

struct visits {
	struct {
		uint64_t address;
		uint32_t times;
	} all[VISITS];
};

static uint32_t count_visit(struct visits *visits, uint64_t address)
{
	size_t at = address * UINT64_C(0x9e3779b97f4a7c15) >> 48;

	while (visits->all[at].address && visits->all[at].address != address)
		at = (at + 1) % VISITS;
	visits->all[at].address = address;
	return ++visits->all[at].times;
}

/* From the end of a call to the next one. False: it is dead. An instruction that repeats itself is one address, come to once. */
static bool walk(struct play *play)
{
	struct visits *visits = calloc(1, sizeof(*visits));
	struct instruction next = tracer_look(&play->tracer);
	struct kill_point point = {.when = KILL_AFTER_CALL, .call = calls_so_far(play), .address = next.address};

	if (!visits)
		abort();
	while (!next.is_call && tracer_step(&play->tracer)) {
		play->run->instructions++;
		next = tracer_look(&play->tracer);
		point.step++;
		point.more = next.address == point.address ? point.more + 1 : 0;
		if (!point.more)
			point.times = count_visit(visits, next.address);
		point.address = next.address;
		point.changed = survivors_changed(&play->survivors);
		if (point.changed)
			note_point(play->run, &point);
	}
	free(visits);
	return play->tracer.pid;
}

/* Not beyond the next call, in which it might wait. */
static bool step_and_kill(struct play *play, const struct kill_point *point)
{
	bool is_short = point->address && point->times;
	uint32_t steps = is_short ? point->more : point->step;

	if (is_short && !tracer_run_to(&play->tracer, point->address, point->times))
		play->run->missed++;
	while (play->tracer.pid && steps-- && (is_short || !tracer_look(&play->tracer).is_call) && tracer_step(&play->tracer))
		continue;
	tracer_kill(&play->tracer);
	return false;
}

static bool is_walked(struct play *play)
{
	const struct kill_run *run = play->run;
	uint32_t n = calls_so_far(play);

	return play->life && run->walked == play->life && survivors_are_there(&play->survivors) && n >= run->walked_from &&
	       (!run->walked_to || n <= run->walked_to) && tracer_has_mapped(&play->tracer, "-ledger");
}

/* To the entry or the end of the next call. False: it is dead. */
static bool go_on(struct play *play)
{
	const struct kill_point *point = point_of(play);
	bool is_behind_call = !play->tracer.in_call && calls_so_far(play);

	if (is_behind_call && point->when == KILL_AFTER_CALL && point->call == calls_so_far(play))
		return step_and_kill(play, point);
	if (is_behind_call && is_walked(play) && !walk(play))
		return false;
	if (!tracer_next(&play->tracer, CALL_SECONDS))
		return false;
	if (!play->tracer.in_call)
		return true;
	note_call(play);
	if (point->when == KILL_AT_CALL && point->call == calls_so_far(play)) {
		tracer_kill(&play->tracer);
		return false;
	}
	return true;
}

static bool go_on_to_wait(struct play *play)
{
	do {
		if (!go_on(play))
			return false;
	} while (!tracer_is_waiting(&play->tracer));
	holder_listen(&play->holder);
	return true;
}

/* ---- its beginning ---- */

struct surroundings {
	const struct sim *sim;
	int channel;
};

static void prepare(const void *context)
{
	const struct surroundings *with = context;

	sim_enter(with->sim);
	setenv("XENSIM_FROZEN", "1", 1);
	if (with->channel >= 0)
		holder_pass(with->channel);
	tracer_submit();
}

/* False: it has died before it served. */
static bool start(struct play *play)
{
	struct surroundings with = {play->place.sim, play->run->held ? holder_open(&play->holder) : -1};
	const char *words[KILL_WORDS];

	place_words(&play->place, play->run, words);
	if (daemon_begin(&play->place.daemon, words, prepare, &with))
		abort();
	if (with.channel >= 0)
		close(with.channel);
	play->before = 0;
	if (!tracer_begin(&play->tracer, play->place.daemon.pid) || !go_on_to_wait(play))
		return false;
	cast_is_served(&play->cast);
	return true;
}

/* ---- its death ---- */

static void begin_life(struct play *play, unsigned life)
{
	play->life = life;
	if (life == play->run->walked)
		survivors_map(&play->survivors, play->place.daemon.store, sim_directory(play->place.sim),
			      !strcmp(play->run->mode, "map"));
}

static bool was_killed(const struct play *play)
{
	return WIFSIGNALED(play->tracer.status) && WTERMSIG(play->tracer.status) == SIGKILL && point_of(play)->when != KILL_NEVER;
}

/* Until one serves. */
static void come_back(struct play *play)
{
	bool is_served;

	do {
		if (!was_killed(play)) {
			place_note_end(&play->place, &play->cast, play->tracer.status);
			return;
		}
		play->run->deaths++;
		cast_is_dead(&play->cast, play->place.daemon.store);
		for (int i = 0; i < ROUNDS_WHILE_DEAD; i++)
			cast_move(&play->cast, &play->random);
		if (*play->cast.wrong)
			return;
		begin_life(play, play->life + 1);
		is_served = start(play);
	} while (!is_served);
}

/* ---- the story ---- */

/* Of a child that has ended and is not waited for yet: false. */
static bool has_working_child(pid_t pid)
{
	char path[64], state = 0;
	int child = 0;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", pid, pid);
	FILE *file = fopen(path, "re");
	if (file && fscanf(file, "%d", &child) != 1)
		child = 0;
	if (file)
		fclose(file);
	snprintf(path, sizeof(path), "/proc/%d/stat", child);
	file = child ? fopen(path, "re") : NULL;
	if (file && fscanf(file, "%*d (%*[^)]) %c", &state) != 1)
		state = 0;
	if (file)
		fclose(file);
	return state && state != 'Z' && state != 'X';
}

/*
 * Something has happened that the daemon waits for. What a child of its is to do is done at once. If nothing else happens, some
 * time passes for the daemon when it looks at the clock, and it may have waited for that.
 */
static bool has_news(const struct play *play)
{
	const struct timespec moment = {.tv_nsec = 100000};

	while (play->run->updated && has_working_child(play->tracer.pid))
		nanosleep(&moment, NULL);
	return tracer_has_news(&play->tracer);
}

/* Everybody moves, then the daemon if it may have something to do. */
static void play_round(struct play *play, unsigned *idle)
{
	bool has_moved = cast_move(&play->cast, &play->random), news = has_news(play);

	*idle = has_moved || news ? 0 : *idle + 1;
	if (*play->cast.wrong || (*idle && cast_is_quiet(&play->cast)) || (has_moved && !news))
		return;
	if (*idle > IDLE_ROUNDS || (*idle && !tracer_has_timer(&play->tracer)))
		cast_note_wrong(&play->cast, "answers or events are missing");
	else if (!go_on_to_wait(play))
		come_back(play);
}

static void play_until_quiet(struct play *play)
{
	unsigned idle = 0;

	do
		play_round(play, &idle);
	while (!*play->cast.wrong && !(cast_is_quiet(&play->cast) && idle));
}

static void play_lines(struct play *play, const struct story_line *line)
{
	for (; line->what && !*play->cast.wrong; line++) {
		if (cast_play_line(&play->cast, line))
			continue;
		play_until_quiet(play);
		play->cast.phase++;
	}
	if (!*play->cast.wrong)
		play_until_quiet(play);
	play->cast.phase++;
}

static void play_to_the_end(struct play *play)
{
	play_lines(play, story_before);
	if (*play->cast.wrong)
		return;
	cast_begin_anew(&play->cast);
	begin_life(play, 1);
	play->before = play->tracer.calls;
	play_lines(play, story);
	tracer_kill(&play->tracer);
	if (*play->cast.wrong)
		return;
	cast_is_over(&play->cast, play->place.daemon.store);
	if (!*play->cast.wrong && play->run->walked && survivors_are_too_many(&play->survivors))
		cast_note_wrong(&play->cast, "ledger or store is larger than what is compared");
}

void kill_run_play(struct kill_run *run, const char *directory)
{
	struct play play = {.run = run, .random = {run->seed}};

	holder_init(&play.holder);
	survivors_init(&play.survivors);
	place_init(&play.place, directory);
	place_cast(&play.place, run, &play.cast);
	if (start(&play))
		play_to_the_end(&play);
	else
		place_note_end(&play.place, &play.cast, play.tracer.status);
	tracer_kill(&play.tracer);
	play.place.daemon.pid = 0;
	place_tell_results(&play.cast, run);
	cast_deinit(&play.cast);
	holder_deinit(&play.holder);
	survivors_deinit(&play.survivors);
	place_deinit(&play.place);
}

void kill_run_deinit(struct kill_run *run)
{
	for (size_t i = 0; i <= KILLS_MAX; i++)
		free(run->lives[i].numbers);
	free(run->walk);
	memset(run->lives, 0, sizeof(run->lives));
	run->walk = NULL;
	run->n_walk = run->walk_capacity = 0;
	run->instructions = 0;
	run->deaths = run->missed = 0;
}
