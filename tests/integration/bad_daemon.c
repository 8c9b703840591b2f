/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Part of a program that is lxenstored in everything else: it fails as its name, in the command line, says. Tests call it by
 * links of such names.
 */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "handover/keeper.h"
#include "lxenstored/handover_format.h"

static _Noreturn void hang(void)
{
	for (;;)
		pause();
}

/* Also with a sanitizer, which would make an ordinary end of it. */
static void crash(void)
{
	signal(SIGSEGV, SIG_DFL);
	raise(SIGSEGV);
}

/* Before main. */
__attribute__((constructor)) static void fail(void)
{
	const struct itimerval soon = {.it_value.tv_usec = 100000};
	const char *name = program_invocation_short_name;
	bool proves = getenv(PROOF_VARIABLE), serves = getenv(HANDOVER_VARIABLE) || getenv(KEEPER_CHANNEL_VARIABLE);

	if (proves && !strcmp(name, "crashes-in-the-proof"))
		crash();
	if (proves && !strcmp(name, "hangs-in-the-proof"))
		hang();
	if (proves && !strcmp(name, "proves-nothing"))
		_exit(EXIT_SUCCESS);
	if (serves && !strcmp(name, "crashes-at-the-start"))
		crash();
	if (serves && !strcmp(name, "ends-at-the-start"))
		_exit(3);
	if (serves && !strcmp(name, "hangs-at-the-start"))
		hang();
	if (serves && !strcmp(name, "dies-soon"))
		setitimer(ITIMER_REAL, &soon, NULL); /* SIGALRM */
}
