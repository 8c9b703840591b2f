/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>

/*
 * Notes in a word, which outlives the process, the signal that it dies of: SEGV, BUS, ABRT, FPE or ILL. Whatever would have
 * happened without it happens then. Works on a stack of its own, so also when the process has used up its stack. One per process.
 */
struct death_note;

/* `word`: lives until death_note_free. -ENOMEM or another -errno. */
int death_note_new(uint32_t *word, struct death_note **out);
void death_note_free(struct death_note *note); /* accepts NULL; all is as it was before */

/* Notes in another word from now on. */
void death_note_move(struct death_note *note, uint32_t *word);
