/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

#include "differences/script.h"

/*
 * What is wrong with the arguments of a request, by the rules of docs/misc/xenstore.txt, written down here once more so that the
 * daemon's code is not judged by itself.
 */

/* The path is none, or is too long, or what must be the only argument is not there, not ended, or followed by something. */
bool arguments_have_bad_path(const struct script_step *step);

/* Of DIRECTORY_PART and operations on domains: a number is none, too large or has no end, or there are too many. */
bool arguments_have_bad_number(const struct script_step *step);

/* Of SET_PERMS: an entry for a number that no domain can have. */
bool arguments_name_bad_domain(const struct script_step *step);

enum { ARGUMENTS_PATH = 8192 };

/* The absolute form of the first argument, whether it is good or not. */
void arguments_path(const struct script_step *step, char out[ARGUMENTS_PATH]);

/* xenstore.txt's "<child>": the same path or one below. */
bool arguments_is_below(const char *path, const char *ancestor);
