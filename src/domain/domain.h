/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <uthash.h>

#include "domain/hypervisor.h"
#include "domain/quota.h"
#include "wire/permissions.h"

/*
 * What is known of one domain. There is one for the daemon's own domain and the privileged one, for each domain that has been
 * introduced, and for each of which something was set before that. Its address stays until domain_forget.
 */
struct domain {
	struct caller caller; /* for whom its connections speak: number, target (SET_TARGET), rights */
	bool introduced;      /* it has a ring: INTRODUCE, or found at the start; until RELEASE or its death */
	bool shut_down;	      /* @releaseDomain has told its shutdown; RESUME makes the next one count again */
	uint32_t port;	      /* the domain's end of its event channel */
	uint32_t epoch;	      /* which beginning of its connection this is: the ledger's part counts if it has the same */
	uint32_t features;    /* RING_FEATURE_*: what the page of its ring offers */
	struct domain_identity identity;
	UT_hash_handle hh; /* by caller.domid */
};

struct domains {
	uint16_t own;	     /* in which the daemon runs; whose clients use the socket */
	uint16_t privileged; /* which has all rights besides */
	struct domain *all;
	const struct hypervisor *hypervisor; /* NULL with --no-xen: there are no other domains */
};

/* -ENOMEM. */
int domains_init(struct domains *domains, uint16_t own, uint16_t privileged, const struct hypervisor *hypervisor);
void domains_deinit(struct domains *domains);

struct domain *domain_find(const struct domains *domains, uint16_t domid); /* NULL: nothing is known of it */

/* The same; makes one, not introduced, if there is none. -ENOMEM. */
int domain_get(struct domains *domains, uint16_t domid, struct domain **out);

/* Nothing is known of it any more; nobody may refer to it. Not for the own and the privileged one. */
void domain_forget(struct domains *domains, struct domain *domain);

bool domain_is_privileged(const struct domains *domains, uint16_t domid);

/* Is there such a domain, introduced or not? Positive if so, 0 if not, or a fault. Asks Xen if need be. */
int domain_exists(const struct domains *domains, uint16_t domid);
