/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How a notification goes, without a lock: the sender reads the binding of its port and signals the port at the other end.
 *
 * - A port of an event device (a daemon's) behaves as Linux's: unmasked, it is masked and its number goes into the FIFO; masked,
 *   it becomes pending, and unmasking it puts the number into the FIFO again.
 * - A port of a guest's kernel becomes pending; if it was not, {domain, port} goes into the FIFO of the process that plays the
 *   guest, which takes "pending" back when it reads it.
 *
 * So a FIFO holds few entries for a port, and never fills up.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "xensim/host.h"

enum { FIFO_BYTES = 1 << 20 };

static void fifo_path(const struct host *host, uint16_t owner, char path[128])
{
	snprintf(path, 128, "%s/events.%u", host->directory, owner);
}

int host_events_open(struct host *host, int flags, int *fd)
{
	char path[128];

	host_lock(host);
	uint16_t owner = ++host->state->last_owner;
	host_unlock(host);
	fifo_path(host, owner, path);
	if (mkfifo(path, 0600))
		return -errno;
	/* For writing too: else it would be at its end whenever nobody has it open to write. */
	*fd = open(path, O_RDWR | flags);
	if (*fd < 0)
		return -errno;
	fcntl(*fd, F_SETPIPE_SZ, FIFO_BYTES);
	if (flock(*fd, LOCK_EX | LOCK_NB)) {
		close(*fd);
		return -errno;
	}
	return owner;
}

int host_events_owner(int fd)
{
	char link[64], path[256];
	unsigned owner;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ssize_t n = readlink(link, path, sizeof(path) - 1);
	if (n < 0)
		return -errno;
	path[n] = 0;
	const char *name = strrchr(path, '/');
	return name && sscanf(name, "/events.%u", &owner) == 1 ? (int)owner : -EINVAL;
}

struct host_binding host_binding(const struct host_port *port)
{
	return port ? atomic_load(&port->binding) : (struct host_binding){0};
}

static bool is_alive(const struct host *host, uint16_t owner)
{
	char path[128];

	fifo_path(host, owner, path);
	int fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return false;
	bool alive = flock(fd, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK;
	close(fd);
	return alive;
}

static void put(struct host *host, uint16_t owner, uint32_t entry)
{
	size_t slot = owner % HOST_FIFOS;
	char path[128];

	if (!owner)
		return;
	if (host->fifos[slot].owner != owner || host->fifos[slot].fd < 0) {
		if (host->fifos[slot].fd >= 0)
			close(host->fifos[slot].fd);
		fifo_path(host, owner, path);
		host->fifos[slot].fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
		host->fifos[slot].owner = owner;
	}
	/* No file: the owner died, and somebody has seen that. */
	if (host->fifos[slot].fd >= 0 && write(host->fifos[slot].fd, &entry, sizeof(entry)) != sizeof(entry)) {
		fprintf(stderr, "xensim: events.%u takes no more: %s\n", owner, strerror(errno));
		abort();
	}
}

static void signal_port(struct host *host, uint16_t domid, uint32_t number)
{
	struct host_port *port = host_port(host, domid, number);
	struct host_binding binding = host_binding(port);

	if (binding.state == HOST_PORT_FREE)
		return;
	if (port->kernel) {
		if (!(atomic_exchange(&port->signal, HOST_PENDING) & HOST_PENDING))
			put(host, binding.owner, (uint32_t)domid << 16 | number);
		return;
	}
	uint32_t now = atomic_load(&port->signal);
	while (!atomic_compare_exchange_weak(&port->signal, &now, now & HOST_MASKED ? now | HOST_PENDING : HOST_MASKED))
		;
	if (!(now & HOST_MASKED))
		put(host, binding.owner, number);
}

int host_notify(struct host *host, uint16_t owner, uint16_t domid, uint32_t number)
{
	struct host_port *port = host_port(host, domid, number);
	struct host_binding binding = host_binding(port);

	if (binding.state == HOST_PORT_FREE || (owner && binding.owner != owner))
		return -ENOTCONN;
	/* Whoever is not bound is told nothing, and that is no error. */
	if (binding.state == HOST_PORT_BOUND)
		signal_port(host, binding.domid, binding.port);
	return 0;
}

void host_unmask(struct host *host, uint16_t owner, uint32_t number)
{
	struct host_port *port = host_port(host, 0, number);

	if (!port || host_binding(port).owner != owner)
		return;
	uint32_t now = atomic_load(&port->signal);
	while (!atomic_compare_exchange_weak(&port->signal, &now, now & HOST_PENDING ? HOST_MASKED : 0))
		;
	if ((now & HOST_PENDING) && (now & HOST_MASKED))
		put(host, owner, number);
}

/* The port at the other end, if it is bound to this one, has nobody then. */
static void leave(struct host *host, struct host_binding was, uint16_t domid, uint32_t number)
{
	struct host_port *other = host_port(host, was.domid, was.port);
	struct host_binding peer = host_binding(other);

	if (peer.state != HOST_PORT_BOUND || peer.domid != domid || peer.port != number)
		return;
	/* A sender that died before it wrote to the FIFO must not keep the next one from writing. */
	if (other->kernel)
		atomic_store(&other->signal, 0);
	peer.state = HOST_PORT_UNBOUND;
	peer.port = 0;
	atomic_store(&other->binding, peer);
}

/* In this order: until the port is free it has an owner, so that reap finds what a death here has left half. */
void host_close_port(struct host *host, uint16_t domid, uint32_t number)
{
	struct host_port *port = host_port(host, domid, number);
	struct host_binding was = host_binding(port);

	if (was.state == HOST_PORT_VIRQ && host->state->virq_port == number)
		host->state->virq_port = 0;
	if (was.state == HOST_PORT_BOUND)
		leave(host, was, domid, number);
	if (!domid && number >= HOST_DEVICE_PORTS && number < host->state->free_from)
		host->state->free_from = number;
	atomic_store(&port->binding, (struct host_binding){0});
}

static void reap(struct host *host)
{
	char path[128];
	uint16_t known = 0;
	bool known_alive = false;

	for (uint32_t number = HOST_DEVICE_PORTS; number < host->state->ports_end; number++) {
		uint16_t owner = host_binding(&host->state->ports[number]).owner;
		if (!owner)
			continue;
		if (owner != known)
			known_alive = is_alive(host, known = owner);
		if (known_alive)
			continue;
		fifo_path(host, owner, path);
		unlink(path);
		host_close_port(host, 0, number);
	}
}

void host_reap(struct host *host)
{
	host_lock(host);
	reap(host);
	host_unlock(host);
}

static int alloc_port(struct host *host, uint16_t domid, uint32_t lowest, struct host_binding binding, bool kernel)
{
	uint32_t end = domid ? HOST_PORTS : HOST_PORTS_OF_0;

	for (uint32_t number = lowest; number < end; number++) {
		struct host_port *port = host_port(host, domid, number);
		if (!port || host_binding(port).state != HOST_PORT_FREE)
			continue;
		port->kernel = kernel;
		atomic_store(&port->signal, 0);
		atomic_store(&port->binding, binding);
		if (!domid && host->state->ports_end <= number)
			host->state->ports_end = number + 1;
		return (int)number;
	}
	return -ENOSPC;
}

/* One for domain 0's event device. */
static int alloc_device_port(struct host *host, struct host_binding binding)
{
	int number = alloc_port(host, 0, host->state->free_from, binding, false);

	if (number > 0)
		host->state->free_from = (uint32_t)number + 1;
	return number;
}

int host_alloc_unbound(struct host *host, uint16_t owner, uint16_t domid, uint16_t remote)
{
	const struct host_binding binding = {.state = HOST_PORT_UNBOUND, .owner = owner, .domid = remote};

	host_lock(host);
	const struct host_domain *domain = host_domain(host, domid);
	int number = !domain	     ? -ESRCH
		     : domain->dying ? -EINVAL
				     : alloc_port(host, domid, domid ? HOST_STORE_PORT : HOST_STORE_PORT_OF_0, binding, true);
	host_unlock(host);
	return number;
}

static bool can_bind(struct host *host, uint32_t domid, uint32_t number)
{
	const struct host_port *port = host_port(host, domid, number);
	struct host_binding binding = host_binding(port);

	return binding.state == HOST_PORT_UNBOUND && binding.domid == 0;
}

int host_bind(struct host *host, uint16_t owner, uint32_t domid, uint32_t remote)
{
	struct host_binding binding = {
	    .state = HOST_PORT_BOUND, .owner = owner, .domid = (uint16_t)domid, .port = (uint16_t)remote};
	int number;

	host_lock(host);
	if (host_domain(host, domid) && !can_bind(host, domid, remote))
		reap(host);
	if (!host_domain(host, domid))
		number = -ESRCH;
	else if (!can_bind(host, domid, remote))
		number = -EINVAL;
	else
		number = alloc_device_port(host, binding);
	if (number > 0) {
		struct host_port *other = host_port(host, domid, remote);
		struct host_binding peer = host_binding(other);
		peer.state = HOST_PORT_BOUND;
		peer.domid = 0;
		peer.port = (uint16_t)number;
		atomic_store(&other->binding, peer);
		/* What the other side has sent before may be lost, so a new port is pending. */
		signal_port(host, 0, (uint32_t)number);
	}
	host_unlock(host);
	return number;
}

int host_bind_virq(struct host *host, uint16_t owner)
{
	const struct host_binding binding = {.state = HOST_PORT_VIRQ, .owner = owner};

	host_lock(host);
	if (host->state->virq_port)
		reap(host);
	int number = host->state->virq_port ? -EEXIST : alloc_device_port(host, binding);
	if (number > 0)
		host->state->virq_port = (uint16_t)number;
	host_unlock(host);
	return number;
}

int host_unbind(struct host *host, uint16_t owner, uint32_t number)
{
	int error = 0;

	host_lock(host);
	struct host_port *port = host_port(host, 0, number);
	if (!port || host_binding(port).owner != owner)
		error = -ENOTCONN;
	else
		host_close_port(host, 0, number);
	host_unlock(host);
	return error;
}

void host_raise_virq(struct host *host)
{
	uint16_t number = host->state->virq_port;

	if (number)
		signal_port(host, 0, number);
}
