/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "wire/permissions.h"

/* Which domains there are. Without rings these are the daemon's own and the privileged one. */
struct domains {
	uint16_t own;	     /* in which the daemon runs; whose clients use the socket */
	uint16_t privileged; /* which has all rights besides */
};

void domains_init(struct domains *domains, uint16_t own, uint16_t privileged);

bool domain_exists(const struct domains *domains, uint16_t domid);
bool domain_is_privileged(const struct domains *domains, uint16_t domid);

/* Whom a connection of this domain speaks for. */
struct caller domain_caller(const struct domains *domains, uint16_t domid);
