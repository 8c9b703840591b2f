/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <limits.h>
#include <stdbool.h>

/*
 * The store that a tool is for: `given` on its command line, or NULL: that of the daemon's run directory. False: it is no
 * file's name, and `out` has what would fit of it.
 */
bool store_name(const char *given, char out[PATH_MAX]);
