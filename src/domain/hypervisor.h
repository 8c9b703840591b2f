/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/*
 * Which domain a number means: numbers are used again. With a Xen that gives domains a unique id that alone counts; Xen 4.17
 * does not, there handle and frame tell two domains of one number apart, where the frame is known.
 */
struct domain_identity {
	uint64_t unique_id;	    /* 0: not known */
	unsigned char handle[16];   /* the UUID that the toolstack has chosen */
	uint64_t shared_info_frame; /* machine frame; DOMAIN_FRAME_NOT_KNOWN: Xen does not tell it, as of HVM and PVH guests */
};

#define DOMAIN_FRAME_NOT_KNOWN UINT64_MAX

struct domain_state {
	struct domain_identity identity;
	bool dying;	/* being torn down; is never coming back */
	bool shut_down; /* has ended itself, or has crashed, and is still there */
	bool hvm;
};

/* What has to be asked of Xen. Implemented by the front end on Xen's libraries, and by tests. */
struct hypervisor {
	void *context;

	/* 0; STATUS_ENOENT: there is no such domain; a fault. */
	int (*domain_state)(void *context, uint16_t domid, struct domain_state *out);

	/* Calls `found` with each domain in ascending order of numbers; a non-zero result ends the walk and is returned. */
	int (*each_domain)(void *context, int (*found)(void *found_context, uint16_t domid, const struct domain_state *state),
			   void *found_context);
};
