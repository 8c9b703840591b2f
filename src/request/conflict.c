/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Each change of a node has a generation of its own, so the generation that is found where a transaction fails tells which change
 * it was. Whose it was is told by a list of the last requests that have changed anything. It is bounded; what it does not know
 * any more is nobody's fault.
 *
 * What a domain has used up is kept as the moment at which all is given back: each conflict moves it on by one interval, and time
 * comes nearer by itself. It is never more than burst intervals away, so one change that many transactions fail for costs no more
 * than a burst.
 */
#include "request/conflict.h"

#include "base/clock.h"
#include "request/turn.h"

enum { TOLD_EVERY = 60 * 1000 /* milliseconds */ };

void writers_add(struct writers *writers, uint64_t first, uint64_t last, uint16_t domid)
{
	struct writer *newest = &writers->ring[(writers->next + WRITERS_MAX - 1) % WRITERS_MAX];

	if (writers->n && newest->domid == domid && newest->last + 1 == first) {
		newest->last = last;
		return;
	}
	writers->ring[writers->next] = (struct writer){first, last, domid};
	writers->next = (writers->next + 1) % WRITERS_MAX;
	if (writers->n < WRITERS_MAX)
		writers->n++;
}

bool writers_find(const struct writers *writers, uint64_t generation, uint16_t *domid)
{
	size_t low = 0, high = writers->n; /* counted from the oldest; generations only grow */

	while (low < high) {
		size_t middle = (low + high) / 2;
		const struct writer *writer = &writers->ring[(writers->next + WRITERS_MAX - writers->n + middle) % WRITERS_MAX];
		if (generation > writer->last) {
			low = middle + 1;
		} else if (generation < writer->first) {
			high = middle;
		} else {
			*domid = writer->domid;
			return true;
		}
	}
	return false;
}

static void tell(struct turn *turn, struct domain *domain, uint64_t now)
{
	if (domain->told_of_conflicts && now - domain->told_of_conflicts < TOLD_EVERY)
		return;
	domain->told_of_conflicts = now ? now : 1;
	log_warning(turn->log, "domain %u makes transactions of others fail: its requests have to wait now and then",
		    domain->caller.domid);
}

void conflict_blame(struct turn *turn, const struct domain *victim, uint64_t generation)
{
	const struct conflict_settings *settings = &turn->conflict;
	uint64_t all = (uint64_t)settings->burst * settings->interval, now;
	uint16_t domid;

	if (!generation || !all || !writers_find(&turn->writers, generation, &domid) || domid == victim->caller.domid)
		return;
	struct domain *domain = domain_find(turn->domains, domid);
	if (!domain || domain->caller.privileged)
		return;
	now = clock_milliseconds();
	uint64_t used = domain->conflicts_forgiven > now ? domain->conflicts_forgiven - now : 0;
	used = used + settings->interval < all ? used + settings->interval : all;
	domain->conflicts_forgiven = now + used;
	domain->waits_until = used > all - settings->interval ? now + used - (all - settings->interval) : 0;
	turn->figures.blamed++;
	if (domain->waits_until)
		tell(turn, domain, now);
}

bool conflict_makes_wait(struct domain *domain)
{
	if (domain->waits_until && clock_milliseconds() >= domain->waits_until)
		domain->waits_until = 0;
	return domain->waits_until;
}
