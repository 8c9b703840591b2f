/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What of libxenctrl asks about domains. The handle is one that the real library makes for a machine without Xen, so that its
 * other functions fail and do not crash.
 */
#include <errno.h>
#include <string.h>
#include <xenctrl.h>
#include <xen/hvm/params.h>

#include "xensim/preload.h"

xc_interface *xc_interface_open(xentoollog_logger *logger, xentoollog_logger *builder, unsigned flags)
{
	typedef xc_interface *function(xentoollog_logger *, xentoollog_logger *, unsigned);

	if (!preload_host())
		return NULL;
	return ((function *)preload_real("xc_interface_open"))(logger, builder, flags | XC_OPENFLAG_DUMMY);
}

static void fill(const struct host_domain *domain, uint32_t domid, xc_domaininfo_t *out)
{
	*out = (xc_domaininfo_t){.domain = (domid_t)domid,
				 .shared_info_frame = domain->frame,
				 .tot_pages = 65536,
				 .max_pages = 65536,
				 .nr_online_vcpus = 1,
				 .flags = (domain->dying ? XEN_DOMINF_dying : 0U) | (domain->hvm ? XEN_DOMINF_hvm_guest : 0U) |
					  (domain->paused ? XEN_DOMINF_paused : 0U)};
	if (domain->shutdown)
		out->flags |= XEN_DOMINF_shutdown | (uint32_t)domain->reason << XEN_DOMINF_shutdownshift;
	memcpy(out->handle, domain->handle, sizeof(domain->handle));
}

/* The domains from `first` on; their number. */
static int list(struct host *host, uint32_t first, unsigned max, xc_domaininfo_t *out)
{
	unsigned n = 0;

	host_lock(host);
	for (uint32_t domid = first; domid < host->state->domains_end && n < max; domid++) {
		const struct host_domain *domain = host_domain(host, domid);
		if (domain)
			fill(domain, domid, &out[n++]);
	}
	host_unlock(host);
	return (int)n;
}

int xc_domain_getinfolist(xc_interface *control, uint32_t first, unsigned max, xc_domaininfo_t *out)
{
	struct host *host = preload_host();

	(void)control;
	int error = max == 1 ? host_enter(host, HOST_CALL_DOMAIN, first) : host_enter(host, HOST_CALL_DOMAINS, HOST_ANY);
	if (!error)
		return list(host, first, max, out);
	errno = -error;
	return error < 0 ? -1 : 0;
}

int xc_evtchn_status(xc_interface *control, xc_evtchn_status_t *status)
{
	struct host *host = preload_host();
	uint32_t domid = status->dom == DOMID_SELF ? 0 : status->dom;

	(void)control;
	host_lock(host);
	const struct host_port *port = host_port(host, domid, status->port);
	struct host_binding binding = host_binding(port);
	host_unlock(host);
	if (!port) {
		errno = EINVAL;
		return -1;
	}
	status->status = binding.state == HOST_PORT_BOUND ? EVTCHNSTAT_interdomain : EVTCHNSTAT_closed;
	status->u.interdomain.dom = binding.domid;
	status->u.interdomain.port = binding.port;
	return 0;
}

int xc_domain_getinfo(xc_interface *control, uint32_t first, unsigned max, xc_dominfo_t *out)
{
	struct host *host = preload_host();
	unsigned n = 0;

	(void)control;
	int error = max == 1 ? host_enter(host, HOST_CALL_DOMAIN, first) : host_enter(host, HOST_CALL_DOMAINS, HOST_ANY);
	for (xc_domaininfo_t info; !error && n < max && list(host, first, 1, &info); n++) {
		unsigned reason = info.flags >> XEN_DOMINF_shutdownshift & XEN_DOMINF_shutdownmask;
		bool shutdown = info.flags & XEN_DOMINF_shutdown;
		out[n] = (xc_dominfo_t){.domid = info.domain,
					.dying = !!(info.flags & XEN_DOMINF_dying),
					.shutdown = shutdown && reason != SHUTDOWN_crash,
					.crashed = shutdown && reason == SHUTDOWN_crash,
					.paused = !!(info.flags & XEN_DOMINF_paused),
					.hvm = !!(info.flags & XEN_DOMINF_hvm_guest),
					.shutdown_reason = reason,
					.nr_pages = info.tot_pages,
					.shared_info_frame = info.shared_info_frame,
					.nr_online_vcpus = 1};
		memcpy(out[n].handle, info.handle, sizeof(info.handle));
		first = info.domain + 1U;
	}
	if (n)
		return (int)n;
	errno = error ? -error : ESRCH;
	return -1;
}

int xc_hvm_param_get(xc_interface *control, uint32_t domid, uint32_t parameter, uint64_t *value)
{
	struct host *host = preload_host();
	int error = 0;

	(void)control;
	host_lock(host);
	const struct host_domain *domain = host_domain(host, domid);
	if (!domain)
		error = ESRCH;
	else if (!domain->hvm)
		error = EINVAL;
	else if (parameter == HVM_PARAM_STORE_EVTCHN)
		*value = domain->store_port;
	else if (parameter == HVM_PARAM_STORE_PFN)
		*value = domain->page + (uint64_t)HOST_FIRST_FRAME;
	else
		error = EINVAL;
	host_unlock(host);
	errno = error;
	return error ? -1 : 0;
}
