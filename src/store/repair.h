/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "store/store.h"

/*
 * Makes a sound store of a damaged one that LMDB can still read to its end, and puts it in its place. Records that cannot be what
 * they should are left out, a node with all below it; what follows from others is made anew. The damaged file is kept as
 * "<path>.damaged", and what was wrong with it is listed in "<path>.set-aside". All is done by a child process; a death at any
 * instant leaves one of the two files in the place.
 *
 * options->before_repair is called right before the new file takes the place. 0: there is a sound store, which was told in the
 * log. REPAIR_IMPOSSIBLE: it cannot be repaired, nothing has changed. -errno.
 */
enum { REPAIR_IMPOSSIBLE = 1 };
int repair_file(const struct store_options *options);
