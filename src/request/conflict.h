/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "domain/domain.h"

struct turn;

/*
 * Who makes transactions of others fail, and what that costs (XSA-206). A domain without privilege may do so `burst` times; one
 * time is given back after each `interval`. Without any left its requests wait, and those of nobody else.
 */
struct conflict_settings {
	uint32_t burst;	   /* 0: nobody is ever slowed */
	uint32_t interval; /* milliseconds */
};

enum { WRITERS_MAX = 1024 };

/* Whose requests have given out which generations lately. */
struct writers {
	size_t next, n; /* ring[next - 1] is the newest; both wrap */
	struct writer {
		uint64_t first, last;
		uint16_t domid;
	} ring[WRITERS_MAX];
};

/* A request of this domain has given out these generations. Only needed while transactions are open. */
void writers_add(struct writers *writers, uint64_t first, uint64_t last, uint16_t domid);

/* False: it is not known, or not any more. */
bool writers_find(const struct writers *writers, uint64_t generation, uint16_t *domid);

/*
 * A transaction of `victim` has failed for a change of this generation (0: not known). Who made it has one time less, unless it
 * is the victim itself or privileged.
 */
void conflict_blame(struct turn *turn, const struct domain *victim, uint64_t generation);

/* Must the domain's requests wait? */
bool conflict_makes_wait(struct domain *domain);
