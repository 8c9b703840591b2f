/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names of files: options first, then the environment's variables that C xenstored knows too, then the usual places. */
#include "places.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *from_environment(const char *variable, const char *otherwise)
{
	const char *text = getenv(variable);

	return text && *text ? text : otherwise;
}

static int put(char out[PLACE_SIZE], const char *first, const char *second)
{
	int len = snprintf(out, PLACE_SIZE, "%s%s", first, second);

	return len < 0 || len >= PLACE_SIZE ? -ENAMETOOLONG : 0;
}

int places_find(const struct options *options, struct places *out)
{
	const char *socket = from_environment("XENSTORED_PATH", NULL);
	int error = put(out->run_directory, from_environment("XENSTORED_RUNDIR", "/run/xenstored"), "");

	if (!error)
		error = put(out->store, options->store ? options->store : out->run_directory, options->store ? "" : "/store.mdb");
	if (!error)
		error = put(out->ledger, out->store, "-ledger");
	if (!error)
		error = put(out->socket, socket ? socket : out->run_directory, socket ? "" : "/socket");
	boot_id_read(out->boot_id);
	return error;
}
