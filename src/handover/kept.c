/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The daemon sends its keeper a copy of each socket before anything is read from it, and says when it has closed one. A keeper
 * that is gone is noticed by the next message; the connections live on, without being held.
 */
#include "handover/kept.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "handover/channel.h"

struct kept_daemon {
	int channel;
	struct log *log;
	bool is_alone; /* the keeper is gone */
	struct holder holder;
};

static int tell(struct kept_daemon *daemon, enum channel_kind kind, uint64_t id, int fd)
{
	int error = daemon->is_alone ? -EPIPE : channel_send_short(daemon->channel, kind, id, fd);

	if (error == -EPIPE && !daemon->is_alone) {
		daemon->is_alone = true;
		log_error(daemon->log, "the keeper is gone: connections end with this process");
	}
	return error;
}

static int hold(void *context, uint64_t id, int fd)
{
	return tell(context, CHANNEL_HOLD, id, fd);
}

static void drop(void *context, uint64_t id)
{
	(void)tell(context, CHANNEL_DROP, id, -1);
}

static int add(struct held_list *held, uint64_t id, int fd)
{
	if (held->n == held->capacity) {
		size_t wanted = held->capacity ? 2 * held->capacity : 64;
		struct held *grown = realloc(held->all, wanted * sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		held->all = grown;
		held->capacity = wanted;
	}
	held->all[held->n++] = (struct held){id, fd};
	return 0;
}

static int receive_all(int channel, struct held_list *held)
{
	struct channel_message message;
	int fd;

	for (;;) {
		int error = channel_receive(channel, &message, &fd);
		if (error)
			return error;
		if (message.kind == CHANNEL_HELD && fd >= 0)
			error = add(held, message.id, fd);
		else if (fd >= 0)
			close(fd);
		if (error)
			close(fd);
		if (error || message.kind == CHANNEL_ALL)
			return error;
	}
}

void held_list_free(struct held_list *held)
{
	for (size_t i = 0; i < held->n; i++)
		if (held->all[i].fd >= 0)
			close(held->all[i].fd);
	free(held->all);
	*held = (struct held_list){0};
}

int kept_daemon_open(int channel, struct log *log, struct kept_daemon **out, struct held_list *held)
{
	struct kept_daemon *daemon = calloc(1, sizeof(*daemon));

	*held = (struct held_list){0};
	if (!daemon)
		return -ENOMEM;
	fcntl(channel, F_SETFD, FD_CLOEXEC);
	*daemon = (struct kept_daemon){.channel = channel, .log = log, .holder = {daemon, hold, drop}};
	int error = receive_all(channel, held);
	if (error) {
		held_list_free(held);
		kept_daemon_close(daemon);
		return error;
	}
	*out = daemon;
	return 0;
}

void kept_daemon_close(struct kept_daemon *daemon)
{
	if (!daemon)
		return;
	close(daemon->channel);
	free(daemon);
}

const struct holder *kept_daemon_holder(const struct kept_daemon *daemon)
{
	return &daemon->holder;
}

void kept_daemon_serving(struct kept_daemon *daemon, const char *ledger_path)
{
	struct channel_message message = {.kind = CHANNEL_SERVING};

	message.text_len = (uint32_t)snprintf(message.text, sizeof(message.text), "%s", ledger_path);
	if (channel_send(daemon->channel, &message, -1))
		log_error(daemon->log, "the keeper is gone");
}

void kept_daemon_ending(struct kept_daemon *daemon)
{
	(void)tell(daemon, CHANNEL_ENDING, 0, -1);
}
