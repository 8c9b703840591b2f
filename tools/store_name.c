/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tools look for the store where the daemon puts it. */
#include "store_name.h"

#include <stdio.h>
#include <stdlib.h>

bool store_name(const char *given, char out[PATH_MAX])
{
	const char *directory = getenv("XENSTORED_RUNDIR");
	int len = given ? snprintf(out, PATH_MAX, "%s", given)
			: snprintf(out, PATH_MAX, "%s/store.mdb", directory && *directory ? directory : "/run/xenstored");

	return len > 0 && len < PATH_MAX;
}
