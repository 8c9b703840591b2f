/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An order comes in pieces, each with a descriptor; it is there once the last one is, with the program. */
#include "handover/stock_order.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "handover/leave.h"

/* The words of CHANNEL_LEAVE. */
enum { ORDER_KIND, ORDER_VERSION, ORDER_STATE, ORDER_STORE, ORDER_LEDGER, ORDER_COMMAND };

static void take_descriptor(int *place, int fd)
{
	if (*place >= 0)
		close(*place);
	*place = fd;
}

void stock_order_note(struct stock_order *order, const struct channel_message *message, int fd)
{
	if (message->kind == CHANNEL_LEAVE_EVENTS)
		take_descriptor(&order->events, fd);
	if (message->kind == CHANNEL_LEAVE_PORTS)
		take_descriptor(&order->ports, fd);
	if (message->kind != CHANNEL_LEAVE)
		return;
	take_descriptor(&order->program, fd);
	free(order->words);
	order->words = channel_words(message);
	for (order->n_words = 0; order->words && order->words[order->n_words];)
		order->n_words++;
}

bool stock_order_is_there(const struct stock_order *order)
{
	return order->program >= 0;
}

void stock_order_deinit(struct stock_order *order)
{
	take_descriptor(&order->program, -1);
	take_descriptor(&order->events, -1);
	take_descriptor(&order->ports, -1);
	free(order->words);
	*order = STOCK_ORDER_NONE;
}

static int leave_with(const struct stock_order *order, const struct handed *handed, int directory, struct log *log)
{
	const struct leaving leaving = {
	    .stock = {.kind = (enum stock_kind)atoi(order->words[ORDER_KIND]),
		      .version = (uint32_t)atoi(order->words[ORDER_VERSION])},
	    .state = order->words[ORDER_STATE],
	    .store = order->words[ORDER_STORE],
	    .ledger = order->words[ORDER_LEDGER],
	    .handed = handed,
	    .program = order->program,
	    .directory = directory,
	    .words = order->words + ORDER_COMMAND,
	    .log = log,
	};

	return leave(&leaving);
}

int stock_order_run(struct stock_order *order, const struct held_list *sockets, int directory, struct log *log)
{
	struct handed handed;
	bool is_whole = order->n_words > ORDER_COMMAND && order->ports >= 0;
	int error = is_whole ? handed_read(order->ports, &handed) : -EPROTO;

	if (is_whole)
		order->ports = -1; /* closed by who has read it */
	if (!error) {
		handed.events = order->events;
		handed.sockets = *sockets;
		error = leave_with(order, &handed, directory, log);
		handed.sockets = (struct held_list){0};
		handed.events = -1;
		handed_deinit(&handed);
	}
	stock_order_deinit(order);
	return error;
}
