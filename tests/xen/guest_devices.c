/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a guest does with its devices: the disk and the network interface that it uses, the back ends that it holds. */
#include "xen/guest_devices.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/ip_icmp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "xen/guest_bus.h"

enum { SECTOR = 512, DISK_WAIT_MS = 15000, STEP_MS = 100, PINGS = 20 };

static void wait_a_step(void)
{
	nanosleep(&(struct timespec){.tv_nsec = STEP_MS * 1000000L}, NULL);
}

/* ---- disk ---- */

static int open_disk(void)
{
	int disk = -1;

	for (int waited = 0; disk < 0 && waited < DISK_WAIT_MS; waited += STEP_MS) {
		disk = open("/dev/xvda", O_RDWR);
		if (disk < 0)
			wait_a_step();
	}
	return disk;
}

void disk_read(const char *line, char *answer, size_t len)
{
	char sector[SECTOR] = "", new_sector[SECTOR] = "";
	int disk = open_disk();

	if (disk < 0 || pread(disk, sector, SECTOR, 0) != SECTOR) {
		snprintf(answer, len, "no disk: %s", strerror(errno));
	} else {
		sector[strcspn(sector, "\n")] = 0;
		snprintf(answer, len, "%.60s", sector);
		snprintf(new_sector, SECTOR, "%s\n", line ? line : "");
		if (line && (pwrite(disk, new_sector, SECTOR, 0) != SECTOR || fsync(disk)))
			snprintf(answer, len, "the disk is not written: %s", strerror(errno));
	}
	close(disk);
}

/* ---- network ---- */

static struct sockaddr_in address_of(const char *text)
{
	struct sockaddr_in address = {.sin_family = AF_INET};

	inet_pton(AF_INET, text, &address.sin_addr);
	return address;
}

static int set_up(int control, const char *interface, const char *address)
{
	struct ifreq request = {0};
	struct sockaddr_in own = address_of(address), mask = address_of("255.255.255.0");

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", interface);
	memcpy(&request.ifr_addr, &own, sizeof(own));
	if (ioctl(control, SIOCSIFADDR, &request))
		return -errno;
	memcpy(&request.ifr_addr, &mask, sizeof(mask));
	if (ioctl(control, SIOCSIFNETMASK, &request))
		return -errno;
	request.ifr_flags = IFF_UP | IFF_RUNNING;
	return ioctl(control, SIOCSIFFLAGS, &request) ? -errno : 0;
}

void network_up(const char *interface, const char *address, char *answer, size_t len)
{
	int control = socket(AF_INET, SOCK_DGRAM, 0);
	int error = set_up(control, interface, address);

	snprintf(answer, len, "%s", error ? strerror(-error) : "up");
	close(control);
}

static uint16_t checksum(const void *bytes, size_t len)
{
	const uint8_t *byte = bytes;
	uint32_t sum = 0;

	for (size_t i = 0; i + 1 < len; i += 2)
		sum += (uint32_t)(byte[i] << 8 | byte[i + 1]);
	sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t) ~(sum + (sum >> 16)));
}

/* One echo request; true: its reply came within a second. */
static int ping_once(int icmp, const struct sockaddr_in *to, uint16_t sequence)
{
	struct icmphdr echo = {.type = ICMP_ECHO, .un.echo = {.id = htons(1), .sequence = htons(sequence)}};
	struct {
		struct iphdr ip;
		struct icmphdr icmp;
		char rest[64];
	} reply;

	echo.checksum = checksum(&echo, sizeof(echo));
	sendto(icmp, &echo, sizeof(echo), 0, (const struct sockaddr *)to, sizeof(*to));
	while (recv(icmp, &reply, sizeof(reply), 0) >= (ssize_t)(sizeof(reply.ip) + sizeof(reply.icmp)))
		if (reply.icmp.type == ICMP_ECHOREPLY && reply.icmp.un.echo.sequence == echo.un.echo.sequence)
			return 1;
	return 0;
}

void network_ping(const char *interface, const char *from, const char *to, char *answer, size_t len)
{
	const struct timeval second = {.tv_sec = 1};
	const struct sockaddr_in there = address_of(to);
	int icmp = socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);

	network_up(interface, from, answer, len);
	setsockopt(icmp, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof(second));
	for (uint16_t sequence = 1; sequence <= PINGS && strcmp(answer, "up") == 0; sequence++)
		if (ping_once(icmp, &there, sequence))
			snprintf(answer, len, "pong %.40s", to);
	close(icmp);
}

/* ---- back ends ---- */

void backend_connect(struct bus *bus, const char *path)
{
	char type[16], home[64], node[96];
	unsigned domid, device;
	int len = 0;

	/* "frontend" is there with all that the toolstack has written in one transaction. */
	if (sscanf(path, "backend/%15[a-z]/%u/%u/frontend%n", type, &domid, &device, &len) != 3 || !len || path[len])
		return;
	snprintf(home, sizeof(home), "backend/%s/%u/%u", type, domid, device);
	snprintf(node, sizeof(node), "%s/physical-device", home);
	if (!strcmp(type, "vbd") && !bus_put(bus, 0, node, "1:0"))
		bus_complain(bus, "physical-device", bus->payload);
	snprintf(node, sizeof(node), "%s/hotplug-status", home);
	if (!bus_put(bus, 0, node, "connected"))
		bus_complain(bus, "hotplug-status", bus->payload);
}
