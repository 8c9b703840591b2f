/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a toolstack does for a guest, in as few requests as it can be done. */
#include "xensim/expect_guest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TIMEOUT_MS = 60000 };

struct sim *expect_sim(const struct daemon *daemon)
{
	struct sim *sim;

	ck_assert_int_eq(sim_new(daemon->directory, &sim), 0);
	return sim;
}

void expect_sim_start(struct sim *sim, struct daemon *daemon, enum sim_daemon which, const char *const arguments[])
{
	int status = 0, error = sim_start(sim, daemon, which, arguments, &status);
	char *messages = daemon_messages(daemon);

	ck_assert_msg(!error, "the daemon does not start (%s, status %#x): %s", strerror(-error), (unsigned)status,
		      messages ? messages : "");
	free(messages);
}

struct guest *expect_introduce(struct sim *sim, struct client *root, uint16_t domid)
{
	char number[16], frame[32], port[16];
	struct guest *guest;

	snprintf(number, sizeof(number), "%u", domid);
	snprintf(frame, sizeof(frame), "%lu", sim_frame(sim, domid));
	snprintf(port, sizeof(port), "%u", sim_port(sim, domid));
	expect_ok(root, MESSAGE_INTRODUCE, 0, ARGUMENTS(number, frame, port));
	ck_assert_int_eq(guest_attach(sim, domid, &guest), 0);
	return guest;
}

struct client *expect_guest(struct sim *sim, struct client *root, uint16_t domid)
{
	char home[32], owner[16];
	struct client *client;

	ck_assert_int_eq(sim_create(sim, domid, SIM_PV), 0);
	snprintf(home, sizeof(home), "/local/domain/%u", domid);
	snprintf(owner, sizeof(owner), "n%u", domid);
	struct guest *guest = expect_introduce(sim, root, domid);
	expect_ok(root, MESSAGE_MKDIR, 0, ARGUMENTS(home));
	expect_ok(root, MESSAGE_SET_PERMS, 0, ARGUMENTS(home, owner));
	ck_assert_int_eq(guest_client(guest, TIMEOUT_MS, &client), 0);
	return client;
}
