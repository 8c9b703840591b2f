/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kill/holder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "handover/channel.h"
#include "handover/keeper.h"

enum { TRIAL_DEATHS = 2 };

void holder_init(struct kill_holder *holder)
{
	*holder = (struct kill_holder){.channel = -1};
}

static void end_channel(struct kill_holder *holder)
{
	if (holder->channel >= 0)
		close(holder->channel);
	holder->channel = -1;
}

void holder_deinit(struct kill_holder *holder)
{
	end_channel(holder);
	for (size_t i = 0; i < holder->n; i++)
		close(holder->held[i].fd);
	holder->n = 0;
}

static void drop(struct kill_holder *holder, uint64_t id)
{
	for (size_t i = 0; i < holder->n; i++) {
		if (holder->held[i].id != id)
			continue;
		close(holder->held[i].fd);
		holder->held[i] = holder->held[--holder->n];
		return;
	}
}

static void handle(struct kill_holder *holder, const struct channel_message *message, int fd)
{
	if (message->kind == CHANNEL_DROP)
		drop(holder, message->id);
	if (message->kind == CHANNEL_UPDATE || message->kind == CHANNEL_PROVED) {
		holder->is_trial = message->kind == CHANNEL_UPDATE;
		holder->trial_deaths = 0;
	}
	if (message->kind == CHANNEL_HOLD && fd >= 0) {
		drop(holder, message->id);
		if (holder->n == HOLDER_MAX)
			abort();
		holder->held[holder->n].id = message->id;
		holder->held[holder->n++].fd = fd;
	} else if (fd >= 0) {
		close(fd);
	}
}

void holder_listen(struct kill_holder *holder)
{
	struct channel_message message;
	int fd;

	while (holder->channel >= 0 && !channel_receive(holder->channel, &message, &fd))
		handle(holder, &message, fd);
}

/* What has become of an update. */
static void tell_trial(struct kill_holder *holder)
{
	static const struct channel_message failed = {CHANNEL_FAILED, sizeof(HOLDER_FAILED) - 1, 0, HOLDER_FAILED};

	if (!holder->is_trial)
		return;
	holder->is_trial = ++holder->trial_deaths < TRIAL_DEATHS;
	if (holder->is_trial)
		channel_send_short(holder->channel, CHANNEL_TRIAL, 0, -1);
	else
		channel_send(holder->channel, &failed, -1);
}

int holder_open(struct kill_holder *holder)
{
	int ends[2];

	holder_listen(holder);
	end_channel(holder);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
		return -errno;
	holder->channel = ends[0];
	fcntl(ends[0], F_SETFL, fcntl(ends[0], F_GETFL) | O_NONBLOCK);
	for (size_t i = 0; i < holder->n; i++)
		channel_send_short(ends[0], CHANNEL_HELD, holder->held[i].id, holder->held[i].fd);
	tell_trial(holder);
	channel_send_short(ends[0], CHANNEL_ALL, 0, -1);
	return ends[1];
}

void holder_pass(int channel)
{
	char number[32];

	fcntl(channel, F_SETFD, 0);
	snprintf(number, sizeof(number), "%d%s", channel, KEEPER_AGAIN);
	setenv(KEEPER_CHANNEL_VARIABLE, number, 1);
}
