/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "store/image.h"

/* A node whose parent belongs to another domain, or is not in the image, with those below it that hang together by their owner.
 */
struct owned_tree {
	uint16_t domid;
	uint32_t index; /* of the node in the image */
	uint64_t nodes; /* it and those below */
};

struct owners {
	struct owned_tree *trees; /* by domain, and then in the order of the image */
	size_t n;
};

/* -ENOMEM. `owners_deinit` in any case. */
int owners_of_image(const struct image *image, struct owners *out);
void owners_deinit(struct owners *owners);

/* Nodes of all trees of the domain that the tree at `first` begins; *next: the first tree of the next domain. */
uint64_t owners_nodes(const struct owners *owners, size_t first, size_t *next);
