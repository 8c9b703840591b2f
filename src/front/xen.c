/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Handles of libxenctrl, libxenevtchn and libxengnttab, opened together: the daemon serves rings with all three or not at all.
 * A Xen that has libxenmanage tells domains of one number apart by a unique id; an older one has the handle and the frame only.
 */
#include "front/xen.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xenctrl.h>
#include <xenevtchn.h>
#include <xengnttab.h>
#include <xen/grant_table.h>
#include <xen/hvm/params.h>
#ifdef HAVE_XENMANAGE
#include <xenmanage.h>
#endif

#include "base/status.h"

enum { DOMAINS_AT_ONCE = 128 };

/* What the kernel of the daemon's own domain says of its ring. */
static const char own_page_file[] = "/proc/xen/xsd_kva";
static const char own_port_file[] = "/proc/xen/xsd_port";

struct xen {
	xc_interface *control;
	xenevtchn_handle *event_channels;
	xengnttab_handle *grants;
#ifdef HAVE_XENMANAGE
	xenmanage_handle *domains;
#endif
	uint16_t own;
	struct ring_host host;
	struct hypervisor hypervisor;
};

/* Xen's refusal as a client is told it. */
static int status_of(int error)
{
	switch (error) {
	case ENOENT:
	case ESRCH:
		return STATUS_ENOENT;
	case ENOMEM:
		return STATUS_ENOMEM;
	case ENOSPC:
		return STATUS_ENOSPC;
	case EBUSY:
		return STATUS_EBUSY;
	case EAGAIN:
		return STATUS_EAGAIN;
	case EACCES:
		return STATUS_EACCES;
	case EPERM:
		return STATUS_EPERM;
	default:
		return STATUS_EINVAL;
	}
}

/* ---- pages ---- */

static int map_own(struct ring_page **out)
{
	int fd = open(own_page_file, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return status_of(errno);
	void *page = mmap(NULL, RING_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	int result = page == MAP_FAILED ? status_of(errno) : 0;
	close(fd);
	if (!result)
		*out = page;
	return result;
}

static int map(void *context, uint16_t domid, struct ring_page **out)
{
	const struct xen *xen = context;

	if (domid == xen->own)
		return map_own(out);
	*out = xengnttab_map_grant_ref(xen->grants, domid, GNTTAB_RESERVED_XENSTORE, PROT_READ | PROT_WRITE);
	return *out ? 0 : status_of(errno);
}

static void unmap(void *context, uint16_t domid, struct ring_page *page)
{
	const struct xen *xen = context;

	if (domid == xen->own)
		munmap(page, RING_PAGE_SIZE);
	else
		xengnttab_unmap(xen->grants, page, 1);
}

/* ---- event channels ---- */

static uint32_t own_port(void)
{
	char text[16];
	int fd = open(own_port_file, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return 0;
	ssize_t len = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (len <= 0)
		return 0;
	text[len] = 0;
	return (uint32_t)strtoul(text, NULL, 10);
}

static uint32_t known_port(void *context, uint16_t domid)
{
	const struct xen *xen = context;
	uint64_t port;

	if (domid == xen->own)
		return own_port();
	return xc_hvm_param_get(xen->control, domid, HVM_PARAM_STORE_EVTCHN, &port) ? 0 : (uint32_t)port;
}

static int bind_remote(void *context, uint16_t domid, uint32_t remote_port, uint32_t *out)
{
	const struct xen *xen = context;
	int port = xenevtchn_bind_interdomain(xen->event_channels, domid, remote_port);

	if (port < 0)
		return status_of(errno);
	*out = (uint32_t)port;
	return 0;
}

static uint32_t remote_port(void *context, uint32_t port)
{
	const struct xen *xen = context;
	xc_evtchn_status_t status = {.dom = DOMID_SELF, .port = port};

	return xc_evtchn_status(xen->control, &status) || status.status != EVTCHNSTAT_interdomain ? 0 : status.u.interdomain.port;
}

static int bind_domain_exception(void *context, uint32_t *out)
{
	const struct xen *xen = context;
	int port = xenevtchn_bind_virq(xen->event_channels, VIRQ_DOM_EXC);

	if (port < 0)
		return -errno;
	*out = (uint32_t)port;
	return 0;
}

static void unbind(void *context, uint32_t port)
{
	const struct xen *xen = context;

	xenevtchn_unbind(xen->event_channels, port);
}

/* libxenevtchn may block where nothing is pending, even with a descriptor that is set not to. */
static bool has_event(void *context)
{
	const struct xen *xen = context;
	struct pollfd readable = {.fd = xen->host.event_fd, .events = POLLIN};

	return poll(&readable, 1, 0) > 0;
}

static int next_event(void *context, uint32_t *port)
{
	const struct xen *xen = context;
	int found = xenevtchn_pending(xen->event_channels);

	if (found < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	*port = (uint32_t)found;
	return 1;
}

static void unmask(void *context, uint32_t port)
{
	const struct xen *xen = context;

	xenevtchn_unmask(xen->event_channels, port);
}

static void notify(void *context, uint32_t port)
{
	const struct xen *xen = context;

	xenevtchn_notify(xen->event_channels, port);
}

/* ---- domains ---- */

#ifdef HAVE_XENMANAGE

/* 0; STATUS_ENOENT: it is gone. */
static int add_unique_id(const struct xen *xen, uint16_t domid, struct domain_state *state)
{
	unsigned flags;
#ifdef XENMANAGE_HAS_CAPABILITIES
	unsigned capabilities;
	int failed = xenmanage_get_domain_info(xen->domains, domid, &flags, &capabilities, &state->identity.unique_id);
#else
	int failed = xenmanage_get_domain_info(xen->domains, domid, &flags, &state->identity.unique_id);
#endif

	if (failed)
		return errno == ENOENT || errno == ESRCH ? STATUS_ENOENT : -errno;
	state->dying = state->dying || flags & XENMANAGE_GETDOMSTATE_STATE_DEAD;
	state->shut_down = state->shut_down || flags & XENMANAGE_GETDOMSTATE_STATE_SHUTDOWN;
	return 0;
}

#else

static int add_unique_id(const struct xen *xen, uint16_t domid, struct domain_state *state)
{
	(void)xen;
	(void)domid;
	(void)state;
	return 0;
}

#endif

static int state_of(const struct xen *xen, const xc_domaininfo_t *info, struct domain_state *out)
{
	bool hvm = info->flags & XEN_DOMINF_hvm_guest;

	*out = (struct domain_state){
	    /* For a guest with memory of its own numbering this is where that guest has put the page, if it has. */
	    .identity.shared_info_frame = hvm ? DOMAIN_FRAME_NOT_KNOWN : info->shared_info_frame,
	    .dying = info->flags & XEN_DOMINF_dying,
	    .shut_down = info->flags & XEN_DOMINF_shutdown,
	    .hvm = hvm,
	};
	memcpy(out->identity.handle, info->handle, sizeof(out->identity.handle));
	return add_unique_id(xen, (uint16_t)info->domain, out);
}

static int domain_state(void *context, uint16_t domid, struct domain_state *out)
{
	const struct xen *xen = context;
	xc_domaininfo_t info;
	int n = xc_domain_getinfolist(xen->control, domid, 1, &info);

	if (n < 0)
		return errno == ESRCH || errno == ENOENT ? STATUS_ENOENT : -errno;
	if (!n || info.domain != domid) /* what is found is the next domain */
		return STATUS_ENOENT;
	return state_of(xen, &info, out);
}

static int each_domain(void *context, int (*found)(void *found_context, uint16_t domid, const struct domain_state *state),
		       void *found_context)
{
	const struct xen *xen = context;
	xc_domaininfo_t *infos = malloc(DOMAINS_AT_ONCE * sizeof(*infos));
	uint32_t first = 0;
	int n = DOMAINS_AT_ONCE, result = 0;

	if (!infos)
		return -ENOMEM;
	while (!result && n == DOMAINS_AT_ONCE) {
		n = xc_domain_getinfolist(xen->control, first, DOMAINS_AT_ONCE, infos);
		if (n < 0)
			result = -errno;
		for (int i = 0; i < n && !result; i++) {
			struct domain_state state;
			first = infos[i].domain + 1u;
			result = state_of(xen, &infos[i], &state);
			if (!result)
				result = found(found_context, (uint16_t)infos[i].domain, &state);
			else if (result == STATUS_ENOENT) /* gone in between */
				result = 0;
		}
	}
	free(infos);
	return result;
}

/* ---- opening ---- */

/* The name of what is missing; NULL: all is there. */
static const char *open_all(struct xen *xen, int events)
{
	xen->event_channels = events >= 0 ? xenevtchn_fdopen(NULL, events, 0) : xenevtchn_open(NULL, 0);
	if (!xen->event_channels)
		return "event channels";
	xen->grants = xengnttab_open(NULL, 0);
	if (!xen->grants)
		return "grant tables";
	xen->control = xc_interface_open(NULL, NULL, 0);
	if (!xen->control)
		return "hypercalls";
#ifdef HAVE_XENMANAGE
	xen->domains = xenmanage_open(NULL, 0);
	if (!xen->domains)
		return "states of domains";
#endif
	return NULL;
}

int xen_open(struct log *log, uint16_t own, int events, struct xen **out)
{
	struct xen *xen = calloc(1, sizeof(*xen));

	if (!xen)
		return -ENOMEM;
	const char *missing = open_all(xen, events);
	if (missing) {
		log_error(log,
			  "no Xen here: %s cannot be opened (%s). On a machine without Xen start with --no-xen: then only the "
			  "socket is served.",
			  missing, strerror(errno));
		xen_close(xen);
		return -ENODEV;
	}
	/* One for each domain; some drivers have a limit of their own and refuse. */
	xengnttab_set_max_grants(xen->grants, DOMID_FIRST_RESERVED);
	xen->own = own;
	xen->host = (struct ring_host){
	    .context = xen,
	    .event_fd = xenevtchn_fd(xen->event_channels),
	    .map = map,
	    .unmap = unmap,
	    .known_port = known_port,
	    .bind = bind_remote,
	    .remote_port = remote_port,
	    .bind_domain_exception = bind_domain_exception,
	    .unbind = unbind,
	    .has_event = has_event,
	    .next_event = next_event,
	    .unmask = unmask,
	    .notify = notify,
	};
	xen->hypervisor = (struct hypervisor){xen, domain_state, each_domain};
	*out = xen;
	return 0;
}

void xen_close(struct xen *xen)
{
	if (!xen)
		return;
#ifdef HAVE_XENMANAGE
	if (xen->domains)
		xenmanage_close(xen->domains);
#endif
	if (xen->control)
		xc_interface_close(xen->control);
	if (xen->grants)
		xengnttab_close(xen->grants);
	if (xen->event_channels)
		xenevtchn_close(xen->event_channels);
	free(xen);
}

const struct ring_host *xen_ring_host(const struct xen *xen)
{
	return &xen->host;
}

const struct hypervisor *xen_hypervisor(const struct xen *xen)
{
	return &xen->hypervisor;
}
