/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "request/turn.h"

/*
 * Events that guests do not read (XSA-326). One that has waited for turn->event_seconds is dropped; the privileged may take as
 * long as they want. Time is counted in ticks, UNREAD_TICKS of them in event_seconds, so that no event bears a time of its own:
 * it is dropped by the tick at which it has seen so many, or one more.
 */

/* The client has taken output, as much as it would: does it leave events? */
void unread_note(struct turn *turn, struct client *client);

/* A tick: only needed while turn->unread. */
void unread_tick(struct turn *turn);

/* The client ends, or its queue begins anew. */
void unread_forget(struct turn *turn, struct client *client);
