/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libxenevtchn, as xenevtchn.h describes it. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>
#include <xenevtchn.h>

#include "xensim/preload.h"

struct xenevtchn_handle {
	struct host *host;
	int fd;
	uint16_t owner;
};

static int failed(int error)
{
	errno = error < 0 ? -error : error;
	return -1;
}

/* `fd`: an inherited one; negative: a new one. */
static xenevtchn_handle *make(int fd, int flags)
{
	struct host *host = preload_host();
	xenevtchn_handle *handle = host ? calloc(1, sizeof(*handle)) : NULL;

	if (!handle)
		return NULL;
	handle->host = host;
	handle->fd = fd;
	int owner = host_enter(host, HOST_CALL_OPEN, HOST_ANY);
	if (!owner)
		owner = fd >= 0 ? host_events_owner(fd) : host_events_open(host, flags, &handle->fd);
	if (owner < 0) {
		free(handle);
		errno = -owner;
		return NULL;
	}
	handle->owner = (uint16_t)owner;
	return handle;
}

xenevtchn_handle *xenevtchn_open(struct xentoollog_logger *logger, unsigned int flags)
{
	(void)logger;
	return make(-1, flags & XENEVTCHN_NO_CLOEXEC ? 0 : O_CLOEXEC);
}

xenevtchn_handle *xenevtchn_fdopen(struct xentoollog_logger *logger, int fd, unsigned flags)
{
	(void)logger;
	if (fd >= 0 && !flags)
		return make(fd, 0);
	errno = EINVAL;
	return NULL;
}

/* The ports are closed with the last copy of the descriptor: somebody will see that and reap them. */
int xenevtchn_close(xenevtchn_handle *handle)
{
	if (!handle)
		return 0;
	int result = close(handle->fd);
	free(handle);
	return result;
}

int xenevtchn_fd(xenevtchn_handle *handle)
{
	return handle->fd;
}

int xenevtchn_restrict(xenevtchn_handle *handle, domid_t domid)
{
	(void)handle;
	(void)domid;
	return failed(EOPNOTSUPP);
}

/* The domain at the other end, for rules. */
static uint32_t peer(const xenevtchn_handle *handle, evtchn_port_t port)
{
	struct host_binding binding = host_binding(host_port(handle->host, 0, port));

	return binding.state == HOST_PORT_BOUND ? binding.domid : HOST_ANY;
}

int xenevtchn_notify(xenevtchn_handle *handle, evtchn_port_t port)
{
	int result = host_enter(handle->host, HOST_CALL_NOTIFY, peer(handle, port));

	if (!result)
		result = host_notify(handle->host, handle->owner, 0, port);
	return result < 0 ? failed(result) : 0;
}

xenevtchn_port_or_error_t xenevtchn_bind_unbound_port(xenevtchn_handle *handle, uint32_t domid)
{
	(void)handle;
	(void)domid;
	return failed(ENOSYS);
}

xenevtchn_port_or_error_t xenevtchn_bind_interdomain(xenevtchn_handle *handle, uint32_t domid, evtchn_port_t remote)
{
	int result = host_enter(handle->host, HOST_CALL_BIND, domid);

	if (!result)
		result = host_bind(handle->host, handle->owner, domid, remote);
	return result < 0 ? failed(result) : result;
}

xenevtchn_port_or_error_t xenevtchn_bind_virq(xenevtchn_handle *handle, unsigned int virq)
{
	int result = host_enter(handle->host, HOST_CALL_VIRQ, HOST_ANY);

	if (!result)
		result = virq == VIRQ_DOM_EXC ? host_bind_virq(handle->host, handle->owner) : -EINVAL;
	return result < 0 ? failed(result) : result;
}

int xenevtchn_unbind(xenevtchn_handle *handle, evtchn_port_t port)
{
	int result = host_enter(handle->host, HOST_CALL_UNBIND, peer(handle, port));

	if (!result)
		result = host_unbind(handle->host, handle->owner, port);
	return result < 0 ? failed(result) : 0;
}

xenevtchn_port_or_error_t xenevtchn_pending(xenevtchn_handle *handle)
{
	evtchn_port_t port;
	ssize_t n = read(handle->fd, &port, sizeof(port));

	if (n != sizeof(port))
		return n < 0 ? -1 : failed(EIO);
	host_enter(handle->host, HOST_CALL_PENDING, peer(handle, port));
	return (xenevtchn_port_or_error_t)port;
}

int xenevtchn_unmask(xenevtchn_handle *handle, evtchn_port_t port)
{
	int result = host_enter(handle->host, HOST_CALL_UNMASK, peer(handle, port));

	if (!result)
		host_unmask(handle->host, handle->owner, port);
	return result < 0 ? failed(result) : 0;
}
