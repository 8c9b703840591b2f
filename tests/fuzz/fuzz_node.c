/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any bytes as a node's record: what is decoded lies within them, one part behind the other. */
#include <string.h>

#include "base/buffer.h"
#include "fuzz/fuzz.h"
#include "store/node.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct caller caller = {.domid = 1, .target = DOMID_NONE};
	struct buffer text;
	struct node node;

	if (!node_decode(data, size, &node))
		return 0;
	const char *begin = (const char *)data, *end = begin + size;
	const char *permissions = (const char *)node.permissions;

	must(size >= sizeof(struct store_node) && node.n_permissions);
	must(permissions == begin + sizeof(struct store_node));
	must(node.path == permissions + node.n_permissions * sizeof(struct permission));
	must(node.value == node.path + node.path_len);
	must(node.value + node.value_len == end);
	permissions_for(node.permissions, node.n_permissions, &caller);
	buffer_init(&text);
	permissions_format(node.permissions, node.n_permissions, &text);
	buffer_add(&text, node.path, node.path_len);
	buffer_add(&text, node.value, node.value_len);
	must(!text.failed);
	buffer_deinit(&text);
	must(!node_decode(data, size - node.value_len - node.path_len - 1, &node));
	return 0;
}
