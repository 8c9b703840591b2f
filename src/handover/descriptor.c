/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The copy that is on its way is the kernel's: the sender may close its own, or die. */
#include "handover/descriptor.h"

#include <errno.h>
#include <string.h>

int descriptor_send(int socket, struct msghdr *packet, int fd)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = {.header = {.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS}};

	if (fd >= 0) {
		memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
		packet->msg_control = control.bytes;
		packet->msg_controllen = sizeof(control.bytes);
	}
	while (sendmsg(socket, packet, MSG_NOSIGNAL) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	return 0;
}
