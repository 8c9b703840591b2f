/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One process does it all: what it has sent is under way while it looks after the others. */
#include "integration/update_load.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "integration/ring_player.h"
#include "support/command.h"
#include "xensim/expect_guest.h"

enum { PLAYERS = 4, FIRST_DOMID = 5, BURST = 24, ROUNDS_AT_END = 20000 };

struct update_load {
	struct daemon *daemon;
	struct sim *sim;
	struct client *root;
	struct player *players[PLAYERS];
	struct client *burst; /* of the socket */
	unsigned round, unanswered;
	uint32_t first_id;
	struct random random;
};

static const struct timespec a_moment = {.tv_nsec = 200000};

/* ---- the socket's client ---- */

/* WATCH and UNWATCH by turns; none is there already, each is there when it is removed. */
static void send_burst(struct update_load *load)
{
	uint32_t id;

	for (unsigned i = 0; i < BURST; i++) {
		char payload[64];
		int len = snprintf(payload, sizeof(payload), "/w%c%u-%u", 0, load->round, i / 2) + 1;
		ck_assert_int_eq(client_send(load->burst, i % 2 ? MESSAGE_UNWATCH : MESSAGE_WATCH, 0, payload, (size_t)len, &id),
				 0);
		if (!i)
			load->first_id = id;
	}
	load->round++;
	load->unanswered = BURST;
}

static void take_answer(struct update_load *load)
{
	struct client_message message;

	ck_assert_int_eq(client_receive_reply(load->burst, &message), 0);
	ck_assert_uint_eq(message.header.request_id, load->first_id + BURST - load->unanswered);
	ck_assert_msg(message.header.type != MESSAGE_ERROR, "round %u, %u to come: %s", load->round, load->unanswered,
		      message.payload);
	load->unanswered--;
}

/* ---- the guests ---- */

/* Each watches the next one, the last one the first. */
static void make_readable(const struct update_load *load, int number)
{
	char e[40], owner[16], reader[16];

	snprintf(e, sizeof(e), "/local/domain/%d/e", FIRST_DOMID + number);
	snprintf(owner, sizeof(owner), "n%d", FIRST_DOMID + number);
	snprintf(reader, sizeof(reader), "r%d", FIRST_DOMID + (number + PLAYERS - 1) % PLAYERS);
	expect_ok(load->root, MESSAGE_MKDIR, 0, ARGUMENTS(e));
	expect_ok(load->root, MESSAGE_SET_PERMS, 0, ARGUMENTS(e, owner, reader));
}

static void new_players(struct update_load *load)
{
	for (int i = 0; i < PLAYERS; i++) {
		uint16_t domid = (uint16_t)(FIRST_DOMID + i);
		client_close(expect_guest(load->sim, load->root, domid));
		load->players[i] = player_new(guest_find(load->sim, domid));
		ck_assert_ptr_nonnull(load->players[i]);
	}
	for (int i = 0; i < PLAYERS; i++) {
		make_readable(load, i);
		player_watch(load->players[i], load->players[(i + 1) % PLAYERS]);
	}
}

static bool play(struct update_load *load, bool is_ending)
{
	bool moved = false;

	for (int i = 0; i < PLAYERS; i++) {
		moved |= player_go_on(load->players[i], &load->random, is_ending);
		if (!player_wrong(load->players[i]))
			continue;
		player_tell(load->players[i]);
		ck_abort_msg("domain %d: %s", FIRST_DOMID + i, player_wrong(load->players[i]));
	}
	return moved;
}

static bool all_are_done(const struct update_load *load)
{
	for (int i = 0; i < PLAYERS; i++)
		if (!player_is_done(load->players[i]))
			return false;
	return true;
}

static void finish(struct update_load *load)
{
	while (load->unanswered)
		take_answer(load);
	for (int i = 0; !all_are_done(load); i++) {
		if (!play(load, true))
			nanosleep(&a_moment, NULL);
		if (i < ROUNDS_AT_END)
			continue;
		for (int player = 0; player < PLAYERS; player++)
			player_tell(load->players[player]);
		ck_abort_msg("not all that was asked for is answered");
	}
}

/* ---- all ---- */

struct update_load *update_load_new(struct daemon *daemon, bool kept, const char *const arguments[])
{
	struct update_load *load = calloc(1, sizeof(*load));

	ck_assert_ptr_nonnull(load);
	load->daemon = daemon;
	load->sim = expect_sim(daemon);
	expect_sim_start(load->sim, daemon, kept ? SIM_KEPT : SIM_LXENSTORED, arguments);
	load->root = expect_client(daemon);
	load->burst = expect_client(daemon);
	random_begin(&load->random, "UPDATE_SEED");
	new_players(load);
	return load;
}

void update_load_free(struct update_load *load)
{
	finish(load);
	expect_sound(load->root);
	for (int i = 0; i < PLAYERS; i++)
		player_free(load->players[i]);
	client_close(load->burst);
	client_close(load->root);
	ck_assert_int_eq(daemon_stop(load->daemon, SIGTERM, NULL), 0);
	sim_free(load->sim);
	free(load);
}

struct sim *update_load_sim(struct update_load *load)
{
	return load->sim;
}

void update_load_go_on(struct update_load *load)
{
	if (!load->unanswered)
		send_burst(load);
	bool moved = play(load, false);
	if (!moved || !random_below(&load->random, 4))
		take_answer(load);
}

int update_load_until_end(struct update_load *load, pid_t pid)
{
	int status;

	while (!waitpid(pid, &status, WNOHANG))
		update_load_go_on(load);
	return status;
}

static const char *socket_path; /* of the daemon that is asked; between fork and exec only a variable can tell */

static void name_socket(void)
{
	setenv("XENSTORED_PATH", socket_path, 1);
}

int update_load_ask(struct update_load *load, const char *const words[], char text[UPDATE_TEXT])
{
	const char *folder = sim_stock_programs(NULL), *all[16] = {NULL, "live-update"};
	char program[4200];
	size_t n = 2;

	*text = 0;
	if (!folder)
		return -ENOENT;
	snprintf(program, sizeof(program), "%s/xenstore-control", folder);
	all[0] = program;
	while ((all[n] = words[n - 2]) && n < 14)
		n++;
	int messages = memfd_create("messages", MFD_CLOEXEC);
	ck_assert_int_ge(messages, 0);
	socket_path = load->daemon->socket;
	int status = update_load_until_end(load, command_start(all, name_socket, messages, messages));
	ssize_t len = pread(messages, text, UPDATE_TEXT - 1, 0);
	text[len > 0 ? len : 0] = 0;
	close(messages);
	ck_assert_msg(WIFEXITED(status), "xenstore-control has ended with %x: %s", (unsigned)status, text);
	return WEXITSTATUS(status);
}
