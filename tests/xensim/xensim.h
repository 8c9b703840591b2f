/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "support/daemon.h"
#include "xensim/host.h"

/*
 * A machine with Xen, simulated, for one test program: domains, and daemons that run on it unmodified (README.md tells how).
 * guest.h has the guests' side of the rings.
 *
 *	struct sim *sim;
 *	struct daemon daemon;
 *
 *	daemon_init(&daemon);
 *	sim_new(daemon.directory, &sim);
 *	sim_start(sim, &daemon, SIM_LXENSTORED, NULL, NULL);
 *	sim_create(sim, 5, SIM_PV);			with a page, grant 1 and an unbound port
 *	...						INTRODUCE 5 <sim_frame(sim, 5)> <sim_port(sim, 5)> over the socket
 *	guest_attach(sim, 5, &guest);
 *	guest_client(guest, 5000, &client);		then as over the socket
 *
 * Functions return 0 or -errno unless said otherwise. One thread uses a struct sim.
 */
struct sim;
struct guest;

enum sim_type { SIM_PV, SIM_HVM };

/*
 * Domain 0 with its own ring and nothing else. Its files are in a new directory under `parent`, as a daemon's run directory, so
 * that they go with it when a test fails.
 */
int sim_new(const char *parent, struct sim **out);
void sim_free(struct sim *sim); /* guests too; accepts NULL */

/* For XENSIM in the environment of a program that libxensim.so is loaded into. */
const char *sim_directory(const struct sim *sim);

/* The state itself, for what there is no function for. */
struct host *sim_host(struct sim *sim);

/* ---- domains ---- */

/*
 * A new domain, its page zeroed, its port unbound: what a toolstack has made when it says INTRODUCE. The number of one that is
 * gone may be used again; handle, frame and page are others then. -EEXIST.
 */
int sim_create(struct sim *sim, uint16_t domid, enum sim_type type);

/* Its end begins: it is marked as dying, its port and grant go, VIRQ_DOM_EXC fires. Memory that is mapped stays mapped. */
int sim_kill(struct sim *sim, uint16_t domid);

/* Its end is complete: there is no such domain. VIRQ_DOM_EXC fires. May be the first that is heard of its end. */
int sim_destroy(struct sim *sim, uint16_t domid);

/* It has shut itself down or crashed (SHUTDOWN_poweroff 0, _reboot 1, _suspend 2, _crash 3) and is still there. The interrupt
 * fires. */
int sim_shutdown(struct sim *sim, uint16_t domid, uint8_t reason);

/* It runs on after a suspend that came to nothing. */
int sim_resume(struct sim *sim, uint16_t domid);
int sim_pause(struct sim *sim, uint16_t domid, bool paused);

/* What tells two domains of one number apart may be given, so that it does not; `handle` may be NULL. */
int sim_identify(struct sim *sim, uint16_t domid, const unsigned char handle[16], uint64_t frame);

/* The virtual interrupt alone. */
void sim_interrupt(struct sim *sim);

/* The arguments of INTRODUCE: the page's frame, and the domain's end of the channel. An HVM domain's parameters tell them too. */
unsigned long sim_frame(struct sim *sim, uint16_t domid);
unsigned sim_port(struct sim *sim, uint16_t domid);

/* Another unbound port of the domain, for a channel made anew; the number or -errno. sim_port is this one then. */
int sim_new_port(struct sim *sim, uint16_t domid);

/* One of its ports, as the guest's kernel or the toolstack would close it; the daemon's end is unbound. */
int sim_close_port(struct sim *sim, uint16_t domid, unsigned port);

/* Whether a living daemon has bound the domain's port. */
bool sim_is_bound(struct sim *sim, uint16_t domid);

/* ---- daemons ---- */

enum sim_daemon { SIM_LXENSTORED, SIM_KEPT /* the same under its keeper */, SIM_XENSTORED, SIM_OXENSTORED };

/*
 * Starts one in the foreground as daemon_start does; `arguments` are added to the command line. The stock ones come from
 * tests/support/fetch-xen-utils.sh and may use 4 GiB of address space, unless SIM_UNBOUNDED is in the environment; -ENOENT: they
 * cannot be had, and sim_stock_programs tells why. SIM_PRELOAD in the environment names a library to be loaded too.
 */
int sim_start(struct sim *sim, struct daemon *daemon, enum sim_daemon which, const char *const arguments[], int *status);

/* In a new process: the lxenstored that it executes next runs on this machine. */
void sim_enter(const struct sim *sim);

/* Their folder; NULL: cannot be had, *why (may be NULL) tells. Both strings stay valid. */
const char *sim_stock_programs(const char **why);

/* ---- faults; see host.h for calls and actions ---- */

/*
 * A rule: at calls of this kind that are about `domid` (HOST_ANY: whichever), after the first `after` of them, `times` times
 * (0: always). `argument`: errno, positive, for HOST_FAIL; the domain that dies for HOST_KILL. The rule's number or -errno.
 */
int sim_rule(struct sim *sim, enum host_call call, uint16_t domid, unsigned after, unsigned times, enum host_action action,
	     unsigned argument);
void sim_clear_rules(struct sim *sim); /* and open all gates */

/* HOST_GATE: waits until the daemon stands at it (-ETIME), and lets it go on. Holds it where SIGSTOP might stop it in a lock. */
int sim_gate_wait(struct sim *sim, int rule, int timeout_ms);
void sim_gate_open(struct sim *sim, int rule);

/* How often the daemons have called. */
uint64_t sim_calls(const struct sim *sim, enum host_call call);
