/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Rules are set by a test while no call that they fit is under way, and looked at by the daemon at each of its calls.
 */
#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "xensim/host.h"

static bool rule_acts(struct host_rule *rule, enum host_call call, uint32_t domid)
{
	if (!rule->set || rule->call != call || (rule->domid != HOST_ANY && rule->domid != domid))
		return false;
	if (rule->after) {
		rule->after--;
		return false;
	}
	if (rule->times && !--rule->times)
		rule->set = false;
	return true;
}

static int act(struct host *host, struct host_rule *rule, enum host_action action)
{
	switch (action) {
	case HOST_FAIL:
		return -(int)rule->argument;
	case HOST_LOSE:
		return 1;
	case HOST_KILL:
		host_lock(host);
		host_domain_gone(host, (uint16_t)rule->argument);
		host_unlock(host);
		host_raise_virq(host);
		return 0;
	case HOST_DIE:
		kill(getpid(), SIGKILL);
		return 0;
	case HOST_GATE:
		host_lock(host);
		rule->standing++;
		host_unlock(host);
		sem_post(&rule->reached);
		while (sem_wait(&rule->opened) && errno == EINTR)
			;
		return 0;
	}
	return 0;
}

int host_enter(struct host *host, enum host_call call, uint32_t domid)
{
	struct host_state *state = host->state;
	int result = 0;

	atomic_fetch_add(&state->calls[call], 1);
	if (!atomic_load(&state->n_rules))
		return 0;
	for (size_t i = 0; i < HOST_RULES && !result; i++) {
		struct host_rule *rule = &state->rules[i];
		host_lock(host);
		bool acts = rule_acts(rule, call, domid);
		enum host_action action = rule->action;
		host_unlock(host);
		if (acts)
			result = act(host, rule, action);
	}
	return result;
}
