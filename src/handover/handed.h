/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

#include "front/holder.h"
#include "front/ring_front.h"

/* What one process passes to the program that is executed in its place (lxenstored/handover_format.h). */
struct handed {
	int keeper; /* the channel to the keeper; -1: none */
	int events; /* -1: none */
	struct inherited_ports ports;
	struct held_list sockets;
	bool failed; /* the program that passes it is the same: there was no update */
	bool polled; /* whoever has asked for the update asks again until it is done */
};

/*
 * Reads what the descriptor has, and closes it. The descriptors that it names are close-on-exec then. -EPROTO: it is nothing of
 * the kind; -ENOMEM; other -errno. *out: emptied by handed_deinit.
 */
int handed_read(int fd, struct handed *out);

/* Closes what nobody has taken. Accepts one with descriptors of -1 and nothing else. */
void handed_deinit(struct handed *handed);

/* Being put together. */
struct handed_writer;

struct handed_writer *handed_writer_new(void); /* NULL: no memory */
void handed_writer_free(struct handed_writer *writer);

/* The descriptor stays open across exec from now on. `id`: of a socket's connection. */
void handed_add_descriptor(struct handed_writer *writer, unsigned kind, uint64_t id, int fd);
void handed_add_port(struct handed_writer *writer, unsigned kind, const struct inherited_port *port);

/* All that `handed` has but the keeper's channel. */
void handed_add_all(struct handed_writer *writer, const struct handed *handed);

/* All is in; the descriptor to be named to the program, which stays open across exec, or -errno of what has failed. */
int handed_finish(struct handed_writer *writer);
