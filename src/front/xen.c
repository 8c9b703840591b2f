/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Handles of libxenctrl, libxenevtchn and libxengnttab, opened together: the daemon serves rings with all three or not at all.
 */
#include "front/xen.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xenctrl.h>
#include <xenevtchn.h>
#include <xengnttab.h>

struct xen {
	xc_interface *control;
	xenevtchn_handle *event_channels;
	xengnttab_handle *grants;
};

int xen_open(struct log *log, struct xen **out)
{
	struct xen *xen = calloc(1, sizeof(*xen));
	const char *missing = NULL;

	if (!xen)
		return -ENOMEM;
	xen->event_channels = xenevtchn_open(NULL, 0);
	if (!xen->event_channels)
		missing = "event channels";
	xen->grants = missing ? NULL : xengnttab_open(NULL, 0);
	if (!missing && !xen->grants)
		missing = "grant tables";
	xen->control = missing ? NULL : xc_interface_open(NULL, NULL, 0);
	if (!missing && !xen->control)
		missing = "hypercalls";
	if (missing) {
		log_error(log,
			  "no Xen here: %s cannot be opened (%s). On a machine without Xen start with --no-xen: then only the "
			  "socket is served.",
			  missing, strerror(errno));
		xen_close(xen);
		return -ENODEV;
	}
	*out = xen;
	return 0;
}

void xen_close(struct xen *xen)
{
	if (!xen)
		return;
	if (xen->control)
		xc_interface_close(xen->control);
	if (xen->grants)
		xengnttab_close(xen->grants);
	if (xen->event_channels)
		xenevtchn_close(xen->event_channels);
	free(xen);
}
