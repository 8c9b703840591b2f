/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "support/scene.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

#include "store/node.h"
#include "support/world_xen.h"

struct scene scene;

struct world_client *scene_introduce(uint16_t domid)
{
	char payload[32];

	snprintf(payload, sizeof(payload), "%u|4711|3", domid);
	scene_ok(scene.root, MESSAGE_INTRODUCE, 0, payload);
	ck_assert_ptr_nonnull(scene.world.xen->domains[domid].ring);
	return scene.world.xen->domains[domid].ring;
}

void scene_open_with(const struct world_options *options)
{
	ck_assert_int_eq(world_init(&scene.world, options), 0);
	scene.root = world_client(&scene.world, DOMID_PRIVILEGED, true);
	ck_assert_ptr_nonnull(scene.root);
	scene.guest = scene.world.xen ? scene_introduce(WORLD_GUEST) : world_client(&scene.world, WORLD_GUEST, false);
	ck_assert_ptr_nonnull(scene.guest);
}

void scene_open(void)
{
	scene_open_with(NULL);
}

void scene_open_with_xen(void)
{
	const struct world_options options = {.with_xen = true};

	scene_open_with(&options);
}

void scene_close(void)
{
	const char *problem = world_check(&scene.world);

	ck_assert_msg(!problem, "the store is not sound: %s", problem);
	world_deinit(&scene.world);
}

/* ---- requests ---- */

static void check_error(const char *got, const char *expected, uint32_t type, const char *payload)
{
	const char *name = message_type_name(type);

	ck_assert_msg(!strcmp(got, expected), "%s %.100s: \"%s\" instead of \"%s\"", name ? name : "?", payload, got, expected);
}

void scene_error(struct world_client *client, const char *error, uint32_t type, uint32_t transaction, const char *payload)
{
	check_error(world_try(client, type, transaction, payload), error, type, payload);
}

void scene_ok(struct world_client *client, uint32_t type, uint32_t transaction, const char *payload)
{
	scene_error(client, "", type, transaction, payload);
}

void scene_write_error(struct world_client *client, const char *error, uint32_t transaction, const char *path, const char *value)
{
	check_error(world_write(client, transaction, path, value), error, MESSAGE_WRITE, path);
}

void scene_write(struct world_client *client, uint32_t transaction, const char *path, const char *value)
{
	scene_write_error(client, "", transaction, path, value);
}

/* Compares bytes with a text in which '|' stands for NUL. */
static void check_bytes(const char *bytes, size_t len, const char *expected, const char *what)
{
	char text[MESSAGE_PAYLOAD_MAX + 1];

	for (size_t i = 0; i < len; i++)
		text[i] = bytes[i] ? bytes[i] : '|';
	text[len] = 0;
	ck_assert_msg(!strcmp(text, expected), "%.100s: \"%.200s\" instead of \"%.200s\"", what, text, expected);
}

void scene_answer(struct world_client *client, const char *answer, uint32_t type, uint32_t transaction, const char *payload)
{
	const struct world_message *reply = world_call(client, type, transaction, payload);

	ck_assert_ptr_nonnull(reply);
	check_error(reply->error, "", type, payload);
	check_bytes(reply->payload, reply->header.len, answer, payload);
}

void scene_replied(struct world_client *client, const char *error)
{
	const struct world_message *reply = world_reply(client);

	ck_assert_ptr_nonnull(reply);
	check_error(reply->error, error, reply->header.type, "");
}

/* ---- events ---- */

void scene_event(struct world_client *client, const char *event)
{
	const struct world_message *message = world_event(client);
	char expected[MESSAGE_PAYLOAD_MAX + 2];

	ck_assert_msg(message, "no event, \"%.200s\" is missing", event);
	snprintf(expected, sizeof(expected), "%s|", event);
	check_bytes(message->payload, message->header.len, expected, "event");
}

void scene_no_event(struct world_client *client)
{
	const struct world_message *message = world_event(client);

	ck_assert_msg(!message, "an event of %.200s", message ? message->payload : "");
}

void scene_watch(struct world_client *client, const char *watch)
{
	scene_ok(client, MESSAGE_WATCH, 0, watch);
	ck_assert_ptr_nonnull(world_event(client));
}

/* ---- past the requests ---- */

void scene_node(const char *path, const char *value, const char *permissions)
{
	ck_assert_int_eq(world_set_node(&scene.world, path, value, permissions), 0);
}

uint64_t scene_owned(uint16_t domid)
{
	struct store *store = scene.world.turn.store;
	uint64_t owned;

	ck_assert_int_eq(node_account(store, store_view(store), domid, &owned), 0);
	return owned;
}

void scene_quota(const char *name, unsigned value)
{
	ck_assert_int_eq(quota_set(&scene.world.domains.quotas, false, name, value), 0);
	domains_quotas_changed(&scene.world.domains);
}
