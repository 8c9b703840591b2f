/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "support/world.h"

/*
 * For tests of requests without a socket: a world with one privileged client and one guest, made before and taken down after
 * each test, and expectations that fail the test. In payloads and in what is expected '|' stands for NUL.
 */
struct scene {
	struct world world;
	struct world_client *root;  /* of domain 0 */
	struct world_client *guest; /* of domain WORLD_GUEST, unprivileged */
};
extern struct scene scene;

/* Fixtures. The store must be sound at the end. */
void scene_open(void);
void scene_close(void);

/* The same with a store and a ledger of these sizes; scene_close takes it down. */
void scene_open_with(const struct world_options *options);

/* The same with a Xen (support/world_xen.h): the guest's client is its ring, and ends with RELEASE or its death. */
void scene_open_with_xen(void);

/* INTRODUCE of a domain that the Xen has; its ring. */
struct world_client *scene_introduce(uint16_t domid);

/* A request that succeeds, or that fails with this error. Payload as in world_call: a last NUL is added. */
void scene_ok(struct world_client *client, uint32_t type, uint32_t transaction, const char *payload);
void scene_error(struct world_client *client, const char *error, uint32_t type, uint32_t transaction, const char *payload);

/* WRITE takes its value without a NUL. */
void scene_write(struct world_client *client, uint32_t transaction, const char *path, const char *value);
void scene_write_error(struct world_client *client, const char *error, uint32_t transaction, const char *path, const char *value);

/* A request that is answered with exactly these bytes. */
void scene_answer(struct world_client *client, const char *answer, uint32_t type, uint32_t transaction, const char *payload);

/* The next reply that came and was not yet asked for: an error, or "" for success. */
void scene_replied(struct world_client *client, const char *error);

/* The next event that came is "<path>|<token>"; none has come. */
void scene_event(struct world_client *client, const char *event);
void scene_no_event(struct world_client *client);

/* A watch of "<path>|<token>"; its first event is taken. */
void scene_watch(struct world_client *client, const char *watch);

/* world_set_node, which must succeed. */
void scene_node(const char *path, const char *value, const char *permissions);

/* The number of nodes that the domain owns by its account. */
uint64_t scene_owned(uint16_t domid);

/* Sets a quota as `xenstore-control quota set` does. */
void scene_quota(const char *name, unsigned value);
