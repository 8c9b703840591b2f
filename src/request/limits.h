/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "domain/domain.h"
#include "request/turn.h"

/*
 * A domain has reached a limit: the log says which domain and which limit, once a minute at most for each of the two. Everything
 * that is refused, dropped or put off because of a quota comes by here.
 */
void limit_reached(struct turn *turn, struct domain *domain, enum quota quota);

/* The same of a soft limit, which only is told of. */
void limit_passed_softly(struct turn *turn, struct domain *domain, enum quota quota);

/* A request in the tree was refused with STATUS_ENOSPC for this reason. */
void limit_of_tree_reached(struct turn *turn, struct domain *domain, enum tree_limit limit);
