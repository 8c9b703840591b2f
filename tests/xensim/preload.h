/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "xensim/host.h"

/*
 * libxensim.so is loaded (LD_PRELOAD) into a daemon that is linked to Xen's libraries, and has their functions as the daemon
 * calls them. The variable XENSIM names the directory of the simulated host.
 */

/* The host, opened with the first call; NULL with errno set if it cannot be. */
struct host *preload_host(void);

/* The function of this name behind ours. Never NULL. */
void *preload_real(const char *name);
