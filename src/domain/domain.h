/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/budget.h"
#include "base/table.h"
#include "domain/hypervisor.h"
#include "domain/quota.h"
#include "wire/permissions.h"

/*
 * What is known of one domain. There is one for the daemon's own domain and the privileged one, and for each other that was
 * introduced, or of which something was set before that, or that was named as the owner of a node or in an entry of its
 * permissions: who it is must be known then, so that another domain of its number does not get what was meant for it.
 */
struct domain {
	/* This is in its record, see domain_record.h. */
	struct caller caller; /* for whom its connections speak: number, target (SET_TARGET), rights */
	bool introduced;      /* it has a ring: INTRODUCE, or found at the start; until RELEASE or its death */
	bool shut_down;	      /* @releaseDomain has told its shutdown; RESUME makes the next one count again */
	uint32_t port;	      /* the domain's end of its event channel */
	uint32_t epoch;	      /* which beginning of its connection this is: the ledger's part counts if it has the same */
	uint32_t features;    /* RING_FEATURE_*: what the page of its ring offers */
	struct domain_identity identity;
	struct quota_settings own_quotas; /* SET_QUOTA */

	/* This is not. */
	struct quotas quotas; /* in force: its own, where there are none those for all */
	struct tree_limits limits;
	size_t n_holders; /* clients that speak for it, steps of the turn */
	bool is_known;	  /* else only its holders have it: it has been released */
	bool is_saved;	  /* the committed store knows all the above, or need not; else it is in domains->unsaved */
	bool is_gone;	  /* Xen has it no more: it is to be released */
	bool is_there;	  /* Xen has named it when it was asked last; */
	bool is_down;	  /* and said that it has shut down */
	struct domain *previous, *next;
	struct domain *unsaved_previous, *unsaved_next;
	struct table_link acting;	    /* in domains->acting, if it has a target */
	struct budget budgets[QUOTA_COUNT]; /* what its clients use; nodes are counted in the store */
	uint64_t most_of_tree[TREE_LIMITS]; /* see struct tree */
	uint64_t longest_path;
	/* clock_milliseconds when the log last said that it reached this limit; 0: never */
	uint64_t told_at[QUOTA_COUNT], told_softly_at[QUOTA_COUNT];
	uint64_t
	    conflicts_forgiven; /* clock_milliseconds when it may make transactions fail as often as any (request/conflict.h) */
	uint64_t waits_until;	/* the same when its requests are run again; 0: they are */
	uint64_t told_of_conflicts;
	bool told_of_drop; /* that an event was dropped because nobody read it */
};

struct domains {
	uint16_t own;			     /* in which the daemon runs; whose clients use the socket */
	uint16_t privileged;		     /* which has all rights besides */
	struct domain **by_number;	     /* below DOMID_FIRST_RESERVED_NUMBER; NULL: none */
	struct domain *all;		     /* utlist, in the order in which they became known */
	struct domain *unsaved;		     /* utlist: saved with the next commit that changes the store */
	struct table acting;		     /* those that have a target, by its number */
	bool to_release;		     /* some are marked, see request/release.h */
	struct quotas quotas;		     /* for all: as the daemon was started, then as they were set */
	struct quota_settings quotas_set;    /* the latter, which outlive the daemon */
	uint64_t most_of_gone[QUOTA_COUNT];  /* what unprivileged domains that are gone have used at most */
	const struct hypervisor *hypervisor; /* NULL with --no-xen: there are no other domains */
};

/* `quotas`: for all, NULL for the first values. -ENOMEM. */
int domains_init(struct domains *domains, uint16_t own, uint16_t privileged, const struct quotas *quotas,
		 const struct hypervisor *hypervisor);
void domains_deinit(struct domains *domains);

struct domain *domain_find(const struct domains *domains, uint16_t domid); /* NULL: nothing is known of it */

/* The same; makes one, not introduced, if there is none, and it is known from here on. -ENOMEM; -ERANGE: a reserved number. */
int domain_get(struct domains *domains, uint16_t domid, struct domain **out);

/*
 * The domain that Xen has under this number now, known from here on. STATUS_ENOENT: there is none, or it is dying. -ESTALE:
 * what is known is of another domain that had the number; it is marked as gone and must be released first. Else a fault.
 */
int domain_of_xen(struct domains *domains, uint16_t domid, struct domain **out);

/* The committed store does not know it as it is now. */
void domain_changed(struct domains *domains, struct domain *domain);

/* A turn that changed the store was committed, and all unsaved ones with it. */
void domains_committed(struct domains *domains);

/* Whom it acts for; DOMID_NONE: nobody. The target need not be known. Does not say that it has changed. */
void domain_set_target(struct domains *domains, struct domain *domain, uint16_t target);

/* Some domain that has this one as target, found without a look at others; NULL: there is none. */
struct domain *domain_acting_for(const struct domains *domains, uint16_t target);

/* Nothing is known of it any more; it is as a new one. */
void domain_reset(struct domains *domains, struct domain *domain);

/* A domain that is held stays where it is. Dropped by the last holder it is freed if nothing is known of it. */
void domain_hold(struct domain *domain);
void domain_drop(struct domains *domains, struct domain *domain);

bool domain_is_privileged(const struct domains *domains, uint16_t domid);

/* Is it served: has it a ring, or is it the daemon's own or the privileged one? */
bool domain_is_served(const struct domain *domain);

bool identity_is_known(const struct domain_identity *identity);

/* Are the two, both known, of one domain? */
bool identity_is_same(const struct domain_identity *left, const struct domain_identity *right);

/* What it may use, exactly; UINT64_MAX: as much as it wants. */
uint64_t domain_limit(const struct domain *domain, enum quota quota);

/* Quotas were set: its own, or those for all. */
void domain_quotas_changed(const struct domains *domains, struct domain *domain);
void domains_quotas_changed(struct domains *domains);
