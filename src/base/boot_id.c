/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which boot of the host this is: what lies on a tmpfs or names domains belongs to one. */
#include "base/boot_id.h"

#include <stdio.h>
#include <string.h>

void boot_id_read(char out[BOOT_ID_SIZE])
{
	FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");
	size_t len = file ? fread(out, 1, BOOT_ID_SIZE - 1, file) : 0;

	out[len] = 0;
	out[strcspn(out, "\n")] = 0;
	if (file)
		fclose(file);
}
