/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The simulated hypervisor: domains, their event channels and the page behind grant 1 of each, in files of one directory that
 * every process maps. There is no process that plays Xen: whoever calls does the work, in its own process, as a hypercall would
 * have done it. preload_*.c calls it for a daemon, sim.c and guest.c for the tests.
 *
 * Files: `host` is struct host_state, `pages` a page for each domain that ever was (the first is domain 0's), `events.N` a FIFO
 * for each open event descriptor, which is what xenevtchn_fd() gives out and what a guest's process waits on, `proc/xsd_kva`
 * (the same file as `pages`) and `proc/xsd_port`.
 *
 * A process may die at any instant. Whoever opens an event descriptor holds a lock of the FIFO with it; the lock is gone when
 * its last copy is, as ports are closed by Linux with the last descriptor. Who needs to know looks: see host_reap. What is
 * changed in more than one place is changed with `lock` held, which a death gives free; host_reap mends what was left half. A
 * notification takes no lock.
 *
 * Functions return 0 or more, or -errno as the hypercall would fail.
 */
enum {
	HOST_DOMAINS = 0x7ff0, /* DOMID_FIRST_RESERVED */
	HOST_PAGE = 4096,
	HOST_PORTS_OF_0 = 0x10000,
	HOST_PORTS = 8,	     /* of any other domain; 0 is none of them */
	HOST_STORE_PORT = 1, /* which a guest's toolstack makes for XenStore */
	HOST_STORE_PORT_OF_0 = 3,
	HOST_DEVICE_PORTS = 16, /* the lowest that a daemon gets */
	HOST_STORE_GRANT = 1,
	HOST_FIRST_FRAME = 0x100000,
	HOST_RULES = 16,
	HOST_FIFOS = 8
};

/* Calls of a daemon that are counted, and that rules can wait for. */
enum host_call {
	HOST_CALL_OPEN, /* an event descriptor, new or inherited */
	HOST_CALL_BIND, /* to a domain's port */
	HOST_CALL_VIRQ, /* bound */
	HOST_CALL_UNBIND,
	HOST_CALL_NOTIFY,
	HOST_CALL_PENDING, /* a port was read */
	HOST_CALL_UNMASK,
	HOST_CALL_MAP, /* of a guest's page */
	HOST_CALL_UNMAP,
	HOST_CALL_DOMAIN,  /* information of one */
	HOST_CALL_DOMAINS, /* of many */
	HOST_CALLS
};

/* What happens at a call. */
enum host_action {
	HOST_FAIL, /* with an errno, and nothing is done */
	HOST_LOSE, /* it succeeds, and nothing is done: a lost notification */
	HOST_KILL, /* before it a domain dies and is gone, and the daemon's virtual interrupt fires */
	HOST_DIE,  /* the daemon is killed before it */
	HOST_GATE  /* the daemon waits before it until the gate is opened */
};

enum { HOST_ANY = 0xffff }; /* domain */

struct host_rule {
	bool set;  /* acts, or will */
	bool used; /* until all rules are cleared */
	enum host_call call;
	uint16_t domid; /* that the call is about; HOST_ANY */
	enum host_action action;
	unsigned argument; /* HOST_FAIL: errno; HOST_KILL: the domain */
	uint32_t after;	   /* so many calls that fit go by before */
	uint32_t times;	   /* then it acts so often; 0: always */
	uint32_t standing; /* daemons at the gate */
	sem_t reached;	   /* posted by a daemon that comes to the gate */
	sem_t opened;	   /* posted for it to go on */
};

enum host_port_state {
	HOST_PORT_FREE,
	HOST_PORT_UNBOUND, /* waits for `domid` to bind to it */
	HOST_PORT_BOUND,   /* to `port` of `domid` */
	HOST_PORT_VIRQ
};

struct host_binding {
	uint16_t state; /* enum host_port_state */
	uint16_t owner; /* N of events.N; 0: nobody */
	uint16_t domid;
	uint16_t port;
};

struct host_port {
	_Atomic struct host_binding binding;
	_Atomic uint32_t signal; /* HOST_PENDING, HOST_MASKED */
	uint32_t kernel;	 /* of a guest's kernel, not of the event device of a process */
};

enum { HOST_PENDING = 1, HOST_MASKED = 2 };

struct host_domain {
	bool exists;
	bool dying;
	bool shutdown;
	bool paused;
	bool hvm;
	bool granted; /* grant 1 */
	uint8_t reason;
	unsigned char handle[16];
	uint64_t frame;	     /* of shared_info */
	uint32_t page;	     /* its place in `pages` */
	uint16_t store_port; /* of XenStore, as its toolstack knows it; stays when the domain is gone */
	struct host_port ports[HOST_PORTS];
};

struct host_state {
	uint64_t magic;
	pthread_mutex_t lock;
	uint16_t last_owner;
	uint32_t pages;
	uint64_t last_frame;
	uint32_t ports_end;   /* of domain 0: none at or above it was ever used */
	uint32_t free_from;   /* of those for daemons, none below is free */
	uint32_t domains_end; /* the same for domains */
	uint16_t virq_port;   /* of VIRQ_DOM_EXC; 0: nobody has bound it */
	_Atomic uint64_t calls[HOST_CALLS];
	_Atomic uint32_t n_rules;
	struct host_rule rules[HOST_RULES];
	struct host_port ports[HOST_PORTS_OF_0];
	struct host_domain domains[HOST_DOMAINS];
};

/* One process's way to it. Not for use by two threads at once. */
struct host {
	struct host_state *state;
	char directory[96];
	int pages; /* descriptor */
	struct {
		uint16_t owner;
		int fd;
	} fifos[HOST_FIFOS]; /* to write to, by owner modulo HOST_FIFOS */
};

/* Makes the files in an empty directory. */
int host_make(const char *directory);

int host_open(struct host *host, const char *directory);
void host_close(struct host *host);

void host_lock(struct host *host);
void host_unlock(struct host *host);

/* NULL: there is none. With the lock held, also what it points at stays as it is. */
struct host_domain *host_domain(struct host *host, uint32_t domid);
struct host_port *host_port(struct host *host, uint32_t domid, uint32_t port); /* NULL: no such number */
struct host_binding host_binding(const struct host_port *port);		       /* free for NULL */

/* ---- event channels ---- */

/* A new descriptor to wait on, in *fd (`flags`: O_CLOEXEC, O_NONBLOCK, or 0); the owner's number. */
int host_events_open(struct host *host, int flags, int *fd);

/* The number of an inherited one. -EINVAL: it is none. */
int host_events_owner(int fd);

/* What the last one to close would do: for descriptors whose owner died. Takes the lock. */
void host_reap(struct host *host);

/* Numbers of ports, or -errno. Take the lock. */
int host_alloc_unbound(struct host *host, uint16_t owner, uint16_t domid, uint16_t remote); /* of a guest's kernel */
int host_bind(struct host *host, uint16_t owner, uint32_t domid, uint32_t port);	    /* of domain 0's device */
int host_bind_virq(struct host *host, uint16_t owner);
int host_unbind(struct host *host, uint16_t owner, uint32_t port);

/* From this port to the one it is bound to. -ENOTCONN: not a port of this owner (0: whoever). */
int host_notify(struct host *host, uint16_t owner, uint16_t domid, uint32_t port);

/* The daemon has dealt with it. */
void host_unmask(struct host *host, uint16_t owner, uint32_t port);

/* Of any domain, whoever owns it. The caller holds the lock. */
void host_close_port(struct host *host, uint16_t domid, uint32_t port);

/* Something happened to domains. */
void host_raise_virq(struct host *host);

/* ---- domains ---- */

/* A stopped one may be made again, and is another one then. -EEXIST. Takes the lock. */
int host_domain_create(struct host *host, uint16_t domid, bool hvm);

/* Its ports are closed. The caller holds the lock; raises no interrupt. */
void host_domain_dying(struct host *host, uint16_t domid);
void host_domain_gone(struct host *host, uint16_t domid);

/* Maps the page; NULL: errno tells. The domain's rights are not looked at. Unmapped by munmap. */
void *host_map(const struct host *host, uint32_t page, int protection);

/* ---- faults ---- */

/*
 * Counts the call and does what rules want. 0: go on; 1: do nothing and succeed; -errno: fail.
 */
int host_enter(struct host *host, enum host_call call, uint32_t domid);
