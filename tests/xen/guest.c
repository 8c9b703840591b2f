/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The program of an emulated guest, its first and only one. It speaks the protocol through the kernel's /dev/xen/xenbus, so over
 * the real ring and event channel. Below its own data/ it
 * - counts: ten times a second it reads data/counter, which must be the last number, writes the next one and reads that back;
 *   every tenth goes to data/transaction, in a transaction;
 * - obeys: it watches data/command and answers each in data/answer: see obey().
 * Started with role=driver in its kernel's command line it also connects the back ends that it is to hold for others.
 * What goes wrong is told in data/error and on the console, and is never taken back.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "xen/guest_bus.h"
#include "xen/guest_devices.h"

enum { PAUSE_MS = 100, TRANSACTION_EVERY = 10, TRIES = 10 };

/* ---- counting ---- */

struct counter {
	unsigned written;
	char domid[16]; /* under which it was written: after a restore the guest is another domain, with an empty data/ */
};

static void check_last(struct bus *bus, const struct counter *counter)
{
	char text[16], answer[64];

	snprintf(text, sizeof(text), "%u", counter->written);
	if (bus_get(bus, 0, "data/counter") && !strcmp(bus->payload, text))
		return;
	snprintf(answer, sizeof(answer), "%.20s instead of %s", bus->payload, text);
	if (bus_get(bus, 0, "domid") && !strcmp(bus->payload, counter->domid))
		bus_complain(bus, "the number written last", answer);
}

static void count(struct bus *bus, struct counter *counter, unsigned number)
{
	char text[16];

	if (counter->written)
		check_last(bus, counter);
	snprintf(text, sizeof(text), "%u", number);
	if (!bus_put(bus, 0, "data/counter", text))
		bus_complain(bus, "write", bus->payload);
	if (bus_get(bus, 0, "domid"))
		snprintf(counter->domid, sizeof(counter->domid), "%.15s", bus->payload);
	counter->written = number;
}

/* false: it has to be done again, as a transaction may that was open when the daemon died. */
static bool try_transaction(struct bus *bus, const char *number)
{
	if (!bus_ask(bus, MESSAGE_TRANSACTION_START, 0, "", 1)) {
		bus_complain(bus, "transaction start", bus->payload);
		return true;
	}
	uint32_t transaction = (uint32_t)strtoul(bus->payload, NULL, 10);
	if (!bus_put(bus, transaction, "data/transaction", number))
		bus_complain(bus, "write in a transaction", bus->payload);
	if (!bus_get(bus, transaction, "data/transaction") || strcmp(bus->payload, number) != 0)
		bus_complain(bus, "read in a transaction", bus->payload);
	if (bus_ask(bus, MESSAGE_TRANSACTION_END, transaction, "T", 2))
		return true;
	if (!strcmp(bus->payload, "EAGAIN"))
		return false;
	bus_complain(bus, "transaction end", bus->payload);
	return true;
}

static void count_in_transaction(struct bus *bus, unsigned number)
{
	char text[16];
	int tries = 0;

	snprintf(text, sizeof(text), "%u", number);
	while (!try_transaction(bus, text) && ++tries < TRIES)
		continue;
	if (tries == TRIES)
		bus_complain(bus, "transaction", "EAGAIN again and again");
	else if (!bus_get(bus, 0, "data/transaction") || strcmp(bus->payload, text) != 0)
		bus_complain(bus, "read after a transaction", bus->payload);
}

/* ---- obeying ---- */

static void crash(void)
{
	int trigger = open("/proc/sysrq-trigger", O_WRONLY);

	if (write(trigger, "c", 1) != 1)
		printf("guest: no crash: %s\n", strerror(errno));
}

/* What it is told is repeated, but for "disk [LINE]", "ping INTERFACE FROM TO", "up INTERFACE ADDRESS"; "stop" and "crash" end
 * it. */
static void obey(struct bus *bus)
{
	char command[64], answer[96], words[3][20];

	if (!bus_get(bus, 0, "data/command"))
		return;
	snprintf(command, sizeof(command), "%.63s", bus->payload);
	snprintf(answer, sizeof(answer), "%s", command);
	if (!strncmp(command, "disk", 4))
		disk_read(command[4] ? command + 5 : NULL, answer, sizeof(answer));
	else if (sscanf(command, "ping %19s %19s %19s", words[0], words[1], words[2]) == 3)
		network_ping(words[0], words[1], words[2], answer, sizeof(answer));
	else if (sscanf(command, "up %19s %19s", words[0], words[1]) == 2)
		network_up(words[0], words[1], answer, sizeof(answer));
	bus_put(bus, 0, "data/answer", answer);
	if (!strcmp(command, "crash"))
		crash();
	if (!strcmp(command, "stop"))
		reboot(RB_POWER_OFF);
}

static void look_at_events(struct bus *bus)
{
	char path[BUS_EVENT_SIZE];

	while (bus_take_event(bus, path))
		if (!strcmp(path, "data/command"))
			obey(bus);
		else
			backend_connect(bus, path);
}

/* ---- start ---- */

static void load_module(const char *name, const char *parameters)
{
	char path[64];

	snprintf(path, sizeof(path), "/modules/%s.ko", name);
	int file = open(path, O_RDONLY);
	if (file < 0 || syscall(SYS_finit_module, file, parameters, 0))
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
}

/* Holds back ends: of a disk of 1 MiB in memory, and of network interfaces. */
static void become_driver(struct bus *bus)
{
	static const char line[] = "from the driver domain\n";

	load_module("brd", "rd_nr=1 rd_size=1024");
	load_module("xen-blkback", "");
	load_module("xen-netback", "");
	int disk = open("/dev/ram0", O_WRONLY);
	if (write(disk, line, sizeof(line)) != sizeof(line) || fsync(disk))
		bus_complain(bus, "disk in memory", strerror(errno));
	close(disk);
	if (!bus_watch(bus, "backend"))
		bus_complain(bus, "watch on back ends", bus->payload);
}

int main(int argc, char **argv)
{
	struct bus bus;
	struct counter counter = {0};
	const char *role = getenv("role");

	(void)argc;
	if (getpid() != 1) /* the kernel runs this as its poweroff or reboot */
		return reboot(strstr(argv[0], "reboot") ? RB_AUTOBOOT : RB_POWER_OFF);
	make_ready();
	if (!bus_open(&bus)) {
		printf("guest: no bus: %s\n", strerror(errno));
		pause();
	}
	if (role && !strcmp(role, "driver")) {
		become_driver(&bus);
	} else {
		load_module("xen-blkfront", "");
		load_module("xen-netfront", "");
	}
	if (!bus_watch(&bus, "data/command"))
		bus_complain(&bus, "watch", bus.payload);
	printf("guest: up\n");
	for (unsigned number = 1;; number++) {
		struct pollfd readable = {.fd = bus.fd, .events = POLLIN};
		struct message_header header;
		if (number % TRANSACTION_EVERY)
			count(&bus, &counter, number);
		else
			count_in_transaction(&bus, number);
		if (poll(&readable, 1, PAUSE_MS) > 0)
			bus_next(&bus, &header);
		look_at_events(&bus);
	}
}
