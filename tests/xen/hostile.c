/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A hostile guest without a kernel: this program is the guest, so that it can do to its ring what no kernel would. It is built
 * twice (image.sh): for 64 bits as a PV guest, for 32 bits as a PVH guest, whose page of the ring needs no mapping. Its command
 * line says what it does:
 * attack=indexes   nonsense in the ring's indexes, again and again, each time followed by a reconnection
 * attack=headers   the same with nonsense in the messages' headers and behind them
 * attack=flood     requests as fast as they are taken: writes, watches, transactions that are never ended
 * attack=deaf      requests whose replies it does not read, until nothing fits into the ring
 * In data/round it counts how often it has done so, as long as it is answered.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Else hypercalls have numbers and arguments of long ago. */
#define __XEN_INTERFACE_VERSION__ __XEN_LATEST_INTERFACE_VERSION__
#include <xen/xen.h>
#include <xen/arch-x86/hvm/start_info.h>
#include <xen/event_channel.h>
#include <xen/hvm/hvm_op.h>
#include <xen/hvm/params.h>
#include <xen/sched.h>

#include "wire/message.h"
#include "wire/ring_page.h"

enum { PAGE_SIZE = 4096, PATIENCE = 20000, FLOOD_ROUND = 30 };

struct guest {
	struct ring_page *ring;
	evtchn_port_t port;
	uint32_t random;
	uint32_t round;
};

/* ---- what the two types of guest have of their own ---- */

extern char hypercall_page[];

/* Notes that the loader of domains reads; the types are those of xen/elfnote.h. */
#define NOTE(type, value)                                                                                                        \
	__asm__(".pushsection .note.Xen, \"a\", @note\n.align 4\n.long 4, 2f - 1f, " #type "\n.asciz \"Xen\"\n1: " value         \
		"\n2: .align 4\n.popsection")

__asm__(".bss\n.align 4096\n.global hypercall_page\nhypercall_page: .skip 4096\n"
	"stack: .skip 16384\nstack_end:\n.text\n");

#ifdef __x86_64__

__asm__(".global _start\n_start: lea stack_end(%rip), %rsp\nmov %rsi, %rdi\ncall guest_main\n");
NOTE(6, ".asciz \"hostile\"");	 /* GUEST_OS */
NOTE(5, ".asciz \"xen-3.0\"");	 /* XEN_VERSION */
NOTE(3, ".quad 0");		 /* VIRT_BASE */
NOTE(4, ".quad 0");		 /* PADDR_OFFSET */
NOTE(1, ".quad _start");	 /* ENTRY */
NOTE(2, ".quad hypercall_page"); /* HYPERCALL_PAGE */
NOTE(9, ".asciz \"yes\"");	 /* PAE_MODE */
NOTE(8, ".asciz \"generic\"");	 /* LOADER */

static long hypercall(unsigned number, unsigned long first, unsigned long second, unsigned long third)
{
	long result;

	__asm__ volatile("call *%[call]"
			 : "=a"(result), "+D"(first), "+S"(second), "+d"(third)
			 : [call] "r"(hypercall_page + 32 * number)
			 : "rcx", "r8", "r9", "r10", "r11", "memory");
	return result;
}

static const char *find_ring(const void *start, struct guest *guest)
{
	static char window[PAGE_SIZE] __attribute__((aligned(PAGE_SIZE)));
	const start_info_t *info = start;
	const unsigned long present_writable_user_used = 0x67;

	hypercall(__HYPERVISOR_update_va_mapping, (unsigned long)window, info->store_mfn << 12 | present_writable_user_used,
		  UVMF_INVLPG);
	guest->ring = (struct ring_page *)window;
	guest->port = info->store_evtchn;
	return (const char *)info->cmd_line;
}

#else

__asm__(".global _start\n_start: mov $stack_end, %esp\npush %ebx\ncall guest_main\n");
NOTE(18, ".long _start"); /* PHYS32_ENTRY */

static long hypercall(unsigned number, unsigned long first, unsigned long second, unsigned long third)
{
	long result;

	__asm__ volatile("call *%[call]"
			 : "=a"(result), "+b"(first), "+c"(second), "+d"(third)
			 : [call] "S"(hypercall_page + 32 * number)
			 : "memory");
	return result;
}

/* Xen fills the page when it is told where it is. */
static void make_hypercall_page(void)
{
	const uint32_t leaves = 0x40000000, page = (uint32_t)hypercall_page;
	uint32_t a = leaves + 2, b, c, d;

	__asm__ volatile("cpuid" : "+a"(a), "=b"(b), "=c"(c), "=d"(d));
	__asm__ volatile("wrmsr" ::"c"(b), "a"(page), "d"(0) : "memory");
}

static uint32_t parameter(uint32_t index)
{
	struct xen_hvm_param asked = {.domid = DOMID_SELF, .index = index};

	hypercall(__HYPERVISOR_hvm_op, HVMOP_get_param, (unsigned long)&asked, 0);
	return (uint32_t)asked.value;
}

static const char *find_ring(const void *start, struct guest *guest)
{
	const struct hvm_start_info *info = start;

	make_hypercall_page();
	guest->ring = (struct ring_page *)(parameter(HVM_PARAM_STORE_PFN) << 12);
	guest->port = parameter(HVM_PARAM_STORE_EVTCHN);
	return (const char *)(uint32_t)info->cmdline_paddr;
}

#endif

/* ---- time and chance ---- */

static void yield(void)
{
	hypercall(__HYPERVISOR_sched_op, SCHEDOP_yield, 0, 0);
}

static void notify(const struct guest *guest)
{
	struct evtchn_send send = {.port = guest->port};

	hypercall(__HYPERVISOR_event_channel_op, EVTCHNOP_send, (unsigned long)&send, 0);
	yield();
}

static uint32_t next_random(struct guest *guest)
{
	guest->random = guest->random * 1664525 + 1013904223;
	return guest->random >> 8 | guest->random << 24;
}

/* Near the limits as often as anywhere. */
static uint32_t nonsense(struct guest *guest)
{
	static const uint32_t limits[] = {0,	      1,	 RING_SIZE - 1, RING_SIZE, RING_SIZE + 1, MESSAGE_PAYLOAD_MAX + 1,
					  0x7fffffff, 0xffffffff};
	uint32_t random = next_random(guest);

	return random & 1 ? limits[random / 2 % (sizeof(limits) / sizeof(*limits))] : next_random(guest);
}

/* ---- the protocol ---- */

/* false: nobody makes room. */
static bool put_byte(const struct guest *guest, unsigned char byte)
{
	struct ring_page *ring = guest->ring;

	for (int tried = 0; ring->req_prod - ring_load(&ring->req_cons) >= RING_SIZE; tried++) {
		if (tried == PATIENCE)
			return false;
		notify(guest);
	}
	ring->req[ring->req_prod % RING_SIZE] = byte;
	ring_store(&ring->req_prod, ring->req_prod + 1);
	return true;
}

static bool get_byte(const struct guest *guest, unsigned char *byte)
{
	struct ring_page *ring = guest->ring;

	for (int tried = 0; ring_load(&ring->rsp_prod) == ring->rsp_cons; tried++) {
		if (tried == PATIENCE)
			return false;
		notify(guest); /* there is room in it */
	}
	*byte = ring->rsp[ring->rsp_cons % RING_SIZE];
	ring_store(&ring->rsp_cons, ring->rsp_cons + 1);
	return true;
}

static bool put(const struct guest *guest, const void *bytes, size_t len)
{
	const unsigned char *byte = bytes;

	for (size_t i = 0; i < len; i++)
		if (!put_byte(guest, byte[i]))
			return false;
	return true;
}

static bool request(const struct guest *guest, uint32_t type, const char *payload, size_t len)
{
	const struct message_header header = {.type = type, .len = (uint32_t)len};

	bool sent = put(guest, &header, sizeof(header)) && put(guest, payload, len);
	notify(guest);
	return sent;
}

/* Reads up to the reply. false: there is none. */
static bool skip_reply(const struct guest *guest)
{
	struct message_header header = {.type = MESSAGE_WATCH_EVENT};
	unsigned char byte;

	while (header.type == MESSAGE_WATCH_EVENT) {
		for (size_t i = 0; i < sizeof(header); i++)
			if (!get_byte(guest, (unsigned char *)&header + i))
				return false;
		for (uint32_t i = 0; i < header.len; i++)
			if (!get_byte(guest, &byte))
				return false;
	}
	notify(guest);
	return true;
}

/* Tells in data/round that another one is over, and reads the reply. */
static void count_round(struct guest *guest)
{
	char payload[24] = "data/round";
	size_t len = sizeof("data/round");
	uint32_t unit = 1;

	guest->round++;
	while (guest->round / unit >= 10)
		unit *= 10;
	for (; unit; unit /= 10)
		payload[len++] = (char)('0' + guest->round / unit % 10);
	if (request(guest, MESSAGE_WRITE, payload, len))
		skip_reply(guest);
}

static void reconnect(const struct guest *guest)
{
	ring_store(&guest->ring->connection, RING_RECONNECT);
	while (ring_load(&guest->ring->connection) != RING_CONNECTED)
		notify(guest);
}

/* ---- attacks ---- */

static void spoil_indexes(struct guest *guest)
{
	uint32_t *const indexes[] = {&guest->ring->req_cons, &guest->ring->req_prod, &guest->ring->rsp_cons,
				     &guest->ring->rsp_prod};

	for (int times = 0; times < 4; times++) {
		uint32_t which = next_random(guest);
		for (unsigned i = 0; i < 4; i++)
			if (which >> i & 1)
				ring_store(indexes[i], nonsense(guest));
		notify(guest);
	}
}

static void spoil_headers(struct guest *guest)
{
	for (uint32_t times = next_random(guest) % 8; times; times--) {
		const struct message_header header = {nonsense(guest) % 64, nonsense(guest), nonsense(guest) % 4,
						      nonsense(guest)};
		struct ring_page *ring = guest->ring;
		/* Its own part of the ring: what does not fit is left out. */
		uint32_t len = sizeof(header) + next_random(guest) % 200;
		for (uint32_t i = 0; i < len && ring->req_prod - ring->req_cons < RING_SIZE; i++) {
			unsigned char byte =
			    i < sizeof(header) ? ((const unsigned char *)&header)[i] : (unsigned char)next_random(guest);
			ring->req[ring->req_prod % RING_SIZE] = byte;
			ring_store(&ring->req_prod, ring->req_prod + 1);
		}
		notify(guest);
		ring_store(&ring->rsp_cons, ring->rsp_prod);
	}
}

static void flood(struct guest *guest)
{
	static const char write[] = "data/flood\0value", watch[] = "data\0token ", transaction[] = "";
	char token[sizeof(watch)];

	for (int i = 0; i < FLOOD_ROUND; i++) {
		for (size_t at = 0; at < sizeof(watch); at++)
			token[at] = watch[at];
		token[sizeof(watch) - 2] = (char)('A' + next_random(guest) % 8);
		request(guest, MESSAGE_WRITE, write, sizeof(write) - 1);
		request(guest, MESSAGE_WATCH, token, sizeof(token));
		request(guest, MESSAGE_TRANSACTION_START, transaction, sizeof(transaction));
		for (int replies = 0; replies < 3; replies++)
			skip_reply(guest);
	}
}

static void stay_deaf(const struct guest *guest)
{
	static const char watch[] = "data\0token", read[] = "data/round";
	const struct sched_poll nothing = {0};

	request(guest, MESSAGE_WATCH, watch, sizeof(watch));
	while (request(guest, MESSAGE_READ, read, sizeof(read)))
		continue;
	for (;;)
		hypercall(__HYPERVISOR_sched_op, SCHEDOP_poll, (unsigned long)&nothing, 0);
}

static char attack_of(const char *command_line)
{
	const char *name = command_line;

	while (*name && *name != '=')
		name++;
	return *name ? name[1] : 0;
}

void guest_main(const void *start);

void guest_main(const void *start)
{
	struct guest guest = {.random = 20261124};
	char attack = attack_of(find_ring(start, &guest));

	for (;;) {
		count_round(&guest);
		if (attack == 'i')
			spoil_indexes(&guest);
		else if (attack == 'h')
			spoil_headers(&guest);
		else if (attack == 'f')
			flood(&guest);
		else
			stay_deaf(&guest);
		if (attack != 'f')
			reconnect(&guest);
	}
}
