/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The program of an emulated guest, its first and only one. It speaks the protocol through the kernel's /dev/xen/xenbus, so over
 * the real ring and event channel. Below its own data/ it
 * - counts: ten times a second it writes the next number to data/counter and reads it back, every tenth in a transaction;
 * - obeys: it watches data/command and answers each in data/answer: "stop" ends the guest, "crash" makes its kernel panic, "disk"
 *   reads its disk, other words are repeated.
 * What goes wrong is told in data/error and on the console, and is never taken back.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "wire/message.h"

enum { PAUSE_MS = 100, TRANSACTION_EVERY = 10 };

struct guest {
	int bus;
	uint32_t last_request_id;
	unsigned events; /* of the watch, not yet looked at */
	char payload[MESSAGE_PAYLOAD_MAX + 1];
};

static void complain(struct guest *guest, const char *what, const char *detail);

static void read_all(const struct guest *guest, void *to, size_t len)
{
	char *bytes = to;

	while (len) {
		ssize_t n = read(guest->bus, bytes, len);
		if (n <= 0 && errno != EINTR) {
			printf("guest: reading the bus: %s\n", strerror(errno));
			pause();
		}
		bytes += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
	}
}

static void next_message(struct guest *guest, struct message_header *header)
{
	read_all(guest, header, MESSAGE_HEADER_SIZE);
	if (header->len > MESSAGE_PAYLOAD_MAX) {
		printf("guest: a message of %u bytes\n", header->len);
		pause();
	}
	read_all(guest, guest->payload, header->len);
	guest->payload[header->len] = 0;
	guest->events += header->type == MESSAGE_WATCH_EVENT;
}

/* The answer is in guest->payload; false: it is an error. */
static bool ask(struct guest *guest, uint32_t type, uint32_t transaction, const char *payload, size_t len)
{
	char bytes[MESSAGE_SIZE_MAX];
	struct message_header header = {type, ++guest->last_request_id, transaction, (uint32_t)len};

	memcpy(bytes, &header, MESSAGE_HEADER_SIZE);
	memcpy(bytes + MESSAGE_HEADER_SIZE, payload, len);
	if (write(guest->bus, bytes, MESSAGE_HEADER_SIZE + len) != (ssize_t)(MESSAGE_HEADER_SIZE + len))
		return false;
	do {
		next_message(guest, &header);
	} while (header.type == MESSAGE_WATCH_EVENT);
	if (header.request_id != guest->last_request_id)
		complain(guest, "the answer to another request", guest->payload);
	return header.type != MESSAGE_ERROR;
}

static bool put(struct guest *guest, uint32_t transaction, const char *path, const char *value)
{
	char payload[256];
	int len = snprintf(payload, sizeof(payload), "%s%c%s", path, 0, value);

	return ask(guest, MESSAGE_WRITE, transaction, payload, (size_t)len);
}

static bool get(struct guest *guest, uint32_t transaction, const char *path)
{
	return ask(guest, MESSAGE_READ, transaction, path, strlen(path) + 1);
}

static void complain(struct guest *guest, const char *what, const char *detail)
{
	char text[200];

	snprintf(text, sizeof(text), "%s: %.100s", what, detail);
	printf("guest: %s\n", text);
	if (guest->bus >= 0 && strcmp(what, "the answer to another request") != 0)
		put(guest, 0, "data/error", text);
}

/* ---- counting ---- */

static void count(struct guest *guest, unsigned number)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", number);
	if (!put(guest, 0, "data/counter", text))
		complain(guest, "write", guest->payload);
	if (!get(guest, 0, "data/counter") || strcmp(guest->payload, text) != 0)
		complain(guest, "read", guest->payload);
}

static void count_in_transaction(struct guest *guest, unsigned number)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", number);
	if (!ask(guest, MESSAGE_TRANSACTION_START, 0, "", 1)) {
		complain(guest, "transaction start", guest->payload);
		return;
	}
	uint32_t transaction = (uint32_t)strtoul(guest->payload, NULL, 10);
	if (!put(guest, transaction, "data/transaction", text))
		complain(guest, "write in a transaction", guest->payload);
	if (!get(guest, transaction, "data/transaction") || strcmp(guest->payload, text) != 0)
		complain(guest, "read in a transaction", guest->payload);
	if (!ask(guest, MESSAGE_TRANSACTION_END, transaction, "T", 2))
		complain(guest, "transaction end", guest->payload);
}

/* ---- obeying ---- */

static void crash(void)
{
	int trigger = open("/proc/sysrq-trigger", O_WRONLY);

	if (write(trigger, "c", 1) != 1)
		printf("guest: no crash: %s\n", strerror(errno));
}

/* Answers with the first line of the disk. */
static void read_disk(struct guest *guest)
{
	char line[64] = "";
	int disk = open("/dev/xvda", O_RDONLY);

	if (disk < 0 || read(disk, line, sizeof(line) - 1) < 0)
		snprintf(line, sizeof(line), "no disk: %s", strerror(errno));
	line[strcspn(line, "\n")] = 0;
	close(disk);
	put(guest, 0, "data/answer", line);
}

static void obey(struct guest *guest)
{
	char command[64];

	guest->events = 0;
	if (!get(guest, 0, "data/command"))
		return;
	snprintf(command, sizeof(command), "%.63s", guest->payload);
	if (!strcmp(command, "disk")) {
		read_disk(guest);
		return;
	}
	put(guest, 0, "data/answer", command);
	if (!strcmp(command, "crash"))
		crash();
	if (!strcmp(command, "stop"))
		reboot(RB_POWER_OFF);
}

/* ---- start ---- */

static void load_module(const char *path)
{
	int file = open(path, O_RDONLY);

	if (file < 0 || syscall(SYS_finit_module, file, "", 0))
		printf("guest: %s: %s\n", path, strerror(errno));
	close(file);
}

static void make_ready(void)
{
	mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
	mount("proc", "/proc", "proc", 0, NULL);
	mount("sysfs", "/sys", "sysfs", 0, NULL);
	int console = open("/dev/console", O_RDWR);
	for (int fd = 0; fd <= 2; fd++)
		dup2(console, fd);
	setvbuf(stdout, NULL, _IOLBF, 0);
	load_module("/modules/xen-blkfront.ko");
	load_module("/modules/xen-netfront.ko");
}

int main(int argc, char **argv)
{
	struct guest guest = {.bus = -1};
	static const char watch[] = "data/command\0token";

	(void)argc;
	if (getpid() != 1) /* the kernel runs this as its poweroff or reboot */
		return reboot(strstr(argv[0], "reboot") ? RB_AUTOBOOT : RB_POWER_OFF);
	make_ready();
	guest.bus = open("/dev/xen/xenbus", O_RDWR);
	if (guest.bus < 0) {
		printf("guest: no bus: %s\n", strerror(errno));
		pause();
	}
	if (!ask(&guest, MESSAGE_WATCH, 0, watch, sizeof(watch)))
		complain(&guest, "watch", guest.payload);
	printf("guest: up\n");
	for (unsigned number = 1;; number++) {
		struct pollfd bus = {.fd = guest.bus, .events = POLLIN};
		struct message_header header;
		if (number % TRANSACTION_EVERY)
			count(&guest, number);
		else
			count_in_transaction(&guest, number);
		if (poll(&bus, 1, PAUSE_MS) > 0)
			next_message(&guest, &header);
		if (guest.events)
			obey(&guest);
	}
}
