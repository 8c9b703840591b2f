/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Half of the words are near to what was there: indexes that are plausible are worse than those that are not. */
#include "xensim/scribbler.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

#include "support/random.h"

struct scribbler {
	_Atomic uint32_t *words;
	size_t n;
	struct random random;
	atomic_bool stop;
	pthread_t thread;
};

static void *scribble(void *context)
{
	struct scribbler *scribbler = context;
	struct random *random = &scribbler->random;

	while (!atomic_load(&scribbler->stop)) {
		_Atomic uint32_t *word = &scribbler->words[random_below(random, (uint32_t)scribbler->n)];
		uint32_t value = random_below(random, UINT32_MAX);

		atomic_store(word, random_below(random, 2) ? value : atomic_load(word) + value % 64);
	}
	return NULL;
}

int scribbler_start(struct guest *guest, size_t offset, size_t len, uint64_t seed, struct scribbler **out)
{
	struct scribbler *scribbler;

	if (offset % 4 || len < 4 || offset > HOST_PAGE || len > HOST_PAGE - offset)
		return -EINVAL;
	scribbler = calloc(1, sizeof(*scribbler));
	if (!scribbler)
		return -ENOMEM;
	scribbler->words = (_Atomic uint32_t *)(void *)((unsigned char *)guest_page(guest) + offset);
	scribbler->n = len / 4;
	scribbler->random.state = seed;
	int error = pthread_create(&scribbler->thread, NULL, scribble, scribbler);
	if (error) {
		free(scribbler);
		return -error;
	}
	*out = scribbler;
	return 0;
}

void scribbler_stop(struct scribbler *scribbler)
{
	atomic_store(&scribbler->stop, true);
	pthread_join(scribbler->thread, NULL);
	free(scribbler);
}
