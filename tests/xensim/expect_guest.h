/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "support/expect.h"
#include "xensim/guest.h"

/* Steps of tests on the simulated Xen; each fails the running test if it does not succeed. */

/* A host under the daemon's run directory. */
struct sim *expect_sim(const struct daemon *daemon);

/* Starts the daemon. lxenstored keeps its store from one start in this directory to the next. */
void expect_sim_start(struct sim *sim, struct daemon *daemon, enum sim_daemon which, const char *const arguments[]);

/* Says INTRODUCE for a domain that is there, and attaches the guest. `root`: a client of domain 0. */
struct guest *expect_introduce(struct sim *sim, struct client *root, uint16_t domid);

/*
 * A new domain that is introduced, owns /local/domain/<domid>, and has a client on its ring. guest_find finds the guest.
 */
struct client *expect_guest(struct sim *sim, struct client *root, uint16_t domid);
