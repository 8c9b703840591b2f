/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kill/place.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kill/story.h"

enum { LAST_WORDS = 600 };

void place_init(struct kill_place *place, const char *directory)
{
	if (daemon_init_in(&place->daemon, directory) || sim_new(place->daemon.directory, &place->sim))
		abort();
}

void place_deinit(struct kill_place *place)
{
	sim_free(place->sim);
	daemon_deinit(&place->daemon);
}

static const char *program_of(const struct kill_run *run)
{
	return run->program ? run->program : getenv("LXENSTORED");
}

void place_cast(struct kill_place *place, const struct kill_run *run, struct cast *cast)
{
	*cast = (struct cast){.sim = place->sim,
			      .socket = place->daemon.socket,
			      .program = program_of(run),
			      .held = run->held,
			      .updated = run->updated};
	story_cast(cast);
}

void place_words(const struct kill_place *place, const struct kill_run *run, const char *words[KILL_WORDS])
{
	const char *const all[KILL_WORDS] = {program_of(run),
					     "-N",
					     "--store",
					     place->daemon.store,
					     "--store-mode",
					     run->mode,
					     "--ring-scan-interval",
					     "0",
					     "--restart-pause",
					     "0",
					     "--update-trial",
					     "0",
					     "-w",
					     "watch-event=0",
					     run->held ? NULL : "--no-keeper"};

	memcpy(words, all, sizeof(all));
}

void place_note_end(const struct kill_place *place, struct cast *cast, int status)
{
	char *messages = daemon_messages(&place->daemon);
	size_t len = messages ? strlen(messages) : 0;

	cast_note_wrong(cast, "the daemon has ended by itself, status %x: ...%s", (unsigned)status,
			messages ? messages + (len > LAST_WORDS ? len - LAST_WORDS : 0) : "");
	free(messages);
}

void place_tell_results(const struct cast *cast, struct kill_run *run)
{
	snprintf(run->wrong, sizeof(run->wrong), "%s", cast->wrong);
	if (*cast->wrong && getenv("KILL_TELL"))
		cast_tell(cast);
	run->requests = cast->requests;
	run->events = cast->events;
	run->merged = cast->merged;
	run->transactions = cast->transactions;
	run->transactions_lost = cast->transactions_lost;
}
