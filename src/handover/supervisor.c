/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The list of what was held, which all supervisors make. */
#include "handover/supervisor.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

int held_add(struct held_list *held, uint64_t id, int fd)
{
	if (held->n == held->capacity) {
		size_t wanted = held->capacity ? 2 * held->capacity : 64;
		struct held *grown = realloc(held->all, wanted * sizeof(*grown));
		if (!grown) {
			close(fd);
			return -ENOMEM;
		}
		held->all = grown;
		held->capacity = wanted;
	}
	held->all[held->n++] = (struct held){id, fd};
	return 0;
}

void held_close(struct held_list *held)
{
	for (size_t i = 0; i < held->n; i++)
		if (held->all[i].fd >= 0)
			close(held->all[i].fd);
	free(held->all);
	*held = (struct held_list){0};
}
