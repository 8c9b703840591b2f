/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <sys/socket.h>

/* A packet with at most one descriptor. */

/* `fd`: -1, or sent along with `packet`, which has no control data of its own. 0, or sendmsg's -errno. */
int descriptor_send(int socket, struct msghdr *packet, int fd);
