/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "front/ring_front.h"
#include "support/fake_xen.h"
#include "support/world.h"

/*
 * For tests of rings: a world whose turns are ended by a front with rings of a fake Xen, and an event loop that the test
 * turns by hand. Failures fail the test. World clients have no place in it.
 */
struct ring_stage {
	struct world world;
	struct ev_loop *loop;
	struct front front;
	struct fake_xen xen;
	struct ring_front *rings;
	unsigned exceptions; /* events of ended domains that were told */
};
extern struct ring_stage stage;

/* What a guest got. */
struct ring_message {
	struct message_header header;
	char payload[MESSAGE_PAYLOAD_MAX + 1]; /* a NUL follows */
};

/* Fixtures. Rings are scanned only by hand. */
void ring_stage_open(void);
void ring_stage_close(void);
void ring_stage_open_with(const struct world_options *options, double scan_seconds);

/* Some rounds of the loop without waiting: all that can be done at once is done. */
void ring_stage_turn(void);

/* INTRODUCE and RELEASE as an operation calls them, each in a turn of its own. */
int ring_stage_introduce(struct fake_guest *guest, uint32_t port);
int ring_stage_release(struct fake_guest *guest);

/* A guest with an event channel, introduced. */
struct fake_guest *ring_stage_guest(uint16_t domid);

/* Puts all of it into the ring, with an event for each part, turning the loop. */
void ring_stage_put(struct fake_guest *guest, const void *bytes, size_t len);

/* The next message, with an event for each part that was taken. False: none came, or only a part of it. */
bool ring_stage_take(struct fake_guest *guest, struct ring_message *out);

/* Request and reply; '|' in the payload stands for NUL. Events before the reply are lost. */
void ring_stage_call(struct fake_guest *guest, uint32_t type, uint32_t transaction, const char *payload,
		     struct ring_message *out);

/* The guest is served: it gets an answer. */
void ring_stage_alive(struct fake_guest *guest);

/* Nothing happens whatever the guest puts and notifies; its page has this error. */
void ring_stage_stopped(struct fake_guest *guest, uint32_t error);
