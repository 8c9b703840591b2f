/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "xensim/xensim.h"

/* What xensim.c and guest.c share. */
struct sim {
	struct host host;
	int events;			    /* descriptor */
	uint16_t owner;			    /* its number; owner of all guests' ports */
	struct guest *guests[HOST_DOMAINS]; /* attached last for this number */
	struct guest *all;
	struct guest *notified; /* in the order in which it was read */
};
