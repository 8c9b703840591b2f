/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The daemon sends its keeper a copy of each socket before anything is read from it, and says when it has closed one. A keeper
 * that is gone is noticed by the next message; the connections live on, without being held.
 */
#include "handover/kept.h"

#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "handover/channel.h"
#include "request/live_update.h"
#include "ledger/ledger.h"

struct kept_daemon {
	struct log *log;
	struct holder holder;
	struct held_list held;
	struct ledger *ledger;
	ev_io channel;
	bool is_alone; /* the keeper is gone */
	enum update_origin origin;
	char why[LIVE_UPDATE_TEXT];
};

static void note_alone(struct kept_daemon *daemon)
{
	if (!daemon->is_alone)
		log_error(daemon->log, "the keeper is gone: connections end with this process");
	daemon->is_alone = true;
}

static int tell(struct kept_daemon *daemon, enum channel_kind kind, uint64_t id, int fd)
{
	int error = daemon->is_alone ? -EPIPE : channel_send_short(daemon->channel.fd, kind, id, fd);

	if (error == -EPIPE)
		note_alone(daemon);
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

static void note_update(struct kept_daemon *daemon, const struct channel_message *message)
{
	if (message->kind == CHANNEL_TRIAL)
		daemon->origin = UPDATE_HANDED;
	if (message->kind != CHANNEL_FAILED)
		return;
	daemon->origin = UPDATE_FAILED;
	snprintf(daemon->why, sizeof(daemon->why), "%.*s", (int)sizeof(daemon->why) - 1, message->text);
}

static int receive_all(struct kept_daemon *daemon)
{
	struct channel_message message;
	int fd;

	for (;;) {
		int error = channel_receive(daemon->channel.fd, &message, &fd);
		if (error)
			return error;
		note_update(daemon, &message);
		if (message.kind == CHANNEL_HELD && fd >= 0)
			error = add(&daemon->held, message.id, fd);
		else if (fd >= 0)
			close(fd);
		if (error)
			close(fd);
		if (error || message.kind == CHANNEL_ALL)
			return error;
	}
}

static void close_held(struct held_list *held)
{
	for (size_t i = 0; i < held->n; i++)
		if (held->all[i].fd >= 0)
			close(held->all[i].fd);
	free(held->all);
}

int kept_daemon_adopt(int channel, struct log *log, struct kept_daemon **out)
{
	struct kept_daemon *daemon = calloc(1, sizeof(*daemon));

	if (!daemon)
		return -ENOMEM;
	fcntl(channel, F_SETFD, FD_CLOEXEC);
	*daemon = (struct kept_daemon){.log = log, .holder = {daemon, hold, drop}, .channel = {.fd = channel}};
	*out = daemon;
	return 0;
}

int kept_daemon_open(int channel, struct log *log, struct kept_daemon **out)
{
	int error = kept_daemon_adopt(channel, log, out);

	if (!error)
		error = receive_all(*out);
	if (error) {
		kept_daemon_close(*out);
		*out = NULL;
	}
	return error;
}

void kept_daemon_close(struct kept_daemon *daemon)
{
	if (!daemon)
		return;
	close_held(&daemon->held);
	close(daemon->channel.fd);
	free(daemon);
}

const struct holder *kept_daemon_holder(const struct kept_daemon *daemon)
{
	return &daemon->holder;
}

struct held_list *kept_daemon_held(struct kept_daemon *daemon)
{
	return &daemon->held;
}

static void channel_event(struct ev_loop *loop, ev_io *io, int events)
{
	struct kept_daemon *daemon = io->data;
	struct channel_message message;
	int fd;
	int error = channel_receive(io->fd, &message, &fd);

	(void)events;
	if (error) {
		ev_io_stop(loop, io);
		note_alone(daemon);
		return;
	}
	if (message.kind == CHANNEL_PING)
		ledger_beat(daemon->ledger);
	if (fd >= 0)
		close(fd);
}

void kept_daemon_serving(struct kept_daemon *daemon, struct ev_loop *loop, struct ledger *ledger, const char *ledger_path)
{
	struct channel_message message = {.kind = CHANNEL_SERVING};

	daemon->ledger = ledger;
	ev_io_init(&daemon->channel, channel_event, daemon->channel.fd, EV_READ);
	daemon->channel.data = daemon;
	ev_io_start(loop, &daemon->channel);
	message.text_len = (uint32_t)snprintf(message.text, sizeof(message.text), "%s", ledger_path);
	if (channel_send(daemon->channel.fd, &message, -1))
		note_alone(daemon);
}

int kept_daemon_channel(const struct kept_daemon *daemon)
{
	return daemon->channel.fd;
}

enum update_origin kept_daemon_origin(const struct kept_daemon *daemon, const char **why)
{
	*why = daemon->why;
	return daemon->origin;
}

void kept_daemon_updating(struct kept_daemon *daemon, int program, char *const words[])
{
	struct channel_message message = {.kind = CHANNEL_UPDATE};

	for (size_t i = 0; words[i]; i++) {
		size_t len = strlen(words[i]) + 1;
		if (len > CHANNEL_TEXT_MAX - message.text_len)
			return; /* who has put them together has seen to it that they fit */
		memcpy(message.text + message.text_len, words[i], len);
		message.text_len += (uint32_t)len;
	}
	if (!daemon->is_alone && channel_send(daemon->channel.fd, &message, program))
		note_alone(daemon);
}

void kept_daemon_proved(struct kept_daemon *daemon)
{
	(void)tell(daemon, CHANNEL_PROVED, 0, -1);
}

void kept_daemon_ending(struct kept_daemon *daemon)
{
	(void)tell(daemon, CHANNEL_ENDING, 0, -1);
}
