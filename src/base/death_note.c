/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A handler is told nothing but its signal and where the process was; that includes the alternate stack, so what the handler has
 * to know lies at the far end of that.
 */
#include "base/death_note.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <sys/mman.h>
#include <ucontext.h>

enum { STACK_SIZE = 64 * 1024 };

static const int signals[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL};

enum { N_SIGNALS = sizeof(signals) / sizeof(signals[0]) };

struct death_note {
	uint32_t *word;
	struct sigaction actions_before[N_SIGNALS];
	stack_t stack_before;
};

/* A fault happens again when the handler returns; a signal that somebody has sent does not. */
static void note_death(int number, siginfo_t *info, void *context)
{
	const ucontext_t *interrupted = context;
	const struct death_note *note = interrupted->uc_stack.ss_sp;

	__atomic_store_n(note->word, (uint32_t)number, __ATOMIC_RELAXED);
	for (size_t i = 0; i < N_SIGNALS; i++)
		if (signals[i] == number)
			sigaction(number, &note->actions_before[i], NULL);
	if (info->si_code <= 0)
		raise(number);
}

int death_note_new(uint32_t *word, struct death_note **out)
{
	struct sigaction action = {.sa_sigaction = note_death, .sa_flags = SA_SIGINFO | SA_ONSTACK};
	void *memory = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	const stack_t stack = {.ss_sp = memory, .ss_size = STACK_SIZE};
	struct death_note *note = memory;

	if (memory == MAP_FAILED)
		return -errno;
	note->word = word;
	if (sigaltstack(&stack, &note->stack_before)) {
		int error = -errno;
		munmap(memory, STACK_SIZE);
		return error;
	}
	sigfillset(&action.sa_mask);
	for (size_t i = 0; i < N_SIGNALS; i++)
		sigaction(signals[i], &action, &note->actions_before[i]);
	*out = note;
	return 0;
}

void death_note_free(struct death_note *note)
{
	if (!note)
		return;
	for (size_t i = 0; i < N_SIGNALS; i++)
		sigaction(signals[i], &note->actions_before[i], NULL);
	sigaltstack(&note->stack_before, NULL);
	munmap(note, STACK_SIZE);
}

void death_note_move(struct death_note *note, uint32_t *word)
{
	note->word = word;
}
