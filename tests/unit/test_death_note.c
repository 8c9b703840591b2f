/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Processes that die of each signal, and what they have noted then. */
#include "base/death_note.h"

#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/suite.h"

static uint32_t *words; /* that children share */
static struct death_note *note;

static void setup(void)
{
	words = mmap(NULL, 2 * sizeof(*words), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(words, MAP_FAILED);
}

static void teardown(void)
{
	munmap(words, 2 * sizeof(*words));
}

/* Sanitizers have handlers of their own, which are what was there before. */
static void take_defaults(void)
{
	static const int signals[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL};
	const struct rlimit none = {0, 0};

	setrlimit(RLIMIT_CORE, &none);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		signal(signals[i], SIG_DFL);
}

/* What a child dies of that notes it and then does `die`. */
static int signal_of_death(void (*die)(void))
{
	int status;
	pid_t child = fork();

	if (!child) {
		take_defaults();
		if (!death_note_new(words, &note))
			die();
		_exit(1);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void raise_bus(void)
{
	raise(SIGBUS);
}

static void raise_abort(void)
{
	kill(getpid(), SIGABRT);
}

static void raise_fpe(void)
{
	raise(SIGFPE);
}

static void raise_ill(void)
{
	raise(SIGILL);
}

static volatile int *volatile nowhere;

static void fault(void)
{
	*nowhere = 1;
}

static int go_down(int depth)
{
	volatile char room[4096];

	room[0] = (char)depth;
	return depth < 0 ? 0 : go_down(depth + 1) + room[0];
}

static void use_up_the_stack(void)
{
	_exit(go_down(1));
}

static void kill_it(void)
{
	raise(SIGKILL);
}

START_TEST(the_signal_is_noted_and_ends_the_process)
{
	static const struct {
		void (*die)(void);
		int signal;
	} deaths[] = {{fault, SIGSEGV},	      {use_up_the_stack, SIGSEGV}, {raise_bus, SIGBUS}, {abort, SIGABRT},
		      {raise_abort, SIGABRT}, {raise_fpe, SIGFPE},	   {raise_ill, SIGILL}};

	for (size_t i = 0; i < sizeof(deaths) / sizeof(deaths[0]); i++) {
		words[0] = 0;
		ck_assert_int_eq(signal_of_death(deaths[i].die), deaths[i].signal);
		ck_assert_uint_eq(words[0], (uint32_t)deaths[i].signal);
	}
}
END_TEST

START_TEST(a_process_that_is_killed_notes_nothing)
{
	ck_assert_int_eq(signal_of_death(kill_it), SIGKILL);
	ck_assert_uint_eq(words[0], 0);
}
END_TEST

static void move_and_fault(void)
{
	death_note_move(note, words + 1);
	fault();
}

START_TEST(the_word_may_be_another_one_later)
{
	ck_assert_int_eq(signal_of_death(move_and_fault), SIGSEGV);
	ck_assert_uint_eq(words[0], 0);
	ck_assert_uint_eq(words[1], SIGSEGV);
}
END_TEST

static void count_signal(int signal)
{
	(void)signal;
	words[1]++;
}

START_TEST(afterwards_all_is_as_before)
{
	struct sigaction action = {.sa_handler = count_signal}, before;
	stack_t stack_before, stack_after;

	sigaction(SIGFPE, &action, &before);
	sigaltstack(NULL, &stack_before);
	ck_assert_int_eq(death_note_new(words, &note), 0);
	death_note_free(note);
	sigaltstack(NULL, &stack_after);
	ck_assert_ptr_eq(stack_after.ss_sp, stack_before.ss_sp);
	raise(SIGFPE);
	ck_assert_uint_eq(words[0], 0);
	ck_assert_uint_eq(words[1], 1);
	sigaction(SIGFPE, &before, NULL);
	death_note_free(NULL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("death_note");
	TCase *cases = tcase_create("death_note");

	tcase_add_checked_fixture(cases, setup, teardown);
	tcase_add_test(cases, the_signal_is_noted_and_ends_the_process);
	tcase_add_test(cases, a_process_that_is_killed_notes_nothing);
	tcase_add_test(cases, the_word_may_be_another_one_later);
	tcase_add_test(cases, afterwards_all_is_as_before);
	suite_add_tcase(suite, cases);
	return suite_run(suite);
}
