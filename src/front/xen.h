/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/log.h"

/*
 * The hypervisor, through Xen's libraries; no other file includes their headers. Rings are served by a front end that builds
 * on this; so far it only tells whether there is a Xen to serve.
 */
struct xen;

/* -ENODEV, with a message that says what to do, where there is no Xen or it cannot be reached. *out: closed by xen_close. */
int xen_open(struct log *log, struct xen **out);
void xen_close(struct xen *xen); /* accepts NULL */
