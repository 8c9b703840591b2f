/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/message.h"

enum { BUS_EVENTS = 256, BUS_EVENT_SIZE = 128 };

/* A guest's connection to XenStore, through its kernel. Paths are below its home where they don't begin with '/'. */
struct bus {
	int fd;
	uint32_t last_request_id;
	char events[BUS_EVENTS][BUS_EVENT_SIZE]; /* paths that watches have told, those with an even longer one cut */
	unsigned first_event, n_events;
	char payload[MESSAGE_PAYLOAD_MAX + 1];
};

/* false: there is no bus. */
bool bus_open(struct bus *bus);

/* Waits for the next message, whose payload is then in bus->payload; an event's path is kept. */
void bus_next(struct bus *bus, struct message_header *header);

/* Takes the path of the oldest event; false: there is none. */
bool bus_take_event(struct bus *bus, char path[BUS_EVENT_SIZE]);

/* The answer is in bus->payload, ended by a NUL; false: it is an error, whose name is there. */
bool bus_ask(struct bus *bus, uint32_t type, uint32_t transaction, const char *payload, size_t len);

bool bus_put(struct bus *bus, uint32_t transaction, const char *path, const char *value);
bool bus_get(struct bus *bus, uint32_t transaction, const char *path);
bool bus_watch(struct bus *bus, const char *path);

/* Tells on the console and in data/error what goes wrong. It is never taken back. */
void bus_complain(struct bus *bus, const char *what, const char *detail);
