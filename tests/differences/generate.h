/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>

#include "support/random.h"

/*
 * A script of `n` steps by chance, after a beginning that introduces two guests and gives them something to meet in, and before a
 * look at all nodes; sometimes with low quotas.
 * There are few paths, tokens and clients, so that steps get into each other's way. The caller frees the text.
 */
char *generate_script(struct random *random, size_t n);
