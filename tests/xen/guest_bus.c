/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The protocol through the kernel's /dev/xen/xenbus: one request at a time, events in between. A broken stream ends the talk. */
#include "xen/guest_bus.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

bool bus_open(struct bus *bus)
{
	*bus = (struct bus){.fd = open("/dev/xen/xenbus", O_RDWR)};
	return bus->fd >= 0;
}

static void read_all(const struct bus *bus, void *to, size_t len)
{
	char *bytes = to;

	while (len) {
		ssize_t n = read(bus->fd, bytes, len);
		if (n <= 0 && errno != EINTR) {
			printf("guest: reading the bus: %s\n", strerror(errno));
			pause();
		}
		bytes += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
	}
}

static void keep_event(struct bus *bus)
{
	if (bus->n_events == BUS_EVENTS) {
		printf("guest: an event of %s that there is no room for\n", bus->payload);
		return;
	}
	snprintf(bus->events[(bus->first_event + bus->n_events++) % BUS_EVENTS], BUS_EVENT_SIZE, "%.127s", bus->payload);
}

bool bus_take_event(struct bus *bus, char path[BUS_EVENT_SIZE])
{
	if (!bus->n_events)
		return false;
	memcpy(path, bus->events[bus->first_event], BUS_EVENT_SIZE);
	bus->first_event = (bus->first_event + 1) % BUS_EVENTS;
	bus->n_events--;
	return true;
}

void bus_next(struct bus *bus, struct message_header *header)
{
	read_all(bus, header, MESSAGE_HEADER_SIZE);
	if (header->len > MESSAGE_PAYLOAD_MAX) {
		printf("guest: a message of %u bytes\n", header->len);
		pause();
	}
	read_all(bus, bus->payload, header->len);
	bus->payload[header->len] = 0;
	if (header->type == MESSAGE_WATCH_EVENT)
		keep_event(bus);
}

bool bus_ask(struct bus *bus, uint32_t type, uint32_t transaction, const char *payload, size_t len)
{
	char bytes[MESSAGE_SIZE_MAX];
	struct message_header header = {type, ++bus->last_request_id, transaction, (uint32_t)len};

	memcpy(bytes, &header, MESSAGE_HEADER_SIZE);
	memcpy(bytes + MESSAGE_HEADER_SIZE, payload, len);
	if (write(bus->fd, bytes, MESSAGE_HEADER_SIZE + len) != (ssize_t)(MESSAGE_HEADER_SIZE + len))
		return false;
	do {
		bus_next(bus, &header);
	} while (header.type == MESSAGE_WATCH_EVENT);
	if (header.request_id != bus->last_request_id) {
		printf("guest: the answer to another request: %s\n", bus->payload);
		pause(); /* its counter stands still: seen */
	}
	return header.type != MESSAGE_ERROR;
}

bool bus_put(struct bus *bus, uint32_t transaction, const char *path, const char *value)
{
	char payload[512];
	int len = snprintf(payload, sizeof(payload), "%s%c%s", path, 0, value);

	return bus_ask(bus, MESSAGE_WRITE, transaction, payload, (size_t)len);
}

bool bus_get(struct bus *bus, uint32_t transaction, const char *path)
{
	return bus_ask(bus, MESSAGE_READ, transaction, path, strlen(path) + 1);
}

bool bus_watch(struct bus *bus, const char *path)
{
	char payload[64];
	int len = snprintf(payload, sizeof(payload), "%s%ctoken", path, 0);

	return bus_ask(bus, MESSAGE_WATCH, 0, payload, (size_t)len + 1);
}

void bus_complain(struct bus *bus, const char *what, const char *detail)
{
	char text[200];

	snprintf(text, sizeof(text), "%s: %.100s", what, detail);
	printf("guest: %s\n", text);
	bus_put(bus, 0, "data/error", text);
}
