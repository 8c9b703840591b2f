/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>

#include "request/turn.h"

/*
 * Serves the ring of a domain from here on: INTRODUCE, and what is found at the start. `port`: see struct rings. A domain that
 * has been introduced gets a fresh connection; one that has not is told of in `changes`, but for the privileged.
 *
 * 0; STATUS_EINVAL: there is no such domain, or what Xen's refusal means; STATUS_ENOENT: there is no Xen; or a fault: the turn
 * has to be put back.
 */
int introduce_domain(struct turn *turn, uint16_t domid, uint32_t port, struct changes *changes);
