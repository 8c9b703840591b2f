/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libxengnttab, and the one function of libxenctrl by which oxenstored maps rings instead. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#define XC_WANT_COMPAT_MAP_FOREIGN_API
#include <xenctrl.h>
#include <xengnttab.h>

#include "xensim/preload.h"

struct xengntdev_handle {
	struct host *host;
	int fd;
};

xengnttab_handle *xengnttab_open(struct xentoollog_logger *logger, unsigned flags)
{
	struct host *host = preload_host();
	xengnttab_handle *handle = host ? calloc(1, sizeof(*handle)) : NULL;

	(void)logger;
	(void)flags;
	if (!handle)
		return NULL;
	handle->host = host;
	handle->fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	return handle;
}

int xengnttab_close(xengnttab_handle *handle)
{
	if (handle)
		close(handle->fd);
	free(handle);
	return 0;
}

int xengnttab_fd(xengnttab_handle *handle)
{
	return handle->fd;
}

int xengnttab_set_max_grants(xengnttab_handle *handle, uint32_t count)
{
	(void)handle;
	(void)count;
	return 0;
}

/* `frame`: if not 0, what the page must have there. */
static void *map(struct host *host, uint32_t domid, uint64_t frame, int protection)
{
	int error = host_enter(host, HOST_CALL_MAP, domid);
	uint32_t page = 0;

	if (!error) {
		host_lock(host);
		const struct host_domain *domain = host_domain(host, domid);
		if (!domain || !domain->granted || (frame && frame != domain->page + (uint64_t)HOST_FIRST_FRAME))
			error = -EINVAL;
		else
			page = domain->page;
		host_unlock(host);
	}
	if (!error)
		return host_map(host, page, protection);
	errno = error < 0 ? -error : EINVAL;
	return NULL;
}

void *xengnttab_map_grant_ref(xengnttab_handle *handle, uint32_t domid, uint32_t ref, int protection)
{
	if (ref == HOST_STORE_GRANT)
		return map(handle->host, domid, 0, protection);
	errno = EINVAL;
	return NULL;
}

void *xengnttab_map_grant_refs(xengnttab_handle *handle, uint32_t count, uint32_t *domids, uint32_t *refs, int protection)
{
	if (count == 1)
		return xengnttab_map_grant_ref(handle, *domids, *refs, protection);
	errno = EINVAL;
	return NULL;
}

void *xengnttab_map_domain_grant_refs(xengnttab_handle *handle, uint32_t count, uint32_t domid, uint32_t *refs, int protection)
{
	return xengnttab_map_grant_refs(handle, count, &domid, refs, protection);
}

void *xengnttab_map_grant_ref_notify(xengnttab_handle *handle, uint32_t domid, uint32_t ref, int protection, uint32_t offset,
				     evtchn_port_t port)
{
	(void)offset;
	(void)port;
	return xengnttab_map_grant_ref(handle, domid, ref, protection);
}

int xengnttab_unmap(xengnttab_handle *handle, void *at, uint32_t count)
{
	int error = host_enter(handle->host, HOST_CALL_UNMAP, HOST_ANY);

	if (!error)
		return munmap(at, (size_t)count * HOST_PAGE);
	errno = error < 0 ? -error : 0;
	return error < 0 ? -1 : 0;
}

void *xc_map_foreign_range(xc_interface *control, uint32_t domid, int size, int protection, unsigned long frame)
{
	struct host *host = preload_host();

	(void)control;
	if (host && size == HOST_PAGE && frame)
		return map(host, domid, frame, protection);
	errno = EINVAL;
	return NULL;
}
