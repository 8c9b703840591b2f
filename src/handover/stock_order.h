/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/log.h"
#include "handover/channel.h"
#include "handover/handed.h"

/* What a daemon that ends has told its keeper of the stock daemon that is to be executed in the keeper's place. */
struct stock_order {
	int program, events, ports; /* -1: not told */
	char **words;		    /* as in a message of CHANNEL_LEAVE; NULL: not told */
	size_t n_words;
};

#define STOCK_ORDER_NONE                                                                                                         \
	(struct stock_order)                                                                                                     \
	{                                                                                                                        \
		-1, -1, -1, NULL, 0                                                                                              \
	}

/* CHANNEL_LEAVE_EVENTS, _PORTS or CHANNEL_LEAVE; takes `fd`. */
void stock_order_note(struct stock_order *order, const struct channel_message *message, int fd);
bool stock_order_is_there(const struct stock_order *order);

/*
 * Executes the stock daemon; `sockets` and `directory` stay the caller's. Returns only if that has failed: -errno, logged, and
 * nothing is ordered any more.
 */
int stock_order_run(struct stock_order *order, const struct held_list *sockets, int directory, struct log *log);
void stock_order_deinit(struct stock_order *order);
