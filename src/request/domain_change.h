/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "domain/domain.h"
#include "request/turn.h"

/*
 * Changes of what is known of domains, in memory and in the store together: each of these notes what there was, so that it is
 * put back if the turn fails. All faults mean that the turn has to be put back.
 */

/* To be called before the domain is changed; domain_change_done after it. */
int domain_change_begin(struct turn *turn, struct domain *domain);
int domain_change_done(struct turn *turn, struct domain *domain);

/* Nothing is known of it any more, nor is there a record. */
int domain_change_to_nothing(struct turn *turn, struct domain *domain);

/* Sets a quota for all domains. */
int domain_change_quota_of_all(struct turn *turn, enum quota quota, bool soft, uint32_t value);
